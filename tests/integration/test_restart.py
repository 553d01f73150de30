"""A page that is really killed and started again between an estimate and the reading that belongs to it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from boneage.data.flags import FlagStore
from boneage.groups import Sex
from boneage.phantom.hand import draw

ROOT = Path(__file__).parents[2]


@contextmanager
def page(home: Path, port: str = "0") -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run `python app.py` on the cascade that ships, in a home of its own."""
    command = [sys.executable, str(ROOT / "app.py"), "--port", port, "--model", "shipped"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "BONEAGE_HOME": str(home), "TMPDIR": str(home)}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True, cwd=home)
    assert process.stderr is not None
    try:
        yield next(found[1] for line in process.stderr if (found := re.search(r"open at (\S+)", line))), process
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def test_a_reading_finds_its_own_estimate_or_none_across_a_restart(tmp_path: Path) -> None:
    film, other = tmp_path / "film.png", tmp_path / "other.png"
    cv2.imwrite(str(film), draw(100, Sex.FEMALE, 22).image)
    cv2.imwrite(str(other), draw(150, Sex.FEMALE, 5).image)
    asked = {"sex": "female", "anyway": True, "api_name": "/predict"}
    flags = FlagStore(tmp_path / "flagged")
    with page(tmp_path) as (url, process):
        client = Client(url, verbose=False)
        before = client.predict(file=handle_file(str(film)), **asked)
        process.send_signal(signal.SIGKILL)
    with page(tmp_path, url.rstrip("/").rpartition(":")[2]) as (again, _):
        assert again == url
        for key in ({"key": before["key"]}, {}):
            with pytest.raises(AppError, match="estimate"):
                client.predict(reader_age_months=110, consent=True, api_name="/flag", **key)
        assert flags.records().empty
        client.predict(file=handle_file(str(other)), **asked)
        with pytest.raises(AppError, match="not known here"):
            client.predict(reader_age_months=110, consent=True, key=before["key"], api_name="/flag")
        # The same film, asked of the same version in the same way, has the same key after a restart, too.
        after = client.predict(file=handle_file(str(film)), **asked)
        assert (after["key"], after["bone_age_months"]) == (before["key"], before["bone_age_months"])
        asked = {"reader_age_months": 110, "consent": True, "key": before["key"], "text_seen": True}
        client.predict(**asked, api_name="/flag")
    row = flags.records().iloc[0]
    assert (row["key"], row["reader_age_months"], len(flags.records())) == (before["key"], 110, 1)
    assert row["estimated_age_months"] == pytest.approx(before["bone_age_months"], abs=0.01)

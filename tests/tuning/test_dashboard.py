"""Follow a search live, as docs/how-to/tuning.md says: a real optuna-dashboard reads the journal that we write."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.tuning.conftest import SPLIT, make_task
from tuning.study import journal_file, open_study, storage_for

PROGRAM = (
    os.environ.get("BONEAGE_OPTUNA_DASHBOARD")
    or shutil.which("optuna-dashboard")
    or shutil.which("optuna-dashboard", path=str(Path(sys.executable).parent))
)
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="optuna-dashboard is not installed (pip install it)")


def asked(url, process, log):
    """Return what the dashboard answers, once it is up."""
    for _ in range(240):
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(url, timeout=5) as reply:
                return json.load(reply)
        except (urllib.error.URLError, OSError):
            time.sleep(0.25)
    raise AssertionError(log.read_text())


def test_the_dashboard_shows_the_trials_of_a_running_search(home, tmp_path):
    folder, task = home("watched"), make_task()
    study = open_study(task.config, task.key, SPLIT, storage_for(task.config))
    study.tell(study.ask(), 9.5)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = tmp_path / "log"
    with log.open("wb") as out:
        command = [PROGRAM, "--port", str(port), str(journal_file().relative_to(folder))]
        process = subprocess.Popen(command, cwd=folder, stdout=out, stderr=out)
    try:
        place = f"http://127.0.0.1:{port}/api/studies"
        (shown,) = asked(place, process, log)["study_summaries"]
        assert shown["study_name"] == study.study_name and shown["directions"] == ["minimize"]
        study.ask()
        trials = asked(f"{place}/{shown['study_id']}", process, log)["trials"]
        assert [trial["state"] for trial in trials] == ["Complete", "Running"]
        assert trials[0]["values"] == [9.5]
    finally:
        process.terminate()
        process.wait(30)

"""The worked example of docs/how-to/hospital.md, line by line, with a stand-in for the cascade."""

from __future__ import annotations

import re
import shlex

import pydicom
import pytest

from boneage.cli import main
from boneage.hospital import example
from boneage.paths import project_root
from tests.hospital.films import cascade

for library in ("highdicom", "fhir.resources", "fpdf"):
    pytest.importorskip(library)


def test_the_lines_of_the_how_to_do_what_it_says(tmp_path, monkeypatch):
    text = (project_root() / "docs" / "how-to" / "hospital.md").read_text(encoding="utf-8")
    lines = [shlex.split(line) for line in re.findall(r"^\$ (.+)$", text, re.MULTILINE)]
    assert [line[0] for line in lines] == ["python", "boneage"]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("boneage.commands.predict.open_cascade", lambda uri: cascade())
    assert example.main(lines[0][3:]) == 0
    assert main(lines[1][1:]) == 0
    uid = pydicom.dcmread("film.dcm").SOPInstanceUID
    assert {path.name for path in (tmp_path / "results").iterdir()} == {
        f"{uid}.{ending}" for ending in ("sr.dcm", "sc.dcm", "fhir.json", "pdf")
    }
    age = float(re.search(r"Bone age ([0-9.]+) months", pydicom.dcmread(f"results/{uid}.sc.dcm").ImageComments)[1])
    assert 0 <= age <= 228

"""What the page tells the audit log and the daily counts: every film once, with the login, nothing of the patient."""

from __future__ import annotations

import json

import pytest
from page_fakes import FakeCatalogue, hand_pixels, text_in_the_corner, write_dicom, write_png

from boneage.commands.page import page_arguments
from boneage.data.flags import FlagStore, pixels_sha256
from boneage.data.images import read_radiograph
from boneage.errors import BoneageError
from boneage.hospital.audit_trail import VARIABLE, Trail
from boneage.ui.batch.estimate import Common, estimate_all, items_of
from boneage.ui.estimate.case import Refusal, Request, make_case, make_shown
from boneage.ui.flags.save import Reading, flag_case
from boneage.ui.service import ModelService
from boneage.ui.visit_log import VisitLog

URI = "models:/boneage-cascade@champion"


@pytest.fixture
def service(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path / "audit"))
    return ModelService(FakeCatalogue(), URI, log=VisitLog(tmp_path / "counts"))


def silent(share, words):
    pass


def test_answers_refusals_failures_and_saved_cases_are_logged_and_counted(service, tmp_path):
    film = write_dicom(tmp_path / "Muster.dcm", hand_pixels())
    asked = Request(str(film), film.name, "female", chronological_months=100.0, who="ana")
    case = make_case(service, asked, "en", silent)
    reading = Reading(90.0, "Muster", True, "ana")
    flag_case(FlagStore(tmp_path / "flagged"), case, reading, text_in_the_corner(hand_pixels()), "en")
    (tmp_path / "bad.png").write_bytes(b"no image")
    with pytest.raises(BoneageError):
        make_case(service, Request(str(tmp_path / "bad.png"), "bad.png", "male", who="rui"), "en", silent)
    service.catalogue.gate, service.catalogue.versions[URI] = True, "9"
    assert isinstance(make_shown(service, asked, "en", silent), Refusal)
    batch = items_of([str(write_png(tmp_path / "hand.png", hand_pixels()))], "en")
    assert "error" in next(iter(estimate_all(service, batch, {}, Common(URI, "male", "eva"), "en")))

    trail = Trail(tmp_path / "audit")
    assert trail.check().lines == 5
    said = [json.loads(line) for line in next(trail.folder.glob("audit-*.jsonl")).read_text().splitlines()]
    assert [(one["event"], one["who"]) for one in said] == [
        ("answered", "ana"), ("flagged", "ana"), ("failed", "rui"), ("refused", "ana"), ("refused", "eva"),
    ]  # fmt: skip
    first = said[0]
    assert first["film"] == pixels_sha256(read_radiograph(film).pixels) == said[1]["film"]
    assert said[1]["key"] == case.key
    assert (first["model"], first["version"], first["bone_age_months"]) == ("boneage-cascade", "3", 86.5)
    assert said[3]["kind"] == "no_mask" and "Muster" not in json.dumps(said)
    (day,) = (tmp_path / "counts").glob("*.json")
    counted = json.loads(day.read_text())
    assert counted["outcome"] == {"estimated": 1, "refused: no_mask": 2}
    assert counted["group"] == {"female 2": 1} and counted["difference"] == {"02: -24–-12": 1}


def test_what_cannot_be_logged_is_not_answered_and_what_cannot_be_counted_is(service, tmp_path, monkeypatch):
    film = write_png(tmp_path / "hand.png", hand_pixels())
    (tmp_path / "counts").write_text("a file where the folder should be")
    assert make_case(service, Request(str(film), film.name, "male"), "en", silent).estimate.bone_age_months == 86.75
    monkeypatch.setenv(VARIABLE, str(tmp_path / "counts" / "audit"))
    with pytest.raises(OSError):
        make_case(service, Request(str(film), film.name, "male"), "en", silent)


def test_both_entries_of_the_page_switch_the_log_on():
    import argparse

    parser = argparse.ArgumentParser()
    parser.add_argument("--audit", action="store_true")  # `boneage --audit page`
    page_arguments(parser.add_subparsers().add_parser("page"))
    asked = (["--audit", "page"], ["page", "--audit"], ["page"])
    assert [parser.parse_args(words).audit for words in asked] == [True, True, False]

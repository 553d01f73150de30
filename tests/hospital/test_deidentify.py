"""Burned-in text: names go, side markers and the hand stay, and nothing is changed before it was shown."""

from __future__ import annotations

import re
from dataclasses import replace

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from boneage.groups import Sex
from boneage.hospital.deidentify import clean
from boneage.hospital.report_pdf import report_pdf
from boneage.hospital.report_text import report_of
from boneage.hospital.result import Question, judge
from boneage.phantom.hand import draw
from boneage.phantom.options import PhantomOptions
from tests.hospital.films import cascade, film_bytes

pytest.importorskip("rapidocr")


@pytest.fixture(scope="module")
def plate():
    """A drawn hand with a name above it, the same name turned beside it, and a side marker."""
    phantom = draw(110, Sex.FEMALE, 2, PhantomOptions.plain(900))
    film = np.pad(phantom.image, ((160, 0), (140, 0)), constant_values=20)
    hand = np.pad(phantom.mask, ((160, 0), (140, 0)))
    sheet = Image.new("L", film.shape[::-1])
    pen = ImageDraw.Draw(sheet)
    pen.text((300, 30), "MUSTER ANNA\n01.05.2014", fill=255, font=ImageFont.load_default(34))
    turned = Image.new("L", (420, 60))
    ImageDraw.Draw(turned).text((6, 6), "Garcia Juan", fill=255, font=ImageFont.load_default(34))
    sheet.paste(turned.rotate(90, expand=True), (40, 300))
    names = np.asarray(sheet) > 100
    marker = Image.new("L", film.shape[::-1])
    ImageDraw.Draw(marker).text((760, 60), "L", fill=255, font=ImageFont.load_default(80))
    letter = np.asarray(marker) > 100
    return np.where(names | letter, 240, film).astype(np.uint8), hand, names, letter


@pytest.fixture(scope="module")
def cleaned(plate):
    return clean(plate[0], plate[1])


def test_names_go_and_marker_and_hand_stay(plate, cleaned):
    film, hand, names, letter = plate
    assert (cleaned.film[names] == 0).mean() > 0.97
    assert not (cleaned.removed & letter).any() and not (cleaned.removed & hand).any()
    assert np.array_equal(cleaned.film[~cleaned.removed], film[~cleaned.removed])
    assert cleaned.over_the_hand == 0


def test_text_over_the_hand_is_said(plate, cleaned, monkeypatch):
    monkeypatch.setattr("boneage.hospital.deidentify.find_text", lambda film: cleaned.found)
    assert clean(plate[0], np.ones_like(plate[1])).over_the_hand == len(cleaned.found)
    side = tuple(replace(one, is_side_marker=True) for one in cleaned.found)
    monkeypatch.setattr("boneage.hospital.deidentify.find_text", lambda film: side)
    assert not clean(plate[0], plate[1]).removed.any()


def test_the_command_shows_before_it_writes(plate, cleaned, monkeypatch, tmp_path, capsys):
    from boneage.cli import main

    path = tmp_path / "muster_anna.png"
    path.write_bytes(cv2.imencode(".png", plate[0])[1].tobytes())
    monkeypatch.setattr("boneage.preprocess.background.mask_session", lambda name: lambda _: plate[1] * np.uint8(255))
    monkeypatch.setattr("boneage.hospital.deidentify.clean", lambda film, hand: cleaned)
    out = tmp_path / "out"
    assert main(["deidentify", str(path), "--out", str(out)]) == 0
    (preview,) = out.iterdir()
    assert preview.name.endswith(".preview.png") and "nothing was changed" in capsys.readouterr().out
    assert main(["deidentify", str(path), "--out", str(out), "--apply"]) == 0
    assert len(list(out.iterdir())) == 2 and not list(out.glob("*muster*"))


def pictures(pdf):
    """Return the pictures of a PDF, uint8 (h, w) each."""
    found = re.findall(rb"stream\n(\xff\xd8\xff.*?)\nendstream", pdf, re.DOTALL)
    return [cv2.imdecode(np.frombuffer(one, np.uint8), cv2.IMREAD_GRAYSCALE) for one in found]


def test_a_report_shows_no_name_and_says_so(plate, cleaned, monkeypatch):
    film, _, names, letter = plate
    result = judge(cascade(), film_bytes(131), Question())
    result = replace(result, film=replace(result.film, pixels=film), mask=None)
    seen = {}

    def noted(*given):
        seen[case] = given[3].notes
        return report_of(*given)

    for case, found in (("gone", cleaned), ("reached", replace(cleaned, over_the_hand=1)), ("not there", None)):
        monkeypatch.setattr("boneage.hospital.report_film.look", lambda film, found=found: found)
        monkeypatch.setattr("boneage.hospital.report_pdf.report_of", noted)
        shown = pictures(report_pdf(result, "en"))[0]
        where = cv2.resize(names.astype(np.uint8), shown.shape[::-1], interpolation=cv2.INTER_AREA) > 0
        bright = float(shown[where].mean())
        assert bright > 150 if case == "not there" else bright < 20
        assert shown[cv2.resize(letter.astype(np.uint8), shown.shape[::-1]) > 0].mean() > 180
    assert seen["gone"] == (f"Text on the film was blacked out in this report (pieces: {cleaned.texts})",)
    assert "reaches over the hand" in seen["reached"][1] and "not installed" in seen["not there"][0]

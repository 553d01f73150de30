"""The page's results for hospitals: of the film that is shown, in the visitor's language, and of no other film."""

from __future__ import annotations

import json
import re
import zipfile
from base64 import b64decode
from dataclasses import replace
from html import escape
from io import BytesIO

import cv2
import numpy as np
import pydicom
import pytest
from page_fakes import FakeCatalogue

from boneage.groups import Sex
from boneage.ui.errors import PageError
from boneage.ui.estimate.adult_height import read_heights
from boneage.ui.estimate.case import make_case, read_request
from boneage.ui.estimate.hands import hands_html
from boneage.ui.estimate.hospital import dicom_of, extras_of, fhir_of, pdf_of, result_of
from boneage.ui.estimate.report import report_html
from boneage.ui.service import Answer, ModelService

pytest.importorskip("highdicom")

from boneage.hospital.deidentify import Cleaned, Text
from boneage.hospital.dicom_out import encoded
from boneage.hospital.example import example_film
from boneage.hospital.report_pdf import report_pdf
from boneage.hospital.report_text import report_of

pytestmark = pytest.mark.usefixtures("no_text")


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    path = tmp_path_factory.mktemp("films") / "film.dcm"
    path.write_bytes(encoded(example_film(90, Sex.FEMALE)))
    return path


@pytest.fixture(scope="module")
def case(film):
    service = ModelService(FakeCatalogue(), "models:/boneage-cascade@champion")
    asked = read_request(str(film), "female", None, 90.0, "en")
    asked = replace(asked, **read_heights(125.0, 178.0, 165.0, 90.0, "en"))
    return make_case(service, asked, "en", lambda share, words: None)


def test_the_archive_holds_both_objects_of_the_shown_film(case, film):
    name, content = dicom_of(case, str(film), "en")
    archive = zipfile.ZipFile(BytesIO(content))
    report, picture = (pydicom.dcmread(BytesIO(archive.read(one))) for one in archive.namelist())
    assert name.endswith(".zip") and report.Modality == "SR" and picture.Modality == "OT"
    assert report.StudyInstanceUID == picture.StudyInstanceUID == pydicom.dcmread(film).StudyInstanceUID
    assert f"{case.estimate.bone_age_months:.1f} months" in picture.ImageComments


@pytest.mark.parametrize(("language", "words"), [("en", "choose it again"), ("pt", "escolha-o"), ("es", "elíjala")])
def test_another_film_or_no_dicom_file_gets_a_sentence(case, film, tmp_path, language, words):
    other = tmp_path / "other.dcm"
    other.write_bytes(encoded(example_film(120, Sex.FEMALE)))
    (tmp_path / "hand.png").write_bytes(b"\x89PNG")
    for file in (str(other), str(tmp_path / "hand.png"), None):
        with pytest.raises(PageError, match=words):
            dicom_of(case, file, language)


def test_the_pdf_needs_nothing_but_the_case(case):
    name, content = pdf_of(case, None, "es")
    assert name == "boneage-report.pdf" and content[:5] == b"%PDF-"


@pytest.mark.parametrize("language", ["en", "pt", "es"])
def test_the_pdf_says_what_the_html_report_says(case, language):
    other = replace(case, estimate=replace(case.estimate, bone_age_months=99.0))
    both = replace(case, beside=other, answers=(Answer("cascade", "boneage-cascade", "3", ("champion",)),))
    html, extras = report_html(both, language), extras_of(both, language)
    report = report_of(result_of(both, language), language, extras=extras)
    said = [extras.routing, *extras.rival[:2], *report.experts.lines, *report.height.lines, *report.centres.lines]
    for words in said:
        for part in words.split(": ", 1):
            assert escape(part) in html or escape(part.split(" (")[0]) in html, part
    data = report_pdf(result_of(both, language), language, extras=extras)
    # The film, the prepared image and three drawn hands, on one page.
    assert data.count(b"/Subtype /Image") == 5 and len(re.findall(rb"/Type /Page\b", data)) == 1


def test_fhir_has_height_and_study_of_a_dicom_film_and_neither_study_nor_patient_of_another(case, film):
    name, content = fhir_of(case, str(film), "en")
    said = json.loads(content)
    assert name.endswith(".json") and said["derivedFrom"] and said["subject"]
    parts = {one["code"].get("text"): one for one in said["component"]}
    assert parts["Predicted adult height (Bayley-Pinneau)"]["valueQuantity"]["value"] == round(case.height.adult_cm, 1)
    assert "derivedFrom" not in json.loads(fhir_of(case, None, "en")[1])


@pytest.mark.parametrize(
    ("language", "height", "hand", "age"),
    [
        ("en", "Target height of the parents: 165 cm", "drawn at the estimate, 7 years 2 months", "chronological age"),
        ("pt", "Altura-alvo dos pais: 165 cm", "desenhada", "idade cronológica"),
        ("es", "Talla diana de los padres: 165 cm", "dibujada", "edad cronológica"),
    ],
)
def test_report_and_card_show_adult_height_and_drawn_hands(case, language, height, hand, age):
    report = report_html(case, language)
    assert height in report and hand in report and f"{case.height.adult_cm:.1f}".split(".")[0] in report
    # The film beside three drawn hands, from the youngest to the oldest.
    assert hands_html(case, language).count("<figure") == 4
    with pytest.raises(PageError, match=age):
        read_heights(125.0, None, None, None, language)
    with pytest.raises(PageError):
        read_heights(125.0, 180.0, None, 90.0, language)
    assert read_heights(None, None, None, None, language) == {}


@pytest.mark.parametrize(
    ("language", "words"), [("en", "was blacked out"), ("pt", "coberto de preto"), ("es", "se tapó")]
)
def test_no_picture_of_a_report_shows_text_of_the_film(case, language, words, monkeypatch):
    def look(film):
        removed = np.zeros(film.shape, bool)
        removed[: len(film) // 3] = True
        return Cleaned(
            np.where(removed, 0, film).astype(np.uint8), (Text(np.zeros((4, 2)), "MUSTER", False),), removed, 0
        )

    monkeypatch.setattr("boneage.hospital.report_film.look", look)
    report, extras = report_html(replace(case, hand=b"", border=None), language), extras_of(case, language)
    sources = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', report)
    # The film with its outline, the prepared image, the film again beside three drawn hands.
    assert len(sources) == 6 and words in report
    film, prepared, again = (decoded(sources[at]) for at in (0, 1, 2))
    assert np.array_equal(film, again) and film[: len(film) // 3 - 8].max() < 12 and film.max() > 150
    for picture in (prepared, extras.pictures[0][1]):
        assert picture[: len(picture) // 3 - 8].max() < 12 and picture.max() > 100


def decoded(source):
    return cv2.imdecode(np.frombuffer(b64decode(source), np.uint8), cv2.IMREAD_GRAYSCALE)

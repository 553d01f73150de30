"""The page's results for hospitals: of the film that is shown, in the visitor's language, and of no other film."""

from __future__ import annotations

import zipfile
from io import BytesIO

import pydicom
import pytest
from page_fakes import FakeCatalogue

from boneage.groups import Sex
from boneage.ui.errors import PageError
from boneage.ui.estimate.case import make_case, read_request
from boneage.ui.estimate.hospital import dicom_of, pdf_of
from boneage.ui.service import ModelService

pytest.importorskip("highdicom")

from boneage.hospital.dicom_out import encoded
from boneage.hospital.example import example_film


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    path = tmp_path_factory.mktemp("films") / "film.dcm"
    path.write_bytes(encoded(example_film(90, Sex.FEMALE)))
    return path


@pytest.fixture(scope="module")
def case(film):
    service = ModelService(FakeCatalogue(), "models:/boneage-cascade@champion")
    return make_case(service, read_request(str(film), "female", None, 90.0, "en"), "en", lambda share, words: None)


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

"""A result as DICOM and FHIR: written, read back, compared with what was said, and held against outside validators."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
import pytest

from boneage.cascade.estimate import RESEARCH_NOTICE
from boneage.clinical.adult_height import adult_height
from boneage.clinical.sd_tables import open_table
from boneage.gate.gate import RefusedError, Verdict
from boneage.groups import Sex
from boneage.hospital.dicom_out import write_dicom
from boneage.hospital.fhir import observation, write_fhir
from boneage.hospital.result import HospitalError, Question, hand_on_film, judge
from boneage.hospital.secondary_capture import annotated
from boneage.notices import note
from boneage.preprocess.field import Field, straighten
from boneage.preprocess.preparer import Prepared
from tests.hospital.films import CR, cascade, film_bytes

hd = pytest.importorskip("highdicom")
pytest.importorskip("fhir.resources")
REASON = "part of the hand is cut off or hidden: fingers, palm and wrist are all needed (98 % sure)"
SAID = REASON[0].upper() + REASON[1:]


def refusing(film, sex, **_):
    raise RefusedError(Verdict(film.pixels, (REASON,), (), "cut_off", 0.02))


@pytest.fixture(scope="module")
def result():
    made = judge(cascade(), film_bytes(150), Question(table=open_table("greulich-pyle")))
    estimate = made.estimate.__class__(
        **{
            **made.estimate.__dict__,
            "low_months": 138.5,
            "high_months": 161.25,
            "warnings": ("the film is noisy", "Å", note("gate.mirrored")),
        }
    )
    return made.__class__(**{**made.__dict__, "estimate": estimate})


@pytest.fixture(scope="module")
def refusal():
    one = cascade()
    one.examine = refusing
    return judge(one, film_bytes(150, ImageLaterality="R"), Question())


@pytest.fixture(scope="module")
def written(result, tmp_path_factory):
    return write_dicom(result, tmp_path_factory.mktemp("dicom"))


def measured(path: Path) -> dict[str, tuple[float, str]]:
    report = hd.sr.srread(path)
    (group,) = report.content.get_image_measurement_groups()
    return {one.name.meaning: (one.value, one.unit.value) for one in group.get_measurements()}


def sentences(path: Path) -> str:
    return json.dumps(pydicom.dcmread(path).to_json_dict(), ensure_ascii=False)


def test_the_report_says_what_was_estimated(result, written):
    said = measured(written[0])
    assert said["Bones X-ray bone age"] == (150.0, "mo") and said["Subject Age"] == (120.0, "mo")
    assert said["Lower bound of the prediction interval"] == (138.5, "mo")
    assert said["Upper bound of the prediction interval"] == (161.25, "mo")
    assert said["Bone age minus chronological age"] == (30.0, "mo")
    assert said["z-score of the bone age"] == (round(result.comparison.z_score, 2), "1")
    words = sentences(written[0])
    assert all(one in words for one in (RESEARCH_NOTICE, "The film is noisy", "Å", "Greulich-Pyle V/VI", "fake", '"7"'))
    report = pydicom.dcmread(written[0])
    assert (report.VerificationFlag, report.PreliminaryFlag) == ("UNVERIFIED", "PRELIMINARY")


@pytest.mark.parametrize("which", [0, 1])
def test_both_objects_stand_in_the_films_study_with_identifiers_of_their_own(result, written, which):
    film, made = pydicom.dcmread(BytesIO(film_bytes(150))), pydicom.dcmread(written[which])
    for name in ("StudyInstanceUID", "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "AccessionNumber"):
        assert made[name].value == film[name].value, name
    assert made.SeriesInstanceUID != film.SeriesInstanceUID and made.SOPInstanceUID != film.SOPInstanceUID
    assert film.SOPInstanceUID in sentences(written[which])


def test_the_annotated_copy_shows_the_film_and_names_nobody_new(result, written):
    made = pydicom.dcmread(written[1])
    assert (made.ImageLaterality if "ImageLaterality" in made else made.Laterality) == "L"
    assert made.BurnedInAnnotation == "YES" and made.ConversionType == "WSD" and made.ImageType[0] == "DERIVED"
    assert "150 months" in made.ImageComments and RESEARCH_NOTICE in made.ImageComments
    pixels = made.pixel_array
    assert np.array_equal(pixels, annotated(result))
    left = (pixels.shape[1] - 96) // 2
    assert np.array_equal(pixels[:96, left : left + 96, 0], result.film.pixels)
    assert pixels[96:].max() == 255  # the panel is written below the film, not on it


def test_a_film_that_is_known_to_be_clean_stays_so():
    made = judge(cascade(), film_bytes(BurnedInAnnotation="NO"), Question())
    from boneage.hospital.secondary_capture import secondary_capture

    assert secondary_capture(made).BurnedInAnnotation == "NO"


def test_a_refusal_is_a_result_without_a_number(refusal, tmp_path):
    report, picture = write_dicom(refusal, tmp_path)
    assert set(measured(report)) == {"Subject Age"}
    assert SAID in sentences(report) and "No estimate is given" in sentences(report)
    assert "7771000" not in sentences(report) and "24028007" in sentences(report)  # the right hand, as the file says
    assert SAID in pydicom.dcmread(picture).ImageComments
    said = observation(refusal)
    assert "valueQuantity" not in said and said["dataAbsentReason"]["text"] == SAID


def test_the_same_result_has_the_same_identifier_and_another_one_another(result, refusal, written, tmp_path):
    again = write_dicom(result, tmp_path)
    for one, other in zip(written, again, strict=True):
        assert pydicom.dcmread(one).SOPInstanceUID == pydicom.dcmread(other).SOPInstanceUID
    made = write_dicom(refusal, tmp_path)
    assert pydicom.dcmread(made[0]).SOPInstanceUID != pydicom.dcmread(written[0]).SOPInstanceUID


@pytest.mark.parametrize(
    ("charset", "name"), [("ISO_IR 100", "Müller^Jörg"), ("ISO_IR 126", "Διονυσιος"), (None, "Doe^J")]
)
def test_names_survive_in_every_character_set(charset, name, tmp_path):
    made = judge(cascade(), film_bytes(SpecificCharacterSet=charset, PatientName=name), Question())
    for path in write_dicom(made, tmp_path):
        assert pydicom.dcmread(path).PatientName == name


def test_outside_validators_find_no_error(result, written, refusal, tmp_path):
    judge_of_dicom = shutil.which("dciodvfy", path=str(Path(sys.executable).parent))
    if judge_of_dicom is None:
        pytest.skip("dicom3tools is not installed")
    grown = adult_height(result.estimate, 120, 138.0, 0.9, (178, 165))
    spanish = replace(result, language="es", height=grown)
    for path in (*written, *write_dicom(refusal, tmp_path), *write_dicom(spanish, tmp_path, "es")):
        done = subprocess.run([judge_of_dicom, str(path)], capture_output=True, text=True, timeout=30)
        assert "Error" not in done.stdout + done.stderr and done.returncode == 0, done.stderr


def test_fhir_says_the_same(result, tmp_path):
    said = json.loads(write_fhir(result, tmp_path).read_text(encoding="utf-8"))
    assert said["code"]["coding"][0]["code"] == "37362-1" and said["status"] == "preliminary"
    assert said["valueQuantity"] == {
        "value": 150.0,
        "unit": "months",
        "system": "http://unitsofmeasure.org",
        "code": "mo",
    }
    assert said["component"][0]["valueRange"]["high"]["value"] == 161.25
    device, study = said["contained"]
    assert device["modelNumber"] == "7" and said["device"] == {"reference": "#device"}
    film = pydicom.dcmread(BytesIO(film_bytes(150)))
    assert study["identifier"][0]["value"] == f"urn:oid:{film.StudyInstanceUID}"
    assert study["series"][0]["instance"][0]["uid"] == film.SOPInstanceUID
    assert said["derivedFrom"] == [{"reference": "#study"}] and said["subject"]["identifier"]["value"] == "4711"
    assert RESEARCH_NOTICE in [note["text"] for note in said["note"]] and "Å" in [n["text"] for n in said["note"]]


def test_a_picture_that_is_no_dicom_has_an_observation_and_no_dicom_object(tmp_path):
    import cv2

    png = bytes(cv2.imencode(".png", np.arange(96 * 96, dtype=np.uint8).reshape(96, 96))[1])
    made = judge(cascade(), png, Question(sex=Sex.MALE))
    assert "derivedFrom" not in observation(made) and "subject" not in observation(made)
    with pytest.raises(HospitalError, match="give a DICOM file"):
        write_dicom(made, tmp_path)


@pytest.mark.parametrize(
    ("language", "mirrored", "height", "comment"),
    [
        ("pt", "O filme parece mostrar uma mão direita", "Altura-alvo dos pais: 165 cm", "Idade óssea 150 meses"),
        ("es", "La placa parece mostrar una mano derecha", "Talla diana de los padres: 165 cm", "Edad ósea 150 meses"),
    ],
)
def test_sentences_are_in_the_language_that_was_chosen(result, tmp_path, language, mirrored, height, comment):
    grown = adult_height(result.estimate, 120, 138.0, 0.9, (178, 165))
    chosen = replace(result, language=language, height=grown)
    report, picture = write_dicom(chosen, tmp_path)
    words = sentences(report)
    assert mirrored in words and height in words and f'"{language}"' in words and RESEARCH_NOTICE not in words
    assert pydicom.dcmread(picture).ImageComments.startswith(comment)
    assert pydicom.dcmread(report).SOPInstanceUID != pydicom.dcmread(write_dicom(result, tmp_path)[0]).SOPInstanceUID
    notes = " ".join(one["text"] for one in observation(chosen)["note"])
    assert mirrored in notes and height in notes
    parts = {one["code"].get("text"): one for one in observation(chosen)["component"]}
    low = parts["Predicted adult height (Bayley-Pinneau), 90% interval"]["valueRange"]["low"]["value"]
    assert low == round(grown.low_cm, 1) and parts["Target height of the parents"]["valueQuantity"]["value"] == 165.0


def test_poor_headers_do_not_stop_a_result(tmp_path):
    poor = film_bytes(99, StudyDate=None, PatientName=None, AccessionNumber=None, StudyID=None, StudyTime=None,
                      ReferringPhysicianName=None, PatientBirthDate=None, AcquisitionDate=None)  # fmt: skip
    made = judge(cascade(), poor, Question())
    assert measured(write_dicom(made, tmp_path)[0])["Bones X-ray bone age"][0] == pytest.approx(99, abs=0.1)
    assert observation(made)["valueQuantity"]["value"] == pytest.approx(99, abs=0.1)
    with pytest.raises(HospitalError, match="StudyInstanceUID"):
        judge(cascade(), film_bytes(99, StudyInstanceUID=None), Question())


def test_predict_writes_both_and_leaves_the_film_alone(monkeypatch, tmp_path, capsys):
    from boneage.cli import main

    monkeypatch.setattr("boneage.commands.predict.open_cascade", lambda uri: cascade())
    film = tmp_path / "film.dcm"
    film.write_bytes(film_bytes(150))
    before = hashlib.sha256(film.read_bytes()).hexdigest()
    folders = ["--dicom-out", str(tmp_path / "dicom"), "--fhir-out", str(tmp_path / "fhir")]
    assert main(["predict", str(film), "--format", "json", *folders]) == 0
    plain = json.loads(capsys.readouterr().out)
    assert main(["predict", str(film), "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == plain
    assert len(list((tmp_path / "dicom").iterdir())) == 2 and len(list((tmp_path / "fhir").iterdir())) == 1
    assert hashlib.sha256(film.read_bytes()).hexdigest() == before
    assert pydicom.dcmread(next((tmp_path / "dicom").glob("*.sc.dcm"))).SOPClassUID != CR


def test_the_outline_lies_on_the_film_as_it_was_taken():
    field = Field(np.array([[20, 10], [80, 10], [80, 90], [20, 90]], np.float32), 0.0)
    film = np.arange(96 * 96, dtype=np.uint32).reshape(96, 96).astype(np.uint8)
    part, hand = straighten(film, field), np.zeros((80, 60), bool)
    hand[30:50, 5:15] = True
    whole = Prepared(film, hand, (0, 80, 0, 60), film=part, field=field)
    expected = np.zeros((96, 96), bool)
    expected[40:60, 25:35] = True
    assert np.array_equal(hand_on_film(film, whole), expected)
    mirrored = replace(whole, mask=hand[:, ::-1], film=part[:, ::-1])
    assert np.array_equal(hand_on_film(film, mirrored), expected)
    assert hand_on_film(film, replace(whole, film=part[::-1])) is None  # turned: no outline rather than a wrong one

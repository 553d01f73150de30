"""Turn the estimate that is shown into files for a hospital: a PDF report, DICOM objects in one archive, or FHIR."""

from __future__ import annotations

import json
import zipfile
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from boneage.data.archives import read_bytes
from boneage.data.dicom import is_dicom
from boneage.data.flags import pixels_sha256
from boneage.data.images import read_radiograph
from boneage.data.radiograph import Radiograph
from boneage.groups import Sex
from boneage.hospital.report_extras import Extras
from boneage.hospital.report_film import without_text
from boneage.hospital.result import Result, read_header
from boneage.languages.texts import age_in_words, number, text
from boneage.notices import say
from boneage.ui.errors import PageError
from boneage.ui.estimate.case import Case
from boneage.ui.estimate.pictures import HEAT, decode_picture, decode_png
from boneage.ui.estimate.result_card import all_warnings, interval_words, routing_words
from boneage.ui.service import Answer

if TYPE_CHECKING:
    from pydicom import Dataset


def pdf_of(case: Case, _file: str | None, language: str) -> tuple[str, bytes]:
    """Return name and content of the report of one page."""
    from boneage.hospital.report_pdf import report_pdf

    return "boneage-report.pdf", report_pdf(
        result_of(case, language), language, made=case.made, extras=extras_of(case, language)
    )


def extras_of(case: Case, language: str) -> Extras:
    """Return what the report on the page says beyond the number, for the PDF."""
    other = case.beside
    rival: tuple[str, ...] = ()
    if other is not None:
        months = text("in_months", language, months=number(other.estimate.bone_age_months, language))
        rival = (f"{age_in_words(other.estimate.bone_age_months, language)} ({months})",
                 interval_words(other, language), _model(other, language))  # fmt: skip
    return Extras(
        routing=routing_words(case, language),
        pictures=tuple((text(key, language), pixels) for key, pixels in prepared_pictures(case)),
        believed="" if case.faithfulness is None else f"{say(case.faithfulness.sentence(), language)}.",
        rival=rival,
        answered=tuple(_answer(one, language) for one in (*case.answers, *(other.answers if other else ()))),
        notes=tuple(all_warnings(case, language)),
    )


def prepared_pictures(case: Case) -> list[tuple[str, np.ndarray]]:
    """Return the prepared image and, once it is made, the heat map over it, without burned-in text.

    Returns:
        The keys of their captions, and pixels uint8 (h, w, 3) RGB.
    """
    shown = [one for one in case.pictures if one.key in ("step_prepared", HEAT)]
    pixels = without_text(tuple(decode_picture(one) for one in shown))
    return [(one.key, picture) for one, picture in zip(shown, pixels, strict=True)]


def _model(case: Case, language: str) -> str:
    estimate = case.estimate
    return text("answered_by", language, model=estimate.model or "–", version=estimate.version or "–")


def _answer(one: Answer, language: str) -> str:
    said = text("answered_by", language, model=one.model or "–", version=one.version or "–")
    return f"{text(f'role_{one.role}', language)}: {' '.join((said, *one.aliases))}"


def dicom_of(case: Case, file: str | None, language: str) -> tuple[str, bytes]:
    """Return name and content of an archive with the Structured Report and the Secondary Capture.

    Args:
        case: the estimate that is shown.
        file: the upload; what it says of study and patient is read now and not kept.
        language: of the errors.

    Raises:
        PageError: when the upload is no DICOM file, or another film than the one that is shown.
    """
    from boneage.hospital.dicom_out import dicom_objects, encoded

    film, header = _dicom(case, file)
    if film is None:
        raise PageError(text("report_dicom_needed", language))
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        objects = dicom_objects(result_of(case, language, film, header))
        for name, made in zip(("report.dcm", "picture.dcm"), objects, strict=True):
            archive.writestr(name, encoded(made))
    return "boneage-dicom.zip", buffer.getvalue()


def fhir_of(case: Case, file: str | None, language: str) -> tuple[str, bytes]:
    """Return name and content of the FHIR Observation; of a DICOM upload it names study and patient, else neither."""
    from boneage.hospital.fhir import observation

    said = observation(result_of(case, language, *_dicom(case, file)))
    return "boneage-fhir.json", json.dumps(said, ensure_ascii=False, indent=2).encode()


def _dicom(case: Case, file: str | None) -> tuple[Radiograph | None, Dataset | None]:
    """Read film and header of the upload again; neither where it is no DICOM file or another film than the case's."""
    data = read_bytes(file) if file and Path(file).is_file() else b""
    if not is_dicom(data):
        return None, None
    film = read_radiograph(data, name=Path(file or "").name)
    if pixels_sha256(film.pixels) != pixels_sha256(decode_png(case.png)):
        return None, None
    return film, read_header(data)


def result_of(case: Case, language: str, film: Radiograph | None = None, header: Dataset | None = None) -> Result:
    """Return a case as a result.

    Args:
        case: the estimate that is shown.
        language: of the sentences in DICOM and FHIR.
        film: as it was read, where more than its pixels is known.
        header: of the DICOM file.
    """
    return Result(
        film=film or Radiograph(decode_png(case.png)),
        sex=Sex.parse(case.estimate.sex),
        estimate=case.estimate,
        refusal=(),
        refusal_kind="",
        message="",
        model=case.estimate.model,
        version=case.estimate.version,
        coverage=case.coverage,
        chronological_months=case.chronological_months,
        comparison=case.comparison,
        height=case.height,
        mask=decode_png(case.hand) > 0 if case.hand else None,
        field=case.border,
        header=header,
        reasons=case.reasons,
        language=language,
    )

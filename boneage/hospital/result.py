"""Estimate one film for a hospital's systems: the answer or the refusal, with all that a result object states."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from boneage.cascade.estimate import Estimate
from boneage.clinical.adult_height import AdultHeight, adult_height
from boneage.clinical.comparison import Comparison, compare
from boneage.clinical.sd_tables import SdTable
from boneage.data.archives import read_bytes, split_frame
from boneage.data.dicom import is_dicom
from boneage.data.images import read_radiograph
from boneage.data.radiograph import Radiograph
from boneage.errors import BoneageError
from boneage.explain.reasons import Reasons, reasons_of
from boneage.gate.gate import RefusedError
from boneage.groups import Sex
from boneage.languages.texts import DEFAULT_LANGUAGE
from boneage.notices import OTHER_CODE, code_of
from boneage.preprocess.field import Field, straighten

if TYPE_CHECKING:
    from pydicom import Dataset

    from boneage.cascade.cascade import Cascade
    from boneage.preprocess.preparer import Prepared

UNREADABLE = "unreadable"


class HospitalError(BoneageError):
    """A result that cannot be made or handed on; the message says what was wanted, what came and what to do."""


@dataclass(frozen=True)
class Question:
    """What is asked of a film.

    Attributes:
        sex: the patient's sex; None takes it from the DICOM file.
        age_range: one of the four range labels, or None to let the classifier choose.
        chronological_months: age at acquisition; None takes it from the DICOM file where it says so.
        table: what the chronological age is compared with, or None for no z-score.
        anyway: estimate what the gate refuses, too.
        height_cm: at the time of the film, for adult height, which needs the chronological age, too.
        parents_cm: the father's and the mother's height.
        hand: `left` or `right`, or None for what the DICOM file says or the film shows.
        language: of the sentences in DICOM objects, a key of `LANGUAGES`.
    """

    sex: Sex | None = None
    age_range: str | None = None
    chronological_months: float | None = None
    table: SdTable | None = None
    anyway: bool = False
    height_cm: float | None = None
    parents_cm: tuple[float, float] | None = None
    hand: str | None = None
    language: str = DEFAULT_LANGUAGE


@dataclass(frozen=True)
class Result:
    """An estimate or a refusal with its film.

    Attributes:
        film: the film as it was read.
        sex: the sex that was estimated with.
        estimate: the answer, or None where it was withheld.
        refusal: why it was withheld, in sentences; empty where there is an estimate.
        refusal_kind: the gate's word for it, such as `cut_off`; empty where there is an estimate.
        message: the refusal in one sentence, as commands say it.
        model: name of the cascade.
        version: its version, empty where it is not registered.
        coverage: nominal coverage of the interval, 0-1.
        chronological_months: age at acquisition, None where nobody says it.
        comparison: what the table makes of it, None without a table.
        height: the predicted adult height, None where height or age is not known.
        mask: bool (H, W), the hand on the film, None where none was found.
        field: the exposed field on the film, None where it has no border.
        header: the DICOM file without its pixels, None for other files.
        noise: of the prepared film in grey levels, None where the model does not measure it.
        reasons: what each expert said and the most similar training cases; None for a refusal.
        language: of the sentences in DICOM objects.
    """

    film: Radiograph
    sex: Sex
    estimate: Estimate | None
    refusal: tuple[str, ...]
    refusal_kind: str
    message: str
    model: str
    version: str
    coverage: float
    chronological_months: float | None
    comparison: Comparison | None
    height: AdultHeight | None
    mask: NDArray[np.bool_] | None = dataclasses.field(repr=False)
    field: Field | None = None
    header: Dataset | None = dataclasses.field(default=None, repr=False)
    noise: float | None = None
    reasons: Reasons | None = dataclasses.field(default=None, repr=False)
    language: str = DEFAULT_LANGUAGE

    @property
    def warnings(self) -> tuple[str, ...]:
        """Return what the reader of the result should know."""
        return self.estimate.warnings if self.estimate else ()

    def to_json(self) -> dict[str, Any]:
        """Return the record of `boneage predict --format json`, or the refusal, without the file's name."""
        if self.estimate is None:
            code = code_of(self.refusal[0]) if self.refusal else OTHER_CODE
            return {"error": self.message, "error_code": code, "model": self.model, "version": self.version}
        compared = self.comparison.to_json() if self.comparison else {}
        if self.chronological_months is not None:
            compared = self.estimate.difference(self.chronological_months) | compared
        heights = self.height.to_json() if self.height else {}
        return {**self.estimate.to_json(), **compared, **heights}


def judge(cascade: Cascade, source: str | bytes, question: Question, name: str = "") -> Result:
    """Read and estimate one film; a refusal by the gate is a result, too.

    Args:
        cascade: what estimates.
        source: the file's path (`archive.zip!member`, too) or its bytes.
        question: what is asked.
        name: what messages call the film; its path by default.

    Raises:
        BoneageError: when the film cannot be read, or nobody says the patient's sex.
    """
    name = name or (source if isinstance(source, str) else "the film")
    data = read_bytes(source) if isinstance(source, str) else source
    frame = split_frame(source)[1] if isinstance(source, str) else None
    film = read_radiograph(data, name=name, frame=frame).of_hand(question.hand)
    sex = question.sex or film.sex
    if sex is None:
        raise HospitalError.of("file.no_sex", name=name)
    header = read_header(data) if is_dicom(data) else None
    return _judged(cascade, film, sex, question, header)


def _judged(cascade: Cascade, film: Radiograph, sex: Sex, question: Question, header: Dataset | None) -> Result:
    given = question.chronological_months
    common: dict[str, Any] = {
        "film": film,
        "sex": sex,
        "model": cascade.model,
        "version": cascade.version,
        "coverage": cascade.config.cascade.coverage,
        "chronological_months": film.age_months if given is None else given,
        "header": header,
        "language": question.language,
    }
    try:
        prepared = cascade.examine(film, sex, anyway=question.anyway, chronological_months=given)
    except RefusedError as refused:
        verdict = refused.verdict
        return Result(
            estimate=None,
            refusal=(*verdict.reasons, *verdict.notes),
            refusal_kind=verdict.kind,
            message=str(refused),
            comparison=None,
            height=None,
            mask=None,
            **common,
        )
    features = cascade.features(prepared)
    estimate = cascade.estimate_prepared(prepared, sex, question.age_range, features)
    age, table, coverage = common["chronological_months"], question.table, common["coverage"]
    return Result(
        estimate=estimate,
        refusal=(),
        refusal_kind="",
        message="",
        comparison=None if age is None or table is None else compare(estimate, age, table, coverage),
        height=_height(estimate, age, question, coverage),
        mask=hand_on_film(film.pixels, prepared),
        field=prepared.field,
        noise=cascade.noise_level(prepared),
        reasons=reasons_of(cascade, features, estimate),
        **common,
    )


def _height(estimate: Estimate, age: float | None, question: Question, coverage: float) -> AdultHeight | None:
    if age is None or question.height_cm is None:
        return None
    return adult_height(estimate, age, question.height_cm, coverage, question.parents_cm)


def hand_on_film(film: NDArray[np.uint8], prepared: Prepared) -> NDArray[np.bool_] | None:
    """Return the hand's mask over the film as it was taken, bool (H, W); None where it has no such place.

    A film that the gate mirrored keeps its side marker readable: the mask is mirrored back, not the film. A mask of the
    exposed field is laid back onto the whole film. Of a hand that was turned upright there is none.
    """
    import cv2

    field = prepared.field
    base = film if field is None else straighten(film, field)
    seen = film if prepared.film is None else prepared.film
    if prepared.mask.shape != base.shape or seen.shape != base.shape or prepared.mask.all():
        return None
    mirrored = any(np.array_equal(seen[:, ::-1], one) for one in (base, 255 - base))
    if not mirrored and not any(np.array_equal(seen, one) for one in (base, 255 - base)):
        return None
    mask = np.ascontiguousarray(prepared.mask[:, ::-1]) if mirrored else prepared.mask
    if field is None:
        return mask
    height, width = mask.shape
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    back = cv2.getPerspectiveTransform(corners, field.corners.astype(np.float32))
    return cv2.warpPerspective(mask.astype(np.uint8), back, film.shape[::-1], flags=cv2.INTER_NEAREST) > 0


def read_header(data: bytes) -> Dataset:
    """Return a DICOM file's data set without its pixels.

    Raises:
        HospitalError: when the file lacks the identifiers by which a result would be filed beside it.
    """
    import pydicom

    header = pydicom.dcmread(BytesIO(data), force=data[128:132] != b"DICM", stop_before_pixels=True)
    wanted = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID")
    missing = [name for name in wanted if not re.fullmatch(r"[0-9.]{1,64}", str(header.get(name, "")))]
    if missing:
        raise HospitalError.of("dicom.identifiers", missing=", ".join(missing))
    return header

"""What a DICOM file says of the patient that an estimate needs: sex, age at acquisition, and which hand."""

from __future__ import annotations

import contextlib
import re
from datetime import date
from typing import TYPE_CHECKING, NamedTuple

from boneage.data.dicom_header import value_of
from boneage.groups import Sex
from boneage.notices import Notice, note

if TYPE_CHECKING:
    from pydicom import Dataset

_DAYS_A_MONTH = 365.25 / 12
_MONTHS = {"D": 1 / _DAYS_A_MONTH, "W": 7 / _DAYS_A_MONTH, "M": 1.0, "Y": 12.0}
# Nobody is older; dates of birth such as 1900-01-01 and ages such as 999Y stand for "not known".
OLDEST_MONTHS = 1320.0


class Age(NamedTuple):
    """Age at acquisition in months, None where it is not known; how coarsely it is stated; what was left out."""

    months: float | None
    step_months: float = 0.0
    said: tuple[Notice, ...] = ()


def sex_of(dataset: Dataset) -> Sex | None:
    """Return the patient's sex, None where the file says neither."""
    with contextlib.suppress(ValueError):
        return Sex.parse(str(value_of(dataset, "PatientSex") or "").strip())
    return None


def age_of(dataset: Dataset) -> Age:
    """Return the age at acquisition: from both dates where they are there, else as stated; absurd ages are dropped."""
    said: tuple[Notice, ...] = ()
    born = _date(value_of(dataset, "PatientBirthDate"))
    days = (_date(value_of(dataset, key)) for key in ("AcquisitionDate", "ContentDate", "StudyDate"))
    taken = next((day for day in days if day), None)
    if born and taken:
        months = round((taken - born).days / _DAYS_A_MONTH, 1)
        if 0 <= months <= OLDEST_MONTHS:
            return Age(months)
        said = (_absurd(months),)
    stated = re.fullmatch(r"(\d{1,3})([DWMY])", str(value_of(dataset, "PatientAge") or "").strip().upper())
    if not stated:
        return Age(None, 0.0, said)
    step = _MONTHS[stated[2]]
    months = round(int(stated[1]) * step, 1)
    return Age(months, step, said) if months <= OLDEST_MONTHS else Age(None, 0.0, (*said, _absurd(months)))


def laterality_of(dataset: Dataset) -> str | None:
    """Return "L" or "R" where the file says which hand it is, else None."""
    for keyword in ("ImageLaterality", "Laterality", "FrameLaterality"):
        side = str(value_of(dataset, keyword) or "").strip().upper()
        if side in {"L", "R"}:
            return side
    return None


def _absurd(months: float) -> Notice:
    return note("file.absurd_age", years=months / 12)


def _date(value: object) -> date | None:
    text = str(value or "").strip().replace(".", "").replace("-", "")
    if not re.fullmatch(r"\d{8}", text):
        return None
    with contextlib.suppress(ValueError):
        return date(int(text[:4]), int(text[4:6]), int(text[6:]))
    return None

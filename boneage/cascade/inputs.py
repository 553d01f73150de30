"""What was asked of a cascade, checked: the film, the sex, the range, and where the file speaks against them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from boneage.cascade.estimate import EstimateError
from boneage.data.images import read_radiograph
from boneage.data.radiograph import Radiograph
from boneage.groups import Sex, group_from_label

Source = str | Path | bytes | np.ndarray | Radiograph
_SAME_AGE_MONTHS = 1.0


def read_source(source: Source) -> Radiograph:
    """Read a film from whatever it is given as.

    Raises:
        BoneageError: when it is no film that can be read.
    """
    if isinstance(source, Radiograph):
        return source
    if isinstance(source, np.ndarray):
        if source.ndim != 2 or source.dtype != np.uint8 or source.size == 0:
            raise EstimateError(
                f"pixels must be uint8 (height, width), but {source.dtype} {source.shape} came; give a file instead"
            )
        return Radiograph(pixels=source, sex=None, age_months=None, laterality=None, warnings=())
    return read_radiograph(source)


def contradictions(read: Radiograph, sex: Sex, chronological_months: float | None = None) -> list[str]:
    """Say where the file itself speaks against what was given; DICOM files carry sex, age at acquisition and side."""
    said = []
    if read.sex is not None and read.sex != sex:
        said.append(f"the file says that the patient is {read.sex}, but {sex} was given")
    if chronological_months is not None and read.age_months is not None:
        latest = read.age_months + read.age_step_months + _SAME_AGE_MONTHS
        if not read.age_months - _SAME_AGE_MONTHS <= chronological_months <= latest:
            said.append(
                f"the file says that the patient was {read.age_months:g} months old when the film was taken, but "
                f"{chronological_months:g} was given"
            )
    if read.laterality == "R":
        said.append("the file says that this is a right hand, but the method is made for left hands")
    return said


def known_sex(sex: Sex | str) -> Sex:
    """Return a sex, or raise `EstimateError`."""
    try:
        return sex if isinstance(sex, Sex) else Sex.parse(sex)
    except ValueError as error:
        raise EstimateError(str(error)) from error


def known_range(label: str | None) -> str | None:
    """Return one of the four range labels, None for none, or raise `EstimateError`."""
    if not label:
        return None
    try:
        group_from_label(label)
    except ValueError as error:
        raise EstimateError(str(error)) from error
    return label

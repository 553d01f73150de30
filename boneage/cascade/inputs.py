"""Validate the inputs of `Cascade.estimate`: film, sex and age range, and what the file itself says against them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from boneage.cascade.estimate import EstimateError
from boneage.data.images import read_radiograph
from boneage.data.radiograph import Radiograph
from boneage.groups import RANGE_LABELS, Sex, group_from_label
from boneage.notices import Notice, warning

Source = str | Path | bytes | np.ndarray | Radiograph
_SAME_AGE_MONTHS = 1.0
_MADE_FOR_MONTHS = 228


def read_source(source: Source) -> Radiograph:
    """Read a film from whatever it is given as.

    Raises:
        BoneageError: when it is no film that can be read.
    """
    if isinstance(source, Radiograph):
        return source
    if isinstance(source, np.ndarray):
        return Radiograph(pixels=source, sex=None, age_months=None, laterality=None, warnings=())
    return read_radiograph(source)


def contradictions(read: Radiograph, sex: Sex, chronological_months: float | None = None) -> list[Notice]:
    """List where the file contradicts what was given; DICOM files carry sex, age at acquisition and side."""
    said = []
    if read.sex is not None and read.sex != sex:
        said.append(warning("file.sex", said=read.sex, given=sex))
    if chronological_months is not None and read.age_months is not None:
        latest = read.age_months + read.age_step_months + _SAME_AGE_MONTHS
        if not read.age_months - _SAME_AGE_MONTHS <= chronological_months <= latest:
            said.append(warning("file.age", said=read.age_months, given=float(chronological_months)))
    older = [age for age in (chronological_months, read.age_months) if age is not None and age > _MADE_FOR_MONTHS]
    if older:
        said.append(warning("file.adult", years=older[0] / 12))
    if read.laterality == "R":
        said.append(warning("file.right_hand"))
    return said


def known_sex(sex: Sex | str) -> Sex:
    """Return a sex, or raise `EstimateError`."""
    try:
        return sex if isinstance(sex, Sex) else Sex.parse(sex)
    except ValueError as error:
        raise EstimateError.of("sex.unknown", given=sex) from error


def known_range(label: str | None) -> str | None:
    """Return one of the four range labels, None for none, or raise `EstimateError`."""
    if not label:
        return None
    try:
        group_from_label(label)
    except ValueError as error:
        raise EstimateError.of("range.unknown", known=", ".join(RANGE_LABELS), given=label) from error
    return label

"""Adult height by the tables of Bayley and Pinneau (1952), with the error of the method and of the bone age.

The tables say what per cent of mature height a child has reached at a bone age: one column for children whose bone age
is within a year of their age, one each for a year or more ahead and behind. They are interpolated, never extrapolated.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np

from boneage.cascade.estimate import Estimate
from boneage.clinical.comparison import model_sd
from boneage.errors import BoneageError
from boneage.groups import Sex
from boneage.notices import Notice, note

HEIGHT_LIMITS_CM = (40.0, 230.0)
A_YEAR_MONTHS = 12.0
MATURITIES = {"accelerated": "advanced", "average": "average", "retarded": "delayed"}
"""The printed words and the ones that are shown."""
HEIGHT_FIELDS = (
    "height_cm", "maturity", "percent_of_adult_height", "adult_height_cm", "adult_height_low_cm",
    "adult_height_high_cm", "target_height_cm", "adult_height_notes", "adult_height",
)  # fmt: skip
_SEX_DIFFERENCE_CM = 13.0
Curve = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class AdultHeight:
    """A predicted adult height.

    Attributes:
        height_cm: at the time of the film, as given.
        maturity: `advanced`, `average` or `delayed`: the column of the tables.
        percent: of adult height that is reached; None outside the tables.
        adult_cm: the prediction; None outside the tables.
        low_cm: lower bound of its interval, never below the present height; None where an error is not known.
        high_cm: its upper bound, likewise.
        coverage: of the interval, 0-1.
        target_cm: mid-parental height, None without the parents' heights.
        notes: where the numbers are from, and what is missing or in doubt.
    """

    height_cm: float
    maturity: str
    percent: float | None
    adult_cm: float | None
    low_cm: float | None
    high_cm: float | None
    coverage: float
    target_cm: float | None
    notes: tuple[Notice, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain values under `HEIGHT_FIELDS`, rounded to a millimetre."""
        numbers = (self.percent, self.adult_cm, self.low_cm, self.high_cm, self.target_cm)
        rounded = [None if value is None else round(value, 1) for value in numbers]
        values = (self.height_cm, self.maturity, *rounded, [str(one) for one in self.notes], self.sentence())
        return dict(zip(HEIGHT_FIELDS, values, strict=True))

    def sentence(self) -> str:
        """Say the prediction in a line."""
        if self.adult_cm is None:
            return f"no adult height: {self.notes[0]}"
        bounds = "" if self.low_cm is None else f" ({self.coverage:.0%} interval {self.low_cm:.1f}-{self.high_cm:.1f})"
        target = "" if self.target_cm is None else f"; target height of the parents {self.target_cm:.1f} cm"
        return f"adult height {self.adult_cm:.1f} cm{bounds} by Bayley and Pinneau, column {self.maturity}{target}"


def adult_height(
    estimate: Estimate,
    chronological_months: float,
    height_cm: float,
    coverage: float,
    parents_cm: tuple[float, float] | None = None,
) -> AdultHeight:
    """Predict adult height from bone age, age and height.

    The interval joins two errors that do not depend on each other: the model's own, carried through the table, and the
    one of the method, measured in the paper's validating sample.

    Args:
        estimate: bone age with its interval.
        chronological_months: age at which both bone age and height were taken.
        height_cm: without shoes.
        coverage: of the estimate's interval, 0-1, and of the result's.
        parents_cm: the father's and the mother's height.

    Raises:
        BoneageError: when a height cannot be one.
    """
    low_cm, high_cm = HEIGHT_LIMITS_CM
    for value in (height_cm, *(parents_cm or ())):
        if not HEIGHT_LIMITS_CM[0] <= value <= HEIGHT_LIMITS_CM[1]:
            raise BoneageError.of("height.limits", low=low_cm, high=high_cm, given=float(value))
    sex, age = Sex.parse(estimate.sex), estimate.bone_age_months
    apart = age - chronological_months
    printed = "accelerated" if apart >= A_YEAR_MONTHS else "retarded" if apart <= -A_YEAR_MONTHS else "average"
    percent = _percent(sex, printed, age)
    notes = [note("height.provenance")]
    low = high = adult = None
    if percent is None:
        notes.insert(0, _outside(sex, printed))
    else:
        adult = 100 * height_cm / percent
        error = _error_cm(estimate, (sex, printed), height_cm, chronological_months, coverage)
        if error is None:
            notes.insert(0, note("height.no_error"))
        else:
            half = error * NormalDist().inv_cdf((1 + coverage) / 2)
            low, high = max(adult - half, height_cm), adult + half
        notes += _near_the_edge(estimate, apart, coverage)
    target = None if parents_cm is None else target_height(sex, *parents_cm)
    maturity = MATURITIES[printed]
    return AdultHeight(height_cm, maturity, percent, adult, low, high, coverage, target, tuple(notes))


def target_height(sex: Sex, father_cm: float, mother_cm: float) -> float:
    """Return the mid-parental height: the parents' mean, half of 13 cm more for a boy and less for a girl (Tanner)."""
    return (father_cm + mother_cm + (_SEX_DIFFERENCE_CM if sex is Sex.MALE else -_SEX_DIFFERENCE_CM)) / 2


def _outside(sex: Sex, printed: str) -> Notice:
    ages = _curve(sex, printed)[0]
    return note("height.outside", first=float(ages[0]), last=float(ages[-1]), sex=sex)


def _near_the_edge(estimate: Estimate, apart: float, coverage: float) -> list[Notice]:
    """Say where the model's own error could put the child into another column."""
    error = model_sd(estimate, coverage)
    near = error is not None and min(abs(apart - A_YEAR_MONTHS), abs(apart + A_YEAR_MONTHS)) < error
    return [note("height.edge")] if near else []


def _error_cm(
    estimate: Estimate, column: tuple[Sex, str], height_cm: float, chronological_months: float, coverage: float
) -> float | None:
    """Return the standard deviation of the prediction, or None where one of its two parts is not known."""
    bone, method = model_sd(estimate, coverage), _interpolated(_errors(column[0]), chronological_months)
    if bone is None or method is None:
        return None
    around = [_percent(*column, estimate.bone_age_months + side * bone) for side in (-1, 1)]
    heights = [100 * height_cm / one for one in around if one is not None]
    middle = _percent(*column, estimate.bone_age_months)
    if not heights or middle is None:
        return None
    # One side may lie outside the tables; the other stands for both.
    carried = max(abs(one - 100 * height_cm / middle) for one in heights)
    return float(np.hypot(carried, method))


def _percent(sex: Sex, printed: str, bone_age_months: float) -> float | None:
    return _interpolated(_curve(sex, printed), bone_age_months)


def _interpolated(curve: Curve, at: float) -> float | None:
    return float(np.interp(at, curve[0], curve[1])) if curve[0][0] <= at <= curve[0][-1] else None


@lru_cache(maxsize=8)
def _curve(sex: Sex, printed: str) -> Curve:
    rows = [row for row in _rows("bayley_pinneau.csv") if (row["sex"], row["maturity"]) == (str(sex), printed)]
    return _columns(rows, "bone_age_months", "percent_of_mature_height")


@lru_cache(maxsize=2)
def _errors(sex: Sex) -> Curve:
    rows = [row for row in _rows("bayley_pinneau_errors.csv") if row["sex"] == str(sex)]
    return _columns(rows, "chronological_months", "sd_error_cm")


def _columns(rows: list[dict[str, str]], first: str, second: str) -> Curve:
    return np.array([float(row[first]) for row in rows]), np.array([float(row[second]) for row in rows])


def _rows(file: str) -> list[dict[str, str]]:
    with Path(__file__).with_name(file).open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))

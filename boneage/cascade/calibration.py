"""A site's own correction: per sex a straight line from estimate to reading, cross-validated, with fresh intervals.

Scanners, readers and children differ between sites. A line per sex, fitted on some dozens of local images, has been
reported to take most of that away; one line for both sexes not. It is adopted only where images that it was not fitted
on prove a gain beyond the interval.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from boneage.cascade.intervals import Intervals, conformal_quantile, fit_intervals, unsureness
from boneage.errors import BoneageError
from boneage.groups import AGE_GROUPS, MAX_AGE_MONTHS, MIN_AGE_MONTHS, Sex

FEWEST_IMAGES = 50
FEWEST_OF_A_SEX = 15
_FOLDS = 5
_REPEATS = 4
_RESAMPLES = 4000
Arrays = NDArray[np.float64]


@dataclass(frozen=True)
class Calibration:
    """A line per sex, `slope * estimate + intercept` in months; a sex that is missing stays as it is.

    Attributes:
        slopes: per sex.
        intercepts: per sex, months.
        images: how many images it was fitted on.
    """

    slopes: Mapping[str, float] = field(default_factory=dict)
    intercepts: Mapping[str, float] = field(default_factory=dict)
    images: int = 0

    def apply(self, sex: Sex | str, age_months: float) -> float:
        """Return the corrected age, within 0-228 months."""
        name = str(sex)
        corrected = self.slopes.get(name, 1.0) * age_months + self.intercepts.get(name, 0.0)
        return float(np.clip(corrected, MIN_AGE_MONTHS, MAX_AGE_MONTHS))

    def to_mapping(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Calibration:
        """Read back what `to_mapping` gave."""
        return cls(dict(values["slopes"]), dict(values["intercepts"]), int(values["images"]))


@dataclass(frozen=True)
class Recalibration:
    """What a recalibration would bring.

    Attributes:
        calibration: fitted on all images.
        intervals: from residuals of images that the line had not seen.
        out_of_fold: float64 (N,), corrected ages of images that the line had not seen.
        before_mae_months: of the estimates as they were.
        after_mae_months: of `out_of_fold`.
        low_months: lower end of the difference's (after minus before) 95 % paired bootstrap interval.
        high_months: its upper end.
    """

    calibration: Calibration
    intervals: Intervals
    out_of_fold: Arrays
    before_mae_months: float
    after_mae_months: float
    low_months: float
    high_months: float

    @property
    def better(self) -> bool:
        """Tell whether the gain lies beyond its interval."""
        return self.high_months < 0


def fit_calibration(sexes: Sequence[str], estimated: Arrays, true: Arrays) -> Calibration:
    """Fit a line per sex by least squares; a sex with fewer than 15 images is left alone."""
    slopes, intercepts, names = {}, {}, np.array([str(sex) for sex in sexes])
    for sex in Sex:
        rows = names == str(sex)
        if rows.sum() < FEWEST_OF_A_SEX or np.ptp(estimated[rows]) < 1.0:
            continue
        slope, intercept = np.polyfit(estimated[rows], true[rows], 1)
        slopes[str(sex)], intercepts[str(sex)] = float(slope), float(intercept)
    return Calibration(slopes, intercepts, len(names))


def recalibrate(
    sexes: Sequence[str],
    estimated: Arrays,
    true: Arrays,
    coverage: float,
    current: Intervals | None,
    surest: Arrays | None = None,
    seed: int = 0,
) -> Recalibration:
    """Fit lines and intervals, and measure by cross-validation what they bring.

    Args:
        sexes: N sexes.
        estimated: float64 (N,), the cascade's estimates in months.
        true: float64 (N,), the site's readings in months.
        coverage: of the intervals, 0-1.
        current: the cascade's intervals, kept for groups in which the site has too few images.
        surest: float64 (N,), the classifier's highest probability: where the cascade's intervals widen when it is low,
            the refreshed ones do, too.
        seed: of folds and resamples.

    Raises:
        BoneageError: when there are fewer than 50 images.
    """
    if len(true) < FEWEST_IMAGES:
        raise BoneageError.of("recalibration.few_images", fewest=FEWEST_IMAGES, count=len(true))
    estimated, true = np.asarray(estimated, float), np.asarray(true, float)
    corrected = _out_of_fold(sexes, estimated, true, seed)
    difference = np.abs(corrected - true) - np.abs(estimated - true)
    picks = np.random.default_rng(seed).integers(0, len(true), (_RESAMPLES, len(true)))
    low, high = np.percentile(difference[picks].mean(axis=1), (2.5, 97.5))
    return Recalibration(
        calibration=fit_calibration(sexes, estimated, true),
        intervals=_intervals([Sex.parse(sex) for sex in sexes], (corrected, true), coverage, current, surest),
        out_of_fold=corrected,
        before_mae_months=float(np.abs(estimated - true).mean()),
        after_mae_months=float(np.abs(corrected - true).mean()),
        low_months=float(low),
        high_months=float(high),
    )


def _out_of_fold(sexes: Sequence[str], estimated: Arrays, true: Arrays, seed: int) -> Arrays:
    """Correct every image by lines that it had no part in, averaged over some drawings of the folds."""
    names, rng, corrected = np.array([str(sex) for sex in sexes]), np.random.default_rng(seed), np.zeros(len(true))
    for _ in range(_REPEATS):
        fold = rng.permutation(np.arange(len(true)) % _FOLDS)
        for number in range(_FOLDS):
            kept = fold != number
            line = fit_calibration(list(names[kept]), estimated[kept], true[kept])
            for row in np.flatnonzero(~kept):
                corrected[row] += line.apply(names[row], float(estimated[row])) / _REPEATS
    return corrected


def _intervals(
    sexes: Sequence[Sex],
    ages: tuple[Arrays, Arrays],
    coverage: float,
    current: Intervals | None,
    surest: Arrays | None,
) -> Intervals:
    """Take a group's own half width where there are enough images, then the sex's, then the cascade's former one."""
    estimated, true = ages
    widened = surest is not None and (current is None or current.widened)
    own = fit_intervals(sexes, estimated, true, coverage, surest if widened else None)
    # Half widths that widen and such that do not are no months of the same kind.
    half_widths = dict(current.half_widths) if current and current.widened == widened else {}
    residuals = np.abs(estimated - true) / (unsureness(surest) if widened and surest is not None else 1.0)
    names = np.array([str(sex) for sex in sexes])
    for sex in Sex:
        pooled = conformal_quantile(residuals[names == str(sex)], coverage)
        for cell in (f"{sex}-{group.number}" for group in AGE_GROUPS):
            chosen = own.half_widths.get(cell, pooled if own.counts.get(cell) else None)
            if chosen is not None:
                half_widths[cell] = chosen
    return Intervals(coverage, half_widths, own.counts, widened)

"""Split-conformal prediction intervals from out-of-fold residuals.

For images exchangeable with the training part, an interval of half width q, the ceil((n + 1) * coverage)-th smallest of
n absolute out-of-fold residuals, covers the truth with at least the chosen probability, whatever the networks are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from boneage.cascade.routing import Predictor, route
from boneage.config import Routing
from boneage.groups import AGE_GROUPS, MAX_AGE_MONTHS, MIN_AGE_MONTHS, ModelKey, Sex, group_of


@dataclass(frozen=True)
class Intervals:
    """Half widths in months per sex and estimated group.

    Attributes:
        coverage: the chosen coverage, 0-1.
        half_widths: `female-1` -> months; a cell with too few residuals is missing.
        counts: `female-1` -> number of residuals seen.
        widened: whether an interval grows where the classifier is unsure: half widths then hold for a sure one, and are
            multiplied by `unsureness`. Coverage is guaranteed all the same, for residuals were divided by it.
    """

    coverage: float
    half_widths: Mapping[str, float] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    widened: bool = False

    def half_width(self, sex: Sex, age_months: float, surest: float = 1.0) -> float | None:
        """Return the half width for an estimate in months, or None where there were too few residuals.

        `surest` is the classifier's highest probability, 0.25-1.
        """
        half = self.half_widths.get(_cell(sex, group_of(age_months)))
        return half if half is None or not self.widened else half * float(unsureness(np.array(surest)))

    def bounds(self, sex: Sex, age_months: float, surest: float = 1.0) -> tuple[float | None, float | None]:
        """Return low and high in months, clipped to 0-228; (None, None) where no half width is known."""
        half = self.half_width(sex, age_months, surest)
        if half is None:
            return None, None
        return max(MIN_AGE_MONTHS, age_months - half), min(MAX_AGE_MONTHS, age_months + half)

    def to_mapping(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Intervals:
        """Read back what `to_mapping` gave."""
        return cls(
            float(values["coverage"]), dict(values["half_widths"]), dict(values["counts"]), bool(values.get("widened"))
        )


def unsureness(surest: np.ndarray) -> np.ndarray:
    """Return how much wider an interval is for the classifier's highest probability: 1 at 1, 2 at 0.25."""
    return 1.0 + (1.0 - np.clip(surest, 0.25, 1.0)) / 0.75


def fit_intervals(
    sexes: Sequence[Sex],
    estimated_months: np.ndarray,
    true_months: np.ndarray,
    coverage: float,
    surest: np.ndarray | None = None,
) -> Intervals:
    """Take half widths from out-of-fold estimates, one per sex and *estimated* group (the true one is never known).

    Args:
        sexes: N sexes.
        estimated_months: float (N,), made by models that had not seen the image; NaN where there is none.
        true_months: float (N,).
        coverage: the wanted coverage, for example 0.9.
        surest: float (N,), the classifier's highest probability; given, intervals widen where it is low.
    """
    estimated, true = np.asarray(estimated_months, dtype=float), np.asarray(true_months, dtype=float)
    known = np.isfinite(estimated) & np.isfinite(true)
    residuals = np.abs(estimated - true)[known]
    if surest is not None:
        residuals = residuals / unsureness(np.asarray(surest, dtype=float)[known])
    clipped = np.clip(estimated[known], MIN_AGE_MONTHS, MAX_AGE_MONTHS)
    of_sex = [sex for sex, usable in zip(sexes, known, strict=True) if usable]
    cells = np.array([_cell(sex, group_of(float(age))) for sex, age in zip(of_sex, clipped, strict=True)], dtype=str)
    half_widths, counts = {}, {}
    for name in (_cell(sex, group.number) for sex in Sex for group in AGE_GROUPS):
        chosen = residuals[cells == name]
        counts[name] = len(chosen)
        half = conformal_quantile(chosen, coverage)
        if half is not None:
            half_widths[name] = half
    return Intervals(coverage, half_widths, counts, widened=surest is not None)


def conformal_quantile(residuals: np.ndarray, coverage: float) -> float | None:
    """Return the ceil((n + 1) * coverage)-th smallest residual, or None when n is too small for that coverage.

    >>> conformal_quantile(np.arange(1.0, 20.0), 0.9)
    18.0
    """
    # The tiny term keeps 20 * 0.9 = 18.000000000000004 from becoming 19.
    rank = math.ceil((len(residuals) + 1) * coverage - 1e-9)
    return None if rank > len(residuals) or rank < 1 else float(np.sort(residuals)[rank - 1])


def out_of_fold_ages(
    heads_per_fold: Sequence[Mapping[ModelKey, Predictor]],
    features: np.ndarray,
    sexes: Sequence[Sex],
    fold: np.ndarray,
    routing: Routing = "hard",
) -> np.ndarray:
    """Return the ages of `out_of_fold_routed` alone."""
    return out_of_fold_routed(heads_per_fold, features, sexes, fold, routing)[0]


def out_of_fold_routed(
    heads_per_fold: Sequence[Mapping[ModelKey, Predictor]],
    features: np.ndarray,
    sexes: Sequence[Sex],
    fold: np.ndarray,
    routing: Routing = "hard",
) -> tuple[np.ndarray, np.ndarray]:
    """Estimate every training image with the cascade of the fold that held it out.

    Args:
        heads_per_fold: per fold k the ten heads fitted without fold k.
        features: float32 (N, D).
        sexes: N sexes.
        fold: int (N,), the fold of each image.
        routing: as the cascade will route.

    Returns:
        Ages in months, float64 (N,), NaN where no fold held the image out; the classifier's highest probability (N,).
    """
    ages, surest = np.full(len(sexes), np.nan), np.full(len(sexes), np.nan)
    for number, heads in enumerate(heads_per_fold):
        rows = np.flatnonzero(fold == number)
        if len(rows):
            routed = route(heads, features[rows], [sexes[int(i)] for i in rows], [None] * len(rows), routing)
            ages[rows], surest[rows] = routed.ages, routed.probabilities.max(axis=1)
    return ages, surest


def _cell(sex: Sex, group: int) -> str:
    return f"{sex}-{group}"

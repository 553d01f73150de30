"""Split-conformal prediction intervals from out-of-fold residuals.

For images exchangeable with the training part, an interval of half width q, the ceil((n + 1) * coverage)-th smallest of
n absolute out-of-fold residuals, covers the truth with at least the chosen probability, whatever the networks are.

That probability is a mean over all residuals that might have been drawn. The coverage of those that were drawn follows
Beta(k, n + 1 - k) where the k-th smallest is taken: with 35 residuals one cell in twelve covers less than 85 %. So a
cell takes the smallest k with which it covers, with 95 % confidence, at least 5 points less than wanted; from about a
hundred residuals on that is the plain k. A cell too small for it takes its largest residual or its sex's half width,
whichever is wider.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from boneage.groups import AGE_GROUPS, MAX_AGE_MONTHS, MIN_AGE_MONTHS, Sex, group_of

CONFIDENCE = 0.95
SHORTFALL = 0.05


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

    def bounds(
        self, sex: Sex, age_months: float, surest: float = 1.0, factor: float = 1.0
    ) -> tuple[float | None, float | None]:
        """Return low and high in months, clipped to 0-228; (None, None) where no half width is known.

        `factor` widens the interval for reasons of the film.
        """
        half = self.half_width(sex, age_months, surest)
        if half is None:
            return None, None
        half *= factor
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
        half = _cell_half_width(chosen, residuals[_of_sex(cells, name)], coverage)
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


def confident_rank(count: int, coverage: float) -> int | None:
    """Return the smallest rank k, 1 to n, of n residuals whose own coverage is confidently near the wanted one.

    It is never below the conformal rank, and covers at least `coverage - SHORTFALL` with probability `CONFIDENCE` over
    the drawing of the residuals; None where even the largest of them does not.

    >>> confident_rank(35, 0.9), confident_rank(200, 0.9), confident_rank(15, 0.9)
    (34, 181, None)
    """
    first, least = max(1, math.ceil((count + 1) * coverage - 1e-9)), coverage - SHORTFALL
    # The k-th smallest covers at least `least` exactly where fewer than k of n residuals fall below its quantile.
    from scipy.stats import binom

    fewer = binom.cdf(np.arange(count + 1) - 1, count, least)
    return next((rank for rank in range(first, count + 1) if fewer[rank] >= CONFIDENCE), None)


def _cell_half_width(own: np.ndarray, of_sex: np.ndarray, coverage: float) -> float | None:
    """Return a cell's half width from its own residuals, with those of its sex where its own are too few to be sure."""
    plain = conformal_quantile(own, coverage)
    if plain is None:
        return None
    rank = confident_rank(len(own), coverage)
    if rank is not None:
        return float(np.sort(own)[rank - 1])
    pooled = conformal_quantile(of_sex, coverage)
    return max(float(own.max()), pooled if pooled is not None else 0.0)


def _of_sex(cells: np.ndarray, name: str) -> np.ndarray:
    """Tell which cells are of the same sex as a named one, bool (N,)."""
    sex = name.rpartition("-")[0]
    return np.array([cell.rpartition("-")[0] == sex for cell in cells], dtype=bool)


def _cell(sex: Sex, group: int) -> str:
    return f"{sex}-{group}"

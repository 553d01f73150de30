"""How often conformal intervals from one set of images hold on another: per sex and group, plain and widened."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from boneage.cascade.intervals import Intervals, fit_intervals
from boneage.cascade.routing import Routed
from boneage.groups import AGE_GROUPS, RANGE_LABELS, Sex

_RESAMPLES = 2000


Estimated = tuple[Routed, Sequence[Sex], np.ndarray]


def coverage_table(fitted: Estimated, held_out: Estimated, coverage: float) -> pd.DataFrame:
    """Fit intervals on some images and count how often they hold on others.

    Args:
        fitted: estimates, N sexes and true ages in months (N,) of images that no head was fitted on.
        held_out: the same of other images.
        coverage: the wanted coverage, 0-1.

    Returns:
        Per kind (plain, widened) and part of the set: images, coverage with its 95 % interval, mean width in months.
    """
    rows = []
    for kind in ("plain", "widened"):
        routed, sexes, true = fitted
        surest = routed.probabilities.max(axis=1) if kind == "widened" else None
        intervals = fit_intervals(list(sexes), routed.ages, true, coverage, surest)
        rows += [{"intervals": kind, **row} for row in held_table(intervals, *held_out)]
    return pd.DataFrame(rows)


def held_table(intervals: Intervals, routed: Routed, sexes: Sequence[Sex], true: np.ndarray) -> list[dict[str, object]]:
    """Count how often intervals hold: over all, per sex, where the classifier is sure or not, per sex and true group.

    Args:
        intervals: any.
        routed: N estimates.
        sexes: N sexes.
        true: months, float (N,).

    Returns:
        One row per part: images, coverage with its 95 % bootstrap interval, mean width in months.
    """
    surest = routed.probabilities.max(axis=1)
    both = [intervals.bounds(s, float(a), float(p)) for s, a, p in zip(sexes, routed.ages, surest, strict=True)]
    bounds = np.array([(np.nan, np.nan) if low is None else (low, high) for low, high in both], dtype=float)
    inside = (bounds[:, 0] <= true) & (true <= bounds[:, 1])
    known, of_sex = np.isfinite(bounds[:, 0]), np.array([str(sex) for sex in sexes])
    parts = {"all": known, **{str(sex): known & (of_sex == str(sex)) for sex in Sex}}
    parts |= {"surest above 0.9": known & (surest > 0.9), "surest below 0.6": known & (surest < 0.6)}
    for sex in Sex:
        for group in AGE_GROUPS:
            in_group = (true >= group.low) & ((true < group.high) | (group.number == len(AGE_GROUPS)))
            parts[f"{sex} {RANGE_LABELS[group.number - 1]}"] = parts[str(sex)] & in_group
    rows: list[dict[str, object]] = []
    for name, chosen in parts.items():
        if not chosen.any():
            continue
        count = int(chosen.sum())
        picks = np.random.default_rng(0).integers(0, count, (_RESAMPLES, count))
        low, high = np.percentile(inside[chosen][picks].mean(axis=1), (2.5, 97.5))
        width = float((bounds[chosen, 1] - bounds[chosen, 0]).mean())
        share = {"coverage": float(inside[chosen].mean()), "low": float(low), "high": float(high)}
        rows.append({"part": name, "images": count, **share, "width_months": width})
    return rows

"""What an end-to-end estimate is worth: error in months per sex and group, and shares within one and two years."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from boneage.groups import group_of
from boneage.pretrain.sources import Child

ENDS = {"under_24": (0.0, 24.0), "from_204": (204.0, 228.0)}
"""The youngest and the oldest, in months: where estimates are drawn to the middle most."""


def age_figures(kids: Sequence[Child], estimates: NDArray[np.float64]) -> dict[str, float]:
    """Summarise estimates (N,) in months of N children.

    Returns:
        `count`, `mae_months`, `bias_months`, `within_12_months`, `within_24_months` (shares 0-1), `group_accuracy` of
        the thresholded estimate; `mae_months_<part>` and `bias_months_<part>` for each sex, `<sex>_<group>` and `ENDS`.
    """
    truth = np.array([kid.age_months for kid in kids])
    signed = estimates - truth
    errors = np.abs(signed)
    groups = np.array([group_of(age) for age in truth])
    found = np.array([group_of(age) for age in np.clip(estimates, 0, 228)])
    figures = {
        "count": float(len(kids)),
        "mae_months": errors.mean(),
        "bias_months": signed.mean(),
        "within_12_months": (errors <= 12).mean(),
        "within_24_months": (errors <= 24).mean(),
        "group_accuracy": (groups == found).mean(),
    }
    for name, rows in _parts(kids, truth, groups).items():
        if rows.any():
            figures |= {f"mae_months_{name}": errors[rows].mean(), f"bias_months_{name}": signed[rows].mean()}
    return {name: round(float(value), 4) for name, value in figures.items()}


def _parts(
    kids: Sequence[Child], truth: NDArray[np.float64], groups: NDArray[np.int64]
) -> dict[str, NDArray[np.bool_]]:
    """Return which children belong to each sex, each sex and group, and each end."""
    male = np.array([kid.male for kid in kids], dtype=bool)
    parts: dict[str, NDArray[np.bool_]] = {}
    for sex, rows in (("female", ~male), ("male", male)):
        parts |= {sex: rows} | {f"{sex}_{group}": rows & (groups == group) for group in (1, 2, 3, 4)}
    return parts | {name: (truth >= low) & (truth <= high) for name, (low, high) in ENDS.items()}

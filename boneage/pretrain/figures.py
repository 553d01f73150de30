"""What an end-to-end estimate is worth: error in months per sex and group, and shares within one and two years."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from boneage.groups import group_of
from boneage.pretrain.sources import Child


def age_figures(kids: Sequence[Child], estimates: NDArray[np.float64]) -> dict[str, float]:
    """Summarise estimates (N,) in months of N children.

    Returns:
        `count`, `mae_months`, `bias_months`, `within_12_months`, `within_24_months` (shares 0-1), `group_accuracy` of
        the thresholded estimate, and `mae_months_<sex>` and `mae_months_<sex>_<group>`.
    """
    truth = np.array([kid.age_months for kid in kids])
    errors = np.abs(estimates - truth)
    groups = np.array([group_of(age) for age in truth])
    found = np.array([group_of(age) for age in np.clip(estimates, 0, 228)])
    male = np.array([kid.male for kid in kids], dtype=bool)
    figures = {
        "count": float(len(kids)),
        "mae_months": errors.mean(),
        "bias_months": (estimates - truth).mean(),
        "within_12_months": (errors <= 12).mean(),
        "within_24_months": (errors <= 24).mean(),
        "group_accuracy": (groups == found).mean(),
    }
    for sex, rows in (("female", ~male), ("male", male)):
        figures |= _means(errors, {f"mae_months_{sex}": rows})
        figures |= _means(errors, {f"mae_months_{sex}_{g}": rows & (groups == g) for g in (1, 2, 3, 4)})
    return {name: round(float(value), 4) for name, value in figures.items()}


def _means(errors: NDArray[np.float64], rows: dict[str, NDArray[np.bool_]]) -> dict[str, float]:
    return {name: float(errors[chosen].mean()) for name, chosen in rows.items() if chosen.any()}

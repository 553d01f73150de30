"""How often each child is shown in a pass: rare ages weigh more, so that estimates are drawn less to the middle."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from boneage.pretrain.sources import Child

KERNEL_MONTHS = 9.0
LIMITS = (0.5, 4.0)


def weights_by_age(kids: Sequence[Child], power: float) -> NDArray[np.float64]:
    """Weigh each child by how rare its age is among those of its sex.

    Args:
        kids: The children to train on.
        power: 0 weighs all alike, 1 gives every age the same share of a pass.

    Returns:
        float64 (N,) with mean about 1, within `LIMITS`.
    """
    ages = np.array([kid.age_months for kid in kids])
    males = np.array([kid.male for kid in kids])
    weights = np.ones(len(kids))
    for sex in (0, 1):
        rows = males == sex
        if rows.any():
            density = np.array([_near(ages[rows], age) for age in ages[rows]])
            weights[rows] = (density / density.mean()) ** -power
    for _ in range(4):  # clipping moves the mean, and the mean what is clipped
        weights = np.clip(weights / weights.mean(), *LIMITS)
    return weights


def drawn_places(weights: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw the children of one pass: each comes as often as its weight says, the fraction by chance."""
    copies = np.floor(weights + rng.random(len(weights))).astype(np.int64)
    return np.repeat(np.arange(len(weights)), copies)


def _near(ages: NDArray[np.float64], age: float) -> float:
    """Return the density of ages around one, the ends (0 and 228 months) mirrored so that they do not look rarer."""
    mirrored = np.concatenate([ages, -ages, 2 * 228 - ages])
    return float(np.exp(-(((mirrored - age) / KERNEL_MONTHS) ** 2) / 2).sum())

"""Compare the graphs that serve with the networks that they were exported from: the ages that both lead to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from boneage.cascade.cascade import Cascade

LARGEST_MONTHS = 0.01
"""How far two ages of one film may be apart."""
_BATCH = 32


@dataclass(frozen=True)
class Films:
    """Prepared films to compare on.

    Attributes:
        images: uint8 (N, S, S).
        sexes: N sexes.
        features: float32 (N, D), what the cascade's own backbone gave for them; None to push them through it.
    """

    images: np.ndarray
    sexes: Sequence[str]
    features: np.ndarray | None = None


def compare_served(cascade: Cascade, served: Cascade, films: Films) -> dict[str, float]:
    """Return `films`, how many were compared, and `largest_difference_months` between the two ages of a film.

    Args:
        cascade: as it was made.
        served: the same with backbone and heads as graphs.
        films: what both estimate.
    """
    largest = 0.0
    for first in range(0, len(films.images), _BATCH):
        rows = slice(first, first + _BATCH)
        images, sexes = films.images[rows], list(films.sexes[rows])
        features = cascade.pooled(images) if films.features is None else films.features[rows]
        known = cascade.estimate_features(features, sexes)
        found = served.estimate_features(served.pooled(images), sexes)
        apart = [abs(one.bone_age_months - other.bone_age_months) for one, other in zip(known, found, strict=True)]
        largest = max([largest, *apart])
    return {"films": len(films.images), "largest_difference_months": round(largest, 6)}

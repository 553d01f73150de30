"""Measure the noise of a prepared film, and widen the interval of noisy films, with a warning.

Noise is what moves estimates most of all disturbances that the gate lets pass. It is measured on the prepared film at
the size of the backbone's input, for that is what the estimate rests on: grain that the shrinking averages away is
harmless. The disagreement of views or of fold heads costs as little and shows far less: the figures are in
docs/explanations/intervals.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from boneage.notices import Notice, warning

QUANTILE = 0.99
_HAND = 8
_FEWEST_PIXELS = 64
# The second difference along both axes; smooth slopes vanish in it. White noise of 1 leaves it with a deviation of 6.
_KERNEL = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
_GAIN = 6.0
_MEDIAN_OF_NORMAL = 0.6745


def noise_level(image: NDArray[np.uint8], side: int) -> float:
    """Return the noise of a prepared film within the hand, as a standard deviation in grey levels.

    Args:
        image: uint8 (S, S), background 0.
        side: pixels of the square that it is shrunk to before.

    Returns:
        Grey levels; 0 where there is hardly a hand to measure on.
    """
    small = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA) if side < image.shape[0] else image
    # The hand's edge is no noise.
    inside = cv2.erode((small > _HAND).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    if inside.sum() < _FEWEST_PIXELS:
        return 0.0
    rough = np.abs(cv2.filter2D(small.astype(np.float32), -1, _KERNEL)[inside])
    # The median, so that the few pixels on edges of bones do not count.
    return float(np.median(rough) / _MEDIAN_OF_NORMAL / _GAIN)


@dataclass(frozen=True)
class NoiseGuard:
    """Limit and widening for noisy films, fitted on training images that backbone and heads had not seen.

    Attributes:
        side: pixels of the square on which noise is measured.
        limit: grey levels; `QUANTILE` of the clean films stay below.
        widening: what an interval is multiplied by above the limit, so that it holds for films with added noise.
        films: how many clean films the limit rests on.
        copies: how many films with added noise, above the limit and accepted by the gate, the widening rests on.
    """

    side: int
    limit: float
    widening: float = 1.0
    films: int = 0
    copies: int = 0

    def noisy(self, level: float | None) -> bool:
        """Tell whether a film's noise is beyond the limit; a film that was not measured is taken for clean."""
        return level is not None and level > self.limit

    def warning(self, level: float, *, interval: bool = True) -> Notice:
        """Return what the reader is told; `interval`: whether there is one that was widened."""
        measured = {"level": level, "quantile": QUANTILE, "limit": self.limit}
        wider = round(100 * (self.widening - 1)) if interval else 0
        return warning("noise.widened", **measured, wider=wider) if wider else warning("noise.uncertain", **measured)

    def to_mapping(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> NoiseGuard:
        """Read back what `to_mapping` gave."""
        numbers = int(values["side"]), float(values["limit"]), float(values["widening"])
        return cls(*numbers, int(values["films"]), int(values["copies"]))

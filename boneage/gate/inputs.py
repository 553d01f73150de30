"""Compute the gate's inputs: a small picture of the whole film, and measures of its mask.

The picture is what decides: a hand's sides, parts and direction show on it. The mask's numbers say whether the mask
that the estimate will rest on can be trusted.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Film = NDArray[np.uint8]
SIDE = 64
MASK_SIDE = 192
BLURRED_SIDE = 128
# What counts as a film's border, in shares of its longer side: a mask's edge is no sharper.
_RIM = 0.012


@dataclass(frozen=True)
class MaskLook:
    """A mask in numbers.

    Attributes:
        share: share of the film that the mask covers.
        doubtful: pixels that are neither surely hand nor surely background, relative to the mask's area.
        wholeness: the largest object's share of the mask, 0-1.
        cut: how long the mask meets the upper, left and right border of the film, relative to the root of its area:
            a hand that is cut off there does; a forearm leaves the film below.
    """

    share: float
    doubtful: float
    wholeness: float
    cut: float = 0.0


def picture(film: Film) -> NDArray[np.float32]:
    """Shrink a film for the gate's network, its sides' ratio kept.

    Args:
        film: uint8 (H, W).

    Returns:
        float32 (SIDE, SIDE, 2): grey levels, 0 to 1 between the film's 1st and 99th percentile, and 1 where the film
        is, 0 beside it.
    """
    height, width = film.shape
    scale = SIDE / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(film, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    low, high = np.percentile(small, (1, 99))
    top, left = (SIDE - size[1]) // 2, (SIDE - size[0]) // 2
    place = (slice(top, top + size[1]), slice(left, left + size[0]))
    seen = np.zeros((SIDE, SIDE, 2), np.float32)
    seen[(*place, 0)] = np.clip((small - low) / max(float(high - low), 1.0), 0, 1)
    seen[(*place, 1)] = 1
    return seen


def blurred(film: Film) -> Film:
    """Blur a film, uint8 (H, W), as if it had no more than BLURRED_SIDE pixels along its longer side."""
    scale = BLURRED_SIDE / max(film.shape)
    if scale >= 1:
        return film
    size = (max(1, round(film.shape[1] * scale)), max(1, round(film.shape[0] * scale)))
    return cv2.resize(cv2.resize(film, size, interpolation=cv2.INTER_AREA), film.shape[::-1])


def look_at_mask(soft: Film) -> MaskLook:
    """Measure a soft mask, uint8 (H, W), 0 (background) to 255 (hand), as the mask network gives it."""
    scale = MASK_SIDE / max(soft.shape)
    size = (max(8, round(soft.shape[1] * scale)), max(8, round(soft.shape[0] * scale)))
    small = cv2.resize(soft, size, interpolation=cv2.INTER_AREA)
    found = (small >= 128).astype(np.uint8)
    area = int(found.sum())
    if area < 16:
        return MaskLook(area / found.size, float("inf"), 0.0)
    count, _, stats, _ = cv2.connectedComponentsWithStats(found, connectivity=8)
    largest = int(stats[1:count, cv2.CC_STAT_AREA].max())
    doubtful = float(((small > 32) & (small < 224)).sum() / area)
    return MaskLook(largest / found.size, doubtful, largest / area, _cut(found))


def _cut(found: Film) -> float:
    """Return how long a mask, uint8 (h, w) of 0 and 1, meets the upper, left and right border, by its root's area."""
    rim = max(1, round(_RIM * max(found.shape)))
    met = found[:rim].any(axis=0).sum() + found[:, :rim].any(axis=1).sum() + found[:, -rim:].any(axis=1).sum()
    return float(met / np.sqrt(found.sum()))

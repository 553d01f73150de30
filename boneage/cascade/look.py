"""What the gate sees of a film: the mask network's outline as a few dozen plain numbers, small and quick to compute.

All lengths are relative to the film or the mask, so the numbers do not depend on resolution.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Film = NDArray[np.uint8]
SIDE = 192
GRID = 12
NAMES: tuple[str, ...] = (
    "share", "certainty", "doubtful", "wholeness", "second", "solidity", "extent", "aspect", "fingers", "finger_share",
    "finger_height", "finger_side", "top", "bottom", "left", "right", "brighter", "inside_spread", "edges",
    "upper_width", "middle_width", "lower_width", "film_aspect",
)  # fmt: skip


@dataclass(frozen=True)
class Look:
    """One film in numbers.

    Attributes:
        height: of the film in pixels.
        width: likewise.
        contrast: grey levels between the 1st and 99th percentile of the film, 0-255.
        brighter: median grey inside the mask minus outside, -1 to 1; negative where the film is inverted.
        share: share of the film that the mask covers.
        vector: float32 (len(NAMES) + GRID * GRID,): the named numbers, then the mask of its own bounding box, coarse.
    """

    height: int
    width: int
    contrast: float
    brighter: float
    share: float
    vector: NDArray[np.float32]


def look(film: Film, soft: Film) -> Look:
    """Measure a film and its soft mask.

    Args:
        film: uint8 (H, W).
        soft: uint8 (H, W), 0 (background) to 255 (hand), as the mask network gives it.
    """
    height, width = film.shape
    scale = SIDE / max(height, width)
    size = (max(8, round(width * scale)), max(8, round(height * scale)))
    grey = cv2.resize(film, size, interpolation=cv2.INTER_AREA)
    mask = cv2.resize(soft, size, interpolation=cv2.INTER_AREA)
    low, high = np.percentile(grey, (1, 99))
    named = _named(_levels(grey, float(low), float(high)), mask, height / width)
    vector = np.concatenate([[named[name] for name in NAMES], _coarse(mask)]).astype(np.float32)
    return Look(height, width, float(high - low), named["brighter"], named["share"], vector)


def _levels(grey: Film, low: float, high: float) -> NDArray[np.float32]:
    return np.asarray(np.clip((grey - low) / max(high - low, 1.0), 0, 1), np.float32)


def _named(levels: NDArray[np.float32], soft: Film, film_aspect: float) -> dict[str, float]:
    found = (soft >= 128).astype(np.uint8)
    values = dict.fromkeys(NAMES, 0.0)
    values["film_aspect"] = float(np.log(film_aspect))
    values["doubtful"] = float(((soft > 32) & (soft < 224)).sum() / max(1, found.sum()))
    if found.sum() < 16:
        return values
    main, areas = _objects(found)
    inside, outside = levels[main > 0], levels[main == 0]
    values |= {
        "share": float(main.mean()),
        "certainty": float(soft[main > 0].mean() / 255),
        "wholeness": float(main.sum() / found.sum()),
        "second": areas[1] / areas[0] if len(areas) > 1 else 0.0,
        "brighter": float(np.median(inside) - np.median(outside)) if outside.size else 0.0,
        "inside_spread": float(inside.std()),
        "edges": float(np.abs(cv2.Laplacian(levels, cv2.CV_32F))[main > 0].mean()),
        **_outline(main),
        **_touching(main),
        **_fingers(main),
    }
    return values


def _objects(found: Film) -> tuple[Film, list[float]]:
    """Return the largest object and all objects' areas, largest first."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(found, connectivity=8)
    areas = stats[1:count, cv2.CC_STAT_AREA]
    order = np.argsort(areas)[::-1]
    return (labels == 1 + order[0]).astype(np.uint8), [float(areas[i]) for i in order]


def _outline(main: Film) -> dict[str, float]:
    contours, _ = cv2.findContours(main, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    hull = cv2.contourArea(cv2.convexHull(np.concatenate(contours)))
    rows, columns = np.flatnonzero(main.any(axis=1)), np.flatnonzero(main.any(axis=0))
    tall, wide = float(rows[-1] - rows[0] + 1), float(columns[-1] - columns[0] + 1)
    widths = main[rows[0] : rows[-1] + 1].sum(axis=1) / wide
    thirds = np.array_split(widths, 3)
    thick = [float(part.mean()) if part.size else 0.0 for part in thirds]
    return {
        "solidity": float(main.sum() / max(hull, 1.0)),
        "extent": float(main.sum() / (tall * wide)),
        "aspect": float(np.log(tall / wide)),
        **dict(zip(("upper_width", "middle_width", "lower_width"), thick, strict=True)),
    }


def _touching(main: Film) -> dict[str, float]:
    """Return how much of each side of the film the mask touches, 0-1."""
    return {
        "top": float(main[0].mean()),
        "bottom": float(main[-1].mean()),
        "left": float(main[:, 0].mean()),
        "right": float(main[:, -1].mean()),
    }


def _fingers(main: Film) -> dict[str, float]:
    """Count what an opening removes from the mask (fingers), and say where it lies relative to the rest (palm)."""
    radius = max(2, round(0.13 * float(np.sqrt(main.sum()))))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    padded = np.pad(main, radius, mode="edge")
    palm = cv2.morphologyEx(padded, cv2.MORPH_OPEN, kernel)[radius:-radius, radius:-radius]
    thin = main & (1 - palm)
    count, _, stats, centres = cv2.connectedComponentsWithStats(thin, connectivity=4)
    large = [i for i in range(1, count) if stats[i, cv2.CC_STAT_AREA] > 0.012 * main.sum()]
    if not large or not palm.any():
        return {"fingers": 0.0, "finger_share": 0.0, "finger_height": 0.0, "finger_side": 0.0}
    weights = stats[large, cv2.CC_STAT_AREA].astype(float)
    middle = np.average(centres[large], axis=0, weights=weights)
    rows, columns = np.nonzero(palm)
    span = float(np.sqrt(main.sum()))
    return {
        "fingers": float(len(large)),
        "finger_share": float(weights.sum() / main.sum()),
        "finger_height": float((rows.mean() - middle[1]) / span),
        "finger_side": float((middle[0] - columns.mean()) / span),
    }


def _coarse(soft: Film) -> NDArray[np.float32]:
    """Return the soft mask within its bounding box on GRID x GRID tiles, 0-1, flat; all 0 where there is no mask."""
    rows, columns = np.flatnonzero((soft >= 128).any(axis=1)), np.flatnonzero((soft >= 128).any(axis=0))
    if rows.size == 0:
        return np.zeros(GRID * GRID, np.float32)
    part = soft[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return cv2.resize(part.astype(np.float32) / 255, (GRID, GRID), interpolation=cv2.INTER_AREA).ravel()

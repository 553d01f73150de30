"""What happens to a prepared hand during the backbone's training: pose, tone, blur, noise, a patch erased."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from boneage.pretrain.toneaugment import Tones, retone

CLOSER = 0.15
CALM = Tones(details=0.0, uneven=0.0, adaptive=0.0, bones_only=0.0)


def augment(image: NDArray[np.uint8], rng: np.random.Generator, side: int, *, strong: float = 1.0) -> NDArray[np.uint8]:
    """Draw one training view of a prepared hand, as another maker would have processed it, now and then from closer by.

    Args:
        image: The prepared hand, uint8 (M, M), background 0.
        rng: Source of chance.
        side: Side of the view in pixels, at most M.
        strong: Share of views (0-1) that all this happens to; the others have another pose and contrast, no more.

    Returns:
        uint8 (side, side), background 0.
    """
    if rng.random() >= strong:
        return _posed(retone(image, rng, CALM), rng, side, closer=0.0)
    return film_accidents(_posed(retone(image, rng), rng, side, CLOSER), rng)


def _posed(image: NDArray[np.uint8], rng: np.random.Generator, side: int, closer: float) -> NDArray[np.uint8]:
    """Draw a pose; a share `closer` of views is enlarged and cut off by the frame."""
    matrix = _pose(image.shape[0], rng, side)
    if rng.random() < closer:
        matrix = _enlarged(matrix, side, rng)
    return np.asarray(cv2.warpAffine(image, matrix, (side, side), flags=cv2.INTER_LINEAR), np.uint8)


def _enlarged(matrix: NDArray[np.float64], side: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Enlarge a pose about a random point near the middle."""
    scale, centre = np.exp(rng.uniform(0.1, 0.4)), side * rng.uniform(0.3, 0.7, 2)
    return np.column_stack([matrix[:, :2] * scale, (matrix[:, 2] - centre) * scale + centre])


def film_accidents(view: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Blur, coarsen, add noise or erase a patch, each now and then."""
    side = view.shape[0]
    if rng.random() < 0.1:
        view = np.asarray(cv2.GaussianBlur(view, (0, 0), rng.uniform(0.4, 0.8)), np.uint8)
    if rng.random() < 0.3:
        coarse = int(side * rng.uniform(0.5, 0.95))
        small = cv2.resize(view, (coarse, coarse), interpolation=cv2.INTER_AREA)
        view = np.asarray(cv2.resize(small, (side, side), interpolation=cv2.INTER_LINEAR), np.uint8)
    if rng.random() < 0.2:
        view = np.clip(view + rng.normal(0, rng.uniform(2, 8), view.shape), 0, 255).astype(np.uint8)
    if rng.random() < 0.25:
        height, width = rng.integers(side // 16, side // 4, 2)
        top, left = rng.integers(0, side - height), rng.integers(0, side - width)
        view[top : top + height, left : left + width] = rng.integers(0, 200) if rng.random() < 0.5 else 0
    return np.asarray(view, dtype=np.uint8)


def plain(image: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Return the view of a prepared hand that is served: shrunk to uint8 (side, side) and nothing else."""
    return np.asarray(cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _pose(size: int, rng: np.random.Generator, side: int) -> NDArray[np.float64]:
    """Draw the 2 x 3 matrix from the prepared hand to the view: turn, scale, aspect, shear, mirror, shift."""
    turn = np.deg2rad(np.clip(rng.normal(0, 12), -30, 30))
    scale = side / size * np.exp(rng.uniform(-0.15, 0.15))
    aspect, shear = np.exp(rng.normal(0, 0.04)), rng.normal(0, 0.04)
    mirror = -1 if rng.random() < 0.5 else 1
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    linear = scale * rotation @ np.array([[mirror * aspect, shear], [0, 1 / aspect]])
    target = side / 2 - 0.5 + rng.uniform(-0.07, 0.07, 2) * side
    centre = np.full(2, size / 2 - 0.5)
    return np.column_stack([linear, target - linear @ centre])

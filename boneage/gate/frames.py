"""Films framed as hospitals frame them: padded, tilted, collimated, small on a large plate, beside strips or fields.

Each frame is drawn around a good film, and where the film's corners come to lie is known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

Film = NDArray[np.uint8]
Corners = NDArray[np.float32]
Rng = np.random.Generator
Framed = tuple[Film, Corners]


def padded(film: Film, tone: int, rng: Rng) -> Framed:
    """Pad a film with one grey level, on each side by 3 to 25 % of its longer side."""
    above, below, before, behind = (round(share * max(film.shape)) for share in rng.uniform(0.03, 0.25, 4))
    framed = cv2.copyMakeBorder(film, above, below, before, behind, cv2.BORDER_CONSTANT, value=tone)
    return np.asarray(framed, np.uint8), corners_of(film) + np.array([before, above], np.float32)


def tilted(film: Film, ground: Film, degrees: float) -> Framed:
    """Lay a film, turned counter-clockwise, on the middle of a ground that is large enough to hold it."""
    height, width = film.shape
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1.0)
    matrix[:, 2] += (np.array(ground.shape[::-1]) - [width, height]) / 2
    size = (ground.shape[1], ground.shape[0])
    laid = cv2.warpAffine(film, matrix, size, flags=cv2.INTER_LINEAR)
    there = cv2.warpAffine(np.full_like(film, 255), matrix, size, flags=cv2.INTER_LINEAR)[..., None] / 255.0
    mixed = np.stack([ground, laid], axis=2).astype(np.float32)
    framed = mixed[..., :1] * (1 - there) + mixed[..., 1:] * there
    corners = np.hstack([corners_of(film), np.ones((4, 1), np.float32)]) @ matrix.T
    return np.asarray(np.rint(framed[..., 0]), np.uint8), corners.astype(np.float32)


def corners_of(film: Film) -> Corners:
    """Return a film's own corners, x and y in pixels, clockwise from the upper left, float32 (4, 2)."""
    height, width = film.shape
    return np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)


def flat_ground(film: Film, degrees: float, tone: int) -> Film:
    """Return a ground of one grey level that holds a turned film."""
    height, width = film.shape
    cosine, sine = abs(np.cos(np.radians(degrees))), abs(np.sin(np.radians(degrees)))
    size = round(width * sine + height * cosine) + 4, round(width * cosine + height * sine) + 4
    return np.full(size, tone, np.uint8)


def scattered_ground(film: Film, degrees: float, rng: Rng) -> Film:
    """Return what lies beyond the collimator: dark, a little lighter to one side, with grain."""
    ground = flat_ground(film, degrees, 0)
    slope = np.linspace(rng.uniform(2, 14), rng.uniform(2, 14), ground.shape[1])
    return np.asarray(np.clip(slope + rng.normal(0, 1.5, ground.shape), 0, 255), np.uint8)


def _tilt(rng: Rng) -> float:
    return float(rng.uniform(3, 30) * rng.choice([-1, 1]))


def _on_black(film: Film, rng: Rng) -> Framed:
    degrees = _tilt(rng)
    return tilted(film, flat_ground(film, degrees, 0), degrees)


def _collimated(film: Film, rng: Rng) -> Framed:
    degrees = _tilt(rng)
    framed, corners = tilted(film, scattered_ground(film, degrees, rng), degrees)
    # The collimator's shadow has a soft edge of half a per cent of the film.
    return np.asarray(cv2.GaussianBlur(framed, (0, 0), 0.0025 * max(framed.shape)), np.uint8), corners


def _small(film: Film, rng: Rng) -> Framed:
    side = round(max(film.shape) * rng.uniform(1.6, 2.6))
    left, top = (int(rng.integers(0, side - n + 1)) for n in film.shape[::-1])
    square = np.zeros((side, side), np.uint8)
    square[top : top + film.shape[0], left : left + film.shape[1]] = film
    return square, corners_of(film) + np.array([left, top], np.float32)


def _strips(film: Film, rng: Rng) -> Framed:
    """Bright strips of the cassette along one or two sides."""
    sides = [0, 0, 0, 0]
    for side in rng.choice(4, int(rng.integers(1, 3)), replace=False):
        sides[side] = round(rng.uniform(0.03, 0.12) * max(film.shape))
    above, below, before, behind = sides
    tone = int(rng.integers(225, 256))
    framed = cv2.copyMakeBorder(film, above, below, before, behind, cv2.BORDER_CONSTANT, value=tone)
    return np.asarray(framed, np.uint8), corners_of(film) + np.array([before, above], np.float32)


def _beside_another(film: Film, rng: Rng) -> Framed:
    """A second, smaller field on the same plate, with something else on it, on black."""
    height, width = film.shape
    gap, other = max(4, round(0.05 * width)), round(width * rng.uniform(0.3, 0.5))
    plate = np.zeros((height + 2 * gap, width + other + 3 * gap), np.uint8)
    plate[gap : gap + height, gap : gap + width] = film
    tall = round(height * rng.uniform(0.3, 0.6))
    blurred = cv2.GaussianBlur(rng.normal(0, 1, (tall, other)), (0, 0), max(2.0, other / 12))
    low, high = float(blurred.min()), float(blurred.max())
    plate[gap : gap + tall, width + 2 * gap : -gap] = 40 + 160 * (blurred - low) / (high - low)
    return plate, corners_of(film) + np.array([gap, gap], np.float32)


FRAMES: Mapping[str, Callable[[Film, Rng], Framed]] = {
    "black padding": lambda film, rng: padded(film, 0, rng),
    "white padding": lambda film, rng: padded(film, int(rng.integers(230, 256)), rng),
    "grey padding": lambda film, rng: padded(film, int(rng.integers(60, 200)), rng),
    "tilted on black": _on_black,
    "tilted collimation": _collimated,
    "small in a black square": _small,
    "cassette strips": _strips,
    "beside another field": _beside_another,
}

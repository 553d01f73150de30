"""Draw simple films of other parts of the body: feet, elbows and knees, chests.

They stand in for films that could not be had: tones, bones and outlines of the right sort, not anatomy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from boneage.preprocess.posture import turn

Film = NDArray[np.uint8]
Layer = NDArray[np.float32]
Rng = np.random.Generator
_HEIGHT = 320


def foot(rng: Rng) -> Film:
    """Draw a foot from above: five short toes that touch each other, metatarsals, tarsals and a heel."""
    width = int(rng.integers(130, 190))
    soft, bone = _layers(width)
    middle, spread = width / 2, width * rng.uniform(0.13, 0.17)
    cv2.ellipse(soft, (int(middle), 190), (int(width * 0.36), 120), 0, 0, 360, 0.45, -1)
    for ray in range(5):
        big = ray == 0
        x, toe = middle + (ray - 2) * spread, 88 + 9 * ray - 12 * big + float(rng.normal(0, 3))
        thick = int((13 if big else 7) * rng.uniform(0.9, 1.2))
        cv2.line(soft, _at(x, toe - 35), _at(x, 150), 0.45, 3 * thick)
        for top, bottom in ((toe - 38, toe - 24), (toe - 20, toe + 2), (toe + 8, 172)):
            _shaft(bone, (x, top), (middle + 0.75 * (x - middle), bottom), thick)
    for _ in range(6):
        place = _at(middle + rng.uniform(-0.2, 0.2) * width, rng.uniform(180, 225))
        cv2.ellipse(bone, place, (14, 11), float(rng.uniform(0, 180)), 0, 360, 0.6, -1)
    cv2.ellipse(bone, _at(middle, 265), (int(0.17 * width), 38), 0, 0, 360, 0.6, -1)
    return _film(soft, bone, rng)


def joint(rng: Rng) -> Film:
    """Draw an elbow or a knee: two limbs that meet at an angle, one or two bones in either."""
    width = int(rng.integers(170, 300))
    soft, bone = _layers(width)
    centre = np.array([width / 2, _HEIGHT / 2])
    bend, girth = float(rng.uniform(-1.2, 1.2)), int(width * rng.uniform(0.25, 0.45))
    for angle, count in ((-np.pi / 2, 1), (np.pi / 2 + bend, int(rng.integers(1, 3)))):
        along = np.array([np.cos(angle), np.sin(angle)])
        across = np.array([-along[1], along[0]])
        cv2.line(soft, _at(*centre), _at(*(centre + 400 * along)), 0.45, girth)
        for side in np.linspace(-0.2, 0.2, count) * girth if count > 1 else [0.0]:
            first, last = centre + 16 * along + side * across, centre + 400 * along + side * across
            _shaft(bone, tuple(first), tuple(last), max(8, int(girth * 0.3 / count)))
        ends = (int(0.34 * girth), int(0.18 * girth))
        cv2.ellipse(bone, _at(*(centre + 14 * along)), ends, float(np.degrees(angle)) + 90, 0, 360, 0.6, -1)
    return _film(soft, bone, rng)


def chest(rng: Rng) -> Film:
    """Draw a chest: two dark lungs, ribs, the spine, the heart and the collar bones."""
    width = int(_HEIGHT * rng.uniform(0.85, 1.2))
    soft, bone = _layers(width)
    soft[:] = 0.6
    middle = width / 2 + float(rng.normal(0, 4))
    for side in (-1, 1):
        lung = _at(middle + side * 0.22 * width, 165)
        cv2.ellipse(soft, lung, (int(0.17 * width), int(rng.integers(95, 130))), 6 * side, 0, 360, 0.12, -1)
        for rib in range(9):
            place = _at(middle + side * 0.2 * width, 70 + 24 * rib)
            cv2.ellipse(bone, place, (int(0.22 * width), 26), 12 * side, 180, 360, 0.25, 5)
        cv2.line(bone, _at(middle, 62), _at(middle + side * 0.4 * width, 48), 0.35, 8)
    cv2.line(bone, _at(middle, 0), _at(middle, _HEIGHT), 0.4, int(0.08 * width))
    cv2.ellipse(soft, _at(middle + 0.06 * width, 215), (int(0.15 * width), 60), -20, 0, 360, 0.7, -1)
    return _film(soft, bone, rng)


PARTS: Mapping[str, Callable[[Rng], Film]] = {"foot": foot, "elbow or knee": joint, "chest": chest}


def _layers(width: int) -> tuple[Layer, Layer]:
    return np.zeros((_HEIGHT, width), np.float32), np.zeros((_HEIGHT, width), np.float32)


def _at(x: float, y: float) -> tuple[int, int]:
    return round(float(x)), round(float(y))


def _shaft(bone: Layer, first: tuple[float, float], last: tuple[float, float], thick: int) -> None:
    """Draw a long bone: a bright rim around a darker marrow."""
    cv2.line(bone, _at(*first), _at(*last), 0.75, thick)
    cv2.line(bone, _at(*first), _at(*last), 0.5, max(1, thick // 2))


def _film(soft: Layer, bone: Layer, rng: Rng) -> Film:
    """Mix tissue and bone, blur, add grain and the ground's tone, and turn a little or by any angle."""
    tissue = cv2.GaussianBlur(soft, (0, 0), float(rng.uniform(2, 6)))
    bones = cv2.GaussianBlur(bone, (0, 0), float(rng.uniform(0.8, 2.5)))
    mixed = tissue * rng.uniform(0.3, 1.1) + bones * rng.uniform(0.6, 1.1) + rng.normal(0, 0.02, soft.shape)
    low = float(rng.uniform(0, 40))
    film = np.asarray(np.clip(low + mixed / max(0.1, float(mixed.max())) * (250 - low), 0, 255), np.uint8)
    if rng.random() < 0.4:
        return film
    return turn(film, float(rng.normal(0, 12) if rng.random() < 0.6 else rng.uniform(0, 360)))

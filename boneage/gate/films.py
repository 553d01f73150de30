"""Make films that the gate must refuse or correct: flaws put on good films, and pictures without a hand.

The gate is fitted on films made from one part of the training images and measured on films made from images,
photographs and scans that it never met; both by the makers below.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from boneage.gate.negatives import cut_out, pattern, scrambled
from boneage.gate.other_parts import PARTS
from boneage.groups import Sex
from boneage.phantom.hand import draw
from boneage.preprocess.posture import turn

Film = NDArray[np.uint8]
Rng = np.random.Generator


@dataclass(frozen=True)
class Source:
    """What flawed films are made from.

    Attributes:
        hand: draws a good film and its mask, both uint8 (H, W).
        pictures: photographs and films of other parts of the body.
    """

    hand: Callable[[Rng], tuple[Film, Film]]
    pictures: tuple[Film, ...]


@dataclass(frozen=True)
class Maker:
    """How one sort of film is made.

    Attributes:
        kind: what the gate should say of it, one of `gate.KINDS`.
        make: (source, rng) -> film, uint8 (H, W).
        drawn: whether it draws a simulated hand of its own; too slow to fit with.
    """

    kind: str
    make: Callable[[Source, Rng], Film]
    drawn: bool = False


def turned(film: Film, rng: Rng) -> Film:
    """Turn a film upside down or on its side, more or less exactly."""
    quarter = int(rng.choice([1, 2, 2, 3]))
    return tilted(np.ascontiguousarray(np.rot90(film, quarter)), rng, 20.0)


def by_any_angle(film: Film, rng: Rng) -> Film:
    """Turn a film by 30 to 330 degrees on black; all of it stays."""
    return turn(film, float(rng.uniform(30, 330)))


def tilted(film: Film, rng: Rng, degrees: float = 12.0) -> Film:
    """Tilt a film a little, on the grey of its corners."""
    height, width = film.shape
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), float(rng.uniform(-degrees, degrees)), 1.0)
    corner = float(np.median([film[0, 0], film[0, -1], film[-1, 0], film[-1, -1]]))
    return np.asarray(cv2.warpAffine(film, matrix, (width, height), borderValue=corner), np.uint8)


def cut_off(film: Film, mask: Film, rng: Rng, side: str) -> Film:
    """Cut a good part of the hand away, cropped or blackened.

    Args:
        film: uint8 (H, W).
        mask: uint8 (H, W), the hand where 128 and above.
        rng: how far is cut.
        side: `fingers`, `wrist` (with the palm), `side` (left or right) or `piece` (all but a window).
    """
    rows, columns = np.flatnonzero((mask >= 128).any(axis=1)), np.flatnonzero((mask >= 128).any(axis=0))
    if rows.size < 8 or columns.size < 8:
        return film[: max(8, film.shape[0] // 3)]
    top, left, tall, wide = int(rows[0]), int(columns[0]), len(rows), len(columns)
    low, high, first, last = 0, film.shape[0], 0, film.shape[1]
    if side == "fingers":
        low = top + round(tall * rng.uniform(0.25, 0.6))
    elif side == "wrist":
        high = top + round(tall * rng.uniform(0.25, 0.5))
    elif side == "side" and rng.random() < 0.5:
        first = left + round(wide * rng.uniform(0.3, 0.6))
    elif side == "side":
        last = left + round(wide * rng.uniform(0.4, 0.7))
    else:
        share, place = rng.uniform(0.3, 0.55, 2), rng.uniform(0.1, 0.9, 2)
        low = top + round(tall * (1 - share[0]) * place[0])
        first = left + round(wide * (1 - share[1]) * place[1])
        high, last = low + max(8, round(tall * share[0])), first + max(8, round(wide * share[1]))
    if rng.random() < 0.3:
        dark = np.full_like(film, np.percentile(film, 2))
        dark[low:high, first:last] = film[low:high, first:last]
        return dark
    return np.ascontiguousarray(film[low:high, first:last])


def without_background(film: Film, mask: Film) -> Film:
    """Blacken everything but the hand, so that no letter of a side marker is left."""
    near = cv2.dilate(mask, np.ones((5, 5), np.uint8))
    return np.where(near >= 64, film, np.uint8(0)).astype(np.uint8)


def two_hands(film: Film, other: Film, rng: Rng) -> Film:
    """Lay two films side by side, the second one mirrored as a right hand, as on films of both hands."""
    height = max(film.shape[0], other.shape[0])
    parts = [_to_height(film, height), _to_height(np.ascontiguousarray(other[:, ::-1]), height)]
    return np.concatenate(parts[:: 1 if rng.random() < 0.5 else -1], axis=1)


def broken_phantom(rng: Rng) -> Film:
    """Draw a simulated hand and remove its fingers, its palm or one half."""
    sex = Sex.FEMALE if rng.random() < 0.5 else Sex.MALE
    phantom = draw(float(rng.uniform(24, 216)), sex, int(rng.integers(2**31)))
    film, dark = phantom.image.copy(), int(np.percentile(phantom.image, 3))
    knuckles = int(np.mean([phantom.landmarks[f"mcp{ray}"][1] for ray in (2, 3, 4, 5)]))
    wrist, middle = int(phantom.landmarks["wrist"][1]), int(phantom.landmarks["mcp3"][0])
    part = int(rng.integers(4))
    if part == 0:
        film[:knuckles] = dark
    elif part == 1:
        film[min(knuckles, film.shape[0] - 2) :] = dark
    elif part == 2:
        film[:, :middle] = dark
    else:
        film[:wrist] = dark
    return film


def _to_height(film: Film, height: int) -> Film:
    width = max(1, round(film.shape[1] * height / film.shape[0]))
    return np.asarray(cv2.resize(film, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def simulated(rng: Rng) -> Film:
    """Draw a simulated hand of any age."""
    sex = Sex.FEMALE if rng.random() < 0.5 else Sex.MALE
    return draw(float(rng.uniform(24, 216)), sex, int(rng.integers(2**31))).image


def _mirrored(source: Source, rng: Rng) -> Film:
    return np.ascontiguousarray(source.hand(rng)[0][:, ::-1])


def _mirrored_alone(source: Source, rng: Rng) -> Film:
    return np.ascontiguousarray(without_background(*source.hand(rng))[:, ::-1])


def _inverted(source: Source, rng: Rng) -> Film:
    return np.asarray(255 - source.hand(rng)[0], np.uint8)


def _picture(source: Source, rng: Rng) -> Film:
    if not source.pictures:
        return pattern(rng)
    return cut_out(source.pictures[int(rng.integers(len(source.pictures)))], rng)


def _part(name: str) -> Maker:
    return Maker("not_hand", lambda source, rng: PARTS[name](rng))


def _cut(side: str) -> Maker:
    return Maker("cut_off", lambda source, rng: cut_off(*source.hand(rng), rng, side))


MAKERS: Mapping[str, Maker] = {
    "simulated hand": Maker("usable", lambda source, rng: simulated(rng), drawn=True),
    "left hand without background": Maker("usable", lambda source, rng: without_background(*source.hand(rng))),
    "mirrored": Maker("mirrored", _mirrored),
    "mirrored without background": Maker("mirrored", _mirrored_alone),
    "inverted": Maker("inverted", _inverted),
    "cut off: fingers": _cut("fingers"),
    "cut off: wrist": _cut("wrist"),
    "cut off: one side": _cut("side"),
    "cut off: a piece": _cut("piece"),
    "cut off: simulated hand": Maker("cut_off", lambda source, rng: broken_phantom(rng), drawn=True),
    "turned": Maker("turned", lambda source, rng: turned(source.hand(rng)[0], rng)),
    "turned by any angle": Maker("turned", lambda source, rng: by_any_angle(source.hand(rng)[0], rng)),
    "two hands": Maker("two_hands", lambda source, rng: two_hands(source.hand(rng)[0], source.hand(rng)[0], rng)),
    "no hand: pattern": Maker("not_hand", lambda source, rng: pattern(rng)),
    "no hand: picture": Maker("not_hand", _picture),
    "no hand: scrambled film": Maker("not_hand", lambda source, rng: scrambled(source.hand(rng)[0], rng)),
    **{f"no hand: drawn {name}": _part(name) for name in PARTS},
}

"""Read hand outlines drawn by readers as masks, keep some for validation, and draw phantoms with their masks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from boneage.groups import MAX_AGE_MONTHS, Sex
from boneage.phantom import hand as phantom
from boneage.pretrain import sources

VALIDATION_COUNT = 15
TWO_HANDS = frozenset({"1430"})  # two hands on the film and one of them outlined: useless as truth
LARGE_SIDE = 512
FINE_SIDE = 2048


@dataclass(frozen=True)
class Outlined:
    """A film and its hand: `image` uint8 (H, W) and `mask` uint8 (H, W), 0 to 255, 128 and above is hand."""

    name: str
    image: NDArray[np.uint8]
    mask: NDArray[np.uint8]


@dataclass(frozen=True)
class OutlineSplit:
    """Ids of outlines: `train`, `validation` (15 with large images) and `withheld` (in validation_ids.csv, small)."""

    train: tuple[str, ...]
    validation: tuple[str, ...]
    withheld: tuple[str, ...]


def split_outlines(ids: Sequence[str], large: frozenset[str], never: frozenset[str]) -> OutlineSplit:
    """Choose the validation outlines by a fixed rule.

    Of the outlines with a large image, those in `never` come first, then ascending ids, until there are 15. Small ones
    in `never` are neither trained nor chosen on.
    """
    ordered = sorted(set(ids) - TWO_HANDS, key=int)
    candidates = sorted((i for i in ordered if i in large), key=lambda i: (i not in never, int(i)))
    validation = tuple(candidates[:VALIDATION_COUNT])
    rest = [i for i in ordered if i not in validation]
    return OutlineSplit(tuple(i for i in rest if i not in never), validation, tuple(i for i in rest if i in never))


def read_outlines(data: Path) -> dict[str, dict[str, object]]:
    """Read `hand_outlines.json`: `{id: {width, height, polygons}}`, in pixels of the original image."""
    return dict(json.loads((data / "hand_outlines.json").read_text(encoding="utf-8")))


def draw_mask(outline: dict[str, object], shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Draw one outline at `shape` (H, W): uint8, 0 to 255, soft at its edge.

    It is drawn finer and averaged: OpenCV fills the pixels that an edge touches, too, and at the size of a small film
    that half pixel makes hands two per cent too fat.
    """
    height, width = shape
    fine = max(1, -(-FINE_SIDE // max(shape)))
    scale = np.array([width / float(str(outline["width"])), height / float(str(outline["height"]))]) * fine
    polygons = outline["polygons"]
    if not isinstance(polygons, list):
        raise ValueError(f"an outline's polygons must be a list, but {type(polygons).__name__} was given")
    mask = np.zeros((height * fine, width * fine), np.uint8)
    for polygon in polygons:
        points = np.asarray(polygon["exterior"], np.float64) * scale - 0.5
        cv2.fillPoly(mask, [np.round(points * 16).astype(np.int32)], 255, shift=4)
    return np.asarray(cv2.resize(mask, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def load_outlined(data: Path, ids: Sequence[str], *, large: bool | None = None) -> list[Outlined]:
    """Load films with their outlines.

    Args:
        data: The data folder.
        ids: Which outlines.
        large: True for 1024 px films, False for 299 px ones; None takes every film that there is.

    Returns:
        The films, large ones shrunk to `LARGE_SIDE` pixels when both sizes are asked for (training).
    """
    outlines, sizes = read_outlines(data), sources.image_sizes(data)
    films = sources.films_of(ids, frozenset(sources.large_ids(data)))
    found = []
    for film in films:
        if large is not None and film.large != large:
            continue
        image = sources.read_film(data, film, sizes)
        if large is None and film.large:
            image = shrink(image, LARGE_SIDE)
        name = f"{film.id}-{'1024' if film.large else '100'}"
        found.append(Outlined(name, image, draw_mask(outlines[film.id], (image.shape[0], image.shape[1]))))
    return found


def shrink(image: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Shrink a uint8 (H, W) image so that its longer side is at most `side` pixels; aspect kept."""
    scale = side / max(image.shape)
    if scale >= 1:
        return image
    target = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    return np.asarray(cv2.resize(image, target, interpolation=cv2.INTER_AREA), dtype=np.uint8)


@dataclass(frozen=True)
class Films:
    """Films with outlines to train the mask network on and to measure it with."""

    train: tuple[Outlined, ...]
    phantoms: tuple[Outlined, ...]
    validation: tuple[Outlined, ...]
    small: tuple[Outlined, ...]
    split: OutlineSplit


def load_films(data: Path, phantoms: int, seed: int) -> Films:
    """Read the outlined films and draw the phantoms; `small` are 299 px films of outlines that are not trained on."""
    large, never = frozenset(sources.large_ids(data)), sources.validation_ids(data)
    split = split_outlines(list(read_outlines(data)), large, never)
    return Films(
        tuple(load_outlined(data, split.train)),
        draw_phantoms(phantoms, seed),
        tuple(load_outlined(data, split.validation, large=True)),
        tuple(load_outlined(data, split.validation + split.withheld, large=False)),
        split,
    )


def draw_phantoms(count: int, seed: int) -> tuple[Outlined, ...]:
    """Draw simulated hands of all ages with their masks."""
    drawn = []
    for number, age in enumerate(np.linspace(6, MAX_AGE_MONTHS, count)):
        sex = tuple(Sex)[number % 2]
        hand = phantom.draw(float(age), sex, seed=seed * 10_000 + number)
        drawn.append(Outlined(f"phantom-{number}", hand.image, hand.mask.astype(np.uint8) * 255))
    return tuple(drawn)


def describe(films: Films) -> dict[str, Any]:
    """Describe for the training record what was trained on and what was kept for validation."""
    return {
        "outlines": "hand outlines drawn by readers, minhnt33/gr-bone-age, MIT",
        "films_of_train": len(films.train),
        "phantoms": len(films.phantoms),
        "train_ids": list(films.split.train),
        "validation_ids": list(films.split.validation),
        "withheld_ids": list(films.split.withheld),
        "left_out_ids": sorted(TWO_HANDS),
        "ids_sha256": {"train": sources.ids_sha256(films.split.train)},
        "validation_rule": "of the outlines with a 1024 px film: validation_ids.csv first, then ascending ids, 15",
    }

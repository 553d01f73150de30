"""Where an estimate comes from: Grad-CAM and occlusion heat maps with a test of their faithfulness.

The backbone is frozen and pools by averaging, so an age depends on the pooled features alone and Grad-CAM's channel
weights are the age's gradient with respect to them. It is taken by central differences through the very routing that
serves, so it holds for any heads, hard or soft, and needs no Keras.

A heat map shows what moves the number, not what is right: `faithfulness` says how far that can be believed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from boneage.cascade.cascade import Cascade
from boneage.cascade.routing import route
from boneage.groups import AGE_GROUPS, ModelKey, Sex, Task
from boneage.preprocess.preparer import Prepared

Heat = NDArray[np.float32]
Image = NDArray[np.uint8]
Progress = Callable[[int, int], None]
TILES = 20
_STEP = 0.02
_HAND = 8


@dataclass(frozen=True)
class Faithfulness:
    """What deleting the hottest tiles does to the estimate, against deleting random tiles of the hand.

    Attributes:
        hottest_months: absolute change of the age when the hottest tiles are smoothed away.
        random_months: mean absolute change over random choices of as many tiles of the hand.
        share: how much of the hand's tiles was deleted.
        draws: how many random choices were made.
    """

    hottest_months: float
    random_months: float
    share: float
    draws: int

    @property
    def holds(self) -> bool:
        """Tell whether the hottest tiles matter more than random ones."""
        return self.hottest_months > self.random_months


def heat_map(cascade: Cascade, prepared: Prepared, sex: Sex | str) -> Heat:
    """Return the Grad-CAM heat map of one estimate: how much each place moves the age, up or down.

    Args:
        cascade: the cascade.
        prepared: a prepared film, image uint8 (S, S).
        sex: the patient's sex.

    Returns:
        float32 (S, S), 0 (no influence) to 1 (the strongest); black background is 0.
    """
    maps = cascade.backbone.maps(prepared.image[None])[0]
    gradient = age_gradient(cascade, maps.mean(axis=(0, 1)), Sex.parse(sex))
    return _spread(np.abs(maps @ gradient), prepared.image)


def age_gradient(cascade: Cascade, features: np.ndarray, sex: Sex) -> NDArray[np.float32]:
    """Return the age's gradient with respect to pooled features float32 (D,), months per unit, float32 (D,)."""
    step = np.float32(_STEP) * (np.abs(features) + np.float32(0.1))
    moved = np.concatenate([features + np.diag(step), features - np.diag(step)]).astype(np.float32)
    ages = ages_of(cascade, moved, sex)
    return np.asarray((ages[: len(step)] - ages[len(step) :]) / (2 * step), np.float32)


def ages_of(cascade: Cascade, features: np.ndarray, sex: Sex) -> NDArray[np.float64]:
    """Return the ages in months, float64 (N,), of pooled features (N, D) as the cascade routes them."""
    count = len(features)
    routed = route(cascade.heads, features, [sex] * count, [None] * count, cascade.config.cascade.routing)
    return np.asarray(routed.ages, np.float64)


def occlusion_map(
    cascade: Cascade, prepared: Prepared, sex: Sex | str, tiles: int = 10, progress: Progress | None = None
) -> Heat:
    """Return how far the age moves when one tile at a time is smoothed away; one backbone pass per tile of the hand.

    Returns:
        float32 (S, S), 0-1 as `heat_map`.
    """
    sex = Sex.parse(sex)
    image, hand = prepared.image, _tiles(prepared.image, tiles) > _HAND
    base = _age(cascade, image, sex)
    heat = np.zeros((tiles, tiles), np.float32)
    places = np.argwhere(hand)
    for done, (row, column) in enumerate(places, start=1):
        chosen = np.zeros((tiles, tiles), bool)
        chosen[row, column] = True
        heat[row, column] = abs(_age(cascade, delete(image, chosen), sex) - base)
        if progress:
            progress(done, len(places))
    return _spread(heat, image)


def faithfulness(
    cascade: Cascade,
    prepared: Prepared,
    sex: Sex | str,
    heat: Heat,
    *,
    share: float = 0.15,
    draws: int = 8,
    seed: int = 0,
) -> Faithfulness:
    """Compare deleting the hottest tiles of the hand with deleting random ones.

    Args:
        cascade: the cascade.
        prepared: the prepared film.
        sex: the patient's sex.
        heat: float32 (S, S), 0-1.
        share: share of the hand's tiles to delete.
        draws: random choices to average over.
        seed: of the random choices.
    """
    sex, image = Sex.parse(sex), prepared.image
    hand = np.flatnonzero(_tiles(image, TILES) > _HAND)
    count = max(1, round(share * len(hand)))
    hottest = hand[np.argsort(_tiles(heat, TILES).ravel()[hand])[::-1][:count]]
    rng = np.random.default_rng(seed)
    choices = [hottest, *(rng.choice(hand, min(count, len(hand)), replace=False) for _ in range(draws))]
    images = np.stack([image, *(delete(image, _chosen(tiles)) for tiles in choices)])
    ages = ages_of(cascade, cascade.backbone.pooled(images), sex)
    moved = np.abs(ages[1:] - ages[0])
    return Faithfulness(float(moved[0]), float(moved[1:].mean()) if draws else 0.0, share, draws)


def delete(image: Image, tiles: NDArray[np.bool_]) -> Image:
    """Smooth tiles of an image away: their tone stays, so that no edge is invented; their detail goes.

    Args:
        image: uint8 (S, S).
        tiles: bool (T, T), which of T x T tiles.
    """
    side = image.shape[0]
    smooth = cv2.GaussianBlur(image, (0, 0), sigmaX=max(1.0, side / 12))
    area = cv2.resize(tiles.astype(np.uint8), (image.shape[1], side), interpolation=cv2.INTER_NEAREST).astype(bool)
    return np.where(area, smooth, image).astype(np.uint8)


def expert_opinions(cascade: Cascade, features: np.ndarray, sex: Sex | str) -> list[tuple[str, float, float]]:
    """Return what each of the sex's four experts says: (range label, classifier's probability, age in months)."""
    sex = Sex.parse(sex)
    weights = np.asarray(cascade.heads[ModelKey(Task.CLASSIFIER, sex)].predict(features)[0], float)
    opinions = []
    for group in AGE_GROUPS:
        age = np.asarray(cascade.heads[ModelKey(Task.REGRESSOR, sex, group.number)].predict(features), float).ravel()
        opinions.append((group.label, float(weights[group.number - 1]), float(age[0])))
    return opinions


def overlay(image: Image, heat: Heat) -> Image:
    """Lay a heat map over its image, for a picture: uint8 (S, S, 3), red, green, blue."""
    colours = cv2.applyColorMap((np.clip(heat, 0, 1) * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1]
    grey = np.repeat(image[..., None], 3, axis=2).astype(np.float32)
    strength = 0.15 + 0.45 * np.clip(heat, 0, 1)[..., None]
    return np.clip(grey * (1 - strength) + colours * strength, 0, 255).astype(np.uint8)


def _age(cascade: Cascade, image: Image, sex: Sex) -> float:
    return float(ages_of(cascade, cascade.backbone.pooled(image[None]), sex)[0])


def _chosen(tiles: Sequence[int] | NDArray[np.int64]) -> NDArray[np.bool_]:
    chosen = np.zeros(TILES * TILES, bool)
    chosen[np.asarray(tiles)] = True
    return chosen.reshape(TILES, TILES)


def _tiles(picture: np.ndarray, tiles: int) -> NDArray[np.float32]:
    """Average a picture over T x T tiles."""
    return np.asarray(cv2.resize(picture.astype(np.float32), (tiles, tiles), interpolation=cv2.INTER_AREA), np.float32)


def _spread(heat: np.ndarray, image: Image) -> Heat:
    """Bring a coarse map to the image's size, black background to 0 and the strongest place to 1."""
    full = cv2.resize(np.asarray(heat, np.float32), image.shape[::-1], interpolation=cv2.INTER_CUBIC)
    full = np.where(image > 0, np.maximum(full, 0), 0)
    top = float(full.max())
    return np.asarray(full / top if top > 0 else full, np.float32)

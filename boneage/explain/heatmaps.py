"""Draw Grad-CAM and occlusion heat maps of where an estimate comes from.

The backbone is frozen and pools by averaging, so an age depends on the pooled features alone and Grad-CAM's channel
weights are the age's gradient with respect to them. It is taken by central differences through the very estimate that
is served, so it holds for any heads, routing, given range, head for all ages and calibration, and needs no Keras.

A heat map shows what moves the number, not what is right: `boneage.explain.faithfulness` says how far to believe it.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from boneage.cascade.cascade import Cascade
from boneage.groups import Sex
from boneage.preprocess.preparer import Prepared

Heat = NDArray[np.float32]
Image = NDArray[np.uint8]
Progress = Callable[[int, int], None]
_STEP = 0.02
_HAND = 8
_BATCH = 16


def heat_map(
    cascade: Cascade,
    prepared: Prepared,
    sex: Sex | str,
    age_range: str | None = None,
    features: np.ndarray | None = None,
) -> Heat:
    """Return the Grad-CAM heat map of one estimate: how much each place moves the age, up or down.

    With several views the map is that of the film as it is, and the gradient that of the views' average.

    Args:
        cascade: the cascade.
        prepared: a prepared film, image uint8 (S, S).
        sex: the patient's sex.
        age_range: the range that was given, None where the classifier chose.
        features: float32 (1, D) of the film, where they are known already.

    Returns:
        float32 (S, S), 0 (no influence) to 1 (the strongest); black background is 0.
    """
    maps = cascade.backbone.maps(prepared.image[None])[0]
    features = cascade.features(prepared) if features is None else features
    gradient = age_gradient(cascade, features[0], Sex.parse(sex), age_range)
    return _spread(np.abs(maps @ gradient), prepared.image)


def age_gradient(cascade: Cascade, features: np.ndarray, sex: Sex, age_range: str | None = None) -> NDArray[np.float32]:
    """Return the age's gradient with respect to the backbone's pooled features, months per unit, float32 (D,).

    `features` are one film's, as `Cascade.pooled` gives them; what its regions say stays as it is.
    """
    pooled, columns = cascade.divided(features[None])
    step = np.float32(_STEP) * (np.abs(pooled[0]) + np.float32(0.1))
    moved = np.concatenate([pooled + np.diag(step), pooled - np.diag(step)]).astype(np.float32)
    if columns is not None:
        moved = np.hstack([moved, np.repeat(columns, len(moved), axis=0)])
    ages = ages_of(cascade, moved, sex, age_range)
    return np.asarray((ages[: len(step)] - ages[len(step) :]) / (2 * step), np.float32)


def ages_of(cascade: Cascade, features: np.ndarray, sex: Sex, age_range: str | None = None) -> NDArray[np.float64]:
    """Return the ages in months, float64 (N,), that the cascade estimates from pooled features (N, D)."""
    made = cascade.estimate_features(features, [sex] * len(features), [age_range] * len(features))
    return np.array([estimate.bone_age_months for estimate in made], np.float64)


def occlusion_map(
    cascade: Cascade,
    prepared: Prepared,
    sex: Sex | str,
    age_range: str | None = None,
    *,
    tiles: int = 14,
    progress: Progress | None = None,
) -> Heat:
    """Return how far the age moves when one tile at a time is smoothed away; one backbone pass per tile of the hand.

    The more faithful of the two maps, and the slower one (about a hundred passes). Of 10, 14 and 20 tiles a side
    the middle one was chosen on training films (docs/how-to/safety.md).

    Returns:
        float32 (S, S), 0-1 as `heat_map`.
    """
    sex, image, smooth = Sex.parse(sex), prepared.image, smoothed(prepared.image)
    places = np.argwhere(hand_tiles(image, tiles))
    base = ages_of(cascade, cascade.pooled(image[None]), sex, age_range)[0]
    heat = np.zeros((tiles, tiles), np.float32)
    for first in range(0, len(places), _BATCH):
        some = places[first : first + _BATCH]
        images = np.stack([delete(image, chosen_tiles(tiles, row * tiles + column), smooth) for row, column in some])
        heat[some[:, 0], some[:, 1]] = np.abs(ages_of(cascade, cascade.pooled(images), sex, age_range) - base)
        if progress:
            progress(min(first + _BATCH, len(places)), len(places))
    return _spread(heat, image)


def smoothed(image: Image) -> Image:
    """Return an image without its detail, uint8 (S, S): what `delete` puts in the place of a tile."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigmaX=max(1.0, image.shape[0] / 12)), np.uint8)


def delete(image: Image, tiles: NDArray[np.bool_], smooth: Image) -> Image:
    """Smooth tiles of an image away: their detail goes, their mean tone stays, so that no edge appears.

    Args:
        image: uint8 (S, S).
        tiles: bool (T, T), which of T x T tiles.
        smooth: of `smoothed`; the blur is wide and slow, so it is made once per image.
    """
    # Linear, so that a tile fades into its neighbours: a sharp edge would move the estimate by itself.
    share = cv2.resize(tiles.astype(np.float32), image.shape[::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(np.round(image + share * (smooth.astype(np.float32) - image)), np.uint8)


def overlay(image: Image, heat: Heat) -> Image:
    """Lay a heat map over its image, for a picture: uint8 (S, S, 3), red, green, blue."""
    colours = cv2.applyColorMap((np.clip(heat, 0, 1) * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1]
    grey = np.repeat(image[..., None], 3, axis=2).astype(np.float32)
    strength = 0.15 + 0.45 * np.clip(heat, 0, 1)[..., None]
    return np.clip(grey * (1 - strength) + colours * strength, 0, 255).astype(np.uint8)


def hand_tiles(image: Image, tiles: int) -> NDArray[np.bool_]:
    """Tell which of T x T tiles hold a part of the hand, bool (T, T); the prepared background is black."""
    return np.asarray(tile_means(image, tiles) > _HAND, bool)


def tile_means(picture: np.ndarray, tiles: int) -> NDArray[np.float32]:
    """Average a picture over T x T tiles, float32 (T, T)."""
    return np.asarray(cv2.resize(picture.astype(np.float32), (tiles, tiles), interpolation=cv2.INTER_AREA), np.float32)


def chosen_tiles(tiles: int, numbers: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Mark some of T x T tiles, which are counted by rows, bool (T, T)."""
    chosen = np.zeros(tiles * tiles, bool)
    chosen[numbers] = True
    return chosen.reshape(tiles, tiles)


def _spread(heat: np.ndarray, image: Image) -> Heat:
    """Bring a coarse map to the image's size, black background to 0 and the strongest place to 1."""
    full = cv2.resize(np.asarray(heat, np.float32), image.shape[::-1], interpolation=cv2.INTER_CUBIC)
    full = np.where(image > 0, np.maximum(full, 0), 0)
    top = float(full.max())
    return np.asarray(full / top if top > 0 else full, np.float32)

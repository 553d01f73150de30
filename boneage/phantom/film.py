"""A radiograph's accidents: exposure, texture, noise, blur, collimation, markers, background, inversion."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from boneage.phantom.marker import add_marker, collimate
from boneage.phantom.options import PhantomOptions

Image = NDArray[np.float32]
_LEVELS = 4096


def grain(shape: tuple[int, int], rng: np.random.Generator, sigma: float) -> Image:
    """Return smooth random texture (H, W) of mean 0 and spread about 1; `sigma` is its coarseness in px."""
    rough = rng.standard_normal(shape, dtype=np.float32)
    blurred = cv2.GaussianBlur(rough, (0, 0), sigma)
    return np.asarray(blurred * np.float32(3.545 * sigma), dtype=np.float32)


def expose(attenuation: Image, rng: np.random.Generator, options: PhantomOptions) -> Image:
    """Turn attenuation into grey values 0-255 (bone bright) by an exposure, a gamma and a background."""
    strength = options.exposure
    draws = rng.random(6)
    dark = strength > 0 and draws[0] < 0.17
    top = 205.0 + strength * (60.0 * draws[1] - 35.0)
    if dark:
        top = 45.0 + 75.0 * draws[1]
    base = 14.0 + strength * (36.0 * draws[2] ** 2 - 9.0)
    if draws[3] < options.grey_background_share:
        base = 35.0 + 60.0 * draws[2] if draws[3] > 0.12 * options.grey_background_share else 110.0 + 60.0 * draws[2]
        top = max(top, base + 40.0 + 50.0 * draws[1])
    gamma = 1.0 + strength * (0.7 * draws[4] - 0.3)
    saturation = 0.35 + strength * 0.5 * (draws[5] - 0.5)
    highest = max(float(np.partition(attenuation[::4, ::4].ravel(), -12)[-12]), 0.2)
    scaled = np.clip(attenuation * np.float32((_LEVELS - 1) / (1.25 * highest)), 0, _LEVELS - 1)
    return _tone_table(base, top, gamma, saturation)[scaled.astype(np.uint16)]


def _tone_table(base: float, top: float, gamma: float, saturation: float) -> Image:
    """Tabulate grey against attenuation: Beer-Lambert's saturation, then the film's gamma; one value per level."""
    knots = 257
    full = 1.0 - math.exp(-saturation)
    shares = [(1.0 - math.exp(-saturation * 1.25 * knot / (knots - 1))) / full for knot in range(knots)]
    greys = [base + (top - base) * share**gamma for share in shares]
    levels = np.arange(_LEVELS) * ((knots - 1) / (_LEVELS - 1))
    return np.interp(levels, np.arange(knots), greys).astype(np.float32)


def finish(
    film: Image, hand: NDArray[np.bool_], rng: np.random.Generator, options: PhantomOptions
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Add what the film and its handling add to a clean exposure, and quantise it.

    Args:
        film: grey values 0-255, float32 (H, W); changed in place.
        hand: the hand's mask, bool (H, W), which markers avoid.
        rng: source of the accidents.
        options: how strong and how frequent they are.

    Returns:
        The radiograph, uint8 (H, W), and where the exposed film can be seen beside collimator and padding, bool (H, W).
    """
    chance = rng.random(3)
    if options.blur > 0:
        sigma = options.blur * (0.35 + 0.5 * float(rng.random())) * film.shape[0] / 512
        film = np.asarray(cv2.GaussianBlur(film, (0, 0), sigma), dtype=np.float32)
    seen = np.ones(film.shape, np.bool_)
    if options.noise > 0:
        level = options.noise * (0.25 + 1.4 * float(rng.random()) ** 2)
        film += grain((film.shape[0], film.shape[1]), rng, 0.6) * np.float32(level) * np.float32(0.8)
    if chance[0] < options.marker_share:
        add_marker(film, hand, rng)
    if chance[1] < options.collimation_share:
        seen = collimate(film, rng)
    if chance[2] < options.inverted_share:
        film = 255 - film
    return np.asarray(np.rint(np.clip(film, 0, 255)), dtype=np.uint8), seen

"""Grey levels as other makers and other films would have given them: drawn at random over a prepared hand.

A prepared hand has been equalised, which undoes every change that keeps the order of grey levels (gamma, window,
contrast curves). What it does not undo is what a maker's processing does to neighbourhoods: details raised or
flattened, uneven exposure, soft tissue gone black. So those are drawn here, and the hand is equalised anew, as it would
be when served.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from boneage.preprocess.steps import equalise

Film = NDArray[np.uint8]


@dataclass(frozen=True)
class Tones:
    """How often (0-1) each change happens.

    Attributes:
        details: Details of a random size are raised, or flattened.
        uneven: The exposure falls off to one side.
        adaptive: Adaptive equalisation (CLAHE).
        bones_only: Soft tissue becomes black, as on old digitised plates.
        curve: The grey levels go through a random curve after all.
    """

    details: float = 0.5
    uneven: float = 0.3
    adaptive: float = 0.12
    bones_only: float = 0.06
    curve: float = 0.5


def retone(hand: Film, rng: np.random.Generator, tones: Tones | None = None) -> Film:
    """Draw another processing of a prepared hand, uint8 (S, S), background 0; the background stays 0."""
    chance = tones or Tones()
    inside = hand > 0
    if not inside.any():
        return hand
    film = hand
    if rng.random() < chance.bones_only:
        film = _bones_only(film, inside, rng)
    if rng.random() < chance.details:
        film = _details(film, inside, rng)
    if rng.random() < chance.uneven:
        film = _uneven(film, rng)
    if rng.random() < chance.adaptive:
        film = np.asarray(cv2.createCLAHE(rng.uniform(1.5, 4.0), (8, 8)).apply(film), np.uint8)
    if film is not hand:
        film = equalise(film, inside)
    if rng.random() < chance.curve:
        film = np.asarray(cv2.LUT(film, _curve(rng)), np.uint8)
    return np.where(inside, np.maximum(film, 1), 0).astype(np.uint8)


def _details(film: Film, inside: NDArray[np.bool_], rng: np.random.Generator) -> Film:
    """Raise or flatten what is smaller than a random size, by its difference from the neighbourhood within the hand."""
    size = float(np.exp(rng.uniform(np.log(2), np.log(40))))
    strength = rng.uniform(-0.5, 1.5)
    levels, weights = film.astype(np.float32), inside.astype(np.float32)
    small = 4 if size > 8 else 1  # a wide mean is as good at a quarter of the size, and costs a sixteenth
    shape = (film.shape[1] // small, film.shape[0] // small)
    both = cv2.resize(np.dstack([levels * weights, weights]), shape, interpolation=cv2.INTER_AREA)
    mean = cv2.GaussianBlur(both, (0, 0), size / small)
    near = cv2.resize(mean, (film.shape[1], film.shape[0]), interpolation=cv2.INTER_LINEAR)
    changed = levels + strength * (levels - near[..., 0] / np.maximum(near[..., 1], 1e-3))
    low, high = np.percentile(changed[inside], (0.5, 99.5))
    scaled = (changed - low) * (254 / max(high - low, 1.0)) + 1
    return np.clip(scaled, 1, 255).astype(np.uint8)


def _uneven(film: Film, rng: np.random.Generator) -> Film:
    """Let the exposure fall off linearly to a random side, by up to a third."""
    height, width = film.shape
    turn, depth = rng.uniform(0, 2 * np.pi), rng.uniform(0.05, 0.35)
    across = np.linspace(-0.5, 0.5, width, dtype=np.float32)[None] * np.cos(turn)
    down = np.linspace(-0.5, 0.5, height, dtype=np.float32)[:, None] * np.sin(turn)
    return np.clip(film * (1 - depth * (0.5 + across + down)), 1, 255).astype(np.uint8)


def _bones_only(film: Film, inside: NDArray[np.bool_], rng: np.random.Generator) -> Film:
    """Make the darkest part of the hand, which is soft tissue, black."""
    dark = float(np.quantile(film[inside], rng.uniform(0.25, 0.5)))
    soft = rng.uniform(5, 40)
    table = np.clip((np.arange(256) - dark) / soft, 0, 1) * np.arange(256)
    return np.asarray(cv2.LUT(film, table.astype(np.uint8)), np.uint8)


def _curve(rng: np.random.Generator) -> Film:
    """Draw a table of grey levels (256,): gamma, contrast, brightness, and an s-shape or its opposite."""
    levels = np.linspace(0, 1, 256) ** np.exp(rng.normal(0, 0.3))
    bend = rng.normal(0, 0.06)
    levels = levels + bend * np.sin(2 * np.pi * levels)
    levels = (levels - 0.5) * np.exp(rng.normal(0, 0.15)) + 0.5 + rng.normal(0, 0.05)
    return (np.clip(levels, 0, 1) * 255).astype(np.uint8)

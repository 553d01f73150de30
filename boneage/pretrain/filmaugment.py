"""Augment outlined films for the mask network with accidents of radiographs: plates, frames, casts, noise."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from boneage.preprocess import handmask
from boneage.pretrain.outlines import Outlined

LETTERS = "LRABCDEGJOPSTX0123456789"


@dataclass(frozen=True)
class Accidents:
    """How often (0-1) each accident happens."""

    plates: float = 0.6
    strips: float = 0.25
    frame: float = 0.3
    inversion: float = 0.03
    coarse: float = 0.4
    noise: float = 0.4
    mirror: float = 0.5
    any_turn: float = 0.15
    cast: float = 0.06


def augment(
    film: Outlined, rng: np.random.Generator, side: int, accidents: Accidents | None = None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Draw one augmented training pair of film and mask.

    Returns:
        The network's input float32 (side, side), -1 to 1, and the hand float32 (side, side), 0 to 1.
    """
    chance = accidents or Accidents()
    image, mask = film.image, film.mask
    if rng.random() < chance.cast:
        image, mask = _cast(image, mask, rng)
    if rng.random() < chance.frame:
        image = _frame(image, mask, rng)
    if rng.random() < chance.strips:
        image = _strip(image, mask, rng)
    if rng.random() < chance.plates:
        for _ in range(rng.integers(1, 4)):
            image = _plate(image, mask, rng)
    if rng.random() < chance.coarse:
        image = _coarse(image, rng)
    image = _tone(image, rng, chance)
    matrix = _pose(image.shape, rng, side, chance)
    fill = int(rng.choice([0, 0, int(np.median(image)), int(rng.integers(0, 256))]))
    warped = cv2.warpAffine(image, matrix, (side, side), flags=cv2.INTER_LINEAR, borderValue=(fill,))
    truth = cv2.warpAffine(mask, matrix, (side, side), flags=cv2.INTER_LINEAR, borderValue=(0,))
    return handmask.stretch(warped.astype(np.float32)), truth.astype(np.float32) / 255


def _pose(shape: tuple[int, ...], rng: np.random.Generator, side: int, chance: Accidents) -> NDArray[np.float64]:
    """Draw the 2 x 3 matrix from the film to the square: turn, scale, aspect, shear, mirror, shift."""
    height, width = shape[:2]
    base = side / max(height, width)
    turn = rng.uniform(-np.pi, np.pi) if rng.random() < chance.any_turn else rng.normal(0, 0.25)
    scale = base * np.exp(rng.uniform(-0.45, 0.45))
    aspect, shear = np.exp(rng.normal(0, 0.06)), rng.normal(0, 0.05)
    mirror = -1 if rng.random() < chance.mirror else 1
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    linear = scale * rotation @ np.array([[mirror * aspect, shear], [0, 1 / aspect]])
    target = np.array([side / 2, side / 2]) + rng.uniform(-0.12, 0.12, 2) * side
    if rng.random() < 0.5:  # as the letterbox does: the film's corner in the square's corner
        target = np.array([width, height]) * base / 2
    return np.column_stack([linear, target - linear @ np.array([width / 2, height / 2])])


def _tone(image: NDArray[np.uint8], rng: np.random.Generator, chance: Accidents) -> NDArray[np.uint8]:
    """Change gamma, contrast and brightness, sometimes invert, shade or add noise."""
    levels = np.arange(256) / 255
    curve = levels ** np.exp(rng.normal(0, 0.4))
    curve = (curve - 0.5) * np.exp(rng.normal(-0.05, 0.2)) + 0.5 + rng.normal(0, 0.05)
    if rng.random() < chance.inversion:
        curve = 1 - curve
    toned = (np.clip(curve, 0, 1) * 255).astype(np.uint8)[image]
    if rng.random() < chance.noise:
        coarse = rng.normal(0, rng.uniform(2, 14), [max(2, s // int(rng.integers(1, 4))) for s in image.shape])
        grain = cv2.resize(coarse.astype(np.float32), image.shape[::-1], interpolation=cv2.INTER_LINEAR)
        slope = rng.normal(0, 12) * np.linspace(-1, 1, image.shape[1], dtype=np.float32)
        toned = np.clip(toned + grain + slope, 0, 255).astype(np.uint8)
    return np.asarray(toned, np.uint8)


def _coarse(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Blur, or shrink to the coarseness of a squeezed copy of 100 px and back."""
    if rng.random() < 0.4:
        return np.asarray(cv2.GaussianBlur(image, (0, 0), rng.uniform(0.5, 2.5)), np.uint8)
    side = int(rng.uniform(80, 200))
    small = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, image.shape[::-1], interpolation=cv2.INTER_CUBIC), np.uint8)


def _behind(image: NDArray[np.uint8], drawn: NDArray[np.uint8], mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Keep the hand of `image` in front of what was drawn."""
    return np.where(mask > 127, image, drawn)


def _plate(image: NDArray[np.uint8], mask: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Draw a side marker, a line of text or a label plate at any angle behind the hand."""
    height, width = image.shape
    size = max(height, width) * rng.uniform(0.03, 0.14)
    patch = np.zeros((64, int(rng.choice([48, 64, 128, 200]))), np.uint8)
    inside = np.full_like(patch, 255)
    bright, dark = sorted(rng.integers(0, 256, 2))[::-1] if rng.random() < 0.3 else (rng.integers(180, 256), 40)
    patch[:] = bright if rng.random() < 0.4 else dark
    text = "".join(LETTERS[k] for k in rng.integers(0, len(LETTERS), max(1, patch.shape[1] // 40)))
    ink = int(dark if patch[0, 0] == bright else bright)
    cv2.putText(patch, text, (6, 54), int(rng.integers(0, 5)), 1.7, (ink,), int(rng.integers(3, 9)))
    if rng.random() < 0.5:
        inside = np.where(patch == ink, 255, 0).astype(np.uint8)
    turn, scale = rng.uniform(-np.pi, np.pi), size / 64
    linear = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    at = rng.uniform(0, 1, 2) * (width, height) - linear @ (np.array(patch.shape[::-1]) / 2)
    matrix = np.column_stack([linear, at])
    alpha = cv2.warpAffine(inside, matrix, (width, height), flags=cv2.INTER_AREA).astype(np.float32) / 255
    colour = cv2.warpAffine(patch, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    drawn = (image * (1 - alpha) + colour * alpha).astype(np.uint8)
    return _behind(image, drawn, mask)


def _cast(
    image: NDArray[np.uint8], mask: NDArray[np.uint8], rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Put a plaster cast around forearm and palm: woven, bright at its rim, cut off straight, and kept with the arm."""
    around = _cast_outline(mask, rng)
    if not around.any():
        return image, mask
    arm = max(float(np.median(image[mask > 127])), 1.0)
    rim = max(2, int(image.shape[1] * rng.uniform(0.008, 0.03)))
    thick = cv2.distanceTransform((around > 127).astype(np.uint8), cv2.DIST_L2, 3) / rim
    shell = 1 + rng.uniform(0.3, 1.5) * np.exp(-np.maximum(thick - 0.3, 0))
    y, x = np.indices(image.shape, dtype=np.float32)
    weave = 1 + rng.uniform(0, 0.25) * np.sin(x / rng.uniform(1, 4)) * np.sin(y / rng.uniform(1, 4))
    soft = cv2.GaussianBlur(around, (0, 0), rng.uniform(0.5, 1.5)).astype(np.float32) / 255
    veil = soft * shell * weave * rng.uniform(0.04, 0.25) * arm
    return np.clip(image + veil, 0, 255).astype(np.uint8), np.maximum(mask, (soft * 255).astype(np.uint8))


def _cast_outline(mask: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return where a cast lies, uint8 (H, W) of 0 or 255: the arm below a slanted line, straightened and widened."""
    height, width = mask.shape
    rows = np.flatnonzero((mask > 127).any(axis=1))
    if len(rows) == 0:
        return np.zeros_like(mask)
    y, x = np.indices(mask.shape, dtype=np.float32)
    start = rows[0] + rng.uniform(0.3, 0.7) * (rows[-1] - rows[0])
    below = y > start + (x - width / 2) * np.tan(np.deg2rad(rng.normal(0, 15)))
    wide = max(1, int(width * rng.uniform(0.008, 0.04)))
    arm = np.where(below, mask, 0).astype(np.uint8)
    closed = cv2.morphologyEx(arm, cv2.MORPH_CLOSE, np.ones((6 * wide + 1,) * 2))
    outlines, _ = cv2.findContours((closed > 127).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    straight = [cv2.approxPolyDP(outline, width * rng.uniform(0.005, 0.03), True) for outline in outlines]
    cast = cv2.dilate(cv2.fillPoly(np.zeros_like(mask), straight, 255), np.ones((2 * wide + 1,) * 2))
    cast[~below] = 0
    cast[rows[-1] + 1 :] = 0  # nothing beyond the edge of the film
    return np.asarray(cast, np.uint8)


def _strip(image: NDArray[np.uint8], mask: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Draw a bright or dark strip along one side, as films have beyond the collimation."""
    drawn = image.copy()
    turned = np.rot90(drawn, int(rng.integers(0, 4)))
    depth = max(1, int(turned.shape[0] * rng.uniform(0.01, 0.15)))
    turned[:depth] = rng.integers(0, 256)
    return _behind(image, drawn, mask)


def _frame(image: NDArray[np.uint8], mask: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Draw a tilted collimation frame, lighter or darker than the film, behind the hand."""
    height, width = image.shape
    box = (
        (width * rng.uniform(0.4, 0.6), height * rng.uniform(0.4, 0.6)),
        (width * rng.uniform(0.6, 1), height * rng.uniform(0.6, 1)),
        float(rng.normal(0, 12)),
    )
    corners = cv2.boxPoints(box).round().astype(np.int32)
    drawn = image.copy()
    if rng.random() < 0.4:
        inside = cv2.fillPoly(np.zeros_like(image), [corners], 255)
        shade = float(rng.uniform(0.3, 1.6))
        drawn = np.where(inside > 0, image, np.clip(image * shade, 0, 255)).astype(np.uint8)
    thickness = max(1, int(max(image.shape) * rng.uniform(0.004, 0.025)))
    cv2.polylines(drawn, [corners], True, (int(rng.integers(0, 256)),), thickness, cv2.LINE_AA)
    return _behind(image, drawn, mask)

"""Films that must be refused, made on purpose: flaws put on good films, and pictures that show no hand at all.

The gate is fitted on one draw of them and measured on another, whose films, photographs and seeds it never met.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from boneage.data.phantom import draw
from boneage.groups import Sex

Film = NDArray[np.uint8]
Rng = np.random.Generator
_PHOTOGRAPHS = (
    "camera", "astronaut", "coffee", "chelsea", "rocket", "page", "text", "coins", "moon", "brick", "grass", "gravel",
    "hubble_deep_field", "retina", "horse", "cell",
)  # fmt: skip


def turned(film: Film, rng: Rng) -> Film:
    """Turn a film upside down or on its side, more or less exactly."""
    quarter = int(rng.choice([1, 2, 2, 3]))
    return tilted(np.ascontiguousarray(np.rot90(film, quarter)), rng, 20.0)


def tilted(film: Film, rng: Rng, degrees: float = 12.0) -> Film:
    """Tilt a film a little, on the grey of its corners."""
    height, width = film.shape
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), float(rng.uniform(-degrees, degrees)), 1.0)
    corner = float(np.median([film[0, 0], film[0, -1], film[-1, 0], film[-1, -1]]))
    return np.asarray(cv2.warpAffine(film, matrix, (width, height), borderValue=corner), np.uint8)


def cut_off(film: Film, mask: Film, rng: Rng) -> Film:
    """Cut a good part of the hand away: fingers, one side, or everything below the knuckles; cropped or blackened.

    Args:
        film: uint8 (H, W).
        mask: uint8 (H, W), the hand where 128 and above.
        rng: what is cut and how far.
    """
    rows, columns = np.flatnonzero((mask >= 128).any(axis=1)), np.flatnonzero((mask >= 128).any(axis=0))
    if rows.size < 8 or columns.size < 8:
        return film[: max(8, film.shape[0] // 3)]
    top, left, tall, wide = rows[0], columns[0], len(rows), len(columns)
    side, keep = str(rng.choice(["top", "left", "right", "bottom"])), np.zeros(film.shape, bool)
    if side == "top":
        keep[top + round(tall * rng.uniform(0.25, 0.6)) :] = True
    elif side == "bottom":
        keep[: top + round(tall * rng.uniform(0.25, 0.45))] = True
    elif side == "left":
        keep[:, left + round(wide * rng.uniform(0.3, 0.6)) :] = True
    else:
        keep[:, : left + round(wide * rng.uniform(0.4, 0.7))] = True
    if rng.random() < 0.3:
        return np.where(keep, film, np.uint8(np.percentile(film, 2))).astype(np.uint8)
    return film[np.ix_(keep.any(axis=1), keep.any(axis=0))]


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


def no_hand(rng: Rng, photographs: list[Film]) -> Film:
    """Return a picture without a hand: noise, clouds, a page of text, ellipses like long bones, or a photograph."""
    makers: list[Callable[[Rng], Film]] = [_noise, _clouds, _clouds, _text, _bones, _bones, _checks]
    pick = int(rng.integers(len(makers) + 5))
    if pick < len(makers) or not photographs:
        return makers[pick % len(makers)](rng)
    return _cut_out(photographs[int(rng.integers(len(photographs)))], rng)


def photographs(part: int) -> Iterator[Film]:
    """Yield photographs that come with scikit-image, grey; part 0 to fit with, part 1 to measure with."""
    from skimage import color, data

    for name in _PHOTOGRAPHS[part::2]:
        try:
            picture = np.asarray(getattr(data, name)())
        except OSError:
            # Not every installation of scikit-image ships all of them, and nothing is downloaded here.
            continue
        grey = color.rgb2gray(picture[..., :3]) * 255 if picture.ndim == 3 else picture.astype(float)
        yield np.clip(grey * (255 if grey.max() <= 1 else 1), 0, 255).astype(np.uint8)


def _to_height(film: Film, height: int) -> Film:
    width = max(1, round(film.shape[1] * height / film.shape[0]))
    return np.asarray(cv2.resize(film, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _cut_out(picture: Film, rng: Rng) -> Film:
    share = rng.uniform(0.5, 1.0, 2)
    height, width = max(64, round(picture.shape[0] * share[0])), max(64, round(picture.shape[1] * share[1]))
    top, left = (int(rng.integers(max(1, n - m))) for n, m in zip(picture.shape, (height, width), strict=True))
    part = picture[top : top + height, left : left + width]
    return np.ascontiguousarray(part if rng.random() < 0.5 else part[:, ::-1])


def _noise(rng: Rng) -> Film:
    return rng.integers(0, 256, _size(rng), dtype=np.uint8)


def _clouds(rng: Rng) -> Film:
    """Noise with the spectrum of photographs."""
    height, width = _size(rng)
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    spectrum = np.fft.rfft2(rng.standard_normal((height, width))) / (frequency + 1 / height) ** rng.uniform(0.7, 2.0)
    return _stretched(np.fft.irfft2(spectrum, (height, width)))


def _text(rng: Rng) -> Film:
    height, width = _size(rng)
    page = np.full((height, width), 235, np.uint8)
    for row in range(20, height, int(rng.integers(14, 40))):
        letters = "".join(chr(int(code)) for code in rng.integers(65, 122, 60))
        cv2.putText(page, letters, (10, row), cv2.FONT_HERSHEY_SIMPLEX, float(rng.uniform(0.3, 1.0)), 20, 1)
    return page if rng.random() < 0.5 else 255 - page


def _bones(rng: Rng) -> Film:
    """Bright ellipses in soft shadows: long bones, joints or anything else that a plate may show."""
    height, width = _size(rng)
    film = np.zeros((height, width), np.float32)
    for _ in range(int(rng.integers(1, 7))):
        centre = (int(rng.integers(width)), int(rng.integers(height)))
        axes = (int(rng.integers(8, width // 4)), int(rng.integers(20, height // 2)))
        layer = np.zeros_like(film)
        cv2.ellipse(layer, centre, axes, float(rng.uniform(0, 180)), 0, 360, float(rng.uniform(0.3, 1.0)), -1)
        film += cv2.GaussianBlur(layer, (0, 0), float(rng.uniform(1, 9)))
    return _stretched(film + 0.03 * rng.standard_normal(film.shape))


def _checks(rng: Rng) -> Film:
    height, width = _size(rng)
    side = int(rng.integers(6, 80))
    return (((np.arange(height)[:, None] // side + np.arange(width)[None] // side) % 2) * 255).astype(np.uint8)


def _size(rng: Rng) -> tuple[int, int]:
    return int(rng.integers(160, 500)), int(rng.integers(160, 500))


def _stretched(values: np.ndarray) -> Film:
    low, high = float(values.min()), float(values.max())
    return ((values - low) / max(high - low, 1e-6) * 255).astype(np.uint8)

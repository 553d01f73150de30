"""Draw pictures without a hand: patterns, photographs, other parts of the body, scrambled films."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from boneage.data.images import read_image
from boneage.data.radiograph import ImageError

Film = NDArray[np.uint8]
Rng = np.random.Generator
_PHOTOGRAPHS = (
    "camera", "astronaut", "coffee", "chelsea", "rocket", "page", "text", "coins", "moon", "brick", "grass", "gravel",
    "hubble_deep_field", "retina", "horse", "cell",
)  # fmt: skip
_SCANS = ("CT_small.dcm", "693_J2KI.dcm", "JPGExtended.dcm", "JPEG2000.dcm", "emri_small.dcm", "US1_J2KR.dcm")


def scrambled(film: Film, rng: Rng) -> Film:
    """Exchange the tiles of a film: its tones and bones without a hand's shape."""
    count = int(rng.integers(2, 6))
    tall, wide = film.shape[0] // count, film.shape[1] // count
    if min(tall, wide) < 2:
        return np.ascontiguousarray(film.T)
    tiles = [film[i * tall : (i + 1) * tall, j * wide : (j + 1) * wide] for i in range(count) for j in range(count)]
    order = rng.permutation(len(tiles))
    # A shuffle that leaves most tiles where they were would still be a hand.
    while (order == np.arange(len(tiles))).mean() > 0.3:
        order = rng.permutation(len(tiles))
    turned_tiles = [tiles[i][:: 1 if rng.random() < 0.5 else -1] for i in order]
    return np.concatenate([np.concatenate(turned_tiles[i * count : (i + 1) * count], axis=1) for i in range(count)])


def pattern(rng: Rng) -> Film:
    """Return noise, clouds, a page of text, ellipses like long bones, or a chessboard."""
    makers: list[Callable[[Rng], Film]] = [_noise, _clouds, _clouds, _text, _bones, _bones, _checks]
    return makers[int(rng.integers(len(makers)))](rng)


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


def scans() -> Iterator[Film]:
    """Yield the slices of other parts of the body that come with pydicom; they are only ever measured with."""
    import pydicom

    folder = Path(pydicom.__file__).parent / "data" / "test_files"
    for name in _SCANS:
        try:
            yield read_image(folder / name)
        except (ImageError, OSError):
            # Not every installation of pydicom has all of them, and nothing is downloaded here.
            continue


def cut_out(picture: Film, rng: Rng) -> Film:
    """Take a part of a picture, as it is or mirrored."""
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

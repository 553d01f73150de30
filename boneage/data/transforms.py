"""Read the film of a table row in its true aspect: undo the stretching to a square, cut one hand out of two."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from boneage.data.images import read_image

if TYPE_CHECKING:
    import pandas as pd

LEFT_HALF = "left-half"
"""What a table's column `crop` says of a picture of both hands whose left half counts."""
Film = NDArray[np.uint8]
SMALLEST_SIDE = 256
"""Pixels of the longer side to which a squeezed film grows at least."""


def resize(film: Film, height: int, width: int) -> Film:
    """Resize to (height, width) in pixels: area averaging when it shrinks, linear interpolation when it grows."""
    shrinks = film.shape[0] * film.shape[1] > height * width
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(np.ascontiguousarray(film), (width, height), interpolation=method), np.uint8)


def shrink(film: Film, side: float) -> Film:
    """Shrink to at most so many pixels along the longer side; a smaller film comes back as it is."""
    scale = side / max(film.shape)
    if scale >= 1:
        return film
    return resize(film, max(1, round(film.shape[0] * scale)), max(1, round(film.shape[1] * scale)))


def unstretch(film: Film, original_width: float, original_height: float) -> Film:
    """Give a film its original aspect ratio back; unknown (NaN) sizes change nothing.

    A squeezed film only ever grows: shrinking the other side instead throws columns away, which cost a third of a month
    of MAE on 100 px films. Small ones grow to 256 px by cubic interpolation, as the mask network sees them.

    Args:
        film: uint8 (H, W), possibly squeezed to a square.
        original_width: Width of the original in pixels, NaN when unknown.
        original_height: Height of the original in pixels, NaN when unknown.

    Returns:
        uint8 (H', W') with the original's aspect ratio; the very same film when it differs by no more than 1 %.
    """
    if not (original_width > 0 and original_height > 0):
        return film
    height, width = film.shape
    wanted = original_width / original_height
    if abs(width / height / wanted - 1) <= 0.01:
        return film
    # The smallest size of the wanted aspect in which neither side shrinks.
    new_height = max(height, width / wanted)
    scale = max(1.0, SMALLEST_SIDE / max(new_height, new_height * wanted))
    size = (max(1, round(new_height * wanted * scale)), max(1, round(new_height * scale)))
    return np.asarray(cv2.resize(np.ascontiguousarray(film), size, interpolation=cv2.INTER_CUBIC), np.uint8)


def left_half(film: Film) -> Film:
    """Return the left half of a picture of both hands."""
    return film[:, : max(1, film.shape[1] // 2)]


class FilmSource(NamedTuple):
    """What is needed to read the film of a row: small, so that worker processes get no tables."""

    image: str
    original_width: float
    original_height: float
    crop: str
    laterality: str = ""

    @classmethod
    def of(cls, row: Mapping[str, Any] | pd.Series) -> FilmSource:
        """Take it from a row of an annotation table; sizes and crop may be missing."""
        width, height = (float(row.get(key, np.nan)) for key in ("original_width", "original_height"))
        crop, side = (str(row.get(key, "") or "") for key in ("crop", "laterality"))
        return cls(str(row["image"]), width, height, crop, side)

    def fit(self, film: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Undo what was done to the stored pixels: take the half that counts, unstretch to the original's aspect."""
        if self.crop == LEFT_HALF:
            film = left_half(film)
        return unstretch(film, self.original_width, self.original_height)


def read_row(row: Mapping[str, Any] | pd.Series) -> NDArray[np.uint8]:
    """Read the film of a table row, unstretched to its original aspect where it differs by more than 1 %.

    Returns:
        uint8 (H, W); as stored, or grown where the stored picture had been squeezed.

    Raises:
        ImageError: when it cannot be read.
    """
    source = FilmSource.of(row)
    return source.fit(read_image(source.image))

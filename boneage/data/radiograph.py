"""A radiograph as the program holds it: grey pixels, and what its file says of the patient.

Deep grey values are windowed to 8 bit, not clipped; sizes are checked before anything is decoded.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from boneage.data.archives import DataError
from boneage.groups import Sex

MAX_PIXELS = 64_000_000
MIN_SIDE = 16
FEWEST_LEVELS = 8
HANDS = {"left": "L", "right": "R"}
_DEPTHS = (8, 10, 12, 14, 16)


class ImageError(DataError):
    """An image that is refused; the message is one sentence that says why."""


@dataclass(frozen=True)
class Radiograph:
    """One film and what its file says about the patient.

    Attributes:
        pixels: uint8 (H, W), bone bright on dark.
        sex: From DICOM, else None.
        age_months: Chronological age at acquisition in months, from DICOM, else None.
        age_step_months: How coarsely the file states it: 12 for completed years, 0 where it follows from two dates.
        laterality: "L" or "R" from DICOM, else None.
        warnings: What a reader should know about how the file was read.
    """

    pixels: NDArray[np.uint8]
    sex: Sex | None = None
    age_months: float | None = None
    age_step_months: float = 0.0
    laterality: str | None = None
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what is no film.

        Raises:
            ImageError: when the pixels are not uint8 (H, W), or have hardly any grey levels.
        """
        pixels = self.pixels
        if pixels.ndim != 2 or pixels.dtype != np.uint8 or pixels.size == 0:
            raise ImageError.of("image.pixels", came=f"{pixels.dtype} {pixels.shape}")
        levels = np.count_nonzero(cv2.calcHist([np.ascontiguousarray(pixels)], [0], None, [256], [0, 256]))
        if 1 < levels < FEWEST_LEVELS:
            raise ImageError.of("image.levels", levels=levels)

    def of_hand(self, hand: str | None) -> Radiograph:
        """Return the film as one of the `left` or the `right` hand, whatever its file says; as it is for None or "".

        Raises:
            ImageError: when it is another word.
        """
        if not hand:
            return self
        if hand not in HANDS:
            raise ImageError.of("image.hand", given=hand)
        return replace(self, laterality=HANDS[hand])


def check_size(width: int, height: int, name: str) -> None:
    """Refuse an image by its header: more than `MAX_PIXELS` pixels, or a side under `MIN_SIDE`.

    Raises:
        ImageError: when the size is outside these limits.
    """
    if width * height > MAX_PIXELS:
        millions = MAX_PIXELS // 1_000_000
        raise ImageError.of("image.many_pixels", name=name, width=width, height=height, millions=millions)
    if min(width, height) < MIN_SIDE:
        raise ImageError.of("image.few_pixels", name=name, width=width, height=height, side=MIN_SIDE)


def choose_page(pages: int, wanted: int | None, name: str) -> int:
    """Return which page or frame of a file is read, from 0.

    Raises:
        ImageError: when there are several and none is named, or there is none of that number.
    """
    if wanted is None and pages > 1:
        raise ImageError.of("image.frames", name=name, frames=pages, short=name.rpartition("/")[2])
    if wanted is not None and not 1 <= wanted <= pages:
        raise ImageError.of("image.no_frame", name=name, frames=pages, wanted=wanted)
    return (wanted or 1) - 1


def window(
    values: NDArray[np.generic], bits: int | None = None, film: NDArray[np.bool_] | None = None
) -> NDArray[np.uint8]:
    """Map grey values deeper than 8 bit to 0-255 without clipping the film.

    The window is the smallest usual depth (8, 10, 12, 14, 16 bit) that holds 99.9 % of the values, so 12-bit films in
    16-bit files keep their contrast and one burnt-in white label does not take it away. A film that uses under a
    quarter of that window, leaves its lowest quarter empty, or has negative values, is windowed to its used range
    instead; fractions are windowed from 0
    to 1. A value of its own far beyond all others, as programs pad films with, is no part of the range.

    Args:
        values: Any real dtype, (H, W).
        bits: The depth, where the file states it.
        film: bool (H, W), the pixels whose values count; None for all.

    Returns:
        uint8 (H, W).
    """
    numbers = np.nan_to_num(np.asarray(values, dtype=np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    counted = _without_outliers(numbers.ravel() if film is None else numbers[film])
    low, high = (float(edge) for edge in np.percentile(counted, (0.1, 99.9)))
    if values.dtype.kind == "f" and bits is None and low >= 0 and 0.25 <= high <= 1:
        low, high = 0.0, 1.0
    depth = bits if bits and high < 2**bits else next((depth for depth in _DEPTHS if high < 2**depth), None)
    if depth is not None and 0 <= low < 2**depth / 4 and (high - low) >= 2**depth / 4:
        low, high = 0.0, float(2**depth - 1)
    if high <= low:
        low, high = float(counted.min()), float(counted.max())
    scaled = (numbers - low) * (255.0 / max(high - low, 1e-6))
    return np.asarray(np.clip(np.rint(scaled), 0, 255), dtype=np.uint8)


def _without_outliers(numbers: NDArray[np.float32]) -> NDArray[np.float32]:
    """Drop the smallest and the largest value where more than the whole range of the others lies between."""
    for extreme in (float(numbers.min()), float(numbers.max())):
        others = numbers[numbers != extreme]
        if others.size < numbers.size / 20:
            continue
        low, high = (float(edge) for edge in np.percentile(others, (0.1, 99.9)))
        if high > low and min(abs(extreme - low), abs(extreme - high)) > high - low:
            numbers = others
    return numbers

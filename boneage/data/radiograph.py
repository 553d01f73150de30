"""A radiograph as the program holds it: grey pixels, and what its file says of the patient.

Deep grey values are windowed to 8 bit, not clipped; sizes are checked before anything is decoded.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from boneage.data.archives import DataError
from boneage.groups import Sex
from boneage.notices import fault

MAX_PIXELS = 64_000_000
MIN_SIDE = 16
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


def check_size(width: int, height: int, name: str) -> None:
    """Refuse an image by its header: more than `MAX_PIXELS` pixels, or a side under `MIN_SIDE`.

    Raises:
        ImageError: when the size is outside these limits.
    """
    if width * height > MAX_PIXELS:
        millions = MAX_PIXELS // 1_000_000
        raise ImageError(fault("image.many_pixels", name=name, width=width, height=height, millions=millions))
    if min(width, height) < MIN_SIDE:
        raise ImageError(fault("image.few_pixels", name=name, width=width, height=height, side=MIN_SIDE))


def window(values: NDArray[np.generic], bits: int | None = None) -> NDArray[np.uint8]:
    """Map grey values deeper than 8 bit to 0-255 without clipping the film.

    The window is the smallest usual depth (8, 10, 12, 14, 16 bit) that holds 99.9 % of the values, so 12-bit films in
    16-bit files keep their contrast and one burnt-in white label does not take it away. A film that uses under a
    quarter of that window, or has negative values, is windowed to its used range instead.

    Args:
        values: Any real dtype, (H, W).
        bits: The depth, where the file states it.

    Returns:
        uint8 (H, W).
    """
    numbers = np.nan_to_num(np.asarray(values, dtype=np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    low, high = (float(edge) for edge in np.percentile(numbers, (0.1, 99.9)))
    depth = bits or next((depth for depth in _DEPTHS if high < 2**depth), None)
    if depth is not None and low >= 0 and high < 2**depth and (high - low) >= 2**depth / 4:
        low, high = 0.0, float(2**depth - 1)
    if high <= low:
        low, high = float(numbers.min()), float(numbers.max())
    scaled = (numbers - low) * (255.0 / max(high - low, 1e-6))
    return np.asarray(np.clip(np.rint(scaled), 0, 255), dtype=np.uint8)

"""Single preparation steps as pure array functions: select the object, equalise, crop, pad, resize.

Masks are bool (H, W), films uint8 (H, W) with values 0-255. Nothing here divides by a blank film's zero range.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from boneage.data.transforms import resize as resize

Mask = NDArray[np.bool_]
Film = NDArray[np.uint8]
Box = tuple[int, int, int, int]

OPENING = 0.01
_MARGIN = 0.02
_DEVIATION, _BLUR = 50.0, 0.005


def select_object(mask: Mask) -> Mask:
    """Keep the one object of interest: the largest connected part, without thin bridges and holes.

    An opening (1 % of the longer side) cuts what hangs on by a thread, such as a label plate touching a finger; the
    outline of the part that is kept is then restored from the mask itself.

    Args:
        mask: bool (H, W).

    Returns:
        bool (H, W), one connected part, or all False when the mask is empty.
    """
    radius = max(1, round(OPENING * max(mask.shape) / 2))
    kernel = np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)
    whole = mask.astype(np.uint8)
    opened = cv2.morphologyEx(whole, cv2.MORPH_OPEN, kernel)
    core = _largest_part(opened if opened.any() else whole)
    outline = cv2.dilate(core, kernel) & whole
    return _largest_part(outline).astype(bool)


def apply_mask(film: Film, mask: Mask) -> Film:
    """Make everything outside the mask black."""
    return np.where(mask, film, np.uint8(0))


def equalise(film: Film, mask: Mask | None = None) -> Film:
    """Equalise the histogram of the pixels in the mask (all pixels without one); the rest becomes black.

    Taking the black background out of the histogram gives the hand the whole range of grey levels.

    Example:
        >>> equalise(np.array([[10, 10, 20, 30]], np.uint8))
        array([[  0,   0, 128, 255]], dtype=uint8)
    """
    chosen = film if mask is None else film[mask]
    counts = np.bincount(chosen.ravel(), minlength=256)
    total = np.cumsum(counts)
    darkest = int(counts[np.argmax(counts > 0)])
    span = int(total[-1]) - darkest
    if span <= 0:
        return film.copy() if mask is None else apply_mask(film, mask)
    table = np.clip(np.rint((total - darkest) * (255.0 / span)), 0, 255).astype(np.uint8)
    return _through(film, table, mask)


def clahe(film: Film, mask: Mask | None = None) -> Film:
    """Equalise adaptively (contrast-limited, 8 x 8 tiles); outside the mask stays black."""
    flat = cv2.createCLAHE(clipLimit=2.0, tileGridSize=(8, 8)).apply(np.ascontiguousarray(film))
    result = np.asarray(flat, np.uint8)
    return result if mask is None else apply_mask(result, mask)


def stretch_contrast(film: Film, mask: Mask | None = None) -> Film:
    """Stretch the 1st to 99th percentile of the pixels in the mask to 0-255; outside the mask stays black."""
    chosen = film if mask is None else film[mask]
    if chosen.size == 0:
        return np.zeros_like(film)
    low, high = np.percentile(chosen, (1, 99))
    if high <= low:
        return film.copy() if mask is None else apply_mask(film, mask)
    levels = (np.arange(256, dtype=np.float64) - low) * (255.0 / (high - low))
    return _through(film, np.clip(np.rint(levels), 0, 255).astype(np.uint8), mask)


def sharpen(film: Film, mask: Mask | None = None) -> Film:
    """Standardise the grey levels of the pixels in the mask, take out speckle and sharpen edges; the rest is black.

    Their mean becomes 128 and their standard deviation 50 grey levels, as in Lee et al. 2017 (J Digit Imaging 30:427) a
    film's contrast is normalised, denoised and sharpened; the strengths, which are not published, are ours: a median of
    3 x 3 pixels, and an unsharp mask whose blur has a deviation of 0.5 % of the longer side.
    """
    calm = cv2.medianBlur(np.ascontiguousarray(film), 3) if min(film.shape) >= 3 else film
    chosen = calm if mask is None else calm[mask]
    deviation = float(chosen.std()) if chosen.size else 0.0
    if deviation == 0.0:
        return keep_contrast(film, mask)
    levels = (calm.astype(np.float32) - float(chosen.mean())) * (_DEVIATION / deviation)
    blurred = cv2.GaussianBlur(levels, (0, 0), max(1.0, _BLUR * max(film.shape)))
    sharp = np.clip(np.rint(levels + (levels - blurred) + 128.0), 0, 255).astype(np.uint8)
    return keep_contrast(sharp, mask)


def keep_contrast(film: Film, mask: Mask | None = None) -> Film:
    """Leave the grey levels as they are; outside the mask stays black."""
    return film if mask is None else apply_mask(film, mask)


CONTRASTS: dict[str, Callable[[Film, Mask | None], Film]] = {
    "equalize": equalise,
    "clahe": clahe,
    "stretch": stretch_contrast,
    "sharpen": sharpen,
    "none": keep_contrast,
}


def mask_box(mask: Mask, margin: float = _MARGIN) -> Box:
    """Return (top, bottom, left, right) in pixels around the mask, with a margin relative to the object's longer side.

    An empty mask gives the whole frame. `bottom` and `right` are exclusive.
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    height, width = mask.shape
    if rows.size == 0:
        return 0, height, 0, width
    top, bottom, left, right = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
    edge = round(margin * max(bottom - top, right - left))
    return max(0, top - edge), min(height, bottom + edge), max(0, left - edge), min(width, right + edge)


def crop(film: Film, box: Box) -> Film:
    """Cut out a box of (top, bottom, left, right)."""
    top, bottom, left, right = box
    return film[top:bottom, left:right]


def pad_to_square(film: Film) -> Film:
    """Add black on both sides of the shorter direction until the film is square."""
    height, width = film.shape
    side = max(height, width)
    above, before = (side - height) // 2, (side - width) // 2
    return np.pad(film, ((above, side - height - above), (before, side - width - before)))


def _through(film: Film, table: Film, mask: Mask | None) -> Film:
    mapped = table[film]
    return mapped if mask is None else apply_mask(mapped, mask)


def _largest_part(mask: Film) -> Film:
    """Return the part with most pixels, and fill what it surrounds: metal, rings and dark joints inside the hand."""
    # Outlines are found many times faster than parts are labelled, and nearly every mask has a single part.
    outlines = _outlines(mask)
    if len(outlines) > 1:
        _, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
        largest = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
        outlines = _outlines((labels == largest).astype(np.uint8))
    return np.asarray(cv2.drawContours(np.zeros_like(mask), outlines, -1, 1, cv2.FILLED), np.uint8)


def _outlines(mask: Film) -> list[NDArray[np.int32]]:
    """Return the outer outline of every part, also of one that lies in another's hole."""
    found, levels = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    return [outline for outline, level in zip(found, levels[0] if found else (), strict=True) if level[3] < 0]

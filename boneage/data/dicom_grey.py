"""Stored DICOM values to grey levels: padding, bits that count, rescale, window, and which end is bright."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from boneage.data.dicom_header import contradicts, missing_or_unusable, number_of, value_of
from boneage.data.radiograph import window
from boneage.notices import Notice, warning

if TYPE_CHECKING:
    from pydicom import Dataset

Film = NDArray[np.uint8]
Mask = NDArray[np.bool_]
_MOST_PADDING = 0.98
# A window is unusable where it leaves fewer grey levels, or shows a smaller share of what the range of values shows.
_FEWEST_LEVELS = 16
_LEAST_SHOWN = 0.1


def to_grey(dataset: Dataset, stored: NDArray[Any]) -> tuple[Film, tuple[Notice, ...]]:
    """Turn the stored values of a grey film into what a viewer shows (PS3.3 C.11, PS3.5 8.1.1).

    Args:
        dataset: A completed header (`dicom_header.complete`).
        stored: The values as stored, (H, W).

    Returns:
        uint8 (H, W), bone bright and padding black, and sentences on elements that were left out.
    """
    padding, said = _padding(dataset, stored)
    values, more = _that_count(dataset, stored, padding)
    said += more
    rescaled, more = _rescaled(dataset, values)
    said += more
    shown, more = _windowed(dataset, rescaled, None if padding is None else ~padding)
    if _min_is_bright(dataset):
        shown = np.asarray(255 - shown, np.uint8)
    if padding is not None:
        shown = np.where(padding, np.uint8(0), shown)
    return shown, (*said, *more)


def _min_is_bright(dataset: Dataset) -> bool:
    kind = str(dataset.PhotometricInterpretation).strip().upper()
    shape = str(value_of(dataset, "PresentationLUTShape") or "").strip().upper()
    return kind == "MONOCHROME1" or shape == "INVERSE"


def _padding(dataset: Dataset, stored: NDArray[Any]) -> tuple[Mask | None, list[Notice]]:
    """Return the pixels outside the film by PixelPaddingValue and its limit; None without any."""
    first = number_of(dataset, "PixelPaddingValue")
    if first is None or stored.dtype.kind not in "iu":
        return None, []
    last = number_of(dataset, "PixelPaddingRangeLimit")
    bits = 8 * stored.dtype.itemsize
    ends = sorted(_as_stored(end, bits, stored.dtype.kind) for end in (first, first if last is None else last))
    found = _at_the_edge(np.asarray((stored >= ends[0]) & (stored <= ends[1])))
    if found.mean() > _MOST_PADDING:
        return None, [warning("dicom.padding")]
    return (found if found.any() else None), []


def _at_the_edge(mask: Mask) -> Mask:
    """Keep the parts of a mask that touch the frame: within the film the value is one of its own."""
    _, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)
    edges = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    return np.isin(labels, np.unique(edges[edges > 0]))


def _as_stored(value: int, bits: int, kind: str) -> int:
    """Return a value as that many stored bits hold it: US and SS are often confused."""
    wrapped = value % (1 << bits)
    return wrapped - (1 << bits) if kind == "i" and wrapped >= 1 << (bits - 1) else wrapped


def _that_count(dataset: Dataset, stored: NDArray[Any], padding: Mask | None) -> tuple[NDArray[Any], list[Notice]]:
    """Take the bits that count out of the stored values: aligned left or right, overlays in the others dropped."""
    bits, high = number_of(dataset, "BitsStored"), number_of(dataset, "HighBit")
    allocated = 8 * stored.dtype.itemsize
    if bits is None or high is None or stored.dtype.kind not in "iu" or bits >= allocated:
        return stored, []
    inside = stored if padding is None else stored[~padding]
    lowest, largest = int(inside.min()), int(inside.max())
    low, overlay = high + 1 - bits, _has_overlay(dataset)
    below = low > 0 and bool((inside & ((1 << low) - 1)).any()) and not overlay
    if below and largest >= 1 << bits:
        return stored, [contradicts("BitsStored", allocated)]
    top = bits - 1 if below else high
    # A signed value whose upper bits are clear gets its sign from the highest bit that counts.
    if (largest >= 1 << (top + 1) or lowest < -(1 << top)) and not overlay:
        return stored, [contradicts("BitsStored", allocated)]
    said = [contradicts("HighBit", bits - 1)] if below else []
    return (stored << (allocated - 1 - top)) >> (allocated - bits), said


def _has_overlay(dataset: Dataset) -> bool:
    """Tell whether an overlay lies in the bits that do not count (retired, but met)."""
    return any(element.tag.group & 0xFF00 == 0x6000 and element.tag.element == 0x0102 for element in dataset)


def _rescaled(dataset: Dataset, values: NDArray[Any]) -> tuple[NDArray[np.float32], list[Notice]]:
    """Apply the modality LUT, or slope and intercept."""
    if value_of(dataset, "ModalityLUTSequence"):
        from pydicom.pixels.processing import apply_modality_lut

        try:
            return np.asarray(apply_modality_lut(values, dataset), np.float32), []
        except (AttributeError, IndexError, ValueError, TypeError, NotImplementedError):
            return values.astype(np.float32), [missing_or_unusable(dataset, "ModalityLUTSequence", "none")]
    said: list[Notice] = []
    slope, intercept = next(_numbers(dataset, "RescaleSlope"), None), next(_numbers(dataset, "RescaleIntercept"), 0.0)
    if slope is None or slope == 0:
        said = [missing_or_unusable(dataset, "RescaleSlope", 1)] if "RescaleSlope" in dataset else []
        slope = 1.0
    return values.astype(np.float32) * np.float32(slope) + np.float32(intercept), said


def _windowed(dataset: Dataset, values: NDArray[np.float32], film: Mask | None) -> tuple[Film, list[Notice]]:
    """Apply the first VOI LUT or window that shows the film; else the range of the values."""
    plain = _range(dataset, values, film)
    tried = False
    for shown in _own_windows(dataset, values):
        if shown is not None and _shows(shown, plain, film):
            return shown, []
        tried = True
    return plain, [warning("file.window")] if tried else []


def _range(dataset: Dataset, values: NDArray[np.float32], film: Mask | None) -> Film:
    straight = "ModalityLUTSequence" not in dataset and next(_numbers(dataset, "RescaleSlope"), 1.0) in {0.0, 1.0}
    bits, allocated = number_of(dataset, "BitsStored"), number_of(dataset, "BitsAllocated")
    # Where all bits are said to count, the values themselves tell the depth better.
    return window(values, bits if straight and bits != allocated else None, film)


def _shows(shown: Film, plain: Film, film: Mask | None) -> bool:
    """Tell whether a window leaves enough grey levels, and enough of what the range of values shows."""
    if film is not None:
        shown, plain = shown[film], plain[film]
    wanted = int(np.count_nonzero(np.bincount(plain.ravel(), minlength=256)))
    if np.count_nonzero(np.bincount(shown.ravel(), minlength=256)) < min(_FEWEST_LEVELS, wanted):
        return False
    between = (plain > 10) & (plain < 245)
    return not between.any() or float(((shown > 0) & (shown < 255))[between].mean()) >= _LEAST_SHOWN


def _own_windows(dataset: Dataset, values: NDArray[np.float32]) -> Iterator[Film | None]:
    """Yield what each VOI LUT or window of the file shows, None for one that is unusable (PS3.3 C.11.2)."""
    if value_of(dataset, "VOILUTSequence"):
        yield _looked_up(dataset, values)
    function = str(value_of(dataset, "VOILUTFunction") or "LINEAR").strip().upper()
    centres, widths = list(_numbers(dataset, "WindowCenter")), list(_numbers(dataset, "WindowWidth"))
    if "WindowCenter" in dataset and (not centres or not widths) and value_of(dataset, "WindowCenter") is not None:
        yield None
    for centre, width in zip(centres, widths, strict=False):
        if not width > 0 or (function == "LINEAR" and width < 1):
            yield None
        elif function == "SIGMOID":
            yield _to_bytes(1 / (1 + np.exp(np.clip(-4 * (values - centre) / width, -50, 50))))
        elif function == "LINEAR_EXACT":
            yield _to_bytes((values - centre) / width + 0.5)
        else:
            yield _to_bytes((values - (centre - 0.5)) / max(width - 1, 1e-6) + 0.5)


def _looked_up(dataset: Dataset, values: NDArray[np.float32]) -> Film | None:
    from pydicom.pixels.processing import apply_voi

    try:
        bits = int(dataset.VOILUTSequence[0].LUTDescriptor[2])
        looked_up = apply_voi(np.rint(values).astype(np.int32), dataset)
        return _to_bytes(np.asarray(looked_up, np.float32) / np.float32(2**bits - 1))
    except (AttributeError, IndexError, ValueError, TypeError, NotImplementedError, ArithmeticError):
        return None


def _to_bytes(fraction: NDArray[np.float32]) -> Film:
    return np.asarray(np.clip(np.rint(fraction * 255), 0, 255), dtype=np.uint8)


def _numbers(dataset: Dataset, keyword: str) -> Iterator[float]:
    """Yield the numbers of an element that has one or several, those that are none left out."""
    value = value_of(dataset, keyword)
    several = [] if value is None else [value] if isinstance(value, str | int | float) else list(value)
    for one in several:
        try:
            number = float(one)
        except (TypeError, ValueError):
            continue
        if np.isfinite(number):
            yield number

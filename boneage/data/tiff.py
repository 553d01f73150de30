"""Grey TIFF files that Pillow cannot read or reads wrongly: signed bytes, 10 or 14 packed bits, 16 or 64-bit floats."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from boneage.data.radiograph import ImageError, check_size, choose_page, window

_MARKS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_BITS, _PHOTOMETRIC, _SAMPLES, _FORMAT = 258, 262, 277, 339
_UNSIGNED, _SIGNED, _FLOAT = 1, 2, 3
# Bits and sample format of the grey TIFF files that Pillow reads rightly.
_PILLOW = {(bits, _UNSIGNED) for bits in (1, 2, 4, 8, 12, 16)} | {(16, _SIGNED), (32, _SIGNED), (32, _FLOAT)}


def is_beyond_pillow(picture: Image.Image | None, data: bytes) -> bool:
    """Tell whether a file is a TIFF that `read_deep` has to read; `picture` is what Pillow opened, if it could."""
    if not data.startswith(_MARKS):
        return False
    if picture is None:
        return True
    tags: Any = getattr(picture, "tag_v2", {})
    if tags.get(_SAMPLES, 1) != 1 or tags.get(_PHOTOMETRIC) not in {0, 1}:
        return False
    return (_first(tags.get(_BITS, 1)), _first(tags.get(_FORMAT, _UNSIGNED))) not in _PILLOW


def min_is_white(picture: Image.Image) -> bool:
    """Tell whether the least value of a TIFF is white (PhotometricInterpretation 0)."""
    tags: Any = getattr(picture, "tag_v2", {})
    return bool(tags.get(_PHOTOMETRIC) == 0)


def read_deep(data: bytes, name: str, page: int | None) -> NDArray[np.uint8]:
    """Read one page of a grey TIFF of any depth.

    Args:
        data: The file's bytes.
        name: What messages call it.
        page: Which page, from 1; None where there should be one alone.

    Returns:
        uint8 (H, W).

    Raises:
        ImageError: when it is damaged, too large, has several pages, or its depth or compression is not supported.
    """
    import tifffile

    try:
        with tifffile.TiffFile(BytesIO(data)) as file:
            found: Any = file.pages[choose_page(len(file.pages), page, name)]
            check_size(found.imagewidth, found.imagelength, name)
            values = _values(file, found)
    except ImageError:
        raise
    except NotImplementedError as error:
        raise ImageError.of("image.tiff", name=name, reason=error) from error
    except (ValueError, TypeError, KeyError, IndexError, OSError, EOFError, tifffile.TiffFileError) as error:
        raise ImageError.of("image.damaged", name=name, reason=type(error).__name__) from error
    grey = _grey(values)
    return np.asarray(255 - grey, np.uint8) if int(found.photometric) == 0 else grey


def _values(file: Any, page: Any) -> NDArray[Any]:
    """Return a page's values as stored, (H, W)."""
    bits, kind, compression = int(page.bitspersample), int(page.sampleformat), int(page.compression)
    if page.samplesperpixel != 1 or kind not in {_UNSIGNED, _SIGNED, _FLOAT}:
        raise NotImplementedError(f"{page.samplesperpixel} samples of format {kind}")
    if not (kind == _UNSIGNED and 8 < bits < 16):
        return np.asarray(page.asarray())
    if compression != 1 or page.is_tiled:
        raise NotImplementedError(f"{bits} bits a pixel, compressed or in tiles")
    parts = [part or b"" for part, _ in file.filehandle.read_segments(page.dataoffsets, page.databytecounts)]
    return _unpacked(b"".join(parts), page.imagelength, page.imagewidth, bits)


def _unpacked(data: bytes, height: int, width: int, bits: int) -> NDArray[np.uint16]:
    """Unpack values of 9 to 15 bits, the highest bit first; a row begins with a byte (TIFF 6.0, FillOrder 1)."""
    row = (width * bits + 7) // 8
    if len(data) < height * row:
        raise ValueError("too few bytes")
    rows = np.frombuffer(data[: height * row], np.uint8).reshape(height, row)
    single = np.unpackbits(rows, axis=1)[:, : width * bits].reshape(height, width, bits)
    return np.asarray(single @ (1 << np.arange(bits - 1, -1, -1, dtype=np.uint16)), np.uint16)


def _grey(values: NDArray[Any]) -> NDArray[np.uint8]:
    if values.ndim != 2:
        raise NotImplementedError(f"{values.ndim} dimensions")
    if values.dtype == np.int8:
        return np.asarray(values.astype(np.int16) + 128, np.uint8)
    return values if values.dtype == np.uint8 else window(values)


def _first(value: Any) -> int:
    return int(value[0] if isinstance(value, tuple) else value)

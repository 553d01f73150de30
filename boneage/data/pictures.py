"""Pictures of any usual kind (PNG, JPEG, TIFF, WebP, BMP, GIF, JPEG 2000, PNM) to grey uint8 (H, W).

The kind is told by the content, never by the name. Sizes are checked in the header, before anything is decoded; deep
grey values are windowed, not clipped; a file that is cut off is refused, not shown half grey.
"""

from __future__ import annotations

import struct
import warnings
import zlib
from io import BytesIO

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageOps,
    Jpeg2KImagePlugin,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from boneage.data import tiff
from boneage.data.radiograph import MAX_PIXELS, ImageError, check_size, choose_page, window
from boneage.notices import Notice, warning

# Naming the plugins registers them: Pillow itself loads only a few before it gives up on a restricted list.
_FORMATS = tuple(
    plugin.format
    for plugin in (
        PngImagePlugin.PngImageFile, JpegImagePlugin.JpegImageFile,
        TiffImagePlugin.TiffImageFile, WebPImagePlugin.WebPImageFile, BmpImagePlugin.BmpImageFile,
        GifImagePlugin.GifImageFile, Jpeg2KImagePlugin.Jpeg2KImageFile, PpmImagePlugin.PpmImageFile,
    )
)  # fmt: skip
_ORIENTATION, _MAKE, _MODEL = 0x0112, 0x010F, 0x0110
_TIFF_BITS = 258
# What Pillow, libtiff and OpenCV raise on damaged bytes.
_BROKEN = (
    OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, TypeError, KeyError, IndexError,
    OverflowError, MemoryError, AttributeError, cv2.error,
)  # fmt: skip
# Kinds that people send and that are not read, by what they begin with at a place.
_NAMED = (
    (4, (b"ftypheic", b"ftypheix", b"ftypmif1", b"ftypmsf1", b"ftyphevc"), "HEIC"),
    (4, (b"ftypavif", b"ftypavis"), "AVIF"),
    (0, (b"\xff\x0a", b"\0\0\0\x0cJXL "), "JPEG XL"),
    (0, (b"%PDF",), "PDF"),
    (0, (b"PK\x03\x04",), "ZIP"),
    (344, (b"n+1\0", b"ni1\0"), "NIfTI"),
)
_COLOURFUL = 10.0


def read_picture(data: bytes, name: str, page: int | None = None) -> tuple[NDArray[np.uint8], tuple[Notice, ...]]:
    """Read a picture's bytes.

    Args:
        data: The file's bytes.
        name: What messages call it.
        page: Which of several pages or frames, from 1; None where there should be one alone.

    Returns:
        uint8 (H, W), and what a reader should know of how it was read.

    Raises:
        ImageError: when it cannot be read or is refused.
    """
    _refuse_by_name(data, name)
    try:
        picture = _open(data, name)
        if tiff.is_beyond_pillow(picture, data):
            return np.ascontiguousarray(tiff.read_deep(data, name, page)), ()
        if picture is None:
            raise ImageError.of("image.unknown", name=name)
        check_size(picture.width, picture.height, name)
        _turn_to(picture, name, page)
        turn = int(picture.getexif().get(_ORIENTATION, 1))
        deep = _is_deep_colour(picture, data)
        picture.load()
        said = (warning("image.photograph"),) if _is_photograph(picture) else ()
        inverted = tiff.min_is_white(picture)
        pixels = _deep_grey(data, turn, page) if deep else _grey(ImageOps.exif_transpose(picture), inverted)
        return np.ascontiguousarray(pixels), said
    except ImageError:
        raise
    except _BROKEN as error:
        raise ImageError.of("image.damaged", name=name, reason=_reason(error)) from error


def _refuse_by_name(data: bytes, name: str) -> None:
    for place, beginnings, kind in _NAMED:
        if data[place : place + 16].startswith(beginnings):
            raise ImageError.of("image.kind", name=name, kind=kind)


def _open(data: bytes, name: str) -> Image.Image | None:
    """Open a picture; None where Pillow knows no such kind."""
    try:
        with warnings.catch_warnings():  # `check_size` says it better
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            return Image.open(BytesIO(data), formats=_FORMATS)
    except Image.DecompressionBombError as error:
        raise ImageError.of("image.large", name=name, millions=MAX_PIXELS // 1_000_000) from error
    except _BROKEN:
        return None


def _turn_to(picture: Image.Image, name: str, page: int | None) -> None:
    pages = 1 if picture.format == "MPO" else int(getattr(picture, "n_frames", 1))
    wanted = choose_page(pages, page, name)
    if wanted:
        picture.seek(wanted)


def _grey(picture: Image.Image, inverted: bool) -> NDArray[np.uint8]:
    """Turn a loaded picture of any Pillow mode into grey; transparent parts become black."""
    mode = picture.mode
    if mode == "L":
        return np.asarray(picture)
    if mode.startswith(("I", "F")):
        grey = window(np.asarray(picture))
        # Pillow turns films whose least value is white round at 8 bits, but not beyond.
        return np.asarray(255 - grey, np.uint8) if inverted else grey
    if mode in {"LA", "PA", "La", "RGBA", "RGBa"} or "transparency" in picture.info:
        coloured = picture.convert("RGBA")
        black = Image.new("RGBA", coloured.size, (0, 0, 0, 255))
        return np.asarray(Image.alpha_composite(black, coloured).convert("L"))
    if mode in {"CMYK", "LAB", "HSV", "YCbCr", "P"}:
        picture = picture.convert("RGB")
    return np.asarray(picture.convert("L"))


def _is_photograph(picture: Image.Image) -> bool:
    """Tell whether a camera took a loaded picture: by its EXIF data, or because it has colours."""
    exif = picture.getexif()
    if picture.format in {"JPEG", "MPO", "WEBP"} and (exif.get(_MAKE) or exif.get(_MODEL)):
        return True
    if picture.mode not in {"RGB", "RGBA", "P", "YCbCr"}:
        return False
    small = np.asarray(picture.convert("RGB").resize((64, 64))).astype(int)
    return bool(np.percentile(small.max(axis=2) - small.min(axis=2), 90) > _COLOURFUL)


def _is_deep_colour(picture: Image.Image, data: bytes) -> bool:
    """Tell whether a file has 16 bits and colour or alpha, of which Pillow would keep the upper 8 only."""
    if picture.mode.startswith(("I", "F")):
        return False
    if picture.format == "PNG":
        return data[24] == 16
    bits = getattr(picture, "tag_v2", {}).get(_TIFF_BITS, (8,))
    return max(bits if isinstance(bits, tuple) else (bits,)) > 8


def _deep_grey(data: bytes, turn: int, page: int | None) -> NDArray[np.uint8]:
    if page is not None and page > 1:
        raise ValueError("of several pages with 16-bit colour only the first is supported")
    array = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if array is None:
        raise ValueError("this kind of 16-bit colour is not supported")
    values = array.astype(np.float32)
    if values.ndim == 3:
        alpha = values[..., 3] / 65535.0 if values.shape[2] == 4 else 1.0
        values = (0.114 * values[..., 0] + 0.587 * values[..., 1] + 0.299 * values[..., 2]) * alpha
    return _turned(window(values), turn)


def _turned(pixels: NDArray[np.uint8], turn: int) -> NDArray[np.uint8]:
    """Apply an EXIF orientation (1-8) to an array."""
    if turn in {5, 6, 7, 8}:
        pixels = pixels.T
    if turn in {3, 4, 7, 8}:
        pixels = pixels[::-1]
    if turn in {2, 3, 6, 7}:
        pixels = pixels[:, ::-1]
    return pixels


def _reason(error: BaseException) -> str:
    words = str(error).strip().splitlines()[0][:120] if str(error).strip() else ""
    return f"{type(error).__name__}: {words}" if words else type(error).__name__

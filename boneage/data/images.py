"""Read any radiograph (PNG, JPEG, TIFF, WebP, BMP, DICOM; path, bytes or zip member) as grey uint8 (H, W).

The kind of file is told by its content, never by its name. Sizes are checked in the header, before anything is
decoded. 16-bit films are windowed, not clipped. A file that is cut off is refused, not shown half grey.
"""

from __future__ import annotations

import struct
import warnings
import zlib
from io import BytesIO
from pathlib import Path

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

from boneage.data import dicom
from boneage.data.archives import DataError, read_bytes
from boneage.data.radiograph import MAX_PIXELS, ImageError, Radiograph, check_size, window
from boneage.notices import fault

# Naming the plugins registers them: Pillow itself loads only a few before it gives up on a restricted list.
_FORMATS = tuple(
    plugin.format
    for plugin in (
        PngImagePlugin.PngImageFile, JpegImagePlugin.JpegImageFile,
        TiffImagePlugin.TiffImageFile, WebPImagePlugin.WebPImageFile, BmpImagePlugin.BmpImageFile,
        GifImagePlugin.GifImageFile, Jpeg2KImagePlugin.Jpeg2KImageFile, PpmImagePlugin.PpmImageFile,
    )
)  # fmt: skip
_ORIENTATION = 0x0112
_TIFF_BITS = 258
_BROKEN = (
    OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, TypeError, KeyError, IndexError,
    OverflowError, MemoryError, AttributeError, cv2.error,
)  # fmt: skip


def read_image(source: str | Path | bytes, *, name: str = "") -> NDArray[np.uint8]:
    """Read one radiograph as grey pixels.

    Args:
        source: A path, a zip reference (`a.zip!b.png`), or the file's bytes.
        name: What messages call it; by default the path.

    Returns:
        uint8 (H, W), 0-255.

    Raises:
        ImageError: when it cannot be read or is refused.
    """
    return read_radiograph(source, name=name).pixels


def read_radiograph(source: str | Path | bytes, *, name: str = "") -> Radiograph:
    """Read one radiograph, with sex, age at acquisition and side where the file is DICOM and says so.

    Args:
        source: A path, a zip reference (`a.zip!b.png`), or the file's bytes.
        name: What messages call it; by default the path.

    Raises:
        ImageError: when it cannot be read or is refused.
    """
    if isinstance(source, bytes):
        return _decode(source, name or "the image")
    label = name or str(source)
    try:
        data = read_bytes(source)
    except DataError as error:
        raise ImageError(error.sentence) from error
    return _decode(data, label)


def _decode(data: bytes, name: str) -> Radiograph:
    if not data:
        raise ImageError(fault("image.empty", name=name))
    if dicom.is_dicom(data):
        return dicom.read(data, name)
    return Radiograph(_decode_picture(data, name))


def _decode_picture(data: bytes, name: str) -> NDArray[np.uint8]:
    picture = _open_picture(data, name)
    check_size(picture.width, picture.height, name)
    try:
        frames = int(getattr(picture, "n_frames", 1))
        if frames > 1 and picture.format != "MPO":
            raise ImageError(fault("image.pages", name=name, frames=frames))
        turn = int(picture.getexif().get(_ORIENTATION, 1))
        deep = _is_deep_colour(picture, data)
        picture.load()
        pixels = _deep_grey(data, turn) if deep else _grey(ImageOps.exif_transpose(picture))
    except ImageError:
        raise
    except _BROKEN as error:
        raise ImageError(fault("image.damaged", name=name, reason=_reason(error))) from error
    return np.ascontiguousarray(pixels)


def _open_picture(data: bytes, name: str) -> Image.Image:
    try:
        with warnings.catch_warnings():  # `check_size` says it better
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            return Image.open(BytesIO(data), formats=_FORMATS)
    except Image.DecompressionBombError as error:
        raise ImageError(fault("image.large", name=name, millions=MAX_PIXELS // 1_000_000)) from error
    except _BROKEN as error:
        raise ImageError(fault("image.unknown", name=name)) from error


def _grey(picture: Image.Image) -> NDArray[np.uint8]:
    """Turn a loaded picture of any Pillow mode into grey; transparent parts become black."""
    mode = picture.mode
    if mode == "L":
        return np.asarray(picture)
    if mode.startswith(("I", "F")):
        return window(np.asarray(picture))
    if mode in {"LA", "PA", "La", "RGBA", "RGBa"} or "transparency" in picture.info:
        coloured = picture.convert("RGBA")
        black = Image.new("RGBA", coloured.size, (0, 0, 0, 255))
        return np.asarray(Image.alpha_composite(black, coloured).convert("L"))
    if mode in {"CMYK", "LAB", "HSV", "YCbCr", "P"}:
        picture = picture.convert("RGB")
    return np.asarray(picture.convert("L"))


def _is_deep_colour(picture: Image.Image, data: bytes) -> bool:
    """Tell whether a file has 16 bits and colour or alpha, of which Pillow would keep the upper 8 only."""
    if picture.mode.startswith(("I", "F")):
        return False
    if picture.format == "PNG":
        return data[24] == 16
    bits = getattr(picture, "tag_v2", {}).get(_TIFF_BITS, (8,))
    return max(bits if isinstance(bits, tuple) else (bits,)) > 8


def _deep_grey(data: bytes, turn: int) -> NDArray[np.uint8]:
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
    return str(error).strip().splitlines()[0][:120] if str(error).strip() else type(error).__name__

"""Read any radiograph (PNG, JPEG, TIFF, WebP, BMP, DICOM; path, bytes or zip member) as grey pixels and their facts.

The kind of file is told by its content, never by its name. One frame of several is named as `file.dcm#2`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from boneage.data import dicom
from boneage.data.archives import DataError, read_bytes, split_frame
from boneage.data.pictures import read_picture
from boneage.data.radiograph import ImageError, Radiograph


def read_image(source: str | Path | bytes, *, name: str = "") -> NDArray[np.uint8]:
    """Read one radiograph as grey pixels.

    Args:
        source: A path, a zip reference (`a.zip!b.png`), either with a frame (`b.dcm#2`), or the file's bytes.
        name: What messages call it; by default the path.

    Returns:
        uint8 (H, W), 0-255.

    Raises:
        ImageError: when it cannot be read or is refused.
    """
    return read_radiograph(source, name=name).pixels


def read_radiograph(source: str | Path | bytes, *, name: str = "", frame: int | None = None) -> Radiograph:
    """Read one radiograph, with sex, age at acquisition and side where the file is DICOM and says so.

    Args:
        source: A path, a zip reference (`a.zip!b.png`), either with a frame (`b.dcm#2`), or the file's bytes.
        name: What messages call it; by default the path.
        frame: Which of several frames or pages, from 1; by default the one that the path names, if it does.

    Raises:
        ImageError: when it cannot be read or is refused; the sentence begins with the name.
    """
    if isinstance(source, bytes):
        return _decode(source, name or "the image", frame)
    label = name or str(source)
    try:
        data = read_bytes(source)
    except DataError as error:
        raise ImageError(error.sentence) from error
    return _decode(data, label, frame or split_frame(str(source))[1])


def _decode(data: bytes, name: str, frame: int | None = None) -> Radiograph:
    if not data:
        raise ImageError.of("image.empty", name=name)
    try:
        if dicom.is_dicom(data):
            return dicom.read(data, name, frame)
        pixels, said = read_picture(data, name, frame)
        return Radiograph(pixels, warnings=said)
    except ImageError as error:
        # A `Radiograph` that refuses itself does not know what its file is called.
        if str(error).startswith(name):
            raise
        raise ImageError.of("image.named", name=name, sentence=error.sentence) from error

"""Read DICOM radiographs: grey pixels, and of the patient only sex, age at acquisition and laterality."""

from __future__ import annotations

import re
import struct
import zlib
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from boneage.data import jpegframe
from boneage.data.dicom_grey import to_grey
from boneage.data.dicom_header import complete, count_frames, is_encapsulated
from boneage.data.dicom_patient import age_of, laterality_of, sex_of
from boneage.data.radiograph import ImageError, Radiograph, choose_page, window
from boneage.notices import Notice

if TYPE_CHECKING:
    from pydicom import Dataset

# pyjpegls (MIT, with CharLS, BSD) and GDCM (BSD): the plugin for lossless JPEG that is more often met is GPL.
_PLUGINS = ("pydicom", "pillow", "pyjpegls", "gdcm")
# What pydicom and the decoders raise on damaged bytes; a header that is merely incomplete never comes so far.
_BROKEN = (
    ValueError, KeyError, AttributeError, TypeError, IndexError, EOFError, NotImplementedError, RuntimeError, OSError,
    OverflowError, MemoryError, struct.error, zlib.error, Image.DecompressionBombError,
)  # fmt: skip
_VR = re.compile(rb"[A-Z]{2}")
_LONGEST_FIRST_ELEMENT = 256


def is_dicom(data: bytes) -> bool:
    """Tell by content: the DICM mark, or a bare data set whose first element is one of group 0002 or 0008."""
    if data[128:132] == b"DICM":
        return True
    if len(data) < 16:
        return False
    order = "<" if data[:2] in {b"\x02\x00", b"\x08\x00"} else ">" if data[:2] in {b"\x00\x02", b"\x00\x08"} else ""
    if not order or struct.unpack_from(f"{order}H", data, 2)[0] > 0x9500:
        return False
    explicit = _VR.fullmatch(data[4:6]) is not None
    if order == ">" and not explicit:
        return False
    length = struct.unpack_from(f"{order}H", data, 6)[0] if explicit else struct.unpack_from("<I", data, 4)[0]
    return bool(length <= _LONGEST_FIRST_ELEMENT)


def read(data: bytes, name: str, frame: int | None = None) -> Radiograph:
    """Read one frame of a DICOM radiograph.

    Args:
        data: The file's bytes.
        name: What messages call it.
        frame: Which of several frames, from 1; None where there should be one alone.

    Raises:
        ImageError: when it has no single frame of pixels, is too large, damaged, or compressed in an unsupported way.
    """
    from pydicom.errors import BytesLengthException, InvalidDicomError

    try:
        dataset = _open(data)
        said = complete(dataset, name)
        index = choose_page(count_frames(dataset, name), frame, name)
        pixels, more = _pixels(dataset, index, name)
        age = age_of(dataset)
        return Radiograph(
            pixels=np.ascontiguousarray(pixels),
            sex=sex_of(dataset),
            age_months=age.months,
            age_step_months=age.step_months,
            laterality=laterality_of(dataset),
            warnings=(*said, *more, *age.said),
        )
    except (InvalidDicomError, BytesLengthException, *_BROKEN) as error:
        if isinstance(error, ImageError):
            raise
        kind = type(error).__name__
        raise ImageError.of("dicom.damaged", name=name, kind=kind) from error


def _open(data: bytes) -> Dataset:
    import pydicom
    from pydicom.dataset import FileMetaDataset

    dataset = pydicom.dcmread(BytesIO(data), force=True)
    if getattr(dataset, "file_meta", None) is None:
        dataset.file_meta = FileMetaDataset()
    return dataset


def _pixels(dataset: Dataset, index: int, name: str) -> tuple[NDArray[np.uint8], tuple[Notice, ...]]:
    array = _stored_values(dataset, index, name)
    kind = str(dataset.get("PhotometricInterpretation", "MONOCHROME2"))
    if not kind.startswith("MONOCHROME"):
        return _colour_to_grey(dataset, array, kind), ()
    return to_grey(dataset, array)


def _stored_values(dataset: Dataset, index: int, name: str) -> NDArray[Any]:
    from pydicom.pixels import pixel_array

    syntax = dataset.file_meta.TransferSyntaxUID
    frames = count_frames(dataset, name)
    dataset.NumberOfFrames = frames
    try:
        if not is_encapsulated(dataset):
            return np.asarray(pixel_array(dataset, index=index, correct_unused_bits=False))
        if jpegframe.is_twelve_bit(dataset):
            return jpegframe.decode_twelve_bit(dataset, index)
        jpegframe.check_lossless(dataset, index)
        options = {"decoding_plugin": _plugin(syntax), "correct_unused_bits": False}
        return np.asarray(pixel_array(dataset, index=index, **options))
    except (RuntimeError, NotImplementedError) as error:
        if is_encapsulated(dataset):
            raise ImageError.of("dicom.compression", name=name, syntax=syntax.name) from error
        raise


def _plugin(syntax: Any) -> str:
    """Choose the decoder of a compressed file, so that it never depends on what else is installed; "" for none."""
    from pydicom.pixels import get_decoder

    there = get_decoder(syntax).available_plugins
    return next((name for name in _PLUGINS if name in there), "")


def _colour_to_grey(dataset: Dataset, array: NDArray[Any], kind: str) -> NDArray[np.uint8]:
    if kind == "PALETTE COLOR":
        from pydicom.pixels.processing import apply_color_lut

        array = apply_color_lut(array, dataset)
    weights = np.array([0.299, 0.587, 0.114], np.float32)
    grey = array[..., :3].astype(np.float32) @ weights
    return np.asarray(np.rint(grey), np.uint8) if array.dtype == np.uint8 else window(grey)

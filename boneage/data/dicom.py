"""Read DICOM radiographs: grey pixels, and of the patient only sex, age at acquisition and laterality."""

from __future__ import annotations

import contextlib
import re
import struct
from datetime import date
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from boneage.data import jpegframe
from boneage.data.radiograph import ImageError, Radiograph, check_size, window
from boneage.groups import Sex
from boneage.notices import fault, warning

if TYPE_CHECKING:
    from pydicom import Dataset

_DAYS_A_MONTH = 365.25 / 12
_MONTHS = {"D": 1 / _DAYS_A_MONTH, "W": 7 / _DAYS_A_MONTH, "M": 1.0, "Y": 12.0}
# pyjpegls (MIT, with CharLS, BSD) and GDCM (BSD): the plugin for lossless JPEG that is more often met is GPL.
_PLUGINS = ("pydicom", "pillow", "pyjpegls", "gdcm")
_BROKEN = (
    ValueError, KeyError, AttributeError, TypeError, IndexError, OSError, EOFError, NotImplementedError, RuntimeError,
    OverflowError, MemoryError, struct.error, ArithmeticError,
)  # fmt: skip


def is_dicom(data: bytes) -> bool:
    """Tell by content: the DICM mark, or a bare data set that starts with group 0002 or 0008."""
    if data[128:132] == b"DICM":
        return True
    return data[:2] in {b"\x02\x00", b"\x08\x00"} and data[2:4] in {b"\x00\x00", b"\x01\x00", b"\x05\x00", b"\x08\x00"}


def read(data: bytes, name: str) -> Radiograph:
    """Read a single-frame DICOM radiograph.

    Args:
        data: The file's bytes.
        name: What messages call it.

    Raises:
        ImageError: when it has no single frame of pixels, is too large, damaged, or compressed in an unsupported way.
    """
    import pydicom
    from pydicom.errors import BytesLengthException, InvalidDicomError

    try:
        dataset = pydicom.dcmread(BytesIO(data), force=data[128:132] != b"DICM")
        _check(dataset, name)
        pixels, warnings = _pixels(dataset, name)
        age, step = _age_months(dataset)
        return Radiograph(
            pixels=np.ascontiguousarray(pixels),
            sex=_sex(dataset),
            age_months=age,
            age_step_months=step,
            laterality=_laterality(dataset),
            warnings=warnings,
        )
    except (InvalidDicomError, BytesLengthException, *_BROKEN) as error:
        if isinstance(error, ImageError):
            raise
        raise ImageError(fault("dicom.damaged", name=name)) from error


def _check(dataset: Dataset, name: str) -> None:
    if "PixelData" not in dataset or "Rows" not in dataset or "Columns" not in dataset:
        raise ImageError(fault("dicom.no_picture", name=name))
    frames = int(dataset.get("NumberOfFrames", 1) or 1)
    if frames > 1:
        raise ImageError(fault("dicom.frames", name=name, frames=frames))
    check_size(int(dataset.Columns), int(dataset.Rows), name)


def _pixels(dataset: Dataset, name: str) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    array = _stored_values(dataset, name)
    kind = str(dataset.get("PhotometricInterpretation", "MONOCHROME2"))
    if not kind.startswith("MONOCHROME"):
        return _colour_to_grey(dataset, array, kind), ()
    grey, warnings = _windowed(dataset, array)
    return (255 - grey if kind == "MONOCHROME1" else grey), warnings


def _stored_values(dataset: Dataset, name: str) -> NDArray[Any]:
    syntax = getattr(getattr(dataset, "file_meta", None), "TransferSyntaxUID", None)
    try:
        if syntax is not None and syntax.is_encapsulated:
            if jpegframe.is_twelve_bit(dataset):
                return jpegframe.decode_twelve_bit(dataset)
            jpegframe.check_lossless(dataset)
            dataset.pixel_array_options(decoding_plugin=_plugin(syntax))
        return np.asarray(dataset.pixel_array)
    except (RuntimeError, NotImplementedError) as error:
        if syntax is not None and syntax.is_compressed:
            raise ImageError(fault("dicom.compression", name=name, syntax=syntax.name)) from error
        raise


def _plugin(syntax: Any) -> str:
    """Choose the decoder of a compressed file, so that it never depends on what else is installed; "" for none."""
    from pydicom.pixels import get_decoder

    there = get_decoder(syntax).available_plugins
    return next((name for name in _PLUGINS if name in there), "")


def _windowed(dataset: Dataset, array: NDArray[Any]) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """Apply rescale, then the file's own window; where that shows nothing, the range of the values."""
    from pydicom.pixels.processing import apply_modality_lut

    rescaled = np.asarray(apply_modality_lut(array, dataset), dtype=np.float32)
    shown = _own_window(dataset, rescaled)
    if shown is not None and (np.ptp(shown) > 0 or np.ptp(rescaled) == 0):
        return shown, ()
    warnings = () if shown is None else (warning("file.window"),)
    plain = "ModalityLUTSequence" not in dataset and float(dataset.get("RescaleSlope", 1) or 1) == 1.0
    bits = int(dataset.get("BitsStored", 0)) if plain else 0
    return window(rescaled, bits or None), warnings


def _own_window(dataset: Dataset, values: NDArray[np.float32]) -> NDArray[np.uint8] | None:
    """Apply the VOI LUT or the first window of the file; None when it has neither (PS3.3 C.11.2)."""
    if dataset.get("VOILUTSequence"):
        from pydicom.pixels.processing import apply_voi

        bits = int(dataset.VOILUTSequence[0].LUTDescriptor[2])
        looked_up = apply_voi(np.rint(values).astype(np.int32), dataset).astype(np.float32)
        return _to_bytes(looked_up / (2**bits - 1))
    centre, width = _first(dataset.get("WindowCenter")), _first(dataset.get("WindowWidth"))
    if centre is None or width is None:
        return None
    function = str(dataset.get("VOILUTFunction", "LINEAR") or "LINEAR").upper()
    if function == "SIGMOID":
        return _to_bytes(1 / (1 + np.exp(np.clip(-4 * (values - centre) / max(width, 1e-6), -50, 50))))
    if function == "LINEAR":
        centre, width = centre - 0.5, width - 1
    return _to_bytes((values - centre) / max(width, 1e-6) + 0.5)


def _to_bytes(fraction: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.asarray(np.clip(np.rint(fraction * 255), 0, 255), dtype=np.uint8)


def _colour_to_grey(dataset: Dataset, array: NDArray[Any], kind: str) -> NDArray[np.uint8]:
    if kind == "PALETTE COLOR":
        from pydicom.pixels.processing import apply_color_lut

        array = apply_color_lut(array, dataset)
    weights = np.array([0.299, 0.587, 0.114], np.float32)
    grey = array[..., :3].astype(np.float32) @ weights
    return np.asarray(np.rint(grey), np.uint8) if array.dtype == np.uint8 else window(grey)


def _first(value: object) -> float | None:
    """Take the first of one or several DICOM numbers."""
    if value is None or value == "":
        return None
    if hasattr(value, "__getitem__") and not isinstance(value, str):
        return float(value[0]) if len(value) else None  # type: ignore[arg-type]
    return float(value)  # type: ignore[arg-type]


def _sex(dataset: Dataset) -> Sex | None:
    with contextlib.suppress(ValueError):
        return Sex.parse(dataset.get("PatientSex", ""))
    return None


def _age_months(dataset: Dataset) -> tuple[float | None, float]:
    """Return the age at acquisition and its step, in months: from both dates where they are there, else as stated."""
    born = _date(dataset.get("PatientBirthDate"))
    taken = next(
        (day for key in ("AcquisitionDate", "ContentDate", "StudyDate") if (day := _date(dataset.get(key)))), None
    )
    if born and taken and taken >= born:
        return round((taken - born).days / _DAYS_A_MONTH, 1), 0.0
    stated = re.fullmatch(r"(\d{1,3})([DWMY])", str(dataset.get("PatientAge", "")).strip().upper())
    if not stated:
        return None, 0.0
    step = _MONTHS[stated[2]]
    return round(int(stated[1]) * step, 1), step


def _date(value: object) -> date | None:
    text = str(value or "").strip().replace(".", "")
    if not re.fullmatch(r"\d{8}", text):
        return None
    with contextlib.suppress(ValueError):
        return date(int(text[:4]), int(text[4:6]), int(text[6:]))
    return None


def _laterality(dataset: Dataset) -> str | None:
    side = str(dataset.get("ImageLaterality", "") or dataset.get("Laterality", "")).strip().upper()
    return side if side in {"L", "R"} else None

"""Header of a DICOM film, completed: what is missing, unusable or contradicts the pixels is replaced and named.

Archives hold films whose headers lack elements that the standard requires, or carry values that cannot be true of the
pixels. Where the pixels themselves or the usual practice tell what was meant, that is assumed and said.
"""

from __future__ import annotations

import struct
from io import BytesIO
from typing import TYPE_CHECKING, Any

from PIL import Image

from boneage.data.radiograph import ImageError, check_size
from boneage.notices import Notice, warning

if TYPE_CHECKING:
    from pydicom import Dataset

_ITEM = b"\xfe\xff\x00\xe0"
_JPEG, _JPEG2000 = b"\xff\xd8", b"\xff\x4f\xff\x51"
_RLE = "1.2.840.10008.1.2.5"
# By the marker of a JPEG frame's header.
_PROCESSES = {
    0xC0: "1.2.840.10008.1.2.4.50", 0xC1: "1.2.840.10008.1.2.4.51", 0xC3: "1.2.840.10008.1.2.4.57",
    0xF7: "1.2.840.10008.1.2.4.81",
}  # fmt: skip
_DEPTHS = (1, 8, 16, 32, 64)
_PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
_ONE_SAMPLE = ("MONOCHROME1", "MONOCHROME2", "PALETTE COLOR")


def value_of(dataset: Dataset, keyword: str) -> Any:
    """Return an element's value; None where it is missing, empty or cannot be decoded."""
    from pydicom.errors import BytesLengthException

    try:
        value = dataset.get(keyword)
    except (ValueError, TypeError, ArithmeticError, NotImplementedError, BytesLengthException, struct.error):
        return None
    return None if value == "" else value


def number_of(dataset: Dataset, keyword: str) -> int | None:
    """Return an element as a whole number; None where it is none."""
    try:
        return int(value_of(dataset, keyword))
    except (TypeError, ValueError, OverflowError):
        return None


def missing_or_unusable(dataset: Dataset, keyword: str, assumed: object) -> Notice:
    """Say that an element is missing or unusable, and what is assumed in its place."""
    if keyword in dataset:
        return warning("dicom.unusable", element=keyword, assumed=assumed)
    return warning("dicom.missing", element=keyword, assumed=assumed)


def contradicts(keyword: str, assumed: object) -> Notice:
    """Say that an element contradicts the pixels, and what is assumed in its place."""
    return warning("dicom.contradicts", element=keyword, assumed=assumed)


def complete(dataset: Dataset, name: str) -> tuple[Notice, ...]:
    """Make a header complete, in place, so that its pixels can be decoded.

    Args:
        dataset: As pydicom reads it.
        name: What messages call the file.

    Returns:
        A sentence for each element that was replaced.

    Raises:
        ImageError: when there are no pixels, they are cut off, too many, or stored in a way that is not supported.
    """
    _require(dataset, name)
    said = [*_transfer_syntax(dataset, name), *_samples(dataset), *_bits(dataset, name)]
    said += _trust_the_frame(dataset) if is_encapsulated(dataset) else _rows(dataset)
    check_size(int(dataset.Columns), int(dataset.Rows), name)
    return tuple(said)


def is_encapsulated(dataset: Dataset) -> bool:
    """Tell whether the pixels are compressed."""
    return bool(dataset.file_meta.TransferSyntaxUID.is_encapsulated)


def fragments(dataset: Dataset) -> list[bytes]:
    """Return the fragments of compressed pixels; none where they are damaged."""
    from pydicom.encaps import generate_fragments, parse_basic_offsets

    stream = BytesIO(dataset.PixelData)
    try:
        parse_basic_offsets(stream)
        return list(generate_fragments(stream))
    except (ValueError, struct.error, EOFError):
        return []


def count_frames(dataset: Dataset, name: str) -> int:
    """Count the frames that are there, whatever NumberOfFrames says; at least as many as it says.

    Raises:
        ImageError: when not even one is whole.
    """
    said = number_of(dataset, "NumberOfFrames") or 1
    if "PixelData" not in dataset:
        return said
    if is_encapsulated(dataset):
        parts = fragments(dataset)
        starts = sum(part.startswith((_JPEG, _JPEG2000)) for part in parts)
        rle = dataset.file_meta.TransferSyntaxUID == _RLE
        return max(said, len(parts) if rle else starts)
    length, frame = len(dataset.PixelData), _frame_bytes(dataset)
    if length < frame:
        raise ImageError.of("dicom.cut_off", name=name, length=length, needed=frame)
    return max(said, length // frame)


def _require(dataset: Dataset, name: str) -> None:
    if not any(keyword in dataset for keyword in _PIXELS):
        raise ImageError.of("dicom.no_picture", name=name)
    for keyword in ("Rows", "Columns"):
        if (number_of(dataset, keyword) or 0) < 1:
            raise ImageError.of("dicom.element", name=name, element=keyword)


def _transfer_syntax(dataset: Dataset, name: str) -> list[Notice]:
    """Set the transfer syntax where the header has none, or one that the pixels contradict."""
    from pydicom import uid

    syntax = dataset.file_meta.get("TransferSyntaxUID")
    data = bytes(dataset.PixelData[:4]) if "PixelData" in dataset else b""
    native = _native_syntax(dataset)
    if not syntax:
        found = _compressed_syntax(dataset, name) if data == _ITEM else native
        said = missing_or_unusable(dataset.file_meta, "TransferSyntaxUID", found.name)
        dataset.file_meta.TransferSyntaxUID = found
        return [said]
    if syntax.is_private or syntax not in uid.AllTransferSyntaxes:
        raise ImageError.of("dicom.syntax", name=name, syntax=syntax)
    if syntax.is_encapsulated == (data == _ITEM) or not data:
        return []
    dataset.file_meta.TransferSyntaxUID = native if syntax.is_encapsulated else _compressed_syntax(dataset, name)
    return [contradicts("TransferSyntaxUID", dataset.file_meta.TransferSyntaxUID.name)]


def _native_syntax(dataset: Dataset) -> Any:
    from pydicom import uid

    implicit, little = dataset.original_encoding
    if implicit:
        return uid.ImplicitVRLittleEndian
    return uid.ExplicitVRLittleEndian if little else uid.ExplicitVRBigEndian


def _compressed_syntax(dataset: Dataset, name: str) -> Any:
    """Tell a compression by the first bytes of its first frame."""
    from pydicom import uid

    first = next(iter(fragments(dataset)), b"")
    if first.startswith(_JPEG2000):
        return uid.JPEG2000
    if first.startswith(_JPEG):
        found = ((first.find(bytes([0xFF, mark])), syntax) for mark, syntax in _PROCESSES.items())
        places = sorted((place, syntax) for place, syntax in found if place > 0)
        if places:
            return uid.UID(places[0][1])
    elif len(first) > 64 and 1 <= struct.unpack_from("<I", first)[0] <= 15:
        return uid.UID(_RLE)
    raise ImageError.of("dicom.unsaid_compression", name=name)


def _samples(dataset: Dataset) -> list[Notice]:
    """Settle samples a pixel, what they mean, and their arrangement."""
    said: list[Notice] = []
    kind = str(value_of(dataset, "PhotometricInterpretation") or "").strip().upper()
    samples = number_of(dataset, "SamplesPerPixel")
    if samples not in {1, 3}:
        usual = 3 if kind and kind not in _ONE_SAMPLE else 1
        said.append(missing_or_unusable(dataset, "SamplesPerPixel", usual))
        dataset.SamplesPerPixel = samples = usual
    if not kind or (kind in _ONE_SAMPLE) != (samples == 1):
        usual_kind = "MONOCHROME2" if samples == 1 else "RGB"
        keyword = "PhotometricInterpretation"
        said.append(contradicts(keyword, usual_kind) if kind else missing_or_unusable(dataset, keyword, usual_kind))
        dataset.PhotometricInterpretation = usual_kind
    if samples == 3 and number_of(dataset, "PlanarConfiguration") not in {0, 1}:
        said.append(missing_or_unusable(dataset, "PlanarConfiguration", 0))
        dataset.PlanarConfiguration = 0
    return said


def _bits(dataset: Dataset, name: str) -> list[Notice]:
    """Settle how many bits a value takes, how many of them count, and whether it has a sign."""
    if "PixelData" not in dataset:
        return []
    said = _allocated(dataset, name)
    allocated = int(dataset.BitsAllocated)
    stored, high = number_of(dataset, "BitsStored"), number_of(dataset, "HighBit")
    if stored is None or not 1 <= stored <= allocated:
        said.append(missing_or_unusable(dataset, "BitsStored", allocated))
        dataset.BitsStored = stored = allocated
        high = None
    if high is None or not stored - 1 <= high < allocated:
        dataset.HighBit = stored - 1
    if number_of(dataset, "PixelRepresentation") not in {0, 1}:
        said.append(missing_or_unusable(dataset, "PixelRepresentation", 0))
        dataset.PixelRepresentation = 0
    return said


def _allocated(dataset: Dataset, name: str) -> list[Notice]:
    """Settle BitsAllocated: from the number of bytes where it is missing or the bytes speak against it."""
    allocated, stored = number_of(dataset, "BitsAllocated"), number_of(dataset, "BitsStored") or 0
    each = 0 if is_encapsulated(dataset) else _bytes_each(dataset)
    if allocated is None:
        usual = 8 if each == 1 or (each != 2 and 1 <= stored <= 8) else 16
        said = [missing_or_unusable(dataset, "BitsAllocated", usual)]
        dataset.BitsAllocated = usual
        return said
    if allocated not in _DEPTHS:
        raise ImageError.of("dicom.bits", name=name, bits=allocated)
    wrong = (allocated == 16 and each == 1 and stored <= 8) or (allocated == 8 and each == 2 and 8 < stored <= 16)
    if not wrong:
        return []
    dataset.BitsAllocated = 8 * each
    return [contradicts("BitsAllocated", 8 * each)]


def _bytes_each(dataset: Dataset) -> int:
    """Return how many bytes a value takes where the pixels are one frame of 1 or 2 each; else 0."""
    length, values = len(dataset.PixelData), _values(dataset)
    return next((each for each in (1, 2) if values * each <= length <= values * each + 1), 0)


def _rows(dataset: Dataset) -> list[Notice]:
    """Settle Rows where a frame of its own number of bytes holds more lines, but not a whole further frame."""
    if "PixelData" not in dataset or (number_of(dataset, "NumberOfFrames") or 1) > 1:
        return []
    length, frame, rows = len(dataset.PixelData), _frame_bytes(dataset), int(dataset.Rows)
    line = frame // rows
    if not frame + line <= length or length % frame < max(2, line) or length % max(1, line) > 1:
        return []
    dataset.Rows = length // line
    return [contradicts("Rows", dataset.Rows)]


def _values(dataset: Dataset) -> int:
    values = int(dataset.Rows) * int(dataset.Columns) * int(dataset.SamplesPerPixel)
    return values * 2 // 3 if str(dataset.PhotometricInterpretation) == "YBR_FULL_422" else values


def _frame_bytes(dataset: Dataset) -> int:
    return max(1, (_values(dataset) * int(dataset.BitsAllocated) + 7) // 8)


def _trust_the_frame(dataset: Dataset) -> list[Notice]:
    """Let a JPEG or JPEG 2000 frame that Pillow can open decide where the header speaks of another picture."""
    from pydicom.uid import JPEG2000TransferSyntaxes, JPEGBaseline8Bit, JPEGTransferSyntaxes

    syntax = dataset.file_meta.TransferSyntaxUID
    first = next(iter(fragments(dataset)), b"")
    if syntax not in (*JPEGTransferSyntaxes, *JPEG2000TransferSyntaxes) or not first:
        return []
    try:
        with Image.open(BytesIO(first), formats=("JPEG", "JPEG2000")) as picture:
            (width, height), samples = picture.size, len(picture.getbands())
    except (OSError, SyntaxError, ValueError, struct.error, Image.DecompressionBombError):
        return []  # a lossless or 12-bit frame, which has a check of its own, or a damaged one
    wanted = {"Rows": height, "Columns": width, "SamplesPerPixel": samples}
    if syntax == JPEGBaseline8Bit:
        wanted |= {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, "PixelRepresentation": 0}
    said = []
    for keyword, value in wanted.items():
        if number_of(dataset, keyword) != value:
            said.append(contradicts(keyword, value))
            setattr(dataset, keyword, value)
    if (str(dataset.PhotometricInterpretation) in _ONE_SAMPLE) != (samples == 1):
        dataset.PhotometricInterpretation = "MONOCHROME2" if samples == 1 else "YBR_FULL_422"
        dataset.PlanarConfiguration = 0
    return said

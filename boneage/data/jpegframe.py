"""Check JPEG frames of DICOM files before GDCM decodes them, for it ends the process on a damaged header.

GDCM (BSD) reads lossless JPEG through pydicom. Lossy JPEG of 12 bits a sample, as old film digitizers and some PACS
write it, pydicom refuses for want of a decoder, though GDCM has one: here it is asked directly.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from pydicom import Dataset

_TWELVE = 12
_EXTENDED, _LOSSLESS = 0xC1, 0xC3
_HUFFMAN, _QUANTIZATION, _SCAN = 0xC4, 0xDB, 0xDA
# Beside these: restart interval, comment, application data.
_HEADER = frozenset({_EXTENDED, _LOSSLESS, _HUFFMAN, _QUANTIZATION, _SCAN, 0xDD, 0xFE, *range(0xE0, 0xF0)})


def is_twelve_bit(dataset: Dataset) -> bool:
    """Tell whether a data set holds a grey JPEG of the extended process with 12 unsigned bits."""
    from pydicom.uid import JPEGExtended12Bit

    return (
        dataset.file_meta.TransferSyntaxUID == JPEGExtended12Bit
        and (dataset.get("BitsAllocated"), dataset.get("BitsStored")) == (16, _TWELVE)
        and dataset.get("SamplesPerPixel", 1) == 1
        and not dataset.get("PixelRepresentation", 0)
    )


def decode_twelve_bit(dataset: Dataset, index: int = 0) -> NDArray[np.uint16]:
    """Decode one frame, counted from 0, of a data set for which `is_twelve_bit` holds.

    Returns:
        uint16 (H, W), 0-4095.

    Raises:
        RuntimeError: when the frame is damaged.
    """
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    frame = _frame(dataset, index)
    _check(frame, _EXTENDED, rows, columns, 1, range(_TWELVE, _TWELVE + 1))
    buffer = _gdcm_buffer(frame, rows, columns)
    values = np.frombuffer(buffer or b"", "<u2")
    if values.size != rows * columns:
        raise RuntimeError(f"the JPEG frame holds {values.size} values, but {rows} x {columns} were promised")
    return values.reshape(rows, columns)


def check_lossless(dataset: Dataset, index: int = 0) -> None:
    """Refuse a damaged header of a lossless JPEG; data sets that hold none pass.

    Raises:
        RuntimeError: when the header is not the one that the data set promises.
    """
    from pydicom.uid import JPEGLossless, JPEGLosslessSV1

    if dataset.file_meta.TransferSyntaxUID not in {JPEGLossless, JPEGLosslessSV1}:
        return
    bits = range(2, int(dataset.BitsAllocated) + 1)
    rows, columns, samples = int(dataset.Rows), int(dataset.Columns), int(dataset.SamplesPerPixel)
    _check(_frame(dataset, index), _LOSSLESS, rows, columns, samples, bits)


def _frame(dataset: Dataset, index: int) -> bytes:
    from pydicom.encaps import get_frame

    return get_frame(dataset.PixelData, index, number_of_frames=int(dataset.get("NumberOfFrames") or 1))


def _check(frame: bytes, process: int, rows: int, columns: int, samples: int, bits: range) -> None:
    """Walk through the header up to the scan; everything in it must be known, whole and as promised."""
    if frame[:2] != b"\xff\xd8" or b"\xff\xd9" not in frame[-4:]:
        raise RuntimeError("the JPEG frame has no beginning or no end")
    seen: list[int] = []
    place = 2
    while _SCAN not in seen:
        mark, marker, length = struct.unpack_from(">BBH", frame, place)
        content = frame[place + 4 : place + 2 + length]
        whole = mark == 0xFF and marker in _HEADER and len(content) == length - 2
        if not whole or (content[:5] == b"Adobe" and content[11:] not in {b"\0", b"\1"}):
            raise RuntimeError("the JPEG header is damaged")
        if marker in {_EXTENDED, _LOSSLESS}:
            depth, *shape = struct.unpack_from(">BHHB", content)
            if marker != process or depth not in bits or shape != [rows, columns, samples]:
                raise RuntimeError("the JPEG header speaks of another picture than the DICOM header")
            if len(content) != 6 + 3 * samples:
                raise RuntimeError("the JPEG header is damaged")
        seen.append(marker)
        place += 2 + length
    if seen.count(process) != 1 or _HUFFMAN not in seen:
        raise RuntimeError("the JPEG header is not complete")


def _gdcm_buffer(frame: bytes, rows: int, columns: int) -> bytes | None:
    """Let GDCM decode a frame of 12 bits; None when it cannot."""
    import gdcm
    from pydicom.uid import JPEGExtended12Bit

    fragment, fragments = gdcm.Fragment(), gdcm.SequenceOfFragments.New()
    fragment.SetByteStringValue(frame)
    fragments.AddFragment(fragment)
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetValue(fragments.__ref__())
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((columns, rows, 1))
    image.SetDataElement(element)
    grey = gdcm.PhotometricInterpretation.GetPIType("MONOCHROME2")
    image.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(grey))
    syntax = gdcm.TransferSyntax.GetTSType(str(JPEGExtended12Bit))
    image.SetTransferSyntax(gdcm.TransferSyntax(syntax))
    # 12 bits allocated, not 16: GDCM then takes its 12-bit decoder at once, without complaining on stderr first.
    image.SetPixelFormat(gdcm.PixelFormat(1, _TWELVE, _TWELVE, _TWELVE - 1, 0))
    text = cast("str | None", image.GetBuffer())
    return None if text is None else text.encode("utf-8", "surrogateescape")  # GDCM gives its char* as text

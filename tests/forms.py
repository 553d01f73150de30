"""One film in every form that archives store it in: for a property that holds for all, through every door.

`readable(film)` gives the forms whose pixels must be the film's; `REFUSED` those that must be refused, and for what.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from io import BytesIO

import cv2
import numpy as np
import pydicom
import tifffile
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)

Film = np.ndarray
Make = Callable[[Film], bytes]
WRITTEN = frozenset(
    {
        "Rows",
        "Columns",
        "SamplesPerPixel",
        "PhotometricInterpretation",
        "BitsAllocated",
        "BitsStored",
        "HighBit",
        "PixelRepresentation",
        "PatientSex",
    }
)
TAGS = {name: pydicom.datadict.tag_for_keyword(name) for name in ("PixelPaddingValue",)}


def picture(array: Film, form: str, **options: object) -> bytes:
    buffer = BytesIO()
    Image.fromarray(array).save(buffer, form, **options)
    return buffer.getvalue()


def tiff(array: Film, **options: object) -> bytes:
    buffer = BytesIO()
    tifffile.imwrite(buffer, array, **{"photometric": "minisblack", **options})
    return buffer.getvalue()


def dataset(values: Film, syntax: str = ExplicitVRLittleEndian, **elements: object) -> FileDataset:
    """A data set of these stored values; an element that is None is left out."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = syntax
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1", "1.2.3"
    d = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128, is_little_endian=syntax != ExplicitVRBigEndian)
    d.Rows, d.Columns = values.shape[:2]
    d.SamplesPerPixel = values.shape[2] if values.ndim == 3 else 1
    d.PhotometricInterpretation = "RGB" if values.ndim == 3 else "MONOCHROME2"
    if values.ndim == 3:
        d.PlanarConfiguration = 0
    d.PixelRepresentation = int(values.dtype.kind == "i")
    d.BitsAllocated = 8 * values.itemsize
    d.BitsStored = elements.pop("BitsStored", d.BitsAllocated)
    high = elements.pop("HighBit", (d.BitsStored or d.BitsAllocated) - 1)
    if high is not None:
        d.HighBit = high
    d.PatientSex = "F"
    d.PixelData = (values.byteswap() if syntax == ExplicitVRBigEndian else values).tobytes()
    d["PixelData"].VR = "OB" if values.itemsize == 1 else "OW"
    for name, value in elements.items():
        if value is None:
            delattr(d, name)
        elif name in TAGS:
            d.add_new(TAGS[name], "SS" if values.dtype.kind == "i" else "US", value)
        else:
            setattr(d, name, value)
    if d.BitsStored is None:
        del d.BitsStored
    return d


def written(d: FileDataset) -> bytes:
    buffer = BytesIO()
    d.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def dicom(values: Film, syntax: str = ExplicitVRLittleEndian, **elements: object) -> bytes:
    return written(dataset(values, syntax, **elements))


def framed(film: Film, frames: list[bytes], syntax: str, **elements: object) -> bytes:
    """A DICOM file around compressed frames."""
    d = dataset(film, syntax, **elements)
    d.PixelData = encapsulate(frames)
    d["PixelData"].VR, d["PixelData"].is_undefined_length = "OB", True
    return written(d)


def compressed(values: Film, syntax: str) -> bytes:
    d = dataset(values)
    d.compress(syntax, generate_instance_uid=False)
    return written(d)


def jpeg(film: Film) -> bytes:
    return picture(film, "JPEG", quality=100)


def raw(film: Film, keyword: str, value: bytes, **elements: object) -> bytes:
    """A DICOM file in which an element holds bytes that no writer would write."""
    whole = dicom(film, **{**elements, keyword: None} if keyword in WRITTEN else elements)
    tag = pydicom.datadict.tag_for_keyword(keyword)
    vr = pydicom.datadict.dictionary_VR(tag).split(" ")[0].encode()
    length = struct.pack("<HI", 0, len(value)) if vr in {b"SQ", b"OB"} else struct.pack("<H", len(value))
    element = struct.pack("<HH", tag >> 16, tag & 0xFFFF) + vr + length + value
    place = whole.find(b"\xe0\x7f\x10\x00O")
    return whole[:place] + element + whole[place:]


def bare(film: Film, first: bytes, syntax: str = ExplicitVRLittleEndian, **elements: object) -> bytes:
    """A data set without any file header, beginning at an element."""
    whole = dicom(film, syntax, **elements)
    return whole[whole.find(first, 132) :]


def without_syntax(data: bytes) -> bytes:
    """Cut the transfer syntax out of a file's header."""
    start = data.find(b"\x02\x00\x10\x00UI")
    length = struct.unpack_from("<H", data, start + 6)[0]
    group = data.find(b"\x02\x00\x00\x00UL")
    total = struct.unpack_from("<I", data, group + 8)[0] - 8 - length
    return data[: group + 8] + struct.pack("<I", total) + data[group + 12 : start] + data[start + 8 + length :]


def deep(film: Film, bits: int = 12) -> Film:
    return film.astype(np.uint16) << (bits - 8)


def packed(film: Film, bits: int) -> bytes:
    """An uncompressed TIFF with values of so many bits, packed."""
    height, width = film.shape
    values = film.astype(np.uint32)[..., None] << (bits - 8)
    rows = ((values >> np.arange(bits - 1, -1, -1)) & 1).astype(np.uint8).reshape(height, -1)
    data = np.packbits(rows, axis=1).tobytes()
    tags = [(256, width), (257, height), (258, bits), (259, 1), (262, 1), (273, 8), (277, 1), (278, height)]
    entries = b"".join(struct.pack("<HHIHH", tag, 3, 1, value, 0) for tag, value in tags)
    entries += struct.pack("<HHII", 279, 4, 1, len(data))
    return b"II*\0" + struct.pack("<I", 8 + len(data)) + data + struct.pack("<H", len(tags) + 1) + entries + bytes(4)


def rgb(film: Film) -> Film:
    return np.repeat(film[..., None], 3, axis=2)


PICTURES: dict[str, Make] = {
    "png": lambda f: picture(f, "PNG"),
    "png 16": lambda f: picture(f.astype(np.uint16) * 257, "PNG"),
    "png 12 of 16": lambda f: picture(deep(f), "PNG"),
    "png rgb": lambda f: picture(rgb(f), "PNG"),
    "png rgb 16": lambda f: cv2.imencode(".png", rgb(f).astype(np.uint16) * 257)[1].tobytes(),
    "png alpha": lambda f: picture(np.dstack([rgb(f), np.full_like(f, 255)]), "PNG"),
    "jpeg": jpeg,
    "jpeg rgb": lambda f: picture(rgb(f), "JPEG", quality=100, progressive=True),
    "webp": lambda f: picture(rgb(f), "WEBP", lossless=True),
    "bmp": lambda f: picture(f, "BMP"),
    "gif": lambda f: picture(f, "GIF"),
    "jp2": lambda f: picture(f, "JPEG2000"),
    "pgm": lambda f: picture(f, "PPM"),
    "pgm 16": lambda f: b"P5 %d %d 65535\n" % f.shape[::-1] + (f.astype(">u2") * 257).tobytes(),
    "tiff": lambda f: tiff(f),
    "tiff lzw": lambda f: picture(f, "TIFF", compression="tiff_lzw"),
    "tiff deflate 16": lambda f: picture(deep(f, 16), "TIFF", compression="tiff_adobe_deflate"),
    "tiff packbits": lambda f: picture(f, "TIFF", compression="packbits"),
    "tiff big endian 16": lambda f: tiff(deep(f, 16), byteorder=">"),
    "tiff tiles": lambda f: tiff(f, tile=(16, 16)),
    "bigtiff": lambda f: tiff(f, bigtiff=True),
    "tiff min is white": lambda f: tiff(255 - f, photometric="miniswhite"),
    "tiff min is white 16": lambda f: tiff(65535 - f.astype(np.uint16) * 257, photometric="miniswhite"),
    "tiff min is white float": lambda f: tiff(1 - (f / 255).astype("f4"), photometric="miniswhite"),
    "tiff int8": lambda f: tiff((f.astype(np.int16) - 128).astype(np.int8)),
    "tiff int16": lambda f: tiff(f.astype(np.int16) * 100 - 9000),
    "tiff int32": lambda f: tiff(f.astype(np.int32) * 257),
    "tiff uint32": lambda f: tiff(f.astype(np.uint32) << 24),
    "tiff float16": lambda f: tiff((f / 255).astype(np.float16)),
    "tiff float32": lambda f: tiff((f / 255).astype(np.float32)),
    "tiff float64": lambda f: tiff(f / 255.0),
    **{f"tiff {bits} packed": lambda f, bits=bits: packed(f, bits) for bits in (10, 12, 14)},
}
DICOM: dict[str, Make] = {
    "8": lambda f: dicom(f),
    "16": lambda f: dicom(f.astype(np.uint16) * 257),
    **{f"{bits} of 16": lambda f, bits=bits: dicom(deep(f, bits), BitsStored=bits) for bits in range(9, 16)},
    "left aligned": lambda f: dicom(deep(f) << 4, BitsStored=12, HighBit=15),
    "signed": lambda f: dicom(f.astype(np.int16) * 16 - 2048, BitsStored=12),
    "signed, upper bits clear": lambda f: dicom(
        (f.astype(np.int16) * 16 - 2048) & 0xFFF, BitsStored=12, PixelRepresentation=1
    ),
    "implicit": lambda f: dicom(deep(f), ImplicitVRLittleEndian, BitsStored=12),
    "big endian": lambda f: dicom(deep(f), ExplicitVRBigEndian, BitsStored=12),
    "deflated": lambda f: dicom(f, DeflatedExplicitVRLittleEndian),
    "rle": lambda f: compressed(f.astype(np.uint16) * 257, RLELossless),
    "jpeg-ls": lambda f: compressed(f, JPEGLSLossless),
    "jpeg": lambda f: framed(f, [jpeg(f)], JPEGBaseline8Bit),
    "jpeg 2000": lambda f: framed(f, [picture(f, "JPEG2000", no_jp2=True)], JPEG2000Lossless),
    "rgb": lambda f: dicom(rgb(f)),
    "monochrome1": lambda f: dicom(255 - f, PhotometricInterpretation="MONOCHROME1"),
    "monochrome1, shape inverse": lambda f: dicom(
        255 - f, PhotometricInterpretation="MONOCHROME1", PresentationLUTShape="INVERSE"
    ),
    "shape inverse": lambda f: dicom(255 - f, PresentationLUTShape="INVERSE"),
    "negative slope": lambda f: dicom(255 - f, RescaleSlope=-1, RescaleIntercept=255),
    "window": lambda f: dicom(f.astype(np.uint16) + 1000, WindowCenter=1128, WindowWidth=256),
    "sharp second window": lambda f: dicom(f, WindowCenter=[128, 40], WindowWidth=[256, 8]),
}
WARNED: dict[str, tuple[Make, str]] = {
    "first window unusable": (lambda f: dicom(f, WindowCenter=[9000, 128], WindowWidth=[10, 256]), ""),
    "window width 0": (lambda f: dicom(deep(f), BitsStored=12, WindowCenter=2048, WindowWidth=0), "window"),
    "window negative": (lambda f: dicom(deep(f), BitsStored=12, WindowCenter=99, WindowWidth=-5), "window"),
    "window too narrow": (lambda f: dicom(deep(f), BitsStored=12, WindowCenter=1800, WindowWidth=40), "window"),
    "window saturates": (lambda f: dicom(deep(f, 16), WindowCenter=20, WindowWidth=40), "window"),
    "window is a word": (lambda f: raw(deep(f), "WindowCenter", b"auto", BitsStored=12, WindowWidth=9), "window"),
    "slope 0": (lambda f: dicom(f, RescaleSlope=0, RescaleIntercept=0), "RescaleSlope"),
    "high bit of another file": (lambda f: dicom(deep(f) | 1, BitsStored=12, HighBit=15), "HighBit"),
    "more bits than stored": (lambda f: dicom(deep(f, 16), BitsStored=10), "BitsStored"),
    "bits stored 0": (lambda f: dicom(deep(f), BitsStored=0, HighBit=0), "BitsStored"),
    "8 allocated of 16": (lambda f: dicom(deep(f), BitsStored=12, BitsAllocated=8), "BitsAllocated"),
    "16 allocated of 8": (lambda f: dicom(f, BitsStored=8, BitsAllocated=16), "BitsAllocated"),
    "photometric unknown": (lambda f: dicom(f, PhotometricInterpretation="GREY"), "PhotometricInterpretation"),
    "photometric of colour": (lambda f: dicom(f, PhotometricInterpretation="RGB"), "PhotometricInterpretation"),
    "samples 2": (lambda f: dicom(f, SamplesPerPixel=2), "SamplesPerPixel"),
    "representation 7": (lambda f: dicom(f, PixelRepresentation=7), "PixelRepresentation"),
    "rgb without plane": (lambda f: dicom(rgb(f), PlanarConfiguration=None), "PlanarConfiguration"),
    **{
        f"without {keyword}": (lambda f, keyword=keyword: dicom(deep(f), **{"BitsStored": 12, keyword: None}), keyword)
        for keyword in ("PixelRepresentation", "SamplesPerPixel", "PhotometricInterpretation", "BitsStored",
                        "BitsAllocated")
    },
    "without transfer syntax": (lambda f: without_syntax(dicom(f)), "TransferSyntaxUID"),
    "jpeg without transfer syntax": (
        lambda f: without_syntax(framed(f, [jpeg(f)], JPEGBaseline8Bit)), "TransferSyntaxUID"
    ),
    "native said to be jpeg": (
        lambda f: dicom(f).replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.5\0"), "TransferSyntaxUID"
    ),
    "jpeg of another size": (lambda f: framed(f, [jpeg(f)], JPEGBaseline8Bit, Rows=30), "Rows"),
    "jpeg said to be 16 bit": (
        lambda f: framed(f, [jpeg(f)], JPEGBaseline8Bit, BitsAllocated=16, BitsStored=12, HighBit=11), "BitsAllocated"
    ),
    "bare, explicit": (lambda f: bare(f, b"\x08\x00\x05\x00CS", SpecificCharacterSet="ISO_IR 100"), "TransferSyntax"),
    "bare, implicit": (lambda f: bare(f, b"\x08\x00\x16\x00", ImplicitVRLittleEndian, SOPClassUID="1.2"), "Transfer"),
    "bare, big endian": (
        lambda f: bare(f, b"\x00\x08\x00\x05CS", ExplicitVRBigEndian, SpecificCharacterSet="ISO_IR 100"), "Transfer"
    ),
}  # fmt: skip
REFUSED: dict[str, tuple[Make, str]] = {
    "two frames unsaid": (lambda f: dicom(f, PixelData=f.tobytes() * 2), "2 frames"),
    "two jpeg frames unsaid": (lambda f: framed(f, [jpeg(f), jpeg(f)], JPEGBaseline8Bit), "2 frames"),
    "two jpeg frames, one said": (
        lambda f: framed(f, [jpeg(f), jpeg(f)], JPEGBaseline8Bit, NumberOfFrames=1), "2 frames"
    ),
    "two pages": (lambda f: tiff(np.stack([f, f])), "2 frames"),
    "private syntax": (
        lambda f: dicom(f, ImplicitVRLittleEndian).replace(b"1.2.840.10008.1.2\0", b"1.2.840.113619.5.2"), "113619.5.2"
    ),
    "syntax without a decoder": (lambda f: framed(f, [b"\xff\x4f\xff\x51" + bytes(60)], HTJ2KLossless), "JPEG 2000"),
    "without rows": (lambda f: dicom(f, Rows=None), "Rows"),
    "without pixels": (lambda f: dicom(f, PixelData=None), "without a picture"),
    "cut off": (lambda f: dicom(f)[:-400], "cut off"),
    "12 bits allocated": (lambda f: dicom(deep(f), BitsAllocated=12, BitsStored=12), "BitsAllocated"),
    "one bit": (lambda f: picture(f > 99, "PNG"), "2 grey levels"),
    "heic": (lambda f: b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(3000), "HEIC"),
    "avif": (lambda f: b"\0\0\0\x18ftypavif" + bytes(3000), "AVIF"),
    "pdf": (lambda f: b"%PDF-1.7\n" + bytes(300), "PDF"),
    "zip": (lambda f: b"PK\x03\x04" + bytes(300), "ZIP file"),
    "tiff 14 packed, cut off": (lambda f: packed(f, 14)[:900], "damaged|cut off"),
    "tiff 4 samples of 16": (lambda f: tiff(f.astype(np.complex64)), "unsupported|not supported|damaged"),
}  # fmt: skip


def readable() -> dict[str, tuple[Make, str]]:
    """Return every form that must be read, with a word of the warning that must come with it; "" for none."""
    plain = {**PICTURES, **{f"dicom {name}": make for name, make in DICOM.items()}}
    return {name: (make, "") for name, make in plain.items()} | {f"dicom {n}": form for n, form in WARNED.items()}

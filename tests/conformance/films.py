"""Films and requests that every door must answer alike, drawn from one simulated hand."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from PIL import Image

from boneage.groups import Sex
from tests import forms


@dataclass(frozen=True)
class Asked:
    """One request: what the film is called, its bytes, and what is said of the patient."""

    name: str
    content: bytes
    sex: str = "female"
    age_range: str | None = None
    chronological_months: float | None = None


@lru_cache(maxsize=1)
def hand() -> np.ndarray:
    """Return one simulated left hand, uint8 (H, W)."""
    from boneage.phantom.hand import draw

    return draw(100.0, Sex.FEMALE, seed=5).image


def png(pixels: np.ndarray) -> bytes:
    """Encode grey pixels of 8 or 16 bits."""
    return bytes(cv2.imencode(".png", pixels)[1])


def requests() -> Iterator[Asked]:
    """List the requests: good films in several forms, films that are corrected, refused or damaged, wrong requests."""
    film = hand()
    plain = png(film)
    yield Asked("plain.png", plain)
    yield Asked("deep.png", png(film.astype(np.uint16) * 256))
    jpeg = io.BytesIO()
    Image.fromarray(film).save(jpeg, "JPEG", quality=97)
    yield Asked("hand.jpg", jpeg.getvalue())
    yield Asked("film.dcm", dicom(film), chronological_months=10.0)
    yield Asked("right.dcm", dicom(film, Laterality="R", PatientSex="M"))
    yield Asked("inverted.png", png(255 - film))
    yield Asked("mirrored.png", png(np.ascontiguousarray(film[:, ::-1])))
    yield Asked("ranged.png", plain, age_range="172-228")
    yield Asked("upside_down.png", png(np.ascontiguousarray(film[::-1, ::-1])))
    yield Asked("small.png", png(cv2.resize(film, (48, 64), interpolation=cv2.INTER_AREA)))
    yield Asked("blank.png", png(np.full_like(film, 90)))
    yield Asked("noise.png", png(np.random.default_rng(0).integers(0, 255, (300, 240), dtype=np.uint8)))
    yield Asked("empty.png", b"")
    yield Asked("text.png", b"this is no image")
    yield Asked("cut_off.png", plain[: len(plain) // 2])
    yield Asked("no_picture.dcm", dicom(film, picture=False))
    yield Asked("two_frames.dcm", dicom(np.stack([film, film])))
    for name in ("two frames unsaid", "private syntax", "heic"):
        yield Asked(f"{name.replace(' ', '_')}.dcm", forms.REFUSED[name][0](film))
    for name in ("window width 0", "bare, explicit"):
        yield Asked(f"{name.replace(', ', '_').replace(' ', '_')}.dcm", forms.WARNED[name][0](film))
    yield Asked("adult.dcm", dicom(film, PatientAge="035Y"))
    yield Asked("signed.tif", forms.PICTURES["tiff int8"](film))


def wrong_requests() -> Iterator[Asked]:
    """List requests whose words are wrong: no door may take them for something else."""
    plain = png(hand())
    yield Asked("plain.png", plain, sex="child")
    yield Asked("plain.png", plain, age_range="0-300")


def dicom(pixels: np.ndarray, picture: bool = True, **elements: object) -> bytes:
    """Write a minimal DICOM film of 12 bits, uint8 (H, W) or (frames, H, W) in, with further elements by keyword."""
    import pydicom
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    meta.MediaStorageSOPInstanceUID = "1.2.826.0.1.3680043.8.498.1"
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    film = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    film.PatientSex, film.PatientAge = "F", "010Y"
    if picture:
        film.Rows, film.Columns = pixels.shape[-2:]
        film.SamplesPerPixel, film.PhotometricInterpretation = 1, "MONOCHROME2"
        film.BitsAllocated, film.BitsStored, film.HighBit, film.PixelRepresentation = 16, 12, 11, 0
        film.PixelData = (pixels.astype(np.uint16) * 16).tobytes()
        if pixels.ndim == 3:
            film.NumberOfFrames = len(pixels)
    for name, value in elements.items():
        setattr(film, name, value)
    out = io.BytesIO()
    pydicom.dcmwrite(out, film, enforce_file_format=True)
    return out.getvalue()

"""Films and a fast cascade for the tests of this folder: the mean grey level of a film is its bone age in months."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from tests.fake_cascade import fake_cascade as cascade

__all__ = ["cascade", "film_bytes"]
CR = "1.2.840.10008.5.1.4.1.1.1"


def _uid(kind: str, number: int) -> str:
    return generate_uid(entropy_srcs=[kind, str(number)])


def _pixels(age: int) -> np.ndarray:
    """White rows, a ramp of all grey levels and black ones, so that the mean is the age and no window changes it."""
    flat = np.zeros(96 * 96, np.uint8)
    white = round(flat.size * age / 255) - 256
    flat[:white] = 255
    flat[white : white + 512] = np.arange(512) // 2
    return flat.reshape(96, 96)


def film_bytes(age: int = 120, number: int = 0, **elements: object) -> bytes:
    """A DICOM film of a girl of ten, uint8 (96, 96); `elements` change or add attributes, None removes one."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = CR
    meta.MediaStorageSOPInstanceUID = _uid(f"film {age}", number)
    data = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    values = {
        "SOPClassUID": CR, "SOPInstanceUID": meta.MediaStorageSOPInstanceUID, "Modality": "CR",
        "StudyInstanceUID": _uid("study", number), "SeriesInstanceUID": _uid("series", number),
        "PatientName": "Muster^Anna", "PatientID": "4711", "PatientBirthDate": "20150601", "PatientSex": "F",
        "StudyDate": "20250601", "StudyTime": "101500", "AcquisitionDate": "20250601", "AccessionNumber": "ACC-9",
        "StudyID": "77", "ReferringPhysicianName": "Doe^Jo", "BodyPartExamined": "HAND", "ImageLaterality": "L",
        "SeriesNumber": 1, "InstanceNumber": 1, "PhotometricInterpretation": "MONOCHROME2", "SamplesPerPixel": 1,
        "Rows": 96, "Columns": 96, "BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, "PixelRepresentation": 0,
        "PixelData": _pixels(age).tobytes(),
    } | elements  # fmt: skip
    for name, value in values.items():
        if value is not None:
            setattr(data, name, value)
    data["PixelData"].VR = "OB"
    buffer = BytesIO()
    data.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()

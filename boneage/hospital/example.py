"""Write a drawn hand as a DICOM film of an invented patient: `python -m boneage.hospital.example FILM.dcm`."""

from __future__ import annotations

import argparse
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from boneage.files import write_whole
from boneage.groups import Sex

if TYPE_CHECKING:
    from pydicom.dataset import FileDataset

COMPUTED_RADIOGRAPHY = "1.2.840.10008.5.1.4.1.1.1"
BORN = date(2014, 5, 1)


def example_film(age_months: float, sex: Sex, seed: int = 1) -> FileDataset:
    """Return a DICOM film of a phantom whose chronological age is its bone age; the same arguments, the same film.

    Args:
        age_months: bone age and age at acquisition, 0-228.
        sex: the sex.
        seed: of the drawing, and of the film's identifiers.
    """
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    from boneage.phantom.hand import draw

    pixels = draw(age_months, sex, seed).image
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = COMPUTED_RADIOGRAPHY
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=["example", str(age_months), sex.value, str(seed)])
    film = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    taken = f"{BORN + timedelta(days=age_months * 365.25 / 12):%Y%m%d}"
    values = {
        "SOPClassUID": COMPUTED_RADIOGRAPHY, "SOPInstanceUID": meta.MediaStorageSOPInstanceUID, "Modality": "CR",
        "StudyInstanceUID": generate_uid(entropy_srcs=["study", str(age_months), sex.value, str(seed)]),
        "SeriesInstanceUID": generate_uid(entropy_srcs=["series", str(age_months), sex.value, str(seed)]),
        "PatientName": "Drawn^Hand", "PatientID": f"EXAMPLE-{seed}", "PatientBirthDate": f"{BORN:%Y%m%d}",
        "PatientSex": sex.value[0].upper(), "StudyDate": taken, "AcquisitionDate": taken, "StudyTime": "101500",
        "AccessionNumber": f"A{seed}", "StudyID": "1", "ReferringPhysicianName": "", "BodyPartExamined": "HAND",
        "ImageLaterality": "L", "BurnedInAnnotation": "NO", "SeriesNumber": 1, "InstanceNumber": 1,
        "SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2", "PixelRepresentation": 0,
        "Rows": pixels.shape[0], "Columns": pixels.shape[1], "BitsAllocated": 8, "BitsStored": 8, "HighBit": 7,
        "PixelData": pixels.tobytes(),
    }  # fmt: skip
    for name, value in values.items():
        setattr(film, name, value)
    film["PixelData"].VR = "OB"
    return film


def main(arguments: list[str]) -> int:
    """Write one example film; return the exit status."""
    from boneage.hospital.dicom_out import encoded

    parser = argparse.ArgumentParser(prog="python -m boneage.hospital.example", description=main.__doc__)
    parser.add_argument("film", metavar="FILM.dcm", type=Path)
    parser.add_argument("--age", type=float, default=120.0, metavar="MONTHS")
    parser.add_argument("--sex", choices=[str(sex) for sex in Sex], default="female")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args(arguments)
    write_whole(args.film, encoded(example_film(args.age, Sex.parse(args.sex), args.seed)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

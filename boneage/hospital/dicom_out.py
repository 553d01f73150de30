"""Write a result's DICOM objects into a folder, whole or not at all."""

from __future__ import annotations

import warnings
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from boneage.files import write_whole
from boneage.hospital.result import HospitalError, Result

if TYPE_CHECKING:
    from pydicom import Dataset


def need(*modules: str, extra: str = "hospital") -> None:
    """Say at once when a library of an extra is missing.

    Raises:
        HospitalError: then, with what to install.
    """
    from importlib.util import find_spec

    missing = [name for name in modules if find_spec(name) is None]
    if missing:
        raise HospitalError.of("extra.missing", names=", ".join(missing), command=f"pip install 'boneage[{extra}]'")


def write_dicom(result: Result, folder: Path, name: str = "") -> tuple[Path, Path]:
    """Write the Structured Report and the Secondary Capture of one result.

    Args:
        result: of a film that came as a DICOM file.
        folder: made when missing.
        name: of the files, without their endings; the film's instance UID by default.

    Returns:
        The paths of the report and the picture.

    Raises:
        HospitalError: when the film is no DICOM file or a library is missing.
    """
    from boneage.hospital.structured_report import evidence

    made = dicom_objects(result)
    name = name or str(evidence(result).SOPInstanceUID)
    paths = folder / f"{name}.sr.dcm", folder / f"{name}.sc.dcm"
    for path, dataset in zip(paths, made, strict=True):
        write_whole(path, encoded(dataset))
    return paths


def dicom_objects(result: Result) -> tuple[Dataset, Dataset]:
    """Return the Structured Report and the Secondary Capture of one result.

    Raises:
        HospitalError: as `write_dicom`.
    """
    need("highdicom")
    from boneage.hospital.secondary_capture import secondary_capture
    from boneage.hospital.structured_report import structured_report

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library's warnings quote patients' names
        return structured_report(result), secondary_capture(result)


def encoded(dataset: Dataset) -> bytes:
    """Return a data set as the bytes of a DICOM file."""
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()

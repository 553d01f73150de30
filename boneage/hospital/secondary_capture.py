"""Write a result as a DICOM Secondary Capture: the film with the hand's outline, the number and the notice."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from boneage.data.transforms import shrink
from boneage.hospital.codes import MANUFACTURER, comments, restriction, side_of, software, uid_of
from boneage.hospital.report_text import report_of
from boneage.hospital.result import Result
from boneage.hospital.structured_report import SERIES_NUMBER, evidence
from boneage.languages.texts import text

if TYPE_CHECKING:
    from highdicom.sc import SCImage

LONGER_SIDE = 1400
NARROWEST = 620
_TEAL, _YELLOW, _WHITE, _AMBER = (36, 190, 190), (230, 200, 60), (255, 255, 255), (255, 190, 80)
_PADDING = 14
Canvas = NDArray[np.uint8]


def secondary_capture(result: Result) -> SCImage:
    """Return the annotated copy (8-bit RGB) in the film's own study; the film itself is never changed.

    Raises:
        HospitalError: when the film did not come as a DICOM file.
    """
    from highdicom.sc import SCImage
    from pydicom.dataset import Dataset
    from pydicom.uid import ExplicitVRLittleEndian

    source = evidence(result)
    image = SCImage.from_ref_dataset(
        ref_dataset=source,
        pixel_array=annotated(result),
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        patient_orientation=("L", "F"),
        laterality=side_of(result),
        series_instance_uid=uid_of(result, "sc series"),
        series_number=SERIES_NUMBER + 1,
        sop_instance_uid=uid_of(result, "sc"),
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=result.model or MANUFACTURER,
        software_versions=software(result),
        transfer_syntax_uid=ExplicitVRLittleEndian,
        series_description="Bone age, annotated (research use only)",
    )
    image.SpecificCharacterSet = source.SpecificCharacterSet
    image.ConversionType = "WSD"
    image.PatientOrientation = list(source.get("PatientOrientation") or [])
    image.BodyPartExamined = "HAND"
    image.ImageComments = comments(result)
    # What is written on the picture names nobody. Whether the film does, only its own flag can say.
    image.BurnedInAnnotation = str(source.get("BurnedInAnnotation") or "YES")
    image.RecognizableVisualFeatures = "NO"
    image.DerivationDescription = "Film with outline of the hand and estimated bone age"
    reference = Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = source.SOPClassUID, source.SOPInstanceUID
    image.SourceImageSequence = [reference]
    return image


def annotated(result: Result) -> Canvas:
    """Draw the film with the hand's outline and the exposed field, and below it what is said; uint8 (H, W, 3) RGB."""
    picture = film_with_outline(result)
    if picture.shape[1] < NARROWEST:
        left = (NARROWEST - picture.shape[1]) // 2
        right = NARROWEST - picture.shape[1] - left
        picture = cv2.copyMakeBorder(picture, 0, 0, left, right, cv2.BORDER_CONSTANT, value=(0, 0, 0))
    return np.vstack([picture, panel(lines(result), picture.shape[1])])


def film_with_outline(result: Result) -> Canvas:
    """Draw the film with the hand's outline and the exposed field, at most `LONGER_SIDE` long; uint8 (h, w, 3) RGB."""
    picture = cv2.cvtColor(shrink(result.film.pixels, LONGER_SIDE), cv2.COLOR_GRAY2RGB)
    if result.field is not None:
        scale = picture.shape[0] / result.film.pixels.shape[0]
        corners = np.rint(result.field.corners * scale).astype(np.int32)
        cv2.polylines(picture, [corners], True, _YELLOW, max(1, round(max(picture.shape) / 500)), cv2.LINE_AA)
    if result.mask is not None:
        _outline(picture, result.mask)
    return picture


def _outline(picture: Canvas, mask: NDArray[np.bool_]) -> None:
    height, width = picture.shape[:2]
    inside = cv2.resize(mask.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
    contours, _ = cv2.findContours(inside, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    thick = max(1, round(max(height, width) / 500))
    cv2.drawContours(picture, contours, -1, _TEAL, thick, cv2.LINE_AA)


def lines(result: Result) -> list[tuple[str, tuple[int, int, int]]]:
    """Return what the panel says, each line with its colour: the content of the report, in the result's language."""
    language = result.language
    report = report_of(result, language)
    age = report.age
    first = age.amount if result.estimate is None else f"{age.kicker}: {age.amount} = {age.lines[0]}"
    said = [(restriction(result), _AMBER), (first, _WHITE)]
    said += [(line, _WHITE) for line in age.lines[result.estimate is not None :]]
    for block in (report.difference, report.compared, report.height):
        if block is not None:
            said.append((f"{block.kicker}: {block.amount}", _WHITE))
    if result.height is not None and result.height.low_cm is not None and report.height is not None:
        said.append((report.height.lines[0], _WHITE))
    if report.warnings is not None:
        said += [(line, _AMBER) for line in report.warnings.lines]
    return [*said, (f"{report.model}. {text('step_film', language)}.", _WHITE)]


def panel(said: list[tuple[str, tuple[int, int, int]]], width: int) -> Canvas:
    """Write lines below each other, broken at words where they are too long; uint8 (H, width, 3)."""
    from matplotlib import get_data_path
    from PIL import Image, ImageDraw, ImageFont

    size = max(14, width // 50)
    # Pillow's own font lacks the letters of Portuguese and Spanish.
    font = ImageFont.truetype(Path(get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", size)
    room = width - 2 * _PADDING
    broken = [(part, colour) for line, colour in said for part in _broken(line, font, room)]
    step = round(size * 1.35)
    sheet = Image.new("RGB", (width, step * len(broken) + 2 * _PADDING))
    pen = ImageDraw.Draw(sheet)
    for index, (line, colour) in enumerate(broken):
        pen.text((_PADDING, _PADDING + index * step), line, fill=colour, font=font)
    return np.asarray(sheet)


def _broken(line: str, font: object, room: int) -> list[str]:
    parts = [""]
    for word in line.split():
        longer = f"{parts[-1]} {word}".strip()
        if parts[-1] and font.getlength(longer) > room:  # type: ignore[attr-defined]
            parts.append(word)
        else:
            parts[-1] = longer
    return parts

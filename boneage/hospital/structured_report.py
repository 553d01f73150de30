"""Write a result as a DICOM Structured Report: the measurement report of TID 1500, in the film's own study."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from boneage import __version__
from boneage.hospital.codes import MANUFACTURER, bone_age_code, own, restriction, side_of, software, uid_of
from boneage.hospital.report_text import height_block
from boneage.hospital.result import HospitalError, Result
from boneage.languages.texts import text
from boneage.notices import say

if TYPE_CHECKING:
    from highdicom.sr import (
        EnhancedSR,
        LanguageOfContentItemAndDescendants,
        Measurement,
        MeasurementsAndQualitativeEvaluations,
        QualitativeEvaluation,
    )
    from pydicom import Dataset
    from pydicom.sr.coding import Code

SERIES_NUMBER = 9810


def structured_report(result: Result) -> EnhancedSR:
    """Return the report (Enhanced SR, TID 1500): unverified and preliminary, with its evidence.

    It states bone age in months with its interval, chronological age, difference and z-score with its table, model and
    version, warnings or the reasons of a refusal, and the restriction of use.

    Raises:
        HospitalError: when the film did not come as a DICOM file.
    """
    from highdicom import sr

    source = evidence(result)
    content = sr.MeasurementReport(
        observation_context=_observed_by(result),
        procedure_reported=bone_age_code(),
        imaging_measurements=[_group(result, source)],
        language_of_content_item_and_descendants=_language(result),
    )
    report = sr.EnhancedSR(
        evidence=[source],
        content=content[0],
        series_instance_uid=uid_of(result, "sr series"),
        series_number=SERIES_NUMBER,
        sop_instance_uid=uid_of(result, "sr"),
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=result.model or MANUFACTURER,
        software_versions=software(result),
        is_complete=True,
        is_final=False,
        is_verified=False,
        series_description="Bone age (research use only)",
    )
    report.SpecificCharacterSet = source.SpecificCharacterSet
    return report


def _language(result: Result) -> LanguageOfContentItemAndDescendants:
    from highdicom.sr import CodedConcept, LanguageOfContentItemAndDescendants

    name = text("language_name", result.language)
    return LanguageOfContentItemAndDescendants(CodedConcept(result.language, "RFC5646", name))


def evidence(result: Result) -> Dataset:
    """Return the film's header in UTF-8, with empty values where an attribute of type 2 is missing.

    Raises:
        HospitalError: when the film did not come as a DICOM file.
    """
    from copy import deepcopy

    if result.header is None:
        raise HospitalError.of("result.no_dicom")
    source = deepcopy(result.header)
    source.decode()
    source.SpecificCharacterSet = "ISO_IR 192"
    for name in (
        "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID",
        "AccessionNumber", "ReferringPhysicianName",
    ):  # fmt: skip
        if name not in source:
            setattr(source, name, "")
    return source


def _observed_by(result: Result) -> Any:
    from highdicom import sr
    from pydicom.sr.codedict import codes
    from pydicom.uid import generate_uid

    device = sr.DeviceObserverIdentifyingAttributes(
        uid=generate_uid(entropy_srcs=[MANUFACTURER, result.model, result.version]),
        name=MANUFACTURER,
        manufacturer_name=MANUFACTURER,
        model_name=result.model or MANUFACTURER,
        serial_number=result.version or "unregistered",
    )
    return sr.ObservationContext(
        observer_device_context=sr.ObserverContext(
            observer_type=codes.DCM.Device, observer_identifying_attributes=device
        )
    )


def _group(result: Result, source: Dataset) -> MeasurementsAndQualitativeEvaluations:
    """Return the one measurement group: the hand, the algorithm, numbers, codes and sentences."""
    from highdicom import sr
    from pydicom.sr.codedict import codes

    group = sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(uid=uid_of(result, "tracking"), identifier="Bone age"),
        finding_type=bone_age_code(),
        method=own("method"),
        algorithm_id=sr.AlgorithmIdentification(
            name=result.model or MANUFACTURER, version=result.version or "unregistered", parameters=_parameters(result)
        ),
        finding_sites=[
            sr.FindingSite(
                anatomic_location=codes.SCT.Hand,
                laterality=codes.SCT.Right if side_of(result) == "R" else codes.SCT.Left,
            )
        ],
        source_images=[sr.SourceImageForMeasurementGroup(source.SOPClassUID, source.SOPInstanceUID)],
        measurements=_measurements(result, source),
        qualitative_evaluations=_evaluations(result),
    )
    for key, sentence in _sentences(result):
        group[0].ContentSequence.append(
            sr.TextContentItem(own(key), sentence, relationship_type=sr.RelationshipTypeValues.CONTAINS)
        )
    return group


def _parameters(result: Result) -> list[str]:
    estimate = result.estimate
    routing = [] if estimate is None else [f"routing={estimate.routing}", f"age_range={estimate.age_range or 'chosen'}"]
    return [f"boneage={__version__}", f"sex={result.sex}", *routing]


def _measurements(result: Result, source: Dataset) -> list[Measurement]:
    """Return the numbers: none where no estimate is given, but the chronological age."""
    from highdicom import sr
    from pydicom.sr.codedict import codes

    image = sr.SourceImageForMeasurement(source.SOPClassUID, source.SOPInstanceUID)
    months, one = codes.UCUM.Month, codes.UCUM.NoUnits
    numbers: list[tuple[Code, float | None, Code]] = []
    if (estimate := result.estimate) is not None:
        numbers = [
            (bone_age_code(), estimate.bone_age_months, months),
            (own("interval_low"), estimate.low_months, months),
            (own("interval_high"), estimate.high_months, months),
            (own("coverage"), None if estimate.low_months is None else 100 * result.coverage, codes.UCUM.Percent),
        ]
    age, compared = result.chronological_months, result.comparison
    numbers.append((codes.DCM.SubjectAge, age, months))
    if estimate is not None and age is not None:
        numbers.append((own("difference"), estimate.bone_age_months - age, months))
    if compared is not None:
        numbers.append((own("z_score"), compared.z_score, one))
    if result.height is not None:
        numbers.append((own("adult_height"), result.height.adult_cm, codes.UCUM.Centimeter))
    return [
        sr.Measurement(name=name, value=round(value, 2), unit=unit, referenced_images=[image])
        for name, value, unit in numbers
        if value is not None
    ]


def _evaluations(result: Result) -> list[QualitativeEvaluation]:
    from highdicom import sr

    outcome = own("refused" if result.estimate is None else "estimated")
    said = [sr.QualitativeEvaluation(name=own("outcome"), value=outcome)]
    if result.comparison is not None and result.comparison.verdict is not None:
        said.append(sr.QualitativeEvaluation(name=own("verdict"), value=own(result.comparison.verdict)))
    return said


def _sentences(result: Result) -> list[tuple[str, str]]:
    """Return (key of the code, sentence): restriction of use, refusals, warnings, the table and where it is from."""
    language = result.language
    said = [("notice", restriction(result))]
    said += [("refusal", say(reason, language)) for reason in result.refusal]
    said += [("warning", say(warning, language)) for warning in result.warnings]
    if (compared := result.comparison) is not None:
        words = [f"{compared.table}.", say(compared.provenance, language), say(compared.note, language)]
        said.append(("table", " ".join(filter(None, words))))
    if result.height is not None:
        block = height_block(result.height, language)
        said.append(("adult_height", ". ".join(line.rstrip(".") for line in (block.amount, *block.lines)) + "."))
    return said

"""Write a result as a FHIR R4 Observation (LOINC 37362-1), with the device and the imaging study contained in it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boneage import __version__
from boneage.cascade.estimate import RESEARCH_NOTICE
from boneage.clinical.adult_height import AdultHeight
from boneage.data.flags import pixels_sha256
from boneage.files import write_whole
from boneage.hospital.codes import LOINC_BONE_AGE, MANUFACTURER, OWN_CODES, restriction, side_of, uid_of
from boneage.hospital.dicom_out import need
from boneage.hospital.report_text import height_block
from boneage.hospital.result import HospitalError, Result
from boneage.notices import say

if TYPE_CHECKING:
    from boneage.hospital.follow import Rate

LOINC, SNOMED, UCUM = "http://loinc.org", "http://snomed.info/sct", "http://unitsofmeasure.org"
TERMINOLOGY = "http://terminology.hl7.org/CodeSystem/"
_HANDS = {"L": ("85151006", "Structure of left hand"), "R": ("78791008", "Structure of right hand")}
_INTERPRETATION = {"delayed": ("L", "Low"), "average": ("N", "Normal"), "advanced": ("H", "High")}


def observation(result: Result) -> dict[str, Any]:
    """Return the Observation as plain JSON values, checked against the library's model of FHIR R4B.

    R4B changed nothing in Observation, Device and ImagingStudy that is used here, so the resource is valid R4 as well.

    Raises:
        HospitalError: when the library is missing or the resource does not hold against its model.
    """
    return _checked(_observation(result))


def rate_observation(last: Result, rate: Rate, notes: list[str]) -> dict[str, Any]:
    """Return how fast bone age advances as an Observation, with its interval.

    Args:
        last: the child's latest film, for the patient and the device.
        rate: the rate.
        notes: what is said beside it.

    Raises:
        HospitalError: as `observation`.
    """
    unit = {"unit": "months per year", "system": UCUM, "code": "mo/a"}
    bounds = {"low": {"value": round(rate.low, 2), **unit}, "high": {"value": round(rate.high, 2), **unit}}
    return _checked(
        {
            "resourceType": "Observation",
            "contained": [_device(last)],
            "status": "preliminary",
            "category": [_concept(f"{TERMINOLOGY}observation-category", "imaging", "Imaging")],
            "code": {"text": OWN_CODES["rate"]},
            "subject": _subject(last),
            "effectiveDateTime": _taken(last),
            "valueQuantity": {"value": round(rate.months_per_year, 2), **unit},
            "note": [{"text": one} for one in notes],
            "device": {"reference": "#device"},
            "component": [{"code": {"text": "95% interval"}, "valueRange": bounds}],
        }
    )


def _checked(written: dict[str, Any]) -> dict[str, Any]:
    need("fhir.resources")
    from fhir.resources.R4B.observation import Observation

    value: dict[str, Any] = _without_empty(written)
    try:
        Observation.model_validate(value)
    except ValueError as error:
        reason = str(error).splitlines()[0]
        raise HospitalError.of("result.fhir", reason=reason) from error
    return value


def write_fhir(result: Result, folder: Path, name: str = "") -> Path:
    """Write the Observation of one result.

    Args:
        result: what is written.
        folder: made when missing.
        name: of the file, without its ending; by default the film's instance UID or the hash of its pixels.

    Returns:
        The path.

    Raises:
        HospitalError: see `observation`.
    """
    import json

    own_name = pixels_sha256(result.film.pixels) if result.header is None else str(result.header.SOPInstanceUID)
    name = name or own_name
    path = folder / f"{name}.fhir.json"
    write_whole(path, json.dumps(observation(result), ensure_ascii=False, indent=2).encode())
    return path


def _observation(result: Result) -> dict[str, Any]:
    estimate, compared = result.estimate, result.comparison
    study = _study(result)
    verdict = None if compared is None or compared.verdict is None else _INTERPRETATION[compared.verdict]
    return {
        "resourceType": "Observation",
        "contained": [_device(result), study],
        "identifier": [_oid(uid_of(result, "fhir"))],
        "status": "preliminary",
        "category": [_concept(f"{TERMINOLOGY}observation-category", "imaging", "Imaging")],
        "code": _concept(LOINC, *LOINC_BONE_AGE, text="Bone age"),
        "subject": _subject(result),
        "effectiveDateTime": _taken(result),
        "issued": datetime.now(UTC).isoformat(timespec="seconds"),
        "valueQuantity": None if estimate is None else _months(estimate.bone_age_months),
        "dataAbsentReason": None if estimate is not None else _absent(result),
        "interpretation": verdict and [_concept(f"{TERMINOLOGY}v3-ObservationInterpretation", *verdict)],
        "note": [{"text": text} for text in _notes(result)],
        "bodySite": _concept(SNOMED, *_HANDS[side_of(result)]),
        "method": {"text": OWN_CODES["method"]},
        "device": {"reference": "#device"},
        "derivedFrom": study and [{"reference": "#study"}],
        "component": _components(result),
    }


def _components(result: Result) -> list[dict[str, Any]]:
    """Return the interval, the chronological age, the difference and the z-score, as far as they are known."""
    estimate, age, parts = result.estimate, result.chronological_months, []
    if estimate is not None and estimate.low_months is not None and estimate.high_months is not None:
        bounds = {"low": _months(estimate.low_months), "high": _months(estimate.high_months)}
        parts.append({"code": {"text": f"Prediction interval, {result.coverage:.0%}"}, "valueRange": bounds})
    if age is not None:
        parts.append({"code": _concept(LOINC, "30525-0", "Age"), "valueQuantity": _months(age)})
    if estimate is not None and age is not None:
        apart = _months(estimate.bone_age_months - age)
        parts.append({"code": {"text": OWN_CODES["difference"]}, "valueQuantity": apart})
    if result.comparison is not None and result.comparison.z_score is not None:
        score = {"value": round(result.comparison.z_score, 2), "system": UCUM, "code": "1"}
        parts.append({"code": {"text": f"z-score against {result.comparison.table}"}, "valueQuantity": score})
    if result.height is not None and result.height.adult_cm is not None:
        parts += _heights(result.height)
    return parts


def _heights(found: AdultHeight) -> list[dict[str, Any]]:
    """Return adult height, its interval and the parents' target height, as far as they are known."""
    name = f"{OWN_CODES['adult_height']} (Bayley-Pinneau)"
    parts: list[dict[str, Any]] = [{"code": {"text": name}, "valueQuantity": _cm(found.adult_cm)}]
    if found.low_cm is not None and found.high_cm is not None:
        bounds = {"low": _cm(found.low_cm), "high": _cm(found.high_cm)}
        parts.append({"code": {"text": f"{name}, {found.coverage:.0%} interval"}, "valueRange": bounds})
    if found.target_cm is not None:
        parts.append({"code": {"text": "Target height of the parents"}, "valueQuantity": _cm(found.target_cm)})
    return parts


def _cm(value: float | None) -> dict[str, Any]:
    return {"value": None if value is None else round(value, 1), "unit": "cm", "system": UCUM, "code": "cm"}


def _device(result: Result) -> dict[str, Any]:
    named = [{"name": f"{MANUFACTURER}: {result.model or 'unnamed model'}", "type": "model-name"}]
    return {
        "resourceType": "Device",
        "id": "device",
        "manufacturer": MANUFACTURER,
        "deviceName": named,
        "modelNumber": result.version or "unregistered",
        "version": [{"value": __version__}],
        "note": [{"text": RESEARCH_NOTICE}],
    }


def _study(result: Result) -> dict[str, Any] | None:
    """Return the imaging study with the one film in it; None for a film that is no DICOM file."""
    header = result.header
    if header is None:
        return None
    accession = str(header.get("AccessionNumber") or "")
    modality = str(header.get("Modality") or "OT")
    image = {
        "uid": str(header.SOPInstanceUID),
        "sopClass": {"system": "urn:ietf:rfc:3986", "code": f"urn:oid:{header.SOPClassUID}"},
    }
    return {
        "resourceType": "ImagingStudy",
        "id": "study",
        "identifier": [
            _oid(str(header.StudyInstanceUID), "urn:dicom:uid"),
            accession and {"type": _concept(f"{TERMINOLOGY}v2-0203", "ACSN", "Accession ID"), "value": accession},
        ],
        "status": "available",
        "subject": _subject(result) or {"display": "unknown"},
        "started": _taken(result),
        "series": [
            {
                "uid": str(header.SeriesInstanceUID),
                "modality": {"system": "http://dicom.nema.org/resources/ontology/DCM", "code": modality},
                "instance": [image],
            }
        ],
    }


def _subject(result: Result) -> dict[str, Any] | None:
    """Return the patient by identifier alone, as the archive knows him or her."""
    header = result.header
    number = "" if header is None else str(header.get("PatientID") or "")
    if not number or header is None:
        return None
    return {"identifier": {"value": number, "assigner": {"display": str(header.get("IssuerOfPatientID") or "")}}}


def _taken(result: Result) -> str | None:
    header = result.header
    for name in ("AcquisitionDate", "ContentDate", "StudyDate"):
        day = "" if header is None else str(header.get(name) or "")
        if len(day) == 8 and day.isdigit():
            return f"{day[:4]}-{day[4:6]}-{day[6:]}"
    return None


def _notes(result: Result) -> list[str]:
    compared = result.comparison
    language = result.language
    hints = [] if compared is None else [compared.table, compared.provenance, compared.note]
    table = [". ".join(say(one, language).rstrip(".") for one in hints if one) + "."] if hints else []
    heights = []
    if result.height is not None:
        block = height_block(result.height, language)
        heights = [f"{block.kicker}: {block.amount}", *block.lines]
    return [restriction(result), *(say(one, language) for one in result.warnings), *table, *heights]


def _absent(result: Result) -> dict[str, Any]:
    return _concept(
        f"{TERMINOLOGY}data-absent-reason",
        "not-performed",
        "Not Performed",
        text="; ".join(say(one, result.language) for one in result.refusal),
    )


def _concept(system: str, code: str, display: str, text: str = "") -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code, "display": display}], "text": text}


def _months(value: float) -> dict[str, Any]:
    return {"value": round(value, 2), "unit": "months", "system": UCUM, "code": "mo"}


def _oid(uid: str, system: str = "urn:ietf:rfc:3986") -> dict[str, Any]:
    return {"system": system, "value": f"urn:oid:{uid}"}


def _without_empty(value: Any) -> Any:
    """Leave out None, empty strings, lists and objects, which FHIR forbids."""
    if isinstance(value, dict):
        kept = {key: _without_empty(one) for key, one in value.items()}
        return {key: one for key, one in kept.items() if one not in (None, "", [], {})}
    if isinstance(value, list):
        return [one for one in map(_without_empty, value) if one not in (None, "", [], {})]
    return value

"""Codes and identifiers of result objects: LOINC, SNOMED CT, DICOM and UCUM where they have a word, else our own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from boneage import __version__
from boneage.cascade.estimate import RESEARCH_NOTICE
from boneage.data.flags import pixels_sha256
from boneage.hospital.report_text import interval
from boneage.languages.texts import DEFAULT_LANGUAGE, number, text
from boneage.notices import say

if TYPE_CHECKING:
    from pydicom.sr.coding import Code
    from pydicom.uid import UID

    from boneage.hospital.result import Result

MANUFACTURER = "boneage"
OWN_SCHEME = "99BONEAGE"
LOINC_BONE_AGE = ("37362-1", "Bones X-ray bone age")
OWN_CODES = {
    "interval_low": "Lower bound of the prediction interval",
    "interval_high": "Upper bound of the prediction interval",
    "coverage": "Coverage of the prediction interval",
    "z_score": "z-score of the bone age",
    "verdict": "Bone age against chronological age",
    "delayed": "Delayed",
    "average": "Average",
    "advanced": "Advanced",
    "outcome": "Outcome",
    "estimated": "Estimated",
    "refused": "No estimate is given",
    "method": "Estimated by a cascade of convolutional networks",
    "warning": "Warning",
    "refusal": "Reason for no estimate",
    "notice": "Restriction of use",
    "table": "Table of standard deviations",
    "difference": "Bone age minus chronological age",
    "adult_height": "Predicted adult height",
    "rate": "Months of bone age per year of life",
}
"""Our own codes by key, with their meanings; the scheme is `OWN_SCHEME`."""


def own(key: str) -> Code:
    """Return one of `OWN_CODES`."""
    from pydicom.sr.coding import Code

    return Code(key, OWN_SCHEME, OWN_CODES[key])


def bone_age_code() -> Code:
    """Return LOINC's bone age."""
    from pydicom.sr.coding import Code

    return Code(LOINC_BONE_AGE[0], "LN", LOINC_BONE_AGE[1])


def uid_of(result: Result, purpose: str) -> UID:
    """Return an identifier that follows from the film and what is said of it: the same result has the same one.

    So a result that is made or sent twice is one object in the archive, and another result is another object.
    """
    from pydicom.uid import generate_uid

    source = pixels_sha256(result.film.pixels) if result.header is None else str(result.header.SOPInstanceUID)
    said = json.dumps(result.to_json(), sort_keys=True, ensure_ascii=False)
    language = [] if result.language == DEFAULT_LANGUAGE else [result.language]
    return generate_uid(entropy_srcs=[source, said, purpose, __version__, *language])


def side_of(result: Result) -> str:
    """Return the hand's side: what the file says, else left, for which the method is made."""
    return result.film.laterality or "L"


def software(result: Result) -> str:
    """Name this program's version and the model's."""
    return f"boneage {__version__}, model version {result.version or 'unregistered'}"


def model_words(result: Result) -> str:
    """Name model and version."""
    return f"{result.model or 'unnamed model'} {result.version}".strip()


def restriction(result: Result) -> str:
    """Say the restriction of use in the result's language."""
    return RESEARCH_NOTICE if result.language == DEFAULT_LANGUAGE else text("notice", result.language)


def comments(result: Result) -> str:
    """Return what an image's comment says: the answer in a line, the model, and the restriction of use."""
    language, estimate = result.language, result.estimate
    if estimate is None:
        said = f"{text('report_refused', language)}: {'; '.join(say(one, language) for one in result.refusal)}"
    else:
        months = text("in_months", language, months=number(estimate.bone_age_months, language))
        bounds = "" if estimate.low_months is None else f" ({interval(result, language)})"
        said = f"{text('bone_age', language)} {months}{bounds}"
    return f"{said}. {model_words(result)}. {restriction(result)}"

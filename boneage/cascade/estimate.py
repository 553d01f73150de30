"""The result of `Cascade.estimate` and its JSON fields."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from boneage.cascade.regional import RegionAge
from boneage.errors import BoneageError
from boneage.notices import codes_of

RESEARCH_NOTICE = (
    "Research use only. Not a medical device: an estimate must not be relied upon alone and never replaces a reader."
)
ESTIMATE_FIELDS = (
    "sex",
    "age_range",
    "bone_age_months",
    "low_months",
    "high_months",
    "group",
    "group_probabilities",
    "routing",
    "model",
    "version",
    "warnings",
    "hard_months",
    "warning_codes",
    "regional_ages",
)
# What comes with an estimate where its reasons are asked for.
REASON_FIELDS = ("experts", "similar_cases")
# What comes with an estimate where a chronological age is given, and where a table is named, too.
DIFFERENCE_FIELDS = ("chronological_months", "difference_months")
COMPARISON_FIELDS = (
    *DIFFERENCE_FIELDS, "table", "sd_months", "z_score", "verdict", "probability_delayed", "probability_average",
    "probability_advanced", "table_note", "table_provenance", "comparison",
)  # fmt: skip


# Nobody's age at a radiograph is more: a larger number is a slip, such as days for months.
MAX_CHRONOLOGICAL_MONTHS = 1200


class EstimateError(BoneageError):
    """An estimate that cannot be given; the message says what was wanted and what came."""


@dataclass(frozen=True)
class Estimate:
    """The bone age of one radiograph.

    Attributes:
        sex: `female` or `male`, as given.
        age_range: the range that the user gave (for example `58-114`), or None when the classifier chose.
        bone_age_months: the estimate, within 0-228 months.
        low_months: lower bound of the prediction interval within 0-228 months, or None where none is known.
        high_months: upper bound, likewise.
        group: the age group 1-4 whose expert answered (under soft routing the most probable one).
        group_probabilities: four numbers that sum to 1; a given range is certain by definition.
        routing: `hard`, `soft`, `stacked` (routed experts and a head for all ages), or `given` when a range was given.
        hard_months: what hard routing, the paper's, gives for this film; None when a range was given,
            or where one head per sex answers for all ages.
        model: name of the registered cascade, or a path.
        version: its version, empty when it is not registered.
        warnings: sentences for the reader (`boneage.notices`: each knows its code).
        regional_ages: the age of each region of the hand, where the cascade reads them and the joints were found.
    """

    sex: str
    age_range: str | None
    bone_age_months: float
    low_months: float | None
    high_months: float | None
    group: int
    group_probabilities: tuple[float, float, float, float]
    routing: str
    hard_months: float | None = None
    model: str = ""
    version: str = ""
    warnings: tuple[str, ...] = ()
    regional_ages: tuple[RegionAge, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the estimate under the names of the command line, the page and the served model.

        Months are rounded to 0.01 and probabilities to 0.0001: finer digits differ between machines.
        """
        values = asdict(self)
        values["sex"] = str(self.sex)
        for name in ("bone_age_months", "low_months", "high_months", "hard_months"):
            values[name] = None if values[name] is None else round(values[name], 2)
        values["group_probabilities"] = [round(float(p), 4) for p in self.group_probabilities]
        values |= {"warnings": list(self.warnings), "warning_codes": codes_of(self.warnings)}
        values["regional_ages"] = [_rounded(region) for region in values["regional_ages"]]
        return {name: values[name] for name in ESTIMATE_FIELDS}

    def difference(self, chronological_months: float) -> dict[str, float]:
        """Return the chronological age and how far the bone age is from it, under the names of `DIFFERENCE_FIELDS`."""
        apart = round(self.bone_age_months - chronological_months, 2)
        return dict(zip(DIFFERENCE_FIELDS, (chronological_months, apart), strict=True))


def _rounded(values: dict[str, Any]) -> dict[str, Any]:
    return {name: round(value, 2) if isinstance(value, float) else value for name, value in values.items()}


def years_and_months(age_months: float) -> str:
    """Write an age in months as people say it: 129.6 becomes `10 y 10 m`."""
    whole = round(age_months)
    return f"{whole // 12} y {whole % 12} m"

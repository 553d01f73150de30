"""Compare bone age with chronological age: difference, z-score against a named table, the model's own error.

Two things must not be mixed up. A table's standard deviation says how much healthy children of one age differ; the
model's interval says how far the estimate may be from a reader's. The z-score uses the first alone; the second turns
"delayed / average / advanced" from a verdict into three probabilities.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

from boneage.cascade.estimate import Estimate
from boneage.clinical.sd_tables import SdTable
from boneage.groups import Sex

BEYOND_SD = 2.0
VERDICTS = ("delayed", "average", "advanced")


@dataclass(frozen=True)
class Comparison:
    """Bone age compared with chronological age; `None` where nothing can be said.

    Attributes:
        chronological_months: age at acquisition.
        difference_months: bone age minus chronological age.
        table: the table's name.
        sd_months: the table's standard deviation at this age.
        z_score: difference in standard deviations.
        verdict: `delayed`, `average` or `advanced`: beyond 2 standard deviations or not.
        probabilities: of delayed, average and advanced, given the model's interval.
        note: why something is missing or doubtful.
        provenance: of the table.
    """

    chronological_months: float
    difference_months: float
    table: str
    sd_months: float | None
    z_score: float | None
    verdict: str | None
    probabilities: tuple[float, float, float] | None
    note: str
    provenance: str

    def to_json(self) -> dict[str, Any]:
        """Return plain values under `COMPARISON_FIELDS`, rounded to what they can bear."""
        named = zip(VERDICTS, self.probabilities or (None, None, None), strict=True)
        return {
            "chronological_months": self.chronological_months,
            "difference_months": round(self.difference_months, 2),
            "table": self.table,
            "sd_months": None if self.sd_months is None else round(self.sd_months, 2),
            "z_score": None if self.z_score is None else round(self.z_score, 2),
            "verdict": self.verdict,
            **{f"probability_{name}": None if chance is None else round(chance, 4) for name, chance in named},
            "table_note": self.note,
            "table_provenance": self.provenance,
            "comparison": self.sentence(),
        }

    def sentence(self) -> str:
        """Say in one line what the table makes of the difference; its provenance belongs beside it."""
        if self.z_score is None:
            return f"no z-score: {self.note}"
        line = f"z-score {self.z_score:+.2f} against {self.table} (SD {self.sd_months:.1f}): {self.verdict}"
        if self.probabilities is not None:
            named = zip(VERDICTS, self.probabilities, strict=True)
            line += "; with the model's own error: " + ", ".join(f"{name} {chance:.0%}" for name, chance in named)
        return line + (f" ({self.note})" if self.note else "")


def compare(estimate: Estimate, chronological_months: float, table: SdTable, coverage: float) -> Comparison:
    """Compare an estimate with chronological age.

    Args:
        estimate: the estimate, with its interval if it has one.
        chronological_months: age at acquisition, 0 or more.
        table: the standard deviations to compare against.
        coverage: of the estimate's interval, 0-1.
    """
    sex = Sex.parse(estimate.sex)
    difference = estimate.bone_age_months - chronological_months
    sd = table.sd_months(sex, chronological_months)
    z = None if sd is None else difference / sd
    return Comparison(
        chronological_months=chronological_months,
        difference_months=difference,
        table=table.name,
        sd_months=sd,
        z_score=z,
        verdict=None if z is None else "delayed" if z < -BEYOND_SD else "advanced" if z > BEYOND_SD else "average",
        probabilities=None if sd is None else _chances(difference, sd, model_sd(estimate, coverage)),
        note=table.note(sex, chronological_months),
        provenance=table.provenance,
    )


def compared(
    estimate: Estimate, chronological_months: float | None, table: SdTable | None, coverage: float
) -> dict[str, Any]:
    """Return what a record says of a chronological age: nothing, the difference, or what a table makes of it."""
    if chronological_months is None:
        return {}
    if table is None:
        return estimate.difference(chronological_months)
    return compare(estimate, chronological_months, table, coverage).to_json()


def model_sd(estimate: Estimate, coverage: float) -> float | None:
    """Return the model's own standard deviation in months that its interval implies for a normal error, or None.

    An interval is clipped to 0-228 months; its longer half is the one that was not.
    """
    if estimate.low_months is None or estimate.high_months is None:
        return None
    half = max(estimate.bone_age_months - estimate.low_months, estimate.high_months - estimate.bone_age_months)
    return half / NormalDist().inv_cdf((1 + coverage) / 2)


def _chances(difference: float, sd: float, error: float | None) -> tuple[float, float, float] | None:
    """Return the chances that the true difference lies below -2, within, or above +2 standard deviations."""
    if error is None:
        return None
    true = NormalDist(difference, max(error, 1e-6))
    delayed, advanced = true.cdf(-BEYOND_SD * sd), 1 - true.cdf(BEYOND_SD * sd)
    return delayed, 1 - delayed - advanced, advanced

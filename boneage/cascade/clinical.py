"""Bone age beside chronological age: difference, z-score against a named table, and the model's own error.

Two things must not be mixed up. A table's standard deviation says how much healthy children of one age differ; the
model's interval says how far the estimate may be from a reader's. The z-score uses the first alone; the second turns
"delayed / average / advanced" from a verdict into three probabilities. Tables are interpolated, never extrapolated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from boneage.cascade.estimate import Estimate
from boneage.errors import BoneageError
from boneage.groups import Sex

BEYOND_SD = 2.0
PROVENANCE = (
    "Transcribed by third parties; the printed atlas (Greulich and Pyle, 2nd ed., 1959) was not seen. No licence is "
    "stated for these numbers; check them against the book before any clinical reliance."
)
_TABLES = {
    "brush-foundation": ("sd_brush_foundation.csv", "Brush Foundation"),
    "greulich-pyle": ("sd_greulich_pyle_v_vi.csv", "Greulich-Pyle V/VI"),
}
TABLE_NAMES: tuple[str, ...] = tuple(_TABLES)
_COLUMNS = ("chronological_months", "sex", "sd_months")


class TableError(BoneageError):
    """A table of standard deviations that cannot be used."""


@dataclass(frozen=True)
class SdTable:
    """Standard deviations of skeletal age by chronological age.

    Attributes:
        name: as it is shown.
        provenance: what is known of where its numbers come from.
        months: per sex the chronological ages, float64 (N,), rising.
        sds: per sex the standard deviations in months, float64 (N,).
        unresolved: per sex the ages at which transcriptions disagree.
    """

    name: str
    provenance: str
    months: Mapping[Sex, NDArray[np.float64]]
    sds: Mapping[Sex, NDArray[np.float64]]
    unresolved: Mapping[Sex, tuple[float, ...]]

    def sd_months(self, sex: Sex, chronological_months: float) -> float | None:
        """Return the standard deviation by linear interpolation, or None outside the table's ages."""
        ages = self.months.get(sex)
        if ages is None or not ages[0] <= chronological_months <= ages[-1]:
            return None
        return float(np.interp(chronological_months, ages, self.sds[sex]))

    def note(self, sex: Sex, chronological_months: float) -> str:
        """Say why there is no value, or that a neighbouring row is doubtful; empty where all is well."""
        ages = self.months.get(sex)
        if ages is None:
            return f"the table {self.name} has no rows for {sex}"
        if not ages[0] <= chronological_months <= ages[-1]:
            return f"the table {self.name} covers {ages[0]:g}-{ages[-1]:g} months ({sex}) and is not extrapolated"
        right = int(np.searchsorted(ages, chronological_months))
        near = {float(ages[right]), float(ages[max(0, right - (ages[right] != chronological_months))])}
        doubtful = sorted(near & set(self.unresolved.get(sex, ())))
        return f"transcriptions of {self.name} disagree at {doubtful[0]:g} months" if doubtful else ""


@dataclass(frozen=True)
class Comparison:
    """An estimate beside chronological age; `None` where it cannot be said.

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
        """Return plain values, rounded to what they can bear."""
        chances = self.probabilities or (None, None, None)
        named = zip(("delayed", "average", "advanced"), chances, strict=True)
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
        }

    def sentence(self) -> str:
        """Say in one line what the table makes of the difference; its provenance belongs beside it."""
        if self.z_score is None:
            return f"no z-score: {self.note}"
        line = f"z-score {self.z_score:+.2f} against {self.table} (SD {self.sd_months:.1f}): {self.verdict}"
        if self.probabilities is not None:
            named = zip(("delayed", "average", "advanced"), self.probabilities, strict=True)
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


def model_sd(estimate: Estimate, coverage: float) -> float | None:
    """Return the model's own standard deviation in months that its interval implies for a normal error, or None.

    An interval is clipped to 0-228 months; its longer half is the one that was not.
    """
    if estimate.low_months is None or estimate.high_months is None:
        return None
    half = max(estimate.bone_age_months - estimate.low_months, estimate.high_months - estimate.bone_age_months)
    return half / NormalDist().inv_cdf((1 + coverage) / 2)


def open_table(name: str) -> SdTable:
    """Return a table by its name, or read one from a CSV of the same layout.

    Raises:
        TableError: when there is no such table, or the file has another layout.
    """
    if name in _TABLES:
        file, title = _TABLES[name]
        return read_table(Path(__file__).resolve().parent.parent / "data" / file, title, PROVENANCE)
    path = Path(name)
    if path.suffix.lower() != ".csv":
        raise TableError(f"table must be {' or '.join(_TABLES)}, or a CSV file, but {name!r} was given")
    return read_table(path, path.name, f"The user's own file {path.name}.")


def read_table(path: Path, name: str, provenance: str) -> SdTable:
    """Read a CSV with the columns chronological_months, sex, sd_months and, if known, agreement.

    Raises:
        TableError: when it is missing or has another layout.
    """
    try:
        frame = pd.read_csv(path)
    except (OSError, pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise TableError(f"{path} cannot be read as a table: {error}") from error
    missing = [column for column in _COLUMNS if column not in frame.columns]
    if missing:
        raise TableError(f"{path} must have the columns {', '.join(_COLUMNS)}, but {', '.join(missing)} is missing")
    months, sds, unresolved = {}, {}, {}
    for sex in Sex:
        chosen = np.array([_is(value, sex) for value in frame["sex"]], dtype=bool)
        rows = frame.loc[chosen].sort_values("chronological_months")
        if rows.empty:
            continue
        months[sex] = _numbers(rows["chronological_months"], path)
        sds[sex] = _numbers(rows["sd_months"], path)
        if len(set(months[sex])) < len(rows) or (sds[sex] <= 0).any():
            raise TableError(f"{path} must give one standard deviation above 0 per age and sex")
        doubtful = rows.get("agreement", pd.Series("", index=rows.index)).astype(str).str.contains("unresolved")
        unresolved[sex] = tuple(float(value) for value in rows["chronological_months"][doubtful])
    if not months:
        raise TableError(f"{path} has no row of either sex")
    return SdTable(name, provenance, months, sds, unresolved)


def _chances(difference: float, sd: float, error: float | None) -> tuple[float, float, float] | None:
    """Return the chances that the true difference lies below -2, within, or above +2 standard deviations."""
    if error is None:
        return None
    true = NormalDist(difference, max(error, 1e-6))
    delayed, advanced = true.cdf(-BEYOND_SD * sd), 1 - true.cdf(BEYOND_SD * sd)
    return delayed, 1 - delayed - advanced, advanced


def _is(value: object, sex: Sex) -> bool:
    try:
        return Sex.parse(value) == sex
    except ValueError:
        return False


def _numbers(column: pd.Series, path: Path) -> NDArray[np.float64]:
    values = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64)
    if not np.isfinite(values).all():
        raise TableError(f"{path} must hold numbers in {column.name}")
    return values

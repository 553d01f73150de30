"""Read tables of standard deviations of skeletal age by chronological age: built in by name, or a user's file.

Tables are interpolated, never extrapolated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from boneage.errors import BoneageError
from boneage.groups import Sex
from boneage.notices import fault, note
from boneage.tables import read_csv

if TYPE_CHECKING:
    import pandas as pd

_FILES = {"brush-foundation": "sd_brush_foundation.csv", "greulich-pyle": "sd_greulich_pyle_v_vi.csv"}
TABLE_TITLES: Mapping[str, str] = {"brush-foundation": "Brush Foundation", "greulich-pyle": "Greulich-Pyle V/VI"}
TABLE_NAMES: tuple[str, ...] = tuple(TABLE_TITLES)
MOST_BYTES, MOST_ROWS = 1_000_000, 5_000
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
            return note("table.no_sex", table=self.name, sex=sex)
        if not ages[0] <= chronological_months <= ages[-1]:
            ends = {"first": float(ages[0]), "last": float(ages[-1])}
            return note("table.outside", table=self.name, sex=sex, **ends)
        right = int(np.searchsorted(ages, chronological_months))
        near = {float(ages[right]), float(ages[max(0, right - (ages[right] != chronological_months))])}
        doubtful = sorted(near & set(self.unresolved.get(sex, ())))
        return note("table.disagree", table=self.name, months=doubtful[0]) if doubtful else ""


def open_table(name: str) -> SdTable:
    """Return a table by its name, or read one from a CSV of the same layout.

    Raises:
        TableError: when there is no such table, or the file has another layout.
    """
    path = Path(name)
    if path.suffix.lower() != ".csv":
        return built_in_table(name, "a CSV file")
    if not path.is_file():
        raise TableError.of("table.missing", file=path, names=" or ".join(TABLE_NAMES))
    return read_table(path)


def built_in_table(name: str, *alternatives: str) -> SdTable:
    """Return a table by its name, and never a file: what comes from elsewhere must not name files of this machine.

    Args:
        name: one of `TABLE_NAMES`.
        alternatives: what else could have been given, for the error's sentence.

    Raises:
        TableError: when there is no such table.
    """
    if name not in TABLE_TITLES:
        names = " or ".join((*TABLE_NAMES, *alternatives))
        raise TableError.of("table.unknown", names=names, given=repr(name))
    file = Path(__file__).with_name(_FILES[name])
    return read_table(file, TABLE_TITLES[name], note("table.provenance"))


def read_table(path: Path, name: str = "", provenance: str = "") -> SdTable:
    """Read a CSV with the columns chronological_months, sex, sd_months and, if known, agreement.

    Columns are separated by commas, tabs, or semicolons as spreadsheets of countries with a decimal comma save them.

    Args:
        path: the file; errors call it by its name alone, for its folder may be a server's.
        name: as it is shown; empty for the file's own.
        provenance: of its numbers; empty where all that is known is that the user brought them.

    Raises:
        TableError: when it has another layout, or is far too large for one.
    """
    name, provenance = name or path.name, provenance or note("table.own", name=path.name)
    if path.is_file() and path.stat().st_size > MOST_BYTES:
        raise TableError.of("table.large", name=path.name, megabytes=MOST_BYTES // 10**6)
    try:
        frame = read_csv(path.read_bytes(), most_rows=MOST_ROWS + 1)
    except (OSError, ValueError) as error:
        raise TableError.of("table.unreadable", name=path.name) from error
    if len(frame) > MOST_ROWS:
        raise TableError.of("table.rows", name=path.name, rows=MOST_ROWS)
    missing = [column for column in _COLUMNS if column not in frame.columns]
    if missing:
        columns = {"wanted": ", ".join(_COLUMNS), "missing": ", ".join(missing)}
        raise TableError(fault("table.columns", name=path.name, **columns))
    months, sds, unresolved = {}, {}, {}
    for sex in Sex:
        rows = frame[[_is(value, sex) for value in frame["sex"]]]
        if rows.empty:
            continue
        ages, deviations = _numbers(rows["chronological_months"], path), _numbers(rows["sd_months"], path)
        if len(set(ages)) < len(rows) or (deviations <= 0).any():
            raise TableError.of("table.deviations", name=path.name)
        rising = np.argsort(ages)
        months[sex], sds[sex] = ages[rising], deviations[rising]
        doubtful = (
            rows["agreement"].astype(str).str.contains("unresolved") if "agreement" in rows else [False] * len(rows)
        )
        unresolved[sex] = tuple(sorted(float(age) for age in ages[np.array(doubtful, dtype=bool)]))
    if not months:
        raise TableError.of("table.empty", name=path.name)
    return SdTable(name, provenance, months, sds, unresolved)


def _is(value: object, sex: Sex) -> bool:
    try:
        return Sex.parse(value) == sex
    except ValueError:
        return False


def _numbers(column: pd.Series, path: Path) -> NDArray[np.float64]:
    import pandas as pd

    values = pd.to_numeric(column.str.replace(",", "."), errors="coerce").to_numpy(dtype=np.float64)
    if not np.isfinite(values).all():
        raise TableError.of("table.numbers", name=path.name, column=column.name)
    return values

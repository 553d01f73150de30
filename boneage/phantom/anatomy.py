"""When the hand's ossification centres appear, grow and fuse, read from the one table of provenance, anatomy.csv.

Each row of the table holds one quantity for both sexes with its source and how sure it is. The sources' codes: GP
Greulich & Pyle (second-hand), GARN Garn 1967 (recalled), EO eorif.com, FP fpnotebook.com, FU Front Pediatr 2022, TH
Thodberg 2019, BK Buryanov & Kotiuk 2010, DHA and KP computed from public landmarks, GK general knowledge.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from boneage.groups import Sex

TABLE_PATH = Path(__file__).with_name("anatomy.csv")
CARPALS = ("capitate", "hamate", "triquetrum", "lunate", "trapezium", "trapezoid", "scaphoid", "pisiform")
EPIPHYSES = (
    *(f"{kind}{ray}" for ray in range(1, 6) for kind in ("MC", "PP", "MP", "DP") if not (kind == "MP" and ray == 1)),
    "radius",
    "ulna",
)
CENTRES = (*CARPALS, *EPIPHYSES, "sesamoid")


@dataclass(frozen=True)
class AnatomyRow:
    """One row of the table: a quantity of a part for both sexes, with its source and certainty.

    `male` and `female` are (value, low, high); low and high are the 5th and 95th percentile, NaN-free: the value itself
    where no range is known. `at_months` is the age that a growth value belongs to, else None.
    """

    quantity: str
    part: str
    at_months: float | None
    unit: str
    male: tuple[float, float, float]
    female: tuple[float, float, float]
    source: str
    certainty: str
    note: str

    def of(self, sex: Sex) -> tuple[float, float, float]:
        """Return (value, low, high) of one sex."""
        return self.male if sex is Sex.MALE else self.female


@lru_cache(maxsize=1)
def read_table() -> tuple[AnatomyRow, ...]:
    """Read every row of anatomy.csv, in the file's order."""
    with TABLE_PATH.open(newline="", encoding="utf-8") as file:
        return tuple(_row(cells) for cells in csv.DictReader(file))


def _row(cells: dict[str, str]) -> AnatomyRow:
    return AnatomyRow(
        quantity=cells["quantity"],
        part=cells["part"],
        at_months=float(cells["at_months"]) if cells["at_months"] else None,
        unit=cells["unit"],
        male=_triple(cells, "male"),
        female=_triple(cells, "female"),
        source=cells["source"],
        certainty=cells["certainty"],
        note=cells["note"],
    )


def _triple(cells: dict[str, str], sex: str) -> tuple[float, float, float]:
    value = float(cells[sex])
    low, high = cells[f"{sex}_low"], cells[f"{sex}_high"]
    return value, float(low or value), float(high or value)


@lru_cache(maxsize=1)
def _index() -> dict[tuple[str, str], AnatomyRow]:
    return {(row.quantity, row.part): row for row in read_table() if row.at_months is None}


def value(quantity: str, part: str, sex: Sex) -> float:
    """Return one number of the table, in the row's unit.

    Raises:
        KeyError: when the table has no such row.
    """
    return _index()[quantity, part].of(sex)[0]


def has(quantity: str, part: str) -> bool:
    """Tell whether the table has a row of this quantity and part."""
    return (quantity, part) in _index()


def spread_months(part: str, sex: Sex) -> float:
    """Return the standard deviation, in months, of a centre's age of appearance (5-95 % is 3.29 of them wide)."""
    _, low, high = _index()["appears", part].of(sex)
    return (high - low) / 3.29


@lru_cache(maxsize=32)
def _curve(quantity: str, sex: Sex) -> tuple[tuple[float, float], ...]:
    rows = (row for row in read_table() if row.quantity == quantity and row.at_months is not None)
    return tuple(sorted((row.at_months or 0.0, row.of(sex)[0]) for row in rows))


def at_age(quantity: str, age_months: float, sex: Sex) -> float:
    """Return a quantity that the table gives by age (growth, cortex, wrist room, film share), linearly between rows."""
    points = _curve(quantity, sex)
    return interpolate(age_months, points)


def interpolate(x: float, points: tuple[tuple[float, float], ...]) -> float:
    """Return y at x on the polyline through (x, y) points sorted by x, constant beyond its ends."""
    if x <= points[0][0]:
        return points[0][1]
    for (x0, y0), (x1, y1) in zip(points, points[1:], strict=False):
        if x <= x1:
            return y0 + (y1 - y0) * (x - x0) / (x1 - x0)
    return points[-1][1]


def centres_present(age_months: float, sex: Sex) -> tuple[str, ...]:
    """Return the ossification centres that the average child of this skeletal age has (fused ones included)."""
    return tuple(part for part in CENTRES if value("appears", part, sex) <= age_months)


def fused_fraction(part: str, age_months: float, sex: Sex) -> float:
    """Return how far an epiphysis has fused with its shaft in the average child: 0 open, 1 fused."""
    start, end = value("fuses_from", part, sex), value("fuses_by", part, sex)
    return min(max((age_months - start) / (end - start), 0.0), 1.0)

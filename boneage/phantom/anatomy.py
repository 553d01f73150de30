"""Look up when the hand's ossification centres appear, grow and fuse, in the one table with sources, anatomy.csv.

Each row of the table holds one quantity for both sexes with its source and how sure it is. The sources' codes: GP
Greulich & Pyle (second-hand), GARN Garn 1967 (recalled), EO eorif.com, FP fpnotebook.com, FU Front Pediatr 2022, TH
Thodberg 2019, BK Buryanov & Kotiuk 2010, DHA and KP computed from public landmarks, GK general knowledge.
"""

from __future__ import annotations

import csv
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


@lru_cache(maxsize=1)
def read_table() -> tuple[dict[str, str], ...]:
    """Read every row of anatomy.csv, in the file's order.

    A row holds one `quantity` of a `part` for both sexes: `male` and `female` in its `unit`, and where they are known
    their 5th and 95th percentile (`male_low` and so on); growth values also `at_months`, the age that they belong to.
    """
    with TABLE_PATH.open(newline="", encoding="utf-8") as file:
        return tuple(csv.DictReader(file))


@lru_cache(maxsize=1)
def _index() -> dict[tuple[str, str], dict[str, str]]:
    return {(row["quantity"], row["part"]): row for row in read_table() if not row["at_months"]}


def value(quantity: str, part: str, sex: Sex) -> float:
    """Return one number of the table, in the row's unit.

    Raises:
        KeyError: when the table has no such row.
    """
    return float(_index()[quantity, part][sex])


def spread_months(part: str, sex: Sex) -> float:
    """Return the standard deviation, in months, of a centre's age of appearance (5-95 % is 3.29 of them wide)."""
    row = _index()["appears", part]
    return (float(row[f"{sex}_high"] or row[sex]) - float(row[f"{sex}_low"] or row[sex])) / 3.29


@lru_cache(maxsize=32)
def _curve(quantity: str, sex: Sex) -> tuple[tuple[float, float], ...]:
    rows = (row for row in read_table() if row["quantity"] == quantity and row["at_months"])
    return tuple(sorted((float(row["at_months"]), float(row[sex])) for row in rows))


def at_age(quantity: str, age_months: float, sex: Sex) -> float:
    """Return a quantity that the table gives by age (growth, cortex, wrist room, film share), linearly between rows."""
    return interpolate(age_months, _curve(quantity, sex))


def interpolate(x: float, points: tuple[tuple[float, float], ...]) -> float:
    """Return y at x on the polyline through (x, y) points sorted by x, constant beyond its ends."""
    if x <= points[0][0]:
        return points[0][1]
    for (x0, y0), (x1, y1) in zip(points, points[1:], strict=False):
        if x <= x1:
            return y0 + (y1 - y0) * (x - x0) / (x1 - x0)
    return points[-1][1]


def fused_fraction(part: str, age_months: float, sex: Sex) -> float:
    """Return how far an epiphysis has fused with its shaft in the average child: 0 open, 1 fused."""
    start, end = value("fuses_from", part, sex), value("fuses_by", part, sex)
    return min(max((age_months - start) / (end - start), 0.0), 1.0)

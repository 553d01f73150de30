"""Summarise labels: how ages heap per source, sizes of films, and which kinds of problem rows have."""

from __future__ import annotations

import pandas as pd

_KINDS = (
    ("contradict each other", "contradicting labels of one id"),
    ("say the same", "duplicated id"),
    ("image without a row", "image without a row"),
    ("no image ", "row without an image"),
    ("images are named", "several images of one name"),
    ("is not within", "age out of range"),
    ("no age", "no age"),
    ("is no number", "age is no number"),
    ("unknown sex", "unknown sex"),
    ("no sex", "no sex"),
    ("no id", "no id"),
)
UNREADABLE = "unreadable file"


def rows_of(table: pd.DataFrame) -> list[dict[str, object]]:
    """Return a table's rows as mappings from a column's name to its value."""
    return [{str(key): value for key, value in row.items()} for row in table.to_dict("records")]


def heaping(table: pd.DataFrame) -> pd.DataFrame:
    """Return how the ages of each source heap: shares of whole months, and of multiples of 6 and 12.

    Ages read to the month, as they fall, would be multiples of 6 in 16.7 % and of 12 in 8.3 % of cases; readers who
    look into an atlas with yearly standards give many more.

    Returns:
        Columns `source, images, mean_months, sd_months, min_months, max_months, whole_months, multiples_of_6,
        multiples_of_12`, ages in months, shares 0-1.
    """
    rows = []
    for source, part in table.groupby("source", sort=False):
        ages = part["age_months"]
        rows.append(
            {
                "source": source,
                "images": len(part),
                "mean_months": round(float(ages.mean()), 1),
                "sd_months": round(float(ages.std(ddof=0)), 1),
                "min_months": float(ages.min()),
                "max_months": float(ages.max()),
                "whole_months": round(float((ages % 1 == 0).mean()), 4),
                "multiples_of_6": round(float((ages % 6 == 0).mean()), 4),
                "multiples_of_12": round(float((ages % 12 == 0).mean()), 4),
            }
        )
    return pd.DataFrame(rows)


def sizes(table: pd.DataFrame) -> pd.DataFrame:
    """Return the smallest, median and largest stored width and height of each source in pixels."""
    rows = []
    for source, part in table.groupby("source", sort=False):
        row: dict[str, object] = {"source": source}
        for side in ("width", "height"):
            row |= {f"{side}_{name}": int(getattr(part[side], name)()) for name in ("min", "median", "max")}
        rows.append(row)
    return pd.DataFrame(rows)


def kind_of(reason: str) -> str:
    """Return what kind of problem a reason is; everything that no row's label explains is an unreadable file."""
    return next((kind for phrase, kind in _KINDS if phrase in reason), UNREADABLE)


def problem_counts(problems: pd.DataFrame) -> dict[str, int]:
    """Count the problems of each kind, the most frequent first."""
    return {str(kind): int(count) for kind, count in problems["reason"].map(kind_of).value_counts().items()}

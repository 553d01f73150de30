"""How `boneage predict` writes its records: a table for people, JSON lines, or CSV that a later call goes on with."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TextIO

from boneage.cascade.estimate import (
    COMPARISON_FIELDS,
    DIFFERENCE_FIELDS,
    ESTIMATE_FIELDS,
    REASON_FIELDS,
    years_and_months,
)
from boneage.commands.common import UsageError, hard_line, reason_lines, region_line
from boneage.groups import RANGE_LABELS
from boneage.notices import severity_of


@dataclass(frozen=True)
class Layout:
    """What the records of one call have.

    Attributes:
        format: `table`, `json` or `csv`.
        images: what the images are called.
        ages: whether chronological ages were given.
        table: whether a table of deviations was named.
        reasons: whether reasons were asked for.
        height: whether a height was given, for the predicted adult height.
    """

    format: str
    images: Sequence[str]
    ages: bool
    table: bool
    reasons: bool
    height: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the columns of CSV; they keep their places, new ones come last."""
        extra: tuple[str, ...] = DIFFERENCE_FIELDS if self.ages else ()
        extra = COMPARISON_FIELDS if self.table else extra
        if self.height:
            from boneage.clinical.adult_height import HEIGHT_FIELDS

            extra += HEIGHT_FIELDS
        later = ("hard_months", "warning_codes", "regional_ages")
        first = tuple(name for name in ESTIMATE_FIELDS if name not in later)
        last = ("hard_months", *REASON_FIELDS, "error") if self.reasons else ("error", "hard_months")
        return ("image", *first, *extra, *last, "warning_codes", "error_code", "regional_ages")


class Writer(Protocol):
    """Writes one record after the other, each at once."""

    def write(self, record: dict[str, Any]) -> None:
        """Write one record."""


def writer_of(layout: Layout, resumed: TextIO | None = None) -> Writer:
    """Return the writer of a format to stdout; with an open file of `resume`, CSV rows that go on in it."""
    if resumed is not None:
        return CsvWriter(layout.columns, resumed)
    if layout.format == "json":
        return JsonWriter()
    if layout.format == "table":
        return TableWriter(layout)
    writer = CsvWriter(layout.columns, sys.stdout)
    writer.line(layout.columns)
    return writer


def resume(path: Path, layout: Layout) -> tuple[TextIO, int, int]:
    """Open a CSV file that an earlier call wrote to go on with it, or begin it; a row that was cut off is removed.

    Returns:
        The open file, how many images are done, and how many of them failed.

    Raises:
        UsageError: when the file is none of such a call, or of other images.
    """
    kept = _whole_rows(path)
    columns, images = list(layout.columns), list(layout.images)
    if kept and kept[0] != columns:
        raise UsageError.of("call.resumed_columns", file=path)
    done = [row[0] for row in kept[1:]]
    if done != images[: len(done)]:
        raise UsageError.of("call.resumed_images", file=path)
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(kept or [columns])
    path.parent.mkdir(parents=True, exist_ok=True)
    # Only where something was cut off; else nothing that is there is touched.
    if not path.is_file() or path.read_text(encoding="utf-8") != text.getvalue():
        path.write_text(text.getvalue(), encoding="utf-8")
    failed = sum(bool(row[columns.index("error")]) for row in kept[1:])
    return path.open("a", encoding="utf-8", newline=""), len(done), failed


def _whole_rows(path: Path) -> list[list[str]]:
    """Read the rows of a file that were written to their end."""
    if not path.is_file():
        return []
    text = path.read_text(encoding="utf-8", errors="replace")
    rows = list(csv.reader(io.StringIO(text[: text.rfind("\n") + 1])))
    while rows and len(rows[-1]) != len(rows[0]):
        rows.pop()
    return rows


class JsonWriter:
    """One JSON object per line."""

    def write(self, record: dict[str, Any]) -> None:
        """Write one record."""
        print(json.dumps(record, ensure_ascii=False), flush=True)


class CsvWriter:
    """One row per image; lists are written as JSON."""

    def __init__(self, columns: Sequence[str], stream: TextIO) -> None:
        self._columns, self._stream = columns, stream

    def write(self, record: dict[str, Any]) -> None:
        """Write one record."""
        self.line([self._cell(record.get(column)) for column in self._columns])

    def line(self, cells: Sequence[Any]) -> None:
        """Write cells as one line, at once."""
        buffer = io.StringIO()
        csv.writer(buffer, lineterminator="\n").writerow(cells)
        self._stream.write(buffer.getvalue())
        self._stream.flush()

    @staticmethod
    def _cell(value: Any) -> Any:
        return json.dumps(value, ensure_ascii=False) if isinstance(value, list) else value


class TableWriter:
    """Aligned columns for people, with warnings below their image."""

    def __init__(self, layout: Layout) -> None:
        self._width = max(5, *(len(image) for image in layout.images))
        heading = f"{'image':<{self._width}}  {'bone age':>10}  {'months':>6}  {'interval':>15}  {'group':<16}"
        print((heading + "  difference" * layout.ages).rstrip(), flush=True)

    def write(self, record: dict[str, Any]) -> None:
        """Write one record."""
        if "error" in record:
            print(f"{record['image']:<{self._width}}  not estimated: {record['error']}", flush=True)
            return
        age, group = record["bone_age_months"], record["group"]
        low, high = record["low_months"], record["high_months"]
        interval = "" if low is None else f"{low:.1f} - {high:.1f}"
        chance = "given" if record["routing"] == "given" else f"{record['group_probabilities'][group - 1]:.0%}"
        where = f"{RANGE_LABELS[group - 1]} ({chance})"
        cells = f"{years_and_months(age):>10}  {age:>6.1f}  {interval:>15}  {where:<16}"
        difference = f"  {record['difference_months']:>+10.1f}" if "difference_months" in record else ""
        print(f"{record['image']:<{self._width}}  {cells}{difference}".rstrip(), flush=True)
        if "comparison" in record:
            print(f"{'':<{self._width}}  {record['comparison']}", flush=True)
        for line in [record["adult_height"], *record["adult_height_notes"]] if "adult_height" in record else []:
            print(f"{'':<{self._width}}  {line}", flush=True)
        if record["regional_ages"]:
            print(f"{'':<{self._width}}  {region_line(record['regional_ages'])}", flush=True)
        for line in reason_lines(record) if "experts" in record else _apart(record):
            print(f"{'':<{self._width}}  {line}", flush=True)
        for said in record["warnings"]:
            print(f"{'':<{self._width}}  {severity_of(said)}: {said}", flush=True)


def _apart(record: dict[str, Any]) -> list[str]:
    """Say hard routing's age where it is another than the estimate, to the digit that is shown."""
    hard = record["hard_months"]
    same = hard is None or f"{hard:.1f}" == f"{record['bone_age_months']:.1f}"
    return [] if same else [hard_line(hard)]

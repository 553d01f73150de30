"""`boneage predict`: estimate radiographs and print one record each; a bad image never stops the others."""

from __future__ import annotations

import argparse
import csv
import io
import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

from boneage.cascade.estimate import (
    COMPARISON_FIELDS,
    DIFFERENCE_FIELDS,
    ESTIMATE_FIELDS,
    MAX_CHRONOLOGICAL_MONTHS,
    REASON_FIELDS,
    years_and_months,
)
from boneage.commands.common import UsageError, add_model, hard_line, notice, open_cascade, reason_lines
from boneage.commands.outputs import add_outputs, outputs_of
from boneage.errors import BoneageError
from boneage.groups import RANGE_LABELS, Sex
from boneage.hospital.audit_trail import log_answer, log_error
from boneage.notices import OTHER_CODE

if TYPE_CHECKING:
    from boneage.cascade.cascade import Cascade
    from boneage.cascade.estimate import Estimate
    from boneage.clinical.sd_tables import SdTable
    from boneage.data.radiograph import Radiograph

TABLES = ("brush-foundation", "greulich-pyle")


def add_parser(commands: Any) -> None:
    """Add the command to the parser's list."""
    parser = commands.add_parser("predict", help="estimate the bone age of radiographs")
    parser.add_argument("images", metavar="IMAGE", nargs="+", help="PNG, JPEG, TIFF, DICOM or archive.zip!member")
    parser.add_argument("--sex", choices=[str(sex) for sex in Sex], help="by default what a DICOM file says")
    parser.add_argument("--range", dest="age_range", choices=RANGE_LABELS, help="known age range; skips the classifier")
    parser.add_argument("--chronological", type=float, metavar="MONTHS", help="chronological age, for the difference")
    parser.add_argument("--table", metavar="NAME_OR_CSV", help=f"for a z-score: {', '.join(TABLES)} or a CSV")
    parser.add_argument("--anyway", action="store_true", help="estimate what the gate refuses, too, with a warning")
    parser.add_argument("--reasons", action="store_true", help="say what each expert said, and the most similar cases")
    parser.add_argument("--format", choices=("table", "json", "csv"), default="table")
    add_outputs(parser)
    add_model(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print one record per image; return 0 if all were estimated, 1 if any failed."""
    if args.chronological is not None and not 0 <= args.chronological <= MAX_CHRONOLOGICAL_MONTHS:
        limits = f"a number of months from 0 to {MAX_CHRONOLOGICAL_MONTHS}"
        raise UsageError(f"--chronological must be {limits}, but {args.chronological} was given")
    if args.table is not None and args.chronological is None:
        raise UsageError("--table belongs to --chronological MONTHS, which was not given")
    if args.sex is None and not any(_is_dicom(image) for image in args.images):
        raise UsageError(f"--sex must be {' or '.join(Sex)}: only DICOM files say it themselves")
    table = _table(args.table)
    outputs_of(args).check()
    cascade = open_cascade(args.model)
    failed = 0
    writer = _writer(args)
    for record in _records(cascade, args, table):
        failed += "error" in record
        writer.write(record)
    if table is not None:
        print(f"Table: {table.name}. {table.provenance}", file=sys.stdout if args.format == "table" else sys.stderr)
    notice(sys.stdout if args.format == "table" else sys.stderr)
    return 1 if failed else 0


def _table(name: str | None) -> SdTable | None:
    from boneage.clinical.sd_tables import open_table

    return None if name is None else open_table(name)


def _records(cascade: Cascade, args: argparse.Namespace, table: SdTable | None) -> Iterator[dict[str, Any]]:
    from boneage.data.images import read_radiograph

    outputs = outputs_of(args)
    for image in args.images:
        radiograph = None
        try:
            if outputs.wanted:
                yield {"image": image, **outputs.answered(cascade, image, table)}
                continue
            radiograph = read_radiograph(image)
            estimate, reasons = _estimated(cascade, radiograph, args.sex or _sex_of(radiograph, image), args)
        except (BoneageError, OSError) as error:
            log_error(radiograph, error)
            yield {"image": image, "error": str(error), "error_code": getattr(error, "code", OTHER_CODE)}
            continue
        log_answer(radiograph, estimate)
        record = {"image": image, **estimate.to_json(), **reasons}
        if args.chronological is not None:
            record |= estimate.difference(args.chronological)
        if table is not None:
            from boneage.clinical.comparison import compare

            record |= compare(estimate, args.chronological, table, cascade.config.cascade.coverage).to_json()
        yield record


def _estimated(
    cascade: Cascade, radiograph: Radiograph, sex: Sex | str, args: argparse.Namespace
) -> tuple[Estimate, dict[str, Any]]:
    """Return an estimate and, where they are asked for, its reasons, from the same passes of the backbone."""
    asked = {"anyway": args.anyway, "chronological_months": args.chronological}
    if not args.reasons:
        return cascade.estimate(radiograph, sex, args.age_range, **asked), {}
    from boneage.explain.reasons import estimate_with_reasons

    estimate, reasons = estimate_with_reasons(cascade, radiograph, sex, args.age_range, **asked)
    return estimate, reasons.to_json()


def _is_dicom(image: str) -> bool:
    """Tell whether a file is DICOM; one that cannot be read is not."""
    from boneage.data.archives import read_bytes
    from boneage.data.dicom import is_dicom

    try:
        return is_dicom(read_bytes(image))
    except BoneageError:
        return False


def _sex_of(radiograph: Radiograph, image: str) -> Sex:
    if radiograph.sex is None:
        raise BoneageError(f"{image} does not say the patient's sex: give --sex")
    return radiograph.sex


class _Writer(Protocol):
    def write(self, record: dict[str, Any]) -> None: ...


class _JsonWriter:
    """One JSON object per line."""

    def write(self, record: dict[str, Any]) -> None:
        print(json.dumps(record, ensure_ascii=False), flush=True)


class _CsvWriter:
    """A header and one row per image; lists are written as JSON.

    Columns keep their places: new ones come last.
    """

    def __init__(self, args: argparse.Namespace) -> None:
        extra: tuple[str, ...] = DIFFERENCE_FIELDS if args.chronological is not None else ()
        extra = COMPARISON_FIELDS if args.table is not None else extra
        if args.height is not None:
            from boneage.clinical.adult_height import HEIGHT_FIELDS

            extra += HEIGHT_FIELDS
        later = ("hard_months", "warning_codes")
        first = tuple(name for name in ESTIMATE_FIELDS if name not in later)
        last = ("hard_months", *REASON_FIELDS, "error") if args.reasons else ("error", "hard_months")
        self._columns = ("image", *first, *extra, *last, "warning_codes", "error_code")
        self._line(self._columns)

    def write(self, record: dict[str, Any]) -> None:
        self._line([self._cell(record.get(column)) for column in self._columns])

    @staticmethod
    def _cell(value: Any) -> Any:
        return json.dumps(value, ensure_ascii=False) if isinstance(value, list) else value

    @staticmethod
    def _line(cells: Any) -> None:
        buffer = io.StringIO()
        csv.writer(buffer, lineterminator="").writerow(cells)
        print(buffer.getvalue(), flush=True)


class _TableWriter:
    """Aligned columns for people, with warnings below their image."""

    def __init__(self, args: argparse.Namespace) -> None:
        self._width = max(5, *(len(image) for image in args.images))
        heading = f"{'image':<{self._width}}  {'bone age':>10}  {'months':>6}  {'interval':>15}  {'group':<16}"
        print(heading + ("  difference" if args.chronological is not None else ""), flush=True)

    def write(self, record: dict[str, Any]) -> None:
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
        for line in reason_lines(record) if "experts" in record else _apart(record):
            print(f"{'':<{self._width}}  {line}", flush=True)
        for warning in record["warnings"]:
            print(f"{'':<{self._width}}  warning: {warning}", flush=True)


def _apart(record: dict[str, Any]) -> list[str]:
    """Say hard routing's age where it is another than the estimate, to the digit that is shown."""
    hard = record["hard_months"]
    same = hard is None or f"{hard:.1f}" == f"{record['bone_age_months']:.1f}"
    return [] if same else [hard_line(hard)]


def _writer(args: argparse.Namespace) -> _Writer:
    if args.format == "json":
        return _JsonWriter()
    return _CsvWriter(args) if args.format == "csv" else _TableWriter(args)

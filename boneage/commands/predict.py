"""`boneage predict`: estimate radiographs and print one record each; a bad image never stops the others."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from boneage.cascade.cascade import Cascade
from boneage.cascade.estimate import (
    COMPARISON_FIELDS,
    DIFFERENCE_FIELDS,
    ESTIMATE_FIELDS,
    MAX_CHRONOLOGICAL_MONTHS,
    REASON_FIELDS,
    years_and_months,
)
from boneage.clinical.comparison import compared
from boneage.clinical.sd_tables import TABLE_NAMES, SdTable, open_table
from boneage.commands.common import UsageError, add_model, add_patient, hard_line, notice, open_cascade, reason_lines
from boneage.commands.outputs import add_outputs, outputs_of
from boneage.data.archives import read_bytes
from boneage.data.dicom import is_dicom
from boneage.data.images import read_radiograph
from boneage.errors import BoneageError
from boneage.explain.reasons import estimate_record
from boneage.groups import RANGE_LABELS, Sex
from boneage.hospital.audit_trail import log_answer, log_error
from boneage.notices import OTHER_CODE


def predict_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe `boneage predict`."""
    parser.add_argument("images", metavar="IMAGE", nargs="+", help="PNG, JPEG, TIFF, DICOM or archive.zip!member")
    add_patient(parser, help="by default what a DICOM file says")
    parser.add_argument("--chronological", type=float, metavar="MONTHS", help="chronological age, for the difference")
    parser.add_argument("--table", metavar="NAME_OR_CSV", help=f"for a z-score: {', '.join(TABLE_NAMES)} or a CSV")
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
    table = None if args.table is None else open_table(args.table)
    outputs_of(args).check()
    cascade = open_cascade(args.model)
    failed = 0
    write = _writer(args)
    for record in _records(cascade, args, table):
        failed += "error" in record
        write(record)
    if table is not None:
        print(f"Table: {table.name}. {table.provenance}", file=sys.stdout if args.format == "table" else sys.stderr)
    notice(sys.stdout if args.format == "table" else sys.stderr)
    return 1 if failed else 0


def _records(cascade: Cascade, args: argparse.Namespace, table: SdTable | None) -> Iterator[dict[str, Any]]:
    outputs = outputs_of(args)
    for image in args.images:
        radiograph = None
        try:
            if outputs.wanted:
                yield {"image": image, **outputs.answered(cascade, image, table)}
                continue
            radiograph = read_radiograph(image)
            sex = args.sex or radiograph.sex
            if sex is None:
                raise BoneageError(f"{image} does not say the patient's sex: give --sex")
            asked = {"anyway": args.anyway, "chronological_months": args.chronological}
            given = (cascade, radiograph, sex, args.age_range)
            estimate, record = estimate_record(*given, reasons=args.reasons, **asked)
        except (BoneageError, OSError) as error:
            log_error(radiograph, error)
            yield {"image": image, "error": str(error), "error_code": getattr(error, "code", OTHER_CODE)}
            continue
        log_answer(radiograph, estimate)
        beside = compared(estimate, args.chronological, table, cascade.config.cascade.coverage)
        yield {"image": image, **record, **beside}


def _is_dicom(image: str) -> bool:
    """Tell whether a file is DICOM; one that cannot be read is not."""
    try:
        return is_dicom(read_bytes(image))
    except BoneageError:
        return False


def _print_json(record: dict[str, Any]) -> None:
    """Print one JSON object on a line."""
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
        values = [record.get(column) for column in self._columns]
        self._line([json.dumps(value, ensure_ascii=False) if isinstance(value, list) else value for value in values])

    @staticmethod
    def _line(cells: Sequence[Any]) -> None:
        csv.writer(sys.stdout, lineterminator="\n").writerow(cells)
        sys.stdout.flush()


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


def _writer(args: argparse.Namespace) -> Callable[[dict[str, Any]], None]:
    if args.format == "json":
        return _print_json
    return _CsvWriter(args).write if args.format == "csv" else _TableWriter(args).write

"""`boneage predict`: estimate radiographs and print one record each; a bad image never stops the others."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from boneage.cascade.cascade import Cascade
from boneage.cascade.estimate import MAX_CHRONOLOGICAL_MONTHS, Estimate
from boneage.clinical.comparison import compared
from boneage.clinical.sd_tables import TABLE_NAMES, SdTable, open_table
from boneage.commands.common import UsageError, add_model, add_patient, notice, open_cascade, stage
from boneage.commands.outputs import add_outputs, outputs_of
from boneage.commands.predict_writers import Layout, resume, writer_of
from boneage.data.archives import read_bytes
from boneage.data.dicom import is_dicom
from boneage.data.film_list import FilmList, ListedFilm, read_list
from boneage.data.images import read_radiograph
from boneage.data.radiograph import Radiograph
from boneage.errors import BoneageError
from boneage.explain.reasons import estimate_record
from boneage.groups import Sex
from boneage.hospital.audit_trail import log_answer, log_error
from boneage.notices import OTHER_CODE
from boneage.pipeline import in_order


def predict_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe `boneage predict`."""
    parser.add_argument("images", metavar="IMAGE", nargs="*", help="PNG, JPEG, TIFF, DICOM or archive.zip!member")
    words = "a table of films: image, sex, and optionally age_range and chronological_months"
    parser.add_argument("--list", metavar="TABLE.csv", type=Path, help=words)
    words = "write CSV to this file, and go on where an earlier call of the same images was stopped or killed"
    parser.add_argument("--resume", metavar="OUT.csv", type=Path, help=words)
    add_patient(parser, help="by default what a DICOM file says")
    parser.add_argument("--chronological", type=float, metavar="MONTHS", help="chronological age, for the difference")
    parser.add_argument("--table", metavar="NAME_OR_CSV", help=f"for a z-score: {', '.join(TABLE_NAMES)} or a CSV")
    parser.add_argument("--anyway", action="store_true", help="estimate what the gate refuses, too, with a warning")
    parser.add_argument("--hand", choices=("left", "right"), help="which hand it is, or which of two")
    parser.add_argument("--reasons", action="store_true", help="say what each expert said, and the most similar cases")
    parser.add_argument("--format", choices=("table", "json", "csv"), default="table")
    add_outputs(parser)
    add_model(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print one record per image; return 0 if all were estimated, 1 if any failed."""
    asked = _asked(args)
    ages = args.chronological is not None or asked.has_ages
    # A DICOM film says the age that its results are written with.
    if args.table is not None and not ages and not (outputs_of(args).wanted and any(map(_is_dicom, args.images))):
        raise UsageError.of("call.table_without_age")
    table = None if args.table is None else open_table(args.table)
    outputs_of(args).check()
    images, height = [film.image for film in asked.films], args.height is not None
    layout = Layout(args.format, images, ages, table is not None, args.reasons, height)
    file, done, failed = resume(args.resume, layout) if args.resume else (None, 0, 0)
    with nullcontext() if file is None else file:
        cascade = open_cascade(args.model)
        writer = writer_of(layout, file)
        for record in _records(cascade, args, asked.films[done:], table):
            failed += "error" in record
            writer.write(record)
    if args.resume:
        print(f"written to {args.resume}: {len(images)} images, {failed} of them not estimated")
    plain = sys.stdout if args.format == "table" or args.resume else sys.stderr
    if table is not None:
        print(f"Table: {table.name}. {table.provenance}", file=plain)
    notice(plain)
    return 1 if failed else 0


def _asked(args: argparse.Namespace) -> FilmList:
    """Return the films with what is asked of each; what a list leaves open is taken from the arguments."""
    if bool(args.images) == (args.list is not None):
        raise UsageError.of("call.films_or_list")
    if args.images and args.sex is None and not any(_is_dicom(image) for image in args.images):
        raise UsageError.of("call.sex", choices=" or ".join(Sex))
    listed = read_list(args.list) if args.list else FilmList(tuple(ListedFilm(one, one) for one in args.images), False)
    films = tuple(
        replace(
            film,
            sex=film.sex or (Sex(args.sex) if args.sex else None),
            age_range=film.age_range or args.age_range,
            chronological_months=args.chronological if film.chronological_months is None else film.chronological_months,
        )
        for film in listed.films
    )
    for months in {film.chronological_months for film in films} - {None}:
        if months is not None and not 0 <= months <= MAX_CHRONOLOGICAL_MONTHS:
            limits = f"a number of months from 0 to {MAX_CHRONOLOGICAL_MONTHS}"
            raise UsageError.of("call.chronological", limits=limits, given=months)
    return FilmList(films, listed.has_ages)


@dataclass(frozen=True)
class _Answer:
    """The record of one film, and what the audit log is told of it."""

    record: dict[str, Any]
    radiograph: Radiograph | None = None
    estimate: Estimate | None = None
    error: Exception | None = None


def _records(
    cascade: Cascade, args: argparse.Namespace, films: Sequence[ListedFilm], table: SdTable | None
) -> Iterator[dict[str, Any]]:
    """Estimate films in a pipeline over the cores; the records come in the order of the films."""
    # Results that are written beside the number are written one after the other.
    workers = 1 if outputs_of(args).wanted or not getattr(cascade, "shared", False) else None
    # Lines on a terminal are progress enough, and a bar would run through them.
    shown = len(films) > 1 and (args.resume is not None or not sys.stdout.isatty())
    progress = stage("estimate") if shown else None
    for done, (_, found) in enumerate(in_order(partial(_answer, cascade, args, table), films, workers), start=1):
        if found.error is not None:
            log_error(found.radiograph, found.error)
        elif found.radiograph is not None and found.estimate is not None:
            log_answer(found.radiograph, found.estimate)
        yield found.record
        if progress:
            progress(done, len(films))


def _answer(cascade: Cascade, args: argparse.Namespace, table: SdTable | None, film: ListedFilm) -> _Answer:
    """Estimate one film; what goes wrong with it becomes its record."""
    months, radiograph = film.chronological_months, None
    try:
        own = {"sex": film.sex, "age_range": film.age_range, "chronological": months}
        outputs = outputs_of(argparse.Namespace(**{**vars(args), **own}))
        if outputs.wanted:
            return _Answer({"image": film.image, **outputs.answered(cascade, film.place, table)})
        radiograph = read_radiograph(film.place).of_hand(args.hand)
        sex = film.sex or radiograph.sex
        if sex is None:
            raise BoneageError.of("file.no_sex", name=film.image)
        how: dict[str, Any] = {"anyway": args.anyway, "chronological_months": months}
        estimate, record = estimate_record(cascade, radiograph, sex, film.age_range, reasons=args.reasons, **how)
    except (BoneageError, OSError) as error:
        said = {"image": film.image, "error": str(error), "error_code": getattr(error, "code", OTHER_CODE)}
        return _Answer(said, radiograph, error=error)
    beside = compared(estimate, months, table, cascade.config.cascade.coverage) if months is not None else {}
    return _Answer({"image": film.image, **record, **beside}, radiograph, estimate)


def _is_dicom(image: str) -> bool:
    """Tell whether a file is DICOM; one that cannot be read is not."""
    try:
        return is_dicom(read_bytes(image))
    except BoneageError:
        return False

"""`boneage follow`: several films of one child, in order, with the rate at which bone age advances."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from boneage.commands.common import add_model, notice, open_cascade
from boneage.groups import Sex
from boneage.languages.texts import DEFAULT_LANGUAGE, LANGUAGES


def follow_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe `boneage follow`."""
    parser.add_argument("films", metavar="FILM", nargs="+", help="two or more, in any order where they say their dates")
    parser.add_argument("--sex", choices=[str(sex) for sex in Sex], help="by default what DICOM files say")
    words = "age in months or date (2021-05-03) of each film, in their order"
    parser.add_argument("--ages", nargs="+", metavar="MONTHS_OR_DATE", help=words)
    parser.add_argument("--born", default="", metavar="DATE", help="birth date, where --ages are dates")
    parser.add_argument("--table", metavar="NAME_OR_CSV", help="for bands and z-scores")
    parser.add_argument("--chart", type=Path, metavar="PNG", help="write the chart")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a report as one HTML page")
    parser.add_argument("--pdf", type=Path, metavar="FILE", help="write a report of one page")
    parser.add_argument("--fhir-out", type=Path, metavar="JSON", help="write a FHIR bundle")
    parser.add_argument("--language", choices=list(LANGUAGES), default=DEFAULT_LANGUAGE, help="of chart and report")
    parser.add_argument("--paper", choices=("A4", "Letter"), default="A4")
    parser.add_argument("--format", choices=("table", "json"), default="table")
    add_model(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print a line per film and the rate; return 1 if a film was refused."""
    from boneage.clinical.sd_tables import open_table
    from boneage.hospital import follow_out
    from boneage.hospital.audit_trail import log_result
    from boneage.hospital.dicom_out import need
    from boneage.hospital.follow import follow, typed_age
    from boneage.hospital.result import Question, judge

    need(*(["fpdf"] if args.pdf else []), *(["fhir.resources"] if args.fhir_out else []))
    from boneage.files import write_whole

    ages = args.ages and [typed_age(age, args.born) for age in args.ages]
    table = None if args.table is None else open_table(args.table)
    cascade = open_cascade(args.model)
    question = Question(sex=None if args.sex is None else Sex.parse(args.sex), table=table)
    films = [(Path(film).name, judge(cascade, film, question)) for film in args.films]
    for _, result in films:
        log_result(result)
    found = follow(films, ages, table)
    if args.chart:
        write_whole(args.chart, follow_out.chart(found, args.language))
    if args.html:
        write_whole(args.html, follow_out.follow_page(found, args.language))
    if args.pdf:
        write_whole(args.pdf, follow_out.follow_pdf(found, args.language, args.paper))
    if args.fhir_out:
        write_whole(args.fhir_out, follow_out.follow_fhir(found))
    if args.format == "json":
        print(json.dumps(found.to_json(), ensure_ascii=False))
    else:
        for row in found.rows():
            print(_line(row))
        print(found.rate.sentence() if found.rate else follow_out.rate_words(found, DEFAULT_LANGUAGE))
        for doubt in found.doubts:
            print(f"warning: {doubt}")
        if table is not None:
            print(f"Table: {table.name}. {table.provenance}")
    notice(sys.stderr if args.format == "json" else sys.stdout)
    return 1 if found.refused else 0


def _line(row: dict[str, Any]) -> str:
    start = f"{row['film']}  age {row['age_months']:.1f} months"
    if "error" in row:
        return f"{start}  not estimated: {row['error']}"
    z = "" if row["z_score"] is None else f"  z-score {row['z_score']:+.2f}"
    bounds = "" if row["low_months"] is None else f" ({row['low_months']:.1f}-{row['high_months']:.1f})"
    return f"{start}  bone age {row['bone_age_months']:.1f}{bounds}  difference {row['difference_months']:+.1f}{z}"

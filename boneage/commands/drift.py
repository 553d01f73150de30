"""`boneage drift`: compare what came in during a period with another period or with the model's own images."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from boneage.commands.common import UsageError, add_model, notice, open_cascade

if TYPE_CHECKING:
    from boneage.hospital.drift import Finding

TRAINING = "training"


def drift_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe `boneage drift`."""
    words = "daily counts: the page's (counts/ of the project) by default, or counts/ of a listener's DIR"
    parser.add_argument("counts", type=Path, nargs="?", metavar="FOLDER", help=words)
    parser.add_argument("--period", required=True, metavar="FIRST..LAST", help="for example 2026-11-01..2026-11-30")
    parser.add_argument("--against", default=TRAINING, metavar="FIRST..LAST", help="another period (or: training)")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page with plots")
    parser.add_argument("--mlflow", action="store_true", help="log as metrics of the experiment boneage-drift")
    parser.add_argument("--format", choices=("table", "json"), default="table")
    add_model(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the findings; return 1 if something drifted."""
    from boneage.files import write_whole
    from boneage.hospital import drift_report
    from boneage.hospital.drift import DailyCounts, compare, default_counts, training_counts

    folder = args.counts or default_counts()
    if not folder.is_dir():
        raise UsageError.of("call.counts_folder", folder=folder)
    counts = DailyCounts(folder)
    if args.against == TRAINING:
        then, words = training_counts(open_cascade(args.model)), "the model's own images"
    else:
        then, words = counts.between(*_period(args.against, "--against")), args.against
    findings = compare(counts.between(*_period(args.period, "--period")), then)
    if args.html:
        write_whole(args.html, drift_report.html(findings, args.period, words))
    if args.mlflow:
        from boneage.tracking.store import open_existing

        drift_report.log_to_mlflow(open_existing(), findings, args.period, words)
    print(_json(findings) if args.format == "json" else drift_report.text(findings, args.period, words))
    notice(sys.stderr if args.format == "json" else sys.stdout)
    return 1 if any(one.drifted for one in findings) else 0


def _json(findings: list[Finding]) -> str:
    return json.dumps([one.to_json() for one in findings], ensure_ascii=False)


def _period(written: str, option: str) -> tuple[date, date]:
    first, _, last = written.partition("..")
    try:
        days = date.fromisoformat(first), date.fromisoformat(last or first)
    except ValueError as error:
        raise UsageError.of("call.period", option=option, given=written) from error
    if days[0] > days[1]:
        raise UsageError.of("call.period_backwards", option=option, given=written)
    return days

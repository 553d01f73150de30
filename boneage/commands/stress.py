"""`boneage stress`: error and shift of the estimate against the strength of what happens to films."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boneage.commands.common import add_model, notice, open_cascade, stage
from boneage.errors import BoneageError

if TYPE_CHECKING:
    import pandas as pd


def add_parser(commands: Any) -> None:
    """Add the command to the parser's list."""
    parser = commands.add_parser("stress", help="how the estimates bear turned, cropped, noisy, inverted films")
    parser.add_argument("data", metavar="DATA", type=Path, help="a folder or table of labelled images")
    parser.add_argument("--films", type=int, default=40, metavar="N", help="so many of its films (default 40)")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these disturbances only")
    parser.add_argument("--out", type=Path, metavar="DIR", help="write CSV, JSON and a plot here")
    parser.add_argument("--against", type=Path, metavar="JSON", help="stress.json of the version in use: fail if worse")
    add_model(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the table; return 1 when a disturbance is borne worse than by the version given by --against."""
    from boneage.cascade.report import text_table
    from boneage.cascade.stress import DISTURBANCES, regressions, stress, stress_figures, stress_summary
    from boneage.data.annotations import load_folder

    table = load_folder(args.data).table
    if table.empty:
        raise BoneageError(f"{args.data} has no labelled image that can be used")
    before = _read(args.against) if args.against else {}
    films = table.sample(min(args.films, len(table)), random_state=0)
    frame = stress(open_cascade(args.model), films, args.only or tuple(DISTURBANCES), stage("stress"))
    summary = stress_summary(frame)
    figures = dict(stress_figures(summary))
    print(text_table(summary))
    notice()
    if args.out:
        _write(args.out, frame, summary, figures)
        print(f"written to {args.out}")
    worse = regressions(before, figures)
    for sentence in worse:
        print(f"worse than before: {sentence}")
    return 1 if worse else 0


def _read(file: Path) -> dict[str, float]:
    try:
        return {name: float(value) for name, value in json.loads(file.read_text(encoding="utf-8")).items()}
    except (OSError, ValueError, AttributeError) as error:
        raise BoneageError(f"{file} is not the stress.json of another version: {error}") from error


def _write(folder: Path, frame: pd.DataFrame, summary: pd.DataFrame, figures: dict[str, float]) -> None:
    from boneage.tracking.stress_plot import stress_plot

    folder.mkdir(parents=True, exist_ok=True)
    frame.to_csv(folder / "stress_per_film.csv", index=False)
    summary.to_csv(folder / "stress.csv", index=False)
    (folder / "stress.json").write_text(json.dumps(figures, indent=1), encoding="utf-8")
    stress_plot(summary).savefig(folder / "stress.png", dpi=110)

"""`boneage stress`: error and shift of the estimate against the strength of what happens to films."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boneage.commands.common import UsageError, add_model, add_overrides, notice, open_cascade, stage
from boneage.config import load_config
from boneage.errors import BoneageError

if TYPE_CHECKING:
    import pandas as pd


def add_parser(commands: Any) -> None:
    """Add the command to the parser's list."""
    parser = commands.add_parser("stress", help="how the estimates bear turned, cropped, noisy, inverted films")
    words = "a folder or table of labelled images, or a study's CONFIG.toml for its validation images"
    parser.add_argument("data", metavar="DATA", type=Path, help=words)
    parser.add_argument("--films", type=int, default=40, metavar="N", help="so many of its films (default 40)")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these disturbances only")
    parser.add_argument("--out", type=Path, metavar="DIR", help="write CSV, JSON and a plot here")
    parser.add_argument("--record", action="store_true", help="keep the figures with the version, for its promotion")
    parser.add_argument("--against", type=Path, metavar="JSON", help="stress.json of the version in use: fail if worse")
    add_model(parser)
    add_overrides(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the table; return 1 when a disturbance is borne worse than by the version given by --against."""
    from boneage.evaluation.stress import DISTURBANCES, regressions, stress, stress_figures, stress_summary
    from boneage.evaluation.text import text_table
    from boneage.study.materials import sample

    if args.record and (args.only or not str(args.model).startswith("models:")):
        raise UsageError("--record keeps the whole test with a registered version: give --model models:/..., no --only")
    before = _read(args.against) if args.against else {}
    films = sample(_labelled(args), args.films)
    frame = stress(open_cascade(args.model), films, args.only or tuple(DISTURBANCES), stage("stress"))
    summary = stress_summary(frame)
    figures = dict(stress_figures(summary))
    print(text_table(summary))
    notice()
    if args.out:
        _write(args.out, frame, summary, figures)
        print(f"written to {args.out}")
    if args.record:
        _record(figures, str(args.model))
    worse = regressions(before, figures)
    for sentence in worse:
        print(f"worse than before: {sentence}")
    return 1 if worse else 0


def _labelled(args: argparse.Namespace) -> pd.DataFrame:
    from boneage.data.annotations import load_folder
    from boneage.study.materials import part_table

    if args.data.suffix.lower() == ".toml":
        return part_table(load_config(args.data, args.overrides), "validation", stage)
    if args.overrides:
        raise UsageError(f"--set belongs to a CONFIG.toml, but {args.data} is data")
    table = load_folder(args.data).table
    if table.empty:
        raise BoneageError(f"{args.data} has no labelled image that can be used")
    return table


def _record(figures: dict[str, float], uri: str) -> None:
    """Keep the figures as a tag of the registered version."""
    from boneage.registry.register import show
    from boneage.registry.stress_record import STRESS_TAG, stress_text
    from boneage.registry.versions import parse_uri
    from boneage.tracking.store import open_store

    client = open_store()
    info = show(client, *parse_uri(uri))
    client.set_model_version_tag(info.name, str(info.version), STRESS_TAG, stress_text(figures))
    print(f"kept with {info.name} version {info.version}")


def _read(file: Path) -> dict[str, float]:
    try:
        return {name: float(value) for name, value in json.loads(file.read_text(encoding="utf-8")).items()}
    except (OSError, ValueError, AttributeError) as error:
        raise BoneageError(f"{file} is not the stress.json of another version: {error}") from error


def _write(folder: Path, frame: pd.DataFrame, summary: pd.DataFrame, figures: dict[str, float]) -> None:
    from boneage.evaluation.stress_plot import stress_plot

    folder.mkdir(parents=True, exist_ok=True)
    frame.to_csv(folder / "stress_per_film.csv", index=False)
    summary.to_csv(folder / "stress.csv", index=False)
    (folder / "stress.json").write_text(json.dumps(figures, indent=1), encoding="utf-8")
    stress_plot(summary).savefig(folder / "stress.png", dpi=110)

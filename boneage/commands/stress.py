"""`boneage stress`: measure error and shift of the estimate against the strength of what happens to films."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from boneage.commands.common import UsageError, add_model, add_overrides, notice, open_cascade, stage
from boneage.commands.evaluate import labelled
from boneage.errors import BoneageError
from boneage.evaluation.stress import DISTURBANCES, regressions, stress, stress_figures, stress_summary
from boneage.plots import stress_plot
from boneage.registry.checks import STRESS_TAG, stress_text
from boneage.registry.versions import parse_uri, show
from boneage.study.materials import sample
from boneage.tables import text_table
from boneage.tracking.store import open_store


def stress_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe `boneage stress`."""
    words = "a folder or table of labelled images, or a study's CONFIG.toml for its validation images"
    parser.add_argument("data", metavar="DATA", help=words)
    parser.add_argument("--films", type=int, default=40, metavar="N", help="so many of its films (default 40)")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these disturbances only")
    parser.add_argument("--out", type=Path, metavar="DIR", help="write CSV, JSON and a plot here")
    parser.add_argument("--record", action="store_true", help="keep the figures with the version, for its promotion")
    parser.add_argument("--against", type=Path, metavar="JSON", help="stress.json of the version in use: fail if worse")
    add_model(parser)
    add_overrides(parser)
    parser.set_defaults(run=run, part=None)


def run(args: argparse.Namespace) -> int:
    """Print the table; return 1 when a disturbance is borne worse than by the version given by --against."""
    if args.record and (args.only or not str(args.model).startswith("models:")):
        raise UsageError.of("call.recorded_stress")
    before = _read(args.against) if args.against else {}
    films = sample(labelled(args)[0], args.films)
    frame = stress(open_cascade(args.model), films, args.only or tuple(DISTURBANCES), stage("stress"))
    summary = stress_summary(frame)
    figures = dict(stress_figures(summary))
    print(text_table(summary))
    notice()
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
        frame.to_csv(args.out / "stress_per_film.csv", index=False)
        summary.to_csv(args.out / "stress.csv", index=False)
        (args.out / "stress.json").write_text(json.dumps(figures, indent=1), encoding="utf-8")
        stress_plot(summary).savefig(args.out / "stress.png", dpi=110)
        print(f"written to {args.out}")
    if args.record:
        _record(figures, str(args.model))
    worse = regressions(before, figures)
    for sentence in worse:
        print(f"worse than before: {sentence}")
    return 1 if worse else 0


def _record(figures: dict[str, float], uri: str) -> None:
    """Keep the figures as a tag of the registered version."""
    client = open_store()
    info = show(client, *parse_uri(uri))
    client.set_model_version_tag(info.name, str(info.version), STRESS_TAG, stress_text(figures))
    print(f"kept with {info.name} version {info.version}")


def _read(file: Path) -> dict[str, float]:
    try:
        return {name: float(value) for name, value in json.loads(file.read_text(encoding="utf-8")).items()}
    except (OSError, ValueError, AttributeError) as error:
        raise BoneageError.of("stress.record", file=file, reason=error) from error

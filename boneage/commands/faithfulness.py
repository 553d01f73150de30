"""`boneage faithfulness`: whether heat maps show what moves the estimate, measured over many films of a study."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boneage.commands.common import add_model, add_overrides, notice, open_cascade, stage
from boneage.config import load_config

if TYPE_CHECKING:
    import pandas as pd

    from boneage.cascade.cascade import Cascade
    from boneage.preprocess.preparer import Prepared


def add_parser(commands: Any) -> None:
    """Add the command to the parser's list."""
    words = "does deleting a heat map's hottest regions move the estimate more than deleting random ones?"
    parser = commands.add_parser("faithfulness", help=words)
    parser.add_argument("config", metavar="CONFIG")
    parser.add_argument("--part", choices=("train", "validation"), default="validation", help="default validation")
    parser.add_argument("--films", type=int, default=60, metavar="N", help="so many films (default 60)")
    parser.add_argument("--out", type=Path, metavar="CSV", help="write one row per film and map here")
    add_model(parser)
    add_overrides(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print one row per map; of the training part only films that the backbone had not seen are used."""
    cascade = open_cascade(args.model)
    from boneage.evaluation.text import text_table
    from boneage.explain.faithfulness import faithfulness_summary, measure_faithfulness
    from boneage.study.materials import part_table, sample, unseen

    table = part_table(load_config(args.config, args.overrides), args.part, stage)
    films = unseen(table, cascade.config.backbone, args.films) if args.part == "train" else sample(table, args.films)
    bar = stage("explain")
    frame = measure_faithfulness(cascade, _prepared(cascade, films), progress=lambda done: bar(done, len(films)))
    print(f"{len(films)} {args.part} films; months by which the estimate moves when 15 % of the hand is smoothed away")
    print(text_table(faithfulness_summary(frame)))
    notice()
    if args.out:
        frame.to_csv(args.out, index=False)
    return 0


def _prepared(cascade: Cascade, films: pd.DataFrame) -> Iterator[tuple[Prepared, str]]:
    from boneage.data.annotations import read_row

    for _, row in films.iterrows():
        yield cascade.prepare(read_row(row), anyway=True), str(row["sex"])

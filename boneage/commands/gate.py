"""`boneage gate`: fit the input gate on a study's training images, or measure it on images it never met."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boneage.commands.common import add_overrides, import_keras_quietly, stage
from boneage.config import load_config

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from boneage.cascade.gatefit import Stock
    from boneage.cascade.gatenet import GateModel
    from boneage.preprocess.background import MaskFunction

_SIMULATED = 120


def add_parser(commands: Any) -> None:
    """Add the command to the parser's list."""
    parser = commands.add_parser("gate", help="fit or measure the gate that refuses what is no usable hand film")
    actions = parser.add_subparsers(dest="action", required=True, metavar="{measure,fit}")
    measure = _action(actions, "measure", "wrong refusals and acceptances on a study's validation images", run_measure)
    measure.add_argument("--flaws", type=int, default=100, metavar="N", help="films of each flaw (default 100)")
    measure.add_argument("--films", type=int, metavar="N", help="so many good films (default: all validation images)")
    measure.add_argument("--seed", type=int, default=0, metavar="S", help="another draw of the flawed films")
    measure.add_argument("--gate", type=Path, metavar="DIR", help="a gate of `boneage gate fit`, not the shipped one")
    measure.add_argument("--out", type=Path, metavar="CSV", help="write one row per film here")
    fit = _action(actions, "fit", "fit the gate anew on a study's training images", run_fit)
    fit.add_argument("--films", type=int, default=2400, metavar="N", help="good films (default 2400)")
    fit.add_argument("--steps", type=int, default=1500, metavar="N", help="gradient steps of 64 films (default 1500)")
    words = "keep this gate's network and choose its thresholds anew, on the same films: after a new mask network"
    fit.add_argument("--network", type=Path, metavar="DIR", help=words)
    fit.add_argument("--out", type=Path, metavar="DIR", required=True, help="where gate.npz and gate.json go")


def _action(actions: Any, name: str, words: str, run: Any) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = actions.add_parser(name, help=words)
    parser.add_argument("config", metavar="CONFIG")
    parser.add_argument("--not-hands", type=Path, metavar="DIR", help="films of other parts, half of them to fit")
    add_overrides(parser)
    parser.set_defaults(run=run)
    return parser


def run_measure(args: argparse.Namespace) -> int:
    """Print what the gate does with films that it was not fitted on."""
    import_keras_quietly()
    from boneage.cascade.gate import Gate
    from boneage.cascade.gatemeasure import Draw, measure, summary
    from boneage.cascade.gatenet import read_model
    from boneage.cascade.report import text_table
    from boneage.preprocess.background import mask_session

    mask = mask_session("handmask")
    gate = Gate(read_model(args.gate) if args.gate else None, mask)
    draw = Draw(_part(args, "validation", args.films), _given(args, 1), args.flaws, args.seed)
    measured = measure(gate, draw, mask, stage("inspect"))
    print(text_table(summary(measured)))
    _print_totals(measured)
    if args.out:
        measured.to_csv(args.out, index=False)
    return 0


def run_fit(args: argparse.Namespace) -> int:
    """Fit the gate, or its thresholds alone, and write its files."""
    import_keras_quietly()
    from boneage.cascade.gatenet import save_model
    from boneage.preprocess.background import mask_session, network_identity

    mask = mask_session("handmask")
    model = _fitted(args, mask) if args.network is None else _same_network(args, mask)
    model.record["mask_network"] = network_identity("handmask")
    model.record["fitted_on"] = "training images only; no validation image"
    save_model(model, args.out)
    print(f"gate.npz and gate.json are in {args.out}")
    return 0


def _fitted(args: argparse.Namespace, mask: MaskFunction) -> GateModel:
    """Fit network and thresholds."""
    import numpy as np

    from boneage.cascade.gatefilms import simulated
    from boneage.cascade.gatefit import Recipe, fit, stock

    known, rng = _stock(_part(args, "train", args.films), mask), np.random.default_rng(7)
    drawn = stock((simulated(rng) for _ in range(_SIMULATED)), mask)
    return fit(known, drawn, _given(args, 0), Recipe(args.steps), stage("fit"))


def _same_network(args: argparse.Namespace, mask: MaskFunction) -> GateModel:
    """Choose the thresholds of a fitted network anew, on the films that were kept apart from it."""
    from boneage.cascade.gatefit import KEPT_APART, with_thresholds
    from boneage.cascade.gatenet import read_model

    model = read_model(args.network)
    films = _part(args, "train", int(model.record["films"]))
    return with_thresholds(model, _stock(films.iloc[::KEPT_APART], mask))


def _stock(table: pd.DataFrame, mask: MaskFunction) -> Stock:
    from boneage.cascade.gatefit import stock
    from boneage.data.annotations import read_row

    bar = stage("find hands")
    return stock((read_row(row) for _, row in table.iterrows()), mask, lambda done: bar(done, len(table)))


def _print_totals(measured: pd.DataFrame) -> None:
    """Print the two shares that have a goal, the flaws made by rule alone (tiny, blank) apart."""
    from boneage.cascade.gatemeasure import GOOD, wilson

    good = measured[measured["made"] == GOOD]
    refused = measured[(measured["wanted"] == "refuse") & ~measured["found"].isin(["small", "blank"])]
    for name, part, wrong in (
        ("false refusals", good, ~good["accepted"]),
        ("wrongly corrected good films", good, good["accepted"] & (good["said"] != "")),
        ("false acceptances", refused, refused["accepted"]),
    ):
        low, high = wilson(int(wrong.sum()), len(part))
        print(f"{name}: {wrong.sum()} of {len(part)}, {wrong.mean():.2%} (95 % interval {low:.2%} to {high:.2%})")


def _part(args: argparse.Namespace, name: str, limit: int | None) -> pd.DataFrame:
    """Return rows of a study's training or validation part."""
    from boneage.study.parts import part_table, sample

    table = part_table(load_config(args.config, args.overrides), name, stage)
    return table if limit is None else sample(table, limit)


def _given(args: argparse.Namespace, part: int) -> list[np.ndarray]:
    """Read every second film of `--not-hands`: part 0 to fit with, part 1 to measure with."""
    from boneage.data.images import read_image

    files = sorted(path for path in args.not_hands.iterdir() if path.is_file()) if args.not_hands else []
    return [read_image(path) for path in files[part::2]]

"""`boneage gate`: fit the input gate on a study's training images, or measure it on images it never met."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from boneage.commands.common import add_config, import_keras_quietly, stage
from boneage.config import load_config
from boneage.data.annotations import read_row
from boneage.data.images import read_image
from boneage.gate.films import simulated
from boneage.gate.fit import Recipe, Stock, fit, stock
from boneage.gate.gate import Gate
from boneage.gate.inputs import SIDE
from boneage.gate.measure import GOOD, Draw, large_copies, measure, summary, wilson, wrong
from boneage.gate.network import KINDS, GateModel, read_model, save_model
from boneage.gate.thresholds import OPEN, choose
from boneage.preprocess.background import MaskFunction, mask_session, network_identity
from boneage.pretrain.sources import ids_sha256
from boneage.shipped import terms_of_use, write_record
from boneage.study.materials import part_table, sample
from boneage.tables import text_table

_SIMULATED, _FILMS, _STEPS = 120, 2400, 2000
# Every so-manyth film is kept apart from the network, for the thresholds; of each sort so many are drawn from them.
KEPT_APART, _DRAWN, _DRAWN_SEED = 5, 60, 5
_THEN = ", then "


def gate_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe `boneage gate`."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="{measure,fit}")
    measured = _action(actions, "measure", "wrong refusals and acceptances on a study's validation images", run_measure)
    measured.add_argument("--flaws", type=int, default=100, metavar="N", help="films of each flaw (default 100)")
    measured.add_argument("--films", type=int, metavar="N", help="so many good films (default: all validation images)")
    measured.add_argument("--seed", type=int, default=0, metavar="S", help="another draw of the flawed films")
    measured.add_argument("--gate", type=Path, metavar="DIR", help="a gate of `boneage gate fit`, not the shipped one")
    measured.add_argument("--out", type=Path, metavar="CSV", help="write one row per film here")
    fitted = _action(actions, "fit", "fit the gate anew on a study's training images", run_fit)
    fitted.add_argument("--films", type=int, default=_FILMS, metavar="N", help=f"good films (default {_FILMS})")
    fitted.add_argument("--steps", type=int, default=_STEPS, metavar="N", help=f"steps of 64 films (default {_STEPS})")
    words = "keep this gate's network and choose its thresholds anew, on the same films: after a new mask network"
    fitted.add_argument("--network", type=Path, metavar="DIR", help=words)
    fitted.add_argument("--out", type=Path, metavar="DIR", required=True, help="where gate.npz and gate.json go")


def _action(actions: Any, name: str, words: str, run: Any) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = actions.add_parser(name, help=words)
    add_config(parser)
    parser.add_argument("--not-hands", type=Path, metavar="DIR", help="films of other parts, half of them to fit")
    parser.set_defaults(run=run)
    return parser


def run_measure(args: argparse.Namespace) -> int:
    """Print what the gate does with films that it was not fitted on."""
    import_keras_quietly()
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
    mask = mask_session("handmask")
    model, films = _fitted(args, mask)
    save_model(model, args.out)
    write_record(args.out / "gate.npz", _record(args, model, films))
    print(f"gate.npz, gate.json and thresholds.csv, what the thresholds were chosen on, are in {args.out}")
    return 0


def _fitted(args: argparse.Namespace, mask: MaskFunction) -> tuple[GateModel, pd.DataFrame]:
    """Fit the network, or take that of `--network`, and choose its thresholds; the table has the films of both."""
    if args.network:
        model = read_model(args.network)
        films = _part(args, "train", int(model.record["films"]))
    else:
        films = _part(args, "train", args.films)
        known, rng = _stock(films[np.arange(len(films)) % KEPT_APART != 0], mask), np.random.default_rng(7)
        drawn = stock((simulated(rng) for _ in range(_SIMULATED)), mask)
        model = fit(known, drawn, _given(args, 0), Recipe(args.steps), stage("fit"))
    apart = films.iloc[::KEPT_APART]
    gate = Gate(replace(model, thresholds=OPEN), mask)
    seen = measure(gate, Draw(apart, _given(args, 0), _DRAWN, _DRAWN_SEED, fitting=True), mask, stage("draw and look"))
    args.out.mkdir(parents=True, exist_ok=True)
    seen.to_csv(args.out / "thresholds.csv", index=False)
    counts = {"films": len(films), "films_for_thresholds": len(apart), "drawn_for_thresholds": len(seen)}
    return replace(model, thresholds=choose(seen), record={**model.record, **counts}), films


def _record(args: argparse.Namespace, model: GateModel, films: pd.DataFrame) -> dict[str, Any]:
    """Say what a gate was fitted on, how and under which terms, as the other shipped networks' records do."""
    counts = ("films", "simulated", "films_for_thresholds", "drawn_for_thresholds", "steps", "seed")
    ids = films["id"].astype(str)
    return {
        **terms_of_use(load_config(args.config, args.overrides)),
        "network": "gate",
        "input": f"picture of the film float32 (1, {SIDE}, {SIDE}, 2), 0 to 1: grey levels, and where the film is",
        "output": f"logits of {', '.join(KINDS)}",
        **{name: model.record[name] for name in counts if name in model.record},
        "mask_network": network_identity("handmask"),
        "fitted_on": "training images only; no validation image",
        "data": {
            "ids_sha256": {"train": ids_sha256(ids), "thresholds": ids_sha256(ids.iloc[::KEPT_APART])},
            "films_rule": f"of the training part, as many large copies as there are, seed 0; every {KEPT_APART}th of "
            "them, from the first, for the thresholds alone",
            "others": "every second film of --not-hands and photograph of scikit-image",
        },
        "command": _command(args, str(model.record.get("command", ""))),
        "thresholds": vars(model.thresholds),
    }


def _command(args: argparse.Namespace, before: str) -> str:
    """Return the command with every local folder left out, after that which fitted the network where it was kept."""
    given = ["--set " + ("data.root=PATH" if text.startswith("data.root=") else text) for text in args.overrides]
    given += ["--not-hands NOT_HANDS"] if args.not_hands else []
    given += ["--network DIR"] if args.network else [f"--films {args.films}"] if args.films != _FILMS else []
    given += [f"--steps {args.steps}"] if args.steps != _STEPS and not args.network else []
    config = Path(args.config)
    name = config.name if config.is_absolute() else str(config)
    command = " ".join(["boneage gate fit", name, *given, "--out DIR"])
    return f"{before.split(_THEN)[0]}{_THEN}{command}" if before and args.network else command


def _stock(table: pd.DataFrame, mask: MaskFunction) -> Stock:
    bar = stage("find hands")
    return stock((read_row(row) for _, row in table.iterrows()), mask, lambda done: bar(done, len(table)))


def _print_totals(measured: pd.DataFrame) -> None:
    """Print the shares that have a goal, the flaws made by rule alone (tiny, blank) apart."""
    good, large = measured[measured["made"] == GOOD], large_copies(measured)
    refused = measured[(measured["wanted"] == "refuse") & ~measured["found"].isin(["small", "blank"])]
    for name, part, bad in (
        ("false refusals", good, ~good["accepted"]),
        ("false refusals of large copies", large, ~large["accepted"]),
        ("wrongly corrected good films", good, good["accepted"] & wrong(good)),
        ("false acceptances", refused, refused["accepted"]),
    ):
        if part.empty:
            continue
        low, high = wilson(int(bad.sum()), len(part))
        print(f"{name}: {bad.sum()} of {len(part)}, {bad.mean():.2%} (95 % interval {low:.2%} to {high:.2%})")


def _part(args: argparse.Namespace, name: str, limit: int | None) -> pd.DataFrame:
    """Return rows of a study's training or validation part."""
    table = part_table(load_config(args.config, args.overrides), name, stage)
    return table if limit is None else sample(table, limit)


def _given(args: argparse.Namespace, part: int) -> list[np.ndarray]:
    """Read every second film of `--not-hands`: part 0 to fit with, part 1 to measure with."""
    files = sorted(path for path in args.not_hands.iterdir() if path.is_file()) if args.not_hands else []
    return [read_image(path) for path in files[part::2]]

"""`boneage gate`: fit the input gate on a study's training images, or measure it on the validation images."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boneage.commands.common import add_overrides, stage
from boneage.config import load_config
from boneage.errors import BoneageError

if TYPE_CHECKING:
    from boneage.cascade.gatefit import Draw


def add_parser(commands: Any) -> None:
    """Add the command to the parser's list."""
    parser = commands.add_parser("gate", help="fit or measure the gate that refuses what is no usable hand film")
    actions = parser.add_subparsers(dest="action", required=True, metavar="{measure,fit}")
    measure = _action(actions, "measure", "wrong refusals and acceptances on a study's validation images", run_measure)
    measure.add_argument("--flaws", type=int, default=200, metavar="N", help="films made of each flaw (default 200)")
    measure.add_argument("--films", type=int, metavar="N", help="so many good films (default: all validation images)")
    measure.add_argument("--seed", type=int, default=0, metavar="S", help="another draw of the flawed films")
    measure.add_argument("--gate", type=Path, metavar="DIR", help="a gate of `boneage gate fit`, not the shipped one")
    measure.add_argument("--out", type=Path, metavar="CSV", help="write one row per film here")
    fit = _action(actions, "fit", "fit the gate anew on a study's training images", run_fit)
    fit.add_argument("--flaws", type=int, default=500, metavar="N", help="films made of each flaw (default 500)")
    fit.add_argument("--films", type=int, default=1400, metavar="N", help="good films (default 1400)")
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
    from boneage.cascade.gate import Gate, read_model
    from boneage.cascade.gatefit import measure, summary
    from boneage.cascade.report import text_table
    from boneage.preprocess.background import mask_session

    mask = mask_session("handmask")
    gate = Gate(read_model(args.gate) if args.gate else None, mask)
    measured = measure(gate, _draw(args, 1, args.films), mask, stage("inspect"))
    print(text_table(summary(measured)))
    good = measured["made"] == "usable"
    bad = ~measured["made"].isin(["usable", "mirrored", "inverted"])
    print(f"\nfalse refusals  {1 - measured[good]['accepted'].mean():.2%} of {good.sum()} good films")
    print(f"false acceptances {measured[bad]['accepted'].mean():.2%} of {bad.sum()} films that must be refused")
    # These two are neither refused nor, where nothing was corrected, right: they are counted apart and never hidden.
    for kind in ("inverted", "mirrored"):
        part = measured[measured["made"] == kind]
        unnoticed = part["accepted"] & ~part["said"].str.contains(kind)
        print(f"{kind} and passed as they are {unnoticed.mean():.2%} of {len(part)} films")
    if args.out:
        measured.to_csv(args.out, index=False)
    return 0


def run_fit(args: argparse.Namespace) -> int:
    """Fit the gate and write its files."""
    from boneage.cascade.gate import save_model
    from boneage.cascade.gatefit import fit
    from boneage.preprocess.background import mask_session, network_identity

    model = fit(_draw(args, 0, args.films), mask_session("handmask"), stage("look"))
    model.record["mask_network"] = network_identity("handmask")
    model.record["fitted_on"] = "training images only; no validation image"
    args.out.mkdir(parents=True, exist_ok=True)
    save_model(model, args.out)
    print(f"gate.npz and gate.json are in {args.out}")
    return 0


def _draw(args: argparse.Namespace, part: int, limit: int | None) -> Draw:
    from boneage.cascade.gatefit import Draw
    from boneage.data.annotations import load_training
    from boneage.data.images import read_image
    from boneage.data.splits import load_or_draw
    from boneage.paths import study_folder
    from boneage.study.materials import resolve_sources

    config = resolve_sources(load_config(args.config, args.overrides), stage)
    training = load_training(config.data)
    splits = load_or_draw(study_folder(config.study.name) / "splits.json", training, config.data, config.study.seed)
    table = training.table[training.table["id"].isin(splits.validation if part else splits.train)]
    if table.empty:
        raise BoneageError(f"{args.config} has no {'validation' if part else 'training'} images")
    if limit is not None and limit < len(table):
        # As many from each place as there are: large copies are few, but serving sees mostly large films.
        place = table["image"].str.replace(r"[^/!]*$", "", regex=True)
        rank = table.sample(frac=1, random_state=part).groupby(place).cumcount()
        table = table.loc[rank.sort_values(kind="stable").index[:limit]]
    files = sorted(path for path in args.not_hands.iterdir() if path.is_file()) if args.not_hands else []
    return Draw(table, [read_image(path) for path in files[part::2]], part, args.flaws, getattr(args, "seed", 0))

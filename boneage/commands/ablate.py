"""`boneage ablate`: what each idea beyond the paper is worth on a study's validation images."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boneage.commands.common import add_overrides, import_keras_quietly, notice, stage
from boneage.config import load_config

if TYPE_CHECKING:
    import pandas as pd

    from boneage.config import Config
    from boneage.study.materials import Materials


_COVERAGE = (
    "Conformal intervals of the softly routed cascade, from images that neither heads nor backbone were fitted on, "
    "as they hold on the validation images (wanted: 0.90)."
)


def add_parser(commands: Any) -> None:
    """Add the command to the parser's list."""
    parser = commands.add_parser("ablate", help="measure routings, windows, joint heads and stacks one by one")
    parser.add_argument("config", metavar="CONFIG")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the table as markdown here, a CSV beside it")
    parser.add_argument("--no-ensemble", action="store_true", help="leave out the ensemble, half of the time")
    add_overrides(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Fit every variant, print the table and write it."""
    config = load_config(args.config, args.overrides)
    import_keras_quietly()
    from boneage.cascade.report import text_table
    from boneage.learn.seen import seen_images
    from boneage.study.ablation import ablation_table, gather_ablation, run_ablation
    from boneage.study.materials import gather

    materials, seen = gather(config, stage), seen_images(config.backbone)
    data = gather_ablation(materials, seen)
    found = run_ablation(data, config, stage("variants"), ensemble=not args.no_ensemble)
    frame, table = found.frame, ablation_table(found.frame)
    facts = _facts(config, materials, frame)
    print("\n".join(facts))
    print(f"{text_table(table)}\n\n{_COVERAGE}\n{text_table(found.coverage)}")
    notice()
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(_markdown(table, found.coverage, facts, args), encoding="utf-8")
        frame.to_csv(args.out.with_suffix(".csv"), index=False)
        print(f"written to {args.out}")
    return 0


def _facts(config: Config, materials: Materials, frame: pd.DataFrame) -> list[str]:
    from boneage.learn.seen import seen_images

    seen, hashes = seen_images(config.backbone), materials.part.content_sha256
    training = seen.describe(hashes[name] for name in materials.splits.train)
    validation = seen.describe(hashes[name] for name in materials.splits.validation)
    return [
        f"set: {len(frame)} validation images of the study {config.study.name}; truth: the source's own labels",
        f"backbone: {config.backbone.name} ({materials.backbone.sha256[:16]}); of the training images it had seen "
        f"{training}, of the validation images {validation}",
        "intervals: 95 %, paired bootstrap over the validation images; minus_hard below 0 is better than hard routing",
    ]


def _markdown(table: pd.DataFrame, coverage: pd.DataFrame, facts: list[str], args: argparse.Namespace) -> str:
    from boneage.cascade.estimate import RESEARCH_NOTICE
    from boneage.cascade.report import markdown_table

    overrides = "".join(f" --set {item}" for item in args.overrides if "root" not in item)
    ensemble = " --no-ensemble" if args.no_ensemble else ""
    command = f"boneage ablate {args.config} --set data.root=PATH{overrides}{ensemble} --out {args.out}"
    items = "\n".join(f"- {fact}" for fact in facts)
    tables = f"{markdown_table(table)}\n\n## Intervals\n\n{_COVERAGE}\n\n{markdown_table(coverage)}"
    return f"# Ablation\n\nMade by `{command}`.\n\n{items}\n\n{tables}\n\n{RESEARCH_NOTICE}\n"

"""`boneage phantom` and `prepare`: what a study is made from."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from boneage import stopping
from boneage.commands.common import UsageError, add_overrides, complain, import_keras_quietly, stage
from boneage.config import load_config


def add_parsers(commands: Any) -> None:
    """Add the commands to the parser's list."""
    phantom = commands.add_parser("phantom", help="draw simulated hand radiographs with known age and sex")
    phantom.add_argument("out", metavar="OUT", type=Path)
    phantom.add_argument("--count", type=int, default=100, metavar="N")
    phantom.add_argument("--seed", type=int, default=0, metavar="S")
    phantom.set_defaults(run=run_phantom)

    prepare = commands.add_parser("prepare", help="preprocess a study's images and compute their features (resumable)")
    prepare.add_argument("config", metavar="CONFIG")
    prepare.add_argument(
        "--ray", metavar="ADDRESS", default="", help="do it on a Ray cluster: local, auto or HOST:PORT"
    )
    add_overrides(prepare)
    prepare.set_defaults(run=run_prepare)


def run_phantom(args: argparse.Namespace) -> int:
    """Draw the phantoms into a folder in the RSNA layout."""
    from boneage.phantom.dataset import write_dataset

    if args.count < 1 or args.seed < 0:
        raise UsageError(f"--count must be at least 1 and --seed at least 0, but {args.count} and {args.seed} came")
    write_dataset(args.out, args.count, args.seed, progress=stage("draw"))
    print(f"{args.count} simulated radiographs are in {args.out}; they are drawings, not patients")
    return 0


def run_prepare(args: argparse.Namespace) -> int:
    """Prepare every image of a study and push it through the backbone once."""
    config = load_config(args.config, args.overrides)
    with stopping.gracefully(complain):
        import_keras_quietly()
        from boneage.study.materials import gather

        materials = gather(config, stage, args.ray)
    from boneage.audit.labels import problem_counts

    print(f"{len(materials.part.table)} images are ready for training and validation")
    if materials.test is not None:
        print(f"{len(materials.test.table)} images are ready for testing")
    if not args.ray:
        print(f"{materials.backbone.passes} images passed the backbone just now; the others came from the cache")
    if len(materials.problems):
        complain(f"{len(materials.problems)} rows were left out; `boneage audit {args.config}` lists the reasons")
        for kind, count in problem_counts(materials.problems).items():
            complain(f"  {count} x {kind}")
    return 0

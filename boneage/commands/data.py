"""`boneage phantom`, `audit` and `prepare`: what a study is made from."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boneage.commands.common import UsageError, add_overrides, complain, import_keras_quietly, stage
from boneage.config import load_config

if TYPE_CHECKING:
    import pandas as pd

_SHOWN_PROBLEMS = 20


def add_parsers(commands: Any) -> None:
    """Add the three commands to the parser's list."""
    phantom = commands.add_parser("phantom", help="draw simulated hand radiographs with known age and sex")
    phantom.add_argument("out", metavar="OUT", type=Path)
    phantom.add_argument("--count", type=int, default=100, metavar="N")
    phantom.add_argument("--seed", type=int, default=0, metavar="S")
    phantom.set_defaults(run=run_phantom)

    audit = commands.add_parser("audit", help="count images per source, sex and group, and list what is wrong")
    audit.add_argument("data", metavar="CONFIG", help="a study's CONFIG.toml, or a folder or table of labelled images")
    audit.add_argument("--out", type=Path, metavar="CSV", help="write all problems to this file")
    add_overrides(audit)
    audit.set_defaults(run=run_audit)

    prepare = commands.add_parser("prepare", help="preprocess a study's images and compute their features (resumable)")
    prepare.add_argument("config", metavar="CONFIG")
    add_overrides(prepare)
    prepare.set_defaults(run=run_prepare)


def run_phantom(args: argparse.Namespace) -> int:
    """Draw the phantoms into a folder in the RSNA layout."""
    from boneage.data.phantom import write_dataset

    if args.count < 1 or args.seed < 0:
        raise UsageError(f"--count must be at least 1 and --seed at least 0, but {args.count} and {args.seed} came")
    write_dataset(args.out, args.count, args.seed, progress=stage("draw"))
    print(f"{args.count} simulated radiographs are in {args.out}; they are drawings, not patients")
    return 0


def run_audit(args: argparse.Namespace) -> int:
    """Print counts and problems."""
    from boneage.cascade.report import text_table
    from boneage.data.annotations import audit_counts

    table, problems = _annotations(args)
    print(text_table(audit_counts(table)))
    if len(table):
        heaped = float((table["age_months"] % 6 == 0).mean())
        print(f"\n{len(table)} usable images; {heaped:.1%} of the ages are multiples of 6 months")
    print(f"{len(problems)} rows have a problem")
    if len(problems):
        print(text_table(problems.head(_SHOWN_PROBLEMS)))
        if len(problems) > _SHOWN_PROBLEMS:
            print(f"... and {len(problems) - _SHOWN_PROBLEMS} more; --out CSV writes all of them")
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        problems.to_csv(args.out, index=False)
    return 0


def run_prepare(args: argparse.Namespace) -> int:
    """Prepare every image of a study and push it through the backbone once."""
    config = load_config(args.config, args.overrides)
    import_keras_quietly()
    from boneage.study.materials import gather

    materials = gather(config, stage)
    print(f"{len(materials.part.table)} images are ready for training and validation")
    if materials.test is not None:
        print(f"{len(materials.test.table)} images are ready for testing")
    print(f"{materials.backbone.passes} images passed the backbone just now; the others came from the cache")
    if len(materials.problems):
        complain(f"{len(materials.problems)} images were left out; `boneage audit {args.config}` lists the reasons")
    return 0


def _annotations(args: argparse.Namespace) -> tuple[pd.DataFrame, pd.DataFrame]:
    if Path(args.data).suffix.lower() != ".toml":
        if args.overrides:
            raise UsageError(f"--set belongs to a CONFIG.toml, but {args.data} is data")
        from boneage.data.annotations import load_folder

        found = load_folder(Path(args.data))
        return found.table, found.problems
    config = load_config(args.data, args.overrides)
    import pandas as pd

    from boneage.data.annotations import load_test, load_training
    from boneage.study.materials import resolve_sources

    config = resolve_sources(config, stage)
    training, test = load_training(config.data), load_test(config.data)
    table = pd.concat([training.table, test.table], ignore_index=True)
    return table, pd.concat([training.problems, test.problems], ignore_index=True)

"""`boneage train`: the study with the configuration's own hyperparameters, without a search."""

from __future__ import annotations

import argparse
from typing import Any

from boneage.commands.common import add_overrides, import_keras_quietly, stage
from boneage.config import load_config


def add_parser(commands: Any) -> None:
    """Add the command to the parser's list."""
    parser = commands.add_parser("train", help="run a study with fixed hyperparameters (the search: python -m tuning)")
    parser.add_argument("config", metavar="CONFIG")
    parser.add_argument("--promote", action="store_true", help="promote the new cascade if it passes the gate")
    add_overrides(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Train, evaluate and register one cascade."""
    config = load_config(args.config, args.overrides)
    import_keras_quietly()
    from boneage.commands.studies import print_outcome, promote_version
    from boneage.study.job import run_study

    outcome = run_study(config, stage=stage)
    print_outcome(config, outcome)
    if args.promote and outcome.version is not None:
        promote_version(config, outcome.version)
    return 0

"""`boneage train`: the study with the configuration's own hyperparameters, or with those of a past run; no search."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from boneage import stopping
from boneage.commands.common import add_overrides, complain, import_keras_quietly, stage
from boneage.config import Config, load_config

if TYPE_CHECKING:
    from boneage.study.job import StudyOutcome
    from boneage.study.repeat import Past

_SAME = 1e-6


def add_parser(commands: Any) -> None:
    """Add the command to the parser's list."""
    parser = commands.add_parser("train", help="run a study with fixed hyperparameters (the search: python -m tuning)")
    parser.add_argument("config", metavar="CONFIG")
    parser.add_argument(
        "--params",
        metavar="RUN_ID",
        help="train with the hyperparameters of a past run: a trial's or a model's (that model alone) or a study's",
    )
    parser.add_argument("--promote", action="store_true", help="promote the new cascade if it passes the gate")
    add_overrides(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Train, evaluate and register one cascade, or one model of a past run."""
    config = load_config(args.config, args.overrides)
    with stopping.gracefully(complain):
        past = _past(config, args.params) if args.params else None
        outcome = _train(config, past)
    from boneage.commands.studies import print_outcome, promote_version

    print_outcome(config, outcome)
    if past is not None:
        _compare(past, outcome)
    if args.promote and outcome.version is not None:
        promote_version(config, outcome.version)
    return 0


def _train(config: Config, past: Past | None) -> StudyOutcome:
    """Run the study, or the models of a past run."""
    import_keras_quietly()
    from boneage.study.job import run_study
    from boneage.study.repeat import choose_past

    if past is None:
        return run_study(config, stage=stage)
    return run_study(config, keys=tuple(past.params), choose=choose_past(past), stage=stage)


def _past(config: Config, run_id: str) -> Past:
    """Read a past run and say which settings are others now."""
    from boneage.study.repeat import read_past
    from boneage.tracking.store import open_existing

    past = read_past(open_existing(), run_id)
    for difference in past.differences(config):
        complain(f"the figures need not be those of then: {difference}")
    return past


def _compare(past: Past, outcome: StudyOutcome) -> None:
    """Print for each model whether its folds gave the figures of then."""
    for key, done in outcome.outcomes.items():
        now = {f"cv_val_{name}_mean": value for name, value in done.chosen.cv.mean.items()}
        shared = sorted(name for name in past.figures[key] if name in now)
        off = max((abs(past.figures[key][name] - now[name]) for name in shared), default=0.0)
        if not shared:
            print(f"{key}: nothing was logged then to compare with")
        elif off <= _SAME:
            print(f"{key}: the {len(shared)} means over the folds are those of then (within {_SAME:g})")
        else:
            print(f"{key}: the means over the folds are not those of then; the largest difference is {off:.3g}")

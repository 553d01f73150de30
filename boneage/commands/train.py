"""`boneage train`: run a study with fixed hyperparameters, the configuration's own or those of a past run."""

from __future__ import annotations

import argparse

import pandas as pd

from boneage import stopping
from boneage.commands.common import add_config, complain, import_keras_quietly, notice, stage
from boneage.commands.promotion import promote_version
from boneage.config import Config, load_config
from boneage.evaluation.report import report_tables
from boneage.groups import Task
from boneage.notices import warning
from boneage.paths import study_folder
from boneage.study.job import StudyOutcome, run_study
from boneage.study.repeat import Past, choose_past, read_past
from boneage.tables import headed, text_table
from boneage.tracking.store import open_existing

_SAME = 1e-6


def train_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe `boneage train`."""
    add_config(parser)
    parser.add_argument(
        "--params",
        metavar="RUN_ID",
        help="train with the hyperparameters of a past run: a trial's or a model's (that model alone) or a study's",
    )
    parser.add_argument("--promote", action="store_true", help="promote the new cascade if it passes the gate")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Train, evaluate and register one cascade, or one model of a past run."""
    config = load_config(args.config, args.overrides)
    with stopping.gracefully(complain):
        past = _past(config, args.params) if args.params else None
        import_keras_quietly()
        if past is None:
            outcome = run_study(config, stage=stage)
        else:
            outcome = run_study(config, keys=tuple(past.params), choose=choose_past(past), stage=stage)
    print_outcome(config, outcome)
    if past is not None:
        _compare(past, outcome)
    if args.promote and outcome.version is not None:
        promote_version(config, outcome.version)
    return 0


def print_outcome(config: Config, outcome: StudyOutcome) -> None:
    """Print the ten models' figures, then the cascade's on validation and test images, then where to look."""
    if len(outcome.problems):
        folder = study_folder(config.study.name)
        complain(warning("study.left_out", count=len(outcome.problems), place=folder / "problems.csv"))
    print(text_table(models_table(outcome)))
    for name, evaluation in (("validation", outcome.validation), ("test", outcome.test)):
        if evaluation is not None:
            tables = report_tables(evaluation.metrics)
            print(headed([(f"{heading} ({name} images)", table) for heading, table in tables]))
    if outcome.version is None:
        print("\nno cascade was made, since not all ten models were trained")
        return
    print(f"\nregistered {config.study.prefix}-cascade version {outcome.version} as challenger")
    notice()


def models_table(outcome: StudyOutcome) -> pd.DataFrame:
    """Return one row per model: mean and deviation over the folds, and the final model on the validation images."""
    rows = []
    for key, done in outcome.outcomes.items():
        metric = "accuracy" if key.task is Task.CLASSIFIER else "mae_months"
        rows.append(
            {
                "model": key.name,
                "metric": metric,
                # An age group's part of a head for all ages was never fitted on its group alone.
                "folds_mean": done.chosen.cv.mean.get(metric),
                "folds_std": done.chosen.cv.std.get(metric),
                "final": done.metrics.get(metric),
                "trial": done.chosen.trial,
            }
        )
    return pd.DataFrame(rows)


def _past(config: Config, run_id: str) -> Past:
    """Read a past run and say which settings are others now."""
    past = read_past(open_existing(), run_id)
    for difference in past.differences(config):
        complain(warning("study.other_figures", difference=difference))
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

"""`python -m tuning CONFIG`: search, final training, cascade, evaluation, registration."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from boneage.config import Config, load_config
from boneage.errors import BoneageError
from boneage.groups import ALL_MODELS, ModelKey


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    parse = argparse.ArgumentParser(prog="python -m tuning", description=__doc__)
    parse.add_argument("config", type=Path, help="a TOML file, for example configs/demo.toml")
    parse.add_argument("--models", nargs="+", metavar="KEY", help="train only these, for example classifier-female")
    parse.add_argument("--trials", type=int, help="trials per model instead of the configuration's")
    parse.add_argument("--workers", type=int, default=1, help="processes that share the models (default 1)")
    parse.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="override a setting")
    parse.add_argument("--promote", action="store_true", help="promote the new cascade if it passes the gate")
    return parse


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the study; return the exit status."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    options = parser().parse_args(arguments)
    try:
        config = load_config(options.config, options.set)
        if options.trials is not None:
            config = replace(config, tuning=replace(config.tuning, trials=options.trials))
        keys = [_key(name) for name in options.models] if options.models else list(ALL_MODELS)
        run(config, keys, options.workers, promote=options.promote)
    except BoneageError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; the same command goes on where it stopped", file=sys.stderr)
        return 130
    return 0


def run(config: Config, keys: Sequence[ModelKey], workers: int = 1, *, promote: bool = False) -> None:
    """Search every model, train the cascade, register it; print where to look."""
    from optuna import TrialPruned

    from boneage.commands.common import stage
    from boneage.commands.studies import print_outcome, promote_version
    from boneage.paths import study_folder
    from boneage.study.job import run_study
    from tuning.objective import choose_by_search
    from tuning.study import export_best
    from tuning.workers import spread

    if config.tuning.trials < 1:
        raise BoneageError(f"a search needs a trial or more, but {config.tuning.trials} was given: use `boneage train`")
    stopped = (TrialPruned,)
    outcome = run_study(
        config, keys=keys, choose=choose_by_search, train_all=spread(workers, stopped), stopped=stopped, stage=stage
    )
    best = {key: done.chosen.params for key, done in outcome.outcomes.items()}
    path = export_best(study_folder(config.study.name) / "best.toml", config, best)
    print_outcome(config, outcome)
    print(f"best parameters: {path}")
    if promote and outcome.version is not None:
        promote_version(config, outcome.version)


def _key(name: str) -> ModelKey:
    try:
        return ModelKey.parse(name)
    except ValueError as error:
        raise BoneageError(str(error)) from error


if __name__ == "__main__":
    sys.exit(main())

"""Run a study with a search: `python -m tuning CONFIG` searches, trains the cascade, evaluates and registers it."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from boneage.commands.common import exit_status, unforeseen
from boneage.config import Config, load_config
from boneage.errors import BoneageError
from boneage.groups import ALL_MODELS, ModelKey

if TYPE_CHECKING:
    from tuning.workers import Places


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    parse = argparse.ArgumentParser(prog="python -m tuning", description=__doc__)
    parse.add_argument("config", type=Path, help="a TOML file, for example configs/demo.toml")
    parse.add_argument("--models", nargs="+", metavar="KEY", help="train only these, for example classifier-female")
    parse.add_argument("--trials", type=int, help="trials per model instead of the configuration's")
    parse.add_argument("--minutes", type=float, help="how long the search may take, instead of a number of trials")
    parse.add_argument("--workers", type=int, help="processes that share the work (1; on Ray: one per core)")
    parse.add_argument("--ray", metavar="ADDRESS", default="", help="on a Ray cluster: local, auto or HOST:PORT")
    parse.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="override a setting")
    parse.add_argument("--promote", action="store_true", help="promote the new cascade if it passes the gate")
    return parse


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the study; return the exit status."""
    options = parser().parse_args(arguments)

    def search() -> None:
        keys = [_key(name) for name in options.models] if options.models else list(ALL_MODELS)
        shares = len(keys) / (options.workers or 1)
        config = with_budget(load_config(options.config, options.set), options.trials, options.minutes, shares)
        run(config, keys, options.workers, promote=options.promote, ray=options.ray)

    return run_command("python -m tuning", arguments, search)


def run_command(program: str, arguments: Sequence[str] | None, command: Callable[[], None]) -> int:
    """Run a search's command; return its exit status, as `boneage.commands.common.exit_status`."""
    if arguments is None:
        sys.excepthook = unforeseen
    again = shlex.join(sys.argv[1:] if arguments is None else arguments)
    stopped = f"stopped; what is finished is kept. To go on: {program} {again}"

    def status() -> int:
        command()
        return 0

    return exit_status(status, stopped)


def run(
    config: Config, keys: Sequence[ModelKey], workers: int | None = None, *, promote: bool = False, ray: str = ""
) -> None:
    """Search every model, train the cascade, register it; help with the trials where another process leads the study.

    Args:
        config: the settings.
        keys: which models.
        workers: how many workers; None for one, or for one per core of the Ray cluster.
        promote: whether the new cascade is promoted, if it passes the gate.
        ray: the address of a Ray cluster that has the workers; "" for processes here.
    """
    from boneage.commands.common import stage
    from tuning.display import interruptible
    from tuning.machines import help_search, leadership
    from tuning.workers import places_for

    places = places_for(workers, ray)
    with interruptible(places), leadership(config) as leads:
        if leads:
            _lead(config, keys, places, promote)
            return
        done = help_search(config, keys, places, stage)
        print(f"the search is finished, {done} trials of it here; the process that leads the study does the rest")


def _lead(config: Config, keys: Sequence[ModelKey], places: Places, promote: bool) -> None:
    """Run a whole study and print where to look."""
    from boneage.commands.common import stage
    from boneage.commands.promotion import promote_version
    from boneage.commands.train import print_outcome
    from boneage.paths import study_folder
    from boneage.study.job import run_study
    from tuning.display import train_with_display
    from tuning.objective import choose_by_search
    from tuning.study import STOPPED, export_best
    from tuning.workers import sweep

    outcome = run_study(
        config,
        keys=keys,
        choose=choose_by_search,
        train_all=partial(train_with_display, places),
        stopped=STOPPED,
        sweep=partial(sweep, keys),
        stage=stage,
    )
    best = {key: done.chosen.params for key, done in outcome.outcomes.items()}
    path = export_best(study_folder(config.study.name) / "best.toml", config, best)
    print_outcome(config, outcome)
    print(f"best parameters: {path}")
    if promote and outcome.version is not None:
        promote_version(config, outcome.version)


def with_budget(config: Config, trials: int | None, minutes: float | None, shares: float) -> Config:
    """Return a configuration with the command line's budget in the place of its own.

    Args:
        config: the study's settings.
        trials: trials per model; None leaves the configuration's, or no limit where minutes are given.
        minutes: how long the whole search may take; None for no limit but the configuration's.
        shares: models per worker; each model gets that part of the minutes.

    Raises:
        BoneageError: when nothing limits the search.
    """
    tuning = config.tuning
    if minutes is not None:
        tuning = replace(tuning, trials=0, seconds=60.0 * minutes / max(shares, 1.0))
    if trials is not None:
        tuning = replace(tuning, trials=trials)
    if tuning.trials < 0 or tuning.seconds < 0 or not (tuning.trials or tuning.seconds):
        raise BoneageError.of("search.budget", trials=tuning.trials, seconds=tuning.seconds)
    return replace(config, tuning=tuning)


def _key(name: str) -> ModelKey:
    try:
        return ModelKey.parse(name)
    except ValueError as error:
        raise BoneageError.of("search.model", reason=error) from error


if __name__ == "__main__":
    sys.exit(main())

"""How long a search goes on: a number of trials, or the time they took, per model."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from boneage.config import Config, TuningConfig
from boneage.errors import BoneageError

UNLIMITED = 10**9


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
        raise BoneageError(
            f"a search needs a budget, but {tuning.trials} trials and {tuning.seconds:g} seconds were given: "
            "use --trials or --minutes, or `boneage train` for no search"
        )
    return replace(config, tuning=tuning)


def trials_left(study: Any, tuning: TuningConfig) -> int:
    """Return how many trials are left of a budget; failed ones do not count.

    A limit in time never ends a search before its first result, and never a trial that has begun.
    """
    import optuna

    states = optuna.trial.TrialState
    if tuning.seconds and spent_seconds(study) >= tuning.seconds and finished(study, states.COMPLETE):
        return 0
    done = len(finished(study, states.COMPLETE, states.PRUNED))
    return max(0, tuning.trials - done) if tuning.trials else UNLIMITED


def spent_seconds(study: Any) -> float:
    """Return how long a study's finished trials took, whoever ran them and when."""
    import optuna

    states = optuna.trial.TrialState
    durations = [trial.duration for trial in finished(study, states.COMPLETE, states.PRUNED)]
    # A clock that was set back makes a trial end before it began.
    return sum(max(0.0, duration.total_seconds()) for duration in durations if duration is not None)


def finished(study: Any, *states: Any) -> list[Any]:
    """Return a study's trials in some states."""
    return list(study.get_trials(deepcopy=False, states=states))

"""How far each model's search is, read from the storage: whoever works on it, here or on other machines."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from boneage.config import Config
from boneage.groups import ModelKey
from boneage.study.models import ModelTask
from tuning.budget import finished, spent_seconds
from tuning.goals import Goal, goal_of
from tuning.study import storage_for, study_name

EVERY_SECONDS = 1.0


@dataclass(frozen=True)
class SearchState:
    """One model's search at a moment.

    Attributes:
        key: the model.
        goal: what decides between trials.
        trials: how many have ended, pruned ones among them.
        wanted: how many are to end; 0 where only time is limited.
        folds: how many folds the trials under way have behind them, as a part of a trial.
        best: the best trial's mean over the folds, None before the first one.
        best_trial: its number.
        spent: seconds that the ended trials took.
        seconds: the limit in time; 0 for none.
    """

    key: ModelKey
    goal: Goal
    trials: int
    wanted: int
    folds: float
    best: float | None
    best_trial: int | None
    spent: float
    seconds: float

    @property
    def done(self) -> float:
        """Return how much is done, in trials or, where only time is limited, in seconds."""
        return min(self.trials + self.folds, self.wanted) if self.wanted else min(self.spent, self.seconds)

    @property
    def total(self) -> float:
        """Return how much there is to do, in the unit of `done`."""
        return self.wanted or self.seconds


Show = Callable[[SearchState], None]


def read_state(study: Any, config: Config, key: ModelKey) -> SearchState:
    """Read how far a study is."""
    import optuna

    states, tuning = optuna.trial.TrialState, config.tuning
    ended = finished(study, states.COMPLETE, states.PRUNED)
    under_way = sum(len(trial.intermediate_values) for trial in finished(study, states.RUNNING))
    best = study.best_trial if finished(study, states.COMPLETE) else None
    return SearchState(
        key=key,
        goal=goal_of(config, key),
        trials=len(ended),
        wanted=tuning.trials,
        folds=under_way / config.data.folds,
        best=best.value if best else None,
        best_trial=best.number if best else None,
        spent=spent_seconds(study),
        seconds=tuning.seconds,
    )


@contextmanager
def watching(tasks: Sequence[ModelTask], split_sha256: str, show: Show, every: float = EVERY_SECONDS) -> Iterator[None]:
    """Call `show` for every model whose search has moved, about once a second and once more at the end.

    It is called from a thread of its own; the models are shown in the order in which they are first seen.
    """
    end = threading.Event()
    thread = threading.Thread(target=_watch, args=(tasks, split_sha256, show, every, end), daemon=True)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


def _watch(tasks: Sequence[ModelTask], split_sha256: str, show: Show, every: float, end: threading.Event) -> None:
    storage = storage_for(tasks[0].config)
    seen: dict[ModelKey, SearchState] = {}
    while True:
        last = end.wait(every)
        for state in _states(tasks, split_sha256, storage):
            if seen.get(state.key) != state:
                seen[state.key] = state
                show(state)
        if last:
            return


def _states(tasks: Sequence[ModelTask], split_sha256: str, storage: Any) -> Iterator[SearchState]:
    import optuna

    there = {study.study_name for study in storage.get_all_studies()}
    for task in tasks:
        name = study_name(task.config, task.key, split_sha256)
        if name in there:
            yield read_state(optuna.load_study(study_name=name, storage=storage), task.config, task.key)

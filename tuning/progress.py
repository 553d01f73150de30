"""Show how far each model's search is, whoever works on it: read from the storage, drawn as a bar per model."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, TextIO

import optuna
from optuna.trial import TrialState

from boneage.config import Config
from boneage.groups import ModelKey
from boneage.study.models import ModelTask
from tuning.study import ENDED, UNLIMITED, Goal, goal_of, spent_seconds, storage_for, study_name, trials_in

EVERY_SECONDS = 1.0
_COUNT_SECONDS = 3.0
_FORMAT = "{desc:<20} {percentage:3.0f}%|{bar:20}| {elapsed}, {remaining} left{postfix}"
_UNITS = {"mae_months": "months"}


@dataclass(frozen=True)
class SearchState:
    """Progress of one model's search.

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
    under_way = sum(len(trial.intermediate_values) for trial in trials_in(study, TrialState.RUNNING))
    best = study.best_trial if trials_in(study, TrialState.COMPLETE) else None
    return SearchState(
        key=key,
        goal=goal_of(config, key),
        trials=len(trials_in(study, *ENDED)),
        wanted=config.tuning.trials,
        folds=under_way / config.data.folds,
        best=best.value if best else None,
        best_trial=best.number if best else None,
        spent=spent_seconds(study),
        seconds=config.tuning.seconds,
    )


@contextmanager
def in_background(action: Callable[[threading.Event], None]) -> Iterator[None]:
    """Run an action in a thread of its own until the block ends, which the event tells it."""
    end = threading.Event()
    thread = threading.Thread(target=action, args=(end,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


def watching(
    tasks: Sequence[ModelTask], split_sha256: str, show: Show, every: float = EVERY_SECONDS
) -> AbstractContextManager[None]:
    """Call `show` for every model whose search has moved, about once a second and once more at the end.

    It is called from a thread of its own; the models are shown in the order in which they are first seen.
    """

    def watch(end: threading.Event) -> None:
        storage, seen, last = storage_for(tasks[0].config), dict[ModelKey, SearchState](), False
        while not last:
            last = end.wait(every)
            for state in _states(tasks, split_sha256, storage):
                if seen.get(state.key) != state:
                    seen[state.key] = state
                    show(state)

    return in_background(watch)


def counting(
    tasks: Sequence[ModelTask], split_sha256: str, progress: Callable[[int, int], None]
) -> AbstractContextManager[None]:
    """Call `progress` with (finished, wanted) trials of all models, whoever finishes them, until the block ends."""
    counts, wanted = dict[ModelKey, int](), (tasks[0].config.tuning.trials or UNLIMITED) * len(tasks)

    def show(state: SearchState) -> None:
        counts[state.key] = state.trials
        progress(sum(counts.values()), wanted)

    return watching(tasks, split_sha256, show, _COUNT_SECONDS)


def _states(tasks: Sequence[ModelTask], split_sha256: str, storage: Any) -> Iterator[SearchState]:
    there = {study.study_name for study in storage.get_all_studies()}
    for task in tasks:
        name = study_name(task.config, task.key, split_sha256)
        if name in there:
            yield read_state(optuna.load_study(study_name=name, storage=storage), task.config, task.key)


@contextmanager
def bars(stream: TextIO | None = None) -> Iterator[Show | None]:
    """Draw a bar per model on a stream (stderr): yield what shows a state, or None where the stream is no terminal."""
    stream = stream or sys.stderr
    if not stream.isatty():
        yield None
        return
    shown: dict[ModelKey, Any] = {}
    try:
        yield lambda state: _show(shown, state, stream)
    finally:
        for bar in shown.values():
            bar.close()


def _show(shown: dict[ModelKey, Any], state: SearchState, stream: TextIO) -> None:
    from tqdm import tqdm

    if state.key not in shown:
        # What was done before this bar began must not count for its speed.
        shown[state.key] = tqdm(
            desc=state.key.name, total=state.total, initial=state.done, file=stream, bar_format=_FORMAT, leave=True
        )
    bar = shown[state.key]
    bar.n = state.done
    bar.set_postfix_str(sentence(state))


def sentence(state: SearchState) -> str:
    """Say a search's state in a few words: `7 of 20 trials, best mae_months 6.812 (trial 4)`."""
    trials = f"{state.trials} of {state.wanted} trials" if state.wanted else f"{state.trials} trials"
    if state.best is None:
        return trials
    unit = _UNITS.get(state.goal.metric)
    figure = f"{state.best:.2f} {unit}" if unit else f"{state.goal.metric} {state.best:.3f}"
    return f"{trials}, best {figure} (trial {state.best_trial})"

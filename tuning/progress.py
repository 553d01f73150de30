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
from tuning.study import ENDED, UNLIMITED, goal_of, spent_seconds, storage_for, study_name, trials_in

EVERY_SECONDS = 1.0
_COUNT_SECONDS = 3.0
_FORMAT = "{desc:<20} {percentage:3.0f}%|{bar:20}| {elapsed}, {remaining} left{postfix}"


@dataclass(frozen=True)
class SearchState:
    """Progress of one model's search.

    Attributes:
        key: the model.
        trials: how many have ended, pruned ones among them.
        done: how much is done, in trials (folds of trials under way count) or, where only time is limited, in seconds.
        total: how much there is to do, in the same unit.
        sentence: the state in a few words: `7 of 20 trials, best 6.81 months (trial 4)`.
    """

    key: ModelKey
    trials: int
    done: float
    total: float
    sentence: str


Show = Callable[[SearchState], None]


def read_state(study: Any, config: Config, key: ModelKey) -> SearchState:
    """Read how far a study is."""
    ended, wanted, seconds = len(trials_in(study, *ENDED)), config.tuning.trials, config.tuning.seconds
    sentence = f"{ended} of {wanted} trials" if wanted else f"{ended} trials"
    if trials_in(study, TrialState.COMPLETE):
        best, metric = study.best_trial, goal_of(config, key).metric
        figure = f"{best.value:.2f} months" if metric == "mae_months" else f"{metric} {best.value:.3f}"
        sentence += f", best {figure} (trial {best.number})"
    if not wanted:
        return SearchState(key, ended, min(spent_seconds(study), seconds), seconds, sentence)
    folds = sum(len(trial.intermediate_values) for trial in trials_in(study, TrialState.RUNNING))
    return SearchState(key, ended, min(ended + folds / config.data.folds, wanted), wanted, sentence)


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
    bar.set_postfix_str(state.sentence)

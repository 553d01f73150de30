"""One search that many workers share through a database: every trial is claimed once, within one budget.

A worker claims its next trial while it holds a lock that all machines see: it gives the trials of dead workers back,
counts what is finished and under way, and asks only where the budget leaves one. So the budget is neither exceeded nor
lost. Signs of life go to the database while a trial runs.
"""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from boneage import stopping
from boneage.databases import database_lock
from boneage.study.models import ModelTask
from tuning.budget import UNLIMITED, finished, trials_left
from tuning.objective import Objective, best_file
from tuning.study import ask_again, open_study, sampler_for, storage_for, storage_url, study_name
from tuning.sweep import close_dead

if TYPE_CHECKING:
    from boneage.tracking.runs import StudyTracker

_CLAIMED = "claimed"
_POLL_SECONDS = 1.0
_COUNT_SECONDS = 3.0


@dataclass
class SharedSearch:
    """One model's search as one of its workers sees it.

    Attributes:
        task: the model's samples and folds.
        tracker: logs the trials that this worker claims.
        storage: the database, opened (`tuning.study.storage_for`).
    """

    task: ModelTask
    tracker: StudyTracker
    storage: Any

    def __post_init__(self) -> None:
        config = self.task.config
        self._url = storage_url(config)
        self._name = study_name(config, self.task.key, self.tracker.split_sha256)
        with database_lock(self._url, self._name):
            self.study = open_study(config, self.task.key, self.tracker.split_sha256, self.storage)

    def claim(self) -> Any | None:
        """Return a new trial of this worker's own, or None while all that the budget leaves are taken."""
        import optuna

        with database_lock(self._url, self._name):
            self._give_back()
            if self._left() <= self._count(optuna.trial.TrialState.RUNNING):
                return None
            # Workers that drew with one seed would all draw the same; a trial's number tells them apart.
            self.study.sampler = sampler_for(self.task.config, len(self.study.get_trials(deepcopy=False)))
            with warnings.catch_warnings():
                # Optuna warns that it gives no signs of life for trials that were asked; `_alive` does.
                warnings.simplefilter("ignore", UserWarning)
                trial = self.study.ask()
            self.storage.record_heartbeat(trial._trial_id)
            trial.set_user_attr(_CLAIMED, True)
        return trial

    def run(self, trial: Any) -> None:
        """Cross-validate a claimed trial and tell its result; one that was interrupted is asked again."""
        import optuna

        states = optuna.trial.TrialState
        objective = Objective(self.task, self.tracker, best_file(self.task, self.study))
        told: dict[str, Any] = {"state": states.FAIL}
        try:
            with self._alive(trial):
                told = {"values": objective(trial)}
        except optuna.TrialPruned:
            told = {"state": states.PRUNED}
        finally:
            frozen = self.study.tell(trial, skip_if_finished=True, **told)
            if told == {"state": states.FAIL}:
                ask_again(self.study, frozen)
        if frozen.state == states.FAIL:
            # This worker was taken for dead meanwhile and another one has the trial.
            close_dead(self.tracker, self.task.key, self.study)

    def finished(self) -> bool:
        """Tell whether nothing is left to claim and nobody has a trial under way."""
        import optuna

        with database_lock(self._url, self._name):
            self._give_back()
            return self._left() == 0 and not self._count(optuna.trial.TrialState.RUNNING)

    def _left(self) -> int:
        """Return how many trials the budget leaves that are not finished."""
        return trials_left(self.study, self.task.config.tuning)

    def _count(self, state: Any) -> int:
        return len(self.study.get_trials(deepcopy=False, states=(state,)))

    def _give_back(self) -> None:
        """Fail the trials of dead workers and ask them again; call it with the lock held.

        Those without the mark of a claim were left by a worker that died while it held the lock, before its first sign
        of life; the others are told by their heartbeats.
        """
        import optuna

        running = self.study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,))
        for trial in running:
            if _CLAIMED not in trial.user_attrs:
                self.study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
                ask_again(self.study, trial)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            optuna.storages.fail_stale_trials(self.study)
        if self._count(optuna.trial.TrialState.RUNNING) < len(running):
            close_dead(self.tracker, self.task.key, self.study)

    @contextmanager
    def _alive(self, trial: Any) -> Iterator[None]:
        """Give signs of life while a trial runs."""
        end = threading.Event()
        interval = self.task.config.tuning.heartbeat_seconds
        thread = threading.Thread(target=_beat, args=(self.storage, trial._trial_id, interval, end), daemon=True)
        thread.start()
        try:
            yield
        finally:
            end.set()
            thread.join()


def search_together(tasks: Sequence[ModelTask], first: int, tracker: StudyTracker, storage: Any) -> int:
    """Work on every model's search until all are finished, whoever else works on them; return how many trials it did.

    Args:
        tasks: the models.
        first: the model to begin with, so that workers spread over the models first and meet on the last ones.
        tracker: logs this worker's trials.
        storage: the database, opened.

    Raises:
        KeyboardInterrupt: after the fold under way, or while others finish theirs, when Ctrl-C was pressed.
    """
    order = [*tasks[first % len(tasks) :], *tasks[: first % len(tasks)]]
    searches = [SharedSearch(task, tracker, storage) for task in order]
    done = 0
    while searches:
        for search in tuple(searches):
            stopping.check()
            while (trial := search.claim()) is not None:
                search.run(trial)
                done += 1
            if search.finished():
                searches.remove(search)
        if searches:
            time.sleep(_POLL_SECONDS)
    return done


@contextmanager
def counted(tasks: Sequence[ModelTask], split_sha256: str, progress: Callable[[int, int], None]) -> Iterator[None]:
    """Call `progress` with (finished, wanted) trials of all models, whoever finishes them, until the block ends."""
    end = threading.Event()
    thread = threading.Thread(target=_count, args=(tasks, split_sha256, progress, end), daemon=True)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


def _count(
    tasks: Sequence[ModelTask], split_sha256: str, progress: Callable[[int, int], None], end: threading.Event
) -> None:
    """Count at every interval what the database has."""
    import optuna

    states = optuna.trial.TrialState
    config = tasks[0].config
    names = {study_name(config, task.key, split_sha256) for task in tasks}
    storage = storage_for(config)
    while not end.wait(_COUNT_SECONDS):
        there = names & {study.study_name for study in storage.get_all_studies()}
        studies = [optuna.load_study(study_name=name, storage=storage) for name in there]
        done = sum(len(finished(study, states.COMPLETE, states.PRUNED)) for study in studies)
        progress(done, (config.tuning.trials or UNLIMITED) * len(names))


def _beat(storage: Any, trial_id: int, interval: int, end: threading.Event) -> None:
    """Record a sign of life at every interval; a database that is away for a moment is tried again."""
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import SQLAlchemyError

    while not end.wait(interval):
        try:
            storage.record_heartbeat(trial_id)
        except (SQLAlchemyError, StorageInternalError):
            continue

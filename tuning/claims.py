"""Share one search between many workers through a database: every trial is claimed once, within one budget.

A worker claims its next trial while it holds a lock that all machines see: it gives the trials of dead workers back,
counts what is finished and under way, and asks only where the budget leaves one. So the budget is neither exceeded nor
lost. Signs of life go to the database while a trial runs; open runs of dead workers are ended by what Optuna says.
"""

from __future__ import annotations

import contextlib
import threading
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import optuna
from optuna.exceptions import StorageInternalError
from optuna.trial import TrialState
from sqlalchemy.exc import SQLAlchemyError

from boneage import stopping
from boneage.databases import database_lock
from boneage.groups import ModelKey
from boneage.study.models import ModelTask
from boneage.tracking.values import key_tags
from tuning.objective import Objective, best_file, run_trial
from tuning.progress import in_background
from tuning.study import fail, open_study, sampler_for, storage_for, storage_url, study_name, trials_in, trials_left

if TYPE_CHECKING:
    from boneage.tracking.runs import StudyTracker

_CLAIMED = "claimed"
_POLL_SECONDS = 1.0


@dataclass
class SharedSearch:
    """Claims and runs trials of one model for one of its workers.

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
        with database_lock(self._url, self._name):
            self._give_back()
            if self._left() <= len(trials_in(self.study, TrialState.RUNNING)):
                return None
            # Workers that drew with one seed would all draw the same; a trial's number tells them apart.
            self.study.sampler = sampler_for(self.task.config, len(self.study.get_trials(deepcopy=False)))
            with warnings.catch_warnings():
                # Optuna warns that it gives no signs of life for trials that were asked; `_give_signs` does.
                warnings.simplefilter("ignore", UserWarning)
                trial = self.study.ask()
            self.storage.record_heartbeat(trial._trial_id)
            trial.set_user_attr(_CLAIMED, True)
        return trial

    def run(self, trial: Any) -> None:
        """Cross-validate a claimed trial and tell its result; one that was interrupted is asked again."""
        objective = Objective(self.task, self.tracker, best_file(self.task, self.study))
        with in_background(lambda end: self._give_signs(trial, end)):
            ended = run_trial(self.study, trial, objective)
        if ended.state == TrialState.FAIL:
            # This worker was taken for dead meanwhile and another one has the trial.
            close_dead(self.tracker, self.task.key, self.study)

    def finished(self) -> bool:
        """Tell whether nothing is left to claim and nobody has a trial under way."""
        with database_lock(self._url, self._name):
            self._give_back()
            return self._left() == 0 and not trials_in(self.study, TrialState.RUNNING)

    def _left(self) -> int:
        """Return how many trials the budget leaves that are not finished."""
        return trials_left(self.study, self.task.config.tuning)

    def _give_back(self) -> None:
        """Fail the trials of dead workers and ask them again; call it with the lock held.

        Those without the mark of a claim were left by a worker that died while it held the lock, before its first sign
        of life; the others are told by their heartbeats.
        """
        running = trials_in(self.study, TrialState.RUNNING)
        for trial in running:
            if _CLAIMED not in trial.user_attrs:
                fail(self.study, trial)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            optuna.storages.fail_stale_trials(self.study)
        if len(trials_in(self.study, TrialState.RUNNING)) < len(running):
            close_dead(self.tracker, self.task.key, self.study)

    def _give_signs(self, trial: Any, end: threading.Event) -> None:
        """Record a sign of life at every interval; a database that is away for a moment is tried again."""
        while not end.wait(self.task.config.tuning.heartbeat_seconds):
            with contextlib.suppress(SQLAlchemyError, StorageInternalError):
                self.storage.record_heartbeat(trial._trial_id)


def search_together(tasks: Sequence[ModelTask], first: int, tracker: StudyTracker, storage: Any) -> int:
    """Run trials of every model until all searches are finished, whoever else works on them; return how many it ran.

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


def close_dead(tracker: StudyTracker, key: ModelKey, study: Any) -> int:
    """End as KILLED the runs of one model's trials and folds that are open, or done but failed in Optuna's eyes.

    Args:
        tracker: gives the store and the tags.
        key: the model.
        study: its Optuna study; trials that are RUNNING there have a worker and are left alone.

    Returns:
        How many runs were ended.
    """
    states = {f"{trial.number:03d}": trial.state for trial in study.get_trials(deepcopy=False)}
    ended = 0
    for run in [run for level in ("trial", "fold") for run in tracker.runs({"level": level, **key_tags(key)})]:
        status, state = run.info.status, states.get(run.data.tags["trial"])
        left = status == "RUNNING" and state != TrialState.RUNNING
        if left or (status == "FINISHED" and state == TrialState.FAIL):
            tracker.end(run.info.run_id, "KILLED")
            ended += 1
    return ended


def close_finals(tracker: StudyTracker, key: ModelKey) -> int:
    """End the open final trainings of a model that nobody trains now; return how many."""
    finals = tracker.runs({"level": "final", **key_tags(key)})
    left = [run for run in finals if run.info.status == "RUNNING"]
    for run in left:
        tracker.end(run.info.run_id, "KILLED")
    return len(left)


def close_all_dead(keys: Sequence[ModelKey], tracker: StudyTracker) -> int:
    """End the runs that dead workers left open, while other machines may be working on the same study.

    Final trainings belong to the one process that leads the study, which calls this before it begins.
    """
    storage, ended = storage_for(tracker.config), 0
    for key in keys:
        ended += close_finals(tracker, key)
        ended += close_dead(tracker, key, open_study(tracker.config, key, tracker.split_sha256, storage))
    return ended

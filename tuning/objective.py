"""One trial is one cross-validation: reported fold by fold, so that a hopeless one is pruned between folds."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boneage.databases import file_lock
from boneage.groups import Task
from boneage.learn.crossval import FoldResult, cross_validate
from boneage.paths import study_folder
from boneage.study.models import Chosen, ModelTask, cross_validate_tracked
from boneage.study.saved import load_chosen, save_chosen
from tuning.spaces import suggest
from tuning.study import base_parameters, open_study, remaining_trials, storage_for

if TYPE_CHECKING:
    from boneage.tracking.runs import StudyTracker


@dataclass
class Objective:
    """Scores a trial by the mean over its folds; the best cross-validation so far is kept in a file.

    Attributes:
        task: the model's samples and folds.
        tracker: logs the trial and its folds as runs.
        file: where the best cross-validation is kept for the final training, also of a process that was killed.
    """

    task: ModelTask
    tracker: StudyTracker
    file: Path

    @property
    def metric(self) -> str:
        """The metric that decides: accuracy for classifiers (higher is better), MAE in months for regressors."""
        return "accuracy" if self.task.key.task is Task.CLASSIFIER else "mae_months"

    def __call__(self, trial: Any) -> float:
        """Cross-validate one trial's hyperparameters; raises `optuna.TrialPruned` when it cannot win any more."""
        import optuna

        params = suggest(trial, self.task.key.task, base_parameters(self.task.config, self.task.key))

        def after_fold(number: int, result: FoldResult) -> None:
            trial.report(result.metrics[self.metric], number)
            if number + 1 < self.task.config.data.folds and trial.should_prune():
                raise optuna.TrialPruned()

        cv = cross_validate_tracked(self.task, params, trial.number, self.tracker, after_fold)
        self._keep(Chosen(params, cv, trial.number))
        return float(cv.mean[self.metric])

    def _keep(self, chosen: Chosen) -> None:
        """Keep the cross-validation where it is the best so far; workers on the same model take turns."""
        sign = 1 if self.task.key.task is Task.CLASSIFIER else -1
        with file_lock(self.file.with_suffix(".lock")):
            best = load_chosen(self.file)
            if best is None or sign * chosen.cv.mean[self.metric] > sign * best.cv.mean[self.metric]:
                save_chosen(self.file, chosen)


def choose_by_search(task: ModelTask, tracker: StudyTracker) -> Chosen:
    """Search one model's hyperparameters within the budget; a study that was begun earlier goes on."""
    tuning = task.config.tuning
    study = open_study(task.config, task.key, tracker.split_sha256, storage_for(task.config))
    objective = Objective(task, tracker, best_file(task, study))
    started, left = time.monotonic(), remaining_trials(study, tuning.trials)
    while left > 0 and not (tuning.seconds and time.monotonic() - started > tuning.seconds and has_result(study)):
        study.optimize(objective, n_trials=1)
        left = remaining_trials(study, tuning.trials)
    return best_of(task, study)


def choose_found(task: ModelTask, tracker: StudyTracker) -> Chosen:
    """Take what a search that others have done found best."""
    return best_of(task, open_study(task.config, task.key, tracker.split_sha256, storage_for(task.config)))


def best_of(task: ModelTask, study: Any) -> Chosen:
    """Return the best trial with its cross-validation.

    It is read from its file; where that is gone, or lies on another machine, it is computed again: same seed, same
    folds, same result. The trial's run is there already, so nothing is logged twice.
    """
    from optuna.trial import FixedTrial

    best, kept = study.best_trial, load_chosen(best_file(task, study))
    if kept is not None and kept.trial == best.number:
        return kept
    config = task.config
    params = suggest(FixedTrial(best.params), task.key.task, base_parameters(config, task.key))
    cv = cross_validate(task.key, task.train, task.fold, params, config.training, seed=config.study.seed)
    return Chosen(params, cv, best.number)


def best_file(task: ModelTask, study: Any) -> Path:
    """Return the file of a model's best cross-validation."""
    name = f"{study.study_name.rpartition('/')[2]}-{task.key}.npz"
    return study_folder(task.config.study.name) / "trials" / name


def has_result(study: Any) -> bool:
    """Tell whether a study has a finished trial: a time limit never ends a search before its first result."""
    import optuna

    return bool(study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,)))

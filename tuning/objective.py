"""Score a trial by cross-validation, reported fold by fold, so that a hopeless one is pruned between folds.

Finished folds are kept in files until their trial has ended: one that was interrupted goes on with its next fold. The
best cross-validation is kept, too, so that no fit is done twice: weights and a JSON text in an `.npz` without pickle.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np
import optuna
from optuna.trial import FixedTrial, TrialState

from boneage import stopping
from boneage.config import HeadParameters, config_sha256, head_parameters
from boneage.databases import file_lock
from boneage.errors import BoneageError
from boneage.files import replacing
from boneage.learn.crossval import CVResult, FoldHooks, FoldResult
from boneage.learn.fit import DivergedError, FitResult
from boneage.paths import study_folder
from boneage.study.models import Chosen, ModelTask, base_parameters, cross_validate_tracked
from tuning.spaces import suggest
from tuning.study import Goal, ask_again, goal_of, open_study, queue_next, trials_left

if TYPE_CHECKING:
    from boneage.tracking.runs import StudyTracker


_FACTS = "facts"


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
    def goal(self) -> Goal:
        """Metric that decides: the configuration's choice for this kind of model."""
        return goal_of(self.task.config, self.task.key)

    def __call__(self, trial: Any) -> float:
        """Cross-validate one trial's hyperparameters.

        Raises:
            optuna.TrialPruned: when it cannot win any more, or its loss was no finite number.
            KeyboardInterrupt: after the fold under way, when the search was asked to stop.
        """
        params = suggest(trial, self.task.key.task, base_parameters(self.task.config, self.task.key))
        folds = FoldStore(self.file.with_suffix(".folds"), params)
        numbers = [int(number) for number in np.unique(self.task.fold)]
        known = folds.finished(numbers)

        def after(number: int, result: FoldResult) -> None:
            if number not in known:
                folds.keep(number, result)
            trial.report(result.metrics[self.goal.metric], number)
            if number != numbers[-1] and trial.should_prune():
                raise optuna.TrialPruned()

        hooks = FoldHooks(known, after)
        try:
            cv = cross_validate_tracked(self.task, params, trial.number, self.tracker, hooks)
        except (DivergedError, optuna.TrialPruned) as error:
            folds.clear()
            raise optuna.TrialPruned(str(error)) from error
        self._keep(Chosen(params, cv, trial.number))
        folds.clear()
        return float(cv.mean[self.goal.metric])

    def _keep(self, chosen: Chosen) -> None:
        """Keep the cross-validation where it is the best so far; workers on the same model take turns."""
        with file_lock(self.file.with_suffix(".lock")):
            best = load_chosen(self.file)
            if best is None or self.goal.better(chosen.cv.mean, best.cv.mean):
                save_chosen(self.file, chosen)


def choose_by_search(task: ModelTask, tracker: StudyTracker) -> Chosen:
    """Search one model's hyperparameters within the budget; a study that was begun earlier goes on."""
    study = open_study(task.config, task.key, tracker.split_sha256)
    objective = Objective(task, tracker, best_file(task, study))
    while trials_left(study, task.config.tuning):
        stopping.check()
        queue_next(study, task.config, task.key)
        run_trial(study, study.ask(), objective)
    return best_of(task, study)


def run_trial(study: Any, trial: Any, objective: Callable[[Any], float]) -> Any:
    """Run a trial, tell its result and return it; one that is interrupted fails in Optuna's eyes and is asked again."""
    told: dict[str, Any] = {"state": TrialState.FAIL}
    try:
        told = {"values": objective(trial)}
    except optuna.TrialPruned:
        told = {"state": TrialState.PRUNED}
    finally:
        frozen = study.tell(trial, skip_if_finished=True, **told)
        if told == {"state": TrialState.FAIL}:
            ask_again(study, frozen)
    return frozen


def choose_found(task: ModelTask, tracker: StudyTracker) -> Chosen:
    """Take the best trial of a search that others have run."""
    return best_of(task, open_study(task.config, task.key, tracker.split_sha256))


def best_of(task: ModelTask, study: Any) -> Chosen:
    """Return the best trial with its cross-validation.

    It is read from its file; where that is gone, or lies on another machine, it is computed again: same seed, same
    folds, same result. The trial's run is there already, so nothing is logged twice.
    """
    try:
        best = study.best_trial
    except ValueError as error:
        raise BoneageError.of("search.no_trial", head=task.key) from error
    kept = load_chosen(best_file(task, study))
    if kept is not None and kept.trial == best.number:
        return kept
    params = suggest(FixedTrial(best.params), task.key.task, base_parameters(task.config, task.key))
    return Chosen(params, task.cross_validate(params), best.number)


def best_file(task: ModelTask, study: Any) -> Path:
    """Return the file of a model's best cross-validation."""
    name = f"{study.study_name.rpartition('/')[2]}-{task.key}.npz"
    return study_folder(task.config.study.name) / "trials" / name


def save_chosen(path: Path, chosen: Chosen) -> Path:
    """Write a cross-validation: hyperparameters, folds and trial number."""
    arrays: dict[str, Any] = {}
    for number, fold in enumerate(chosen.cv.folds):
        arrays |= {f"fold{number}_weight{i}": weight for i, weight in enumerate(fold.fit.weights)}
    facts = {
        "trial": chosen.trial,
        "params": asdict(chosen.params),
        "mean": chosen.cv.mean,
        "std": chosen.cv.std,
        "best": chosen.cv.best,
        "folds": [
            {"metrics": fold.metrics, "history": fold.fit.history, "best_epoch": fold.fit.best_epoch,
             "seconds": fold.fit.seconds, "weights": len(fold.fit.weights)}
            for fold in chosen.cv.folds
        ],
    }  # fmt: skip
    arrays[_FACTS] = np.frombuffer(json.dumps(facts).encode(), np.uint8)
    with replacing(path) as stream:
        np.savez(stream, **arrays)
    return path


def load_chosen(path: Path) -> Chosen | None:
    """Read a cross-validation that `save_chosen` wrote; None where there is none, or none whole."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            facts = json.loads(bytes(arrays[_FACTS]))
            folds = tuple(_fold(arrays, number, each) for number, each in enumerate(facts["folds"]))
        params = head_parameters(facts["params"], origin=str(path))
    except (OSError, KeyError, ValueError, BadZipFile, BoneageError):
        # A cache that cannot be read is made again: nothing is lost but time.
        return None
    return Chosen(params, CVResult(folds, facts["mean"], facts["std"], facts["best"]), facts["trial"])


class FoldStore:
    """Keeps the finished folds of a cross-validation under way, so that an interrupted one goes on with its next fold.

    Args:
        folder: belongs to one model, its samples, seed and settings of training.
        params: the trial's hyperparameters; folds of others are never mixed in.
    """

    def __init__(self, folder: Path, params: HeadParameters) -> None:
        self._folder, self._params, self._name = folder, params, config_sha256(params)[:16]

    def keep(self, number: int, result: FoldResult) -> None:
        """Write one finished fold."""
        save_chosen(self._file(number), Chosen(self._params, CVResult((result,), {}, {}, 0), number))

    def finished(self, numbers: Iterable[int]) -> dict[int, FoldResult]:
        """Return those of the numbered folds that are there."""
        kept = {number: load_chosen(self._file(number)) for number in numbers}
        return {number: each.cv.folds[0] for number, each in kept.items() if each and each.params == self._params}

    def clear(self) -> None:
        """Delete them: the cross-validation has ended."""
        for file in self._folder.glob(f"{self._name}-fold*.npz"):
            file.unlink(missing_ok=True)

    def _file(self, number: int) -> Path:
        return self._folder / f"{self._name}-fold{number}.npz"


def _fold(arrays: Any, number: int, facts: dict[str, Any]) -> FoldResult:
    weights = [arrays[f"fold{number}_weight{i}"] for i in range(facts["weights"])]
    fit = FitResult(weights, facts["history"], facts["best_epoch"], facts["seconds"])
    return FoldResult(fit, facts["metrics"])

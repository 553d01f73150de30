"""Train one of the ten models: five folds for a set of hyperparameters, then the final training, every step tracked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from boneage import plots, stopping
from boneage.config import Config, HeadParameters, TrainingConfig
from boneage.errors import BoneageError
from boneage.groups import AGE_GROUPS, ModelKey, Task
from boneage.learn.all_ages import LOSSES
from boneage.learn.crossval import (
    NO_HOOKS,
    CVResult,
    FoldHooks,
    FoldResult,
    cross_validate,
    evaluate_head,
    train_final,
)
from boneage.learn.fit import FitResult, Samples, concatenate
from boneage.learn.global_head import samples_with_sex
from boneage.learn.heads import predict_head
from boneage.learn.metrics import confusion
from boneage.study.materials import Materials

if TYPE_CHECKING:
    from boneage.tracking.runs import StudyTracker


@dataclass(frozen=True)
class ModelTask:
    """Samples and settings that one model is trained from; picklable, so that a worker process can take it.

    Attributes:
        key: which of the ten.
        config: the study's settings.
        train: the training part, N samples.
        fold: int (N,), the fold of each.
        validation: the validation part of the same sex (and true group): judged on, never fitted on.
    """

    key: ModelKey
    config: Config
    train: Samples
    fold: np.ndarray
    validation: Samples

    def cross_validate(self, params: HeadParameters, hooks: FoldHooks = NO_HOOKS) -> CVResult:
        """Fit and judge the model once per fold."""
        seed, training = self.config.study.seed, self.config.training
        return cross_validate(self.key, self.train, self.fold, params, training, seed=seed, hooks=hooks)

    def train_final(self, params: HeadParameters, cv: CVResult) -> FitResult:
        """Train on all folds from the best one's weights, stopped as the configuration says (METHOD part 5)."""
        config = self.config
        watch = self.validation if config.training.final_stop == "validation" and len(self.validation) else None
        return train_final(self.key, self.train, cv, params, config.training, watch=watch, seed=config.study.seed)


@dataclass(frozen=True)
class Chosen:
    """The hyperparameters that a search (or the configuration) settled on, with their cross-validation."""

    params: HeadParameters
    cv: CVResult
    trial: int


@dataclass(frozen=True)
class ModelOutcome:
    """A trained model: its parameters, folds, final weights, validation metrics and final run."""

    key: ModelKey
    chosen: Chosen
    final: FitResult
    metrics: dict[str, float]
    run_id: str


Choose = Callable[[ModelTask, "StudyTracker"], Chosen]
"""What tells a search from a plain training: given a task, choose hyperparameters and cross-validate them."""


def model_task(materials: Materials, key: ModelKey) -> ModelTask:
    """Collect one model's samples; the views of the configuration multiply the training rows, never the validation.

    Raises:
        BoneageError: when a model has fewer training images than folds.
    """
    config = materials.config
    ids = _ids(materials, key, materials.splits.train, config.training, learning=True)
    if len(ids) < config.data.folds:
        raise BoneageError.of("study.few_images", head=key, count=len(ids), folds=config.data.folds)
    views = materials.training_views(ids)
    train = concatenate(views)
    validation_ids = _ids(materials, key, materials.splits.validation, TrainingConfig())
    validation = materials.part.samples(validation_ids)
    if config.training.joint_sexes:
        sexes = materials.part.table["sex"]
        train = samples_with_sex(train, list(sexes.loc[list(ids)]) * len(views))
        validation = samples_with_sex(validation, list(sexes.loc[list(validation_ids)]))
    return ModelTask(key, config, train, np.tile(materials.folds(ids), len(views)), validation)


def _ids(
    materials: Materials, key: ModelKey, among: tuple[str, ...], training: TrainingConfig, *, learning: bool = False
) -> tuple[str, ...]:
    """Return the images of a model: of its sex (or both) and of a regressor's true group (or a little more).

    A head for all ages, of which a regressor is a part then, learns from all images of its sex.
    """
    rows = materials.part.table.loc[list(among)]
    wanted = pd.Series(True, rows.index) if training.joint_sexes else rows["sex"] == key.sex.value
    if key.group is not None and not (learning and whole_heads(materials.config)):
        group, months = AGE_GROUPS[key.group - 1], training.overlap_months
        near = rows["age_months"].between(group.low - months, group.high + months, inclusive="left")
        wanted &= (rows["group"] == key.group) | (near & (months > 0))
    return tuple(rows.index[wanted])


def base_parameters(config: Config, key: ModelKey) -> HeadParameters:
    """Return the configured hyperparameters of a model's kind; the classifier's where one head per sex does it all."""
    return config.classifier if key.task is Task.CLASSIFIER or whole_heads(config) else config.regressor


def whole_heads(config: Config) -> bool:
    """Tell whether a study has one head per sex for all ages, of which the ten models are parts."""
    return config.classifier.loss in LOSSES


def choose_configured(task: ModelTask, tracker: StudyTracker) -> Chosen:
    """Take the configuration's own hyperparameters, without a search."""
    params = base_parameters(task.config, task.key)
    return Chosen(params, cross_validate_tracked(task, params, 0, tracker), 0)


def cross_validate_tracked(
    task: ModelTask, params: HeadParameters, trial: int, tracker: StudyTracker, hooks: FoldHooks = NO_HOOKS
) -> CVResult:
    """Run the five folds of one trial, each logged as a run; `hooks.after` may raise to prune.

    Raises:
        KeyboardInterrupt: after the fold under way, when Ctrl-C was pressed; after the last one the trial is ended.
    """
    last = int(task.fold.max())
    with tracker.trial_run(task.key, trial, params) as run_id:

        def after(number: int, result: FoldResult) -> None:
            tracker.log_fold(run_id, task.key, number, result)
            if hooks.after is not None:
                hooks.after(number, result)
            if number != last:
                stopping.check()

        cv = task.cross_validate(params, FoldHooks(hooks.finished, after))
        tracker.log_cv(run_id, cv)
    return cv


def train_model(task: ModelTask, choose: Choose, tracker: StudyTracker) -> ModelOutcome:
    """Choose hyperparameters, then run the final training from the best fold's weights (METHOD part 5).

    Raises:
        KeyboardInterrupt: before the model, or after its choice, when Ctrl-C was pressed.
    """
    with tracker.model_run(task.key) as model_run:
        stopping.check()
        chosen = choose(task, tracker)
        stopping.check()
        outcome = _finish(task, chosen, tracker)
        tracker.log_metrics(model_run, {f"val_{name}": value for name, value in outcome.metrics.items()})
        tracker.log_cv(model_run, chosen.cv)
        tracker.log_params(model_run, chosen.params)
    return outcome


def part_of_whole(task: ModelTask, whole: ModelOutcome, tracker: StudyTracker) -> ModelOutcome:
    """Take an age group's part of its sex's head for all ages: nothing is fitted, its validation images are scored."""
    with tracker.model_run(task.key) as model_run:
        outcome = _finish(task, whole.chosen, tracker, whole.final)
        tracker.log_metrics(model_run, {f"val_{name}": value for name, value in outcome.metrics.items()})
        tracker.log_params(model_run, whole.chosen.params)
    return outcome


def _finish(task: ModelTask, chosen: Chosen, tracker: StudyTracker, fitted: FitResult | None = None) -> ModelOutcome:
    with tracker.final_run(task.key, chosen.params) as run_id:
        final = fitted or task.train_final(chosen.params, chosen.cv)
        tracker.log_fit(run_id, final)
        metrics: dict[str, float] = {}
        if len(task.validation):
            predictions = predict_head(task.key, final.weights, chosen.params, task.validation.features)
            metrics = evaluate_head(task.key, task.validation, predictions)
            tracker.log_metrics(run_id, {f"val_{name}": value for name, value in metrics.items()})
            _log_plots(task, predictions, tracker, run_id)
        _log_curves(task.key, chosen.cv, final, tracker, run_id)
    return ModelOutcome(task.key, chosen, final, metrics, run_id)


def _log_plots(task: ModelTask, predictions: np.ndarray, tracker: StudyTracker, run_id: str) -> None:
    if task.key.task is Task.CLASSIFIER:
        counts = confusion(task.validation.groups, predictions.argmax(axis=1) + 1)
        tracker.log_figure(run_id, plots.confusion_matrix(counts, task.key.name), "confusion-matrix.png")
        return
    figure = plots.predicted_against_true(task.validation.ages, predictions, task.key.name)
    tracker.log_figure(run_id, figure, "predicted-against-true.png")


def _log_curves(key: ModelKey, cv: CVResult, final: FitResult, tracker: StudyTracker, run_id: str) -> None:
    histories = [fold.fit.history for fold in cv.folds]
    tracker.log_figure(run_id, plots.learning_curves(histories, f"{key.name}: five folds"), "learning-curves.png")
    tracker.log_figure(run_id, plots.learning_curves([final.history], f"{key.name}: final"), "final-curve.png")

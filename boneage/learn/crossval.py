"""Cross-validate one model in five folds, then train it finally from the best fold."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from boneage.config import HeadParameters, TrainingConfig
from boneage.groups import ModelKey, Task
from boneage.learn.fit import FitError, FitResult, Samples, Start, fit_head
from boneage.learn.heads import predict_head
from boneage.learn.metrics import classification_metrics, ordinal_metrics, regression_metrics


@dataclass(frozen=True)
class FoldResult:
    """Result of one fold as the validation set.

    Attributes:
        fit: the head fitted on the other folds.
        metrics: figures on this fold under the names of `boneage.learn.metrics` (`mae_months`, `accuracy`, ...; the
            tracker puts `val_` before them), and `loss`.
    """

    fit: FitResult
    metrics: dict[str, float]


@dataclass(frozen=True)
class CVResult:
    """Results of all folds: mean and population deviation of every figure, and the index in `folds` of the best one."""

    folds: tuple[FoldResult, ...]
    mean: dict[str, float]
    std: dict[str, float]
    best: int

    @property
    def epochs(self) -> int:
        """Return how many epochs the folds needed: the median of their best epochs, counted from 1."""
        return round(statistics.median(fold.fit.best_epoch + 1 for fold in self.folds))


@dataclass(frozen=True)
class FoldHooks:
    """Folds known already and a callback after each fold.

    Attributes:
        finished: folds that were fitted before on the same samples, with the same parameters and seed (of a trial that
            was interrupted): they are taken as they are.
        after: called with every fold's number and result, finished ones included; what it raises ends the
            cross-validation (pruning, stopping).
    """

    finished: Mapping[int, FoldResult] = field(default_factory=dict)
    after: Callable[[int, FoldResult], None] | None = None


NO_HOOKS = FoldHooks()


def cross_validate(
    key: ModelKey,
    samples: Samples,
    fold: np.ndarray,
    params: HeadParameters,
    training: TrainingConfig,
    *,
    seed: int,
    hooks: FoldHooks = NO_HOOKS,
) -> CVResult:
    """Fit one model once per fold, each fold being the validation set once.

    Args:
        key: which of the ten models.
        samples: the training part of its sex (and group).
        fold: int (N,), the fold of every sample; a fold without a sample here is left out.
        params: hyperparameters.
        training: epochs and patience.
        seed: the study's seed; fold number `i` is fitted with a seed of its own made from it.
        hooks: folds that are known already, and what is called after each fold.

    Raises:
        FitError: when the samples lie in fewer than two folds.
    """
    numbers = [int(number) for number in np.unique(fold)]
    if len(fold) != len(samples) or len(numbers) < 2:
        raise FitError.of("fit.folds", head=key, samples=len(samples), folds=len(numbers))
    folds = []
    for number in numbers:
        result = hooks.finished.get(number)
        if result is None:
            rest, watch = samples.take(fold != number), samples.take(fold == number)
            fit = fit_head(key, rest, watch, params, training, seed=fold_seed(seed, number))
            metrics = evaluate_head(key, watch, predict_head(key, fit.weights, params, watch.features))
            result = FoldResult(fit, metrics | {"loss": fit.history["val_loss"][fit.best_epoch]})
        folds.append(result)
        if hooks.after is not None:
            hooks.after(number, result)
    return summarize(key, tuple(folds))


def summarize(key: ModelKey, folds: tuple[FoldResult, ...]) -> CVResult:
    """Average the folds' figures (each over the folds that have it) and find the best fold.

    Best is the lowest MAE of a regressor, the highest accuracy of a classifier; a lower loss decides between equals.
    """
    names = sorted({name for fold in folds for name in fold.metrics})
    values = {name: [fold.metrics[name] for fold in folds if name in fold.metrics] for name in names}
    mean = {name: float(np.mean(figures)) for name, figures in values.items()}
    std = {name: float(np.std(figures)) for name, figures in values.items()}
    name, sign = ("accuracy", -1.0) if key.task is Task.CLASSIFIER else ("mae_months", 1.0)
    ranks = [(sign * fold.metrics[name], fold.metrics["loss"]) for fold in folds]
    return CVResult(folds, mean, std, ranks.index(min(ranks)))


def train_final(
    key: ModelKey,
    samples: Samples,
    cv: CVResult,
    params: HeadParameters,
    training: TrainingConfig,
    watch: Samples | None,
    seed: int,
) -> FitResult:
    """Train on all folds together, starting from the best fold's weights.

    With `training.final_stop = "validation"` the watched set stops the training, as in the paper. With `"folds"` it is
    trained for the folds' median best epoch and the watched set, if any, is only looked at.

    Raises:
        FitError: when the validation part is to stop the training and is missing.
    """
    if training.final_stop == "validation" and watch is None:
        raise FitError.of("fit.no_validation", head=key)
    start = Start(cv.folds[cv.best].fit.weights, cv.epochs if training.final_stop == "folds" else None)
    return fit_head(key, samples, watch, params, training, seed=fold_seed(seed, -1), start=start)


def evaluate_head(key: ModelKey, true: Samples, predictions: np.ndarray) -> dict[str, float]:
    """Measure a head's predictions on samples, under the names of `boneage.learn.metrics`."""
    if key.task is Task.CLASSIFIER:
        return classification_metrics(true.groups, predictions) | ordinal_metrics(true.groups, predictions)
    return regression_metrics(true.ages, predictions)


def fold_seed(seed: int, number: int) -> int:
    """Make the seed of one fold (or of the final training, -1) from the study's, below 2**31."""
    return int(np.random.SeedSequence((seed, number + 1)).generate_state(1)[0] >> 2)

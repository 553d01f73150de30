"""Fit one head: cosine annealing per step, early stopping that restores the best epoch.

The loop is the same for both engines: the compiled one on TensorFlow, stock Keras elsewhere. A result depends on
samples, parameters and seed alone.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from boneage.config import HeadParameters, TrainingConfig
from boneage.errors import BoneageError
from boneage.groups import ModelKey
from boneage.learn.engine import Batch, CosineSchedule, FitPlan, HeadShape, StockEngine, targets_of
from boneage.learn.heads import check_weights, fold_scaling, initial_weights, scaling_of, unfold_scaling

if TYPE_CHECKING:
    from boneage.learn.compiled_engine import CompiledEngine

    Engine = CompiledEngine | StockEngine


class FitError(BoneageError):
    """Report samples or settings with which no head can be fitted."""


class DivergedError(FitError):
    """Report settings with which the loss never was a finite number: no fault of the samples."""


@dataclass(frozen=True)
class Samples:
    """Training or validation samples of one head: features, ages and groups of the images of its sex (and age group).

    Attributes:
        features: pooled features, float32 (N, D).
        ages: months, float32 (N,).
        groups: age groups 1-4, int (N,).
    """

    features: np.ndarray
    ages: np.ndarray
    groups: np.ndarray

    def __post_init__(self) -> None:
        sizes = {len(self.features), len(self.ages), len(self.groups)}
        if self.features.ndim != 2 or len(sizes) != 1:
            raise FitError.of(
                "fit.samples", features=self.features.shape, ages=self.ages.shape, groups=self.groups.shape
            )

    def __len__(self) -> int:
        return len(self.features)

    def take(self, rows: np.ndarray) -> Samples:
        """Return some of the samples, by index or by a boolean mask."""
        return Samples(self.features[rows], self.ages[rows], self.groups[rows])


def concatenate(parts: Sequence[Samples]) -> Samples:
    """Concatenate samples."""
    names = ("features", "ages", "groups")
    return Samples(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


@dataclass(frozen=True)
class Start:
    """Initial weights and number of epochs of a fit that goes on from another one."""

    weights: Sequence[np.ndarray] | None = None
    epochs: int | None = None


@dataclass(frozen=True)
class FitResult:
    """A fitted head.

    Attributes:
        weights: the six arrays of the best epoch (of the last one where nothing was watched), for unscaled features.
        history: per epoch `loss`, `learning_rate` (of its last step) and, where a set was watched, `val_loss` and
            `val_accuracy` or `val_mae_months`.
        best_epoch: index from 0 of the epoch whose weights these are.
        seconds: how long the fit took.
    """

    weights: list[np.ndarray]
    history: dict[str, list[float]]
    best_epoch: int
    seconds: float


@dataclass
class EarlyStopping:
    """Keras's `EarlyStopping(monitor="val_loss", restore_best_weights=True)` as a small state."""

    patience: int
    best: float = math.inf
    best_epoch: int = -1
    wait: int = 0

    def improved(self, epoch: int, value: float) -> bool:
        """Record an epoch's value; tell whether it is the best so far."""
        self.wait += 1
        if value < self.best:
            self.best, self.best_epoch, self.wait = value, epoch, 0
            return True
        return False

    @property
    def stops(self) -> bool:
        """Tell whether patience is at its end."""
        return self.wait >= self.patience


def fit_head(
    key: ModelKey,
    train: Samples,
    watch: Samples | None,
    params: HeadParameters,
    training: TrainingConfig,
    *,
    seed: int,
    start: Start | None = None,
) -> FitResult:
    """Fit one head.

    It is fitted for at most `training.epochs`, stopped early by the watched set's loss (patience never shorter than the
    warm-up), and the best epoch's weights are returned. With `start.epochs` it is fitted for exactly so many, annealed
    over all of them, and the last weights are returned; a watched set is then only looked at.

    Raises:
        FitError: when there is nothing to fit on, or features are not finite.
        DivergedError: when the loss never was a finite number.
        HeadError: when `start.weights` belong to another architecture.

    Example:
        >>> fit_head(key, train, watch, HeadParameters(), TrainingConfig(), seed=1).best_epoch
        23
    """
    began = time.perf_counter()
    _check(key, train, watch)
    start, n_features = start or Start(), train.features.shape[1]
    length = start.epochs or training.epochs
    weights = list(initial_weights(key.task, n_features, params, seed) if start.weights is None else start.weights)
    check_weights(key.task, n_features, params, weights)
    schedule = CosineSchedule.of(params, length * math.ceil(len(train) / params.batch_size))
    plan = FitPlan(key, params, HeadShape.of(key.task, n_features, params), schedule, seed)
    scaling = scaling_of(train.features) if params.standardize else None
    if scaling is not None and start.weights is not None:
        weights = unfold_scaling(weights, *scaling)
    with _engine(plan) as engine:
        engine.start(plan, weights, _batch(plan, train, scaling), _batch(plan, watch, scaling) if watch else None)
        stopping = EarlyStopping(_patience(params, training)) if watch and start.epochs is None else None
        best, history = _run(engine, plan, len(train), length, stopping, observed=bool(watch))
    if scaling is not None:
        best = fold_scaling(best, *scaling)
    last = len(history["loss"]) - 1
    return FitResult(best, history, stopping.best_epoch if stopping else last, time.perf_counter() - began)


def _run(
    engine: Engine, plan: FitPlan, size: int, length: int, stopping: EarlyStopping | None, *, observed: bool
) -> tuple[list[np.ndarray], dict[str, list[float]]]:
    """Run the epochs; return the weights to keep and the history."""
    rng = np.random.default_rng((plan.seed, 1))
    rates, steps = plan.schedule.rates(), math.ceil(size / plan.params.batch_size)
    metric_name = "val_accuracy" if plan.shape.loss == "crossentropy" else "val_mae_months"
    history: dict[str, list[float]] = {"loss": [], "learning_rate": []}
    best: list[np.ndarray] | None = None
    for epoch in range(length):
        history["loss"].append(engine.epoch(rng.permutation(size).astype(np.int32)))
        history["learning_rate"].append(float(rates[(epoch + 1) * steps - 1]))
        if observed:
            loss, metric = engine.watch()
            history.setdefault("val_loss", []).append(loss)
            history.setdefault(metric_name, []).append(metric)
            if stopping and stopping.improved(epoch, loss):
                best = engine.weights()
            if stopping and stopping.stops:
                break
    if best is None and (stopping or not math.isfinite(history["loss"][-1])):
        raise DivergedError.of("fit.diverged", head=plan.key, rate=plan.params.initial_learning_rate)
    return best or engine.weights(), history


@contextlib.contextmanager
def _engine(plan: FitPlan) -> Iterator[Engine]:
    """Give the engine of the present Keras backend, to this fit alone."""
    import keras

    if keras.backend.backend() == "tensorflow":
        from boneage.learn.compiled_engine import LOCK, compiled_engine

        with LOCK:
            yield compiled_engine(plan.shape)
    else:
        yield StockEngine()


def _batch(plan: FitPlan, samples: Samples, scaling: tuple[np.ndarray, np.ndarray] | None) -> Batch:
    """Turn samples into what an engine takes, features scaled where wanted."""
    features = np.ascontiguousarray(samples.features, dtype=np.float32)
    if scaling is not None:
        features = (features - scaling[0]) / scaling[1]
    return Batch(features, targets_of(plan.key, samples.ages, samples.groups, plan.shape.loss))


def _patience(params: HeadParameters, training: TrainingConfig) -> int:
    """Return the patience in epochs; a fit must not be stopped while its learning rate still warms up."""
    return max(training.patience, math.ceil(params.warmup_fraction * training.epochs) + 1)


def _check(key: ModelKey, train: Samples, watch: Samples | None) -> None:
    """Refuse samples on which a fit would be meaningless."""
    for name, samples in (("training", train), ("watched", watch)):
        if samples is None:
            continue
        if not len(samples):
            raise FitError.of("fit.no_image", head=key, part=name)
        if not np.isfinite(samples.features).all():
            raise FitError.of("fit.not_finite", head=key, part=name)

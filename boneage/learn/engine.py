"""Plan the fit of one head (shape, learning rates, targets), and carry it out with stock Keras on any backend.

On TensorFlow `boneage.learn.compiled_engine` carries it out faster; it is measured and proven against this one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from boneage.config import HeadParameters
from boneage.groups import AGE_GROUPS, ModelKey, Task
from boneage.learn import all_ages
from boneage.learn.heads import POSITIONS, affine_of, build_head, outputs_of, soft_labels, softmax, target_of

ENGINE_VERSION = 1
"""To be raised by whoever changes what a fit gives for the same samples, parameters and seed: searches begin anew."""
HUBER_DELTA_MONTHS = 6.0
LossName = Literal["crossentropy", "mae", "mse", "huber", "distribution", "years", "months"]


@dataclass(frozen=True)
class CosineSchedule:
    """Learning rates that warm up to `peak` in `warmup_steps` and fall by a cosine to `peak * floor` in `decay_steps`.

    They are those of `keras.optimizers.schedules.CosineDecay`, as plain numbers: so they are an input of the compiled
    training step and not part of its graph, which every trial of a search can use again.
    """

    peak: float
    floor: float
    warmup_steps: int
    decay_steps: int

    @classmethod
    def of(cls, params: HeadParameters, total_steps: int) -> CosineSchedule:
        """Spread the parameters' warm-up and decay over all steps of a fit; at least one step decays."""
        warmup = min(int(round(params.warmup_fraction * total_steps)), max(total_steps - 1, 0))
        return cls(params.initial_learning_rate, params.final_fraction, warmup, max(total_steps - warmup, 1))

    def rates(self) -> np.ndarray:
        """Return the learning rate of every step, float32 (warmup_steps + decay_steps,)."""
        warm = self.peak * np.arange(self.warmup_steps) / max(self.warmup_steps, 1)
        cosine = 0.5 * (1.0 + np.cos(math.pi * np.arange(self.decay_steps) / self.decay_steps))
        return np.concatenate([warm, self.peak * ((1.0 - self.floor) * cosine + self.floor)]).astype(np.float32)

    def keras_arguments(self) -> dict[str, float | int | None]:
        """Return the arguments that make Keras's own `CosineDecay` the same schedule."""
        if not self.warmup_steps:
            return {"initial_learning_rate": self.peak, "decay_steps": self.decay_steps, "alpha": self.floor}
        return {
            "initial_learning_rate": 0.0,
            "decay_steps": self.decay_steps,
            "alpha": self.floor,
            "warmup_target": self.peak,
            "warmup_steps": self.warmup_steps,
        }


@dataclass(frozen=True)
class HeadShape:
    """Layer sizes and loss of a head; fits that share a shape share one compiled graph."""

    task: Task
    n_features: int
    width_1: int
    width_2: int
    loss: LossName
    decays: bool

    @classmethod
    def of(cls, task: Task, n_features: int, params: HeadParameters) -> HeadShape:
        """Take from hyperparameters what shapes the graph."""
        whole = params.loss in all_ages.LOSSES  # all five models of a sex are then parts of one head
        loss: LossName = "crossentropy" if task is Task.CLASSIFIER and not whole else params.loss
        widths = (params.width_1, params.width_2)
        return cls(Task.CLASSIFIER if whole else task, n_features, *widths, loss, params.weight_decay > 0.0)

    @property
    def whole(self) -> bool:
        """Tell whether it is a head for all ages, whose outputs are the logits of the years."""
        return self.loss in all_ages.LOSSES

    @property
    def widths(self) -> tuple[int, ...]:
        """Return the number of features and the units of the three layers."""
        return self.n_features, self.width_1, self.width_2, outputs_of(self.task, self.loss)


@dataclass(frozen=True)
class FitPlan:
    """All that a fit's result depends on besides samples and initial weights."""

    key: ModelKey
    params: HeadParameters
    shape: HeadShape
    schedule: CosineSchedule
    seed: int

    @property
    def affine(self) -> tuple[float, float]:
        """Return the regressor's (centre, half width) in months."""
        return affine_of(target_of(self.key))


@dataclass(frozen=True)
class Batch:
    """Features float32 (N, D) and targets float32: one-hot groups (N, 4), or months (N, 1)."""

    features: np.ndarray
    targets: np.ndarray


def targets_of(key: ModelKey, ages: np.ndarray, groups: np.ndarray, loss: str = "") -> np.ndarray:
    """Return the targets that a head is fitted to: one-hot groups float32 (N, 4), or months float32 (N, 1)."""
    if key.task is Task.CLASSIFIER and loss not in all_ages.LOSSES:
        return np.eye(len(AGE_GROUPS), dtype=np.float32)[np.asarray(groups, dtype=np.int64) - 1]
    return np.asarray(ages, dtype=np.float32)[:, None]


class StockEngine:
    """Fits heads with stock Keras layers, AdamW, CosineDecay and `train_on_batch`; `start` resets everything.

    A new model for every fit, hence slow on small data.
    """

    def start(self, plan: FitPlan, weights: list[np.ndarray], train: Batch, watch: Batch | None) -> None:
        """Build and compile a new model from weights, with the samples to train on and to watch."""
        import keras

        self._plan, self._watched = plan, watch or train
        self._features, self._targets = train.features, self._labels(train.targets)
        self._loss = {
            "crossentropy": keras.losses.CategoricalCrossentropy(),
            "mae": keras.losses.MeanAbsoluteError(),
            "mse": keras.losses.MeanSquaredError(),
            "huber": keras.losses.Huber(delta=HUBER_DELTA_MONTHS),
            "distribution": keras.losses.CategoricalCrossentropy(from_logits=True),
            "years": keras.losses.SparseCategoricalCrossentropy(),
            "months": keras.losses.MeanAbsoluteError(),
        }[plan.shape.loss]
        schedule = keras.optimizers.schedules.CosineDecay(**plan.schedule.keras_arguments())
        optimizer = keras.optimizers.AdamW(schedule, weight_decay=plan.params.weight_decay)
        shape = plan.shape
        self.model = build_head(shape.task, shape.n_features, plan.params, target_of(plan.key), seed=plan.seed)
        if shape.loss == "distribution":
            self.model = keras.Model(self.model.input, self.model.get_layer("dense_3").output)
        if shape.loss == "months":
            expected = keras.ops.matmul(self.model.output, all_ages.YEARS[:, None])
            self.model = keras.Model(self.model.input, expected)
        self.model.set_weights(weights)
        # XLA would compile again for the last, smaller batch of an epoch.
        self.model.compile(optimizer=optimizer, loss=self._loss, jit_compile=False)

    def epoch(self, order: np.ndarray) -> float:
        """Train one epoch over the rows in `order` (int32); return the mean loss over its samples."""
        size, total = self._plan.params.batch_size, 0.0
        for first in range(0, len(order), size):
            rows = order[first : first + size]
            self.model.reset_metrics()
            loss = self.model.train_on_batch(self._features[rows], self._targets[rows], return_dict=True)
            total += float(loss["loss"]) * len(rows)
        return total / len(order)

    def watch(self) -> tuple[float, float]:
        """Score the watched set: return its loss, and accuracy (classifier) or MAE in months (regressor)."""
        output, targets = self.model.predict_on_batch(self._watched.features), self._watched.targets
        loss = float(self._loss(self._labels(targets), output))
        if self._plan.shape.loss == "crossentropy":
            return loss, float(np.mean(output.argmax(axis=1) == targets.argmax(axis=1)))
        if self._plan.shape.loss == "years":
            output = output @ all_ages.YEARS[:, None]
        if self._plan.shape.loss == "distribution":
            centre, half = self._plan.affine
            output = softmax(output) @ POSITIONS[:, None] * half + centre
        return loss, float(np.mean(np.abs(output - targets)))

    def weights(self) -> list[np.ndarray]:
        """Return copies of the six weights."""
        return [np.array(weight) for weight in self.model.get_weights()]

    def _labels(self, targets: np.ndarray) -> np.ndarray:
        """Return what the loss compares with: the targets, a distribution's soft labels, or the years (N, 1)."""
        if self._plan.shape.loss == "years":
            return all_ages.year_of(targets)
        centre, half = self._plan.affine
        return soft_labels((targets - centre) / half) if self._plan.shape.loss == "distribution" else targets

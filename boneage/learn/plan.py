"""What one fit consists of, as plain data, and the interface of whatever carries it out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from boneage.config import HeadParameters
from boneage.groups import AGE_GROUPS, ModelKey, Task
from boneage.learn.heads import affine_of, target_of
from boneage.learn.schedule import CosineSchedule

HUBER_DELTA_MONTHS = 6.0
LossName = Literal["crossentropy", "mae", "mse", "huber", "distribution"]


@dataclass(frozen=True)
class HeadShape:
    """What the graph of a head's training depends on; fits that share a shape share one compiled graph."""

    task: Task
    n_features: int
    width_1: int
    width_2: int
    loss: LossName
    decays: bool

    @classmethod
    def of(cls, task: Task, n_features: int, params: HeadParameters) -> HeadShape:
        """Take the part of the parameters that shapes the graph."""
        loss: LossName = "crossentropy" if task is Task.CLASSIFIER else params.loss
        return cls(task, n_features, params.width_1, params.width_2, loss, params.weight_decay > 0.0)


@dataclass(frozen=True)
class FitPlan:
    """Everything that a fit's result depends on besides samples and initial weights."""

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


@dataclass(frozen=True)
class Scores:
    """A watched set after an epoch: its loss, and accuracy (classifier) or MAE in months (regressor)."""

    loss: float
    metric: float


class Engine(Protocol):
    """Carries out a plan epoch by epoch. `start` resets everything, so that one engine serves many fits."""

    def start(self, plan: FitPlan, weights: list[np.ndarray], train: Batch, watch: Batch | None) -> None:
        """Take weights and samples, zero the optimizer's state, the step counter and the dropout's seed."""

    def epoch(self, order: np.ndarray) -> float:
        """Train one epoch over the rows in `order` (int32) and return the mean loss over its samples."""

    def watch(self) -> Scores:
        """Score the watched set with the present weights."""

    def weights(self) -> list[np.ndarray]:
        """Return a copy of the present weights."""


def targets_of(key: ModelKey, ages: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Return what a head is fitted to: one-hot groups float32 (N, 4), or months float32 (N, 1)."""
    if key.task is Task.CLASSIFIER:
        return np.eye(len(AGE_GROUPS), dtype=np.float32)[np.asarray(groups, dtype=np.int64) - 1]
    return np.asarray(ages, dtype=np.float32)[:, None]

"""Fit one head for all ages and both sexes: a regressor, or a distribution over bins of six months.

The cascade's rival in the ablation and, stacked with the routed experts, a part of it. Labels are heaped at multiples
of six months, so soft labels (a normal curve over the bins) may suit them better than one number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from boneage.config import GlobalHeadConfig
from boneage.groups import MAX_AGE_MONTHS, Sex
from boneage.learn.fit import Samples
from boneage.learn.heads import HeadError, fold_scaling, scaling_of, softmax

Kind = Literal["regression", "distribution"]
ARRAYS = 4
BINS = np.arange(0.0, MAX_AGE_MONTHS + 1, 6.0, dtype=np.float32)
SEX_FLAGS = {Sex.FEMALE: -1.0, Sex.MALE: 1.0}
_SPREAD = 9.0
CENTRE = 120.0
HALF = 60.0


def bins_of(count: int) -> np.ndarray:
    """Return the months (count,) that a distribution's outputs stand for: `BINS`, going on alike beyond both ends.

    A newborn's label is whole only where there are bins below 0, an adult's where there are some above 228.

    Raises:
        HeadError: when there are fewer than `BINS`, or not as many more below as above.
    """
    beyond, odd = divmod(count - len(BINS), 2)
    if beyond < 0 or odd:
        raise HeadError.of("head.outputs", bins=len(BINS), came=count)
    return (np.arange(count, dtype=np.float32) - beyond) * BINS[1]


def with_sex(features: np.ndarray, sexes: Sequence[Sex | str] | np.ndarray) -> np.ndarray:
    """Append the sex as one more feature: float32 (N, D) becomes (N, D + 1), -1 for female and 1 for male."""
    flags = np.array([SEX_FLAGS[Sex(sex)] for sex in sexes], np.float32).reshape(-1, 1)
    return np.hstack([np.asarray(features, np.float32), flags])


def samples_with_sex(samples: Samples, sexes: Sequence[Sex | str] | np.ndarray) -> Samples:
    """Append the sex to the features of samples."""
    return replace(samples, features=with_sex(samples.features, sexes))


@dataclass(frozen=True)
class GlobalHead:
    """A fitted head for all ages and both sexes.

    Attributes:
        kind: `regression` or `distribution`.
        weights: kernel and bias of two layers, for unscaled features and the sex; four more for every further member of
            an ensemble, whose ages are averaged.
    """

    kind: Kind
    weights: tuple[np.ndarray, ...]

    def __post_init__(self) -> None:
        if not self.weights or len(self.weights) % ARRAYS:
            raise HeadError.of("head.member_arrays", wanted=ARRAYS, came=len(self.weights))

    @property
    def features(self) -> int:
        """Return how many features it takes, without the sex."""
        return len(self.weights[0]) - 1

    def predict(self, features: np.ndarray, sexes: Sequence[Sex | str] | np.ndarray) -> np.ndarray:
        """Map features float32 (N, D) and N sexes to ages in months, float32 (N,)."""
        flagged = with_sex(features, sexes)
        members = [self.weights[first : first + ARRAYS] for first in range(0, len(self.weights), ARRAYS)]
        return np.asarray(np.mean([self._member(member, flagged) for member in members], axis=0), np.float32)

    def _member(self, weights: Sequence[np.ndarray], flagged: np.ndarray) -> np.ndarray:
        kernel_1, bias_1, kernel_2, bias_2 = weights
        raw = np.maximum(flagged @ kernel_1 + bias_1, 0) @ kernel_2 + bias_2
        if self.kind == "regression":
            return np.asarray(raw[:, 0] * HALF + CENTRE)
        return np.asarray(np.clip(softmax(raw) @ bins_of(raw.shape[1]), 0, MAX_AGE_MONTHS))


def ensemble_of(members: Sequence[GlobalHead]) -> GlobalHead:
    """Return one head that averages several of the same kind."""
    return GlobalHead(members[0].kind, tuple(weight for member in members for weight in member.weights))


def fit_global_head(kind: Kind, train: Samples, watch: Samples, settings: GlobalHeadConfig, *, seed: int) -> GlobalHead:
    """Fit one head for all ages with Adam and early stopping on the watched set.

    Args:
        kind: which head.
        train: what it is fitted on; the features end with the sex (`with_sex`).
        watch: what stops it, likewise.
        settings: width of the hidden layer and the most epochs.
        seed: of weights, order and dropout.
    """
    import keras

    keras.utils.set_random_seed(seed)
    mean, deviation = scaling_of(train.features)
    model = _build(kind, train.features.shape[1], settings.width)
    steps = settings.epochs * -(-len(train) // 64)
    model.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(2e-3, steps, 0.02)),
        "mean_absolute_error" if kind == "regression" else "categorical_crossentropy",
        jit_compile=False,
    )
    model.fit(
        (train.features - mean) / deviation,
        targets_of_kind(kind, train.ages),
        validation_data=((watch.features - mean) / deviation, targets_of_kind(kind, watch.ages)),
        batch_size=64,
        epochs=settings.epochs,
        callbacks=[keras.callbacks.EarlyStopping(patience=8, restore_best_weights=True)],
        verbose=0,
    )
    return GlobalHead(kind, tuple(fold_scaling(model.get_weights(), mean, deviation)))


def _build(kind: Kind, n_features: int, width: int) -> Any:
    from keras import Sequential, layers

    last = layers.Dense(1) if kind == "regression" else layers.Dense(len(BINS), "softmax")
    return Sequential([layers.Input((n_features,)), layers.Dense(width, "relu"), layers.Dropout(0.2), last])


def targets_of_kind(kind: Kind, ages: np.ndarray) -> np.ndarray:
    """Return what a head of this kind learns from ages in months: scaled ages (N, 1), or soft labels (N, bins)."""
    if kind == "regression":
        return ((ages - CENTRE) / HALF)[:, None].astype(np.float32)
    weights = np.exp(-0.5 * ((BINS[None] - ages[:, None]) / _SPREAD) ** 2)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)

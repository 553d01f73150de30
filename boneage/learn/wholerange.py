"""One head for all ages: a regressor, or a distribution over bins of six months whose expectation is the age.

They are rivals of the cascade in the ablation, not parts of it. Labels are heaped at multiples of six months, so soft
labels (a normal curve over the bins) may suit them better than one number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from boneage.groups import MAX_AGE_MONTHS
from boneage.learn.fit import Samples
from boneage.learn.heads import fold_scaling, scaling_of, softmax

Kind = Literal["regression", "distribution"]
BINS = np.arange(0.0, MAX_AGE_MONTHS + 1, 6.0, dtype=np.float32)
_SPREAD = 9.0
_CENTRE = 120.0
_HALF = 60.0


@dataclass(frozen=True)
class WholeRange:
    """A fitted head.

    Attributes:
        kind: `regression` or `distribution`.
        weights: kernel and bias of two layers, for unscaled features.
    """

    kind: Kind
    weights: tuple[np.ndarray, ...]

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Map features float32 (N, D) to ages in months, float32 (N,)."""
        kernel_1, bias_1, kernel_2, bias_2 = self.weights
        raw = np.maximum(features @ kernel_1 + bias_1, 0) @ kernel_2 + bias_2
        return np.asarray(raw[:, 0] * _HALF + _CENTRE if self.kind == "regression" else softmax(raw) @ BINS)


def fit_whole_range(
    kind: Kind, train: Samples, watch: Samples, *, width: int = 256, epochs: int = 40, seed: int = 0
) -> WholeRange:
    """Fit one head with Adam and early stopping on the watched set.

    Args:
        kind: which head.
        train: what it is fitted on.
        watch: what stops it.
        width: of the hidden layer.
        epochs: at most so many.
        seed: of weights, order and dropout.
    """
    import keras

    keras.utils.set_random_seed(seed)
    mean, deviation = scaling_of(train.features)
    model = _build(kind, train.features.shape[1], width)
    model.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(2e-3, epochs * -(-len(train) // 64), 0.02)),
        "mean_absolute_error" if kind == "regression" else "categorical_crossentropy",
    )
    stop = keras.callbacks.EarlyStopping(patience=8, restore_best_weights=True)
    model.fit(
        (train.features - mean) / deviation,
        _targets(kind, train.ages),
        validation_data=((watch.features - mean) / deviation, _targets(kind, watch.ages)),
        batch_size=64,
        epochs=epochs,
        callbacks=[stop],
        verbose=0,
    )
    return WholeRange(kind, tuple(fold_scaling(model.get_weights(), mean, deviation)))


def _build(kind: Kind, n_features: int, width: int) -> Any:
    from keras import Sequential, layers

    last = layers.Dense(1) if kind == "regression" else layers.Dense(len(BINS), "softmax")
    return Sequential([layers.Input((n_features,)), layers.Dense(width, "relu"), layers.Dropout(0.2), last])


def _targets(kind: Kind, ages: np.ndarray) -> np.ndarray:
    if kind == "regression":
        return ((ages - _CENTRE) / _HALF)[:, None].astype(np.float32)
    weights = np.exp(-0.5 * ((BINS[None] - ages[:, None]) / _SPREAD) ** 2)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)

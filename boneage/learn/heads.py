"""Build the classifier head and the regressor head of the paper, and run them on pooled features.

A regressor's last Dense gives a number `z` that a fixed affine turns into months, `centre + half * z` of its age group.
So one initial learning rate means the same in every group, and an untrained head starts in the middle of its group.

With `loss = "distribution"` the last Dense gives a softmax over 15 bins that reach 0.4 half widths beyond the group on
either side; `z` is its expectation. Labels are heaped at multiples of six months, so soft labels may suit them.

With `loss = "years"` or `"months"` there is one head per sex for all ages, and each of the sex's five models is a part
of it (`boneage.learn.all_ages`): they share weights, and soft routing among them gives the head's own expectation.

Weights travel as six arrays `[kernel, bias] * 3`. Serving needs no Keras: `predict_head` is the same forward pass in
numpy (a test holds it to the Keras head), which costs about a millisecond an image and no graph.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from boneage.config import HeadParameters
from boneage.errors import BoneageError
from boneage.groups import AGE_GROUPS, AgeGroup, ModelKey, Task
from boneage.learn import all_ages

if TYPE_CHECKING:
    import keras

Weights = Sequence[np.ndarray]
ARRAYS = 6
POSITIONS = np.linspace(-1.4, 1.4, 15, dtype=np.float32)
SPREAD = 0.3
_FEW_ROWS = 4


class HeadError(BoneageError):
    """Report weights or features that do not fit a head."""


def target_of(key: ModelKey) -> AgeGroup | None:
    """Return the age group whose months a regressor gives, None for a classifier."""
    return None if key.group is None else AGE_GROUPS[key.group - 1]


def affine_of(target: AgeGroup | None) -> tuple[float, float]:
    """Return (centre, half width) in months of a regressor's group; (0, 1) for a classifier."""
    return (0.0, 1.0) if target is None else ((target.low + target.high) / 2, (target.high - target.low) / 2)


def outputs_of(task: Task, loss: str = "mae") -> int:
    """Return the number of outputs of a head's last layer."""
    if loss in all_ages.LOSSES:
        return len(all_ages.YEARS)
    if task is Task.CLASSIFIER:
        return len(AGE_GROUPS)
    return len(POSITIONS) if loss == "distribution" else 1


def build_head(
    task: Task, n_features: int, params: HeadParameters, target: AgeGroup | None, *, seed: int | None = None
) -> keras.Model:
    """Build one head as a Keras model: pooled features float32 (N, D) -> probabilities (N, 4) or months (N, 1).

    With a loss for all ages the model gives the probabilities of the years (N, 20).

    `seed` seeds the dropout (layer i with `seed + i`). `params.standardize` does not change the model: `fit_head` folds
    the scaling into the first Dense layer.

    Example:
        >>> build_head(Task.REGRESSOR, 384, HeadParameters(), AGE_GROUPS[0]).count_params()
        919553
    """
    from keras import Input, Model, layers, ops

    def drop(x: Any, number: int) -> Any:
        return layers.Dropout(params.dropout, seed=None if seed is None else seed + number, name=f"dropout_{number}")(x)

    inputs = Input((n_features,), name="features")
    x = drop(layers.Dense(params.width_1, "relu", name="dense_1")(inputs), 1)
    x = layers.Dense(params.width_2, "relu", name="dense_2")(x)
    if params.loss in all_ages.LOSSES:
        outputs = layers.Dense(outputs_of(task, params.loss), "softmax", name="years")(drop(x, 2))
    elif task is Task.CLASSIFIER:
        outputs = layers.Dense(outputs_of(task), "softmax", name="group")(drop(x, 2))
    else:
        centre, half = affine_of(target)
        last = layers.Dense(outputs_of(task, params.loss), name="dense_3")(x)
        if params.loss == "distribution":
            last = ops.matmul(ops.softmax(last), POSITIONS[:, None])
        outputs = layers.Rescaling(half, centre, name="months")(last)
    return Model(inputs, outputs, name=str(task))


def layer_shapes(widths: Sequence[int]) -> list[tuple[int, ...]]:
    """List the shapes of kernels and biases of dense layers between so many units."""
    return [shape for rows, columns in pairwise(widths) for shape in ((rows, columns), (columns,))]


def head_shapes(task: Task, n_features: int, params: HeadParameters) -> list[tuple[int, ...]]:
    """List the shapes of a head's six weights."""
    return layer_shapes((n_features, params.width_1, params.width_2, outputs_of(task, params.loss)))


def initial_weights(task: Task, n_features: int, params: HeadParameters, seed: int) -> list[np.ndarray]:
    """Draw Keras's default start (Glorot uniform kernels, zero biases) from a seed, the same on every backend."""
    rng = np.random.default_rng((seed, 0))
    weights = []
    for shape in head_shapes(task, n_features, params):
        limit = np.sqrt(6.0 / sum(shape)) if len(shape) == 2 else 0.0
        weights.append((rng.random(shape, dtype=np.float32) * 2.0 - 1.0) * np.float32(limit))
    return weights


def check_weights(task: Task, n_features: int, params: HeadParameters, weights: Weights) -> None:
    """Refuse weights of another architecture.

    Raises:
        HeadError: when a shape differs.
    """
    wanted, got = head_shapes(task, n_features, params), [tuple(weight.shape) for weight in weights]
    if wanted != got:
        raise HeadError.of("head.weights", task=task, count=n_features, wanted=wanted, came=got)


def predict_head(key: ModelKey, weights: Weights, params: HeadParameters, features: np.ndarray) -> np.ndarray:
    """Run one head on pooled features in numpy.

    Args:
        key: which of the ten models.
        weights: its six arrays.
        params: the hyperparameters it was fitted with.
        features: float32 (N, D).

    Returns:
        Probabilities of the groups 1-4, float32 (N, 4), or ages in months, float32 (N,).

    Raises:
        HeadError: when features and weights do not fit each other or the parameters.
    """
    features = np.asarray(features, dtype=np.float32)
    if features.ndim != 2:
        raise HeadError.of("head.features", shape=features.shape)
    check_weights(key.task, features.shape[1], params, weights)
    kernel_1, bias_1, kernel_2, bias_2, kernel_3, bias_3 = weights
    hidden = np.maximum(_product(features, kernel_1) + bias_1, 0.0)
    hidden = np.maximum(_product(hidden, kernel_2) + bias_2, 0.0)
    raw = _product(hidden, kernel_3) + bias_3
    if params.loss in all_ages.LOSSES:
        years = softmax(raw)
        return all_ages.groups_of(years) if key.group is None else all_ages.months_within(years, key.group)
    if key.task is Task.CLASSIFIER:
        return softmax(raw)
    if params.loss == "distribution":
        raw = softmax(raw) @ POSITIONS[:, None]
    centre, half = affine_of(target_of(key))
    return np.asarray(raw[:, 0] * np.float32(half) + np.float32(centre), dtype=np.float32)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return float32 probabilities along the last axis, safe for large logits."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True), dtype=np.float32)


def _product(features: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Multiply; a few rows without BLAS, whose threads wait for each other far longer than so little work takes.

    On two busy cores one row of a paper's head takes 0.4 ms so, and 10 ms through BLAS.
    """
    return np.einsum("nd,dk->nk", features, kernel) if len(features) <= _FEW_ROWS else features @ kernel


def scaling_of(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and deviation per feature, float32 (D,).

    The deviation is at least a hundredth of the average one; of fewer than 300 rows, at least three average ones
    divided by their number. A feature that happens to hardly vary among a few films would be blown up on the next film.
    """
    mean, deviation = features.mean(axis=0), features.std(axis=0)
    floor = max(float(deviation.mean()) * max(0.01, 3.0 / len(features)), 1e-6)
    return mean.astype(np.float32), np.maximum(deviation, floor).astype(np.float32)


def fold_scaling(weights: Weights, mean: np.ndarray, deviation: np.ndarray) -> list[np.ndarray]:
    """Turn weights for features scaled by (x - mean) / deviation into weights for the features themselves."""
    kernel = weights[0] / deviation[:, None]
    return [kernel, weights[1] - mean @ kernel, *weights[2:]]


def unfold_scaling(weights: Weights, mean: np.ndarray, deviation: np.ndarray) -> list[np.ndarray]:
    """Undo `fold_scaling`: weights for features as they are become weights for scaled ones."""
    return [weights[0] * deviation[:, None], weights[1] + mean @ weights[0], *weights[2:]]


def soft_labels(positions: np.ndarray) -> np.ndarray:
    """Return normal curves over the bins, float32 (N, 15), around places in half widths of a group, float (N, 1)."""
    return softmax(np.asarray(-0.5 * ((POSITIONS - positions) / SPREAD) ** 2, np.float32))


def fold_constant(weights: Weights, value: float) -> list[np.ndarray]:
    """Turn weights for features with one more, constant feature at the end into weights for the features alone.

    A head that learnt from both sexes, with the sex as its last feature, becomes an ordinary head of one sex so.
    """
    kernel, bias, *rest = weights
    return [kernel[:-1], bias + np.float32(value) * kernel[-1], *rest]


def halved(weights: Sequence[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Round kernels to what float16 holds, as float32; biases stay."""
    return tuple(w.astype(np.float16).astype(np.float32) if w.ndim == 2 else w for w in weights)


def fold_temperature(weights: Weights, temperature: float) -> list[np.ndarray]:
    """Divide a classifier's logits by a temperature: above 1 its probabilities flatten, below 1 they sharpen."""
    divisor = np.float32(temperature)
    return [*weights[:-2], weights[-2] / divisor, weights[-1] / divisor]

"""Five folds as one batched network against five fits one after the other, in one run on the same data.

The batched network is the same head five times over: weights (5, D, W), batched matrix products, one Adam over all. It
is given every advantage: folds of one size, no early stopping, no watched set. A real one would also have to carry
folds that have stopped early to the end of the longest, and could not prune between folds.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf

from boneage.config import HeadParameters, TrainingConfig
from boneage.groups import ModelKey
from boneage.learn.fit import Samples, Start, fit_head
from boneage.learn.heads import initial_weights

FOLDS, FEATURES, ROUNDS = 5, 512, 3
KEY = ModelKey.parse("regressor-male-2")
SHAPES = {
    "small (256/128)": (256, 128, 64),
    "the paper's (1024/512)": (1024, 512, 64),
    "small, batch 16": (256, 128, 16),
}
SIZES = {"350 images": (280, 12), "1,400 images": (1120, 6)}


def main() -> int:
    print(f"{'head':<24}{'training part':<16}{'one by one':>12}{'batched':>10}{'ratio':>8}{'largest difference':>20}")
    for head, (width_1, width_2, batch) in SHAPES.items():
        for size, (count, epochs) in SIZES.items():
            params = HeadParameters(width_1=width_1, width_2=width_2, batch_size=batch, dropout=0.0)
            alone, together, off = compare(params, count, epochs)
            print(f"{head:<24}{size:<16}{alone:>10.2f} s{together:>8.2f} s{alone / together:>8.2f}{off:>20.1e}")
    return 0


def compare(params: HeadParameters, count: int, epochs: int) -> tuple[float, float, float]:
    """Return the median seconds of both ways and the largest difference between their weights."""
    rng = np.random.default_rng(0)
    folds = [
        Samples(
            rng.normal(size=(count, FEATURES)).astype(np.float32),
            rng.uniform(58, 115, count).astype(np.float32),
            np.full(count, KEY.group),
        )
        for _ in range(FOLDS)
    ]
    batched = Batched(params)
    alone, together, off = [], [], 0.0
    for number in range(ROUNDS + 1):
        began = time.perf_counter()
        fits = [fit(fold, params, epochs, seed) for seed, fold in enumerate(folds)]
        middle = time.perf_counter()
        weights = batched.fit(folds, epochs)
        if number:  # the first round traces both
            alone.append(middle - began)
            together.append(time.perf_counter() - middle)
        off = max(
            float(np.abs(w[k] - mine).max()) for k, one in enumerate(fits) for w, mine in zip(weights, one, strict=True)
        )
    return statistics.median(alone), statistics.median(together), off


def fit(fold: Samples, params: HeadParameters, epochs: int, seed: int) -> list[np.ndarray]:
    return fit_head(KEY, fold, None, params, TrainingConfig(), seed=seed, start=Start(epochs=epochs)).weights


class Batched:
    """Five regressors with MAE as one network; order, rates and start are those of `fit_head`."""

    def __init__(self, params: HeadParameters) -> None:
        self.params = params
        each = [initial_weights(KEY.task, FEATURES, params, seed) for seed in range(FOLDS)]
        self.start = [np.stack(arrays) for arrays in zip(*each, strict=True)]
        self.start = [array[:, None, :] if array.ndim == 2 else array for array in self.start]
        self.weights = [tf.Variable(array) for array in self.start]
        self.slots = [(tf.Variable(tf.zeros(array.shape)), tf.Variable(tf.zeros(array.shape))) for array in self.start]
        self.epoch = tf.function(self._epoch, reduce_retracing=True)

    def fit(self, folds: list[Samples], epochs: int) -> list[np.ndarray]:
        """Fit all folds from the start; return the weights, each with the fold as first axis."""
        from boneage.learn.engine import CosineSchedule

        batch, count = self.params.batch_size, len(folds[0])
        steps = -(-count // batch)
        for variable, value in zip(self.weights, self.start, strict=True):
            variable.assign(value)
        for slots in self.slots:
            for slot in slots:
                slot.assign(tf.zeros(slot.shape))
        rates = CosineSchedule.of(self.params, epochs * steps).rates().astype(np.float64)
        ticks = np.arange(1, len(rates) + 1)
        alphas = (rates * np.sqrt(1.0 - 0.999**ticks) / (1.0 - 0.9**ticks)).astype(np.float32)
        features = tf.constant(np.stack([fold.features for fold in folds]))
        targets = tf.constant(np.stack([fold.ages for fold in folds])[..., None])
        orders = [np.random.default_rng((seed, 1)) for seed in range(FOLDS)]
        for number in range(epochs):
            order = np.stack([rng.permutation(count).astype(np.int32) for rng in orders])
            self.epoch(
                features, targets, tf.constant(order), tf.constant(alphas[number * steps : (number + 1) * steps])
            )
        return [
            np.squeeze(variable.numpy(), 1) if variable.shape[1] == 1 else variable.numpy() for variable in self.weights
        ]

    def _epoch(self, features: Any, targets: Any, order: Any, alphas: Any) -> None:
        from boneage.learn.heads import affine_of, target_of

        centre, half = affine_of(target_of(KEY))
        batch = self.params.batch_size
        for step in tf.range(tf.shape(alphas)[0]):
            rows = order[:, step * batch : (step + 1) * batch]
            x, y = tf.gather(features, rows, batch_dims=1), tf.gather(targets, rows, batch_dims=1)
            with tf.GradientTape() as tape:
                kernel_1, bias_1, kernel_2, bias_2, kernel_3, bias_3 = self.weights
                hidden = tf.nn.relu(tf.matmul(x, kernel_1) + bias_1)
                hidden = tf.nn.relu(tf.matmul(hidden, kernel_2) + bias_2)
                months = (tf.matmul(hidden, kernel_3) + bias_3) * half + centre
                loss = tf.reduce_sum(tf.reduce_mean(tf.abs(months - y), axis=(1, 2)))
            for weight, (first, second), gradient in zip(
                self.weights, self.slots, tape.gradient(loss, self.weights), strict=True
            ):
                tf.raw_ops.ResourceApplyAdam(
                    var=weight.handle, m=first.handle, v=second.handle, beta1_power=0.0, beta2_power=0.0,
                    lr=alphas[step], beta1=0.9, beta2=0.999, epsilon=1e-7, grad=gradient,
                )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())

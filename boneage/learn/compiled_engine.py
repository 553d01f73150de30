"""Fit heads with a whole epoch in one compiled call, traced once per head shape and used by every later fit.

TensorFlow only, on purpose. Small heads on few samples spend their time in tracing, in Python between steps and in the
optimizer's memory traffic: so batch size, learning rates, dropout rate, weight decay, seed and the group's months are
inputs of the graph, not parts of it, the loop over steps runs inside, and Adam is TensorFlow's fused kernel (one pass
over the weights instead of about ten). Other backends use `boneage.learn.engine.StockEngine`; a test shows that both
give the same loss curve.
"""

from __future__ import annotations

from functools import lru_cache
from threading import RLock
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from boneage.groups import AGE_GROUPS, Task
from boneage.learn.all_ages import YEARS
from boneage.learn.engine import HUBER_DELTA_MONTHS, Batch, FitPlan, HeadShape
from boneage.learn.heads import POSITIONS, SPREAD, layer_shapes

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7  # Keras's defaults of Adam

LOCK = RLock()
"""Held during a fit: engines are shared and hold the state of the fit in progress."""


@lru_cache(maxsize=16)
def compiled_engine(shape: HeadShape) -> CompiledEngine:
    """Return the one engine of a head shape, so that it is traced once in a process."""
    return CompiledEngine(shape)


class CompiledEngine:
    """Fits heads of one shape, with the methods of `boneage.learn.engine.StockEngine`."""

    def __init__(self, shape: HeadShape) -> None:
        self.shape = shape
        self.traces = 0
        sizes = layer_shapes(shape.widths)
        self._weights = [tf.Variable(tf.zeros(size)) for size in sizes]
        self._momenta = [tf.Variable(tf.zeros(size)) for size in sizes]
        self._velocities = [tf.Variable(tf.zeros(size)) for size in sizes]
        targets = len(AGE_GROUPS) if shape.loss == "crossentropy" else 1
        samples = (tf.TensorSpec((None, shape.n_features)), tf.TensorSpec((None, targets)))
        scalar, vector = tf.TensorSpec(()), tf.TensorSpec((None,))
        integer, order = tf.TensorSpec((), tf.int32), tf.TensorSpec((None,), tf.int32)
        inputs = [samples, order, integer, (vector, vector), (scalar, integer, integer), vector]
        self._epoch = tf.function(self._run_epoch, input_signature=inputs)
        self._watch = tf.function(self._run_watch, input_signature=[samples, vector])

    def start(self, plan: FitPlan, weights: list[np.ndarray], train: Batch, watch: Batch | None) -> None:
        """Take weights and samples; reset optimizer, step counter and the seed of the dropout."""
        for variable, value in zip(self._weights, weights, strict=True):
            variable.assign(value)
        for variable in (*self._momenta, *self._velocities):
            variable.assign(tf.zeros(variable.shape))
        rates = plan.schedule.rates().astype(np.float64)
        steps = np.arange(1, len(rates) + 1)
        self._alphas = (rates * np.sqrt(1.0 - BETA_2**steps) / (1.0 - BETA_1**steps)).astype(np.float32)
        self._decays = (rates * plan.params.weight_decay).astype(np.float32)
        self._plan, self._step = plan, 0
        self._affine = tf.constant(plan.affine, tf.float32)
        self._train = (tf.constant(train.features), tf.constant(train.targets))
        self._watched = None if watch is None else (tf.constant(watch.features), tf.constant(watch.targets))

    def epoch(self, order: np.ndarray) -> float:
        """Train one epoch over the rows in `order` (int32) in one call; return the mean loss over its samples."""
        batch = self._plan.params.batch_size
        first, last = self._step, self._step + -(-len(order) // batch)
        self._step = last
        rates = (self._alphas[first:last], self._decays[first:last])
        drop = (np.float32(self._plan.params.dropout), np.int32(self._plan.seed), np.int32(first))
        return float(self._epoch(self._train, order.astype(np.int32), np.int32(batch), rates, drop, self._affine))

    def watch(self) -> tuple[float, float]:
        """Score the watched set: return its loss, and accuracy (classifier) or MAE in months (regressor)."""
        loss, metric = self._watch(self._watched, self._affine)
        return float(loss), float(metric)

    def weights(self) -> list[np.ndarray]:
        """Return copies of the six weights."""
        return [np.array(variable.numpy()) for variable in self._weights]

    def _run_epoch(self, samples: Any, order: Any, batch: Any, rates: Any, drop: Any, affine: Any) -> Any:
        self.traces += 1  # runs while tracing only
        (features, targets), (alphas, decays), (rate, seed, first) = samples, rates, drop
        total = tf.constant(0.0)
        for step in tf.range(tf.shape(alphas)[0]):
            rows = order[step * batch : (step + 1) * batch]
            x, y = tf.gather(features, rows), tf.gather(targets, rows)
            with tf.GradientTape() as tape:
                outputs = self._forward(x, affine, (rate, seed, first + step))
                loss = tf.reduce_mean(self._losses(y, outputs, affine))
            gradients = tape.gradient(loss, self._weights)
            self._update(gradients, alphas[step], decays[step])
            total += loss * tf.cast(tf.shape(rows)[0], tf.float32)
        return total / tf.cast(tf.shape(order)[0], tf.float32)

    def _run_watch(self, samples: Any, affine: Any) -> tuple[Any, Any]:
        features, targets = samples
        output = self._forward(features, affine, None)
        loss = tf.reduce_mean(self._losses(targets, output, affine))
        if self.shape.loss == "crossentropy":
            hits = tf.equal(tf.argmax(output, axis=1), tf.argmax(targets, axis=1))
            return loss, tf.reduce_mean(tf.cast(hits, tf.float32))
        if self.shape.loss == "distribution":
            output = tf.matmul(tf.nn.softmax(output), POSITIONS[:, None]) * affine[1] + affine[0]
        if self.shape.whole:
            output = tf.matmul(tf.nn.softmax(output), YEARS[:, None])
        return loss, tf.reduce_mean(tf.abs(output - targets))

    def _forward(self, x: Any, affine: Any, drop: tuple[Any, Any, Any] | None) -> Any:
        """Return logits, of groups (N, 4), years (N, 20) or a distribution's bins (N, B), or months (N, 1)."""
        kernel_1, bias_1, kernel_2, bias_2, kernel_3, bias_3 = self._weights
        x = _dropout(tf.nn.relu(tf.matmul(x, kernel_1) + bias_1), drop, 1)
        x = tf.nn.relu(tf.matmul(x, kernel_2) + bias_2)
        if self.shape.task is Task.CLASSIFIER:
            return tf.matmul(_dropout(x, drop, 2), kernel_3) + bias_3
        if self.shape.loss == "distribution":
            return tf.matmul(x, kernel_3) + bias_3
        return (tf.matmul(x, kernel_3) + bias_3) * affine[1] + affine[0]

    def _losses(self, targets: Any, outputs: Any, affine: Any) -> Any:
        """Return the loss of every sample."""
        if self.shape.loss == "distribution":
            places = (targets - affine[0]) / affine[1]
            labels = tf.nn.softmax(-0.5 * ((POSITIONS - places) / SPREAD) ** 2)
            return tf.nn.softmax_cross_entropy_with_logits(labels, outputs)
        if self.shape.loss == "years":
            years = tf.cast(tf.clip_by_value((targets[:, 0] + 6.0) // 12.0, 0.0, len(YEARS) - 1.0), tf.int32)
            return tf.nn.sparse_softmax_cross_entropy_with_logits(years, outputs)
        if self.shape.loss == "months":
            return keras.losses.mean_absolute_error(targets, tf.matmul(tf.nn.softmax(outputs), YEARS[:, None]))
        if self.shape.loss == "crossentropy":
            return keras.losses.categorical_crossentropy(targets, outputs, from_logits=True)
        if self.shape.loss == "huber":
            return keras.losses.huber(targets, outputs, delta=HUBER_DELTA_MONTHS)
        measure = keras.losses.mean_squared_error if self.shape.loss == "mse" else keras.losses.mean_absolute_error
        return measure(targets, outputs)

    def _update(self, gradients: list[Any], alpha: Any, decay: Any) -> None:
        """Take one step of AdamW; `alpha` already holds Adam's bias correction, hence the powers of zero."""
        for weight, momentum, velocity, gradient in zip(
            self._weights, self._momenta, self._velocities, gradients, strict=True
        ):
            if self.shape.decays:
                weight.assign_sub(weight * decay)
            tf.raw_ops.ResourceApplyAdam(
                var=weight.handle, m=momentum.handle, v=velocity.handle, beta1_power=0.0, beta2_power=0.0,
                lr=alpha, beta1=BETA_1, beta2=BETA_2, epsilon=EPSILON, grad=gradient,
            )  # fmt: skip


def _dropout(x: Any, drop: tuple[Any, Any, Any] | None, number: int) -> Any:
    """Drop as Keras's Dropout layer with `seed + number` would at this step."""
    if drop is None:
        return x
    rate, seed, step = drop
    return tf.nn.experimental.stateless_dropout(x, rate=rate, seed=tf.stack([seed + number, step]))

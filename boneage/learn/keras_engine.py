"""Fit heads with stock Keras layers, AdamW, CosineDecay and `train_on_batch`, on any Keras backend.

A new model for every fit, hence slow on small data; it is what the compiled engine is measured and proven against, and
what fits heads where Keras runs on JAX or PyTorch.
"""

from __future__ import annotations

import numpy as np

from boneage.groups import Task
from boneage.learn.heads import POSITIONS, build_head, soft_labels, softmax, target_of
from boneage.learn.plan import HUBER_DELTA_MONTHS, Batch, FitPlan


class StockEngine:
    """Fits heads epoch by epoch with stock Keras; `start` resets everything, so that one engine serves many fits."""

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
        }[plan.shape.loss]
        schedule = keras.optimizers.schedules.CosineDecay(**plan.schedule.keras_arguments())
        optimizer = keras.optimizers.AdamW(schedule, weight_decay=plan.params.weight_decay)
        shape = plan.shape
        self.model = build_head(shape.task, shape.n_features, plan.params, target_of(plan.key), seed=plan.seed)
        if shape.loss == "distribution":
            self.model = keras.Model(self.model.input, self.model.get_layer("dense_3").output)
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
        if self._plan.shape.task is Task.CLASSIFIER:
            return loss, float(np.mean(output.argmax(axis=1) == targets.argmax(axis=1)))
        if self._plan.shape.loss == "distribution":
            centre, half = self._plan.affine
            output = softmax(output) @ POSITIONS[:, None] * half + centre
        return loss, float(np.mean(np.abs(output - targets)))

    def weights(self) -> list[np.ndarray]:
        """Return copies of the six weights."""
        return [np.array(weight) for weight in self.model.get_weights()]

    def _labels(self, targets: np.ndarray) -> np.ndarray:
        """Return what the loss compares with: the targets, or a distribution's soft labels."""
        centre, half = self._plan.affine
        return soft_labels((targets - centre) / half) if self._plan.shape.loss == "distribution" else targets

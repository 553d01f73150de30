"""The plain engine: stock Keras layers, AdamW, CosineDecay and `train_on_batch`, on any Keras backend.

A new model for every fit, hence slow on small data; it is what the compiled engine is measured and proven against, and
what fits heads where Keras runs on JAX or PyTorch.
"""

from __future__ import annotations

import numpy as np

from boneage.groups import Task
from boneage.learn.heads import build_head, target_of
from boneage.learn.plan import HUBER_DELTA_MONTHS, Batch, FitPlan, Scores


class StockEngine:
    """Fits heads with what Keras ships; see `boneage.learn.plan.Engine`."""

    def start(self, plan: FitPlan, weights: list[np.ndarray], train: Batch, watch: Batch | None) -> None:
        """Build and compile a new model."""
        import keras

        self._plan, self._train, self._watched = plan, train, watch
        self._loss = {
            "crossentropy": keras.losses.CategoricalCrossentropy(),
            "mae": keras.losses.MeanAbsoluteError(),
            "mse": keras.losses.MeanSquaredError(),
            "huber": keras.losses.Huber(delta=HUBER_DELTA_MONTHS),
        }[plan.shape.loss]
        schedule = keras.optimizers.schedules.CosineDecay(**plan.schedule.keras_arguments())
        optimizer = keras.optimizers.AdamW(schedule, weight_decay=plan.params.weight_decay)
        shape = plan.shape
        self.model = build_head(shape.task, shape.n_features, plan.params, target_of(plan.key), seed=plan.seed)
        self.model.set_weights(weights)
        # XLA would compile again for the last, smaller batch of an epoch.
        self.model.compile(optimizer=optimizer, loss=self._loss, jit_compile=False)

    def epoch(self, order: np.ndarray) -> float:
        """Train one epoch batch by batch."""
        size, total = self._plan.params.batch_size, 0.0
        for first in range(0, len(order), size):
            rows = order[first : first + size]
            self.model.reset_metrics()
            loss = self.model.train_on_batch(self._train.features[rows], self._train.targets[rows], return_dict=True)
            total += float(loss["loss"]) * len(rows)
        return total / len(order)

    def watch(self) -> Scores:
        """Score the watched set."""
        if self._watched is None:
            return Scores(float("nan"), float("nan"))
        output, targets = self.model.predict_on_batch(self._watched.features), self._watched.targets
        loss = float(self._loss(targets, output))
        if self._plan.shape.task is Task.CLASSIFIER:
            return Scores(loss, float(np.mean(output.argmax(axis=1) == targets.argmax(axis=1))))
        return Scores(loss, float(np.mean(np.abs(output - targets))))

    def weights(self) -> list[np.ndarray]:
        """Return copies of the six weights."""
        return [np.array(weight) for weight in self.model.get_weights()]

"""A fit as MLflow metrics: its curves with the epoch (from 1) as step, and its figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from boneage.tracking.values import to_metrics

if TYPE_CHECKING:
    from mlflow.entities import Metric

    from boneage.learn.fit import FitResult

_CURVES = frozenset({"loss", "val_loss", "learning_rate"})


def fit_metrics(fit: FitResult, figures: Mapping[str, float]) -> list[Metric]:
    """Return curves, learning rate among them, best epoch, number of epochs, seconds, and further figures.

    `loss`, `val_loss` and `learning_rate` keep their names; other curves are named `epoch_...`, so that a figure of the
    best epoch never hides among them.
    """
    epochs = max((len(values) for values in fit.history.values()), default=0)
    curves = [metric for epoch in range(epochs) for metric in to_metrics(_at(fit, epoch), epoch + 1)]
    return [
        *curves,
        *to_metrics({"best_epoch": fit.best_epoch + 1, "epochs": epochs, "seconds": fit.seconds, **figures}),
    ]


def _at(fit: FitResult, epoch: int) -> dict[str, float]:
    """Return one epoch's point of every curve."""
    points = {name: values[epoch] for name, values in fit.history.items() if epoch < len(values)}
    return {name if name in _CURVES else f"epoch_{name}": value for name, value in points.items()}

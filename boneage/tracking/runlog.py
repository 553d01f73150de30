"""Write one run of MLflow: metrics, curves, parameters, texts and figures, in as few calls as MLflow allows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from boneage.learn.fit import FitResult
from boneage.tracking.values import chunks, flat_params, to_metrics, to_params

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from mlflow import MlflowClient
    from mlflow.entities import Metric

# MLflow takes 1000 metrics and 100 parameters in one call, and 1000 items of both together.
_METRICS_PER_CALL, _PARAMS_PER_CALL = 800, 100
_CURVES = frozenset({"loss", "val_loss", "learning_rate"})


class RunLog:
    """Writes to runs of a store by their ids.

    Args:
        client: an open MLflow client.
    """

    def __init__(self, client: MlflowClient) -> None:
        self.client = client

    def log_fit(
        self,
        run_id: str,
        fit: FitResult,
        figures: Mapping[str, float] | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> None:
        """Log a fit's curves and facts (`fit_metrics`), further `figures` and `params`."""
        left = to_params(params or {})
        for chunk in chunks(fit_metrics(fit, figures or {}), _METRICS_PER_CALL):
            self.client.log_batch(run_id, metrics=chunk, params=left)
            left = []

    def log_metrics(self, run_id: str, metrics: Mapping[str, float], step: int = 0) -> None:
        """Log numbers under their own names; what is not finite is left out (NaN sorts oddly in the UI)."""
        self.client.log_batch(run_id, metrics=to_metrics(metrics, step))

    def log_params(self, run_id: str, params: Mapping[str, Any] | Any) -> None:
        """Log parameters, a mapping or one of the configuration's classes; nested names are joined by dots.

        MLflow keeps a parameter's first value: on a run that goes on, a changed one becomes a tag `now.<name>`.
        """
        known, wanted = self.client.get_run(run_id).data.params, flat_params(params)
        self._log(run_id, params={name: value for name, value in wanted.items() if name not in known})
        for name, value in wanted.items():
            if known.get(name, str(value)) != str(value):
                self.client.set_tag(run_id, f"now.{name}", str(value))

    def log_text(self, run_id: str, text: str, file: str) -> None:
        """Save a text (Markdown, HTML, TOML) as an artifact of a run."""
        self.client.log_text(run_id, text, file)

    def log_figure(self, run_id: str, figure: Figure, file: str) -> None:
        """Save a figure as an artifact of a run."""
        self.client.log_figure(run_id, figure, file)

    def end(self, run_id: str, status: str = "FINISHED") -> None:
        """Close a run: `FINISHED`, `KILLED` (pruned or interrupted) or `FAILED`."""
        self.client.set_terminated(run_id, status)

    def _log(
        self, run_id: str, *, metrics: Mapping[str, Any] | None = None, params: Mapping[str, Any] | None = None
    ) -> None:
        if metrics:
            self.client.log_batch(run_id, metrics=to_metrics(metrics))
        for chunk in chunks(to_params(params or {}), _PARAMS_PER_CALL):
            self.client.log_batch(run_id, params=chunk)


def fit_metrics(fit: FitResult, figures: Mapping[str, float]) -> list[Metric]:
    """Return curves, learning rate among them, best epoch, number of epochs, seconds, and further figures.

    `loss`, `val_loss` and `learning_rate` keep their names; other curves are named `epoch_...`, so that a figure of the
    best epoch never hides among them.
    """
    epochs = max((len(values) for values in fit.history.values()), default=0)
    curves = {name if name in _CURVES else f"epoch_{name}": values for name, values in fit.history.items()}
    points = [{name: curve[epoch] for name, curve in curves.items() if epoch < len(curve)} for epoch in range(epochs)]
    facts = {"best_epoch": fit.best_epoch + 1, "epochs": epochs, "seconds": fit.seconds}
    metrics = [metric for epoch, point in enumerate(points, start=1) for metric in to_metrics(point, epoch)]
    return metrics + to_metrics({**facts, **figures})

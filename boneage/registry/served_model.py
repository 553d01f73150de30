"""Serve the registered cascade with MLflow (models-from-code: MLflow runs this file, nothing is unpickled).

Input columns `image` (a file's bytes, or base64 of them, also as a data address), `sex`, and optionally `age_range`,
`anyway` (true: what the gate refuses is estimated, too, with its reasons as warnings), `reasons` (true: what each
expert said and the most similar training cases come along), `chronological_months` (the difference comes along) and
`table` (a built-in table's name: the z-score and its probabilities, too); output columns as `boneage predict --format
json [--reasons] [--chronological MONTHS [--table NAME]]` without `image`; a row that cannot be estimated among others
has `error` instead. Only this file travels in the registered model: it needs the boneage package installed, which
`mlflow models serve --env-manager local` takes as it is.
"""

from __future__ import annotations

import threading
from typing import Any

# MLflow reads the annotations below when it runs this file, so their names are imported for real.
import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel, PythonModelContext


class ServedCascade(PythonModel):  # type: ignore[misc,unused-ignore]
    """Estimates one row after another with the very `Cascade.estimate` of the command line and the page."""

    def load_context(self, context: PythonModelContext) -> None:
        """Open the bundle that was registered with this model; every checksum is verified."""
        from boneage.registry.serving import open_served

        self._cascade = open_served(context.artifacts["bundle"])
        self._turn = threading.Lock()

    def predict(
        self, context: PythonModelContext, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Estimate every row."""
        from boneage.registry.serving import estimate_rows

        return estimate_rows(self._cascade, model_input, self._turn)


set_model(ServedCascade())

"""Serve one registered head with MLflow: pooled features in, probabilities or months out (models-from-code)."""

from __future__ import annotations

from typing import Any

# MLflow reads the annotations below when it runs this file, so their names are imported for real.
import numpy as np
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel, PythonModelContext


class ServedHead(PythonModel):  # type: ignore[misc,unused-ignore]
    """Answers for the pooled features of the cascade's backbone, float32 (N, D)."""

    def load_context(self, context: PythonModelContext) -> None:
        """Read the head's arrays; pickle is refused."""
        from boneage.registry.serving import read_head

        self._head = read_head(context.artifacts["weights"], context.artifacts["head"])

    def predict(
        self, context: PythonModelContext, model_input: np.ndarray, params: dict[str, Any] | None = None
    ) -> np.ndarray:
        """Return probabilities, float32 (N, 4), or ages in months, float32 (N, 1)."""
        answer = self._head.predict(np.asarray(model_input, dtype=np.float32))
        return np.asarray(answer, dtype=np.float32).reshape(len(model_input), -1)


set_model(ServedHead())

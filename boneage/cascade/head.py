"""One of the ten heads: its key, its hyperparameters and its weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from boneage.config import HeadParameters
from boneage.groups import ModelKey
from boneage.learn.heads import predict_head


@dataclass(frozen=True)
class Head:
    """A fitted head, ready to answer.

    Attributes:
        key: which of the ten models it is.
        params: its hyperparameters, which fix its architecture.
        weights: its arrays in the order that `boneage.learn` gives them.
    """

    key: ModelKey
    params: HeadParameters
    weights: tuple[np.ndarray, ...]

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Answer for pooled features.

        Args:
            features: float32 (N, D).

        Returns:
            A classifier's probabilities, float (N, 4), or a regressor's ages in months, float (N,).
        """
        return predict_head(self.key, self.weights, self.params, features)

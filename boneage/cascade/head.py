"""One of the ten heads at work: its weights, or those of an ensemble, whose answers are averaged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from boneage.config import HeadParameters
from boneage.groups import ModelKey
from boneage.learn.heads import ARRAYS, HeadError, predict_head


@dataclass(frozen=True)
class Head:
    """A fitted head, ready to answer.

    Attributes:
        key: which of the ten models it is.
        params: its hyperparameters, which fix its architecture.
        weights: its six arrays in the order that `boneage.learn` gives them; six more for every further member of an
            ensemble.
    """

    key: ModelKey
    params: HeadParameters
    weights: tuple[np.ndarray, ...]

    def __post_init__(self) -> None:
        if not self.weights or len(self.weights) % ARRAYS:
            raise HeadError.of("head.arrays", head=self.key, wanted=ARRAYS, came=len(self.weights))

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Answer for pooled features.

        Args:
            features: float32 (N, D).

        Returns:
            A classifier's probabilities, float (N, 4), or a regressor's ages in months, float (N,).
        """
        members = [self.weights[first : first + ARRAYS] for first in range(0, len(self.weights), ARRAYS)]
        answers = [predict_head(self.key, member, self.params, features) for member in members]
        return answers[0] if len(answers) == 1 else np.asarray(np.mean(answers, axis=0))

"""Route each film to its regressors: the classifier's choice (hard), all by weight (soft), or the given range.

A `Head` is one of the ten at work: its weights, or those of an ensemble, whose answers are averaged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from boneage.cascade.estimate import EstimateError
from boneage.config import HeadParameters, Routing
from boneage.groups import AGE_GROUPS, MAX_AGE_MONTHS, MIN_AGE_MONTHS, RANGE_LABELS, ModelKey, Sex, Task
from boneage.learn.heads import ARRAYS, HeadError, predict_head
from boneage.notices import warning

UNLIKELY_PROBABILITY = 0.1


class Predictor(Protocol):
    """Anything that answers for pooled features: a `Head`, or a stand-in in a test."""

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Map float32 (N, D) to probabilities (N, 4) or months (N,)."""


@dataclass(frozen=True)
class Routed:
    """Ages, groups and probabilities of N images after routing.

    Attributes:
        ages: float64 (N,), months within 0-228.
        hard_ages: float64 (N,), what the classifier's choice alone would give; where a range was given, its expert's.
        groups: int (N,), the age group 1-4 of the expert that answered (soft: the most probable).
        probabilities: float64 (N, 4), rows sum to 1; one-hot where a range was given.
        names: N times `hard`, `soft`, `stacked` (with a head for all ages) or `given`.
        warnings: N tuples of sentences.
    """

    ages: np.ndarray
    hard_ages: np.ndarray
    groups: np.ndarray
    probabilities: np.ndarray
    names: tuple[str, ...]
    warnings: tuple[tuple[str, ...], ...]


def route(
    heads: Mapping[ModelKey, Predictor],
    features: np.ndarray,
    sexes: Sequence[Sex],
    given: Sequence[int | None],
    routing: Routing = "hard",
) -> Routed:
    """Estimate the ages of N images from their pooled features.

    A given group decides alone, as in the paper: the classifier has no say in the age. It is still asked, because on
    features that are there already it costs next to nothing, and a range that it holds for very unlikely is worth a
    warning (a slip of the finger is a commoner cause than a wrong network).

    Args:
        heads: the ten heads.
        features: float32 (N, D).
        sexes: N sexes.
        given: per image the group 1-4 that the user gave, or None.
        routing: `hard` or `soft`, for images without a given group.

    Raises:
        EstimateError: when a head answers with something that is no number.
    """
    classified = _classify(heads, features, sexes)
    certain = np.array([group is not None for group in given], dtype=bool)
    chosen = np.where(certain, [group or 0 for group in given], classified.argmax(axis=1) + 1).astype(int)
    one_hot = np.eye(len(AGE_GROUPS))[chosen - 1]
    hard = ages = _weighted_ages(heads, features, sexes, one_hot)
    if routing == "soft":
        ages = _weighted_ages(heads, features, sexes, np.where(certain[:, None], one_hot, classified))
    return Routed(
        ages=np.clip(ages, MIN_AGE_MONTHS, MAX_AGE_MONTHS),
        hard_ages=np.clip(hard, MIN_AGE_MONTHS, MAX_AGE_MONTHS),
        groups=chosen,
        probabilities=np.where(certain[:, None], one_hot, classified),
        names=tuple("given" if known else routing for known in certain),
        warnings=tuple(
            _doubt(row, group) if known else () for row, group, known in zip(classified, chosen, certain, strict=True)
        ),
    )


def _classify(heads: Mapping[ModelKey, Predictor], features: np.ndarray, sexes: Sequence[Sex]) -> np.ndarray:
    """Ask each sex's classifier about its own images; returns float64 (N, 4), rows summing to 1."""
    probabilities = np.zeros((len(sexes), len(AGE_GROUPS)))
    for sex in Sex:
        rows = _rows(sexes, sex)
        if rows.any():
            probabilities[rows] = heads[ModelKey(Task.CLASSIFIER, sex)].predict(features[rows])
    totals = probabilities.sum(axis=1, keepdims=True)
    if not (np.isfinite(probabilities).all() and (totals > 0).all()):
        raise EstimateError.of("head.no_group")
    return probabilities / totals


def _weighted_ages(
    heads: Mapping[ModelKey, Predictor], features: np.ndarray, sexes: Sequence[Sex], weights: np.ndarray
) -> np.ndarray:
    """Sum the experts' ages by weight; an expert without weight is not asked."""
    ages = np.zeros(len(sexes))
    for sex in Sex:
        of_sex = _rows(sexes, sex)
        for column, group in enumerate(AGE_GROUPS):
            rows = of_sex & (weights[:, column] > 0)
            if rows.any():
                expert = heads[ModelKey(Task.REGRESSOR, sex, group.number)]
                ages[rows] += weights[rows, column] * np.asarray(expert.predict(features[rows]), dtype=float).ravel()
    if not np.isfinite(ages).all():
        raise EstimateError.of("head.no_age")
    return ages


def _rows(sexes: Sequence[Sex], sex: Sex) -> np.ndarray:
    return np.array([each == sex for each in sexes], dtype=bool)


def _doubt(classified: np.ndarray, given: int) -> tuple[str, ...]:
    """Warn where the classifier holds the given group for very unlikely."""
    best = int(classified.argmax()) + 1
    if best == given or classified[given - 1] >= UNLIKELY_PROBABILITY:
        return ()
    said = warning(
        "range.unlikely",
        given=RANGE_LABELS[given - 1],
        given_share=float(classified[given - 1]),
        best=RANGE_LABELS[best - 1],
        best_share=float(classified[best - 1]),
    )
    return (said,)


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

"""Compute the metrics of classifiers and regressors from arrays, without Keras or MLflow.

A class without samples has neither a sensitivity nor a specificity worth the name: it is left out of the dictionary
and of the macro mean, so that no figure is ever NaN.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from boneage.errors import BoneageError
from boneage.groups import AGE_GROUPS

GROUP_NUMBERS: tuple[int, ...] = tuple(group.number for group in AGE_GROUPS)


class MetricError(BoneageError):
    """Report arrays from which no metric can be computed."""


def regression_metrics(true: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Compute the errors of estimated ages in months.

    Args:
        true: ages, any shape that flattens to (N,), months.
        predicted: estimates for the same images, months.

    Returns:
        `mae_months`, `mse_months2`, `rmse_months`, `bias_months` (positive: too old), and the shares (0-1)
        `within_12_months` and `within_24_months`.

    Raises:
        MetricError: when the arrays are empty or differ in length.

    Example:
        >>> regression_metrics(np.array([100.0, 120.0]), np.array([106.0, 90.0]))["mae_months"]
        18.0
    """
    error = _paired(predicted, true)
    error = error[0] - error[1]
    size = np.abs(error)
    mse = float(np.mean(error**2))
    return {
        "mae_months": float(np.mean(size)),
        "mse_months2": mse,
        "rmse_months": float(np.sqrt(mse)),
        "bias_months": float(np.mean(error)),
        "within_12_months": float(np.mean(size <= 12.0)),
        "within_24_months": float(np.mean(size <= 24.0)),
    }


def classification_metrics(true_groups: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """Compute accuracy, sensitivity and specificity of a classifier of age groups.

    Args:
        true_groups: int (N,), 1-4.
        probabilities: float (N, 4), each row sums to 1.

    Returns:
        `accuracy`; `sensitivity` and `specificity`, the means over the classes that have samples (and, for
        specificity, others beside them); and the same per class, `sensitivity_1` ... `specificity_4`.

    Raises:
        MetricError: when there are no images or the shapes do not fit.
    """
    probabilities = np.asarray(probabilities)
    if probabilities.ndim != 2 or probabilities.shape[1] != len(GROUP_NUMBERS):
        raise MetricError.of("metric.probabilities", groups=len(GROUP_NUMBERS), shape=probabilities.shape)
    table = confusion(true_groups, probabilities.argmax(axis=1) + 1)
    figures = {"accuracy": float(np.trace(table) / table.sum())}
    per_class = dict(_per_class(table))
    for name in ("sensitivity", "specificity"):
        values = [value for key, value in per_class.items() if key.startswith(name)]
        if values:
            figures[name] = float(np.mean(values))
    return figures | per_class


def ordinal_metrics(true_groups: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """Compute log loss and quadratic kappa of a classifier of age groups.

    Args:
        true_groups: int (N,), 1-4.
        probabilities: float (N, 4), each row sums to 1.

    Returns:
        `log_loss` (mean negative logarithm of the true group's probability) and `quadratic_kappa` (Cohen's kappa with
        quadratic weights: 1 is perfect, 0 is chance; 1 where all images are of one group and recognised as such).

    Raises:
        MetricError: when there are no images or the shapes do not fit.
    """
    probabilities = np.asarray(probabilities, dtype=np.float64)
    table = confusion(true_groups, probabilities.argmax(axis=1) + 1).astype(np.float64)
    own = probabilities[np.arange(len(probabilities)), np.asarray(true_groups).astype(np.int64).ravel() - 1]
    places = np.arange(len(GROUP_NUMBERS))
    weights = (places[:, None] - places[None, :]) ** 2
    by_chance = float(np.sum(weights * np.outer(table.sum(axis=1), table.sum(axis=0)))) / float(table.sum())
    kappa = 1.0 - float(np.sum(weights * table)) / by_chance if by_chance else 1.0
    return {"log_loss": float(-np.mean(np.log(np.clip(own, 1e-7, 1.0)))), "quadratic_kappa": kappa}


def confusion(true: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Count a confusion matrix int64 (4, 4): rows are the true groups 1-4, columns the predicted ones.

    Raises:
        MetricError: when the arrays are empty, differ in length or hold anything but 1-4.
    """
    wanted, got = (np.asarray(part).astype(np.int64) for part in _paired(true, predicted))
    size = len(GROUP_NUMBERS)
    if min(wanted.min(), got.min()) < 1 or max(wanted.max(), got.max()) > size:
        raise MetricError.of("metric.groups", last=size)
    return np.bincount((wanted - 1) * size + got - 1, minlength=size * size).reshape(size, size)


def _per_class(table: np.ndarray) -> Iterator[tuple[str, float]]:
    """Yield sensitivity and specificity of every class that can have one."""
    total = int(table.sum())
    for index, number in enumerate(GROUP_NUMBERS):
        positives, named, hits = int(table[index].sum()), int(table[:, index].sum()), int(table[index, index])
        if not positives:
            continue
        yield f"sensitivity_{number}", hits / positives
        if total > positives:
            yield f"specificity_{number}", 1.0 - (named - hits) / (total - positives)


def _paired(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Flatten two arrays to float64 and refuse what cannot be compared."""
    left, right = (np.asarray(part, dtype=np.float64).ravel() for part in (first, second))
    if not left.size or left.size != right.size:
        raise MetricError.of("metric.sizes", predictions=right.size, truths=left.size)
    return left, right

"""A finished fold, as cross-validation hands it to tracking."""

from dataclasses import dataclass

import pytest


@dataclass(frozen=True)
class Fit:
    """As `boneage.learn.fit.FitResult`."""

    weights: list
    history: dict
    best_epoch: int
    seconds: float


@dataclass(frozen=True)
class Fold:
    """As `boneage.learn.crossval.FoldResult`."""

    fit: Fit
    metrics: dict


@pytest.fixture
def fold():
    history = {
        "loss": [9.0, 7.0, 6.0],
        "val_loss": [9.5, 7.5, 8.0],
        "val_mae_months": [9.4, 7.4, 7.9],
        "learning_rate": [1e-3, 5e-4, 1e-5],
    }
    figures = {"val_mae_months": 7.4, "val_mse_months2": 80.0, "val_loss": 7.5}
    return Fold(Fit([], history, 1, 0.5), figures)

"""Define the search spaces: the only `trial.suggest_*` calls of the project.

Every value of the paper's architecture (widths 1024 and 512, dropout 0.2) lies in the space, because that architecture
is always the first trial. Discrete steps keep the number of distinct networks small, so traced graphs are used again.

The known-good settings that are tried next: the shipped cascade's small heads, and what won most models in a search on
the RSNA images (`python -m tuning configs/rsna.toml`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from boneage.config import Config, HeadParameters, from_mapping, to_mapping
from boneage.groups import Task

LEARNING_RATES = (1e-4, 1e-2)
FINAL_FRACTIONS = (1e-3, 0.3)
WARMUP_FRACTIONS = (0.0, 0.05, 0.1, 0.2)
BATCH_SIZES = (16, 32, 64)
DROPOUTS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
WIDTHS_1 = (256, 512, 1024)
WIDTHS_2 = (128, 256, 512)
WEIGHT_DECAYS = (0.0, 1e-4, 1e-3, 1e-2)
LOSSES = ("mae", "mse", "huber")

_SMALL: dict[str, Any] = {
    "initial_learning_rate": 1e-3, "final_fraction": 0.01, "warmup_fraction": 0.05, "batch_size": 64,
    "dropout": 0.3, "width_1": 256, "width_2": 128, "weight_decay": 1e-3,
}  # fmt: skip
_KNOWN_GOOD: dict[Task, tuple[dict[str, Any], ...]] = {
    Task.CLASSIFIER: (
        _SMALL,
        {
            "initial_learning_rate": 1.5e-3, "final_fraction": 0.05, "warmup_fraction": 0.1, "batch_size": 16,
            "dropout": 0.4, "width_1": 256, "width_2": 256, "weight_decay": 1e-4,
        },
    ),
    Task.REGRESSOR: (
        _SMALL | {"loss": "mae"},
        {
            "initial_learning_rate": 6e-3, "final_fraction": 0.15, "warmup_fraction": 0.05, "batch_size": 32,
            "dropout": 0.3, "width_1": 256, "width_2": 256, "weight_decay": 1e-4, "loss": "mse",
        },
    ),
}  # fmt: skip


def suggest(trial: Any, task: Task, base: HeadParameters) -> HeadParameters:
    """Draw one set of hyperparameters from an Optuna trial.

    Args:
        trial: an `optuna.Trial` or `optuna.trial.FixedTrial`.
        task: classifiers always use categorical cross-entropy, so only regressors draw a loss; one that learns a
            distribution keeps to it.
        base: gives what is not searched (`standardize`).
    """
    drawn: dict[str, Any] = {
        "initial_learning_rate": trial.suggest_float("initial_learning_rate", *LEARNING_RATES, log=True),
        "final_fraction": trial.suggest_float("final_fraction", *FINAL_FRACTIONS, log=True),
        "warmup_fraction": trial.suggest_categorical("warmup_fraction", WARMUP_FRACTIONS),
        "batch_size": trial.suggest_categorical("batch_size", BATCH_SIZES),
        "dropout": trial.suggest_categorical("dropout", DROPOUTS),
        "width_1": trial.suggest_categorical("width_1", WIDTHS_1),
        "width_2": trial.suggest_categorical("width_2", WIDTHS_2),
        "weight_decay": trial.suggest_categorical("weight_decay", WEIGHT_DECAYS),
    }
    if task is Task.REGRESSOR and base.loss in LOSSES:
        drawn["loss"] = trial.suggest_categorical("loss", LOSSES)
    return replace(base, **drawn)


def first_trial(task: Task, base: HeadParameters) -> dict[str, Any]:
    """Return the parameters of the first trial: the paper's architecture, the rest as the configuration says.

    Values outside the space move to the nearest one in it, since Optuna cannot rank what it cannot draw.
    """
    start: dict[str, Any] = {
        "initial_learning_rate": _clip(base.initial_learning_rate, LEARNING_RATES),
        "final_fraction": _clip(base.final_fraction, FINAL_FRACTIONS),
        "warmup_fraction": _nearest(base.warmup_fraction, WARMUP_FRACTIONS),
        "batch_size": _nearest(base.batch_size, BATCH_SIZES),
        "dropout": 0.2,
        "width_1": 1024,
        "width_2": 512,
        "weight_decay": _nearest(base.weight_decay, WEIGHT_DECAYS),
    }
    if task is Task.REGRESSOR and base.loss in LOSSES:
        start["loss"] = base.loss
    return start


def starting_points(task: Task, base: HeadParameters) -> tuple[dict[str, Any], ...]:
    """Return the hyperparameters of the first trials: the paper's architecture, then the known-good settings."""
    return (first_trial(task, base), *_KNOWN_GOOD[task])


def upstream_choices(config: Config) -> dict[str, tuple[Any, ...]]:
    """Return the settings that the outer search varies with their values, the study's own first in each."""
    own, listed = upstream_own(config), config.outer
    values = {
        "contrast": listed.contrast,
        "crop": listed.crop,
        "rotate": listed.rotate,
        "backbone": listed.backbones,
        "views": listed.views,
    }
    return {name: (own[name], *(each for each in given if each != own[name])) for name, given in values.items()}


def upstream_own(config: Config) -> dict[str, Any]:
    """Return the study's own values of the settings that the outer search varies."""
    return {
        "contrast": config.preprocess.contrast,
        "crop": config.preprocess.crop,
        "rotate": config.preprocess.rotate,
        "backbone": f"{config.backbone.name}:{config.backbone.weights}",
        "views": "+".join(config.backbone.views),
    }


def suggest_upstream(trial: Any, config: Config) -> Config:
    """Draw preparation, backbone and views from an Optuna trial and put them into a study's settings."""
    drawn = {name: trial.suggest_categorical(name, values) for name, values in upstream_choices(config).items()}
    changes: dict[str, Any] = {"preprocess": {"contrast": drawn["contrast"], "rotate": drawn["rotate"]}}
    if drawn["crop"] != config.preprocess.crop:
        changes["preprocess"] |= {"crop": drawn["crop"], "pad": drawn["crop"]}
    changes["backbone"] = {"views": drawn["views"].split("+")}
    if drawn["backbone"] != upstream_own(config)["backbone"]:
        name, _, weights = drawn["backbone"].partition(":")
        changes["backbone"] |= {"name": name, "weights": weights or "imagenet", "sha256": "", "input_size": 0}
    tree = to_mapping(config)
    return from_mapping({**tree, **{section: {**tree[section], **new} for section, new in changes.items()}}, "[outer]")


def _clip(value: float, bounds: tuple[float, float]) -> float:
    return min(max(value, bounds[0]), bounds[1])


def _nearest(value: float, choices: tuple[Any, ...]) -> Any:
    return min(choices, key=lambda choice: abs(choice - value))

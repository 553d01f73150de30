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

RANGES: dict[str, tuple[float, float]] = {"initial_learning_rate": (1e-4, 1e-2), "final_fraction": (1e-3, 0.3)}
"""Bounds of what is drawn by its logarithm."""
CHOICES: dict[str, tuple[Any, ...]] = {
    "warmup_fraction": (0.0, 0.05, 0.1, 0.2),
    "batch_size": (16, 32, 64),
    "dropout": (0.0, 0.1, 0.2, 0.3, 0.4, 0.5),
    "width_1": (256, 512, 1024),
    "width_2": (128, 256, 512),
    "weight_decay": (0.0, 1e-4, 1e-3, 1e-2),
}
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
    drawn = {name: trial.suggest_float(name, *bounds, log=True) for name, bounds in RANGES.items()}
    drawn |= {name: trial.suggest_categorical(name, values) for name, values in CHOICES.items()}
    if task is Task.REGRESSOR and base.loss in LOSSES:
        drawn["loss"] = trial.suggest_categorical("loss", LOSSES)
    return replace(base, **drawn)


def space_of(task: Task, base: HeadParameters) -> dict[str, Any]:
    """Return all that `suggest` and the starting points offer to a model's trials, as plain values."""
    losses = LOSSES if task is Task.REGRESSOR and base.loss in LOSSES else ()
    return {"ranges": RANGES, "choices": CHOICES, "losses": losses, "first": starting_points(task, base)}


def first_trial(task: Task, base: HeadParameters) -> dict[str, Any]:
    """Return the parameters of the first trial: the paper's architecture, the rest as the configuration says.

    Values outside the space move to the nearest one in it, since Optuna cannot rank what it cannot draw.
    """
    own = to_mapping(base)
    start: dict[str, Any] = {name: min(max(own[name], low), high) for name, (low, high) in RANGES.items()}
    start |= {name: min(values, key=lambda value: abs(value - own[name])) for name, values in CHOICES.items()}
    start |= {"dropout": 0.2, "width_1": 1024, "width_2": 512}
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

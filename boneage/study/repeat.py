"""Train again with the hyperparameters of a past run, read from the store instead of searched.

Fits depend on images, splits, settings, hyperparameters and seed alone, so on the same machine a repeated trial gives
the figures of the first time. What differs from then is told.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from boneage.config import Config, HeadParameters, head_parameters, to_mapping
from boneage.errors import BoneageError
from boneage.groups import ModelKey, Sex, Task
from boneage.study.models import Choose, Chosen, ModelTask, cross_validate_tracked
from boneage.tracking.values import ALL, every_page, flatten

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

    from boneage.tracking.runs import StudyTracker

_MATTERS = ("study.seed", "data.", "preprocess.", "backbone.", "training.")
_ELSEWHERE = ("data.root", "backbone.batch_size")


class RepeatError(BoneageError):
    """Report a run whose hyperparameters cannot be read."""


@dataclass(frozen=True)
class Past:
    """Hyperparameters and settings of a past run.

    Attributes:
        params: the hyperparameters per model.
        trials: the trial's number per model, 0 where it is not known.
        figures: the means over the folds (`cv_val_mae_months_mean`) that were logged then, per model.
        settings: the study's settings of then, flat (`training.epochs`); empty where they were not logged.
        split_sha256: the splits' hash of then.
    """

    params: Mapping[ModelKey, HeadParameters]
    trials: Mapping[ModelKey, int]
    figures: Mapping[ModelKey, Mapping[str, float]]
    settings: Mapping[str, Any] = field(default_factory=dict)
    split_sha256: str = ""

    def differences(self, config: Config) -> list[str]:
        """List the settings of a fit that have changed since then."""
        now = flatten(to_mapping(config))
        names = [name for name in now if name.startswith(_MATTERS) and name not in _ELSEWHERE]
        changed = [name for name in names if name in self.settings and self.settings[name] != now[name]]
        return [f"{name} was {self.settings[name]!r} and is {now[name]!r}" for name in changed]


def read_past(client: MlflowClient, run_id: str) -> Past:
    """Read hyperparameters from a run: of a trial, one of its folds, a final training, a model, or a whole study.

    Args:
        client: an open MLflow client.
        run_id: the run; a model's and a study's stand for what was chosen there.

    Raises:
        RepeatError: when there is no such run, or it has no hyperparameters.
    """
    from mlflow.exceptions import MlflowException

    try:
        run = client.get_run(run_id)
    except MlflowException as error:
        raise RepeatError.of("study.no_run", run=run_id) from error
    level = run.data.tags.get("level", "")
    if level == "fold":
        run, level = client.get_run(run.data.tags["mlflow.parentRunId"]), "trial"
    if level not in {"trial", "final", "model", "study"}:
        raise RepeatError.of("study.other_run", run=run_id)
    runs = _models(client, run) if level == "study" else [run]
    study = _ancestor(client, run)
    return Past(
        params={_key(each): _parameters(each) for each in runs},
        trials={_key(each): _number(each) for each in runs},
        figures={_key(each): _figures(each) for each in runs},
        settings=_settings(client, study),
        split_sha256=run.data.tags.get("split_sha256", ""),
    )


def choose_past(past: Past) -> Choose:
    """Return the choice that trains each model with its hyperparameters of then."""

    def choose(task: ModelTask, tracker: StudyTracker) -> Chosen:
        params, number = past.params[task.key], past.trials[task.key]
        return Chosen(params, cross_validate_tracked(task, params, number, tracker), number)

    return choose


def _models(client: MlflowClient, study: Run) -> list[Run]:
    query = f"tags.level = 'model' and tags.`mlflow.parentRunId` = '{study.info.run_id}'"
    experiment = [study.info.experiment_id]
    found = every_page(lambda token: client.search_runs(experiment, query, page_token=token))
    runs = [run for run in found if "width_1" in run.data.params]
    if not runs:
        raise RepeatError.of("study.no_model", run=study.info.run_id)
    return runs


def _ancestor(client: MlflowClient, run: Run) -> Run:
    """Climb to the study's run."""
    while "mlflow.parentRunId" in run.data.tags:
        run = client.get_run(run.data.tags["mlflow.parentRunId"])
    return run


def _key(run: Run) -> ModelKey:
    tags = run.data.tags
    group = None if tags["age_group"] == ALL else int(tags["age_group"])
    return ModelKey(Task(tags["task"]), Sex(tags["sex"]), group)


def _number(run: Run) -> int:
    text = run.data.tags.get("trial", "")
    return int(text) if text.isdigit() else 0


def _figures(run: Run) -> dict[str, float]:
    return {name: value for name, value in run.data.metrics.items() if name.startswith("cv_val_")}


def _parameters(run: Run) -> HeadParameters:
    """Turn MLflow's texts back into hyperparameters; what changed after the first logging stands in tags."""
    texts = dict(run.data.params)
    texts |= {name[4:]: value for name, value in run.data.tags.items() if name.startswith("now.")}
    known = {item.name: item for item in fields(HeadParameters)}
    values = {name: _value(text, known[name].default) for name, text in texts.items() if name in known}
    if not values:
        raise RepeatError.of("study.unfinished", run=run.info.run_id, name=run.info.run_name)
    return head_parameters(values, origin=f"run {run.info.run_id}")


def _value(text: str, like: Any) -> Any:
    if isinstance(like, bool):
        return text == "True"
    if isinstance(like, str):
        return text
    return type(like)(text)


def _settings(client: MlflowClient, study: Run) -> dict[str, Any]:
    """Return the study's logged settings, flat; nothing where the artifact is gone."""
    from mlflow.artifacts import load_text
    from mlflow.exceptions import MlflowException

    try:
        return flatten(json.loads(load_text(f"{study.info.artifact_uri}/config.json")))
    except (MlflowException, OSError, ValueError):
        return {}

"""Search preparation, backbone and views: cross-validate ten heads per setting, score the cascade out of fold.

The heads keep the configuration's hyperparameters, so that trials differ by what is upstream alone. A trial is scored
by the routed cascade's mean absolute error on training images, each estimated by heads of the fold that held it out;
validation images take no part. Where one of the backbones has seen some of the training images, only those count that
none of them has, for on the others it looks better than it is.

The settings are tried without repetition in an order drawn from the study's seed, the study's own first: with a few
values each and few trials there is little that a model of the past trials could say.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import optuna
import tomli_w
from optuna.trial import FixedTrial, TrialState

from boneage import stopping
from boneage.config import BackboneConfig, Config, config_sha256, to_mapping
from boneage.files import write_whole
from boneage.groups import Task
from boneage.learn.backbones import weights_identity
from boneage.learn.seen_images import SeenImages, seen_images
from boneage.paths import study_folder
from boneage.preprocess.preparer import Preparer
from boneage.study.cross_validated import cross_validate_cascade
from boneage.study.job import describe_set
from boneage.study.materials import Materials, Stage, gather, silent
from boneage.tracking.environment import run_tags
from boneage.tracking.store import ensure_experiment, open_store
from boneage.tracking.values import dataset_input, to_metrics, to_params
from tuning.display import search_page
from tuning.spaces import suggest_upstream, upstream_choices, upstream_own
from tuning.study import storage_for, trials_in

if TYPE_CHECKING:
    from mlflow import MlflowClient

METRIC = "out_of_fold_mae_months"


@dataclass(frozen=True)
class Winner:
    """The best settings of an outer search.

    Attributes:
        config: the study's settings with the winner's preparation, backbone and views.
        file: the TOML that holds them.
        mae_months: its score.
        own_mae_months: the score of the study's own settings.
        trials: how many settings were tried.
    """

    config: Config
    file: Path
    mae_months: float
    own_mae_months: float
    trials: int


def run_outer(config: Config, trials: int | None = None, stage: Stage = silent) -> Winner:
    """Try settings upstream of the heads; a search that was interrupted goes on.

    Args:
        config: the study; `[outer]` lists what is tried.
        trials: how many settings, instead of the configuration's number; never more than there are.
        stage: gives a progress callable per stage.

    Raises:
        BoneageError: when a listed backbone or preparation cannot be used here.
        KeyboardInterrupt: after the image, batch or fold under way, when Ctrl-C was pressed.
    """
    client, study, order = open_store(), _study(config), settings(config)
    experiment = ensure_experiment(client, f"{config.study.name}-outer")
    parent = _parent(client, experiment, study.study_name, config)
    wanted, status = min(trials or config.outer.trials, len(order)), "KILLED"
    try:
        progress = stopping.watched(stage)("settings")
        while (done := len(_complete(study))) < wanted:
            progress(done, wanted)
            _run_trial(study, config, order[done], (client, experiment, parent), stage)
        progress(wanted, wanted)
        winner = _winner(study, config)
        client.log_text(parent, search_page({"outer": study}, {"outer": METRIC}, "Outer search"), "search.html")
        client.log_artifact(parent, str(winner.file))
        client.log_batch(parent, metrics=to_metrics({METRIC: winner.mae_months, "trials": winner.trials}))
        status = "FINISHED"
    finally:
        client.set_terminated(parent, status)
    return winner


def settings(config: Config) -> list[dict[str, Any]]:
    """Return all combinations of what is listed, the study's own first, the others in the order of the seed."""
    choices = upstream_choices(config)
    every = [dict(zip(choices, values, strict=True)) for values in itertools.product(*choices.values())]
    order = 1 + np.random.default_rng((config.study.seed, 7)).permutation(len(every) - 1)
    return [every[0], *(every[number] for number in order)]


def score(materials: Materials, stage: Stage = silent) -> dict[str, float]:
    """Cross-validate all ten models on a study's materials and score their cascade out of fold.

    Returns:
        `out_of_fold_mae_months`, `out_of_fold_images`, and every model's mean over the folds, named after the model.
    """
    found = cross_validate_cascade(materials, stopping.watched(stage)("models"))
    figures = {}
    for key, outcome in found.outcomes.items():
        name = "accuracy" if key.task is Task.CLASSIFIER else "mae_months"
        figures[f"cv_val_{name}_mean.{key}"] = outcome.chosen.cv.mean[name]
    errors = np.abs(found.routed.ages - found.held.samples.ages)
    known = errors[np.isfinite(errors)]
    return {METRIC: float(known.mean()), "out_of_fold_images": float(len(known)), **figures}


def seen_by_any(config: Config) -> SeenImages:
    """Return the images that one of the listed backbones or more has learnt from."""
    return SeenImages(frozenset().union(*(seen_images(each).prefixes for each in _backbones(config))))


def _backbones(config: Config) -> list[BackboneConfig]:
    names = upstream_choices(config)["backbone"]
    return [suggest_upstream(FixedTrial({**upstream_own(config), "backbone": name}), config).backbone for name in names]


def _run_trial(
    study: Any, config: Config, setting: Mapping[str, Any], place: tuple[MlflowClient, str, str], stage: Stage
) -> None:
    """Score one setting and log it as a run under the search's own."""
    client, experiment, parent = place
    study.enqueue_trial(dict(setting))
    trial, told = study.ask(), {"state": TrialState.FAIL}
    tags = {"level": "outer", "trial": f"{trial.number:03d}", **_tags(config)}
    run_id = client.create_run(
        experiment, tags={**tags, "mlflow.parentRunId": parent}, run_name=f"outer-{trial.number:03d}"
    ).info.run_id
    try:
        client.log_batch(run_id, params=to_params(setting))
        materials = replace(gather(suggest_upstream(trial, config), stage), seen=seen_by_any(config))
        _log_images(materials, client, run_id)
        figures = score(materials, stage)
        client.log_batch(run_id, metrics=to_metrics(figures))
        told = {"values": figures[METRIC]}
    finally:
        study.tell(trial, **told)
        client.set_terminated(run_id, "FINISHED" if "values" in told else "KILLED")


def _tags(config: Config) -> dict[str, str]:
    """Return what the runs of an outer search say of their making."""
    made = {"study": config.study.name, "seed": str(config.study.seed), "config_sha256": config_sha256(config)}
    return {**made, **run_tags()}


def _log_images(materials: Materials, client: MlflowClient, run_id: str) -> None:
    """Log the training images, as this setting prepares them, as a run's dataset input, and the hash of the splits."""
    splits, name = materials.splits.sha256, materials.config.study.name
    sha256, counts = describe_set(materials.part, materials.splits.train)
    source = {"study": name, "set": "train", "split_sha256": splits}
    client.log_inputs(run_id, [dataset_input("train", sha256, "training", counts, source)])
    client.set_tag(run_id, "split_sha256", splits)


def _study(config: Config) -> Any:
    """Open or resume the outer study; a trial that a killed process left is failed, for its setting is next anyway."""
    tree = {name: value for name, value in to_mapping(config).items() if name not in {"tuning", "cascade"}}
    tree["outer"] = {name: value for name, value in tree["outer"].items() if name != "trials"}
    tree["data"] = {name: value for name, value in tree["data"].items() if name != "root"}
    tree["networks"] = [Preparer(config.preprocess).sha256, *(weights_identity(each) for each in _backbones(config))]
    digest = hashlib.sha256(json.dumps(tree, sort_keys=True).encode()).hexdigest()[:12]
    study = optuna.create_study(
        study_name=f"{config.study.name}-outer/{digest}", storage=storage_for(config), load_if_exists=True
    )
    for trial in trials_in(study, TrialState.RUNNING):
        study.tell(trial.number, state=TrialState.FAIL)
    return study


def _complete(study: Any) -> list[Any]:
    return trials_in(study, TrialState.COMPLETE)


def _parent(client: MlflowClient, experiment: str, name: str, config: Config) -> str:
    """Return the run of this search, opened again where it is there already; runs that were cut off are ended."""
    found = client.search_runs([experiment], f"tags.level = 'outer-study' and tags.outer = '{name}'")
    for run in client.search_runs([experiment], "tags.level = 'outer' and attributes.status = 'RUNNING'"):
        client.set_terminated(run.info.run_id, "KILLED")
    if found:
        client.update_run(found[0].info.run_id, status="RUNNING")
        return str(found[0].info.run_id)
    tags = {"level": "outer-study", "outer": name, **_tags(config)}
    return str(client.create_run(experiment, tags=tags, run_name="outer-study").info.run_id)


def _winner(study: Any, config: Config) -> Winner:
    """Write the best settings as a configuration of their own."""
    best = suggest_upstream(FixedTrial(study.best_trial.params), config)
    best = replace(best, study=replace(best.study, name=f"{config.study.name}-best"))
    folder = study_folder(f"{config.study.name}-outer")
    file = write_whole(folder / "best.toml", tomli_w.dumps(to_mapping(best)))
    complete = _complete(study)
    return Winner(best, file, float(study.best_value), float(complete[0].value), len(complete))

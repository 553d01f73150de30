"""Tell where a registered version comes from: its run, study, data, code, earlier versions, and its heads."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from boneage.groups import ModelKey
from boneage.registry.versions import VersionInfo, ask, cascade_name, head_name

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

_METRICS = "validation_"
_MADE_FROM = {
    "assembled_from": "assembled from version {}",
    "assembled_heads": "heads replaced: {}",
    "recalibrated_from": "recalibrated from version {}",
    "converted_from": "converted for serving without TensorFlow from version {}",
    "imported_from": "imported from {}",
}
_HISTORY = {
    "gate": "gate: {}",
    "promoted_at": "promoted at {}",
    "promoted_by": "promoted by {}",
    "promotion_forced_by": "the gate was overridden by {}",
    "promotion_forced_reason": "because: {}",
    "rolled_back_at": "rolled back at {}",
    "rolled_back_by": "rolled back by {}",
}


def validation_metrics(client: MlflowClient, info: VersionInfo) -> dict[str, float]:
    """Return the validation figures that were logged with a version, under their plain names."""
    run = _run(client, info.run_id)
    found = run.data.metrics if run else {}
    return {name.removeprefix(_METRICS): value for name, value in found.items() if name.startswith(_METRICS)}


def heads_table(client: MlflowClient, info: VersionInfo) -> pd.DataFrame:
    """Return one row per pinned head: head, version, its run, and its figure on the validation images of its part."""
    prefix, rows = info.name.removesuffix(cascade_name("")), []
    for name, version in info.heads.items():
        head = ask(client.get_model_version, head_name(prefix, ModelKey.parse(name)), str(version))
        # A head that someone deleted has none: the cascade holds its own copy.
        run = _run(client, head.run_id) if head else None
        figures = run.data.metrics if run else {}
        metric = "val_accuracy" if name.startswith("classifier") else "val_mae_months"
        shown = f"{metric.removeprefix('val_')} {figures[metric]:.3f}" if metric in figures else ""
        study = run.data.tags.get("study", "") if run else ""
        rows.append({"head": name, "version": version, "run": run.info.run_id if run else "", "study": study,
                     "validation": shown})  # fmt: skip
    return pd.DataFrame(rows)


def lineage(client: MlflowClient, info: VersionInfo) -> Iterator[str]:
    """Say in sentences where a version comes from: run, study, settings, data, code, other versions."""
    run, tags = _run(client, info.run_id), info.tags
    if run is None:
        yield f"run: {info.run_id or 'unknown'} (not in this store)"
    else:
        experiment = client.get_experiment(run.info.experiment_id)
        yield f"run: {run.info.run_id} ({run.info.run_name}) in the experiment {experiment.name}"
        yield from _data(run)
    split = (run.data.tags if run else {}).get("split_sha256")
    facts = {"study": tags.get("study"), "split": split, "config": tags.get("config_sha256"),
             "code": tags.get("code_version"), "commit": tags.get("mlflow.source.git.commit"),
             "bundle": tags.get("bundle_sha256"), "validation table": tags.get("validation_sha256")}  # fmt: skip
    yield from (f"{name}: {value}" for name, value in facts.items() if value)
    yield from _sentences(_MADE_FROM, tags)


def history(info: VersionInfo) -> Iterator[str]:
    """Say what the gate and its maintainers did with a version."""
    yield from _sentences(_HISTORY, info.tags)


def _sentences(patterns: Mapping[str, str], tags: Mapping[str, str]) -> Iterator[str]:
    yield from (pattern.format(tags[name]) for name, pattern in patterns.items() if name in tags)


def _data(run: Run) -> Iterator[str]:
    """Say which sets of images a run was given, with their hashes."""
    for given in run.inputs.dataset_inputs if run.inputs else ():
        use = next((tag.value for tag in given.tags if tag.key == "mlflow.data.context"), "")
        profile: dict[str, Any] = json.loads(given.dataset.profile or "{}")
        yield f"data: {given.dataset.name} ({use}), {profile.get('images', '?')} images, digest {given.dataset.digest}"


def _run(client: MlflowClient, run_id: str) -> Run | None:
    """Return a run, None where it is not in this store."""
    run: Run | None = ask(client.get_run, run_id) if run_id else None
    return run

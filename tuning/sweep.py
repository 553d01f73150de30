"""Runs of trials that no worker has any more: ended by what Optuna says, so that live workers' runs stay open."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from boneage.config import config_sha256
from boneage.groups import ModelKey
from boneage.tracking.values import every_page, key_tags
from tuning.study import open_study, storage_for

if TYPE_CHECKING:
    from mlflow.entities import Run

    from boneage.tracking.runs import StudyTracker


def close_dead(tracker: StudyTracker, key: ModelKey, study: Any) -> int:
    """End as KILLED the runs of one model's trials and folds that are open, or done but failed in Optuna's eyes.

    Args:
        tracker: gives the store and the tags.
        key: the model.
        study: its Optuna study; trials that are RUNNING there have a worker and are left alone.

    Returns:
        How many runs were ended.
    """
    import optuna

    states = {f"{trial.number:03d}": trial.state for trial in study.get_trials(deepcopy=False)}
    running, failed = optuna.trial.TrialState.RUNNING, optuna.trial.TrialState.FAIL
    ended = 0
    for run in _runs(tracker, key, ("trial", "fold")):
        state = states.get(run.data.tags["trial"])
        if (run.info.status == "RUNNING" and state != running) or (run.info.status == "FINISHED" and state == failed):
            tracker.end(run.info.run_id, "KILLED")
            ended += 1
    return ended


def close_finals(tracker: StudyTracker, key: ModelKey) -> int:
    """End the open final trainings of a model that nobody trains now; return how many."""
    left = [run for run in _runs(tracker, key, ("final",)) if run.info.status == "RUNNING"]
    for run in left:
        tracker.end(run.info.run_id, "KILLED")
    return len(left)


def close_all_dead(tracker: StudyTracker, keys: Sequence[ModelKey]) -> int:
    """End the runs that dead workers left open, while other machines may be working on the same study.

    Final trainings belong to the one process that leads the study, which calls this before it begins.
    """
    storage, ended = storage_for(tracker.config), 0
    for key in keys:
        ended += close_finals(tracker, key)
        ended += close_dead(tracker, key, open_study(tracker.config, key, tracker.split_sha256, storage))
    return ended


def _runs(tracker: StudyTracker, key: ModelKey, levels: Sequence[str]) -> list[Run]:
    """Return the runs of one model on some levels, with these settings and splits."""
    settings = {"config_sha256": config_sha256(tracker.config), "split_sha256": tracker.split_sha256}
    query = " and ".join(f"tags.`{name}` = '{value}'" for name, value in {**key_tags(key), **settings}.items())
    found = every_page(lambda token: tracker.client.search_runs([tracker.experiment_id], query, page_token=token))
    return [run for run in found if run.data.tags.get("level") in levels]

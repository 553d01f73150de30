"""Share a study between machines: the first one leads it, the others help with its trials (same command on each)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from boneage import stopping
from boneage.config import Config, config_sha256
from boneage.databases import database_lock, file_lock
from boneage.errors import BoneageError
from boneage.groups import ModelKey
from boneage.study.materials import Stage, gather
from boneage.study.models import model_task
from boneage.tracking.runs import StudyTracker
from boneage.tracking.store import open_store
from boneage.tracking.values import key_tags
from tuning.objective import choose_by_search
from tuning.study import STOPPED, journal_file, storage_url
from tuning.workers import Job, Places, heaviest_first, search

T = TypeVar("T")
_POLL_SECONDS = 2.0
_TRIES = 4


class StudyBusyError(BoneageError):
    """Report that another process leads this study and why this one cannot help it."""


@contextmanager
def leadership(config: Config) -> Iterator[bool]:
    """Lead a study, as one process at a time can; it ends with the process, whatever ends it.

    Yields:
        Whether this process leads. Where it does not, it may help, since the trials are in a database.

    Raises:
        StudyBusyError: when another process leads and the trials are in a journal, which only one may use.
    """
    url = storage_url(config)
    for attempt in range(_TRIES if url else 0):
        # More than once: a helper that looks whether anybody leads holds the lock for a moment, too.
        with database_lock(url, f"study {config.study.name} {config_sha256(config)}", wait=False) as leads:
            if leads or attempt == _TRIES - 1:
                yield leads
                return
        time.sleep(_POLL_SECONDS / _TRIES)
    with file_lock(journal_file().with_name(f"{config.study.name}.leader.lock"), wait=False) as leads:
        if not leads:
            raise StudyBusyError.of("search.running", study=config.study.name)
        yield leads


def help_search(config: Config, keys: Sequence[ModelKey], places: Places, stage: Stage) -> int:
    """Work on the trials of a study that another process leads; return how many were done here.

    This machine prepares the same data on its own and needs the same configuration; the leader's splits are checked.

    Raises:
        StudyBusyError: when the leader has other data, or has ended before this machine was ready.
    """
    materials = gather(config, stage)
    tracker = StudyTracker(open_store(), config, materials.splits.sha256, stopped=STOPPED)
    tracker.study_run_id = _wait_for(lambda: _study_run(tracker), config)
    runs = _wait_for(lambda: _model_runs(tracker, keys), config)
    tasks = heaviest_first([model_task(materials, key) for key in keys])
    return search(Job(tasks, choose_by_search, tracker.split_sha256, tracker.study_run_id, runs), places)


def _wait_for(look: Callable[[], T | None], config: Config) -> T:
    """Look again and again until something is found, as long as another process leads the study."""
    while (found := look()) is None:
        stopping.check()
        time.sleep(_POLL_SECONDS)
        with leadership(config) as free:
            if free:
                raise StudyBusyError.of("search.leader_ended", study=config.study.name)
    return found


def _study_run(tracker: StudyTracker) -> str | None:
    """Find the leader's open study run.

    Raises:
        StudyBusyError: when the leader works on other splits.
    """
    query = f"tags.level = 'study' and tags.config_sha256 = '{config_sha256(tracker.config)}'"
    runs = tracker.client.search_runs([tracker.experiment_id], f"{query} and attributes.status = 'RUNNING'")
    same = [run for run in runs if run.data.tags.get("split_sha256") == tracker.split_sha256]
    if runs and not same:
        raise StudyBusyError.of(
            "search.other_data",
            study=tracker.config.study.name,
            there=runs[0].data.tags.get("split_sha256", "")[:12],
            here=tracker.split_sha256[:12],
        )
    return str(same[0].info.run_id) if same else None


def _model_runs(tracker: StudyTracker, keys: Sequence[ModelKey]) -> dict[ModelKey, str] | None:
    """Find the models' runs under the leader's study run; None until all are there."""
    found: dict[ModelKey, str] = {}
    for key in keys:
        models = tracker.runs({"level": "model", **key_tags(key)}, tracker.study_run_id)
        runs = [run for run in models if run.info.status == "RUNNING"]
        if not runs:
            return None
        found[key] = str(runs[0].info.run_id)
    return found

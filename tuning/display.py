"""A search as its user sees it: bars while it runs, Ctrl-C between folds, Optuna's plots on the study's run."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

from boneage import stopping
from boneage.groups import ModelKey
from boneage.study.job import TrainAll
from boneage.study.materials import Stage, silent
from boneage.study.models import Choose, ModelOutcome, ModelTask
from boneage.tracking.runs import StudyTracker
from tuning.bars import bars
from tuning.figures import search_page
from tuning.goals import goal_of
from tuning.progress import watching
from tuning.study import open_study, storage_for
from tuning.workers import Places

PAGE = "search.html"


def shown(train_all: TrainAll) -> TrainAll:
    """Wrap a way to train the models with all that lets a user follow it."""

    def wrapped(
        tasks: Sequence[ModelTask], choose: Choose, tracker: StudyTracker, stage: Stage
    ) -> dict[ModelKey, ModelOutcome]:
        with bars() as show:
            if show is None:
                outcomes = train_all(tasks, choose, tracker, stage)
            else:
                with watching(tasks, tracker.split_sha256, show):
                    outcomes = train_all(tasks, choose, tracker, silent)
        log_page(tasks, tracker)
        return outcomes

    return wrapped


def interruptible(places: Places) -> AbstractContextManager[None]:
    """Let Ctrl-C wait for what is under way; on a cluster it stops at once, since its workers cannot be told."""
    return nullcontext() if places.ray else stopping.gracefully(say)


def log_page(tasks: Sequence[ModelTask], tracker: StudyTracker) -> None:
    """Save the page of Optuna's plots as an artifact of the study's run."""
    storage, config = storage_for(tasks[0].config), tasks[0].config
    studies = {task.key: open_study(config, task.key, tracker.split_sha256, storage) for task in tasks}
    goals = {task.key: goal_of(config, task.key).metric for task in tasks}
    page = search_page(studies, goals, f"Search of the study {config.study.name}")
    tracker.log_text(tracker.study_run_id or "", page, PAGE)


def say(sentence: str) -> None:
    """Tell the user something while bars are drawn."""
    sys.stderr.write(f"\n{sentence}\n")

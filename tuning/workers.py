"""How the ten models are spread: in this process, or over several, each of which works on whole models."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context

from boneage.config import Config
from boneage.groups import ModelKey
from boneage.processes import core_count, start_worker
from boneage.study.job import TrainAll, one_by_one
from boneage.study.materials import Stage
from boneage.study.models import Choose, ModelOutcome, ModelTask, train_model
from boneage.tracking.runs import StudyTracker
from boneage.tracking.store import open_store


def spread(workers: int, stopped: tuple[type[BaseException], ...] = ()) -> TrainAll:
    """Return a way to train the models with so many processes; 1 stays in this one.

    A model belongs to one worker from its first trial to its final training, so no two processes share an Optuna study
    and a killed worker leaves at most one trial to be done again.
    """
    if workers <= 1:
        return one_by_one

    def train_all(
        tasks: Sequence[ModelTask], choose: Choose, tracker: StudyTracker, stage: Stage
    ) -> dict[ModelKey, ModelOutcome]:
        progress = stage("models")
        outcomes: dict[ModelKey, ModelOutcome] = {}
        # The heaviest first: a large model started last would keep the others waiting.
        ordered = sorted(tasks, key=lambda task: -len(task.train.ages))
        threads = max(1, core_count() // workers)
        with ProcessPoolExecutor(
            workers, mp_context=get_context("spawn"), initializer=start_worker, initargs=(threads,)
        ) as pool:
            handles = [
                pool.submit(_work, task, choose, tracker.split_sha256, tracker.study_run_id, stopped)
                for task in ordered
            ]
            for handle in as_completed(handles):
                outcome = handle.result()
                outcomes[outcome.key] = outcome
                progress(len(outcomes), len(tasks))
        return {task.key: outcomes[task.key] for task in tasks}

    return train_all


def _work(
    task: ModelTask,
    choose: Choose,
    split_sha256: str,
    study_run_id: str | None,
    stopped: tuple[type[BaseException], ...],
) -> ModelOutcome:
    tracker = _tracker(task.config, split_sha256, study_run_id, stopped)
    return train_model(task, choose, tracker)


def _tracker(
    config: Config, split_sha256: str, study_run_id: str | None, stopped: tuple[type[BaseException], ...]
) -> StudyTracker:
    return StudyTracker(open_store(), config, split_sha256, study_run_id=study_run_id, stopped=stopped)

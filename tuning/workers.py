"""Spread a search over this process, several processes, or the machines of a Ray cluster.

With a journal, which knows no signs of life, a model belongs to one worker from its first trial to its final training.
With a database the workers share every model's search trial by trial, and the models' final trainings follow.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from typing import Any

from boneage import stopping
from boneage.databases import sqlite_file
from boneage.errors import BoneageError
from boneage.groups import ModelKey
from boneage.paths import project_root
from boneage.processes import WorkerPool, core_count, start_worker
from boneage.study.job import one_by_one
from boneage.study.materials import Stage
from boneage.study.models import Choose, ModelOutcome, ModelTask, train_model
from boneage.tracking.runs import StudyTracker
from boneage.tracking.store import open_store, store_uri
from tuning.claims import close_all_dead, close_dead, close_finals, search_together
from tuning.objective import choose_found
from tuning.progress import counting
from tuning.study import STOPPED, open_study, storage_for, storage_url

_MOST_BREAKS = 5
_JOBS: list[Job] = []


@dataclass(frozen=True)
class Places:
    """Number of workers, and the address of the Ray cluster that they run on; "" for processes here."""

    workers: int = 1
    ray: str = ""


def places_for(workers: int | None, ray: str) -> Places:
    """Decide how many workers there are and where; on a cluster one per core unless the command says how many.

    Raises:
        BoneageError: when there is to be no worker, or the cluster cannot be joined.
    """
    from boneage.preprocess.cluster import cores

    if workers is not None and workers < 1:
        raise BoneageError.of("search.workers", given=workers)
    return Places(workers or (cores(ray) if ray else 1), ray)


@dataclass(frozen=True)
class Job:
    """Models and runs that every worker of a study works on; picklable.

    Attributes:
        tasks: the models.
        choose: how one worker chooses a model's hyperparameters, where a model belongs to one worker.
        split_sha256: the splits' hash.
        study_run_id: the study's run.
        model_run_ids: the models' runs, made before any worker starts.
        environment: variables that say where the stores are, for workers on other machines.
    """

    tasks: tuple[ModelTask, ...]
    choose: Choose
    split_sha256: str
    study_run_id: str
    model_run_ids: Mapping[ModelKey, str]
    environment: Mapping[str, str] = field(default_factory=dict)

    def tracker(self) -> StudyTracker:
        """Open the store in this process."""
        return StudyTracker(
            open_store(),
            self.tasks[0].config,
            self.split_sha256,
            study_run_id=self.study_run_id,
            stopped=STOPPED,
            model_run_ids=self.model_run_ids,
        )


Work = Callable[[Job, int], Any]


def train_everywhere(
    places: Places, tasks: Sequence[ModelTask], choose: Choose, tracker: StudyTracker, stage: Stage
) -> dict[ModelKey, ModelOutcome]:
    """Train all models in these places."""
    shared = bool(storage_url(tasks[0].config))
    if not shared and places == Places():
        return one_by_one(tasks, choose, tracker, stage)
    runs = {task.key: tracker.model_run_id(task.key) for task in tasks}
    job = Job(heaviest_first(tasks), choose, tracker.split_sha256, tracker.study_run_id or "", runs)
    if shared:
        with counting(job.tasks, tracker.split_sha256, stage("trials")):
            search(job, places)
        close_all_dead([task.key for task in tasks], tracker)
        job = replace(job, choose=choose_found)
    progress, outcomes = stage("models"), {}
    for outcome in _everywhere(_train, job, len(job.tasks), places):
        outcomes[outcome.key] = outcome
        progress(len(outcomes), len(tasks))
    return {task.key: outcomes[task.key] for task in tasks}


def heaviest_first(tasks: Sequence[ModelTask]) -> tuple[ModelTask, ...]:
    """Order models by their samples: the heaviest, started last, would keep the other workers waiting."""
    return tuple(sorted(tasks, key=lambda task: -len(task.train)))


def search(job: Job, places: Places) -> int:
    """Search all models with all workers, trial by trial; return how many trials these workers did."""
    return sum(_everywhere(_share, job, places.workers, places))


def sweep(keys: Sequence[ModelKey], tracker: StudyTracker) -> int:
    """End the runs of dead workers before a study goes on; return how many."""
    return close_all_dead(keys, tracker) if storage_url(tracker.config) else tracker.end_stale()


def _everywhere(work: Work, job: Job, count: int, places: Places) -> Iterator[Any]:
    """Do pieces 0 to `count` - 1 of a job's work in its places; yield their results as they come."""
    if places.ray:
        return _on_cluster(work, job, count, places)
    if places.workers == 1:
        return (work(job, number) for number in range(count))
    return _on_processes(work, job, count, places.workers)


def _on_processes(work: Work, job: Job, count: int, workers: int) -> Iterator[Any]:
    """Work in fresh processes here. Where one is killed, what was not finished is begun again in new ones.

    Raises:
        BoneageError: when processes die again and again.
    """
    waiting, breaks = set(range(count)), 0
    threads = max(1, core_count() // workers)
    while waiting:
        try:
            with WorkerPool(min(workers, len(waiting)), _start, (threads, job, stopping.event())) as pool:
                running = {pool.submit(_work_here, work, number): number for number in sorted(waiting)}
                for future in _as_finished(running):
                    result = future.result()
                    waiting.discard(running[future])
                    breaks = 0
                    yield result
        except BrokenProcessPool as error:
            breaks += 1
            if breaks > _MOST_BREAKS:
                raise BoneageError.of("search.workers_ended", breaks=breaks) from error


def _as_finished(futures: Iterable[Future[Any]]) -> Iterator[Future[Any]]:
    """Yield futures as they finish; one that was stopped is told without its worker's traceback."""
    try:
        for future in as_completed(futures):
            if isinstance(future.exception(), KeyboardInterrupt):
                raise KeyboardInterrupt
            yield future
    except KeyboardInterrupt:
        stopping.end_workers()
        raise


def _on_cluster(work: Work, job: Job, count: int, places: Places) -> Iterator[Any]:
    """Work on a Ray cluster, which begins the pieces of a machine that died again on the others.

    Raises:
        ClusterError: when the cluster cannot be joined, or its machines cannot reach the stores.
        BoneageError: when a piece of work failed.
    """
    from boneage.preprocess.cluster import connect, run_on_cluster
    from boneage.preprocess.parallel import Failure

    ray = connect(places.ray)
    reference = ray.put(replace(job, environment=environment_there(ray, job)))
    pieces = run_on_cluster(
        _work_there, range(count), lambda number: (work, reference, number), places.ray, most=places.workers
    )
    for _number, result in pieces:
        if isinstance(result, Failure):
            raise BoneageError(result.reason)
        yield result


def environment_there(ray: Any, job: Job) -> dict[str, str]:
    """Return the variables that tell a cluster's workers where the stores are.

    Raises:
        ClusterError: when a store is a file on this machine and the cluster has others.
    """
    from boneage.preprocess.cluster import ClusterError

    trials = storage_url(job.tasks[0].config)
    names = ("MLFLOW_REGISTRY_URI", "MLFLOW_DEFAULT_ARTIFACT_ROOT")
    found = {name: os.environ[name] for name in names if name in os.environ}
    found |= {"MLFLOW_TRACKING_URI": store_uri(), "OPTUNA_STORAGE": trials}
    hosts = {node["NodeManagerHostname"] for node in ray.nodes() if node["Alive"]}
    if len(hosts) == 1:
        return {**found, "BONEAGE_HOME": str(project_root())}
    if not trials or sqlite_file(trials) or sqlite_file(store_uri()):
        raise ClusterError.of("search.file_stores", machines=len(hosts))
    return found


def _start(threads: int, job: Job, stop: Any) -> None:
    """Initialise a worker process."""
    start_worker(threads)
    stopping.follow(stop)
    _JOBS[:] = [job]


def _work_here(work: Work, number: int) -> Any:
    return work(_JOBS[0], number)


def _work_there(piece: tuple[Work, Any, int]) -> Any:
    """Do one piece on a machine of the cluster."""
    import ray

    work, reference, number = piece
    job = ray.get(reference)
    os.environ.update({name: value for name, value in job.environment.items() if value})
    start_worker()
    return work(job, number)


def _share(job: Job, number: int) -> int:
    """Be one of the workers of a search, to its end."""
    tracker = job.tracker()
    return search_together(job.tasks, number, tracker, storage_for(tracker.config))


def _train(job: Job, number: int) -> ModelOutcome:
    """Train one model; what a worker left open that died over it is ended first."""
    task, tracker = job.tasks[number], job.tracker()
    close_dead(tracker, task.key, open_study(task.config, task.key, job.split_sha256))
    close_finals(tracker, task.key)
    return train_model(task, job.choose, tracker)

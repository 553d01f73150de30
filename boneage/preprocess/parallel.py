"""Run many small tasks in worker processes; a task that fails, or kills its process, yields a reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import TypeVar

from boneage.errors import BoneageError
from boneage.files import WriteError
from boneage.notices import sentence_of
from boneage.processes import WorkerPool, core_count

T = TypeVar("T")
R = TypeVar("R")
_AHEAD = 4
_WORTH_A_POOL = 24


@dataclass(frozen=True)
class Failure:
    """Why a task has no result."""

    reason: str


def run_parallel(
    work: Callable[[T], R], tasks: Sequence[T], workers: int | None = None
) -> Iterator[tuple[T, R | Failure]]:
    """Do tasks in worker processes and yield each with its result or its failure, in the order in which they end.

    A few tasks are done in this process: starting workers would cost more. Memory is bounded: only a few tasks per
    worker are under way. Workers are started fresh (never forked), because TensorFlow's threads may run here.

    Args:
        work: A function of a module; its BoneageError and OSError become failures.
        tasks: What it is called with, one after another.
        workers: Processes; None for one per core, 1 for this process alone.

    Raises:
        BoneageError: when worker processes cannot be started at all.
    """
    count = min(workers or core_count(), len(tasks))
    if count <= 1 or (workers is None and len(tasks) < _WORTH_A_POOL):
        for task in tasks:
            yield task, attempt(work, task)
        return
    waiting = list(reversed(tasks))
    while waiting:
        suspects: list[T] = []
        yield from _drain(work, waiting, count, suspects)
        yield from _one_by_one(work, suspects)


def attempt(work: Callable[[T], R], task: T) -> R | Failure:
    """Do one task and return its result, or why it failed.

    Raises:
        WriteError: when its result cannot be written: that is no fault of one image, and the next would fail as well.
    """
    try:
        return work(task)
    except WriteError:
        raise
    except MemoryError:
        return Failure("not enough memory for this image")
    except (BoneageError, OSError) as error:
        return Failure(sentence_of(error))


def _drain(work: Callable[[T], R], waiting: list[T], count: int, suspects: list[T]) -> Iterator[tuple[T, R | Failure]]:
    """Feed one pool from `waiting` until it is empty or the pool breaks; what was under way then goes to `suspects`."""
    with WorkerPool(count) as pool:
        if not _starts(pool):
            raise BoneageError.of("prepare.no_workers")
        running: dict[Future[R | Failure], T] = {}
        try:
            while waiting or running:
                while waiting and len(running) < _AHEAD * count:
                    task = waiting.pop()
                    running[pool.submit(attempt, work, task)] = task
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    result = future.result()
                    yield running.pop(future), result
        except BrokenProcessPool:
            suspects.extend(running.values())


def _one_by_one(work: Callable[[T], R], suspects: Sequence[T]) -> Iterator[tuple[T, R | Failure]]:
    """Do suspects in one worker, one after another, so that the one that kills it is known."""
    rest = list(reversed(suspects))
    while rest:
        with WorkerPool(1) as pool:
            try:
                while rest:
                    yield rest[-1], pool.submit(attempt, work, rest[-1]).result()
                    rest.pop()
            except BrokenProcessPool:
                yield rest.pop(), Failure("reading this image ended the process that read it")


def _starts(pool: WorkerPool) -> bool:
    try:
        return bool(pool.submit(_ready).result())
    except (BrokenProcessPool, OSError):
        return False


def _ready() -> bool:
    return True

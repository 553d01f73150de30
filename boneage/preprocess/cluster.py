"""Run many small tasks on the machines of a Ray cluster (extra `cluster`); tasks of a lost machine are repeated.

Tasks get everything they need as arguments and give their result back, so the machines need no common disk, only this
package. Ray repeats the tasks of a machine that died on the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from boneage.errors import BoneageError
from boneage.preprocess.parallel import Failure, attempt

T = TypeVar("T")
A = TypeVar("A")
R = TypeVar("R")
_AHEAD = 3
_RETRIES = 8
_ANSWER_SECONDS = 1.0


class ClusterError(BoneageError):
    """A cluster that cannot be used; the message says what to do."""


def connect(address: str) -> Any:
    """Join a Ray cluster, or the one that this process has joined already, and return the `ray` module.

    Args:
        address: `local` (a cluster of this machine's cores, for this process), `auto`, `HOST:PORT` or
            `ray://HOST:PORT`.

    Raises:
        ClusterError: when Ray is not installed or nothing answers there.
    """
    try:
        import ray
    except ImportError as error:
        raise ClusterError.of("cluster.no_ray") from error
    if ray.is_initialized():
        return ray
    try:
        ray.init(address=address, log_to_driver=False, logging_level="ERROR")
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        raise ClusterError.of("cluster.no_answer", address=address, reason=_first_line(error)) from error
    return ray


def cores(address: str) -> int:
    """Return how many cores the cluster has now, 1 at least.

    Raises:
        ClusterError: when it cannot be joined.
    """
    return max(1, int(connect(address).cluster_resources().get("CPU", 1)))


def run_on_cluster(
    work: Callable[[A], R],
    tasks: Sequence[T],
    argument: Callable[[T], A],
    address: str,
    most: int | None = None,
) -> Iterator[tuple[T, R | Failure]]:
    """Do tasks on a cluster and yield each with its result or its failure, in the order in which they end.

    Memory is bounded: only a few tasks per core are under way, and their arguments are made when they start.

    Args:
        work: A function of a module that the machines have; its BoneageError and OSError become failures.
        tasks: What is to be done.
        argument: Makes what `work` is called with, on this machine; its BoneageError is a failure, too.
        address: See `connect`.
        most: How many tasks may be under way; None for a few per core.

    Raises:
        ClusterError: when the cluster cannot be joined.
    """
    ray = connect(address)
    remote = ray.remote(attempt).options(num_cpus=1, max_retries=_RETRIES)
    running: dict[Any, T] = {}
    waiting = list(reversed(tasks))
    while waiting or running:
        while waiting and len(running) < (most or _AHEAD * cores(address)):
            task = waiting.pop()
            made = attempt(argument, task)
            if isinstance(made, Failure):
                yield task, made
            else:
                running[remote.remote(work, made)] = task
        ended, _ = ray.wait(list(running), num_returns=1, timeout=_ANSWER_SECONDS) if running else ([], [])
        for reference in ended:
            yield running.pop(reference), _result(ray, reference)


def _result(ray: Any, reference: Any) -> Any:
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        return Failure(f"the machine that had this image failed: {_first_line(error.cause or error)}")
    except ray.exceptions.RayError as error:
        return Failure(f"the cluster could not do this image: {_first_line(error)}")


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:200]

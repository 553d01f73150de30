"""Start worker processes: spawned, with few threads, deaf to Ctrl-C, ended with their parent."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")


def core_count() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def has_ended(process: int) -> bool:
    """Tell whether a process of this number is surely no more; where that cannot be told it counts as running."""
    if os.name != "posix":
        return False
    try:
        os.kill(process, 0)  # asks, does not kill
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return False


def start_worker(threads: int = 1) -> None:
    """Initialise a pool's worker: its share of threads, and a watch that ends it when its parent was killed.

    Without the watch a worker whose parent died by -9 would wait for its next task for ever.
    """
    import cv2

    cv2.setNumThreads(threads)
    for name in _THREAD_VARIABLES:
        os.environ[name] = str(threads)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


@contextmanager
def deaf_to_keyboard() -> Iterator[None]:
    """Context manager: processes started within ignore Ctrl-C, and are ended by whoever started them.

    Otherwise each of them would print a traceback of its own, the first ones while they still start. A Ctrl-C that
    comes meanwhile is heard at the end.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class WorkerPool(ProcessPoolExecutor):
    """Fresh worker processes that never hear Ctrl-C; when its `with` is left by an error, nothing more is begun.

    Args:
        count: how many, at most.
        initializer: called in each worker with `initargs`; it should call `start_worker`.
        initargs: what it is called with.
    """

    def __init__(
        self, count: int, initializer: Callable[..., Any] = start_worker, initargs: tuple[Any, ...] = ()
    ) -> None:
        super().__init__(count, multiprocessing.get_context("spawn"), initializer, initargs)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Schedule a call; a worker that is started for it is deaf to the keyboard."""
        with deaf_to_keyboard():
            return super().submit(fn, *args, **kwargs)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.shutdown(wait=True, cancel_futures=kind is not None)


def _end_with(sentinel: int) -> None:
    multiprocessing.connection.wait([sentinel])
    os._exit(1)

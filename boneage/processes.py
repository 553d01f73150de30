"""How worker processes start here: fresh (never forked), with few threads, and never outliving their parent."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import threading

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")


def core_count() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


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


def _end_with(sentinel: int) -> None:
    multiprocessing.connection.wait([sentinel])
    os._exit(1)

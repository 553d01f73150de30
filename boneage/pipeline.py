"""Do the same work on many films at once, on threads, with the answers in the order of the films.

Decoding, OpenCV, numpy and ONNX Runtime release Python's lock, so threads fill the cores while one model is held once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from boneage.processes import core_count

T = TypeVar("T")
R = TypeVar("R")
_AHEAD = 2


def in_order(work: Callable[[T], R], items: Iterable[T], workers: int | None = None) -> Iterator[tuple[T, R]]:
    """Yield every item with what `work` makes of it, in the order of the items.

    Memory is bounded: at most two items a worker are under way or wait to be taken. When the caller stops early, what
    is under way is finished and nothing more is begun.

    Args:
        work: called on several threads at once; what it raises is raised here, at its item's place.
        items: what it is called with; taken as they are needed.
        workers: threads; None for one per core, 1 for the caller's own.
    """
    count = core_count() if workers is None else workers
    if count <= 1:
        for item in items:
            yield item, work(item)
        return
    pool = ThreadPoolExecutor(count, thread_name_prefix="boneage")
    waiting: deque[tuple[T, Future[R]]] = deque()
    try:
        for item in items:
            waiting.append((item, pool.submit(work, item)))
            if len(waiting) >= _AHEAD * count:
                yield _first(waiting)
        while waiting:
            yield _first(waiting)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _first(waiting: deque[tuple[T, Future[R]]]) -> tuple[T, R]:
    item, future = waiting.popleft()
    return item, future.result()

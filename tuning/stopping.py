"""Ctrl-C in a search: the first one stops it after the fold under way, a second one at once.

Whoever leads the search handles the signal; its worker processes never hear it and follow an event that they were
given when they started, so that they, too, finish their fold and close their runs.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import active_children, get_context
from threading import current_thread, main_thread
from typing import Any

_EVENTS: list[Any] = []
_HURRY: list[bool] = []


def event() -> Any:
    """Return the event that asks this process (and the workers it is given to) to stop."""
    if not _EVENTS:
        _EVENTS.append(get_context("spawn").Event())
    return _EVENTS[0]


def asked() -> bool:
    """Tell whether the search was asked to stop."""
    return bool(_EVENTS) and bool(_EVENTS[0].is_set())


def check() -> None:
    """End here if the search was asked to stop.

    Raises:
        KeyboardInterrupt: then.
    """
    if asked():
        raise KeyboardInterrupt


def follow(leader: Any) -> None:
    """Make a worker process listen to its leader's event."""
    _EVENTS[:] = [leader]


def end_workers() -> None:
    """Wait for nobody when the second Ctrl-C has come: end this process's workers; the first one lets them finish."""
    if _HURRY:
        for process in active_children():
            process.terminate()


@contextmanager
def gracefully(say: Callable[[str], None]) -> Iterator[None]:
    """Turn the first Ctrl-C within into a request to stop; the second one interrupts as ever.

    Args:
        say: tells the user, in one sentence, that the request was heard.

    Raises:
        KeyboardInterrupt: at the end, when the search was asked to stop and nothing within has raised it already.
    """
    if current_thread() is not main_thread():
        yield
        return
    wanted = event()
    wanted.clear()
    _HURRY.clear()

    def handle(_number: int, _frame: Any) -> None:
        if wanted.is_set():
            _HURRY.append(True)
            raise KeyboardInterrupt
        wanted.set()
        say("stopping after the fold under way; Ctrl-C again stops at once")

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield
        check()
    finally:
        signal.signal(signal.SIGINT, before)
        wanted.clear()

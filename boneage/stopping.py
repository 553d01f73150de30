"""Stop long commands by Ctrl-C: the first one after the step under way, a second one at once.

Python raises KeyboardInterrupt wherever it happens to be; while TensorFlow traces a graph, that ends in a traceback of
TensorFlow's own. So the signal sets a flag, which is read where nothing is half done: between images, batches of
features, folds and models. Whoever leads a search handles the signal; its worker processes never hear it and follow an
event that they were given when they started, so that they, too, finish their fold and close their runs.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import active_children, get_context
from threading import current_thread, main_thread
from typing import Any

Progress = Callable[[int, int], None]
_PRESSED: list[bool] = []
_EVENTS: list[Any] = []
_LEADERS: list[Any] = []


def event() -> Any:
    """Return the event that asks the workers to stop which it is given to."""
    if not _EVENTS:
        _EVENTS.append(get_context("spawn").Event())
    return _EVENTS[0]


def asked() -> bool:
    """Tell whether this process, or the one that it works for, was asked to stop."""
    # A process never reads its own event: the handler, interrupting that, would wait for the event's lock for ever.
    return bool(_PRESSED) or any(leader.is_set() for leader in _LEADERS)


def check() -> None:
    """Raise KeyboardInterrupt if Ctrl-C was pressed.

    Raises:
        KeyboardInterrupt: then.
    """
    if asked():
        raise KeyboardInterrupt


def watched(stage: Callable[[str], Progress]) -> Callable[[str], Progress]:
    """Make every stage check when it begins and after each of its steps."""

    def begin(name: str) -> Progress:
        check()
        show = stage(name)

        def progress(done: int, total: int) -> None:
            show(done, total)
            check()

        return progress

    return begin


def follow(leader: Any) -> None:
    """Make a worker process listen to its leader's event."""
    _LEADERS[:] = [leader]


def end_workers() -> None:
    """Wait for nobody when the second Ctrl-C has come: end this process's workers; the first one lets them finish."""
    if len(_PRESSED) > 1:
        for process in active_children():
            process.terminate()


@contextmanager
def gracefully(say: Callable[[str], None]) -> Iterator[None]:
    """Turn the first Ctrl-C within into a request to stop; the second one interrupts as ever.

    Args:
        say: tells the user, in one sentence, that the request was heard.

    Raises:
        KeyboardInterrupt: at the end, when Ctrl-C was pressed and nothing within has raised it already.
    """
    if current_thread() is not main_thread():
        yield
        return
    wanted = event()
    _forget()

    def handle(_number: int, _frame: Any) -> None:
        _PRESSED.append(True)
        if len(_PRESSED) > 1:
            raise KeyboardInterrupt
        wanted.set()
        say("stopping after the image or fold under way; Ctrl-C again stops at once")

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield
        check()
    finally:
        signal.signal(signal.SIGINT, before)
        hurried = len(_PRESSED) > 1
        _forget()
        if hurried:
            # Whatever TensorFlow made of an interruption in its midst: the user stopped the command.
            raise KeyboardInterrupt


def _forget() -> None:
    _PRESSED.clear()
    event().clear()

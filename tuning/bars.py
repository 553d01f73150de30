"""A bar per model on the terminal: how much of its search is done, the best so far, the time that is left."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from boneage.groups import ModelKey
from tuning.progress import SearchState, Show

_FORMAT = "{desc:<20} {percentage:3.0f}%|{bar:20}| {elapsed}, {remaining} left{postfix}"
_UNITS = {"mae_months": "months"}


@contextmanager
def bars(stream: TextIO | None = None) -> Iterator[Show | None]:
    """Give what shows a search's state, or None where nobody would see it: the stream (stderr) is no terminal."""
    stream = stream or sys.stderr
    if not stream.isatty():
        yield None
        return
    shown: dict[ModelKey, Any] = {}
    try:
        yield lambda state: _show(shown, state, stream)
    finally:
        for bar in shown.values():
            bar.close()


def _show(shown: dict[ModelKey, Any], state: SearchState, stream: TextIO) -> None:
    from tqdm import tqdm

    if state.key not in shown:
        # What was done before this bar began must not count for its speed.
        shown[state.key] = tqdm(
            desc=state.key.name, total=state.total, initial=state.done, file=stream, bar_format=_FORMAT, leave=True
        )
    bar = shown[state.key]
    bar.n = state.done
    bar.set_postfix_str(sentence(state))


def sentence(state: SearchState) -> str:
    """Say a search's state in a few words: `7 of 20 trials, best mae_months 6.812 (trial 4)`."""
    trials = f"{state.trials} of {state.wanted} trials" if state.wanted else f"{state.trials} trials"
    if state.best is None:
        return trials
    unit = _UNITS.get(state.goal.metric)
    figure = f"{state.best:.2f} {unit}" if unit else f"{state.goal.metric} {state.best:.3f}"
    return f"{trials}, best {figure} (trial {state.best_trial})"

"""Read every film of a table once, in parallel: its size, the hash of its pixels, its fingerprint."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import NamedTuple

import pandas as pd

from boneage.audit.labels import rows_of
from boneage.data.annotations import PROBLEM_COLUMNS
from boneage.data.fingerprint import fingerprint
from boneage.data.flags import pixels_sha256
from boneage.data.images import read_image
from boneage.data.transforms import FilmSource
from boneage.pipeline import in_order
from boneage.preprocess.parallel import Failure, attempt, run_parallel

Progress = Callable[[int, int], None]
FACTS = ("width", "height", "content_sha256", "fingerprint")
_ENOUGH_FOR_WORKERS = 2000


_Facts = tuple[int, int, str, str]


class _Task(NamedTuple):
    id: str
    source: FilmSource


def read_films(
    table: pd.DataFrame, workers: int | None = None, progress: Progress | None = None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read every film of an annotation table.

    Args:
        table: Columns `source, id, image`, and where known `original_width`, `original_height`, `crop`.
        workers: Processes; None for one per core where there are many films, 1 for this process alone.
        progress: Called with (done, total).

    Returns:
        The rows whose film can be read, with the columns `width`, `height` (int, pixels as stored), `content_sha256`
        (of the film's pixels) and `fingerprint`; and `source, id, image, reason` of the others.
    """
    tasks = [_Task(str(row["id"]), FilmSource.of(row)) for row in rows_of(table)]
    facts: dict[str, _Facts] = {}
    reasons: dict[str, str] = {}
    for number, (task, result) in enumerate(_looks(tasks, workers), start=1):
        if isinstance(result, Failure):
            reasons[task.id] = result.reason
        else:
            facts[task.id] = result
        if progress:
            progress(number, len(tasks))
    readable = table[table["id"].isin(facts)].reset_index(drop=True)
    for number, name in enumerate(FACTS):
        readable[name] = [facts[image_id][number] for image_id in readable["id"]]
    refused = table.loc[table["id"].isin(reasons), ["source", "id", "image"]].reset_index(drop=True)
    return readable, refused.assign(reason=[reasons[name] for name in refused["id"]])[list(PROBLEM_COLUMNS)]


def _looks(tasks: Sequence[_Task], workers: int | None) -> Iterable[tuple[_Task, _Facts | Failure]]:
    """Read the films on threads, which start at once; in processes where there are so many that one may be deadly."""
    if workers is None and len(tasks) < _ENOUGH_FOR_WORKERS:
        return in_order(partial(attempt, _look), tasks)
    return run_parallel(_look, tasks, workers)


def _look(task: _Task) -> _Facts:
    """Return the `FACTS` of one film (in a worker process); its hash is that of the unstretched film, as in a study."""
    stored = read_image(task.source.image)
    film = task.source.fit(stored)
    return stored.shape[1], stored.shape[0], pixels_sha256(film), fingerprint(film)

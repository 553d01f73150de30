"""Every film of a table looked at once, in parallel: can it be read, how large is it, which film is it?"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pandas as pd

from boneage.data.annotations import PROBLEM_COLUMNS
from boneage.data.films import FilmSource
from boneage.data.fingerprint import fingerprint
from boneage.data.flags import pixels_sha256
from boneage.data.images import read_image
from boneage.preprocess.parallel import Failure, run_parallel

Progress = Callable[[int, int], None]
FACTS = ("width", "height", "content_sha256", "fingerprint")
_ENOUGH_FOR_WORKERS = 2000


class _Task(NamedTuple):
    id: str
    source: FilmSource


class _Facts(NamedTuple):
    width: int
    height: int
    content_sha256: str
    fingerprint: str


def look_at(
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
    records = [{str(key): value for key, value in row.items()} for row in table.to_dict("records")]
    tasks = [_Task(str(row["id"]), FilmSource.of(row)) for row in records]
    if workers is None and len(tasks) < _ENOUGH_FOR_WORKERS:
        workers = 1
    facts: dict[str, _Facts] = {}
    reasons: dict[str, str] = {}
    for number, (task, result) in enumerate(run_parallel(_look, tasks, workers), start=1):
        if isinstance(result, Failure):
            reasons[task.id] = result.reason
        else:
            facts[task.id] = result
        if progress:
            progress(number, len(tasks))
    return _with_facts(table, facts), _unreadable(table, reasons)


def _look(task: _Task) -> _Facts:
    """Read one film; runs in a worker process. The hash is that of the film after unstretching, as in a study."""
    stored = read_image(task.source.image)
    film = task.source.fit(stored)
    return _Facts(stored.shape[1], stored.shape[0], pixels_sha256(film), fingerprint(film))


def _with_facts(table: pd.DataFrame, facts: dict[str, _Facts]) -> pd.DataFrame:
    readable = table[table["id"].isin(facts)].reset_index(drop=True)
    for number, name in enumerate(FACTS):
        readable[name] = [facts[image_id][number] for image_id in readable["id"]]
    return readable


def _unreadable(table: pd.DataFrame, reasons: dict[str, str]) -> pd.DataFrame:
    rows = table[table["id"].isin(reasons)]
    problems = rows[["source", "id", "image"]].assign(reason=[reasons[name] for name in rows["id"]])
    return problems.reset_index(drop=True)[list(PROBLEM_COLUMNS)]

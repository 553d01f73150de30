"""Prepare a table of films in parallel, each once: cached by content and configuration, resumable.

A prepared film is one PNG named by the hash of its source (the file's bytes and how they are unstretched) in a folder
named by the configuration. It carries the hash of its film's pixels and its warnings inside, and appears by renaming:
whatever is there is whole, so a killed preparation continues where it was.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from boneage.config import PreprocessConfig
from boneage.data.annotations import PROBLEM_COLUMNS
from boneage.data.archives import DataError, read_bytes, split_frame
from boneage.data.transforms import SMALLEST_SIDE, FilmSource
from boneage.files import write_whole
from boneage.preprocess.background import mask_session
from boneage.preprocess.cluster import run_on_cluster
from boneage.preprocess.mapped import GrowingTable
from boneage.preprocess.parallel import Failure, run_parallel
from boneage.preprocess.png import prepare_png, read_note
from boneage.preprocess.preparer import Prepared as Prepared
from boneage.preprocess.preparer import Preparer

Progress = Callable[[int, int], None]
_DECODED_AT_ONCE = 64


@dataclass(frozen=True)
class PreparedSet:
    """Prepared films on disk.

    Attributes:
        ids: The ids that could be prepared, in the table's order.
        files: The PNG of each.
        content_sha256: The hash of each film's own pixels, after unstretching: equal films have equal hashes.
        warnings: What was noted about each film, where anything was.
        problems: `source, id, image, reason` of the rows that could not be prepared.
        config_sha256: What identifies how they were prepared.
        fingerprints: What tells each film's near copies; empty for films prepared by an older version.
    """

    ids: tuple[str, ...]
    files: dict[str, Path] = field(repr=False)
    content_sha256: dict[str, str] = field(repr=False)
    warnings: dict[str, tuple[str, ...]] = field(repr=False)
    problems: pd.DataFrame = field(repr=False)
    config_sha256: str = ""
    fingerprints: dict[str, str] = field(default_factory=dict, repr=False)

    def load(self, image_id: str) -> NDArray[np.uint8]:
        """Return a prepared film.

        Returns:
            uint8 (S, S).

        Raises:
            DataError: when there is no such film, or its file is gone.
        """
        try:
            self._key(image_id)
            with Image.open(self.files[image_id]) as picture:
                return np.array(picture, dtype=np.uint8)
        except (OSError, SyntaxError) as error:
            raise DataError.of("prepare.unreadable", file=self.files[image_id]) from error

    def stack(self, ids: Sequence[str]) -> NDArray[np.uint8]:
        """Return prepared films, uint8 (N, S, S), read from one memory-mapped file beside them.

        Films that were never read in this way are decoded once and added to that file, whose space is that of the
        uncompressed films. Nothing stays mapped after the call, so that memory is bounded by the films returned.

        Raises:
            DataError: when one of them is not there or cannot be read.
        """
        keys = [self._key(name) for name in ids]
        if not keys:
            return np.empty((0, 0, 0), np.uint8)
        first = self.files[ids[0]]
        folder = first.parent.parent
        with GrowingTable(folder / "films.u8", folder / "films.txt", np.uint8, _shape(first)) as table:
            new = {key: name for key, name in zip(keys, ids, strict=True) if key not in table.keys}
            names = list(new.values())
            for start in range(0, len(names), _DECODED_AT_ONCE):
                some = names[start : start + _DECODED_AT_ONCE]
                table.append([self._key(name) for name in some], np.stack([self.load(name) for name in some]))
            return np.asarray(table.rows()[[table.keys[key] for key in keys]])

    def _key(self, image_id: str) -> str:
        if image_id not in self.files:
            raise DataError.of("prepare.no_film", name=image_id)
        return f"{self.files[image_id].parent.name}{self.files[image_id].stem}"


def _shape(file: Path) -> tuple[int, int]:
    """Return the height and width of a prepared film in pixels."""
    try:
        with Image.open(file) as picture:
            return picture.height, picture.width
    except (OSError, SyntaxError) as error:
        raise DataError.of("prepare.unreadable", file=file) from error


@dataclass(frozen=True)
class _Task:
    """One film to prepare: where it is, how it is called in messages, and the file to write."""

    source: FilmSource
    file: Path
    config: PreprocessConfig


@dataclass(frozen=True)
class _Parcel:
    """One film to prepare on another machine."""

    source: FilmSource
    config: PreprocessConfig
    data: bytes
    identity: str


def prepare_table(
    table: pd.DataFrame,
    config: PreprocessConfig,
    cache: Path,
    workers: int | None = None,
    progress: Progress | None = None,
    ray: str = "",
) -> PreparedSet:
    """Prepare every film of an annotation table that is not prepared yet.

    Args:
        table: Columns `source, id, image`, and where known `original_width`, `original_height`, `crop`.
        config: The steps.
        cache: Folder of everything prepared; a subfolder per configuration is made in it.
        workers: Processes; None for one per core, 1 for this process alone.
        progress: Called with (done, total); films that were prepared before count as done at once.
        ray: The address of a Ray cluster to prepare on instead of here; "" for none.

    Raises:
        BackgroundError: when the mask network cannot be opened.
        ClusterError: when there is no such cluster.
        DataError: when the cache cannot be written.
    """
    identity = Preparer(config).sha256
    folder = Path(cache) / identity[:16]
    folder.mkdir(parents=True, exist_ok=True)
    tasks, reasons = _tasks(table, config, folder)
    waiting = {task.file: task for task in tasks.values() if read_note(task.file) is None}
    done = len(table) - len(waiting)
    if progress:
        progress(done, len(table))
    if waiting:
        mask_session(config.background)  # a network that is missing is one error, not one per film
    names: dict[Path, list[str]] = defaultdict(list)
    for name, task in tasks.items():
        names[task.file].append(name)
    missing = list(waiting.values())
    results = _on_cluster(missing, identity, ray) if ray else run_parallel(_prepare, missing, workers)
    for number, (task, result) in enumerate(results, start=done + 1):
        if isinstance(result, Failure):
            reasons.update(dict.fromkeys(names[task.file], result.reason))
        if progress:
            progress(number, len(table))
    return _collect(table, tasks, reasons, identity)


def _tasks(table: pd.DataFrame, config: PreprocessConfig, folder: Path) -> tuple[dict[str, _Task], dict[str, str]]:
    """Name the file of each row by its content; rows whose file cannot be read at all get a reason instead."""
    tasks: dict[str, _Task] = {}
    reasons: dict[str, str] = {}
    for row in table.to_dict("records"):
        name, source = str(row["id"]), FilmSource.of({str(key): value for key, value in row.items()})
        try:
            digest = hashlib.sha256(read_bytes(source.image))
        except DataError as error:
            reasons[name] = str(error)
            continue
        digest.update(str(split_frame(source.image)[1] or "").encode())
        digest.update(repr((source.original_width, source.original_height, source.crop)).encode())
        if source.original_width > 0 and source.original_height > 0:
            # Films that may be stretched back are named by how far they grow, too.
            digest.update(f"grown to {SMALLEST_SIDE}".encode())
        if config.mirror != "none":
            digest.update(source.laterality.encode())
        key = digest.hexdigest()
        tasks[name] = _Task(source, folder / key[:2] / f"{key[2:]}.png", config)
    return tasks, reasons


def _on_cluster(tasks: list[_Task], identity: str, ray: str) -> Iterator[tuple[_Task, None | Failure]]:
    """Prepare on a cluster: the film's bytes go there, the PNG comes back and is written here."""

    def argument(task: _Task) -> _Parcel:
        return _Parcel(task.source, task.config, read_bytes(task.source.image), identity)

    for task, result in run_on_cluster(_prepare_parcel, tasks, argument, ray):
        if isinstance(result, Failure):
            yield task, result
        else:
            write_whole(task.file, result)
            yield task, None


def _prepare_parcel(parcel: _Parcel) -> bytes:
    """Prepare one film on another machine, which must do it just as this one would."""
    if _identity(parcel.config) != parcel.identity:
        raise DataError.of("cluster.version")
    return prepare_png(parcel.source, parcel.config, parcel.data)


@cache
def _identity(config: PreprocessConfig) -> str:
    return Preparer(config).sha256


def _prepare(task: _Task) -> None:
    """Prepare one film and write it; runs in a worker process, where the mask network is opened once."""
    write_whole(task.file, prepare_png(task.source, task.config))


def _collect(table: pd.DataFrame, tasks: Mapping[str, _Task], reasons: Mapping[str, str], identity: str) -> PreparedSet:
    notes = {name: note for name, task in tasks.items() if (note := read_note(task.file)) is not None}
    bad = table[~table["id"].isin(notes)]
    problems = [
        {
            "source": row["source"],
            "id": row["id"],
            "image": row["image"],
            "reason": reasons.get(row["id"], "not prepared"),
        }
        for row in bad.to_dict("records")
    ]
    ids = tuple(name for name in table["id"] if name in notes)
    return PreparedSet(
        ids=ids,
        files={name: tasks[name].file for name in ids},
        content_sha256={name: notes[name].content for name in ids},
        warnings={name: notes[name].warnings for name in ids if notes[name].warnings},
        problems=pd.DataFrame(problems, columns=list(PROBLEM_COLUMNS)),
        config_sha256=identity,
        fingerprints={name: notes[name].fingerprint for name in ids},
    )

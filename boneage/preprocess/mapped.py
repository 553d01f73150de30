"""Append-only arrays on disk, read memory-mapped: prepared films and features.

A table is two files: the rows, one after another, and the key of each row, one a line. Rows are written before their
keys, so whatever was killed midway leaves at most rows without keys, which the next run cuts off: nothing half-written
is ever read.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike

from boneage.files import WriteError, write_fault


class GrowingTable:
    """One table, held by one process at a time (`with`).

    Args:
        data: The file of the rows; the lock lies beside it.
        index: The file of the keys.
        dtype: Of a row.
        shape: Of a row.
    """

    def __init__(self, data: Path, index: Path, dtype: DTypeLike, shape: tuple[int, ...]) -> None:
        self.data, self.index, self.dtype, self.shape = data, index, np.dtype(dtype), shape
        self.keys: dict[str, int] = {}

    def __enter__(self) -> Self:
        from filelock import FileLock

        self.data.parent.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(self.data.with_name("lock"))
        self._lock.acquire()
        self._recover()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()

    def append(self, keys: Sequence[str], rows: np.ndarray) -> None:
        """Add rows, (n, *shape), under their keys; on disk when this returns.

        Raises:
            WriteError: when the disk is full or may not be written; the table is then as it was.
        """
        sizes = {file: file.stat().st_size for file in (self.data, self.index)}
        try:
            _append(self.data, np.ascontiguousarray(rows, dtype=self.dtype).data)
            _append(self.index, "".join(f"{key}\n" for key in keys).encode())
        except OSError as error:
            for file, size in sizes.items():
                os.truncate(file, size)
            raise WriteError(write_fault(self.data, error)) from error
        for key in keys:
            self.keys[key] = len(self.keys)

    def rows(self) -> np.ndarray:
        """Return the table as it is now, (M, *shape), memory-mapped for reading."""
        if not self.keys:
            return np.empty((0, *self.shape), dtype=self.dtype)
        return np.memmap(self.data, dtype=self.dtype, mode="r", shape=(len(self.keys), *self.shape))

    def _recover(self) -> None:
        """Read the keys; cut off what an interrupted run left behind."""
        for file in (self.data, self.index):
            file.touch()
        row_bytes = self.dtype.itemsize * int(np.prod(self.shape))
        lines = self.index.read_bytes().splitlines(keepends=True)
        whole = [line for line in lines if line.endswith(b"\n")][: self.data.stat().st_size // row_bytes]
        os.truncate(self.data, len(whole) * row_bytes)
        os.truncate(self.index, sum(len(line) for line in whole))
        self.keys = {line.decode().strip(): row for row, line in enumerate(whole)}


def _append(path: Path, content: Any) -> None:
    # Unbuffered: what a full disk refuses must not be written once more when the file is closed.
    with path.open("ab", buffering=0) as stream:
        rest = memoryview(content).cast("B")
        while rest:
            rest = rest[stream.write(rest) :]
        os.fsync(stream.fileno())

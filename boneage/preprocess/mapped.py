"""Many prepared films as one memory-mapped array on disk, so that reading them costs no decoding and no memory."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from boneage.data.archives import DataError

Progress = Callable[[int, int], None]


def stacked(files: Sequence[Path], load: Callable[[int], np.ndarray], progress: Progress | None = None) -> np.ndarray:
    """Return films as one array, uint8 (N, S, S), memory-mapped; its file is made when it is not there.

    Args:
        files: The films' files, `<configuration>/<two digits>/<rest>.png`; the array lies in `<configuration>/`.
        load: Gives film number n, uint8 (S, S).
        progress: Called with (done, total) while the file is made.

    Raises:
        DataError: when there are no films, or the file cannot be written.
    """
    if not files:
        raise DataError("there is no prepared film to read: see the problems of the preparation")
    names = "\n".join(f"{file.parent.name}{file.stem}" for file in files)
    path = files[0].parent.parent / f"{hashlib.sha256(names.encode()).hexdigest()[:24]}.npy"
    if not path.is_file():
        _make(path, len(files), load, progress)
    return np.load(path, mmap_mode="r")


def _make(path: Path, count: int, load: Callable[[int], np.ndarray], progress: Progress | None) -> None:
    """Write the array film by film under another name, then rename it: it is whole or not there."""
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.npy")
    try:
        first = load(0)
        array = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.uint8, shape=(count, *first.shape))
        for number in range(count):
            array[number] = load(number)
            if progress:
                progress(number + 1, count)
        array.flush()
        temporary.replace(path)
    except OSError as error:
        raise DataError(f"the prepared films cannot be written to {path}: {error}") from error
    finally:
        temporary.unlink(missing_ok=True)

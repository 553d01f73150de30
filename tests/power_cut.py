"""Cut the power at any moment of a program: what was not synced is half there, as after a real cut."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


class PowerCut(BaseException):
    """The end of a program in the middle of its work."""


class Disk:
    """Watches what a program syncs and renames below a folder, and cuts at the n-th of these moments.

    A disk may keep what was not synced in part: after the cut, such a file is half as long, and ends in NUL bytes.
    SQLite's own files are left alone: their syncing happens where Python cannot see it, and is SQLite's promise.
    """

    def __init__(self, folder: Path, cut_at: int = 0) -> None:
        self.folder, self.cut_at, self.moments = folder, cut_at, 0
        self._durable: dict[str, bytes] = {
            str(file): file.read_bytes() for file in folder.rglob("*") if file.is_file() and not file.is_symlink()
        }

    def moment(self) -> None:
        """Count one moment; it may be the last."""
        self.moments += 1
        if self.moments == self.cut_at:
            self._lose()
            raise PowerCut

    def synced(self, handle: int) -> None:
        """Note that a file is on the disk as it is now."""
        name = str(Path(f"/proc/self/fd/{handle}").readlink())
        if Path(name).is_file():
            self._durable[name] = Path(name).read_bytes()

    def renamed(self, old: str, new: str) -> None:
        """Note that a name stands for another file now."""
        content = self._durable.pop(old, None)
        self._durable.pop(new, None)
        if content is not None:
            self._durable[new] = content

    def _lose(self) -> None:
        for file in self.folder.rglob("*"):
            if not file.is_file() or file.is_symlink() or ".db" in file.name:
                continue
            content, durable = file.read_bytes(), self._durable.get(str(file), b"")
            if content != durable and content:
                kept = durable if content.startswith(durable) else b""
                lost = content[len(kept) :]
                file.write_bytes(kept + lost[: len(lost) // 2] + b"\0" * (len(lost) - len(lost) // 2))


@contextmanager
def disk(folder: Path, cut_at: int = 0) -> Iterator[Disk]:
    """Watch a folder while a program runs."""
    watched = Disk(folder, cut_at)
    fsync, replace = os.fsync, os.replace

    def watched_fsync(handle: int) -> None:
        watched.moment()
        fsync(handle)
        watched.synced(handle)

    def watched_replace(old: str, new: str, **more: int) -> None:
        watched.moment()
        replace(old, new, **more)
        watched.renamed(os.fspath(old), os.fspath(new))
        watched.moment()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", watched_fsync)
        patch.setattr(os, "replace", watched_replace)
        yield watched


def survives(folder: Path, program: Callable[[Path], object], step: int = 1) -> int:
    """Run a program in folders of its own, cut at every moment, run it again, and compare with an uncut run.

    Args:
        folder: where the folders are made.
        program: what writes below the folder it is given, and returns what it made.
        step: cut at every n-th moment only.

    Returns:
        How many cuts were tried.
    """
    (folder / "whole").mkdir()
    with disk(folder / "whole") as watched:
        expected = program(folder / "whole")
    cuts = range(1, watched.moments + 1, step)
    for moment in cuts:
        home = folder / f"cut-{moment}"
        home.mkdir()
        with pytest.raises(PowerCut), disk(home, moment):
            program(home)
        assert program(home) == expected, f"another result after a cut at moment {moment} of {watched.moments}"
    return len(cuts)

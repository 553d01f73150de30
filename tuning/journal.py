"""The journal of trials as Optuna's storage: mended when it is opened, and never left with half a line."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock
from optuna.storages.journal import JournalFileBackend

from boneage.errors import BoneageError
from boneage.files import write_fault
from boneage.notices import coded
from boneage.study.journal import cut_tail, mend

log = logging.getLogger(__name__)


class JournalError(BoneageError):
    """A journal that cannot be written; the message says why and what to do."""


class SystemLock:
    """A lock that the system gives back when its holder is killed; Optuna's own stays behind as a link.

    Args:
        path: the lock's file.
    """

    def __init__(self, path: Path) -> None:
        self._lock = FileLock(path)

    def acquire(self) -> bool:
        """Wait for the lock."""
        self._lock.acquire()
        return True

    def release(self) -> None:
        """Give the lock back."""
        self._lock.release()


class WholeLines(JournalFileBackend):
    """A journal file whose damaged lines are cut, and said, when it is opened.

    Args:
        path: the journal; made where missing.

    Raises:
        JournalError: when it cannot be made or mended.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        lock = SystemLock(path.with_name(f"{path.name}.guard"))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock.acquire()
            try:
                mended = mend(path)
                super().__init__(str(path), lock)
            finally:
                lock.release()
        except OSError as error:
            raise JournalError(write_fault(f"the journal of trials {path}", error)) from error
        if mended:
            log.warning("%s", coded(mended))

    def append_logs(self, logs: Sequence[dict[str, Any]]) -> None:
        """Append lines as a whole or not at all.

        Raises:
            JournalError: when the disk is full or may not be written; the journal is then as it was.
        """
        try:
            self._lock.acquire()
            try:
                # Another worker may have been killed in the middle of a line.
                cut_tail(self._path)
                self._append(logs)
            finally:
                self._lock.release()
        except OSError as error:
            raise JournalError(write_fault(f"the journal of trials {self._path}", error)) from error

    def _append(self, logs: Sequence[dict[str, Any]]) -> None:
        lines = "".join(json.dumps(entry, separators=(",", ":")) + "\n" for entry in logs).encode()
        size = self._path.stat().st_size
        try:
            # Unbuffered: what a full disk refuses must not be written once more when the file is closed.
            with self._path.open("ab", buffering=0) as stream:
                rest = memoryview(lines)
                while rest:
                    rest = rest[stream.write(rest) :]
                os.fsync(stream.fileno())
        except OSError:
            os.truncate(self._path, size)
            raise

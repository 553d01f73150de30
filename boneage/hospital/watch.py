"""Take films from a folder that others write into, once each, when they are complete."""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path

from boneage.data.dicom import is_dicom
from boneage.files import WriteError
from boneage.hospital.spool import Spool
from boneage.notices import OTHER_CODE, coded

LOG = logging.getLogger("boneage.hospital")
State = tuple[int, int]


class Watch:
    """Looks into a folder and below it every few seconds; files are read, never changed or moved.

    Args:
        folder: what is watched.
        spool: where films are kept.
        most_bytes: of one file; larger ones are passed over.
        seconds: between two looks; a file is taken when two looks find it alike.
    """

    def __init__(self, folder: Path, spool: Spool, most_bytes: int, seconds: float = 2.0) -> None:
        self.folder, self.spool, self.most_bytes, self.seconds = folder, spool, most_bytes, seconds
        self.counts = {"received": 0, "passed_over": 0, "not_stored": 0}
        self.stopped = threading.Event()
        self._before: dict[Path, State] = {}
        self._taken: dict[Path, State] = {}

    def run(self) -> None:
        """Look until stopped."""
        while not self.stopped.is_set():
            self.look()
            self.stopped.wait(self.seconds)

    def look(self) -> None:
        """Take the files that did not change since the last look."""
        now = dict(self._files())
        for path, state in now.items():
            if self._before.get(path) == state and self._taken.get(path) != state and self._take(path, state):
                self._taken[path] = state
        self._before = now
        self._taken = {path: state for path, state in self._taken.items() if path in now}

    def _files(self) -> list[tuple[Path, State]]:
        found = []
        for folder, _, names in os.walk(self.folder):
            for name in names:
                path = Path(folder) / name
                if not name.startswith(".") and self.spool.folder not in path.parents:
                    try:
                        status = path.stat()
                    except OSError:  # gone meanwhile
                        continue
                    found.append((path, (status.st_size, status.st_mtime_ns)))
        return sorted(found)

    def _take(self, path: Path, state: State) -> bool:
        """Keep one file; False where it must be looked at again."""
        try:
            data = path.read_bytes() if state[0] <= self.most_bytes else b""
            if not is_dicom(data):
                self.counts["passed_over"] += 1
                return True
            self.spool.receive(data)
        except WriteError as error:
            self.counts["not_stored"] += 1
            LOG.error("a film was not taken: %s", coded(error))
            return False
        except OSError as error:
            LOG.error("a file cannot be read: [%s] %s", OTHER_CODE, error.strerror)
            return False
        self.counts["received"] += 1
        return True

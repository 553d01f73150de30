"""Keep received films on the disk until each is answered once, whatever ends the process.

The state of a film is where its files lie, so there is no table that could disagree with them:

    waiting/KEY.dcm      received, synced to the disk, not answered yet
    answered/KEY.json    answered: what came of it, without patient data; a film that comes again is recognised by it
    results/KEY.*        the result objects
    unsent/KEY.json      result objects that are still to be sent on; dead-letter/KEY.json where that was given up
    damaged/KEY.dcm      a film that could not be read, for whoever looks into it

KEY is the hash of the film's data set. `answered` is written after `results` and `unsent`, and `waiting` is removed
after that: a process that is killed in between finds the film answered and only tidies up.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from boneage.files import write_whole
from boneage.hospital.result import HospitalError

_FOLDERS = ("waiting", "answered", "results", "unsent", "dead-letter", "damaged")
MOST_STARTS = 3


class Spool:
    """The films of one listener or watched folder.

    Args:
        folder: where they lie; made when missing, and locked against a second process.

    Raises:
        HospitalError: when another process has it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in _FOLDERS:
            (folder / name).mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(folder / ".lock")
        try:
            self._lock.acquire(blocking=False)
        except Timeout as error:
            raise HospitalError.of("listener.folder", folder=folder) from error
        self._receiving = threading.Lock()
        self.arrived = threading.Event()
        for key in self.waiting():
            if self._answer(key).is_file():
                self._tidy(key)

    def close(self) -> None:
        """Let another process have the folder."""
        self._lock.release()

    def receive(self, data: bytes, content: bytes | None = None) -> str:
        """Keep a film; when this returns it is on the disk.

        Args:
            data: the file's bytes.
            content: what identifies the film: its data set without the file's header; `data` by default.

        Returns:
            The film's key; one that is waiting or was answered before is not kept twice.

        Raises:
            WriteError: when the disk is full or the folder cannot be written.
        """
        key = hashlib.sha256(data if content is None else content).hexdigest()[:40]
        with self._receiving:
            if not self.known(key):
                write_whole(self.film(key), data)
        self.arrived.set()
        return key

    def known(self, key: str) -> bool:
        """Tell whether a film is waiting or was answered."""
        return self.film(key).is_file() or self._answer(key).is_file()

    def film(self, key: str) -> Path:
        """Return where a waiting film lies."""
        return self.folder / "waiting" / f"{key}.dcm"

    def waiting(self) -> list[str]:
        """Return the keys of the films that wait, the oldest first."""
        found: list[tuple[int, str]] = []
        for path in (self.folder / "waiting").glob("*.dcm"):
            try:
                found.append((path.stat().st_mtime_ns, path.stem))
            except FileNotFoundError:  # answered meanwhile
                continue
        return [key for _, key in sorted(found)]

    def starts(self, key: str) -> int:
        """Count how often a film was begun, this time included: none may end the process again and again."""
        path = self.folder / "waiting" / f"{key}.starts"
        before = path.stat().st_size if path.is_file() else 0
        with path.open("ab") as file:  # not synced: a power cut is not the film's fault
            file.write(b".")
        return before + 1

    def forgive(self, key: str) -> None:
        """Take the last start back: it was not the film that ended it."""
        (self.folder / "waiting" / f"{key}.starts").unlink(missing_ok=True)

    def answer(self, key: str, record: dict[str, Any], send: list[Path] | None = None) -> None:
        """Note what came of a film, once its result objects are written.

        Args:
            key: the film's.
            record: what is kept: JSON values, no patient data.
            send: result objects that are to be sent on.

        Raises:
            WriteError: when the disk is full; the film then still waits.
        """
        if send:
            names = [path.name for path in send]
            write_whole(self.folder / "unsent" / f"{key}.json", json.dumps({"files": names, "tries": 0, "next": 0.0}))
        write_whole(self._answer(key), json.dumps({"time": round(time.time(), 3), **record}, ensure_ascii=False))
        self._tidy(key)

    def set_aside(self, key: str) -> None:
        """Keep a copy of a film that cannot be read."""
        write_whole(self.folder / "damaged" / f"{key}.dcm", self.film(key).read_bytes())

    def answers(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield key and record of every answered film."""
        for path in sorted((self.folder / "answered").glob("*.json")):
            yield path.stem, json.loads(path.read_text(encoding="utf-8"))

    def unsent(self) -> list[str]:
        """Return the keys of films whose result objects are to be sent on."""
        found = sorted(path.stem for path in (self.folder / "unsent").glob("*.json"))
        return [key for key in found if self._answer(key).is_file()]

    def counts(self) -> dict[str, int]:
        """Return how many films are in each folder."""
        kinds = {"waiting": "*.dcm", "unsent": "*.json", "dead-letter": "*.json", "damaged": "*.dcm"}
        return {name: sum(1 for _ in (self.folder / name).glob(kind)) for name, kind in kinds.items()}

    def _answer(self, key: str) -> Path:
        return self.folder / "answered" / f"{key}.json"

    def _tidy(self, key: str) -> None:
        for ending in ("dcm", "starts"):
            (self.folder / "waiting" / f"{key}.{ending}").unlink(missing_ok=True)

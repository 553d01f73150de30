"""Remember recent estimates by key, so that a reading is only saved with the film it belongs to."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, replace

from boneage.ui.estimate.case import Case

_BYTES = 256 * 2**20
_SECONDS = 3600.0
_VISITS = 2000


@dataclass
class _Visit:
    """What one visit (a tab, or a client of the API) shows and asked last."""

    asked: int = 0
    file: str | None = None
    last: str = ""


class RecentCases:
    """The estimates of the last hour, as far as their films fit into memory, and which one each visit was given last.

    Args:
        most_bytes: of all films together; the oldest go first.
        seconds: how long an estimate is kept.
    """

    def __init__(self, most_bytes: int = _BYTES, seconds: float = _SECONDS) -> None:
        self._most_bytes, self._seconds = most_bytes, seconds
        self._cases: OrderedDict[str, tuple[float, Case]] = OrderedDict()
        self._visits: OrderedDict[str, _Visit] = OrderedDict()
        self._lock = threading.Lock()

    def begin(self, visit: str | None) -> int:
        """Note that a visit asks for an estimate, and return its number: until it succeeds, there is no last one."""
        with self._lock:
            there = self._visit(visit)
            there.asked += 1
            there.last = ""
            return there.asked

    def keep(self, visit: str | None, number: int, case: Case) -> None:
        """Keep an estimate by its key; it is the last one of its visit unless that asked again since `begin`."""
        with self._lock:
            there = self._visit(visit)
            if there.asked == number:
                there.last = case.key
            self._store(case)

    def turn(self, visit: str | None, file: str | None) -> None:
        """Note which file a tab shows; an estimate of another one is not its last any more."""
        with self._lock:
            there = self._visit(visit)
            if there.file != file:
                there.file, there.last = file, ""

    def keep_shown(self, visit: str | None, file: str | None, case: Case) -> bool:
        """Keep an estimate if its tab still shows the file that it was made of; return whether it does."""
        with self._lock:
            there = self._visit(visit)
            if there.file != file:
                return False
            there.last = case.key
            self._store(case)
            return True

    def last(self, visit: str | None) -> str:
        """Return the key of the visit's last estimate; empty while there is none, or the last call failed."""
        with self._lock:
            return self._visit(visit).last

    def find(self, key: str) -> Case | None:
        """Return the estimate of a key, or None when this server does not have it (any more)."""
        with self._lock:
            self._forget_old()
            found = self._cases.get(key)
            return found[1] if found else None

    def _visit(self, visit: str | None) -> _Visit:
        there = self._visits.setdefault(visit or "", _Visit())
        self._visits.move_to_end(visit or "")
        while len(self._visits) > _VISITS:
            self._visits.popitem(last=False)
        return there

    def _store(self, case: Case) -> None:
        # What a flag needs, and nothing of the screen.
        lean = replace(case, pictures=(), prepared=None, features=None, reasons=None, beside=None)
        self._cases[case.key] = (time.monotonic(), lean)
        self._cases.move_to_end(case.key)
        self._forget_old()
        while len(self._cases) > 1 and sum(len(kept.png) for _, kept in self._cases.values()) > self._most_bytes:
            self._cases.popitem(last=False)

    def _forget_old(self) -> None:
        # Not the wall clock, which may be set back.
        now = time.monotonic()
        for key in [key for key, (made, _) in self._cases.items() if now - made > self._seconds]:
            del self._cases[key]

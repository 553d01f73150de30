"""Tell the audit log and the daily counts what came of a film on the page; neither is told anything of the patient."""

from __future__ import annotations

from pathlib import Path

from boneage.data.radiograph import Radiograph
from boneage.gate.gate import RefusedError
from boneage.hospital.audit_trail import log_answer, log_error, log_result
from boneage.hospital.drift import DailyCounts, Seen
from boneage.hospital.result import Result
from boneage.ui.errors import Kept


class VisitLog:
    """Where the page notes every film that was answered, refused or failed.

    The audit log is written where it is switched on, and an answer that cannot be logged is not given. The counts only
    help to see drift: where they cannot be written, the server's log says so.

    Args:
        counts: the folder of the daily counts, or None for none.
    """

    def __init__(self, counts: Path | None = None) -> None:
        self._counts = None if counts is None else DailyCounts(counts)

    def answered(self, film: Radiograph, seen: Seen, who: str) -> None:
        """Note an estimate."""
        if seen.estimate is not None:
            log_answer(film, seen.estimate, who)
        self._count(seen)

    def failed(self, film: Radiograph | None, error: Exception, who: str) -> None:
        """Note a refusal by the gate, which is counted, or that a film could not be estimated."""
        log_error(film, error, who)
        if film is not None and isinstance(error, RefusedError):
            self._count(Seen(max(film.pixels.shape), refusal_kind=error.verdict.kind))

    def result(self, result: Result, who: str) -> None:
        """Note an estimate or a refusal that came as a result."""
        log_result(result, who)
        self._count(Seen.of(result))

    def _count(self, seen: Seen) -> None:
        if self._counts is not None:
            with Kept("counting a film"):
                self._counts.add(seen)

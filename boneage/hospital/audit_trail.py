"""An append-only log of who asked what of which film and model, chained by hashes so that a change shows.

Every line is a JSON object with the hash of the line before it. It holds no patient data: a film is the hash of its
pixels. Files are rotated and never rewritten. What the chain alone cannot show is that its last lines were cut off:
the newest hash is kept beside it and printed by `boneage log verify`, to be noted elsewhere.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from boneage.errors import BoneageError
from boneage.notices import OTHER_CODE, codes_of
from boneage.paths import project_root
from boneage.tracking.environment import login

if TYPE_CHECKING:
    from boneage.cascade.estimate import Estimate
    from boneage.data.radiograph import Radiograph
    from boneage.hospital.result import Result

VARIABLE = "BONEAGE_AUDIT"
"""Names the folder of the log; nothing is logged without it."""
EVENTS = ("answered", "refused", "failed", "filtered", "flagged", "promoted", "rolled back")
FACTS = ("film", "model", "version", "bone_age_months", "kind", "codes", "key", "beside")
"""What a line may state, apart from its number, time, login, event and hashes."""
_FIRST = "0" * 64
_ROTATE_BYTES = 8_000_000
_LONGEST_LINE = 65_536


class AuditError(BoneageError):
    """A log that was changed, or a line that must not be written; the message says where."""


@dataclass(frozen=True)
class Checked:
    """What a check of the whole chain found.

    Attributes:
        lines: how many.
        files: in how many files.
        last: the hash of the last line.
        first_time: of the first line, empty without one.
        last_time: of the last line, likewise.
    """

    lines: int
    files: int
    last: str
    first_time: str
    last_time: str


class Trail:
    """The log in one folder.

    Args:
        folder: made at the first line.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, event: str, who: str, **facts: Any) -> None:
        """Append one line and sync it; many processes may append.

        Args:
            event: one of `EVENTS`.
            who: the login.
            **facts: some of `FACTS`; None is left out.

        Raises:
            AuditError: when a fact is none of `FACTS`.
            OSError: when the log cannot be written: what is not logged must not be answered.
        """
        strange = sorted(set(facts) - set(FACTS))
        if strange or event not in EVENTS:
            raise AuditError.of("log.fact", events=", ".join(EVENTS), facts=", ".join(FACTS), event=event, came=strange)
        self.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self.folder / ".lock"):
            number, before = self._head()
            said = {name: value for name, value in facts.items() if value is not None}
            time = datetime.now(UTC).isoformat(timespec="milliseconds")
            line = {"n": number + 1, "time": time, "who": who, "event": event, **said, "before": before}
            line["hash"] = _hash(line)
            with self._file().open("a", encoding="utf-8") as file:
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
                file.flush()
                os.fsync(file.fileno())
            # Not synced: a note that a power cut made older than the log is no sign of a change.
            part = self._head_file.with_suffix(".part")
            part.write_text(json.dumps({"n": line["n"], "hash": line["hash"]}), encoding="utf-8")
            part.replace(self._head_file)

    def check(self) -> Checked:
        """Walk the whole chain.

        Raises:
            AuditError: at the first line that was changed, taken out, put in or cut off.
        """
        number, before, times = 0, _FIRST, ["", ""]
        files = self._files()
        for path in files:
            for place, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                line = self._checked(text, f"{path.name} line {place}", number + 1, before)
                number, before = line["n"], line["hash"]
                times = [times[0] or line["time"], line["time"]]
        head = self._noted()
        if head is not None and head["n"] > number:
            raise AuditError.of("log.cut_off", line=number, written=head["n"])
        if head is not None and (head["n"], head["hash"]) != (number, before) and head["n"] == number:
            raise AuditError.of("log.other_end")
        return Checked(number, len(files), before, times[0], times[1])

    @staticmethod
    def _checked(text: str, place: str, number: int, before: str) -> dict[str, Any]:
        try:
            line: dict[str, Any] = json.loads(text)
            stated = line.pop("hash")
        except (ValueError, KeyError, AttributeError) as error:
            raise AuditError.of("log.no_line", place=place) from error
        if _hash(line) != stated:
            raise AuditError.of("log.changed", place=place)
        if line.get("n") != number or line.get("before") != before:
            raise AuditError.of("log.order", place=place)
        return {**line, "hash": stated}

    def _head(self) -> tuple[int, str]:
        """Return number and hash of the last line, from the log itself; a line that a power cut halved is left out."""
        files = self._files()
        if not files:
            return 0, _FIRST
        with files[-1].open("r+b") as file:
            end = file.seek(0, os.SEEK_END)
            start = file.seek(max(end - _LONGEST_LINE, 0))
            whole, _, half = file.read().rpartition(b"\n")
            if half:
                file.truncate(end - len(half))
        if not whole:
            noted = (self._noted() if start == 0 else None) or {"n": 0, "hash": _FIRST}
            return int(noted["n"]), str(noted["hash"])
        last = json.loads(whole.rpartition(b"\n")[2])
        return int(last["n"]), str(last["hash"])

    def _noted(self) -> dict[str, Any] | None:
        if not self._head_file.is_file():
            return None
        found: dict[str, Any] = json.loads(self._head_file.read_text(encoding="utf-8"))
        return found

    @property
    def _head_file(self) -> Path:
        return self.folder / "head.json"

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob("audit-*.jsonl"))

    def _file(self) -> Path:
        files = self._files()
        if files and files[-1].stat().st_size < _ROTATE_BYTES:
            return files[-1]
        return self.folder / f"audit-{len(files) + 1:06d}.jsonl"


def trail() -> Trail | None:
    """Return the log that is switched on by `BONEAGE_AUDIT`, or None."""
    folder = os.environ.get(VARIABLE)
    return Trail(Path(folder)) if folder else None


def default_folder() -> Path:
    """Return where the log lies: what `BONEAGE_AUDIT` says, else `audit` in the project."""
    return Path(os.environ.get(VARIABLE) or project_root() / "audit")


def switch_on() -> None:
    """Log from here on, into the usual folder unless `BONEAGE_AUDIT` names one."""
    os.environ.setdefault(VARIABLE, str(default_folder()))


def log(event: str, who: str = "", **facts: Any) -> None:
    """Append a line where the log is switched on; `who` is by default the user of the machine.

    Raises:
        AuditError: as `Trail.add`.
    """
    on = trail()
    if on is not None:
        on.add(event, who or login(), **facts)


def log_answer(film: Radiograph, estimate: Estimate, who: str = "") -> None:
    """Log an estimate where the log is switched on."""
    if trail() is not None:
        known = {"film": _film(film), "model": estimate.model, "version": estimate.version}
        codes = codes_of(estimate.warnings) or None
        log("answered", who, **known, bone_age_months=round(estimate.bone_age_months, 2), codes=codes)


def log_error(film: Radiograph | None, error: Exception, who: str = "") -> None:
    """Log a refusal with its kind, or that something failed, where the log is switched on."""
    if trail() is None:
        return
    verdict = getattr(error, "verdict", None)
    known = None if film is None else _film(film)
    if verdict is None:
        log("failed", who, film=known, kind=type(error).__name__, codes=[getattr(error, "code", OTHER_CODE)])
    else:
        log("refused", who, film=known, kind=verdict.kind, codes=codes_of(verdict.reasons))


def log_result(result: Result, who: str = "") -> None:
    """Log an estimate or the gate's refusal where the log is switched on."""
    if result.estimate is not None:
        log_answer(result.film, result.estimate, who)
    elif trail() is not None:
        log("refused", who, film=_film(result.film), kind=result.refusal_kind)


def _film(film: Radiograph) -> str:
    from boneage.data.flags import pixels_sha256

    return pixels_sha256(film.pixels)


def _hash(line: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(line, sort_keys=True, ensure_ascii=False).encode()).hexdigest()

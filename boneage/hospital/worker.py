"""Answer the films of a spool one after the other: filter, estimate, write the results, note what came of it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boneage.data.dicom import is_dicom
from boneage.errors import BoneageError
from boneage.files import write_fault
from boneage.hospital.codes import MANUFACTURER
from boneage.hospital.result import UNREADABLE, Question, Result, judge, read_header
from boneage.hospital.spool import MOST_STARTS, Spool
from boneage.notices import OTHER_CODE, coded, codes_of

if TYPE_CHECKING:
    from pydicom import Dataset

    from boneage.cascade.cascade import Cascade

LOG = logging.getLogger("boneage.hospital")
DISK_PAUSE_SECONDS = 2.0
ESTIMATED, REFUSED, FILTERED, FAILED = "estimated", "refused", "filtered", "failed"
Write = Callable[[Result, str], list[Path]]


@dataclass(frozen=True)
class Filters:
    """Which films are estimated; what a film does not say never excludes it, for the gate looks at it anyway.

    Attributes:
        modalities: of DICOM.
        body_parts: words of which one must be part of `BodyPartExamined`.
        most_years: the highest age at acquisition.
    """

    modalities: tuple[str, ...] = ("CR", "DX")
    body_parts: tuple[str, ...] = ("HAND", "WRIST", "ARM")
    most_years: float = 19.0

    def reason(self, header: Dataset, age_months: float | None) -> str | None:
        """Return why a film is passed over, or None."""
        modality = str(header.get("Modality") or "").upper()
        if modality and modality not in self.modalities:
            return f"modality {modality}"
        part = str(header.get("BodyPartExamined") or "").upper()
        if part and not any(word.upper() in part for word in self.body_parts):
            return "body part"
        if str(header.get("Manufacturer") or "") == MANUFACTURER:
            return "a result of boneage itself"
        if age_months is not None and age_months > 12 * self.most_years:
            return "age"
        return None


class Worker:
    """Answers waiting films until it is stopped.

    Args:
        spool: the films.
        cascade: what estimates.
        question: what is asked of every film.
        filters: which films are estimated.
        write: writes the result objects of (result, key) and returns their paths.
        send: whether result objects are to be sent on.
    """

    def __init__(
        self, spool: Spool, cascade: Cascade, question: Question, filters: Filters, write: Write, *, send: bool = False
    ) -> None:
        self.spool, self.cascade, self.question, self.filters = spool, cascade, question, filters
        self._write, self._send = write, send
        self.counts = {"estimated": 0, "refused": 0, "filtered": 0, "failed": 0, "disk_pauses": 0}
        self.stopped = threading.Event()
        self.seen: list[Callable[[str, dict[str, Any], Result | None], None]] = []

    def run(self, *, until_empty: bool = False) -> None:
        """Answer films as they come; with `until_empty` end when none waits."""
        while not self.stopped.is_set():
            self.spool.arrived.clear()
            for key in self.spool.waiting():
                if self.stopped.is_set():
                    return
                self._try(key)
            if until_empty and not self.spool.waiting():
                return
            self.spool.arrived.wait(timeout=1.0)

    def _try(self, key: str) -> None:
        """Answer one film; a full disk leaves it waiting."""
        try:
            began = time.monotonic()
            record, result, send = self._answered(key)
            for listener in self.seen:
                listener(key, record, result)
            self.spool.answer(key, record, send)
        except OSError as error:  # a full disk, in whichever file it shows
            self.spool.forgive(key)
            self.counts["disk_pauses"] += 1
            LOG.error("film %s waits: %s", key[:12], coded(write_fault(error.filename or "a file", error)))
            self.stopped.wait(DISK_PAUSE_SECONDS)
            return
        self.counts[record["outcome"]] += 1
        # The codes alone: the sentences of some warnings say what the file says of the patient.
        codes = " ".join(record.get("codes", ()))
        seconds = time.monotonic() - began
        LOG.info("film %s %s in %.1f s %s", key[:12], record["outcome"], seconds, record.get("why", codes))

    def _answered(self, key: str) -> tuple[dict[str, Any], Result | None, list[Path]]:
        """Return a film's record, its result, and the objects that are to be sent on."""
        if self.spool.starts(key) > MOST_STARTS:
            return self._failed(key, "ended the process repeatedly")
        data = self.spool.film(key).read_bytes()
        try:
            if not is_dicom(data):
                return {"outcome": FILTERED, "why": "no DICOM file"}, None, []
            result, why = self._judged(data)
            if result is None:
                return {"outcome": FILTERED, "why": why}, None, []
            paths = self._write(result, key)
        except OSError:
            raise
        except BoneageError as error:
            return self._failed(key, coded(error))
        except Exception as error:  # noqa: BLE001 - one film must never end the listener
            return self._failed(key, f"[{OTHER_CODE}] {type(error).__name__}")
        return self._record(result, paths), result, paths if self._send else []

    def _judged(self, data: bytes) -> tuple[Result | None, str]:
        from boneage.data.images import read_radiograph

        header = read_header(data)
        why = self.filters.reason(header, None)
        if why is None:
            film = read_radiograph(data, name="the film")
            why = self.filters.reason(header, film.age_months)
        if why is not None:
            return None, why
        return judge(self.cascade, data, self.question, name="the film"), ""

    def _failed(self, key: str, why: str) -> tuple[dict[str, Any], None, list[Path]]:
        self.spool.set_aside(key)
        return {"outcome": FAILED, "kind": UNREADABLE, "why": why}, None, []

    @staticmethod
    def _record(result: Result, paths: list[Path]) -> dict[str, Any]:
        estimate, said = result.estimate, {"model": result.model, "version": result.version}
        files = [path.name for path in paths]
        if estimate is None:
            codes = codes_of(result.refusal)
            return {"outcome": REFUSED, "kind": result.refusal_kind, "codes": codes, **said, "files": files}
        answer = {"bone_age_months": round(estimate.bone_age_months, 2), "codes": codes_of(estimate.warnings)}
        return {"outcome": ESTIMATED, **answer, **said, "files": files}

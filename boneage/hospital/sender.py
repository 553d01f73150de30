"""Send result objects on by C-STORE, with retries that grow rarer and a folder for what cannot be delivered."""

from __future__ import annotations

import json
import logging
import re
import ssl
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from boneage.files import WriteError, write_whole
from boneage.hospital.result import HospitalError
from boneage.hospital.spool import Spool
from boneage.notices import coded, warning

LOG = logging.getLogger("boneage.hospital")


@dataclass(frozen=True)
class Destination:
    """An archive that takes results.

    Attributes:
        host: its name or address.
        port: its port.
        title: its AE title.
    """

    host: str
    port: int
    title: str

    @classmethod
    def parse(cls, written: str) -> Destination:
        """Read `HOST:PORT:AE`.

        Raises:
            HospitalError: when it is written otherwise.
        """
        found = re.fullmatch(r"\[?([^\s\]]+?)\]?:(\d{1,5}):([!-~ ]{1,16})", written)
        if not found or not 0 < int(found[2]) < 65536:
            raise HospitalError.of("listener.target", given=written)
        return cls(found[1], int(found[2]), found[3])


@dataclass(frozen=True)
class Patience:
    """How often and how long apart a delivery is tried.

    Attributes:
        tries: after that many the objects go to the dead letters.
        first_seconds: the wait after the first failure; it doubles with every further one.
        most_seconds: the longest wait.
    """

    tries: int = 12
    first_seconds: float = 5.0
    most_seconds: float = 3600.0

    def wait(self, tries: int) -> float:
        """Return the seconds until the next try."""
        return min(self.first_seconds * 2.0 ** (tries - 1), self.most_seconds)


class Sender:
    """Delivers what is unsent in a spool, in a thread of its own.

    Args:
        spool: the films and results.
        destination: who takes them.
        title: our AE title.
        patience: how often it is tried.
        tls: context of an encrypted connection, or None.
    """

    def __init__(
        self, spool: Spool, destination: Destination, title: str, patience: Patience, tls: ssl.SSLContext | None = None
    ) -> None:
        self.spool, self.destination, self.title, self.patience, self.tls = spool, destination, title, patience, tls
        self.counts = {"sent": 0, "send_failures": 0, "dead_letters": 0}
        self.stopped = threading.Event()

    def run(self) -> None:
        """Deliver what is due, again and again, until stopped."""
        while not self.stopped.is_set():
            self.deliver()
            self.stopped.wait(0.2)

    def deliver(self) -> None:
        """Try once to deliver everything that is due."""
        for key in self.spool.unsent():
            if self.stopped.is_set():
                return
            self._try(key)

    def _try(self, key: str) -> None:
        path = self.spool.folder / "unsent" / f"{key}.json"
        state = json.loads(path.read_text(encoding="utf-8"))
        if state["next"] > time.time():
            return
        problem = self._delivered([self.spool.folder / "results" / name for name in state["files"]])
        try:
            if problem is None:
                self.counts["sent"] += 1
                path.unlink()
                LOG.info("film %s: results sent to %s", key[:12], self.destination.title)
                return
            self._later(key, path, state, problem)
        except WriteError as error:
            LOG.error("film %s: %s", key[:12], coded(error))
            self.stopped.wait(1.0)

    def _later(self, key: str, path: Path, state: dict[str, Any], problem: str) -> None:
        self.counts["send_failures"] += 1
        tries = state["tries"] + 1
        late = warning("listener.not_sent", reason=problem, attempt=tries, most=self.patience.tries)
        LOG.warning("film %s: %s", key[:12], coded(late))
        after = {**state, "tries": tries, "problem": problem, "next": time.time() + self.patience.wait(tries)}
        if tries < self.patience.tries:
            write_whole(path, json.dumps(after))
            return
        write_whole(self.spool.folder / "dead-letter" / path.name, json.dumps({**after, "tries": 0, "next": 0.0}))
        path.unlink()
        self.counts["dead_letters"] += 1

    def _delivered(self, files: list[Path]) -> str | None:
        """Send files in one association; return None, or in a few words what went wrong."""
        from pydicom import dcmread
        from pynetdicom import AE

        objects = [dcmread(path) for path in files if path.suffix == ".dcm"]
        entity = AE(ae_title=self.title)
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = 30
        for one in objects:
            entity.add_requested_context(one.SOPClassUID, one.file_meta.TransferSyntaxUID)
        where = self.destination
        encrypted = (self.tls, where.host) if self.tls else None
        association = entity.associate(where.host, where.port, ae_title=where.title, tls_args=encrypted)
        if not association.is_established:
            return "no association"
        try:
            for one in objects:
                status = association.send_c_store(one)
                code = status.get("Status") if status else None
                if code is None or (code != 0 and code & 0xF000 != 0xB000):  # Bxxx: stored, with a warning
                    return "no answer" if code is None else f"status {code:04X}"
        except (ValueError, RuntimeError) as error:  # the archive takes no objects of this class
            return type(error).__name__
        finally:
            if association.is_established:
                association.release()
        return None

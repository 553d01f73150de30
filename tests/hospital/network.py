"""The other sides of a listener for tests: a modality that sends films, an archive that takes results, a process."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import pydicom
from pynetdicom import AE, evt
from pynetdicom.sop_class import ComputedRadiographyImageStorage, EnhancedSRStorage, SecondaryCaptureImageStorage

from boneage.paths import project_root

SENDER = "MODALITY"


class Archive:
    """Takes results; `received` lists (SOP class, instance UID, source film's UID), each time that one came."""

    def __init__(self, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self.received: list[tuple[str, str, str]] = []
        entity = AE(ae_title="PACS")
        for one in (EnhancedSRStorage, SecondaryCaptureImageStorage):
            entity.add_supported_context(one)
        self._server = entity.start_server(
            ("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_C_STORE, self._store)], ssl_context=tls
        )
        self.port = self._server.server_address[1]

    def _store(self, event) -> int:
        data = event.dataset
        self.received.append((data.SOPClassUID, data.SOPInstanceUID, _source(data)))
        return 0

    def stop(self) -> None:
        self._server.shutdown()


def _source(data) -> str:
    if "SourceImageSequence" in data:
        return data.SourceImageSequence[0].ReferencedSOPInstanceUID
    return (
        data.CurrentRequestedProcedureEvidenceSequence[0]
        .ReferencedSeriesSequence[0]
        .ReferencedSOPSequence[0]
        .ReferencedSOPInstanceUID
    )


def associate(port: int, title: str = SENDER, called: str = "BONEAGE", syntax: str | None = None, tls=None):
    entity = AE(ae_title=title)
    entity.add_requested_context("1.2.840.10008.1.1")
    entity.add_requested_context(ComputedRadiographyImageStorage, syntax)
    return entity.associate("127.0.0.1", port, ae_title=called, tls_args=tls)


def send(films: list[bytes], port: int, associations: int = 1) -> list[int | None]:
    """Send films side by side; the status of each, None where the connection broke."""
    parts = [list(range(start, len(films), associations)) for start in range(associations)]
    answers: list[int | None] = [None] * len(films)

    def one(indices: list[int]) -> None:
        link = associate(port)
        for index in indices:
            if not link.is_established:
                return
            try:
                status = link.send_c_store(pydicom.dcmread(BytesIO(films[index])))
            except (RuntimeError, ValueError):
                return
            answers[index] = status.Status if status else None
        link.release()

    with ThreadPoolExecutor(associations) as pool:
        list(pool.map(one, parts))
    return answers


def storescu(films: list[bytes], folder: Path, port: int) -> int:
    """Send films by pynetdicom's own sender, a process of its own, and return its exit status."""
    folder.mkdir()
    for number, film in enumerate(films):
        (folder / f"{number}.dcm").write_bytes(film)
    command = [sys.executable, "-m", "pynetdicom", "storescu", "127.0.0.1", str(port), str(folder), "-r",
               "-aet", SENDER, "-aec", "BONEAGE", "-cx"]  # fmt: skip
    return subprocess.run(command, capture_output=True, timeout=120).returncode


class Process:
    """`boneage listen` as a process with a fast cascade; kill it or end it."""

    def __init__(self, *arguments: str, seconds: float = 0.0, count: str = "") -> None:
        environment = {
            **os.environ,
            "STAND_IN_SECONDS": str(seconds),
            "STAND_IN_COUNT": count,
            "PYTHONWARNINGS": "default",
        }
        command = [sys.executable, "-m", "tests.hospital.stand_in", "listen", "--port", "0", "--health-port", "0"]
        self.process = subprocess.Popen(
            [*command, *arguments],
            cwd=project_root(),
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.port = self._number("listening on")
        self.health = self._number("health on")
        self.said: list[str] = []
        threading.Thread(target=lambda: self.said.extend(self.process.stderr), daemon=True).start()

    def _number(self, wanted: str) -> int:
        for line in self.process.stdout:
            if wanted in line:
                return int(line.split("/health")[0].split(" as ")[0].rsplit(":", 1)[1])
        raise AssertionError(self.process.stderr.read())

    def state(self) -> dict:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.health}/health", timeout=60) as answer:
            return json.load(answer)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def end(self) -> int:
        self.process.terminate()
        return self.process.wait(timeout=120)


def until(holds, seconds: float = 200.0):
    """Wait until something holds and return it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := holds():
            return found
        time.sleep(0.05)
    raise AssertionError("it never came to hold")

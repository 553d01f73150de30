"""Receive films by DICOM: C-ECHO and C-STORE, answered with success once a film is safely on the disk."""

from __future__ import annotations

import logging
import ssl
import threading
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from boneage.files import WriteError
from boneage.hospital.result import HospitalError
from boneage.hospital.spool import Spool
from boneage.notices import OTHER_CODE, coded, fault

LOG = logging.getLogger("boneage.hospital")
SUCCESS, OUT_OF_RESOURCES, CANNOT_UNDERSTAND = 0x0000, 0xA700, 0xC000
_CLASSES = (
    "ComputedRadiographyImageStorage",
    "DigitalXRayImageStorageForPresentation",
    "DigitalXRayImageStorageForProcessing",
    "SecondaryCaptureImageStorage",
)
_SYNTAXES = (
    "ExplicitVRLittleEndian", "ImplicitVRLittleEndian", "ExplicitVRBigEndian", "DeflatedExplicitVRLittleEndian",
    "RLELossless", "JPEGBaseline8Bit", "JPEGExtended12Bit", "JPEGLossless", "JPEGLosslessSV1", "JPEGLSLossless",
    "JPEGLSNearLossless", "JPEG2000Lossless", "JPEG2000",
)  # fmt: skip


@dataclass(frozen=True)
class Service:
    """Where and for whom the listener is there.

    Attributes:
        host: the address it binds to.
        port: its port; 0 for any that is free.
        title: its AE title, by which it must be called.
        allowed: AE titles that may call, at least one; a call by any other is rejected.
        most_associations: at once; a further one is rejected for now.
        most_bytes: of one film; an association that sends more is aborted.
        tls: context of encrypted connections, or None.
    """

    host: str = "127.0.0.1"
    port: int = 11112
    title: str = "BONEAGE"
    allowed: tuple[str, ...] = ()
    most_associations: int = 16
    most_bytes: int = 256 * 2**20
    tls: ssl.SSLContext | None = None

    def __post_init__(self) -> None:
        if not self.allowed:
            raise HospitalError.of("listener.callers")
        for title in (self.title, *self.allowed):
            if not 0 < len(title.strip()) <= 16 or not title.isascii() or "\\" in title:
                raise HospitalError.of("listener.title", given=title)


class Listener:
    """A DICOM service that keeps what it receives in a spool.

    Args:
        service: where and for whom.
        spool: where films are kept.
    """

    def __init__(self, service: Service, spool: Spool) -> None:
        self.service, self.spool = service, spool
        self.counts = {"received": 0, "rejected": 0, "too_large": 0, "not_stored": 0}
        self._lock = threading.Lock()
        self._bytes: dict[int, int] = {}
        self._server: Any = None

    @property
    def port(self) -> int:
        """Return the port that it listens on."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Begin to listen, in threads of its own.

        Raises:
            HospitalError: when the address cannot be had.
        """
        from pynetdicom import evt

        quiet_libraries()
        handlers = [
            (evt.EVT_C_ECHO, lambda event: SUCCESS),
            (evt.EVT_C_STORE, self._store),
            (evt.EVT_PDU_RECV, self._weigh),
            (evt.EVT_DIMSE_RECV, lambda event: self._forget(event)),
            (evt.EVT_REJECTED, lambda event: self._count("rejected")),
            (evt.EVT_CONN_CLOSE, lambda event: self._forget(event)),
        ]
        where = (self.service.host, self.service.port)
        try:
            self._server = self._entity().start_server(
                where, block=False, evt_handlers=handlers, ssl_context=self.service.tls
            )
        except OSError as error:
            raise HospitalError.of(
                "listener.port", port=where[1], host=where[0], reason=error.strerror or error
            ) from error

    def stop(self) -> None:
        """End the service and its associations."""
        if self._server is not None:
            self._server.shutdown()

    def _entity(self) -> Any:
        import pynetdicom
        from pydicom import uid

        entity = pynetdicom.AE(ae_title=self.service.title)
        syntaxes = [getattr(uid, name) for name in _SYNTAXES]
        for name in _CLASSES:
            entity.add_supported_context(getattr(pynetdicom.sop_class, name), syntaxes)
        entity.add_supported_context(pynetdicom.sop_class.Verification)
        entity.require_called_aet = True
        entity.require_calling_aet = list(self.service.allowed)
        entity.maximum_associations = self.service.most_associations
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = 60
        return entity

    def _store(self, event: Any) -> int:
        """Keep a film and only then answer with success."""
        try:
            key = self.spool.receive(event.encoded_dataset(), event.encoded_dataset(include_meta=False))
        except WriteError as error:
            self._count("not_stored")
            LOG.error("a film was not taken: %s", coded(error))
            return OUT_OF_RESOURCES
        except (ValueError, AttributeError, TypeError) as error:
            self._count("not_stored")
            LOG.error("a film was not taken: [%s] %s", OTHER_CODE, type(error).__name__)
            return CANNOT_UNDERSTAND
        self._count("received")
        LOG.info("film %s received from %s", key[:12], event.assoc.requestor.ae_title)
        return SUCCESS

    def _weigh(self, event: Any) -> None:
        """Abort an association whose message grows beyond the limit, before it fills the memory."""
        from pynetdicom.pdu import P_DATA_TF

        if not isinstance(event.pdu, P_DATA_TF):
            return
        key = id(event.assoc)
        size = self._bytes.get(key, 0) + event.pdu.pdu_length
        self._bytes[key] = size
        if size > self.service.most_bytes + 2**20:
            self._count("too_large")
            LOG.error("an association was aborted: %s", coded(fault("listener.large", bytes=self.service.most_bytes)))
            self._bytes[key] = -(2**62)  # said once
            event.assoc.abort()
            # The peer does not read while it writes: without this it would go on to the end of its film.
            event.assoc.dul.socket.close()

    def _forget(self, event: Any) -> None:
        self._bytes.pop(id(event.assoc), None)

    def _count(self, name: str) -> None:
        with self._lock:
            self.counts[name] += 1


def quiet_libraries() -> None:
    """Keep the libraries from writing what they receive into a log: it names patients."""
    for name in ("pynetdicom", "pydicom", "highdicom"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", module=r"(pydicom|pynetdicom|highdicom)(\..*)?")


def tls_context(certificate: Path, key: Path, authority: Path | None, *, server: bool) -> ssl.SSLContext:
    """Return the context of encrypted connections; with an authority the other side must show a certificate of it.

    Raises:
        HospitalError: when a file cannot be used.
    """
    purpose = ssl.Purpose.CLIENT_AUTH if server else ssl.Purpose.SERVER_AUTH
    try:
        context = ssl.create_default_context(purpose, cafile=None if authority is None else str(authority))
        context.load_cert_chain(certificate, key)
    except OSError as error:  # ssl.SSLError among them
        raise HospitalError.of("listener.certificate", file=certificate.name, reason=error) from error
    if server and authority is not None:
        context.verify_mode = ssl.CERT_REQUIRED
    return context

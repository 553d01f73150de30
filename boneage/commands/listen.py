"""`boneage listen` and `boneage watch`: estimate the films that an archive sends or that appear in a folder."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from functools import partial
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boneage.commands.common import UsageError, add_model, notice, open_cascade
from boneage.languages.texts import DEFAULT_LANGUAGE, LANGUAGES

if TYPE_CHECKING:
    import ssl

    from boneage.hospital.audit_trail import Trail
    from boneage.hospital.listener import Service
    from boneage.hospital.result import Result
    from boneage.hospital.sender import Sender
    from boneage.hospital.spool import Spool
    from boneage.hospital.worker import Worker

_LOG_BYTES, _LOG_FILES = 5_000_000, 5
_END_SECONDS = 60.0


def listen_arguments(listen: argparse.ArgumentParser) -> None:
    """Describe `boneage listen`."""
    listen.add_argument("--port", type=int, default=11112)
    listen.add_argument("--ae-title", default="BONEAGE", metavar="TITLE", help="by which it is called (BONEAGE)")
    listen.add_argument("--host", default="127.0.0.1", help="address to bind to (127.0.0.1)")
    listen.add_argument(
        "--allow", action="append", default=[], metavar="AE", help="AE title that may call (needed; repeatable)"
    )
    listen.add_argument("--max-associations", type=int, default=16, metavar="N")
    listen.add_argument("--tls-cert", type=Path, metavar="PEM", help="certificate; connections are then encrypted")
    listen.add_argument("--tls-key", type=Path, metavar="PEM")
    listen.add_argument("--tls-ca", type=Path, metavar="PEM", help="the other side must show a certificate of it")
    _add_common(listen)
    listen.set_defaults(run=run_listen)


def watch_arguments(watch: argparse.ArgumentParser) -> None:
    """Describe `boneage watch`."""
    watch.add_argument("folder", type=Path, metavar="FOLDER")
    watch.add_argument("--seconds", type=float, default=2.0, help="between two looks (2)")
    watch.add_argument("--once", action="store_true", help="end when all films that are there now are answered")
    _add_common(watch)
    watch.set_defaults(run=run_watch)


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="films that wait, results, log")
    parser.add_argument("--send", metavar="HOST:PORT:AE", help="send results on by C-STORE")
    parser.add_argument("--send-tls", action="store_true", help="encrypt that, too (--tls-cert)")
    parser.add_argument("--tries", type=int, default=12, help="deliveries before the dead letters (12)")
    parser.add_argument("--fhir", action="store_true", help="write a FHIR Observation, too")
    parser.add_argument("--language", choices=list(LANGUAGES), default=DEFAULT_LANGUAGE, help="of what results say")
    parser.add_argument("--table", metavar="NAME_OR_CSV", help="for a z-score")
    parser.add_argument("--modality", action="append", metavar="CODE", help="estimated modalities (CR and DX)")
    parser.add_argument("--body-part", action="append", metavar="WORD", help="part of the name (HAND, WRIST, ARM)")
    parser.add_argument(
        "--max-age", type=float, default=19.0, metavar="YEARS", help="older patients are passed over (19)"
    )
    parser.add_argument("--max-megabytes", type=float, default=256.0, metavar="MB", help="largest film (256)")
    parser.add_argument("--health-port", type=int, metavar="PORT", help="serve /health and /metrics on this machine")
    add_model(parser)


def run_listen(args: argparse.Namespace) -> int:
    """Listen until the process is told to end."""
    from boneage.hospital.dicom_out import need

    need("pynetdicom", "highdicom", *(["fhir.resources"] if args.fhir else []))
    from boneage.hospital.listener import Listener

    service = _service(args)

    def start(spool: Spool) -> tuple[Callable[[], None], Mapping[str, int]]:
        listener = Listener(service, spool)
        listener.start()
        print(f"listening on {service.host}:{listener.port} as {service.title}", flush=True)
        return listener.stop, listener.counts

    return _serve(args, start)


def run_watch(args: argparse.Namespace) -> int:
    """Watch a folder until the process is told to end."""
    from boneage.hospital.dicom_out import need
    from boneage.hospital.watch import Watch

    need("highdicom", *(["pynetdicom"] if args.send else []), *(["fhir.resources"] if args.fhir else []))
    if not args.folder.is_dir():
        raise UsageError.of("call.watched_folder", folder=args.folder)
    args.tls_cert = args.tls_key = args.tls_ca = None

    def start(spool: Spool) -> tuple[Callable[[], None], Mapping[str, int]]:
        watch = Watch(args.folder, spool, round(args.max_megabytes * 2**20), args.seconds)
        print(f"watching {args.folder}", flush=True)
        if args.once:
            watch.look()
            watch.look()
            return watch.stopped.set, watch.counts
        threading.Thread(target=watch.run, daemon=True, name="watch").start()
        return watch.stopped.set, watch.counts

    return _serve(args, start)


def _serve(args: argparse.Namespace, start: Callable[[Spool], tuple[Callable[[], None], Mapping[str, int]]]) -> int:
    """Run intake, worker, sender and health until told to end; films that wait then wait for the next start."""
    from boneage.hospital.audit_trail import Trail
    from boneage.hospital.drift import DailyCounts, Seen
    from boneage.hospital.listener import quiet_libraries
    from boneage.hospital.spool import Spool

    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    quiet_libraries()
    sender_of = _sender(args)
    spool = Spool(args.out)
    _log_to(args.out / "log")
    notice(sys.stderr)
    worker = _worker(args, spool)
    worker.seen.append(partial(_logged, Trail(args.out / "audit")))
    counts = DailyCounts(args.out / "counts")
    worker.seen.append(lambda key, record, result: None if result is None else counts.add(Seen.of(result)))
    sender = sender_of(spool)
    stop, intake = start(spool)
    threads = [threading.Thread(target=worker.run, kwargs={"until_empty": _once(args)}, name="worker", daemon=True)]
    if sender and not _once(args):
        threads.append(threading.Thread(target=sender.run, name="sender", daemon=True))
    for thread in threads:
        thread.start()

    def numbers() -> dict[str, int]:
        return {**intake, **worker.counts, **(sender.counts if sender else {}), **spool.counts()}

    health = _health(args, numbers, threads, worker)
    while not ended.is_set() and all(thread.is_alive() for thread in threads):
        ended.wait(0.2)
    once = _once(args)
    failed = not ended.is_set() and not once
    stop()
    worker.stopped.set()
    if sender:
        if once:
            sender.deliver()
        sender.stopped.set()
    for thread in threads:
        thread.join(_END_SECONDS)
    if health:
        health.stop()
    spool.close()
    print(", ".join(f"{name} {value}" for name, value in numbers().items()), flush=True)
    return 1 if failed else 0


def _logged(trail: Trail, key: str, record: dict[str, Any], result: Result | None) -> None:
    """Put what came of a film into the audit log."""
    from boneage.data.flags import pixels_sha256

    event = "answered" if record["outcome"] == "estimated" else record["outcome"]
    facts = {name: record.get(name) for name in ("model", "version", "bone_age_months", "kind")}
    film = None if result is None else pixels_sha256(result.film.pixels)
    trail.add(event, "listener", key=key, film=film, **facts)


def _once(args: argparse.Namespace) -> bool:
    return bool(getattr(args, "once", False))


def _worker(args: argparse.Namespace, spool: Spool) -> Worker:
    from boneage.clinical.sd_tables import open_table
    from boneage.hospital.result import Question
    from boneage.hospital.worker import Filters, Worker
    from boneage.registry.in_use import note_versions

    usual = Filters()
    filters = Filters(
        tuple(code.upper() for code in args.modality or usual.modalities),
        tuple(args.body_part or usual.body_parts),
        args.max_age,
    )
    question = Question(table=None if args.table is None else open_table(args.table), language=args.language)

    def write(result: Result, key: str) -> list[Path]:
        from boneage.hospital.dicom_out import write_dicom
        from boneage.hospital.fhir import write_fhir

        paths = [*write_dicom(result, spool.folder / "results", key)]
        return [*paths, write_fhir(result, spool.folder / "results", key)] if args.fhir else paths

    cascade = open_cascade(args.model)
    note_versions("listener", [(cascade.model, str(cascade.version))])
    return Worker(spool, cascade, question, filters, write, send=args.send is not None)


def _service(args: argparse.Namespace) -> Service:
    from boneage.hospital.listener import Service

    context = _tls(args, server=True)
    largest = round(args.max_megabytes * 2**20)
    allowed = tuple(args.allow)
    return Service(args.host, args.port, args.ae_title, allowed, args.max_associations, largest, context)


def _tls(args: argparse.Namespace, *, server: bool) -> ssl.SSLContext | None:
    from boneage.hospital.listener import tls_context

    if args.tls_cert is None and args.tls_key is None:
        return None
    if args.tls_cert is None or args.tls_key is None:
        raise UsageError.of("call.tls_pair")
    return tls_context(args.tls_cert, args.tls_key, args.tls_ca, server=server)


def _sender(args: argparse.Namespace) -> Callable[[Spool], Sender | None]:
    from boneage.hospital.sender import Destination, Patience, Sender

    if args.send is None:
        return lambda spool: None
    destination = Destination.parse(args.send)
    if args.send_tls and args.tls_cert is None:
        raise UsageError.of("call.tls_to_send")
    context = _tls(args, server=False) if args.send_tls else None
    title = getattr(args, "ae_title", "BONEAGE")
    return lambda spool: Sender(spool, destination, title, Patience(tries=args.tries), context)


def _health(args: argparse.Namespace, numbers: Any, threads: list[threading.Thread], worker: Worker) -> Any:
    from boneage.hospital.health import Health

    if args.health_port is None:
        return None
    facts = {"model": worker.cascade.model, "version": worker.cascade.version}

    def alive() -> bool:
        return all(thread.is_alive() for thread in threads)

    health = Health("127.0.0.1", args.health_port, numbers, alive, facts)
    print(f"health on http://127.0.0.1:{health.port}/health", flush=True)
    return health


def _log_to(folder: Path) -> None:
    """Write the log to a file that is rotated, and to stderr; it names films by their keys alone."""
    folder.mkdir(parents=True, exist_ok=True)
    log = logging.getLogger("boneage.hospital")
    log.setLevel(logging.INFO)
    log.propagate = False
    file = RotatingFileHandler(folder / "boneage.log", maxBytes=_LOG_BYTES, backupCount=_LOG_FILES, encoding="utf-8")
    for handler in (file, logging.StreamHandler()):
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        log.addHandler(handler)

"""A PostgreSQL server of a test's own, on a free loopback port and with a password, in a folder that goes with it."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PASSWORD = "not-to-be-printed"
USER = "boneage"


def missing() -> str:
    """Say why no server can be started here, "" where one can."""
    if _program("initdb") is None or _program("pg_ctl") is None:
        return "PostgreSQL's initdb and pg_ctl are not installed"
    try:
        import psycopg  # noqa: F401
    except ImportError:
        return "psycopg (extra `cluster`) is not installed"
    if os.geteuid() == 0 and (_nobody() is None or shutil.which("setpriv") is None):
        return "root may not run PostgreSQL, and there is no other user to run it as"
    return ""


@contextmanager
def server(*databases: str) -> Iterator[str]:
    """Run a server with some databases; yield its address, to which `/database` is appended."""
    folder = Path(tempfile.mkdtemp(prefix="boneage-postgres-"))
    try:
        (folder / "password").write_text(PASSWORD)
        if os.geteuid() == 0:
            for path in (folder, folder / "password"):
                shutil.chown(path, _nobody())
        data, port = folder / "data", _free_port()
        secret = ["-A", "scram-sha-256", "--pwfile", str(folder / "password")]
        _run("initdb", "-D", str(data), "-U", USER, "-E", "UTF8", "--no-sync", *secret)
        options = f"-p {port} -c listen_addresses=127.0.0.1 -k {folder} -c fsync=off -c shared_buffers=16MB"
        _run("pg_ctl", "-D", str(data), "-w", "-l", str(folder / "log"), "-o", options, "start")
        try:
            address = f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{port}"
            _make(address, databases)
            yield address
        finally:
            _run("pg_ctl", "-D", str(data), "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _make(address: str, databases: tuple[str, ...]) -> None:
    import psycopg

    with psycopg.connect(f"{address}/postgres", autocommit=True) as connection:
        for name in databases:
            connection.execute(f'CREATE DATABASE "{name}"')


def _run(program: str, *arguments: str) -> None:
    """Run one of PostgreSQL's programs, never as root; its children keep no pipe of ours open."""
    other = ["setpriv", f"--reuid={_nobody()}", "--clear-groups"] if os.geteuid() == 0 else []
    command = [*other, str(_program(program)), *arguments]
    with tempfile.TemporaryFile() as said:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, timeout=120, cwd="/")
        if done.returncode:
            said.seek(0)
            raise RuntimeError(f"{program}: {said.read().decode(errors='replace')[-800:]}")


def _program(name: str) -> Path | None:
    """Find a program of PostgreSQL; Debian keeps them outside the search path."""
    found = shutil.which(name)
    if found:
        return Path(found)
    return next(iter(sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)), None)


def _nobody() -> str | None:
    """Return a user who is not root."""
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    return None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

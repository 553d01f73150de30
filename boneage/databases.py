"""Databases that several machines share: their addresses without passwords, and locks that end with their holder."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote

from boneage.errors import BoneageError
from boneage.files import DISK_ERRORS, write_fault
from boneage.notices import fault

_SQLITE = "sqlite:///"
_SECRET = re.compile(r"(?<=//)([^:/?#@\s]*):\S*@")
_SECRET_OPTION = re.compile(r"(?<=[?&])((?:ssl)?password=)[^&\s\"')]+", re.IGNORECASE)

_SIGNS = ("database is locked", "disk is full", "readonly database")
_SQLITE_TROUBLES = {
    "disk I/O error": "the disk gives an error: look at the disk, and try again",
    "unable to open": "look whether its folder is there and may be read and written by this user",
    "malformed": "it is damaged: restore it from a backup (`sqlite3 FILE .recover` saves what can be read)",
    "not a database": "it is no SQLite database, or damaged: restore it from a backup, or move it away",
}


class DatabaseError(BoneageError):
    """A database that cannot be used; the message says what to do and holds no password."""


def masked(text: str) -> str:
    """Return a database's address, or a message that holds one, with every password replaced by `***`.

    >>> masked("postgresql://me:secret@host/db?sslmode=require")
    'postgresql://me:***@host/db?sslmode=require'
    """
    return _SECRET_OPTION.sub(r"\1***", _SECRET.sub(r"\1:***@", text))


def has_password(url: str) -> bool:
    """Tell whether an address holds a password."""
    return masked(url) != url


def sqlite_file(url: str) -> Path | None:
    """Return the file behind a `sqlite:///` address, or None for any other store."""
    return Path(unquote(url.removeprefix(_SQLITE))) if url.startswith(_SQLITE) else None


@contextmanager
def database_lock(url: str, name: str, *, wait: bool = True) -> Iterator[bool]:
    """Hold a lock that all users of a database see; it ends with the process or the connection that holds it.

    Args:
        url: `postgresql://...` (an advisory lock) or `sqlite:///file` (a lock file beside it).
        name: what is locked.
        wait: whether to wait for another holder.

    Yields:
        Whether the lock is held; always true when waiting.

    Raises:
        DatabaseError: when the database is of another kind or does not answer.
    """
    file = sqlite_file(url)
    if file is not None:
        with file_lock(file.with_name(f"{file.name}.{_digest(name):016x}.lock"), wait=wait) as held:
            yield held
    elif url.startswith("postgresql"):
        with _advisory_lock(url, _digest(name), wait) as held:
            yield held
    else:
        raise DatabaseError.of("store.not_shared", place=masked(url))


@contextmanager
def file_lock(path: Path, *, wait: bool = True) -> Iterator[bool]:
    """Hold a lock on a file, which the system gives back even when the process is killed; yield whether it is held."""
    from filelock import FileLock, Timeout

    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=-1 if wait else 0)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


@contextmanager
def _advisory_lock(url: str, number: int, wait: bool) -> Iterator[bool]:
    import sqlalchemy
    from sqlalchemy.exc import ArgumentError, SQLAlchemyError

    function = "pg_advisory_lock" if wait else "pg_try_advisory_lock"
    try:
        engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.pool.NullPool, isolation_level="AUTOCOMMIT")
        connection = engine.connect()
        answer = connection.execute(sqlalchemy.text(f"SELECT {function}(:number)"), {"number": number}).scalar()
    except ModuleNotFoundError as error:
        raise DatabaseError.of("store.no_driver") from error
    except (ArgumentError, SQLAlchemyError) as error:
        raise DatabaseError.of("store.no_answer", place=masked(url), reason=first_line(error)) from error
    try:
        yield answer is not False
    finally:
        # Closing the connection gives the lock back; so does whatever ends this process.
        connection.close()
        engine.dispose()


def sqlite_fault(file: Path | str, error: BaseException) -> str:
    """Return the sentence for a SQLite file that cannot be used: why, and what to do.

    Args:
        file: the file, or what it is called.
        error: what SQLite said, also as SQLAlchemy and MLflow pass it on.
    """
    text = str(error)  # SQLAlchemy may begin with a line of its own
    if is_held(error):
        return fault("store.held", place=file, holders=holders(Path(file)) or "it cannot be told which")
    if "disk is full" in text:
        return fault("disk.full", place=file)
    if "readonly database" in text:
        return fault("disk.read_only", place=file)
    words = next((words for sign, words in _SQLITE_TROUBLES.items() if sign in text), first_line(error))
    return fault("store.unusable", place=file, reason=words)


def is_held(error: BaseException) -> bool:
    """Tell whether a database error says that another program holds the SQLite file."""
    return "database is locked" in str(error) or "database table is locked" in str(error)


def holders(file: Path) -> str:
    """Name the other programs of this machine that have a file open, where the system tells (Linux); else ""."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            # Programs of other users, and those that have just ended, cannot be looked into.
            if int(process.name) != os.getpid() and any(
                os.path.realpath(handle) == str(file.resolve()) for handle in (process / "fd").iterdir()
            ):
                name = (process / "comm").read_text(encoding="utf-8").strip()
                found.append(f"{name}, process {process.name}")
    return "; ".join(sorted(found))


def disk_fault(error: BaseException, place: str = "the store") -> str | None:
    """Return the sentence for an error that a full, read-only or damaged disk or a held database caused, else None.

    Args:
        error: what was raised, by whomever: the system, SQLite, SQLAlchemy, MLflow or Optuna.
        place: what the disk or the database holds.
    """
    if isinstance(error, OSError) and error.errno:
        return write_fault(error.filename or place, error) if error.errno in DISK_ERRORS else None
    text = str(error)
    if any(sign in text for sign in (*_SQLITE_TROUBLES, *_SIGNS)) and "sqlite" in text.lower():
        return sqlite_fault(place, error)
    return None


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, without passwords."""
    return masked(next(iter(str(error).strip().splitlines()), type(error).__name__))[:300]


def _digest(name: str) -> int:
    """Return 63 bits of a name's hash, which PostgreSQL takes as a lock's number."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") >> 1

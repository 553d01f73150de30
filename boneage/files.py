"""Write files whole or not at all, whatever ends the write: a kill, a full disk, a power cut.

A new file is written under another name, synced to the disk, and then put in place in one step, so that its name holds
either the old content or the new one. The folder is synced as well: without that a power cut may undo the renaming.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from boneage.errors import BoneageError
from boneage.notices import Notice, fault

_FULL = {errno.ENOSPC, errno.EDQUOT}
_READ_ONLY = {errno.EROFS, errno.EACCES, errno.EPERM}
DISK_ERRORS = _FULL | _READ_ONLY | {errno.EIO}
"""What a disk that is full, read-only or broken answers."""
_PLACE = {errno.ENOTDIR, errno.EISDIR, errno.EFBIG, errno.ENAMETOOLONG, errno.ENOENT}


class WriteError(BoneageError, OSError):
    """A file that cannot be written; the message says which, why and what to do. What was there before still is."""


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Yield a binary stream whose content becomes that of a file when the block ends, and never in part.

    Args:
        path: the file; folders above it are made where missing.

    Raises:
        WriteError: when the disk is full or the folder cannot be written; the file is then as it was.
    """
    # Of this thread alone: two writers of one file must not share a half.
    part = path.with_name(f".{path.name[:120]}.{os.getpid()}-{threading.get_ident()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        # What the block itself may meet, such as a connection that was lost, keeps its own words.
        if isinstance(error, BoneageError) or error.errno not in DISK_ERRORS | _PLACE:
            raise
        raise WriteError(write_fault(path, error)) from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def write_whole(path: Path, content: bytes | str) -> Path:
    """Replace a file's content, text as UTF-8; return its path.

    Raises:
        WriteError: as `replacing`.
    """
    with replacing(path) as stream:
        stream.write(content.encode("utf-8") if isinstance(content, str) else content)
    return path


def copy_whole(source: Path, path: Path) -> Path:
    """Copy a file so that the copy is there as a whole or not at all; return the copy's path.

    Raises:
        WriteError: as `replacing`.
    """
    with source.open("rb") as content, replacing(path) as stream:
        shutil.copyfileobj(content, stream, 1 << 20)
    return path


def sync_folder(folder: Path) -> None:
    """Sync a folder's list of names to the disk, where the system can do that."""
    with contextlib.suppress(OSError, AttributeError):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def sync_tree(folder: Path) -> None:
    """Sync every file below a folder to the disk, and the lists of their names: what another program copied there."""
    for place in (folder, *folder.rglob("*")):
        if place.is_dir():
            sync_folder(place)
        elif place.is_file():
            with place.open("rb") as stream:
                os.fsync(stream.fileno())


def write_fault(place: Path | str, error: OSError) -> Notice:
    """Return the sentence for a place that could not be written: what is wrong with it, and what to do."""
    if error.errno in _FULL:
        return fault("disk.full", place=place)
    if error.errno in _READ_ONLY:
        return fault("disk.read_only", place=place)
    return fault("disk.unwritable", place=place, reason=error.strerror or error)

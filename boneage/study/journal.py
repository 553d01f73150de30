"""The journal of trials (`mlruns/optuna.journal`): is each of its lines whole, and mend it where one is not.

Optuna appends one JSON object a line. A full disk, a power cut or a kill may leave half a line, or NUL bytes where a
line was to be; the next line is then glued to it, and Optuna can read the journal no more.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from boneage.files import write_whole
from boneage.notices import Notice, note

_BEGIN = b'{"op_code"'


@dataclass(frozen=True)
class Damage:
    """What is wrong with a journal.

    Attributes:
        line: the first line that is not whole, counted from 1.
        bytes_lost: how many bytes cannot be read, from there to the end or between whole lines.
        sound: what is left, lines that Optuna can read.
    """

    line: int
    bytes_lost: int
    sound: bytes


def damage_of(content: bytes) -> Damage | None:
    """Return what is wrong with a journal's bytes, or None when every line is whole.

    A line after NUL bytes or after half a line is taken from where it begins. Where that does not help, everything from
    there on is lost: the numbers of later trials would not be theirs any more.
    """
    sound: list[bytes] = []
    first = 0
    for number, line in enumerate(content.splitlines(keepends=True), start=1):
        if _is_whole(line):
            sound.append(line)
            continue
        first = first or number
        rest = line[line.rfind(_BEGIN) :] if _BEGIN in line else b""
        if not _is_whole(rest):
            break
        sound.append(rest)
    kept = b"".join(sound)
    return Damage(first, len(content) - len(kept), kept) if first else None


def mend(path: Path) -> Notice | None:
    """Mend a journal, which nobody else may write meanwhile; return what was done, or None for nothing.

    What cannot be read is kept beside the journal.

    Raises:
        WriteError: when the disk is full or may not be written.
    """
    content = path.read_bytes() if path.is_file() else b""
    found = damage_of(content)
    if found is None:
        return None
    kept = _free_name(path)
    write_whole(kept, content)
    write_whole(path, found.sound)
    return note("search.journal_mended", file=path, line=found.line, bytes=found.bytes_lost, kept=kept.name)


def cut_tail(path: Path) -> int:
    """Cut half a line off a journal's end, which nobody else may write meanwhile; return how many bytes were cut."""
    with path.open("r+b") as stream:
        size = stream.seek(0, os.SEEK_END)
        if size == 0:
            return 0
        stream.seek(size - 1)
        if stream.read(1) == b"\n":
            return 0
        stream.seek(0)
        whole = stream.read().rfind(b"\n") + 1
        stream.truncate(whole)
        stream.flush()
        os.fsync(stream.fileno())
        return size - whole


def _is_whole(line: bytes) -> bool:
    if not line.endswith(b"\n"):
        return False
    try:
        return "op_code" in json.loads(line)
    except (ValueError, TypeError):
        return False


def _free_name(path: Path) -> Path:
    number = 1
    while (kept := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    return kept

"""Read files in folders and zip archives by one kind of name: `folder/1377.png` or `archive.zip!folder/1377.png`.

Archives are read in place, never unpacked; an archive inside an archive is `outer.zip!inner.zip!1377.png`.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from functools import lru_cache
from io import BytesIO
from pathlib import Path

from boneage.errors import BoneageError

MARK = "!"
MAX_BYTES = 1 << 30
_ZIP_END = ".zip" + MARK
_FRAME = re.compile(r"(.+[^#/\\])#([0-9]{1,5})")


class DataError(BoneageError):
    """Data that cannot be found or used; the message says what was wanted, what came and what to do."""


def is_archive(path: str | Path) -> bool:
    """Tell whether a path names a zip archive (by its ending; the content is checked when it is opened)."""
    return str(path).lower().endswith(".zip")


def is_reference(source: str) -> bool:
    """Tell whether a text names a member of an archive (`a.zip!b.png`) rather than a file of that odd name."""
    return _ZIP_END in source.lower() and not Path(source).exists()


def split_reference(reference: str) -> tuple[str, str]:
    """Split `a.zip!b.zip!c.png` at its last mark: (`a.zip!b.zip`, `c.png`)."""
    cut = reference.lower().rfind(_ZIP_END) + len(_ZIP_END) - len(MARK)
    return reference[:cut], reference[cut + len(MARK) :]


def split_frame(source: str) -> tuple[str, int | None]:
    """Split `film.dcm#2`, the second frame of a file, into the file and the number; None where no frame is named.

    A file that is really called so is meant whole.
    """
    found = _FRAME.fullmatch(source)
    return (found[1], int(found[2])) if found and not Path(source).exists() else (source, None)


def read_bytes(source: str | Path) -> bytes:
    """Read a file, or a member of an archive; a frame's number behind its name (`film.dcm#2`) is left out.

    Raises:
        DataError: when it is not there, cannot be read, or is larger than `MAX_BYTES`.
    """
    text = split_frame(str(source))[0]
    if is_reference(text):
        archive, member = split_reference(text)
        return _read_member(archive, member)
    path = Path(text)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DataError.of("data.file_large", file=path, size=path.stat().st_size / 1e9, most=MAX_BYTES / 1e9)
        return path.read_bytes()
    except FileNotFoundError as error:
        raise DataError.of("data.no_file", file=path) from error
    except OSError as error:
        raise DataError.of("data.unreadable", file=path, reason=error.strerror or error) from error


def list_files(root: str | Path) -> list[str]:
    """List the files under a folder or in an archive, as paths relative to it, sorted; hidden files are left out.

    Raises:
        DataError: when there is no such folder or archive.
    """
    if is_archive(root):
        names = [info.filename for info in _open(str(root)).infolist() if not info.is_dir()]
    else:
        folder = Path(root)
        if not folder.is_dir():
            raise DataError.of("data.no_folder", folder=folder)
        names = [file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()]
    return sorted(name for name in names if not _is_hidden(name))


def mean_bytes(archive: str) -> float:
    """Return the mean size of an archive's files in bytes, as they are stored; 0 for an empty one.

    Raises:
        DataError: when it cannot be opened.
    """
    files = [info.compress_size for info in _open(archive).infolist() if not info.is_dir()]
    return sum(files) / max(1, len(files))


def join(root: str | Path, member: str) -> str:
    """Name a file of `list_files(root)` so that `read_bytes` finds it."""
    return f"{root}{MARK}{member}" if is_archive(root) else str(Path(root) / member)


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in name.split("/"))


def _read_member(archive: str, member: str) -> bytes:
    try:
        info = _open(archive).getinfo(member)
        if info.file_size > MAX_BYTES:
            raise DataError.of(
                "data.member_large", archive=archive, mark=MARK, member=member, size=info.file_size / 1e9
            )
        return _open(archive).read(member)
    except KeyError as error:
        raise DataError.of("data.no_member", member=member, archive=archive) from error
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, OSError) as error:
        raise DataError.of("data.member_unreadable", member=member, archive=archive, reason=error) from error


def _open(archive: str) -> zipfile.ZipFile:
    if is_reference(archive):
        return _open_nested(archive)
    try:
        return _open_file(archive, Path(archive).stat().st_mtime_ns)
    except FileNotFoundError as error:
        raise DataError.of("data.no_archive", archive=archive) from error
    except (zipfile.BadZipFile, OSError) as error:
        raise DataError.of("data.bad_archive", archive=archive, reason=error) from error


@lru_cache(maxsize=16)
def _open_file(archive: str, modified: int) -> zipfile.ZipFile:
    """Open an archive once per process and state of the file; its index is read only then."""
    return zipfile.ZipFile(archive)


@lru_cache(maxsize=2)
def _open_nested(archive: str) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(BytesIO(read_bytes(archive)))
    except zipfile.BadZipFile as error:
        raise DataError.of("data.bad_archive", archive=archive, reason=error) from error

"""Keep the files of a visit, uploads and downloads (reports, tables), and delete them as soon as it ends."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterable
from pathlib import Path


class Visits:
    """The files of each visit; a file that two visits share stays until both have ended.

    Only files below `folder`, the page's own private one, are ever deleted.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._files: dict[str, set[Path]] = {}
        self._lock = threading.Lock()

    def keep(self, visit: str | None, files: Iterable[str | None]) -> None:
        """Remember that a visit uses files; None among them is nothing."""
        if visit is None:
            return
        with self._lock:
            self._files.setdefault(visit, set()).update(Path(file).resolve() for file in files if file)

    def end(self, visit: str | None) -> None:
        """Delete the files of a visit that no other one uses."""
        with self._lock:
            mine = self._files.pop(visit or "", set())
            others = set().union(*self._files.values())
            for file in mine - others:
                if file.is_relative_to(self._folder):
                    file.unlink(missing_ok=True)


class Downloads:
    """Makes files that a visitor can download.

    Args:
        folder: the page's private cache; names in it cannot be guessed.
        visits: who deletes them.
    """

    def __init__(self, folder: Path, visits: Visits) -> None:
        self._folder = folder
        self._visits = visits

    def write(self, name: str, content: str | bytes, visit: str | None) -> str:
        """Write one file for a visit; return its path, which Gradio serves without copying it again."""
        from gradio.processing_utils import save_file_to_cache

        with tempfile.TemporaryDirectory(dir=self._folder.parent) as place:
            file = Path(place) / name
            file.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
            made = save_file_to_cache(file, str(self._folder))
        self._visits.keep(visit, [made])
        return made

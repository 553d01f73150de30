"""Files made for a visitor (reports, tables): kept for an hour in a private folder, then deleted."""

from __future__ import annotations

import secrets
import time
from pathlib import Path


class Downloads:
    """A folder of short-lived files; each lies in a folder of its own whose name nobody can guess."""

    def __init__(self, folder: Path, *, seconds: float = 3600.0) -> None:
        self._folder = folder
        self._seconds = seconds

    def write(self, name: str, content: str) -> str:
        """Write one file and delete the old ones; return its path."""
        self.tidy()
        place = self._folder / secrets.token_hex(16)
        place.mkdir(parents=True, mode=0o700)
        file = place / name
        file.write_text(content, encoding="utf-8")
        return str(file)

    def tidy(self) -> None:
        """Delete the files that are older than their time."""
        oldest = time.time() - self._seconds
        for file in self._folder.glob("*/*"):
            if file.stat().st_mtime < oldest:
                file.unlink(missing_ok=True)
                file.parent.rmdir()

"""Write files for download (reports, tables) into the page's private cache; they are deleted when the visit ends."""

from __future__ import annotations

import tempfile
from pathlib import Path

from boneage.ui.visit_files import Visits


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

"""Where this machine's Chromium is."""

from __future__ import annotations

import os
import shutil

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find_browser() -> str | None:
    """Return the program to start, or None where there is none; `BONEAGE_CHROMIUM` names another."""
    return os.environ.get("BONEAGE_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)

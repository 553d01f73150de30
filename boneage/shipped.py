"""A shipped file is used only if it is the one that its training record describes."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path


@lru_cache(maxsize=8)
def checked_asset(weights: Path, record: Path) -> Path:
    """Compare a file's sha256 with the one in its record; remembered, so that it is not hashed again.

    Raises:
        FileNotFoundError: when the file or its record is missing.
        ValueError: when the file is not the one that the record describes.
    """
    for path in (weights, record):
        if not path.is_file():
            raise FileNotFoundError(f"{path.name} should lie in {path.parent}, but is missing; reinstall the package")
    wanted = json.loads(record.read_text(encoding="utf-8"))["sha256"]
    found = hashlib.sha256(weights.read_bytes()).hexdigest()
    if found != wanted:
        raise ValueError(f"{weights.name} should have sha256 {wanted}, but has {found}; reinstall the package")
    return weights

"""Verify shipped weights against the training records beside them, and write such records."""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from boneage.errors import BoneageError
from boneage.files import write_whole
from boneage.settings import Config

USE = "trained on RSNA 2017, research use only"
ATTRIBUTION = (
    "RSNA Pediatric Bone Age Challenge 2017: Halabi et al., The RSNA Pediatric Bone Age Machine Learning Challenge, "
    "Radiology 2019;290:498-503"
)
LICENCE = (
    "The images are RSNA's, for research and education, non-commercial, with attribution; these weights are derived "
    "from them and carry the same terms. The code that made them is Apache-2.0."
)


class ShippedError(BoneageError):
    """A file that ships with the package and is missing or another one."""


@lru_cache(maxsize=8)
def checked_asset(weights: Path, record: Path) -> Path:
    """Compare a file's sha256 with the one in its record; remembered, so that it is not hashed again.

    Raises:
        ShippedError: when the file or its record is missing, or the file is not the one that the record describes.
    """
    for path in (weights, record):
        if not path.is_file():
            raise ShippedError.of("shipped.missing", name=path.name, folder=path.parent)
    wanted = json.loads(record.read_text(encoding="utf-8"))["sha256"]
    found = file_sha256(weights)
    if found != wanted:
        raise ShippedError.of("shipped.changed", name=weights.name, wanted=wanted, found=found)
    return weights


def file_sha256(path: Path) -> str:
    """Return a file's sha256 in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def terms_of_use(config: Config) -> dict[str, str]:
    """Return the terms of what a study's films trained, for `write_record`; none where RSNA's are among the films."""
    names = sorted({source.name for source in config.data.sources if source.role == "train"})
    if not names or "rsna" in names:
        return {}
    return {
        "use": f"trained on {', '.join(names)}, research use only",
        "attribution": config.study.note or ", ".join(names),
        "licence": "These weights carry the terms of the films that they were fitted on.",
    }


def write_record(weights: Path, fields: Mapping[str, Any]) -> Path:
    """Write `<weights>.json`: the file's name, sha256, bytes and date, the terms of use, then `fields`.

    `fields` may give other terms of use: the ones here are those of what was trained on RSNA's films.

    Args:
        weights: The finished asset.
        fields: Recipe, data and figures; anything JSON can hold.

    Returns:
        The record's path.
    """
    record = {
        "file": weights.name,
        "sha256": file_sha256(weights),
        "bytes": weights.stat().st_size,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "use": USE,
        "attribution": ATTRIBUTION,
        "licence": LICENCE,
        **fields,
    }
    path = weights.with_suffix(".json")
    return write_whole(path, json.dumps(record, indent=1) + "\n")

"""The training record beside each asset: what it is, what it was trained on, how, and how well it does."""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

USE = "trained on RSNA 2017, research use only"
ATTRIBUTION = (
    "RSNA Pediatric Bone Age Challenge 2017: Halabi et al., The RSNA Pediatric Bone Age Machine Learning Challenge, "
    "Radiology 2019;290:498-503"
)
LICENCE = (
    "The images are RSNA's, for research and education, non-commercial, with attribution; these weights are derived "
    "from them and carry the same terms. The code that made them is Apache-2.0."
)


def file_sha256(path: Path) -> str:
    """Return a file's sha256 in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_record(weights: Path, fields: Mapping[str, Any]) -> Path:
    """Write `<weights>.json`: the file's name, sha256, bytes and date, the terms of use, then `fields`.

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
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return path

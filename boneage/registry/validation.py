"""Keep per-image estimates beside every registered cascade (`validation.csv`), by which versions are compared."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from io import StringIO
from typing import TYPE_CHECKING

import pandas as pd

from boneage.registry.packaging import VALIDATION_FILE
from boneage.registry.versions import RegistryError, VersionInfo, version_folder

if TYPE_CHECKING:
    from mlflow import MlflowClient

COLUMNS = ("id", "content_sha256", "sex", "age_months", "bone_age_months")
VALIDATION_TAG = "validation_sha256"


def validation_table(per_image: pd.DataFrame, content_sha256: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Turn an evaluation's `per_image` into what is kept beside a registered cascade.

    Args:
        per_image: columns `id`, `sex`, `true_months`, `estimated_months`.
        content_sha256: id -> hash of the decoded pixels; None where they are a column.

    Raises:
        RegistryError: when an image has no hash.
    """
    if content_sha256 is None:
        content_sha256 = dict(zip(per_image["id"], per_image["content_sha256"], strict=True))
    missing = [name for name in per_image["id"] if name not in content_sha256]
    if missing:
        raise RegistryError.of("validation.no_hash", count=len(missing), first=missing[0])
    return pd.DataFrame(
        {
            "id": per_image["id"].astype(str).to_numpy(),
            "content_sha256": [content_sha256[name] for name in per_image["id"]],
            "sex": per_image["sex"].astype(str).to_numpy(),
            "age_months": per_image["true_months"].to_numpy(dtype=float),
            "bone_age_months": per_image["estimated_months"].to_numpy(dtype=float),
        },
        columns=list(COLUMNS),
    )


def table_text(table: pd.DataFrame) -> str:
    """Write a validation table as CSV text.

    Raises:
        RegistryError: when a column is missing.
    """
    absent = [name for name in COLUMNS if name not in table.columns]
    if absent:
        raise RegistryError.of("validation.columns", columns=", ".join(COLUMNS), missing=", ".join(absent))
    return str(table[list(COLUMNS)].to_csv(index=False, lineterminator="\n"))


def read_table(text: str) -> pd.DataFrame:
    """Read a validation table from CSV text."""
    return pd.read_csv(StringIO(text), dtype={"id": str, "content_sha256": str, "sex": str})


def text_sha256(text: str) -> str:
    """Return the hash that a version's tag keeps of its validation table."""
    return hashlib.sha256(text.encode()).hexdigest()


def read_validation(client: MlflowClient, info: VersionInfo) -> pd.DataFrame:
    """Read the per-image estimates that were registered with a version.

    Raises:
        RegistryError: when they are missing, or were changed after the registration.
    """
    file = version_folder(client, info) / VALIDATION_FILE
    try:
        text = file.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        raise RegistryError.of(
            "validation.missing", name=info.name, version=info.version, file=VALIDATION_FILE
        ) from error
    if text_sha256(text) != info.tags.get(VALIDATION_TAG):
        raise RegistryError.of("validation.changed", file=VALIDATION_FILE, name=info.name, version=info.version)
    return read_table(text)

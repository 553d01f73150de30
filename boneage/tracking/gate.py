"""The promotion gate: a challenger is compared with the champion on the same images, and refused where it is worse.

It fails closed: what cannot be compared is refused. The comparison rests on the per-image estimates that lie beside
every registered cascade (`validation.csv`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from boneage.errors import BoneageError
from boneage.tracking.packaging import VALIDATION_FILE
from boneage.tracking.versions import RegistryError, VersionInfo, version_folder

if TYPE_CHECKING:
    from mlflow import MlflowClient

COLUMNS = ("id", "content_sha256", "sex", "age_months", "bone_age_months")
VALIDATION_TAG = "validation_sha256"
# Estimates are written with finitely many digits; a difference below this is none.
_EQUAL_MONTHS = 1e-6
_RESAMPLES = 2000

Rescore = Callable[[VersionInfo, pd.DataFrame], pd.DataFrame]


@dataclass(frozen=True)
class Comparison:
    """Two versions on the same images; months throughout.

    Attributes:
        images: how many.
        first_mae_months: MAE of the first.
        second_mae_months: MAE of the second.
        difference_months: first minus second; negative where the first is better.
        low_months: lower end of the difference's 95 % paired bootstrap interval.
        high_months: its upper end.
    """

    images: int
    first_mae_months: float
    second_mae_months: float
    difference_months: float
    low_months: float
    high_months: float


@dataclass(frozen=True)
class Verdict:
    """What the gate says: whether the challenger may be promoted, why, and the comparison behind it (if any)."""

    allowed: bool
    reason: str
    comparison: Comparison | None = None


def validation_table(per_image: pd.DataFrame, content_sha256: Mapping[str, str]) -> pd.DataFrame:
    """Turn an evaluation's `per_image` into what is kept beside a registered cascade.

    Args:
        per_image: columns `id`, `sex`, `true_months`, `estimated_months`.
        content_sha256: id -> hash of the decoded pixels.

    Raises:
        RegistryError: when an image has no hash.
    """
    missing = [name for name in per_image["id"] if name not in content_sha256]
    if missing:
        raise RegistryError(f"{len(missing)} validation images have no content hash, the first: {missing[0]}")
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
        raise RegistryError(f"a validation table needs the columns {', '.join(COLUMNS)}; missing: {', '.join(absent)}")
    return str(table[list(COLUMNS)].to_csv(index=False, lineterminator="\n"))


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
        raise RegistryError(f"{info.name} version {info.version} has no {VALIDATION_FILE}") from error
    if text_sha256(text) != info.tags.get(VALIDATION_TAG):
        raise RegistryError(f"{VALIDATION_FILE} of {info.name} version {info.version} was changed after registration")
    return pd.read_csv(StringIO(text), dtype={"id": str, "content_sha256": str, "sex": str})


def judge(
    client: MlflowClient, challenger: VersionInfo, champion: VersionInfo | None, rescore: Rescore | None = None
) -> Verdict:
    """Say whether a challenger may replace the champion.

    Args:
        client: an open client.
        challenger: the version to promote.
        champion: the version that serves now, or None.
        rescore: estimates the challenger's validation images with the champion, where the champion's own table does
            not cover them: (champion, challenger's table) -> the same rows with the champion's `bone_age_months`.
    """
    if champion is None:
        return Verdict(True, "there is no champion yet")
    try:
        mine = _sound(read_validation(client, challenger), challenger)
        theirs = _champions_table(client, champion, mine, rescore)
        compared = compare_tables(mine, theirs)
    except BoneageError as error:
        return Verdict(False, f"the versions cannot be compared: {error}")
    sentence = (
        f"version {challenger.version} has a cascade MAE of {compared.first_mae_months:.3f} months and the champion, "
        f"version {champion.version}, {compared.second_mae_months:.3f} on the same {compared.images} validation images"
    )
    if not compared.difference_months <= _EQUAL_MONTHS:
        return Verdict(False, f"{sentence}: the challenger is worse", compared)
    return Verdict(True, sentence, compared)


def compare_tables(first: pd.DataFrame, second: pd.DataFrame, seed: int = 0) -> Comparison:
    """Compare two validation tables on the first one's images and ages.

    Args:
        first: N rows.
        second: rows of the same images, in any order, maybe of more.
        seed: of the bootstrap.

    Raises:
        RegistryError: when the second does not cover the first, or an estimate is no number.
    """
    estimates = second.drop_duplicates("content_sha256").set_index("content_sha256")["bone_age_months"]
    if first.empty or not set(first["content_sha256"]) <= set(estimates.index):
        covered = int(first["content_sha256"].isin(estimates.index).sum())
        raise RegistryError(f"{covered} of {len(first)} images are in both tables")
    true = first["age_months"].to_numpy(dtype=float)
    errors_first = np.abs(first["bone_age_months"].to_numpy(dtype=float) - true)
    errors_second = np.abs(estimates.loc[first["content_sha256"]].to_numpy(dtype=float) - true)
    differences = errors_first - errors_second
    if not np.isfinite(differences).all():
        raise RegistryError("an estimate or an age is not a number")
    drawn = np.random.default_rng(seed).integers(0, len(differences), (_RESAMPLES, len(differences)))
    low, high = np.quantile(differences[drawn].mean(axis=1), (0.025, 0.975))
    return Comparison(
        images=len(first),
        first_mae_months=float(errors_first.mean()),
        second_mae_months=float(errors_second.mean()),
        difference_months=float(differences.mean()),
        low_months=float(low),
        high_months=float(high),
    )


def compare(client: MlflowClient, first: VersionInfo, second: VersionInfo) -> Comparison:
    """Compare two versions on the validation images of the first, from what was registered with them.

    Raises:
        RegistryError: when they were not scored on the same images.
    """
    mine = _sound(read_validation(client, first), first)
    return compare_tables(mine, read_validation(client, second))


def _champions_table(
    client: MlflowClient, champion: VersionInfo, mine: pd.DataFrame, rescore: Rescore | None
) -> pd.DataFrame:
    """Take the champion's own table where it covers the challenger's images, else have the champion rescored."""
    wanted = set(mine["content_sha256"])
    try:
        theirs = read_validation(client, champion)
        reason = "the champion was validated on other images"
        if wanted <= set(theirs["content_sha256"]):
            return theirs
    except RegistryError as error:
        reason = str(error)
    if rescore is None:
        raise RegistryError(
            f"{reason}; give the challenger's study (--config CONFIG), so that the champion can be scored on its "
            "images, or override with --force REASON"
        )
    return rescore(champion, mine)


def _sound(table: pd.DataFrame, info: VersionInfo) -> pd.DataFrame:
    if table.empty:
        raise RegistryError(f"{info.name} version {info.version} was validated on no image")
    return table

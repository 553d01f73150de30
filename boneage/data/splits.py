"""Draw training part, validation part and folds once, stratified by sex and age group, and read them ever after."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from boneage.config import DataConfig
from boneage.data.annotations import TrainingSet, fixed_validation, require_training
from boneage.data.archives import DataError
from boneage.files import write_whole

_SHOWN = 3


class SplitError(DataError):
    """Splits that do not fit the data, or the same film in two sets; the message says which and what to do."""


@dataclass(frozen=True)
class Splits:
    """Who is trained on, who validates, and which fold each training image is in.

    Attributes:
        train: Ids of the training part.
        validation: Ids of the validation part.
        fold: Training id to its fold, 0 to k - 1.
        sha256: The hash of all of this.
    """

    train: tuple[str, ...]
    validation: tuple[str, ...]
    fold: dict[str, int]
    sha256: str


def load_or_draw(path: Path, training: TrainingSet, data: DataConfig, seed: int) -> Splits:
    """Read the saved splits, or draw and save them if there are none.

    Args:
        path: The JSON file.
        training: All images that may be trained on; validation images are taken from them.
        data: Share of validation or its fixed ids, and the number of folds.
        seed: Seed of the draw.

    Raises:
        SplitError: when the saved splits do not match the images or settings any more, or nothing can be drawn.
        TypeError: when `training` is no `TrainingSet`.
    """
    table = require_training(training).table
    settings = {"folds": data.folds, "validation_fraction": data.validation_fraction, "seed": seed}
    if path.is_file():
        return _read(path, set(table["id"]), settings)
    splits = draw(training, data, seed)
    _save(path, splits, settings)
    return splits


def draw(training: TrainingSet, data: DataConfig, seed: int) -> Splits:
    """Draw validation part and folds, stratified by sex and age group; fixed validation ids are honoured.

    Raises:
        SplitError: when there are too few images, or none of the fixed validation ids is among them.
        TypeError: when `training` is no `TrainingSet`.
    """
    table = require_training(training).table.sort_values("id", kind="stable").reset_index(drop=True)
    if len(table) < 2 * data.folds:
        raise SplitError.of("split.few_images", count=len(table), folds=data.folds)
    held_out = _fixed(table, data) if data.validation_ids else _drawn(table, data.validation_fraction, seed)
    train = table.loc[~table["id"].isin(held_out)].reset_index(drop=True)
    return make_splits(train["id"], sorted(held_out), _folds(train, data.folds, seed))


def draw_folds(training: TrainingSet, data: DataConfig, seed: int) -> Splits:
    """Divide all images into folds and keep none for validation: for comparisons that are judged out of fold.

    Raises:
        SplitError: when there are too few images.
        TypeError: when `training` is no `TrainingSet`.
    """
    table = require_training(training).table.sort_values("id", kind="stable").reset_index(drop=True)
    return make_splits(table["id"], (), _folds(table, data.folds, seed))


def make_splits(train: Iterable[str], validation: Iterable[str], fold: Mapping[str, int]) -> Splits:
    """Put splits together and give them their hash."""
    content = {"train": list(train), "validation": list(validation), "fold": dict(fold)}
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return Splits(tuple(content["train"]), tuple(content["validation"]), dict(fold), digest)


def check_leaks(splits: Splits, content_sha256: Mapping[str, str], test_hashes: Iterable[str] = ()) -> None:
    """Refuse splits in which the same pixels are in two of training, validation and test.

    Args:
        splits: The splits.
        content_sha256: The hash of each film's pixels by id; ids without one are not in use.
        test_hashes: The hashes of the test films.

    Raises:
        SplitError: naming the films.
    """
    sets_of: dict[str, dict[str, str]] = defaultdict(dict)
    for part, ids in (("training", splits.train), ("validation", splits.validation)):
        for name in ids:
            if name in content_sha256:
                sets_of[content_sha256[name]].setdefault(part, name)
    for digest in test_hashes:
        if digest in sets_of:
            sets_of[digest].setdefault("test", "a test image")
    leaks = [parts for parts in sets_of.values() if len(parts) > 1]
    if leaks:
        shown = "; ".join(" = ".join(f"{name} ({part})" for part, name in parts.items()) for parts in leaks[:_SHOWN])
        raise SplitError.of("split.same_film", count=len(leaks), films=shown)


def same_films(content_sha256: Mapping[str, str]) -> list[tuple[str, ...]]:
    """Return the groups of ids that show the same pixels, each sorted, in the order of their first id."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name, digest in content_sha256.items():
        groups[digest].append(name)
    return [tuple(sorted(names)) for names in groups.values() if len(names) > 1]


def _fixed(table: pd.DataFrame, data: DataConfig) -> set[str]:
    ids = fixed_validation(data)
    held_out = set(table["id"]) & ids
    if not held_out:
        raise SplitError.of("split.no_known_id", count=len(ids), table=data.validation_ids, images=len(table))
    return held_out


def _drawn(table: pd.DataFrame, fraction: float, seed: int) -> set[str]:
    from sklearn.model_selection import train_test_split

    if not 0 < fraction < 1:
        raise SplitError.of("split.fraction", given=fraction)
    strata: list[str] | None = _strata(table, 2)
    if round(fraction * len(table)) < len(set(strata or ())):  # fewer validation images than strata: draw without them
        strata = None
    try:
        _, held_out = train_test_split(table["id"].to_list(), test_size=fraction, random_state=seed, stratify=strata)
    except ValueError as error:
        raise SplitError.of("split.impossible", count=len(table), reason=error) from error
    return set(held_out)


def _folds(train: pd.DataFrame, folds: int, seed: int) -> dict[str, int]:
    from sklearn.model_selection import StratifiedKFold

    if folds < 2 or len(train) < folds:
        raise SplitError.of("split.few_training_images", count=len(train), folds=folds)
    number = np.zeros(len(train), int)
    divider = StratifiedKFold(folds, shuffle=True, random_state=seed)
    for fold, (_, rows) in enumerate(divider.split(np.zeros(len(train)), _strata(train, folds))):
        number[rows] = fold
    return dict(zip(train["id"], number.tolist(), strict=True))


def _strata(table: pd.DataFrame, least: int) -> list[str]:
    """Name the stratum of each row, sex and group; those with fewer than `least` rows are joined to the largest."""
    names = table["sex"] + "-" + table["group"].astype(str)
    counts = names.value_counts()
    rare = set(counts.index[counts < least])
    return [str(counts.index[0]) if name in rare else str(name) for name in names]


def _save(path: Path, splits: Splits, settings: Mapping[str, Any]) -> None:
    content = {
        "sha256": splits.sha256,
        **settings,
        "train": list(splits.train),
        "validation": list(splits.validation),
        "fold": splits.fold,
    }
    write_whole(path, json.dumps(content, indent=1))


def _read(path: Path, ids: set[str], settings: Mapping[str, Any]) -> Splits:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        splits = make_splits(content["train"], content["validation"], content["fold"])
        saved = content["sha256"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SplitError.of("split.unreadable", file=path, reason=error) from error
    if splits.sha256 != saved:
        raise SplitError.of("split.changed", file=path)
    for key, wanted in settings.items():
        if content.get(key) != wanted:
            raise SplitError.of("split.other_setting", file=path, key=key, drawn=content.get(key), wanted=wanted)
    _check_ids(path, set(splits.train) | set(splits.validation), ids)
    return splits


def _check_ids(path: Path, saved: Collection[str], present: Collection[str]) -> None:
    gone, new = sorted(set(saved) - set(present)), sorted(set(present) - set(saved))
    if not gone and not new:
        return
    parts = [f"{len(names)} {what} ({_some(names)})" for names, what in ((gone, "are gone"), (new, "are new")) if names]
    raise SplitError.of("split.other_images", file=path, changes=" and ".join(parts))


def _some(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")

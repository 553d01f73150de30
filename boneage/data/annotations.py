"""Read labels in any layout into one table of images with sex and age, and list unusable rows with the reason."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from boneage.config import DataConfig, SourceConfig
from boneage.data.archives import DataError
from boneage.data.finder import ImageFinder
from boneage.data.layouts import parse_age, parse_sex, read_table
from boneage.data.sources import RawRow, read_sizes, read_source, resolve
from boneage.data.transforms import read_row as read_row
from boneage.groups import AGE_GROUPS, Sex, group_of
from boneage.notices import fault
from boneage.paths import project_root

TABLE_COLUMNS = (
    "id", "image", "sex", "age_months", "group", "source", "role", "original_width", "original_height", "crop",
    "laterality",
)  # fmt: skip
PROBLEM_COLUMNS = ("source", "id", "image", "reason")


@dataclass(frozen=True)
class Annotations:
    """The usable rows of one or several sources, and those that are not.

    Attributes:
        table: One row per image: `id` (str, unique), `image` (str, path or zip reference), `sex` ('female' or 'male'),
            `age_months` (float), `group` (1-4), `source`, `role` ('train' or 'test'), `original_width` and
            `original_height` (float, pixels, NaN when unknown), `crop` ('' or 'left-half'), `laterality` (L, R or '').
        problems: `source, id, image, reason`.
        layout: What the layout is called.
        unlabelled: The images that no row names.
    """

    table: pd.DataFrame
    problems: pd.DataFrame
    layout: str = ""
    unlabelled: tuple[str, ...] = ()


@dataclass(frozen=True)
class TrainingSet:
    """Images that may be trained on: the only thing that training code takes.

    Raises:
        DataError: when a row comes from a test-only source.
    """

    table: pd.DataFrame
    problems: pd.DataFrame

    def __post_init__(self) -> None:
        others = sorted(set(self.table.loc[self.table["role"] != "train", "source"]))
        if others:
            raise DataError.of("data.test_only", sources=", ".join(others))


@dataclass(frozen=True)
class TestSet:
    """Images that are only ever estimated and scored."""

    __test__ = False  # not a test class, whatever pytest thinks of its name

    table: pd.DataFrame
    problems: pd.DataFrame


def require_training(data: object) -> TrainingSet:
    """Return a `TrainingSet` as it is, and refuse everything else.

    Raises:
        TypeError: when it is no `TrainingSet`.
    """
    if not isinstance(data, TrainingSet):
        raise TypeError(f"training takes a TrainingSet, but {type(data).__name__} was given")
    return data


def load_training(data: DataConfig) -> TrainingSet:
    """Load the sources with `role = "train"`; test-only sources are not even opened.

    Raises:
        DataError: when a source cannot be read, or there is none.
    """
    found = _load_role(data, "train")
    if not any(source.role == "train" for source in data.sources):
        raise DataError.of("data.no_training_source")
    return TrainingSet(_limited(found.table, data), found.problems)


def fixed_validation(data: DataConfig) -> set[str]:
    """Return the ids of the table that fixes a study's validation part; nothing where it is to be drawn.

    Raises:
        DataError: when the table cannot be read or has no column `id`.
    """
    if not data.validation_ids:
        return set()
    reference = resolve(data.validation_ids, Path(data.root).expanduser() if data.root else project_root())
    ids = read_table(reference)
    if "id" not in ids.columns:
        raise DataError.of("split.no_id", table=reference, columns=", ".join(ids.columns))
    return set(ids["id"].str.strip())


def load_test(data: DataConfig) -> TestSet:
    """Load the sources with `role = "test"`; without any, the tables are empty.

    Raises:
        DataError: when a source cannot be read.
    """
    found = _load_role(data, "test")
    return TestSet(found.table, found.problems)


def load_folder(path: Path) -> Annotations:
    """Load a labelled folder, archive or table of any layout, found by looking; its rows have the role `test`.

    Raises:
        DataError: when no layout is recognised.
    """
    path = Path(path).expanduser()
    source = SourceConfig(name=path.stem or path.resolve().name, path=str(path.absolute()), role="test")
    return load_source(source, path.parent)


def load_source(source: SourceConfig, root: Path) -> Annotations:
    """Load one source.

    Args:
        source: The source; its paths are relative to `root`.
        root: The data folder.

    Raises:
        DataError: when there is nothing at its path, no layout is recognised, or a place of images is missing.
    """
    raw = read_source(source, root)
    finder = ImageFinder(raw.places)
    sizes = read_sizes(raw.sizes) if raw.sizes else {}
    only = resolve(source.only_with_images_in, root) if source.only_with_images_in else ""
    rows: list[dict[str, Any]] = []
    problems: list[dict[str, str]] = []
    for item in _without_contradictions(raw.rows, problems):
        try:
            row = _checked(item, finder, sizes)
        except ValueError as error:
            problems.append({"id": item.id, "image": item.image, "reason": str(error)})
            continue
        if row["image"].startswith(only):
            rows.append(row)
    if only:
        problems = [problem for problem in problems if not problem["reason"].startswith("no image ")]
    unlabelled = finder.unwanted(item.image for item in raw.rows)
    return Annotations(_table(rows, source), _problems(problems, source.name), raw.layout, unlabelled)


def audit_counts(table: pd.DataFrame) -> pd.DataFrame:
    """Count images per source, sex and group: columns `source, sex, group_1..group_4, total`."""
    groups = [group.number for group in AGE_GROUPS]
    counts = table.groupby(["source", "sex", "group"]).size().unstack(fill_value=0)
    counts = counts.reindex(columns=groups, fill_value=0)
    counts.columns = [f"group_{number}" for number in groups]
    counts["total"] = counts.sum(axis=1)
    return counts.reset_index()


def _load_role(data: DataConfig, role: str) -> Annotations:
    root = Path(data.root).expanduser() if data.root else project_root()
    parts = [load_source(source, root) for source in data.sources if source.role == role]
    if not parts:
        return Annotations(_frame([], TABLE_COLUMNS), _frame([], PROBLEM_COLUMNS))
    problems = pd.concat([part.problems for part in parts], ignore_index=True)
    return Annotations(_unique_ids([part.table for part in parts]), problems)


def _unique_ids(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """Join sources; an id that an earlier source has already is prefixed with its own source's name."""
    seen: set[str] = set()
    for table in tables:
        clashes = table["id"].isin(seen)
        table.loc[clashes, "id"] = table.loc[clashes, "source"] + "/" + table.loc[clashes, "id"]
        seen.update(table["id"])
    return pd.concat(tables, ignore_index=True)


def _without_contradictions(rows: Iterable[RawRow], problems: list[dict[str, str]]) -> list[RawRow]:
    """Keep one row per id: a repeated row is used once, and rows that contradict each other not at all."""
    by_id: dict[str, list[RawRow]] = defaultdict(list)
    for row in rows:
        by_id[row.id].append(row)
    kept = []
    for name, same in by_id.items():
        if len({(row.sex.strip().lower(), row.age.strip(), row.image) for row in same}) > 1:
            reason = f"{len(same)} rows of this id contradict each other: none is used"
            problems.append({"id": name, "image": same[0].image, "reason": reason})
            continue
        if len(same) > 1:
            reason = f"{len(same)} rows of this id say the same: one is used"
            problems.append({"id": name, "image": same[0].image, "reason": reason})
        kept.append(same[0])
    return kept


def _checked(row: RawRow, finder: ImageFinder, sizes: Mapping[str, tuple[float, float]]) -> dict[str, Any]:
    """Turn a raw row into a table row; a ValueError says why it cannot be used."""
    if not row.id:
        raise DataError.of("row.no_id")
    sex, months = _sex(row.sex), parse_age(row.age, row.months_a_unit)
    width, height = sizes.get(row.id, (np.nan, np.nan))
    return {
        "id": row.id,
        "image": finder.find(row.image),
        "sex": sex.value,
        "age_months": months,
        "group": group_of(months),
        "original_width": width,
        "original_height": height,
        "crop": row.crop,
        "laterality": row.laterality,
    }


def _sex(text: str) -> Sex:
    try:
        return parse_sex(text)
    except ValueError as error:
        raise DataError(fault("row.sex", given=text) if text.strip() else fault("row.no_sex")) from error


def _table(rows: list[dict[str, Any]], source: SourceConfig) -> pd.DataFrame:
    return _frame([{**row, "source": source.name, "role": source.role} for row in rows], TABLE_COLUMNS)


def _problems(problems: list[dict[str, str]], source: str) -> pd.DataFrame:
    return _frame([{**problem, "source": source} for problem in problems], PROBLEM_COLUMNS)


def _frame(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> pd.DataFrame:
    kinds = {"age_months": float, "group": int, "original_width": float, "original_height": float}
    frame = pd.DataFrame(rows, columns=list(columns))
    return frame.astype({name: kinds.get(name, object) for name in columns})


def stratified(table: pd.DataFrame) -> pd.DataFrame:
    """Order rows so that the first of them, however many, hold the same share of every sex and group.

    The order hangs on the ids alone: a larger part of a table holds every smaller one.
    """
    order = table["id"].map(lambda name: hashlib.sha256(name.encode()).hexdigest())
    strata = order.groupby([table["sex"], table["group"]])
    place = (strata.rank(method="first") - 0.5) / strata.transform("size")
    return table.loc[place.sort_values(kind="stable").index]


def _limited(table: pd.DataFrame, data: DataConfig) -> pd.DataFrame:
    """Keep as many images of the fixed validation set, and as many others, as the limits say."""
    if data.limit < 0 or data.validation_limit < 0:
        raise DataError.of("data.limits", limit=data.limit, validation=data.validation_limit)
    if data.validation_limit and not data.validation_ids:
        raise DataError.of("data.no_validation_ids", given=data.validation_limit)
    if not data.limit and not data.validation_limit:
        return table
    fixed = table["id"].isin(fixed_validation(data))
    parts = _limit(table[~fixed], data.limit), _limit(table[fixed], data.validation_limit)
    return pd.concat(parts).sort_index().reset_index(drop=True)


def _limit(table: pd.DataFrame, count: int) -> pd.DataFrame:
    """Take `count` rows, 0 for all, the same share of every sex and group; always the same rows for the same ids."""
    return stratified(table)[:count] if 0 < count < len(table) else table

"""Audit a whole collection: its labels, every film, and duplicates, as data that a table, JSON or a page can show."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from boneage.audit.duplicates import Pair, find_pairs
from boneage.audit.films import read_films
from boneage.audit.labels import heaping, problem_counts, sizes
from boneage.config import Config
from boneage.data.annotations import (
    PROBLEM_COLUMNS,
    Annotations,
    TrainingSet,
    audit_counts,
    load_folder,
    load_source,
    load_test,
    load_training,
)  # fmt: skip
from boneage.data.archives import DataError
from boneage.data.splits import SplitError, draw, load_or_draw
from boneage.paths import project_root, study_folder

Stage = Callable[[str], Callable[[int, int], None]]
NO_SET = ""


@dataclass(frozen=True)
class Collection:
    """Labelled images of a folder or a study, before their films are read.

    Attributes:
        table: The annotation table, with a column `set`: train, validation, test, or "" where nothing is split.
        problems: `source, id, image, reason`.
        layouts: What the layout of each source is called.
    """

    table: pd.DataFrame
    problems: pd.DataFrame
    layouts: Mapping[str, str]


@dataclass(frozen=True)
class Audit:
    """Findings of an audit: usable rows, problems, films that are there twice.

    Attributes:
        table: The usable rows; `set`, and where the films were read `width, height, content_sha256, fingerprint`.
        problems: `source, id, image, reason` of everything that cannot be used.
        layouts: What the layout of each source is called.
        pairs: Rows that show the same film, leaks first; empty when only the labels were looked at.
        films_read: Whether the films were read.
    """

    table: pd.DataFrame
    problems: pd.DataFrame
    layouts: Mapping[str, str]
    pairs: tuple[Pair, ...]
    films_read: bool

    @property
    def leaks(self) -> tuple[Pair, ...]:
        """The pairs across training, validation and test: a study must not start."""
        return tuple(pair for pair in self.pairs if pair.leak)

    def to_json(self) -> dict[str, Any]:
        """Return everything but the pictures as plain data."""
        return {
            "layouts": dict(self.layouts),
            "images": len(self.table),
            "sets": {str(name): int(count) for name, count in self.table["set"].value_counts().items() if name},
            "counts": _records(audit_counts(self.table)),
            "ages": _records(heaping(self.table)),
            "sizes": _records(sizes(self.table)) if self.films_read else [],
            "films_read": self.films_read,
            "problem_kinds": problem_counts(self.problems),
            "problems": _records(self.problems),
            "duplicates": [{**asdict(pair), "leak": pair.leak} for pair in self.pairs],
            "leaks": len(self.leaks),
        }


def collect_folder(path: Path) -> Collection:
    """Find the labelled images of a folder, archive or table of any layout.

    Raises:
        DataError: when no layout is recognised.
    """
    found = load_folder(path)
    name = str(found.table["source"].iloc[0]) if len(found.table) else path.stem
    return Collection(
        found.table.assign(set=NO_SET), _all_problems([found], found.problems, [name]), {name: found.layout}
    )


def collect_study(config: Config) -> Collection:
    """Find the images of a study whose sources are resolved, and what each is used for.

    The saved splits are read where the study has been started; else they are drawn as it would, and not saved.

    Raises:
        BoneageError: when a source or the saved splits cannot be read.
    """
    root = Path(config.data.root).expanduser() if config.data.root else project_root()
    parts = [load_source(source, root) for source in config.data.sources]
    training, test = load_training(config.data), load_test(config.data)
    held_out = _held_out(training, config)
    train = training.table.assign(set=["validation" if name in held_out else "train" for name in training.table["id"]])
    tested = test.table.assign(set="test")
    clashes = tested["id"].isin(train["id"])
    tested.loc[clashes, "id"] = tested.loc[clashes, "source"] + "/" + tested.loc[clashes, "id"]
    table = pd.concat([train, tested], ignore_index=True)
    names = [source.name for source in config.data.sources]
    problems = pd.concat([training.problems, test.problems], ignore_index=True)
    return Collection(
        table,
        _all_problems(parts, problems, names),
        {name: part.layout for name, part in zip(names, parts, strict=True)},
    )


def audit(collection: Collection, stage: Stage, labels_only: bool = False, workers: int | None = None) -> Audit:
    """Audit the labels of a collection and, unless told otherwise, its films.

    Args:
        collection: From `collect_folder` or `collect_study`.
        stage: Gives the progress callable of a named stage.
        labels_only: Whether to leave the films unread: quick, but no unreadable file and no duplicate is found.
        workers: Processes; None for one per core.

    Raises:
        DataError: when there is no usable row.
    """
    if collection.table.empty:
        reasons = list(collection.problems["reason"].head(3))
        raise DataError.of("audit.no_row", count=len(collection.problems), reasons=reasons)
    if labels_only:
        return Audit(collection.table, collection.problems, collection.layouts, (), False)
    table, unreadable = read_films(collection.table, workers, stage("read films"))
    problems = pd.concat([collection.problems, unreadable], ignore_index=True)
    return Audit(table, problems, collection.layouts, find_pairs(table), True)


def _held_out(training: TrainingSet, config: Config) -> frozenset[str]:
    """Return the validation ids; none when there are too few images to split."""
    saved = study_folder(config.study.name) / "splits.json"
    if saved.is_file():
        return frozenset(load_or_draw(saved, training, config.data, config.study.seed).validation)
    try:
        return frozenset(draw(training, config.data, config.study.seed).validation)
    except SplitError:
        return frozenset()


def _all_problems(parts: list[Annotations], problems: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Add the images that no row names to the rows that cannot be used."""
    without = [
        {"source": name, "id": "", "image": image, "reason": "image without a row"}
        for name, part in zip(names, parts, strict=True)
        for image in part.unlabelled
    ]
    return pd.concat([problems, pd.DataFrame(without, columns=list(PROBLEM_COLUMNS))], ignore_index=True)


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return list(json.loads(table.to_json(orient="records")))

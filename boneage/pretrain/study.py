"""Divide the children into those to train the backbone on, to keep unseen, and to validate on; prepare their films."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from boneage.config import to_mapping
from boneage.preprocess.preparer import Preparer
from boneage.pretrain import prepare, sources
from boneage.pretrain.loader import Training


@dataclass(frozen=True)
class Study:
    """The three sets of children: `train`, `unseen` (never trained on) and `validation` (fixed for everything)."""

    train: Training
    unseen: Training
    validation: Training
    large: frozenset[str]

    def measured(self) -> dict[str, Training]:
        """Return the sets that networks are measured on: validation (all, and those with a large film), unseen."""
        large = self.validation.choose([name for name in self.validation.ids if name in self.large])
        return {"validation": self.validation, "validation_large": large, "unseen": self.unseen}


def load_study(data: Path, cache: Path, contrast: str, progress: Callable[[str], None]) -> Study:
    """Prepare every film (or find it prepared in `cache`) and divide the children."""
    table, never = sources.children(data), sources.validation_ids(data)
    unseen, large = sources.unseen_ids(table, never), frozenset(sources.large_ids(data))
    ids = sorted(table, key=int)
    prepared = prepare.prepare_all(data, sources.films_of(ids, large), cache, prepare.preparation(contrast), progress)

    def part(chosen: Callable[[str], bool]) -> Training:
        return Training(table, prepared, tuple(i for i in ids if chosen(i)))

    return Study(
        part(lambda i: i not in never and i not in unseen),
        part(lambda i: i in unseen),
        part(lambda i: i in never),
        large,
    )


def describe(study: Study, contrast: str) -> dict[str, Any]:
    """Describe the data for the training record: counts, hashes of the id lists, every id kept unseen."""
    sets = {"train": study.train.ids, "unseen": study.unseen.ids, "validation": study.validation.ids}
    config = prepare.preparation(contrast)
    return {
        "counts": {name: len(ids) for name, ids in sets.items()},
        "films_of_train": sum(len(rows) for rows in study.train.rows()),
        "ids_sha256": {name: sources.ids_sha256(ids) for name, ids in sets.items()},
        "unseen_rule": f"{sources.UNSEEN_PART:.0%} by sex and age group, seed {sources.UNSEEN_SEED}",
        "unseen_ids": list(study.unseen.ids),
        "preparation": {**to_mapping(config), "sha256": Preparer(config).sha256},
    }

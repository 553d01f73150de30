"""Draw samples of a study's training or validation films, as many large as small ones."""

from __future__ import annotations

import pandas as pd

from boneage.config import BackboneConfig, Config
from boneage.data.annotations import load_training, read_row
from boneage.data.flags import pixels_sha256
from boneage.data.splits import load_or_draw
from boneage.errors import BoneageError
from boneage.learn.seen_images import seen_images
from boneage.paths import study_folder
from boneage.study.materials import Stage, resolve_sources, silent


def part_table(config: Config, part: str, stage: Stage = silent) -> pd.DataFrame:
    """Return the annotation table of a study's `train` or `validation` part.

    Raises:
        BoneageError: when the part has no image.
    """
    config = resolve_sources(config, stage)
    training = load_training(config.data)
    splits = load_or_draw(study_folder(config.study.name) / "splits.json", training, config.data, config.study.seed)
    table = training.table[training.table["id"].isin(splits.validation if part == "validation" else splits.train)]
    if table.empty:
        raise BoneageError(f"the study {config.study.name} has no {part} images")
    return table


def sample(table: pd.DataFrame, count: int, seed: int = 0) -> pd.DataFrame:
    """Draw rows, as many from each place as there are: large copies are few, but serving sees mostly large films."""
    place = table["image"].str.replace(r"[^/!]*$", "", regex=True)
    rank = table.sample(frac=1, random_state=seed).groupby(place).cumcount()
    return table.loc[rank.sort_values(kind="stable").index[:count]]


def unseen(table: pd.DataFrame, backbone: BackboneConfig, count: int, seed: int = 0) -> pd.DataFrame:
    """Draw rows whose films the backbone was not trained on; fewer where there are not so many."""
    seen, kept = seen_images(backbone), list[object]()
    for label, row in sample(table, len(table), seed).iterrows():
        if len(kept) == count:
            break
        if not seen.saw(pixels_sha256(read_row(row))):
            kept.append(label)
    return table.loc[kept]

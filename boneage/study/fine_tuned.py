"""The fine-tuned backbone of a study: trained once, kept in the study's folder, and honest about what it saw."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from boneage.config import Config, config_sha256
from boneage.data.splits import Splits
from boneage.learn.finetune import Films, fine_tune
from boneage.learn.frozen import FrozenBackbone
from boneage.learn.seen_images import SeenImages, seen_too
from boneage.paths import study_folder
from boneage.preprocess.pipeline import PreparedSet

Stage = Callable[[str], Callable[[int, int], None]]


@dataclass(frozen=True)
class TuneJob:
    """What a study's backbone is tuned on: its settings, annotations, prepared images and splits."""

    config: Config
    table: pd.DataFrame
    prepared: PreparedSet
    splits: Splits

    @property
    def ids(self) -> list[str]:
        """Return the training images without the fold that is kept away."""
        fold = self.config.training.fine_tune.fold
        return [name for name in self.splits.train if self.splits.fold[name] != fold]


def tuned_backbone(
    job: TuneJob, backbone: FrozenBackbone, seen: SeenImages, stage: Stage
) -> tuple[FrozenBackbone, SeenImages]:
    """Fine-tune a study's backbone, or load what an earlier run of the same study tuned.

    Returns:
        The backbone, frozen again, and all images that it has learnt from by now: heads, temperatures, shares and
        intervals know by them which residuals are honest.
    """
    settings, ids = job.config.training.fine_tune, job.ids
    learnt = seen_too(seen, (job.prepared.content_sha256[name] for name in ids))
    facts = [config_sha256(settings), backbone.sha256, job.splits.sha256, job.prepared.config_sha256]
    key = hashlib.sha256(json.dumps([*facts, job.config.study.seed]).encode()).hexdigest()[:16]
    file = study_folder(job.config.study.name) / f"backbone-{key}.npz"
    if file.is_file():
        return FrozenBackbone.load(file), learnt
    rows = job.table.set_index("id").loc[ids]
    films = Films(
        load=lambda number: job.prepared.load(ids[number]),
        sexes=tuple(str(sex) for sex in rows["sex"]),
        ages=rows["age_months"].to_numpy("float32"),
    )
    tuned, _ = fine_tune(backbone, films, settings, seed=job.config.study.seed, progress=stage("fine-tune backbone"))
    file.parent.mkdir(parents=True, exist_ok=True)
    tuned.save(file)
    return tuned, learnt

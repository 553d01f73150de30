"""What a study works on: usable images, the splits drawn once, and the frozen backbone's features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from boneage import stopping
from boneage.audit.duplicates import refuse_near_copies
from boneage.config import Config, SourceConfig
from boneage.data.annotations import TrainingSet, load_test, load_training
from boneage.data.splits import Splits, check_leaks, load_or_draw
from boneage.errors import BoneageError
from boneage.groups import ModelKey, Task
from boneage.learn.backbones import open_backbone
from boneage.learn.features import Features, extract
from boneage.learn.fit import Samples
from boneage.learn.frozen import FrozenBackbone
from boneage.learn.ray_features import SpreadBackbone
from boneage.learn.seen_images import SeenImages, seen_images
from boneage.paths import project_root, study_folder, workspace
from boneage.phantom.dataset import write_dataset
from boneage.preprocess.pipeline import PreparedSet, prepare_table
from boneage.study.fine_tuned import TuneJob, tuned_backbone

Progress = Callable[[int, int], None]
Stage = Callable[[str], Progress]
"""Gives the progress callable of a named stage; the caller decides how it is shown."""


def silent(_name: str) -> Progress:
    """Show nothing: the default stage."""
    return lambda _done, _total: None


@dataclass(frozen=True)
class Part:
    """Images that belong together: a table indexed by id (sex, age_months, group, source) and their features.

    `views` are those that an estimate averages (`cascade.views`).
    """

    table: pd.DataFrame
    features: Features
    content_sha256: dict[str, str]
    views: tuple[str, ...] = ("original",)

    def samples(self, ids: tuple[str, ...], view: str | None = None) -> Samples:
        """Return features (N, D) float32, ages in months (N,) and groups (N,) of some ids, in their order.

        Without a view the features are those that the cascade estimates from: the average over its views.
        """
        rows, views = self.table.loc[list(ids)], self.views if view is None else (view,)
        matrices = [np.asarray(self.features.matrix(list(ids), name), np.float32) for name in views]
        return Samples(
            features=matrices[0] if len(matrices) == 1 else np.asarray(np.mean(matrices, axis=0)),
            ages=rows["age_months"].to_numpy(np.float32),
            groups=rows["group"].to_numpy(np.int64),
        )


@dataclass(frozen=True)
class Materials:
    """Everything that the ten models of a study are made from; `seen` are the images that the backbone learnt from."""

    config: Config
    part: Part
    splits: Splits
    backbone: FrozenBackbone
    problems: pd.DataFrame
    test: Part | None
    seen: SeenImages = SeenImages(frozenset())

    def ids(self, key: ModelKey, among: tuple[str, ...]) -> tuple[str, ...]:
        """Return those ids that a model concerns: its sex and, for a regressor, its true age group."""
        rows = self.part.table.loc[list(among)]
        wanted = rows["sex"] == key.sex.value
        if key.task is Task.REGRESSOR:
            wanted &= rows["group"] == key.group
        return tuple(rows.index[wanted])

    def training_views(self, ids: tuple[str, ...]) -> list[Samples]:
        """Return what heads learn from: one set of samples per view of `backbone.views`, all of the same ids.

        A single view means the features that estimates are made from, which `cascade.views` may average.
        """
        views = self.config.backbone.views
        return [self.part.samples(ids, view) for view in views] if len(views) > 1 else [self.part.samples(ids)]

    def folds(self, ids: tuple[str, ...]) -> np.ndarray:
        """Return the fold number (N,) of training ids."""
        return np.array([self.splits.fold[name] for name in ids], np.int64)


def resolve_sources(config: Config, stage: Stage = silent) -> Config:
    """Draw the phantoms that a configuration asks for and make its data root absolute.

    A source with `layout = "phantom"` becomes an RSNA folder of `count` simulated hands; those already drawn are kept.
    """
    root = Path(config.data.root).expanduser() if config.data.root else workspace()
    root = root if root.is_absolute() else project_root() / root
    sources = tuple(_drawn(source, root, stage) for source in config.data.sources)
    return replace(config, data=replace(config.data, root=str(root), sources=sources))


def _drawn(source: SourceConfig, root: Path, stage: Stage) -> SourceConfig:
    if source.layout != "phantom":
        return source
    write_dataset(root / source.path, source.count, source.seed, progress=stage(f"draw {source.name}"))
    return replace(source, layout="rsna")


def gather(config: Config, stage: Stage = silent, ray: str = "") -> Materials:
    """Read, prepare, split and push every image through the backbone once; all of it cached and resumable.

    Args:
        config: The study.
        stage: Gives the progress callable of a named stage.
        ray: The address of a Ray cluster that prepares and computes features; "" to do it here.

    Raises:
        BoneageError: when a source cannot be read, nothing usable is left, or a picture stands in two sets.
        KeyboardInterrupt: after the image or batch under way, when Ctrl-C was pressed.
    """
    stage = stopping.watched(stage)
    stopping.check()
    resolved = resolve_sources(config, stage)
    training, prepared = _usable(load_training(resolved.data), resolved, stage, ray)
    test = load_test(resolved.data)
    splits = load_or_draw(study_folder(config.study.name) / "splits.json", training, resolved.data, config.study.seed)
    test_prepared = None
    if len(test.table):
        test_prepared = _prepare(test.table, config, stage("prepare test images"), ray)
    check_leaks(splits, prepared.content_sha256, test_prepared.content_sha256.values() if test_prepared else ())
    _refuse_near_copies(splits, (training.table, prepared), (test.table, test_prepared))
    backbone, seen = open_backbone(config.backbone, config.preprocess.size), seen_images(config.backbone)
    if config.training.fine_tune.from_block:
        backbone, seen = tuned_backbone(TuneJob(config, training.table, prepared, splits), backbone, seen, stage)
    spread = SpreadBackbone(backbone, ray) if ray else backbone
    part = _part(training.table, prepared, spread, config, stage("features"))
    problems, test_part = [training.problems, test.problems], None
    if test_prepared is not None:
        problems.append(test_prepared.problems)
        readable = test.table[test.table["id"].isin(test_prepared.content_sha256)].reset_index(drop=True)
        test_part = _part(readable, test_prepared, spread, config, stage("test features"))
    return Materials(config, part, splits, backbone, pd.concat(problems, ignore_index=True), test_part, seen)


def _refuse_near_copies(
    splits: Splits, training: tuple[pd.DataFrame, PreparedSet], test: tuple[pd.DataFrame, PreparedSet | None]
) -> None:
    """Stop where a film is, in another form, in two of training, validation and test."""
    table, prepared = training
    films = {"training": splits.train, "validation": splits.validation}
    sets = {name: (table, {key: prepared.fingerprints.get(key, "") for key in ids}) for name, ids in films.items()}
    if test[1] is not None:
        sets["test"] = (test[0], test[1].fingerprints)
    refuse_near_copies(sets)


def _prepare(table: pd.DataFrame, config: Config, progress: Progress, ray: str) -> PreparedSet:
    return prepare_table(table, config.preprocess, workspace() / "prepared", progress=progress, ray=ray)


def _usable(training: TrainingSet, config: Config, stage: Stage, ray: str) -> tuple[TrainingSet, PreparedSet]:
    """Prepare the images; those that cannot be read leave the table and join the problems."""
    prepared = _prepare(training.table, config, stage("prepare images"), ray)
    table = training.table[training.table["id"].isin(prepared.content_sha256)].reset_index(drop=True)
    if table.empty:
        raise BoneageError(
            f"no usable image under {config.data.root}: {len(training.problems)} rows were refused; "
            "run `boneage audit CONFIG` to see the reasons"
        )
    problems = pd.concat([training.problems, prepared.problems], ignore_index=True)
    return replace(training, table=table, problems=problems), prepared


def _part(
    table: pd.DataFrame,
    prepared: PreparedSet,
    backbone: FrozenBackbone | SpreadBackbone,
    config: Config,
    progress: Progress,
) -> Part:
    ids, views = list(table["id"]), config.cascade.views
    wanted = tuple(dict.fromkeys((*config.backbone.views, *views)))
    features = extract(prepared, ids, backbone, wanted, workspace() / "features", progress=progress)
    hashes = {name: prepared.content_sha256[name] for name in ids}
    return Part(table.set_index("id"), features, hashes, views)

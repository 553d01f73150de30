"""Gather what a study works on: usable images, the splits drawn once, and the frozen backbone's features."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from boneage import stopping
from boneage.audit.duplicates import refuse_near_copies
from boneage.config import BackboneConfig, Config, SourceConfig, config_sha256
from boneage.data.annotations import TrainingSet, load_test, load_training, read_row
from boneage.data.flags import pixels_sha256
from boneage.data.splits import Splits, check_leaks, draw_folds, load_or_draw
from boneage.errors import BoneageError
from boneage.learn.backbones import open_backbone
from boneage.learn.features import Features, SpreadBackbone, extract
from boneage.learn.finetune import Films, fine_tune
from boneage.learn.fit import Samples
from boneage.learn.frozen import FrozenBackbone
from boneage.learn.seen_images import SeenImages, seen_images, seen_too
from boneage.paths import project_root, study_folder, workspace
from boneage.phantom.dataset import write_dataset
from boneage.preprocess.pipeline import PreparedSet, prepare_table
from boneage.regions.ages import RegionalAges
from boneage.stopping import Progress

Stage = Callable[[str], Progress]
"""Gives the progress callable of a named stage; the caller decides how it is shown."""


def silent(_name: str) -> Progress:
    """Show nothing: the default stage."""
    return lambda _done, _total: None


@dataclass(frozen=True)
class Part:
    """Annotation table of some images, indexed by id (sex, age_months, group, source), and their features.

    `views` are those that an estimate averages (`cascade.views`); `regional` reads the ages of the regions of some ids'
    hands, float32 (N, COLUMNS), where the study wants them: of few images, so when they are asked for.
    """

    table: pd.DataFrame
    features: Features
    content_sha256: dict[str, str]
    views: tuple[str, ...] = ("original",)
    regional: Callable[[tuple[str, ...]], np.ndarray] | None = None

    def served(self, ids: tuple[str, ...]) -> np.ndarray:
        """Return the features of some ids as `Cascade.pooled` gives them: regional ages in further columns."""
        features = self.samples(ids).features
        return features if self.regional is None else np.hstack([features, self.regional(ids)])

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
    """Data, splits and backbone that a study trains its models from.

    `seen` are the images the backbone learnt from; `doubtful` what was noted of training and validation films by id,
    such as a doubtful mask.
    """

    config: Config
    part: Part
    splits: Splits
    backbone: FrozenBackbone
    problems: pd.DataFrame
    test: Part | None
    seen: SeenImages = SeenImages(frozenset())
    doubtful: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def training_views(self, ids: tuple[str, ...]) -> list[Samples]:
        """Return the training samples of some ids in every view of `backbone.views`.

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
    root = project_root() / (Path(config.data.root).expanduser() if config.data.root else workspace())
    sources = tuple(_drawn(source, root, stage) for source in config.data.sources)
    return replace(config, data=replace(config.data, root=str(root), sources=sources))


def _drawn(source: SourceConfig, root: Path, stage: Stage) -> SourceConfig:
    if source.layout != "phantom":
        return source
    write_dataset(root / source.path, source.count, source.seed, progress=stage(f"draw {source.name}"))
    return replace(source, layout="rsna")


def gather(config: Config, stage: Stage = silent, ray: str = "", only: TrainingSet | None = None) -> Materials:
    """Read, prepare, split and push every image through the backbone once; all of it cached and resumable.

    Args:
        config: The study.
        stage: Gives the progress callable of a named stage.
        ray: The address of a Ray cluster that prepares and computes features; "" to do it here.
        only: These images in place of the configured ones, all of them in folds and none for validation.

    Raises:
        BoneageError: when a source cannot be read, nothing usable is left, or a picture stands in two sets.
        KeyboardInterrupt: after the image or batch under way, when Ctrl-C was pressed.
    """
    stage = stopping.watched(stage)
    stopping.check()
    resolved = resolve_sources(config, stage)
    work = _Gathering(resolved, stage, ray)
    training, prepared = work.usable(only or load_training(resolved.data))
    test, test_prepared = load_test(resolved.data), None
    splits = draw_folds(training, resolved.data, config.study.seed) if only else _splits(training, resolved)
    if len(test.table):
        test_prepared = work.prepare(test.table, "prepare test images")
    check_leaks(splits, prepared.content_sha256, test_prepared.content_sha256.values() if test_prepared else ())
    _refuse_near_copies(splits, (training.table, prepared), (test.table, test_prepared))
    backbone, seen = open_backbone(config.backbone, config.preprocess.size), seen_images(config.backbone)
    if config.training.fine_tune.from_block:
        backbone, seen = work.tune(backbone, seen, training.table, prepared, splits)
    spread = SpreadBackbone(backbone, ray) if ray else backbone
    part = work.part(training.table, prepared, spread, "features")
    problems, test_part = [training.problems, test.problems], None
    if test_prepared is not None:
        problems.append(test_prepared.problems)
        test_part = work.part(_readable(test.table, test_prepared), test_prepared, spread, "test features")
    left_out = pd.concat(problems, ignore_index=True)
    return Materials(config, part, splits, backbone, left_out, test_part, seen, prepared.warnings)


def part_table(config: Config, part: str, stage: Stage = silent) -> pd.DataFrame:
    """Return the annotation table of a study's `train` or `validation` part.

    Raises:
        BoneageError: when the part has no image.
    """
    config = resolve_sources(config, stage)
    training = load_training(config.data)
    splits = _splits(training, config)
    table = training.table[training.table["id"].isin(splits.validation if part == "validation" else splits.train)]
    if table.empty:
        raise BoneageError.of("study.no_part", study=config.study.name, part=part)
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


def _splits(training: TrainingSet, config: Config) -> Splits:
    """Read a study's splits; draw them where there are none."""
    return load_or_draw(study_folder(config.study.name) / "splits.json", training, config.data, config.study.seed)


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


def _readable(table: pd.DataFrame, prepared: PreparedSet) -> pd.DataFrame:
    """Return the rows whose images could be prepared."""
    return table[table["id"].isin(prepared.content_sha256)].reset_index(drop=True)


@dataclass(frozen=True)
class _Gathering:
    """The steps of `gather` for one study, its stages and its Ray cluster ("" for none)."""

    config: Config
    stage: Stage
    ray: str

    def prepare(self, table: pd.DataFrame, name: str) -> PreparedSet:
        """Prepare the images of a table."""
        folder, progress = workspace() / "prepared", self.stage(name)
        return prepare_table(table, self.config.preprocess, folder, progress=progress, ray=self.ray)

    def usable(self, training: TrainingSet) -> tuple[TrainingSet, PreparedSet]:
        """Prepare the training images; those that cannot be read leave the table and join the problems."""
        prepared = self.prepare(training.table, "prepare images")
        table = _readable(training.table, prepared)
        if table.empty:
            raise BoneageError.of("study.no_image", folder=self.config.data.root, count=len(training.problems))
        problems = pd.concat([training.problems, prepared.problems], ignore_index=True)
        return replace(training, table=table, problems=problems), prepared

    def tune(
        self, backbone: FrozenBackbone, seen: SeenImages, table: pd.DataFrame, prepared: PreparedSet, splits: Splits
    ) -> tuple[FrozenBackbone, SeenImages]:
        """Fine-tune the backbone on all folds but one, or load what an earlier run of the same study tuned.

        Returns:
            The backbone, frozen again, and all images that it has learnt from by now: heads, temperatures, shares and
            intervals know by them which residuals are honest.
        """
        settings, study = self.config.training.fine_tune, self.config.study
        ids = [name for name in splits.train if splits.fold[name] != settings.fold]
        learnt = seen_too(seen, (prepared.content_sha256[name] for name in ids))
        facts = [config_sha256(settings), backbone.sha256, splits.sha256, prepared.config_sha256, study.seed]
        key = hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]
        file = study_folder(study.name) / f"backbone-{key}.npz"
        if file.is_file():
            return FrozenBackbone.load(file), learnt
        rows = table.set_index("id").loc[ids]
        sexes, ages = tuple(str(sex) for sex in rows["sex"]), rows["age_months"].to_numpy("float32")
        films, progress = Films(lambda i: prepared.load(ids[i]), sexes, ages), self.stage("fine-tune backbone")
        tuned, _ = fine_tune(backbone, films, settings, seed=study.seed, progress=progress)
        file.parent.mkdir(parents=True, exist_ok=True)
        tuned.save(file)
        return tuned, learnt

    def part(
        self, table: pd.DataFrame, prepared: PreparedSet, backbone: FrozenBackbone | SpreadBackbone, name: str
    ) -> Part:
        """Compute the features of prepared images in every configured view."""
        ids, views = list(table["id"]), self.config.cascade.views
        wanted = tuple(dict.fromkeys((*self.config.backbone.views, *views)))
        features = extract(prepared, ids, backbone, wanted, workspace() / "features", progress=self.stage(name))
        hashes = {name: prepared.content_sha256[name] for name in ids}
        regional = None
        if self.config.cascade.regions:
            regional = partial(_regional_ages, prepared, self.stage(f"{name}: regions"))
        return Part(table.set_index("id"), features, hashes, views, regional)


def _regional_ages(prepared: PreparedSet, progress: Progress, ids: tuple[str, ...]) -> np.ndarray:
    """Read the ages of the regions of prepared images, or find them in the cache."""
    cache = workspace() / "features"
    return extract(prepared, ids, RegionalAges(), ("original",), cache, progress=progress).matrix(ids)

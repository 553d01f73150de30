"""The paper's preliminary tests: the same films, heads and folds over several backbones, error beside cost.

Every backbone's ten heads are cross-validated with the configuration's hyperparameters, and its cascade estimates each
film by the heads of the fold that held it out. Errors are compared on the films that none of the backbones had learnt
from. A head is stopped by the fold that it is judged on, as in the study, so all errors look a little small, alike.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from boneage import stopping
from boneage.config import BackboneConfig, Config, FineTuneConfig
from boneage.data.annotations import TrainingSet, fixed_validation, load_training, read_row, stratified
from boneage.data.flags import pixels_sha256
from boneage.errors import BoneageError
from boneage.learn.backbone_table import BACKBONES, EMBEDDED, find
from boneage.learn.frozen import FrozenBackbone
from boneage.learn.graph_backbone import GraphBackbone
from boneage.learn.seen_images import SeenImages, seen_images
from boneage.study.ablation import SampleSet, ablation_frame, ablation_table
from boneage.study.cross_validated import CrossValidated, cross_validate_cascade
from boneage.study.materials import Stage, gather, resolve_sources, silent
from boneage.weights.files import lies_at

ROUNDS = 9
RANDOM = "none"


@dataclass(frozen=True)
class Comparison:
    """Backbones on the same films.

    Attributes:
        table: a row per backbone: `backbone`, `input_px`, `features`, `parameters_million`, `megabytes`,
            `ms_per_image`, `mae_months` with `low` and `high`, `group_accuracy`, and the paired difference to the first
            backbone, `minus_first` with `minus_low` and `minus_high` (95 % bootstrap intervals).
        frame: a row per film: `sex`, `true_months`, `true_group`, and `<backbone>_months`.
        split_sha256: of the folds.
        left_out: films that were left out of the errors, because one of the backbones or more had learnt from them.
    """

    table: pd.DataFrame
    frame: pd.DataFrame
    split_sha256: str
    left_out: int


def backbone_of(words: str, config: Config) -> BackboneConfig:
    """Read `NAME` or `NAME:WEIGHTS`; without weights the shipped ones, or ImageNet's.

    Raises:
        BackboneError: when the name is unknown.
    """
    name, _, weights = words.partition(":")
    row = find(name)
    weights = weights or ("asset" if row.name in EMBEDDED else "imagenet")
    return BackboneConfig(row.name, weights, batch_size=config.backbone.batch_size, views=config.backbone.views)


def available() -> list[str]:
    """Return the backbones whose weights are here, and one with random weights as the floor."""
    published = [row.name for row in BACKBONES.values() if row.imagenet and lies_at(row.imagenet)]
    trained = [f"{name}:asset" for name in EMBEDDED]
    return [*trained, *(f"{name}:imagenet" for name in published), f"EfficientNetLite0:{RANDOM}"]


def compare_backbones(
    config: Config, backbones: Sequence[BackboneConfig], stage: Stage = silent, films: int = 0
) -> Comparison:
    """Compare backbones on a study's training images, out of fold.

    Args:
        config: the study; of its backbone only the views count.
        backbones: at least two different ones.
        stage: gives a progress callable per stage.
        films: take so many training images that none of the backbones had learnt from, of every sex and group the same
            share, and no others; 0 for the study's training part as it is.

    Raises:
        BoneageError: when there are fewer than two backbones or too few such images, or weights are missing.
        KeyboardInterrupt: after the image, batch or fold under way, when Ctrl-C was pressed.
    """
    named = {label(each): each for each in backbones}
    if len(named) < 2:
        raise BoneageError.of("compare.few_backbones", named=", ".join(named) or "none")
    seen = SeenImages(frozenset[int]().union(*(seen_images(each).prefixes for each in named.values())))
    only = unseen_training(config, seen, films, stage) if films else None
    found, costs, sha256, images = {}, [], "", 0
    for name, backbone in named.items():
        plain = replace(config.training, fine_tune=FineTuneConfig())
        materials = replace(gather(replace(config, backbone=backbone, training=plain), stage, only=only), seen=seen)
        found[name] = cross_validate_cascade(materials, stopping.watched(stage)(f"models on {name}"))
        costs.append({"backbone": name, **measure_cost(materials.backbone, config.preprocess.size)})
        sha256, images = materials.splits.sha256, len(materials.splits.train)
    frame = _frame(found)
    errors = ablation_table(frame, next(iter(named)), "minus_first").rename(columns={"variant": "backbone"})
    table = pd.DataFrame(costs).merge(errors.drop(columns=["accuracy_low", "accuracy_high"]), on="backbone")
    return Comparison(table, frame, sha256, images - len(frame))


def unseen_training(config: Config, seen: SeenImages, count: int, stage: Stage = silent) -> TrainingSet:
    """Draw training images that are not among those seen, the same share of every sex and group; the same every time.

    Images of a fixed validation set are not drawn, since nothing may be chosen by them, nor those that cannot be read.

    Raises:
        BoneageError: when there are not so many.
    """
    data = resolve_sources(config, stage).data
    training = load_training(data)
    table = training.table[~training.table["id"].isin(fixed_validation(data))]
    kept, progress = list[object](), stage("look for unseen images")
    for number, row in stratified(table).iterrows():
        if len(kept) == count:
            break
        try:
            sha256 = pixels_sha256(read_row(row))
        except BoneageError:
            continue
        if not seen.saw(sha256):
            kept.append(number)
            progress(len(kept), count)
    if len(kept) < count:
        raise BoneageError.of("compare.few_unseen", wanted=count, found=len(kept))
    return replace(training, table=table.loc[kept].reset_index(drop=True))


def label(backbone: BackboneConfig) -> str:
    """Return how a backbone is named in the table."""
    return f"{backbone.name}:{backbone.weights}"


def _frame(found: dict[str, CrossValidated]) -> pd.DataFrame:
    """Put the estimates of the same films side by side; a film that one cascade could not estimate is left out."""
    first = next(iter(found.values()))
    known = np.all([np.isfinite(one.routed.ages) for one in found.values()], axis=0)
    films = SampleSet(first.held.samples, np.array([str(sex) for sex in first.held.sexes]))
    frame = ablation_frame(films, {name: one.routed.ages for name, one in found.items()})
    return frame[known].reset_index(drop=True)


def measure_cost(backbone: FrozenBackbone, image_size: int) -> dict[str, float]:
    """Measure a backbone as it would be served: by ONNX Runtime on one core, one film at a time.

    Returns:
        `input_px`, `features`, `parameters_million`, `megabytes` (the saved weights, 10^6 bytes) and `ms_per_image`
        (processor time, the median of several).
    """
    film = np.random.default_rng(0).integers(0, 256, (1, image_size, image_size), np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        weights, graph = backbone.save(Path(folder) / "b.npz"), backbone.save_graph(Path(folder) / "b.onnx")
        served = GraphBackbone(weights, graph, threads=1)
        megabytes = weights.stat().st_size / 1e6
        served.pooled(film)  # the first one also allocates
        seconds = [_processor_seconds(served, film) for _ in range(ROUNDS)]
    return {
        "input_px": backbone.input_size,
        "features": backbone.features,
        "parameters_million": sum(weight.size for weight in backbone.model.get_weights()) / 1e6,
        "megabytes": megabytes,
        "ms_per_image": 1000 * statistics.median(seconds),
    }


def _processor_seconds(served: GraphBackbone, film: np.ndarray) -> float:
    begun = time.process_time()
    served.pooled(film)
    return time.process_time() - begun

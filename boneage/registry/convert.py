"""Give a cascade of before graphs travelled along a graph for serving: a new version with the same weights and ages."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from boneage.cascade.bundle import BACKBONE_FILE, GRAPH_FILE, HEADS_GRAPH_FILE, load_bundle, read_bundle, save_bundle
from boneage.cascade.parity import Films
from boneage.groups import MAX_AGE_MONTHS, ModelKey, Sex
from boneage.needs import import_keras_quietly
from boneage.phantom.hand import draw
from boneage.registry.checks import STRESS_TAG
from boneage.registry.lineage import validation_metrics
from boneage.registry.opening import bundle_folder
from boneage.registry.packaging import CARD_FILE
from boneage.registry.register import Submission, register_cascade
from boneage.registry.validation import read_validation
from boneage.registry.versions import RegistryError, VersionInfo, cascade_name, version_folder
from boneage.tracking.store import single_run

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from boneage.cascade.cascade import Cascade

DRAWN = 24
_KEPT_TAGS = ("backbone_saw_images", STRESS_TAG)


def convert_version(
    client: MlflowClient, info: VersionInfo, films: Iterable[tuple[np.ndarray, str]] | None = None
) -> int:
    """Register a version again, with a graph that ONNX Runtime serves; return the new version's number.

    Weights, heads, figures and validation table stay; the graph is compared with Keras before anything is registered.

    Args:
        client: an open client.
        info: a cascade's version without a graph.
        films: radiographs uint8 (H, W) and sexes to compare on; by default drawn hands of all ages.

    Raises:
        RegistryError: when the version has a graph already, or the graph gives other ages.
        MissingPartError: when Keras is not installed.
    """
    bundle = bundle_folder(client, info)
    if {GRAPH_FILE, HEADS_GRAPH_FILE} <= read_bundle(bundle).values["files"].keys():
        raise RegistryError.of("registry.has_graph", name=info.name, version=info.version)
    import_keras_quietly()
    from boneage.learn.frozen import FrozenBackbone

    cascade = replace(load_bundle(bundle), backbone=FrozenBackbone.load(bundle / BACKBONE_FILE))
    lineage = {"converted_from": str(info.version)}
    with (
        tempfile.TemporaryDirectory() as temporary,
        single_run(client, "conversion", "conversion", {"level": "conversion", **lineage}) as run_id,
    ):
        submission = Submission(
            bundle=save_bundle(cascade, Path(temporary) / "cascade", _prepared(cascade, films or drawn_films())),
            run_id=run_id,
            card=(version_folder(client, info) / CARD_FILE).read_text(encoding="utf-8"),
            metrics=validation_metrics(client, info),
            validation=read_validation(client, info),
            pinned={ModelKey.parse(name): version for name, version in info.heads.items()},
            prefix=info.name.removesuffix(cascade_name("")),
            tags={**lineage, **{name: info.tags[name] for name in _KEPT_TAGS if name in info.tags}},
        )
        return register_cascade(client, submission)


def drawn_films() -> list[tuple[np.ndarray, str]]:
    """Return drawn hands of all ages and both sexes."""
    ages = np.linspace(0, MAX_AGE_MONTHS, DRAWN)
    sexes = [list(Sex)[number % 2] for number in range(DRAWN)]
    return [
        (draw(float(age), sex, seed=seed).image, str(sex))
        for seed, (age, sex) in enumerate(zip(ages, sexes, strict=True))
    ]


def _prepared(cascade: Cascade, films: Iterable[tuple[np.ndarray, str]]) -> Films:
    images, sexes = zip(*((cascade.preparer.prepare(film).image, sex) for film, sex in films), strict=True)
    return Films(np.stack(images), sexes)

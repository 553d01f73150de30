"""Register a cascade with its ten heads in the MLflow model registry, and load a registered one."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from boneage.cascade.bundle import read_bundle
from boneage.config import config_sha256
from boneage.groups import ALL_MODELS, ModelKey
from boneage.registry.opening import bundle_folder as bundle_folder
from boneage.registry.opening import load_cascade as load_cascade
from boneage.registry.packaging import CARD_FILE, VALIDATION_FILE, cascade_package, head_package, register
from boneage.registry.validation import VALIDATION_TAG, table_text, text_sha256
from boneage.registry.versions import (
    CHALLENGER,
    HEAD_TAG,
    MAE_TAG,
    STATUS_TAG,
    RegistryError,
    cascade_name,
    head_name,
)
from boneage.tracking.environment import code_tags
from boneage.tracking.values import key_tags, rename_metrics

if TYPE_CHECKING:
    from mlflow import MlflowClient


@dataclass(frozen=True)
class Submission:
    """A cascade that is ready to be registered.

    Attributes:
        bundle: the folder that `save_bundle` wrote.
        run_id: the study's run.
        card: the model card, markdown.
        metrics: the cascade's figures on the study's validation images, as `evaluate_estimates` names them.
        validation: per-image estimates on those images (`validation_table`); the promotion gate rests on them.
        head_runs: the run of each head's final training; a head without one belongs to the study's run.
        pinned: heads that are registered already, with their versions; they are not registered again.
        prefix: prefix of all registered names.
        tags: further tags of the cascade's version.
    """

    bundle: Path
    run_id: str
    card: str
    metrics: Mapping[str, float]
    validation: pd.DataFrame
    head_runs: Mapping[ModelKey, str] = field(default_factory=dict)
    pinned: Mapping[ModelKey, int] = field(default_factory=dict)
    prefix: str = "boneage"
    tags: Mapping[str, str] = field(default_factory=dict)


def register_cascade(client: MlflowClient, submission: Submission) -> int:
    """Register the heads and the cascade that pins all ten; the cascade becomes the `challenger`. Return its version.

    Raises:
        BundleError: when the bundle is damaged.
        RegistryError: when the validation table is not one, or the graph for serving was never compared with the
            network that it was made from, or gives other ages.
    """
    content = read_bundle(submission.bundle)
    _refuse_unproven(content.values)
    common = {
        STATUS_TAG: "pending",
        "study": content.config.study.name,
        "config_sha256": str(content.values.get("config_sha256") or config_sha256(content.config)),
        **{name: value for name, value in code_tags().items() if name in {"code_version", "mlflow.source.git.commit"}},
    }
    table = table_text(submission.validation)
    heads = _register_heads(client, submission, content.values["heads"], common)
    tags = {
        **common,
        **{f"{HEAD_TAG}{key.name}": str(version) for key, version in heads.items()},
        VALIDATION_TAG: text_sha256(table),
        "bundle_sha256": str(content.values["sha256"]),
        **_graph_tags(content.values.get("graph")),
        **submission.tags,
    }
    if "mae_months" in submission.metrics:
        tags[MAE_TAG] = f"{submission.metrics['mae_months']:.4f}"
    name = cascade_name(submission.prefix)
    package = cascade_package(
        name,
        submission.run_id,
        submission.bundle,
        description=submission.card,
        tags=tags,
        metrics=rename_metrics("validation_{}", submission.metrics),
        files={CARD_FILE: submission.card, VALIDATION_FILE: table},
    )
    version = register(client, package)
    client.set_registered_model_alias(name, CHALLENGER, str(version))
    return version


def _graph_tags(proof: Mapping[str, float] | None) -> dict[str, str]:
    """Say in tags how the graph for serving compares with its network."""
    return {f"graph_{name}": f"{value:g}" for name, value in (proof or {}).items()}


def _refuse_unproven(values: Mapping[str, Any]) -> None:
    """Refuse a bundle whose graph is not known to give the ages of its own network; one without a graph has none."""
    from boneage.cascade.bundle import GRAPH_FILE
    from boneage.cascade.parity import LARGEST_MONTHS

    if GRAPH_FILE not in values["files"]:
        return
    proof = values.get("graph")
    if not proof or proof["films"] < 1:
        raise RegistryError.of("registry.graph_unproven")
    if not proof["largest_difference_months"] <= LARGEST_MONTHS:
        raise RegistryError.of(
            "registry.graph_differs",
            months=proof["largest_difference_months"],
            films=proof["films"],
            limit=LARGEST_MONTHS,
        )


def _register_heads(
    client: MlflowClient, submission: Submission, heads: Mapping[str, Mapping[str, object]], common: Mapping[str, str]
) -> dict[ModelKey, int]:
    versions = dict(submission.pinned)
    for key, version in versions.items():
        client.set_registered_model_alias(head_name(submission.prefix, key), CHALLENGER, str(version))
    with tempfile.TemporaryDirectory() as folder:
        for key in (key for key in ALL_MODELS if key not in versions):
            entry = heads[key.name]
            package = head_package(
                head_name(submission.prefix, key),
                submission.head_runs.get(key, submission.run_id),
                key,
                submission.bundle / str(entry["file"]),
                Path(folder),
                parameters=entry["parameters"],
                tags={**common, **key_tags(key)},
                description=f"The head `{key.name}`: it takes the pooled features of its cascade's backbone.",
            )
            versions[key] = register(client, package)
            client.set_registered_model_alias(package.name, CHALLENGER, str(versions[key]))
    return versions

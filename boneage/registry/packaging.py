"""Model folders as MLflow stores them, written without pickle and logged through a client alone.

`mlflow.pyfunc.log_model` works on the process's global tracking URI and active run; here the same steps are taken with
the client that was given, so that tests, workers and several stores in one process never get in each other's way.
"""

from __future__ import annotations

import contextlib
import json
import logging
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from boneage.cascade.estimate import COMPARISON_FIELDS
from boneage.groups import AGE_GROUPS, ModelKey, Task
from boneage.registry.description import card_description
from boneage.registry.serving import REGISTERED_FILE, head_description
from boneage.tracking.environment import package_versions
from boneage.tracking.values import to_metrics

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec
    from mlflow.types.schema import Object

CARD_FILE = "card.md"
VALIDATION_FILE = "validation.csv"
_HERE = Path(__file__).resolve().parent
# The shortest text column that every database behind MLflow gives a description.
_LONGEST_DESCRIPTION = 5000


@dataclass(frozen=True)
class Package:
    """One model to register.

    Attributes:
        name: the registered model's name.
        run_id: the run that made it.
        code: the models-from-code file.
        artifacts: name -> file or folder that travels with the model.
        signature: its inputs and outputs.
        description: markdown, shown in MLflow.
        tags: tags of the version and of the logged model.
        metrics: figures shown with the logged model.
        files: further small files laid beside the model: name -> text.
    """

    name: str
    run_id: str
    code: Path
    artifacts: Mapping[str, Path]
    signature: ModelSignature
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)


def register(client: MlflowClient, package: Package) -> int:
    """Log a model to its run and register it as the next version of its name; return the version."""
    from mlflow.exceptions import MlflowException

    model = _log(client, package)
    try:
        client.create_registered_model(package.name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    created = client.create_model_version(
        package.name,
        source=model.artifact_location,
        run_id=package.run_id,
        tags=dict(package.tags),
        description=card_description(package.description, _LONGEST_DESCRIPTION, CARD_FILE),
        model_id=model.model_id,
    )
    version = int(created.version)
    _note_registration(client, model, package.name, version)
    return version


def cascade_package(name: str, run_id: str, bundle: Path, **details: Any) -> Package:
    """Describe a cascade for `register`; `details` are further fields of `Package`."""
    return Package(name, run_id, _HERE / "served_model.py", {"bundle": bundle}, _cascade_signature(), **details)


def head_package(name: str, run_id: str, key: ModelKey, weights: Path, folder: Path, **details: Any) -> Package:
    """Describe one head for `register`; its description file is written to `folder` (`parameters` among `details`)."""
    description = folder / f"{key.name}.json"
    description.write_text(head_description(key, details.pop("parameters")), encoding="utf-8")
    signature = _head_signature(key, weights)
    artifacts = {"weights": weights, "head": description}
    return Package(name, run_id, _HERE / "served_head.py", artifacts, signature, **details)


def requirements() -> list[str]:
    """Return the pinned packages that a served model needs (given explicitly: inference by MLflow takes minutes)."""
    return [f"{name}=={version}" for name, version in package_versions().items() if name not in {"boneage", "optuna"}]


def _log(client: MlflowClient, package: Package) -> LoggedModel:
    import mlflow.pyfunc
    from mlflow.entities import LoggedModelOutput
    from mlflow.models import Model

    experiment_id = client.get_run(package.run_id).info.experiment_id
    model = client.create_logged_model(experiment_id, package.name, package.run_id, dict(package.tags))
    written = Model(model.artifact_location, package.run_id, model_id=model.model_id, model_uuid=model.model_id)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model"
        with _without_advice():
            mlflow.pyfunc.save_model(
                path=str(path),
                python_model=str(package.code),
                artifacts={name: str(source) for name, source in package.artifacts.items()},
                signature=package.signature,
                pip_requirements=requirements(),
                mlflow_model=written,
            )
        for name, text in package.files.items():
            (path / name).write_text(text, encoding="utf-8")
        client.log_model_artifacts(model.model_id, str(path))
    client.log_outputs(package.run_id, [LoggedModelOutput(model.model_id, 0)])
    if package.metrics:
        client.log_batch(package.run_id, metrics=to_metrics(package.metrics, model_id=model.model_id))
    return client.finalize_logged_model(model.model_id, "READY")


@contextlib.contextmanager
def _without_advice() -> Iterator[None]:
    """Silence MLflow's advice (an input example, type hints): the signature here is explicit."""
    logger = logging.getLogger("mlflow.pyfunc")
    before = logger.level
    logger.setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UserWarning, module="mlflow")
        try:
            yield
        finally:
            logger.setLevel(before)


def _note_registration(client: MlflowClient, model: LoggedModel, name: str, version: int) -> None:
    """Lay name and version beside the model, so that what it answers can say which version answered."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / REGISTERED_FILE
        file.write_text(json.dumps({"model_name": name, "model_version": version}), encoding="utf-8")
        client.log_model_artifact(model.model_id, str(file))
    # The link from the logged model to its version, which a server sets by itself.
    link = json.dumps([{"name": name, "version": version}])
    client.set_logged_model_tags(model.model_id, {"mlflow.modelVersions": link})


def _cascade_signature() -> ModelSignature:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema
    from mlflow.types.schema import Array

    inputs = [
        ColSpec(DataType.binary, "image"),
        ColSpec(DataType.string, "sex"),
        ColSpec(DataType.string, "age_range", required=False),
        ColSpec(DataType.boolean, "anyway", required=False),
        ColSpec(DataType.boolean, "reasons", required=False),
        ColSpec(DataType.double, "chronological_months", required=False),
        ColSpec(DataType.string, "table", required=False),
    ]
    outputs = [
        ColSpec(DataType.string, "sex"),
        ColSpec(DataType.string, "age_range", required=False),
        ColSpec(DataType.double, "bone_age_months"),
        ColSpec(DataType.double, "low_months", required=False),
        ColSpec(DataType.double, "high_months", required=False),
        ColSpec(DataType.long, "group"),
        ColSpec(Array(DataType.double), "group_probabilities"),
        ColSpec(DataType.string, "routing"),
        ColSpec(DataType.string, "model"),
        ColSpec(DataType.string, "version"),
        ColSpec(Array(DataType.string), "warnings"),
        ColSpec(DataType.double, "hard_months", required=False),
        ColSpec(Array(DataType.string), "warning_codes", required=False),
        ColSpec(Array(_expert()), "experts", required=False),
        ColSpec(Array(_similar_case()), "similar_cases", required=False),
        *_comparison(),
    ]
    return ModelSignature(Schema(inputs), Schema(outputs))


def _comparison() -> list[ColSpec]:
    from mlflow.types import ColSpec, DataType

    words = {"table", "verdict", "table_note", "table_provenance", "comparison"}
    kinds = {name: DataType.string if name in words else DataType.double for name in COMPARISON_FIELDS}
    return [ColSpec(kind, name, required=False) for name, kind in kinds.items()]


def _expert() -> Object:
    from mlflow.types import DataType
    from mlflow.types.schema import Object, Property

    numbers = [Property(name, DataType.double) for name in ("weight", "months")]
    # The head for all ages belongs to no range, so the classifier gives it no probability.
    return Object(
        [Property("range", DataType.string), Property("probability", DataType.double, required=False), *numbers]
    )


def _similar_case() -> Object:
    from mlflow.types import DataType
    from mlflow.types.schema import Object, Property

    numbers = [Property(name, DataType.double) for name in ("age_months", "likeness")]
    return Object([Property("id", DataType.string), *numbers])


def _head_signature(key: ModelKey, weights: Path) -> ModelSignature:
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    with np.load(weights, allow_pickle=False) as arrays:
        matrices = (arrays[name] for name in sorted(arrays.files))
        features = next((array.shape[0] for array in matrices if array.ndim == 2), -1)
    width = len(AGE_GROUPS) if key.task is Task.CLASSIFIER else 1
    single = np.dtype(np.float32)
    return ModelSignature(Schema([TensorSpec(single, (-1, features))]), Schema([TensorSpec(single, (-1, width))]))

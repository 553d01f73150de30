"""Write model folders as MLflow stores them, without pickle, and log them through a client alone.

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
from urllib.parse import unquote, urlparse

import numpy as np

from boneage.cascade.estimate import COMPARISON_FIELDS
from boneage.files import sync_tree
from boneage.groups import AGE_GROUPS, ModelKey, Task
from boneage.registry.checklists import CHECKLISTS
from boneage.registry.serving import REGISTERED_FILE, head_description
from boneage.tracking.environment import package_versions
from boneage.tracking.values import to_metrics

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel
    from mlflow.models import ModelSignature

_COMPARISON_TEXTS = {"table", "verdict", "table_note", "table_provenance", "comparison"}
CARD_FILE = "card.md"
VALIDATION_FILE = "validation.csv"
_HERE = Path(__file__).resolve().parent
# The shortest text column that every database behind MLflow gives a description.
_LONGEST_DESCRIPTION = 5000
_SECTION = "\n\n## "
# What a description leaves out first where the whole card is too long for the store.
_LEAVE_OUT = ("Beside the paper", "Stress test", "Figures on the set", "Method", "Data", CHECKLISTS)


@dataclass(frozen=True)
class Package:
    """A model folder to register, with its files, signature and tags.

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


def _log(client: MlflowClient, package: Package) -> LoggedModel:
    import mlflow.pyfunc
    from mlflow.entities import LoggedModelOutput
    from mlflow.models import Model

    needed = {name: version for name, version in package_versions().items() if name not in {"boneage", "optuna"}}
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
                # Given explicitly: inference by MLflow takes minutes.
                pip_requirements=[f"{name}=={version}" for name, version in needed.items()],
                mlflow_model=written,
            )
        for name, text in package.files.items():
            (path / name).write_text(text, encoding="utf-8")
        client.log_model_artifacts(model.model_id, str(path))
    _sync(model)
    client.log_outputs(package.run_id, [LoggedModelOutput(model.model_id, 0)])
    if package.metrics:
        client.log_batch(package.run_id, metrics=to_metrics(package.metrics, model_id=model.model_id))
    return client.finalize_logged_model(model.model_id, "READY")


def _sync(model: LoggedModel) -> None:
    """Have a model's files on the disk before the registry, which is synced, says that they are there."""
    location = urlparse(model.artifact_location)
    if location.scheme in {"", "file"}:
        sync_tree(Path(unquote(location.path)))


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
    _sync(model)
    # The link from the logged model to its version, which a server sets by itself.
    link = json.dumps([{"name": name, "version": version}])
    client.set_logged_model_tags(model.model_id, {"mlflow.modelVersions": link})


def _cascade_signature() -> ModelSignature:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema
    from mlflow.types.schema import Array, Object, Property

    def records(kinds: Mapping[str, DataType]) -> Array:
        # The head for all ages belongs to no range, so the classifier gives it no probability.
        return Array(Object([Property(name, kind, required=name != "probability") for name, kind in kinds.items()]))

    def columns(kinds: Mapping[str, Any], needed: str) -> Schema:
        return Schema([ColSpec(kind, name, required=name in needed.split()) for name, kind in kinds.items()])

    text, months, switch = DataType.string, DataType.double, DataType.boolean
    inputs = {
        # Not `binary`: MLflow would decode the text itself, and damage a data address.
        "image": text, "sex": text, "age_range": text, "anyway": switch, "reasons": switch,
        "chronological_months": months, "table": text,
    }  # fmt: skip
    outputs = {
        "sex": text, "age_range": text, "bone_age_months": months, "low_months": months, "high_months": months,
        "group": DataType.long, "group_probabilities": Array(months), "routing": text, "model": text, "version": text,
        "warnings": Array(text), "hard_months": months, "warning_codes": Array(text),
        "regional_ages": records(
            {"region": text, "bone_age_months": months, "low_months": months, "high_months": months}
        ),
        "experts": records({"range": text, "probability": months, "weight": months, "months": months}),
        "similar_cases": records({"id": text, "age_months": months, "likeness": months}),
        **{name: text if name in _COMPARISON_TEXTS else months for name in COMPARISON_FIELDS},
        "error": text, "error_code": text,
    }  # fmt: skip
    always = "sex bone_age_months group group_probabilities routing model version warnings"
    return ModelSignature(columns(inputs, "image sex"), columns(outputs, always))


def _head_signature(key: ModelKey, weights: Path) -> ModelSignature:
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    with np.load(weights, allow_pickle=False) as arrays:
        matrices = (arrays[name] for name in sorted(arrays.files))
        features = next((array.shape[0] for array in matrices if array.ndim == 2), -1)
    width = len(AGE_GROUPS) if key.task is Task.CLASSIFIER else 1
    single = np.dtype(np.float32)
    return ModelSignature(Schema([TensorSpec(single, (-1, features))]), Schema([TensorSpec(single, (-1, width))]))


def card_description(card: str, longest: int, whole: str) -> str:
    """Return a card that a store's text column takes: whole sections leave it, the least needed first.

    Args:
        card: the model card.
        longest: how many characters the column holds.
        whole: the file that holds the whole card, named at the end where something was left out.
    """
    if len(card) <= longest:
        return card
    head, *sections = card.split(_SECTION)
    # The checklists' table goes first; the sentences around it stay.
    sections = [
        "\n\n".join(part for part in text.split("\n\n") if not (text.startswith(CHECKLISTS) and part.startswith("|")))
        for text in sections
    ]
    out = [f"the answers to {CHECKLISTS}"] if CHECKLISTS in card else []
    for heading in _LEAVE_OUT:
        text = _SECTION.join([head, *sections]).rstrip() + (_rest(out, whole) if out else "")
        if len(text) <= longest:
            return text
        out += [section.partition("\n")[0] for section in sections if section.startswith(heading)]
        sections = [section for section in sections if not section.startswith(heading)]
    tail = _rest(out or ["the rest"], whole)
    text = _SECTION.join([head, *sections]).rstrip()
    return text + tail if len(text + tail) <= longest else text[: longest - len(tail)].rsplit("\n", 1)[0] + tail


def _rest(out: list[str], whole: str) -> str:
    return f"\n\nIn `{whole}` beside the model (`boneage registry show` prints it): {'; '.join(out)}.\n"

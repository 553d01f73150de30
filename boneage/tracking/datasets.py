"""Sets of images as MLflow's dataset inputs: named, hashed by their contents, with the split's hash beside them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput, Run

CONTEXT_TAG = "mlflow.data.context"
# The longest digest that MLflow's table takes.
_LONGEST_DIGEST = 36


def set_sha256(rows: Iterable[tuple[str, str, float]]) -> str:
    """Return the hash of a set of images whatever their order: hash of the pixels, sex and age in months of each."""
    lines = sorted(f"{content} {sex} {float(age):.4f}" for content, sex, age in rows)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def dataset_input(
    name: str, sha256: str, context: str, counts: Mapping[str, Any], source: Mapping[str, str]
) -> DatasetInput:
    """Describe a set of images for `log_inputs`.

    Args:
        name: the set's name, for example `train`.
        sha256: the hash of its contents; its beginning is the digest that MLflow shows.
        context: what it is used for: `training`, `validation` or `test`.
        counts: what the UI shows as the set's profile, for example `{"images": 1078}`.
        source: where it comes from: the study, and the hash of the split that made it.
    """
    from mlflow.entities import Dataset, DatasetInput, InputTag

    profile = json.dumps(dict(counts))
    dataset = Dataset(name, sha256[:_LONGEST_DIGEST], "local", json.dumps(dict(source)), profile=profile)
    return DatasetInput(dataset, [InputTag(CONTEXT_TAG, context)])


def inputs_of(run: Run, contexts: Iterable[str]) -> list[DatasetInput]:
    """Return a run's dataset inputs of some contexts."""
    wanted, found = set(contexts), run.inputs.dataset_inputs if run.inputs else []
    return [given for given in found if any(t.key == CONTEXT_TAG and t.value in wanted for t in given.tags)]

"""Turn boneage's values into MLflow's: names, tags, metrics, parameters, sets of images; read its pages."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import is_dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from boneage.config import to_mapping
from boneage.groups import ModelKey

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput, Metric, Param, Run

ALL = "all"
CONTEXT_TAG = "mlflow.data.context"
# The longest parameter and digest of a set that MLflow's tables take.
_LONGEST_PARAM, _LONGEST_DIGEST = 6000, 36
_T = TypeVar("_T")


def now_ms() -> int:
    """Return the time in milliseconds, as MLflow wants it."""
    return int(time.time() * 1000)


def key_tags(key: ModelKey) -> dict[str, str]:
    """Return a model's tags; a classifier covers all age groups."""
    return {"task": str(key.task), "sex": str(key.sex), "age_group": str(key.group or ALL)}


def rename_metrics(pattern: str, values: Mapping[str, float]) -> dict[str, float]:
    """Rename metrics by a pattern such as `cv_val_{}_mean`, once: a name that has its `val_` keeps only that one."""
    return {pattern.format(name.removeprefix("val_")): value for name, value in values.items()}


def flat_params(params: Mapping[str, Any] | Any) -> dict[str, Any]:
    """Return parameters as one flat mapping, given as a mapping or as one of the configuration's classes."""
    return flatten(to_mapping(params) if is_dataclass(params) else dict(params))


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Join nested names by dots.

    >>> flatten({"data": {"folds": 5}})
    {'data.folds': 5}
    """
    flat: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, Mapping) and value:
            flat.update(flatten(value, f"{prefix}{name}."))
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def to_metrics(values: Mapping[str, Any], step: int = 0, model_id: str | None = None) -> list[Metric]:
    """Return MLflow metrics of the finite values; NaN and infinity are left out because the UI sorts them oddly."""
    from mlflow.entities import Metric

    now = now_ms()
    found = ((name, float(value)) for name, value in values.items())
    return [Metric(name, value, now, step, model_id=model_id) for name, value in found if math.isfinite(value)]


def to_params(values: Mapping[str, Any]) -> list[Param]:
    """Return MLflow parameters; a value that is too long for the store is cut."""
    from mlflow.entities import Param

    return [Param(name, str(value)[:_LONGEST_PARAM]) for name, value in values.items()]


def chunks(items: list[_T], size: int) -> Iterator[list[_T]]:
    """Cut a list into pieces of at most `size` items."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def every_page(fetch: Callable[[str | None], Any]) -> Iterator[Any]:
    """Iterate over all pages of a search; `fetch` takes a page token."""
    page = fetch(None)
    yield from page
    while page.token:
        page = fetch(page.token)
        yield from page


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

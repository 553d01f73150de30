"""How boneage's values are written for MLflow: names, tags, metrics, parameters, pages."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import is_dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from boneage.config import to_mapping
from boneage.groups import ModelKey

if TYPE_CHECKING:
    from mlflow.entities import Metric, Param

ALL = "all"
_LONGEST_PARAM = 6000
_T = TypeVar("_T")
_T_co = TypeVar("_T_co", covariant=True)


class Page(Protocol[_T_co]):
    """A page of MLflow results: iterable, with a token for the next page."""

    token: str | None

    def __iter__(self) -> Iterator[_T_co]:
        """Iterate over the page's items."""


def now_ms() -> int:
    """Return the time in milliseconds, as MLflow wants it."""
    return int(time.time() * 1000)


def key_tags(key: ModelKey) -> dict[str, str]:
    """Return a model's tags; a classifier covers all age groups."""
    return {"task": str(key.task), "sex": str(key.sex), "age_group": str(key.group or ALL)}


def named(pattern: str, values: Mapping[str, float]) -> dict[str, float]:
    """Rename metrics by a pattern such as `cv_val_{}_mean`, once: a name that has its `val_` keeps only that one."""
    return {pattern.format(name.removeprefix("val_")): value for name, value in values.items()}


def plain(params: Mapping[str, Any] | Any) -> dict[str, Any]:
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


def every_page(fetch: Callable[[str | None], Page[_T]]) -> Iterable[_T]:
    """Iterate over all pages of a search; `fetch` takes a page token."""
    token: str | None = None
    while True:
        page = fetch(token)
        yield from page
        token = page.token
        if not token:
            return

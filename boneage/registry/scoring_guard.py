"""Refuse what a served cascade cannot use before MLflow's scoring server reads, casts or drops it.

MLflow reads a body of any size into a table first, and drops columns that it does not know without a word: a misspelt
`age_range` would give another estimate in silence. Its server has no place for such checks, so its two functions are
wrapped when a cascade is opened inside it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

MAX_BODY_BYTES = 48 * 2**20
_SERVER = "mlflow.pyfunc.scoring_server"
_MARK = "guarded_by_boneage"


def guard_server(known: Iterable[str]) -> None:
    """Guard the scoring server of this process, if this is one.

    Args:
        known: the columns that a request may have.
    """
    server = sys.modules.get(_SERVER)
    if server is None or hasattr(server.invocations, _MARK):
        return
    names = tuple(known)
    guarded = _limited(server.invocations, server.InvocationsResponse)
    setattr(guarded, _MARK, True)
    server.invocations = guarded  # type: ignore[attr-defined]
    server.infer_and_parse_data = _checked(server.infer_and_parse_data, names)  # type: ignore[attr-defined]


def _limited(inner: Callable[..., Any], response: Callable[..., Any]) -> Callable[..., Any]:
    def invocations(data: bytes | str, *given: Any) -> Any:
        if len(data) > MAX_BODY_BYTES:
            return response(response=_too_large(len(data)), status=413, mimetype="text/plain")
        return inner(data, *given)

    return invocations


def _too_large(size: int) -> str:
    return (
        f"the request has {size / 2**20:.0f} MB, at most {MAX_BODY_BYTES // 2**20} MB are read: send fewer images in "
        "one request, or smaller files"
    )


def _checked(inner: Callable[..., Any], known: tuple[str, ...]) -> Callable[..., Any]:
    def infer_and_parse_data(data: Mapping[str, Any], schema: Any = None) -> Any:
        from mlflow.exceptions import MlflowException

        refused = [name for name in _columns(data) if name not in known]
        if refused:
            raise MlflowException.invalid_parameter_value(
                f"columns must be image, sex and optionally {', '.join(known[2:])}, but {', '.join(refused)} came"
            )
        return inner(data, schema)

    return infer_and_parse_data


def _columns(data: Mapping[str, Any]) -> list[str]:
    """Return the names of a request's columns, as far as its form gives names."""
    split, rows = data.get("dataframe_split"), data.get("dataframe_records") or data.get("instances")
    if isinstance(split, Mapping):
        return [str(name) for name in split.get("columns", ())]
    if isinstance(rows, list):
        return list(dict.fromkeys(str(name) for row in rows if isinstance(row, Mapping) for name in row))
    return [str(name) for name in data["inputs"]] if isinstance(data.get("inputs"), Mapping) else []

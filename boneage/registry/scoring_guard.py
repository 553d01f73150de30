"""Refuse what a served cascade cannot use before MLflow's scoring server reads, casts or drops it.

MLflow reads a body of any size into memory and into a table first, and drops columns that it does not know without a
word: a misspelt `age_range` would give another estimate in silence. Its server has no place for such checks, so three
of its functions are wrapped when a cascade is opened inside it, which is before it makes its application.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

MAX_BODY_BYTES = 48 * 2**20
_SERVER = "mlflow.pyfunc.scoring_server"
_ENDPOINT = "_async_catch_mlflow_exception"
_MARK = "guarded_by_boneage"
Endpoint = Callable[[Any], Awaitable[Any]]


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
    setattr(server, _ENDPOINT, _read_within_limits(getattr(server, _ENDPOINT)))


def _read_within_limits(decorate: Callable[[Endpoint], Endpoint]) -> Callable[[Endpoint], Endpoint]:
    """Wrap MLflow's decorator of its endpoint: a body is read piece by piece, and none beyond the limit is kept."""

    def decorator(endpoint: Endpoint) -> Endpoint:
        inner = decorate(endpoint)

        @functools.wraps(inner)
        async def guarded(request: Any) -> Any:
            from starlette.responses import PlainTextResponse

            kept, size = bytearray(), 0
            # Read to its end all the same: a client that is cut off while it sends never sees the sentence.
            async for piece in request.stream():
                size += len(piece)
                if size <= MAX_BODY_BYTES:
                    kept += piece
                else:
                    kept.clear()
            if size > MAX_BODY_BYTES:
                return PlainTextResponse(_too_large(size), status_code=413)
            request._body = bytes(kept)  # where Starlette keeps a body that was read
            return await inner(request)

        return guarded

    return decorator


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

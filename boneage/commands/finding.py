"""One line of `boneage doctor`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One line of the report; `state` is `ok`, `note` (works, but know this) or `bad` (something will not work)."""

    state: str
    name: str
    detail: str

"""Which registered versions a running page or listener answers with: a small file per process, for `boneage doctor`."""

from __future__ import annotations

import atexit
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from boneage.files import write_whole
from boneage.paths import workspace
from boneage.processes import has_ended
from boneage.tracking.store import store_uri


@dataclass(frozen=True)
class InUse:
    """A registered version that a running process answers with.

    Attributes:
        what: `page` or `listener`.
        process: its number.
        model: the registered name.
        version: the registered version.
    """

    what: str
    process: int
    model: str
    version: int


def note_versions(what: str, versions: Iterable[tuple[str, str]]) -> None:
    """Write down what this process answers with; the file goes when the process ends.

    Args:
        what: `page` or `listener`.
        versions: names and versions; one without a number (a bundle's folder, the cascade that ships) is left out.

    Raises:
        WriteError: when the workspace cannot be written.
    """
    file = _folder() / f"{os.getpid()}.json"
    if not file.exists():
        atexit.register(file.unlink, missing_ok=True)
    held = [[model, int(version)] for model, version in versions if version.isdigit()]
    write_whole(file, json.dumps({"what": what, "store": store_uri(), "versions": held}))


def versions_in_use() -> Iterator[InUse]:
    """Yield what running processes answer with from this store; files of ended ones are deleted."""
    for file in sorted(_folder().glob("*.json")):
        if not file.stem.isdigit() or has_ended(int(file.stem)):
            file.unlink(missing_ok=True)
            continue
        try:
            noted = json.loads(file.read_text(encoding="utf-8"))
            found = [InUse(noted["what"], int(file.stem), *one) for one in noted["versions"]]
        except (OSError, ValueError, KeyError, TypeError):
            continue  # the process ended meanwhile, or another program wrote it
        if noted.get("store") == store_uri():
            yield from found


def _folder() -> Path:
    return workspace() / "in-use"

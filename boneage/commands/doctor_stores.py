"""Find for `boneage doctor` what is wrong with the stores: tracking, registry, trials, saved cases, their disks."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import Any, NamedTuple

from boneage.errors import BoneageError
from boneage.needs import installed
from boneage.paths import project_root, workspace

_FREE_GIB = 2.0


class Finding(NamedTuple):
    """One line of the report; `state` is `ok`, `note` (works, but know this) or `bad` (something will not work)."""

    state: str
    name: str
    detail: str


def store_findings() -> Iterator[Finding]:
    """Look at everything that is written: can it be, is it whole, and does each name lead somewhere."""
    yield from _disks()
    yield from _journal()
    yield from _flags()
    yield from _store()


def _disks() -> Iterator[Finding]:
    """Say how much room there is where something is written, and what may not be written."""
    from boneage.tracking.store import store_folder

    room: dict[int, list[str]] = {}
    for folder in (project_root(), store_folder(), workspace(), project_root() / "flagged"):
        there = next(each for each in (folder, *folder.parents) if each.exists())
        if not os.access(there, os.W_OK):
            yield Finding("bad", "disk", f"{folder} may not be written by this user, or its disk is read-only")
            continue
        room.setdefault(shutil.disk_usage(there).free, []).append(folder.name)
    for free, names in room.items():
        where = "" if len(room) == 1 else f" for {', '.join(names)}"
        enough = free / 2**30 > _FREE_GIB
        more = "" if enough else f"; a study needs some GiB, and below {_FREE_GIB:g} a full disk may end it"
        yield Finding("ok" if enough else "note", "disk", f"{free / 2**30:.1f} GiB free{where}{more}")


def _journal() -> Iterator[Finding]:
    """Say whether the journal of trials can be read."""
    from boneage.study.journal import damage_of
    from boneage.tracking.store import store_folder

    journal = store_folder() / "optuna.journal"
    if not journal.is_file():
        return
    try:
        found = damage_of(journal.read_bytes())
    except OSError as error:
        yield Finding("bad", "trials", f"{journal} cannot be read: {error.strerror}")
        return
    if found is None:
        yield Finding("ok", "trials", f"{journal}, every line whole")
        return
    yield Finding(
        "note",
        "trials",
        f"{journal} is damaged at line {found.line} (half a line or NUL bytes): the next `python -m tuning` cuts "
        f"{found.bytes_lost} bytes, keeps the damaged file beside it, and goes on with the trials before",
    )


def _flags() -> Iterator[Finding]:
    """Say whether the saved cases can be read and their films are there."""
    from boneage.data.flags import FlagStore

    store = FlagStore(project_root() / "flagged")
    try:
        records = store.records()
    except BoneageError as error:
        yield Finding("bad", "saved cases", str(error))
        return
    if records.empty:
        return
    gone = sum(not (store.folder / image).is_file() for image in records["image"])
    if gone:
        yield Finding("bad", "saved cases", f"{gone} of {len(records)} films gone: `boneage flags check` lists them")
    else:
        yield Finding("ok", "saved cases", f"{len(records)}; `boneage flags check` looks into each")


def _store() -> Iterator[Finding]:
    from boneage.databases import masked
    from boneage.tracking.reader import open_reader
    from boneage.tracking.store import open_existing, store_exists, store_uri

    uri = masked(store_uri())
    if not store_exists():
        commands = "`boneage store init` or `boneage registry import --shipped`"
        yield Finding("note", "store", f"{uri} is not made yet: run {commands}")
        return
    try:
        # Without MLflow a store can only be read, and is looked at as far as that goes.
        client = open_existing() if installed("mlflow") else open_reader()
        models = client.search_registered_models()
    except BoneageError as error:
        yield Finding("bad", "store", str(error))
        return
    yield Finding("ok", "store", f"{uri}, {len(models)} registered models")
    yield from _registry(client)
    yield _default_model(client)


def _registry(client: Any) -> Iterator[Finding]:
    """Say which aliases and versions lead nowhere."""
    from boneage.registry.soundness import registry_doubts

    for doubt in registry_doubts(client):
        yield Finding("bad" if doubt.severe else "note", "registry", doubt.sentence)


def _default_model(client: Any) -> Finding:
    from boneage.registry.opening import CHAMPION_URI
    from boneage.registry.versions import parse_uri, show, version_folder

    try:
        info = show(client, *parse_uri(CHAMPION_URI))
    except BoneageError as error:
        return Finding("note", "default model", f"{error}; until then the cascade that ships answers")
    try:
        version_folder(client, info)
    except BoneageError as error:
        return Finding("bad", "default model", str(error))
    return Finding("ok", "default model", f"{CHAMPION_URI} is version {info.version}")

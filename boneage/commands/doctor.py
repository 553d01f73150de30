"""`boneage doctor`: what is installed, which weights are there, is the store sound."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from boneage import __version__
from boneage.errors import BoneageError
from boneage.paths import project_root

_PACKAGES = (
    "tensorflow", "keras", "mlflow", "gradio", "optuna", "rembg", "onnxruntime", "opencv-python", "scikit-image",
    "scikit-learn", "numpy", "pandas", "pillow", "pydicom", "pydantic",
)  # fmt: skip
_FREE_GIB = 2.0


@dataclass(frozen=True)
class Finding:
    """One line of the report; `state` is `ok`, `note` (works, but know this) or `bad` (something will not work)."""

    state: str
    name: str
    detail: str


def add_parser(commands: Any) -> None:
    """Add the command to the parser's list."""
    parser = commands.add_parser("doctor", help="what is installed, which weights are there, is the store sound")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the findings; return 1 when something will not work."""
    worst = 0
    for finding in _findings():
        print(f"{finding.state:<5} {finding.name:<22} {finding.detail}", flush=True)
        worst |= finding.state == "bad"
    print("something will not work: see the lines marked bad" if worst else "all well")
    return int(worst)


def _findings() -> Iterator[Finding]:
    yield Finding("ok", "boneage", f"{__version__} in {project_root()}")
    version = platform.python_version()
    yield Finding("ok" if sys.version_info >= (3, 11) else "bad", "python", f"{version} (3.11 or newer is needed)")
    yield from map(_package, _PACKAGES)
    free = shutil.disk_usage(project_root()).free / 2**30
    yield Finding("ok" if free > _FREE_GIB else "note", "disk", f"{free:.1f} GiB free")
    yield from _weights()
    yield from _store()


def _package(name: str) -> Finding:
    try:
        return Finding("ok", name, metadata.version(name))
    except metadata.PackageNotFoundError:
        return Finding("bad", name, "not installed: run `make setup`")


def _weights() -> Iterator[Finding]:
    from boneage.learn import handnet
    from boneage.preprocess import handmask

    for name, purpose, check in (
        ("handmask", "mask network", handmask.model_path),
        ("handnet", "embedded backbone", handnet.asset_path),
    ):
        try:
            yield Finding("ok", name, f"{purpose}, {check().stat().st_size / 2**20:.1f} MiB, checksum right")
        except (FileNotFoundError, ValueError) as error:
            yield Finding("bad", name, f"{purpose}: {error}")
    downloaded = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras")) / "models"
    found = sorted(path.name for path in downloaded.glob("*.h5")) if downloaded.is_dir() else []
    yield Finding("ok" if found else "note", "ImageNet weights", ", ".join(found) or f"none in {downloaded}")


def _store() -> Iterator[Finding]:
    from boneage.databases import masked
    from boneage.tracking.store import open_existing, store_exists, store_uri

    uri = masked(store_uri())
    if not store_exists():
        commands = "`boneage store init` or `boneage registry import --shipped`"
        yield Finding("note", "store", f"{uri} is not made yet: run {commands}")
        return
    try:
        client = open_existing()
        models = client.search_registered_models()
    except BoneageError as error:
        yield Finding("bad", "store", str(error))
        return
    yield Finding("ok", "store", f"{uri}, {len(models)} registered models")
    yield _default_model(client)


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

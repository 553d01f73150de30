"""`boneage doctor`: report what is installed, which weights are there, whether the store is sound.

Everything is imported where it is used: the report must come also where a package is missing.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import suppress
from importlib import metadata
from pathlib import Path

from boneage import __version__
from boneage.commands.doctor_stores import Finding, store_findings
from boneage.needs import how_to_install
from boneage.paths import project_root

_PACKAGES = (
    "gradio", "onnxruntime", "opencv-python-headless", "numpy", "pandas", "pillow", "pydicom", "pydantic",
)  # fmt: skip
_FOR_TRAINING = ("tensorflow", "keras", "mlflow", "optuna", "rembg", "onnx", "scikit-image", "scikit-learn", "scipy")
# Either brings the module `cv2`.
_INSTEAD = {"opencv-python-headless": "opencv-python"}


def doctor_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe `boneage doctor`."""
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
    yield from map(_training_package, _FOR_TRAINING)
    yield from _weights()
    yield from store_findings()


def _package(name: str) -> Finding:
    for each in (name, _INSTEAD.get(name, name)):
        with suppress(metadata.PackageNotFoundError):
            return Finding("ok", each, metadata.version(each))
    return Finding("bad", name, "not installed: run `make setup`, or pip install boneage")


def _training_package(name: str) -> Finding:
    with suppress(metadata.PackageNotFoundError):
        return Finding("ok", name, metadata.version(name))
    return Finding("note", name, f"not installed; only training needs it: {how_to_install()}")


def _weights() -> Iterator[Finding]:
    from boneage.learn import handnet, lite0
    from boneage.preprocess import handmask

    for name, purpose, check in (
        ("handmask", "mask network", handmask.model_path),
        ("handnet", "embedded backbone", handnet.asset_path),
        ("handlite0", "embedded backbone", lite0.asset_path),
    ):
        try:
            yield Finding("ok", name, f"{purpose}, {check().stat().st_size / 2**20:.1f} MiB, checksum right")
        except (FileNotFoundError, ValueError) as error:
            yield Finding("bad", name, f"{purpose}: {error}")
    downloaded = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras")) / "models"
    found = sorted(path.name for path in downloaded.glob("*.h5")) if downloaded.is_dir() else []
    yield Finding("ok" if found else "note", "ImageNet weights", ", ".join(found) or f"none in {downloaded}")

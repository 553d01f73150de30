"""Record what made a run: code version, packages, machine."""

from __future__ import annotations

import getpass
import os
import platform
import subprocess
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import boneage

PACKAGES = (
    "tensorflow",
    "keras",
    "numpy",
    "pandas",
    "scikit-learn",
    "scikit-image",
    "opencv-python-headless",
    "onnxruntime",
    "rembg",
    "mlflow",
    "optuna",
)


@cache
def package_versions() -> dict[str, str]:
    """Return the installed version of every package that a result may depend on; missing ones are left out."""
    found = {"boneage": boneage.__version__}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


@cache
def code_tags() -> dict[str, str]:
    """Return MLflow's tags of who ran which code: user, program, package version and, in a checkout, the commit."""
    tags = {"mlflow.user": login(), "mlflow.source.name": "boneage", "code_version": boneage.__version__}
    commit = _commit()
    return {**tags, "mlflow.source.git.commit": commit} if commit else tags


@cache
def run_tags() -> dict[str, str]:
    """Return what every run says of its making: `code_tags`, and the packages and the machine in short."""
    shown = ", ".join(f"{name} {version}" for name, version in package_versions().items())
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs"
    return {**code_tags(), "packages": shown, "python": platform.python_version(), "machine": machine}


def environment() -> dict[str, Any]:
    """Return packages and machine, as logged once per study."""
    return {
        "packages": package_versions(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "keras_backend": os.environ.get("KERAS_BACKEND", "tensorflow"),
    }


def login() -> str:
    """Return the name of the machine's user, `unknown` where it has none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def _commit() -> str | None:
    """Return the checkout's commit, `-dirty` appended where files differ from it; None outside a checkout."""
    folder = Path(boneage.__file__).resolve().parent
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None

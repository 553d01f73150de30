"""Folders of a project: store, workspace, studies, shipped weights; none depends on the working directory."""

from __future__ import annotations

import os
from pathlib import Path


def project_root() -> Path:
    """Return the project's folder: `BONEAGE_HOME`, or the checkout this package lies in, or the working directory."""
    home = os.environ.get("BONEAGE_HOME")
    if home:
        return Path(home).expanduser().resolve()
    checkout = Path(__file__).resolve().parent.parent
    return checkout if (checkout / "pyproject.toml").is_file() else Path.cwd()


def workspace() -> Path:
    """Return the folder of everything that can be made again: prepared images, features, splits, studies."""
    return project_root() / "workspace"


def study_folder(name: str) -> Path:
    """Return the folder of one study's own files (splits, best parameters, reports)."""
    return workspace() / "studies" / name


def assets() -> Path:
    """Return the folder of the small weights that ship with the package."""
    return Path(__file__).resolve().parent / "assets"

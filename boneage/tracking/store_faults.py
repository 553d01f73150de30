"""Why a tracking store cannot be opened, and what to do: held, damaged, or made by another version of MLflow."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from importlib import metadata, resources
from pathlib import Path

from boneage.databases import first_line, masked, sqlite_fault, sqlite_file
from boneage.notices import fault


def open_fault(uri: str, error: Exception) -> str:
    """Return the sentence for a store that cannot be opened.

    Args:
        uri: the store's MLflow tracking URI.
        error: what MLflow or SQLAlchemy said.
    """
    first, file = first_line(error), sqlite_file(uri)
    if "out-of-date database schema" in first or "Can't locate revision" in str(error):
        return _other_version(masked(uri), file)
    if file is not None and "sqlite3." in str(error):
        return sqlite_fault(file, error)
    return fault("store.unopened", place=masked(uri), reason=first)


def _other_version(uri: str, file: Path | None) -> str:
    """Tell a store of an older MLflow, which can be upgraded, from one of a newer, which cannot be read here."""
    if file is not None and _revision(file) not in known_revisions():
        return fault("store.newer", place=uri, installed=metadata.version("mlflow"), command="pip install -U mlflow")
    return fault("store.older", place=uri, command=f"mlflow db upgrade {uri}")


def known_revisions() -> set[str]:
    """Return the versions of a store's tables that the installed MLflow knows."""
    folder = resources.files("mlflow.store.db_migrations") / "versions"
    return {file.name.partition("_")[0] for file in folder.iterdir() if file.name.endswith(".py")}


def _revision(file: Path) -> str:
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as store:
            found = store.execute("SELECT version_num FROM alembic_version").fetchone()
            return str(found[0]) if found else ""
    except sqlite3.Error:
        return ""

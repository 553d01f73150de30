"""The registry as the page sees it: which cascades can answer, and in which version."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

from boneage.ui.service import Choice, Listed

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from boneage.cascade.cascade import Cascade

_CASCADES = "%-cascade"


class RegistryCatalogue:
    """Cascades of the MLflow registry, or one bundle's folder; MLflow is imported at the first question."""

    def __init__(self, client: MlflowClient | None = None) -> None:
        """Keep a client; without one the project's store is opened at the first question that needs it."""
        self._client = client
        self._lock = threading.Lock()

    def choices(self) -> list[Choice]:
        """List every alias of every registered cascade.

        Raises:
            BoneageError: when there is no store; the message says what to run.
        """
        return [
            Choice(f"models:/{one.model}@{alias}", one.model, alias, one.version)
            for one in self.table()
            for alias in one.aliases
        ]

    def version(self, uri: str) -> str:
        """Return the version a URI means now; for a folder, the time of its last change.

        Raises:
            BoneageError: when nothing answers to the URI; the message says what to run.
        """
        from boneage.tracking.versions import parse_uri, show

        folder = Path(uri)
        if not uri.startswith("models:") and folder.is_dir():
            return str(folder.stat().st_mtime_ns)
        name, version = parse_uri(uri)
        return version if version.isdigit() else str(show(self._open(), name, version).version)

    def load(self, uri: str) -> Cascade:
        """Load the cascade of a URI.

        Raises:
            BoneageError: when it cannot be loaded; the message says what to do.
        """
        from boneage.tracking.registry import load_cascade

        if not uri.startswith("models:"):
            return load_cascade(uri)
        return load_cascade(uri, self._open())

    def table(self) -> list[Listed]:
        """List every version of every registered cascade, the newest first within each.

        Raises:
            BoneageError: when there is no store; the message says what to run.
        """
        from boneage.tracking.versions import list_versions

        client = self._open()
        names = sorted(model.name for model in client.search_registered_models(f"name LIKE '{_CASCADES}'"))
        return [
            Listed(
                model=one.name,
                version=str(one.version),
                aliases=one.aliases,
                status=one.status,
                mae_months=one.mae_months,
                created=one.created,
                run_id=one.run_id,
                card=one.card,
            )
            for name in names
            for one in list_versions(client, name)
        ]

    def _open(self) -> MlflowClient:
        from boneage.tracking.store import open_existing

        with self._lock:
            if self._client is None:
                self._client = open_existing()
            return self._client

"""Find, make and open the MLflow store, and repair it after its folder has been moved.

One SQLite file beside one folder of artifacts (`mlruns/mlflow.db`, `mlruns/artifacts`), unless `MLFLOW_TRACKING_URI`
names another store (PostgreSQL, for several machines) or a tracking server. The first touch of a new SQLite store takes
seconds and races, so it is made under a lock in a file of its own and then put in place in one step: a killed process
leaves no half-made store.
"""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlparse

from boneage.databases import database_lock, file_lock, is_held, sqlite_file
from boneage.errors import BoneageError
from boneage.files import write_fault
from boneage.needs import needed
from boneage.notices import coded, fault, warning
from boneage.paths import project_root
from boneage.tracking.store_faults import open_fault

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from sqlalchemy import Connection

log = logging.getLogger(__name__)
WAIT_SECONDS = 20.0
"""How long a store is waited for that another program holds; SQLite itself waits five seconds each time."""
_SQLITE = "sqlite:///"
_ARTIFACTS = "artifacts"
# Every column in which MLflow keeps an absolute location of artifacts.
_LOCATIONS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "storage_location"),
    ("model_versions", "source"),
)


class StoreError(BoneageError):
    """A tracking store that is missing or cannot be used; the message says which command to run."""


def store_folder() -> Path:
    """Return the folder of the project's own store, `mlruns`."""
    return project_root() / "mlruns"


def store_uri() -> str:
    """Return the store's URI: `MLFLOW_TRACKING_URI`, or the project's own SQLite file."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"{_SQLITE}{store_folder() / 'mlflow.db'}"


def store_exists(uri: str | None = None) -> bool:
    """Tell whether the store has been made (servers and other databases are taken to exist)."""
    file = sqlite_file(uri or store_uri())
    return file is None or file.is_file()


def open_store(uri: str | None = None) -> MlflowClient:
    """Open the store, making it first where it does not exist yet; safe when several processes start at once.

    Args:
        uri: any MLflow tracking URI; None takes `store_uri()`.

    Raises:
        StoreError: when the store cannot be made or opened, or another version of MLflow made it.
    """
    uri = uri or store_uri()
    _quiet()
    file = sqlite_file(uri)
    if file is not None and not file.is_file():
        _make(file)
    mlflow = needed("mlflow", "write to the tracking store")
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    registry = os.environ.get("MLFLOW_REGISTRY_URI") or uri
    end = time.monotonic() + WAIT_SECONDS
    # One process at a time, since the first one makes the tables.
    postgresql = uri.startswith("postgresql")
    while True:
        try:
            with database_lock(uri, "boneage mlflow store") if postgresql else contextlib.nullcontext():
                client = mlflow.MlflowClient(tracking_uri=uri, registry_uri=registry)
                client.search_experiments(max_results=1)
            return client
        except (MlflowException, SQLAlchemyError) as error:
            if not is_held(error) or time.monotonic() > end:
                raise StoreError(open_fault(uri, error)) from error
            waits = warning("store.waits", reason=open_fault(uri, error), seconds=end - time.monotonic())
            log.warning("%s", coded(waits))


def open_existing(uri: str | None = None) -> MlflowClient:
    """Open a store only if it is already there.

    Raises:
        StoreError: when it is missing (the message says what to run) or cannot be opened.
    """
    refuse_missing(uri or store_uri())
    return open_store(uri)


def refuse_missing(uri: str) -> None:
    """Raise `StoreError` where there is no store yet; the message says what to run."""
    if not store_exists(uri):
        commands = {"shipped": "boneage registry import --shipped", "init": "boneage store init"}
        raise StoreError(fault("store.missing", place=sqlite_file(uri), **commands))


def ensure_experiment(client: MlflowClient, name: str) -> str:
    """Return the id of the experiment called `name`, making it (artifacts in the store's own folder) where missing."""
    from mlflow.entities import ViewType
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return str(client.create_experiment(name, artifact_location=_location(client.tracking_uri)))
        except MlflowException as error:
            # Another process was quicker: then the experiment is there now.
            found = client.get_experiment_by_name(name)
            if found is None:
                raise StoreError(open_fault(client.tracking_uri, error)) from error
    if found.lifecycle_stage == ViewType.to_string(ViewType.DELETED_ONLY).removesuffix("_only"):
        client.restore_experiment(found.experiment_id)
    return str(found.experiment_id)


@contextlib.contextmanager
def single_run(client: MlflowClient, experiment: str, name: str, tags: Mapping[str, str]) -> Iterator[str]:
    """Open a run that belongs to no study, and yield its id; it ends FINISHED, or FAILED where anything is raised."""
    made = client.create_run(ensure_experiment(client, experiment), tags=dict(tags), run_name=name)
    run_id, status = str(made.info.run_id), "FAILED"
    try:
        yield run_id
        status = "FINISHED"
    finally:
        client.set_terminated(run_id, status)


def relocate(folder: Path | None = None) -> dict[str, int]:
    """Rewrite the artifact locations of a store whose folder has been moved.

    Args:
        folder: the store's folder where it is now (it holds `mlflow.db` and `artifacts`); None takes the project's.

    Returns:
        How many values were rewritten, per `table.column`; all zero when nothing had moved.

    Raises:
        StoreError: when there is no store in the folder.
    """
    import sqlalchemy

    root = (folder or store_folder()).resolve()
    file = root / "mlflow.db"
    if not file.is_file():
        raise StoreError.of("store.no_file", folder=root)
    engine = sqlalchemy.create_engine(f"{_SQLITE}{file}")
    try:
        with engine.begin() as connection:
            old_roots = _old_roots(connection, root)
            return {f"{table}.{column}": _rewrite(connection, table, column, old_roots, root)
                    for table, column in _LOCATIONS}  # fmt: skip
    except sqlalchemy.exc.SQLAlchemyError as error:
        raise StoreError.of("store.no_store", file=file, reason=error) from error
    finally:
        engine.dispose()


def _quiet() -> None:
    """Turn telemetry, chatter and progress bars off before MLflow is imported."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    # It logs a database's error with its traceback and raises it, too: what is raised is said once, in a sentence.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)


def _location(uri: str) -> str | None:
    """Return where an experiment's artifacts go: beside a SQLite file, else in the project's `mlruns`.

    `MLFLOW_DEFAULT_ARTIFACT_ROOT` names another place, which may be no folder of this machine; a server decides itself.
    """
    if urlparse(uri).scheme in {"http", "https"}:
        return None
    file = sqlite_file(uri)
    beside = (file.parent if file else store_folder()) / _ARTIFACTS
    return os.environ.get("MLFLOW_DEFAULT_ARTIFACT_ROOT") or str(beside)


def _make(file: Path) -> None:
    """Make a new SQLite store: migrated in a temporary file by whoever holds the lock, then renamed into place."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file_lock(file.with_suffix(".lock")):
            if not file.is_file():
                with tempfile.TemporaryDirectory(dir=file.parent, prefix=".new-store-") as folder:
                    _migrate(Path(folder) / file.name, file.parent / _ARTIFACTS)
                    (Path(folder) / file.name).replace(file)
    except OSError as error:
        raise StoreError(write_fault(f"the tracking store {file}", error)) from error


def _migrate(file: Path, artifacts: Path) -> None:
    import logging

    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    logging.getLogger("alembic").setLevel(logging.WARNING)
    store = SqlAlchemyStore(f"{_SQLITE}{file}", str(artifacts))
    store.engine.dispose()


def _old_roots(connection: Connection, root: Path) -> list[str]:
    """List the folders that the experiments' artifacts pointed into before the move."""
    from sqlalchemy import text

    rows = connection.execute(text("SELECT artifact_location FROM experiments")).scalars()
    paths = (_local_path(location) for location in rows if location)
    old = {path.rpartition(f"/{_ARTIFACTS}")[0] for path in paths if path and f"/{_ARTIFACTS}" in path}
    return sorted((place for place in old if place and place != str(root)), key=len, reverse=True)


def _local_path(location: str) -> str | None:
    if location.startswith("file:"):
        return unquote(urlparse(location).path)
    return location if location.startswith("/") or location[1:3] == ":\\" else None


def _rewrite(connection: Connection, table: str, column: str, old_roots: list[str], root: Path) -> int:
    """Replace every old prefix in one column, written as a path or as a file URI; return the number of rows."""
    from sqlalchemy import text

    query = text(
        f"UPDATE {table} SET {column} = :new || substr({column}, length(:old) + 1) "  # noqa: S608 (constants above)
        f"WHERE substr({column}, 1, length(:old)) = :old"
    )
    changed = 0
    for old in old_roots:
        for before, after in ((f"{old}/", f"{root}/"), (f"{Path(old).as_uri()}/", f"{root.as_uri()}/")):
            changed += connection.execute(query, {"old": before, "new": after}).rowcount
    return changed

"""Read the registry of an SQLite store without MLflow: versions, aliases, tags and runs.

MLflow and its database layer take seconds to import, and serving needs nothing but a few rows. `StoreReader` answers
the read-only questions of `MlflowClient` that the registry asks, under the same names; it writes nothing. Every other
store (a tracking server, PostgreSQL) is read through MLflow itself.
"""

from __future__ import annotations

import re
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from boneage.databases import sqlite_fault, sqlite_file
from boneage.needs import needed
from boneage.tracking.store import StoreError, open_existing, refuse_missing, store_uri

_WAIT_SECONDS = 20.0
_NAMED = re.compile(r"^name (?P<how>=|LIKE|ILIKE) '(?P<name>[^']*)'$")


class NotInStoreError(Exception):
    """Something that is not in the store; `error_code` is MLflow's."""

    error_code = "RESOURCE_DOES_NOT_EXIST"


class Rows(list[Any]):
    """All rows of a search, as one page."""

    token: str | None = None


def open_reader(uri: str | None = None) -> Any:
    """Open a store for reading only: an SQLite file directly, any other through MLflow.

    Raises:
        StoreError: when it is missing (the message says what to run) or cannot be opened.
        MissingPartError: when MLflow is needed and not installed.
    """
    uri = uri or store_uri()
    file = sqlite_file(uri)
    if file is None:
        needed("mlflow", "read a tracking server or a database other than SQLite")
        return open_existing(uri)
    refuse_missing(uri)
    return StoreReader(file, uri)


def store_errors() -> tuple[type[Exception], ...]:
    """Return what a store's client raises where something is not there, the reader's and, once imported, MLflow's."""
    theirs = sys.modules.get("mlflow.exceptions")
    return (NotInStoreError,) if theirs is None else (NotInStoreError, theirs.MlflowException)


class StoreReader:
    """The part of `MlflowClient` that reading a registry needs, on an SQLite store.

    Attributes:
        tracking_uri: the store's URI.
    """

    def __init__(self, file: Path, uri: str) -> None:
        """Keep the file; it is opened anew for every question, so a promotion is seen at once."""
        self._file, self.tracking_uri = file, uri

    def search_registered_models(self, filter_string: str = "", page_token: str | None = None) -> Rows:
        """Return all registered models whose name fits `name = '...'` or `name LIKE '...'`."""
        where, values = _filter(filter_string)
        return Rows(self._models(f"SELECT name FROM registered_models {where} ORDER BY name", values))

    def get_registered_model(self, name: str) -> Any:
        """Return a registered model with its aliases.

        Raises:
            NotInStoreError: when there is none of this name.
        """
        found = self._models("SELECT name FROM registered_models WHERE name = ?", [name])
        if not found:
            raise NotInStoreError(f"no registered model {name}")
        return found[0]

    def search_model_versions(self, filter_string: str = "", page_token: str | None = None) -> Rows:
        """Return all versions of the models whose name fits the filter."""
        where, values = _filter(filter_string)
        return self._versions(where, values)

    def get_model_version(self, name: str, version: int | str) -> Any:
        """Return one version.

        Raises:
            NotInStoreError: when it is not there.
        """
        found = self._versions("WHERE name = ? AND version = ?", [name, int(version)])
        if not found:
            raise NotInStoreError(f"no version {version} of {name}")
        return found[0]

    def get_model_version_by_alias(self, name: str, alias: str) -> Any:
        """Return the version that an alias points to.

        Raises:
            NotInStoreError: when it is not there.
        """
        aliases = self.get_registered_model(name).aliases
        if alias not in aliases:
            raise NotInStoreError(f"no alias {alias} of {name}")
        return self.get_model_version(name, aliases[alias])

    def get_model_version_download_uri(self, name: str, version: int | str) -> str:
        """Return where a version's files are."""
        return str(self.get_model_version(name, version).location)

    def get_experiment(self, experiment_id: str) -> Any:
        """Return an experiment's name."""
        with self._open() as store:
            row = store.one("SELECT name FROM experiments WHERE experiment_id = ?", [int(experiment_id)])
        if row is None:
            raise NotInStoreError(f"no experiment {experiment_id}")
        return SimpleNamespace(experiment_id=experiment_id, name=row["name"])

    def get_run(self, run_id: str) -> Any:
        """Return a run: `info`, `data.metrics`, `data.tags` and `inputs.dataset_inputs`.

        Raises:
            NotInStoreError: when it is not there.
        """
        with self._open() as store:
            row = store.one("SELECT name, experiment_id, end_time, status FROM runs WHERE run_uuid = ?", [run_id])
            if row is None:
                raise NotInStoreError(f"no run {run_id}")
            tags = store.pairs("SELECT key, value FROM tags WHERE run_uuid = ?", [run_id])
            metrics = store.pairs("SELECT key, value FROM latest_metrics WHERE run_uuid = ? AND NOT is_nan", [run_id])
            inputs = [_input(store, each) for each in store.all(_INPUTS, [run_id])]
        info = SimpleNamespace(run_id=run_id, run_name=row["name"], experiment_id=str(row["experiment_id"]),
                               end_time=row["end_time"], status=row["status"])  # fmt: skip
        data = SimpleNamespace(metrics=metrics, tags=tags)
        return SimpleNamespace(info=info, data=data, inputs=SimpleNamespace(dataset_inputs=inputs))

    def _models(self, query: str, values: Sequence[Any]) -> list[Any]:
        with self._open() as store:
            names = [row["name"] for row in store.all(query, values)]
            pairs = [(store.pairs(_ALIASES, [name]), store.pairs(_MODEL_TAGS, [name])) for name in names]
        return [SimpleNamespace(name=n, aliases=a, tags=t) for n, (a, t) in zip(names, pairs, strict=True)]

    def _versions(self, where: str, values: Sequence[Any]) -> Rows:
        with self._open() as store:
            rows = store.all(f"SELECT * FROM ({_PRESENT}) {where} ORDER BY name, version DESC", values)
            return Rows(_version(store, row) for row in rows)

    @contextmanager
    def _open(self) -> Iterator[_Store]:
        try:
            address = f"{self._file.absolute().as_uri()}?mode=ro"
            with closing(sqlite3.connect(address, uri=True, timeout=_WAIT_SECONDS)) as connection:
                connection.row_factory = sqlite3.Row
                yield _Store(connection)
        except sqlite3.Error as error:
            raise StoreError(sqlite_fault(self._file, error)) from error


_ALIASES = "SELECT alias, version FROM registered_model_aliases WHERE name = ?"
# What was deleted stays as a row of another stage.
_PRESENT = "SELECT * FROM model_versions WHERE COALESCE(current_stage, '') != 'Deleted_Internal'"
_MODEL_TAGS = "SELECT key, value FROM registered_model_tags WHERE name = ?"
_TAGS = "SELECT key, value FROM model_version_tags WHERE name = ? AND version = ?"
_INPUTS = (
    "SELECT inputs.input_uuid AS input, datasets.name, digest, dataset_profile FROM inputs "
    "JOIN datasets ON datasets.dataset_uuid = inputs.source_id "
    "WHERE inputs.destination_id = ? AND inputs.source_type = 'DATASET' AND inputs.destination_type = 'RUN'"
)


class _Store:
    """An open connection, and how rows come out of it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def all(self, query: str, values: Sequence[Any]) -> list[sqlite3.Row]:
        return self._connection.execute(query, tuple(values)).fetchall()

    def one(self, query: str, values: Sequence[Any]) -> sqlite3.Row | None:
        return next(iter(self.all(query, values)), None)

    def pairs(self, query: str, values: Sequence[Any]) -> dict[str, Any]:
        return {row[0]: row[1] for row in self.all(query, values)}


def _version(store: _Store, row: sqlite3.Row) -> Any:
    return SimpleNamespace(
        name=row["name"],
        version=int(row["version"]),
        creation_timestamp=row["creation_time"],
        run_id=row["run_id"],
        description=row["description"],
        tags=store.pairs(_TAGS, [row["name"], row["version"]]),
        location=row["storage_location"] or row["source"],
    )


def _input(store: _Store, row: sqlite3.Row) -> Any:
    tags = store.pairs("SELECT name, value FROM input_tags WHERE input_uuid = ?", [row["input"]])
    dataset = SimpleNamespace(name=row["name"], digest=row["digest"], profile=row["dataset_profile"])
    return SimpleNamespace(dataset=dataset, tags=[SimpleNamespace(key=k, value=v) for k, v in tags.items()])


def _filter(text: str) -> tuple[str, list[str]]:
    """Turn a filter of MLflow on names into SQL."""
    if not text:
        return "", []
    match = _NAMED.match(text)
    if match is None:
        raise StoreError.of("store.search", given=text)
    return f"WHERE name {'=' if match['how'] == '=' else 'LIKE'} ?", [match["name"]]

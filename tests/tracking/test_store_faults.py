"""Facts about stores that cannot be opened: each is a sentence that says what to do, and doctor finds each."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from boneage.cli import main
from boneage.commands import doctor_stores
from boneage.databases import disk_fault
from boneage.tracking import store as stores
from boneage.tracking.store import StoreError, open_store


@pytest.fixture
def uri(store_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A store that nobody has opened yet, in a project of its own."""
    file = tmp_path / "mlruns" / "mlflow.db"
    file.parent.mkdir()
    shutil.copyfile(store_template, file)
    monkeypatch.setenv("BONEAGE_HOME", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return f"sqlite:///{file}"


def found() -> str:
    return "\n".join(f"{each.state} {each.name} {each.detail}" for each in doctor_stores.store_findings())


HOLD = """
import sqlite3, sys
store = sqlite3.connect(sys.argv[1], isolation_level=None)
store.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def holder(uri: str):
    """Another program that holds the store."""
    program = subprocess.Popen(
        [sys.executable, "-c", HOLD, uri.removeprefix("sqlite:///")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert program.stdout is not None
    program.stdout.readline()
    yield program
    program.communicate()


def test_a_store_that_another_program_holds_names_it(uri: str, holder, monkeypatch) -> None:
    monkeypatch.setattr(stores, "WAIT_SECONDS", 0.0)
    with pytest.raises(StoreError, match=rf"held by another program \(python.*, process {holder.pid}\)"):
        open_store(uri)


def test_a_store_that_is_given_back_meanwhile_opens(uri: str, monkeypatch, caplog) -> None:
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    search, held = MlflowClient.search_experiments, [MlflowException("(sqlite3.OperationalError) database is locked")]

    def touch(client: MlflowClient, **asked: object) -> object:
        if held:
            raise held.pop()
        return search(client, **asked)

    monkeypatch.setattr(MlflowClient, "search_experiments", touch)
    open_store(uri)
    assert "trying again" in caplog.text


@pytest.mark.parametrize(
    ("revision", "words"), [("ffffffffffff", "a newer MLflow than"), ("451aebb31d03", "an older MLflow: back it up")]
)
def test_a_store_of_another_mlflow_says_which_way(uri: str, revision: str, words: str) -> None:
    with closing(sqlite3.connect(uri.removeprefix("sqlite:///"))) as store, store:
        store.execute("UPDATE alembic_version SET version_num = ?", (revision,))
    with pytest.raises(StoreError, match=words):
        open_store(uri)
    assert "bad store" in found().replace("  ", " ") and words in found()


def test_doctor_finds_a_damaged_journal_and_lost_films(uri: str, tmp_path: Path) -> None:
    import numpy as np

    from boneage.data.flags import FlagRecord, FlagStore
    from boneage.groups import Sex

    flags = FlagStore(tmp_path / "flagged")
    flags.add(np.zeros((4, 4), np.uint8), FlagRecord(Sex.MALE, 1.0)).unlink()
    (tmp_path / "mlruns" / "optuna.journal").write_bytes(b'{"op_code":0}\n{"op_co')
    said = found()
    assert "damaged at line 2" in said and "1 of 1 films gone" in said
    (tmp_path / "mlruns" / "optuna.journal").write_bytes(b'{"op_code":0}\n')
    assert "every line whole" in found()


def test_what_mlflow_says_of_a_full_disk_is_a_sentence() -> None:
    error = RuntimeError("(sqlite3.OperationalError) database or disk is full\n[SQL: INSERT INTO runs]")
    assert disk_fault(error) == (
        "the store cannot be written, the disk is full: free some space and try again; nothing half-written is left"
    )
    assert disk_fault(RuntimeError("something else")) is None


@pytest.fixture
def read_only(uri: str, tmp_path: Path) -> Iterator[str]:
    """The store on a disk that may only be read, where one may be mounted: rights do not bind a root user."""
    folder = tmp_path / "mlruns"
    if subprocess.run(["mount", "--bind", str(folder), str(folder)], capture_output=True).returncode:
        pytest.skip("no folder can be mounted here")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", str(folder)], check=True)
        yield uri
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_store_on_a_read_only_disk_is_read_and_says_so_where_it_should_be_written(read_only: str, capsys) -> None:
    client = open_store(read_only)
    assert client.search_registered_models() == []
    with pytest.raises(Exception, match="readonly database") as refused:
        client.create_registered_model("tiny")
    assert "may not be written by this user, or its disk is read-only" in str(disk_fault(refused.value))
    assert main(["registry", "import", "--shipped"]) == 1
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1 and "its disk is read-only: change its rights" in said[0]
    assert "bad disk" in found() and "ok store" in found()

"""Facts about the journal of trials: what a full disk, a kill or a power cut leaves in it never ends a search."""

from __future__ import annotations

import logging
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest

from boneage.config import from_mapping
from boneage.groups import ModelKey
from boneage.study.journal import damage_of
from tuning.journal import JournalError
from tuning.study import journal_file, open_study, spent_seconds, storage_for

KEY = ModelKey.parse("regressor-female-2")
CONFIG = from_mapping({"study": {"name": "small"}})


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A journal with four finished trials."""
    monkeypatch.setenv("BONEAGE_HOME", str(tmp_path))
    monkeypatch.delenv("OPTUNA_STORAGE", raising=False)
    search(4)
    return journal_file()


def search(trials: int) -> optuna.Study:
    """Do some trials of a study in the present home, as a run of `python -m tuning` would."""
    study = open_study(CONFIG, KEY, "split", storage_for(CONFIG))
    for _ in range(trials):
        trial = study.ask()
        study.tell(trial, trial.suggest_float("initial_learning_rate", 1e-4, 1e-2, log=True))
    return study


def finished(study: optuna.Study) -> int:
    return len(study.get_trials(states=(optuna.trial.TrialState.COMPLETE,)))


DAMAGE = {
    "half a line": lambda content: content[:-25],
    "NUL bytes at the end": lambda content: content + b"\0" * 4096,
    "NUL bytes for the last lines": lambda content: content[:-400] + b"\0" * 400,
    "half a line, and a whole one glued to it": lambda content: content[:-25] + content.splitlines(True)[-3],
    "NUL bytes, and a whole line after them": lambda content: content + b"\0" * 99 + content.splitlines(True)[-3],
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_journal_is_cut_and_said_and_the_search_goes_on(journal: Path, damage, caplog) -> None:
    content = journal.read_bytes()
    journal.write_bytes(damage(content))
    with caplog.at_level(logging.WARNING):
        assert finished(search(2)) >= 5
    assert "was damaged at line" in caplog.text
    assert journal.with_name("optuna.journal.damaged-1").read_bytes() == damage(content)
    caplog.clear()
    assert finished(search(1)) >= 6
    assert caplog.text == ""


def test_lines_in_the_middle_that_cannot_be_mended_end_the_journal_there(journal: Path) -> None:
    lines = journal.read_bytes().splitlines(keepends=True)
    found = damage_of(b"".join([*lines[:5], b'{"op_c\n', *lines[6:]]))
    assert found is not None
    assert (found.line, found.sound) == (6, b"".join(lines[:5]))


def test_a_worker_killed_in_the_middle_of_a_line_does_not_spoil_the_next_one(journal: Path) -> None:
    study = search(0)
    with journal.open("ab") as stream:
        stream.write(b'{"op_code":4,"worker_id":"de')
    study.tell(study.ask(), 1.0)
    assert damage_of(journal.read_bytes()) is None


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 200 kB, where one may be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(folder)], capture_output=True)
    if made.returncode:
        pytest.skip("no small disk can be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_is_said_and_the_search_goes_on_once_there_is_room(small_disk: Path, monkeypatch) -> None:
    monkeypatch.setenv("BONEAGE_HOME", str(small_disk))
    monkeypatch.delenv("OPTUNA_STORAGE", raising=False)
    search(1)
    filler = small_disk / "filler"
    with pytest.raises(OSError), filler.open("wb", buffering=0) as stream:  # noqa: PT011 (any: the disk is full)
        while True:
            stream.write(b"x" * 512)
    with pytest.raises(JournalError, match="disk is full: free some space"):
        search(200)
    assert damage_of(journal_file().read_bytes()) is None
    filler.unlink()
    assert finished(search(1)) >= 2


def test_a_disk_that_may_only_be_read_is_said(small_disk: Path, monkeypatch) -> None:
    monkeypatch.setenv("BONEAGE_HOME", str(small_disk))
    monkeypatch.delenv("OPTUNA_STORAGE", raising=False)
    study = search(1)
    size = journal_file().stat().st_size
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    for write in (study.ask, lambda: search(1)):
        with pytest.raises(JournalError, match="may not be written by this user"):
            write()
    assert journal_file().stat().st_size == size


def test_a_lock_that_a_killed_process_left_is_not_waited_for(journal: Path) -> None:
    # Optuna's own lock is such a link; where its target is gone, Optuna waits for ever.
    journal.with_name("optuna.journal.lock").symlink_to("/no/such/journal")
    start = time.monotonic()
    search(1)
    assert time.monotonic() - start < 5


def test_a_clock_that_was_set_back_takes_nothing_off_the_time_spent(journal: Path) -> None:
    lines = journal.read_bytes().replace(b'"datetime_complete":"20', b'"datetime_complete":"19')
    journal.write_bytes(lines)
    study = search(0)
    assert all(trial.duration.total_seconds() < 0 for trial in study.trials)
    assert spent_seconds(study) == 0

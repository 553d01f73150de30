"""Facts about a disk that fills up, or may only be read: a sentence, nothing half-written, later it goes on."""

from __future__ import annotations

import pickle
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from boneage.config import DataConfig
from boneage.data.archives import DataError
from boneage.data.flags import FlagRecord, FlagStore
from boneage.data.splits import load_or_draw
from boneage.databases import disk_fault
from boneage.errors import BoneageError
from boneage.files import WriteError, write_whole
from boneage.groups import Sex
from boneage.phantom.dataset import write_dataset
from boneage.preprocess.mapped import GrowingTable
from boneage.ui.estimate.examples import Examples
from tests.data.test_splits import training_set

FULL = "the disk is full: free some space and try again"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 400 kB of which 40 are left, where one may be mounted; `filler` takes the rest."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(folder)], capture_output=True)
    if made.returncode:
        pytest.skip("no small disk can be mounted here")
    (folder / "filler").write_bytes(b"x" * 360_000)
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def noise(seed: int, side: int = 256) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (side, side), np.uint8)


def whole_files(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.rglob("*") if file.is_file() and file.name != "filler")


def test_a_saved_case_that_does_not_fit_leaves_the_store_as_it_was(disk: Path) -> None:
    flags = FlagStore(disk / "flagged")
    flags.add(noise(1, 32), FlagRecord(Sex.MALE, 100.0, 90.0))
    with pytest.raises(DataError, match=FULL):
        flags.add(noise(2), FlagRecord(Sex.MALE, 100.0))
    assert len(flags.records()) == 1 and len(list(flags.folder.glob("images/*"))) == 1
    (disk / "filler").unlink()
    flags.add(noise(2), FlagRecord(Sex.MALE, 100.0))
    assert len(flags.records()) == 2


def test_a_file_that_does_not_fit_leaves_the_old_one(disk: Path) -> None:
    file = write_whole(disk / "best.toml", "old")
    with pytest.raises(WriteError, match=FULL):
        write_whole(file, "x" * 100_000)
    assert file.read_text() == "old" and whole_files(disk) == ["best.toml"]


def test_splits_that_do_not_fit_are_drawn_again_later(disk: Path) -> None:
    path = disk / "study" / "splits.json"
    with pytest.raises(WriteError, match=FULL):
        load_or_draw(path, training_set(4000), DataConfig(), seed=1)
    assert not path.exists()
    (disk / "filler").unlink()
    assert load_or_draw(path, training_set(4000), DataConfig(), seed=1).train


def test_features_that_do_not_fit_are_cut_and_computed_again_later(disk: Path) -> None:
    with GrowingTable(disk / "features.f32", disk / "keys.txt", np.float32, (1000,)) as table:
        table.append(["first"], np.ones((1, 1000)))
        with pytest.raises(WriteError, match=FULL):
            table.append([f"film-{number}" for number in range(20)], np.full((20, 1000), 2))
        (disk / "filler").unlink()
        table.append(["second"], np.full((1, 1000), 3))
        assert table.rows()[:, 0].tolist() == [1, 3]


def test_phantoms_that_do_not_fit_are_drawn_on_later(disk: Path) -> None:
    with pytest.raises(WriteError, match=FULL) as said:
        write_dataset(disk / "phantoms", 2, 3, workers=1)
    assert str(pickle.loads(pickle.dumps(said.value))) == str(said.value), "it comes out of a worker process, too"
    subprocess.run(["mount", "-o", "remount,size=8m", str(disk)], check=True)
    assert write_dataset(disk / "phantoms", 2, 3, workers=1).read_text().count("\n") == 3


def test_on_a_read_only_disk_everything_that_writes_says_so_and_what_was_saved_is_read(disk: Path) -> None:
    (disk / "filler").unlink()
    flags = FlagStore(disk / "flagged")
    flags.add(noise(1, 32), FlagRecord(Sex.MALE, 100.0, 90.0))
    file = write_whole(disk / "best.toml", "old")
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    writers = (
        lambda: flags.add(noise(2, 32), FlagRecord(Sex.MALE, 100.0)),
        lambda: flags.add(noise(1, 32), FlagRecord(Sex.MALE, 100.0, 91.0)),
        lambda: write_whole(file, "new"),
        lambda: load_or_draw(disk / "study" / "splits.json", training_set(40), DataConfig(), seed=1),
        lambda: GrowingTable(disk / "features.f32", disk / "keys.txt", np.float32, (8,)).__enter__(),
        lambda: write_dataset(disk / "phantoms", 2, 3, workers=1),
        lambda: Examples(disk / "examples").draw(),
    )
    for write in writers:
        with pytest.raises((BoneageError, OSError)) as refused:
            write()
        assert "its disk is read-only" in (disk_fault(refused.value) or str(refused.value))
    assert FlagStore(disk / "flagged").records()["reader_age_months"].tolist() == [90.0]
    assert file.read_text() == "old"


def test_the_page_goes_on_without_examples_on_a_read_only_disk(disk: Path, caplog) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    Examples(disk / "examples")._draw()
    assert "drawing the examples went wrong" in caplog.text and "its disk is read-only" in caplog.text
    assert "Traceback" not in caplog.text

"""Facts about the flag store: no metadata, one row per film, many writers at once."""

from __future__ import annotations

import multiprocessing
import sqlite3
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from time import perf_counter

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from boneage.cli import main
from boneage.data import flag_table
from boneage.data.archives import DataError
from boneage.data.flag_check import check_flags
from boneage.data.flags import FlagRecord, FlagStore, pixels_sha256
from boneage.groups import Sex


def film(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (40, 30), dtype=np.uint8)


def add_four(folder: Path, start: int) -> int:
    for seed in range(start, start + 4):
        FlagStore(folder).add(film(seed), FlagRecord(Sex.MALE, float(seed % 200), comment=f"by {start}"))
    return 4


def test_a_film_is_saved_under_the_hash_of_its_pixels_without_metadata(tmp_path):
    path = FlagStore(tmp_path).add(
        film(1), FlagRecord(Sex.FEMALE, 100.0, 96.0, "boneage-cascade", "3", comment="unsure")
    )
    assert path.stem == pixels_sha256(film(1))
    with Image.open(path) as picture:
        assert picture.info == {}
        np.testing.assert_array_equal(np.asarray(picture), film(1))
    row = FlagStore(tmp_path).records().iloc[0]
    assert (row["sex"], row["estimated_age_months"], row["reader_age_months"]) == ("female", 100.0, 96.0)
    assert (row["model"], row["version"], row["comment"]) == ("boneage-cascade", "3", "unsure")
    assert row["time"].endswith("+00:00")


def test_the_same_film_again_updates_its_row(tmp_path):
    store = FlagStore(tmp_path)
    store.add(film(1), FlagRecord(Sex.FEMALE, 100.0))
    store.add(film(1), FlagRecord(Sex.FEMALE, 100.0, reader_age_months=90.0))
    records = store.records()
    assert len(records) == 1
    assert records["reader_age_months"].item() == 90.0


def test_the_history_keeps_every_saving_in_its_order_whatever_the_clock_says(tmp_path):
    store = FlagStore(tmp_path)
    store.add(film(1), FlagRecord(Sex.FEMALE, 100.0, 90.0, time="2026-05-02T10:00:00+00:00"))
    store.add(film(2), FlagRecord(Sex.FEMALE, 100.0, 95.0, time="2026-05-02T09:00:00+00:00"))
    assert store.save(film(1), FlagRecord(Sex.FEMALE, 100.0, 99.0, time="2026-05-01T10:00:00+00:00")).updated
    history = store.history()
    assert history["what"].to_list() == ["saved", "saved", "updated"]
    assert history["reader_age_months"].to_list() == [90.0, 95.0, 99.0]
    assert store.records()["reader_age_months"].to_list() == [95.0, 99.0]


def old_store(folder: Path, rows: list[tuple[int, float, float, str]]) -> FlagStore:
    """A store as it was before estimates had keys and savings a history."""
    store = FlagStore(folder)
    for seed, estimate, reading, time in rows:
        store.add(
            film(seed), FlagRecord(Sex.MALE, estimate, reading, "boneage-cascade", "3", f"2026-05-02T{time}+00:00")
        )
    with closing(sqlite3.connect(folder / "flags.db")) as table:
        table.executescript("DROP TABLE history; ALTER TABLE flags DROP COLUMN key")
    return store


def test_the_check_lists_what_may_have_been_mixed_up_in_an_old_store(tmp_path, capsys):
    rows = [(1, 82.9, 150.0, "10:00:00"), (2, 100.0, 98.0, "10:01:00"), (3, 120.0, 140.0, "10:05:00"),
            (4, 141.0, 140.0, "10:06:00"), (5, 60.0, 61.0, "10:09:00")]  # fmt: skip
    store = old_store(tmp_path, rows)
    Image.fromarray(film(9)).save(store.image(pixels_sha256(film(5))))
    store.image(pixels_sha256(film(2))).unlink()
    found = {doubt.sha256: doubt.sentence for doubt in check_flags(store)}
    said = {1: "another film's", 2: "is gone", 3: "right after", 5: "not the one"}
    assert set(found) == {pixels_sha256(film(seed)) for seed in said}
    assert all(words in found[pixels_sha256(film(seed))] for seed, words in said.items())
    assert main(["flags", "--folder", str(tmp_path), "check"]) == 1
    assert "5 cases, 4 of them doubtful" in capsys.readouterr().out


def test_an_old_store_is_updated_and_what_stood_there_is_in_the_history(tmp_path, capsys):
    store = old_store(tmp_path, [(1, 82.9, 150.0, "10:00:00")])
    store.add(film(1), FlagRecord(Sex.MALE, 82.9, 84.0, key="k" * 64))
    assert store.history()[["what", "reader_age_months"]].to_numpy().tolist() == [["saved", 150.0], ["updated", 84.0]]
    assert [doubt.sentence[:23] for doubt in check_flags(store)] == ["the reading was changed"]
    assert main(["flags", "--folder", str(tmp_path), "history"]) == 0
    assert "updated" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda file: file.write_bytes(b"not sqlite" * 500), "no SQLite database, or damaged"),
        (lambda file: (file.unlink(), file.mkdir()), "cannot be opened"),
    ],
)
def test_a_damaged_store_is_said_in_a_sentence(tmp_path, damage, words):
    store = FlagStore(tmp_path)
    store.add(film(1), FlagRecord(Sex.MALE, 1.0))
    damage(tmp_path / "flags.db")
    with pytest.raises(DataError, match=words):
        store.add(film(2), FlagRecord(Sex.MALE, 1.0))


def test_a_store_that_another_program_holds_says_who_may_hold_it(tmp_path, monkeypatch):
    monkeypatch.setattr(flag_table, "_WAIT_SECONDS", 0.2)
    store = FlagStore(tmp_path)
    store.add(film(1), FlagRecord(Sex.MALE, 1.0))
    with closing(sqlite3.connect(tmp_path / "flags.db", isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(DataError, match="held by another program"):
            store.add(film(2), FlagRecord(Sex.MALE, 1.0))


def test_ten_thousand_cases_open_within_a_second(tmp_path):
    store = FlagStore(tmp_path)
    store.add(film(0), FlagRecord(Sex.MALE, 1.0))
    columns = "sha256, image, sex, estimated_age_months, reader_age_months, model, version, time, comment, key"
    numbered = "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9999)"
    values = "i || '', 'images/x.png', 'male', 100, 90, 'm', '1', '2026-01-01', '', 'k' FROM n"
    with closing(sqlite3.connect(tmp_path / "flags.db")) as table, table:
        table.execute(f"INSERT INTO flags ({columns}) {numbered} SELECT {values}")
        table.execute(f"INSERT INTO history (what, {columns}) {numbered} SELECT 'saved', {values}")
    start = perf_counter()
    records = store.records()
    assert perf_counter() - start < 1.0 and len(records) == 10_000


def test_an_empty_store_has_no_records_and_nothing_to_export(tmp_path):
    store = FlagStore(tmp_path / "flagged")
    assert store.records().empty
    assert "sha256" in store.records().columns
    with pytest.raises(DataError, match="nothing was saved"):
        store.export(tmp_path / "out")


def test_the_export_has_the_layout_of_the_rsna_set(tmp_path):
    store = FlagStore(tmp_path / "flagged")
    store.add(film(1), FlagRecord(Sex.FEMALE, 100.0, 96.5))
    store.add(film(2), FlagRecord(Sex.MALE, 50.0))
    table = pd.read_csv(store.export(tmp_path / "out"), dtype={"id": str}).set_index("id")
    assert list(table.columns) == ["boneage", "male"]
    assert table.loc[pixels_sha256(film(1))].to_list() == [96.5, False]
    assert table.loc[pixels_sha256(film(2))].to_list() == [50.0, True]
    assert len(list((tmp_path / "out" / "boneage-training-dataset").glob("*.png"))) == 2


@pytest.mark.parametrize("age", [-1.0, 229.0, float("nan")])
def test_an_age_out_of_range_is_refused(age):
    with pytest.raises(DataError, match="0-228"):
        FlagRecord(Sex.MALE, 100.0, reader_age_months=age)


def test_pixels_that_are_no_film_are_refused(tmp_path):
    with pytest.raises(DataError, match="uint8"):
        FlagStore(tmp_path).add(np.zeros((4, 4), np.float32), FlagRecord(Sex.MALE, 1.0))


def test_fifty_writers_at_once_lose_nothing(tmp_path):
    with ThreadPoolExecutor(50) as pool:
        assert sum(pool.map(lambda number: add_four(tmp_path, 4 * number), range(50))) == 200
    assert len(FlagStore(tmp_path).records()) == 200
    assert len(list((tmp_path / "images").iterdir())) == 200


def test_several_processes_write_at_once(tmp_path):
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        list(pool.map(add_four, [tmp_path] * 4, [0, 2, 4, 6]))
    assert len(FlagStore(tmp_path).records()) == 10

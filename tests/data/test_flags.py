"""Facts about the flag store: no metadata, one row per film, many writers at once."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from boneage.data.archives import DataError
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

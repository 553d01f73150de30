"""Facts about preparation: METHOD's order, doubtful masks are said, every film once, and nothing stops the rest."""

from __future__ import annotations

import hashlib
import os
import pickle
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from boneage.config import PreprocessConfig
from boneage.data.annotations import load_folder, read_row
from boneage.data.archives import DataError
from boneage.data.radiograph import ImageError
from boneage.errors import BoneageError
from boneage.paths import project_root
from boneage.preprocess.parallel import Failure, run_parallel
from boneage.preprocess.pipeline import Preparer, prepare_table

PLAIN = PreprocessConfig(background="none", size=64)
SHARED = Path(os.environ.get("BONEAGE_SHARED_DATA", project_root().parent / "shared" / "data"))


def film(seed: int = 0, height: int = 120, width: int = 90) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 200, (height, width), dtype=np.uint8)


def with_mask(config: PreprocessConfig, mask: np.ndarray) -> Preparer:
    """A preparer whose mask network answers with this mask."""
    preparer = Preparer(config)
    preparer._session = lambda image: mask.astype(np.uint8) * 255
    return preparer


def table_of(folder: Path, count: int) -> pd.DataFrame:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        Image.fromarray(film(number)).save(folder / f"{number}.png")
    images = [str(folder / f"{number}.png") for number in range(count)]
    return pd.DataFrame({"source": "s", "id": [str(number) for number in range(count)], "image": images})


def test_the_steps_come_in_the_order_of_the_method():
    mask = np.zeros((100, 80), bool)
    mask[20:80, 20:60] = True
    image = film(1, 100, 80)
    image[~mask] = 255
    image[40:60, 30:40] = 199
    prepared = with_mask(PreprocessConfig(background="handmask", size=100), mask).prepare(image)
    assert prepared.image.shape == (100, 100)
    assert prepared.box == (0, 100, 0, 80)
    assert (prepared.image[:18] == 0).all()
    assert prepared.image[25:75, 30:70].max() == 255
    np.testing.assert_array_equal(prepared.mask, mask)
    assert prepared.warnings == ()


@pytest.mark.parametrize(("pad", "crop"), [(False, False), (True, False), (False, True), (True, True)])
def test_padding_keeps_the_aspect_and_cropping_fills_the_frame(pad, crop):
    mask = np.zeros((200, 100), bool)
    mask[20:120, 25:75] = True
    image = np.tile(np.arange(100, dtype=np.uint8) + 50, (200, 1))
    prepared = with_mask(PreprocessConfig(background="handmask", size=100, pad=pad, crop=crop), mask).prepare(image)
    rows, columns = (np.flatnonzero((prepared.image > 0).any(axis=axis)) for axis in (1, 0))
    aspect = np.ptp(rows) / np.ptp(columns)
    assert aspect == pytest.approx(2.0 if pad else 1.0, rel=0.08)
    assert (np.ptp(rows) > 85) == crop


@pytest.mark.parametrize(("share", "words"), [(0.001, "0% of the film"), (1.0, "100% of the film")])
def test_a_doubtful_mask_is_not_used_and_the_warning_says_so(share, words):
    mask = np.zeros((100, 100), bool)
    mask[: max(1, int(100 * share))] = True
    mask[:, max(5, int(100 * share)) :] = False
    prepared = with_mask(PreprocessConfig(size=50), mask).prepare(film(1, 100, 100))
    assert prepared.mask.all()
    assert words in prepared.warnings[0]
    assert "whole film was used" in prepared.warnings[0]


def test_a_mask_in_several_parts_is_said():
    mask = np.zeros((100, 100), bool)
    mask[5:40, 5:45] = mask[50:85, 5:45] = mask[5:40, 55:90] = True
    prepared = with_mask(PreprocessConfig(size=50), mask).prepare(film(1, 100, 100))
    assert "several parts" in prepared.warnings[0]
    assert prepared.mask.sum() == 1400
    kept = with_mask(PreprocessConfig(size=50, select="none"), mask).prepare(film(1, 100, 100))
    assert kept.mask.sum() == mask.sum()


@pytest.mark.parametrize("background", ["none", "handmask"])
@pytest.mark.parametrize("shade", [0, 77, 255])
def test_a_blank_film_is_prepared_with_a_warning_and_without_nan(background, shade):
    with np.errstate(all="raise"):
        prepared = Preparer(PreprocessConfig(background=background, crop=True, pad=True)).prepare(
            np.full((100, 80), shade, np.uint8)
        )
    assert prepared.image.shape == (500, 500)
    assert "blank" in prepared.warnings[0]


@pytest.mark.parametrize("bad", [np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4)), np.zeros((0, 4), np.uint8)])
def test_only_grey_uint8_films_are_prepared(bad):
    with pytest.raises(ImageError, match="grey uint8"):
        Preparer(PLAIN).prepare(bad)


def test_the_identity_depends_on_settings_and_not_on_where_the_network_lies(tmp_path):
    from boneage.preprocess.background import network_file

    copy = tmp_path / "elsewhere.onnx"
    copy.write_bytes(network_file("handmask").read_bytes())
    same = Preparer(PreprocessConfig(background=str(copy))).sha256
    assert same == Preparer(PreprocessConfig()).sha256
    changes = ({"background": "none"}, {"contrast": "clahe"}, {"crop": True}, {"pad": True}, {"size": 499})
    others = {Preparer(PreprocessConfig(**change)).sha256 for change in changes}
    assert len(others | {same}) == 6


def test_a_preparer_pickles_without_its_session():
    preparer = Preparer(PreprocessConfig(size=64))
    expected = preparer.prepare(film()).image
    again = pickle.loads(pickle.dumps(preparer))  # noqa: S301
    assert again._session is None
    np.testing.assert_array_equal(again.prepare(film()).image, expected)


def test_a_table_is_prepared_once_and_read_back(tmp_path):
    table = table_of(tmp_path / "films", 5)
    seen: list[tuple[int, int]] = []
    prepared = prepare_table(table, PLAIN, tmp_path / "cache", workers=1, progress=lambda *step: seen.append(step))
    assert prepared.ids == ("0", "1", "2", "3", "4")
    assert seen[0] == (0, 5)
    assert seen[-1] == (5, 5)
    np.testing.assert_array_equal(prepared.load("3"), Preparer(PLAIN).prepare(film(3)).image)
    stamps = {file: file.stat().st_mtime_ns for file in prepared.files.values()}
    again = prepare_table(table, PLAIN, tmp_path / "cache", workers=1)
    assert {file: file.stat().st_mtime_ns for file in again.files.values()} == stamps
    assert again.content_sha256 == prepared.content_sha256
    assert again.config_sha256 == Preparer(PLAIN).sha256


def test_another_configuration_is_prepared_beside_it(tmp_path):
    table = table_of(tmp_path / "films", 2)
    one = prepare_table(table, PLAIN, tmp_path / "cache", workers=1)
    two = prepare_table(table, PreprocessConfig(background="none", size=32), tmp_path / "cache", workers=1)
    assert one.load("0").shape == (64, 64)
    assert two.load("0").shape == (32, 32)


def test_changed_content_under_the_same_name_is_prepared_anew(tmp_path):
    table = table_of(tmp_path / "films", 2)
    before = prepare_table(table, PLAIN, tmp_path / "cache", workers=1).load("1")
    Image.fromarray(film(77)).save(tmp_path / "films" / "1.png")
    after = prepare_table(table, PLAIN, tmp_path / "cache", workers=1).load("1")
    assert (before != after).any()


def test_equal_films_have_equal_hashes_whatever_their_files(tmp_path):
    table = table_of(tmp_path, 2)
    Image.fromarray(film(0)).save(tmp_path / "1.png", compress_level=1)
    content = prepare_table(table, PLAIN, tmp_path / "cache", workers=1).content_sha256
    assert content["0"] == content["1"]


def test_a_bad_file_is_listed_and_stops_nothing(tmp_path):
    table = table_of(tmp_path / "films", 4)
    (tmp_path / "films" / "1.png").write_text("no picture")
    (tmp_path / "films" / "2.png").unlink()
    prepared = prepare_table(table, PLAIN, tmp_path / "cache", workers=1)
    assert prepared.ids == ("0", "3")
    assert list(prepared.problems["id"]) == ["1", "2"]
    assert "not an image" in prepared.problems["reason"][0]
    assert "no file at" in prepared.problems["reason"][1]
    with pytest.raises(DataError, match="no prepared film '1'"):
        prepared.load("1")


def test_warnings_are_kept_with_the_prepared_film(tmp_path):
    table = table_of(tmp_path / "films", 2)
    Image.fromarray(np.full((64, 64), 9, np.uint8)).save(tmp_path / "films" / "1.png")
    for _ in range(2):
        assert list(prepare_table(table, PLAIN, tmp_path / "cache", workers=1).warnings) == ["1"]


def test_a_broken_file_in_the_cache_is_made_again(tmp_path):
    table = table_of(tmp_path / "films", 1)
    prepared = prepare_table(table, PLAIN, tmp_path / "cache", workers=1)
    expected = prepared.load("0")
    prepared.files["0"].write_bytes(b"broken")
    np.testing.assert_array_equal(prepare_table(table, PLAIN, tmp_path / "cache", workers=1).load("0"), expected)


def test_a_missing_network_is_one_error(tmp_path):
    with pytest.raises(BoneageError, match="no mask network"):
        prepare_table(table_of(tmp_path, 1), PreprocessConfig(background="gone.onnx"), tmp_path / "cache")


def test_a_killed_preparation_continues_where_it_was(tmp_path):
    """Killed with -9 in the midst of writing; then finished, and everything is whole."""
    table = table_of(tmp_path / "films", 200)
    table.to_csv(tmp_path / "table.csv", index=False)
    code = (
        "import pandas as pd; from pathlib import Path; from boneage.config import PreprocessConfig;"
        "from boneage.preprocess.pipeline import prepare_table;"
        f"prepare_table(pd.read_csv({str(tmp_path / 'table.csv')!r}, dtype={{'id': str}}),"
        f" PreprocessConfig(background='none', size=500), Path({str(tmp_path / 'cache')!r}), workers=1)"
    )
    process = subprocess.Popen([sys.executable, "-c", code], cwd=project_root())
    deadline = time.monotonic() + 60
    while len(list((tmp_path / "cache").rglob("*.png"))) < 5 and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    config = PreprocessConfig(background="none", size=500)
    prepared = prepare_table(table, config, tmp_path / "cache", workers=1)
    assert len(prepared.ids) == 200
    for number in (0, 1, 57, 199):
        np.testing.assert_array_equal(prepared.load(str(number)), Preparer(config).prepare(film(number)).image)


def _fragile(number: int) -> None:
    if number == 7:  # as a decoder that crashes would
        os.kill(os.getpid(), signal.SIGKILL)
    if number % 10 == 3:
        raise DataError(f"bad {number}")


def test_worker_processes_give_the_same_and_survive_a_killer(tmp_path):
    """One item that kills its process, as a crashing decoder would, costs only itself."""
    results = dict(run_parallel(_fragile, list(range(14)), workers=2))
    failures = {number: result.reason for number, result in results.items() if isinstance(result, Failure)}
    assert len(results) == 14
    assert set(failures) == {3, 7, 13}
    assert failures[13] == "bad 13"
    assert "ended the process" in failures[7]


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")
def test_workers_end_when_their_parent_was_killed(tmp_path):
    module = tmp_path / "killed_parent.py"
    module.write_text(
        "import os, time\nfrom pathlib import Path\nfrom boneage.preprocess.parallel import run_parallel\n"
        f"def work(n):\n    Path({str(tmp_path)!r}, f'{{os.getpid()}}.pid').touch()\n    time.sleep(0.1)\n"
        "if __name__ == '__main__':\n    list(run_parallel(work, list(range(9999)), workers=2))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(project_root())}
    process = subprocess.Popen([sys.executable, str(module)], cwd=tmp_path, env=environment)
    deadline = time.monotonic() + 60
    while len(list(tmp_path.glob("*.pid"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    process.kill()
    process.wait()
    workers = [Path("/proc", file.stem, "cmdline") for file in tmp_path.glob("*.pid")]
    while any(_lives(worker) for worker in workers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(workers) == 2
    assert not any(_lives(worker) for worker in workers)


def _lives(command_line: Path) -> bool:
    """Whether a process runs; one that has ended but was not waited for has an empty command line."""
    try:
        return bool(command_line.read_bytes())
    except OSError:
        return False


@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data is not here")
def test_real_films_are_prepared_in_parallel_within_their_time(tmp_path):
    table = load_folder(SHARED).table
    table = table[table["image"].str.contains("1024px")].head(6)
    prepared = prepare_table(table, PreprocessConfig(crop=True, pad=True), tmp_path, workers=2)
    assert len(prepared.ids) == 6
    assert prepared.warnings == {}
    preparer = Preparer(PreprocessConfig(crop=True, pad=True), threads=1)
    preparer.prepare(read_row(table.iloc[0]))
    start = time.process_time()
    again = [preparer.prepare(read_row(row)).image for _, row in table.iterrows()]
    assert (time.process_time() - start) / len(table) < 0.25
    np.testing.assert_array_equal(again[5], prepared.load(prepared.ids[5]))


def test_a_prepared_set_reads_back_memory_mapped(tmp_path, monkeypatch):
    table = table_of(tmp_path / "films", 5)
    prepared = prepare_table(table, PLAIN, tmp_path / "cache", workers=1)
    films = {name: prepared.load(name) for name in prepared.ids}
    np.testing.assert_array_equal(prepared.stack(["3", "1"]), [films["3"], films["1"]])
    some = prepared.stack(["0", "3", "3"])
    assert some.dtype == np.uint8
    np.testing.assert_array_equal(some, [films["0"], films["3"], films["3"]])
    assert not isinstance(some, np.memmap), "nothing stays mapped"
    mapped = []
    monkeypatch.setattr(
        np, "memmap", lambda *args, _map=np.memmap, **options: mapped.append(_map(*args, **options)) or mapped[-1]
    )
    monkeypatch.setattr(type(prepared), "load", lambda *_: pytest.fail("decoded again"))
    np.testing.assert_array_equal(prepared.stack(["1", "0"]), [films["1"], films["0"]])
    assert mapped[0].shape == (3, 64, 64)
    with pytest.raises(DataError, match="no prepared film 'x'"):
        prepared.stack(["x"])


@pytest.mark.parametrize("damage", ["half a film", "films without keys", "half a key"])
def test_a_mapped_file_whose_writer_was_killed_is_mended(tmp_path, damage):
    prepared = prepare_table(table_of(tmp_path / "films", 4), PLAIN, tmp_path / "cache", workers=1)
    wanted = prepared.stack(["0", "1", "2", "3"])
    data, keys = next((tmp_path / "cache").rglob("films.u8")), next((tmp_path / "cache").rglob("films.txt"))
    content, lines = data.read_bytes(), keys.read_bytes()
    data.write_bytes(content[:-1000] if damage == "half a film" else content)
    keys.write_bytes({"half a film": lines, "films without keys": lines[:130], "half a key": lines[:-9]}[damage])
    np.testing.assert_array_equal(prepared.stack(["3", "2", "1", "0"]), wanted[::-1])
    assert data.stat().st_size == len(content)


def test_right_hands_are_mirrored_where_the_table_says_so(tmp_path):
    table = table_of(tmp_path / "films", 2).assign(laterality=["R", "L"])
    plain = prepare_table(table, PLAIN, tmp_path / "cache", workers=1)
    mirrored = prepare_table(table, replace(PLAIN, mirror="right"), tmp_path / "cache", workers=1)
    np.testing.assert_array_equal(mirrored.load("0"), plain.load("0")[:, ::-1])
    np.testing.assert_array_equal(mirrored.load("1"), plain.load("1"))
    left = table.assign(laterality="L")
    other_hand = prepare_table(left, replace(PLAIN, mirror="right"), tmp_path / "cache", workers=1)
    np.testing.assert_array_equal(other_hand.load("0"), plain.load("0"))


def test_names_in_the_cache_stay_what_they_were(tmp_path):
    """Whatever is added later must not make anybody prepare a hundred thousand films again."""
    table = table_of(tmp_path / "films", 1)
    file = prepare_table(table, PLAIN, tmp_path / "cache", workers=1).files["0"]
    key = hashlib.sha256((tmp_path / "films" / "0.png").read_bytes() + b"(nan, nan, '')").hexdigest()
    assert file.parent.name + file.stem == key

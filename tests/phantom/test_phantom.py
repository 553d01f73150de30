"""Facts about the phantoms: anatomy by age and sex, determinism, mask, layout on disk."""

from __future__ import annotations

import csv
import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from boneage.groups import Sex, group_of
from boneage.phantom import anatomy
from boneage.phantom import dataset as phantom_dataset
from boneage.phantom.bones import Growth, tube_bones
from boneage.phantom.dataset import write_dataset
from boneage.phantom.hand import draw
from boneage.phantom.options import PhantomOptions
from boneage.phantom.pose import place_joints
from boneage.phantom.render import View, bone_attenuation
from boneage.phantom.sheet import contact_sheet
from boneage.phantom.wrist import forearm_bones, small_bones

SMALL = PhantomOptions(size=160)
PLAIN = PhantomOptions.plain(256)


def pieces_at(age: float, sex: Sex):
    rng = np.random.Generator(np.random.PCG64(0))
    skeleton = place_joints(age, sex, rng, 0.0, 0.0)
    growth = Growth.of(age, sex, rng, 0.0, 0.0)
    return [*tube_bones(skeleton, growth), *small_bones(skeleton, growth), *forearm_bones(skeleton, growth)]


def names_at(age: float, sex: Sex) -> set[str]:
    return {piece.name for piece in pieces_at(age, sex)}


def fingerprint() -> str:
    drawn = [draw(age, sex, 7, SMALL) for age, sex in ((9.0, Sex.MALE), (150.0, Sex.FEMALE))]
    return hashlib.sha256(b"".join(p.image.tobytes() + p.mask.tobytes() for p in drawn)).hexdigest()


def test_same_arguments_draw_the_same_phantom_in_another_process():
    code = "import cv2; cv2.setNumThreads(1); from test_phantom import fingerprint; print(fingerprint())"
    there = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parent, capture_output=True, text=True, check=True,
        env={"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": ""},
    )  # fmt: skip
    assert there.stdout.strip() == fingerprint()


def test_seeds_differ():
    assert not np.array_equal(
        draw(100, Sex.MALE, 1, SMALL).image[:160, :90], draw(100, Sex.MALE, 2, SMALL).image[:160, :90]
    )


def test_importing_phantoms_loads_nothing_heavy():
    heavy = "('tensorflow', 'keras', 'rembg', 'torch')"
    code = f"import sys, boneage.phantom.hand; print([name for name in {heavy} if name in sys.modules])"
    out = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True
    )
    assert out.stdout.strip() == "[]"


def test_every_number_of_the_table_has_a_source_and_a_certainty():
    rows = anatomy.read_table()
    assert len(rows) > 150
    for row in rows:
        assert row["source"] and row["certainty"] and row["unit"], row
        for sex in Sex:
            value = float(row[sex])
            assert float(row[f"{sex}_low"] or value) <= value <= float(row[f"{sex}_high"] or value), row


def test_every_centre_has_its_ages_in_the_table():
    assert len(anatomy.CARPALS) == 8
    assert len(anatomy.EPIPHYSES) == 21
    for sex in Sex:
        for part in anatomy.EPIPHYSES:
            order = [anatomy.value(q, part, sex) for q in ("appears", "full_width", "fuses_from", "fuses_by")]
            assert order == sorted(order), (part, sex, order)


@pytest.mark.parametrize("sex", list(Sex))
def test_carpals_appear_in_published_order(sex):
    first = {}
    skeleton = place_joints(100, sex, np.random.Generator(np.random.PCG64(0)), 0.0, 0.0)
    for age in range(229):
        for piece in small_bones(skeleton, Growth(age, sex)):
            if piece.name in anatomy.CARPALS:
                first.setdefault(piece.name, age)
    assert list(first)[0] in ("capitate", "hamate")
    order = [first[name] for name in ("capitate", "triquetrum", "lunate", "trapezium", "pisiform")]
    assert order == sorted(order)
    assert len(first) == 8
    assert first["pisiform"] == {Sex.MALE: 120, Sex.FEMALE: 106}[sex]


@pytest.mark.parametrize("sex", list(Sex))
def test_ossification_centres_only_increase_until_they_fuse(sex):
    appears = [anatomy.value("appears", part, sex) for part in anatomy.CENTRES]
    counts = [sum(months <= age for months in appears) for age in range(0, 229, 3)]
    assert counts == sorted(counts)
    assert counts[0] <= 1
    assert counts[-1] == len(anatomy.CENTRES) == 30


def test_girls_are_ahead_of_boys_as_published():
    for part in anatomy.CENTRES:
        assert anatomy.value("appears", part, Sex.FEMALE) < anatomy.value("appears", part, Sex.MALE)
    for part in anatomy.EPIPHYSES:
        assert anatomy.value("fuses_by", part, Sex.FEMALE) < anatomy.value("fuses_by", part, Sex.MALE)
    assert len(names_at(16, Sex.FEMALE)) > len(names_at(16, Sex.MALE))


def test_a_newborn_has_no_epiphyses_and_a_child_has_all():
    assert not {f"{part}e" for part in anatomy.EPIPHYSES} & names_at(0, Sex.MALE)
    child = names_at(100, Sex.MALE)
    assert {f"{part}e" for part in anatomy.EPIPHYSES} <= child


def test_fingers_fuse_before_the_wrist():
    teenager = names_at(187, Sex.MALE)
    assert "DP3e" not in teenager
    assert "radiuse" in teenager
    adult = names_at(228, Sex.MALE)
    assert not {f"{part}e" for part in anatomy.EPIPHYSES} & adult
    assert "sesamoid" in adult
    assert "sesamoid" not in names_at(120, Sex.MALE)


def test_epiphyses_widen_to_the_metaphysis_as_published():
    for sex, half, full in ((Sex.MALE, 32, 150), (Sex.FEMALE, 24, 106)):
        assert Growth(half, sex).width_ratio("PP3") == pytest.approx(0.5, abs=0.02)
        assert Growth(full, sex).width_ratio("PP3") == pytest.approx(1.0)
        assert Growth(anatomy.value("appears", "PP3", sex) - 1, sex).width_ratio("PP3") == 0.0


def test_growth_plate_is_dark_in_a_child_and_closed_in_an_adult():
    def dip(age: float) -> float:
        skeleton = place_joints(age, Sex.MALE, np.random.Generator(np.random.PCG64(0)), 0.0, 0.0)
        view = View(8.0, 1.0, 0.0, 300.0, 100.0, 500, 600)
        added = bone_attenuation(pieces_at(age, Sex.MALE), view)
        x, y = view.to_film(np.array([[0.06 * skeleton.unit, skeleton.wrist_y]]))[0]
        line = added[int(y) - 40 : int(y) + 40, int(x)]
        return float(line[20:60].min() / line.max())

    assert dip(140) < 0.05
    assert dip(228) > 0.3


def test_cortex_is_brighter_than_the_canal():
    (shaft,) = [piece for piece in pieces_at(150, Sex.FEMALE) if piece.name == "MC3"]
    added = bone_attenuation([shaft], View(8.0, 1.0, 0.0, 200.0, 550.0, 600, 400))
    middle = added[550 - round(8 * 30)]
    inside = np.flatnonzero(middle > 0)
    centre = float(middle[(inside[0] + inside[-1]) // 2])
    assert middle.max() > 1.3 * centre > 0


@pytest.mark.parametrize(("age", "sex"), [(4.0, Sex.MALE), (70.0, Sex.FEMALE), (190.0, Sex.MALE)])
def test_mask_covers_every_bone_and_reaches_the_films_edge(age, sex):
    phantom = draw(age, sex, 3, PLAIN)
    bright = phantom.image > np.percentile(phantom.image, 97)
    assert (bright & ~phantom.mask).sum() == 0
    assert phantom.mask[-1].any()
    assert cv2.connectedComponents(phantom.mask.astype(np.uint8))[0] == 2
    for name, (x, y) in phantom.landmarks.items():
        if 0 <= y < phantom.mask.shape[0] and 0 <= x < phantom.mask.shape[1]:
            assert phantom.mask[int(y), int(x)], name


def test_mask_ends_where_the_collimator_is_shut():
    shut = replace(SMALL, collimation_share=1.0, marker_share=0.0, inverted_share=0.0)
    open_film = replace(shut, collimation_share=0.0)
    pairs = [(draw(90, Sex.MALE, seed, shut), draw(90, Sex.MALE, seed, open_film)) for seed in range(12)]
    assert all(not (a.mask & ~b.mask).any() for a, b in pairs)
    assert any((b.mask & ~a.mask).any() for a, b in pairs)


def test_thumb_is_on_the_right_and_fingers_point_up():
    at = draw(120, Sex.FEMALE, 5, SMALL).landmarks
    assert at["tip1"][0] > at["tip3"][0] > at["tip5"][0]
    assert at["tip3"][1] < at["wrist"][1]


def test_hands_grow_with_age():
    spans = [
        np.hypot(*np.subtract(p.landmarks["tip3"], p.landmarks["wrist"]))
        for p in (draw(age, Sex.MALE, 1, PLAIN) for age in (6, 60, 132))
    ]
    assert spans == sorted(spans)


def test_label_carries_the_readers_noise_and_the_truth_does_not():
    noisy = replace(SMALL, label_noise_sd_months=8.0)
    drawn = [draw(100.0, Sex.MALE, seed, noisy) for seed in range(25)]
    errors = np.array([p.age_months - 100 for p in drawn])
    assert all(p.true_age_months == 100.0 and p.age_months == round(p.age_months) for p in drawn)
    assert 4 < errors.std() < 13
    assert draw(100.4, Sex.MALE, 1, PLAIN).age_months == 100


@pytest.mark.parametrize("age", [-1.0, 229.0, float("nan")])
def test_impossible_ages_are_refused(age):
    with pytest.raises(ValueError, match="0-228"):
        draw(age, Sex.MALE, 1)


def test_data_set_is_in_the_rsna_layout(tmp_path):
    table = write_dataset(tmp_path, 16, 1, SMALL, workers=1)
    rows = list(csv.DictReader(table.open()))
    assert list(rows[0]) == ["id", "boneage", "male"]
    cells = {(row["male"], group_of(float(row["boneage"]))) for row in rows}
    assert {row["male"] for row in rows} == {"True", "False"}
    assert len(cells) >= 7  # the reader's noise may move one over an edge
    landmarks = json.loads((tmp_path / "landmarks.json").read_text())
    for row in rows:
        assert row["boneage"].isdigit()
        image = cv2.imread(str(tmp_path / "boneage-training-dataset" / f"{row['id']}.png"), cv2.IMREAD_UNCHANGED)
        mask = cv2.imread(str(tmp_path / "masks" / f"{row['id']}.png"), cv2.IMREAD_UNCHANGED)
        assert image.shape == mask.shape and image.dtype == np.uint8
        assert set(np.unique(mask)) == {0, 255}
        assert "tip3" in landmarks[row["id"]]


def test_planned_ages_fill_all_eight_cells_alike():
    items = phantom_dataset.plan(400, 3)
    cells = [(item.sex, group_of(item.age_months)) for item in items]
    assert {cells.count(cell) for cell in set(cells)} == {50}
    assert len({item.seed for item in items}) == 400


def test_an_interrupted_data_set_resumes_without_redrawing(tmp_path):
    class StopError(Exception):
        pass

    def stop_at_three(done: int, count: int) -> None:
        if done == 3:
            raise StopError

    with pytest.raises(StopError):
        write_dataset(tmp_path, 8, 1, SMALL, workers=1, progress=stop_at_three)
    assert not (tmp_path / phantom_dataset.TABLE_NAME).exists()
    early = {path: path.stat().st_mtime_ns for path in (tmp_path / "masks").iterdir()}
    seen = []
    write_dataset(tmp_path, 8, 1, SMALL, workers=1, progress=lambda done, count: seen.append(done))
    assert seen == [4, 5, 6, 7, 8]
    assert all(path.stat().st_mtime_ns == at for path, at in early.items())


def test_processes_write_the_same_data_set(tmp_path):
    for name, workers in (("one", 1), ("two", 2)):
        write_dataset(tmp_path / name, 4, 2, SMALL, workers=workers)
    for path in (tmp_path / "one" / "boneage-training-dataset").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / "boneage-training-dataset" / path.name).read_bytes()


def test_two_data_sets_never_mix(tmp_path):
    write_dataset(tmp_path, 1, 1, SMALL, workers=1)
    with pytest.raises(ValueError, match="other arguments"):
        write_dataset(tmp_path, 1, 2, SMALL, workers=1)


def test_contact_sheet_has_a_cell_for_every_age_and_sex():
    sheet = contact_sheet(ages=(12.0, 36.0, 60.0, 100.0, 150.0, 200.0), height=100)
    assert sheet.shape == (2 * 122, 6 * 72)

"""Facts about the splits: drawn once, stratified, saved, and never with the same film in two sets."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from boneage.config import DataConfig
from boneage.data.annotations import TestSet, TrainingSet
from boneage.data.splits import SplitError, check_leaks, draw, draw_folds, load_or_draw, same_films
from boneage.groups import group_of


def training_set(count: int = 400, role: str = "train", seed: int = 0) -> TrainingSet:
    rng = np.random.default_rng(seed)
    ages = rng.uniform(0, 228, count)
    table = pd.DataFrame(
        {
            "id": [str(number) for number in range(count)],
            "sex": rng.choice(["female", "male"], count),
            "age_months": ages,
            "group": [group_of(age) for age in ages],
            "source": "s",
            "role": role,
        }
    )
    return TrainingSet(table, pd.DataFrame())


def test_splits_are_drawn_once_and_read_ever_after(tmp_path):
    path = tmp_path / "study" / "splits.json"
    first = load_or_draw(path, training_set(), DataConfig(), seed=1)
    before = path.read_bytes()
    again = load_or_draw(path, training_set(), DataConfig(), seed=1)
    assert again == first
    assert path.read_bytes() == before


def test_the_draw_depends_on_the_seed_and_not_on_the_order_of_rows():
    training = training_set()
    shuffled = replace(training, table=training.table.sample(frac=1, random_state=3).reset_index(drop=True))
    assert draw(training, DataConfig(), 1) == draw(shuffled, DataConfig(), 1)
    assert draw(training, DataConfig(), 1).sha256 != draw(training, DataConfig(), 2).sha256


def test_no_image_is_in_two_parts_and_every_fold_has_every_sex_and_group():
    training = training_set()
    splits = draw(training, DataConfig(), 1)
    assert set(splits.train).isdisjoint(splits.validation)
    assert set(splits.train) | set(splits.validation) == set(training.table["id"])
    assert len(splits.validation) == 80
    assert set(splits.fold) == set(splits.train)
    table = training.table.set_index("id")
    cells = table.loc[list(splits.train)].assign(fold=[splits.fold[name] for name in splits.train])
    sizes = cells.groupby(["sex", "group", "fold"]).size().unstack()
    assert sizes.notna().all(axis=None)
    assert (sizes.max(axis=1) - sizes.min(axis=1) <= 1).all()
    shares = (
        table.loc[list(splits.validation)].groupby(["sex", "group"]).size() / table.groupby(["sex", "group"]).size()
    )
    assert shares.between(0.15, 0.25).all()


def test_fixed_validation_ids_are_honoured(tmp_path):
    (tmp_path / "ids.csv").write_text("id,large\n3,1\n5,0\n99999,1\n")
    data = DataConfig(root=str(tmp_path), validation_ids="ids.csv")
    assert draw(training_set(), data, 1).validation == ("3", "5")


def test_fixed_validation_ids_that_match_nothing_are_an_error(tmp_path):
    (tmp_path / "ids.csv").write_text("id\nx\n")
    with pytest.raises(SplitError, match="none of the 1 ids"):
        draw(training_set(), DataConfig(root=str(tmp_path), validation_ids="ids.csv"), 1)


def test_rare_strata_do_not_stop_the_draw():
    training = training_set(60)
    table = training.table.copy()
    table["group"], table["sex"] = 2, "male"
    table.loc[0, ["group", "sex"]] = [4, "female"]
    splits = draw(replace(training, table=table), DataConfig(), 1)
    assert len(splits.train) == 48


def test_too_few_images_are_an_error():
    with pytest.raises(SplitError, match="9 images cannot be split into 5 folds"):
        draw(training_set(9), DataConfig(), 1)


def test_changed_images_are_named_with_what_to_do(tmp_path):
    path = tmp_path / "splits.json"
    load_or_draw(path, training_set(100), DataConfig(), 1)
    with pytest.raises(SplitError, match=r"1 are gone \(99\).*delete the file"):
        load_or_draw(path, training_set(99), DataConfig(), 1)
    with pytest.raises(SplitError, match=r"2 are new \(100, 101\)"):
        load_or_draw(path, training_set(102), DataConfig(), 1)


@pytest.mark.parametrize(("change", "words"), [({"folds": 4}, "folds = 5"), ({"validation_fraction": 0.3}, "0.2")])
def test_changed_settings_are_named(tmp_path, change, words):
    path = tmp_path / "splits.json"
    load_or_draw(path, training_set(100), DataConfig(), 1)
    with pytest.raises(SplitError, match=words):
        load_or_draw(path, training_set(100), DataConfig(**change), 1)


def test_splits_changed_by_hand_are_refused(tmp_path):
    path = tmp_path / "splits.json"
    load_or_draw(path, training_set(100), DataConfig(), 1)
    content = json.loads(path.read_text())
    content["validation"].append(content["train"].pop())
    path.write_text(json.dumps(content))
    with pytest.raises(SplitError, match="changed by hand"):
        load_or_draw(path, training_set(100), DataConfig(), 1)
    path.write_text("{")
    with pytest.raises(SplitError, match="cannot be read"):
        load_or_draw(path, training_set(100), DataConfig(), 1)


def test_folds_alone_keep_no_image_for_validation():
    training = training_set(100)
    splits = draw_folds(training, DataConfig(validation_ids="v.csv"), 1)
    assert splits.validation == () and set(splits.train) == set(splits.fold) == set(training.table["id"])
    assert sorted(np.bincount(list(splits.fold.values()))) == [20] * 5


def test_only_a_training_set_can_be_split(tmp_path):
    training = training_set()
    with pytest.raises(TypeError, match="TrainingSet"):
        load_or_draw(tmp_path / "s.json", TestSet(training.table, training.problems), DataConfig(), 1)


def test_the_same_film_in_two_sets_stops_the_study():
    splits = draw(training_set(100), DataConfig(), 1)
    hashes = {name: f"hash-{name}" for name in (*splits.train, *splits.validation)}
    check_leaks(splits, hashes, ["another"])
    leaky = {**hashes, splits.validation[0]: hashes[splits.train[0]]}
    with pytest.raises(SplitError, match=rf"{splits.train[0]} \(training\) = {splits.validation[0]} \(validation\)"):
        check_leaks(splits, leaky)
    with pytest.raises(SplitError, match="test image"):
        check_leaks(splits, hashes, [hashes[splits.validation[3]]])
    assert same_films(leaky) == [tuple(sorted((splits.train[0], splits.validation[0])))]

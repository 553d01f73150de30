from dataclasses import replace

import numpy as np
import pytest

from boneage.cascade.calibration import Calibration
from boneage.cascade.stack import Stack
from boneage.config import CascadeConfig
from boneage.explain import heatmaps as explain
from boneage.explain.faithfulness import (
    Deletion,
    Faithfulness,
    faithfulness,
    faithfulness_summary,
    measure_faithfulness,
)
from boneage.groups import ModelKey, Sex, Task
from boneage.preprocess.preparer import Prepared


class LeftHalf:
    """A backbone of 4 x 4 cells whose only feature is the brightness of the left half of the picture."""

    features = 2
    passes = 0

    def maps(self, images):
        cells = images.reshape(len(images), 4, -1, 4, images.shape[2] // 4).mean(axis=(2, 4))
        seen = cells * np.array([2, 2, 0, 0])
        return np.stack([seen, np.ones_like(seen)], axis=-1).astype(np.float32)

    def pooled(self, images):
        self.passes += len(images)
        return self.maps(images).mean(axis=(1, 2))


class AllAges:
    def predict(self, features, sexes):
        return features[:, 0] / 2


@pytest.fixture
def looking_left(cascade):
    cascade.backbone = LeftHalf()
    return cascade


@pytest.fixture
def prepared():
    rng = np.random.default_rng(3)
    image = rng.integers(60, 120, (40, 40)).astype(np.uint8)
    image[:, :20] = np.where(np.indices((40, 20)).sum(axis=0) % 7 < 2, 200, 20)
    return Prepared(image, np.ones((40, 40), bool), (0, 40, 0, 40))


def test_the_heat_lies_where_the_network_looks(looking_left, prepared):
    heat = explain.heat_map(looking_left, prepared, "female")
    assert heat.shape == (40, 40) and heat.dtype == np.float32
    assert heat.min() >= 0 and heat.max() == pytest.approx(1)
    assert heat[:, :15].mean() > 5 * heat[:, 25:].mean()


def test_the_gradient_is_that_of_the_routed_age(looking_left):
    gradient = explain.age_gradient(looking_left, np.array([100.0, 1.0], np.float32), Sex.MALE)
    assert gradient == pytest.approx([1.0, 0.0], abs=1e-3)


def test_the_gradient_is_that_of_the_expert_of_a_given_range(looking_left):
    class Steep:
        def predict(self, features):
            return 3 * features[:, 0]

    looking_left.heads[ModelKey(Task.REGRESSOR, Sex.MALE, 1)] = Steep()
    features = np.array([60.0, 1.0], np.float32)
    assert explain.age_gradient(looking_left, features, Sex.MALE) == pytest.approx([1.0, 0.0], abs=1e-3)
    assert explain.age_gradient(looking_left, features, Sex.MALE, "0-57") == pytest.approx([3.0, 0.0], abs=1e-3)


def test_what_is_explained_is_the_very_number_that_is_estimated(looking_left, prepared):
    looking_left.config = replace(
        looking_left.config, cascade=CascadeConfig(routing="soft", views=("original", "flip"))
    )
    looking_left.heads[ModelKey(Task.REGRESSOR, Sex.FEMALE, 3)].shift = 40
    looking_left.stack = Stack(AllAges(), {"female": 0.25})
    looking_left.calibration = Calibration({"female": 1.1}, {"female": 3.0}, 60)
    features, ages = looking_left.features(prepared), []
    for age_range in (None, "115-171"):
        estimate = looking_left.estimate_prepared(prepared, "female", age_range)
        ages.append(explain.ages_of(looking_left, features, Sex.FEMALE, age_range)[0])
        assert ages[-1] == pytest.approx(estimate.bone_age_months, abs=1e-6)
    assert abs(ages[0] - ages[1]) > 20


def test_both_maps_and_their_faithfulness_obey_a_given_range(looking_left, prepared):
    class Blind:
        def predict(self, features):
            return np.full(len(features), 150.0)

    looking_left.heads[ModelKey(Task.REGRESSOR, Sex.FEMALE, 3)] = Blind()
    for make in (explain.heat_map, explain.occlusion_map):
        assert make(looking_left, prepared, "female").any()
        heat = make(looking_left, prepared, "female", "115-171")
        # This expert always says the same, so nothing on the film moves its age.
        assert not heat.any()
        assert faithfulness(looking_left, prepared, "female", heat, "115-171").hottest_months == 0


def test_occlusion_agrees_about_the_side(looking_left, prepared):
    seen = []
    heat = explain.occlusion_map(looking_left, prepared, "male", tiles=4, progress=lambda *step: seen.append(step))
    assert heat[:, :15].mean() > heat[:, 25:].mean()
    assert seen[-1][0] == seen[-1][1]


def test_black_background_is_never_hot(looking_left, prepared):
    prepared.image[:8] = 0
    assert not explain.heat_map(looking_left, prepared, "male")[:8].any()


def test_a_faithful_map_beats_random_tiles_and_a_wrong_one_does_not(looking_left, prepared):
    image = prepared.image
    image[:, :20] = 60
    image[14:22, 4:12] = 255
    right = np.zeros((40, 40), np.float32)
    right[14:22, 4:12] = 1
    found = faithfulness(looking_left, prepared, "female", right, deletion=Deletion(0.05, 20))
    assert found.holds and found.hottest_months > 2 * found.random_months
    wrong = np.zeros((40, 40), np.float32)
    wrong[30:, 30:] = 1
    assert not faithfulness(looking_left, prepared, "female", wrong, deletion=Deletion(0.05, 20)).holds


def test_without_strewn_tiles_the_same_regions_are_drawn_in_half_the_passes(looking_left, prepared):
    heat, passes = explain.heat_map(looking_left, prepared, "female"), []
    found = []
    for strewn in (True, False):
        looking_left.backbone.passes = 0
        found.append(faithfulness(looking_left, prepared, "female", heat, deletion=Deletion(strewn=strewn)))
        passes.append(looking_left.backbone.passes)
    assert passes == [18, 10]
    assert replace(found[0], strewn_months=None) == found[1]


def test_the_sentence_says_plainly_where_the_map_is_no_better_than_chance():
    better, worse = Faithfulness(12.34, 3.21, None, 0.15, 8), Faithfulness(3.0, 3.0, None, 0.15, 8)
    assert better.sentence() == (
        "smoothing away the hottest 15% of the hand moves the estimate by 12.3 months, 8 random regions of the same "
        "size by 3.2 on average"
    )
    assert worse.sentence().endswith("on this film the heat map is no better than chance")
    assert worse.to_json()["holds"] is False and worse.to_json()["sentence"] == worse.sentence()


def test_many_films_give_a_paired_interval_per_map(looking_left, prepared):
    seen = []
    films = [(prepared, "female"), (prepared, "male"), (prepared, "female")]
    frame = measure_faithfulness(looking_left, films, progress=seen.append)
    assert seen == [1, 2, 3] and len(frame) == 6
    table = faithfulness_summary(frame).set_index("map")
    for name in ("grad-cam", "occlusion"):
        row = table.loc[name]
        assert row["over_random"] == pytest.approx(row["hottest_months"] - row["random_months"])
        assert row["over_strewn"] == pytest.approx(row["hottest_months"] - row["strewn_months"])
        low, high = (float(end) for end in row["interval"].split(" to "))
        assert low - 0.1 <= row["over_random"] <= high + 0.1 and 0 <= row["holds"] <= 1


def test_an_overlay_is_a_colour_picture(prepared):
    assert explain.overlay(prepared.image, np.ones((40, 40), np.float32)).shape == (40, 40, 3)

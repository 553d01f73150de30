import numpy as np
import pytest

from boneage.cascade import explain
from boneage.cascade.faithfulness import faithfulness, faithfulness_summary, measure_faithfulness
from boneage.groups import Sex
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
    found = faithfulness(looking_left, prepared, "female", right, share=0.05, draws=20)
    assert found.holds and found.hottest_months > 2 * found.random_months
    wrong = np.zeros((40, 40), np.float32)
    wrong[30:, 30:] = 1
    assert not faithfulness(looking_left, prepared, "female", wrong, share=0.05, draws=20).holds


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


def test_the_four_experts_are_heard(looking_left):
    opinions = explain.expert_opinions(looking_left, np.array([[100.0, 1.0]], np.float32), "female")
    assert [label for label, _, _ in opinions] == ["0-57", "58-114", "115-171", "172-228"]
    assert sum(weight for _, weight, _ in opinions) == pytest.approx(1)


def test_an_overlay_is_a_colour_picture(prepared):
    assert explain.overlay(prepared.image, np.ones((40, 40), np.float32)).shape == (40, 40, 3)

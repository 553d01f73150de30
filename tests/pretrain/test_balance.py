"""Children of rare ages come oftener, and a pass stays as long as it is."""

import numpy as np
import pytest

from boneage.pretrain.sources import LIMITS, Child, drawn_places, weights_by_age


@pytest.fixture(scope="module")
def kids():
    rng = np.random.default_rng(0)
    ages = np.clip(rng.normal(130, 40, 2000), 0, 228)
    return [Child(str(k), float(age), k % 2) for k, age in enumerate(ages)]


def test_rare_ages_weigh_more_within_the_limits(kids):
    weights = weights_by_age(kids, 0.5)
    ages = np.array([kid.age_months for kid in kids])
    assert weights.mean() == pytest.approx(1, abs=0.02)
    assert LIMITS[0] <= weights.min() and weights.max() <= LIMITS[1]
    assert weights[ages < 30].min() > 1.5 > 1 > weights[np.abs(ages - 130) < 10].max()


def test_without_power_all_weigh_alike(kids):
    np.testing.assert_allclose(weights_by_age(kids, 0.0), 1)


def test_newborns_do_not_look_rarer_for_want_of_younger_children():
    even = [Child(str(k), float(age), 0) for k, age in enumerate(np.linspace(0, 228, 500))]
    np.testing.assert_allclose(weights_by_age(even, 1.0), 1, atol=0.02)


def test_each_child_comes_as_often_as_it_weighs():
    weights = np.array([0.5, 1.0, 2.0, 3.5])
    counts = np.zeros(4)
    for seed in range(400):
        counts += np.bincount(drawn_places(weights, np.random.default_rng(seed)), minlength=4)
    np.testing.assert_allclose(counts / 400, weights, atol=0.1)
    assert counts[1] == 400 and counts[2] == 800

"""The guard against noise: what it measures, when it speaks, and what it does to an interval."""

import json

import numpy as np
import pytest

from boneage.cascade.intervals import Intervals
from boneage.cascade.noise_guard import NoiseGuard, noise_level
from boneage.config import PreprocessConfig
from boneage.evaluation.stress import add_noise
from boneage.groups import Sex
from boneage.phantom.hand import draw
from boneage.preprocess.preparer import Preparer

SIDE = 128


@pytest.mark.parametrize("sd", [2.0, 6.0, 12.0])
def test_the_level_is_the_deviation_of_added_noise(sd):
    slope = np.linspace(60, 180, SIDE)[None] + np.linspace(0, 20, SIDE)[:, None]
    film = np.clip(slope + np.random.default_rng(0).normal(0, sd, (SIDE, SIDE)), 0, 255).astype(np.uint8)
    assert noise_level(film, SIDE) == pytest.approx(sd, rel=0.2)


def test_edges_background_and_an_empty_film_are_no_noise():
    film = np.zeros((SIDE, SIDE), np.uint8)
    assert noise_level(film, SIDE) == 0
    film[20:110, 20:110] = 120
    film[40:60, 40:60] = 220
    assert noise_level(film, SIDE) == 0


@pytest.fixture(scope="module")
def levels_of():
    preparer = Preparer(PreprocessConfig(background="handmask", crop=True, pad=True))

    def levels(seeds, sd):
        films = [draw(30.0 + 6 * (seed % 30), list(Sex)[seed % 2], seed).image for seed in seeds]
        return np.array([noise_level(preparer.prepare(add_noise(f, sd) if sd else f).image, SIDE) for f in films])

    return levels


def test_on_phantoms_it_fires_on_noisy_films_and_rarely_on_clean_ones(levels_of):
    guard = NoiseGuard(SIDE, float(np.quantile(levels_of(range(30), 0), 0.99)))
    clean, noisy = levels_of(range(100, 124), 0), levels_of(range(100, 124), 30)
    assert np.mean([guard.noisy(level) for level in clean]) <= 0.1
    assert np.mean([guard.noisy(level) for level in noisy]) >= 0.95


def test_a_noisy_film_gets_a_warning_and_a_wider_interval(cascade):
    rng = np.random.default_rng(0)
    clean = np.tile(np.linspace(80, 120, 64).astype(np.uint8), (64, 1))
    noisy = np.clip(clean + rng.normal(0, 20, clean.shape), 0, 255).astype(np.uint8)
    cascade.intervals = Intervals(0.9, {"female-2": 10.0}, {"female-2": 99})
    plain = cascade.estimate(noisy, "female")
    assert plain.warnings == ()
    cascade.noise = NoiseGuard(32, limit=5.0, widening=1.5)
    assert cascade.estimate(clean, "female").warnings == ()
    found = cascade.estimate(noisy, "female")
    assert found.bone_age_months == plain.bone_age_months
    assert found.high_months - found.low_months == pytest.approx(1.5 * (plain.high_months - plain.low_months))
    assert len(found.warnings) == 1
    assert "noisy" in found.warnings[0] and "widened by 50 %" in found.warnings[0]


def test_without_a_measured_widening_or_an_interval_nothing_is_said_to_be_wider():
    for said in (NoiseGuard(SIDE, 5.0).warning(9.0), NoiseGuard(SIDE, 5.0, 2.0).warning(9.0, interval=False)):
        assert "9.0 grey levels" in said and "less certain than usual" in said and "widened" not in said


def test_a_film_that_was_not_measured_is_not_called_noisy():
    assert not NoiseGuard(SIDE, 5.0).noisy(None)


def test_the_guard_survives_json():
    guard = NoiseGuard(SIDE, 5.25, 1.3, 1136, 200)
    assert NoiseGuard.from_mapping(json.loads(json.dumps(guard.to_mapping()))) == guard

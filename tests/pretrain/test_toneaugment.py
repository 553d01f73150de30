"""Another maker's processing changes neighbourhoods, keeps the hand where it is, and can be drawn for any film."""

import cv2
import numpy as np
import pytest

from boneage.pretrain import handaugment
from boneage.pretrain.toneaugment import Tones, retone


@pytest.fixture(scope="module")
def hand():
    """A disc of soft tissue with a brighter bone in it."""
    film = np.zeros((256, 256), np.uint8)
    cv2.circle(film, (128, 128), 90, 90, -1)
    cv2.rectangle(film, (110, 70), (140, 190), 220, -1)
    noise = np.random.default_rng(0).integers(-20, 20, film.shape)
    return np.where(film > 0, np.clip(film + noise, 1, 255), 0).astype(np.uint8)


def only(name):
    chances = dict.fromkeys(("details", "uneven", "adaptive", "bones_only", "curve"), 0.0)
    return Tones(**{**chances, name: 1.0})


@pytest.mark.parametrize("name", ["details", "uneven", "adaptive", "bones_only", "curve"])
def test_every_change_shows_and_the_background_stays_black(hand, name):
    for seed in range(5):
        changed = retone(hand, np.random.default_rng(seed), only(name))
        assert changed.dtype == np.uint8 and changed.shape == hand.shape
        assert ((changed > 0) == (hand > 0)).all()
        assert np.abs(changed.astype(int) - hand)[hand > 0].mean() > 2


def test_soft_tissue_becomes_black_and_bone_does_not(hand):
    changed = retone(hand, np.random.default_rng(1), only("bones_only"))
    soft, bone = changed[128, 50:100], changed[128, 115:135]
    assert np.median(soft) < 0.5 * np.median(hand[128, 50:100]) < np.median(bone)


def test_a_blank_film_stays_blank():
    blank = np.zeros((64, 64), np.uint8)
    assert not retone(blank, np.random.default_rng(0), Tones(1, 1, 1, 1, 1)).any()


def test_strong_views_are_squares_that_depend_on_chance_alone(hand):
    views = [handaugment.augment(hand, np.random.default_rng(seed), 96) for seed in (1, 1, 2)]
    assert views[0].shape == (96, 96) and views[0].dtype == np.uint8
    np.testing.assert_array_equal(views[0], views[1])
    assert (views[0] != views[2]).any()

"""Facts about fields and the hand's mask: no field cuts a hand, and one that misses it is none."""

from __future__ import annotations

import numpy as np
import pytest

from boneage.preprocess.field import Field
from boneage.preprocess.whole_hand import fields_around_hands, without_other_fields


def field(left: int, top: int, right: int, bottom: int) -> Field:
    return Field(np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float32), 0.0)


@pytest.fixture
def soft() -> np.ndarray:
    """A mask, uint8 (400, 300): a hand in rows 100 to 300 and columns 100 to 200."""
    mask = np.zeros((400, 300), np.uint8)
    mask[100:300, 100:200] = 255
    return mask


def test_a_field_that_holds_the_hand_stays_as_it_is(soft):
    whole = field(50, 60, 250, 350)
    assert fields_around_hands((whole,), soft) == (whole,)


def test_a_field_that_would_cut_the_wrist_grows_over_it(soft):
    (grown,) = fields_around_hands((field(50, 60, 250, 280),), soft)
    np.testing.assert_allclose(grown.corners, [[50, 60], [250, 60], [250, 302], [50, 302]], atol=1.5)


def test_a_tilted_field_grows_along_its_own_sides(soft):
    corners = np.array([[40, 70], [240, 50], [262, 270], [62, 290]], np.float32)
    (grown,) = fields_around_hands((Field(corners, -5.7),), soft)
    assert grown.angle == -5.7 and np.allclose(grown.corners[:2], corners[:2], atol=0.5)
    down = grown.corners[2:] - corners[2:]
    assert (down[:, 1] > 10).all() and np.allclose(down[:, 0] / down[:, 1], 0.1, atol=0.01)


def test_fields_that_miss_a_hand_or_hold_a_small_part_of_it_are_none(soft):
    assert fields_around_hands((field(0, 0, 60, 60),), soft) == ()
    assert fields_around_hands((field(60, 60, 250, 220),), soft) == ()


def test_the_hands_field_comes_first_and_an_unsure_mask_says_nothing(soft):
    plate, whole = field(205, 10, 300, 390), field(50, 60, 203, 350)
    assert fields_around_hands((plate, whole), soft) == (whole, plate)
    assert fields_around_hands((plate, whole), soft // 2) == (plate, whole)


def test_a_field_without_a_hand_is_blacked_out_and_one_with_a_hand_never(soft):
    film = np.where(soft > 0, 180, 12).astype(np.uint8)
    film[10:90, 210:290] = 120
    plate, wrist = field(210, 10, 290, 90), field(60, 250, 250, 350)
    cleared = without_other_fields(film, (plate, wrist), soft)
    assert (cleared[10:90, 210:290] == 12).all() and np.array_equal(cleared[100:], film[100:])
    assert without_other_fields(film, (wrist,), soft) is film and without_other_fields(film, (plate,), soft * 0) is film

"""Drawn hands beside an estimate: at the right ages, in one framing, with the centres of anatomy.csv."""

import numpy as np
import pytest

from boneage.clinical.reference_hands import expected_centres, neighbours, reference_hands
from boneage.groups import Sex
from boneage.phantom import anatomy


@pytest.mark.parametrize(
    ("age", "sex", "around"),
    [
        (131.3, Sex.FEMALE, (120, 144)),
        (40, Sex.MALE, (36, 42)),
        (0, Sex.MALE, (None, 3)),
        (228, Sex.FEMALE, (216, None)),
    ],
)
def test_the_neighbouring_standards_can_be_told_apart(age, sex, around):
    assert neighbours(age, sex) == around


def test_three_hands_stand_side_by_side():
    hands = reference_hands(60.0, Sex.FEMALE, 160)
    assert [hand.is_estimate for hand in hands] == [False, True, False]
    assert [hand.age_months for hand in hands] == [50, 60.0, 69]
    assert {hand.image.shape for hand in hands} == {(160, 128)}
    again = reference_hands(60.0, Sex.FEMALE, 160)
    assert all(np.array_equal(one.image, other.image) for one, other in zip(hands, again, strict=True))


def test_centres_are_those_of_the_table():
    found = expected_centres(40, Sex.MALE)
    assert found.missing[0] == "MP5" and "DP5" in found.latest and found.count == 22
    for part in found.latest:
        assert anatomy.value("appears", part, Sex.MALE) <= 40
    assert all(anatomy.value("appears", part, Sex.MALE) > 40 for part in found.missing)
    assert expected_centres(0, Sex.FEMALE).count == 0
    assert "radius" in expected_centres(215, Sex.MALE).fusing and expected_centres(228, Sex.MALE).missing == ()

"""Adult height: the tables' own values, an interval of both errors, and nothing beyond the tables."""

import pytest

from boneage.cascade.estimate import Estimate
from boneage.clinical.adult_height import adult_height, target_height
from boneage.errors import BoneageError
from boneage.groups import Sex


def estimate(age, sex="female", half=8.0):
    low, high = (None, None) if half is None else (age - half, age + half)
    return Estimate(sex, None, age, low, high, 3, (0.0, 0.0, 1.0, 0.0), "soft")


@pytest.mark.parametrize(
    ("sex", "bone_age", "age", "maturity", "percent"),
    [
        ("female", 84, 60, "advanced", 71.2), ("female", 72, 72, "average", 72.0), ("female", 72, 90, "delayed", 73.3),
        ("male", 84, 84, "average", 69.5), ("male", 156, 180, "delayed", 88.0), ("male", 204, 190, "advanced", 99.0),
        ("female", 85.5, 60, "advanced", 71.7),  # half way between two rows
    ],
)  # fmt: skip
def test_the_tables_rows_are_reproduced(sex, bone_age, age, maturity, percent):
    found = adult_height(estimate(bone_age, sex), age, 140.0, 0.9)
    assert (found.maturity, found.percent) == (maturity, pytest.approx(percent))
    assert found.adult_cm == pytest.approx(140 / percent * 100)


def test_the_interval_holds_both_errors():
    sure, unsure = (adult_height(estimate(132, half=half), 132, 140.0, 0.9) for half in (0.001, 12.0))
    assert sure.high_cm - sure.adult_cm == pytest.approx(1.645 * 2.92, abs=0.01)  # the paper's alone
    assert unsure.high_cm - unsure.adult_cm > sure.high_cm - sure.adult_cm
    assert unsure.low_cm >= 140.0  # nobody shrinks


def test_nothing_is_extrapolated():
    late = adult_height(estimate(170, "male"), 190, 165.0, 0.9)
    assert late.adult_cm is None and late.notes[0].code == "height.outside" and "156" in late.sentence()
    young = adult_height(estimate(84), 84, 115.0, 0.9)  # the paper validated from eight years on
    assert young.adult_cm is not None and young.low_cm is None and young.notes[0].code == "height.no_error"
    assert adult_height(estimate(130, half=None), 130, 140.0, 0.9).high_cm is None


def test_a_child_near_two_columns_is_told():
    codes = [one.code for one in adult_height(estimate(131), 120, 140.0, 0.9).notes]
    assert codes == ["height.provenance", "height.edge"]
    assert [one.code for one in adult_height(estimate(121), 120, 140.0, 0.9).notes] == ["height.provenance"]


def test_target_height_and_limits():
    assert target_height(Sex.MALE, 180, 167) == 180.0 and target_height(Sex.FEMALE, 180, 167) == 167.0
    with pytest.raises(BoneageError, match="40 to 230 cm"):
        adult_height(estimate(120), 120, 1.40, 0.9)

"""Regional ages: their columns, what they do to the age, their intervals, and where they disagree."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from boneage.cascade.cascade import Cascade
from boneage.cascade.intervals import Intervals
from boneage.cascade.regional import RegionAge, Regional, disagreement, divide, fit_regional, joint_months
from boneage.cascade.stack import REGIONS_SHARE, Stack, with_regions
from boneage.explain.reasons import expert_opinions
from boneage.groups import Sex
from boneage.learn.global_head import GlobalHead
from boneage.notices import codes_of
from boneage.regions.ages import COLUMNS, NAMES, REGIONS, of_sex

GIRL = [100.0, 110.0, 120.0, 115.0]  # carpals, radius and ulna, short bones, jointly
BOY = [90.0, 95.0, 99.0, 96.0]
PAD = np.zeros((1, 3), np.float32)


class Networks:
    """Answer with the same ages for every hand, or with nothing for a dark one."""

    def pooled(self, images):
        rows = [[*GIRL, *BOY] if image.any() else [np.nan] * COLUMNS for image in images]
        return np.array(rows, np.float32)


def widths(half: float) -> Intervals:
    return Intervals(0.9, {f"{sex}-{group}": half for sex in Sex for group in (1, 2, 3, 4)})


def test_each_sex_has_its_own_columns():
    columns = Networks().pooled(np.ones((2, 4, 4), np.uint8))
    assert of_sex(columns, ["female", "male"]).tolist() == [GIRL, BOY]
    assert len(NAMES) * 2 == COLUMNS
    assert NAMES[:-1] == REGIONS == ("carpals", "radius_ulna", "short_bones")
    assert joint_months(columns, [Sex.MALE, Sex.FEMALE]).tolist() == [96.0, 115.0]


def test_features_are_divided_where_regions_stand_behind_them():
    features = np.arange(10, dtype=np.float32)[None]
    pooled, columns = divide(features, 2)
    assert pooled.tolist() == [[0, 1]] and columns.shape == (1, COLUMNS)
    assert divide(features[:, :2], 2)[1] is None


def test_what_is_not_known_leaves_the_age_as_it_is():
    ages = np.array([100.0, 100.0])
    assert with_regions(ages, None) is ages
    assert with_regions(ages, np.array([120.0, np.nan])).tolist() == [100 + 20 * REGIONS_SHARE, 100.0]


def test_all_regions_together_have_their_share_in_the_age(cascade):
    head = GlobalHead("regression", tuple(np.zeros(shape, np.float32) for shape in ((4, 2), (2,), (2, 1), (1,))))
    stacked = replace(cascade, stack=Stack(head, {"male": 0.5}))  # this head says 120 months
    plain = stacked.estimate_features(PAD, ["male"])[0]
    read = replace(stacked, regional=Regional(Networks(), {"carpals": widths(20.0)}))
    read.backbone.features = 3
    features = np.hstack([PAD, Networks().pooled(np.ones((1, 4, 4), np.uint8))])
    found = read.estimate_features(features, ["male"])[0]
    assert found.bone_age_months - plain.bone_age_months == pytest.approx(REGIONS_SHARE * (96 - plain.bone_age_months))
    assert found.regional_ages == (
        RegionAge("carpals", 90.0, 70.0, 110.0),
        RegionAge("radius_ulna", 95.0, None, None),
        RegionAge("short_bones", 99.0, None, None),
    )
    opinions = expert_opinions(read, features, found)
    assert [one.range for one in opinions[-2:]] == ["all ages", "all regions"]
    assert sum(one.weight for one in opinions) == pytest.approx(1)
    assert sum(one.weight * one.months for one in opinions) == pytest.approx(found.bone_age_months)
    assert found.to_json()["regional_ages"][0] == {
        "region": "carpals", "bone_age_months": 90.0, "low_months": 70.0, "high_months": 110.0,
    }  # fmt: skip


def test_a_hand_whose_joints_are_not_found_has_an_age_all_the_same(cascade):
    read: Cascade = replace(cascade, regional=Regional(Networks()))
    read.backbone.features = 3
    features = np.hstack([PAD, Networks().pooled(np.zeros((1, 4, 4), np.uint8))])
    found = read.estimate_features(features, ["female"])[0]
    assert found.regional_ages == ()
    assert found.bone_age_months == cascade.estimate_features(PAD, ["female"])[0].bone_age_months


def test_intervals_hold_for_as_many_as_wanted():
    rng = np.random.default_rng(1)
    true = rng.uniform(50, 180, 800)
    sexes = [Sex.FEMALE] * 800
    columns = np.repeat(true[:, None], COLUMNS, axis=1) + rng.normal(0, 10, (800, COLUMNS))
    columns[:5] = np.nan
    found = fit_regional(Networks(), columns[:400], sexes[:400], true[:400], 0.9)
    ages = found.ages(columns[400:], sexes[400:])
    inside = [row[0].low_months <= age <= row[0].high_months for row, age in zip(ages, true[400:], strict=True)]
    assert 0.86 <= np.mean(inside) <= 0.97


def test_only_regions_whose_intervals_do_not_meet_are_a_finding():
    def age(region, months):
        return RegionAge(region, months, months - 10, months + 10)

    near = [age("carpals", 100.0), age("radius_ulna", 119.0), age("short_bones", 110.0)]
    assert disagreement(near) == []
    assert disagreement([replace(near[0], low_months=None, high_months=None), age("short_bones", 200.0)]) == []
    far = [age("carpals", 130.0), age("radius_ulna", 109.0), age("short_bones", 100.0)]
    found = disagreement(far)
    assert codes_of(found) == ["regions.carpals_ahead"]
    assert found[0].parameters == {"older": 130, "younger": 100}
    others = {high: codes_of(disagreement([age(high, 150.0), age("carpals", 100.0)])) for high in REGIONS[1:]}
    assert others == {"radius_ulna": ["regions.radius_ulna_ahead"], "short_bones": ["regions.short_bones_ahead"]}

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from boneage.cascade.estimate import DIFFERENCE_FIELDS, ESTIMATE_FIELDS, Estimate, years_and_months
from boneage.groups import Sex

ESTIMATE = Estimate(
    sex=Sex.FEMALE,
    age_range=None,
    bone_age_months=120.123456,
    low_months=None,
    high_months=130.5555,
    group=3,
    group_probabilities=(0.1, 0.2, 0.65, 0.05),
    routing="hard",
    warnings=("a", "b"),
)


def test_json_has_exactly_the_names_of_the_design():
    names = (
        "sex age_range bone_age_months low_months high_months group group_probabilities routing model version warnings "
        "hard_months warning_codes regional_ages"
    )
    assert tuple(ESTIMATE.to_json()) == ESTIMATE_FIELDS == tuple(names.split())


def test_json_is_plain_and_rounded():
    values = json.loads(json.dumps(ESTIMATE.to_json()))
    assert values["sex"] == "female"
    assert values["bone_age_months"] == 120.12
    assert values["low_months"] is None
    assert values["high_months"] == 130.56
    assert values["warnings"] == ["a", "b"]
    assert values["hard_months"] is None
    assert replace(ESTIMATE, hard_months=118.987).to_json()["hard_months"] == 118.99


def test_the_difference_has_the_names_of_the_command():
    assert ESTIMATE.difference(100.5) == dict(zip(DIFFERENCE_FIELDS, (100.5, 19.62), strict=True))


@pytest.mark.parametrize(
    ("months", "words"), [(0, "0 y 0 m"), (129.6, "10 y 10 m"), (11.7, "1 y 0 m"), (228, "19 y 0 m")]
)
def test_ages_are_written_as_people_say_them(months, words):
    assert years_and_months(months) == words

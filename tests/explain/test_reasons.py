"""The opinions add up to the estimate, however it was routed, and similar cases come along."""

from dataclasses import replace

import numpy as np
import pytest

from boneage.cascade.case_index import CaseIndex
from boneage.cascade.estimate import REASON_FIELDS
from boneage.cascade.stack import Stack
from boneage.config import CascadeConfig
from boneage.explain.reasons import ALL_AGES, estimate_with_reasons, expert_opinions
from boneage.groups import RANGE_LABELS, ModelKey, Sex, Task

FILM = np.full((40, 40), 100, np.uint8)


class AllAges:
    def predict(self, features, sexes):
        return features[:, 0] + 30


@pytest.fixture
def spread(cascade):
    """Experts that differ, so that their weights show."""
    for number in (1, 2, 3, 4):
        cascade.heads[ModelKey(Task.REGRESSOR, Sex.FEMALE, number)].shift = 10.0 * number
    return cascade


def routed(cascade, routing, stacked=False):
    cascade.config = replace(cascade.config, cascade=CascadeConfig(routing=routing))
    cascade.stack = Stack(AllAges(), {"female": 0.4}, {"female": (1.05, -6.0)}) if stacked else None
    return cascade


@pytest.mark.parametrize(
    ("routing", "stacked", "age_range"),
    [
        ("hard", False, None),
        ("soft", False, None),
        ("soft", True, None),
        ("hard", True, None),
        ("soft", True, "172-228"),
    ],
)
def test_the_opinions_add_up_to_the_estimate(spread, routing, stacked, age_range):
    cascade = routed(spread, routing, stacked)
    estimate, reasons = estimate_with_reasons(cascade, FILM, "female", age_range)
    assert estimate == cascade.estimate(FILM, "female", age_range)
    assert sum(one.weight for one in reasons.experts) == pytest.approx(1)
    said = sum(one.weight * one.months for one in reasons.experts)
    assert said == pytest.approx(estimate.bone_age_months, abs=1e-6)
    labels = [one.range for one in reasons.experts]
    assert labels == [*RANGE_LABELS, ALL_AGES][: 5 if stacked and age_range is None else 4]


def test_probabilities_are_the_classifiers_even_where_a_range_was_given(spread):
    estimate = spread.estimate(FILM, "female", "0-57")
    opinions = expert_opinions(spread, np.array([[100.0, 1.0]], np.float32), estimate)
    assert [one.weight for one in opinions] == [1, 0, 0, 0]
    assert [one.probability for one in opinions] == pytest.approx([0.1, 0.7, 0.1, 0.1])


def test_similar_cases_come_along_as_many_as_the_study_wanted(spread):
    ages = np.linspace(10, 220, 40)
    features = np.stack([ages, np.ones(40)], axis=1)
    spread.cases = CaseIndex.of("any", [f"case-{i}" for i in range(40)], ["female"] * 40, ages, features)
    assert estimate_with_reasons(spread, FILM, "female")[1].similar_cases == ()
    spread.config = replace(spread.config, cascade=CascadeConfig(similar_cases=3))
    _, reasons = estimate_with_reasons(spread, FILM, "female")
    assert len(reasons.similar_cases) == 3
    values = reasons.to_json()
    assert tuple(values) == REASON_FIELDS
    assert set(values["similar_cases"][0]) == {"id", "age_months", "likeness"}
    assert estimate_with_reasons(spread, FILM, "male")[1].similar_cases == ()

from __future__ import annotations

import numpy as np
import pytest

from boneage.cascade.estimate import EstimateError
from boneage.cascade.routing import route
from boneage.groups import ModelKey, Sex, Task

F, M = Sex.FEMALE, Sex.MALE


def features(*ages):
    return np.array([[age, 1.0] for age in ages], np.float32)


def test_hard_routing_asks_one_expert_per_image(heads):
    routed = route(heads, features(30, 130, 200), [F, M, F], [None] * 3)
    assert routed.groups.tolist() == [1, 3, 4]
    assert routed.ages.tolist() == [30, 130, 200]
    assert routed.names == ("hard",) * 3
    asked = {key.name: head.asked for key, head in heads.items() if key.task is Task.REGRESSOR and head.asked}
    assert asked == {"regressor-female-1": 1, "regressor-male-3": 1, "regressor-female-4": 1}


def test_a_given_range_decides_alone(heads):
    heads[ModelKey(Task.REGRESSOR, M, 2)].shift = -50
    routed = route(heads, features(130), [M], [2])
    assert routed.ages.tolist() == [80]
    assert routed.groups.tolist() == [2]
    assert routed.probabilities.tolist() == [[0, 1, 0, 0]]
    assert routed.names == ("given",)


def test_a_given_range_that_the_classifier_holds_for_unlikely_is_a_warning(heads):
    heads[ModelKey(Task.CLASSIFIER, M)].sure = 0.97
    unlikely, likely = route(heads, features(130, 130), [M, M], [1, 3]).warnings
    assert "0-57" in unlikely[0] and "115-171" in unlikely[0]
    assert likely == ()


def test_a_given_range_beats_soft_routing(heads):
    heads[ModelKey(Task.REGRESSOR, M, 2)].shift = -50
    assert route(heads, features(130), [M], [2], "soft").ages.tolist() == [80]


def test_soft_routing_weighs_the_experts_by_probability(heads):
    for group in (1, 2, 3, 4):
        heads[ModelKey(Task.REGRESSOR, F, group)].shift = 10 * group
    routed = route(heads, features(100), [F], [None], "soft")
    assert routed.ages[0] == pytest.approx(100 + 0.7 * 20 + 0.1 * (10 + 30 + 40))
    assert routed.groups.tolist() == [2]
    assert routed.names == ("soft",)


def test_ages_stay_within_0_and_228(heads):
    heads[ModelKey(Task.REGRESSOR, F, 1)].shift = -100
    heads[ModelKey(Task.REGRESSOR, F, 4)].shift = 100
    assert route(heads, features(10, 220), [F, F], [None, None]).ages.tolist() == [0, 228]


def test_each_sex_has_its_own_models(heads):
    heads[ModelKey(Task.REGRESSOR, M, 2)].shift = 7
    assert route(heads, features(90, 90), [F, M], [None, None]).ages.tolist() == [90, 97]


@pytest.mark.parametrize("task", list(Task))
def test_an_answer_that_is_no_number_is_refused(heads, task):
    key = ModelKey(task, F, None if task is Task.CLASSIFIER else 2)
    heads[key].predict = lambda x: np.full((len(x), 4) if task is Task.CLASSIFIER else len(x), np.nan)
    with pytest.raises(EstimateError, match="gave no number"):
        route(heads, features(90), [F], [None])


def test_no_images_give_no_answers(heads):
    assert len(route(heads, np.zeros((0, 2), np.float32), [], []).ages) == 0

"""Paired comparisons: of all images, each sex and each group, small groups by their interval, never of other images."""

import numpy as np
import pandas as pd
import pytest

from boneage.registry import checks as gate
from boneage.registry.checks import GateCase, every_part, whole_set
from boneage.registry.compare import ComparisonError, compare_tables, verdict_sentences
from boneage.registry.validation import COLUMNS
from boneage.registry.versions import VersionInfo


def table(errors, ages=None, sexes=None):
    """Estimates of images whose errors in months are given."""
    errors = np.asarray(errors, dtype=float)
    ages = np.linspace(10, 210, len(errors)) if ages is None else np.asarray(ages, dtype=float)
    sexes = ["female"] * len(errors) if sexes is None else sexes
    hashes = [f"{number:064x}" for number in range(len(errors))]
    values = [[f"i{number}" for number in range(len(errors))], hashes, sexes, ages, ages + errors]
    return pd.DataFrame(dict(zip(COLUMNS, values, strict=True)))


def version(number):
    return VersionInfo("tiny-cascade", number, (), "pending", "", "", {}, "")


def case(first, second):
    return GateCase(None, version(2), version(1), compare_tables(first, second))


def noisy(rng, mean, count, spread=8.0):
    return np.abs(rng.normal(mean, spread, count))


def test_the_difference_is_paired():
    rng = np.random.default_rng(0)
    hard = rng.normal(0, 20, 200)
    found = compare_tables(table(np.abs(hard) + 1), table(np.abs(hard))).whole
    assert found.difference_months == pytest.approx(1)
    assert found.high_months - found.low_months < 0.01, "what is hard for both must cancel out"
    assert found.verdict == "worse"


def test_the_interval_holds_the_true_difference_about_as_often_as_it_says():
    rng, held = np.random.default_rng(1), 0
    for _ in range(200):
        found = compare_tables(table(noisy(rng, 10, 12) + 0.0), table(noisy(rng, 10, 12))).whole
        held += found.low_months <= 0 <= found.high_months
    assert 180 <= held <= 200


def test_every_sex_and_group_is_compared():
    sexes = ["female", "male"] * 20
    found = compare_tables(table(np.ones(40), sexes=sexes), table(np.full(40, 3.0), sexes=sexes))
    names = [part.part for part in found.parts]
    assert names[:3] == ["all", "female", "male"]
    assert {"female 0-57", "male 172-228"} <= set(names) and len(names) == 11
    assert all(part.verdict == "better" for part in found.parts)
    assert "A is better than B on all images" in next(verdict_sentences(found, "A", "B"))


def test_one_image_shows_nothing_and_two_need_to_agree():
    one = compare_tables(table([50.0]), table([1.0])).whole
    assert one.verdict == "too few images"
    assert not whole_set(case(table([50.0]), table([1.0]))).passed
    assert compare_tables(table([30.0, 2.0]), table([1.0, 1.0])).whole.verdict == "no difference shown"


def test_no_difference_says_what_the_images_allow_for():
    rng = np.random.default_rng(2)
    found = compare_tables(table(noisy(rng, 9, 40)), table(noisy(rng, 9, 40)))
    sentences = list(verdict_sentences(found, "A", "B"))
    assert "no difference shown" in sentences[0] and "allow for A being better by up to" in sentences[1]


def test_the_gate_looks_at_each_part_with_its_own_interval():
    rng = np.random.default_rng(3)
    sexes, ages = ["female"] * 150 + ["male"] * 150, np.tile(np.linspace(5, 225, 150), 2)
    old = noisy(rng, 9, 300)
    new = old - 3.0 * (np.array(sexes) == "female")
    young_boys = (np.array(sexes) == "male") & (ages < 58)
    worse = np.where(young_boys, old + 5, new)
    fine, bad = (every_part(case(table(errors, ages, sexes), table(old, ages, sexes))) for errors in (new, worse))
    assert fine.passed
    assert not bad.passed and "male 0-57" in bad.sentence and "more than 2 months" in bad.sentence
    assert whole_set(case(table(worse, ages, sexes), table(old, ages, sexes))).passed, "on the whole it is better"
    slightly = np.where(young_boys, old + 1.5, new)
    assert every_part(case(table(slightly, ages, sexes), table(old, ages, sexes))).passed


def test_a_check_that_cannot_be_carried_out_has_failed(monkeypatch):
    def stubborn(case):
        raise ComparisonError("no figures")

    mine = table(np.ones(20))
    monkeypatch.setattr(gate, "read_validation", lambda client, info: mine)
    verdict = gate.judge(None, version(2), version(1), checks=(whole_set, stubborn))
    assert not verdict.allowed and "stubborn: it could not be checked: no figures" in str(verdict.checks[1])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda other: other.iloc[5:], "only 15 of 20 images"),
        (lambda other: other.assign(sex="male"), "another sex"),
        (lambda other: other.assign(age_months=other["age_months"] + 6), "another age"),
        (lambda other: other.assign(bone_age_months=np.inf), "not a number"),
    ],
)
def test_what_answers_other_questions_is_not_compared(change, words):
    with pytest.raises(ComparisonError, match=words):
        compare_tables(table(np.ones(20)), change(table(np.ones(20))))

"""A version's stress test: in its card, in its tag, and compared at promotion."""

from dataclasses import replace

import pytest

from boneage.registry.checks import STRESS_TAG, compare_stress, stress_of, stress_tags, stress_text
from boneage.registry.model_card import model_card
from boneage.registry.versions import RegistryError, VersionInfo

FIGURES = {"stress_flip_moved_over_12_months": 0.05, "stress_crop_moved_over_12_months": 0.2}


def version(number, figures=None):
    tags = {} if figures is None else {STRESS_TAG: stress_text(figures)}
    return VersionInfo("tiny-cascade", number, (), "pending", "", "", tags, "")


def test_figures_are_read_back_from_the_tag():
    assert stress_of(version(1, FIGURES)) == FIGURES and stress_of(version(1)) == {}
    with pytest.raises(RegistryError, match="damaged"):
        stress_of(replace(version(1), tags={STRESS_TAG: "[1]"}))


@pytest.mark.parametrize(
    ("before", "after", "passed", "words"),
    [
        (None, FIGURES, True, "no stress test"),
        (FIGURES, {**FIGURES, "stress_crop_moved_over_12_months": 0.25}, True, "none of 2"),
        (FIGURES, {**FIGURES, "stress_flip_moved_over_12_months": 0.4}, False, "stress_flip.*40.0%.*5.0% before"),
        (FIGURES, None, False, "boneage stress DATA --record --model models:/tiny-cascade/2"),
    ],
)
def test_a_challenger_that_bears_a_disturbance_worse_is_refused(before, after, passed, words):
    import re

    allowed, sentence = compare_stress(version(2, after), version(1, before))
    assert allowed == passed and re.search(words, sentence)


def test_the_card_shows_the_stress_test(cascade):
    cascade.card["stress"] = {"films": 40, "figures": FIGURES}
    card = model_card(cascade, {"mae_months": 9.0})
    assert "## Stress test" in card and "Share of 40 validation films" in card and "- crop: 20%" in card
    assert stress_tags(cascade.card) == {STRESS_TAG: stress_text(FIGURES)}
    assert stress_tags({}) == {}

"""The gate: nothing worse becomes champion by accident, and nothing that could not be compared."""

import json

import numpy as np
import pytest

from boneage.registry.checks import compare
from boneage.registry.promotion import HISTORY_TAG, PromotionError, champions, promote, rollback
from boneage.registry.register import register_cascade
from boneage.registry.versions import RegistryError, show, version_folder

NAME = "tiny-cascade"


@pytest.fixture
def register(store, submit):
    return lambda *args, **changes: register_cascade(store, submit(*args, **changes))


@pytest.fixture
def champion(store, register):
    register(5.0)
    return promote(store, NAME).version


def test_the_first_version_needs_no_comparison(store, champion):
    info = show(store, NAME)
    assert (info.version, info.status) == (1, "passed")
    assert set(info.aliases) == {"champion", "challenger"}
    assert info.tags["promoted_at"]


def test_a_better_challenger_is_promoted(store, champion, register):
    register(4.0)
    promotion = promote(store, NAME)
    assert (promotion.version, promotion.previous, promotion.forced) == (2, 1, False)
    assert promotion.verdict.comparison.whole.difference_months == pytest.approx(-1.0)
    assert show(store, NAME).status == "passed"


def test_an_equal_challenger_is_promoted(store, champion, register):
    register(-5.0)
    assert promote(store, NAME).version == 2


def test_promotion_is_refused_when_worse(store, champion, register):
    register(5.5)
    with pytest.raises(PromotionError, match=r"5\.500 months .* 5\.000 on the same 20 validation images"):
        promote(store, NAME)
    assert show(store, NAME).version == champion
    refused = show(store, NAME, 2)
    assert refused.status == "failed"
    assert "worse" in refused.tags["gate"]


def test_overriding_the_gate_says_who_and_why(store, champion, register):
    register(9.0)
    promotion = promote(store, NAME, force_reason="the new scanner needs it", by="Dr Example")
    assert promotion.forced
    tags = show(store, NAME).tags
    assert tags["promotion_forced_by"] == "Dr Example"
    assert tags["promotion_forced_reason"] == "the new scanner needs it"
    assert show(store, NAME).status == "failed"


def test_overriding_needs_a_reason(store, champion, register):
    register(9.0)
    with pytest.raises(RegistryError, match="reason"):
        promote(store, NAME, force_reason="  ")


def test_other_images_are_refused_unless_the_champion_can_be_rescored(store, champion, register):
    register(1.0, ids=range(5, 30))
    with pytest.raises(PromotionError, match=r"other images.*--force REASON"):
        promote(store, NAME)
    assert show(store, NAME, 2).status == "pending"
    seen = []

    def rescore(info, table):
        seen.append((info.version, len(table)))
        return table.assign(bone_age_months=table["age_months"] + 3)

    promotion = promote(store, NAME, rescore=rescore)
    assert seen == [(1, 25)]
    assert promotion.verdict.comparison.whole.second_mae_months == pytest.approx(3.0)


def test_a_challenger_on_some_of_the_champions_images_is_compared_on_those(store, champion, register):
    register(4.0, ids=range(10))
    assert promote(store, NAME).verdict.comparison.whole.images == 10


@pytest.mark.parametrize("broken", ["missing", "tampered"])
def test_the_gate_fails_closed(store, champion, register, broken):
    register(1.0)
    file = version_folder(store, show(store, NAME, 2)) / "validation.csv"
    file.unlink() if broken == "missing" else file.write_text(file.read_text().replace("img-3", "img-x"))
    with pytest.raises(PromotionError, match="cannot be compared"):
        promote(store, NAME)
    assert show(store, NAME).version == champion


def test_an_estimate_that_is_no_number_never_passes(store, champion, register):
    register(np.nan)
    with pytest.raises(PromotionError, match="not a number"):
        promote(store, NAME)


def test_a_rescoring_that_fails_is_a_refusal(store, champion, register):
    register(1.0, ids=range(40, 60))

    def rescore(info, table):
        raise RegistryError("the images are gone")

    with pytest.raises(PromotionError, match="the images are gone"):
        promote(store, NAME, rescore=rescore)


def test_rollback_goes_back_one_champion_at_a_time(store, champion, register):
    for error in (4.0, 3.0):
        register(error)
        promote(store, NAME)
    assert champions(store, NAME) == [1, 2, 3]
    assert rollback(store, NAME).version == 2
    assert show(store, NAME).version == 2
    assert show(store, NAME, 3).tags["rolled_back_at"]
    assert rollback(store, NAME).version == 1
    with pytest.raises(RegistryError, match="first champion"):
        rollback(store, NAME)
    assert promote(store, NAME, 3).version == 3
    assert champions(store, NAME) == [1, 3]


def test_the_pinned_heads_are_champions_with_their_cascade(ten_heads, store, champion, register):
    register(4.0)
    promote(store, NAME)
    head = show(store, "tiny-regressor-male-2")
    assert (head.version, head.status) == (2, "passed")
    rollback(store, NAME)
    assert show(store, "tiny-regressor-male-2").version == 1


def test_a_promotion_that_was_cut_short_does_not_confuse_rollback(store, champion, register):
    register(4.0)
    promote(store, NAME)
    store.set_registered_model_tag(NAME, HISTORY_TAG, json.dumps([1, 2, 3]))
    assert rollback(store, NAME).version == 1


def test_promoting_the_champion_again_changes_nothing(store, champion):
    assert promote(store, NAME, 1).previous == 1
    assert champions(store, NAME) == [1]


def test_nothing_to_promote_says_what_to_run(store):
    with pytest.raises(RegistryError, match="registry import --shipped"):
        promote(store, NAME)


def test_two_versions_compare_in_pairs(store, register):
    register(5.0)
    register(3.0)
    found = compare(store, show(store, NAME, 1), show(store, NAME, 2))
    assert found.whole.difference_months == pytest.approx(2.0)
    assert found.whole.low_months <= 2.0 + 1e-9
    assert found.whole.high_months >= 2.0 - 1e-9
    assert found.whole.images == 20

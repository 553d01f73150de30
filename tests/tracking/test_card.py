"""The card says what the cascade is, from the cascade itself."""

import pytest

from boneage.cascade.evaluate import evaluate_estimates
from boneage.tracking.card import model_card
from boneage.tracking.description import card_description


@pytest.fixture
def metrics(cascade):
    import numpy as np
    import pandas as pd

    ages = np.linspace(5, 225, 24)
    table = pd.DataFrame({"id": [str(i) for i in range(24)], "sex": ["female", "male"] * 12, "age_months": ages})
    estimates = cascade.estimate_features(
        np.random.default_rng(0).random((24, 2), dtype=np.float32), list(table["sex"])
    )
    return evaluate_estimates(table, estimates, {"female": 100.0, "male": 110.0}).metrics


def test_the_card_states_use_data_method_figures_and_limits(cascade, metrics):
    card = model_card(cascade, metrics)
    for words in (
        "Research use only",
        "Intended use",
        "train 80",
        "Routing: hard",
        "female 58-114",
        "Limits",
        "10.808",
    ):
        assert words in card, words
    assert f"{metrics['mae_months']:.2f}" in card


def test_the_card_says_what_the_backbone_had_seen(cascade, metrics):
    cascade.card["backbone_saw_images"] = "80 of 100"
    assert "figures may be optimistic" in model_card(cascade, metrics)
    cascade.card["backbone_saw_images"] = "none"
    assert "optimistic" not in model_card(cascade, metrics)


def test_the_card_shows_a_test_set_where_there_is_one(cascade, metrics):
    cascade.card["test"] = metrics
    assert "Figures on the set `test`" in model_card(cascade, metrics)


def test_the_card_fits_into_mlflows_description(cascade, metrics):
    cascade.card["test"] = metrics
    card = model_card(cascade, metrics)
    short = card_description(card, 5000, "card.md")
    assert len(card) > 5000 >= len(short)
    assert "Intended use" in short and "Limits" in short and "female 58-114" in short
    assert "In `card.md` beside the model" in short and "the answers to TRIPOD+AI and CLAIM" in short.splitlines()[-1]
    assert "CLAIM 3, 7, 8" in short and "| 5a | 7 |" in card and "| 5a | 7 |" not in short
    assert len(card_description("x\n" * 9000, 5000, "card.md")) <= 5000
    assert card_description("# A card", 5000, "card.md") == "# A card"


def test_a_card_without_figures_is_still_a_card(cascade):
    assert "Figures" not in model_card(cascade, {})

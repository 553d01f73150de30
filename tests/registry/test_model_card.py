"""The card says what the cascade is, from the cascade itself."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from boneage.config import load_config
from boneage.evaluation.evaluate import evaluate_estimates
from boneage.evaluation.metrics_table import account
from boneage.learn import handnet
from boneage.registry.method_text import backbone_saw
from boneage.registry.model_card import model_card
from boneage.registry.packaging import card_description

ROOT = Path(__file__).parents[2]


def evaluated(cascade, count=24, **columns):
    import numpy as np
    import pandas as pd

    ages, ids = np.linspace(5, 225, count), [str(i) for i in range(count)]
    table = pd.DataFrame({"id": ids, "sex": ["female", "male"] * (count // 2), "age_months": ages, **columns})
    features = np.random.default_rng(0).random((count, 2), dtype=np.float32)
    estimates = cascade.estimate_features(features, list(table["sex"]))
    return evaluate_estimates(table, estimates, {"female": 100.0, "male": 110.0})


@pytest.fixture
def metrics(cascade):
    return evaluated(cascade).metrics


def test_the_card_has_figures_of_the_smaller_archive_alone(cascade):
    images = [f"data/{'large' if number % 3 == 0 else 'small'}.zip!films/{number}.png" for number in range(120)]
    found = evaluated(cascade, 120, image=images)
    card = model_card(cascade, found.metrics, figures=account(found.per_image, resamples=20))
    large, everything = (
        next(line for line in card.splitlines() if line.startswith(f"| {part} |")) for part in ("large.zip, all", "all")
    )
    assert "| 40 |" in large and "| 120 |" in everything
    assert (
        f"{found.metrics['constant_mae_months']:.2f}" in everything.split("|")[-2] and not large.split("|")[-2].strip()
    )
    assert "large.zip, female 58-114" in card and "small.zip" not in card and "data/" not in card


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


SPLIT = {"images": {"train": 11349, "validation": 1262}, "out_of_fold": {"images": 1136}}


def test_training_images_that_the_backbone_saw_make_no_validation_figure_optimistic(cascade, metrics):
    cascade.card |= {**SPLIT, "backbone_saw_images": "10213 of 12611"}
    card = model_card(cascade, metrics)
    assert (
        "Of the 11349 training images the backbone had seen 10213 before, of the 1262 validation images none." in card
    )
    assert (
        "No figure here is of a training image." in card and "optimistic" not in card and "10213 of 12611" not in card
    )


def test_validation_images_that_the_backbone_saw_do(cascade, metrics):
    cascade.card |= {**SPLIT, "backbone_saw_images": "10313 of 12611"}
    card = model_card(cascade, metrics)
    assert "of the 1262 validation images 100. The figures on these may be optimistic" in card


@pytest.mark.parametrize(
    ("said", "kept", "found"),
    [
        ("none", 80, (0, 0)),
        ("none", None, (0, 0)),
        ("all", 0, (80, 20)),
        ("all", None, (80, 20)),
        ("50 of 100", 40, (40, 10)),
        ("50 of 100", None, None),
        ("unknown", 10, None),
        ("10 of 100", 10, None),
    ],
)
def test_what_the_backbone_saw_is_told_apart_by_what_was_out_of_fold(said, kept, found):
    facts = {"images": {"train": 80, "validation": 20}, "backbone_saw_images": said}
    assert backbone_saw(facts | ({} if kept is None else {"out_of_fold": {"images": kept}})) == found
    assert backbone_saw({"backbone_saw_images": said}) is None


def shipped_like(cascade):
    """As configs/best.toml: fold heads, four views, the own head stacked, nothing searched."""
    from boneage.cascade.stack import Stack

    config = load_config(ROOT / "configs" / "best.toml")
    heads = {key: replace(head, params=getattr(config, str(key.task))) for key, head in cascade.heads.items()}
    cascade.heads, cascade.config = heads, config
    cascade.stack = Stack(object(), {"female": 0.35, "male": 1.0})
    return cascade


def test_the_card_of_the_shipped_configuration_says_what_it_is(cascade, metrics):
    card = model_card(shipped_like(cascade), metrics)
    assert "no ensemble" not in card and "best fold" not in card
    assert card.count("each head the mean of its 5 fold heads") == 2
    assert card.count("hyperparameters fixed by the configuration, none searched") == 2
    assert "features the mean of 2 views" in card and "2 passes (views)" in card
    share = (
        "the backbone's own head for all ages, its share in the age: 35% (female), 100% (male, which it gives alone)"
    )
    assert card.count(share) == 3 and "soft routing, averaged with " in card
    assert "regressors end in label distributions and learn from 12 months beyond their ranges, too" in card


def test_the_card_of_the_papers_way_says_what_that_is(cascade, metrics):
    cascade.config = load_config(ROOT / "configs" / "paper.toml")
    card = model_card(cascade, metrics)
    assert "trained on from its best fold's and stopped by the validation images; no ensemble" in card
    assert "hyperparameters searched per head by 5 folds" in card
    assert "for all ages" not in card and "The backbone's training" not in card


def test_the_card_of_a_recipe_says_that_its_ten_models_are_parts_of_one_head_per_sex(cascade, metrics):
    config = load_config(ROOT / "configs" / "methods" / "an2017.toml")
    cascade.heads = {key: replace(head, params=config.classifier) for key, head in cascade.heads.items()}
    cascade.config = config
    card = model_card(cascade, metrics)
    assert "one head per sex for all ages, which learns the year; groups and experts are its parts" in card
    assert card.count("hyperparameters fixed by the configuration, none searched") == 2
    assert "arranged by its regions (`mosaic`)" in card


def test_the_card_says_how_the_shipped_backbone_was_made(cascade, metrics):
    record = json.loads(handnet.SHIPPED.path().with_suffix(".json").read_text(encoding="utf-8"))
    cascade.backbone.file, cascade.backbone.name = handnet.SHIPPED.path(), "handnet"
    card = model_card(cascade, metrics)
    assert (
        "The backbone's training: 4 teachers; 2 pupils, taught by teacher-1, teacher-2, teacher-3, teacher-4; " in card
    )
    assert "`handnet`, begun from pupil-1, taught by pupil-1, pupil-2." in card
    assert record["made"] in card and record["sha256"][:12] in card and "10213 children" in card

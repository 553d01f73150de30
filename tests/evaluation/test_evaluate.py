from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from boneage.errors import BoneageError
from boneage.evaluation.evaluate import evaluate_cascade, evaluate_estimates, training_medians
from boneage.evaluation.report import comparison_table, figures_table, markdown_report, report_tables
from boneage.groups import group_of
from boneage.tables import text_table

MEDIANS = {"female": 120.0, "male": 100.0}


@pytest.fixture
def table(tmp_path):
    """Four films whose fake bone age is their grey level, labelled 2, 4, 6 and 30 months older than that."""
    rows = []
    for number, (grey, sex, off) in enumerate(
        [(50, "female", 2), (90, "female", 4), (130, "male", 6), (190, "male", 30)]
    ):
        pixels = np.full((40, 40), grey, np.uint8)
        pixels[0, :9] += np.arange(-4, 5).astype(np.uint8)  # a film has more than a few levels
        path = tmp_path / f"{number}.png"
        Image.fromarray(pixels).save(path)
        age = float(grey + off)
        rows.append({"id": str(number), "image": str(path), "sex": sex, "age_months": age, "group": group_of(age)})
    return pd.DataFrame(rows).assign(source="made", original_width=math.nan, original_height=math.nan)


def test_figures_are_those_that_a_pencil_gives(cascade, table):
    evaluation = evaluate_cascade(cascade, table, MEDIANS)
    metrics = evaluation.metrics
    assert metrics["images"] == 4
    assert metrics["mae_months"] == pytest.approx((2 + 4 + 6 + 30) / 4, abs=0.01)
    assert metrics["bias_months"] == pytest.approx(-10.5, abs=0.01)
    assert metrics["within_12_months"] == 0.75
    assert metrics["within_24_months"] == 0.75
    assert metrics["mae_months_female"] == pytest.approx(3, abs=0.01)
    assert metrics["mae_months_male_4"] == pytest.approx(30, abs=0.01)
    assert metrics["constant_mae_months_female"] == pytest.approx((68 + 26) / 2)
    assert metrics["accuracy"] == 1.0
    assert metrics["expert_mae_months_male_4"] == pytest.approx(30, abs=0.01)
    assert cascade.backbone.passes == 4


def test_a_bad_image_never_stops_the_others(cascade, table, tmp_path):
    (tmp_path / "1.png").write_bytes(b"no image")
    seen = []
    evaluation = evaluate_cascade(cascade, table, MEDIANS, progress=lambda done, total: seen.append((done, total)))
    assert evaluation.metrics["images"] == 3
    assert list(evaluation.problems["id"]) == ["1"]
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_when_no_image_can_be_read_the_first_reason_is_said(cascade, table, tmp_path):
    for number in range(4):
        (tmp_path / f"{number}.png").write_bytes(b"no image")
    with pytest.raises(BoneageError, match="none of 4 images could be estimated; the first: .*0.png"):
        evaluate_cascade(cascade, table)


def test_the_cascades_own_card_gives_the_constant_predictor(cascade, table):
    assert "constant_mae_months" not in evaluate_cascade(cascade, table).metrics
    cascade.card["training_median_months"] = MEDIANS
    assert "constant_mae_months" in evaluate_cascade(cascade, table).metrics


def test_rows_and_estimates_must_match(cascade, table):
    with pytest.raises(BoneageError, match="4 rows and 0 estimates"):
        evaluate_estimates(table, [])


def test_an_empty_set_has_no_figures(table):
    assert evaluate_estimates(table.iloc[:0], []).metrics == {}


def test_the_constant_predictor_is_the_training_median_per_sex():
    medians = training_medians(["female", "female", "female", "male"], np.array([10.0, 20.0, 90.0, 7.0]))
    assert medians == {"female": 20.0, "male": 7.0}
    assert training_medians(["male"], np.array([7.0])) == {"female": 7.0, "male": 7.0}


def test_the_report_prints_the_papers_figures_beside_ours(cascade, table):
    evaluation = evaluate_cascade(cascade, table, MEDIANS)
    shown = comparison_table(evaluation.metrics)
    validation = shown[shown["what"].str.contains("validation")].iloc[0]
    assert validation["published"] == 10.808 and validation["ours"] == pytest.approx(10.5, abs=0.01)
    text = markdown_report(evaluation, "A set", ["fact one"])
    assert "10.808" in text and "15.548" in text and "fact one" in text and "Research use only" in text
    assert list(figures_table(evaluation.metrics)["part"])[:2] == ["all", "female"]
    for _, each in report_tables(evaluation.metrics):
        assert "nan" not in text_table(each)

import numpy as np
import pandas as pd
import pytest

from boneage.evaluation.metrics_table import account, interval_table, routed_ages, routing_table
from boneage.evaluation.report import account_html, account_tables, systems_table
from boneage.groups import group_of


@pytest.fixture
def per_image():
    rng = np.random.default_rng(1)
    true = rng.uniform(5, 225, 400).round()
    estimated = np.clip(true + rng.normal(2, 8, 400), 0, 228)
    groups = [group_of(age) for age in true]
    return pd.DataFrame(
        {"sex": np.where(np.arange(400) % 2, "male", "female"), "true_months": true, "estimated_months": estimated,
         "error_months": estimated - true, "low_months": estimated - 13, "high_months": estimated + 13,
         "true_group": groups, "group": [group_of(age) for age in estimated], "hard_months": estimated,
         "soft_months": (estimated + true) / 2, "oracle_months": true}
    )  # fmt: skip


def value(figures, part, metric):
    return figures[(figures["part"] == part) & (figures["metric"] == metric)].iloc[0]


def test_every_figure_agrees_with_the_plain_formula_and_lies_in_its_interval(per_image):
    from boneage.learn.metrics import classification_metrics, regression_metrics

    figures = account(per_image, resamples=300)
    plain = regression_metrics(per_image["true_months"].to_numpy(), per_image["estimated_months"].to_numpy())
    for name in ("mae_months", "rmse_months", "bias_months", "within_12_months", "within_24_months"):
        assert value(figures, "all", name)["value"] == pytest.approx(plain[name])
    one_hot = np.eye(4)[per_image["group"].to_numpy() - 1]
    classes = classification_metrics(per_image["true_group"].to_numpy(), one_hot)
    for name, expected in classes.items():
        assert value(figures, "all", name)["value"] == pytest.approx(expected), name
    known = figures.dropna()
    assert (known["low"] <= known["value"] + 1e-9).all() and (known["value"] <= known["high"] + 1e-9).all()
    assert {"female", "male", "female 0-57", "male 172-228"} <= set(figures["part"])


def test_films_of_the_smaller_archive_are_reported_alone_too(per_image):
    large = np.arange(400) % 8 < 2
    figures = account(per_image.assign(place=np.where(large, "large.zip", "small.zip")), resamples=20)
    alone = account(per_image[large], resamples=20)
    for part in ("all", "female", "male 58-114"):
        assert value(figures, f"large.zip, {part}", "mae_months")["value"] == value(alone, part, "mae_months")["value"]
    assert not figures["part"].str.startswith("small.zip").any()
    assert set(account(per_image.assign(place="one.zip"), resamples=5)["part"]) == set(alone["part"])
    many = per_image.assign(place=[f"patient-{number}" for number in range(400)])
    assert set(account(many, resamples=5)["part"]) == set(alone["part"])


def test_limits_of_agreement_are_bias_and_deviation(per_image):
    figures, error = account(per_image, resamples=50), per_image["error_months"]
    assert value(figures, "all", "agreement_high_months")["value"] == pytest.approx(error.mean() + 1.96 * error.std())
    assert value(figures, "all", "interval_coverage")["value"] > 0.8


def test_intervals_shrink_with_more_images(per_image):
    few, many = account(per_image.iloc[::10]), account(per_image)
    widths = [value(table, "all", "mae_months") for table in (few, many)]
    assert widths[0]["high"] - widths[0]["low"] > 2 * (widths[1]["high"] - widths[1]["low"])


def test_routings_are_compared_on_the_same_images(per_image):
    table = routing_table(per_image).set_index("routing")
    assert table.loc["oracle", "mae_months"] == 0 and table.loc["oracle", "group_accuracy"] == 1
    assert table.loc["soft", "minus_hard"] == pytest.approx(-table.loc["hard", "mae_months"] / 2)
    assert table.loc["soft", "minus_high"] < 0
    assert np.isnan(table.loc["hard", "minus_hard"])
    assert routing_table(per_image.drop(columns=["hard_months", "soft_months", "oracle_months"])).empty


def test_an_absent_group_gives_no_figure_and_no_warning(per_image, recwarn):
    figures = account(per_image[per_image["true_group"] > 1], resamples=50)
    assert np.isnan(value(figures, "all", "sensitivity_1")["value"])
    assert np.isfinite(value(figures, "all", "sensitivity")["value"])
    assert interval_table(figures, ["sensitivity_1", "mae_months"])["sensitivity_1"].iloc[0] == ""


def test_all_routings_come_from_one_set_of_features(heads):
    ages = routed_ages(heads, np.array([[30.0, 1], [100.0, 1]], np.float32), ["female", "male"], [1, 2])
    assert set(ages) == {"hard", "soft", "threshold", "oracle", "unrouted"}
    assert all(values == pytest.approx([30.0, 100.0]) for values in ages.values())


def test_the_page_stands_alone_and_says_whose_truth(per_image):
    figures = account(per_image, resamples=20)
    tables = account_tables(figures, per_image, {"mae_months": 7.0})
    page = account_html("On <some> images", ["set: x"], tables, {"a plot": b"png"})
    assert "&lt;some&gt;" in page and "data:image/png;base64," in page and "http" not in page
    assert "six readers" in page and "Not a medical device" in page
    assert (systems_table()["set"] != "").all() and (systems_table()["truth"] != "").all()

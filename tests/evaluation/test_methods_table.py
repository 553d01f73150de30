"""Methods on the same films: figures by hand, paired differences, papers beside, and films that are not the same."""

import numpy as np
import pandas as pd
import pytest

from boneage.errors import BoneageError
from boneage.evaluation.methods_table import (
    accuracy_table,
    common_films,
    methods_frame,
    parts_table,
    published_table,
    quote_of,
    same_films,
    years_table,
)


@pytest.fixture
def films():
    true = [30.0, 54.0, 61.0, 120.0, 120.0, 180.0, 200.0, 220.0]
    return pd.DataFrame({"sex": ["male", "female"] * 4, "true_months": true}, index=[f"f{n}" for n in range(8)])


@pytest.fixture
def frame(films):
    off = {"best": [0, 6, 0, 6, 0, 6, 0, 6], "lee2017": [10, 13, -10, 13, 10, 25, 13, 0], "an2017-try": [30] * 8}
    ages = {name: films["true_months"] + values for name, values in off.items()}
    return methods_frame({name: series[::-1] for name, series in ages.items()}, films)


def test_figures_are_those_by_hand_and_differences_are_paired(frame):
    table = accuracy_table(frame, resamples=200).set_index(["method", "part"])
    lee = table.loc[("lee2017", "all")]
    assert lee["mae_months"] == pytest.approx((10 + 13 + 10 + 13 + 10 + 25 + 13 + 0) / 8)
    assert lee["rmse_months"] == pytest.approx((3 * 100 + 3 * 169 + 625) ** 0.5 / 8**0.5)
    assert (lee["within_12_months"], lee["within_24_months"]) == (4 / 8, 7 / 8)
    assert lee["minus_first"] == pytest.approx(lee["mae_months"] - 3.0)
    assert lee["minus_low"] < lee["minus_first"] < lee["minus_high"]
    # 54 + 13 leaves the first group; the eighth film's estimate is the label, and clipped ages stay within 228.
    assert lee["group_accuracy"] == pytest.approx(6 / 8)
    assert table.loc[("best", "female"), "mae_months"] == 6 and table.loc[("best", "male"), "mae_months"] == 0
    assert table.loc[("an2017-try", "male"), "mae_months"] == pytest.approx((30 * 3 + 28) / 4)
    assert table.loc[("best", "all"), "year_accuracy"] == pytest.approx(5 / 8)


def test_parts_and_years_have_a_column_each_where_there_are_films(frame):
    parts = parts_table(frame, "mae_months").set_index("method")
    assert list(parts.columns) == ["female 0-57", "female 115-171", "female 172-228", "male 0-57", "male 58-114",
                                   "male 115-171", "male 172-228"]  # fmt: skip
    assert parts.loc["lee2017", "female 0-57"] == 13
    many = pd.concat([frame] * 5)
    years = years_table(many).set_index("method")
    assert list(years.columns) == ["5", "10"]  # 54 and 61 months are both nearest to 5 years
    assert years.loc["lee2017"].tolist() == [11.5, 11.5]


def test_each_papers_figure_stands_beside_its_recipe_and_the_best_one(frame):
    table = published_table(frame).set_index(["paper", "part", "ages", "figure"])
    boys = table.loc[("Lee 2017", "male", "all", "within_12_months")]
    assert (boys["recipe"], boys["best"], boys["best_method"], boys["published"]) == (0.75, 1.0, "best", 0.7554)
    assert table.loc[("Lee 2017", "male", "all", "within_1_year"), "recipe"] == 1.0
    assert (
        table.loc[("Lee 2017", "male", "60-228 months", "within_12_months"), "films"] == 3
    )  # the method was made for 5 to 18 years
    assert table.loc[("An 2017", "female", "all", "within_24_months"), "recipe"] == 0.25
    zulkifley = table.loc[("Zulkifley 2021", "all", "all", "mae_months")]
    assert np.isnan(zulkifley["recipe"]) and zulkifley["best"] == 3 and zulkifley["published"] == 7.699
    assert "not stated" in zulkifley["published_on"]
    assert quote_of("lee2017").startswith("within 12 months male 0.7554; within 12 months female 0.7559 (segmented")
    assert quote_of("best") == ""


def test_methods_of_other_films_are_left_out_with_a_reason(films):
    other = films.assign(true_months=films["true_months"] + 1)
    kept, left = same_films({"a": films, "few": films[:3], "b": films[::-1], "other": other})
    assert kept == ["a", "b"]
    assert left == {
        "few": "3 of its films are among the 8 compared",
        "other": "0 of its films are among the 8 compared",
    }
    assert list(common_films({"a": films, "few": films[:3], "b": films[::-1]})) == ["f0", "f1", "f2"]
    with pytest.raises(BoneageError, match="a; other"):
        common_films({"a": films, "other": other})
    with pytest.raises(BoneageError, match="no study"):
        same_films({})

"""One head per sex for all ages stands for a classifier and four regressors, and their soft routing is its own age."""

import numpy as np
import pytest

from boneage.cascade.routing import Head, route
from boneage.config import HeadParameters, TrainingConfig
from boneage.groups import AGE_GROUPS, ALL_MODELS, ModelKey, Sex
from boneage.learn import all_ages
from boneage.learn import fit as fit_module
from boneage.learn.engine import StockEngine
from boneage.learn.fit import Start, fit_head
from boneage.learn.heads import initial_weights, predict_head, softmax
from tests.learn.conftest import N_FEATURES, make_samples

CLASSIFIER = ModelKey.parse("classifier-male")


def certain(year):
    return np.eye(len(all_ages.YEARS))[[year]]


def test_a_year_is_the_one_whose_middle_is_nearest():
    assert all_ages.year_of(np.array([0.0, 5.9, 6.0, 125.9, 126.0, 228.0])).tolist() == [0, 0, 1, 10, 11, 19]


def test_a_year_that_a_border_divides_counts_for_both_groups_by_its_months():
    # Year 5 lies between 54 and 66 months, and the border at 58.
    np.testing.assert_allclose(all_ages.groups_of(certain(5)), [[4 / 12, 8 / 12, 0, 0]])
    assert all_ages.months_within(certain(5), 1) == [56.0]
    assert all_ages.months_within(certain(5), 2) == [62.0]
    assert all_ages.months_within(certain(5), 4) == [200.0]  # all but impossible: the middle of 172 to 228
    np.testing.assert_allclose(all_ages.groups_of(np.vstack([certain(0), certain(19)])), [[1, 0, 0, 0], [0, 0, 0, 1]])


def test_the_groups_ages_by_their_probabilities_are_the_heads_own_expectation():
    years = softmax(np.random.default_rng(0).normal(0, 3, (50, 20)).astype(np.float32))
    ages = np.stack([all_ages.months_within(years, group.number) for group in AGE_GROUPS], axis=1)
    assert all(((ages[:, g.number - 1] >= g.low) & (ages[:, g.number - 1] <= g.high)).all() for g in AGE_GROUPS)
    np.testing.assert_allclose((all_ages.groups_of(years) * ages).sum(axis=1), years @ all_ages.YEARS, rtol=1e-4)


@pytest.mark.parametrize("loss", sorted(all_ages.LOSSES))
def test_both_engines_fit_it_alike_and_its_ten_parts_route_to_its_age(loss, monkeypatch):
    params = HeadParameters(width_1=16, width_2=8, batch_size=16, initial_learning_rate=0.02, dropout=0.0, loss=loss)
    train, watch = make_samples(70, seed=0), make_samples(30, seed=1)
    training, start = TrainingConfig(epochs=40, patience=40), Start(epochs=40)
    fitted = fit_head(CLASSIFIER, train, watch, params, training, seed=5, start=start)
    again = fit_head(ModelKey.parse("regressor-male-2"), train, watch, params, training, seed=5, start=start)
    np.testing.assert_array_equal(again.weights[0], fitted.weights[0])  # whichever part asks, it is one head
    monkeypatch.setattr(fit_module, "_engine", lambda plan: _Stock())
    stock = fit_head(CLASSIFIER, train, watch, params, training, seed=5, start=Start(epochs=1))
    short = {name: values[0] for name, values in stock.history.items()}
    assert short["loss"] == pytest.approx(_first_losses(params, train)[loss], rel=0.5)
    heads = {key: Head(key, params, tuple(fitted.weights)) for key in ALL_MODELS}
    routed = route(heads, watch.features, [Sex.MALE] * 30, [None] * 30, "soft")
    error = np.abs(routed.ages - watch.ages).mean()
    assert error == pytest.approx(fitted.history["val_mae_months"][-1], rel=1e-3)
    assert error < 0.7 * np.abs(np.median(train.ages) - watch.ages).mean()
    np.testing.assert_allclose(
        predict_head(CLASSIFIER, fitted.weights, params, watch.features).sum(axis=1), 1, rtol=1e-5
    )


class _Stock:
    def __enter__(self):
        return StockEngine()

    def __exit__(self, *_):
        return None


def _first_losses(params, train):
    weights = initial_weights(CLASSIFIER.task, N_FEATURES, params, 5)
    raw = np.maximum(np.maximum(train.features @ weights[0], 0) @ weights[2], 0) @ weights[4]
    years = softmax(raw)
    right = years[np.arange(len(train)), all_ages.year_of(train.ages)]
    return {"years": -np.log(right).mean(), "months": np.abs(years @ all_ages.YEARS - train.ages).mean()}

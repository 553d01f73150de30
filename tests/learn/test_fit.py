"""Fitting is fast, but its results are those of stock Keras."""

import time

import keras
import numpy as np
import pytest

from boneage.config import HeadParameters, TrainingConfig
from boneage.groups import ModelKey
from boneage.learn import fit as fit_module
from boneage.learn.compiled_engine import compiled_engine
from boneage.learn.engine import CosineSchedule, HeadShape, StockEngine, targets_of
from boneage.learn.fit import EarlyStopping, FitError, Samples, Start, fit_head
from boneage.learn.heads import build_head, initial_weights, predict_head, target_of
from tests.learn.conftest import N_FEATURES, make_samples

CLASSIFIER, REGRESSOR = ModelKey.parse("classifier-male"), ModelKey.parse("regressor-female-2")
SHORT = TrainingConfig(epochs=6, patience=6)
CASES = {
    "classifier": (CLASSIFIER, {}),
    "regressor, MAE": (REGRESSOR, {}),
    "regressor, MSE": (REGRESSOR, {"loss": "mse"}),
    "regressor, Huber": (REGRESSOR, {"loss": "huber"}),
    "regressor, weight decay": (REGRESSOR, {"weight_decay": 0.1, "dropout": 0.5}),
}


def samples_of(key, count, seed):
    return make_samples(count, seed=seed) if key is CLASSIFIER else make_samples(count, 58.0, 114.9, seed=seed)


def curves(result):
    return np.array([result.history["loss"], result.history["val_loss"]])


@pytest.mark.parametrize("case", CASES)
def test_the_loss_curve_is_that_of_a_new_keras_model_fitted_by_keras(case, params):
    """Stock layers, stock AdamW with stock CosineDecay, stock `Model.fit`, dropout included, in the same order."""
    key, changes = CASES[case]
    params = HeadParameters(**{**vars(params), **changes})
    train, watch = samples_of(key, 70, 0), samples_of(key, 30, 1)
    ours = fit_head(key, train, watch, params, SHORT, seed=5, start=Start(epochs=6))

    schedule = CosineSchedule.of(params, 6 * 5)
    model = build_head(key.task, N_FEATURES, params, target_of(key), seed=5)
    model.set_weights(initial_weights(key.task, N_FEATURES, params, 5))
    losses = {"mae": "mean_absolute_error", "mse": "mean_squared_error", "huber": keras.losses.Huber(6.0)}
    model.compile(
        optimizer=keras.optimizers.AdamW(
            keras.optimizers.schedules.CosineDecay(**schedule.keras_arguments()), weight_decay=params.weight_decay
        ),
        loss="categorical_crossentropy" if key is CLASSIFIER else losses[params.loss],
        jit_compile=False,
    )
    targets, order, theirs = targets_of(key, train.ages, train.groups), np.random.default_rng((5, 1)), []
    for _ in range(6):
        rows = order.permutation(70)
        history = model.fit(
            train.features[rows], targets[rows], batch_size=params.batch_size, shuffle=False, verbose=0,
            validation_data=(watch.features, targets_of(key, watch.ages, watch.groups)),
        ).history  # fmt: skip
        theirs.append((history["loss"][0], history["val_loss"][0]))
    np.testing.assert_allclose(curves(ours), np.transpose(theirs), rtol=1e-4, atol=1e-4)
    for mine, theirs in zip(ours.weights, model.get_weights(), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=2e-4)


@pytest.mark.parametrize("case", [*CASES, "regressor, distribution"])
def test_the_plain_engine_gives_the_same_curve_on_any_backend(case, params, monkeypatch):
    key, changes = CASES.get(case, (REGRESSOR, {"loss": "distribution"}))
    params = HeadParameters(**{**vars(params), **changes})
    train, watch = samples_of(key, 40, 0), samples_of(key, 20, 1)
    ours = fit_head(key, train, watch, params, TrainingConfig(epochs=3), seed=5)
    monkeypatch.setattr(keras.backend, "backend", lambda: "another")
    plain = fit_head(key, train, watch, params, TrainingConfig(epochs=3), seed=5)
    np.testing.assert_allclose(curves(ours), curves(plain), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("warmup", [0.0, 0.25])
@pytest.mark.parametrize("floor", [0.0, 0.3])
def test_the_learning_rates_are_keras_cosine_decay(warmup, floor):
    params = HeadParameters(initial_learning_rate=3e-3, final_fraction=floor, warmup_fraction=warmup)
    schedule = CosineSchedule.of(params, 40)
    theirs = keras.optimizers.schedules.CosineDecay(**schedule.keras_arguments())
    np.testing.assert_allclose(schedule.rates(), [float(theirs(step)) for step in range(40)], rtol=1e-4, atol=1e-9)


def test_one_graph_serves_every_fold_trial_and_group_of_one_architecture(params):
    engine = compiled_engine(HeadShape.of(REGRESSOR.task, N_FEATURES, params))
    fit_head(REGRESSOR, samples_of(REGRESSOR, 40, 0), samples_of(REGRESSOR, 9, 1), params, SHORT, seed=1)
    traces = engine.traces
    for group, count, size, rate in ((1, 33, 8, 1e-3), (3, 50, 32, 1e-2), (4, 7, 64, 3e-4)):
        key = ModelKey(REGRESSOR.task, REGRESSOR.sex, group)
        other = HeadParameters(
            **{**vars(params), "batch_size": size, "initial_learning_rate": rate, "dropout": 0.1 * group}
        )
        fit_head(key, make_samples(count), make_samples(6, seed=2), other, SHORT, seed=group)
    assert engine.traces == traces == 1


def test_the_same_seed_gives_the_same_result_whatever_ran_before(params):
    train, watch = samples_of(REGRESSOR, 50, 0), samples_of(REGRESSOR, 20, 1)
    first = fit_head(REGRESSOR, train, watch, params, SHORT, seed=1)
    other = fit_head(REGRESSOR, train, watch, params, SHORT, seed=2)
    again = fit_head(REGRESSOR, train, watch, params, SHORT, seed=1)
    np.testing.assert_allclose(curves(first), curves(again), atol=1e-6)
    assert all(np.allclose(a, b, atol=1e-6) for a, b in zip(first.weights, again.weights, strict=True))
    assert not np.allclose(first.weights[0], other.weights[0], atol=1e-3)


def test_the_best_epochs_weights_are_returned(params):
    train, watch = samples_of(REGRESSOR, 40, 0), samples_of(REGRESSOR, 20, 1)
    hot = HeadParameters(**{**vars(params), "initial_learning_rate": 0.03})
    result = fit_head(REGRESSOR, train, watch, hot, TrainingConfig(epochs=40, patience=5), seed=0)
    losses = result.history["val_loss"]
    assert result.best_epoch == int(np.argmin(losses))
    assert len(losses) == len(result.history["learning_rate"]) == min(result.best_epoch + 6, 40)
    months = predict_head(REGRESSOR, result.weights, hot, watch.features)
    assert np.abs(months - watch.ages).mean() == pytest.approx(losses[result.best_epoch], rel=1e-4)


def test_patience_never_ends_before_the_warm_up(params):
    slow = HeadParameters(**{**vars(params), "warmup_fraction": 0.5})
    train, watch = samples_of(REGRESSOR, 40, 0), samples_of(REGRESSOR, 20, 1)
    result = fit_head(REGRESSOR, train, watch, slow, TrainingConfig(epochs=20, patience=1), seed=0)
    assert len(result.history["loss"]) > 10


def test_early_stopping_counts_as_keras_does():
    stopping = EarlyStopping(patience=2)
    seen = [(stopping.improved(epoch, value), stopping.stops) for epoch, value in enumerate([3.0, 2.0, 2.0, 2.5])]
    assert seen == [(True, False), (True, False), (False, False), (False, True)]
    assert stopping.best_epoch == 1


def test_a_number_of_epochs_is_kept_exactly_and_the_watched_set_only_looked_at(params):
    train, watch = samples_of(REGRESSOR, 40, 0), samples_of(REGRESSOR, 20, 1)
    result = fit_head(REGRESSOR, train, watch, params, SHORT, seed=0, start=Start(epochs=9))
    blind = fit_head(REGRESSOR, train, None, params, SHORT, seed=0, start=Start(epochs=9))
    assert len(result.history["val_loss"]) == 9 and result.best_epoch == 8
    assert "val_loss" not in blind.history
    assert all(np.array_equal(a, b) for a, b in zip(result.weights, blind.weights, strict=True))


def test_a_start_from_fitted_weights_goes_on_from_there(params):
    train = samples_of(REGRESSOR, 60, 0)
    first = fit_head(REGRESSOR, train, None, params, SHORT, seed=0, start=Start(epochs=40))
    warm = fit_head(REGRESSOR, train, None, params, SHORT, seed=0, start=Start(first.weights, epochs=1))
    cold = fit_head(REGRESSOR, train, None, params, SHORT, seed=0, start=Start(epochs=1))
    assert warm.history["loss"][0] < cold.history["loss"][0] * 0.75


def test_standardised_features_need_no_scaling_when_served(params):
    scaled = HeadParameters(**{**vars(params), "standardize": True})
    train, watch = samples_of(REGRESSOR, 60, 0), samples_of(REGRESSOR, 20, 1)
    shift = lambda samples: Samples(samples.features * 40 + 500, samples.ages, samples.groups)  # noqa: E731
    plain = fit_head(REGRESSOR, train, watch, scaled, SHORT, seed=0)
    moved = fit_head(REGRESSOR, shift(train), shift(watch), scaled, SHORT, seed=0)
    np.testing.assert_allclose(curves(plain), curves(moved), rtol=1e-2)
    months = predict_head(REGRESSOR, moved.weights, scaled, shift(watch).features)
    assert np.abs(months - watch.ages).mean() == pytest.approx(moved.history["val_loss"][moved.best_epoch], rel=1e-3)


def test_a_set_smaller_than_a_batch_with_a_class_missing_is_fitted(params):
    few = samples_of(CLASSIFIER, 9, 0)
    few = few.take(few.groups != 3)
    result = fit_head(CLASSIFIER, few, few.take(np.arange(2)), params, SHORT, seed=0)
    assert np.isfinite(result.history["loss"]).all()


def test_an_empty_set_and_features_that_are_no_numbers_are_refused(params):
    train = samples_of(REGRESSOR, 20, 0)
    with pytest.raises(FitError, match="has no image"):
        fit_head(REGRESSOR, train.take(np.arange(0)), train, params, SHORT, seed=0)
    broken = Samples(train.features * np.nan, train.ages, train.groups)
    with pytest.raises(FitError, match="not finite"):
        fit_head(REGRESSOR, broken, train, params, SHORT, seed=0)


def test_a_loss_that_explodes_is_told_in_one_sentence(params):
    wild = HeadParameters(**{**vars(params), "initial_learning_rate": 1e30, "warmup_fraction": 0.0})
    train = samples_of(REGRESSOR, 40, 0)
    with pytest.raises(FitError, match="initial_learning_rate"):
        fit_head(REGRESSOR, train, train, wild, SHORT, seed=0)


def test_the_second_fit_of_three_hundred_samples_takes_about_a_second():
    key, params = REGRESSOR, HeadParameters()
    train, watch = make_samples(240, n_features=384), make_samples(60, seed=1, n_features=384)
    fit_head(key, train, watch, params, TrainingConfig(epochs=1), seed=0)
    began = time.perf_counter()
    fit_head(key, train, watch, params, TrainingConfig(epochs=60, patience=60), seed=0)
    assert time.perf_counter() - began < 8.0, "about 1 s on two idle cores; the bound allows for busy ones"


def test_the_engine_is_chosen_by_the_keras_backend(monkeypatch, params):
    plan = fit_module.FitPlan(
        REGRESSOR, params, HeadShape.of(REGRESSOR.task, 3, params), CosineSchedule.of(params, 10), 0
    )
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with fit_module._engine(plan) as engine:
        assert isinstance(engine, StockEngine)

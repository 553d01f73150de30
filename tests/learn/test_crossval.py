"""Five folds and the final training from the best of them."""

import numpy as np
import pytest

from boneage.config import TrainingConfig
from boneage.groups import ModelKey
from boneage.learn import crossval
from boneage.learn.crossval import FoldHooks, cross_validate, fold_seed, train_final
from boneage.learn.fit import FitError
from boneage.learn.heads import predict_head
from tests.learn.conftest import make_samples

REGRESSOR, CLASSIFIER = ModelKey.parse("regressor-male-2"), ModelKey.parse("classifier-male")
SHORT = TrainingConfig(epochs=4, patience=4)


class PrunedError(Exception):
    pass


@pytest.fixture
def cell():
    return make_samples(40, 58.0, 114.9)


@pytest.fixture
def fold():
    return np.arange(40) % 5


def test_every_sample_is_predicted_once_by_a_head_that_has_not_seen_it(cell, fold, params):
    result = cross_validate(REGRESSOR, cell, fold, params, SHORT, seed=1)
    assert len(result.folds) == 5
    for number, one in enumerate(result.folds):
        held_out = cell.take(fold == number)
        months = predict_head(REGRESSOR, one.fit.weights, params, held_out.features)
        assert one.metrics["mae_months"] == pytest.approx(np.abs(months - held_out.ages).mean(), rel=1e-5)


def test_means_and_deviations_are_over_folds_and_the_best_has_the_lowest_mae(cell, fold, params):
    result = cross_validate(REGRESSOR, cell, fold, params, SHORT, seed=1)
    errors = [one.metrics["mae_months"] for one in result.folds]
    assert result.mean["mae_months"] == pytest.approx(np.mean(errors))
    assert result.std["mae_months"] == pytest.approx(np.std(errors))
    assert result.best == int(np.argmin(errors))


def test_a_classifier_reports_accuracy_sensitivity_and_specificity(params):
    samples = make_samples(60)
    result = cross_validate(CLASSIFIER, samples, np.arange(60) % 3, params, SHORT, seed=1)
    assert {"accuracy", "sensitivity", "specificity", "loss"} <= set(result.mean)
    assert result.folds[result.best].metrics["accuracy"] == max(one.metrics["accuracy"] for one in result.folds)
    assert np.isfinite(list(result.mean.values())).all()


def test_a_callback_that_raises_prunes_the_rest(cell, fold, params):
    seen = []

    def after(number, result):
        seen.append(number)
        if number == 1:
            raise PrunedError

    with pytest.raises(PrunedError):
        cross_validate(REGRESSOR, cell, fold, params, SHORT, seed=1, hooks=FoldHooks(after=after))
    assert seen == [0, 1]


def test_folds_that_are_known_are_not_fitted_again(cell, fold, params, monkeypatch):
    whole = cross_validate(REGRESSOR, cell, fold, params, SHORT, seed=1)
    seen, fits = [], []
    fit_head = crossval.fit_head
    monkeypatch.setattr(crossval, "fit_head", lambda *args, **kwargs: fits.append(1) or fit_head(*args, **kwargs))
    hooks = FoldHooks({number: whole.folds[number] for number in (0, 1, 3)}, lambda number, _: seen.append(number))
    again = cross_validate(REGRESSOR, cell, fold, params, SHORT, seed=1, hooks=hooks)
    assert len(fits) == 2 and seen == [0, 1, 2, 3, 4]
    assert again.mean == pytest.approx(whole.mean, abs=1e-6)


def test_the_same_seed_gives_the_same_figures(cell, fold, params):
    first, again = (cross_validate(REGRESSOR, cell, fold, params, SHORT, seed=1) for _ in range(2))
    assert first.mean == pytest.approx(again.mean, abs=1e-6)
    assert len({fold_seed(1, number) for number in range(-1, 50)}) == 51


def test_the_smallest_cell_of_a_demo_can_be_cross_validated(params):
    cell = make_samples(7, 0.0, 57.0)
    result = cross_validate(REGRESSOR, cell, np.array([0, 1, 2, 4, 0, 1, 2]), params, SHORT, seed=1)
    assert len(result.folds) == 4, "fold 3 has no sample here"


def test_one_fold_is_none(cell, params):
    with pytest.raises(FitError, match="at least two folds"):
        cross_validate(REGRESSOR, cell, np.zeros(40, int), params, SHORT, seed=1)


def test_the_final_training_starts_from_the_best_fold_and_lasts_as_long_as_the_folds(cell, fold, params):
    cv = cross_validate(REGRESSOR, cell, fold, params, SHORT, seed=1)
    final = train_final(REGRESSOR, cell, cv, params, SHORT, None, 1)
    assert len(final.history["loss"]) == cv.epochs
    cold = [one.fit.history["loss"][0] for one in cv.folds]
    assert final.history["loss"][0] < min(cold)


def test_the_validation_part_stops_the_final_training_where_configured(cell, fold, params):
    paper = TrainingConfig(epochs=4, patience=4, final_stop="validation")
    cv = cross_validate(REGRESSOR, cell, fold, params, SHORT, seed=1)
    watch = make_samples(15, 58.0, 114.9, seed=9)
    final = train_final(REGRESSOR, cell, cv, params, paper, watch, 1)
    assert final.best_epoch == int(np.argmin(final.history["val_loss"]))
    with pytest.raises(FitError, match="final_stop"):
        train_final(REGRESSOR, cell, cv, params, paper, None, 1)

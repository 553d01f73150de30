"""Figures against numbers worked out by hand."""

import numpy as np
import pytest

from boneage.learn.metrics import (
    MetricError,
    classification_metrics,
    confusion,
    ordinal_metrics,
    regression_metrics,
)


def test_regression_figures_are_those_worked_out_by_hand():
    figures = regression_metrics(np.array([100.0, 100, 100, 100]), np.array([100.0, 112, 76, 130]))
    assert figures["mae_months"] == pytest.approx((0 + 12 + 24 + 30) / 4)
    assert figures["mse_months2"] == pytest.approx((0 + 144 + 576 + 900) / 4)
    assert figures["rmse_months"] == pytest.approx(np.sqrt(405))
    assert figures["bias_months"] == pytest.approx(18 / 4)
    assert figures["within_12_months"] == 0.5
    assert figures["within_24_months"] == 0.75


def test_classification_figures_are_those_worked_out_by_hand():
    true = np.array([1, 1, 2, 2, 3, 4])
    named = np.array([1, 2, 2, 2, 3, 3])
    figures = classification_metrics(true, np.eye(4)[named - 1])
    assert figures["accuracy"] == pytest.approx(4 / 6)
    assert [figures[f"sensitivity_{k}"] for k in (1, 2, 3, 4)] == [0.5, 1.0, 1.0, 0.0]
    assert [figures[f"specificity_{k}"] for k in (1, 2, 3, 4)] == pytest.approx([1.0, 0.75, 0.8, 1.0])
    assert figures["sensitivity"] == pytest.approx(2.5 / 4)
    assert figures["specificity"] == pytest.approx(3.55 / 4)


def test_a_class_without_images_is_left_out_of_the_mean():
    figures = classification_metrics(np.array([1, 2]), np.eye(4)[[0, 1]])
    assert figures["sensitivity"] == figures["specificity"] == 1.0
    assert "sensitivity_3" not in figures
    assert np.isfinite(list(figures.values())).all()


def test_one_class_alone_has_no_specificity_and_nothing_divides_by_zero():
    figures = classification_metrics(np.array([2, 2]), np.eye(4)[[1, 1]])
    assert figures == {"accuracy": 1.0, "sensitivity": 1.0, "sensitivity_2": 1.0}


def test_the_confusion_table_has_true_groups_as_rows():
    assert confusion(np.array([1, 4]), np.array([2, 4])).tolist() == [[0, 1, 0, 0], [0] * 4, [0] * 4, [0, 0, 0, 1]]


@pytest.mark.parametrize(
    ("true", "predicted"), [([], []), ([1.0], [1.0, 2.0])], ids=["nothing to compare", "different lengths"]
)
def test_what_cannot_be_compared_is_refused(true, predicted):
    with pytest.raises(MetricError, match="at least one"):
        regression_metrics(np.array(true), np.array(predicted))


def test_a_group_of_zero_is_refused():
    with pytest.raises(MetricError, match="1-4"):
        confusion(np.array([0]), np.array([1]))


def test_log_loss_and_quadratic_kappa_are_those_of_scikit_learn():
    from sklearn.metrics import cohen_kappa_score, log_loss

    rng = np.random.default_rng(3)
    true, probabilities = rng.integers(1, 5, 60), rng.dirichlet(np.ones(4), 60)
    ours = ordinal_metrics(true, probabilities)
    assert ours["log_loss"] == pytest.approx(log_loss(true, probabilities, labels=[1, 2, 3, 4]))
    theirs = cohen_kappa_score(true, probabilities.argmax(axis=1) + 1, labels=[1, 2, 3, 4], weights="quadratic")
    assert ours["quadratic_kappa"] == pytest.approx(theirs)


def test_one_group_alone_that_is_recognised_has_a_kappa_of_one():
    assert ordinal_metrics(np.array([2, 2]), np.eye(4)[[1, 1]])["quadratic_kappa"] == 1.0

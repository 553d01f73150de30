"""Figures are drawn for usual, empty and degenerate data, and leave nothing open."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from boneage import plots

HISTORY = {"loss": [3.0, 2.0], "val_loss": [3.5, 2.5], "learning_rate": [1e-3, 1e-4]}
AGES = np.linspace(0, 228, 30)
SURE = np.tile([0.7, 0.1, 0.1, 0.1], (30, 1))


@pytest.mark.parametrize(
    "draw",
    [
        lambda: plots.learning_curves([HISTORY] * 5, "five folds"),
        lambda: plots.learning_curves([{"loss": [1.0], "learning_rate": [1e-3]}], "not watched"),
        lambda: plots.confusion_matrix(np.eye(4, dtype=int) * 9, "all right"),
        lambda: plots.confusion_matrix(np.zeros((4, 4), dtype=int), "nothing"),
        lambda: plots.predicted_against_true(AGES, AGES + 3, "cascade", ["female", "male"] * 15),
        lambda: plots.predicted_against_true(np.array([]), np.array([]), "nothing"),
        lambda: plots.bland_altman(AGES, AGES + 3, "cascade", ["female"] * 30),
        lambda: plots.bland_altman(np.array([5.0]), np.array([7.0]), "one image"),
        lambda: plots.calibration(SURE, np.ones(30, dtype=int), "sure"),
        lambda: plots.calibration(np.zeros((0, 4)), np.zeros(0, dtype=int), "nothing"),
    ],
)
def test_a_figure_is_drawn(draw, tmp_path):
    figure = draw()
    figure.savefig(tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 5000
    assert figure.axes[0].get_title(loc="left")
    assert plt.get_fignums() == []


def test_axes_name_their_units():
    axes = plots.predicted_against_true(AGES, AGES, "cascade").axes[0]
    assert "months" in axes.get_xlabel()
    assert "months" in axes.get_ylabel()


def test_the_confusion_matrix_has_true_groups_as_rows():
    counts = np.zeros((4, 4), dtype=int)
    counts[0, 3] = 7
    texts = {text.get_position(): text.get_text() for text in plots.confusion_matrix(counts, "x").axes[0].texts}
    assert texts[(3, 0)] == "7\n100%"

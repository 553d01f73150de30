import cv2
import numpy as np
import pandas as pd
import pytest

from boneage.cascade.noise_guard import NoiseGuard
from boneage.errors import BoneageError
from boneage.evaluation.stress import DISTURBANCES, regressions, stress, stress_figures, stress_summary


@pytest.fixture
def table(tmp_path):
    rows = []
    for number, level in enumerate((90, 140)):
        film = np.full((120, 100), level, np.uint8)
        film[30:90, 30:70] = level + 20
        film[0, :9] = range(level - 4, level + 5)  # a film has more than a few grey levels
        cv2.imwrite(str(tmp_path / f"{number}.png"), film)
        row = {"id": str(number), "image": str(tmp_path / f"{number}.png"), "sex": "male", "age_months": float(level)}
        size = {"original_width": np.nan, "original_height": np.nan, "crop": ""}
        rows.append({**row, **size, "group": 2, "source": "x"})
    return pd.DataFrame(rows)


@pytest.mark.parametrize("name", list(DISTURBANCES))
def test_a_disturbed_film_is_a_film(name):
    film = np.random.default_rng(0).integers(0, 256, (130, 90), dtype=np.uint8)
    for strength in DISTURBANCES[name].strengths:
        changed = DISTURBANCES[name].change(film.copy(), strength)
        assert changed.dtype == np.uint8 and changed.ndim == 2
        assert np.array_equal(changed, DISTURBANCES[name].change(film.copy(), strength))


def test_brightness_moves_a_cascade_that_reads_brightness_and_mirroring_does_not(cascade, table):
    summary = stress_summary(stress(cascade, table, ["brightness", "flip"])).set_index(["disturbance", "strength"])
    assert summary.loc[("brightness", 30.0), "mean_shift_months"] == pytest.approx(30, abs=1)
    assert summary.loc[("brightness", 30.0), "moved_over_12_months"] == 1
    assert summary.loc[("flip", 1.0), "mean_move_months"] == 0
    figures = stress_figures(summary.reset_index())
    assert figures["stress_brightness_moved_over_12_months"] == 1


def test_what_moves_without_a_word_is_told_from_what_is_warned_of(cascade, table):
    bright = stress_summary(stress(cascade, table, ["brightness"])).set_index("strength")
    assert bright.loc[30.0, "moved_unwarned"] == 1 and bright.loc[30.0, "warned"] == 0
    cascade.noise = NoiseGuard(32, limit=2.0)
    noisy = stress_summary(stress(cascade, table, ["noise"])).set_index("strength")
    assert noisy.loc[30.0, "warned"] == 1 and noisy.loc[30.0, "moved_unwarned"] == 0


def test_a_refusal_is_counted_and_moves_nothing(cascade, table):
    class Picky(type(cascade)):
        def estimate(self, radiograph, sex, age_range=None, *, anyway=False):
            if radiograph.mean() > 200:
                raise BoneageError("too bright")
            return super().estimate(radiograph, sex, age_range, anyway=anyway)

    picky = Picky(cascade.preparer, cascade.backbone, cascade.heads, cascade.config)
    summary = stress_summary(stress(picky, table, ["brightness"])).set_index("strength")
    assert summary.loc[60.0, "refused"] == 0.5 and summary.loc[30.0, "refused"] == 0


def test_a_worse_version_is_named():
    before = {"stress_flip_moved_over_12_months": 0.02, "stress_crop_moved_over_12_months": 0.1}
    after = {"stress_flip_moved_over_12_months": 0.2, "stress_crop_moved_over_12_months": 0.12}
    assert [sentence.split(":")[0] for sentence in regressions(before, after)] == ["stress_flip_moved_over_12_months"]


def test_an_unknown_disturbance_is_named(cascade, table):
    with pytest.raises(BoneageError, match="coffee"):
        stress(cascade, table, ["coffee"])


def test_the_plot_has_a_panel_per_disturbance(cascade, table):
    from boneage.plots import stress_plot

    figure = stress_plot(stress_summary(stress(cascade, table, ["brightness", "noise"])))
    assert [axes.get_title() for axes in figure.axes if axes.get_title()] == ["brightness", "noise"]

"""Training of the backbone on a handful of discs whose size is their age."""

import numpy as np
import pytest

from boneage.pretrain import figures, sources
from boneage.pretrain.sources import Child, Film


def test_expected_months_of_a_sharp_distribution_are_its_bin(torch):
    from boneage.pretrain.torchnet import AgeLoss, months

    logits = torch.full((1, 39), -50.0)
    logits[0, 20] = 50.0
    assert months(logits).item() == pytest.approx(120.0)
    right, wrong = (AgeLoss()(logits / 20, torch.tensor([age])).item() for age in (120.0, 60.0))
    assert right < wrong


def test_figures_count_errors_per_sex_and_group():
    kids = [Child("1", 20.0, 0), Child("2", 60.0, 1), Child("3", 200.0, 1)]
    found = figures.age_figures(kids, np.array([30.0, 80.0, 230.0]))
    assert found["mae_months"] == 20.0 and found["bias_months"] == 20.0
    assert found["within_12_months"] == pytest.approx(1 / 3, abs=1e-3)
    assert found["mae_months_female_1"] == 10.0 and found["mae_months_male"] == 25.0
    assert "mae_months_female_4" not in found and found["group_accuracy"] == 1.0


def test_films_are_prepared_by_the_serving_code(data, tmp_path):
    from boneage.preprocess.preparer import Preparer
    from boneage.pretrain import prepare

    pytest.importorskip("rembg")
    films = [Film("1379", large=True), Film("1378", large=False)]
    made = prepare.prepare_all(data, films, tmp_path, prepare.PREPARATION, lambda line: None)
    grey = sources.read_film(data, films[0], sources.image_sizes(data))
    served = Preparer(prepare.PREPARATION, threads=1).prepare(grey).image
    np.testing.assert_array_equal(made.images[0], prepare.shrink_prepared(served, prepare.CACHED_SIDE))
    stamp = (tmp_path / "prepared-equalize.npy").stat().st_mtime_ns
    prepare.prepare_all(data, films, tmp_path, prepare.PREPARATION, lambda line: None)
    assert (tmp_path / "prepared-equalize.npy").stat().st_mtime_ns == stamp

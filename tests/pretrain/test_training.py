"""Training of the backbone on a handful of discs whose size is their age."""

import cv2
import numpy as np
import pytest

from boneage.pretrain import figures, sources
from boneage.pretrain.sources import Child, Film


@pytest.fixture(scope="module")
def discs(torch):
    from boneage.pretrain.loader import Training
    from boneage.pretrain.prepare import CACHED_SIDE, Prepared

    ages = np.linspace(10, 220, 24)
    films = tuple(Film(str(k), large=k % 3 == 0) for k in range(24))
    images = np.zeros((24, CACHED_SIDE, CACHED_SIDE), np.uint8)
    for image, age in zip(images, ages, strict=True):
        cv2.circle(image, (CACHED_SIDE // 2, CACHED_SIDE // 2), int(age / 2), 200, -1)
    table = {str(k): Child(str(k), float(age), k % 2) for k, age in enumerate(ages)}
    return Training(table, Prepared(films, images), tuple(table))


def test_a_team_divides_every_batch(discs):
    from boneage.pretrain.loader import Order, epoch_batches
    from boneage.pretrain.team import Team

    order = Order(8, (1, 0))
    parts = [list(epoch_batches(discs, 32, order, Team(number, 2))) for number in (0, 1)]
    alone = list(epoch_batches(discs, 32, order, Team()))
    assert len(parts[0]) == len(parts[1]) == len(alone) == 3
    for (_, first, _), (_, second, _), (images, whole, _) in zip(*parts, alone, strict=True):
        assert sorted([*first.tolist(), *second.tolist()]) == sorted(whole.tolist())
        assert images.shape == (8, 1, 32, 32)


def test_an_epoch_of_every_film_shows_each_once(torch):
    from boneage.pretrain.loader import Order, Training
    from boneage.pretrain.prepare import Prepared

    films = tuple(Film(name, large) for name in "012345" for large in (False, True) if not large or name < "2")
    table = {name: Child(name, 50.0, 0) for name in "012345"}
    training = Training(table, Prepared(films, np.zeros((8, 4, 4), np.uint8)), tuple(table))
    pairs = [pair for batch in Order(4, (1, 0), every_film=True).batches(training) for pair in batch]
    assert sorted(row for _, row in pairs) == list(range(8))
    assert all(films[row].id == training.ids[child] for child, row in pairs)
    assert len([pair for batch in Order(3, (1, 0)).batches(training) for pair in batch]) == 6


def test_expected_months_of_a_sharp_distribution_are_its_bin(torch):
    from boneage.pretrain.torchnet import age_loss, months

    logits = torch.full((1, 39), -50.0)
    logits[0, 20] = 50.0
    assert months(logits).item() == pytest.approx(120.0)
    right, wrong = (age_loss(logits / 20, torch.tensor([age]), 6.0, 0.05).item() for age in (120.0, 60.0))
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

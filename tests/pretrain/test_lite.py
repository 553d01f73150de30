"""Training by time: the plan, one step after the other, a stop and a resumption."""

import dataclasses

import numpy as np
import pytest

from boneage.pretrain.sources import Child, Film


@pytest.fixture(scope="module")
def training(torch):
    from boneage.pretrain.loader import Training
    from boneage.pretrain.prepare import CACHED_SIDE, Prepared

    films = tuple(Film(str(k), large=False) for k in range(12))
    images = np.random.default_rng(0).integers(0, 256, (12, CACHED_SIDE, CACHED_SIDE), np.uint8)
    table = {str(k): Child(str(k), 18.0 * k, k % 2) for k in range(12)}
    return Training(table, Prepared(films, images), tuple(table))


@pytest.fixture
def recipe(torch):
    from boneage.pretrain.lite import LiteRecipe, Part
    from boneage.pretrain.litenet import LiteShape

    return LiteRecipe(parts=(Part(0.0, 32, 64),), batch=4, balance=0.0, shape=LiteShape(dropout=0.0))


def test_sides_and_rate_follow_the_time_that_is_used_up(torch):
    from boneage.pretrain.lite import LiteRecipe

    recipe = LiteRecipe()
    assert [recipe.part_at(share).side for share in (0, 0.19, 0.21, 0.41, 1.0)] == [160, 160, 192, 224, 224]
    rates = [recipe.rate_at(share) for share in (0, 0.02, 0.05, 0.5, 1.0)]
    assert rates[0] < rates[1] < rates[2] and rates[2] == pytest.approx(recipe.rate, rel=0.02)
    assert rates[3:] == pytest.approx([recipe.rate / 2, recipe.rate / 100], rel=0.02)


def test_a_training_that_was_stopped_goes_on_where_it_was(torch, training, recipe, tmp_path):
    from boneage.pretrain.lite import LiteTrainer

    whole = LiteTrainer(recipe, None, 1e9)
    whole.run_epoch(training, lambda: None)
    assert (whole.epoch, whole.step, whole.films) == (1, 0, 12) and 0 < whole.share < 1
    whole.save(tmp_path / "x.pt")
    other = LiteTrainer(dataclasses.replace(recipe, seed=99), None, 1e9)
    other.resume(tmp_path / "x.pt")
    assert (other.epoch, other.films, other.spent) == (1, 12, whole.spent)
    for name, value in whole.average.average.state_dict().items():
        np.testing.assert_array_equal(other.average.average.state_dict()[name], value, err_msg=name)


def test_the_rest_of_a_pass_is_what_was_left_of_it(training):
    from boneage.pretrain.loader import Order

    order = Order(4, (3, 0), 0.5)
    assert dataclasses.replace(order, begin=1).batches(training) == order.batches(training)[1:]


def test_a_training_ends_when_its_time_does(torch, training, recipe):
    from boneage.pretrain.lite import LiteTrainer

    trainer = LiteTrainer(recipe, None, 1e-3)
    trainer.run_epoch(training, lambda: None)
    assert trainer.share == 1 and trainer.step == 1


def test_estimates_stay_within_the_ages(torch, training, recipe):
    from boneage.pretrain.lite import LiteTrainer, estimate

    net = LiteTrainer(recipe, None, 1.0).average.average
    torch.nn.init.constant_(net.out.bias, 0.0)
    net.out.bias.data[0] = 100.0  # the bin at -24 months
    assert estimate(net, training, 64).tolist() == [0.0] * 12


def test_an_infants_label_is_not_cut_at_birth(torch):
    from boneage.pretrain.torchnet import AgeBins, AgeLoss, expectation, soft_ages

    newborn = torch.tensor([0.0, 1.0, 228.0])
    wide = AgeBins(-24.0, 6.0, 47)
    assert expectation(soft_ages(newborn, 6.0)).tolist() != pytest.approx([0, 1, 228], abs=2)
    np.testing.assert_allclose(expectation(soft_ages(newborn, 6.0, wide), wide), newborn, atol=0.01)
    np.testing.assert_allclose(expectation(soft_ages(newborn, 3.0, wide), wide), newborn, atol=0.2)
    narrow, broad = AgeLoss(newborn_spread=3.0, bins=wide), AgeLoss(bins=wide)
    logits = torch.log_softmax(torch.randn(1, 47), 1)
    assert narrow(logits, torch.tensor([0.0])) != broad(logits, torch.tensor([0.0]))
    assert narrow(logits, torch.tensor([90.0])) == broad(logits, torch.tensor([90.0]))

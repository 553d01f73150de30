"""Spatial attention behind a frozen network: even at first, then it learns where to look, and the network stays."""

import keras
import numpy as np
import pytest

from boneage.config import BackboneConfig, FineTuneConfig
from boneage.learn.attention import attended
from boneage.learn.backbones import open_backbone
from boneage.learn.finetune import Films, fine_tune
from boneage.learn.frozen import FrozenBackbone, Identity
from boneage.learn.seen_images import seen_images

COUNT = 48
AGES = np.linspace(0, 228, COUNT).astype(np.float32)


@pytest.fixture(scope="module")
def films():
    """The left half of a film tells the age, the right half is noise."""
    images = np.random.default_rng(0).integers(0, 255, (COUNT, 32, 32), np.uint8)
    images[:, :, :16] = AGES[:, None, None].astype(np.uint8)
    return images


def small():
    keras.utils.set_random_seed(0)
    hand = keras.Input((32, 32, 1))
    x = keras.layers.Conv2D(8, 8, strides=8, activation="relu", name="stem")(keras.layers.Rescaling(1 / 255)(hand))
    return keras.Model(hand, x)


def test_it_starts_as_two_even_halves_of_the_network_and_learns_behind_a_network_that_stays(films):
    base = small()
    plain = FrozenBackbone(base, Identity("small", 32, "s"))
    backbone = FrozenBackbone(attended(base, "small-attention"), Identity("small-attention", 32, "a"))
    before = plain.pooled(films)
    np.testing.assert_allclose(backbone.pooled(films), np.hstack([before, before]) / 2, rtol=1e-4, atol=1e-6)
    read = []
    learnt = Films(lambda row: read.append(row) or films[row], ("male",) * COUNT, AGES)
    config = FineTuneConfig("attention", epochs=8, learning_rate=0.02, batch_size=16, augment=False)
    tuned, losses = fine_tune(backbone, learnt, config, seed=1)
    assert sorted(read) == list(range(COUNT))  # each film passes the frozen network once, whatever the epochs
    assert losses[-1] < losses[1]
    np.testing.assert_array_equal(plain.pooled(films), before)
    assert tuned.sha256 != "a" and not np.allclose(tuned.pooled(films), np.hstack([before, before]) / 2, rtol=0.02)


def test_the_one_of_the_table_has_the_weights_that_ship_and_has_seen_their_films(tmp_path):
    backbone = open_backbone(BackboneConfig("handlite0-attention", input_size=64), 64)
    base = open_backbone(BackboneConfig("handlite0", input_size=64), 64)
    hands = np.random.default_rng(0).integers(0, 255, (2, 64, 64), np.uint8)
    pooled = base.pooled(hands) / 2
    np.testing.assert_allclose(backbone.pooled(hands), np.hstack([pooled, pooled]), rtol=1e-3, atol=1e-4)
    again = FrozenBackbone.load(backbone.save(tmp_path / "backbone.npz"))
    assert (again.sha256, again.name) == (backbone.sha256, "handlite0-attention")
    assert seen_images(BackboneConfig("handlite0-attention")) == seen_images(BackboneConfig("handlite0"))

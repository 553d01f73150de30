"""Fine-tuning moves the named block and all after it, nothing before it; the loss falls; the result is a backbone."""

import cv2
import numpy as np
import pytest

from boneage.config import BackboneConfig, FineTuneConfig
from boneage.groups import Sex
from boneage.learn.backbone_table import BackboneError, blank_model
from boneage.learn.backbones import open_backbone
from boneage.learn.finetune import Films, augment, fine_tune, unfreeze
from boneage.learn.frozen import FrozenBackbone
from boneage.phantom.hand import draw

AGES = np.linspace(20, 200, 16).astype(np.float32)


@pytest.fixture(scope="module")
def images():
    films = [draw(float(age), Sex.MALE, seed).image for seed, age in enumerate(AGES)]
    return np.stack([cv2.resize(film, (128, 128), interpolation=cv2.INTER_AREA) for film in films])


@pytest.fixture(scope="module")
def tuned(images):
    backbone = open_backbone(BackboneConfig(), 128)
    before = {layer.name: [w.copy() for w in layer.get_weights()] for layer in backbone.model.layers}
    config = FineTuneConfig(from_block="block6", epochs=4, learning_rate=3e-4, batch_size=8, augment=False)
    films = Films(lambda number: images[number], ("male",) * len(AGES), AGES)
    steps = []
    return (
        backbone.sha256,
        before,
        fine_tune(backbone, films, config, seed=1, progress=lambda *s: steps.append(s)),
        steps,
    )


def test_the_loss_falls_and_only_the_named_block_and_later_ones_move(tuned):
    sha256, before, (found, losses), steps = tuned
    assert len(losses) == 5 and losses[-1] < losses[1] < losses[0]
    assert steps[-1] == (5 * len(AGES), 5 * len(AGES))
    moved = {
        layer.name
        for layer in found.model.layers
        if any(not np.array_equal(a, b) for a, b in zip(before[layer.name], layer.get_weights(), strict=True))
    }
    assert {"block6_conv1", "last"} <= moved
    assert not any(name.startswith(("stem", *(f"block{number}_" for number in range(6)))) for name in moved)
    assert found.sha256 != sha256
    assert not found.model.trainable_weights


def test_a_tuned_backbone_is_saved_and_loaded_as_any(tuned, images, tmp_path):
    backbone, _ = tuned[2]
    again = FrozenBackbone.load(backbone.save(tmp_path / "backbone.npz"))
    assert again.sha256 == backbone.sha256
    np.testing.assert_allclose(again.pooled(images[:2]), backbone.pooled(images[:2]), rtol=1e-4, atol=1e-5)


def test_a_network_of_keras_learns_from_its_named_block_without_its_normalisation():
    model = blank_model("EfficientNetV2B0", 32)
    names = unfreeze(model, "block6")
    assert names and all(name.startswith(("block6", "top_")) for name in names)
    assert not any(name.endswith("_bn") for name in names)


@pytest.mark.parametrize("block", ["", "blok6"])
def test_an_unknown_block_is_refused_with_the_known_ones(block):
    with pytest.raises(BackboneError, match=r"stem, .*block6"):
        unfreeze(blank_model("handnet", 128), block)


def test_augmentation_keeps_size_type_and_the_black_background(images):
    changed = augment(images[0], np.random.default_rng(0))
    assert (changed.shape, changed.dtype) == (images[0].shape, np.uint8)
    assert not np.array_equal(changed, images[0])
    assert augment(np.zeros((20, 20), np.uint8), np.random.default_rng(1)).max() == 0

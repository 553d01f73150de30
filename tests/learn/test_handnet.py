import json

import numpy as np
import pytest

from boneage.config import BackboneConfig
from boneage.learn import handnet
from boneage.learn.backbones import open_backbone
from boneage.learn.frozen import FrozenBackbone, identify
from boneage.shipped import checked_asset
from tests.learn.end_to_end import build_end_to_end


@pytest.fixture(scope="module")
def backbone():
    return handnet.build_handnet()


def test_backbone_gives_a_frozen_map_that_is_never_negative(backbone):
    hands = np.random.default_rng(0).integers(0, 256, (2, 128, 128, 1)).astype(np.float32)
    found = backbone.predict(hands, verbose=0)
    assert found.shape == (2, 8, 8, handnet.FEATURES) and found.dtype == np.float32
    assert found.min() >= 0 and np.isfinite(found).all() and found.std() > 0
    assert not backbone.trainable and not backbone.trainable_weights


def test_a_black_image_gives_finite_features(backbone):
    assert np.isfinite(backbone.predict(np.zeros((1, 128, 128, 1), np.float32), verbose=0)).all()


def test_end_to_end_stays_within_the_ages_and_heeds_the_sex():
    model = build_end_to_end(handnet.build_handnet())
    hands = np.random.default_rng(0).integers(0, 256, (1, 128, 128, 1)).astype(np.float32).repeat(2, axis=0)
    girl, boy = model.predict([hands, np.array([[0.0], [1.0]])], verbose=0)[:, 0]
    assert 0 <= girl <= 228 and 0 <= boy <= 228 and girl != boy


def test_random_weights_need_no_file():
    assert handnet.build_handnet(None).count_params() > 1e6


def test_missing_weights_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="other.npz"):
        handnet.build_handnet(tmp_path / "other.npz")


def test_weights_of_another_network_are_refused(tmp_path):
    np.savez(tmp_path / "other.npz", something=np.zeros(3))
    with pytest.raises(ValueError, match="stem.kernel"):
        handnet.build_handnet(tmp_path / "other.npz")


def test_changed_weights_are_refused(tmp_path):
    weights, record = tmp_path / "handnet.npz", tmp_path / "handnet.json"
    weights.write_bytes(b"something else")
    record.write_text(json.dumps({"sha256": "0" * 64}))
    with pytest.raises(ValueError, match="sha256"):
        checked_asset(weights, record)


def test_the_shipped_backbone_is_saved_as_the_very_file_that_ships(tmp_path):
    backbone = open_backbone(BackboneConfig(), 500)
    saved = backbone.save(tmp_path / "backbone.npz")
    assert saved.read_bytes() == handnet.SHIPPED.path().read_bytes()
    again = FrozenBackbone.load(saved)
    assert (again.name, again.input_size, again.sha256) == (backbone.name, backbone.input_size, backbone.sha256)
    images = np.random.default_rng(0).integers(0, 256, (2, 128, 128), np.uint8)
    np.testing.assert_array_equal(again.pooled(images), backbone.pooled(images))


def test_a_backbone_of_an_earlier_version_still_opens(tmp_path):
    earlier = handnet.EARLIER[0]
    model = handnet.build_handnet(None, earlier)
    assert (
        len(model.get_weights()) == earlier.arrays and len(handnet.build_handnet(None).get_weights()) > earlier.arrays
    )
    saved = FrozenBackbone(model, identify("handnet", 128, model)).save(tmp_path / "backbone.npz")
    images = np.random.default_rng(0).integers(0, 256, (2, 128, 128), np.uint8)
    np.testing.assert_array_equal(
        FrozenBackbone.load(saved).pooled(images), FrozenBackbone(model, identify("handnet", 128, model)).pooled(images)
    )

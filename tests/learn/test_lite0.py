import numpy as np
import pytest

from boneage.config import BackboneConfig
from boneage.learn import lite0
from boneage.learn.backbones import open_backbone
from boneage.learn.finetune import unfreeze
from boneage.learn.frozen import FrozenBackbone

HANDS = np.random.default_rng(0).integers(0, 256, (2, 64, 64), np.uint8)


@pytest.fixture(scope="module")
def small():
    return open_backbone(BackboneConfig("handlite0", weights="none", input_size=64), 64)


def test_it_can_be_opened_at_another_side_saved_and_read_back(small, tmp_path):
    assert small.pooled(HANDS).shape == (2, lite0.FEATURES) and small.maps(HANDS[:1]).shape == (1, 2, 2, lite0.FEATURES)
    again = FrozenBackbone.load(small.save(tmp_path / "backbone.npz"))
    assert (again.name, again.sha256) == (small.name, small.sha256)
    np.testing.assert_allclose(again.pooled(HANDS), small.pooled(HANDS), rtol=1e-5)


def test_it_can_be_tuned_from_a_block_on():
    model = lite0.build_lite0(None, 64)
    names = unfreeze(model, "block15")
    assert names == ["block15_expand", "block15_depth", "block15_project", "last"]
    assert len(model.trainable_weights) == 8


def test_weights_of_another_network_are_refused(tmp_path):
    np.savez(tmp_path / "other.npz", something=np.zeros(3))
    with pytest.raises(ValueError, match="stem.kernel"):
        lite0.build_lite0(tmp_path / "other.npz", 64)
    with pytest.raises(FileNotFoundError, match="gone.npz"):
        lite0.build_lite0(tmp_path / "gone.npz", 64)

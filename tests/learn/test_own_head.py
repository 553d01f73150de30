"""The head that the embedded backbone was trained with gives, in a cascade, what the network says end to end."""

from dataclasses import replace

import numpy as np
import pytest

from boneage.config import BackboneConfig, Config, FineTuneConfig, TrainingConfig
from boneage.learn import handnet, lite0
from boneage.learn.backbone_table import BackboneError
from boneage.learn.backbones import open_backbone
from boneage.learn.own_head import own_head
from tests.learn.end_to_end import build_end_to_end


@pytest.mark.parametrize(
    ("name", "build", "side"), [("handnet", handnet.build_handnet, 128), ("handlite0", lite0.build_lite0, 256)]
)
def test_it_says_what_the_network_says_end_to_end(name, build, side):
    config = BackboneConfig(name)
    images = np.random.default_rng(0).integers(0, 256, (4, side, side), np.uint8)
    sexes = ["female", "male", "female", "male"]
    features = open_backbone(config, side).pooled(images)
    males = np.array([[sex == "male"] for sex in sexes], np.float32)
    wanted = build_end_to_end(build())([images[..., None].astype(np.float32), males])
    np.testing.assert_allclose(own_head(Config(backbone=config)).predict(features, sexes), np.ravel(wanted), atol=0.01)


@pytest.mark.parametrize(
    "config",
    [
        Config(backbone=BackboneConfig(name="EfficientNetV2B0", weights="none")),
        Config(backbone=BackboneConfig(weights="none")),
        replace(Config(), training=TrainingConfig(fine_tune=FineTuneConfig(from_block="last"))),
    ],
)
def test_a_backbone_without_such_a_head_is_refused(config):
    with pytest.raises(BackboneError, match="kind = 'distribution'"):
        own_head(config)

"""The Keras Lite0 computes what the PyTorch one computed when it was trained, to the last digits of float32."""

import numpy as np
import pytest

from boneage.learn import lite0


@pytest.fixture(scope="module")
def trained(torch):
    """A network with random weights whose batch statistics are not trivial, and whose maps are not all cut off."""
    from boneage.pretrain.litenet import LiteAge, LiteShape

    torch.manual_seed(0)
    net = LiteAge(LiteShape())
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_mean, -0.3, 0.3)
            torch.nn.init.uniform_(module.running_var, 0.3, 1.0)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.uniform_(module.bias, -0.3, 0.6)
    return net.eval()


@pytest.fixture(scope="module")
def exported(trained, tmp_path_factory):
    from boneage.pretrain.liteexport import save_weights

    path = tmp_path_factory.mktemp("weights") / "handlite0.npz"
    save_weights(trained, path, half=False)
    return path


@pytest.mark.parametrize("side", [96, 150, 256])
def test_backbone_gives_the_same_map_at_even_and_odd_sides(torch, trained, exported, side):
    hands = np.random.default_rng(1).integers(0, 256, (2, side, side, 1)).astype(np.float32)
    with torch.no_grad():
        wanted = trained.backbone(torch.from_numpy(hands.transpose(0, 3, 1, 2))).numpy().transpose(0, 2, 3, 1)
    found = lite0.build_lite0(exported, side)(hands).numpy()
    assert found.shape == (2, -(-side // 32), -(-side // 32), lite0.FEATURES)
    assert 0.1 < wanted.mean() < 5 and wanted.std() > 0.1
    np.testing.assert_allclose(found, wanted, atol=1e-4, rtol=1e-4)


def test_end_to_end_gives_the_same_months(torch, trained, exported):
    from boneage.pretrain.torchnet import months
    from tests.learn.end_to_end import build_end_to_end

    hands = np.random.default_rng(1).integers(0, 256, (3, 96, 96, 1)).astype(np.float32)
    male = np.array([0, 1, 1], np.float32)
    with torch.no_grad():
        logits = trained(torch.from_numpy(hands.transpose(0, 3, 1, 2)), torch.from_numpy(male))
    found = build_end_to_end(lite0.build_lite0(exported, 96), exported)([hands, male[:, None]]).numpy()[:, 0]
    np.testing.assert_allclose(found, months(logits, trained.shape.bins).numpy(), atol=1e-2)


def test_the_two_definitions_agree_about_the_ages(torch):
    from boneage.learn.global_head import bins_of
    from boneage.pretrain.lite import LiteRecipe
    from boneage.pretrain.litenet import LiteShape

    ages = LiteShape().bins.months(torch.zeros(1)).numpy()
    np.testing.assert_array_equal(ages, bins_of(len(ages)))
    assert LiteRecipe().parts[-1].measured == lite0.INPUT_SIZE


def test_imagenet_weights_of_another_network_are_refused(torch, tmp_path):
    from boneage.pretrain.litenet import read_imagenet

    torch.save({"_fc.weight": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match="EfficientNet-Lite"):
        read_imagenet(tmp_path / "other.pth")

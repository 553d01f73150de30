"""The Keras network computes what the PyTorch one computed when it was trained."""

import numpy as np
import pytest

from boneage.learn import handnet


@pytest.fixture(scope="module")
def trained(torch):
    """A network with random weights whose batch statistics are not trivial."""
    from boneage.pretrain.torchnet import EndToEnd, NetShape

    torch.manual_seed(0)
    net = EndToEnd(NetShape())
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_mean, -0.3, 0.3)
            torch.nn.init.uniform_(module.running_var, 0.5, 2.0)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.uniform_(module.bias, -0.3, 0.3)
    return net.eval()


@pytest.fixture(scope="module")
def exported(trained, tmp_path_factory):
    from boneage.pretrain.export import save_weights

    path = tmp_path_factory.mktemp("weights") / "handnet.npz"
    save_weights(trained, path)
    return path


@pytest.fixture(scope="module")
def hands():
    return np.random.default_rng(1).integers(0, 256, (3, handnet.INPUT_SIZE, handnet.INPUT_SIZE, 1)).astype(np.float32)


def test_backbone_gives_the_same_map(torch, trained, exported, hands):
    with torch.no_grad():
        wanted = trained.backbone(torch.from_numpy(hands.transpose(0, 3, 1, 2))).numpy().transpose(0, 2, 3, 1)
    found = handnet.build_handnet(exported).predict(hands, verbose=0)
    assert found.shape == (3, 8, 8, handnet.FEATURES)
    np.testing.assert_allclose(found, wanted, atol=0.02 * wanted.max())  # float16 storage


def test_end_to_end_gives_the_same_months(torch, trained, exported, hands):
    from boneage.pretrain.torchnet import months
    from tests.learn.end_to_end import build_end_to_end

    male = np.array([0, 1, 1], np.float32)
    with torch.no_grad():
        wanted = months(trained(torch.from_numpy(hands.transpose(0, 3, 1, 2)), torch.from_numpy(male))).numpy()
    found = build_end_to_end(handnet.build_handnet(exported), exported).predict([hands, male[:, None]], verbose=0)[:, 0]
    np.testing.assert_allclose(found, wanted, atol=1.0)


def test_shapes_of_the_two_definitions_agree():
    pytest.importorskip("torch", reason="PyTorch (extra `pretrain`) is not installed")
    from boneage.pretrain.gpu import GpuRecipe

    recipe = GpuRecipe()
    assert (recipe.side, recipe.shape.features) == (handnet.INPUT_SIZE, handnet.FEATURES)
    assert (recipe.shape.widths, recipe.shape.blocks) == (handnet.SIZES.widths, handnet.SIZES.blocks)

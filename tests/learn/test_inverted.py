"""The Keras networks compute what PyTorch does with a published file; such a file is read and never run."""

import hashlib
import pickle
import pickletools

import numpy as np
import pytest

from boneage.config import BackboneConfig
from boneage.learn.backbone_table import BackboneError
from boneage.learn.backbones import open_backbone
from boneage.learn.embedded import set_arrays
from boneage.learn.inverted import SHAPES, build_inverted
from boneage.learn.published_weights import read_published
from boneage.learn.torch_file import read_torch_file
from boneage.weights.table import WeightsError

FILMS = np.random.default_rng(1).integers(0, 256, (2, 96, 96), np.uint8)


@pytest.fixture(scope="module")
def torch():
    torch = pytest.importorskip("torch", reason="PyTorch (extra `pretrain`) is not installed")
    torch.set_num_threads(1)
    return torch


def lively(torch, net):
    """Give a network batch statistics that are not trivial, so that its maps are not all cut off."""
    torch.manual_seed(0)
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_mean, -0.3, 0.3)
            torch.nn.init.uniform_(module.running_var, 0.3, 1.0)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.uniform_(module.bias, -0.3, 0.6)
    return net.eval()


def mobilenet(torch):
    """MobileNetV2 with the names that PyTorch's own has, each block's parts numbered."""
    nn = torch.nn

    def unit(inputs, outputs, size, stride, groups, active):
        conv = nn.Conv2d(inputs, outputs, size, stride, size // 2, groups=groups, bias=False)
        return [conv, nn.BatchNorm2d(outputs), *([nn.ReLU6()] if active else [])]

    class Block(nn.Module):
        def __init__(self, inputs, stage, stride):
            super().__init__()
            wide = inputs * stage.expand
            parts = unit(inputs, wide, 1, 1, 1, True) if stage.expand > 1 else []
            parts += unit(wide, wide, 3, stride, wide, True) + unit(wide, stage.channels, 1, 1, 1, False)
            self.conv, self.kept = nn.Sequential(*parts), stride == 1 and inputs == stage.channels

        def forward(self, x):
            return x + self.conv(x) if self.kept else self.conv(x)

    features, inputs = [nn.Sequential(*unit(3, 32, 3, 2, 1, True))], 32
    for stage, stride in SHAPES["MobileNetV2"].blocks():
        features.append(Block(inputs, stage, stride))
        inputs = stage.channels
    features.append(nn.Sequential(*unit(inputs, 1280, 1, 1, 1, True)))
    return nn.ModuleDict({"features": nn.Sequential(*features)})


def published_names(state):
    """Name a Lite network's arrays as its published files do; the first kernel is shared out among three colours."""
    units = {"stem.conv": "_conv_stem", "stem.norm": "_bn0", "last.conv": "_conv_head", "last.norm": "_bn1"}
    units |= {"expand.conv": "_expand_conv", "expand.norm": "_bn0", "depth.conv": "_depthwise_conv"}
    units |= {"depth.norm": "_bn1", "project.conv": "_project_conv", "project.norm": "_bn2"}
    named = {}
    for name, values in state.items():
        *block, layer, part, array = name.split(".")
        place = f"_blocks.{block[1]}." if block else ""
        parts = values.repeat(1, 3, 1, 1) / 3 if name == "stem.conv.weight" else values
        named[f"{place}{units[f'{layer}.{part}']}.{array}"] = parts
    return named


def saved(torch, state, path):
    torch.save(state, path, _use_new_zipfile_serialization=False)
    return path


@pytest.mark.parametrize(("name", "side"), [("EfficientNetLite2", 75), ("MobileNetV2", 96)])
def test_a_published_file_gives_what_it_gives_in_pytorch(torch, tmp_path, name, side):
    films = FILMS[:, :side, :side]
    given = torch.from_numpy(films[:, None].astype(np.float32))
    with torch.no_grad():
        if name == "MobileNetV2":
            net = lively(torch, mobilenet(torch))
            state = net.state_dict()
            mean, deviation = (torch.tensor(each)[:, None, None] for each in SHAPES[name].colours)
            wanted = net["features"]((given.repeat(1, 3, 1, 1) / 255 - mean) / deviation)
        else:
            from boneage.pretrain.litenet import Lite, read_imagenet

            net = lively(torch, Lite(SHAPES[name]))
            state = published_names(net.state_dict()) | {"_fc.weight": torch.zeros(3, 4)}
            wanted = net(given)
            again = read_imagenet(saved(torch, state, tmp_path / "again.pth"), SHAPES[name])
            torch.testing.assert_close(again, dict(net.state_dict()))
    path = saved(torch, state, tmp_path / "net.pth")
    model = build_inverted(SHAPES[name], side, name)
    set_arrays(model, read_published(path, SHAPES[name]), path.name)
    wanted = wanted.numpy().transpose(0, 2, 3, 1)
    assert 0.1 < wanted.mean() < 5 and wanted.std() > 0.1
    np.testing.assert_allclose(model(films[..., None].astype(np.float32)).numpy(), wanted, atol=2e-4, rtol=1e-4)


def test_the_arrays_of_a_file_are_those_of_pytorch(torch, tmp_path):
    state = {"a": torch.arange(24.0).reshape(2, 3, 4).permute(2, 0, 1), "n": torch.tensor(7), "b": torch.rand(3)[1:]}
    found = read_torch_file(saved(torch, state, tmp_path / "x.pth"))
    assert set(found) == set(state)
    for name, values in state.items():
        np.testing.assert_array_equal(found[name], values.numpy())


class Danger:
    """What a weights file must not be able to do: call a function."""

    def __reduce__(self):
        return open, ("ran", "w")


@pytest.mark.parametrize("content", [b"", b"no pickle", pickle.dumps(Danger(), 2)], ids=["empty", "text", "a call"])
def test_a_file_that_is_no_weights_is_refused_and_runs_nothing(tmp_path, monkeypatch, content):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.pth").write_bytes(content)
    with pytest.raises(WeightsError, match="x.pth should hold tensors"):
        read_torch_file(tmp_path / "x.pth")
    assert not (tmp_path / "ran").exists()
    assert b"open" not in content or any(op.name == "REDUCE" for op, *_ in pickletools.genops(content))


def test_weights_of_another_network_are_refused(torch, tmp_path):
    path = saved(torch, {"features.0.0.weight": torch.zeros(3)}, tmp_path / "x.pth")
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    for name in ("EfficientNetLite0", "MobileNetV2"):
        with pytest.raises(BackboneError, match="do not fit"):
            open_backbone(BackboneConfig(name, weights=str(path), sha256=found, input_size=64), 70)

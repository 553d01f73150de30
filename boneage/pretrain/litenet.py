"""EfficientNet-Lite and its head for all ages in PyTorch, as they are trained, from published ImageNet weights."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from boneage.learn.inverted import LITE0, Shape
from boneage.learn.lite0 import FEATURES
from boneage.learn.published_weights import lite_place
from boneage.pretrain.torchnet import AgeBins

EPSILON = 1e-3
MOMENTUM = 0.01


class SameConv(nn.Conv2d):
    """A convolution padded as TensorFlow's `same`: with stride 2 an even side gets its odd pixel at the end."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the map, its sides divided by the stride and rounded up."""
        if self.stride[0] == 1:
            return functional.conv2d(x, self.weight, None, 1, self.kernel_size[0] // 2, 1, self.groups)
        # Plain integers: traced for ONNX, a division would be cut towards zero, and an odd side padded by too little.
        rows, columns = (self._missing(int(side)) for side in x.shape[2:])
        padded = functional.pad(x, (*columns, *rows))
        return functional.conv2d(padded, self.weight, None, self.stride, 0, 1, self.groups)

    def _missing(self, side: int) -> tuple[int, int]:
        size, stride = self.kernel_size[0], self.stride[0]
        missing = max((-(-side // stride) - 1) * stride + size - side, 0)
        return missing // 2, missing - missing // 2


class Unit(nn.Module):
    """A convolution, its batch normalisation and (where `active`) ReLU6."""

    def __init__(self, conv: nn.Conv2d, *, active: bool = True) -> None:
        super().__init__()
        self.conv, self.active = conv, active
        self.norm = nn.BatchNorm2d(conv.out_channels, eps=EPSILON, momentum=MOMENTUM)

    def forward(self, x: Tensor) -> Tensor:
        """Return the map; 0 to 6 where active."""
        y: Tensor = self.norm(self.conv(x))
        return functional.relu6(y) if self.active else y


def _conv(inputs: int, outputs: int, size: int = 1, stride: int = 1, groups: int = 1) -> SameConv:
    return SameConv(inputs, outputs, size, stride, groups=groups, bias=False)


class Inverted(nn.Module):
    """An inverted residual block: widen, filter each channel, narrow; without squeeze and excitation."""

    def __init__(self, inputs: int, outputs: int, expand: int, size: int, stride: int) -> None:
        super().__init__()
        wide = inputs * expand
        self.expand = Unit(_conv(inputs, wide)) if expand > 1 else None
        self.depth = Unit(_conv(wide, wide, size, stride, wide))
        self.project = Unit(_conv(wide, outputs), active=False)
        self.kept = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's map."""
        y = x if self.expand is None else self.expand(x)
        y = self.project(self.depth(y))
        return x + y if self.kept else y


class Lite(nn.Module):
    """EfficientNet-Lite of any size: hand (N, 1, S, S) of 0-255 to a map (N, 1280, S / 32, S / 32) of 0 to 6."""

    def __init__(self, shape: Shape = LITE0) -> None:
        super().__init__()
        self.stem = Unit(_conv(1, shape.stem, 3, 2))
        blocks: list[Inverted] = []
        inputs = shape.stem
        for stage, stride in shape.blocks():
            blocks.append(Inverted(inputs, stage.channels, stage.expand, stage.size, stride))
            inputs = stage.channels
        self.blocks = nn.ModuleList(blocks)
        self.last = Unit(_conv(inputs, shape.features))

    def forward(self, hand: Tensor) -> Tensor:
        """Return the map of features."""
        x = self.stem(hand / 127.5 - 1)
        for block in self.blocks:
            x = block(x)
        y: Tensor = self.last(x)
        return y


@dataclass(frozen=True)
class LiteShape:
    """Sizes of the head: hidden units, share (0-1) of values dropped while training, and the bins of age."""

    hidden: int = 256
    dropout: float = 0.3
    bins: AgeBins = AgeBins(-24.0, 6.0, 47)


class LiteAge(nn.Module):
    """Backbone and head together: hand (N, 1, S, S) of 0-255, male (N,) of 0 or 1 to logits (N, bins)."""

    def __init__(self, shape: LiteShape) -> None:
        super().__init__()
        self.shape = shape
        self.backbone = Lite()
        self.dropout = nn.Dropout(shape.dropout)
        self.hidden = nn.Linear(FEATURES + 1, shape.hidden)
        self.out = nn.Linear(shape.hidden, shape.bins.count)

    def forward(self, hand: Tensor, male: Tensor) -> Tensor:
        """Return the logits of age."""
        pooled = self.dropout(self.backbone(hand).mean((2, 3)))
        x = torch.cat([pooled, male[:, None].to(pooled.dtype)], dim=1)
        logits: Tensor = self.out(self.dropout(torch.relu(self.hidden(x))))
        return logits


def read_imagenet(path: Path, shape: Shape = LITE0) -> dict[str, Tensor]:
    """Read the published ImageNet weights of an EfficientNet-Lite, by default Lite0, as the state of `Lite`.

    The three colours of the first kernel are added up: a grey film has the same value in each.

    Args:
        path: The `.pth` file, as `boneage weights fetch EfficientNetLite0` brings it.
        shape: Of the network that it is for.

    Raises:
        ValueError: when the file is of another network.
    """
    stored: Mapping[str, Tensor] = torch.load(path, weights_only=True, map_location="cpu")
    state: dict[str, Tensor] = {}
    for name, values in stored.items():
        place = _renamed(name)
        if place:
            state[place] = values.sum(1, keepdim=True) if place == "stem.conv.weight" else values
    wanted = Lite(shape).state_dict()
    if {n: v.shape for n, v in wanted.items()} != {n: v.shape for n, v in state.items()}:
        raise ValueError(f"{path.name} should hold the weights of another EfficientNet-Lite: its arrays are others")
    return state


def _renamed(name: str) -> str:
    """Return where a published array belongs in `Lite`; "" for the classifier of ImageNet's categories."""
    place = lite_place(name)
    if place is None:
        return ""
    layer, part, array = place
    return re.sub(r"^block(\d+)_", r"blocks.\1.", layer) + f".{part}.{array}"

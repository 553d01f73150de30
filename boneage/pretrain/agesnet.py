"""The network that reads an age from each region of the hand and from all together, in PyTorch, and its ONNX form."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from boneage.learn.lite0 import FEATURES
from boneage.pretrain.lite import OLDEST_MONTHS
from boneage.pretrain.litenet import Lite, LiteShape
from boneage.pretrain.masknet import store_half
from boneage.pretrain.torchnet import months
from boneage.regions.layout import CROPS

SHAPE = LiteShape()


class Head(nn.Module):
    """Features (N, F) and male (N,) of 0 or 1 to logits of age (N, bins)."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.dropout = nn.Dropout(SHAPE.dropout)
        self.hidden = nn.Linear(features + 1, SHAPE.hidden)
        self.out = nn.Linear(SHAPE.hidden, SHAPE.bins.count)

    def forward(self, pooled: Tensor, male: Tensor) -> Tensor:
        """Return the logits."""
        x = torch.cat([self.dropout(pooled), male[:, None]], dim=1)
        logits: Tensor = self.out(self.dropout(torch.relu(self.hidden(x))))
        return logits


class RegionalAge(nn.Module):
    """One crop of each region, (N, 1, P, P) of 0-255, and male (N,) to logits (N, regions + 1, bins), jointly last."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = Lite()
        self.heads = nn.ModuleDict({name: Head(FEATURES) for name in CROPS})
        self.joint = Head(FEATURES * len(CROPS))

    def train(self, mode: bool = True) -> RegionalAge:
        """Train all but the normalisation's statistics."""
        super().train(mode)
        for module in self.backbone.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self

    def forward(self, crops: Sequence[Tensor], male: Tensor) -> Tensor:
        """Return the logits."""
        return self.read([self.backbone(crop).mean((2, 3)) for crop in crops], male)

    def read(self, pooled: Sequence[Tensor], male: Tensor) -> Tensor:
        """Return the logits that the regions' pooled features, (N, F) each, and the sex lead to."""
        alone = [head(one, male) for head, one in zip(self.heads.values(), pooled, strict=True)]
        return torch.stack([*alone, self.joint(torch.cat(pooled, 1), male)], 1)


def clamped_months(logits: Tensor) -> Tensor:
    """Return the expected ages in months of logits (..., bins), within those that there are."""
    return months(logits.flatten(0, -2), SHAPE.bins).reshape(logits.shape[:-1]).clamp(0, OLDEST_MONTHS)


class BothSexes(nn.Module):
    """What is served: the crops by name, (N, 1, P, P) of 0-255, to ages in months (N, 2, regions + 1), girls first."""

    def __init__(self, net: RegionalAge) -> None:
        super().__init__()
        self.net = net

    def forward(self, *crops: Tensor) -> Tensor:
        """Return the ages."""
        pooled = [self.net.backbone(crop).mean((2, 3)) for crop in crops]
        none = torch.zeros_like(pooled[0][:, 0])  # the batch's length must stay open in the exported graph
        ages = [clamped_months(self.net.read(pooled, none + male)) for male in (0.0, 1.0)]
        return torch.stack(ages, 1)


def export_onnx(net: RegionalAge, path: Path) -> None:
    """Write the network as ONNX: an input for each region, `months` (N, 2, regions + 1); large weights as float16."""
    examples = tuple(torch.zeros(2, 1, crop.pixels, crop.pixels) for crop in CROPS.values())
    batch = {name: {0: "N"} for name in (*CROPS, "months")}
    # The exporter that PyTorch now prefers needs onnxscript; this network needs nothing that the older one lacks.
    torch.onnx.export(
        BothSexes(net).float().eval(),
        examples,
        str(path),
        opset_version=17,
        dynamo=False,
        input_names=list(CROPS),
        output_names=["months"],
        dynamic_axes=batch,
    )
    store_half(path)

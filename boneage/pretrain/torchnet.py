"""The `handnet` backbone and its end-to-end head in PyTorch, as they are trained."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

BIN_MONTHS = 6.0
BIN_COUNT = 39


@dataclass(frozen=True)
class NetShape:
    """Sizes of the backbone: channels and blocks of the four stages, and the features it ends in.

    The defaults are those of `boneage.learn.handnet`. The first stage has no blocks: at half the input's side they cost
    as much as all others together.
    """

    widths: tuple[int, ...] = (48, 96, 192, 320)
    blocks: tuple[int, ...] = (0, 2, 4, 2)
    features: int = 512
    squeeze: int = 8
    drop_path: float = 0.0
    """Share of films (0-1) that skip the last block while training; less for earlier blocks. Stochastic depth."""


class Squeeze(nn.Module):
    """Squeeze and excitation: weighs channels by what the whole image shows."""

    def __init__(self, channels: int, ratio: int) -> None:
        super().__init__()
        self.reduce = nn.Linear(channels, channels // ratio)
        self.expand = nn.Linear(channels // ratio, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return the weighed channels, shape kept."""
        weights = torch.sigmoid(self.expand(torch.relu(self.reduce(x.mean((2, 3))))))
        return x * weights[:, :, None, None]


class Block(nn.Module):
    """A residual block of two 3 x 3 convolutions with squeeze and excitation."""

    def __init__(self, inputs: int, outputs: int, stride: int, ratio: int, drop: float = 0.0) -> None:
        super().__init__()
        self.drop = drop
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.squeeze = Squeeze(outputs, ratio) if ratio else nn.Identity()
        changes = stride > 1 or inputs != outputs
        self.skip = nn.Conv2d(inputs, outputs, 1, 1, bias=False) if changes else nn.Identity()
        self.skip_norm = nn.BatchNorm2d(outputs) if changes else nn.Identity()
        self.pool = nn.AvgPool2d(stride) if stride > 1 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's map, 0 and above."""
        y = torch.relu(self.norm1(self.conv1(x)))
        y = self.squeeze(self.norm2(self.conv2(y)))
        if self.training and self.drop:
            kept = torch.rand(len(y), 1, 1, 1, device=y.device) >= self.drop
            y = y * kept / (1 - self.drop)
        return torch.relu(y + self.skip_norm(self.skip(self.pool(x))))


class HandNet(nn.Module):
    """The backbone: prepared hand (N, 1, S, S) of 0-255 to a map (N, features, S / 16, S / 16), 0 and above."""

    def __init__(self, shape: NetShape) -> None:
        super().__init__()
        self.shape = shape
        first = shape.widths[0]
        self.stem = nn.Conv2d(1, first, 3, 2, 1, bias=False)
        self.stem_norm = nn.BatchNorm2d(first)
        blocks: list[Block] = []
        inputs = first
        for stage, (width, count) in enumerate(zip(shape.widths, shape.blocks, strict=True)):
            for k in range(count):  # each stage but the first halves the side
                drop = shape.drop_path * (len(blocks) + 1) / sum(shape.blocks)
                blocks.append(Block(inputs, width, 2 if k == 0 and stage > 0 else 1, shape.squeeze, drop))
                inputs = width
        self.blocks = nn.ModuleList(blocks)
        self.last = nn.Conv2d(inputs, shape.features, 1, bias=False)
        self.last_norm = nn.BatchNorm2d(shape.features)

    def forward(self, hand: Tensor) -> Tensor:
        """Return the map of features."""
        x = torch.relu(self.stem_norm(self.stem(hand / 64 - 1)))
        for block in self.blocks:
            x = block(x)
        return torch.relu(self.last_norm(self.last(x)))


class AgeHead(nn.Module):
    """Pooled features and sex to the distribution of age: logits of 39 bins, 0, 6, ... 228 months."""

    def __init__(self, features: int, hidden: int = 256, dropout: float = 0.3) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.hidden = nn.Linear(features + 1, hidden)
        self.out = nn.Linear(hidden, BIN_COUNT)

    def forward(self, pooled: Tensor, male: Tensor) -> Tensor:
        """Return the logits of age."""
        x = torch.cat([self.dropout(pooled), male[:, None]], dim=1)
        logits: Tensor = self.out(self.dropout(torch.relu(self.hidden(x))))
        return logits


class EndToEnd(nn.Module):
    """Backbone and head together: (N, 1, S, S) and male (N,) of 0 or 1 to logits (N, 39)."""

    def __init__(self, shape: NetShape) -> None:
        super().__init__()
        self.backbone = HandNet(shape)
        self.head = AgeHead(shape.features)

    def forward(self, hand: Tensor, male: Tensor) -> Tensor:
        """Return the logits of age."""
        logits: Tensor = self.head(self.backbone(hand).mean((2, 3)), male)
        return logits


@dataclass(frozen=True)
class AgeBins:
    """The ages that logits stand for: `count` of them, `step` months apart, from `first` months on.

    Bins that go on beyond 0 and 228 months keep the label of a newborn or an adult whole: cut at the end, a normal
    distribution has its mean further inside, and so has the estimate.
    """

    first: float = 0.0
    step: float = BIN_MONTHS
    count: int = BIN_COUNT

    def months(self, like: Tensor) -> Tensor:
        """Return the bins' ages in months (count,), on the device of another tensor."""
        return self.first + self.step * torch.arange(self.count, device=like.device, dtype=torch.float32)


def soft_ages(age: Tensor, spread: float | Tensor, bins: AgeBins = AgeBins()) -> Tensor:  # noqa: B008 - frozen
    """Return normal distributions over the bins (N, bins) around ages (N,): `spread` is their deviation in months."""
    wide = torch.as_tensor(spread, device=age.device, dtype=torch.float32).expand_as(age)[:, None]
    return torch.softmax(-((bins.months(age) - age[:, None]) ** 2) / (2 * wide**2), dim=1)


def expectation(distribution: Tensor, bins: AgeBins = AgeBins()) -> Tensor:  # noqa: B008 - frozen
    """Return the expected age in months (N,) of distributions over the bins (N, bins)."""
    return (distribution * bins.months(distribution)).sum(1)


def months(logits: Tensor, bins: AgeBins = AgeBins()) -> Tensor:  # noqa: B008 - frozen
    """Return the expected age in months (N,) of logits (N, bins)."""
    return expectation(torch.softmax(logits.float(), dim=1), bins)


@dataclass(frozen=True)
class AgeLoss:
    """What a network that gives a distribution of age is trained to make small.

    Attributes:
        spread: Standard deviation of the soft label in months.
        straight: Weight of the absolute error of the expectation, per month.
        crossed: Weight of the cross-entropy with the soft label; 0 leaves plain regression by the expectation.
        newborn_spread: The soft label's deviation at birth, from where it grows to `spread` at five years; 0 for the
            same at every age. Readers agree within weeks on infants, and within a year on adolescents.
        bins: The ages that the logits stand for.
    """

    spread: float = 6.0
    straight: float = 0.05
    crossed: float = 1.0
    newborn_spread: float = 0.0
    bins: AgeBins = AgeBins()

    def __call__(self, logits: Tensor, age: Tensor) -> Tensor:
        """Return the mean loss of logits (N, bins) for ages (N,) in months."""
        spread: float | Tensor = self.spread
        if self.newborn_spread:
            spread = self.newborn_spread + (self.spread - self.newborn_spread) * (age / 60).clamp(0, 1)
        labels = soft_ages(age, spread, self.bins)
        entropy = -(labels * torch.log_softmax(logits.float(), dim=1)).sum(1).mean()
        return self.crossed * entropy + self.straight * (months(logits, self.bins) - age).abs().mean()

"""Train the `handmask` network: outlines drawn by readers, films with drawn-on accidents, then an ONNX file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from boneage.preprocess import handmask as runtime
from boneage.pretrain import filmaugment, masknet, outlines
from boneage.pretrain.ema import Average

Progress = Callable[[str], None]


@dataclass(frozen=True)
class MaskRecipe:
    """How the network is trained; `rate` is the highest learning rate, `side` the input in pixels."""

    side: int = runtime.SIDE
    steps: int = 4000
    batch: int = 16
    rate: float = 2e-3
    decay: float = 0.995
    seed: int = 3
    report_every: int = 200
    widths: tuple[int, ...] = field(default=masknet.WIDTHS)


def mask_loss(logits: Tensor, truth: Tensor) -> Tensor:
    """Mean of cross-entropy, heavier near the outline, and soft Dice; both (N, 1, S, S), truth 0-1."""
    with torch.no_grad():
        small = nn.functional.avg_pool2d(truth, 4)
        near = nn.functional.max_pool2d(small, 3, 1, 1) + nn.functional.max_pool2d(-small, 3, 1, 1)
        weight = 1 + 3 * nn.functional.interpolate(near, scale_factor=4.0)
    bce = (nn.functional.binary_cross_entropy_with_logits(logits, truth, reduction="none") * weight).mean()
    p = torch.sigmoid(logits)
    dice = 1 - (2 * (p * truth).sum((1, 2, 3)) + 50) / ((p + truth).sum((1, 2, 3)) + 50)
    return bce + dice.mean()


def predict_mask(net: nn.Module, image: np.ndarray, side: int) -> np.ndarray:
    """Run the PyTorch network on a film uint8 (H, W) as the shipped code does: mask uint8 (H, W)."""
    with torch.no_grad():
        output = torch.sigmoid(net(torch.from_numpy(runtime.network_input(image, side)))).numpy()
    return runtime.mask_from_output(output, (image.shape[0], image.shape[1]))


def overlap(mask: np.ndarray, truth: np.ndarray) -> float:
    """Return intersection over union of two masks of 0-255 cut at 128; two empty masks agree fully."""
    a, b = mask >= 128, truth >= 128
    union = np.count_nonzero(a | b)
    return 1.0 if union == 0 else np.count_nonzero(a & b) / union


def score(net: nn.Module, films: Sequence[outlines.Outlined], side: int) -> dict[str, float]:
    """Return the overlap of each film by name."""
    return {film.name: overlap(predict_mask(net, film.image, side), film.mask) for film in films}

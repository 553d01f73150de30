"""From a trained PyTorch network to the weights file of `boneage.learn.handnet`: normalisation folded, float16."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from boneage.files import replacing
from boneage.pretrain.torchnet import Block, EndToEnd

Arrays = dict[str, NDArray[np.float32]]


def to_arrays(net: EndToEnd) -> Arrays:
    """Return every layer's kernel and bias in Keras's layout, named as the Keras layers are."""
    backbone = net.backbone
    arrays = folded_arrays("stem", backbone.stem, backbone.stem_norm)
    for number, block in enumerate(backbone.blocks):
        if not isinstance(block, Block):
            raise TypeError(f"a backbone's blocks must be Block, but {type(block).__name__} was given")
        arrays |= _block(f"block{number}", block)
    arrays |= folded_arrays("last", backbone.last, backbone.last_norm)
    return arrays | dense_arrays("head_hidden", net.head.hidden) | dense_arrays("head_out", net.head.out)


def save_weights(net: EndToEnd, path: Path) -> None:
    """Write a network's weights as float16 arrays to an `.npz` file."""
    halves = {name: array.astype(np.float16) for name, array in to_arrays(net).items()}
    with replacing(path) as stream:
        np.savez_compressed(stream, **halves)  # type: ignore[arg-type]


def _block(name: str, block: Block) -> Arrays:
    arrays = folded_arrays(f"{name}_conv1", block.conv1, block.norm1)
    arrays |= folded_arrays(f"{name}_conv2", block.conv2, block.norm2)
    arrays |= dense_arrays(f"{name}_reduce", block.squeeze.reduce)
    arrays |= dense_arrays(f"{name}_expand", block.squeeze.expand)
    if isinstance(block.skip, nn.Conv2d) and isinstance(block.skip_norm, nn.BatchNorm2d):
        arrays |= folded_arrays(f"{name}_skip", block.skip, block.skip_norm)
    return arrays


def folded_arrays(name: str, conv: nn.Conv2d, norm: nn.BatchNorm2d) -> Arrays:
    """Fold a batch normalisation into the convolution before it."""
    if norm.running_mean is None or norm.running_var is None:
        raise ValueError(f"{name} should have running statistics, but has none: was it trained?")
    with torch.no_grad():
        scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        kernel = conv.weight * scale[:, None, None, None]
        bias = norm.bias - norm.running_mean * scale
    return {f"{name}.kernel": kernel.permute(2, 3, 1, 0).numpy(), f"{name}.bias": bias.numpy()}


def dense_arrays(name: str, layer: nn.Linear) -> Arrays:
    """Return a dense layer's kernel and bias in Keras's layout."""
    return {f"{name}.kernel": layer.weight.detach().T.numpy(), f"{name}.bias": layer.bias.detach().numpy()}

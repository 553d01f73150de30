"""From a trained EfficientNet-Lite0 to the weights file of `boneage.learn.lite0`: normalisation folded, float16."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from boneage.files import replacing
from boneage.pretrain.export import Arrays, dense_arrays, folded_arrays
from boneage.pretrain.litenet import Inverted, LiteAge, Unit
from boneage.weights.table import find

_BEGUN_WITH = find("EfficientNetLite0")
IMAGENET = {
    "network": _BEGUN_WITH.name,
    "source": _BEGUN_WITH.source,
    "file": _BEGUN_WITH.file,
    "sha256": _BEGUN_WITH.sha256,
    "licence": _BEGUN_WITH.terms,
}
"""What `handlite0` begins with, for its record."""


def to_arrays(net: LiteAge) -> Arrays:
    """Return every layer's kernel and bias in Keras's layout, named as the Keras layers are."""
    backbone = net.backbone
    arrays = _unit("stem", backbone.stem)
    for number, block in enumerate(backbone.blocks):
        if not isinstance(block, Inverted):
            raise TypeError(f"a backbone's blocks must be Inverted, but {type(block).__name__} was given")
        if block.expand is not None:
            arrays |= _unit(f"block{number}_expand", block.expand)
        arrays |= _unit(f"block{number}_depth", block.depth) | _unit(f"block{number}_project", block.project)
    arrays |= _unit("last", backbone.last)
    return arrays | dense_arrays("head_hidden", net.hidden) | dense_arrays("head_out", net.out)


def save_weights(net: LiteAge, path: Path, *, half: bool = True) -> None:
    """Write a network's weights to an `.npz` file, as float16 arrays unless a comparison wants them whole."""
    arrays = {name: array.astype(np.float16) if half else array for name, array in to_arrays(net).items()}
    with replacing(path) as stream:
        np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]


def _unit(name: str, unit: Unit) -> Arrays:
    arrays = folded_arrays(name, unit.conv, unit.norm)
    kernel = f"{name}.kernel"
    if unit.conv.groups > 1:  # Keras keeps a channel's own filter as (height, width, channel, 1)
        arrays[kernel] = arrays[kernel].transpose(0, 1, 3, 2)
    return arrays

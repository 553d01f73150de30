"""Published PyTorch weights of `boneage.learn.inverted`'s networks as the kernels and biases of their Keras layers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from boneage.learn.embedded import Arrays
from boneage.learn.inverted import Shape
from boneage.learn.torch_file import read_torch_file
from boneage.weights.table import WeightsError

State = Mapping[str, NDArray[Any]]
_LITE_UNITS = {"_conv_stem": "stem", "_bn0": "stem", "_conv_head": "last", "_bn1": "last"}
_LITE_PARTS = {
    "_expand_conv": "expand", "_bn0": "expand", "_depthwise_conv": "depth", "_bn1": "depth",
    "_project_conv": "project", "_bn2": "project",
}  # fmt: skip
_CONVOLUTION, _NORMALISATION = "conv", "norm"


def read_published(path: Path, shape: Shape) -> Arrays:
    """Read a published weights file as Keras layers want it.

    Args:
        path: The `.pth` or `.pt` file.
        shape: Of the network.

    Returns:
        By `<layer>.kernel` and `<layer>.bias`, float32, batch normalisation folded. Where the network takes the grey
        film as it is, the three colours of the first kernel are added up.

    Raises:
        WeightsError: when the file is damaged or of another kind of network.
    """
    units: dict[str, dict[str, NDArray[Any]]] = {}
    for name, values in read_torch_file(path).items():
        place = lite_place(name) if shape.colours is None else _mobilenet_place(name, shape)
        if place:
            layer, part, array = place
            units.setdefault(layer, {})[f"{part}.{array}"] = values
    arrays: Arrays = {}
    # PyTorch's MobileNetV2 has PyTorch's usual epsilon, EfficientNet TensorFlow's.
    epsilon = 1e-3 if shape.colours is None else 1e-5
    for layer, unit in units.items():
        try:
            kernel, bias = _folded(unit, epsilon)
        except (KeyError, ValueError) as error:
            raise WeightsError.of("weights.not_whole", file=path, layer=layer, reason=error) from error
        if layer == "stem" and shape.colours is None:
            kernel = kernel.sum(2, keepdims=True)
        arrays[f"{layer}.kernel"], arrays[f"{layer}.bias"] = kernel, bias
    return arrays


def _folded(unit: State, epsilon: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return kernel (h, w, in, out), or (h, w, channels, 1) for a filter per channel, and bias (out,)."""
    weight, scale, shift, mean, variance = (
        unit[name].astype(np.float64)
        for name in ("conv.weight", "norm.weight", "norm.bias", "norm.running_mean", "norm.running_var")
    )
    factor = scale / np.sqrt(variance + epsilon)
    kernel = (weight * factor[:, None, None, None]).transpose(2, 3, 1, 0)
    if kernel.shape[2] == 1 and kernel.shape[0] > 1:
        kernel = kernel.transpose(0, 1, 3, 2)
    return np.ascontiguousarray(kernel, np.float32), (shift - mean * factor).astype(np.float32)


def lite_place(name: str) -> tuple[str, str, str] | None:
    """Return layer, `conv` or `norm`, and array that one of EfficientNet-Lite's published names stands for.

    None for the classifier of ImageNet's categories.

    Raises:
        WeightsError: when it is no such name.
    """
    first, _, rest = name.partition(".")
    if first == "_fc":
        return None
    try:
        if first != "_blocks":
            return _LITE_UNITS[first], _part(first), rest
        number, part, array = rest.split(".")
        return f"block{int(number)}_{_LITE_PARTS[part]}", _part(part), array
    except (KeyError, ValueError) as error:
        raise WeightsError.of("weights.foreign", network="an EfficientNet-Lite", array=name) from error


def _part(name: str) -> str:
    return _NORMALISATION if name.startswith("_bn") else _CONVOLUTION


def _mobilenet_place(name: str, shape: Shape) -> tuple[str, str, str] | None:
    """Return layer, `conv` or `norm`, and array of a name of MobileNetV2 in PyTorch; None for its classifier."""
    if name.startswith("classifier."):
        return None
    blocks = shape.blocks()
    end = re.fullmatch(rf"features\.(0|{len(blocks) + 1})\.([01])\.(\w+)", name)
    if end:
        return "stem" if end[1] == "0" else "last", (_CONVOLUTION, _NORMALISATION)[int(end[2])], end[3]
    inside = re.fullmatch(r"features\.(\d+)\.conv\.(\d)\.(\w+)", name)
    if inside and int(inside[1]) <= len(blocks):
        number, step = int(inside[1]) - 1, int(inside[2])
        steps = _steps(expanded=blocks[number][0].expand > 1)
        if step in steps:
            layer, part = steps[step]
            return f"block{number}_{layer}", part, inside[3]
    raise WeightsError.of("weights.foreign", network="MobileNetV2", array=name)


def _steps(*, expanded: bool) -> dict[int, tuple[str, str]]:
    """Return what the numbered parts of a block are; activations have numbers, too, and no weights."""
    layers = ("expand", "depth", "project") if expanded else ("depth", "project")
    return {3 * number + k: (layer, part) for number, layer in enumerate(layers)
            for k, part in enumerate((_CONVOLUTION, _NORMALISATION))}  # fmt: skip

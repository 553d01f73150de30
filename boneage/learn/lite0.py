"""`handlite0`: EfficientNet-Lite0 from ImageNet weights, trained on hand radiographs, and its head for all ages.

The architecture is Google's (EfficientNet without squeeze-and-excitation, ReLU6 instead of swish), written anew for
grey films: one kernel a colour would see the same film three times, so the three are added up. The weights ship as
float16 in `assets/handlite0.npz`, batch normalisation folded, with `handlite0.json` as their training record.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from boneage.learn.end_to_end import EXPECTATION, with_age_head
from boneage.learn.layer_arrays import give_arrays, holds
from boneage.shipped import checked_asset

if TYPE_CHECKING:
    import keras

ASSETS = Path(__file__).resolve().parent.parent / "assets"
INPUT_SIZE = 256
FEATURES = 1280
STEM_CHANNELS = 32
HIDDEN = 256
BINS = tuple(range(-24, 253, 6))
"""Months that the head's outputs stand for: they go on beyond 0 and 228, so that no label is cut at an end."""

Weights = Path | Literal["asset"] | None


@dataclass(frozen=True)
class Stage:
    """Blocks of one kind in a row: how many, their channels, widening, kernel side, and the first one's stride."""

    blocks: int
    channels: int
    expand: int
    size: int
    stride: int


STAGES = (
    Stage(1, 16, 1, 3, 1),
    Stage(2, 24, 6, 3, 2),
    Stage(2, 40, 6, 5, 2),
    Stage(3, 80, 6, 3, 2),
    Stage(3, 112, 6, 5, 1),
    Stage(4, 192, 6, 5, 2),
    Stage(1, 320, 6, 3, 1),
)


def is_weights(path: Path) -> bool:
    """Tell whether a file holds weights in the layout of the shipped ones."""
    return holds(path, "block0_depth.kernel")


def asset_path() -> Path:
    """Return the shipped weights' file after comparing it with its record.

    Raises:
        FileNotFoundError: when the weights or their record are missing.
        ValueError: when the file is not the one that the record describes.
    """
    return checked_asset(ASSETS / "handlite0.npz", ASSETS / "handlite0.json")


def build_lite0(weights: Weights = "asset", side: int = INPUT_SIZE) -> keras.Model:
    """Build the frozen backbone.

    Args:
        weights: `"asset"` for the shipped ones (checked against their record), a file of the same layout, or None for
            random ones.
        side: Side of the input in pixels; it learnt at up to 224 and is at its best at 256.

    Returns:
        A model from a prepared hand (N, side, side, 1) of 0-255, background 0, to a map (N, side / 32, side / 32, 1280)
        of float32, 0 to 6, whose average over height and width is the pooled feature. The scaling of grey levels is
        inside.

    Raises:
        FileNotFoundError: when the weights are missing.
        ValueError: when the weights are not those of the record or do not fit this network.
    """
    import keras

    hand = keras.Input((side, side, 1), name="hand")
    x = keras.layers.Rescaling(1 / 127.5, -1.0, name="scale")(hand)
    x = _convolve(x, STEM_CHANNELS, "stem", size=3, stride=2)
    number = 0
    for stage in STAGES:
        for k in range(stage.blocks):
            x = _block(x, stage, f"block{number}", stride=stage.stride if k == 0 else 1)
            number += 1
    model = keras.Model(hand, _convolve(x, FEATURES, "last"), name="handlite0")
    _assign(model, weights)
    model.trainable = False
    return model


def build_end_to_end(weights: Weights = "asset", side: int = INPUT_SIZE) -> keras.Model:
    """Build backbone and end-to-end head, for comparison with the cascade.

    Returns:
        A model from `[hand (N, side, side, 1) of 0-255, male (N, 1) of 0 or 1]` to the age in months (N, 1), 0-228.

    Raises:
        FileNotFoundError: when the weights are missing.
        ValueError: when the weights are not those of the record or do not fit this network.
    """
    model = with_age_head(build_lite0(weights, side), HIDDEN, BINS)
    _assign(model, weights)
    return model


def _assign(model: keras.Model, weights: Weights) -> None:
    """Give every layer that stores weights its own; nothing where `weights` is None."""
    if weights is not None:
        give_arrays(model, asset_path() if weights == "asset" else Path(weights), fixed=(EXPECTATION,))


def _convolve(
    x: keras.KerasTensor, channels: int, name: str, *, size: int = 1, stride: int = 1, active: bool = True
) -> keras.KerasTensor:
    """Add a convolution whose normalisation is folded into kernel and bias, and ReLU6 where `active`."""
    from keras import layers

    x = layers.Conv2D(channels, size, strides=stride, padding="same", name=name)(x)
    return layers.ReLU(6.0, name=f"{name}_relu6")(x) if active else x


def _block(x: keras.KerasTensor, stage: Stage, name: str, *, stride: int) -> keras.KerasTensor:
    """Add an inverted residual block: widen, filter each channel alone, narrow; kept beside the input where it fits."""
    from keras import layers

    y = x if stage.expand == 1 else _convolve(x, x.shape[-1] * stage.expand, f"{name}_expand")
    y = layers.DepthwiseConv2D(stage.size, strides=stride, padding="same", name=f"{name}_depth")(y)
    y = layers.ReLU(6.0, name=f"{name}_depth_relu6")(y)
    y = _convolve(y, stage.channels, f"{name}_project", active=False)
    return layers.Add(name=f"{name}_add")([x, y]) if stride == 1 and x.shape[-1] == stage.channels else y

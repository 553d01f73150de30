"""Networks of inverted residual blocks for grey films: EfficientNet-Lite of three sizes, and MobileNetV2.

Written anew from the papers (Tan and Le 2019, in the Lite form without squeeze-and-excitation and with ReLU6; Sandler
et al. 2018). Batch normalisation is folded into kernels and biases, so a layer is one kernel and one bias.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import keras

Padding = Literal["same", "even"]


@dataclass(frozen=True)
class Stage:
    """Blocks of one kind in a row: how many, their channels, widening, kernel side, and the first one's stride."""

    blocks: int
    channels: int
    expand: int
    size: int
    stride: int


@dataclass(frozen=True)
class Shape:
    """The form of a network.

    Attributes:
        stages: the blocks from the first to the last.
        stem: channels of the first convolution.
        features: channels of the last map.
        padding: `same` is TensorFlow's, where an even side with stride 2 gets its odd pixel at the end; `even` is
            PyTorch's, the same on both sides.
        colours: None where the first kernel takes the film as it is, scaled to -1 to 1; else mean and deviation of the
            three colours (0-1) by which the film is scaled for a kernel that takes it three times.
    """

    stages: tuple[Stage, ...]
    stem: int = 32
    features: int = 1280
    padding: Padding = "same"
    colours: tuple[tuple[float, ...], tuple[float, ...]] | None = None

    def blocks(self) -> list[tuple[Stage, int]]:
        """Return every block's stage and stride, in order."""
        return [(stage, stage.stride if k == 0 else 1) for stage in self.stages for k in range(stage.blocks)]


def scaled(stages: tuple[Stage, ...], width: float, depth: float) -> tuple[Stage, ...]:
    """Scale a Lite network as its authors do: channels to multiples of 8, blocks up, but not in the first and last."""
    last = len(stages) - 1
    return tuple(
        replace(
            stage,
            channels=_eighths(stage.channels * width),
            blocks=stage.blocks if number in {0, last} else math.ceil(stage.blocks * depth),
        )
        for number, stage in enumerate(stages)
    )


def _eighths(channels: float) -> int:
    """Round to a multiple of 8, never down by more than a tenth."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


_LITE = (
    Stage(1, 16, 1, 3, 1),
    Stage(2, 24, 6, 3, 2),
    Stage(2, 40, 6, 5, 2),
    Stage(3, 80, 6, 3, 2),
    Stage(3, 112, 6, 5, 1),
    Stage(4, 192, 6, 5, 2),
    Stage(1, 320, 6, 3, 1),
)
LITE0 = Shape(_LITE)
SHAPES: dict[str, Shape] = {
    "EfficientNetLite0": LITE0,
    "EfficientNetLite1": Shape(scaled(_LITE, 1.0, 1.1)),
    "EfficientNetLite2": Shape(scaled(_LITE, 1.1, 1.2)),
    "MobileNetV2": Shape(
        (
            Stage(1, 16, 1, 3, 1),
            Stage(2, 24, 6, 3, 2),
            Stage(3, 32, 6, 3, 2),
            Stage(4, 64, 6, 3, 2),
            Stage(3, 96, 6, 3, 1),
            Stage(3, 160, 6, 3, 2),
            Stage(1, 320, 6, 3, 1),
        ),
        padding="even",
        colours=((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    ),
}
"""By their names in the table of backbones."""


def build_inverted(shape: Shape, side: int, name: str) -> keras.Model:
    """Build a network without its weights.

    Args:
        shape: Its form.
        side: Side of the input in pixels.
        name: What the model is called.

    Returns:
        A model from a prepared hand (N, side, side, 1) of 0-255, background 0, to a map (N, side / 32, side / 32,
        features) of float32, 0 to 6, whose average over height and width is the pooled feature. The scaling of grey
        levels is inside.
    """
    import keras

    hand = keras.Input((side, side, 1), name="hand")
    x = _convolve(_scaled_film(hand, shape), shape.stem, "stem", size=3, stride=2, padding=shape.padding)
    for number, (stage, stride) in enumerate(shape.blocks()):
        x = _block(x, stage, f"block{number}", stride=stride, padding=shape.padding)
    model = keras.Model(hand, _convolve(x, shape.features, "last"), name=name)
    model.trainable = False
    return model


def _scaled_film(hand: keras.KerasTensor, shape: Shape) -> keras.KerasTensor:
    from keras import layers

    if shape.colours is None:
        return layers.Rescaling(1 / 127.5, -1.0, name="scale")(hand)
    mean, deviation = ([255 * value for value in values] for values in shape.colours)
    colours = layers.Concatenate(name="grey_to_rgb")([hand, hand, hand])
    return layers.Normalization(mean=mean, variance=[value**2 for value in deviation], name="scale")(colours)


def _padded(x: keras.KerasTensor, size: int, stride: int, padding: Padding) -> tuple[keras.KerasTensor, str]:
    """Pad a map where Keras's own padding would be another; return it and the padding that is left to the layer."""
    from keras import layers

    if padding == "same" or stride == 1:
        return x, "same"
    return layers.ZeroPadding2D(size // 2)(x), "valid"


def _convolve(
    x: keras.KerasTensor,
    channels: int,
    name: str,
    *,
    size: int = 1,
    stride: int = 1,
    padding: Padding = "same",
    active: bool = True,
) -> keras.KerasTensor:
    """Add a convolution whose normalisation is folded into kernel and bias, and ReLU6 where `active`."""
    from keras import layers

    x, rest = _padded(x, size, stride, padding)
    x = layers.Conv2D(channels, size, strides=stride, padding=rest, name=name)(x)
    return layers.ReLU(6.0, name=f"{name}_relu6")(x) if active else x


def _block(x: keras.KerasTensor, stage: Stage, name: str, *, stride: int, padding: Padding) -> keras.KerasTensor:
    """Add an inverted residual block: widen, filter each channel alone, narrow; kept beside the input where it fits."""
    from keras import layers

    y = x if stage.expand == 1 else _convolve(x, x.shape[-1] * stage.expand, f"{name}_expand")
    y, rest = _padded(y, stage.size, stride, padding)
    y = layers.DepthwiseConv2D(stage.size, strides=stride, padding=rest, name=f"{name}_depth")(y)
    y = layers.ReLU(6.0, name=f"{name}_depth_relu6")(y)
    y = _convolve(y, stage.channels, f"{name}_project", active=False)
    return layers.Add(name=f"{name}_add")([x, y]) if stride == 1 and x.shape[-1] == stage.channels else y

"""`handnet`: the embedded backbone, a small residual network that has seen hand radiographs, and its end-to-end head.

The weights ship as float16 in `assets/handnet.npz`, with `handnet.json` as their training record. Keras is imported
inside the functions, so that importing this module costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from boneage.learn.embedded import ShippedWeights, Weights
from boneage.paths import assets

if TYPE_CHECKING:
    import keras

SHIPPED = ShippedWeights("handnet", "block0_conv1.kernel")
GRAPH_FILE = "handnet_graph.onnx"
INPUT_SIZE = 128
FEATURES = 512
SQUEEZE = 8


@dataclass(frozen=True)
class Sizes:
    """Channels and residual blocks of the four stages; each stage but the first halves the side."""

    widths: tuple[int, ...]
    blocks: tuple[int, ...]

    @property
    def arrays(self) -> int:
        """Return how many arrays the backbone holds: stem, last, and per block two convolutions and a squeeze."""
        widening = sum(1 for count in self.blocks[1:] if count)
        return 2 * (2 + 4 * sum(self.blocks) + widening)


SIZES = Sizes((48, 96, 192, 320), (0, 2, 4, 2))
EARLIER = (Sizes((32, 64, 128, 256), (0, 2, 3, 2)),)
"""Those of backbones that shipped before: cascades that were registered with them still open."""


def sizes_of(arrays: int) -> Sizes:
    """Return the sizes of a backbone that holds so many arrays; those of the shipped one where none does."""
    return next((sizes for sizes in EARLIER if sizes.arrays == arrays), SIZES)


def build_handnet(weights: Weights = "asset", sizes: Sizes = SIZES) -> keras.Model:
    """Build the frozen backbone.

    Args:
        weights: `"asset"` for the shipped ones (checked against their record), a file of the same layout, or None for
            random ones.
        sizes: Its channels and blocks.

    Returns:
        A model from a prepared hand (N, 128, 128, 1) of 0-255, background 0, to a map (N, 8, 8, 512) of float32, 0 and
        above, whose average over height and width is the pooled feature. The scaling of grey levels is inside.

    Raises:
        FileNotFoundError, ValueError: as `ShippedWeights.give`.
    """
    import keras

    hand = keras.Input((INPUT_SIZE, INPUT_SIZE, 1), name="hand")
    x = keras.layers.Rescaling(1 / 64, -1.0, name="scale")(hand)
    x = _convolve(x, sizes.widths[0], "stem", stride=2)
    number = 0
    for stage, (width, count) in enumerate(zip(sizes.widths, sizes.blocks, strict=True)):
        for k in range(count):
            x = _block(x, width, f"block{number}", stride=2 if k == 0 and stage > 0 else 1)
            number += 1
    model = keras.Model(hand, _convolve(x, FEATURES, "last", size=1), name="handnet")
    SHIPPED.give(model, weights)
    model.trainable = False
    return model


def graph_path() -> Path:
    """Return the shipped graph of this network, which serves the shipped weights and any others of the same layout."""
    return assets() / GRAPH_FILE


def _convolve(
    x: keras.KerasTensor, channels: int, name: str, *, stride: int = 1, size: int = 3, active: bool = True
) -> keras.KerasTensor:
    """Add a convolution whose normalisation is folded into kernel and bias; padded alike on every side."""
    from keras import layers

    if size > 1:
        x = layers.ZeroPadding2D(size // 2, name=f"{name}_pad")(x)
    x = layers.Conv2D(channels, size, strides=stride, name=name)(x)
    return layers.ReLU(name=f"{name}_relu")(x) if active else x


def _block(x: keras.KerasTensor, channels: int, name: str, *, stride: int) -> keras.KerasTensor:
    """Add a residual block of two 3 x 3 convolutions with squeeze and excitation."""
    from keras import layers

    y = _convolve(x, channels, f"{name}_conv1", stride=stride)
    y = _convolve(y, channels, f"{name}_conv2", active=False)
    s = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_mean")(y)
    s = layers.Dense(channels // SQUEEZE, activation="relu", name=f"{name}_reduce")(s)
    s = layers.Dense(channels, activation="sigmoid", name=f"{name}_expand")(s)
    y = layers.Multiply(name=f"{name}_weigh")([y, s])
    if stride > 1:
        x = layers.AveragePooling2D(stride, name=f"{name}_pool")(x)
    if x.shape[-1] != channels:
        x = _convolve(x, channels, f"{name}_skip", size=1, active=False)
    return layers.ReLU(name=f"{name}_out")(layers.Add(name=f"{name}_add")([x, y]))

"""`handlite0`: EfficientNet-Lite0 from ImageNet weights, trained on hand radiographs, and its head for all ages.

The architecture is that of `boneage.learn.inverted`: one kernel a colour would see a grey film three times, so the
three are added up. The weights ship as float16 in `assets/handlite0.npz`, batch normalisation folded, with
`handlite0.json` as their training record.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from boneage.learn.embedded import ShippedWeights, Weights
from boneage.learn.inverted import LITE0, build_inverted

if TYPE_CHECKING:
    import keras

SHIPPED = ShippedWeights("handlite0", "block0_depth.kernel")
INPUT_SIZE = 256
FEATURES = LITE0.features


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
        FileNotFoundError, ValueError: as `ShippedWeights.give`.
    """
    model = build_inverted(LITE0, side, "handlite0")
    SHIPPED.give(model, weights)
    model.trainable = False
    return model

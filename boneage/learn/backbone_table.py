"""The table of frozen backbones: name, input side, number of features; their weights' files are `boneage.weights`'s.

All take a prepared grey hand of 0-255. It is repeated to three channels and scaled as the network wants it inside the
model, so that nobody can feed 0-1 by mistake. `checked_films` and `fit_input` check the films and bring
them to its side.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from boneage.errors import BoneageError, nearest
from boneage.learn import attention, handnet, inverted, lite0
from boneage.learn.embedded import ShippedWeights
from boneage.weights.table import Network, published

if TYPE_CHECKING:
    import keras

HANDNET, HANDLITE0 = "handnet", "handlite0"
ATTENTIVE = {"handlite0-attention": HANDLITE0}
"""Networks that are another one of the table, with spatial attention behind it; their weights are the other's."""
_CAFFE_MEANS = (-103.939, -116.779, -123.68)


class BackboneError(BoneageError):
    """A backbone that is unknown, does not fit its weights or cannot be read."""


@dataclass(frozen=True)
class Embedded:
    """A network whose weights, trained on hand radiographs, come with the package.

    Attributes:
        build: builds it from a weights file (None for none), for a side in pixels and so many arrays.
        shipped: its weights file.
        any_side: whether its input may have another side than the usual one.
    """

    build: Callable[[Path | None, int, int], keras.Model]
    shipped: ShippedWeights
    any_side: bool


EMBEDDED: dict[str, Embedded] = {
    HANDNET: Embedded(
        lambda weights, _side, arrays: handnet.build_handnet(weights, handnet.sizes_of(arrays)),
        handnet.SHIPPED,
        any_side=False,
    ),
    HANDLITE0: Embedded(
        lambda weights, side, _arrays: lite0.build_lite0(weights, side),
        lite0.SHIPPED,
        any_side=True,
    ),
}


@dataclass(frozen=True)
class Backbone:
    """One row: an embedded network, one of `boneage.learn.inverted` or a class of `keras.applications`.

    Attributes:
        name: as in a configuration.
        input_size: usual side of its input in pixels.
        features: how many values are pooled.
    """

    name: str
    input_size: int
    features: int

    @property
    def imagenet(self) -> Network | None:
        """Return the file of its ImageNet weights; None for networks that were trained on hand radiographs."""
        return published(self.name)


_ROWS = (
    Backbone(HANDNET, handnet.INPUT_SIZE, handnet.FEATURES),
    Backbone(HANDLITE0, lite0.INPUT_SIZE, lite0.FEATURES),
    Backbone("handlite0-attention", lite0.INPUT_SIZE, attention.LAYERS * lite0.FEATURES),
    Backbone("EfficientNetLite0", 224, 1280),
    Backbone("EfficientNetLite1", 240, 1280),
    Backbone("EfficientNetLite2", 260, 1280),
    Backbone("MobileNetV2", 224, 1280),
    Backbone("EfficientNetV2B0", 224, 1280),
    Backbone("EfficientNetV2B1", 240, 1280),
    Backbone("EfficientNetV2B2", 260, 1408),
    Backbone("EfficientNetV2B3", 300, 1536),
    Backbone("EfficientNetV2S", 384, 1280),
    Backbone("EfficientNetV2M", 480, 1280),
    Backbone("EfficientNetV2L", 480, 1280),
    Backbone("EfficientNetB0", 224, 1280),
    Backbone("EfficientNetB1", 240, 1280),
    Backbone("EfficientNetB2", 260, 1408),
    Backbone("EfficientNetB3", 300, 1536),
    Backbone("EfficientNetB4", 380, 1792),
    Backbone("EfficientNetB5", 456, 2048),
    Backbone("EfficientNetB6", 528, 2304),
    Backbone("EfficientNetB7", 600, 2560),
    Backbone("ResNet50", 224, 2048),
)
BACKBONES: dict[str, Backbone] = {row.name: row for row in _ROWS}


def find(name: str) -> Backbone:
    """Return a row of the table.

    Raises:
        BackboneError: when there is none of this name; the message names the nearest.
    """
    if name in BACKBONES:
        return BACKBONES[name]
    raise BackboneError.of("backbone.unknown", known=", ".join(BACKBONES), given=name, near=nearest(name, BACKBONES))


def blank_model(name: str, input_size: int, arrays: int = 0) -> keras.Model:
    """Build a network of the table without its weights: float (N, s, s, 1) of 0-255 -> map (N, h, w, C).

    `arrays`: how many it is to be given, which tells a handnet of an earlier version; 0 for today's.

    Raises:
        BackboneError: when the name is unknown or the network cannot take this size.
    """
    row = find(name)
    if row.name in ATTENTIVE:
        return attention.attended(blank_model(ATTENTIVE[row.name], input_size), row.name)
    if row.name in EMBEDDED:
        embedded = EMBEDDED[row.name]
        if input_size != row.input_size and not embedded.any_side:
            raise BackboneError.of("backbone.side", name=row.name, takes=row.input_size, given=input_size)
        return embedded.build(None, input_size, arrays)
    if row.name in inverted.SHAPES:
        return inverted.build_inverted(inverted.SHAPES[row.name], input_size, row.name)
    import keras

    grey = keras.Input((input_size, input_size, 1), name="hand")
    x: Any = keras.layers.Concatenate(name="grey_to_rgb")([grey, grey, grey])
    if row.name == "ResNet50":  # the only one without its own scaling: Caffe's means
        x = keras.layers.Rescaling(1.0, _CAFFE_MEANS, name="caffe_means")(x)
    build = getattr(keras.applications, row.name)
    network = build(include_top=False, weights=None, input_shape=(input_size, input_size, 3))
    model = keras.Model(grey, network(x, training=False), name=row.name)
    model.trainable = False
    return model


def checked_films(images: np.ndarray) -> None:
    """Refuse anything but prepared images uint8 (N, S, S).

    Raises:
        BackboneError: when the images have another form.
    """
    if images.ndim != 3 or images.dtype != np.uint8:
        raise BackboneError.of("backbone.input", kind=images.dtype, shape=images.shape)


def fit_input(images: np.ndarray, size: int) -> np.ndarray:
    """Resize uint8 (N, S, S) to (N, size, size): by area when shrinking, bilinear when growing."""
    import cv2

    if images.shape[1:] == (size, size):
        return images
    method = cv2.INTER_AREA if min(images.shape[1:]) >= size else cv2.INTER_LINEAR
    return np.stack([cv2.resize(image, (size, size), interpolation=method) for image in images])

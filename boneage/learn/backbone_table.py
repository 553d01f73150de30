"""The table of frozen backbones: name, input side, number of features, and the file of its ImageNet weights.

All take a prepared grey hand of 0-255. It is repeated to three channels and scaled as the network wants it inside the
model, so that nobody can feed 0-1 by mistake.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boneage.errors import BoneageError
from boneage.learn import handnet, lite0
from boneage.learn.weights import WeightsFile

if TYPE_CHECKING:
    import keras

HANDNET, HANDLITE0 = "handnet", "handlite0"
_V2 = "https://storage.googleapis.com/tensorflow/keras-applications/efficientnet_v2"
_V1 = "https://storage.googleapis.com/keras-applications"
_RESNET = "https://storage.googleapis.com/tensorflow/keras-applications/resnet"
_CAFFE_MEANS = (-103.939, -116.779, -123.68)


class BackboneError(BoneageError):
    """A backbone that is unknown, does not fit its weights or cannot be read."""


@dataclass(frozen=True)
class Embedded:
    """A network whose weights, trained on hand radiographs, come with the package.

    Attributes:
        build: builds it from a weights file (None for none), for a side in pixels and so many arrays.
        asset_path: returns the shipped file, checked.
        is_weights: tells whether a file holds weights in the layout of the shipped ones.
        any_side: whether its input may have another side than the usual one.
    """

    build: Callable[[Path | None, int, int], keras.Model]
    asset_path: Callable[[], Path]
    is_weights: Callable[[Path], bool]
    any_side: bool


EMBEDDED: dict[str, Embedded] = {
    HANDNET: Embedded(
        lambda weights, _side, arrays: handnet.build_handnet(weights, handnet.sizes_of(arrays)),
        handnet.asset_path,
        handnet.is_weights,
        any_side=False,
    ),
    HANDLITE0: Embedded(
        lambda weights, side, _arrays: lite0.build_lite0(weights, side),
        lite0.asset_path,
        lite0.is_weights,
        any_side=True,
    ),
}


@dataclass(frozen=True)
class Backbone:
    """One row: an embedded network or a class of `keras.applications`, its input side, features and weights file."""

    name: str
    input_size: int
    features: int
    imagenet: WeightsFile | None


def _row(name: str, input_size: int, features: int, file: str, md5: str, url: str) -> Backbone:
    return Backbone(name, input_size, features, WeightsFile(file, md5, url))


_ROWS = (
    Backbone(HANDNET, handnet.INPUT_SIZE, handnet.FEATURES, None),
    Backbone(HANDLITE0, lite0.INPUT_SIZE, lite0.FEATURES, None),
    _row("EfficientNetV2B0", 224, 1280, "efficientnetv2-b0_notop.h5", "893217f2bb855e2983157299931e43ff", _V2),
    _row("EfficientNetV2B1", 240, 1280, "efficientnetv2-b1_notop.h5", "0e80663031ca32d657f9caa404b6ec37", _V2),
    _row("EfficientNetV2B2", 260, 1408, "efficientnetv2-b2_notop.h5", "1dfe2e7a5d45b6632553a8961ea609eb", _V2),
    _row("EfficientNetV2B3", 300, 1536, "efficientnetv2-b3_notop.h5", "f6abf7b5849ac99a89b50dd3fd532856", _V2),
    _row("EfficientNetV2S", 384, 1280, "efficientnetv2-s_notop.h5", "af0682fb74e8c54910f2d4393339c070", _V2),
    _row("EfficientNetV2M", 480, 1280, "efficientnetv2-m_notop.h5", "1b8dc055df72dde80d614482840fe342", _V2),
    _row("EfficientNetV2L", 480, 1280, "efficientnetv2-l_notop.h5", "b0b66b5c863aef5b46e8608fe1711615", _V2),
    _row("EfficientNetB0", 224, 1280, "efficientnetb0_notop.h5", "50bc09e76180e00e4465e1a485ddc09d", _V1),
    _row("EfficientNetB1", 240, 1280, "efficientnetb1_notop.h5", "74c4e6b3e1f6a1eea24c589628592432", _V1),
    _row("EfficientNetB2", 260, 1408, "efficientnetb2_notop.h5", "111f8e2ac8aa800a7a99e3239f7bfb39", _V1),
    _row("EfficientNetB3", 300, 1536, "efficientnetb3_notop.h5", "af6d107764bb5b1abb91932881670226", _V1),
    _row("EfficientNetB4", 380, 1792, "efficientnetb4_notop.h5", "ebc24e6d6c33eaebbd558eafbeedf1ba", _V1),
    _row("EfficientNetB5", 456, 2048, "efficientnetb5_notop.h5", "38879255a25d3c92d5e44e04ae6cec6f", _V1),
    _row("EfficientNetB6", 528, 2304, "efficientnetb6_notop.h5", "9ecce42647a20130c1f39a5d4cb75743", _V1),
    _row("EfficientNetB7", 600, 2560, "efficientnetb7_notop.h5", "cbcfe4450ddf6f3ad90b1b398090fe4a", _V1),
    _row(
        "ResNet50", 224, 2048, "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "4d473c1dd8becc155b73f8504c6f6626", _RESNET,
    ),
)  # fmt: skip
BACKBONES: dict[str, Backbone] = {row.name: row for row in _ROWS}


def find(name: str) -> Backbone:
    """Return a row of the table.

    Raises:
        BackboneError: when there is none of this name; the message names the nearest.
    """
    if name in BACKBONES:
        return BACKBONES[name]
    names = {row.lower(): row for row in BACKBONES}
    near = names[difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.0)[0]]
    raise BackboneError(f"backbone must be one of {', '.join(BACKBONES)}, but {name!r} was given: is it {near!r}?")


def blank_model(name: str, input_size: int, arrays: int = 0) -> keras.Model:
    """Build a network of the table without its weights: float (N, s, s, 1) of 0-255 -> map (N, h, w, C).

    `arrays`: how many it is to be given, which tells a handnet of an earlier version; 0 for today's.

    Raises:
        BackboneError: when the name is unknown or the network cannot take this size.
    """
    row = find(name)
    if row.name in EMBEDDED:
        embedded = EMBEDDED[row.name]
        if input_size != row.input_size and not embedded.any_side:
            raise BackboneError(
                f"{row.name} takes {row.input_size} pixels a side, but backbone.input_size is {input_size}: set it to 0"
            )
        return embedded.build(None, input_size, arrays)
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

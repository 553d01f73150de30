"""One table of frozen backbones, and how one is opened.

All take a prepared grey hand of 0-255. It is repeated to three channels and scaled as the network wants it inside the
model, so that nobody can feed 0-1 by mistake.
"""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from boneage.config import BackboneConfig
from boneage.learn import handnet
from boneage.learn.frozen import BackboneError, FrozenBackbone, assign, identify, read_saved
from boneage.learn.weights import WeightsError, WeightsFile, checksum, obtain, verify

if TYPE_CHECKING:
    import keras

__all__ = ["BACKBONES", "Backbone", "BackboneError", "FrozenBackbone", "blank_model", "open_backbone"]

HANDNET = "handnet"
_V2 = "https://storage.googleapis.com/tensorflow/keras-applications/efficientnet_v2"
_V1 = "https://storage.googleapis.com/keras-applications"
_RESNET = "https://storage.googleapis.com/tensorflow/keras-applications/resnet"
_CAFFE_MEANS = (-103.939, -116.779, -123.68)
_IMAGENET_DEVIATIONS = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Backbone:
    """One row: a class of `keras.applications` (or our own handnet), its input side, features and weights file."""

    name: str
    input_size: int
    features: int
    imagenet: WeightsFile | None


def _row(name: str, input_size: int, features: int, file: str, md5: str, url: str) -> Backbone:
    return Backbone(name, input_size, features, WeightsFile(file, md5, url))


_ROWS = (
    Backbone(HANDNET, handnet.INPUT_SIZE, handnet.FEATURES, None),
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


def open_backbone(config: BackboneConfig, image_size: int) -> FrozenBackbone:
    """Open the configured backbone with its weights.

    Args:
        config: name, weights (`asset`, `imagenet`, `none` or a file), checksum, input size and batch size.
        image_size: the side of the prepared images, pixels; they are resized to the network's input inside `pooled`.

    Raises:
        BackboneError: when the name is unknown or weights and network do not fit.
        WeightsError: when weights are missing or have another checksum; the message says what to put where.

    Example:
        >>> open_backbone(BackboneConfig("EfficientNetV2B0", "none"), 500).pooled(images).shape
        (8, 1280)
    """
    row = find(config.name)
    size = config.input_size or row.input_size
    if image_size < 1 or size < 32:
        raise BackboneError(f"{row.name} needs an input of at least 32 pixels, but {image_size} resized to {size} came")
    source = _source(config, row)
    model = blank_model(row.name, size)
    _load(model, row, source)
    file = source if row.name == HANDNET else None
    return FrozenBackbone(model, identify(row.name, size, model), config.batch_size, file)


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
    if row.name == HANDNET:
        if input_size != row.input_size:
            raise BackboneError(
                f"handnet takes {row.input_size} pixels a side, but backbone.input_size is {input_size}: set it to 0"
            )
        return handnet.build_handnet(None, handnet.sizes_of(arrays))
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


def weights_identity(config: BackboneConfig) -> str:
    """Return what identifies the weights that a configuration names, without building the network.

    That is the file's sha256 for shipped weights and for a file, else the configuration's own word (ImageNet
    weights are verified by a published checksum, so there is one set of that name).
    """
    if config.weights in {"none", "imagenet"}:
        return config.weights
    return checksum(weights_file(config), "sha256")


def weights_file(config: BackboneConfig) -> Path:
    """Return the file of shipped weights or of a file's.

    Raises:
        WeightsError: when there is none.
    """
    source = _handnet_asset() if config.weights == "asset" else Path(config.weights).expanduser()
    if not source.is_file():
        raise WeightsError(
            f"backbone.weights should be 'asset', 'imagenet', 'none' or a file, but there is no {source}"
        )
    return source


def _source(config: BackboneConfig, row: Backbone) -> Path | None:
    """Return the verified weights file, None for random weights; checked before the slow building of the network."""
    if config.weights == "none":
        return None
    if config.weights == "asset":
        if row.name != HANDNET:
            raise BackboneError(
                f"only handnet ships its weights, but backbone.weights = 'asset' was given for {row.name}: "
                "use 'imagenet', 'none' or a file"
            )
        return _handnet_asset()
    if config.weights == "imagenet":
        if row.imagenet is None:
            raise BackboneError(f"{row.name} has no ImageNet weights: use backbone.weights = 'asset', 'none' or a file")
        return obtain(row.imagenet)
    return verify(Path(config.weights).expanduser(), config.sha256, row.imagenet)


def _handnet_asset() -> Path:
    try:
        return handnet.asset_path()
    except (FileNotFoundError, ValueError) as error:
        raise WeightsError(str(error)) from error


def _load(model: keras.Model, row: Backbone, source: Path | None) -> None:
    """Fill a blank model from a file: one of ours, handnet's arrays, or Keras's HDF5."""
    try:
        if source is None:
            assign(model, _random_like(model))
            _calibrate(model)
        elif row.name == HANDNET:
            assign(model, handnet.build_handnet(source).get_weights())
        elif source.suffix == ".npz":
            assign(model, read_saved(source)[1])
        else:
            network = model.get_layer(index=-1)
            network.load_weights(source)
            _undo_missing_scale(network)
    except (ValueError, OSError, KeyError) as error:
        raise BackboneError(f"the weights {source} do not fit {row.name} ({error}): take its own file") from error


def _undo_missing_scale(network: keras.Model) -> None:
    """Fold into EfficientNetB's normalisation the division that Keras adds for ImageNet weights only.

    You'd be surprised: `EfficientNetB0(weights="imagenet")` and `EfficientNetB0(weights=None)` with the same file
    loaded are different networks (tensorflow#49930): the first divides by sqrt(deviation) once more, as the variance
    times the deviation does.
    """
    import keras

    for layer in network.layers:
        if isinstance(layer, keras.layers.Normalization) and layer.input_mean is None:
            mean, variance, *count = layer.get_weights()
            if not np.all(variance == 1.0):
                layer.set_weights([mean, variance * np.asarray(_IMAGENET_DEVIATIONS, np.float32), *count])
            layer.finalize_state()


def _random_like(model: keras.Model, seed: int = 0) -> list[np.ndarray]:
    """Draw kernels with the variance 2 / fan-out that EfficientNet starts from; leave all else as built.

    From a seed of its own, so that `weights = "none"` is the same network every time.
    """
    rng = np.random.default_rng(seed)
    weights = []
    for weight in model.get_weights():
        if weight.ndim >= 2:
            fan_out = math.prod(weight.shape[:-2]) * weight.shape[-1]
            weight = rng.standard_normal(weight.shape, dtype=np.float32) * np.float32(math.sqrt(2.0 / fan_out))
        weights.append(weight)
    return weights


def _calibrate(model: keras.Model) -> None:
    """Scale the last convolution so that random features have a deviation near 1.

    Normalisation without statistics lets a deep random network grow or shrink by many orders of magnitude (2e6 for
    EfficientNetV2L), and no head could be fitted on that.
    """
    network = model.layers[-1] if hasattr(model.layers[-1], "layers") else model
    last = [layer for layer in network.layers if layer.weights and len(layer.weights[0].shape) == 4][-1]
    noise = np.random.default_rng(0).uniform(0.0, 255.0, (1, *model.input_shape[1:])).astype(np.float32)
    deviation = float(np.std(model(noise, training=False)))
    kernel, *rest = last.get_weights()
    last.set_weights([kernel / np.float32(max(deviation, 1e-12)), *rest])

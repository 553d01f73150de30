"""Open a frozen backbone of the table with the weights that a configuration names."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from boneage.config import BackboneConfig
from boneage.learn.attention import BLOCK
from boneage.learn.backbone_table import ATTENTIVE, EMBEDDED, Backbone, BackboneError, blank_model, find
from boneage.learn.embedded import read_arrays, set_arrays
from boneage.learn.frozen import FrozenBackbone, assign, identify, read_saved
from boneage.learn.inverted import SHAPES
from boneage.learn.published_weights import read_published
from boneage.weights.fetch import obtain
from boneage.weights.files import checksum, verify
from boneage.weights.table import WeightsError

if TYPE_CHECKING:
    import keras

_IMAGENET_DEVIATIONS = (0.229, 0.224, 0.225)


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
        raise BackboneError.of("backbone.small_input", name=row.name, given=image_size, resized=size)
    source = _source(config, row)
    model = blank_model(row.name, size)
    _load(model, row, source)
    file = source if row.name in EMBEDDED and size == row.input_size else None
    return FrozenBackbone(model, identify(row.name, size, model), config.batch_size, file)


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
    source = _asset(config.name) if config.weights == "asset" else Path(config.weights).expanduser()
    if not source.is_file():
        raise WeightsError.of("weights.unknown", given=source)
    return source


def _source(config: BackboneConfig, row: Backbone) -> Path | None:
    """Return the verified weights file, None for random weights; checked before the slow building of the network."""
    if config.weights == "none":
        return None
    if config.weights == "asset":
        return _asset(row.name)
    if config.weights == "imagenet":
        if row.imagenet is None:
            raise BackboneError.of("weights.no_imagenet", name=row.name)
        return obtain(row.imagenet)
    return verify(Path(config.weights).expanduser(), config.sha256, row.imagenet)


def _asset(name: str) -> Path:
    """Return the weights that ship with the package for one of its embedded networks."""
    name = ATTENTIVE.get(name, name)
    if name not in EMBEDDED:
        raise BackboneError.of("weights.not_shipped", names=" and ".join(EMBEDDED), given=name)
    return EMBEDDED[name].shipped.path()


def _load(model: keras.Model, row: Backbone, source: Path | None) -> None:
    """Fill a blank model from a file: one of ours, an embedded network's arrays, or Keras's HDF5."""
    try:
        if source is None:
            assign(model, _random_like(model))
            _calibrate(model)
        elif row.name in EMBEDDED:
            assign(model, EMBEDDED[row.name].build(source, int(model.input_shape[1]), 0).get_weights())
        elif row.name in ATTENTIVE and EMBEDDED[ATTENTIVE[row.name]].shipped.like(source):
            set_arrays(_base_of(model), read_arrays(source), source.name)
        elif source.suffix == ".npz":
            assign(model, read_saved(source)[1])
        elif row.name in SHAPES:
            set_arrays(model, read_published(source, SHAPES[row.name]), source.name)
        else:
            network = model.get_layer(index=-1)
            network.load_weights(source)
            _undo_missing_scale(network)
    except (ValueError, OSError, KeyError) as error:
        raise BackboneError.of("weights.other_network", file=source, name=row.name, reason=error) from error


def _base_of(model: keras.Model) -> keras.Model:
    """Return the network that spatial attention was put behind."""
    import keras

    return keras.Model(model.input, model.get_layer(f"{BLOCK}1_hidden").input)


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

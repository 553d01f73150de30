"""Run a frozen backbone on prepared images, for pooled features or feature maps; save it small, load it quickly."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from boneage.files import copy_whole, replacing
from boneage.learn.backbone_table import EMBEDDED, BackboneError, blank_model, checked_films, find, fit_input

if TYPE_CHECKING:
    import keras

_META = "meta"


@dataclass(frozen=True)
class Identity:
    """Name, input side in pixels and hash of the weights that identify a backbone."""

    name: str
    input_size: int
    sha256: str


class FrozenBackbone:
    """A network that is never trained: `trainable=False`, and called with `training=False`.

    Attributes:
        model: the Keras model, float (N, s, s, 1) of 0-255 -> map (N, h, w, C); its own scaling is inside.
        name: the network's name in `boneage.learn.backbone_table.BACKBONES`.
        input_size: s, the side of its input in pixels.
        features: C, the number of pooled features.
        sha256: identifies architecture, input size and weights.
        batch_size: images pushed through at once.
        file: the shipped weights that it was read from, if any: they are saved as they are.
        passes: how many images have been pushed through so far.
    """

    def __init__(self, model: keras.Model, identity: Identity, batch_size: int = 16, file: Path | None = None) -> None:
        model.trainable = False
        self.model, self.batch_size, self.file = model, batch_size, file
        self.name, self.input_size, self.sha256 = identity.name, identity.input_size, identity.sha256
        self.features = int(model.output_shape[-1])
        self.proof: dict[str, float] | None = None
        self.passes = 0

    def pooled(self, images: np.ndarray) -> np.ndarray:
        """Compute pooled features, float32 (N, features), of prepared images uint8 (N, S, S).

        Raises:
            BackboneError: when the images have another form.
        """
        return self._run(self._pooled, images, (self.features,))

    def maps(self, images: np.ndarray) -> np.ndarray:
        """Compute feature maps, float32 (N, h, w, features), of prepared images uint8 (N, S, S).

        Raises:
            BackboneError: when the images have another form.
        """
        return self._run(self._maps, images, tuple(self.model.output_shape[1:]))

    def save(self, path: Path) -> Path:
        """Write weights and identity to one file, without pickle; arrays as float16 where that loses nothing.

        Shipped weights are copied: an archive need not carry a file that every installation has, byte for byte.
        """
        if self.file is not None and self._ships:
            return copy_whole(self.file, path)
        meta = json.dumps({"name": self.name, "input_size": self.input_size, "sha256": self.sha256,
                           "batch_size": self.batch_size})  # fmt: skip
        arrays = dict(zip(self.array_names(), map(compact, self.model.get_weights()), strict=True))
        arrays[_META] = np.frombuffer(meta.encode(), dtype=np.uint8)
        with replacing(path) as stream:
            np.savez(stream, **arrays)  # type: ignore[arg-type]
        return path

    def array_names(self) -> list[str]:
        """Return what the arrays are called in the file that `save` writes, in the order of `model.weights`."""
        if self._ships:
            return [f"{layer.name}.{weight.name}" for layer in self.model.layers for weight in layer.weights]
        return [f"w{index:04d}" for index in range(len(self.model.weights))]

    def save_graph(self, path: Path) -> Path:
        """Write the graph that serves these weights without Keras."""
        from boneage.learn.graph_export import write_graph

        return write_graph(self, path)

    @property
    def _ships(self) -> bool:
        return self.file is not None and self.file.is_file()

    @classmethod
    def load(cls, path: Path) -> FrozenBackbone:
        """Open a backbone from a file that `save` wrote, or from shipped weights.

        Raises:
            BackboneError: when the file is missing, damaged or of a network this version does not know.
        """
        for name, embedded in EMBEDDED.items():
            if embedded.shipped.like(path):
                side = find(name).input_size
                model = embedded.build(path, side, 0)
                return cls(model, identify(name, side, model), file=path)
        meta, weights = read_saved(path)
        try:
            identity = Identity(str(meta["name"]), int(meta["input_size"]), str(meta["sha256"]))
            model = blank_model(identity.name, identity.input_size, len(weights))
            assign(model, weights)
            return cls(model, identity, int(meta["batch_size"]))
        except (KeyError, TypeError, ValueError) as error:
            raise BackboneError.of("backbone.version", place=path, reason=error) from error

    @cached_property
    def _pooled(self) -> Callable[[np.ndarray], Any]:
        from keras import ops

        return _compiled(lambda images: ops.mean(self._forward(images), axis=(1, 2)), self.input_size)

    @cached_property
    def _maps(self) -> Callable[[np.ndarray], Any]:
        return _compiled(self._forward, self.input_size)

    def _forward(self, images: Any) -> Any:
        from keras import ops

        return self.model(ops.cast(images, "float32"), training=False)

    def _run(self, network: Callable[[np.ndarray], Any], images: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        from keras import ops

        checked_films(images)
        output = np.empty((len(images), *shape), dtype=np.float32)
        for first in range(0, len(images), self.batch_size):
            batch = fit_input(images[first : first + self.batch_size], self.input_size)
            output[first : first + len(batch)] = ops.convert_to_numpy(network(batch[..., None]))
            self.passes += len(batch)
        return output


def identify(name: str, input_size: int, model: keras.Model) -> Identity:
    """Identify a backbone by a hash of its architecture name, input size and weights."""
    digest = hashlib.sha256(f"{name}@{input_size}".encode())
    for weight in model.get_weights():
        digest.update(f"{weight.dtype}{weight.shape}".encode())
        digest.update(np.ascontiguousarray(weight).data)
    return Identity(name, input_size, digest.hexdigest())


def assign(model: keras.Model, weights: list[np.ndarray]) -> None:
    """Give a model its weights; Normalization layers keep copies of theirs and must be told.

    Raises:
        ValueError: when they do not fit.
    """
    import keras

    model.set_weights(weights)
    for layer in model._flatten_layers(include_self=False, recursive=True):
        if isinstance(layer, keras.layers.Normalization) and layer.input_mean is None:
            layer.finalize_state()


def read_saved(path: Path) -> tuple[dict[str, Any], list[np.ndarray]]:
    """Read the description and the weights (float32 where floating) of a file that `FrozenBackbone.save` wrote.

    Raises:
        BackboneError: when the file is missing or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            meta = json.loads(stored[_META].tobytes())
            arrays = [stored[name] for name in sorted(stored.files) if name != _META]
    except FileNotFoundError as error:
        raise BackboneError.of("backbone.missing", place=path) from error
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise BackboneError.of("backbone.damaged", place=path, reason=error) from error
    return meta, [array.astype(np.float32) if array.dtype == np.float16 else array for array in arrays]


def compact(weight: np.ndarray) -> np.ndarray:
    """Return float16 where every value survives it, else the array itself."""
    if weight.dtype != np.float32:
        return weight
    with np.errstate(over="ignore"):
        half = weight.astype(np.float16)
    return half if np.array_equal(half.astype(np.float32), weight) else weight


def _compiled(function: Callable[[Any], Any], size: int) -> Callable[[np.ndarray], Any]:
    """Compile a function of uint8 images (N, size, size, 1) once, for any N, with the present Keras backend."""
    import keras

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.function(function, input_signature=[tf.TensorSpec((None, size, size, 1), tf.uint8)])
    if keras.backend.backend() == "jax":
        import jax  # type: ignore[import-not-found, unused-ignore]

        return jax.jit(function)
    return function

"""The gate's network: a small convolutional classifier of the kind of film.

Its weights ship as float16 (`assets/gate.npz`) beside their record (`assets/gate.json`). Keras builds it for the fit
alone; a fitted gate answers in numpy, which takes two milliseconds a film and no graph.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from boneage.errors import BoneageError
from boneage.files import replacing, write_whole
from boneage.gate.inputs import SIDE
from boneage.paths import assets
from boneage.shipped import checked_asset

if TYPE_CHECKING:
    import keras

KINDS: tuple[str, ...] = ("usable", "mirrored", "inverted", "not_hand", "two_hands", "cut_off", "turned")
# Kernel size, stride and channels of each convolution.
_LAYERS = ((5, 2, 16), (3, 2, 24), (3, 1, 32), (3, 2, 48), (3, 1, 64), (1, 1, 16))
_HIDDEN = 48
_EPSILON = 1e-3
# Multiplications in one call of BLAS.
_UNTHREADED = 200_000


class GateError(BoneageError):
    """A gate that cannot be opened."""


@dataclass(frozen=True)
class Thresholds:
    """Where the gate says no; all chosen on training images.

    Attributes:
        least_usable: refuse below this probability of a usable (perhaps mirrored) hand.
        surely_mirrored: mirror a film above this probability of a right hand.
        most_doubtful: above this share of doubtful mask pixels (`inputs.MaskLook.doubtful`) the mask is in doubt.
        least_whole: where the mask's largest object has less of it than this, too.
        least_sure: accept between this probability and `least_usable`, too, but say that it is unsure; by default
            nothing lies between. Where something does, a mask in doubt is a second doubt: it refuses such a film,
            and of a film that is surely usable only warns.
        most_cut: a mask that meets more of the film's border than this (`inputs.MaskLook.cut`) is a doubt, too.
    """

    least_usable: float = 0.5
    surely_mirrored: float = 0.5
    most_doubtful: float = float("inf")
    least_whole: float = 0.0
    least_sure: float = 1.0
    most_cut: float = float("inf")

    @property
    def unsure_accepted(self) -> bool:
        """Tell whether anything lies between what is surely usable and what is refused."""
        return self.least_sure < self.least_usable


@dataclass(frozen=True)
class GateModel:
    """The fitted part of the gate.

    Attributes:
        arrays: the network's weights in the order of its layers.
        thresholds: where it says no.
        record: how it was fitted.
    """

    arrays: tuple[NDArray[np.float32], ...]
    thresholds: Thresholds
    record: dict[str, Any] = field(default_factory=dict)

    def probabilities(self, pictures: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the probability of each of `KINDS`, float64 (N, 7), for pictures of `look`, float32 (N, S, S, 2)."""
        raw = np.asarray(_logits(self.arrays, pictures), np.float64)
        shifted = np.exp(raw - raw.max(axis=1, keepdims=True))
        return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


def build_network() -> keras.Model:
    """Return the network with random weights: (N, SIDE, SIDE, 2) to one logit for each of `KINDS`."""
    from keras import Input, Model, layers

    seen = Input((SIDE, SIDE, 2))
    x = seen
    for size, stride, channels in _LAYERS:
        x = layers.Conv2D(channels, size, stride, padding="same", use_bias=False, kernel_initializer="he_normal")(x)
        x = layers.ReLU()(layers.BatchNormalization(scale=False, momentum=0.97, epsilon=_EPSILON)(x))
    x = layers.Dropout(0.2)(layers.Flatten()(x))
    x = layers.Dense(_HIDDEN, activation="relu", kernel_initializer="he_normal")(x)
    return Model(seen, layers.Dense(len(KINDS))(x), name="gate")


def _logits(arrays: Sequence[NDArray[np.float32]], pictures: NDArray[np.float32]) -> NDArray[np.float32]:
    """Run the network of `build_network` with its weights: (N, SIDE, SIDE, 2) to one logit for each of `KINDS`."""
    x, rest = np.asarray(pictures, np.float32), list(arrays)
    for (size, stride, _), first in zip(_LAYERS, range(0, 4 * len(_LAYERS), 4), strict=True):
        kernel, centre, mean, variance = rest[first : first + 4]
        x = (_convolved(x, kernel, size, stride) - mean) / np.sqrt(variance + np.float32(_EPSILON)) + centre
        x = np.maximum(x, 0)
    hidden, hidden_bias, last, last_bias = rest[4 * len(_LAYERS) :]
    x = np.maximum(_product(x.reshape(len(x), -1), hidden) + hidden_bias, 0)
    return np.asarray(x @ last + last_bias, np.float32)


def _convolved(x: NDArray[np.float32], kernel: NDArray[np.float32], size: int, stride: int) -> NDArray[np.float32]:
    """Convolve images (N, h, w, C) as Keras does with padding "same": what is odd is added below and on the right."""
    lacking = [max((-(-side // stride) - 1) * stride + size - side, 0) for side in x.shape[1:3]]
    edges = [(0, 0), *((pixels // 2, pixels - pixels // 2) for pixels in lacking), (0, 0)]
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(x, edges), (size, size), axis=(1, 2))
    columns = windows[:, ::stride, ::stride].transpose(0, 1, 2, 4, 5, 3)
    return _product(columns.reshape(-1, size * size * x.shape[3]), kernel).reshape(*columns.shape[:3], -1)


def _product(rows: NDArray[np.float32], kernel: NDArray[np.float32]) -> NDArray[np.float32]:
    """Multiply (M, K) by a kernel whose last axis are channels, in blocks that BLAS does not spread over threads.

    Its threads wait for each other far longer than so little work takes: on two busy cores 54 ms instead of 2.
    """
    flat = kernel.reshape(rows.shape[1], -1)
    step = max(1, _UNTHREADED // flat.size)
    return np.concatenate([rows[first : first + step] @ flat for first in range(0, len(rows), step)])


def shipped_model() -> GateModel:
    """Return the gate that ships with the package.

    Raises:
        GateError: when its files are missing or were changed.
    """
    return read_model(assets())


def read_model(folder: Path) -> GateModel:
    """Read `gate.npz` and `gate.json` of a folder.

    Raises:
        GateError: when they are missing or do not belong together.
    """
    return _read(folder / "gate.npz", folder / "gate.json")


def save_model(model: GateModel, folder: Path) -> None:
    """Write `gate.npz` (float16) and its record `gate.json` into a folder."""
    arrays = {f"weight_{i:02d}": array.astype(np.float16) for i, array in enumerate(model.arrays)}
    with replacing(folder / "gate.npz") as stream:
        np.savez(stream, **arrays)  # type: ignore[arg-type]
    digest = hashlib.sha256((folder / "gate.npz").read_bytes()).hexdigest()
    values = {**model.record, "sha256": digest, "thresholds": vars(model.thresholds)}
    write_whole(folder / "gate.json", json.dumps(values, indent=1) + "\n")


@lru_cache(maxsize=2)
def _read(weights: Path, record: Path) -> GateModel:
    try:
        values = json.loads(record.read_text(encoding="utf-8"))
        with np.load(checked_asset(weights, record), allow_pickle=False) as stored:
            arrays = tuple(stored[name].astype(np.float32) for name in sorted(stored.files))
        return GateModel(arrays, Thresholds(**values["thresholds"]), values)
    except (OSError, KeyError, TypeError, ValueError, BadZipFile) as error:
        raise GateError.of("gate.weights", reason=error) from error

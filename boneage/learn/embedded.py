"""Weights of the embedded networks, and of the head for all ages that each was trained with.

On disk they are one kernel and one bias a layer, float16, in an `.npz` file beside their training record.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from boneage.paths import assets
from boneage.shipped import checked_asset

if TYPE_CHECKING:
    import keras

Arrays = dict[str, NDArray[np.float32]]
Weights = Path | Literal["asset"] | None
EXPECTATION = "expectation"
"""The layer that holds the ages of the bins; all others take their weights from the backbone's file."""


@dataclass(frozen=True)
class ShippedWeights:
    """The weights file of an embedded network.

    Attributes:
        name: the network's; the file is `NAME.npz`, its training record `NAME.json`.
        sign: an array that every file of this layout has.
    """

    name: str
    sign: str

    def path(self) -> Path:
        """Return the shipped file after comparing it with its record.

        Raises:
            ShippedError: when file or record is missing, or the file is not the one that the record describes.
        """
        return checked_asset(assets() / f"{self.name}.npz", assets() / f"{self.name}.json")

    def like(self, path: Path) -> bool:
        """Tell whether a file holds weights in the layout of the shipped ones."""
        try:
            with np.load(path, allow_pickle=False) as stored:
                return self.sign in stored.files
        except (OSError, ValueError, EOFError, zipfile.BadZipFile):
            return False

    def give(self, model: keras.Model, weights: Weights) -> None:
        """Give every layer of a model that stores weights its own; nothing where `weights` is None.

        Args:
            model: its layers' names are those of the arrays.
            weights: `"asset"` for the shipped ones or a file; arrays that no layer asks for are left alone.

        Raises:
            FileNotFoundError: when there is no such file.
            ValueError: when an array is missing or has another shape, or the shipped file is not as its record says.
        """
        if weights is None:
            return
        path = self.path() if weights == "asset" else Path(weights)
        if not path.is_file():
            raise FileNotFoundError(f"{model.name} weights should be the .npz file {path}, but it is missing")
        set_arrays(model, read_arrays(path), path.name)


def read_arrays(path: Path) -> Arrays:
    """Read a weights file (`.npz` of float16 arrays named `<layer>.kernel` and `<layer>.bias`) as float32."""
    with np.load(path, allow_pickle=False) as stored:
        return {name: stored[name].astype(np.float32) for name in stored.files}


def set_arrays(model: keras.Model, arrays: Arrays, origin: str) -> None:
    """Give every layer of a model its own kernel and bias; `origin` names where they are from, in errors.

    Raises:
        ValueError: when an array is missing or has another shape.
    """
    for layer in model.layers:
        if not layer.weights or layer.name == EXPECTATION:
            continue
        names = (f"{layer.name}.kernel", f"{layer.name}.bias")
        if any(name not in arrays for name in names):
            raise ValueError(f"{origin} should hold {names[0]} and {names[1]}, but does not")
        layer.set_weights([arrays[name] for name in names])

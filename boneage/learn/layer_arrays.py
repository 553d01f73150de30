"""Weights of the embedded networks on disk: one kernel and one bias a layer, float16, in an `.npz` file."""

from __future__ import annotations

import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import keras

Arrays = dict[str, NDArray[np.float32]]


def read_arrays(path: Path) -> Arrays:
    """Read a weights file (`.npz` of float16 arrays named `<layer>.kernel` and `<layer>.bias`) as float32."""
    with np.load(path, allow_pickle=False) as stored:
        return {name: stored[name].astype(np.float32) for name in stored.files}


def holds(path: Path, array: str) -> bool:
    """Tell whether a file is a weights file with an array of this name."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            return array in stored.files
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        return False


def give_arrays(model: keras.Model, path: Path, fixed: Collection[str] = ()) -> None:
    """Give every layer of a model its own kernel and bias.

    Args:
        model: Its layers' names are those of the arrays.
        path: The weights file; arrays that no layer asks for are left alone.
        fixed: Layers whose weights are no part of the file.

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: when an array is missing or has another shape.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{model.name} weights should be the .npz file {path}, but it is missing")
    set_arrays(model, read_arrays(path), path.name, fixed)


def set_arrays(model: keras.Model, arrays: Arrays, origin: str, fixed: Collection[str] = ()) -> None:
    """Give every layer of a model its own kernel and bias; `origin` names where they are from, in errors.

    Raises:
        ValueError: when an array is missing or has another shape.
    """
    for layer in model.layers:
        if not layer.weights or layer.name in fixed:
            continue
        names = (f"{layer.name}.kernel", f"{layer.name}.bias")
        if any(name not in arrays for name in names):
            raise ValueError(f"{origin} should hold {names[0]} and {names[1]}, but does not")
        layer.set_weights([arrays[name] for name in names])

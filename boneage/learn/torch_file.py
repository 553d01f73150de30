"""Read the arrays of a PyTorch weights file (`.pth`, `.pt`) without PyTorch, and without running anything in it.

Such a file is a pickle, which could run any code; here only the four names that tensors are made of are known, and any
other is refused. Only the older form is read, in which published weights of before 2020 come: a few pickles, then the
numbers of one tensor after the other (`torch.save` with `_use_new_zipfile_serialization=False`).
"""

from __future__ import annotations

import pickle
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from boneage.weights.table import WeightsError

_MAGIC = 0x1950A86A20F9469CFC6C
_KINDS = {"FloatStorage": "<f4", "LongStorage": "<i8"}


@dataclass(frozen=True)
class _Storage:
    """The numbers of a tensor, which come later in the file: under which key, of which kind."""

    key: str
    kind: str


@dataclass(frozen=True)
class _Tensor:
    """A tensor as it is described: where its numbers begin in a storage, its shape, and the steps along its axes."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


class _Reader(pickle.Unpickler):
    """Unpickles plain containers, strings and numbers, and descriptions of tensors."""

    def find_class(self, module: str, name: str) -> Any:
        """Return what a name stands for, none but those of tensors."""
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _tensor
        if module == "torch" and name in _KINDS:
            return name
        raise pickle.UnpicklingError(f"{module}.{name} is no part of a tensor")

    def persistent_load(self, pid: Any) -> _Storage:
        """Return the description of a storage."""
        _, kind, key, *_ = pid
        return _Storage(str(key), str(kind))


def _tensor(storage: _Storage, offset: int, shape: tuple[int, ...], stride: tuple[int, ...], *_: Any) -> _Tensor:
    return _Tensor(storage, offset, tuple(shape), tuple(stride))


def read_torch_file(path: Path) -> dict[str, NDArray[Any]]:
    """Read the arrays of a state dictionary by their names, float32 or int64.

    Raises:
        WeightsError: when the file is missing, damaged, of another form, or holds anything but tensors.
    """
    try:
        with path.open("rb") as stream:
            return _read(stream)
    except OSError as error:
        raise WeightsError.of("weights.unreadable", file=path, reason=error) from error
    except (pickle.UnpicklingError, EOFError, ValueError, TypeError, AttributeError, KeyError, IndexError) as error:
        raise WeightsError.of("weights.no_tensors", file=path, reason=error) from error


def _read(stream: BinaryIO) -> dict[str, NDArray[Any]]:
    if _Reader(stream).load() != _MAGIC:
        raise ValueError("another kind of file")
    for _ in ("protocol", "system"):
        _Reader(stream).load()
    state, keys = _Reader(stream).load(), _Reader(stream).load()
    described = {str(name): tensor for name, tensor in state.items()}
    if not all(isinstance(tensor, _Tensor) for tensor in described.values()):
        raise ValueError("not every entry is a tensor")
    kinds = {tensor.storage.key: tensor.storage.kind for tensor in described.values()}
    numbers = {str(key): _numbers(stream, np.dtype(_KINDS[kinds[str(key)]])) for key in keys}
    return {name: _array(tensor, numbers[tensor.storage.key]) for name, tensor in described.items()}


def _numbers(stream: BinaryIO, kind: np.dtype[Any]) -> NDArray[Any]:
    count = int.from_bytes(stream.read(8), "little", signed=True)
    content = stream.read(count * kind.itemsize) if count >= 0 else b""
    if len(content) != count * kind.itemsize:
        raise EOFError("the file ends in the midst of a tensor")
    return np.frombuffer(content, kind)


def _array(tensor: _Tensor, numbers: NDArray[Any]) -> NDArray[Any]:
    """Lay a tensor's numbers out; its axes need not lie in the file in their order."""
    steps = [(count - 1) * step for count, step in zip(tensor.shape, tensor.stride, strict=True)]
    if tensor.offset < 0 or any(step < 0 for step in steps) or tensor.offset + sum(steps) >= len(numbers):
        raise ValueError("a tensor reaches beyond its numbers")
    own = numbers[tensor.offset :]
    laid = np.lib.stride_tricks.as_strided(own, tensor.shape, [step * own.itemsize for step in tensor.stride])
    return np.ascontiguousarray(laid).reshape(tensor.shape)

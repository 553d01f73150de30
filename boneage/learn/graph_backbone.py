"""A frozen backbone at work without Keras: the same weights file, run by ONNX Runtime along an exported graph.

It answers as `boneage.learn.frozen.FrozenBackbone` does and takes its place wherever nothing is trained: estimates,
heat maps, evaluation, the page. The graph (`boneage.learn.graph_export`) holds no weights; they are read from the file
that training goes on from.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from boneage.files import copy_whole
from boneage.learn.backbone_table import BackboneError, checked_films, fit_input

META_IDENTITY, META_ARRAYS, META_FEATURES = "identity", "arrays", "features"
_OF_A_HEAD = "head_"
_META = "meta"


@dataclass(frozen=True)
class _Facts:
    """What a graph says of itself: name, input side, batch size, the arrays in the network's order, features."""

    name: str
    input_size: int
    batch_size: int
    arrays: tuple[str, ...]
    features: int


class GraphBackbone:
    """A frozen network as an ONNX graph and its weights file.

    Attributes:
        weights: the weights file, as `FrozenBackbone.save` wrote it or as it ships.
        graph: the graph's file.
        passes: how many images have been pushed through so far.
        proof: how it was compared with Keras (`boneage.cascade.parity`), as its bundle says; None where it never was.
    """

    shared = True
    """Several threads may use it at once."""

    def __init__(self, weights: Path, graph: Path, threads: int = 0) -> None:
        """Open both files.

        Args:
            weights: the weights file.
            graph: the graph's file.
            threads: of ONNX Runtime; 0 for one per core.

        Raises:
            BackboneError: when one is missing or damaged, or they do not fit each other.
        """
        self.weights, self.graph, self.passes = weights, graph, 0
        self.proof: dict[str, float] | None = None
        arrays = read_arrays(weights)
        self._session = open_session(graph, arrays, threads)
        self._facts = _facts(self._session, graph)

    @property
    def name(self) -> str:
        """Return the network's name in the table."""
        return self._facts.name

    @property
    def input_size(self) -> int:
        """Return the side of the network's input in pixels."""
        return self._facts.input_size

    @property
    def batch_size(self) -> int:
        """Return how many images are pushed through at once."""
        return self._facts.batch_size

    @property
    def features(self) -> int:
        """Return the number of pooled features."""
        return self._facts.features

    @cached_property
    def sha256(self) -> str:
        """Return the hash of architecture, input size and weights, the one of the same `FrozenBackbone`."""
        digest = hashlib.sha256(f"{self.name}@{self.input_size}".encode())
        arrays = read_arrays(self.weights)
        for name in self._facts.arrays:
            digest.update(f"{arrays[name].dtype}{arrays[name].shape}".encode())
            digest.update(np.ascontiguousarray(arrays[name]).data)
        return digest.hexdigest()

    def pooled(self, images: np.ndarray) -> np.ndarray:
        """Return the maps' averages, float32 (N, features), of prepared images uint8 (N, S, S).

        Raises:
            BackboneError: when the images have another form.
        """
        return self._run("pooled", images)

    def maps(self, images: np.ndarray) -> np.ndarray:
        """Return feature maps, float32 (N, h, w, features), of prepared images uint8 (N, S, S).

        Raises:
            BackboneError: when the images have another form.
        """
        return self._run("maps", images)

    def save(self, path: Path) -> Path:
        """Copy the weights file."""
        return copy_whole(self.weights, path)

    def save_graph(self, path: Path) -> Path:
        """Copy the graph."""
        return copy_whole(self.graph, path)

    def _run(self, output: str, images: np.ndarray) -> np.ndarray:
        checked_films(images)
        size = self.batch_size
        if not len(images):
            shape = next(each.shape for each in self._session.get_outputs() if each.name == output)
            return np.empty((0, *shape[1:]), np.float32)
        batches = [images[first : first + size] for first in range(0, len(images), size)]
        answers = [self._session.run([output], {"image": fit_input(batch, self.input_size)})[0] for batch in batches]
        self.passes += len(images)
        return np.asarray(answers[0] if len(answers) == 1 else np.concatenate(answers), np.float32)


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Read a backbone's arrays, float32 where floating, from a file of `FrozenBackbone.save` or one that ships.

    A shipped handnet's file holds the head that it was trained with, too: it is left out.

    Raises:
        BackboneError: when the file is missing or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files if name != _META and not name.startswith(_OF_A_HEAD)}
    except FileNotFoundError as error:
        raise BackboneError.of("backbone.missing", place=path) from error
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise BackboneError.of("backbone.damaged", place=path, reason=error) from error
    return {name: array.astype(np.float32) if array.dtype == np.float16 else array for name, array in arrays.items()}


def open_session(graph: Path, arrays: dict[str, np.ndarray], threads: int) -> Any:
    """Open a session of ONNX Runtime.

    Args:
        graph: the graph's file.
        arrays: what it declares as external, by name.
        threads: of ONNX Runtime; 0 for one per core.

    Raises:
        BackboneError: when the file is missing or damaged, or the arrays do not fit it.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads
    # Threads that spin while they wait take the core that prepares the next film.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Whole numbers are counters of how a Normalization layer was fitted: no graph declares them.
    used = {name: np.ascontiguousarray(array) for name, array in arrays.items() if array.dtype.kind == "f"}
    values = [onnxruntime.OrtValue.ortvalue_from_numpy(array) for array in used.values()]
    options.add_external_initializers(list(used), values)
    try:
        content = graph.read_bytes()
    except OSError as error:
        raise BackboneError.of("graph.missing", file=graph, reason=error) from error
    # ONNX Runtime has an exception of its own for every reason why a graph cannot be run.
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001
        raise BackboneError.of("graph.other_weights", file=graph, reason=error) from error


def _facts(session: Any, graph: Path) -> _Facts:
    said = session.get_modelmeta().custom_metadata_map
    try:
        identity = json.loads(said[META_IDENTITY])
        arrays, features = tuple(json.loads(said[META_ARRAYS])), int(json.loads(said[META_FEATURES]))
        return _Facts(str(identity["name"]), int(identity["input_size"]), int(identity["batch_size"]), arrays, features)
    except (KeyError, TypeError, ValueError) as error:
        raise BackboneError.of("graph.damaged", file=graph, reason=error) from error

"""Compute the features of a frozen backbone on a Ray cluster; `extract` takes it as any other backbone."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from boneage.errors import BoneageError
from boneage.preprocess.cluster import ClusterError, connect, cores, run_on_cluster
from boneage.preprocess.parallel import Failure

if TYPE_CHECKING:
    from boneage.learn.frozen import FrozenBackbone

_BATCHES_A_CORE = 2
_OPENED: dict[str, FrozenBackbone] = {}


class SpreadBackbone:
    """Pushes batches of images through copies of a backbone on a cluster.

    Args:
        backbone: The network; each process of the cluster opens its copy once.
        address: The cluster, see `boneage.preprocess.cluster.connect`.

    Raises:
        ClusterError: when the cluster cannot be joined.
    """

    def __init__(self, backbone: FrozenBackbone, address: str) -> None:
        self.backbone, self.address = backbone, address
        self.name, self.sha256, self.features = backbone.name, backbone.sha256, backbone.features
        self.batch_size = backbone.batch_size * cores(address) * _BATCHES_A_CORE
        with tempfile.TemporaryDirectory() as folder:
            self._weights = connect(address).put(backbone.save(Path(folder) / "backbone.npz").read_bytes())

    def pooled(self, images: np.ndarray) -> np.ndarray:
        """Compute pooled features, float32 (N, D), of prepared images uint8 (N, S, S).

        Raises:
            ClusterError: when a batch could not be done anywhere.
        """
        size = self.backbone.batch_size
        starts = range(0, len(images), size)
        rows: dict[int, np.ndarray] = {}
        for start, result in run_on_cluster(
            _pooled, starts, lambda start: (self.sha256, self._weights, images[start : start + size]), self.address
        ):
            if isinstance(result, Failure):
                raise ClusterError(f"features cannot be computed on the cluster: {result.reason}")
            rows[start] = result
        return np.concatenate([rows[start] for start in starts])


def _pooled(task: tuple[str, Any, np.ndarray]) -> np.ndarray:
    """Push one batch through; runs on a machine of the cluster."""
    sha256, weights, images = task
    if sha256 not in _OPENED:
        _OPENED[sha256] = _open(sha256, weights)
    return _OPENED[sha256].pooled(images)


def _open(sha256: str, weights: Any) -> FrozenBackbone:
    import ray

    from boneage.learn.frozen import FrozenBackbone

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "backbone.npz"
        path.write_bytes(ray.get(weights))
        backbone = FrozenBackbone.load(path)
    if backbone.sha256 != sha256:
        raise BoneageError("a machine of the cluster has another version of boneage: install the same one everywhere")
    return backbone

"""Compute pooled features once per image and view, cached on disk and memory-mapped.

One folder per (backbone, preparation, view) holds two files that only grow: `features.f32`, one float32 row per image,
and `keys.txt`, the image's content hash of each row. A killed run leaves nothing half-written (`GrowingTable`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from boneage.errors import BoneageError
from boneage.preprocess.cluster import ClusterError, connect, cores, run_on_cluster
from boneage.preprocess.mapped import GrowingTable
from boneage.preprocess.parallel import Failure
from boneage.stopping import Progress

if TYPE_CHECKING:
    from boneage.learn.frozen import FrozenBackbone
    from boneage.preprocess.pipeline import PreparedSet

ROTATION_DEGREES = 10.0
_READ_AT_ONCE = 128
_BATCHES_A_CORE = 2
_OPENED: dict[str, FrozenBackbone] = {}
VIEWS = ("original", "flip", "rotate-left", "rotate-right")


class FeatureError(BoneageError):
    """Report features that are missing or an unknown view."""


class Extractor(Protocol):
    """What turns prepared images into rows of numbers that are worth caching: a backbone, or one like it."""

    name: str
    features: int
    batch_size: int

    @property
    def sha256(self) -> str:
        """Return what identifies its answers."""

    def pooled(self, images: np.ndarray) -> np.ndarray:
        """Return float32 (N, features) for prepared images uint8 (N, S, S)."""


@dataclass(frozen=True)
class Features:
    """Pooled features of a set of images, per view.

    Attributes:
        ids: the images.
        rows: per view, the row of each id in that view's table.
        tables: per view, float32 (M, D) on disk, memory-mapped.
    """

    ids: tuple[str, ...]
    rows: Mapping[str, Mapping[str, int]]
    tables: Mapping[str, np.ndarray]

    def matrix(self, ids: Sequence[str], view: str = "original") -> np.ndarray:
        """Return float32 (N, D), one row per id in this order.

        Raises:
            FeatureError: when an id or the view was not extracted.
        """
        if view not in self.tables:
            raise FeatureError.of("features.no_view", views=", ".join(self.tables), given=view)
        rows = self.rows[view]
        missing = [name for name in ids if name not in rows]
        if missing:
            raise FeatureError.of("features.missing", count=len(missing), first=missing[0])
        return np.ascontiguousarray(self.tables[view][[rows[name] for name in ids]])


def extract(
    prepared: PreparedSet,
    ids: Sequence[str],
    backbone: Extractor,
    views: Sequence[str],
    cache: Path,
    progress: Progress | None = None,
) -> Features:
    """Extract features of images, taking from the cache what is there.

    Args:
        prepared: the prepared images.
        ids: which of them.
        backbone: the frozen network, or whatever answers as one; only images whose content it has not seen in this view
            pass through it.
        views: any of `VIEWS`.
        cache: the folder of all caches.
        progress: called with (done, total) images over all views, those from the cache counted as done.

    Raises:
        FeatureError: when a view is unknown.
    """
    for view in views:
        if view not in VIEWS:
            raise FeatureError.of("features.view", views=", ".join(VIEWS), given=view)
    rows, tables, total = {}, {}, len(ids) * len(views)
    for number, view in enumerate(views):
        folder = cache / f"{backbone.name}-{backbone.sha256[:16]}" / prepared.config_sha256[:16] / view
        with GrowingTable(folder / "features.f32", folder / "keys.txt", np.float32, (backbone.features,)) as table:
            for done in _fill(table, prepared, ids, backbone, view):
                if progress is not None:
                    progress(number * len(ids) + done, total)
            rows[view] = {name: table.keys[prepared.content_sha256[name]] for name in ids}
            tables[view] = table.rows()
    return Features(tuple(ids), rows, tables)


def apply_view(image: np.ndarray, view: str) -> np.ndarray:
    """Return a view of a prepared image, uint8 (S, S): as it is, mirrored, or turned by ten degrees on black."""
    if view == "original":
        return image
    if view == "flip":
        return np.ascontiguousarray(image[:, ::-1])
    import cv2

    height, width = image.shape
    degrees = ROTATION_DEGREES if view == "rotate-left" else -ROTATION_DEGREES
    turn = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1.0)
    return np.asarray(cv2.warpAffine(image, turn, (width, height), flags=cv2.INTER_LINEAR), dtype=np.uint8)


def _fill(
    table: GrowingTable, prepared: PreparedSet, ids: Sequence[str], backbone: Extractor, view: str
) -> Iterator[int]:
    """Push through the backbone what the table lacks, a batch at a time; yield how many ids are done."""
    wanted = {prepared.content_sha256[name]: name for name in ids}
    missing = [(key, name) for key, name in wanted.items() if key not in table.keys]
    yield len(ids) - len(missing)
    size = backbone.batch_size
    at_once = size * max(1, _READ_AT_ONCE // size)
    for start in range(0, len(missing), at_once):
        films = prepared.stack([name for _, name in missing[start : start + at_once]])
        for first in range(0, len(films), size):
            keys = [key for key, _ in missing[start + first : start + min(first + size, len(films))]]
            images = np.stack([apply_view(film, view) for film in films[first : first + size]])
            table.append(keys, backbone.pooled(images))
            yield len(ids) - len(missing) + start + first + len(keys)


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
        batches = run_on_cluster(
            _pooled_there,
            starts,
            lambda start: (self.sha256, self._weights, images[start : start + size]),
            self.address,
        )
        for start, result in batches:
            if isinstance(result, Failure):
                raise ClusterError.of("cluster.features", reason=result.reason)
            rows[start] = result
        return np.concatenate([rows[start] for start in starts])


def _pooled_there(task: tuple[str, Any, np.ndarray]) -> np.ndarray:
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
        raise BoneageError.of("cluster.version")
    return backbone

"""Read an age from each region of a prepared hand, and one from all regions together, with two shipped networks.

`handregions` finds the joints, from whose places each region is cut out upright; `handages` reads the crops. Both
answer through ONNX Runtime; an age is the mean of the crop's and its mirror image's.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from boneage.groups import Sex
from boneage.regions.layout import CROPS, KeyPoints, cut
from boneage.regions.network import RegionFinder, open_session, shipped_network

REGIONS = tuple(CROPS)
READER = "handages"
JOINT = "joint"
NAMES = (*REGIONS, JOINT)
COLUMNS = len(Sex) * len(NAMES)
_SEX_ROWS = {sex: row for row, sex in enumerate(Sex)}
WORKING_SIDE = 256  # of the prepared hands that the networks learnt from


class RegionalAges:
    """The two networks at work; it answers as a backbone does, so that its answers are cached like features.

    Args:
        finder: finds the joints.
        reader: the file of the network that reads ages; by default the one that ships.
        threads: of ONNX Runtime.
    """

    name = "regional"
    features = COLUMNS
    batch_size = 16

    def __init__(self, finder: RegionFinder | None = None, reader: Path | None = None, threads: int = 1) -> None:
        self.finder, self.threads = finder or RegionFinder(threads=threads), threads
        self.reader = reader or shipped_network(READER)
        self._session: Any = None
        self._lock = threading.Lock()

    @cached_property
    def sha256(self) -> str:
        """Return what identifies the answers: both networks' content, and where regions are cut out."""
        networks = self.finder.file.read_bytes() + self.reader.read_bytes()
        return hashlib.sha256(networks + repr(CROPS).encode()).hexdigest()

    def pooled(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the ages in months of prepared hands uint8 (N, S, S): float32 (N, COLUMNS), see `of_sex`.

        A hand whose joints are not found has nan in every column.
        """
        found = np.full((len(images), COLUMNS), np.nan, np.float32)
        for row, image in enumerate(images):
            small = shrunk(image)
            points = self.finder.points(small)
            if points is not None:
                found[row] = self.read(small, points)
        return found

    def read(self, hand: NDArray[np.uint8], points: KeyPoints) -> NDArray[np.float32]:
        """Return both sexes' ages of one shrunk hand whose key points are known, float32 (COLUMNS,)."""
        with self._lock:
            if self._session is None:
                self._session = open_session(self.reader, self.threads)
        crops = crops_of(hand, points)
        views = {name: np.stack([crop, crop[:, ::-1]])[:, None].astype(np.float32) for name, crop in crops.items()}
        (months,) = self._session.run(None, views)
        return np.asarray(months.mean(0).ravel(), np.float32)


def shrunk(prepared: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Shrink a prepared hand to the size at which the reader of ages learnt."""
    return np.asarray(cv2.resize(prepared, (WORKING_SIDE, WORKING_SIDE), interpolation=cv2.INTER_AREA), np.uint8)


def crops_of(hand: NDArray[np.uint8], points: KeyPoints) -> dict[str, NDArray[np.uint8]]:
    """Cut every region out of a prepared hand, uint8 squares by name."""
    return {name: cut(hand, points, crop) for name, crop in CROPS.items()}


def of_sex(columns: NDArray[np.float32], sexes: Sequence[Sex | str]) -> NDArray[np.float64]:
    """Take each film's own sex out of `RegionalAges.pooled`: months, float64 (N, 4), in the order of `NAMES`."""
    both = np.asarray(columns, np.float64).reshape(len(columns), len(Sex), len(NAMES))
    rows = [_SEX_ROWS[Sex.parse(sex)] for sex in sexes]
    return both[np.arange(len(rows)), rows]

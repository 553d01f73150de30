"""Find ossification centres and joint regions on a prepared hand with the shipped `handregions` network."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from boneage.paths import assets
from boneage.regions.layout import KeyPoints, along_axis, key_points
from boneage.shipped import checked_asset

SIDE = 320
KINDS = ("epiphyses_carpals", "articular")
FINDER = "handregions"
# In lengths of the axis from the middle of the carpus: centres before are radius and ulna, centres beyond short bones.
_CARPALS_BEGIN, _CARPALS_END = -0.12, 0.24


@dataclass(frozen=True)
class Regions:
    """What was found on a prepared hand of S pixels a side.

    Attributes:
        masks: `epiphyses_carpals` (every ossification centre), `articular` (joint regions), and the centres by part of
            the hand: `carpals`, `radius_ulna`, `short_bones`; bool (S, S) each.
        points: carpus and finger joints; None where too few joints were found, and the parts then are empty.
    """

    masks: dict[str, NDArray[np.bool_]]
    points: KeyPoints | None


class RegionFinder:
    """Opens the network at the first hand; several threads may use it at once.

    Args:
        network: its ONNX file; by default the one that ships, compared with its record.
        threads: of ONNX Runtime.
    """

    def __init__(self, network: Path | None = None, threads: int = 1) -> None:
        self.network, self.threads = network, threads
        self._session: Any = None
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        return {"network": self.network, "threads": self.threads, "_session": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()

    @property
    def file(self) -> Path:
        """The network's file.

        Raises:
            ShippedError: when the one that ships is missing or not the right one.
        """
        return self.network or shipped_network(FINDER)

    def probabilities(self, prepared: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the probability of each of `KINDS`, float32 (2, SIDE, SIDE), of a prepared hand uint8 (S, S)."""
        with self._lock:
            if self._session is None:
                self._session = open_session(self.file, self.threads)
        (output,) = self._session.run(None, {"film": network_input(prepared)})
        return np.asarray(output[0], np.float32)

    def points(self, prepared: NDArray[np.uint8]) -> KeyPoints | None:
        """Find carpus and finger joints of a prepared hand uint8 (S, S); None where too few are there."""
        return key_points(self.probabilities(prepared)[KINDS.index("articular")])

    def find(self, prepared: NDArray[np.uint8]) -> Regions:
        """Find every region of a prepared hand uint8 (S, S), at its own size."""
        found = self.probabilities(prepared)
        size = (prepared.shape[1], prepared.shape[0])
        whole = [cv2.resize(each, size, interpolation=cv2.INTER_LINEAR) >= 0.5 for each in found]
        masks = dict(zip(KINDS, whole, strict=True))
        points = key_points(found[KINDS.index("articular")])
        return Regions({**masks, **_by_part(masks["epiphyses_carpals"], points)}, points)


def shipped_network(name: str) -> Path:
    """Return a shipped network of this room after comparing it with its record.

    Raises:
        ShippedError: when the network or its record is missing or not the right one.
    """
    return checked_asset(assets() / f"{name}.onnx", assets() / f"{name}.json")


def network_input(prepared: NDArray[np.uint8], side: int = SIDE) -> NDArray[np.float32]:
    """Resize a prepared hand, uint8 (S, S), to the network's input: float32 (1, 1, side, side), -1 to 1."""
    shrinks = prepared.shape[0] > side
    small = cv2.resize(prepared, (side, side), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return np.asarray(small, np.float32)[None, None] / 127.5 - 1


def open_session(network: Path, threads: int = 1) -> Any:
    """Open an ONNX network of this room."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(network), options, providers=["CPUExecutionProvider"])


def _by_part(centres: NDArray[np.bool_], points: KeyPoints | None) -> dict[str, NDArray[np.bool_]]:
    """Divide ossification centres, bool (S, S), by which part of the hand they lie in."""
    if points is None:
        return {name: np.zeros_like(centres) for name in ("carpals", "radius_ulna", "short_bones")}
    rows, columns = np.indices(centres.shape)
    places = (np.stack([columns, rows], -1) + 0.5) / centres.shape[0]
    forward = along_axis(points, places)
    return {
        "carpals": centres & (forward >= _CARPALS_BEGIN) & (forward < _CARPALS_END),
        "radius_ulna": centres & (forward < _CARPALS_BEGIN),
        "short_bones": centres & (forward >= _CARPALS_END),
    }

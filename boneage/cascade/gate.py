"""The input gate: is this one hand, upright, whole and usable? It fails closed.

Plain measures come first (size, contrast), then a very small network on the numbers of `boneage.cascade.look`, fitted
on films of the training part with flaws made on purpose (`boneage gate fit`), never on validation images. An inverted
film and a right hand are corrected, and said; everything else is a reason to withhold the estimate.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from boneage.cascade.look import Look, look
from boneage.errors import BoneageError
from boneage.paths import assets
from boneage.preprocess.background import MaskFunction, mask_session

Film = NDArray[np.uint8]
KINDS: tuple[str, ...] = ("usable", "mirrored", "not_hand", "two_hands", "cut_off", "turned")
SMALLEST_SIDE = 80
LEAST_CONTRAST = 12.0
LEAST_SHARE = 0.03
_INVERTED = -0.05
_SENTENCES = {
    "not_hand": "this does not look like a radiograph of a hand",
    "two_hands": "the film shows more than one hand: cut out the left one",
    "cut_off": "part of the hand is cut off or hidden: fingers, palm and wrist are all needed",
    "turned": "the hand does not stand upright with its fingers up: turn the film",
}


class GateError(BoneageError):
    """A gate that cannot be opened."""


@dataclass(frozen=True)
class Verdict:
    """What the gate says of one film.

    Attributes:
        film: the film to estimate from, uint8 (H, W): as it came, or corrected.
        reasons: why an estimate is withheld; empty where the film is accepted.
        notes: what was corrected.
        kind: `small`, `blank`, `no_mask`, or one of `KINDS`.
        usable: the probability, 0-1, that the film shows one usable hand.
    """

    film: Film
    reasons: tuple[str, ...]
    notes: tuple[str, ...]
    kind: str
    usable: float

    @property
    def accepted(self) -> bool:
        """Tell whether an estimate may be given."""
        return not self.reasons


class RefusedError(BoneageError):
    """An estimate that was withheld; `verdict` says why."""

    def __init__(self, verdict: Verdict) -> None:
        reasons = "; ".join((*verdict.reasons, *verdict.notes))
        super().__init__(f"no estimate is given: {reasons}. Whoever wants one in spite of that says so (--anyway)")
        self.verdict = verdict


@dataclass(frozen=True)
class GateModel:
    """The fitted part of the gate.

    Attributes:
        arrays: mean, deviation, and the kernels and biases of two layers.
        least_usable: refuse below this probability of a usable hand.
        surely_mirrored: mirror a film above this probability of a right hand.
        record: how it was fitted.
    """

    arrays: dict[str, NDArray[np.float32]]
    least_usable: float
    surely_mirrored: float
    record: dict[str, Any]

    def probabilities(self, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the probability of each of `KINDS`, float64 (N, 6), for vectors of `look`, float32 (N, D)."""
        a = self.arrays
        hidden = np.maximum(np.clip((vectors - a["mean"]) / a["deviation"], -6, 6) @ a["kernel_1"] + a["bias_1"], 0)
        raw = (hidden @ a["kernel_2"] + a["bias_2"]).astype(np.float64)
        shifted = np.exp(raw - raw.max(axis=1, keepdims=True))
        return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


class Gate:
    """Inspects films; opens its mask network at the first one.

    Args:
        model: the fitted part; the one that ships with the package by default.
        mask: film to soft mask, uint8; the embedded mask network by default.
    """

    def __init__(self, model: GateModel | None = None, mask: MaskFunction | None = None) -> None:
        self.model = model or shipped_model()
        self._mask = mask

    def inspect(self, film: Film) -> Verdict:
        """Judge one film, uint8 (H, W)."""
        plain = _plain_reason(film)
        if plain is not None:
            return Verdict(film, (plain[1],), (), plain[0], 0.0)
        seen, odds = self._see(film)
        notes: list[str] = []
        if seen.brighter < _INVERTED or odds[:2].sum() < self.model.least_usable:
            inverse = np.asarray(255 - film, np.uint8)
            other, other_odds = self._see(inverse)
            enough = max(self.model.least_usable, float(odds[:2].sum()))
            if other_odds[:2].sum() >= enough and other.brighter > 0 > seen.brighter:
                film, seen, odds = inverse, other, other_odds
                notes.append("the film was inverted (bones dark): it was corrected")
        return self._judge(film, seen, odds, notes)

    def _judge(self, film: Film, seen: Look, odds: NDArray[np.float64], notes: list[str]) -> Verdict:
        usable = float(odds[:2].sum())
        if seen.share < LEAST_SHARE:
            return Verdict(film, ("no hand was found on the film",), tuple(notes), "no_mask", usable)
        if usable < self.model.least_usable:
            kind = KINDS[2 + int(odds[2:].argmax())]
            return Verdict(film, (f"{_SENTENCES[kind]} ({1 - usable:.0%} sure)",), tuple(notes), kind, usable)
        if odds[1] > self.model.surely_mirrored:
            notes.append("the film seems to show a right hand or to be mirrored: it was mirrored back")
            film = np.ascontiguousarray(film[:, ::-1])
            return Verdict(film, (), tuple(notes), "mirrored", usable)
        return Verdict(film, (), tuple(notes), "usable", usable)

    def _see(self, film: Film) -> tuple[Look, NDArray[np.float64]]:
        if self._mask is None:
            self._mask = mask_session("handmask")
        seen = look(film, self._mask(film))
        return seen, self.model.probabilities(seen.vector[None])[0]


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
    """Write `gate.npz` and its record `gate.json` into a folder."""
    with (folder / "gate.npz").open("wb") as stream:
        np.savez(stream, **{name: np.asarray(array, np.float32) for name, array in model.arrays.items()})  # type: ignore[arg-type]
    digest = hashlib.sha256((folder / "gate.npz").read_bytes()).hexdigest()
    values = {
        "sha256": digest,
        "least_usable": model.least_usable,
        "surely_mirrored": model.surely_mirrored,
        **model.record,
    }
    (folder / "gate.json").write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")


@lru_cache(maxsize=2)
def _read(weights: Path, record: Path) -> GateModel:
    try:
        values = json.loads(record.read_text(encoding="utf-8"))
        if hashlib.sha256(weights.read_bytes()).hexdigest() != values["sha256"]:
            raise GateError(f"{weights} is not the file that {record.name} describes: reinstall the package")
        with np.load(weights, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        return GateModel(arrays, float(values["least_usable"]), float(values["surely_mirrored"]), values)
    except (OSError, KeyError, BadZipFile, json.JSONDecodeError) as error:
        raise GateError(f"the gate's weights cannot be read ({error}): reinstall the package") from error


def _plain_reason(film: Film) -> tuple[str, str] | None:
    """Return (kind, sentence) where size or contrast alone decides."""
    height, width = film.shape
    if max(height, width) < SMALLEST_SIDE or min(height, width) < SMALLEST_SIDE // 2:
        wanted = f"{SMALLEST_SIDE} pixels along the longer side and {SMALLEST_SIDE // 2} along the shorter"
        return "small", f"the film is too small: {width} x {height} pixels, at least {wanted} are needed"
    low, high = np.percentile(film, (1, 99))
    if high - low < LEAST_CONTRAST:
        return "blank", f"the film is blank or nearly so: its grey levels span {high - low:.0f} of 255"
    return None

"""Fit and measure the gate: the films, the flaws, and the shares of wrong refusals and acceptances."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from boneage.cascade import gatefilms
from boneage.cascade.gate import KINDS, Gate, GateModel
from boneage.cascade.look import look
from boneage.cascade.stress import shrink
from boneage.data.annotations import read_row
from boneage.errors import BoneageError
from boneage.preprocess.background import MaskFunction

Film = NDArray[np.uint8]
Progress = Callable[[int, int], None]
_HIDDEN = 48
_FALSE_REFUSALS = 0.012


@dataclass(frozen=True)
class Draw:
    """What films to make.

    Attributes:
        table: good films, rows of an annotation table.
        strangers: films without a hand that were given, such as chest films.
        part: 0 to fit with, 1 to measure with: which photographs, and which seeds.
        flaws: how many films of each flaw.
        seed: another draw of flaws; a gate that was changed after a measurement is measured on a new one.
    """

    table: pd.DataFrame
    strangers: Sequence[Film]
    part: int
    flaws: int
    seed: int = 0

    @property
    def total(self) -> int:
        """How many films will be made."""
        return len(self.table) + 5 * self.flaws


def films(draw: Draw, mask: MaskFunction) -> Iterator[tuple[str, Film]]:
    """Yield (kind of `KINDS`, film): every good film as it is, then the flawed ones."""
    rng = np.random.default_rng(20 + draw.part + 2 * draw.seed)
    for _, row in draw.table.iterrows():
        yield "usable", read_row(row)

    def any_film() -> Film:
        return read_row(draw.table.iloc[int(rng.integers(len(draw.table)))])

    pictures = [*gatefilms.photographs(draw.part), *(film for film in draw.strangers for _ in range(2))]
    for _ in range(draw.flaws):
        film = any_film()
        yield "mirrored", np.ascontiguousarray(film[:, ::-1])
        yield (
            "cut_off",
            gatefilms.cut_off(film, mask(film), rng) if rng.random() < 0.8 else gatefilms.broken_phantom(rng),
        )
        yield "turned", gatefilms.turned(film, rng)
        yield "two_hands", gatefilms.two_hands(film, any_film(), rng)
        yield "not_hand", gatefilms.no_hand(rng, pictures)


def fit(draw: Draw, mask: MaskFunction, progress: Progress | None = None) -> GateModel:
    """Fit the gate's network and set its two thresholds from films that its folds had not seen.

    Args:
        draw: films of the training part.
        mask: the mask network.
        progress: called with (done, total) films.

    Raises:
        BoneageError: when there are too few films.
    """
    if len(draw.table) < 100 or draw.flaws < 50:
        raise BoneageError(f"a gate needs 100 films and 50 of each flaw, but {len(draw.table)} and {draw.flaws} came")
    kinds, vectors = [], []
    for done, (kind, film) in enumerate(films(draw, mask), start=1):
        kinds.append(KINDS.index(kind))
        vectors.append(look(film, mask(film)).vector)
        if progress:
            progress(done, draw.total)
    x, y = np.stack(vectors), np.array(kinds)
    odds = _out_of_fold(x, y)
    usable = odds[y == 0][:, :2].sum(axis=1)
    return GateModel(
        arrays=_train(x, y),
        least_usable=float(min(0.5, np.quantile(usable, _FALSE_REFUSALS))),
        surely_mirrored=float(max(0.5, np.quantile(odds[y == 0][:, 1], 0.998))),
        record={"films": {kind: int((y == number).sum()) for number, kind in enumerate(KINDS)}},
    )


def measure(gate: Gate, draw: Draw, mask: MaskFunction, progress: Progress | None = None) -> pd.DataFrame:
    """Inspect films that the gate was not fitted on.

    Returns:
        One row per film: made (what it is), found (what the gate says), accepted, reason.
    """
    rows = []
    for done, (kind, film) in enumerate(_measured(draw, mask), start=1):
        verdict = gate.inspect(film)
        rows.append((kind, verdict.kind, verdict.accepted, "; ".join((*verdict.reasons, *verdict.notes))))
        if progress:
            progress(done, draw.total)
    return pd.DataFrame(rows, columns=["made", "found", "accepted", "said"])


def summary(measured: pd.DataFrame) -> pd.DataFrame:
    """Return per kind of film how many there were and the share that was accepted, mirrored back and inverted back."""
    rows = []
    for kind, part in measured.groupby("made", sort=False):
        rows.append(
            {
                "film": kind,
                "images": len(part),
                "accepted": float(part["accepted"].mean()),
                "mirrored_back": float((part["found"] == "mirrored").mean()),
                "inverted_back": float(part["said"].str.contains("inverted").mean()),
                "commonest_reason": _commonest(part),
            }
        )
    return pd.DataFrame(rows)


def _measured(draw: Draw, mask: MaskFunction) -> Iterator[tuple[str, Film]]:
    """Yield what `films` yields, and inverted, tiny, blank and given films besides."""
    for number, (kind, film) in enumerate(films(draw, mask)):
        yield kind, film
        if kind == "usable" and number < draw.flaws:
            yield "inverted", np.asarray(255 - film, np.uint8)
            yield "small", shrink(film, 60)
    for level in (0, 128, 255):
        yield "blank", np.full((300, 240), level, np.uint8)
    for film in draw.strangers:
        yield "stranger", film


def _out_of_fold(x: NDArray[np.float32], y: NDArray[np.int64], folds: int = 4) -> NDArray[np.float64]:
    fold, odds = np.random.default_rng(0).integers(0, folds, len(y)), np.zeros((len(y), len(KINDS)))
    for number in range(folds):
        model = GateModel(_train(x[fold != number], y[fold != number]), 0.5, 0.5, {})
        odds[fold == number] = model.probabilities(x[fold == number])
    return odds


def _train(x: NDArray[np.float32], y: NDArray[np.int64]) -> dict[str, NDArray[np.float32]]:
    from sklearn.neural_network import MLPClassifier

    mean, deviation = x.mean(axis=0), x.std(axis=0) + 0.02
    scaled = np.clip((x - mean) / deviation, -6, 6)
    network = MLPClassifier((_HIDDEN,), alpha=0.3, max_iter=120, early_stopping=True, random_state=0)
    network.fit(scaled, y)
    (kernel_1, kernel_2), (bias_1, bias_2) = network.coefs_, network.intercepts_
    named = {"mean": mean, "deviation": deviation, "kernel_1": kernel_1, "bias_1": bias_1}
    named |= {"kernel_2": kernel_2, "bias_2": bias_2}
    return {name: np.asarray(array, np.float32) for name, array in named.items()}


def _commonest(part: pd.DataFrame) -> str:
    refused = part[~part["accepted"]]["found"]
    return "" if refused.empty else str(refused.value_counts().index[0])

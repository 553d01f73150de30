"""Measure the gate on films it was not fitted on: false refusals and false acceptances per kind of film."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from boneage.data.annotations import read_row
from boneage.data.transforms import shrink
from boneage.gate.films import MAKERS, Maker, Source
from boneage.gate.frames import FRAMES
from boneage.gate.gate import Gate, Verdict
from boneage.gate.negatives import photographs, scans
from boneage.gate.styles import STYLES
from boneage.preprocess.background import MaskFunction

Film = NDArray[np.uint8]
Progress = Callable[[int, int], None]
GOOD = "good film"
# The same films once more, those alone that are as large as what people upload; no row of `measure` is called so.
LARGE = "good film, large copy"
LARGE_SIDE = 300
# What the gate should say of a sort of film: it may estimate, must correct, or must refuse.
ACCEPT, CORRECT, REFUSE = "accept", "correct", "refuse"
# What a correction is said in, and those of them that do harm to a good film.
_CORRECTED = {
    "mirrored": "mirrored back", "inverted": "inverted", "two_hands": "left one was taken",
    "turned": "was turned by|was straightened by",
}  # fmt: skip
_NUMBERS = ("usable", "right", "doubtful", "wholeness", "cut")
COLUMNS = ("made", "wanted", "found", "accepted", "corrected", "said", "id", "side", *_NUMBERS)
_HARMFUL = "mirrored back|inverted|was taken"


@dataclass(frozen=True)
class Draw:
    """What films to measure with.

    Attributes:
        table: good films, rows of an annotation table.
        strangers: films of other parts of the body that were given, such as chest films.
        flaws: how many films of each maker.
        seed: of the flaws.
        fitting: whether thresholds are chosen by it: with the photographs to fit with, without slices of the body and
            without what is put right instead of refused.
    """

    table: pd.DataFrame
    strangers: Sequence[Film]
    flaws: int
    seed: int = 0
    fitting: bool = False


def measure(gate: Gate, draw: Draw, mask: MaskFunction, progress: Progress | None = None) -> pd.DataFrame:
    """Inspect films that the gate was not fitted on.

    Returns:
        One row per film: made (what it is), wanted (`accept`, `correct` or `refuse`), found (what the gate says),
        accepted, corrected (rightly), said, id (of a good film, else empty), side (its longer one in pixels), usable
        and right (probabilities), and doubtful, wholeness and cut of the mask (`inputs.MaskLook`; NaN where
        none was looked at).
    """
    total = len(draw.table) + (len(_makers(draw)) + len(STYLES) + len(FRAMES)) * draw.flaws
    rows = []
    for done, (made, kind, film, name) in enumerate(_films(draw, mask), start=1):
        verdict = gate.inspect(film)
        wanted = ACCEPT if kind == "usable" else CORRECT if kind in _CORRECTED else REFUSE
        said = "; ".join((*verdict.reasons, *verdict.notes))
        corrected = verdict.accepted and re.search(_CORRECTED.get(kind, "\0"), said) is not None
        seen = (verdict.kind, verdict.accepted, corrected, said)
        rows.append((made, wanted, *seen, name, max(film.shape), *_numbers(verdict)))
        if progress and done <= total:
            progress(done, total)
    return pd.DataFrame(rows, columns=COLUMNS)


def _numbers(verdict: Verdict) -> tuple[float, ...]:
    look = verdict.look
    return (verdict.usable, verdict.right, *((look.doubtful, look.wholeness, look.cut) if look else (np.nan,) * 3))


def large_copies(measured: pd.DataFrame) -> pd.DataFrame:
    """Return the good films that are at least 300 pixels long as they come: uploads are, the 100 px copies are not."""
    return measured[(measured["made"] == GOOD) & (measured["side"] >= LARGE_SIDE)]


def summary(measured: pd.DataFrame) -> pd.DataFrame:
    """Return per sort of film how many were accepted, corrected and wrongly treated, with that share's interval.

    The large copies among the good films have a row of their own besides, below that of all.
    """
    parts = list(measured.groupby(["made", "wanted"], sort=False))
    large = large_copies(measured)
    if len(large):
        below = next(number for number, ((made, _), _) in enumerate(parts, start=1) if made == GOOD)
        parts.insert(below, ((LARGE, ACCEPT), large))
    rows = []
    for (made, wanted), part in parts:
        bad = wrong(part)
        low, high = wilson(int(bad.sum()), len(bad))
        rows.append(
            {
                "film": made,
                "should": wanted,
                "images": len(part),
                "accepted": float(part["accepted"].mean()),
                "corrected": float(part["corrected"].mean()),
                "wrong": float(bad.mean()),
                "interval": f"{low:.1%} to {high:.1%}",
            }
        )
    return pd.DataFrame(rows)


def wrong(measured: pd.DataFrame) -> pd.Series:
    """Tell per film whether it was wrongly treated: refused if good, accepted if bad, passed uncorrected or corrected.

    A film that should be corrected and is refused is not an error of the kind that harms: it is not counted.
    """
    changed = measured["said"].str.contains(_HARMFUL)
    return pd.Series(
        np.select(
            [measured["wanted"] == ACCEPT, measured["wanted"] == REFUSE],
            [~measured["accepted"] | changed, measured["accepted"]],
            measured["accepted"] & ~measured["corrected"],
        ).astype(bool),
        index=measured.index,
    )


def wilson(count: int, total: int, z: float = 1.96) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share."""
    if total == 0:
        return 0.0, 1.0
    share, square = count / total, z * z / total
    middle, half = share + square / 2, z * np.sqrt(share * (1 - share) / total + square / (4 * total))
    return float(max(0.0, (middle - half) / (1 + square))), float(min(1.0, (middle + half) / (1 + square)))


def _makers(draw: Draw) -> dict[str, Maker]:
    return {name: maker for name, maker in MAKERS.items() if not (draw.fitting and maker.kind in _CORRECTED)}


def _films(draw: Draw, mask: MaskFunction) -> Iterator[tuple[str, str, Film, str]]:
    """Yield (sort, kind of `gatenet.KINDS` or `small`, `blank`, film, id): the good films as they are, then others."""
    rng = np.random.default_rng(1000 + draw.seed)
    for _, row in draw.table.iterrows():
        yield GOOD, "usable", read_row(row), str(row["id"])

    @cache
    def masked(number: int) -> tuple[Film, Film]:
        film = read_row(draw.table.iloc[number])
        return film, mask(film)

    def hand(rng: np.random.Generator) -> tuple[Film, Film]:
        return masked(int(rng.integers(len(draw.table))))

    source = Source(hand, tuple(photographs(0 if draw.fitting else 1)))
    for name, maker in _makers(draw).items():
        for _ in range(draw.flaws):
            yield name, maker.kind, maker.make(source, rng), ""
    for name, style in STYLES.items():
        for _ in range(draw.flaws):
            yield f"style: {name}", "usable", style(*hand(rng), rng)[0], ""
    for name, frame in FRAMES.items():
        for _ in range(draw.flaws):
            yield f"frame: {name}", "usable", frame(hand(rng)[0], rng)[0], ""
    for film in draw.strangers:
        yield "no hand: given film", "not_hand", film, ""
    for film in () if draw.fitting else scans():
        yield "no hand: slice of the body", "not_hand", film, ""
    for _ in range(min(20, draw.flaws)):
        yield "tiny", "small", shrink(hand(rng)[0], 60), ""
    for level in (0, 128, 255):
        yield "blank", "blank", np.full((300, 240), level, np.uint8), ""

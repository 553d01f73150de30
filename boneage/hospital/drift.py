"""Count what comes in day by day, and compare a period with another one or with the model's own images.

Counts are of bins, so no film can be told from them: outcomes (estimated, or refused by kind), groups by sex, bone age
minus chronological age, noise, the film's longer side and the share of it that was exposed.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from boneage.cascade.estimate import Estimate
from boneage.errors import BoneageError
from boneage.groups import group_of
from boneage.hospital.result import Result
from boneage.paths import project_root
from boneage.preprocess.field import Field

if TYPE_CHECKING:
    from boneage.cascade.cascade import Cascade

MEASURES = {
    "outcome": "Estimated, or refused by kind",
    "group": "Sex and age group",
    "difference": "Bone age minus chronological age (months)",
    "noise": "Noise (grey levels)",
    "side": "Longer side of the film (pixels)",
    "field": "Exposed field (share of the film)",
}
SIGNIFICANT = 0.05
LEAST_FILMS = 20
_LEAST_EXPECTED = 5.0
_EDGES: dict[str, tuple[float, ...]] = {
    "difference": (-36, -24, -12, -6, 0, 6, 12, 24, 36),
    "noise": (0.5, 1, 2, 3, 4, 6, 9),
    "side": (512, 1024, 1536, 2048, 3072),
    "field": (0.25, 0.5, 0.75, 0.9, 1.0),
}
Counts = dict[str, Counter[str]]


class DriftError(BoneageError):
    """A comparison that cannot be made; the message says what is missing."""


@dataclass(frozen=True)
class Finding:
    """One measure of two periods.

    Attributes:
        measure: a key of `MEASURES`.
        now: films of the period, by bin.
        then: films of what it is compared with, by bin.
        p: of the chi-squared test of homogeneity; None with too few films.
        p_corrected: by Holm over all measures that were tested.
        cramers_v: how large the difference is, 0-1; None with too few films.
    """

    measure: str
    now: dict[str, int]
    then: dict[str, int]
    p: float | None
    p_corrected: float | None
    cramers_v: float | None

    @property
    def drifted(self) -> bool:
        """Tell whether chance alone hardly explains the difference."""
        return self.p_corrected is not None and self.p_corrected < SIGNIFICANT

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {**asdict(self), "drifted": self.drifted}

    def sentence(self) -> str:
        """Say it in a line."""
        films = f"{sum(self.now.values())} films against {sum(self.then.values())}"
        if self.p_corrected is None:
            return f"{MEASURES[self.measure]}: too few films to say ({films})"
        verdict = "DRIFTED" if self.drifted else "no drift shown"
        numbers = f"corrected p {self.p_corrected:.3g}, Cramér's V {self.cramers_v:.2f}"
        return f"{MEASURES[self.measure]}: {verdict} ({numbers}; {films})"


@dataclass(frozen=True)
class Seen:
    """What is counted of one film.

    Attributes:
        side: the film's longer side in pixels.
        estimate: the answer, or None where none was given.
        refusal_kind: the gate's word for why not; empty where there is an estimate.
        noise: of the prepared film in grey levels, where the model measures it.
        chronological_months: where it is known.
        field: the exposed field's share of the film, 1 without a border; None where it was not looked for.
    """

    side: int
    estimate: Estimate | None = None
    refusal_kind: str = ""
    noise: float | None = None
    chronological_months: float | None = None
    field: float | None = None

    @classmethod
    def of(cls, result: Result) -> Seen:
        """Return what is counted of a result."""
        film, known = result.film.pixels, (result.refusal_kind, result.noise, result.chronological_months)
        share = None if result.estimate is None else share_of(result.field, film)
        return cls(max(film.shape), result.estimate, *known, share)


def share_of(field: Field | None, film: NDArray[np.uint8]) -> float:
    """Return an exposed field's share of its film, uint8 (H, W); 1 where the film has no border."""
    return 1.0 if field is None else min(1.0, float(np.prod(field.size)) / film.size)


class DailyCounts:
    """The counts of one folder, a file per day.

    Args:
        folder: made at the first film.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()

    def add(self, seen: Seen, day: date | None = None) -> None:
        """Count one film under today's date (UTC) or another."""
        path = self.folder / f"{day or datetime.now(UTC).date()}.json"
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._lock, FileLock(self.folder / ".lock"):
            counts = _read(path) if path.is_file() else {}
            for measure, label in bins_of(seen).items():
                counts.setdefault(measure, Counter())[label] += 1
            part = path.with_suffix(".part")
            part.write_text(json.dumps(counts, sort_keys=True), encoding="utf-8")
            part.replace(path)

    def between(self, first: date, last: date) -> Counts:
        """Return the sum of the days from `first` to `last`, both included."""
        total: Counts = {measure: Counter() for measure in MEASURES}
        for path in sorted(self.folder.glob("????-??-??.json")):
            if first <= date.fromisoformat(path.stem) <= last:
                for measure, counted in _read(path).items():
                    total.setdefault(measure, Counter()).update(counted)
        return total


def default_counts() -> Path:
    """Return where the page and the commands of this project count: `counts` in the project."""
    return project_root() / "counts"


def bins_of(seen: Seen) -> dict[str, str]:
    """Return a film's bin for each measure that is known of it."""
    estimate = seen.estimate
    bins = {
        "outcome": "estimated" if estimate is not None else f"refused: {seen.refusal_kind}",
        "side": _bin("side", seen.side),
    }
    if seen.noise is not None:
        bins["noise"] = _bin("noise", seen.noise)
    if seen.field is not None:
        bins["field"] = _bin("field", seen.field)
    if estimate is not None:
        bins["group"] = f"{estimate.sex} {estimate.group}"
        if seen.chronological_months is not None:
            bins["difference"] = _bin("difference", estimate.bone_age_months - seen.chronological_months)
    return bins


def training_counts(cascade: Cascade) -> Counts:
    """Return the groups of a model's own images: of its training cases, else of the validation set its card counts.

    Raises:
        DriftError: when the model knows neither.
    """
    if cascade.cases is not None:
        pairs = zip(cascade.cases.sexes, cascade.cases.ages_months, strict=True)
        return {"group": Counter(f"{sex} {group_of(float(age))}" for sex, age in pairs)}
    figures = cascade.card.get("validation", {})
    named = {f"{sex} {group}": f"images_{sex}_{group}" for sex in ("female", "male") for group in (1, 2, 3, 4)}
    counted = Counter({label: int(figures[key]) for label, key in named.items() if key in figures})
    if not counted:
        raise DriftError.of("drift.card")
    return {"group": counted}


def compare(now: Counts, then: Counts) -> list[Finding]:
    """Compare two periods measure by measure; p values are corrected for the number of tests (Holm).

    Raises:
        DriftError: when one of them has no film.
    """
    for words, counts in (("the period", now), ("what it is compared with", then)):
        if not any(sum(one.values()) for one in counts.values()):
            raise DriftError.of("drift.no_film", period=words)
    tested = {name: _test(now.get(name, Counter()), then.get(name, Counter())) for name in MEASURES}
    corrected = _holm({name: found[0] for name, found in tested.items() if found is not None})
    return [
        Finding(
            measure=name,
            now=dict(now.get(name, {})),
            then=dict(then.get(name, {})),
            p=None if found is None else found[0],
            p_corrected=corrected.get(name),
            cramers_v=None if found is None else found[1],
        )
        for name, found in tested.items()
        if name in then
    ]


def _test(now: Counter[str], then: Counter[str]) -> tuple[float, float] | None:
    """Return p and Cramér's V of two rows of counts, rare bins joined; None with too few films."""
    from scipy.stats import chi2_contingency

    films = (sum(now.values()), sum(then.values()))
    if min(films) < LEAST_FILMS:
        return None
    labels = sorted({*now, *then})
    table = np.array([[now[label] for label in labels], [then[label] for label in labels]], float)
    rare = table.sum(0) * min(films) / sum(films) < _LEAST_EXPECTED
    joined = np.column_stack([table[:, ~rare], table[:, rare].sum(1)]) if rare.any() else table
    joined = joined[:, joined.sum(0) > 0]
    if joined.shape[1] < 2:
        return 1.0, 0.0
    statistic, p = chi2_contingency(joined, correction=False)[:2]
    return float(p), float(np.sqrt(statistic / joined.sum()))


def _holm(ps: Mapping[str, float]) -> dict[str, float]:
    """Correct p values for their number, step down."""
    corrected, largest = {}, 0.0
    for place, (name, p) in enumerate(sorted(ps.items(), key=lambda item: item[1])):
        largest = max(largest, min(1.0, p * (len(ps) - place)))
        corrected[name] = largest
    return corrected


def _bin(measure: str, value: float) -> str:
    """Return a bin's label, which sorts as its values do."""
    edges = _EDGES[measure]
    place = int(np.searchsorted(edges, value, side="right"))
    low = "" if place == 0 else f"{edges[place - 1]:g}"
    high = "" if place == len(edges) else f"{edges[place]:g}"
    return f"{place:02d}: {low}–{high}"


def _read(path: Path) -> Counts:
    return {measure: Counter(counted) for measure, counted in json.loads(path.read_text(encoding="utf-8")).items()}

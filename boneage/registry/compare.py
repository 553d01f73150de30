"""Compare two versions on the same images: paired differences of their errors with bootstrap intervals, per part.

Every image is estimated by both, so what an image makes difficult for both cancels out. A difference is the first
version's absolute error minus the second's, in months: below zero the first is better.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from boneage.errors import BoneageError
from boneage.groups import MAX_AGE_MONTHS, MIN_AGE_MONTHS, PARTS, group_of

BETTER, WORSE, UNDECIDED, UNJUDGED = "better", "worse", "no difference shown", "too few images"
# Estimates are written with finitely many digits; a difference below this is none.
EQUAL_MONTHS = 1e-6
_SAME_AGE_MONTHS = 0.01
_RESAMPLES = 2000
_ENDS = (0.025, 0.975)
# Below so many images the percentile bootstrap is too narrow (it knows only the values it has seen), so the interval
# is the wider of it and Student's t.
_FEW = 30


class ComparisonError(BoneageError):
    """Two tables that cannot be compared; the message says why."""


@dataclass(frozen=True)
class PartComparison:
    """One part of the set: all images, a sex, or a sex and true age group; months throughout.

    Attributes:
        part: `all`, `female`, `female 58-114` and so on.
        images: how many.
        first_mae_months: MAE of the first.
        second_mae_months: MAE of the second.
        difference_months: first minus second; negative where the first is better.
        low_months: lower end of the difference's 95 % paired interval; minus infinity for a single image.
        high_months: its upper end.
    """

    part: str
    images: int
    first_mae_months: float
    second_mae_months: float
    difference_months: float
    low_months: float
    high_months: float

    @property
    def verdict(self) -> str:
        """What is shown of the first: `better`, `worse`, `no difference shown`, or `too few images` to say."""
        if not np.isfinite((self.low_months, self.high_months)).all():
            return UNJUDGED
        if self.low_months > EQUAL_MONTHS:
            return WORSE
        return BETTER if self.high_months < -EQUAL_MONTHS else UNDECIDED

    @property
    def interval(self) -> str:
        """The difference and its interval in words: `+0.50 months (95 % interval +0.10 to +0.90)`."""
        spread = f"95 % interval {self.low_months:+.3f} to {self.high_months:+.3f}"
        return f"{self.difference_months:+.3f} months ({'no interval' if self.verdict == UNJUDGED else spread})"


@dataclass(frozen=True)
class Comparison:
    """Two versions on the same images: the whole set first, then each sex, then each sex and true age group."""

    parts: tuple[PartComparison, ...]

    @property
    def whole(self) -> PartComparison:
        """All images."""
        return self.parts[0]

    @property
    def verdict(self) -> str:
        """What is shown of the first version on all images."""
        return self.whole.verdict

    def table(self) -> pd.DataFrame:
        """Return one row per part: part, images, both MAE, difference with interval (months), verdict."""
        names = ("part", "images", "first_mae_months", "second_mae_months", "difference_months", "low_months",
                 "high_months", "verdict")  # fmt: skip
        return pd.DataFrame([{name: getattr(part, name) for name in names} for part in self.parts])


def compare_tables(first: pd.DataFrame, second: pd.DataFrame, seed: int = 0) -> Comparison:
    """Compare two validation tables on the first one's images and ages.

    Args:
        first: N rows (columns `validation.COLUMNS`).
        second: rows of the same images, in any order, maybe of more.
        seed: of the bootstrap.

    Raises:
        ComparisonError: when the second does not cover the first, calls an image another sex or age, or an estimate
            is no number.
    """
    theirs = second.drop_duplicates("content_sha256").set_index("content_sha256")
    if first.empty or not set(first["content_sha256"]) <= set(theirs.index):
        covered = int(first["content_sha256"].isin(theirs.index).sum())
        raise ComparisonError.of("compare.few_images", count=covered, all=len(first))
    theirs = theirs.loc[first["content_sha256"]]
    _refuse_other_labels(first, theirs)
    true = first["age_months"].to_numpy(dtype=float)
    ours = np.abs(first["bone_age_months"].to_numpy(dtype=float) - true)
    others = np.abs(theirs["bone_age_months"].to_numpy(dtype=float) - true)
    if not (np.isfinite(ours).all() and np.isfinite(others).all()):
        raise ComparisonError.of("compare.no_number")
    chosen = _parts(first["sex"].to_numpy(), true)
    return Comparison(tuple(_compared(name, ours[rows], others[rows], seed) for name, rows in chosen))


def verdict_sentences(found: Comparison, first: str, second: str) -> Iterator[str]:
    """Say what a comparison shows: of all images, then of the parts where anything is shown.

    Args:
        found: the comparison.
        first: what to call the first version, for example `A`.
        second: what to call the second.
    """
    whole = found.whole
    yield (
        f"verdict: {first} is {whole.verdict} than {second} on all images"
        if whole.verdict in (BETTER, WORSE)
        else (f"verdict: {whole.verdict} between {first} and {second} on all images")
    )
    if whole.verdict == UNDECIDED:
        least, most = max(0.0, -whole.low_months), max(0.0, whole.high_months)
        yield f"these images allow for {first} being better by up to {least:.2f} months or worse by up to {most:.2f}"
    for verdict in (WORSE, BETTER):
        names = [part.part for part in found.parts[1:] if part.verdict == verdict]
        if names:
            yield f"{first} is {verdict} in {', '.join(names)}"


def _refuse_other_labels(first: pd.DataFrame, theirs: pd.DataFrame) -> None:
    """Refuse where the same pixels are called another sex or age: then the estimates answer other questions."""
    ages, others = (table["age_months"].to_numpy(dtype=float) for table in (first, theirs))
    differ = {
        "sex": first["sex"].to_numpy() != theirs["sex"].to_numpy(),
        "age": ~np.isclose(ages, others, rtol=0, atol=_SAME_AGE_MONTHS, equal_nan=True),
    }
    for what, rows in differ.items():
        if rows.any():
            raise ComparisonError.of("compare.differ", count=int(rows.sum()), all=len(first), what=what)


def _parts(sexes: np.ndarray, true_months: NDArray[np.float64]) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Yield the parts that have an image: their names and rows, bool (N,)."""
    groups = np.array([group_of(float(np.clip(age, MIN_AGE_MONTHS, MAX_AGE_MONTHS))) for age in true_months])
    for part in PARTS:
        rows = np.isin(sexes, [part.sex] if part.sex else sexes) & np.isin(groups, part.group or groups)
        if rows.any():
            yield part.name, rows


def _compared(name: str, ours: NDArray[np.float64], others: NDArray[np.float64], seed: int) -> PartComparison:
    differences = ours - others
    low, high = _interval(differences, seed)
    return PartComparison(
        part=name,
        images=len(ours),
        first_mae_months=float(ours.mean()),
        second_mae_months=float(others.mean()),
        difference_months=float(differences.mean()),
        low_months=low,
        high_months=high,
    )


def _interval(differences: NDArray[np.float64], seed: int) -> tuple[float, float]:
    """Return the 95 % interval of a mean: the paired bootstrap's, for few images widened to Student's t."""
    count = len(differences)
    if count < 2:
        return -np.inf, np.inf
    drawn = np.random.default_rng(seed).integers(0, count, (_RESAMPLES, count))
    low, high = np.quantile(differences[drawn].mean(axis=1), _ENDS)
    if count < _FEW:
        from scipy.stats import t

        half = float(t.ppf(_ENDS[1], count - 1)) * float(differences.std(ddof=1)) / count**0.5
        low, high = min(low, differences.mean() - half), max(high, differences.mean() + half)
    return float(low), float(high)

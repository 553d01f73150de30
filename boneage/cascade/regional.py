"""Ages of single regions beside the age of the whole hand: their intervals, and what is said where they disagree.

They travel as further columns behind the pooled features. Heads never see these: a film whose joints are not found has
nan there, and an age all the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from boneage.cascade.intervals import Intervals, fit_intervals
from boneage.groups import Sex
from boneage.notices import Notice, note
from boneage.regions.ages import NAMES, REGIONS, RegionalAges, of_sex


@dataclass(frozen=True)
class RegionAge:
    """The age of one region of a hand.

    Attributes:
        region: `carpals`, `radius_ulna` or `short_bones`.
        bone_age_months: its age, 0-228.
        low_months: lower bound of its own prediction interval, None where none is known.
        high_months: upper bound, likewise.
    """

    region: str
    bone_age_months: float
    low_months: float | None
    high_months: float | None


@dataclass(frozen=True)
class Regional:
    """What reads regions, and how far to trust it.

    Attributes:
        networks: read the ages.
        intervals: by region, from residuals of children that the networks had not seen.
    """

    networks: RegionalAges
    intervals: Mapping[str, Intervals] = field(default_factory=dict)

    def ages(self, columns: np.ndarray, sexes: Sequence[Sex]) -> list[tuple[RegionAge, ...]]:
        """Return each film's regional ages from columns (N, COLUMNS); nothing for a film whose joints were not found.

        Args:
            columns: as `RegionalAges.pooled` gives them.
            sexes: N sexes.
        """
        months = of_sex(columns, sexes)
        return [
            () if np.isnan(row).any() else tuple(self._one(name, float(row[k]), sex) for k, name in enumerate(REGIONS))
            for row, sex in zip(months, sexes, strict=True)
        ]

    def _one(self, region: str, age_months: float, sex: Sex) -> RegionAge:
        known = self.intervals.get(region)
        return RegionAge(region, age_months, *(known.bounds(sex, age_months) if known else (None, None)))


def joint_months(columns: np.ndarray | None, sexes: Sequence[Sex]) -> np.ndarray | None:
    """Return the age in months that all regions give together, float64 (N,), nan where joints were not found."""
    return None if columns is None else of_sex(columns, sexes)[:, -1]


def divide(features: np.ndarray, pooled: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Divide features into the `pooled` ones of the backbone, (N, pooled), and the columns behind them, if any."""
    return features[:, :pooled], features[:, pooled:] if features.shape[1] > pooled else None


def fit_regional(
    networks: RegionalAges, columns: np.ndarray, sexes: Sequence[Sex], true_months: np.ndarray, coverage: float
) -> Regional:
    """Take every region's intervals from children that the networks had not seen.

    Args:
        networks: that read the ages.
        columns: float (N, COLUMNS) of these children.
        sexes: N sexes.
        true_months: float (N,).
        coverage: the wanted coverage, such as 0.9.
    """
    months = of_sex(columns, sexes)
    found = {name: fit_intervals(sexes, months[:, k], true_months, coverage) for k, name in enumerate(NAMES[:-1])}
    return Regional(networks, found)


def disagreement(ages: Sequence[RegionAge]) -> list[Notice]:
    """Say which two regions' intervals do not meet, the pair furthest apart; nothing where all do."""
    apart = [
        (high.bone_age_months - low.bone_age_months, low, high)
        for low, high in (sorted(pair, key=lambda one: one.bone_age_months) for pair in combinations(ages, 2))
        if low.high_months is not None and high.low_months is not None and low.high_months < high.low_months
    ]
    if not apart:
        return []
    _, low, high = max(apart, key=lambda one: one[0])
    months = {"older": round(high.bone_age_months), "younger": round(low.bone_age_months)}
    if high.region == "carpals":
        return [note("regions.carpals_ahead", **months)]
    if high.region == "radius_ulna":
        return [note("regions.radius_ulna_ahead", **months)]
    return [note("regions.short_bones_ahead", **months)]

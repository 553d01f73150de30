"""Average the routed age with those of a head for all ages and of the hand's regions; undo the pull to the middle.

Experts and head count alike, and so do whole hand and regions (0.4 to 0.5 was best on unseen children). A share of the
head that is fitted on estimates out of fold would be too high: there one fold speaks of each film, while those of all
folds are averaged when serving, which errs less.

Whoever minimises an error estimates less than the true spread of ages: the youngest come out too old, the oldest too
young. A line per sex gives estimates out of fold the mean and the standard deviation of the readers' ages again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from boneage.cascade.routing import Routed
from boneage.groups import MAX_AGE_MONTHS, MIN_AGE_MONTHS, Sex
from boneage.learn.global_head import GlobalHead

EQUAL_SHARE = 0.5
REGIONS_SHARE = 0.5
FEWEST = 30
Line = tuple[float, float]


@dataclass(frozen=True)
class Stack:
    """The global head and its share in the age.

    Attributes:
        head: the head for all ages.
        shares: per sex the global head's share, 0-1; a sex that is missing keeps the routed age.
        lines: per sex the factor and the months added that give ages their spread back; empty where that is not done.
    """

    head: GlobalHead
    shares: Mapping[str, float] = field(default_factory=dict)
    lines: Mapping[str, Line] = field(default_factory=dict)

    def apply(
        self, routed: Routed, features: np.ndarray, sexes: Sequence[Sex], joint: np.ndarray | None = None
    ) -> Routed:
        """Average the ages; where the user gave the range, its expert answers alone as in the paper.

        Args:
            routed: what the experts say.
            features: the backbone's pooled features, float32 (N, D).
            sexes: N sexes.
            joint: the age in months that the hand's regions give together, (N,), nan where it is not known.
        """
        if not len(sexes):
            return routed
        given = np.array([name == "given" for name in routed.names])
        share = np.where(given, 0.0, [self.shares.get(str(sex), 0.0) for sex in sexes])
        ages = with_regions((1 - share) * routed.ages + share * self.head.predict(features, sexes), joint)
        ages = np.where(given, ages, spread_out(ages, sexes, self.lines))
        names = tuple("stacked" if part > 0 else name for part, name in zip(share, routed.names, strict=True))
        return replace(routed, ages=np.clip(ages, MIN_AGE_MONTHS, MAX_AGE_MONTHS), names=names)


def with_regions(ages: np.ndarray, joint: np.ndarray | None) -> np.ndarray:
    """Average ages of whole hands in months, (N,), with those of all their regions, where these are known (not nan)."""
    if joint is None:
        return ages
    return np.where(np.isnan(joint), ages, (1 - REGIONS_SHARE) * ages + REGIONS_SHARE * np.nan_to_num(joint))


def spread_out(ages: np.ndarray, sexes: Sequence[Sex], lines: Mapping[str, Line]) -> np.ndarray:
    """Give ages in months, float (N,), their spread back by the line of each one's sex, where there is one."""
    factors, months = np.array([lines.get(str(sex), (1.0, 0.0)) for sex in sexes]).reshape(-1, 2).T
    return np.asarray(ages * factors + months)


def fit_lines(sexes: Sequence[Sex], estimated_months: np.ndarray, true_months: np.ndarray) -> dict[str, Line]:
    """Return per sex the line after which estimates have the mean and the standard deviation of the true ages.

    Args:
        sexes: N sexes.
        estimated_months: float (N,), out of fold.
        true_months: float (N,).

    Returns:
        Factor and months added of the sexes that have at least 30 images whose estimates differ.
    """
    names, lines = np.array([str(sex) for sex in sexes], dtype=str), {}
    for sex in Sex:
        rows = names == str(sex)
        estimated, true = estimated_months[rows].astype(float), true_months[rows].astype(float)
        if len(true) >= FEWEST and estimated.std() > 0:
            factor = float(true.std() / estimated.std())
            lines[str(sex)] = (factor, float(true.mean() - factor * estimated.mean()))
    return lines

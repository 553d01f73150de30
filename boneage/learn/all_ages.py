"""Read group probabilities and ages within a group from a head for all ages of one sex: a softmax over years 0 to 19.

Such a head is a cascade in itself. The probability of an age group is the sum over its years, a group's expert gives
the expectation within the group, and by the law of total expectation the experts' ages, weighted by the groups'
probabilities, are the head's own expectation. So whatever serves, routes and explains ten models serves these.
"""

from __future__ import annotations

import numpy as np

from boneage.groups import AGE_GROUPS

LOSSES = frozenset({"years", "months"})
"""The losses of such a head: cross-entropy on the year, or the absolute error of its expectation in months."""
YEARS = np.arange(0.0, 229.0, 12.0, dtype=np.float32)
"""The months in the middle of each year: a film of 126 months or more, and under 138, is in year 11."""
_HALF = 6.0


def year_of(ages: np.ndarray) -> np.ndarray:
    """Return the year, int64 (N,), that ages in months (N,) are nearest to."""
    return np.clip((np.asarray(ages, dtype=np.float64) + _HALF) // 12, 0, len(YEARS) - 1).astype(np.int64)


def groups_of(years: np.ndarray) -> np.ndarray:
    """Turn probabilities of the years (N, 20) into those of the age groups, float32 (N, 4); rows sum to 1.

    A year that a border divides counts for both groups, by its months on either side.
    """
    return np.asarray(years @ SHARES, np.float32)


def months_within(years: np.ndarray, group: int) -> np.ndarray:
    """Return the expected age in months, float32 (N,), of films that are of an age group 1-4.

    Args:
        years: probabilities of the years, float (N, 20).
        group: the number of the group; where it is all but impossible, its middle is returned.
    """
    share, middle = SHARES[:, group - 1], MIDDLES[:, group - 1]
    total, wanted = years @ share, AGE_GROUPS[group - 1]
    months = years @ (share * middle) / np.maximum(total, LEAST)
    return np.where(total > LEAST, months, (wanted.low + wanted.high) / 2).astype(np.float32)


def _divided() -> tuple[np.ndarray, np.ndarray]:
    """Return the share of each year in each group, and the middle of what lies in it in months, float64 (20, 4)."""
    low, high = YEARS[:, None].astype(np.float64) - _HALF, YEARS[:, None].astype(np.float64) + _HALF
    first = np.array([-np.inf if group.number == 1 else group.low for group in AGE_GROUPS])
    last = np.array([np.inf if group.number == len(AGE_GROUPS) else group.high for group in AGE_GROUPS])
    start, end = np.maximum(low, first), np.minimum(high, last)
    inside = np.clip(end - start, 0.0, None)
    return inside / (2 * _HALF), np.where(inside > 0, (start + end) / 2, 0.0)


LEAST = 1e-9
"""Below this probability a group is taken to be impossible."""
SHARES, MIDDLES = _divided()
"""The share of each year in each group, and the middle of what lies in it in months, float64 (20, 4)."""

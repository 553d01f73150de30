"""Choose where the gate says no, from good films and flawed ones that its network was not fitted on.

What lies between the films that are surely usable and those that surely are not gets an estimate with a warning.
"""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from boneage.gate.measure import ACCEPT, GOOD, REFUSE
from boneage.gate.network import Thresholds

# While films are drawn for the choice nothing is refused that any choice could accept.
OPEN = Thresholds(least_usable=0.5, least_sure=0.02, surely_mirrored=1.0)
# Of good films as they are, and of every other sort of film, no more than these shares should be wrong.
_GOAL_AS_IT_IS, _GOAL = 0.005, 0.01
# At least so many good films are surely usable, and so many have a mask in order.
_SURE, _IN_ORDER = 0.98, 0.99
# About one in a hundred of the films that should all be left hands is a right one or mirrored (training films were
# looked at): whatever finds right hands finds these, too.
_FALSE_MIRRORINGS = 0.015
_CANDIDATES = 1 / (1 + np.exp(-np.linspace(-3.9, 2.2, 62)))


def choose(drawn: pd.DataFrame) -> Thresholds:
    """Return the thresholds whose errors, in shares of what is aimed at, have the smallest sum of squares.

    Args:
        drawn: What `measure.measure` says of films drawn for fitting, under `OPEN` thresholds.
    """
    good = drawn[drawn["made"] == GOOD]
    limits = Thresholds(
        surely_mirrored=float(np.clip(good["right"].quantile(1 - _FALSE_MIRRORINGS), 0.5, 0.98)),
        # Never stricter than these two: other sites' masks may be a little worse and yet good enough.
        most_doubtful=max(0.25, float(good["doubtful"].quantile(_IN_ORDER))),
        least_whole=min(0.9, float(good["wholeness"].quantile(1 - _IN_ORDER))),
        most_cut=float(good["cut"].quantile(_IN_ORDER)),
    )
    sure = min(float(good["usable"].quantile(1 - _SURE)), float(_CANDIDATES[-1]))
    pairs = np.array([pair for pair in product(_CANDIDATES, _CANDIDATES) if pair[0] <= pair[1] and pair[1] >= sure])
    costs = _costs(drawn, limits, pairs)
    least = pairs[costs <= costs.min() + 1e-9]
    middle = least[np.argmin(np.abs(_logit(least) - _logit(least).mean(axis=0)).sum(axis=1))]
    return Thresholds(
        least_usable=float(middle[1]),
        least_sure=float(middle[0]),
        surely_mirrored=limits.surely_mirrored,
        most_doubtful=limits.most_doubtful,
        least_whole=limits.least_whole,
        most_cut=limits.most_cut,
    )


def _costs(drawn: pd.DataFrame, limits: Thresholds, pairs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what pairs (N, 2) of least_sure and least_usable cost, (N,)."""
    odd = (
        (drawn["doubtful"] > limits.most_doubtful)
        | (drawn["wholeness"] < limits.least_whole)
        | (drawn["cut"] > limits.most_cut)
    )
    costs = np.zeros(len(pairs))
    for (made, wanted), part in drawn.groupby(["made", "wanted"]):
        if wanted not in (ACCEPT, REFUSE):
            continue
        usable = part["usable"].where(part["found"] != "no_mask", 0.0).to_numpy()
        needed = pairs[:, odd[part.index].to_numpy().astype(int)]
        accepted = (usable >= needed).mean(axis=1)
        wrong = accepted if wanted == REFUSE else 1 - accepted
        costs += (wrong / (_GOAL_AS_IT_IS if made == GOOD else _GOAL)) ** 2
    return costs


def _logit(odds: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.log(odds / (1 - odds)))

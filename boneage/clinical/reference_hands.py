"""Drawn hands to hold an estimate against: the phantom at the estimate and at the standards below and above it.

The printed atlases are under copyright; these hands are drawn from the published ages at which ossification centres
appear and fuse (`boneage/phantom/anatomy.csv`), all in one pose and framing, and are labelled as drawn.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from boneage.groups import MAX_AGE_MONTHS, Sex
from boneage.phantom import anatomy

STANDARDS_MONTHS: dict[Sex, tuple[float, ...]] = {
    Sex.MALE: (0, 3, 6, 9, 12, 15, 18, 24, 32, 36, 42, 48, 54, 60, 72, 84, 96, 108, 120, 132, 138, 150, 156, 162, 168,
               180, 186, 192, 204, 216, 228),
    Sex.FEMALE: (0, 3, 6, 9, 12, 15, 18, 24, 30, 36, 42, 50, 60, 69, 82, 94, 106, 120, 132, 144, 156, 162, 168, 180,
                 192, 204, 216),
}  # fmt: skip
"""Ages at which atlases keep a standard, in months."""
_FRAME = 0.80
_SEED = 0


@dataclass(frozen=True)
class ReferenceHand:
    """One drawn hand.

    Attributes:
        age_months: its skeletal age.
        image: uint8 (h, w), bone bright.
        is_estimate: whether it is drawn at the estimate and not at a standard.
    """

    age_months: float
    image: NDArray[np.uint8]
    is_estimate: bool


@dataclass(frozen=True)
class Centres:
    """Ossification centres at a skeletal age in the average child, by the names of `anatomy.CENTRES`.

    Attributes:
        latest: present, the three that appeared last.
        missing: not yet there, the next three.
        fusing: epiphyses that are fusing with their shafts.
        count: how many of all are present.
    """

    latest: tuple[str, ...]
    missing: tuple[str, ...]
    fusing: tuple[str, ...]
    count: int


def neighbours(age_months: float, sex: Sex) -> tuple[float | None, float | None]:
    """Return the ages of the standards below and above an age, far enough to be told apart; None beyond the ends."""
    apart = min(max(0.05 * age_months, 0.5), 6.0)
    ages = STANDARDS_MONTHS[sex]
    below = [age for age in ages if age <= age_months - apart]
    above = [age for age in ages if age >= age_months + apart]
    return (below[-1] if below else None), (above[0] if above else None)


def reference_hands(age_months: float, sex: Sex, height: int = 420) -> tuple[ReferenceHand, ...]:
    """Draw the hand at an estimate between those of the neighbouring standards, youngest first.

    Args:
        age_months: the estimate, 0-228.
        sex: the sex.
        height: of each picture in pixels.
    """
    below, above = neighbours(age_months, sex)
    ages = [(below, False), (min(max(age_months, 0.0), MAX_AGE_MONTHS), True), (above, False)]
    return tuple(ReferenceHand(age, _drawn(round(age, 1), sex, height), own) for age, own in ages if age is not None)


@lru_cache(maxsize=64)
def _drawn(age_months: float, sex: Sex, height: int) -> NDArray[np.uint8]:
    """Draw the average hand in the one pose, cut to its own box so that all hands are equally large in their frames."""
    import cv2

    from boneage.phantom.hand import draw
    from boneage.phantom.options import PhantomOptions

    phantom = draw(age_months, sex, _SEED, PhantomOptions.plain(2 * height))
    rows, columns = np.where(phantom.mask.any(axis=1))[0], np.where(phantom.mask.any(axis=0))[0]
    wide = round(_FRAME * (rows[-1] - rows[0]))
    middle = (columns[0] + columns[-1]) // 2
    padded = np.pad(phantom.image, ((0, 0), (wide, wide)), mode="edge")
    part = padded[max(rows[0] - 8, 0) : rows[-1] + 1, middle + wide - wide // 2 : middle + wide + wide // 2]
    return np.asarray(cv2.resize(part, (round(_FRAME * height), height), interpolation=cv2.INTER_AREA))


def expected_centres(age_months: float, sex: Sex, count: int = 3) -> Centres:
    """Return which centres should be there, which should still be missing, and which are fusing."""
    by_age = sorted(anatomy.CENTRES, key=lambda part: anatomy.value("appears", part, sex))
    present = [part for part in by_age if anatomy.value("appears", part, sex) <= age_months]
    fusing = [
        part
        for part in anatomy.EPIPHYSES
        if part in present and 0.0 < anatomy.fused_fraction(part, age_months, sex) < 1.0
    ]
    return Centres(tuple(present[-count:]), tuple(by_age[len(present) :][:count]), tuple(fusing), len(present))

"""Place the joints of each ray in the hand's own frame, for an age, a sex and a pose.

The frame's origin is the base of the third metacarpal, x toward the thumb, y toward the fingers, in mm.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from boneage.groups import Sex
from boneage.phantom import anatomy

RAYS = (1, 2, 3, 4, 5)
MC_ANGLES = {1: 36.0, 2: 8.0, 3: 0.0, 4: -9.0, 5: -21.0}  # degrees from the y axis, toward the thumb
FINGER_SPREAD = {1: 8.0, 2: 9.0, 3: 0.0, 4: -9.0, 5: -19.0}  # further degrees at full spread
MC_SPREAD = {1: 16.0, 2: 2.0, 3: 0.0, 4: -2.0, 5: -5.0}

Point = tuple[float, float]


@dataclass(frozen=True)
class Skeleton:
    """Joints in mm: `joints[ray]` runs from the metacarpal's base to the bony fingertip (5 points, thumb 4).

    `unit` is the length of the third metacarpal in mm, `wrist_y` the y of the distal radial growth plate (negative),
    `forearm_angle` the forearm's tilt against the hand in degrees.
    """

    joints: dict[int, tuple[Point, ...]]
    unit: float
    wrist_y: float
    forearm_angle: float

    def bone(self, name: str) -> tuple[Point, Point]:
        """Return base and head of a tube bone such as `MC2` or `DP1`."""
        ray = int(name[-1])
        kinds = ("MC", "PP", "DP") if ray == 1 else ("MC", "PP", "MP", "DP")
        at = kinds.index(name[:2])
        return self.joints[ray][at], self.joints[ray][at + 1]


def place_joints(age_months: float, sex: Sex, rng: np.random.Generator, build: float, pose: float) -> Skeleton:
    """Place the joints of one hand.

    Args:
        age_months: skeletal age, 0-228.
        sex: the sex.
        rng: source of the variation; always drawn from equally often.
        build: strength of the variation of size and proportions, 1 as in the population.
        pose: strength of the variation of spread and bend, 0 the average RSNA pose.
    """
    noise = rng.standard_normal(40)
    spread_draw, thumb_draw = rng.random(2)
    grown = anatomy.at_age("growth", age_months, sex)
    unit = anatomy.value("length", "MC3", sex) * grown * (1 + 0.05 * build * noise[0])
    spread = 0.45 + pose * (spread_draw**1.4 * 1.25 - 0.65)
    abduct = 0.4 + pose * (thumb_draw * 1.2 - 0.5)
    joints = {
        ray: _ray(
            ray, sex, unit, abduct if ray == 1 else spread, (build * 0.03, pose), noise[1 + ray * 6 : 7 + ray * 6]
        )
        for ray in RAYS
    }
    wrist = -unit * anatomy.at_age("wrist_room", age_months, sex) * (1 + 0.04 * build * noise[1])
    return Skeleton(joints, unit, wrist, pose * 6.0 * float(noise[2]))


def _ray(
    ray: int, sex: Sex, unit: float, spread: float, strength: tuple[float, float], noise: np.ndarray
) -> tuple[Point, ...]:
    vary, pose = strength
    at = (unit * anatomy.value("base_x", f"MC{ray}", sex), unit * anatomy.value("base_y", f"MC{ray}", sex))
    angle = MC_ANGLES[ray] + spread * MC_SPREAD[ray]
    points = [at]
    for index, kind in enumerate(("MC", "PP", "DP") if ray == 1 else ("MC", "PP", "MP", "DP")):
        if index == 1:
            angle += spread * FINGER_SPREAD[ray] + pose * 2.5 * float(noise[4]) - (8.0 if ray == 1 else 0.0)
        elif index > 1:
            angle += pose * (6.0 if ray == 1 else 1.8) * float(noise[5]) / index
        length = unit * anatomy.value("proportion", f"{kind}{ray}", sex) * (1 + vary * float(noise[index]))
        turn = math.radians(angle)
        at = (at[0] + length * math.sin(turn), at[1] + length * math.cos(turn))
        points.append(at)
    return tuple(points)

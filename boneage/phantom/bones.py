"""Draw a child's maturity, and its metacarpals and phalanges as pieces: outlines with thickness, cortex, weight."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from boneage.groups import Sex
from boneage.phantom import anatomy, shapes
from boneage.phantom.pose import RAYS, Point, Skeleton
from boneage.phantom.shapes import Points

# Attenuation per mm at about 50 kV; bone adds this to the flesh it lies in. Cortical to soft is about 4.6 to 1.
SOFT_PER_MM = 0.03
CORTEX_PER_MM = 0.11
SPONGY_PER_MM = 0.02


@dataclass(frozen=True)
class Piece:
    """One bone or part of a bone, in mm of the hand's frame.

    Attributes:
        outline: closed polygon (N, 2), x toward the thumb, y toward the fingers.
        depth: half of the bone's thickness along the beam.
        cortex: thickness of the cortical shell.
        weight: 0-1, how much of it is there (two pieces cross-fade while they fuse).
        axis: base and head of a shaft, between which the cortex is thick at mid-shaft and thin at the ends.
        name: what it is, for tests and landmarks.
        dense: attenuation of the shell per mm.
        spongy: attenuation inside the shell per mm.
    """

    outline: Points
    depth: float
    cortex: float
    weight: float = 1.0
    axis: tuple[Point, Point] | None = None
    name: str = ""
    dense: float = CORTEX_PER_MM
    spongy: float = SPONGY_PER_MM


@dataclass(frozen=True)
class Growth:
    """Maturity of each centre of one child: the average child's table, shifted per centre by a few months.

    `robust` is how broad this child's bones are beside the average child's, `wobble` gives each carpal three standard
    normal numbers: how it is displaced (x, y) and how large it is.
    """

    age_months: float
    sex: Sex
    shift: dict[str, float] = field(default_factory=dict)
    robust: float = 1.0
    wobble: dict[str, NDArray[np.float64]] = field(default_factory=dict)

    @classmethod
    def of(cls, age_months: float, sex: Sex, rng: np.random.Generator, individual: float, build: float) -> Growth:
        """Draw one child; `individual` is the fraction of the published spread of centres, `build` that of shapes."""
        noise = rng.standard_normal(len(anatomy.CENTRES))
        shift = {
            part: float(draw)
            * individual
            * min(anatomy.spread_months(part, sex), 0.3 * anatomy.value("appears", part, sex))
            for part, draw in zip(anatomy.CENTRES, noise, strict=True)
        }
        wobble = {part: build * rng.standard_normal(3) for part in anatomy.CARPALS}
        return cls(age_months, sex, shift, 1.0 + 0.06 * build * float(rng.standard_normal()), wobble)

    def age(self, part: str) -> float:
        """Return the child's age in months as this centre shows it."""
        return self.age_months - self.shift.get(part, 0.0)

    def since(self, part: str, until: float) -> float:
        """Return how far a centre is from its appearance (0) to maturity at `until` months (1); below 0 if absent."""
        start = anatomy.value("appears", part, self.sex)
        done = (self.age(part) - start) / (until - start)
        return -1.0 if done < 0 else min(done, 1.0)

    def fused(self, part: str) -> float:
        """Return 0 while the growth plate is open, 1 when it has closed."""
        return anatomy.fused_fraction(part, self.age(part), self.sex)

    def openness(self, part: str) -> float:
        """Return the growth plate's thickness beside a child's: 1, thinning to 0.5 in the years before it closes."""
        start = anatomy.value("fuses_from", part, self.sex)
        return anatomy.interpolate(self.age(part), ((start - 40.0, 1.0), (start + 4.0, 0.5)))

    def width_ratio(self, part: str) -> float:
        """Return the epiphysis' width over the metaphysis' width, 0 before it appears, up to 1.06."""
        table = [anatomy.value(q, part, self.sex) for q in ("appears", "half_width", "full_width", "caps")]
        appears, half, full, caps = table
        now = self.age(part)
        if now < appears:
            return 0.0
        half = max(half, appears + 4.0)
        points = ((appears, 0.16), (half, 0.5), ((half + full) / 2, 0.82), (full, 1.0), (max(caps, full + 1), 1.06))
        return anatomy.interpolate(now, points)

    def cupped(self, part: str) -> float:
        """Return how far the epiphysis caps its shaft: 0 flat, 1 fully."""
        full, caps = (anatomy.value(q, part, self.sex) for q in ("full_width", "caps"))
        return anatomy.interpolate(self.age(part), ((full - 30.0, 0.0), (max(caps, full + 1), 1.0)))

    @property
    def childish(self) -> float:
        """Return 1 in infancy falling to 0 at 14 years or so: cartilage left at the bones' ends."""
        return 1.0 - min(anatomy.at_age("growth", self.age_months, self.sex) - 0.37, 0.6) / 0.6


def tube_bones(skeleton: Skeleton, growth: Growth) -> list[Piece]:
    """Return the ossified pieces of the metacarpals and phalanges."""
    pieces: list[Piece] = []
    for ray in RAYS:
        for kind in ("MC", "PP", "DP") if ray == 1 else ("MC", "PP", "MP", "DP"):
            pieces += _tube_bone(f"{kind}{ray}", skeleton, growth)
    return pieces


def _tube_bone(name: str, skeleton: Skeleton, growth: Growth) -> list[Piece]:
    base, head = skeleton.bone(name)
    kind = "MC1" if name == "MC1" else name[:2]
    if kind == "MC":  # the growth plate of the four fingers' metacarpals is at the head
        base, head = head, base
    start, along = np.array(base), np.array(head) - np.array(base)
    length = float(np.hypot(*along))
    young, fused = growth.childish, growth.fused(name)
    near, far = 0.015 + 0.02 * young**2, 0.018 + 0.032 * young**2
    height = shapes.EPIPHYSIS_HEIGHT[kind] * (1 - 0.45 * young)
    gap = (0.013 + 0.018 * young**2) * growth.openness(name)
    frame = (start + near * along, along * (1.0 - near - far))
    profile = shapes.PROFILES[kind]
    broad = growth.robust * (1.0 + (-0.16 if kind == "DP" else 0.02) * young)
    widest = 2.0 * max(width for t, width in profile if t < 0.3) * length * broad
    waist = min(width for t, width in profile if 0.2 < t < 0.8) * length * broad
    cortex = waist * anatomy.at_age("cortex", growth.age_months, growth.sex)
    depth = waist * 1.15
    pieces = []
    if fused > 0:
        whole = shapes.profile_outline(profile, 0.0, young)
        pieces.append(Piece(_place(whole, frame, broad), depth, cortex, fused, (base, head), name))
    if fused < 1:
        shaft = shapes.profile_outline(profile, height + gap, young, domed=kind == "MC")
        pieces.append(Piece(_place(shaft, frame, broad), depth, cortex, 1 - fused, (base, head), name))
        pieces += _epiphysis(name, frame, (widest * 0.97, height * length), growth, (depth, fused))
    return [*pieces, *_plate_line(name, frame, (height + gap, widest), growth)]


def _plate_line(name: str, frame: tuple[Points, Points], at: tuple[float, float], growth: Growth) -> list[Piece]:
    """Return the dense line across a tube bone at `at` = (position in bone lengths, width in mm)."""
    (origin, along), (position, widest) = frame, at
    across = np.array([along[1], -along[0]]) / np.hypot(*along)
    centre = origin + along * (position + 0.008)
    return plate_line(name, np.array([centre - 0.44 * widest * across, centre + 0.44 * widest * across]), growth)


def plate_line(name: str, ends: Points, growth: Growth) -> list[Piece]:
    """Return the dense line on the shaft's side of a growth plate; after the plate's closure it fades as the scar.

    Args:
        name: the epiphysis, as in the table of anatomy.
        ends: the line's two ends in mm, (2, 2).
        growth: the child.
    """
    end = anatomy.value("fuses_by", name, growth.sex)
    weight = anatomy.interpolate(growth.age(name), ((0.0, 0.35), (end - 24.0, 0.6), (end, 0.75), (end + 30.0, 0.0)))
    if weight <= 0:
        return []
    step = (ends[1] - ends[0]) / np.hypot(*(ends[1] - ends[0]))
    thick = 0.45 * np.array([-step[1], step[0]])
    outline = np.array([ends[0] - thick, ends[1] - thick, ends[1] + thick, ends[0] + thick])
    return [Piece(outline, 0.5, 0.5, weight, None, name + "line")]


def _place(outline: Points, frame: tuple[Points, Points], broad: float, rounds: int = 2) -> Points:
    """Map (position, half width) in bone lengths onto the hand's frame in mm."""
    origin, along = frame
    across = np.array([along[1], -along[0]])
    rounded = shapes.smooth(outline, rounds)
    return origin + rounded[:, :1] * along + rounded[:, 1:] * across * broad


def _epiphysis(
    name: str, frame: tuple[Points, Points], full: tuple[float, float], growth: Growth, body: tuple[float, float]
) -> list[Piece]:
    ratio = growth.width_ratio(name)
    if ratio <= 0:
        return []
    (full_width, full_height), (depth, fused) = full, body
    width = full_width * ratio
    height = min(full_height, max(0.55 * width if ratio < 0.4 else 0.0, full_height * (0.45 + 0.55 * ratio)))
    origin, along = frame
    unit = along / np.hypot(*along)
    domed = name[:2] == "MC" and name != "MC1"
    disc = shapes.smooth(shapes.disc_outline(width, height, growth.cupped(name), domed), 1)
    centre = origin + unit * (full_height * 0.5 + (full_height - height) * 0.35)
    outline = centre + disc[:, :1] * unit + disc[:, 1:] * np.array([unit[1], -unit[0]])
    return [Piece(outline, min(depth, 0.6 * width), 0.4, 1 - fused, None, name + "e")]

"""The bones of one hand at one age: a list of pieces, each an outline with thickness, cortex and weight."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from boneage.data import anatomy
from boneage.data import phantom_shapes as shapes
from boneage.data.phantom_pose import RAYS, Point, Skeleton
from boneage.data.phantom_shapes import Points
from boneage.groups import Sex


@dataclass(frozen=True)
class Piece:
    """One bone or part of a bone, in mm of the hand's frame.

    Attributes:
        outline: closed polygon (N, 2), x toward the thumb, y toward the fingers.
        depth: half of the bone's thickness along the beam.
        cortex: thickness of the cortical shell.
        weight: 0-1, how much of it is there (two pieces cross-fade while they fuse).
        axis: base and head of a shaft, between which the cortex is thick at mid-shaft and thin at the ends.
        plate: how much denser the shell is than plain cortex (the line of provisional calcification).
    """

    outline: Points
    depth: float
    cortex: float
    weight: float = 1.0
    axis: tuple[Point, Point] | None = None
    name: str = ""


@dataclass(frozen=True)
class Growth:
    """How mature each centre of one child is: the average child's table, shifted per centre by a few months."""

    age_months: float
    sex: Sex
    shift: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, age_months: float, sex: Sex, rng: np.random.Generator, individual: float) -> Growth:
        """Draw the shifts of one child; `individual` is the fraction of the published spread."""
        noise = rng.standard_normal(len(anatomy.CENTRES))
        shift = {
            part: float(draw) * individual * min(anatomy.spread_months(part, sex), 0.3 * anatomy.value("appears", part, sex))
            for part, draw in zip(anatomy.CENTRES, noise, strict=True)
        }
        return cls(age_months, sex, shift)

    def age(self, part: str) -> float:
        """Return the child's age in months as this centre shows it."""
        return self.age_months - self.shift.get(part, 0.0)

    def since(self, part: str, until: float) -> float:
        """Return how far a centre is from its appearance (0) to an age of maturity (1), clipped; below 0 if not there."""
        start = anatomy.value("appears", part, self.sex)
        done = (self.age(part) - start) / (until - start)
        return -1.0 if done < 0 else min(done, 1.0)

    def fused(self, part: str) -> float:
        """Return 0 while the growth plate is open, 1 when it has closed."""
        return anatomy.fused_fraction(part, self.age(part), self.sex)

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


def bones(skeleton: Skeleton, growth: Growth) -> list[Piece]:
    """Return every ossified piece of the hand."""
    pieces: list[Piece] = []
    for ray in RAYS:
        for kind in ("MC", "PP", "DP") if ray == 1 else ("MC", "PP", "MP", "DP"):
            pieces += _tube_bone(f"{kind}{ray}", skeleton, growth)
    pieces += _carpals(skeleton, growth)
    pieces += _sesamoid(skeleton, growth)
    return pieces


def _tube_bone(name: str, skeleton: Skeleton, growth: Growth) -> list[Piece]:
    base, head = skeleton.bone(name)
    kind = "MC1" if name == "MC1" else name[:2]
    if kind == "MC":  # the growth plate of the four fingers' metacarpals is at the head
        base, head = head, base
    start, along = np.array(base), np.array(head) - np.array(base)
    length = float(np.hypot(*along))
    young, fused = growth.childish, growth.fused(name)
    near, far = 0.02 + 0.02 * young, 0.02 + 0.05 * young
    height, gap = shapes.EPIPHYSIS_HEIGHT[kind], 0.012 + 0.022 * young
    stretch = 1.0 - near - far
    frame = (start + near * along, along * stretch)
    profile = shapes.PROFILES[kind]
    broad = 1.0 + 0.12 * young
    widest = 2.0 * max(width for _, width in profile) * length * broad
    waist = min(width for t, width in profile if 0.2 < t < 0.8) * length * broad
    cortex = waist * anatomy.at_age("cortex", growth.age_months, growth.sex)
    depth = waist * 1.15
    pieces = []
    if fused > 0:
        whole = shapes.profile_outline(profile, 0.0, young)
        pieces.append(Piece(_place(whole, frame, broad), depth, cortex, fused, (base, head), name))
    if fused < 1:
        shaft = shapes.profile_outline(profile, height + gap, young)
        pieces.append(Piece(_place(shaft, frame, broad), depth, cortex, 1 - fused, (base, head), name))
        pieces += _epiphysis(name, frame, (widest * 0.97, height * length), growth, (depth, fused))
    return pieces


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
    disc = shapes.smooth(shapes.disc_outline(width, height, growth.cupped(name)), 1)
    centre = origin + unit * full_height * 0.5
    outline = centre + disc[:, :1] * unit + disc[:, 1:] * np.array([unit[1], -unit[0]])
    return [Piece(outline, min(depth, 0.6 * width), 0.35, 1 - fused, None, name + "e")]


def _carpals(skeleton: Skeleton, growth: Growth) -> list[Piece]:
    until = anatomy.value("matures", "carpals", growth.sex)
    room = skeleton.wrist_y / (-0.62 * skeleton.unit)
    pieces = []
    for name in anatomy.CARPALS:
        done = growth.since(name, until)
        if done < 0:
            continue
        adult = np.array(shapes.CARPAL_OUTLINES[name])
        centre = adult.mean(axis=0)
        early = 0.22 if name in ("capitate", "hamate") else 0.45
        size = 0.22 + 0.78 * done**early
        shape = min(1.0, 0.25 + 0.9 * done)
        outline = (adult - centre) * shape + _rounded(adult - centre) * (1 - shape)
        placed = (centre * (1.0, room) + outline * size) * skeleton.unit
        depth = (0.10 if name != "pisiform" else 0.06) * size * skeleton.unit
        pieces.append(Piece(shapes.smooth(placed), depth, 0.5, 1.0, None, name))
    return pieces + _hook(skeleton, growth, room)


def _rounded(outline: Points) -> Points:
    """Return the same number of points on an ellipse of nearly the outline's extent, in the same directions."""
    extent = 0.46 * (outline.max(axis=0) - outline.min(axis=0))
    scaled = outline / extent
    return scaled / np.hypot(scaled[:, 0], scaled[:, 1])[:, None] * extent


def _hook(skeleton: Skeleton, growth: Growth, room: float) -> list[Piece]:
    tip, full = (anatomy.value(q, p, growth.sex) for q, p in (("appears_hook", "hamate"), ("matures", "hamate_hook")))
    seen = anatomy.interpolate(growth.age("hamate"), ((tip - 8.0, 0.0), (full, 1.0)))
    if seen <= 0:
        return []
    outline = np.array(shapes.HAMATE_HOOK) * (1.0, room) * skeleton.unit
    return [Piece(shapes.smooth(outline), 0.04 * skeleton.unit, 0.9, 0.6 * seen, None, "hook")]


def _sesamoid(skeleton: Skeleton, growth: Growth) -> list[Piece]:
    done = growth.since("sesamoid", anatomy.value("appears", "sesamoid", growth.sex) + 24.0)
    if done < 0:
        return []
    base, head = (np.array(point) for point in skeleton.bone("MC1"))
    along = (head - base) / np.hypot(*(head - base))
    side = np.array([-along[1], along[0]])  # toward the index finger
    radius = 0.042 * skeleton.unit * (0.35 + 0.65 * done**0.5)
    centre = head - along * 0.075 * skeleton.unit + side * 0.125 * skeleton.unit
    return [Piece(shapes.smooth(centre + shapes.disc_outline(2 * radius, 2.2 * radius, 0.0)), radius, 0.5, 1.0, None, "sesamoid")]

"""The carpal bones, the hook of the hamate and the thumb's adductor sesamoid, as pieces."""

from __future__ import annotations

import numpy as np

from boneage.phantom import anatomy, shapes
from boneage.phantom.bones import Growth, Piece
from boneage.phantom.pose import Skeleton
from boneage.phantom.shapes import Points


def small_bones(skeleton: Skeleton, growth: Growth) -> list[Piece]:
    """Return the ossified carpals and, once it is there, the sesamoid."""
    return [*_wrist(skeleton, growth), *_sesamoid(skeleton, growth)]


def _wrist(skeleton: Skeleton, growth: Growth) -> list[Piece]:
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
        wobble = growth.wobble.get(name, np.zeros(3))
        size *= 1 + 0.04 * float(wobble[2])
        placed = (centre * (1.0, room) + 0.01 * wobble[:2] + outline * size) * skeleton.unit
        depth = (0.12 if name != "pisiform" else 0.06) * size * skeleton.unit
        pieces.append(Piece(shapes.smooth(placed), depth, 0.5 + 0.25 * done, 1.0, None, name))
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
    along = (head - base) / float(np.hypot(*(head - base)))
    side = np.array([-along[1], along[0]])  # toward the index finger
    radius = 0.042 * skeleton.unit * (0.35 + 0.65 * done**0.5)
    centre = head - along * 0.075 * skeleton.unit + side * 0.125 * skeleton.unit
    return [
        Piece(
            shapes.smooth(centre + shapes.disc_outline(2 * radius, 2.2 * radius, 0.0)),
            radius,
            0.5,
            1.0,
            None,
            "sesamoid",
        )
    ]

"""Place the bones of the wrist as pieces: carpals, hook of the hamate, sesamoid, distal radius and ulna.

The forearm's shafts run off the film; its growth plates and epiphyses take their adult outlines with age.
"""

from __future__ import annotations

import math

import numpy as np

from boneage.phantom import anatomy, shapes
from boneage.phantom.bones import Growth, Piece, plate_line
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


def to_hand(points: Points, skeleton: Skeleton) -> Points:
    """Map points of the forearm's frame (MC3 lengths, y from the growth plate up) onto the hand's frame in mm."""
    turn = math.radians(skeleton.forearm_angle)
    pivot = np.array([0.03, 0.25])
    local = points - pivot
    c, s = math.cos(turn), math.sin(turn)
    turned = np.stack([c * local[:, 0] + s * local[:, 1], c * local[:, 1] - s * local[:, 0]], axis=1)
    return (turned + pivot) * skeleton.unit + np.array([0.0, skeleton.wrist_y])


def forearm_bones(skeleton: Skeleton, growth: Growth) -> list[Piece]:
    """Return the pieces of the radius and the ulna."""
    return [*_bone("radius", skeleton, growth), *_bone("ulna", skeleton, growth)]


def _bone(name: str, skeleton: Skeleton, growth: Growth) -> list[Piece]:
    table = np.array(shapes.RADIUS_SHAFT if name == "radius" else shapes.ULNA_SHAFT)
    top = np.array(shapes.RADIUS_TOP if name == "radius" else shapes.ULNA_TOP)
    fused, young = growth.fused(name), growth.childish
    slim = np.array([1 - 0.13 * young, 1.0])
    middle = np.array([0.5 * (table[0, 1] + table[0, 2]), 0.0])
    top = middle + (top - middle) * slim
    table[:, 1:] = middle[0] + (table[:, 1:] - middle[0]) * slim[0]
    drop = 0.0 if name == "radius" else 0.035 * young
    gap = (0.016 + 0.018 * young) * growth.openness(name)
    below = -table[:, 0] - drop
    left = np.stack([table[:, 1], below], axis=1)
    right = np.stack([table[:, 2], below], axis=1)[::-1]
    unit = skeleton.unit
    cortex = 0.1 * unit * anatomy.at_age("cortex", growth.age_months, growth.sex)
    depth = (0.11 if name == "radius" else 0.085) * unit
    ends = to_hand(np.array([[middle[0], below[0] + 0.2], [middle[0] - 0.03, below[0] - 2.6]]), skeleton)
    axis = ((float(ends[0, 0]), float(ends[0, 1])), (float(ends[1, 0]), float(ends[1, 1])))
    pieces = []
    if fused < 1:
        shaft = np.concatenate([left, right])
        lowered = shaft - np.array([0.0, gap]) * (shaft[:, 1:] > below[1] - 1e-9)
        pieces.append(Piece(to_hand(shapes.smooth(lowered), skeleton), depth, cortex, 1 - fused, axis, name))
        pieces += _cap(name, top - np.array([0.0, drop]), skeleton, growth, depth)
    if fused > 0:
        whole = np.concatenate([top[::-1], left[1:], right[:-1]])
        pieces.append(Piece(to_hand(shapes.smooth(whole), skeleton), depth, cortex, fused, axis, name))
    level = below[0] - gap - 0.012
    ends = np.array(
        [[0.96 * table[0, 1] + 0.04 * table[0, 2], level], [0.04 * table[0, 1] + 0.96 * table[0, 2], level]]
    )
    return pieces + plate_line(name, to_hand(ends, skeleton), growth)


def _cap(name: str, top: Points, skeleton: Skeleton, growth: Growth, depth: float) -> list[Piece]:
    """Return the epiphysis: a dot that widens into a wedge and takes its adult outline with the styloid late."""
    ratio = growth.width_ratio(name)
    if ratio <= 0:
        return []
    full = top.max(axis=0) - top.min(axis=0)
    base = top[:, 1].min()
    form = min(1.0, max(0.0, (ratio - 0.35) / 0.6)) ** 1.3
    seed = np.array([0.09 if name == "radius" else -0.33, base + 0.085])
    width, height = full[0] * ratio, full[1] * min(0.75, 0.3 + 0.45 * ratio)
    dot = seed + shapes.disc_outline(width, 0.8 * min(height, width), 0.0)[:, ::-1]
    centre = 0.5 * (top.max(axis=0) + top.min(axis=0))
    lens = np.array([_ray_hit(top, centre, point - seed) for point in dot])
    target = centre + (lens - centre) * np.array([min(ratio, 1.0), 0.6 + 0.4 * form])
    outline = dot * (1 - form) + target * form
    weight = 1 - growth.fused(name)
    return [
        Piece(
            to_hand(shapes.smooth(outline, 1), skeleton), depth * min(1.0, 0.4 + ratio), 0.5, weight, None, name + "e"
        )
    ]


def _ray_hit(polygon: Points, centre: Points, direction: Points) -> Points:
    """Return where the ray from `centre` along `direction` leaves the polygon."""
    after = np.roll(polygon, -1, axis=0)
    edge = after - polygon
    offset = polygon - centre
    cross = direction[0] * edge[:, 1] - direction[1] * edge[:, 0]
    safe = np.where(np.abs(cross) < 1e-12, 1e-12, cross)
    along = (offset[:, 0] * edge[:, 1] - offset[:, 1] * edge[:, 0]) / safe
    on_edge = (offset[:, 0] * direction[1] - offset[:, 1] * direction[0]) / safe
    hits = along[(on_edge >= -1e-9) & (on_edge <= 1 + 1e-9) & (along > 0)]
    return centre + direction * (float(hits.max()) if len(hits) else 1.0)

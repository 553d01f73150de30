"""Wrap the skeleton in flesh: fingers as chains of tapered capsules, palm and forearm as polygons, in mm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from boneage.phantom import shapes
from boneage.phantom.bones import SOFT_PER_MM, Piece
from boneage.phantom.pose import Point, Skeleton
from boneage.phantom.shapes import Points
from boneage.phantom.wrist import to_hand

# Radius at the metacarpal head, at the joints and at the pulp, in MC3 lengths, of an adult; children are plumper.
FINGER_RADII = {
    1: (0.175, 0.155, 0.13),
    2: (0.17, 0.155, 0.13, 0.105),
    3: (0.17, 0.158, 0.132, 0.11),
    4: (0.165, 0.148, 0.125, 0.103),
    5: (0.15, 0.13, 0.11, 0.092),
}
# Forearm edges: (y from the radial plate, ulnar x, radial x) in MC3 lengths.
FOREARM = ((0.3, -0.4, 0.3), (0.1, -0.53, 0.42), (-0.1, -0.545, 0.43), (-0.5, -0.57, 0.46), (-1.1, -0.64, 0.52),
           (-2.0, -0.74, 0.62), (-5.0, -0.86, 0.74))  # fmt: skip


@dataclass(frozen=True)
class SoftTissue:
    """Everything inside the skin, in mm: filled `polygons` and `capsules` (two ends, two radii)."""

    polygons: tuple[Points, ...]
    capsules: tuple[tuple[Point, Point, float, float], ...]


def soft_tissue(skeleton: Skeleton, plump: float) -> SoftTissue:
    """Outline the soft tissue around a skeleton.

    Args:
        skeleton: the joints.
        plump: thickness relative to the average adult's proportions; about 1.25 for infants.
    """
    capsules = []
    for ray, joints in skeleton.joints.items():
        capsules += _finger(joints, [radius * skeleton.unit * plump for radius in FINGER_RADII[ray]], skeleton.unit)
    widen = 0.55 + 0.45 * plump
    edges = np.array(FOREARM)
    outline = np.concatenate([edges[:, [1, 0]], edges[::-1][:, [2, 0]]]) * np.array([widen, 1.0])
    forearm = to_hand(shapes.smooth(outline), skeleton)
    return SoftTissue((forearm, _palm(skeleton, plump)), tuple(capsules))


def _finger(joints: tuple[Point, ...], radii: list[float], unit: float) -> list[tuple[Point, Point, float, float]]:
    chain = [*joints[1:-1], _beyond(joints[-2], joints[-1], 0.06 * unit - radii[-1])]
    radii = [*radii[: len(chain) - 1], radii[-1]]
    parts = [(joints[0], joints[1], radii[0] * 0.9, radii[0])]
    for index, (a, b) in enumerate(zip(chain, chain[1:], strict=False)):
        middle = ((a[0] + b[0]) / 2, (a[1] + b[1]) / 2)
        slim = 0.965 * (radii[index] + radii[index + 1]) / 2
        parts += [(a, middle, radii[index], slim), (middle, b, slim, radii[index + 1])]
    return parts


def _beyond(a: Point, b: Point, distance: float) -> Point:
    step = np.array(b) - np.array(a)
    end = np.array(b) + step / np.hypot(*step) * distance
    return float(end[0]), float(end[1])


def _between(skeleton: Skeleton, ray: int, share: float) -> Points:
    base, head = (np.array(point) for point in skeleton.bone(f"PP{ray}"))
    return base + share * (head - base)


def _palm(skeleton: Skeleton, plump: float) -> Points:
    """Return the palm's outline, from the wrist round the little finger's edge and the webs to the thumb."""
    unit = skeleton.unit
    joints = skeleton.joints
    web = [0.5 * (_between(skeleton, a, 0.36) + _between(skeleton, b, 0.36)) for a, b in ((5, 4), (4, 3), (3, 2))]
    ulnar = np.array([-unit, 0.0]) * plump
    thumb_mcp, thumb_base = np.array(joints[1][1]), np.array(joints[1][0])
    index_mcp = np.array(joints[2][1])
    along = (thumb_mcp - thumb_base) / np.hypot(*(thumb_mcp - thumb_base))
    out = np.array([along[1], -along[0]]) * unit * plump
    widen = 0.55 + 0.45 * plump
    wrist_edges = to_hand(np.array([[-0.545 * widen, -0.15], [0.43 * widen, -0.15]]), skeleton)
    hypothenar = np.array(joints[5][0]) + 0.24 * ulnar
    points = [
        wrist_edges[0],
        0.6 * hypothenar + 0.4 * wrist_edges[0] + np.array([0.03, 0.0]) * unit,
        hypothenar,
        0.5 * (np.array(joints[5][0]) + np.array(joints[5][1])) + 0.26 * ulnar,
        np.array(joints[5][1]) + 0.14 * ulnar,
        *web,
        index_mcp + np.array([0.15, 0.0]) * unit * plump,
        0.55 * index_mcp + 0.45 * thumb_mcp + np.array([-0.05, -0.22]) * unit,
        thumb_mcp - 0.14 * out,
        thumb_mcp + 0.14 * out,
        0.5 * (thumb_mcp + thumb_base) + 0.19 * out,
        thumb_base + 0.2 * out,
        0.5 * (thumb_base + 0.16 * out) + 0.5 * wrist_edges[1] - np.array([0.03, 0.0]) * unit,
        wrist_edges[1],
    ]
    return shapes.smooth(np.array(points), 3)


def thenar(skeleton: Skeleton) -> Piece:
    """Return the ball of the thumb, whose edge shows on a radiograph as a faint curve beside the index finger's ray."""
    thumb, base, index = (np.array(skeleton.joints[ray][at]) for ray, at in ((1, 1), (1, 0), (2, 0)))
    centre = 0.5 * thumb + 0.25 * base + 0.25 * index + np.array([-0.1, 0.02]) * skeleton.unit
    along = (thumb - base) / float(np.hypot(*(thumb - base)))
    oval = shapes.disc_outline(0.42 * skeleton.unit, 0.56 * skeleton.unit, 0.0)
    outline = centre + oval[:, :1] * along + oval[:, 1:] * np.array([along[1], -along[0]])
    faint = 0.16 * SOFT_PER_MM
    return Piece(shapes.smooth(outline), 0.12 * skeleton.unit, 0.1, 1.0, None, "thenar", faint, faint)

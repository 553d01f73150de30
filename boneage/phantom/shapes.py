"""Give the outlines of the bones as plain numbers, in lengths of the third metacarpal or of the bone itself.

Traced by eye beside adult radiographs: x toward the thumb, y toward the fingers, origin at the base of the third
metacarpal. Long bones are profiles: half width, as a fraction of the bone's length, at positions from its epiphyseal
end (0) to its other end (1).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]

CARPAL_OUTLINES: dict[str, tuple[tuple[float, float], ...]] = {
    "capitate": ((-0.099, -0.022), (-0.055, 0.0), (0.036, -0.013), (0.086, -0.04), (0.104, -0.096), (0.118, -0.169),
                 (0.129, -0.224), (0.092, -0.279), (0.042, -0.344), (-0.015, -0.375), (-0.069, -0.353),
                 (-0.102, -0.307), (-0.12, -0.243), (-0.108, -0.132)),
    "hamate": ((-0.369, -0.164), (-0.3, -0.099), (-0.213, -0.029), (-0.115, -0.013), (-0.113, -0.077),
               (-0.123, -0.169), (-0.125, -0.252), (-0.139, -0.307), (-0.177, -0.329), (-0.222, -0.303),
               (-0.29, -0.228)),
    "triquetrum": ((-0.404, -0.274), (-0.345, -0.219), (-0.281, -0.23), (-0.224, -0.279), (-0.191, -0.344),
                   (-0.218, -0.393), (-0.258, -0.449), (-0.315, -0.476), (-0.359, -0.445), (-0.375, -0.371),
                   (-0.39, -0.32)),
    "pisiform": ((-0.358, -0.279), (-0.292, -0.261), (-0.244, -0.307), (-0.235, -0.371), (-0.267, -0.436),
                 (-0.323, -0.445), (-0.359, -0.39)),
    "lunate": ((-0.238, -0.494), (-0.215, -0.426), (-0.171, -0.371), (-0.096, -0.349), (-0.038, -0.362),
               (0.004, -0.423), (-0.008, -0.472), (-0.051, -0.511), (-0.143, -0.518), (-0.207, -0.513)),
    "scaphoid": ((0.004, -0.393), (0.033, -0.344), (0.092, -0.279), (0.132, -0.233), (0.189, -0.213), (0.243, -0.232),
                 (0.281, -0.289), (0.265, -0.347), (0.214, -0.393), (0.155, -0.447), (0.099, -0.465),
                 (0.044, -0.456), (0.017, -0.43)),
    "trapezoid": ((0.094, -0.081), (0.145, -0.037), (0.21, -0.018), (0.264, -0.046), (0.273, -0.096), (0.249, -0.154),
                  (0.208, -0.2), (0.161, -0.206), (0.117, -0.182), (0.096, -0.132)),
    "trapezium": ((0.227, -0.136), (0.262, -0.077), (0.31, -0.046), (0.349, -0.059), (0.392, -0.105),
                  (0.442, -0.182), (0.418, -0.274), (0.35, -0.274), (0.288, -0.246), (0.245, -0.2)),
}  # fmt: skip
HAMATE_HOOK = ((-0.281, -0.077), (-0.232, -0.037), (-0.187, -0.05), (-0.172, -0.105), (-0.204, -0.169),
               (-0.259, -0.165), (-0.293, -0.123))  # fmt: skip
# Above the growth plate only; y from the plate, so that the tops can follow a child's wrist.
RADIUS_TOP = ((-0.19, 0.0), (-0.187, 0.082), (-0.15, 0.106), (-0.07, 0.106), (0.006, 0.141), (0.098, 0.145),
              (0.174, 0.174), (0.242, 0.229), (0.285, 0.251), (0.315, 0.193), (0.317, 0.082), (0.308, 0.0))  # fmt: skip
ULNA_TOP = ((-0.475, 0.0), (-0.468, 0.045), (-0.474, 0.11), (-0.447, 0.13), (-0.423, 0.115), (-0.403, 0.073),
            (-0.369, 0.034), (-0.325, 0.062), (-0.275, 0.057), (-0.246, 0.03), (-0.246, 0.0))  # fmt: skip
# Shafts below the plate: (y below it, ulnar edge x, radial edge x).
RADIUS_SHAFT = ((0.0, -0.19, 0.308), (0.1, -0.175, 0.298), (0.3, -0.095, 0.262), (0.55, -0.03, 0.225),
                (0.9, -0.01, 0.2), (1.6, -0.02, 0.19), (5.0, -0.12, 0.13))  # fmt: skip
ULNA_SHAFT = ((0.0, -0.475, -0.246), (0.08, -0.47, -0.256), (0.3, -0.44, -0.272), (0.7, -0.425, -0.26),
              (1.2, -0.435, -0.25), (5.0, -0.52, -0.29))  # fmt: skip

# (position from the epiphyseal end, half width) of the whole adult bone and of an infant's.
PROFILES: dict[str, tuple[tuple[float, float], ...]] = {
    "MC": ((0.0, 0.05), (0.02, 0.08), (0.07, 0.106), (0.14, 0.118), (0.2, 0.1), (0.29, 0.077), (0.42, 0.063),
           (0.6, 0.058), (0.74, 0.068), (0.85, 0.082), (0.93, 0.094), (0.985, 0.088), (1.0, 0.06)),
    "MC1": ((0.0, 0.11), (0.03, 0.165), (0.1, 0.175), (0.2, 0.14), (0.35, 0.112), (0.55, 0.105), (0.72, 0.12),
            (0.85, 0.16), (0.93, 0.155), (0.98, 0.11), (1.0, 0.05)),
    "PP": ((0.0, 0.13), (0.02, 0.168), (0.08, 0.17), (0.16, 0.148), (0.3, 0.118), (0.5, 0.1), (0.68, 0.095),
           (0.8, 0.105), (0.89, 0.125), (0.95, 0.128), (0.985, 0.11), (1.0, 0.06)),
    "MP": ((0.0, 0.17), (0.03, 0.225), (0.1, 0.23), (0.2, 0.185), (0.38, 0.138), (0.6, 0.13), (0.76, 0.15),
           (0.87, 0.185), (0.95, 0.185), (0.985, 0.15), (1.0, 0.08)),
    "DP": ((0.0, 0.2), (0.04, 0.27), (0.12, 0.27), (0.24, 0.2), (0.42, 0.135), (0.62, 0.115), (0.76, 0.14),
           (0.87, 0.19), (0.95, 0.17), (0.985, 0.11), (1.0, 0.05)),
}  # fmt: skip
# Height of the epiphysis and where its plate lies, as fractions of the bone's length.
EPIPHYSIS_HEIGHT = {"MC": 0.165, "MC1": 0.125, "PP": 0.105, "MP": 0.125, "DP": 0.155}


def smooth(points: Points, rounds: int = 2) -> Points:
    """Round a closed polygon's corners by cutting them; (N, 2) in, (N * 2**rounds, 2) out."""
    for _ in range(rounds):
        after = np.roll(points, -1, axis=0)
        points = np.stack([0.75 * points + 0.25 * after, 0.25 * points + 0.75 * after], axis=1).reshape(-1, 2)
    return points


def profile_outline(
    profile: tuple[tuple[float, float], ...], start: float, widen: float, domed: bool = False
) -> Points:
    """Return a long bone's outline (N, 2), columns (position, half width), in bone lengths, from `start` to 1.

    Args:
        profile: (position, half width) pairs.
        start: position of the cut at the epiphyseal end; 0 gives the whole bone.
        widen: 0-1, how much the waist is filled (a young child's shaft is less waisted).
        domed: whether the cut end bulges, as a metacarpal's, or is flat, as a phalanx's.
    """
    table = np.asarray(profile, dtype=np.float64)
    shaft = (table[:, 0] > 0.1) & (table[:, 0] < 0.9)
    fill = np.maximum(0.8 * table[:, 1].max() - table[:, 1], 0.0)
    widths = table[:, 1] + 0.25 * widen * fill * shaft
    t, w = table[:, 0], widths
    if start > 0:
        inside = table[:, 0] > start + 0.03
        edge = float(np.interp(start, table[:, 0], widths))
        bulge = 0.035 * widen if domed else 0.0
        cut_t = [start - 0.3 * bulge, start + 0.4 * bulge, start + bulge + 0.014]
        cut_w = [edge * 0.55, edge * (0.92 - 3.5 * bulge), edge]
        t, w = np.concatenate([cut_t, table[inside, 0]]), np.concatenate([cut_w, widths[inside]])
    return np.concatenate([np.stack([t, w], axis=1), np.stack([t, -w], axis=1)[::-1]])


def disc_outline(width: float, height: float, cup: float, domed: bool = False) -> Points:
    """Return an epiphysis as a closed outline (24, 2) around its centre: an ellipse that flattens toward a cupped disc.

    Args:
        width: full width; any unit.
        height: full height, along the bone's axis (first column, positive toward the shaft).
        cup: 0 for a plain disc, 1 for edges that reach over the shaft (capping).
        domed: whether it is flat toward the shaft and round toward the joint, as a metacarpal's head.
    """
    angle = np.linspace(0.0, 2.0 * np.pi, 24, endpoint=False)
    c, s = np.cos(angle), np.sin(angle)
    wide = min(max((width / height - 1.0) / 0.8, 0.0), 1.0)
    power = np.where(c > 0, 1.0 - 0.6 * wide, 1.0 - (0.1 if domed else 0.5) * wide)
    across = np.sign(s) * np.abs(s) ** (1.0 - 0.3 * wide)
    along = np.sign(c) * np.abs(c) ** power
    bend = cup * (0.2 if domed else 0.45) * height * across**2
    return np.stack([0.5 * height * along + bend, 0.5 * width * across], axis=1)

"""Render pieces in mm as an image of attenuation: thickness of soft tissue and bone summed along the beam.

Only integer polygon filling, distance transforms and elementary arithmetic are used, so that every machine draws alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from boneage.phantom.bones import Piece
from boneage.phantom.shapes import Points
from boneage.phantom.soft_tissue import SoftTissue

Image = NDArray[np.float32]
Mask = NDArray[np.bool_]
_SHIFT = 4
_OVERSAMPLE = 2


@dataclass(frozen=True)
class View:
    """Projection of the hand's frame (mm, y up) onto the film (px, y down): a rotation, a scale, a shift.

    `scale` is in px per mm, `cos` and `sin` those of the clockwise rotation, `height` and `width` in px.
    """

    scale: float
    cos: float
    sin: float
    shift_x: float
    shift_y: float
    height: int
    width: int

    def to_film(self, points: Points) -> Points:
        """Map (N, 2) points in mm onto (x, y) in px."""
        x = self.cos * points[:, 0] + self.sin * points[:, 1]
        y = self.cos * points[:, 1] - self.sin * points[:, 0]
        return np.stack([self.shift_x + self.scale * x, self.shift_y - self.scale * y], axis=1)


def draw_mask(tissue: SoftTissue, view: View) -> Mask:
    """Fill the soft tissue and round the webs between the fingers; bool (height, width)."""
    canvas = np.zeros((view.height, view.width), np.uint8)
    for polygon in tissue.polygons:
        cv2.fillPoly(canvas, [_fixed(view.to_film(polygon))], 1, cv2.LINE_8, _SHIFT)
    for a, b, radius_a, radius_b in tissue.capsules:
        _fill_capsule(canvas, view.to_film(np.array([a, b])), radius_a * view.scale, radius_b * view.scale)
    return _close(canvas, 2.2 * view.scale)


def _fixed(points: Points, origin: tuple[int, int] = (0, 0), zoom: int = 1) -> NDArray[np.int32]:
    return np.rint(((points - origin) * zoom + (zoom - 1) / 2) * (1 << _SHIFT)).astype(np.int32)


def _fill_capsule(canvas: NDArray[np.uint8], ends: Points, radius_a: float, radius_b: float) -> None:
    step = ends[1] - ends[0]
    normal = np.array([step[1], -step[0]]) / max(float(np.hypot(*step)), 1e-6)
    quad = np.stack(
        [
            ends[0] + normal * radius_a,
            ends[1] + normal * radius_b,
            ends[1] - normal * radius_b,
            ends[0] - normal * radius_a,
        ]
    )
    cv2.fillPoly(canvas, [_fixed(quad)], 1, cv2.LINE_8, _SHIFT)
    for end, radius in ((ends[0], radius_a), (ends[1], radius_b)):
        centre = _fixed(end[None])[0]
        cv2.circle(canvas, (int(centre[0]), int(centre[1])), round(radius * (1 << _SHIFT)), 1, -1, cv2.LINE_8, _SHIFT)


def _close(canvas: NDArray[np.uint8], radius: float) -> Mask:
    """Fill concave corners tighter than `radius` px (a morphological closing by two distance transforms)."""
    pad = int(radius) + 2
    framed = cv2.copyMakeBorder(canvas, pad, pad, pad, pad, cv2.BORDER_REPLICATE)
    away = cv2.distanceTransform(1 - framed, cv2.DIST_L2, 5)
    grown = (away <= radius).astype(np.uint8)
    inside = cv2.distanceTransform(grown, cv2.DIST_L2, 5)[pad:-pad, pad:-pad]
    return (inside > radius) | (canvas > 0)


def soft_thickness(mask: Mask, unit_px: float) -> Image:
    """Return the thickness of the soft tissue in MC3 lengths: round at the edges, thicker where the hand is broad.

    Args:
        mask: bool (H, W).
        unit_px: length of the third metacarpal in px.
    """
    pad = round(0.5 * unit_px)
    framed = cv2.copyMakeBorder(mask.astype(np.uint8), 0, pad, pad, pad, cv2.BORDER_REPLICATE)
    inside = cv2.distanceTransform(framed, cv2.DIST_L2, 5)[: mask.shape[0], pad:-pad] / np.float32(unit_px)
    rim = np.minimum(inside, np.float32(0.16))
    round_edge = np.sqrt(rim * (np.float32(0.32) - rim))
    palm = np.clip(inside - np.float32(0.13), 0, np.float32(0.15)) * np.float32(0.85)
    bulk = palm + np.clip(inside - np.float32(0.28), 0, np.float32(0.3)) * np.float32(0.55)
    small = cv2.resize(round_edge + bulk, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    blurred = cv2.GaussianBlur(small, (0, 0), 0.03 * unit_px)
    soft = cv2.resize(blurred, mask.shape[::-1], interpolation=cv2.INTER_LINEAR)
    deep = np.clip((inside - np.float32(0.06)) * np.float32(12.0), 0, 1)
    return np.asarray((round_edge + (soft - round_edge) * deep) * mask, dtype=np.float32)


def bone_attenuation(pieces: list[Piece], view: View) -> Image:
    """Return what the bones add to the attenuation, float32 (height, width), by drawing each in its own small patch."""
    total = np.zeros((view.height, view.width), np.float32)
    for piece in pieces:
        _add_piece(total, piece, view)
    return total


def _add_piece(total: Image, piece: Piece, view: View) -> None:
    outline = view.to_film(piece.outline)
    low = np.maximum(np.floor(outline.min(axis=0)).astype(int) - 1, 0)
    high = np.minimum(np.ceil(outline.max(axis=0)).astype(int) + 2, (view.width, view.height))
    size = high - low
    if size.min() < 1:
        return
    origin = (int(low[0]), int(low[1]))
    edge = 8  # so that a bone cut by the film's border shows no cortex there
    patch = np.zeros((int(size[1]) * _OVERSAMPLE + 2 * edge, int(size[0]) * _OVERSAMPLE + 2 * edge), np.uint8)
    cv2.fillPoly(patch, [_fixed(outline, origin, _OVERSAMPLE) + (edge << _SHIFT)], 1, cv2.LINE_8, _SHIFT)
    distance = cv2.distanceTransform(patch, cv2.DIST_L2, 5)[edge:-edge, edge:-edge] / np.float32(
        _OVERSAMPLE * view.scale
    )
    extra = _attenuation(distance, piece, _cortex(piece, view, origin, distance.shape))
    small = cv2.resize(extra, (int(size[0]), int(size[1])), interpolation=cv2.INTER_AREA)
    total[low[1] : high[1], low[0] : high[0]] += small * np.float32(piece.weight)


def _cortex(piece: Piece, view: View, origin: tuple[int, int], shape: tuple[int, ...]) -> Image | np.float32:
    """Return the cortex's thickness in mm: the piece's own, or thick at mid-shaft and thin at the ends."""
    if piece.axis is None:
        return np.float32(piece.cortex)
    base, head = view.to_film(np.array(piece.axis))
    step = (head - base) / float(((head - base) ** 2).sum())
    x = ((np.arange(shape[1]) + 0.5) / _OVERSAMPLE + origin[0] - base[0]) * step[0]
    y = ((np.arange(shape[0]) + 0.5) / _OVERSAMPLE + origin[1] - base[1]) * step[1]
    t = (y[:, None] + x[None, :]).astype(np.float32)
    hump = np.clip(np.float32(1.5) - np.abs(t - np.float32(0.5)) * np.float32(3.4), np.float32(0.22), 1)
    return hump * np.float32(piece.cortex)


def _attenuation(distance: Image, piece: Piece, cortex: Image | np.float32) -> Image:
    """Return bone's attenuation where `distance` mm from the outline: a tube of dense shell round spongy bone."""
    depth = np.float32(piece.depth)
    shell = np.maximum(cortex, np.float32(0.35))
    outer = np.minimum(distance, depth)
    inner = np.clip(distance - shell, 0, depth)
    core = np.maximum(depth - shell, np.float32(0.2))
    inner = np.minimum(inner, core)
    whole = 2 * np.sqrt(outer * (2 * depth - outer))
    hollow = 2 * np.sqrt(inner * (2 * core - inner))
    hollow = np.minimum(hollow, whole)
    spongy: Image | np.float32 = np.float32(piece.spongy)
    if piece.axis is not None:  # the canal at mid-shaft holds fat, the ends hold spongy bone
        spongy = spongy * (np.float32(1.15) - cortex * np.float32(0.85 / piece.cortex))
    return (whole - hollow) * np.float32(piece.dense) + hollow * spongy

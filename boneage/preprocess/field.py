"""Find the exposed field of a film: without padding, collimated borders and cassette strips, straightened where tilted.

A film that shows no such border passes unchanged. Where the border has the tone of the film's own background and the
hand is small in it, the film is cropped to what differs from the border.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Film = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Corners = NDArray[np.float32]

_SIDE = 384
# Grey levels within which pixels belong to a border of one tone: paper-like padding first, scattered radiation last.
_TOLERANCES = (4, 9, 16)
# A border tone holds at least this share of the frame's outermost pixels.
_LEAST_OF_FRAME = 0.06
# A field fills its rectangle (within the frame) at least so far; a hand without a field fills two thirds of its own.
_LEAST_FILL = 0.93
_LEAST_AREA, _MOST_AREA = 0.06, 0.985
# What the opening took away beside a field, a finger that reaches out of it perhaps, in shares of the field.
_MOST_LEFT_OUT = 0.003
_STRAIGHT_DEGREES = 0.7
_RIGHT_ANGLE_DEGREES = 2.5
# Beyond this share of the film's longer side a hand on its own background is large enough as it is.
_SMALL = 0.6
_MARGIN = 0.04
_MOST_BORDERS = 3
# A light box is at least so bright, and within it the tone changes by less than so much from pixel to pixel.
_LIT, _STEP = 120, 3.0
_THINNEST, _LEAST_SPREAD = 0.15, 3.0


@dataclass(frozen=True)
class Field:
    """The exposed field on a film.

    Attributes:
        corners: float32 (4, 2), x and y in pixels of the film: upper left, upper right, lower right, lower left.
        angle: Degrees by which straightening turns the film counter-clockwise, -45 to 45.
    """

    corners: Corners
    angle: float

    @property
    def size(self) -> tuple[int, int]:
        """Return the straightened field's (height, width) in pixels."""
        upper_left, upper_right, lower_right, lower_left = self.corners
        width = (np.hypot(*(upper_right - upper_left)) + np.hypot(*(lower_right - lower_left))) / 2
        height = (np.hypot(*(lower_left - upper_left)) + np.hypot(*(lower_right - upper_right))) / 2
        return max(16, round(float(height))), max(16, round(float(width)))


def exposed_fields(film: Film) -> tuple[Field, ...]:
    """Find the exposed fields of a film that has a border.

    Args:
        film: uint8 (H, W).

    Returns:
        The largest first; none where the film has no border.
    """
    scale = min(1.0, _SIDE / max(film.shape))
    size = (max(16, round(film.shape[1] * scale)), max(16, round(film.shape[0] * scale)))
    small = cv2.medianBlur(cv2.resize(film, size, interpolation=cv2.INTER_AREA), 5)
    ratio = np.array([film.shape[1] / size[0], film.shape[0] / size[1]], np.float32)
    found = _peeled(small)
    if not found:
        box = _content_box(~np.logical_or.reduce([np.zeros(small.shape, bool), *_borders(small, _TOLERANCES[0])]))
        found = [] if box is None else [box]
    return tuple(_field(corners * ratio) for corners in found)


def straighten(film: Film, field: Field) -> Film:
    """Crop a film to a field, turned upright where it is tilted; a straight field keeps its very pixels.

    Returns:
        uint8 (H', W').
    """
    if field.angle == 0:
        left, top = (max(0, round(float(edge))) for edge in field.corners.min(axis=0))
        right, bottom = (round(float(edge)) for edge in field.corners.max(axis=0))
        return np.ascontiguousarray(film[top:bottom, left:right])
    height, width = field.size
    target = np.array([[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]], np.float32)
    matrix = cv2.getPerspectiveTransform(field.corners, target)
    edge = cv2.BORDER_REPLICATE
    return np.asarray(cv2.warpPerspective(film, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=edge))


def draw_field(film: Film, field: Field) -> Film:
    """Return a film with a field's outline drawn in white on black, uint8 (H, W)."""
    shown = film.copy()
    points = [np.rint(field.corners).astype(np.int32)]
    thick = max(2, max(film.shape) // 200)
    for tone, width in ((0, 3 * thick), (255, thick)):
        cv2.polylines(shown, points, isClosed=True, color=tone, thickness=width)
    return shown


def _peeled(small: Film) -> list[Corners]:
    """Take one border after the other away, as long as what remains is upright; returns the corners of what remains."""
    offset, found = np.zeros(2, np.float32), []
    for _ in range(_MOST_BORDERS):
        fields = _fields(small)
        if not fields:
            break
        found = [corners + offset for corners in fields]
        low, high = fields[0].min(axis=0), fields[0].max(axis=0)
        upright = cv2.contourArea(fields[0]) > 0.99 * float(np.prod(high - low))
        if len(fields) > 1 or not upright:
            break
        (left, top), (right, bottom) = low.astype(int), high.astype(int)
        offset, small = offset + np.array([left, top], np.float32), small[top:bottom, left:right]
        if min(small.shape) < 16:
            break
    return found


def _fields(small: Film) -> list[Corners]:
    """Return the fields within the border of one tone or of all tones, by the narrowest tolerance that shows any."""
    for tolerance in _TOLERANCES:
        borders = _borders(small, tolerance)
        if len(borders) > 1:
            borders.append(np.logical_or.reduce(borders))
        tried = [_with_content(small, _rectangles(~outside)) for outside in borders]
        if any(tried):
            # The border that leaves least is the one all around.
            return min((fields for fields in tried if fields), key=lambda one: sum(map(cv2.contourArea, one)))
    return _with_content(small, _rectangles(~_light_box(small)))


def _light_box(small: Film) -> Mask:
    """Return the bright ground around a film, lit unevenly: what is connected with the frame without a step in tone."""
    # The rim may still show the wall around the light box.
    rim = max(2, round(0.015 * max(small.shape)))
    frame = np.concatenate([small[rim], small[-1 - rim], small[:, rim], small[:, -1 - rim]])
    if np.median(frame) < _LIT:
        return np.zeros(small.shape, bool)
    smooth = cv2.GaussianBlur(small, (0, 0), 1.0).astype(np.float32)
    steps = np.hypot(cv2.Sobel(smooth, cv2.CV_32F, 1, 0) / 8, cv2.Sobel(smooth, cv2.CV_32F, 0, 1) / 8)
    even = ((steps < _STEP) & (small >= _LIT - 40)).astype(np.uint8)
    even[:rim], even[-rim:], even[:, :rim], even[:, -rim:] = 1, 1, 1, 1
    _, labels = cv2.connectedComponents(even, connectivity=4)
    touching = np.bincount(np.concatenate([labels[rim], labels[-1 - rim], labels[:, rim], labels[:, -1 - rim]]))
    return np.isin(labels, 1 + np.flatnonzero(touching[1:] >= _LEAST_OF_FRAME * frame.size))


def _with_content(small: Film, fields: list[Corners]) -> list[Corners]:
    """Leave out what is no picture: a strip of the cassette between the film's ground and the frame."""
    kept = []
    for corners in fields:
        low, high = np.maximum(corners.min(axis=0), 0).astype(int), corners.max(axis=0).astype(int)
        part = small[low[1] : high[1], low[0] : high[0]]
        if part.size and min(part.shape) >= _THINNEST * max(small.shape) and part.std() >= _LEAST_SPREAD:
            kept.append(corners)
    return kept


def _borders(small: Film, tolerance: int) -> list[Mask]:
    """Return, for each tone of the frame, its pixels that are connected with the frame."""
    frame = np.concatenate([small[0], small[-1], small[:, 0], small[:, -1]])
    found = []
    for tone in _tones(frame, tolerance):
        near = (cv2.absdiff(small, np.full_like(small, tone)) <= tolerance).astype(np.uint8)
        _, labels = cv2.connectedComponents(near, connectivity=4)
        touching = np.bincount(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
        touching[0] = 0
        found.append(np.isin(labels, np.flatnonzero(touching >= _LEAST_OF_FRAME / 2 * frame.size)))
    return found


def _tones(frame: Film, tolerance: int) -> list[int]:
    """Return the grey levels that hold a good share of the frame each, the most frequent first."""
    counts = np.bincount(frame, minlength=256).astype(float)
    found: list[int] = []
    while len(found) < 8:
        near = np.convolve(counts, np.ones(2 * tolerance + 1), "same")
        tone = int(near.argmax())
        if near[tone] < _LEAST_OF_FRAME * frame.size:
            break
        inside = slice(max(0, tone - tolerance), tone + tolerance + 1)
        found.append(int(np.average(np.arange(256)[inside], weights=counts[inside])))
        counts[inside] = 0
    return found


def _rectangles(inside: Mask) -> list[Corners]:
    """Return the corners of the parts within the frame, the largest first; none where one is no rectangle."""
    height, width = inside.shape
    radius = max(1, round(0.012 * max(inside.shape)))
    opened = _opened(inside, radius)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(opened, connectivity=4)
    found: list[tuple[float, Corners]] = []
    for label in range(1, count):
        if stats[label, cv2.CC_STAT_AREA] < _LEAST_AREA / 2 * inside.size:
            continue
        part = _filled((labels == label).astype(np.uint8))
        corners = _corners(part)
        if corners is None:
            # Something else of size that the border surrounds: a hand perhaps, beside a field of something else.
            return []
        area = float(cv2.contourArea(corners))
        if _LEAST_AREA * inside.size <= area <= _MOST_AREA * height * width and _holds(inside, corners, radius):
            found.append((area, corners))
    return [corners for _, corners in sorted(found, key=lambda pair: -pair[0])]


def _opened(mask: Mask, radius: int) -> Film:
    kernel = np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)
    # The frame's edge must not eat a field that reaches it.
    padded = np.pad(mask.astype(np.uint8), 2 * radius, mode="edge")
    opened = cv2.morphologyEx(padded, cv2.MORPH_OPEN, kernel)
    return np.ascontiguousarray(opened[2 * radius : -2 * radius, 2 * radius : -2 * radius])


def _filled(part: Film) -> Film:
    contours, _ = cv2.findContours(part, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return np.asarray(cv2.drawContours(np.zeros_like(part), contours, -1, 1, thickness=-1), np.uint8)


def _corners(part: Film) -> Corners | None:
    """Return the rectangle, or the quadrangle of a photograph taken at an angle, that a part fills; else None."""
    contours, _ = cv2.findContours(part, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    hull = cv2.convexHull(max(contours, key=cv2.contourArea))
    box = np.asarray(cv2.boxPoints(cv2.minAreaRect(hull)), np.float32)
    left, top, width, height = cv2.boundingRect(hull)
    right, bottom = left + width, top + height
    upright = np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float32)
    quadrangle = cv2.approxPolyDP(hull, 0.03 * cv2.arcLength(hull, closed=True), closed=True)
    candidates = [upright, box, *([quadrangle[:, 0].astype(np.float32)] if len(quadrangle) == 4 else [])]
    shares = [_share_filled(part, corners) for corners in candidates]
    if max(shares) < _LEAST_FILL:
        return None
    # The simplest that fills as well as any other: upright, then tilted, then in perspective.
    return next(one for one, share in zip(candidates, shares, strict=True) if share >= max(shares) - 0.015)


def _share_filled(part: Film, corners: Corners) -> float:
    area = cv2.fillConvexPoly(np.zeros_like(part), np.rint(corners).astype(np.int32), 1)
    return float((part & area).sum() / max(1, area.sum()))


def _holds(inside: Mask, corners: Corners, radius: int) -> bool:
    """Tell whether hardly anything hangs out of a field, as a finger would."""
    area = cv2.fillConvexPoly(np.zeros(inside.shape, np.uint8), np.rint(corners).astype(np.int32), 1)
    near = cv2.dilate(area, np.ones((2 * radius + 1, 2 * radius + 1), np.uint8))
    _, labels = cv2.connectedComponents((inside & (near == 0)).astype(np.uint8), connectivity=4)
    edge = np.unique(labels[(cv2.dilate(near, np.ones((3, 3), np.uint8)) > 0) & (labels > 0)])
    return bool(np.isin(labels, edge[edge > 0]).sum() <= _MOST_LEFT_OUT * area.sum())


def _content_box(inside: Mask) -> Corners | None:
    """Return the box, with a margin, of what differs from the border where that is small; None otherwise."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(inside.astype(np.uint8), connectivity=8)
    kept = [label for label in range(1, count) if stats[label, cv2.CC_STAT_AREA] >= 0.002 * inside.size]
    if not kept:
        return None
    rows, columns = np.nonzero(np.isin(labels, kept))
    height, width = inside.shape
    edge = _MARGIN * max(np.ptp(rows) + 1, np.ptp(columns) + 1)
    if max(np.ptp(rows), np.ptp(columns)) + 1 > _SMALL * max(height, width):
        return None
    top, bottom = max(0.0, rows.min() - edge), min(float(height), rows.max() + 1 + edge)
    left, right = max(0.0, columns.min() - edge), min(float(width), columns.max() + 1 + edge)
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float32)


def _field(corners: Corners) -> Field:
    """Order four corners from the upper left, clockwise, and tell the tilt; a hardly tilted field is straight."""
    middle = corners.mean(axis=0)
    around = np.arctan2(corners[:, 1] - middle[1], corners[:, 0] - middle[0])
    ordered = corners[np.argsort(around)]
    # The side that is nearest to horizontal and above the middle is the upper one.
    sides = np.roll(ordered, -1, axis=0) - ordered
    tilts = np.degrees(np.arctan2(sides[:, 1], sides[:, 0]))
    first = int(np.abs(tilts).argmin())
    ordered = np.roll(ordered, -first, axis=0).astype(np.float32)
    tilts = np.roll(tilts, -first)
    skew = np.abs((np.diff([*tilts, tilts[0] + 360]) % 360) - 90).max()
    if abs(tilts[0]) < _STRAIGHT_DEGREES and skew < _RIGHT_ANGLE_DEGREES:
        low, high = ordered.min(axis=0), ordered.max(axis=0)
        straight = np.array([low, [high[0], low[1]], high, [low[0], high[1]]], np.float32)
        return Field(straight, 0.0)
    return Field(ordered, float(tilts[0]) or 1e-3)

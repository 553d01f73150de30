"""Turn the hand upright by the axis of its mask, and mirror right hands.

Angles are in degrees, counter-clockwise as one sees the film.
"""

from __future__ import annotations

from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Film = NDArray[np.uint8]
_Picture = TypeVar("_Picture", Film, Mask)

# Below this ratio of the two spreads a hand has no clear axis (spread fingers without a forearm), and stays as it is.
LEAST_ELONGATION = 1.2
SMALLEST_TURN = 1.0
_LYING = 45.0
# On 200 RSNA films the upper third of an upright hand has at least 1.1 more pieces a line than the lower third.
_CLEARLY = 0.4
_SMALL = 160


def upright_angle(mask: Mask) -> float:
    """Return by how many degrees to turn a film so that the hand's long axis is vertical, fingers up.

    The axis is the mask's first principal component. The fingers are at the end where lines across it cut the mask
    into more pieces. Where neither end does so clearly (a fist, a mitten), the direction nearer to how the film lies is
    taken; a hand that lies on its side (more than 45 degrees) has its forearm where the mask touches the frame.

    Args:
        mask: bool (H, W).

    Returns:
        Degrees, -180 to 180; 0 when the mask is empty, has no clear axis, or is upright to within a degree.
    """
    rows, columns = np.nonzero(mask)
    if rows.size < 3:
        return 0.0
    points = np.stack([columns - columns.mean(), -(rows - rows.mean())])
    values, vectors = np.linalg.eigh(points @ points.T / rows.size)
    if values[1] <= 0 or values[1] < LEAST_ELONGATION**2 * values[0]:
        return 0.0
    x, y = vectors[:, 1] if vectors[1, 1] >= 0 else -vectors[:, 1]
    fingers = _more_fingers(mask, float(np.degrees(np.arctan2(x, y))))
    lying = np.degrees(np.arctan2(abs(x), y)) > _LYING
    if fingers < -_CLEARLY or (abs(fingers) <= _CLEARLY and lying and _touches(mask, points, (x, y))):
        x, y = -x, -y
    angle = float(np.degrees(np.arctan2(x, y)))
    return angle if abs(angle) >= SMALLEST_TURN else 0.0


def turn(film: Film, angle: float) -> Film:
    """Turn a film counter-clockwise about its centre; the frame grows to hold all of it, new corners are black."""
    return np.asarray(_turned(film, angle, cv2.INTER_LINEAR), np.uint8)


def turn_mask(mask: Mask, angle: float) -> Mask:
    """Turn a mask as `turn` turns its film."""
    return _turned(mask.astype(np.uint8), angle, cv2.INTER_NEAREST).astype(bool)


def mirror(picture: _Picture) -> _Picture:
    """Exchange left and right, so that a right hand looks like a left one."""
    return np.ascontiguousarray(picture[:, ::-1])


def _more_fingers(mask: Mask, angle: float) -> float:
    """Return by how many pieces a line more the upper third of a mask has, once turned, than the lower third."""
    scale = min(1.0, _SMALL / max(mask.shape))
    size = (max(1, round(mask.shape[1] * scale)), max(1, round(mask.shape[0] * scale)))
    small = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST).astype(bool)
    turned = turn_mask(small, angle)
    lines = turned[turned.any(axis=1)]
    third = len(lines) // 3
    if third == 0:
        return 0.0
    pieces = (np.diff(np.pad(lines, ((0, 0), (1, 1))).astype(np.int8), axis=1) == 1).sum(axis=1)
    return float(pieces[:third].mean() - pieces[-third:].mean())


def _touches(mask: Mask, points: NDArray[np.float64], direction: tuple[float, float]) -> bool:
    """Tell whether the end of the mask in a direction touches the frame more than the other end does."""
    edge = np.zeros_like(mask)
    edge[[0, -1]] = True
    edge[:, [0, -1]] = True
    along = (points[0] * direction[0] + points[1] * direction[1])[edge[mask]]
    return bool((along > 0).sum() > (along < 0).sum())


def _turned(picture: Film, angle: float, interpolation: int) -> Film:
    height, width = picture.shape
    cosine, sine = abs(np.cos(np.radians(angle))), abs(np.sin(np.radians(angle)))
    new_width, new_height = round(height * sine + width * cosine), round(height * cosine + width * sine)
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), angle, 1.0)
    matrix[0, 2] += (new_width - width) / 2
    matrix[1, 2] += (new_height - height) / 2
    return np.asarray(
        cv2.warpAffine(np.ascontiguousarray(picture), matrix, (new_width, new_height), flags=interpolation)
    )

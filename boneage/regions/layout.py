"""Turn the masks of joint regions into key points, and those into one square crop for each region of the hand."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

FEWEST_JOINTS, MOST_JOINTS = 8, 24
SMALLEST_PIECE = 2e-4  # of the square's area
LARGER = 3.0  # the carpus is at least so many times the largest joint
Point = tuple[float, float]


@dataclass(frozen=True)
class KeyPoints:
    """Where the carpus and the finger joints of a prepared hand are, in shares (0-1) of its square: (x, y).

    Attributes:
        carpus: centre of the joint region of carpus, radius and ulna.
        joints: centres of the joint regions of fingers and thumb.
    """

    carpus: Point
    joints: tuple[Point, ...]

    @property
    def axis(self) -> NDArray[np.float64]:
        """The vector from the carpus to the mean of the joints, float64 (2,): the hand's direction and its length."""
        return np.mean(self.joints, axis=0) - np.array(self.carpus)


@dataclass(frozen=True)
class Crop:
    """A square along the hand's axis, in lengths of that axis: its centre lies `forward` of the carpus, `side` wide.

    It is seen at `pixels` a side.
    """

    forward: float
    side: float
    pixels: int


CROPS = {
    "carpals": Crop(0.06, 0.62, 112),
    "radius_ulna": Crop(-0.42, 0.75, 112),
    "short_bones": Crop(1.05, 2.05, 192),
}


def key_points(articular: NDArray[np.float32]) -> KeyPoints | None:
    """Find carpus and finger joints in a mask of joint regions, 0-1 (S, S); None where they do not look like a hand's.

    A whole hand has 14 to 16 pieces beside the carpus, which is by far the largest.
    """
    side = articular.shape[0]
    count, _, stats, centres = cv2.connectedComponentsWithStats((articular >= 0.5).astype(np.uint8))
    pieces = [k for k in range(1, count) if stats[k, cv2.CC_STAT_AREA] >= SMALLEST_PIECE * side * side]
    pieces.sort(key=lambda k: -stats[k, cv2.CC_STAT_AREA])
    areas = stats[pieces, cv2.CC_STAT_AREA]
    if not FEWEST_JOINTS < len(pieces) <= MOST_JOINTS + 1 or areas[0] < LARGER * areas[1]:
        return None
    carpus, *joints = (((x + 0.5) / side, (y + 0.5) / side) for x, y in centres[pieces])
    return KeyPoints(carpus, tuple(joints))


def along_axis(points: KeyPoints, places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how far places (..., 2), (x, y) in shares of the square, lie beyond the carpus, in lengths of the axis."""
    axis = points.axis
    return np.asarray((places - np.array(points.carpus)) @ axis / (axis @ axis))


def crop_matrix(points: KeyPoints, crop: Crop, side: int) -> NDArray[np.float64]:
    """Return the 2 x 3 matrix from a prepared hand of `side` pixels to a crop, fingers up."""
    centre = np.array(points.carpus) * side - 0.5 + crop.forward * points.axis * side
    return matrix_around(points, centre, crop, side)


def matrix_around(points: KeyPoints, centre: NDArray[np.float64], crop: Crop, side: int) -> NDArray[np.float64]:
    """Return the 2 x 3 matrix from a prepared hand of `side` pixels to a crop around a pixel (x, y), fingers up."""
    axis = points.axis * side
    length = float(np.hypot(*axis))
    up = axis / length
    scale = crop.pixels / (crop.side * length)
    linear = scale * np.array([[-up[1], up[0]], [-up[0], -up[1]]])
    return np.column_stack([linear, np.full(2, crop.pixels / 2 - 0.5) - linear @ centre])


def cut(prepared: NDArray[np.uint8], points: KeyPoints, crop: Crop) -> NDArray[np.uint8]:
    """Cut one region out of a prepared hand, uint8 (S, S), turned so that the fingers point up, uint8 square."""
    matrix, size = crop_matrix(points, crop, prepared.shape[0]), (crop.pixels, crop.pixels)
    return np.asarray(cv2.warpAffine(prepared, matrix, size, flags=cv2.INTER_LINEAR), np.uint8)


def corners(points: KeyPoints, crop: Crop, side: int) -> NDArray[np.float64]:
    """Return a crop's corners on a prepared hand of `side` pixels, float64 (4, 2), (x, y), from its upper left on."""
    last = crop.pixels - 1.0
    back = cv2.invertAffineTransform(crop_matrix(points, crop, side))
    places = np.array([[0, 0, 1], [last, 0, 1], [last, last, 1], [0, last, 1]], dtype=float)
    return np.asarray(places @ back.T)

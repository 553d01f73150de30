"""Arrange a prepared hand by its regions: turned upright and centred, or its ossification centres side by side.

`upright` is the normalisation of Zulkifley et al. 2021 (Diagnostics 11:765): key points, the hand turned by their angle
and centred. `mosaic` is An 2017's: ossification centres cut out and laid side by side. How large they are, and in which
order, is ours.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from boneage.regions.layout import Crop, KeyPoints, along_axis, cut, matrix_around
from boneage.regions.network import Regions

VERSION = 1
"""To be raised by whoever changes what an arranged hand looks like."""
_WHOLE_FORWARD, _WHOLE_SIDE = 0.65, 3.0
_BLOCK = 0.5  # of the mosaic's side: one of the two blocks of the wrist
_BLOCKS = {"carpals": (0.05, 0.52), "radius_ulna": (-0.17, 0.62)}  # how far forward, and their side, in axis lengths
_TILES, _TILE_LENGTHS = 7, 0.26  # tiles of short bones in a row, and their side in lengths of the hand's axis
_SMALLEST = 6e-5  # of the square's area
_RIM = 0.006  # of the square's side: what is kept around a centre


def upright(prepared: NDArray[np.uint8], points: KeyPoints, pixels: int) -> NDArray[np.uint8]:
    """Turn a prepared hand, uint8 (S, S), so that the fingers point up, and centre it, uint8 (pixels, pixels).

    The distance from the carpus to the middle of the finger joints is a third of the side.
    """
    return cut(prepared, points, Crop(_WHOLE_FORWARD, _WHOLE_SIDE, pixels))


def mosaic(prepared: NDArray[np.uint8], regions: Regions, pixels: int) -> NDArray[np.uint8]:
    """Cut the ossification centres out of a prepared hand, uint8 (S, S), and lay them side by side on black.

    Args:
        prepared: the hand.
        regions: what was found on it, with key points.
        pixels: the mosaic's side.

    Returns:
        uint8 (pixels, pixels): above, the centres of fingers and metacarpals from the tips to the wrist, each in a tile
        of its own and all at one scale; below, the carpals, and the epiphyses of radius and ulna.

    Raises:
        ValueError: when the regions have no key points.
    """
    points = regions.points
    if points is None:
        raise ValueError("a mosaic needs key points, but too few joints were found")
    sheet = np.zeros((pixels, pixels), np.uint8)
    block, tile = round(_BLOCK * pixels), pixels // _TILES
    for column, (name, (forward, lengths)) in enumerate(_BLOCKS.items()):
        part = cut(_alone(prepared, regions.masks[name]), points, Crop(forward, lengths, block))
        sheet[pixels - block :, column * block : column * block + block] = part
    most = _TILES * ((pixels - block) // tile)
    for number, (centre, picture) in enumerate(_short_bones(prepared, regions, points)[:most]):
        row, column = divmod(number, _TILES)
        matrix = matrix_around(points, centre, Crop(0.0, _TILE_LENGTHS, tile), prepared.shape[0])
        cell = cv2.warpAffine(picture, matrix, (tile, tile), flags=cv2.INTER_LINEAR)
        sheet[row * tile : (row + 1) * tile, column * tile : (column + 1) * tile] = cell
    return sheet


def _short_bones(
    prepared: NDArray[np.uint8], regions: Regions, points: KeyPoints
) -> list[tuple[NDArray[np.float64], NDArray[np.uint8]]]:
    """Return each centre of fingers and metacarpals, its place (x, y) and the hand with it alone, from the tips on."""
    side = prepared.shape[0]
    count, labels, stats, centres = cv2.connectedComponentsWithStats(regions.masks["short_bones"].astype(np.uint8))
    pieces = [k for k in range(1, count) if stats[k, cv2.CC_STAT_AREA] >= _SMALLEST * side * side]
    pieces.sort(key=lambda k: -float(along_axis(points, (centres[k] + 0.5) / side)))
    return [(centres[k], _alone(prepared, labels == k)) for k in pieces]


def _alone(prepared: NDArray[np.uint8], mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Keep what lies in a mask, and a narrow rim around it; the rest is black."""
    reach = max(1, round(_RIM * prepared.shape[0]))
    kernel = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    return np.where(cv2.dilate(mask.astype(np.uint8), kernel) > 0, prepared, np.uint8(0))

"""Hold exposed fields against the mask of the film: none may cut a hand.

A field is found by its border alone, and a border can be mistaken: for a bright strip that the forearm crosses, or for
a name plate in place of the field. What the mask network takes for a hand outranks it.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from boneage.preprocess.field import Corners, Field

Film = NDArray[np.uint8]
Points = NDArray[np.float32]

_SIDE = 256
# Surely hand: in wide black padding the network says "perhaps" of areas where nothing is.
_SURELY = 216
# A second hand counts as one from this share of the larger one; smaller parts of a mask are its errors.
_LEAST_PART = 0.25
# A hand of which less lies in a field is not this field's.
_LEAST_HELD = 0.5
# A mask's ragged edge, as a share of its pixels.
_RAGGED = 0.001
# In shares of the longer side: a hand that comes so near to a side goes through it, and that side moves outwards
# so far, since a forearm as bright as the border melts into it.
_NEAR, _BEYOND = 0.004, 0.01
# A field that would have to grow further, in shares of its side, is not the hand's field.
_MOST_GROWTH = 0.2
_WHOLE = 0.985


def fields_around_hands(fields: Sequence[Field], soft: Film) -> tuple[Field, ...]:
    """Let fields grow until they hold the hands of a film's mask; return none where they miss one.

    Args:
        fields: what `field.exposed_fields` found.
        soft: the mask of the whole film, uint8 (H, W), 255 for hand.

    Returns:
        The field that holds most of the hands first. Where the mask shows nothing the fields come back as they are.
    """
    hands = _hands(soft)
    if not hands or not fields:
        return tuple(fields)
    kept, held = list(fields), np.zeros(len(fields))
    for hand in hands:
        shares = [_share_within(field, hand) for field in kept]
        best = int(np.argmax(shares))
        grown = _grown(kept[best], hand, (soft.shape[0], soft.shape[1])) if shares[best] >= _LEAST_HELD else None
        if grown is None:
            return ()
        kept[best], held[best] = grown, held[best] + len(hand)
    if any(cv2.contourArea(field.corners) > _WHOLE * soft.size for field in kept):
        return ()
    return tuple(kept[index] for index in np.argsort(-held, kind="stable"))


def without_other_fields(film: Film, fields: Sequence[Field], soft: Film) -> Film:
    """Black out fields that hold no part of a hand, in the tone of the edge; the film itself where there are none.

    Args:
        film: uint8 (H, W).
        fields: what `field.exposed_fields` found.
        soft: the mask of the whole film, uint8 (H, W), 255 for hand.
    """
    hands = _hands(soft)
    others = [field for field in fields if hands and not any(_share_within(field, hand) for hand in hands)]
    if not others:
        return film
    tone = int(np.median(np.concatenate([film[0], film[-1], film[:, 0], film[:, -1]])))
    cleared = film.copy()
    for field in others:
        cv2.fillConvexPoly(cleared, np.rint(field.corners).astype(np.int32), tone)
    return cleared


def _hands(soft: Film) -> list[Points]:
    """Return the pixels of every hand of a mask, float32 (N, 2), x and y in pixels of the film."""
    scale = min(1.0, _SIDE / max(soft.shape))
    size = (max(1, round(soft.shape[1] * scale)), max(1, round(soft.shape[0] * scale)))
    small = (cv2.resize(soft, size, interpolation=cv2.INTER_AREA) >= _SURELY).astype(np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(small, connectivity=8)
    areas = stats[1:, cv2.CC_STAT_AREA]
    ratio = np.array([soft.shape[1] / size[0], soft.shape[0] / size[1]], np.float32)
    found = []
    for label in 1 + np.flatnonzero(areas >= _LEAST_PART * areas.max(initial=16)):
        rows, columns = np.nonzero(labels == label)
        found.append((np.stack([columns, rows], axis=1).astype(np.float32) + 0.5) * ratio)
    return found


def _share_within(field: Field, hand: Points) -> float:
    width, height = _extent(field)
    inside = _moved(hand, _straightening(field))
    return float(((inside >= 0) & (inside <= [width, height])).all(axis=1).mean())


def _grown(field: Field, hand: Points, shape: tuple[int, int]) -> Field | None:
    """Return a field grown to hold a hand, itself where it does, None where it would have to grow too far."""
    width, height = _extent(field)
    matrix = _straightening(field)
    low, high = np.quantile(_moved(hand, matrix), (_RAGGED, 1 - _RAGGED), axis=0)
    longer = max(width, height)
    lacking = np.array([*-low, *(high - [width, height])])
    if (lacking > _MOST_GROWTH * np.array([width, height, width, height])).any():
        return None
    left, top, right, bottom = np.where(lacking > -_NEAR * longer, np.maximum(lacking, 0) + _BEYOND * longer, 0)
    if not left + top + right + bottom:
        return field
    x, y = np.array([-left, width + right]), np.array([-top, height + bottom])
    wider = np.array([[x[0], y[0]], [x[1], y[0]], [x[1], y[1]], [x[0], y[1]]], np.float32)
    corners = _moved(wider, np.linalg.inv(matrix))
    if field.angle == 0:
        corners = np.clip(corners, 0, np.array(shape[::-1], np.float32))
    return Field(corners, field.angle)


def _extent(field: Field) -> tuple[int, int]:
    height, width = field.size
    return width, height


def _straightening(field: Field) -> NDArray[np.float64]:
    """Return the matrix from the film's pixels to those of the straightened field."""
    width, height = _extent(field)
    target = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    return np.asarray(cv2.getPerspectiveTransform(field.corners, target), np.float64)


def _moved(points: Points, matrix: NDArray[np.floating]) -> Corners:
    return np.asarray(cv2.perspectiveTransform(points[None].astype(np.float32), matrix)[0], np.float32)

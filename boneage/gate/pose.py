"""Bring a film into the pose that the networks know: the field that holds the hand, one hand of two, turned upright."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from boneage.preprocess import posture
from boneage.preprocess.field import Field, exposed_fields, straighten
from boneage.preprocess.steps import mask_box, select_object
from boneage.preprocess.whole_hand import fields_around_hands, without_other_fields

Film = NDArray[np.uint8]
Mask = NDArray[np.bool_]
# A hand that leans less is left as it is: training films lean as much.
LEAST_TILT = 15.0
_MOST_FIELDS = 3
_MARGIN = 0.08
_SECOND_HAND = 0.3


def fields_of(film: Film, smallest: int, mask: Callable[[Film], Film]) -> list[tuple[Film, Field | None]]:
    """Return a film's exposed fields, cropped and straight, the hand's first; the film itself where it has none.

    A field that would cut what the film's mask shows as a hand grows, or is none; fields without a hand are then
    blacked out.

    Args:
        film: uint8 (H, W).
        smallest: Fields whose longer side has fewer pixels are left out.
        mask: gives the soft mask of a film; asked only where the film has a border.
    """
    found = exposed_fields(film)[:_MOST_FIELDS]
    if found:
        soft = mask(film)
        around = fields_around_hands(found, soft)
        film, found = (film, around) if around else (without_other_fields(film, found, soft), ())
    fields = [(straighten(film, field), field) for field in found]
    kept: list[tuple[Film, Field | None]] = [(part, field) for part, field in fields if max(part.shape) >= smallest]
    return kept or [(film, None)]


def lean(soft: Film) -> float:
    """Return by how many degrees a hand leans, by its soft mask, uint8 (H, W); counter-clockwise turning rights it."""
    return posture.upright_angle(select_object(soft >= 128))


def turned_films(film: Film, soft: Film, lying: float) -> Iterator[tuple[float, Film]]:
    """Yield a film turned in the ways in which its hand may stand upright, with the degrees, counter-clockwise.

    Args:
        film: uint8 (H, W).
        soft: its soft mask, uint8 (H, W).
        lying: what `lean` says of the mask, 0 where it says nothing.
    """
    tried: list[float] = []
    for degrees in (lying, lying + 180, 180.0, 90.0, -90.0):
        degrees = (degrees + 180) % 360 - 180
        quarter = 90.0 * round(degrees / 90)
        if abs(degrees - quarter) < LEAST_TILT:
            degrees = 180.0 if abs(quarter) == 180 else quarter
        apart = [abs((degrees - other + 180) % 360 - 180) for other in (0.0, *tried)]
        if min(apart) < LEAST_TILT:
            continue
        tried.append(degrees)
        yield degrees, turned(film, soft, degrees)


def turned(film: Film, soft: Film, degrees: float) -> Film:
    """Turn a film counter-clockwise; unless by quarters, on the grey of its edge and cropped to its hand."""
    if degrees % 90 == 0:
        return np.ascontiguousarray(np.rot90(film, round(degrees / 90)))
    edge = np.concatenate([film[0], film[-1], film[:, 0], film[:, -1]])
    tone = int(np.median(edge))
    whole = posture.turn(film, degrees)
    there = posture.turn(np.full_like(film, 255), degrees)
    whole = np.where(there >= 128, whole, np.uint8(tone)).astype(np.uint8)
    mask = posture.turn_mask(select_object(soft >= 128), degrees)
    top, bottom, left, right = mask_box(mask, _MARGIN)
    return np.ascontiguousarray(whole[top:bottom, left:right])


def halves(film: Film, soft: Film) -> tuple[Film, Film] | None:
    """Cut a film of two hands in two: between the masks' two largest parts, or where its middle holds least of a hand.

    Returns:
        The left and the right (or upper and lower) part as the film shows them; None where there is too little.
    """
    found = (soft >= 128).astype(np.uint8)
    count, labels, stats, centres = cv2.connectedComponentsWithStats(found, connectivity=8)
    order = 1 + np.argsort(-stats[1:, cv2.CC_STAT_AREA])
    if count > 2 and stats[order[1], cv2.CC_STAT_AREA] >= _SECOND_HAND * stats[order[0], cv2.CC_STAT_AREA]:
        one, other = centres[order[0]], centres[order[1]]
        axis = 1 if abs(one[0] - other[0]) >= abs(one[1] - other[1]) else 0
        first, second = sorted(order[:2], key=lambda label: centres[label][1 - axis])
        ends = [np.flatnonzero((labels == label).any(axis=1 - axis)) for label in (first, second)]
        cut = round((int(ends[0][-1]) + int(ends[1][0])) / 2)
    elif film.shape[1] > film.shape[0]:
        axis, width = 1, film.shape[1]
        profile = found.sum(axis=0)[round(0.35 * width) : round(0.65 * width)]
        cut = round(0.35 * width) + int(np.median(np.flatnonzero(profile == profile.min())))
    else:
        return None
    if not 16 <= cut <= film.shape[axis] - 16:
        return None
    parts = np.split(film, [cut], axis=axis)
    return np.ascontiguousarray(parts[0]), np.ascontiguousarray(parts[1])

"""Key points, parts and crops of drawn joints whose places are known, and what the shipped network's record says."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from boneage.paths import assets
from boneage.regions.layout import CROPS, KeyPoints, along_axis, crop_matrix, cut, key_points
from boneage.regions.network import KINDS, RegionFinder, network_input

SIDE = 320
CARPUS, FINGERS = (160, 240), [(80 + 20 * k, 100 + 10 * (k % 3)) for k in range(9)]


def drawn_joints(angle: float = 0.0) -> np.ndarray:
    """Draw one large carpus and nine joints, 0-1, turned about the middle by degrees."""
    mask = np.zeros((SIDE, SIDE), np.float32)
    cv2.circle(mask, CARPUS, 30, 1.0, -1)
    for joint in FINGERS:
        cv2.circle(mask, joint, 8, 1.0, -1)
    turn = cv2.getRotationMatrix2D(((SIDE - 1) / 2, (SIDE - 1) / 2), angle, 1.0)
    return np.asarray(cv2.warpAffine(mask, turn, (SIDE, SIDE)), np.float32)


def test_key_points_are_the_middles_of_the_pieces_and_the_largest_is_the_carpus() -> None:
    points = key_points(drawn_joints())
    assert points is not None
    assert np.allclose(np.array(points.carpus) * SIDE - 0.5, CARPUS, atol=0.5)
    found = {tuple(np.round(np.array(joint) * SIDE - 0.5).astype(int)) for joint in points.joints}
    assert found == set(FINGERS)


def test_too_few_joints_are_no_key_points() -> None:
    mask = drawn_joints()
    mask[:, 150:] = 0  # the carpus's half and four joints are left
    assert key_points(mask) is None
    assert key_points(np.zeros((SIDE, SIDE), np.float32)) is None


@pytest.mark.parametrize("angle", [0.0, 25.0, -90.0])
def test_a_crop_turns_the_fingers_up_whatever_the_angle(angle: float) -> None:
    mask = drawn_joints(angle)
    points = key_points(mask)
    assert points is not None
    crop = CROPS["short_bones"]
    part = cut((mask * 255).astype(np.uint8), points, crop)
    assert part.shape == (crop.pixels, crop.pixels)
    matrix = crop_matrix(points, crop, SIDE)
    at = [matrix @ [*(np.array(place) * SIDE - 0.5), 1] for place in (points.carpus, points.carpus + points.axis)]
    length = crop.pixels / crop.side
    assert np.allclose(at[0] - at[1], [0, length], atol=1e-6)  # the carpus lies straight below the joints
    assert np.allclose(at[0], [crop.pixels / 2 - 0.5, crop.pixels / 2 - 0.5 + crop.forward * length], atol=1e-6)


def test_along_the_axis_the_carpus_is_0_and_the_mean_of_the_joints_1() -> None:
    points = KeyPoints((0.5, 0.8), ((0.4, 0.2), (0.6, 0.4)))
    places = np.array([[0.5, 0.8], [0.5, 0.3], [0.2, 0.8]])
    assert np.allclose(along_axis(points, places), [0, 1, 0])


def test_the_networks_input_is_minus_one_to_one() -> None:
    given = network_input(np.full((500, 500), 255, np.uint8))
    assert given.shape == (1, 1, SIDE, SIDE)
    assert given.dtype == np.float32
    assert (given == 1).all()
    assert (network_input(np.zeros((100, 100), np.uint8)) == -1).all()


def test_a_blank_square_has_no_regions() -> None:
    found = RegionFinder().find(np.zeros((200, 200), np.uint8))
    assert found.points is None
    assert {name: int(mask.sum()) for name, mask in found.masks.items()} == dict.fromkeys(
        (*KINDS, "carpals", "radius_ulna", "short_bones"), 0
    )


def test_the_record_says_what_was_measured_on_kept_hands() -> None:
    figures = json.loads((assets() / "handregions.json").read_text(encoding="utf-8"))["figures"]
    assert {kind: row["dice_mean"] >= 0.85 for kind, row in figures["kept"].items()} == dict.fromkeys(KINDS, True)

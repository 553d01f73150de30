"""Facts about turning and mirroring hands."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from boneage.config import PreprocessConfig
from boneage.preprocess import posture
from boneage.preprocess.preparer import Preparer

PLAIN = PreprocessConfig(background="none", contrast="none", size=64)


def hand(height=300, width=300):
    """A mask with a broad end up (the fingers), a thumb at the right, and a forearm that leaves the frame below."""
    mask = np.zeros((height, width), np.uint8)
    cv2.ellipse(mask, (width // 2, 120), (50, 70), 0, 0, 360, 1, -1)
    cv2.line(mask, (width // 2, 120), (width // 2 + 70, 100), 1, 16)
    cv2.rectangle(mask, (width // 2 - 22, 150), (width // 2 + 22, height), 1, -1)
    return mask.astype(bool)


def test_an_upright_hand_needs_hardly_a_turn():
    assert abs(posture.upright_angle(hand())) < 8


@pytest.mark.parametrize("angle", [-40, -15, 15, 40])
def test_a_turned_hand_comes_back_to_where_the_upright_one_is(angle):
    turned = posture.turn_mask(hand(), angle)
    assert posture.upright_angle(turned) == pytest.approx(posture.upright_angle(hand()) - angle, abs=3)


@pytest.mark.parametrize("angle", [-110, -75, 75, 110])
def test_a_lying_hand_has_its_forearm_where_it_leaves_the_frame(angle):
    turned = posture.turn_mask(hand(), angle)
    rows, columns = np.flatnonzero(turned.any(1)), np.flatnonzero(turned.any(0))
    turned = turned[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    turned = np.pad(turned, [(20, 20), (0, 40)] if angle < 0 else [(20, 20), (40, 0)])
    assert posture.upright_angle(turned) == pytest.approx(posture.upright_angle(hand()) - angle, abs=3)


def fingered():
    """A palm with five spread fingers up and a forearm that ends inside the frame: no edge tells where the arm is."""
    mask = np.zeros((320, 300), np.uint8)
    cv2.rectangle(mask, (105, 130), (195, 200), 1, -1)
    cv2.rectangle(mask, (125, 195), (175, 290), 1, -1)
    for tip in (70, 110, 150, 190, 230):
        cv2.line(mask, (130 + (tip - 150) // 3 + 20, 150), (tip, 40), 1, 14)
    return mask.astype(bool)


@pytest.mark.parametrize("angle", [-170, -120, -60, 0, 30, 100, 180])
def test_fingers_tell_which_end_is_up_however_the_film_lies(angle):
    turned = posture.turn_mask(fingered(), angle)
    left = (posture.upright_angle(turned) + angle + 180) % 360 - 180
    assert abs(left) < 8


def test_a_mask_without_an_axis_stays_as_it_is():
    disk = np.zeros((100, 100), np.uint8)
    cv2.circle(disk, (50, 50), 30, 1, -1)
    assert posture.upright_angle(disk.astype(bool)) == 0
    assert posture.upright_angle(np.zeros((20, 20), bool)) == 0


def test_nothing_is_lost_by_turning():
    film = np.zeros((40, 90), np.uint8)
    film[0, 0] = film[0, -1] = film[-1, 0] = film[-1, -1] = 255
    turned = posture.turn(film, 30)
    assert turned.shape == (round(90 * 0.5 + 40 * 0.866), round(90 * 0.866 + 40 * 0.5))
    assert (cv2.connectedComponents((turned > 20).astype(np.uint8))[0] - 1) == 4
    np.testing.assert_array_equal(posture.turn(film, 180), film[::-1, ::-1])


def test_only_known_right_hands_are_mirrored():
    film = np.tile(np.arange(64, dtype=np.uint8), (64, 1))
    mirroring = Preparer(PreprocessConfig(background="none", contrast="none", size=64, mirror="right"))
    np.testing.assert_array_equal(mirroring.prepare(film, "R").image, film[:, ::-1])
    assert mirroring.prepare(film, "R").mirrored
    for side in ("L", None):
        np.testing.assert_array_equal(mirroring.prepare(film, side).image, film)
    np.testing.assert_array_equal(Preparer(PLAIN).prepare(film, "R").image, film)


def test_settings_that_came_later_change_the_hash_only_when_they_are_on():
    """What was prepared, and the bundles that were shipped, before they existed stay valid."""
    assert Preparer(PLAIN).sha256 == "d28d3911940c47fa13766cd16bb46d7149ca47453417b8216220a50e978ccd35"
    changes = ({}, {"rotate": True}, {"mirror": "right"})
    assert len({Preparer(PreprocessConfig(background="none", **more)).sha256 for more in changes}) == 3


def test_every_step_is_shown_in_order(monkeypatch):
    film = np.where(hand(), 120, 20).astype(np.uint8)
    film[hand()] += np.arange(hand().sum(), dtype=np.uint64).astype(np.uint8) % 60
    monkeypatch.setattr(
        "boneage.preprocess.background.mask_session",
        lambda name, threads: lambda film: np.where(film > 60, 255, 0).astype(np.uint8),
    )
    seen = []
    config = PreprocessConfig(crop=True, pad=True, rotate=True, mirror="right", size=50)
    turned = posture.turn(film, 20)
    prepared = Preparer(config).prepare(turned, "R", lambda name, picture: seen.append((name, picture.shape)))
    assert [name for name, _ in seen] == [
        "film", "mask", "object", "contrast-equalize", "upright", "mirror", "crop", "pad", "prepared"
    ]  # fmt: skip
    assert prepared.mask.shape == turned.shape
    assert abs(prepared.angle + 20) < 10

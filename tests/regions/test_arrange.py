"""Hands arranged by drawn regions: upright whatever the angle, and a mosaic that holds the centres and nothing else."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from boneage.config import PreprocessConfig
from boneage.notices import codes_of
from boneage.preprocess.preparer import Preparer
from boneage.regions.arrange import mosaic, upright
from boneage.regions.layout import KeyPoints
from boneage.regions.network import Regions

SIDE = 400
POINTS = KeyPoints((0.5, 0.7), ((0.4, 0.4), (0.5, 0.4), (0.6, 0.4)))  # the axis is 0.3 of the side, 120 pixels, up
TIPS, CARPALS, WRIST = ((150, 100), (250, 120)), (200, 270), (200, 300)


def drawn() -> tuple[np.ndarray, Regions]:
    """Draw a hand of one grey level with brighter centres, and the masks of these."""
    masks = {name: np.zeros((SIDE, SIDE), np.uint8) for name in ("short_bones", "carpals", "radius_ulna")}
    for number, tip in enumerate(TIPS):
        cv2.circle(masks["short_bones"], tip, 6 + 2 * number, 1, -1)
    cv2.circle(masks["carpals"], CARPALS, 15, 1, -1)
    cv2.circle(masks["radius_ulna"], WRIST, 10, 1, -1)
    film = np.full((SIDE, SIDE), 60, np.uint8)
    for value, mask in zip((255, 200, 150), masks.values(), strict=True):
        film[mask > 0] = value
    return film, Regions({name: mask > 0 for name, mask in masks.items()}, POINTS)


@pytest.mark.parametrize("angle", [0.0, 40.0, 180.0])
def test_upright_puts_carpus_and_joints_at_the_same_places_whatever_the_angle(angle: float) -> None:
    film = np.zeros((SIDE, SIDE), np.uint8)
    turn = cv2.getRotationMatrix2D(((SIDE - 1) / 2, (SIDE - 1) / 2), angle, 1.0)

    def turned(place: tuple[float, float]) -> tuple[float, float]:
        x, y = turn @ [place[0] * SIDE - 0.5, place[1] * SIDE - 0.5, 1]
        return ((x + 0.5) / SIDE, (y + 0.5) / SIDE)

    points = KeyPoints(turned(POINTS.carpus), tuple(turned(joint) for joint in POINTS.joints))
    cv2.circle(film, tuple(np.round(np.array(points.carpus) * SIDE - 0.5).astype(int)), 4, 255, -1)
    found = upright(film, points, 120)
    # 120 pixels hold three lengths of the axis, and the carpus lies 0.65 of one below the middle.
    y, x = np.argwhere(found > 128).mean(axis=0)
    assert (x, y) == (pytest.approx(59.5, abs=1), pytest.approx(59.5 + 0.65 * 40, abs=1))


def test_a_mosaic_holds_every_centre_at_its_place_and_scale_and_nothing_else() -> None:
    film, regions = drawn()
    sheet = mosaic(film, regions, 280)
    tile, scale = 40, 40 / (0.26 * 120)
    for number, (radius, place) in enumerate(zip((6, 8), TIPS, strict=True)):  # the higher tip comes first
        cell = sheet[:tile, number * tile : (number + 1) * tile]
        assert (cell > 157).sum() == pytest.approx(np.pi * (radius * scale) ** 2, rel=0.1), place
        assert np.argwhere(cell > 157).mean(axis=0) == pytest.approx([19.5, 19.5], abs=1)
    assert not sheet[:140, 2 * tile :].any()
    left, right = sheet[140:, :140], sheet[140:, 140:]
    assert (left > 130).sum() == pytest.approx(np.pi * (15 * 140 / (0.52 * 120)) ** 2, rel=0.1)
    assert (right > 105).sum() == pytest.approx(np.pi * (10 * 140 / (0.62 * 120)) ** 2, rel=0.1)
    assert (left == 0).mean() > 0.6 and left.max() <= 201  # a rim of the hand is kept, the hand itself is not


def test_the_preparer_arranges_the_hand_that_it_prepared_and_says_where_it_cannot(monkeypatch) -> None:
    film, regions = drawn()
    preparer = Preparer(PreprocessConfig(background="none", contrast="none", size=280, arrange="mosaic"))
    hands = []
    monkeypatch.setattr(preparer.finder, "find", lambda hand: hands.append(hand.shape) or _enlarged(regions))
    found = preparer.prepare(film)
    assert found.image.shape == (280, 280) and hands == [(512, 512)] and not found.warnings
    np.testing.assert_allclose(found.image.mean(), mosaic(film, regions, 280).mean(), rtol=0.05)
    monkeypatch.setattr(preparer.finder, "find", lambda hand: Regions({}, None))
    left = preparer.prepare(film)
    assert codes_of(left.warnings) == ["arrange.no_joints"]
    np.testing.assert_array_equal(left.image, cv2.resize(film, (280, 280), interpolation=cv2.INTER_AREA))
    plain = Preparer(PreprocessConfig(background="none", contrast="none", size=280))
    upright_hands = Preparer(PreprocessConfig(background="none", contrast="none", size=280, arrange="upright"))
    assert len({each.sha256 for each in (preparer, plain, upright_hands)}) == 3


def _enlarged(regions: Regions) -> Regions:
    sizes = {
        name: cv2.resize(mask.astype(np.uint8), (512, 512), interpolation=cv2.INTER_NEAREST) > 0
        for name, mask in regions.masks.items()
    }
    return Regions(sizes, regions.points)

"""Facts about the exposed field: found in every frame that is drawn, and a film without a border is left alone."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from boneage.gate.frames import FRAMES, corners_of
from boneage.groups import Sex
from boneage.phantom.hand import draw
from boneage.preprocess.field import draw_field, exposed_fields, straighten


@pytest.fixture(scope="module")
def film() -> np.ndarray:
    """A simulated film without a border, uint8 (H, W), on a ground that black padding differs from."""
    return np.clip(draw(84.0, Sex.FEMALE, 5).image.astype(int) + 25, 0, 255).astype(np.uint8)


def test_a_film_without_a_border_has_no_field(film):
    assert exposed_fields(film) == ()


@pytest.mark.parametrize("frame", FRAMES)
def test_the_corners_are_found_in_every_frame(frame, film):
    rng = np.random.default_rng(3)
    for _ in range(4):
        framed, corners = FRAMES[frame](film, rng)
        found = exposed_fields(framed)[0]
        assert np.hypot(*(found.corners - corners).T).max() < 0.02 * max(film.shape)
        straight = straighten(framed, found)
        assert np.abs(np.subtract(straight.shape, film.shape)).max() < 0.03 * max(film.shape)


def test_a_straight_field_keeps_its_very_pixels(film):
    framed = np.full((film.shape[0] + 100, film.shape[1] + 80), 235, np.uint8)
    framed[50:-50, 40:-40] = film
    field = exposed_fields(framed)[0]
    straight = straighten(framed, field)
    top, left = np.rint(field.corners[0]).astype(int)[::-1]
    np.testing.assert_array_equal(straight, framed[top : top + straight.shape[0], left : left + straight.shape[1]])
    assert field.angle == 0 and (draw_field(framed, field) != framed).any()


def test_a_small_hand_on_its_own_ground_is_cropped_to_what_is_there(film):
    dark = np.clip(film.astype(int) - 45, 0, 255).astype(np.uint8)
    square = np.zeros((3 * film.shape[0], 3 * film.shape[1]), np.uint8)
    square[200 : 200 + film.shape[0], 300 : 300 + film.shape[1]] = dark
    field = exposed_fields(square)[0]
    low, high = field.corners.min(axis=0), field.corners.max(axis=0)
    rows, columns = np.nonzero(square > 20)
    assert low[1] <= rows.min() and low[0] <= columns.min() and high[1] >= rows.max() and high[0] >= columns.max()
    assert field.size[0] < 1.4 * film.shape[0]


def test_a_film_photographed_on_an_unevenly_lit_box_is_found_in_perspective(film):
    height, width = film.shape
    size = (round(1.6 * width), round(1.5 * height))
    photograph = np.tile(np.linspace(190, 235, size[0]), (size[1], 1)).astype(np.uint8)
    photograph[:30], photograph[:, :25] = 40, 40  # the wall beside the light box
    left, top = round(0.3 * width), round(0.2 * height)
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32) + [left, top]
    corners += np.array([[0.06, 0], [0.95, 0.05], [1.03, 0.99], [0, 1.02]]) * [width, height] - corners + [left, top]
    matrix = cv2.getPerspectiveTransform(corners_of(film), corners.astype(np.float32))
    laid = cv2.warpPerspective(film, matrix, size)
    there = cv2.warpPerspective(np.ones_like(film), matrix, size) > 0
    field = exposed_fields(np.where(there, laid, photograph).astype(np.uint8))[0]
    assert np.hypot(*(field.corners - corners).T).max() < 0.02 * max(film.shape)

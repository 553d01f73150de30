"""Facts about the single steps."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from boneage.data.transforms import unstretch
from boneage.preprocess import steps


@pytest.fixture
def scene() -> np.ndarray:
    """A mask: a palm with a finger, a hole, a label plate hanging on by a thread, and a speck."""
    mask = np.zeros((200, 160), np.uint8)
    cv2.ellipse(mask, (80, 120), (45, 55), 0, 0, 360, 1, -1)
    cv2.rectangle(mask, (74, 20), (88, 90), 1, -1)
    cv2.circle(mask, (80, 130), 6, 0, -1)
    cv2.rectangle(mask, (5, 5), (40, 25), 1, -1)
    cv2.line(mask, (40, 15), (76, 30), 1, 1)
    mask[190:194, 150:154] = 1
    return mask.astype(bool)


def test_the_hand_is_kept_without_plate_speck_thread_and_hole(scene):
    kept = steps.select_object(scene)
    assert not kept[5:25, 5:40].any()
    assert not kept[190:194, 150:154].any()
    assert kept[130, 80]
    assert kept[22:90, 75:88].all()
    assert cv2.connectedComponents(kept.astype(np.uint8))[0] == 2


def test_the_outline_of_what_is_kept_is_not_eaten_away():
    disk = np.zeros((100, 100), np.uint8)
    cv2.circle(disk, (50, 50), 30, 1, -1)
    np.testing.assert_array_equal(steps.select_object(disk.astype(bool)), disk.astype(bool))


@pytest.mark.parametrize("value", [False, True])
def test_an_empty_and_a_full_mask_stay_what_they_are(value):
    mask = np.full((50, 40), value)
    np.testing.assert_array_equal(steps.select_object(mask), mask)


def test_a_mask_thinner_than_the_opening_is_not_lost():
    mask = np.zeros((300, 300), bool)
    mask[:, 100] = True
    assert steps.select_object(mask).any()


def test_equalising_makes_the_histogram_flat_within_the_mask():
    rng = np.random.default_rng(0)
    film = np.clip(rng.normal(90, 10, (200, 200)), 0, 255).astype(np.uint8)
    mask = np.zeros(film.shape, bool)
    mask[50:150, 50:150] = True
    film[~mask] = 7
    flat = steps.equalise(film, mask)
    assert (flat[~mask] == 0).all()
    assert np.histogram(flat[mask], bins=8, range=(0, 256))[0].std() < 0.35 * mask.sum() / 8


def test_sharpening_standardises_the_hand_takes_out_speckle_and_steepens_edges():
    rng = np.random.default_rng(0)
    film = np.clip(rng.normal(90, 5, (120, 120)), 0, 255).astype(np.uint8)
    film[:, 60:] += 40
    film[30, 30] = 255
    mask = np.zeros(film.shape, bool)
    mask[10:110, 10:110] = True
    found = steps.sharpen(film, mask)
    assert not found[~mask].any()
    assert found[mask].mean() == pytest.approx(128, abs=3)
    assert 45 < found[mask].std() < 65
    assert abs(int(found[30, 30]) - int(found[30, 34])) < 40  # the speckle is gone
    left, right = found[20:100, 55:59].mean(), found[20:100, 61:65].mean()
    assert right - left > found[20:100, 75:100].mean() - found[20:100, 20:45].mean()
    np.testing.assert_array_equal(steps.sharpen(np.full((9, 9), 7, np.uint8)), np.full((9, 9), 7, np.uint8))


def test_equalising_the_whole_film_is_opencvs():
    film = np.random.default_rng(0).integers(40, 120, (64, 64), dtype=np.uint8)
    assert np.abs(steps.equalise(film).astype(int) - cv2.equalizeHist(film)).max() <= 1


@pytest.mark.parametrize("name", steps.CONTRASTS)
@pytest.mark.parametrize("shade", [0, 128, 255])
def test_a_blank_film_has_no_nan(name, shade):
    film = np.full((64, 48), shade, np.uint8)
    mask = np.zeros(film.shape, bool)
    mask[10:20, 10:20] = True
    with np.errstate(all="raise"):
        for area in (None, mask, np.zeros_like(mask), np.ones_like(mask)):
            result = steps.CONTRASTS[name](film, area)
            assert (result.dtype, result.shape) == (np.uint8, film.shape)
            if area is not None:
                assert (result[~area] == 0).all()


def test_the_box_lies_around_the_mask_with_a_margin_inside_the_frame():
    mask = np.zeros((100, 100), bool)
    mask[0:50, 30:60] = True
    assert steps.mask_box(mask) == (0, 51, 29, 61)
    assert steps.mask_box(np.zeros((10, 20), bool)) == (0, 10, 0, 20)


@pytest.mark.parametrize("shape", [(10, 7), (7, 10), (10, 10), (1, 5)])
def test_padding_makes_a_square_with_the_film_in_its_middle(shape):
    film = np.full(shape, 9, np.uint8)
    square = steps.pad_to_square(film)
    assert square.shape == (max(shape), max(shape))
    assert square.sum() == film.sum()


@pytest.mark.parametrize(
    ("side", "size", "shape"),
    [
        (100, (1500, 2000), (256, 192)),
        (100, (2000, 1500), (192, 256)),
        (300, (1500, 2000), (400, 300)),
        (300, (2000, 1500), (300, 400)),
        (100, (100, 100), (100, 100)),
    ],
)
def test_unstretching_grows_and_never_throws_pixels_away(side, size, shape):
    assert unstretch(np.zeros((side, side), np.uint8), *map(float, size)).shape == shape


def test_nothing_is_unstretched_without_sizes_or_need():
    film = np.zeros((100, 75), np.uint8)
    assert unstretch(film, np.nan, np.nan) is film
    assert unstretch(film, 1505.0, 2000.0) is film

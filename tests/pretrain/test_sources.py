import cv2
import numpy as np
import pytest

from boneage.groups import AGE_GROUPS
from boneage.pretrain import sources
from boneage.pretrain.sources import Child, Film


def crowd(count=400):
    rng = np.random.default_rng(0)
    return {str(i): Child(str(i), float(rng.integers(0, 229)), int(rng.integers(2))) for i in range(count)}


def test_unseen_ids_are_the_same_tenth_every_time():
    table = crowd()
    first = sources.unseen_ids(table, excluded=[])
    assert first == sources.unseen_ids(dict(reversed(table.items())), excluded=[])
    assert len(first) == pytest.approx(40, abs=4)


def test_unseen_ids_come_from_every_sex_and_group():
    table = crowd()
    strata = {table[i].stratum for i in sources.unseen_ids(table, excluded=[])}
    assert strata == {(male, group.number) for male in (0, 1) for group in AGE_GROUPS}


def test_unseen_ids_never_include_excluded_ones():
    table = crowd()
    excluded = frozenset(list(table)[:200])
    assert not sources.unseen_ids(table, excluded) & excluded


def test_hash_of_ids_does_not_depend_on_their_order():
    assert sources.ids_sha256(["10", "9"]) == sources.ids_sha256({"9", "10"}) != sources.ids_sha256(["9"])


def test_real_small_film_gets_its_aspect_back(data):
    sizes = sources.image_sizes(data)
    film = sources.read_film(data, Film("1378", large=False), sizes)
    width, height = sizes["1378"]
    assert film.shape == (round(299 * height / width), 299) and film.dtype == np.uint8


def test_small_and_large_film_of_a_child_show_the_same(data):
    sizes = sources.image_sizes(data)
    small, large = (sources.read_film(data, Film("1379", is_large), sizes) for is_large in (False, True))
    shrunk = cv2.resize(large, small.shape[::-1], interpolation=cv2.INTER_AREA)
    assert np.corrcoef(small.ravel(), shrunk.ravel())[0, 1] > 0.97


def test_no_unseen_or_trained_child_is_a_validation_child(data):
    table, never = sources.children(data), sources.validation_ids(data)
    unseen = sources.unseen_ids(table, never)
    assert (len(table), len(never)) == (12611, 1262)
    assert not unseen & never and len(unseen) == 1136

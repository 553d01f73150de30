import json
import time
from pathlib import Path

import numpy as np
import pytest

from boneage.errors import BoneageError
from boneage.preprocess import handmask


@pytest.mark.parametrize("shape", [(300, 200), (200, 300), (40, 40), (1, 500), (1024, 760)])
def test_input_and_mask_keep_the_film_in_place(shape):
    film = np.zeros(shape, np.uint8)
    film[: max(1, shape[0] // 2), : max(1, shape[1] // 2)] = 200
    square = handmask.network_input(film)
    assert square.shape == (1, 1, handmask.SIDE, handmask.SIDE) and square.dtype == np.float32
    assert -1 <= square.min() <= square.max() <= 1
    mask = handmask.mask_from_output((square + 1) / 2, shape)
    assert mask.shape == shape and mask.dtype == np.uint8
    assert ((mask >= 128) == (film > 0)).mean() > 0.97


@pytest.mark.parametrize("level", [0, 7, 255])
def test_a_blank_film_makes_no_nan(level):
    square = handmask.network_input(np.full((120, 90), level, np.uint8))
    assert np.isfinite(square).all() and (square == -1).all()


def test_output_of_nan_becomes_background():
    nothing = np.full((1, 1, handmask.SIDE, handmask.SIDE), np.nan, np.float32)
    assert not handmask.mask_from_output(nothing, (50, 40)).any()


@pytest.mark.parametrize("film", [np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4)), np.zeros((0, 4), np.uint8)])
def test_what_is_no_film_is_refused(film):
    with pytest.raises(ValueError, match="uint8"):
        handmask.network_input(film)


def test_a_changed_network_is_refused(tmp_path):
    weights, record = tmp_path / "handmask.onnx", tmp_path / "handmask.json"
    weights.write_bytes(b"something else")
    record.write_text(json.dumps({"sha256": "0" * 64}))
    with pytest.raises(ValueError, match="sha256"):
        handmask.checked_asset(weights, record)


def test_a_missing_network_names_its_file(tmp_path):
    with pytest.raises(BoneageError, match=r"handmask\.onnx"):
        handmask.checked_asset(tmp_path / "handmask.onnx", tmp_path / "handmask.json")


@pytest.fixture(scope="module")
def find_hand():
    onnxruntime = pytest.importorskip("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(handmask.model_path()), options, providers=["CPUExecutionProvider"])

    def find(film):
        (output,) = session.run(None, {"film": handmask.network_input(film)})
        return handmask.mask_from_output(output, film.shape) >= 128

    return find


def test_shipped_network_finds_a_phantoms_hand(find_hand):
    from boneage.groups import Sex
    from boneage.phantom import hand as phantom

    for seed, age in enumerate((30.0, 90.0, 180.0)):
        hand = phantom.draw(age, Sex.FEMALE, seed=990 + seed)
        found = find_hand(hand.image)
        assert (found & hand.mask).sum() / (found | hand.mask).sum() > 0.9, age


@pytest.fixture(scope="module")
def outlined():
    """The fifteen validation outlines with their 1024 px films."""
    from boneage.pretrain import outlines, sources

    data = Path(__file__).parents[2] / ".." / "shared" / "data"
    if not (data / "hand_outlines.json").is_file():
        pytest.skip("the outlines of ../shared/data are not here")
    split = outlines.split_outlines(
        list(outlines.read_outlines(data)), frozenset(sources.large_ids(data)), sources.validation_ids(data)
    )
    return outlines.load_outlined(data, split.validation, large=True)


def test_shipped_network_agrees_with_readers_outlines(find_hand, outlined):
    overlaps = {}
    for film in outlined:
        found, truth = find_hand(film.image), film.mask >= 128
        overlaps[film.name] = (found & truth).sum() / (found | truth).sum()
    assert len(overlaps) == 15
    assert np.mean(list(overlaps.values())) >= 0.97
    assert min(overlaps.values()) >= 0.92


def test_a_mask_costs_less_than_80_ms_of_one_core(find_hand, outlined):
    find_hand(outlined[0].image)
    start = time.process_time()
    for film in outlined:
        find_hand(film.image)
    assert (time.process_time() - start) / len(outlined) < 0.08

import numpy as np

from boneage.pretrain import outlines, sources


def test_a_drawn_mask_has_the_area_of_its_outline_at_any_size():
    square = {
        "width": 1000,
        "height": 1000,
        "polygons": [{"exterior": [[200, 200], [800, 200], [800, 800], [200, 800]]}],
    }
    for side in (50, 100, 333, 1000):
        mask = outlines.draw_mask(square, (side, side))
        assert abs(mask.mean() / 255 - 0.36) < 0.004, side


def test_validation_outlines_are_fifteen_large_ones_with_the_fixed_set_first():
    ids = [str(i) for i in range(100, 160)]
    large, never = frozenset(ids[:30]), frozenset(ids[28:40])
    split = outlines.split_outlines(ids, large, never)
    assert split.validation[:2] == ("128", "129") and split.validation[2:] == tuple(ids[:13])
    assert not set(split.train) & (never | set(split.validation))
    assert set(split.withheld) == never - set(split.validation)


def test_real_outlines_leave_enough_to_train_on(data):
    split = outlines.split_outlines(
        list(outlines.read_outlines(data)), frozenset(sources.large_ids(data)), sources.validation_ids(data)
    )
    assert (len(split.train), len(split.validation), len(split.withheld)) == (48, 15, 10)


def test_real_outline_lies_on_the_hand(data):
    (film,) = outlines.load_outlined(data, ["1377"], large=True)
    hand = film.mask >= 128
    assert film.image[hand].mean() > film.image[~hand].mean() + 20
    assert 0.2 < hand.mean() < 0.6 and film.mask.dtype == np.uint8

"""The ages that a distribution's outputs stand for, and what a head makes of them."""

import numpy as np
import pytest

from boneage.learn.global_head import BINS, GlobalHead, bins_of
from boneage.learn.heads import HeadError


def test_more_outputs_go_on_beyond_both_ends():
    np.testing.assert_array_equal(bins_of(len(BINS)), BINS)
    wide = bins_of(len(BINS) + 8)
    assert (wide[0], wide[-1]) == (-24, 252) and set(BINS) < set(wide)


@pytest.mark.parametrize("count", [len(BINS) - 2, len(BINS) + 1])
def test_outputs_that_fit_no_ages_are_refused(count):
    with pytest.raises(HeadError, match=str(count)):
        bins_of(count)


@pytest.mark.parametrize(("place", "months"), [(0, 0.0), (4, 0.0), (24, 120.0), (46, 228.0)])
def test_an_age_beyond_the_ends_is_the_end(place, months):
    bias = np.full(47, -50.0, np.float32)
    bias[place] = 50.0
    head = GlobalHead("distribution", (np.zeros((3, 2)), np.zeros(2), np.zeros((2, 47)), bias))
    assert head.predict(np.zeros((1, 2)), ["female"]) == pytest.approx([months], abs=1e-3)

from __future__ import annotations

import json

import numpy as np
import pytest

from boneage.cascade.intervals import (
    Intervals,
    confident_rank,
    conformal_quantile,
    fit_intervals,
)
from boneage.groups import Sex


def test_the_quantile_is_the_one_that_guarantees_coverage():
    assert conformal_quantile(np.arange(1.0, 20.0), 0.9) == 18.0
    assert conformal_quantile(np.arange(1.0, 10.0), 0.9) == 9.0


def test_too_few_residuals_give_no_interval():
    assert conformal_quantile(np.arange(8.0), 0.9) is None
    assert conformal_quantile(np.array([]), 0.9) is None


def test_empirical_coverage_on_new_images_is_the_chosen_one():
    rng = np.random.default_rng(0)
    true = rng.uniform(0, 228, 20000)
    estimated = np.clip(true + rng.normal(0, 8, true.size), 0, 228)
    sexes = [Sex.FEMALE if i % 2 else Sex.MALE for i in range(true.size)]
    intervals = fit_intervals(sexes[:10000], estimated[:10000], true[:10000], 0.9)
    inside = []
    for sex, estimate, age in zip(sexes[10000:], estimated[10000:], true[10000:], strict=True):
        low, high = intervals.bounds(sex, float(estimate))
        inside.append(low <= age <= high)
    assert np.mean(inside) == pytest.approx(0.9, abs=0.012)


def test_a_small_cell_takes_a_rank_that_covers_confidently_and_a_large_one_the_plain_rank():
    rng = np.random.default_rng(0)
    for count in (25, 40, 60):
        rank = confident_rank(count, 0.9)
        # The share of all possible films that each of so many uniform residuals covers.
        covered = np.sort(rng.random((20000, count)), axis=1)
        assert np.mean(covered[:, rank - 1] >= 0.85) >= 0.945
        assert np.mean(covered[:, rank - 2] >= 0.85) < 0.95
    assert confident_rank(400, 0.9) == 361
    assert confident_rank(12, 0.9) is None


def test_a_cell_too_small_to_be_sure_is_no_narrower_than_its_sex():
    sexes = [Sex.FEMALE] * 112
    estimated = np.array([30.0] * 12 + [100.0] * 100)
    true = estimated + np.concatenate([np.linspace(1, 3, 12), np.linspace(0.2, 20, 100)])
    fitted = fit_intervals(sexes, estimated, true, 0.9)
    assert fitted.half_widths["female-1"] == conformal_quantile(np.abs(true - estimated), 0.9) > 15
    true[:12] = estimated[:12] + 40
    assert fit_intervals(sexes, estimated, true, 0.9).half_widths["female-1"] == 40
    assert "female-3" not in fitted.half_widths


def test_intervals_are_per_sex_and_estimated_group_and_clipped():
    intervals = Intervals(0.9, {"female-1": 10.0, "female-4": 10.0}, {})
    assert intervals.bounds(Sex.FEMALE, 4.0) == (0.0, 14.0)
    assert intervals.bounds(Sex.FEMALE, 225.0) == (215.0, 228.0)
    assert intervals.bounds(Sex.MALE, 4.0) == (None, None)


def test_intervals_survive_json():
    fitted = fit_intervals([Sex.MALE] * 30, np.full(30, 100.0), np.linspace(80, 120, 30), 0.9)
    assert Intervals.from_mapping(json.loads(json.dumps(fitted.to_mapping()))) == fitted
    assert fitted.counts["male-2"] == 30 and fitted.counts["female-1"] == 0


def test_images_without_an_estimate_are_left_out():
    estimated = np.full(30, 100.0)
    estimated[:10] = np.nan
    assert fit_intervals([Sex.MALE] * 30, estimated, np.full(30, 110.0), 0.9).counts["male-2"] == 20


def test_intervals_widen_where_routing_is_unsure_and_still_cover():
    rng = np.random.default_rng(1)
    true, surest = rng.uniform(0, 228, 20000), rng.uniform(0.3, 1, 20000)
    estimated = np.clip(true + rng.normal(0, 4, true.size) * (1 + 2 * (1 - surest)), 0, 228)
    sexes = [Sex.FEMALE] * true.size
    half = slice(0, 10000)
    widened = fit_intervals(sexes[half], estimated[half], true[half], 0.9, surest[half])
    plain = fit_intervals(sexes[half], estimated[half], true[half], 0.9)
    assert widened.half_width(Sex.FEMALE, 100.0, 0.4) > 1.5 * widened.half_width(Sex.FEMALE, 100.0, 1.0)
    assert plain.half_width(Sex.FEMALE, 100.0, 0.4) == plain.half_width(Sex.FEMALE, 100.0, 1.0)
    inside = []
    for estimate, age, sure in zip(estimated[10000:], true[10000:], surest[10000:], strict=True):
        low, high = widened.bounds(Sex.FEMALE, float(estimate), float(sure))
        inside.append(low <= age <= high)
    assert np.mean(inside) == pytest.approx(0.9, abs=0.012)
    assert Intervals.from_mapping(json.loads(json.dumps(widened.to_mapping()))) == widened

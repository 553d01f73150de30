from dataclasses import replace

import numpy as np
import pytest

from boneage.cascade.calibration import Calibration, fit_calibration, recalibrate
from boneage.cascade.intervals import Intervals
from boneage.errors import BoneageError


def site(count, seed=0, *, shift=0.0, slope=1.0, noise=6.0):
    rng = np.random.default_rng(seed)
    true = rng.uniform(20, 210, count)
    sexes = list(np.where(np.arange(count) % 2, "male", "female"))
    bias = np.where(np.arange(count) % 2, shift, -shift)
    return sexes, (true - bias) / slope + rng.normal(0, noise, count), true


def test_a_sites_own_bias_per_sex_is_found_and_taken_away():
    sexes, estimated, true = site(120, shift=8.0)
    found = recalibrate(sexes, estimated, true, 0.9, None)
    assert found.better and found.after_mae_months < found.before_mae_months - 2
    assert found.calibration.intercepts["male"] > 4 > -4 > found.calibration.intercepts["female"]


def test_a_site_without_bias_is_refused():
    refused = [not recalibrate(*site(60, seed), 0.9, None).better for seed in range(10)]
    assert sum(refused) >= 9


def test_too_few_images_are_refused():
    with pytest.raises(BoneageError, match="at least 50.*49"):
        recalibrate(*site(49), 0.9, None)


def test_a_sex_with_few_images_is_left_alone():
    sexes, estimated, true = site(100, shift=8.0)
    rows = [i for i, sex in enumerate(sexes) if sex == "male" or i < 10]
    line = fit_calibration([sexes[i] for i in rows], estimated[rows], true[rows])
    assert "female" not in line.slopes and line.apply("female", 100.0) == 100.0
    assert line.apply("male", 100.0) != 100.0


def test_corrected_ages_stay_within_the_methods_range():
    line = Calibration({"male": 2.0}, {"male": 0.0}, 60)
    assert line.apply("male", 200.0) == 228.0
    assert Calibration.from_mapping(line.to_mapping()) == line


def test_refreshed_intervals_cover_new_images_of_the_site():
    sexes, estimated, true = site(400, seed=1, shift=8.0)
    found = recalibrate(sexes, estimated, true, 0.9, None)
    new_sexes, new_estimated, new_true = site(600, seed=2, shift=8.0)
    inside = []
    for sex, age, truth in zip(new_sexes, new_estimated, new_true, strict=True):
        low, high = found.intervals.bounds(sex, found.calibration.apply(sex, float(age)))
        inside.append(low <= truth <= high)
    assert 0.85 < np.mean(inside) < 0.96


def test_groups_without_local_images_keep_their_interval():
    sexes, estimated, true = site(200)
    kept = (true > 60) & (estimated > 62)
    rows = np.flatnonzero(kept)
    current = Intervals(0.9, {"female-1": 33.0}, {"female-1": 50})
    found = recalibrate([sexes[i] for i in rows], estimated[rows], true[rows], 0.9, current)
    assert found.intervals.half_widths["female-1"] == 33.0


def test_a_cascade_applies_its_correction(cascade):
    corrected = replace(cascade, calibration=Calibration({"female": 1.0}, {"female": -7.0}, 60))
    features = np.array([[100.0, 1.0]], np.float32)
    assert corrected.estimate_features(features, ["female"])[0].bone_age_months == pytest.approx(93)
    assert corrected.estimate_features(features, ["male"])[0].bone_age_months == pytest.approx(100)


def test_refreshed_intervals_widen_where_the_classifier_is_unsure_if_the_cascades_did():
    sexes, estimated, true = site(200)
    surest = np.random.default_rng(4).uniform(0.4, 1.0, 200)
    current = Intervals(0.9, {"female-1": 33.0}, {"female-1": 50}, widened=True)
    found = recalibrate(sexes, estimated, true, 0.9, current, surest).intervals
    assert found.widened
    assert found.half_width(sexes[0], 130.0, 0.4) > 1.5 * found.half_width(sexes[0], 130.0, 1.0)
    # Without the probabilities half widths of the other kind are not mixed in.
    plain = recalibrate(sexes, estimated, true, 0.9, current).intervals
    assert not plain.widened and 33.0 not in plain.half_widths.values()
    same = recalibrate(sexes, estimated, true, 0.9, replace(current, widened=False), surest).intervals
    assert not same.widened

from dataclasses import replace

import numpy as np
import pytest

from boneage.config import Config, HeadParameters, TrainingConfig
from boneage.groups import ALL_MODELS, CLASSIFIERS, group_of
from boneage.learn.fit import Samples
from boneage.study.ablation import AblationData, SampleSet, SampleSets, ablation_table, fit_experts, route_softly
from boneage.study.out_of_fold import fit_temperatures
from boneage.study.variants import PAPER, as_held_out, run_ablation


def simulated(count, seed):
    """Features from which the age can be read, with noise."""
    rng = np.random.default_rng(seed)
    ages = rng.uniform(2, 226, count).astype(np.float32)
    base = np.stack([ages / 100, np.sqrt(ages) / 10, np.sin(ages / 40), rng.normal(0, 1, count)], axis=1)
    features = (base + rng.normal(0, 0.05, base.shape)).astype(np.float32)
    groups = np.array([group_of(float(age)) for age in ages])
    return SampleSet(Samples(features, ages, groups), np.where(np.arange(count) % 2, "male", "female"))


@pytest.fixture(scope="module")
def data():
    plain = SampleSets(simulated(400, 1), simulated(120, 2), simulated(120, 3))
    return AblationData(plain, np.arange(400) // 2 % 2, plain, (plain.train, plain.train))


@pytest.fixture(scope="module")
def config():
    params = HeadParameters(width_1=16, width_2=8, standardize=True, initial_learning_rate=0.01)
    return replace(Config(), classifier=params, regressor=params, training=TrainingConfig(epochs=8, patience=3))


def test_every_variant_is_measured_on_the_same_images(data, config):
    seen = []
    frame, coverage = run_ablation(data, config, lambda *step: seen.append(step))
    coverage = coverage.set_index(["intervals", "part"])
    assert coverage.loc[("plain", "all"), "images"] > 50 and 0.7 < coverage.loc[("plain", "all"), "coverage"] <= 1
    assert coverage.loc[("widened", "all"), "width_months"] > 0
    table = ablation_table(frame, resamples=100).set_index("variant")
    assert len(frame) == 120 and seen[-1][0] == seen[-1][1]
    for name in ("hard", "soft", "oracle", "soft, windows +12", "hard, sexes together", "soft, ensemble of folds",
                 PAPER, "soft, label distribution", "hard, 2 views averaged at estimate time"):  # fmt: skip
        assert name in table.index
    # The averaged features of this test are the plain ones.
    assert table.loc["soft, 2 views averaged at estimate time", "minus_hard"] == table.loc["soft", "minus_hard"]
    assert any(name.startswith("soft stacked") for name in table.index)
    assert table.loc["hard", "minus_hard"] == 0
    assert (table["low"] <= table["mae_months"]).all() and (table["mae_months"] <= table["high"]).all()
    constant = np.abs(frame["true_months"] - frame["true_months"].median()).mean()
    assert table.loc["soft", "mae_months"] < constant / 2


def test_wider_windows_give_the_experts_more_images(data, config, monkeypatch):
    seen = {0.0: {}, 24.0: {}}
    for months, sizes in seen.items():

        def count(key, train, watch, config, sizes=sizes):
            sizes[key.name] = (len(train), float(train.ages.min()), float(train.ages.max()))

        monkeypatch.setattr("boneage.study.ablation.fit_one", count)
        fit_experts(data.plain.train, data.plain.watch, config, overlap_months=months)
    assert all(seen[24.0][name][0] > own for name, (own, _, _) in seen[0.0].items())
    assert seen[0.0]["regressor-male-2"][1] >= 58 and 34 <= seen[24.0]["regressor-male-2"][1] < 58
    assert seen[24.0]["regressor-male-2"][2] < 139


def test_the_temperature_flattens_a_classifier_that_is_too_sure(data):
    class Sure:
        def predict(self, features):
            wrong = np.full((len(features), 4), 1e-6)
            wrong[:, 0] = 1
            return wrong

    class Expert:
        def predict(self, features):
            return np.full(len(features), 100.0)

    watch = data.plain.watch
    heads = {key: Sure() if key in CLASSIFIERS else Expert() for key in ALL_MODELS}
    assert fit_temperatures(route_softly(heads, watch), as_held_out(watch)) == {"female": 3.0, "male": 3.0}

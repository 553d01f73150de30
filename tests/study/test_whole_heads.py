"""A study of one head per sex: two are fitted, ten parts are served, and searching over ten is refused."""

from pathlib import Path
from unittest.mock import MagicMock

import numpy as np
import pandas as pd
import pytest

from boneage.config import ConfigError, from_mapping, load_config
from boneage.data.splits import make_splits
from boneage.errors import BoneageError
from boneage.evaluation.published import paper_of
from boneage.groups import ALL_MODELS, Sex, group_of
from boneage.learn.all_ages import LOSSES
from boneage.study import models
from boneage.study.finish import assemble, score
from boneage.study.job import one_by_one, run_study
from boneage.study.materials import Materials, Part, silent
from boneage.study.models import choose_configured, model_task, whole_heads

CONFIG = {
    "data": {"folds": 2},
    "classifier": {"loss": "months", "width_1": 16, "width_2": 8, "standardize": True, "initial_learning_rate": 0.01},
    "training": {"epochs": 15},
    "cascade": {"routing": "soft", "members": "folds"},
}


class Stored:
    """Features of films that tell their ages."""

    def __init__(self, table):
        rng = np.random.default_rng(0)
        ages = table["age_months"].to_numpy(np.float32)
        self.rows = pd.DataFrame(rng.normal(size=(len(table), 6)) + ages[:, None] / 40, index=table.index)

    def matrix(self, ids, view="original"):
        return self.rows.loc[list(ids)].to_numpy(np.float32)


@pytest.fixture(scope="module")
def materials():
    rng = np.random.default_rng(1)
    ages = np.concatenate([np.arange(4, 228, 8.0), rng.uniform(1, 227, 132)]).round()
    table = pd.DataFrame({"id": [f"f{n}" for n in range(len(ages))], "age_months": ages, "source": "s", "image": "i"})
    table["sex"] = ["female", "male"] * (len(ages) // 2)
    table["group"] = [group_of(age) for age in ages]
    table = table.set_index("id")
    ids = list(table.index)
    splits = make_splits(ids[:120], ids[120:], {name: number // 2 % 2 for number, name in enumerate(ids[:120])})
    part = Part(table, Stored(table), {name: f"{number:064x}" for number, name in enumerate(ids)})
    return Materials(from_mapping(CONFIG), part, splits, MagicMock(), pd.DataFrame(), None)


@pytest.fixture(scope="module")
def trained(materials):
    patch = pytest.MonkeyPatch()
    for name in ("_log_plots", "_log_curves"):  # ten times some pictures
        patch.setattr(models, name, lambda *_: None)
    tasks = [model_task(materials, key) for key in ALL_MODELS]
    assert {len(task.train) for task in tasks} == {60}  # all of its sex, whatever the part
    tracker = MagicMock()
    yield tracker, one_by_one(tasks, choose_configured, tracker, silent)
    patch.undo()


def test_two_heads_are_fitted_and_every_age_group_is_a_part_of_them(trained):
    tracker, outcomes = trained
    assert tracker.trial_run.call_count == 2 and tracker.final_run.call_count == 10
    for key, done in outcomes.items():
        whole = outcomes[next(each for each in ALL_MODELS if each.sex == key.sex)]
        assert done.final is whole.final and done.chosen is whole.chosen
        assert ("mae_months" if key.group else "accuracy") in done.metrics


def test_the_cascade_serves_the_heads_own_expectation(materials, trained):
    cascade = assemble(materials, trained[1])
    validation = score(cascade, materials.part, materials.splits.validation)
    assert validation.metrics["mae_months"] < 0.8 * validation.metrics["constant_mae_months"]
    rows = validation.per_image
    shares = rows[[f"probability_{number}" for number in (1, 2, 3, 4)]].to_numpy()
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-6)
    given = cascade.estimate_features(materials.part.samples(("f0",)).features, [Sex.FEMALE], ["172-228"])[0]
    free = cascade.estimate_features(materials.part.samples(("f0",)).features, [Sex.FEMALE])[0]
    assert free.hard_months is None  # there are no groups to choose between
    assert 172 <= given.bone_age_months <= 228  # the expectation within the range, however unlikely that is


def test_a_search_and_such_a_regressor_are_refused():
    assert {"years", "months"} == LOSSES
    with pytest.raises(BoneageError, match="boneage train"):
        run_study(from_mapping(CONFIG), train_all=one_by_one)
    with pytest.raises(ConfigError, match="set it in .classifier."):
        from_mapping({"regressor": {"loss": "years"}})


@pytest.mark.parametrize("name", ["zulkifley2021", "lee2017", "an2017"])
def test_each_recipe_is_a_study_of_one_head_per_sex_on_the_whole_fixed_validation_set(name):
    config = load_config(Path(__file__).parents[2] / "configs" / "methods" / f"{name}.toml")
    assert whole_heads(config) and config.study.experiment == "methods" and config.cascade.routing == "soft"
    assert config.study.prefix == f"boneage-{name}" and paper_of(config.study.name)
    assert config.data.validation_ids == "validation_ids.csv" and config.data.limit >= 2000

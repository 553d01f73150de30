"""The head that a backbone was trained with stands in for the five that would be fitted, and is served once."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np

from boneage.config import Config, GlobalHeadConfig
from boneage.groups import Sex
from boneage.learn.own_head import own_head
from boneage.study.out_of_fold import fit_global, global_out_of_fold, stacked_head

CONFIG = replace(Config(), global_head=GlobalHeadConfig("own"))


def test_the_networks_own_head_is_every_folds_member_and_served_once():
    materials = SimpleNamespace(config=CONFIG, splits=SimpleNamespace(train=()))
    members = fit_global(materials)
    assert len(members) == CONFIG.data.folds
    features = np.random.default_rng(0).uniform(0, 2, (10, 512)).astype(np.float32)
    sexes = [Sex.FEMALE, Sex.MALE] * 5
    months = global_out_of_fold(members, features, sexes, np.arange(10) % 5)
    np.testing.assert_allclose(months, own_head(CONFIG).predict(features, sexes), rtol=1e-5)
    stack = stacked_head(members, CONFIG)
    np.testing.assert_allclose(stack.head.predict(features, sexes), months, rtol=1e-5)


def test_no_head_is_made_where_none_is_wanted():
    config = replace(Config(), global_head=GlobalHeadConfig("none"))
    assert fit_global(SimpleNamespace(config=config, splits=SimpleNamespace(train=()))) == []

"""A head for all ages beside the experts: averaged by a share per sex, saved, loaded and served."""

import numpy as np
import pytest

from boneage.cascade.bundle import GLOBAL_FILE, BundleError, load_bundle, save_bundle
from boneage.cascade.cascade import Cascade
from boneage.cascade.routing import Head
from boneage.cascade.stack import Stack, fit_lines, spread_out
from boneage.config import BackboneConfig, CascadeConfig, Config, HeadParameters, PreprocessConfig
from boneage.groups import ALL_MODELS, Sex
from boneage.learn.features import apply_view
from boneage.learn.global_head import BINS, GlobalHead, ensemble_of, with_sex
from boneage.learn.heads import HeadError, initial_weights, predict_head
from boneage.preprocess.preparer import Preparer

FILM = np.random.default_rng(3).integers(0, 256, (90, 70), dtype=np.uint8)
STEPS = PreprocessConfig(background="none", size=64)
PARAMS = HeadParameters(width_1=16, width_2=8, loss="distribution")
VIEWS = ("original", "flip", "rotate-left")


def constant(months: float) -> GlobalHead:
    """A head for all ages of two features that always answers the same."""
    bias = np.array([(months - 120) / 60], np.float32)
    return GlobalHead("regression", (np.zeros((3, 2), "f4"), np.zeros(2, "f4"), np.zeros((2, 1), "f4"), bias))


def test_the_share_of_each_sex_averages_routed_and_global_age(cascade):
    cascade.stack = Stack(ensemble_of([constant(150), constant(170)]), {"female": 0.25})
    features = np.array([[100.0, 1], [100.0, 1]], np.float32)
    girl, boy = cascade.estimate_features(features, ["female", "male"])
    assert girl.bone_age_months == pytest.approx(0.75 * 100 + 0.25 * 160, abs=1e-3)
    assert (girl.routing, girl.hard_months) == ("stacked", pytest.approx(100))
    assert (boy.routing, boy.bone_age_months) == ("hard", pytest.approx(100))


def test_a_line_per_sex_gives_estimates_the_spread_of_true_ages():
    rng = np.random.default_rng(0)
    true = rng.uniform(10, 200, 400)
    sexes = [Sex.FEMALE] * 380 + [Sex.MALE] * 20
    drawn_in = 0.9 * true + 15 + rng.normal(0, 5, 400)
    lines = fit_lines(sexes, drawn_in, true)
    assert set(lines) == {"female"}  # twenty boys tell nothing
    again, girls = spread_out(drawn_in, sexes, lines), slice(0, 380)
    assert again[girls].mean() == pytest.approx(true[girls].mean())
    assert again[girls].std() == pytest.approx(true[girls].std())
    np.testing.assert_array_equal(again[380:], drawn_in[380:])
    young = true < 40
    assert abs((again - true)[young].mean()) < 3 < (drawn_in - true)[young].mean()


def test_a_stacked_age_is_spread_out_and_one_of_a_given_range_is_not(cascade):
    cascade.stack = Stack(constant(100), {"female": 0.5}, {"female": (1.1, -10.0)})
    features = np.array([[60.0, 1]], np.float32)
    assert cascade.estimate_features(features, ["female"])[0].bone_age_months == pytest.approx(80 * 1.1 - 10, abs=1e-3)
    given = cascade.estimate_features(features, ["female"], ["58-114"])[0]
    assert given.bone_age_months == pytest.approx(60, abs=1e-3)


def test_a_given_range_is_answered_by_its_expert_alone(cascade):
    cascade.stack = Stack(constant(10), {"female": 1.0})
    given = cascade.estimate_features(np.array([[100.0, 1]], np.float32), ["female"], ["58-114"])[0]
    assert (given.routing, given.bone_age_months, given.hard_months) == ("given", pytest.approx(100), None)


def test_a_head_of_the_wrong_number_of_arrays_is_refused():
    with pytest.raises(HeadError, match="4 arrays per member"):
        GlobalHead("regression", constant(1).weights[:3])
    with pytest.raises(HeadError, match="6 arrays per member"):
        Head(ALL_MODELS[0], PARAMS, (np.zeros(1),))


@pytest.fixture(scope="module")
def full():
    """A cascade with everything on: ensembles of distributions, three views, a stacked distribution for all ages."""
    from boneage.learn.backbones import open_backbone

    backbone = open_backbone(BackboneConfig(name="handnet", weights="none"), 64)
    rng = np.random.default_rng(5)
    heads = {}
    for number, key in enumerate(ALL_MODELS):
        members = [initial_weights(key.task, backbone.features, PARAMS, 10 * number + k) for k in range(3)]
        heads[key] = Head(key, PARAMS, tuple(weight for member in members for weight in member))
    shapes = ((backbone.features + 1, 8), (8,), (8, len(BINS)), (len(BINS),))
    weights = tuple(rng.normal(0, 0.1, shape).astype(np.float16).astype(np.float32) for shape in shapes * 2)
    settings = CascadeConfig(routing="soft", views=VIEWS, members="folds")
    config = Config(preprocess=STEPS, backbone=BackboneConfig(name="handnet", weights="none"), cascade=settings)
    lines = {"female": (1.04, -4.5), "male": (1.02, -2.0)}
    stack = Stack(GlobalHead("distribution", weights), {"female": 0.5, "male": 0.25}, lines)
    return Cascade(Preparer(STEPS), backbone, heads, config, stack=stack)


def test_everything_together_is_served_from_the_bundle_as_it_was_fitted(full, tmp_path):
    folder = save_bundle(full, tmp_path / "bundle")
    again = load_bundle(folder)
    for sex, age_range in (("female", None), ("male", None), ("male", "0-57")):
        before, after = full.estimate(FILM, sex, age_range), again.estimate(FILM, sex, age_range)
        assert {**after.to_json(), "model": ""} == before.to_json()
    assert full.estimate(FILM, "female").routing == "stacked"
    with np.load(folder / GLOBAL_FILE) as arrays:
        assert {arrays[name].dtype for name in arrays.files} == {np.dtype(np.float16)}
    (folder / GLOBAL_FILE).write_bytes(b"other")
    with pytest.raises(BundleError, match=GLOBAL_FILE):
        load_bundle(folder)


def test_an_estimate_averages_the_features_of_its_views_in_one_pass_each(full):
    prepared, before = full.prepare(FILM), full.backbone.passes
    features = full.features(prepared)
    assert full.backbone.passes - before == len(VIEWS)
    single = [full.backbone.pooled(apply_view(prepared.image, view)[None]) for view in VIEWS]
    np.testing.assert_allclose(features, np.mean(single, axis=0), rtol=1e-5, atol=1e-6)


def test_an_ensemble_answers_the_mean_of_its_members(full):
    features = np.random.default_rng(0).normal(size=(7, full.backbone.features)).astype(np.float32)
    head = full.heads[ALL_MODELS[3]]
    members = [predict_head(head.key, head.weights[first : first + 6], PARAMS, features) for first in (0, 6, 12)]
    np.testing.assert_allclose(head.predict(features), np.mean(members, axis=0), rtol=1e-5)


def test_the_sex_is_the_last_feature():
    assert with_sex(np.zeros((2, 3), np.float32), ["female", "male"])[:, 3].tolist() == [-1, 1]

"""Every option at once, from phantoms to a bundle: what is fitted out of fold is honest, what is served is the same."""

from dataclasses import replace

import numpy as np
import pytest

from boneage.cascade.bundle import load_bundle, save_bundle
from boneage.cascade.cascade import Cascade
from boneage.cascade.stack import fit_lines, spread_out
from boneage.config import from_mapping
from boneage.data.annotations import read_row
from boneage.groups import ALL_MODELS
from boneage.learn.seen_images import SeenImages
from boneage.preprocess.preparer import Preparer
from boneage.regions.ages import COLUMNS
from boneage.study import noise_guard as noisefit
from boneage.study.finish import score
from boneage.study.job import build_cascade
from boneage.study.materials import gather
from boneage.study.out_of_fold import held_out, learn_from_folds, route_out_of_fold

FILMS = 48
CONFIG = {
    "study": {"name": "together"},
    "data": {
        "sources": [{"name": "p", "layout": "phantom", "path": "phantoms", "count": FILMS, "seed": 4}],
        "folds": 3,
    },
    "preprocess": {"background": "none", "crop": True, "pad": True, "size": 128},
    "backbone": {"views": ["original", "flip"]},
    "classifier": {"standardize": True, "width_1": 16, "width_2": 8},
    "regressor": {"standardize": True, "width_1": 16, "width_2": 8, "loss": "distribution"},
    "training": {
        "epochs": 3, "patience": 2, "joint_sexes": True, "overlap_months": 12.0,
        "fine_tune": {"from_block": "last", "epochs": 1},
    },
    "global_head": {"kind": "distribution", "width": 16, "epochs": 2},
    "cascade": {
        "routing": "soft", "members": "folds", "temperature": True, "views": ["original", "rotate-left"],
        "half_precision": True, "widen_unsure": True, "coverage": 0.8, "similar_cases": 4, "regions": True,
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    patch = pytest.MonkeyPatch()
    patch.setenv("BONEAGE_HOME", str(tmp_path_factory.mktemp("home")))
    yield
    patch.undo()


@pytest.fixture(scope="module")
def materials(home):
    return gather(from_mapping(CONFIG))


@pytest.fixture(scope="module")
def cascade(materials):
    return build_cascade(materials)


def test_one_pass_is_made_per_image_and_view_and_none_again(materials):
    assert materials.backbone.passes == 3 * len(materials.part.table)
    again = gather(materials.config)
    assert (again.backbone.passes, again.backbone.sha256) == (0, materials.backbone.sha256)


def test_only_the_fold_that_fine_tuning_left_out_is_held_out(materials):
    held = held_out(materials)
    assert set(held.fold.tolist()) == {0}
    assert len(held.sexes) == sum(fold == 0 for fold in materials.splits.fold.values())


def test_estimates_are_made_from_the_average_of_the_views(materials):
    ids = materials.splits.validation
    single = [materials.part.samples(ids, view).features for view in ("original", "rotate-left")]
    np.testing.assert_allclose(materials.part.samples(ids).features, np.mean(single, axis=0), rtol=1e-6)
    assert len(materials.training_views(ids)) == 2


def test_what_is_served_is_what_was_scored(materials, cascade, tmp_path):
    again = load_bundle(save_bundle(cascade, tmp_path / "bundle"))
    assert all(len(again.heads[key].weights) == 6 * 3 for key in ALL_MODELS)
    evaluation = score(cascade, materials.part, materials.splits.validation)
    assert {"hard_months", "soft_months", "oracle_months", "global_months"} <= set(evaluation.per_image)
    assert np.isfinite(evaluation.metrics["hard_mae_months"])
    features = materials.part.served(materials.splits.validation)
    assert features.shape[1] == materials.backbone.features + COLUMNS
    served = again.estimate_features(features, list(evaluation.per_image["sex"]))
    np.testing.assert_allclose([e.bone_age_months for e in served], evaluation.per_image["estimated_months"], atol=1e-3)


def test_only_training_images_are_similar_cases(materials, cascade):
    assert set(cascade.cases.ids) == set(materials.splits.train)
    features = materials.part.samples(materials.splits.validation).features
    found = cascade.similar(features[:1], "female")
    assert len(found) == 4
    for case in found:
        row = materials.part.table.loc[case.id]
        assert (row["sex"], row["age_months"]) == ("female", case.age_months)


def test_images_out_of_fold_are_routed_by_the_heads_of_their_own_fold(materials):
    class Expert:
        def __init__(self, key, months):
            self.key, self.months = key, months

        def predict(self, features):
            return np.full(len(features), self.months) if self.key.group else np.full((len(features), 4), 0.25)

    ids = materials.splits.train
    held = replace(held_out(replace(materials, seen=SeenImages(frozenset()))), fold=materials.folds(ids))
    folds = [{key: Expert(key, 50.0 + number) for key in ALL_MODELS} for number in range(3)]
    routed = route_out_of_fold(folds, held, materials.config)
    np.testing.assert_allclose(routed.ages, 50 + held.fold)


def _check_noise_guard(materials, learnt, monkeypatch):
    """It rests on the training images alone, and its widening on errors of heads that had not seen them."""
    read, ids = [], set(materials.splits.train)
    monkeypatch.setattr(noisefit, "FILMS", 12)
    # Whole films of phantoms are grainy, and only a lower limit is passed by their noisy copies.
    monkeypatch.setattr(noisefit, "QUANTILE", 0.5)
    monkeypatch.setattr(noisefit, "read_row", lambda row: read.append(row["id"]) or read_row(row))
    served = Cascade(
        Preparer(materials.config.preprocess), materials.backbone, learnt.heads, materials.config, {}, learnt.intervals
    )
    guard = noisefit.fit_noise_guard(materials, served, learnt)
    assert len(read) == 12 and set(read) <= ids
    assert guard.side == materials.backbone.input_size and guard.films == len(ids)
    assert guard.copies >= 12 and guard.widening >= 1
    levels = noisefit.film_levels(materials.part.table.loc[list(ids)].reset_index(), materials.config.preprocess, 128)
    assert np.mean([guard.noisy(level) for level in levels]) == pytest.approx(0.5, abs=0.03)
    few = replace(learnt, held=held_out(materials))
    assert noisefit.fit_noise_guard(materials, served, few) is None


def test_with_enough_images_out_of_fold_shares_temperatures_and_intervals_are_fitted(materials, monkeypatch):
    monkeypatch.setattr("boneage.study.out_of_fold.FEWEST", 10)
    monkeypatch.setattr("boneage.cascade.stack.FEWEST", 10)
    outcomes = {}
    monkeypatch.setattr("boneage.study.job.assemble", lambda materials, found: outcomes.update(found))
    build_cascade(materials)
    spread = replace(materials.config, global_head=replace(materials.config.global_head, match_spread=True))
    learnt = learn_from_folds(replace(materials, config=spread, seen=SeenImages(frozenset())), outcomes)
    held, drawn_in = learnt.held, replace(learnt, stack=replace(learnt.stack, lines={}))
    features = np.hstack([held.samples.features, held.regional])
    ages, before = (each.out_of_fold(features, held.sexes, held.fold).ages for each in (learnt, drawn_in))
    assert learnt.stack.lines == fit_lines(held.sexes, before, held.samples.ages)
    np.testing.assert_allclose(ages, np.clip(spread_out(before, held.sexes, learnt.stack.lines), 0, 228))
    _check_noise_guard(materials, learnt, monkeypatch)
    assert learnt.images == len(materials.splits.train)
    assert set(learnt.temperatures) == {"female", "male"}
    assert learnt.stack.shares == {"female": 0.5, "male": 0.5}
    assert set(learnt.regional.intervals) == {"carpals", "radius_ulna", "short_bones"}
    assert learnt.intervals.widened and learnt.intervals.half_widths
    assert all(np.array_equal(w, w.astype(np.float16)) for w in learnt.heads[ALL_MODELS[0]].weights if w.ndim == 2)

"""The heads are the paper's, and serving them in numpy changes nothing."""

import time
from dataclasses import replace

import numpy as np
import pytest

from boneage.config import HeadParameters
from boneage.groups import AGE_GROUPS, ModelKey, Task
from boneage.learn.heads import (
    HeadError,
    affine_of,
    build_head,
    fold_constant,
    fold_scaling,
    fold_temperature,
    initial_weights,
    predict_head,
    scaling_of,
    target_of,
    unfold_scaling,
)

PAPER = HeadParameters()


def described(model):
    return [
        (type(layer).__name__, getattr(layer, "units", getattr(layer, "rate", None)))
        for layer in model.layers
        if type(layer).__name__ in {"Dense", "Dropout"}
    ]


def test_the_classifier_is_the_papers():
    model = build_head(Task.CLASSIFIER, 1280, PAPER, None)
    layers = [("Dense", 1024), ("Dropout", 0.2), ("Dense", 512), ("Dropout", 0.2), ("Dense", 4)]
    assert described(model) == layers
    assert model.layers[-1].activation.__name__ == "softmax"


def test_the_regressor_is_the_papers_and_has_one_dropout():
    model = build_head(Task.REGRESSOR, 1280, PAPER, AGE_GROUPS[0])
    assert described(model) == [("Dense", 1024), ("Dropout", 0.2), ("Dense", 512), ("Dense", 1)]
    assert model.output_shape == (None, 1)


@pytest.mark.parametrize("group", AGE_GROUPS, ids=lambda group: group.label)
def test_an_output_of_minus_and_plus_one_is_the_edges_of_the_group(group):
    centre, half = affine_of(group)
    assert (centre - half, centre + half) == (group.low, group.high)


@pytest.mark.parametrize(
    ("name", "loss"), [("classifier-male", "mae"), ("regressor-female-3", "mae"), ("regressor-male-2", "distribution")]
)
def test_numpy_serves_what_keras_fitted(name, loss):
    key, rng, params = ModelKey.parse(name), np.random.default_rng(0), replace(PAPER, loss=loss)
    model = build_head(key.task, 384, params, target_of(key))
    start = initial_weights(key.task, 384, params, 1)
    model.set_weights([w + rng.normal(0, 0.02, w.shape).astype("f4") for w in start])
    features = rng.normal(size=(50, 384)).astype(np.float32)
    served = predict_head(key, model.get_weights(), params, features)
    wanted = np.asarray(model(features, training=False))
    np.testing.assert_allclose(served.reshape(wanted.shape), wanted, rtol=1e-4, atol=1e-4)
    alone = predict_head(key, model.get_weights(), params, features[:1])
    np.testing.assert_allclose(alone, served[:1], rtol=1e-4)


def test_serving_a_head_costs_about_a_millisecond():
    key = ModelKey.parse("regressor-male-2")
    weights, features = initial_weights(key.task, 1280, PAPER, 0), np.zeros((1, 1280), np.float32)
    times = []
    for _ in range(30):
        began = time.perf_counter()
        predict_head(key, weights, PAPER, features)
        times.append(time.perf_counter() - began)
    assert sorted(times)[15] < 0.01


def test_probabilities_sum_to_one_even_for_huge_logits():
    key = ModelKey.parse("classifier-female")
    params = HeadParameters(width_1=8, width_2=8)
    weights = [w * 1e4 for w in initial_weights(key.task, 5, params, 0)]
    served = predict_head(key, weights, params, np.full((3, 5), 100.0, np.float32))
    np.testing.assert_allclose(served.sum(axis=1), 1.0, rtol=1e-6)


def test_drawn_weights_depend_on_the_seed_alone():
    first, again, other = (initial_weights(Task.REGRESSOR, 16, PAPER, seed) for seed in (3, 3, 4))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], other[0])
    assert np.abs(first[0]).max() <= np.sqrt(6 / (16 + 1024))


def test_a_folded_scaling_gives_the_same_answer_on_unscaled_features():
    key, rng = ModelKey.parse("regressor-male-1"), np.random.default_rng(0)
    params = HeadParameters(width_1=16, width_2=8)
    features = (rng.normal(size=(60, 12)) * 5 + 30).astype(np.float32)
    features[:, 3] = 7.0  # a dead feature must not divide by zero
    mean, deviation = scaling_of(features)
    weights = initial_weights(key.task, 12, params, 0)
    scaled = predict_head(key, weights, params, (features - mean) / deviation)
    folded = fold_scaling(weights, mean, deviation)
    np.testing.assert_allclose(predict_head(key, folded, params, features), scaled, atol=1e-2)
    for back, original in zip(unfold_scaling(folded, mean, deviation), weights, strict=True):
        np.testing.assert_allclose(back, original, atol=1e-3)


def test_a_feature_that_hardly_varies_among_few_films_is_not_blown_up():
    def features(count: int) -> np.ndarray:
        columns = np.tile(np.array([[1.0, 5.0, 0.0], [-1.0, 5.001, 0.0]], np.float32), (count // 2, 1))
        return np.asarray(columns)

    for count, share in ((6, 0.5), (30, 0.1), (300, 0.01), (3000, 0.01)):
        deviation = scaling_of(features(count))[1]
        average = (1.0 + 0.0005) / 3
        np.testing.assert_allclose(deviation, [1.0, share * average, share * average], rtol=1e-3)


def test_weights_of_another_architecture_are_refused():
    key = ModelKey.parse("classifier-male")
    weights = initial_weights(key.task, 10, PAPER, 0)
    with pytest.raises(HeadError, match="the same run"):
        predict_head(key, weights, PAPER, np.zeros((1, 11), np.float32))


def test_a_sex_feature_folds_into_an_ordinary_head():
    key, params, rng = (
        ModelKey.parse("regressor-male-2"),
        HeadParameters(width_1=8, width_2=4),
        np.random.default_rng(1),
    )
    weights, features = initial_weights(key.task, 7, params, 3), rng.normal(size=(5, 6)).astype(np.float32)
    flagged = np.hstack([features, np.full((5, 1), -1.0, np.float32)])
    folded = fold_constant(weights, -1.0)
    np.testing.assert_allclose(
        predict_head(key, folded, params, features), predict_head(key, weights, params, flagged), rtol=1e-5
    )


def test_a_temperature_folds_into_the_last_layer():
    key, params = ModelKey.parse("classifier-male"), HeadParameters(width_1=8, width_2=4)
    weights = initial_weights(key.task, 6, params, 3)
    features = np.random.default_rng(1).normal(size=(5, 6)).astype(np.float32)
    plain, flat = (predict_head(key, w, params, features) for w in (weights, fold_temperature(weights, 2.0)))
    root = np.sqrt(plain) / np.sqrt(plain).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(flat, root, rtol=1e-5)

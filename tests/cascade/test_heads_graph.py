"""The heads' graph gives what the heads give, whatever they are, and says so where it does not fit them."""

from __future__ import annotations

import numpy as np
import pytest

from boneage.cascade.heads_graph import GraphHead, along_graph, write_heads_graph
from boneage.cascade.routing import Head
from boneage.config import HeadParameters
from boneage.groups import ALL_MODELS, Sex, Task
from boneage.learn.backbone_table import BackboneError
from boneage.learn.global_head import GlobalHead
from boneage.learn.heads import HeadError, initial_weights

RNG = np.random.default_rng(16)
FEATURES = RNG.normal(0, 2, (9, 12)).astype(np.float32)
SEXES = [list(Sex)[number % 2] for number in range(9)]


def head(key, loss, members=1):
    params = HeadParameters(
        width_1=8, width_2=6, loss="mae" if key.task is Task.CLASSIFIER and loss != "years" else loss
    )
    weights = [weight for seed in range(members) for weight in initial_weights(key.task, 12, params, seed)]
    return Head(key, params, tuple(weight + RNG.normal(0, 0.1, weight.shape).astype(np.float32) for weight in weights))


def all_ages(kind, members):
    shapes = [(13, 7), (7,), (7, 1 if kind == "regression" else 47), (1 if kind == "regression" else 47,)]
    return GlobalHead(kind, tuple(RNG.normal(0, 0.3, shape).astype(np.float32) for shape in shapes * members))


@pytest.mark.parametrize(
    ("loss", "members", "last"),
    [
        ("mae", 1, None),
        ("distribution", 5, all_ages("distribution", 1)),
        ("mae", 12, all_ages("regression", 3)),
        ("years", 2, None),  # each model a part of its sex's head for all ages
    ],
)
def test_every_head_gives_what_it_gives_by_numpy(tmp_path, loss, members, last):
    heads = {key: head(key, loss, members) for key in ALL_MODELS}
    graph = write_heads_graph(heads, last, tmp_path / "heads.onnx")
    served, oldest = along_graph(graph, heads, last)
    for key, one in heads.items():
        wanted = one.predict(FEATURES)
        np.testing.assert_allclose(served[key].predict(FEATURES), wanted, atol=1e-4, rtol=1e-5)
        np.testing.assert_allclose(served[key].predict(FEATURES[:1]), wanted[:1], atol=1e-4)
        assert served[key].weights is one.weights and isinstance(served[key], GraphHead)
    if last is not None:
        wanted = last.predict(FEATURES, SEXES)
        np.testing.assert_allclose(oldest.predict(FEATURES, SEXES), wanted, atol=1e-4)
        assert not np.allclose(
            oldest.predict(FEATURES, SEXES[1::-1] * 4 + SEXES[1:2]), wanted, atol=1e-3
        )  # the sex counts
    assert graph.stat().st_size < 120_000  # no weights within


def test_what_does_not_fit_is_said(tmp_path):
    heads = {key: head(key, "mae") for key in ALL_MODELS}
    graph = write_heads_graph(heads, None, tmp_path / "heads.onnx")
    with pytest.raises(HeadError, match=r"\(9, 5\)"):
        along_graph(graph, heads, None)[0][ALL_MODELS[0]].predict(FEATURES[:, :5])
    narrow = {**heads, ALL_MODELS[0]: Head(ALL_MODELS[0], heads[ALL_MODELS[0]].params, heads[ALL_MODELS[1]].weights)}
    graph.write_bytes(graph.read_bytes()[:100])
    with pytest.raises(BackboneError, match="heads.onnx"):
        along_graph(graph, narrow, None)

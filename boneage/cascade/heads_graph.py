"""The heads of a cascade as one ONNX graph without weights: all ten with their members, and the head for all ages.

`features`, float32 (N, D), go in; an output per head, named as its model, comes out, all in one run. The arrays stay in
the heads' own files, which training goes on from, and are handed over when the graph is opened.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from boneage.cascade.routing import Head
from boneage.files import write_whole
from boneage.groups import AGE_GROUPS, MAX_AGE_MONTHS, MIN_AGE_MONTHS, ModelKey, Sex, Task
from boneage.learn import all_ages as whole
from boneage.learn import global_head
from boneage.learn.global_head import GlobalHead, bins_of
from boneage.learn.graph_backbone import open_session
from boneage.learn.heads import ARRAYS, POSITIONS, HeadError, affine_of, target_of

ALL_AGES = {sex: f"all-ages-{sex}" for sex in Sex}
_ALL_AGES = "all-ages"


def write_heads_graph(heads: Mapping[ModelKey, Head], all_ages: GlobalHead | None, path: Path) -> Path:
    """Write the graph of a cascade's heads.

    Args:
        heads: all ten.
        all_ages: the head for all ages, or None.
        path: the file.

    Raises:
        MissingPartError: when the package `onnx` is not installed.
    """
    from boneage.learn.graph_export import Graph, finished

    graph = Graph({})
    for head in heads.values():
        _add_head(graph, head)
    if all_ages is not None:
        _add_global_head(graph, all_ages)
    width = len(next(iter(heads.values())).weights[0])
    shapes: dict[str, list[Any]] = {
        key.name: ["N", *([len(AGE_GROUPS)] if key.task is Task.CLASSIFIER else [])] for key in heads
    }
    shapes |= {name: ["N"] for name in ALL_AGES.values()} if all_ages is not None else {}
    return write_whole(path, finished(graph, "heads", {"features": ["N", width]}, shapes, _arrays(heads, all_ages)))


class HeadsGraph:
    """The heads' graph at work.

    Args:
        graph: the graph's file.
        heads: all ten.
        all_ages: the head for all ages, or None.

    Raises:
        BackboneError: when the file is missing or damaged, or does not fit the heads.
    """

    def __init__(self, graph: Path, heads: Mapping[ModelKey, Head], all_ages: GlobalHead | None) -> None:
        self.features = len(next(iter(heads.values())).weights[0])
        self._session = open_session(graph, _arrays(heads, all_ages), threads=1)
        self._names = [output.name for output in self._session.get_outputs()]
        self._last = threading.local()

    def answers(self, features: np.ndarray) -> dict[str, np.ndarray]:
        """Return what each head says of features float32 (N, D); asked again of the same ones, without another run.

        Raises:
            HeadError: when the features have another form.
        """
        features = np.asarray(features, np.float32)
        if features.ndim != 2 or features.shape[1] != self.features:
            raise HeadError.of("head.features", shape=features.shape)
        before: tuple[np.ndarray, dict[str, np.ndarray]] | None = getattr(self._last, "run", None)
        if before is not None and np.array_equal(before[0], features):
            return before[1]
        found = dict(zip(self._names, self._session.run(self._names, {"features": features}), strict=True))
        for values in found.values():
            values.flags.writeable = False  # whoever asks again gets the same arrays
        self._last.run = (features.copy(), found)
        return found


@dataclass(frozen=True)
class GraphHead(Head):
    """A head that answers along the heads' graph.

    Attributes:
        graph: of its cascade.
    """

    graph: HeadsGraph = field(compare=False, repr=False)

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Answer for pooled features float32 (N, D): probabilities (N, 4), or ages in months (N,)."""
        return self.graph.answers(features)[self.key.name]


@dataclass(frozen=True)
class GraphGlobalHead(GlobalHead):
    """The head for all ages, along the heads' graph.

    Attributes:
        graph: of its cascade.
    """

    graph: HeadsGraph = field(compare=False, repr=False)

    def predict(self, features: np.ndarray, sexes: Sequence[Sex | str] | np.ndarray) -> np.ndarray:
        """Map features float32 (N, D) and N sexes to ages in months, float32 (N,)."""
        found, female = self.graph.answers(features), np.array([Sex(sex) is Sex.FEMALE for sex in sexes], bool)
        return np.where(female, found[ALL_AGES[Sex.FEMALE]], found[ALL_AGES[Sex.MALE]])


def along_graph(
    graph: Path, heads: Mapping[ModelKey, Head], all_ages: GlobalHead | None
) -> tuple[dict[ModelKey, Head], GlobalHead | None]:
    """Return the same heads, answering along their graph; errors as `HeadsGraph`."""
    opened = HeadsGraph(graph, heads, all_ages)
    served: dict[ModelKey, Head] = {key: GraphHead(key, one.params, one.weights, opened) for key, one in heads.items()}
    return served, None if all_ages is None else GraphGlobalHead(all_ages.kind, all_ages.weights, opened)


def _arrays(heads: Mapping[ModelKey, Head], all_ages: GlobalHead | None) -> dict[str, np.ndarray]:
    """Return the arrays by the names that they have in the graph, those of a head's members stacked."""
    named = {key.name: (head.weights, ARRAYS) for key, head in heads.items()}
    if all_ages is not None:
        named |= {_ALL_AGES: (all_ages.weights, global_head.ARRAYS)}
    arrays = {
        f"{name}/{number}": np.stack([np.atleast_2d(one) for one in weights[number::size]]).astype(np.float32)
        for name, (weights, size) in named.items()
        for number in range(size)
    }
    if all_ages is not None:  # the sex is one more feature, always the same number: it goes into the first layer's bias
        kernel, bias = arrays[f"{_ALL_AGES}/0"], arrays.pop(f"{_ALL_AGES}/1")
        arrays[f"{_ALL_AGES}/0"] = kernel[:, :-1]
        arrays |= {f"{ALL_AGES[sex]}/1": bias + flag * kernel[:, -1:] for sex, flag in global_head.SEX_FLAGS.items()}
    return arrays


def _layer(graph: Any, value: str, kernel: str, bias: str) -> str:
    """Add a dense layer of a head's members side by side: (N, D), or (members, N, D), becomes (members, N, k)."""
    return str(graph.add("Add", [graph.add("MatMul", [value, kernel]), bias]))


def _expected(graph: Any, raw: str, places: np.ndarray) -> str:
    return str(graph.add("MatMul", [graph.add("Softmax", [raw], axis=2), graph.constant(places[:, None])]))


def _scaled(graph: Any, value: str, half: float, centre: float) -> str:
    return str(graph.add("Add", [graph.add("Mul", [value, graph.floats(half)]), graph.floats(centre)]))


def _add_head(graph: Any, head: Head) -> None:
    raw, name = "features", head.key.name
    for number in range(0, ARRAYS, 2):
        raw = graph.add("Relu", [raw]) if number else raw
        raw = _layer(graph, raw, f"{name}/{number}", f"{name}/{number + 1}")
    if head.params.loss in whole.LOSSES:
        _add_part_of_whole(graph, graph.add("Softmax", [raw], axis=2), head.key)
        return
    if head.key.task is Task.CLASSIFIER:
        graph.add("ReduceMean", [graph.add("Softmax", [raw], axis=2)], output=name, axes=[0], keepdims=0)
        return
    centre, half = affine_of(target_of(head.key))
    place = _expected(graph, raw, POSITIONS) if head.params.loss == "distribution" else raw
    graph.add("ReduceMean", [_scaled(graph, place, half, centre)], output=name, axes=[0, 2], keepdims=0)


def _add_part_of_whole(graph: Any, years: str, key: ModelKey) -> None:
    """Add what a model is of its sex's head for all ages, from the probabilities of the years."""
    if key.group is None:
        groups = graph.add("MatMul", [years, graph.constant(whole.SHARES.astype(np.float32))])
        graph.add("ReduceMean", [groups], output=key.name, axes=[0], keepdims=0)
        return
    share, middle = (table[:, key.group - 1 : key.group] for table in (whole.SHARES, whole.MIDDLES))
    total = graph.add("MatMul", [years, graph.constant(share.astype(np.float32))])
    months = graph.add("MatMul", [years, graph.constant((share * middle).astype(np.float32))])
    least = graph.floats(whole.LEAST)
    expected = graph.add("Div", [months, graph.add("Max", [total, least])])
    possible = graph.add(
        "Where", [graph.add("Greater", [total, least]), expected, graph.floats(affine_of(target_of(key))[0])]
    )
    graph.add("ReduceMean", [possible], output=key.name, axes=[0, 2], keepdims=0)


def _add_global_head(graph: Any, head: GlobalHead) -> None:
    for sex in Sex:
        hidden = graph.add("Relu", [_layer(graph, "features", f"{_ALL_AGES}/0", f"{ALL_AGES[sex]}/1")])
        raw = _layer(graph, hidden, f"{_ALL_AGES}/2", f"{_ALL_AGES}/3")
        if head.kind == "regression":
            months = _scaled(graph, raw, global_head.HALF, global_head.CENTRE)
        else:
            expected = _expected(graph, raw, bins_of(head.weights[-1].shape[0]))
            months = graph.add("Clip", [expected, graph.floats(MIN_AGE_MONTHS), graph.floats(MAX_AGE_MONTHS)])
        graph.add("ReduceMean", [months], output=ALL_AGES[sex], axes=[0, 2], keepdims=0)

"""The head for all ages of a study: fitted once per fold, or the one that the backbone was trained with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from boneage.cascade.stack import Stack
from boneage.config import Config
from boneage.groups import Sex
from boneage.learn.crossval import fold_seed
from boneage.learn.fit import Samples, concatenate
from boneage.learn.global_head import WholeRange, ensemble_of, fit_whole_range, with_sex
from boneage.learn.heads import halved
from boneage.learn.own_head import own_head
from boneage.study.materials import Materials


def fit_global(materials: Materials) -> list[WholeRange]:
    """Fit the head for all ages once per fold, each without that fold; nothing where none is configured."""
    config, ids = materials.config, materials.splits.train
    kind = config.global_head.kind
    if kind == "none":
        return []
    if kind == "own":  # it saw none of the images that are held out, so it is its own member for every fold
        return [own_head(config)] * config.data.folds
    fold, sexes = materials.folds(ids), materials.part.table.loc[list(ids), "sex"].to_numpy()
    views = [_with_sex(samples, sexes) for samples in materials.training_views(ids)]
    plain = _with_sex(materials.part.samples(ids), sexes)
    members = []
    for number in range(config.data.folds):
        train = concatenate([view.take(fold != number) for view in views])
        seed = fold_seed(config.study.seed, number)
        members.append(fit_whole_range(kind, train, plain.take(fold == number), config.global_head, seed=seed))
    return members


def global_out_of_fold(
    members: Sequence[WholeRange], features: np.ndarray, sexes: Sequence[Sex], fold: np.ndarray
) -> np.ndarray:
    """Estimate every image with the member that had not seen its fold, float64 (N,), months.

    Args:
        members: one per fold.
        features: float32 (N, D).
        sexes: N sexes.
        fold: int (N,), the fold of each image.
    """
    months, names = np.zeros(len(sexes)), np.array([str(sex) for sex in sexes], dtype=str)
    for number, member in enumerate(members):
        rows = fold == number
        if rows.any():
            months[rows] = member.predict(features[rows], names[rows])
    return months


def stacked_head(members: Sequence[WholeRange], shares: dict[str, float], config: Config) -> Stack:
    """Return the head that is served, with its share per sex: the members' mean, or the backbone's own."""
    head = members[0] if config.global_head.kind == "own" else ensemble_of(members)
    return Stack(replace(head, weights=halved(head.weights)) if config.cascade.half_precision else head, shares)


def _with_sex(samples: Samples, sexes: np.ndarray) -> Samples:
    return replace(samples, features=with_sex(samples.features, sexes))

"""What a cascade learns from its own folds: estimates of training images by heads that had not seen them.

Only images that the backbone had not seen count, for on others it looks better than it is. From these estimates come
the classifiers' temperatures, the share of the head for all ages, and the intervals. Validation takes no part.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from boneage.cascade.head import Head
from boneage.cascade.intervals import Intervals, fit_intervals
from boneage.cascade.routing import Routed, route
from boneage.cascade.stack import FEWEST, Stack, fit_shares
from boneage.config import Config
from boneage.groups import MAX_AGE_MONTHS, MIN_AGE_MONTHS, ModelKey, Sex, Task
from boneage.learn.fit import Samples
from boneage.learn.global_head import SEX_FLAGS, WholeRange
from boneage.learn.heads import ARRAYS, fold_constant, fold_temperature, halved
from boneage.learn.seen_images import SeenImages
from boneage.study.global_head import fit_global, global_out_of_fold, stacked_head
from boneage.study.materials import Materials
from boneage.study.models import ModelOutcome

Heads = Mapping[ModelKey, Head]
Outcomes = Mapping[ModelKey, ModelOutcome]
_TEMPERATURES = np.geomspace(0.4, 3.0, 41)


@dataclass(frozen=True)
class HeldOut:
    """N training images that the backbone had not seen, with the features that estimates are made from.

    Attributes:
        samples: features, ages and true groups.
        sexes: N sexes.
        fold: int (N,), the fold that each belongs to.
        ids: N names, where they have any.
    """

    samples: Samples
    sexes: list[Sex]
    fold: np.ndarray
    ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class Learnt:
    """What the folds taught.

    Attributes:
        heads: the ten that are served.
        stack: the head for all ages, None without one.
        intervals: from residuals of the whole cascade out of fold; empty where every image had been seen.
        temperatures: per sex.
        held: the images that it rests on.
        folds: per fold the ten heads that had not seen it.
        members: per fold the head for all ages that had not seen it; none without such a head.
        config: of the study.
    """

    heads: dict[ModelKey, Head]
    stack: Stack | None
    intervals: Intervals
    temperatures: dict[str, float]
    held: HeldOut
    folds: list[dict[ModelKey, Head]]
    members: list[WholeRange]
    config: Config

    @property
    def images(self) -> int:
        """Return how many images it rests on."""
        return len(self.held.sexes)

    def out_of_fold(self, features: np.ndarray, sexes: list[Sex], fold: np.ndarray) -> Routed:
        """Estimate other pictures of held-out images, such as noisy copies, by heads that had not seen them.

        Args:
            features: float32 (N, D).
            sexes: N sexes.
            fold: int (N,), the fold of each image.
        """
        nothing = np.zeros(len(sexes), np.float32)
        held = HeldOut(Samples(features, nothing, nothing.astype(np.int64)), sexes, fold)
        routed = route_out_of_fold(self.folds, held, self.config)
        if self.stack is None:
            return routed
        return _stacked(routed, global_out_of_fold(self.members, features, sexes, fold), self.stack.shares, held)


def learn_from_folds(materials: Materials, outcomes: Outcomes, seen: SeenImages) -> Learnt:
    """Turn ten trained models into the heads that are served, with all that is fitted on estimates out of fold."""
    config, held = materials.config, held_out(materials, seen)
    folds = [fold_heads(outcomes, config, number) for number in range(config.data.folds)]
    temperatures = fit_temperatures(route_out_of_fold(folds, held, config), held) if config.cascade.temperature else {}
    folds = [tempered(heads, temperatures) for heads in folds]
    served = tempered(_served(outcomes, config), temperatures)
    routed, stack = route_out_of_fold(folds, held, config), None
    members = fit_global(materials)
    if members:
        months = global_out_of_fold(members, held.samples.features, held.sexes, held.fold)
        shares = fit_shares(held.sexes, routed.ages, months, held.samples.ages)
        stack = stacked_head(members, shares, config)
        routed = _stacked(routed, months, shares, held)
    if config.cascade.half_precision:
        served = {key: replace(head, weights=halved(head.weights)) for key, head in served.items()}
    return Learnt(
        heads=served,
        stack=stack,
        intervals=_intervals(routed, held, config),
        temperatures=temperatures,
        held=held,
        folds=folds,
        members=members,
        config=config,
    )


def held_out(materials: Materials, seen: SeenImages) -> HeldOut:
    """Collect the training images that the backbone had not seen."""
    ids = tuple(name for name in materials.splits.train if not seen.saw(materials.part.content_sha256[name]))
    sexes = [Sex(sex) for sex in materials.part.table.loc[list(ids), "sex"]]
    return HeldOut(materials.part.samples(ids), sexes, materials.folds(ids), ids)


def fold_heads(outcomes: Outcomes, config: Config, number: int) -> dict[ModelKey, Head]:
    """Return the ten heads that were fitted without one fold."""
    return {
        key: Head(key, done.chosen.params, _of_one_sex(key, done.chosen.cv.folds[number].fit.weights, config))
        for key, done in outcomes.items()
    }


def route_out_of_fold(folds: Sequence[Heads], held: HeldOut, config: Config) -> Routed:
    """Route every image with the heads of the fold that held it out."""
    parts, order = [], []
    for number, heads in enumerate(folds):
        rows = np.flatnonzero(held.fold == number)
        sexes = [held.sexes[int(row)] for row in rows]
        parts.append(route(heads, held.samples.features[rows], sexes, [None] * len(rows), config.cascade.routing))
        order.append(rows)
    back = np.argsort(np.concatenate(order)) if order else np.array([], int)
    names = [name for part in parts for name in part.names]
    return Routed(
        ages=np.concatenate([part.ages for part in parts])[back],
        hard_ages=np.concatenate([part.hard_ages for part in parts])[back],
        groups=np.concatenate([part.groups for part in parts])[back],
        probabilities=np.concatenate([part.probabilities for part in parts])[back],
        names=tuple(names[int(row)] for row in back),
        warnings=((),) * len(back),
    )


def fit_temperatures(routed: Routed, held: HeldOut) -> dict[str, float]:
    """Return per sex the temperature under which the true groups are the likeliest; none for a sex with few images."""
    sexes, found = np.array([str(sex) for sex in held.sexes], dtype=str), {}
    for sex in Sex:
        rows = sexes == str(sex)
        if rows.sum() < FEWEST:
            continue
        logs = np.log(np.clip(routed.probabilities[rows], 1e-12, 1.0))
        own = held.samples.groups[rows] - 1

        def surprise(temperature: float, logs: np.ndarray = logs, own: np.ndarray = own) -> float:
            scaled = logs / temperature
            total = np.log(np.exp(scaled - scaled.max(axis=1, keepdims=True)).sum(axis=1)) + scaled.max(axis=1)
            return float((total - scaled[np.arange(len(own)), own]).mean())

        found[str(sex)] = float(min(_TEMPERATURES, key=surprise))
    return found


def tempered(heads: Heads, temperatures: Mapping[str, float]) -> dict[ModelKey, Head]:
    """Return the heads with their classifiers' logits divided by their sex's temperature, in every member."""
    return {
        key: head
        if key.task is not Task.CLASSIFIER or str(key.sex) not in temperatures
        else replace(head, weights=_each(head.weights, temperatures[str(key.sex)]))
        for key, head in heads.items()
    }


def _served(outcomes: Outcomes, config: Config) -> dict[ModelKey, Head]:
    """Return the final heads, or the ensembles of the fold heads."""
    if config.cascade.members == "final":
        return {
            key: Head(key, done.chosen.params, _of_one_sex(key, done.final.weights, config))
            for key, done in outcomes.items()
        }
    return {
        key: Head(
            key,
            done.chosen.params,
            tuple(w for fold in done.chosen.cv.folds for w in _of_one_sex(key, fold.fit.weights, config)),
        )
        for key, done in outcomes.items()
    }


def _of_one_sex(key: ModelKey, weights: Sequence[np.ndarray], config: Config) -> tuple[np.ndarray, ...]:
    """Turn a head of both sexes into its own sex's."""
    return tuple(fold_constant(weights, SEX_FLAGS[key.sex]) if config.training.joint_sexes else weights)


def _each(weights: Sequence[np.ndarray], temperature: float) -> tuple[np.ndarray, ...]:
    members = (weights[first : first + ARRAYS] for first in range(0, len(weights), ARRAYS))
    return tuple(weight for member in members for weight in fold_temperature(member, temperature))


def _stacked(routed: Routed, months: np.ndarray, shares: Mapping[str, float], held: HeldOut) -> Routed:
    share = np.array([shares.get(str(sex), 0.0) for sex in held.sexes])
    ages = (1 - share) * routed.ages + share * months
    return replace(routed, ages=np.clip(ages, MIN_AGE_MONTHS, MAX_AGE_MONTHS))


def _intervals(routed: Routed, held: HeldOut, config: Config) -> Intervals:
    surest = routed.probabilities.max(axis=1, initial=0.25) if config.cascade.widen_unsure else None
    if not held.sexes:
        return Intervals(config.cascade.coverage)
    return fit_intervals(held.sexes, routed.ages, held.samples.ages, config.cascade.coverage, surest)

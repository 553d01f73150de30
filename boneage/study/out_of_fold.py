"""Fit temperatures, the spread of ages and intervals on estimates of training images out of fold.

Each image is estimated by heads that had not seen it. Only images that the backbone had not seen count, for on others
it looks better than it is. Validation takes no part.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from boneage.cascade.intervals import Intervals, fit_intervals
from boneage.cascade.regional import Regional, divide, fit_regional, joint_months
from boneage.cascade.routing import Head, Routed, route
from boneage.cascade.stack import EQUAL_SHARE, FEWEST, Stack, fit_lines, spread_out, with_regions
from boneage.config import Config
from boneage.groups import MAX_AGE_MONTHS, MIN_AGE_MONTHS, ModelKey, Sex, Task
from boneage.learn.all_ages import LOSSES
from boneage.learn.crossval import fold_seed
from boneage.learn.fit import FitResult, Samples, concatenate
from boneage.learn.global_head import SEX_FLAGS, GlobalHead, ensemble_of, fit_global_head, samples_with_sex
from boneage.learn.heads import ARRAYS, fold_constant, fold_temperature, halved
from boneage.learn.own_head import own_head
from boneage.regions.ages import RegionalAges
from boneage.study.materials import Materials
from boneage.study.models import ModelOutcome

Heads = Mapping[ModelKey, Head]
Outcomes = Mapping[ModelKey, ModelOutcome]
_TEMPERATURES = np.geomspace(0.4, 3.0, 41)


@dataclass(frozen=True)
class HeldOut:
    """Training images that the backbone had not seen, with the features that estimates are made from.

    Attributes:
        samples: features, ages and true groups.
        sexes: N sexes.
        fold: int (N,), the fold that each belongs to.
        ids: N names, where they have any.
        regional: float (N, COLUMNS), the ages of their regions, None where the study reads none.
    """

    samples: Samples
    sexes: list[Sex]
    fold: np.ndarray
    ids: tuple[str, ...] = ()
    regional: np.ndarray | None = None


@dataclass(frozen=True)
class Learnt:
    """Heads, temperatures, spread and intervals that were fitted out of fold.

    Attributes:
        heads: the ten that are served.
        stack: the head for all ages, None without one.
        intervals: from residuals of the whole cascade out of fold; empty where every image had been seen.
        temperatures: per sex.
        held: the images that it rests on.
        folds: per fold the ten heads that had not seen it.
        members: per fold the head for all ages that had not seen it; none without such a head.
        config: of the study.
        regional: what reads regions, with intervals of their ages; None where the study reads none.
    """

    heads: dict[ModelKey, Head]
    stack: Stack | None
    intervals: Intervals
    temperatures: dict[str, float]
    held: HeldOut
    folds: list[dict[ModelKey, Head]]
    members: list[GlobalHead]
    config: Config
    regional: Regional | None = None

    @property
    def images(self) -> int:
        """Return how many images it rests on."""
        return len(self.held.sexes)

    def out_of_fold(self, features: np.ndarray, sexes: list[Sex], fold: np.ndarray) -> Routed:
        """Estimate other pictures of held-out images, such as noisy copies, by heads that had not seen them.

        Args:
            features: as `Cascade.pooled` gives them.
            sexes: N sexes.
            fold: int (N,), the fold of each image.
        """
        features, columns = divide(features, self.held.samples.features.shape[1])
        nothing = np.zeros(len(sexes), np.float32)
        held = HeldOut(Samples(features, nothing, nothing.astype(np.int64)), sexes, fold, regional=columns)
        routed = route_out_of_fold(self.folds, held, self.config)
        if self.stack is None:
            return routed
        return _stacked(routed, global_out_of_fold(self.members, features, sexes, fold), self.stack, held)


def learn_from_folds(materials: Materials, outcomes: Outcomes) -> Learnt:
    """Turn ten trained models into the heads that are served, with all that is fitted on estimates out of fold."""
    config, held = materials.config, held_out(materials)
    folds = [fold_heads(outcomes, config, number) for number in range(config.data.folds)]
    temperatures = fit_temperatures(route_out_of_fold(folds, held, config), held) if config.cascade.temperature else {}
    folds = [tempered(heads, temperatures) for heads in folds]
    served = tempered(_served(outcomes, config), temperatures)
    routed, stack = route_out_of_fold(folds, held, config), None
    members = fit_global(materials)
    if members:
        months = global_out_of_fold(members, held.samples.features, held.sexes, held.fold)
        stack = stacked_head(members, config)
        if config.global_head.match_spread:
            mixed = _stacked(routed, months, stack, held).ages
            stack = replace(stack, lines=fit_lines(held.sexes, mixed, held.samples.ages))
        routed = _stacked(routed, months, stack, held)
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
        regional=_regional(held, config),
    )


def held_out(materials: Materials) -> HeldOut:
    """Collect the training images that the backbone had not seen."""
    hashes = materials.part.content_sha256
    ids = tuple(name for name in materials.splits.train if not materials.seen.saw(hashes[name]))
    sexes = [Sex(sex) for sex in materials.part.table.loc[list(ids), "sex"]]
    regional = materials.part.regional
    columns = None if regional is None else regional(ids)
    return HeldOut(materials.part.samples(ids), sexes, materials.folds(ids), ids, columns)


def fold_heads(outcomes: Outcomes, config: Config, number: int) -> dict[ModelKey, Head]:
    """Return the ten heads that were fitted without one fold."""
    return _heads(outcomes, config, lambda done: [done.chosen.cv.folds[number].fit])


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


def fit_global(materials: Materials) -> list[GlobalHead]:
    """Fit the head for all ages once per fold, each without that fold; nothing where none is configured."""
    config, ids = materials.config, materials.splits.train
    kind = config.global_head.kind
    if kind == "none":
        return []
    if kind == "own":  # it saw none of the images that are held out, so it is its own member for every fold
        return [own_head(config)] * config.data.folds
    fold, sexes = materials.folds(ids), materials.part.table.loc[list(ids), "sex"].to_numpy()
    views = [samples_with_sex(samples, sexes) for samples in materials.training_views(ids)]
    plain = samples_with_sex(materials.part.samples(ids), sexes)
    members = []
    for number in range(config.data.folds):
        train = concatenate([view.take(fold != number) for view in views])
        seed = fold_seed(config.study.seed, number)
        members.append(fit_global_head(kind, train, plain.take(fold == number), config.global_head, seed=seed))
    return members


def global_out_of_fold(
    members: Sequence[GlobalHead], features: np.ndarray, sexes: Sequence[Sex], fold: np.ndarray
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


def stacked_head(members: Sequence[GlobalHead], config: Config) -> Stack:
    """Return the head that is served with an equal share in every age: the members' mean, or the backbone's own."""
    head = members[0] if config.global_head.kind == "own" else ensemble_of(members)
    served = replace(head, weights=halved(head.weights)) if config.cascade.half_precision else head
    return Stack(served, dict.fromkeys(map(str, Sex), EQUAL_SHARE))


def fit_temperatures(routed: Routed, held: HeldOut) -> dict[str, float]:
    """Return per sex the temperature under which the true groups are the likeliest; none for a sex with few images."""
    sexes, found = np.array([str(sex) for sex in held.sexes], dtype=str), {}
    for sex in Sex:
        rows = sexes == str(sex)
        if rows.sum() < FEWEST:
            continue
        logs = np.log(np.clip(routed.probabilities[rows], 1e-12, 1.0))
        own = held.samples.groups[rows] - 1

        def negative_log_likelihood(temperature: float, logs: np.ndarray = logs, own: np.ndarray = own) -> float:
            scaled = logs / temperature
            total = np.log(np.exp(scaled - scaled.max(axis=1, keepdims=True)).sum(axis=1)) + scaled.max(axis=1)
            return float((total - scaled[np.arange(len(own)), own]).mean())

        found[str(sex)] = float(min(_TEMPERATURES, key=negative_log_likelihood))
    return found


def tempered(heads: Heads, temperatures: Mapping[str, float]) -> dict[ModelKey, Head]:
    """Return the heads with their classifiers' logits divided by their sex's temperature, in every member.

    The parts of a head for all ages share its logits, so all of them are divided.
    """
    return {
        key: head
        if str(key.sex) not in temperatures or not (key.task is Task.CLASSIFIER or head.params.loss in LOSSES)
        else replace(head, weights=_each(head.weights, temperatures[str(key.sex)]))
        for key, head in heads.items()
    }


def _served(outcomes: Outcomes, config: Config) -> dict[ModelKey, Head]:
    """Return the final heads, or the ensembles of the fold heads."""
    if config.cascade.members == "final":
        return _heads(outcomes, config, lambda done: [done.final])
    return _heads(outcomes, config, lambda done: [fold.fit for fold in done.chosen.cv.folds])


def _heads(
    outcomes: Outcomes, config: Config, members: Callable[[ModelOutcome], Sequence[FitResult]]
) -> dict[ModelKey, Head]:
    """Make a head of each model from one fit or, as an ensemble, from several."""
    return {
        key: Head(
            key,
            done.chosen.params,
            tuple(weight for fit in members(done) for weight in _of_one_sex(key, fit.weights, config)),
        )
        for key, done in outcomes.items()
    }


def _of_one_sex(key: ModelKey, weights: Sequence[np.ndarray], config: Config) -> tuple[np.ndarray, ...]:
    """Turn a head of both sexes into its own sex's."""
    return tuple(fold_constant(weights, SEX_FLAGS[key.sex]) if config.training.joint_sexes else weights)


def _each(weights: Sequence[np.ndarray], temperature: float) -> tuple[np.ndarray, ...]:
    members = (weights[first : first + ARRAYS] for first in range(0, len(weights), ARRAYS))
    return tuple(weight for member in members for weight in fold_temperature(member, temperature))


def _regional(held: HeldOut, config: Config) -> Regional | None:
    if held.regional is None:
        return None
    return fit_regional(RegionalAges(), held.regional, held.sexes, held.samples.ages, config.cascade.coverage)


def _stacked(routed: Routed, months: np.ndarray, stack: Stack, held: HeldOut) -> Routed:
    share = np.array([stack.shares.get(str(sex), 0.0) for sex in held.sexes])
    whole = (1 - share) * routed.ages + share * months
    ages = spread_out(with_regions(whole, joint_months(held.regional, held.sexes)), held.sexes, stack.lines)
    return replace(routed, ages=np.clip(ages, MIN_AGE_MONTHS, MAX_AGE_MONTHS))


def _intervals(routed: Routed, held: HeldOut, config: Config) -> Intervals:
    surest = routed.probabilities.max(axis=1, initial=0.25) if config.cascade.widen_unsure else None
    if not held.sexes:
        return Intervals(config.cascade.coverage)
    return fit_intervals(held.sexes, routed.ages, held.samples.ages, config.cascade.coverage, surest)

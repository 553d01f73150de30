"""Define the variants of the ablation: each an idea beyond the paper, alone or with another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from boneage.cascade.routing import Head, Routed
from boneage.config import Config, GlobalHeadConfig, HeadParameters
from boneage.evaluation.metrics_table import routed_ages
from boneage.groups import ALL_MODELS, ModelKey, Sex, Task
from boneage.learn.backbone_table import BackboneError
from boneage.learn.fit import concatenate
from boneage.learn.global_head import SEX_FLAGS, ensemble_of, fit_global_head
from boneage.learn.heads import fold_constant
from boneage.learn.own_head import own_head
from boneage.stopping import Progress
from boneage.study.ablation import (
    AblationData,
    SampleSet,
    SampleSets,
    ablation_frame,
    coverage_table,
    fit_experts,
    fit_heads,
    fit_one,
    hard_and_soft,
    route_softly,
    with_loss,
)
from boneage.study.out_of_fold import HeldOut, fit_temperatures, tempered

Ages = dict[str, np.ndarray]
OVERLAPS = (12.0, 24.0)
SHARES = np.linspace(0.0, 1.0, 21)
PAPER = "hard, the paper's heads"


@dataclass(frozen=True)
class VariantInputs:
    """Data, settings and ten plain heads that every variant starts from."""

    data: AblationData
    config: Config
    base: dict[ModelKey, Head]


def run_ablation(
    data: AblationData, config: Config, progress: Progress | None = None, *, ensemble: bool = True
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Fit every variant and estimate the validation images with each; the ensemble costs as much as many others.

    Of the configuration only the sizes of the heads, their training and the views count: every idea starts from plain
    experts, whatever the configuration switches on.

    Returns:
        One row per image: sex, true_months, true_group, and `<variant>_months` per variant; and how often intervals of
        the softly routed cascade, fitted on the watched images, hold.
    """
    sets, config = data.plain, with_loss(config, "mae")
    given = VariantInputs(data, config, fit_heads(sets.train, sets.watch, config))
    chosen = [variant for variant in VARIANTS if ensemble or variant is not folds]
    ages: Ages = {}
    for done, variant in enumerate(chosen, start=1):
        ages |= variant(given)
        if progress:
            progress(done, len(chosen))
    estimated = [_estimated(given, part) for part in (sets.watch, sets.validation)]
    coverage = coverage_table(estimated[0], estimated[1], config.cascade.coverage)
    return ablation_frame(sets.validation, ages), coverage


def routings(given: VariantInputs) -> Ages:
    """Route the same heads hard, soft, by a threshold, by the true group and not at all."""
    part = given.data.plain.validation
    return routed_ages(given.base, part.samples.features, list(part.sexes), list(part.samples.groups))


def temperature(given: VariantInputs) -> Ages:
    """Calibrate the classifiers' probabilities."""
    sets = given.data.plain
    found = fit_temperatures(route_softly(given.base, sets.watch), as_held_out(sets.watch))
    words = ", ".join(f"{sex} {value:.2f}" for sex, value in sorted(found.items()))
    return {f"soft, temperature ({words})": route_softly(tempered(given.base, found), sets.validation).ages}


def windows(given: VariantInputs) -> Ages:
    """Train the experts on ages beyond their groups, too."""
    sets, ages = given.data.plain, Ages()
    for months in OVERLAPS:
        wide = given.base | fit_experts(sets.train, sets.watch, given.config, overlap_months=months)
        ages |= hard_and_soft(wide, sets.validation, f"windows +{months:g}")
    return ages


def sexes_together(given: VariantInputs) -> Ages:
    """Fit one classifier and four experts for both sexes, with the sex as a feature."""
    sets, heads = given.data.plain, {}
    train, watch = sets.train.with_sex(), sets.watch.with_sex()
    for number in (None, 1, 2, 3, 4):
        key = ModelKey(Task.REGRESSOR if number else Task.CLASSIFIER, Sex.MALE, number)
        rows = [None if number is None else part.samples.groups == number for part in (train, watch)]
        fitted = fit_one(key, train.of(None, rows[0]), watch.of(None, rows[1]), given.config)
        for each in (each for each in ALL_MODELS if (each.task, each.group) == (key.task, number)):
            own = tuple(fold_constant(fitted.weights, SEX_FLAGS[each.sex]))
            heads[each] = Head(each, fitted.params, own)
    return hard_and_soft(heads, sets.validation, "sexes together")


def distributions(given: VariantInputs) -> Ages:
    """Fit experts that end in a softmax over bins instead of one number."""
    sets, config = given.data.plain, with_loss(given.config, "distribution")
    return hard_and_soft(
        given.base | fit_experts(sets.train, sets.watch, config), sets.validation, "label distribution"
    )


def whole_range(given: VariantInputs) -> Ages:
    """Fit one head for all ages; take it alone and stacked with the softly routed experts."""
    sets, ages = given.data.plain, Ages()
    experts = [route_softly(given.base, part).ages for part in (sets.watch, sets.validation)]
    names = {"regression": "one regressor for all ages", "distribution": "label distribution for all ages"}
    for kind, name in names.items():
        settings = GlobalHeadConfig(kind, epochs=given.config.training.epochs)  # type: ignore[arg-type]
        train, watch = sets.train.with_sex().samples, sets.watch.with_sex().samples
        head = fit_global_head(kind, train, watch, settings, seed=given.config.study.seed)  # type: ignore[arg-type]
        own = [head.predict(part.samples.features, part.sexes) for part in (sets.watch, sets.validation)]
        mixed = np.outer(1 - SHARES, experts[0]) + np.outer(SHARES, own[0])
        share = float(SHARES[np.abs(mixed - sets.watch.samples.ages).mean(axis=1).argmin()])
        ages |= {f"global: {name}": own[1]}
        ages |= {f"soft stacked with {name} ({share:.2f})": (1 - share) * experts[1] + share * own[1]}
    return ages


def backbones_own_head(given: VariantInputs) -> Ages:
    """Take the head that the backbone was trained with, alone and averaged over the views; nothing is fitted."""
    try:
        head = own_head(given.config)
    except BackboneError:
        return {}
    name, data = "global: the network's own head", given.data
    if head.features != data.plain.validation.samples.features.shape[1]:
        return {}  # features of another backbone than the configuration's: none of it
    ages = {name: head.predict(data.plain.validation.samples.features, data.plain.validation.sexes)}
    if data.averaged is not None:
        part = data.averaged.validation
        ages[f"{name}, {len(data.views)} views averaged"] = head.predict(part.samples.features, part.sexes)
    return ages


def views(given: VariantInputs) -> Ages:
    """Average features over views at estimate time, and let heads learn from views."""
    data, sets = given.data, given.data.averaged
    if sets is None:
        return {}
    count = len(data.views)
    ages = hard_and_soft(given.base, sets.validation, f"{count} views averaged at estimate time")
    taught = fit_heads(sets.train, sets.watch, given.config)
    ages |= hard_and_soft(taught, sets.validation, f"{count} views averaged in training and at estimate time")
    sexes = np.concatenate([part.sexes for part in data.views])
    every = SampleSet(concatenate([part.samples for part in data.views]), sexes)
    taught = fit_heads(every, sets.watch, given.config)
    return ages | hard_and_soft(
        taught, sets.validation, f"each of {count} views in training, averaged at estimate time"
    )


def folds(given: VariantInputs) -> Ages:
    """Average the heads of the folds, alone and stacked with the folds' heads for all ages."""
    sets, data, config = given.data.plain, given.data, given.config
    estimates, members = [], []
    settings = GlobalHeadConfig("distribution", epochs=config.training.epochs)
    for number in np.unique(data.fold):
        seed = config.study.seed + int(number)
        reseeded = replace(config, study=replace(config.study, seed=seed))
        train = sets.train.take(data.fold != number)
        estimates.append(route_softly(fit_heads(train, sets.watch, reseeded), sets.validation))
        samples = train.with_sex().samples, sets.watch.with_sex().samples
        members.append(fit_global_head("distribution", *samples, settings, seed=seed))
    ages = {f"{kind}, ensemble of folds": np.mean(found, axis=0) for kind, found in (
        ("hard", [routed.hard_ages for routed in estimates]), ("soft", [routed.ages for routed in estimates])
    )}  # fmt: skip
    own = ensemble_of(members).predict(sets.validation.samples.features, sets.validation.sexes)
    name = "label distribution for all ages, ensemble of folds"
    return ages | {
        f"global: {name}": own,
        f"soft stacked with {name} (0.50)": (ages["soft, ensemble of folds"] + own) / 2,
    }


def paper_heads(given: VariantInputs) -> Ages:
    """Route hard with the paper's heads (1024/512, no scaling of features) on our backbone."""
    sets = given.data.plain
    config = replace(given.config, classifier=HeadParameters(), regressor=HeadParameters())
    return {PAPER: route_softly(fit_heads(sets.train, sets.watch, config), sets.validation).hard_ages}


Variant = Callable[[VariantInputs], Ages]
VARIANTS: tuple[Variant, ...] = (
    routings, paper_heads, temperature, windows, sexes_together, distributions, whole_range, backbones_own_head, views,
    folds,
)  # fmt: skip


def unequalised(sets: SampleSets, config: Config) -> Ages:
    """Fit hard and soft routing on features of films whose contrast was left alone."""
    config = with_loss(config, "mae")
    return hard_and_soft(fit_heads(sets.train, sets.watch, config), sets.validation, "not equalised")


def as_held_out(part: SampleSet) -> HeldOut:
    """Take a set as images that were held out of every fold."""
    return HeldOut(part.samples, [Sex(sex) for sex in part.sexes], np.zeros(len(part.sexes), int))


def _estimated(given: VariantInputs, part: SampleSet) -> tuple[Routed, list[Sex], np.ndarray]:
    return route_softly(given.base, part), [Sex(sex) for sex in part.sexes], part.samples.ages.astype(float)

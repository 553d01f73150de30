"""Define the variants of the ablation: each an idea beyond the paper, alone or with another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from boneage.cascade.routing import Head, Routed
from boneage.cascade.stack import SHARES
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
PAPER = "hard, the paper's heads"


@dataclass(frozen=True)
class Bench:
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
    trio, config = data.plain, with_loss(config, "mae")
    bench = Bench(data, config, fit_heads(trio.train, trio.watch, config))
    chosen = [variant for variant in VARIANTS if ensemble or variant is not folds]
    ages: Ages = {}
    for done, variant in enumerate(chosen, start=1):
        ages |= variant(bench)
        if progress:
            progress(done, len(chosen))
    estimated = [_estimated(bench, part) for part in (trio.watch, trio.validation)]
    coverage = coverage_table(estimated[0], estimated[1], config.cascade.coverage)
    return ablation_frame(trio.validation, ages), coverage


def routings(bench: Bench) -> Ages:
    """Route the same heads hard, soft, by a threshold, by the true group and not at all."""
    part = bench.data.plain.validation
    return routed_ages(bench.base, part.samples.features, list(part.sexes), list(part.samples.groups))


def temperature(bench: Bench) -> Ages:
    """Calibrate the classifiers' probabilities."""
    trio = bench.data.plain
    found = fit_temperatures(route_softly(bench.base, trio.watch), as_held_out(trio.watch))
    words = ", ".join(f"{sex} {value:.2f}" for sex, value in sorted(found.items()))
    return {f"soft, temperature ({words})": route_softly(tempered(bench.base, found), trio.validation).ages}


def windows(bench: Bench) -> Ages:
    """Train the experts on ages beyond their groups, too."""
    trio, ages = bench.data.plain, Ages()
    for months in OVERLAPS:
        wide = bench.base | fit_experts(trio.train, trio.watch, bench.config, overlap_months=months)
        ages |= hard_and_soft(wide, trio.validation, f"windows +{months:g}")
    return ages


def sexes_together(bench: Bench) -> Ages:
    """Fit one classifier and four experts for both sexes, with the sex as a feature."""
    trio, heads = bench.data.plain, {}
    train, watch = trio.train.with_sex(), trio.watch.with_sex()
    for number in (None, 1, 2, 3, 4):
        key = ModelKey(Task.REGRESSOR if number else Task.CLASSIFIER, Sex.MALE, number)
        rows = [None if number is None else part.samples.groups == number for part in (train, watch)]
        fitted = fit_one(key, train.of(None, rows[0]), watch.of(None, rows[1]), bench.config)
        for each in (each for each in ALL_MODELS if (each.task, each.group) == (key.task, number)):
            own = tuple(fold_constant(fitted.weights, SEX_FLAGS[each.sex]))
            heads[each] = Head(each, fitted.params, own)
    return hard_and_soft(heads, trio.validation, "sexes together")


def distributions(bench: Bench) -> Ages:
    """Fit experts that end in a softmax over bins instead of one number."""
    trio, config = bench.data.plain, with_loss(bench.config, "distribution")
    return hard_and_soft(
        bench.base | fit_experts(trio.train, trio.watch, config), trio.validation, "label distribution"
    )


def whole_range(bench: Bench) -> Ages:
    """Fit one head for all ages; take it alone and stacked with the softly routed experts."""
    trio, ages = bench.data.plain, Ages()
    experts = [route_softly(bench.base, part).ages for part in (trio.watch, trio.validation)]
    names = {"regression": "one regressor for all ages", "distribution": "label distribution for all ages"}
    for kind, name in names.items():
        settings = GlobalHeadConfig(kind, epochs=bench.config.training.epochs)  # type: ignore[arg-type]
        train, watch = trio.train.with_sex().samples, trio.watch.with_sex().samples
        head = fit_global_head(kind, train, watch, settings, seed=bench.config.study.seed)  # type: ignore[arg-type]
        own = [head.predict(part.samples.features, part.sexes) for part in (trio.watch, trio.validation)]
        mixed = np.outer(1 - SHARES, experts[0]) + np.outer(SHARES, own[0])
        share = float(SHARES[np.abs(mixed - trio.watch.samples.ages).mean(axis=1).argmin()])
        ages |= {f"global: {name}": own[1]}
        ages |= {f"soft stacked with {name} ({share:.2f})": (1 - share) * experts[1] + share * own[1]}
    return ages


def backbones_own_head(bench: Bench) -> Ages:
    """Take the head that the backbone was trained with, alone and averaged over the views; nothing is fitted."""
    try:
        head = own_head(bench.config)
    except BackboneError:
        return {}
    name, data = "global: the network's own head", bench.data
    if head.features != data.plain.validation.samples.features.shape[1]:
        return {}  # features of another backbone than the configuration's: none of it
    ages = {name: head.predict(data.plain.validation.samples.features, data.plain.validation.sexes)}
    if data.averaged is not None:
        part = data.averaged.validation
        ages[f"{name}, {len(data.views)} views averaged"] = head.predict(part.samples.features, part.sexes)
    return ages


def views(bench: Bench) -> Ages:
    """Average features over views at estimate time, and let heads learn from views."""
    data, trio = bench.data, bench.data.averaged
    if trio is None:
        return {}
    count = len(data.views)
    ages = hard_and_soft(bench.base, trio.validation, f"{count} views averaged at estimate time")
    taught = fit_heads(trio.train, trio.watch, bench.config)
    ages |= hard_and_soft(taught, trio.validation, f"{count} views averaged in training and at estimate time")
    sexes = np.concatenate([part.sexes for part in data.views])
    every = SampleSet(concatenate([part.samples for part in data.views]), sexes)
    taught = fit_heads(every, trio.watch, bench.config)
    return ages | hard_and_soft(
        taught, trio.validation, f"each of {count} views in training, averaged at estimate time"
    )


def folds(bench: Bench) -> Ages:
    """Average the heads of the folds, alone and stacked with the folds' heads for all ages."""
    trio, data, config = bench.data.plain, bench.data, bench.config
    estimates, members = [], []
    settings = GlobalHeadConfig("distribution", epochs=config.training.epochs)
    for number in np.unique(data.fold):
        seed = config.study.seed + int(number)
        reseeded = replace(config, study=replace(config.study, seed=seed))
        train = trio.train.take(data.fold != number)
        estimates.append(route_softly(fit_heads(train, trio.watch, reseeded), trio.validation))
        samples = train.with_sex().samples, trio.watch.with_sex().samples
        members.append(fit_global_head("distribution", *samples, settings, seed=seed))
    ages = {f"{kind}, ensemble of folds": np.mean(found, axis=0) for kind, found in (
        ("hard", [routed.hard_ages for routed in estimates]), ("soft", [routed.ages for routed in estimates])
    )}  # fmt: skip
    own = ensemble_of(members).predict(trio.validation.samples.features, trio.validation.sexes)
    name = "label distribution for all ages, ensemble of folds"
    return ages | {
        f"global: {name}": own,
        f"soft stacked with {name} (0.50)": (ages["soft, ensemble of folds"] + own) / 2,
    }


def paper_heads(bench: Bench) -> Ages:
    """Route hard with the paper's heads (1024/512, no scaling of features) on our backbone."""
    trio = bench.data.plain
    config = replace(bench.config, classifier=HeadParameters(), regressor=HeadParameters())
    return {PAPER: route_softly(fit_heads(trio.train, trio.watch, config), trio.validation).hard_ages}


Variant = Callable[[Bench], Ages]
VARIANTS: tuple[Variant, ...] = (
    routings, paper_heads, temperature, windows, sexes_together, distributions, whole_range, backbones_own_head, views,
    folds,
)  # fmt: skip


def unequalised(trio: SampleSets, config: Config) -> Ages:
    """Fit hard and soft routing on features of films whose contrast was left alone."""
    config = with_loss(config, "mae")
    return hard_and_soft(fit_heads(trio.train, trio.watch, config), trio.validation, "not equalised")


def as_held_out(part: SampleSet) -> HeldOut:
    """Take a set as images that were held out of every fold."""
    return HeldOut(part.samples, [Sex(sex) for sex in part.sexes], np.zeros(len(part.sexes), int))


def _estimated(bench: Bench, part: SampleSet) -> tuple[Routed, list[Sex], np.ndarray]:
    return route_softly(bench.base, part), [Sex(sex) for sex in part.sexes], part.samples.ages.astype(float)

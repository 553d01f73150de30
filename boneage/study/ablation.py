"""Fit and compare heads of an ablation: data, tables with paired intervals, coverage of conformal intervals.

Every head is fitted on the training part without the watched images, which stop the fits and set temperature and share.
Watched are images that the backbone never saw (where it saw some), so these choices are honest; the validation images
choose nothing. What is compared is paired: the same images, resampled together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from boneage.cascade.intervals import Intervals, fit_intervals
from boneage.cascade.routing import Head, Predictor, Routed, route
from boneage.config import Config
from boneage.groups import AGE_GROUPS, ALL_MODELS, CLASSIFIERS, RANGE_LABELS, ModelKey, Sex, Task, group_of
from boneage.learn.fit import Samples, fit_head
from boneage.learn.global_head import samples_with_sex
from boneage.study.materials import Materials
from boneage.study.models import base_parameters

Heads = Mapping[ModelKey, Predictor]
BASE = "hard"
RESAMPLES = 2000
Estimated = tuple[Routed, Sequence[Sex], np.ndarray]


@dataclass(frozen=True)
class SampleSet:
    """Samples of one role (training, watched or validation) and their N sexes."""

    samples: Samples
    sexes: np.ndarray

    def of(self, sex: Sex | None, rows: np.ndarray | None = None) -> Samples:
        """Return the samples of a sex (None: of both), and of some rows."""
        chosen = np.ones(len(self.sexes), bool) if sex is None else self.sexes == str(sex)
        return self.samples.take(chosen if rows is None else chosen & rows)

    def take(self, rows: np.ndarray) -> SampleSet:
        """Return some of the samples with their sexes."""
        return SampleSet(self.samples.take(rows), self.sexes[rows])

    def with_sex(self) -> SampleSet:
        """Append the sex to the features."""
        return replace(self, samples=samples_with_sex(self.samples, self.sexes))


@dataclass(frozen=True)
class SampleSets:
    """Training, watched and validation samples."""

    train: SampleSet
    watch: SampleSet
    validation: SampleSet


@dataclass(frozen=True)
class AblationData:
    """Samples of an ablation.

    Attributes:
        plain: features of the films as they are.
        fold: int (N,), the fold of each training image.
        averaged: features averaged over the configured views, None where there is one view only.
        views: the training part in every view.
    """

    plain: SampleSets
    fold: np.ndarray
    averaged: SampleSets | None = None
    views: tuple[SampleSet, ...] = ()


def gather_ablation(materials: Materials) -> AblationData:
    """Split a study's materials; fold 0 is watched where the backbone saw all training images or none."""
    part, ids = materials.part, np.array(materials.splits.train)
    fresh = np.array([not materials.seen.saw(part.content_sha256[name]) for name in ids])
    watched = fresh if fresh.any() and not fresh.all() else materials.folds(tuple(ids)) == 0
    train = tuple(ids[~watched])
    roles = (train, tuple(ids[watched]), materials.splits.validation)
    views = materials.config.cascade.views
    averaged = SampleSets(*(_set(materials, names, None) for names in roles)) if len(views) > 1 else None
    each = tuple(_set(materials, train, view) for view in views) if len(views) > 1 else ()
    plain = SampleSets(*(_set(materials, names, "original") for names in roles))
    return AblationData(plain, materials.folds(train), averaged, each)


def ablation_frame(validation: SampleSet, ages: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Return one row per image: sex, true_months, true_group, and `<variant>_months` per variant."""
    true = validation.samples.ages.astype(float)
    frame = pd.DataFrame({"sex": validation.sexes, "true_months": true})
    frame["true_group"] = [group_of(float(age)) for age in true]
    return frame.assign(**{f"{name}_months": np.clip(values, 0, 228) for name, values in ages.items()})


def ablation_table(
    frame: pd.DataFrame, base: str = BASE, minus: str = "minus_hard", resamples: int = RESAMPLES, seed: int = 0
) -> pd.DataFrame:
    """Return per variant MAE, group accuracy by the routed age, and the paired difference to a base variant.

    Columns: variant, mae_months, low, high, group_accuracy, accuracy_low, accuracy_high, <minus>, minus_low, minus_high
    (95 % intervals).
    """
    true, groups = frame["true_months"].to_numpy(float), frame["true_group"].to_numpy()
    picks = np.random.default_rng(seed).integers(0, len(true), (resamples, len(true)))
    names = [column.removesuffix("_months") for column in frame.columns if column.endswith("_months")]
    reference, rows = np.abs(frame[f"{base}_months"].to_numpy(float) - true), []
    for name in (name for name in names if name != "true"):
        ages = frame[f"{name}_months"].to_numpy(float)
        error = np.abs(ages - true)
        right = np.array([group_of(float(age)) == group for age, group in zip(ages, groups, strict=True)])
        rows.append((name, *(value for each in (error, right, error - reference) for value in _mean(each, picks))))
    columns = ["variant", "mae_months", "low", "high", "group_accuracy", "accuracy_low", "accuracy_high"]
    columns += [minus, "minus_low", "minus_high"]
    return pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(columns[1:], float))


def _mean(values: np.ndarray, picks: np.ndarray) -> tuple[float, float, float]:
    """Return the mean of values (N,) and its 95 % bootstrap interval over rows of picks (resamples, N)."""
    low, high = np.percentile(values[picks].mean(axis=1), (2.5, 97.5))
    return float(values.mean()), float(low), float(high)


def coverage_table(fitted: Estimated, held_out: Estimated, coverage: float) -> pd.DataFrame:
    """Fit intervals on some images and count how often they hold on others.

    Args:
        fitted: estimates, N sexes and true ages in months (N,) of images that no head was fitted on.
        held_out: the same of other images.
        coverage: the wanted coverage, 0-1.

    Returns:
        Per kind (plain, widened) and part of the set: images, coverage with its 95 % interval, mean width in months.
    """
    rows = []
    for kind in ("plain", "widened"):
        routed, sexes, true = fitted
        surest = routed.probabilities.max(axis=1) if kind == "widened" else None
        intervals = fit_intervals(list(sexes), routed.ages, true, coverage, surest)
        rows += [{"intervals": kind, **row} for row in held_table(intervals, *held_out)]
    return pd.DataFrame(rows)


def held_table(intervals: Intervals, routed: Routed, sexes: Sequence[Sex], true: np.ndarray) -> list[dict[str, object]]:
    """Count how often intervals hold: over all, per sex, where the classifier is sure or not, per sex and true group.

    Args:
        intervals: any.
        routed: N estimates.
        sexes: N sexes.
        true: months, float (N,).

    Returns:
        One row per part: images, coverage with its 95 % bootstrap interval, mean width in months.
    """
    surest = routed.probabilities.max(axis=1)
    both = [intervals.bounds(s, float(a), float(p)) for s, a, p in zip(sexes, routed.ages, surest, strict=True)]
    bounds = np.array([(np.nan, np.nan) if low is None else (low, high) for low, high in both], dtype=float)
    inside = (bounds[:, 0] <= true) & (true <= bounds[:, 1])
    known, of_sex = np.isfinite(bounds[:, 0]), np.array([str(sex) for sex in sexes])
    parts = {"all": known, **{str(sex): known & (of_sex == str(sex)) for sex in Sex}}
    parts |= {"surest above 0.9": known & (surest > 0.9), "surest below 0.6": known & (surest < 0.6)}
    for sex in Sex:
        for group in AGE_GROUPS:
            in_group = (true >= group.low) & ((true < group.high) | (group.number == len(AGE_GROUPS)))
            parts[f"{sex} {RANGE_LABELS[group.number - 1]}"] = parts[str(sex)] & in_group
    rows: list[dict[str, object]] = []
    for name, chosen in parts.items():
        if not chosen.any():
            continue
        count = int(chosen.sum())
        share, low, high = _mean(inside[chosen], np.random.default_rng(0).integers(0, count, (RESAMPLES, count)))
        width = float((bounds[chosen, 1] - bounds[chosen, 0]).mean())
        found = {"coverage": share, "low": low, "high": high, "width_months": width}
        rows.append({"part": name, "images": count, **found})
    return rows


def fit_heads(train: SampleSet, watch: SampleSet, config: Config) -> dict[ModelKey, Head]:
    """Fit all ten heads."""
    heads = fit_experts(train, watch, config)
    return heads | {key: fit_one(key, train.of(key.sex), watch.of(key.sex), config) for key in CLASSIFIERS}


def fit_experts(
    train: SampleSet, watch: SampleSet, config: Config, *, overlap_months: float = 0.0
) -> dict[ModelKey, Head]:
    """Fit the eight regressors on their groups, widened by some months on either side."""
    heads = {}
    for key in (key for key in ALL_MODELS if key.task is Task.REGRESSOR):
        group = AGE_GROUPS[(key.group or 1) - 1]
        parts = []
        for part in (train, watch):
            ages = part.samples.ages
            near = (ages >= group.low - overlap_months) & (ages < group.high + overlap_months)
            parts.append(part.of(key.sex, near | (part.samples.groups == group.number)))
        heads[key] = fit_one(key, parts[0], parts[1], config)
    return heads


def fit_one(key: ModelKey, train: Samples, watch: Samples, config: Config) -> Head:
    """Fit one head, stopped by the watched samples where there are any."""
    params = base_parameters(config, key)
    seed, stopped_by = config.study.seed, watch if len(watch) else None
    fitted = fit_head(key, train, stopped_by, params, config.training, seed=seed)
    return Head(key, params, tuple(fitted.weights))


def route_softly(heads: Heads, part: SampleSet) -> Routed:
    """Route a set's images softly."""
    sexes = [Sex(sex) for sex in part.sexes]
    return route(heads, part.samples.features, sexes, [None] * len(sexes), "soft")


def hard_and_soft(heads: Heads, part: SampleSet, name: str) -> dict[str, np.ndarray]:
    """Return a variant's hard and soft ages, under `hard, <name>` and `soft, <name>`."""
    routed = route_softly(heads, part)
    return {f"hard, {name}": routed.hard_ages, f"soft, {name}": routed.ages}


def _set(materials: Materials, ids: tuple[str, ...], view: str | None) -> SampleSet:
    sexes = materials.part.table.loc[list(ids), "sex"].astype(str).to_numpy()
    return SampleSet(materials.part.samples(ids, view), sexes)


def with_loss(config: Config, loss: str) -> Config:
    """Return a configuration whose regressors have another loss."""
    return replace(config, regressor=replace(config.regressor, loss=loss))  # type: ignore[arg-type]

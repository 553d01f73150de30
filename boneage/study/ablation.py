"""What each idea beyond the paper is worth, on the same features and the same validation images.

Every head is fitted on the training part without the watched images, which stop the fits and set temperature and share.
Watched are images that the backbone never saw (where it saw some), so these choices are honest; the validation images
choose nothing. What is compared is paired: the same images, resampled together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from boneage.cascade.head import Head
from boneage.cascade.routing import Predictor, Routed, route
from boneage.config import Config
from boneage.groups import AGE_GROUPS, ALL_MODELS, ModelKey, Sex, Task, group_of
from boneage.learn.fit import Samples, fit_head
from boneage.study.materials import Materials

Progress = Callable[[int, int], None]
Heads = Mapping[ModelKey, Predictor]
BASE = "hard"


@dataclass(frozen=True)
class Set:
    """Images of one role: samples and their N sexes."""

    samples: Samples
    sexes: np.ndarray

    def of(self, sex: Sex | None, rows: np.ndarray | None = None) -> Samples:
        """Return the samples of a sex (None: of both), and of some rows."""
        chosen = np.ones(len(self.sexes), bool) if sex is None else self.sexes == str(sex)
        return self.samples.take(chosen if rows is None else chosen & rows)


@dataclass(frozen=True)
class Trio:
    """The sets that heads are fitted on, stopped by and judged on."""

    train: Set
    watch: Set
    validation: Set


@dataclass(frozen=True)
class AblationData:
    """What an ablation works on.

    Attributes:
        plain: features of the films as they are.
        fold: int (N,), the fold of each training image.
        averaged: features averaged over the configured views, None where there is one view only.
        views: the training part in every view.
    """

    plain: Trio
    fold: np.ndarray
    averaged: Trio | None = None
    views: tuple[Set, ...] = ()


def gather_ablation(materials: Materials) -> AblationData:
    """Split a study's materials; fold 0 is watched where the backbone saw all training images or none."""
    part, ids = materials.part, np.array(materials.splits.train)
    fresh = np.array([not materials.seen.saw(part.content_sha256[name]) for name in ids])
    watched = fresh if fresh.any() and not fresh.all() else materials.folds(tuple(ids)) == 0
    train = tuple(ids[~watched])
    roles = (train, tuple(ids[watched]), materials.splits.validation)
    views = materials.config.cascade.views
    averaged = Trio(*(_set(materials, names, None) for names in roles)) if len(views) > 1 else None
    each = tuple(_set(materials, train, view) for view in views) if len(views) > 1 else ()
    plain = Trio(*(_set(materials, names, "original") for names in roles))
    return AblationData(plain, materials.folds(train), averaged, each)


def ablation_frame(validation: Set, ages: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Return one row per image: sex, true_months, true_group, and `<variant>_months` per variant."""
    true = validation.samples.ages.astype(float)
    frame = pd.DataFrame({"sex": validation.sexes, "true_months": true})
    frame["true_group"] = [group_of(float(age)) for age in true]
    return frame.assign(**{f"{name}_months": np.clip(values, 0, 228) for name, values in ages.items()})


def ablation_table(
    frame: pd.DataFrame, base: str = BASE, minus: str = "minus_hard", resamples: int = 2000, seed: int = 0
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
        low, high = np.percentile(error[picks].mean(axis=1), (2.5, 97.5))
        minus_low, minus_high = np.percentile((error - reference)[picks].mean(axis=1), (2.5, 97.5))
        right = np.array([group_of(float(age)) == group for age, group in zip(ages, groups, strict=True)])
        accuracy = (right.mean(), *np.percentile(right[picks].mean(axis=1), (2.5, 97.5)))
        rows.append((name, error.mean(), low, high, *accuracy, (error - reference).mean(), minus_low, minus_high))
    columns = ["variant", "mae_months", "low", "high", "group_accuracy", "accuracy_low", "accuracy_high"]
    columns += [minus, "minus_low", "minus_high"]
    return pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(columns[1:], float))


def fit_heads(train: Set, watch: Set, config: Config, seed: int | None = None) -> dict[ModelKey, Head]:
    """Fit all ten heads."""
    seed = config.study.seed if seed is None else seed
    heads = fit_experts(train, watch, config, seed=seed)
    for sex in Sex:
        key = ModelKey(Task.CLASSIFIER, sex)
        heads[key] = fit_one(key, train.of(sex), watch.of(sex), config, seed)
    return heads


def fit_experts(
    train: Set, watch: Set, config: Config, *, overlap_months: float = 0.0, seed: int | None = None
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
        heads[key] = fit_one(key, parts[0], parts[1], config, config.study.seed if seed is None else seed)
    return heads


def fit_one(key: ModelKey, train: Samples, watch: Samples, config: Config, seed: int) -> Head:
    """Fit one head, stopped by the watched samples where there are any."""
    params = config.classifier if key.task is Task.CLASSIFIER else config.regressor
    fitted = fit_head(key, train, watch if len(watch) else None, params, config.training, seed=seed)
    return Head(key, params, tuple(fitted.weights))


def softly(heads: Heads, part: Set) -> Routed:
    """Route a set's images softly."""
    sexes = [Sex(sex) for sex in part.sexes]
    return route(heads, part.samples.features, sexes, [None] * len(sexes), "soft")


def hard_and_soft(heads: Heads, part: Set, name: str) -> dict[str, np.ndarray]:
    """Return a variant's hard and soft ages, under `hard, <name>` and `soft, <name>`."""
    routed = softly(heads, part)
    return {f"hard, {name}": routed.hard_ages, f"soft, {name}": routed.ages}


def _set(materials: Materials, ids: tuple[str, ...], view: str | None) -> Set:
    sexes = materials.part.table.loc[list(ids), "sex"].astype(str).to_numpy()
    return Set(materials.part.samples(ids, view), sexes)


def with_loss(config: Config, loss: str) -> Config:
    """Return a configuration whose regressors have another loss."""
    return replace(config, regressor=replace(config.regressor, loss=loss))  # type: ignore[arg-type]

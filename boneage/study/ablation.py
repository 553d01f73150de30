"""What each idea beyond the paper is worth, on the same features and the same validation images.

Every head is fitted on the training part without the watched images, which stop the fits, set the temperature and the
stack's weight. Watched are images that the backbone never saw (where it saw some), so these choices are honest; the
validation images choose nothing. What is compared is paired: the same images, resampled together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from boneage.cascade.account import routed_ages
from boneage.cascade.head import Head
from boneage.cascade.routing import Predictor, Routed, route
from boneage.config import Config
from boneage.groups import AGE_GROUPS, ALL_MODELS, ModelKey, Sex, Task, group_of
from boneage.learn.fit import Samples, fit_head
from boneage.learn.seen import SeenImages
from boneage.learn.wholerange import fit_whole_range
from boneage.study.coverage import coverage_table
from boneage.study.materials import Materials

Progress = Callable[[int, int], None]
Heads = Mapping[ModelKey, Predictor]
BASE = "hard"
OVERLAPS = (12.0, 24.0)
_WEIGHTS = np.linspace(0, 1, 11)
_TEMPERATURES = (0.5, 0.7, 1.0, 1.4, 2.0, 3.0)


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
class AblationData:
    """What an ablation works on; each training image also has a fold."""

    train: Set
    watch: Set
    validation: Set
    fold: np.ndarray


@dataclass(frozen=True)
class AblationOutcome:
    """What an ablation found on the validation images.

    Attributes:
        frame: one row per image: sex, true_months, true_group, and `<variant>_months` per variant.
        coverage: how often 90 % intervals of the softly routed cascade, fitted on the watched images, hold.
    """

    frame: pd.DataFrame
    coverage: pd.DataFrame


def gather_ablation(materials: Materials, seen: SeenImages) -> AblationData:
    """Split a study's materials; fold 0 is watched where the backbone saw all training images or none."""
    ids = np.array(materials.splits.train)
    fresh = np.array([not seen.saw(materials.part.content_sha256[name]) for name in ids])
    watched = fresh if fresh.any() and not fresh.all() else materials.folds(tuple(ids)) == 0
    train = tuple(ids[~watched])
    return AblationData(
        _set(materials, train),
        _set(materials, tuple(ids[watched])),
        _set(materials, materials.splits.validation),
        materials.folds(train),
    )


def run_ablation(
    data: AblationData, config: Config, progress: Progress | None = None, *, ensemble: bool = True
) -> AblationOutcome:
    """Fit every variant and estimate the validation images with each; the ensemble costs as much as all others."""
    steps = _Steps(progress, total=5 + len(OVERLAPS))
    base = fit_heads(data.train, data.watch, config)
    steps.done()
    ages = _routings(base, data.validation)
    temperature = best_temperature(base, data.watch)
    ages[f"soft, temperature {temperature:g}"] = soft_ages(base, data.validation, temperature)
    for months in OVERLAPS:
        wide = {**base, **fit_experts(data.train, data.watch, config, overlap_months=months)}
        routed = _routings(wide, data.validation)
        ages |= {f"{name}, windows +{months:g}": routed[name] for name in ("hard", "soft")}
        steps.done()
    joint = _routings(_joint_heads(data, config), data.validation)
    ages |= {f"{name}, sexes together": joint[name] for name in ("hard", "soft")}
    steps.done()
    ages |= _whole_range(data, config, base)
    steps.done()
    if ensemble:
        members = [soft_ages(heads, data.validation) for heads in _folds(data, config)]
        ages["soft, ensemble of folds"] = np.mean(members, axis=0)
    steps.done()
    true = data.validation.samples.ages.astype(float)
    frame = pd.DataFrame({"sex": data.validation.sexes, "true_months": true})
    frame["true_group"] = [group_of(float(age)) for age in true]
    steps.done()
    frame = frame.assign(**{f"{name}_months": np.clip(values, 0, 228) for name, values in ages.items()})
    coverage = coverage_table(_softly(base, data.watch), _softly(base, data.validation), config.cascade.coverage)
    return AblationOutcome(frame, coverage)


def ablation_table(frame: pd.DataFrame, resamples: int = 2000, seed: int = 0) -> pd.DataFrame:
    """Return per variant MAE, group accuracy by the routed age, and the paired difference to hard routing.

    Columns: variant, mae_months, low, high, group_accuracy, minus_hard, minus_low, minus_high (95 % intervals).
    """
    true, groups = frame["true_months"].to_numpy(float), frame["true_group"].to_numpy()
    picks = np.random.default_rng(seed).integers(0, len(true), (resamples, len(true)))
    names = [column.removesuffix("_months") for column in frame.columns if column.endswith("_months")]
    base, rows = np.abs(frame[f"{BASE}_months"].to_numpy(float) - true), []
    for name in (name for name in names if name != "true"):
        ages = frame[f"{name}_months"].to_numpy(float)
        error = np.abs(ages - true)
        low, high = np.percentile(error[picks].mean(axis=1), (2.5, 97.5))
        minus_low, minus_high = np.percentile((error - base)[picks].mean(axis=1), (2.5, 97.5))
        right = np.mean([group_of(float(age)) == group for age, group in zip(ages, groups, strict=True)])
        rows.append((name, error.mean(), low, high, right, (error - base).mean(), minus_low, minus_high))
    columns = ["variant", "mae_months", "low", "high", "group_accuracy", "minus_hard", "minus_low", "minus_high"]
    return pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(columns[1:], float))


def fit_heads(train: Set, watch: Set, config: Config, seed: int | None = None) -> dict[ModelKey, Predictor]:
    """Fit all ten heads."""
    seed = config.study.seed if seed is None else seed
    heads: dict[ModelKey, Predictor] = dict(fit_experts(train, watch, config, seed=seed))
    for sex in Sex:
        key = ModelKey(Task.CLASSIFIER, sex)
        heads[key] = _fit(key, train.of(sex), watch.of(sex), config, seed)
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
        heads[key] = _fit(key, parts[0], parts[1], config, config.study.seed if seed is None else seed)
    return heads


def soft_ages(heads: Heads, part: Set, temperature: float = 1.0) -> np.ndarray:
    """Return soft-routed ages with probabilities sharpened (below 1) or flattened (above 1) by a temperature."""
    ages = np.zeros(len(part.sexes))
    for sex in Sex:
        rows = part.sexes == str(sex)
        if not rows.any():
            continue
        features = part.samples.features[rows]
        weights = heads[ModelKey(Task.CLASSIFIER, sex)].predict(features).astype(float) ** (1 / temperature)
        experts = [heads[ModelKey(Task.REGRESSOR, sex, group.number)].predict(features) for group in AGE_GROUPS]
        ages[rows] = (weights / weights.sum(axis=1, keepdims=True) * np.stack(experts, axis=1)).sum(axis=1)
    return ages


def best_temperature(heads: Heads, watch: Set) -> float:
    """Return the temperature under which the classifiers' true groups are the likeliest on the watched images."""

    def loss(temperature: float) -> float:
        total = 0.0
        for sex in Sex:
            part = watch.of(sex)
            if len(part):
                odds = heads[ModelKey(Task.CLASSIFIER, sex)].predict(part.features).astype(float) ** (1 / temperature)
                odds /= odds.sum(axis=1, keepdims=True)
                total -= float(np.log(odds[np.arange(len(part)), part.groups - 1] + 1e-9).sum())
        return total

    return min(_TEMPERATURES, key=loss)


@dataclass(frozen=True)
class _Flagged:
    """A head of both sexes: it gets the sex as one more feature."""

    head: Head
    sex: Sex

    def predict(self, features: np.ndarray) -> np.ndarray:
        return self.head.predict(_with_sex(features, self.sex))


class _Steps:
    """Counts the stages for a progress callable."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress, self._total, self._count = progress, total, 0

    def done(self) -> None:
        self._count += 1
        if self._progress:
            self._progress(self._count, self._total)


def _set(materials: Materials, ids: tuple[str, ...]) -> Set:
    return Set(materials.part.samples(ids), materials.part.table.loc[list(ids), "sex"].astype(str).to_numpy())


def _fit(key: ModelKey, train: Samples, watch: Samples, config: Config, seed: int) -> Head:
    params = config.classifier if key.task is Task.CLASSIFIER else config.regressor
    fitted = fit_head(key, train, watch if len(watch) else None, params, config.training, seed=seed)
    return Head(key, params, tuple(fitted.weights))


def _softly(heads: Heads, part: Set) -> tuple[Routed, list[Sex], np.ndarray]:
    sexes = [Sex.parse(sex) for sex in part.sexes]
    return (
        route(heads, part.samples.features, sexes, [None] * len(sexes), "soft"),
        sexes,
        part.samples.ages.astype(float),
    )


def _routings(heads: Heads, part: Set) -> dict[str, np.ndarray]:
    return routed_ages(heads, part.samples.features, list(part.sexes), list(part.samples.groups))


def _joint_heads(data: AblationData, config: Config) -> Heads:
    train, watch = _flag(data.train), _flag(data.watch)
    heads: dict[ModelKey, Predictor] = {}
    for group in (None, *(group.number for group in AGE_GROUPS)):
        task = Task.CLASSIFIER if group is None else Task.REGRESSOR
        rows = [None if group is None else part.samples.groups == group for part in (train, watch)]
        key = ModelKey(task, Sex.FEMALE, group)
        head = _fit(key, train.of(None, rows[0]), watch.of(None, rows[1]), config, config.study.seed)
        heads |= {ModelKey(task, sex, group): _Flagged(head, sex) for sex in Sex}
    return heads


def _flag(part: Set) -> Set:
    flags = np.where(part.sexes == str(Sex.MALE), 1.0, -1.0).astype(np.float32)[:, None]
    return replace(part, samples=replace(part.samples, features=np.hstack([part.samples.features, flags])))


def _with_sex(features: np.ndarray, sex: Sex) -> np.ndarray:
    flag = np.full((len(features), 1), 1.0 if sex is Sex.MALE else -1.0, np.float32)
    return np.hstack([features, flag])


def _whole_range(data: AblationData, config: Config, base: Heads) -> dict[str, np.ndarray]:
    """Return one regressor or distribution for all ages, and its stack with the softly routed experts."""
    ages: dict[str, np.ndarray] = {}
    train, watch, validation = _flag(data.train).samples, _flag(data.watch).samples, _flag(data.validation).samples
    kinds = {"one regressor for all ages": "regression", "label distribution for all ages": "distribution"}
    for name, kind in kinds.items():
        head = fit_whole_range(kind, train, watch, epochs=config.training.epochs, seed=config.study.seed)  # type: ignore[arg-type]
        ages[name] = head.predict(validation.features)
        soft, own = soft_ages(base, data.watch), head.predict(watch.features)
        errors = [np.abs(weight * own + (1 - weight) * soft - watch.ages).mean() for weight in _WEIGHTS]
        weight = float(_WEIGHTS[int(np.argmin(errors))])
        ages[f"soft stacked with {name} ({weight:.1f})"] = weight * ages[name] + (1 - weight) * soft_ages(
            base, data.validation
        )
    return ages


def _folds(data: AblationData, config: Config) -> Sequence[Heads]:
    """Fit ten heads per fold, each without that fold's images."""
    ensembles = []
    for number in np.unique(data.fold):
        kept = data.fold != number
        train = Set(data.train.samples.take(kept), data.train.sexes[kept])
        ensembles.append(fit_heads(train, data.watch, config, seed=config.study.seed + int(number)))
    return ensembles

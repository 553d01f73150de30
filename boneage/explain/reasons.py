"""Give the reasons of an estimate: what each expert said, how much it counted, which training cases look alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from boneage.cascade.cascade import Cascade, Source
from boneage.cascade.case_index import SimilarCase
from boneage.cascade.estimate import REASON_FIELDS, Estimate
from boneage.cascade.regional import joint_months
from boneage.cascade.stack import REGIONS_SHARE, Line, spread_out
from boneage.groups import AGE_GROUPS, ModelKey, Sex, Task

ALL_AGES = "all ages"
ALL_REGIONS = "all regions"


@dataclass(frozen=True)
class Opinion:
    """One expert's age for a film, and its weight in the estimate.

    Attributes:
        range: its age range, `all ages` for the head that is stacked with the four experts, or `all regions` for what
            the hand's regions, seen one by one, give together.
        probability: what the classifier gives its range, 0-1; None for all ages.
        weight: its share in the estimate; those of all opinions sum to 1.
        months: its age.
    """

    range: str
    probability: float | None
    weight: float
    months: float


@dataclass(frozen=True)
class Reasons:
    """The opinions behind an estimate and the training cases most like the film.

    `hard_months` is what hard routing, the paper's, gives; None where a range was given.
    """

    hard_months: float | None
    experts: tuple[Opinion, ...]
    similar_cases: tuple[SimilarCase, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain values under the names of `REASON_FIELDS`; hard routing's age is part of every estimate."""
        values = asdict(self)
        return {name: [_rounded(one) for one in values[name]] for name in REASON_FIELDS}


def estimate_with_reasons(
    cascade: Cascade, radiograph: Source, sex: Sex | str, age_range: str | None = None, **asked: Any
) -> tuple[Estimate, Reasons]:
    """Estimate as `Cascade.estimate` does (`asked` are its options), and say why, from the same backbone passes."""
    prepared = cascade.examine(radiograph, sex, **asked)
    features = cascade.features(prepared)
    estimate = cascade.estimate_prepared(prepared, sex, age_range or None, features)
    return estimate, reasons_of(cascade, features, estimate)


def estimate_record(
    cascade: Cascade, radiograph: Source, sex: Sex | str, age_range: str | None, *, reasons: bool, **asked: Any
) -> tuple[Estimate, dict[str, Any]]:
    """Return an estimate and its record, with the reasons where they are wanted; `asked` as in `Cascade.estimate`."""
    if not reasons:
        estimate = cascade.estimate(radiograph, sex, age_range, **asked)
        return estimate, estimate.to_json()
    estimate, found = estimate_with_reasons(cascade, radiograph, sex, age_range, **asked)
    return estimate, {**estimate.to_json(), **found.to_json()}


def reasons_of(cascade: Cascade, features: np.ndarray, estimate: Estimate) -> Reasons:
    """Return the reasons of an estimate that was made from features float32 (1, D)."""
    opinions = tuple(expert_opinions(cascade, features, estimate))
    return Reasons(estimate.hard_months, opinions, tuple(cascade.similar(features, estimate.sex)))


def all_ages_share(cascade: Cascade, estimate: Estimate) -> float:
    """Return the share that the head for all ages had in an estimate, 0-1; at 1 no expert had a part in it."""
    if cascade.stack is None or estimate.routing != "stacked":
        return 0.0
    return cascade.stack.shares.get(str(Sex.parse(estimate.sex)), 0.0)


def expert_opinions(cascade: Cascade, features: np.ndarray, estimate: Estimate) -> list[Opinion]:
    """Return what each of the sex's experts says of a film, and the weight that it had in the estimate.

    The weighted mean of the ages is the estimate, before a site's calibration and within 0-228 months: where a line
    gives estimates their spread back (`Stack.lines`), it has been applied to each age.
    """
    sex = Sex.parse(estimate.sex)
    pooled, columns = cascade.divided(features)
    classified = np.asarray(cascade.heads[ModelKey(Task.CLASSIFIER, sex)].predict(pooled)[0], float)
    classified = classified / classified.sum()
    weights = _weights(cascade, classified, estimate)
    stacked = cascade.stack if estimate.routing == "stacked" else None
    share = all_ages_share(cascade, estimate)
    lines = {} if cascade.stack is None or estimate.routing == "given" else cascade.stack.lines
    joint = joint_months(columns, [sex]) if stacked else None
    regions = REGIONS_SHARE if joint is not None and not np.isnan(joint[0]) else 0.0
    opinions = []
    for group, probability, weight in zip(AGE_GROUPS, classified, weights, strict=True):
        age = _age(cascade.heads[ModelKey(Task.REGRESSOR, sex, group.number)].predict(pooled), sex, lines)
        opinions.append(Opinion(group.label, float(probability), float((1 - regions) * (1 - share) * weight), age))
    if stacked:
        age = _age(stacked.head.predict(pooled, [sex]), sex, lines)
        opinions.append(Opinion(ALL_AGES, None, (1 - regions) * share, age))
    if joint is not None and regions:
        opinions.append(Opinion(ALL_REGIONS, None, regions, _age(joint, sex, lines)))
    return opinions


def _age(predicted: np.ndarray, sex: Sex, lines: Mapping[str, Line]) -> float:
    return float(spread_out(np.asarray(predicted, float).reshape(-1)[:1], [sex], lines)[0])


def _weights(cascade: Cascade, classified: np.ndarray, estimate: Estimate) -> np.ndarray:
    """Return the four experts' weights among themselves: the classifier's under soft routing, else one alone."""
    if estimate.routing != "given" and cascade.config.cascade.routing == "soft":
        return classified
    return np.eye(len(AGE_GROUPS))[estimate.group - 1]


def _rounded(values: dict[str, Any]) -> dict[str, Any]:
    """Round numbers as estimates are rounded: finer digits differ between machines."""
    digits = {name: 2 if name.endswith("months") else 4 for name, value in values.items() if isinstance(value, float)}
    return values | {name: round(values[name], digits[name]) for name in digits}

"""Follow one child: bone age against chronological age over several films, and how fast it advances.

Films are checked first: one child, no film twice, ages that rise. What is wrong is refused by the film's name.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from statistics import NormalDist
from typing import Any

import numpy as np

from boneage.cascade.estimate import MAX_CHRONOLOGICAL_MONTHS
from boneage.clinical.comparison import model_sd
from boneage.clinical.sd_tables import SdTable
from boneage.data.flags import pixels_sha256
from boneage.groups import Sex
from boneage.hospital.result import HospitalError, Result
from boneage.notices import Notice, fault, warning

RATE_COVERAGE = 0.95
_SAME_AGE_MONTHS = 1.0
_LEAST_APART_MONTHS = 1.0
_SAME_CHILD = {
    "PatientBirthDate": fault("follow.birth_date"),
    "PatientSex": fault("follow.sex"),
    "PatientID": fault("follow.number"),
}
_DAYS_A_MONTH = 365.25 / 12


@dataclass(frozen=True)
class Visit:
    """One film of the child.

    Attributes:
        name: what messages and tables call the film.
        age_months: chronological age at acquisition.
        result: what was estimated.
    """

    name: str
    age_months: float
    result: Result


@dataclass(frozen=True)
class Rate:
    """How fast bone age advances.

    Attributes:
        months_per_year: months of bone age per year of life; 12 is as fast as age.
        low: lower bound of its 95 % interval, likewise.
        high: its upper bound.
        through: age and bone age in months where all films together lie, each weighted by its interval.
    """

    months_per_year: float
    low: float
    high: float
    through: tuple[float, float]

    def sentence(self) -> str:
        """Say it in a line."""
        return (
            f"bone age advances by {self.months_per_year:.1f} months a year "
            f"({RATE_COVERAGE:.0%} interval {self.low:.1f} to {self.high:.1f}; 12 is as fast as age)"
        )


@dataclass(frozen=True)
class FollowUp:
    """The films of one child, youngest first.

    Attributes:
        sex: the child's.
        visits: with an estimate each.
        refused: films of which none was estimated, with the reason.
        rate: None with fewer than two estimates or films of one age.
        table: whose bands are drawn, or None.
        doubts: pairs of films whose bone age falls by more than their errors explain.
    """

    sex: Sex
    visits: tuple[Visit, ...]
    refused: tuple[Visit, ...]
    rate: Rate | None
    table: SdTable | None
    doubts: tuple[Notice, ...] = ()

    def rows(self) -> list[dict[str, Any]]:
        """Return a record per film, refused ones included, in the order of age."""
        rows = []
        for visit in sorted((*self.visits, *self.refused), key=lambda one: one.age_months):
            sd = None if self.table is None else self.table.sd_months(self.sex, visit.age_months)
            rows.append(_row(visit, sd))
        return rows

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain values."""
        rate = self.rate
        said = None if rate is None else [round(one, 2) for one in (rate.months_per_year, rate.low, rate.high)]
        return {
            "sex": str(self.sex),
            "table": None if self.table is None else self.table.name,
            "films": self.rows(),
            "rate_months_per_year": said and said[0],
            "rate_low": said and said[1],
            "rate_high": said and said[2],
            "doubts": [str(one) for one in self.doubts],
        }


def typed_age(written: str, born: str = "") -> float:
    """Read an age that somebody typed.

    Args:
        written: months (`96`, `96.5`, `96,5`) or the date of the film (`2021-05-03`).
        born: the birth date, which a date needs.

    Returns:
        The age in months.

    Raises:
        HospitalError: when it is neither, or a date has no birth date before it.
    """
    try:
        age = float(written.strip().replace(",", "."))
        if not 0 <= age <= MAX_CHRONOLOGICAL_MONTHS:
            raise HospitalError.of("follow.bad_age", given=written.strip())
        return age
    except ValueError as error:
        if isinstance(error, HospitalError):
            raise
    taken, birth = _date(written), _date(born) if born.strip() else None
    if birth is None or taken < birth:
        raise HospitalError.of("follow.born", given=written.strip())
    return (taken - birth).days / _DAYS_A_MONTH


def _date(written: str) -> date:
    try:
        return date.fromisoformat(written.strip())
    except ValueError as error:
        raise HospitalError.of("follow.bad_age", given=written.strip()) from error


def follow(films: Sequence[tuple[str, Result]], ages: Sequence[float | None] | None, table: SdTable | None) -> FollowUp:
    """Put the films of one child in order and measure the rate.

    Args:
        films: name and result of each.
        ages: chronological ages in months in the films' order, where they were typed; None takes the films' own, for
            all or for one.
        table: for the bands and z-scores, or None.

    Raises:
        HospitalError: when films are of two children, one comes twice, an age is missing or ages contradict each other.
    """
    if len(films) < 2:
        raise HospitalError.of("follow.few", count=len(films))
    if ages is not None and len(ages) != len(films):
        raise HospitalError.of("follow.ages", films=len(films), ages=len(ages))
    _check_one_child(films)
    _check_no_film_twice(films)
    visits = [_visit(name, result, None if ages is None else ages[index]) for index, (name, result) in enumerate(films)]
    _check_order(visits, typed=ages is not None)
    visits.sort(key=lambda one: one.age_months)
    estimated = tuple(one for one in visits if one.result.estimate is not None)
    refused = tuple(one for one in visits if one.result.estimate is None)
    doubts = tuple(_falls(one, other) for one, other in pairwise(estimated) if _is_younger(other, one))
    return FollowUp(films[0][1].sex, estimated, refused, rate_of(estimated), table, doubts)


def rate_of(visits: Sequence[Visit]) -> Rate | None:
    """Fit a line through bone age by age, each film weighted by its interval.

    The films' errors are taken as independent. What the model gets wrong in the same way on every film of a child moves
    the line, not its slope.
    """
    ages = np.array([one.age_months for one in visits])
    if len(visits) < 2 or np.ptp(ages) < _LEAST_APART_MONTHS:
        return None
    bones, errors = [], []
    for one in visits:
        estimate = one.result.estimate
        error = None if estimate is None else model_sd(estimate, one.result.coverage)
        if estimate is None or error is None:
            return None
        bones.append(estimate.bone_age_months)
        errors.append(max(error, 1e-6))
    weights = 1 / np.square(errors)
    middle = float(np.average(ages, weights=weights))
    spread = float((weights * (ages - middle) ** 2).sum())
    slope = float((weights * (ages - middle) * np.array(bones)).sum()) / spread
    through = (middle, float(np.average(bones, weights=weights)))
    half = NormalDist().inv_cdf((1 + RATE_COVERAGE) / 2) / spread**0.5
    return Rate(12 * slope, 12 * (slope - half), 12 * (slope + half), through)


def _is_younger(later: Visit, earlier: Visit) -> bool:
    """Tell whether bone age falls from one film to a later one by more than their errors explain."""
    ages, errors = [], []
    for one in (earlier, later):
        estimate = one.result.estimate
        error = None if estimate is None else model_sd(estimate, one.result.coverage)
        if estimate is None or error is None:
            return False
        ages.append(estimate.bone_age_months)
        errors.append(error)
    return ages[1] < ages[0] - NormalDist().inv_cdf((1 + RATE_COVERAGE) / 2) * math.hypot(*errors)


def _falls(earlier: Visit, later: Visit) -> Notice:
    return warning("follow.falls", first=earlier.name, second=later.name)


def _visit(name: str, result: Result, typed: float | None) -> Visit:
    own = result.film.age_months
    age = own if typed is None else typed
    if age is None:
        raise HospitalError.of("follow.no_age", name=name)
    if typed is not None and own is not None:
        latest = own + result.film.age_step_months + _SAME_AGE_MONTHS
        if not own - _SAME_AGE_MONTHS <= typed <= latest:
            raise HospitalError.of(
                "follow.contradicts", name=name, own=round(float(own), 1), given=round(float(typed), 1)
            )
    return Visit(name, age, result)


def _check_one_child(films: Sequence[tuple[str, Result]]) -> None:
    """Refuse films of two children: two birth dates, sexes or patient numbers."""
    for attribute, words in _SAME_CHILD.items():
        first: tuple[str, str] | None = None
        for name, result in films:
            value = str(result.header.get(attribute) or "") if result.header is not None else ""
            if first is None and value:
                first = (name, value)
            elif first is not None and value and value != first[1]:
                raise HospitalError.of("follow.patients", first=first[0], second=name, what=words)


def _check_no_film_twice(films: Sequence[tuple[str, Result]]) -> None:
    seen: dict[str, str] = {}
    for name, result in films:
        key = pixels_sha256(result.film.pixels)
        if key in seen:
            raise HospitalError.of("follow.twice", first=seen[key], second=name)
        seen[key] = name


def _check_order(visits: Sequence[Visit], *, typed: bool) -> None:
    if not typed:
        return
    for one, other in pairwise(visits):
        if other.age_months <= one.age_months:
            ages = {"age": round(other.age_months, 1), "before": round(one.age_months, 1)}
            raise HospitalError(fault("follow.order", second=other.name, first=one.name, **ages))


def _row(visit: Visit, sd: float | None) -> dict[str, Any]:
    estimate = visit.result.estimate
    if estimate is None:
        return {"film": visit.name, "age_months": visit.age_months, "error": visit.result.message}
    apart = estimate.bone_age_months - visit.age_months
    return {
        "film": visit.name,
        "age_months": visit.age_months,
        "bone_age_months": round(estimate.bone_age_months, 2),
        "low_months": None if estimate.low_months is None else round(estimate.low_months, 2),
        "high_months": None if estimate.high_months is None else round(estimate.high_months, 2),
        "difference_months": round(apart, 2),
        "z_score": None if sd is None else round(apart / sd, 2),
        "warnings": [str(one) for one in estimate.warnings],
    }

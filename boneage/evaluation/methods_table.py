"""Set methods side by side on the same films: errors with intervals, paired differences, their papers' figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from boneage.errors import BoneageError
from boneage.evaluation.metrics_table import rows_of
from boneage.evaluation.published import AGES_MONTHS, METHODS, PUBLISHED, Figure, paper_of
from boneage.groups import MAX_AGE_MONTHS, PARTS, group_of
from boneage.learn.all_ages import year_of

RESAMPLES = 1000
_TOLERANCES = (12, 24)
_BY_YEARS = {"within_12_months": ("within_1_year",), "within_24_months": ("within_2_years",)}
_FEWEST_OF_A_YEAR = 10
Arrays = NDArray[np.float64]


def methods_frame(ages: Mapping[str, pd.Series], films: pd.DataFrame) -> pd.DataFrame:
    """Put the estimates of several methods beside each other.

    Args:
        ages: per method its estimates in months, by the films' ids.
        films: `sex` and `true_months` by id.

    Returns:
        `sex`, `true_months`, `true_group`, and `<method>_months` per method, a row per film.
    """
    frame = films[["sex", "true_months"]].astype({"true_months": float})
    frame = frame.assign(true_group=[group_of(age) for age in frame["true_months"]])
    columns = {f"{name}_months": series.loc[frame.index].to_numpy(float).clip(0, 228) for name, series in ages.items()}
    return frame.assign(**columns)


def names_in(frame: pd.DataFrame) -> list[str]:
    """Return the methods of a frame, in its order."""
    names = (column.removesuffix("_months") for column in frame.columns if column.endswith("_months"))
    return [name for name in names if name != "true"]


def figures_of(true: Arrays, ages: Arrays) -> dict[str, Arrays]:
    """Return what each film adds to the figures of a method, float (N,) each.

    `mae_months`, `rmse_months` (its square), `within_12_months`, `within_24_months`, `group_accuracy` (whether the
    estimate is of the film's age group), `year_accuracy` (of its year, which is the nearest one), `within_1_year` and
    `within_2_years`, by which classifiers of years are judged: how far the estimate's year is from the label's.
    """
    error = np.abs(ages - true)
    groups = [np.array([group_of(float(age)) for age in each]) for each in (ages, true)]
    years = np.abs(year_of(ages) - year_of(true))
    return {
        "mae_months": error,
        "rmse_months": error**2,
        **{f"within_{months}_months": (error <= months).astype(float) for months in _TOLERANCES},
        "group_accuracy": (groups[0] == groups[1]).astype(float),
        "year_accuracy": (years == 0).astype(float),
        "within_1_year": (years <= 1).astype(float),
        "within_2_years": (years <= 2).astype(float),
    }


def accuracy_table(frame: pd.DataFrame, resamples: int = RESAMPLES, seed: int = 0) -> pd.DataFrame:
    """Return a row per method and part (all, each sex): films and every figure of `figures_of`.

    The MAE has its 95 % bootstrap interval (`mae_low`, `mae_high`); `minus_first` is the paired difference of its
    absolute errors to the first method's, below 0 where it errs less, with `minus_low` and `minus_high`.
    """
    rows, names = [], names_in(frame)
    for part in (part for part in PARTS if part.group is None):
        chosen = rows_of(frame, part)
        if chosen.empty:
            continue
        picks = np.random.default_rng(seed).integers(0, len(chosen), (resamples, len(chosen)))
        true = chosen["true_months"].to_numpy(float)
        first = np.abs(chosen[f"{names[0]}_months"].to_numpy(float) - true)
        for name in names:
            found = figures_of(true, chosen[f"{name}_months"].to_numpy(float))
            means = {key: float(values.mean()) for key, values in found.items()}
            means["rmse_months"] = means["rmse_months"] ** 0.5
            low, high = _interval(found["mae_months"], picks)
            minus = found["mae_months"] - first
            bounds = _interval(minus, picks)
            rows.append(
                {"method": name, "part": part.name, "films": len(chosen), "mae_months": means.pop("mae_months")}
                | {"mae_low": low, "mae_high": high, **means}
                | {"minus_first": float(minus.mean()), "minus_low": bounds[0], "minus_high": bounds[1]}
            )
    return pd.DataFrame(rows)


def parts_table(frame: pd.DataFrame, figure: str) -> pd.DataFrame:
    """Return one figure of `figures_of` per method (rows) and sex and true age group (columns)."""
    names = names_in(frame)
    columns: dict[str, list[Any]] = {"method": names}
    for part in (part for part in PARTS if part.group is not None):
        chosen = rows_of(frame, part)
        if not chosen.empty:
            columns[part.name] = [_mean(chosen, name, figure) for name in names]
    return pd.DataFrame(columns)


def years_table(frame: pd.DataFrame, figure: str = "mae_months") -> pd.DataFrame:
    """Return one figure of `figures_of` per method (rows) and true year of age (columns) of at least ten films."""
    names, years = names_in(frame), year_of(frame["true_months"].to_numpy())
    columns: dict[str, list[Any]] = {"method": names}
    for year in np.unique(years):
        chosen = frame[years == year]
        if len(chosen) >= _FEWEST_OF_A_YEAR:
            columns[str(year)] = [_mean(chosen, name, figure) for name in names]
    return pd.DataFrame(columns)


def published_table(frame: pd.DataFrame) -> pd.DataFrame:
    """Return every figure that a compared paper states under a tolerance or as an MAE, beside ours on our films.

    Each figure is given on all films, and once more on those of the ages that the paper's method was made for, where
    these are not all; shares within months once more by years, as classifiers of years count. `recipe` is ours of that
    paper's method, empty where the store has none; `best` that of the best method shown.
    """
    rows, names = [], names_in(frame)
    for paper, figure in _quoted():
        metric, _, part = figure.metric.partition("_months")
        column, sex = f"{metric}_months", part.removeprefix("_")
        said = {"published": figure.value, "published_on": figure.what.removeprefix(f"{paper}, ")}
        for (ages, chosen), shown in product(_films_of(frame, paper, sex), (column, *_BY_YEARS.get(column, ()))):
            ours = {name: _mean(chosen, name, shown) for name in names}
            best = (min if metric == "mae" else max)(ours, key=lambda name: ours[name])
            recipe = next((ours[name] for name in names if paper_of(name) == paper), float("nan"))
            rows.append(
                {"paper": paper, "figure": shown, "part": sex or "all", "ages": ages, "films": len(chosen)}
                | {"recipe": recipe, "best": ours[best], "best_method": best, **said}
            )
    return pd.DataFrame(rows)


def _films_of(frame: pd.DataFrame, paper: str, sex: str) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield the films that a paper's figure is compared on: all of its sex, and those of the paper's ages."""
    chosen = frame[frame["sex"] == sex] if sex else frame
    low, high = AGES_MONTHS.get(paper, (0.0, MAX_AGE_MONTHS))
    within = chosen[chosen["true_months"].between(low, high)]
    found = [("all", chosen), (f"{low:.0f}-{high:.0f} months", within)][: 1 + (paper in AGES_MONTHS)]
    yield from ((ages, films) for ages, films in found if len(films))


def quote_of(method: str) -> str:
    """Return what a method's paper says of itself and on whose films; empty for a method of ours."""
    quotes = [figure for what, figure in _quoted() if what == paper_of(method)]
    said = [f"{figure.metric.replace('_', ' ')} {figure.value:g}" for figure in quotes]
    return "" if not quotes else f"{'; '.join(said)} ({quotes[0].what.partition(', ')[2]})"


def same_films(tables: Mapping[str, pd.DataFrame]) -> tuple[list[str], dict[str, str]]:
    """Return the methods that were scored on the same films, and of each other one why it is left out.

    The films are those that most methods share, the larger set where two are shared alike.

    Args:
        tables: per method `sex` and `true_months` by the films' ids.

    Raises:
        BoneageError: when there is no method.
    """
    if not tables:
        raise BoneageError.of("methods.none")
    sets: dict[frozenset[tuple[str, str, float]], list[str]] = {}
    for name, table in tables.items():
        films = zip(table.index.astype(str), table["sex"].astype(str), table["true_months"].round(2), strict=True)
        sets.setdefault(frozenset(films), []).append(name)
    chosen = max(sets, key=lambda films: (len(sets[films]), len(films)))
    others = {name: len(films & chosen) for films, names in sets.items() if films != chosen for name in names}
    said = {name: f"{count} of its films are among the {len(chosen)} compared" for name, count in others.items()}
    return sets[chosen], said


def common_films(tables: Mapping[str, pd.DataFrame]) -> pd.Index:
    """Return the ids of the films that every method was scored on, by the same sex and age.

    Args:
        tables: as for `same_films`.

    Raises:
        BoneageError: when there is no such film.
    """
    keyed = [table.assign(true_months=table["true_months"].round(2)) for table in tables.values()]
    shared = set.intersection(*(set(zip(each.index, each["sex"], each["true_months"], strict=True)) for each in keyed))
    if not shared:
        raise BoneageError.of("methods.no_common", names="; ".join(tables))
    names = {name for name, _, _ in shared}
    return keyed[0].index[keyed[0].index.isin(names)]


def _quoted() -> Sequence[tuple[str, Figure]]:
    """Return the figures of the compared papers that can be set beside ours, with the paper that each is of."""
    papers = dict.fromkeys(METHODS.values())
    wanted = ("mae_months", "within_12_months", "within_24_months")
    plain = [figure for figure in PUBLISHED if figure.metric.startswith(wanted) and "hospital" not in figure.what]
    return [(paper, figure) for paper in papers for figure in plain if figure.what.startswith(f"{paper}, ")]


def _mean(chosen: pd.DataFrame, name: str, figure: str) -> float:
    found = figures_of(chosen["true_months"].to_numpy(float), chosen[f"{name}_months"].to_numpy(float))
    mean = float(found[figure].mean())
    return mean**0.5 if figure == "rmse_months" else mean


def _interval(values: Arrays, picks: NDArray[np.int64]) -> tuple[float, float]:
    low, high = np.percentile(values[picks].mean(axis=1), (2.5, 97.5))
    return float(low), float(high)

"""Give every figure of a cascade's accuracy a bootstrap interval, and compare the routings on the same images.

Images are resampled 1000 times within each part of the set (all, a sex, a sex and true group; and the same for the
films of each archive or folder that gave fewer than the rest). An interval is the middle 95 %. Differences between
routings are paired: both are scored on the same resampled images.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from boneage.cascade.routing import Predictor, route
from boneage.groups import AGE_GROUPS, PARTS, ModelKey, Part, Sex, group_of

RESAMPLES = 1000
SURE = 0.8
ROUTINGS: tuple[str, ...] = ("hard", "soft", "threshold", "oracle", "unrouted")
COMPARED: tuple[str, ...] = (*ROUTINGS, "global", "estimated")
_GROUPS = len(AGE_GROUPS)
_WITHIN = (6, 12, 24)
_FEWEST_OF_A_PLACE, _MOST_PLACES = 30, 3
Arrays = NDArray[np.float64]


def account(per_image: pd.DataFrame, resamples: int = RESAMPLES, seed: int = 0) -> pd.DataFrame:
    """Return every figure of an evaluation with its bootstrap interval.

    Args:
        per_image: columns as `boneage.evaluation.evaluate` gives them.
        resamples: how often the images are drawn anew.
        seed: of the drawing.

    Returns:
        Columns part, images, metric, value, low, high; the names of metrics carry their unit.
    """
    rng, rows = np.random.default_rng(seed), []
    for name, frame, part in _frames(per_image):
        picks = rng.integers(0, len(frame), (resamples, len(frame)))
        everything = np.arange(len(frame))[None]
        spread = dict(_figures(frame, picks, classified=part.group is None))
        for metric, value in _figures(frame, everything, classified=part.group is None):
            low, high = np.nanpercentile(spread[metric], (2.5, 97.5)) if np.isfinite(value[0]) else (np.nan, np.nan)
            row = {"part": name, "images": len(frame), "metric": metric}
            rows.append({**row, "value": float(value[0]), "low": float(low), "high": float(high)})
    return pd.DataFrame(rows, columns=["part", "images", "metric", "value", "low", "high"])


def rows_of(per_image: pd.DataFrame, part: Part) -> pd.DataFrame:
    """Return the rows of one part (columns `sex` and `true_group`)."""
    chosen = per_image if part.sex is None else per_image[per_image["sex"] == str(part.sex)]
    return chosen if part.group is None else chosen[chosen["true_group"] == part.group]


def _frames(per_image: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame, Part]]:
    """Yield every part that has images, of all and of a place: its name, its rows, and which part it is."""
    # A study's few large films matter more than their number: uploads are like them.
    sizes = per_image["place"].value_counts() if "place" in per_image else pd.Series(dtype=int)
    smaller = [place for place in sizes.index[1:] if sizes[place] >= _FEWEST_OF_A_PLACE][:_MOST_PLACES]
    places = [per_image] + [per_image[per_image["place"] == place] for place in smaller]
    for number, rows in enumerate(places):
        for part in PARTS:
            frame = rows_of(rows, part)
            if not frame.empty:
                yield f"{frame['place'].iloc[0]}, {part.name}" if number else part.name, frame, part


def routed_ages(
    heads: Mapping[ModelKey, Predictor], features: np.ndarray, sexes: Sequence[Sex | str], true_groups: Sequence[int]
) -> dict[str, Arrays]:
    """Estimate with each of `ROUTINGS` from the same features.

    `threshold` routes hard where the classifier gives at least 0.8 to one group and soft elsewhere; `oracle` knows the
    true group (a bound, no method); `unrouted` is the plain mean of the four experts.

    Args:
        heads: the ten heads.
        features: float32 (N, D).
        sexes: N sexes.
        true_groups: N groups 1-4.

    Returns:
        Per routing ages in months, float64 (N,).
    """
    known, nobody = [Sex.parse(sex) for sex in sexes], [None] * len(sexes)
    hard = route(heads, features, known, nobody, "hard")
    soft = route(heads, features, known, nobody, "soft")
    experts = [route(heads, features, known, [group.number] * len(known)).ages for group in AGE_GROUPS]
    sure = hard.probabilities.max(axis=1) >= SURE
    ages = {
        "hard": hard.ages,
        "soft": soft.ages,
        "threshold": np.where(sure, hard.ages, soft.ages),
        "oracle": np.choose(np.asarray(true_groups) - 1, experts),
        "unrouted": np.mean(experts, axis=0),
    }
    return {name: np.asarray(values, np.float64) for name, values in ages.items()}


def routing_table(per_image: pd.DataFrame, resamples: int = RESAMPLES, seed: int = 0) -> pd.DataFrame:
    """Compare the routings of `routed_ages`, which stand in `per_image` as `<routing>_months`.

    `global` is the head for all ages alone, where the cascade has one; `estimated` is what the cascade answers.

    Returns:
        One row per routing: MAE with interval, group accuracy of the routed age, and the paired difference to hard
        routing with its interval (negative: better than hard).
    """
    present = [name for name in COMPARED if f"{name}_months" in per_image]
    if "hard" not in present:
        return pd.DataFrame()
    true, groups = per_image["true_months"].to_numpy(float), per_image["true_group"].to_numpy()
    picks = np.random.default_rng(seed).integers(0, len(true), (resamples, len(true)))
    errors = {name: np.abs(per_image[f"{name}_months"].to_numpy(float) - true) for name in present}
    rows = []
    for name in present:
        measured = {
            ("mae_months", "low", "high"): errors[name],
            ("group_accuracy", "accuracy_low", "accuracy_high"): _group_numbers(per_image[f"{name}_months"]) == groups,
        }
        if name != "hard":
            measured["minus_hard", "minus_low", "minus_high"] = errors[name] - errors["hard"]
        row: dict[str, object] = {"routing": name}
        for columns, values in measured.items():
            ends = np.percentile(values[picks].mean(axis=1), (2.5, 97.5))
            row |= zip(columns, map(float, (values.mean(), *ends)), strict=True)
        rows.append(row)
    return pd.DataFrame(rows)


def interval_table(figures: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    """Lay chosen figures out for reading: one row per part, each cell `value (low to high)`."""
    parts = list(dict.fromkeys(figures["part"]))
    by = {(row.part, row.metric): row for row in figures.itertuples(index=False)}
    rows = []
    for part in parts:
        images = int(figures.loc[figures["part"] == part, "images"].iloc[0])
        cells = {metric: _with_interval(by.get((part, metric))) for metric in metrics}
        if any(cells.values()):
            rows.append({"part": part, "images": images, **cells})
    return pd.DataFrame(rows)


def _with_interval(row: Any) -> str:
    if row is None or not np.isfinite(row.value):
        return ""
    digits = 3 if row.metric.startswith(("accuracy", "sens", "spec", "within")) else 2
    return f"{row.value:.{digits}f} ({row.low:.{digits}f} to {row.high:.{digits}f})"


def _figures(frame: pd.DataFrame, picks: NDArray[np.int64], *, classified: bool) -> Iterator[tuple[str, Arrays]]:
    """Yield (metric, float64 (B,)) for B choices of rows, int (B, n)."""
    error = frame["error_months"].to_numpy(float)[picks]
    bias, spread = error.mean(axis=1), error.std(axis=1, ddof=1) if error.shape[1] > 1 else np.full(len(error), np.nan)
    yield "mae_months", np.abs(error).mean(axis=1)
    yield "rmse_months", np.sqrt((error**2).mean(axis=1))
    yield "bias_months", bias
    yield "agreement_low_months", bias - 1.96 * spread
    yield "agreement_high_months", bias + 1.96 * spread
    for months in _WITHIN:
        yield f"within_{months}_months", (np.abs(error) <= months).mean(axis=1)
    if {"low_months", "high_months"} <= set(frame.columns) and frame["low_months"].notna().all():
        inside = frame["true_months"].between(frame["low_months"], frame["high_months"]).to_numpy(float)
        yield "interval_coverage", inside[picks].mean(axis=1)
    true = frame["true_group"].to_numpy()
    yield "accuracy_of_estimated_age", (_group_numbers(frame["estimated_months"]) == true)[picks].mean(axis=1)
    if classified:
        yield from _classes(_counts(true, frame["group"].to_numpy(), picks))


def _classes(counts: Arrays) -> Iterator[tuple[str, Arrays]]:
    """Yield accuracy, sensitivity and specificity from confusions (B, 4, 4), rows true; NaN where a class is absent."""
    total, hits = counts.sum(axis=(1, 2)), np.einsum("bii->bi", counts)
    positives, called = counts.sum(axis=2), counts.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        sensitivity = hits / positives
        specificity = (total[:, None] - positives - called + hits) / (total[:, None] - positives)
    yield "accuracy", hits.sum(axis=1) / total
    for name, values in (("sensitivity", sensitivity), ("specificity", specificity)):
        present = np.where(positives > 0, values, np.nan)
        known = np.isfinite(present).sum(axis=1)
        yield name, np.where(known > 0, np.nansum(present, axis=1) / np.maximum(known, 1), np.nan)
        for group in AGE_GROUPS:
            yield f"{name}_{group.number}", present[:, group.number - 1]


def _counts(true: np.ndarray, found: np.ndarray, picks: NDArray[np.int64]) -> Arrays:
    """Return confusions (B, 4, 4) of B choices of rows."""
    cells = ((true - 1) * _GROUPS + found - 1)[picks] + np.arange(len(picks))[:, None] * _GROUPS**2
    counts = np.bincount(cells.ravel(), minlength=len(picks) * _GROUPS**2)
    return counts.reshape(len(picks), _GROUPS, _GROUPS).astype(np.float64)


def _group_numbers(ages: pd.Series) -> NDArray[np.int64]:
    return np.array([group_of(float(np.clip(age, 0, 228))) for age in ages], np.int64)

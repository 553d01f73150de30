"""Score a cascade on a labelled set: every figure that the paper reports, with the constant predictor's beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from boneage.cascade.cascade import Cascade
from boneage.cascade.estimate import Estimate
from boneage.data.annotations import read_row
from boneage.data.flags import pixels_sha256
from boneage.errors import BoneageError
from boneage.evaluation.metrics_table import routed_ages, rows_of
from boneage.groups import AGE_GROUPS, PARTS, RANGE_LABELS, Sex, group_of
from boneage.learn.metrics import classification_metrics, regression_metrics
from boneage.pipeline import in_order

Progress = Callable[[int, int], None]
_PROBLEMS = ["source", "id", "image", "reason"]


@dataclass(frozen=True)
class Evaluation:
    """Metrics and per-image estimates of a cascade on one set of labelled images.

    Attributes:
        metrics: name -> value; names carry their unit, and end in `_<sex>` or `_<sex>_<group>` for parts of the set.
        per_image: one row per image: id, source, sex, true and estimated months, error, interval, groups, warnings;
            of films that were read here also `content_sha256`, which identifies the film by its pixels.
        problems: images that could not be estimated: source, id, image, reason.
    """

    metrics: dict[str, float]
    per_image: pd.DataFrame
    problems: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=_PROBLEMS))


def evaluate_cascade(
    cascade: Cascade,
    table: pd.DataFrame,
    training_median_months: Mapping[str, float] | None = None,
    progress: Progress | None = None,
    *,
    anyway: bool = False,
) -> Evaluation:
    """Estimate every row of an annotation table and score the estimates; a bad image never stops the others.

    Each image passes the backbone once. Besides the cascade as it is served, each image is put to the expert of its
    true group (`expert_...`): that is what the paper's figures per regressor mean.

    Args:
        cascade: the cascade.
        table: columns as `boneage.data.annotations` gives them.
        training_median_months: the constant predictor, months per sex; the cascade's own by default.
        progress: called with (done, total).
        anyway: estimate what the gate would refuse, too: versions are compared on all images.
    """
    rows, features, notes, levels, problems = [], [], [], list[float | None](), []
    for done, (row, found) in enumerate(_looked_at(cascade, table, anyway), start=1):
        if isinstance(found, BoneageError):
            problems.append({"source": row["source"], "id": row["id"], "image": row["image"], "reason": str(found)})
        else:
            features.append(found.features)
            notes.append(found.warnings)
            levels.append(found.level)
            rows.append({**row, "content_sha256": found.content_sha256})
        if progress:
            progress(done, len(table))
    if not rows:
        if not problems:
            raise BoneageError.of("evaluation.nothing", count=len(table))
        first, reason = problems[0]["image"], problems[0]["reason"]
        raise BoneageError.of("evaluation.none_estimated", count=len(table), first=first, reason=reason)
    kept = pd.DataFrame(rows)
    matrix, sexes = np.concatenate(features), list(kept["sex"])
    estimates = cascade.estimate_features(matrix, sexes, notes=notes, levels=levels)
    experts = cascade.estimate_features(matrix, sexes, [RANGE_LABELS[group - 1] for group in kept["group"]])
    medians = training_median_months or cascade.card.get("training_median_months")
    scored = evaluate_estimates(kept, estimates, medians, experts)
    scored.per_image["content_sha256"] = kept["content_sha256"].to_numpy()
    add_routings(scored.per_image, cascade, matrix)
    return Evaluation(scored.metrics, scored.per_image, pd.DataFrame(problems, columns=_PROBLEMS))


@dataclass(frozen=True)
class _Seen:
    """What one film gave: features float32 (1, D), warnings, noise in grey levels, and the hash of its pixels."""

    features: np.ndarray
    warnings: tuple[str, ...]
    level: float | None
    content_sha256: str


def _looked_at(cascade: Cascade, table: pd.DataFrame, anyway: bool) -> Iterator[tuple[pd.Series, _Seen | BoneageError]]:
    """Read, prepare and push through the backbone every row of a table, in a pipeline over the cores, in its order."""

    def look(row: pd.Series) -> _Seen | BoneageError:
        try:
            film = read_row(row)
            prepared = cascade.prepare(film, anyway=anyway)
            features, level = cascade.features(prepared), cascade.noise_level(prepared)
            return _Seen(features, prepared.warnings, level, pixels_sha256(film))
        except BoneageError as error:
            return error

    workers = None if getattr(cascade, "shared", False) else 1
    return in_order(look, (row for _, row in table.iterrows()), workers)


def add_routings(per_image: pd.DataFrame, cascade: Cascade, features: np.ndarray) -> None:
    """Add a column `<routing>_months` per routing that the account compares, from features as `Cascade.pooled`."""
    sexes, groups = list(per_image["sex"]), list(per_image["true_group"])
    features, _ = cascade.divided(features)
    for name, ages in routed_ages(cascade.heads, features, sexes, groups).items():
        per_image[f"{name}_months"] = ages
    if cascade.stack is not None:
        per_image["global_months"] = cascade.stack.head.predict(features, sexes)


def evaluate_estimates(
    table: pd.DataFrame,
    estimates: Sequence[Estimate],
    training_median_months: Mapping[str, float] | None = None,
    experts: Sequence[Estimate] | None = None,
) -> Evaluation:
    """Score estimates against the ages of an annotation table.

    Args:
        table: N rows with `id`, `sex`, `age_months`.
        estimates: N estimates in the same order.
        training_median_months: the constant predictor, months per sex.
        experts: N estimates with the true range given.
    """
    if len(table) != len(estimates):
        raise BoneageError.of("evaluation.rows", rows=len(table), estimates=len(estimates))
    per_image = _per_image(table, estimates)
    if training_median_months:
        per_image["constant_months"] = [float(training_median_months[sex]) for sex in per_image["sex"]]
    if experts is not None:
        per_image["expert_months"] = [estimate.bone_age_months for estimate in experts]
    return Evaluation(metrics=dict(_metrics(per_image)), per_image=per_image)


def training_medians(sexes: Sequence[str], ages_months: np.ndarray) -> dict[str, float]:
    """Return the constant predictor: the median training age in months per sex (of both, where a sex has no image)."""
    ages, names = np.asarray(ages_months, dtype=float), np.array([str(sex) for sex in sexes], dtype=str)
    return {str(sex): float(np.median(ages[names == sex] if (names == sex).any() else ages)) for sex in Sex}


def place_of(image: str) -> str:
    """Return the name, and no more of the path, of the archive or folder that an image lies in."""
    archive, inside, _ = image.partition("!")
    return Path(archive).name if inside else Path(image).parent.name


def _per_image(table: pd.DataFrame, estimates: Sequence[Estimate]) -> pd.DataFrame:
    true = table["age_months"].to_numpy(dtype=float)
    estimated = np.array([estimate.bone_age_months for estimate in estimates], dtype=float)
    probabilities = np.array([estimate.group_probabilities for estimate in estimates], dtype=float).reshape(-1, 4)
    frame = pd.DataFrame(
        {
            "id": table["id"].astype(str).to_numpy(),
            "source": table["source"].to_numpy() if "source" in table else "",
            "place": [place_of(str(image)) for image in table["image"]] if "image" in table else "",
            "sex": [str(sex) for sex in table["sex"]],
            "true_months": true,
            "estimated_months": estimated,
            "hard_months": [estimate.hard_months for estimate in estimates],
            "error_months": estimated - true,
            "low_months": [estimate.low_months for estimate in estimates],
            "high_months": [estimate.high_months for estimate in estimates],
            "true_group": [group_of(age) for age in true],
            "group": [estimate.group for estimate in estimates],
            "routing": [estimate.routing for estimate in estimates],
            "warnings": ["; ".join(estimate.warnings) for estimate in estimates],
        }
    )
    for column, group in enumerate(AGE_GROUPS):
        frame[f"probability_{group.number}"] = probabilities[:, column]
    frame = frame.astype({"low_months": float, "high_months": float, "hard_months": float})
    return frame if frame["hard_months"].notna().all() else frame.drop(columns="hard_months")


def _metrics(frame: pd.DataFrame) -> Iterator[tuple[str, float]]:
    """Yield every figure: the whole set, then per sex, then per sex and true group; nothing for an empty set."""
    for part in PARTS:
        rows = rows_of(frame, part)
        if not rows.empty:
            yield from _errors(rows, part.suffix)
            if part.group is None:
                yield from _classes(rows, part.suffix)


def _classes(frame: pd.DataFrame, suffix: str) -> Iterator[tuple[str, float]]:
    probabilities = frame[[f"probability_{group.number}" for group in AGE_GROUPS]].to_numpy()
    classified = classification_metrics(frame["true_group"].to_numpy(), probabilities)
    for name, value in classified.items():
        yield f"{name}{suffix}", value
    routed = [group_of(min(max(age, 0.0), 228.0)) for age in frame["estimated_months"]]
    yield f"accuracy_of_estimated_age{suffix}", float(np.mean(np.array(routed) == frame["true_group"].to_numpy()))


def _errors(frame: pd.DataFrame, suffix: str) -> Iterator[tuple[str, float]]:
    true = frame["true_months"].to_numpy()
    yield f"images{suffix}", float(len(frame))
    for name, value in regression_metrics(true, frame["estimated_months"].to_numpy()).items():
        yield f"{name}{suffix}", value
    for column, prefix in (("hard_months", "hard"), ("expert_months", "expert"), ("constant_months", "constant")):
        if column in frame:
            yield f"{prefix}_mae_months{suffix}", float(np.abs(frame[column].to_numpy() - true).mean())
    known = frame.dropna(subset=["low_months", "high_months"])
    if len(known):
        inside = known["true_months"].between(known["low_months"], known["high_months"])
        yield f"interval_coverage{suffix}", float(inside.mean())
        yield f"interval_width_months{suffix}", float((known["high_months"] - known["low_months"]).mean())

"""An evaluation as tables and text, the published figures beside ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from boneage.cascade.estimate import RESEARCH_NOTICE
from boneage.evaluation.evaluate import Evaluation
from boneage.evaluation.published import PAPER_SOURCE, PUBLISHED
from boneage.groups import AGE_GROUPS, RANGE_LABELS, Sex

CAUTION = (
    "constant_mae_months is the error of always saying the training median of the sex; expert_mae_months that of the "
    "regressor of the true age group, which is what the paper gives per regressor. Published figures come from other "
    "images: test truth that is a mean of several readers makes errors about 1.5-2 months smaller than validation "
    "truth, so only figures on the same set can be compared."
)
_PARTS = ("", *(f"_{sex}" for sex in Sex), *(f"_{sex}_{group.number}" for sex in Sex for group in AGE_GROUPS))


def figures_table(metrics: Mapping[str, float]) -> pd.DataFrame:
    """Return one row per part of the set (all, each sex, each sex and true group) with its main figures.

    Columns: part, images, MAE, RMSE, bias (months), within 12 and 24 months (share), constant predictor's MAE, and the
    MAE of the expert of the true group.
    """
    rows = [
        {
            "part": _part_name(suffix),
            "images": int(metrics[f"images{suffix}"]),
            "mae_months": metrics[f"mae_months{suffix}"],
            "rmse_months": metrics[f"rmse_months{suffix}"],
            "bias_months": metrics[f"bias_months{suffix}"],
            "within_12_months": metrics[f"within_12_months{suffix}"],
            "within_24_months": metrics[f"within_24_months{suffix}"],
            "constant_mae_months": metrics.get(f"constant_mae_months{suffix}"),
            "expert_mae_months": metrics.get(f"expert_mae_months{suffix}"),
            "interval_coverage": metrics.get(f"interval_coverage{suffix}"),
        }
        for suffix in _PARTS
        if f"images{suffix}" in metrics
    ]
    return pd.DataFrame(rows)


def classifier_table(metrics: Mapping[str, float]) -> pd.DataFrame:
    """Return accuracy, sensitivity and specificity per sex: averaged over the groups, then per group."""
    rows = []
    for suffix in ("", *(f"_{sex}" for sex in Sex)):
        if f"accuracy{suffix}" not in metrics:
            continue
        row: dict[str, object] = {"part": _part_name(suffix)}
        for name in ("accuracy", "sensitivity", "specificity"):
            row[name] = metrics[f"{name}{suffix}"]
        for group in AGE_GROUPS:
            row[f"sensitivity_{group.number}"] = metrics.get(f"sensitivity_{group.number}{suffix}")
            row[f"specificity_{group.number}"] = metrics.get(f"specificity_{group.number}{suffix}")
        rows.append(row)
    return pd.DataFrame(rows)


def comparison_table(metrics: Mapping[str, float]) -> pd.DataFrame:
    """Return the published figures with ours beside them: figure, ours, published, folds, what."""
    return pd.DataFrame(
        [
            {
                "figure": figure.metric,
                "ours": metrics.get(figure.metric),
                "published": figure.value,
                "folds": "" if figure.folds is None else f"{figure.folds[0]:.3f} +- {figure.folds[1]:.3f}",
                "what": figure.what,
            }
            for figure in PUBLISHED
        ]
    )


def report_tables(metrics: Mapping[str, float]) -> list[tuple[str, pd.DataFrame]]:
    """Return the report's tables with their headings, in reading order."""
    return [
        ("Cascade", figures_table(metrics)),
        ("Classifiers", classifier_table(metrics)),
        ("Beside the published figures", comparison_table(metrics)),
    ]


def markdown_report(evaluation: Evaluation, title: str, facts: Sequence[str] = ()) -> str:
    """Write the whole evaluation as markdown.

    Args:
        evaluation: the outcome.
        title: the heading, for example the set's name.
        facts: sentences that say which model and which images, one list item each.
    """
    parts = [f"# {title}", "", *(f"- {fact}" for fact in facts), ""]
    for heading, table in report_tables(evaluation.metrics):
        parts += [f"## {heading}", "", markdown_table(table), ""]
    parts += [f"Source of the paper's figures: {PAPER_SOURCE}. {CAUTION}", "", RESEARCH_NOTICE, ""]
    if len(evaluation.problems):
        parts += ["## Images that could not be estimated", "", markdown_table(evaluation.problems), ""]
    return "\n".join(parts)


def markdown_table(table: pd.DataFrame) -> str:
    """Write a table in markdown; numbers with three decimals, nothing where there is no value."""
    rows = [[_cell(value) for value in row] for row in table.itertuples(index=False)]
    lines = [list(table.columns), ["---"] * len(table.columns), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def text_table(table: pd.DataFrame) -> str:
    """Write a table in aligned columns for a terminal."""
    rows = [[str(name) for name in table.columns], *([_cell(v) for v in row] for row in table.itertuples(index=False))]
    widths = [max(len(row[i]) for row in rows) for i in range(len(table.columns))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _cell(value: object) -> str:
    if value is None or (isinstance(value, float) and value != value):
        return ""
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _part_name(suffix: str) -> str:
    """Turn a metric's suffix into words: `_female_2` becomes `female 58-114`."""
    if not suffix:
        return "all"
    _, sex, *group = suffix.split("_")
    return f"{sex} {RANGE_LABELS[int(group[0]) - 1]}" if group else sex

"""Write an evaluation as tables, markdown and one HTML page, the published figures beside ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from html import escape

import pandas as pd

from boneage.cascade.estimate import RESEARCH_NOTICE
from boneage.evaluation.evaluate import Evaluation
from boneage.evaluation.metrics_table import interval_table, routing_table
from boneage.evaluation.published import PAPER_SOURCE, PUBLISHED, SYSTEMS
from boneage.groups import AGE_GROUPS, PARTS
from boneage.html import frame_table, html_page, picture
from boneage.tables import markdown_table

CAUTION = (
    "constant_mae_months is the error of always saying the training median of the sex; expert_mae_months that of the "
    "regressor of the true age group, which is what the paper gives per regressor. Published figures come from other "
    "images: test truth that is a mean of several readers makes errors about 1.5-2 months smaller than validation "
    "truth, so only figures on the same set can be compared."
)
_ERRORS = (
    "mae_months", "rmse_months", "bias_months", "agreement_low_months", "agreement_high_months", "within_6_months",
    "within_12_months", "within_24_months", "interval_coverage",
)  # fmt: skip
_CLASSES = ("accuracy", "accuracy_of_estimated_age", "sensitivity", "specificity")
Tables = list[tuple[str, pd.DataFrame]]
_FIGURES = (
    "mae_months", "rmse_months", "bias_months", "within_12_months", "within_24_months", "constant_mae_months",
    "expert_mae_months", "interval_coverage",
)  # fmt: skip


def figures_table(metrics: Mapping[str, float]) -> pd.DataFrame:
    """Return one row per part of the set (all, each sex, each sex and true group) with its main figures.

    Columns: part, images, MAE, RMSE, bias (months), within 12 and 24 months (share), constant predictor's MAE, and the
    MAE of the expert of the true group.
    """
    rows = []
    for part in PARTS:
        if f"images{part.suffix}" in metrics:
            found = {name: metrics.get(f"{name}{part.suffix}") for name in _FIGURES}
            rows.append({"part": part.name, "images": int(metrics[f"images{part.suffix}"]), **found})
    return pd.DataFrame(rows)


def classifier_table(metrics: Mapping[str, float]) -> pd.DataFrame:
    """Return accuracy, sensitivity and specificity per sex: averaged over the groups, then per group."""
    rows = []
    names = ["accuracy", "sensitivity", "specificity"]
    names += [f"{name}_{group.number}" for group in AGE_GROUPS for name in ("sensitivity", "specificity")]
    for part in PARTS:
        if f"accuracy{part.suffix}" in metrics:
            rows.append({"part": part.name, **{name: metrics.get(f"{name}{part.suffix}") for name in names}})
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


def report_tables(metrics: Mapping[str, float]) -> Tables:
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


def account_tables(figures: pd.DataFrame, per_image: pd.DataFrame, metrics: Mapping[str, float]) -> Tables:
    """Return the account's tables with their headings, in reading order.

    Args:
        figures: from `boneage.evaluation.metrics_table.account`.
        per_image: of the same evaluation.
        metrics: of the same evaluation, for the published figures beside ours.
    """
    per_class = tuple(f"{name}_{number}" for name in ("sensitivity", "specificity") for number in (1, 2, 3, 4))
    tables = [
        ("Errors, with 95 % bootstrap intervals", interval_table(figures, _ERRORS)),
        ("Routing and groups, with 95 % bootstrap intervals", interval_table(figures, _CLASSES)),
        ("Each group against the rest, with 95 % bootstrap intervals", interval_table(figures, per_class)),
        ("Routings on the same images (minus_hard below 0: better than hard)", routing_table(per_image)),
        ("Beside the paper's figures", comparison_table(metrics)),
        ("Other systems, as published", systems_table()),
    ]
    return [(heading, table) for heading, table in tables if not table.empty]


def systems_table() -> pd.DataFrame:
    """Return what other systems publish: which set, and whose truth."""
    return pd.DataFrame([asdict(system) for system in SYSTEMS]).rename(columns={"images": "set"})


def account_html(title: str, facts: Sequence[str], tables: Tables, pictures: Mapping[str, bytes]) -> str:
    """Write one page.

    Args:
        title: the heading.
        facts: which model, which images.
        tables: headings and tables.
        pictures: captions and PNG files' bytes; they are embedded.
    """
    parts = ["<ul>", *(f"<li>{escape(fact)}</li>" for fact in facts), "</ul>"]
    parts.append(f"<p><strong>{escape(RESEARCH_NOTICE)}</strong></p>")
    parts += [f"<h2>{escape(heading)}</h2>{frame_table(table)}" for heading, table in tables]
    parts += [picture(png, "png", caption) for caption, png in pictures.items()]
    parts.append(f'<p class="note">Source of the paper\'s figures: {escape(PAPER_SOURCE)}. {escape(CAUTION)}</p>')
    return html_page(title, parts)

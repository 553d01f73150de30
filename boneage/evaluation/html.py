"""The account as text and as one HTML page that needs nothing beside itself."""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping, Sequence

import pandas as pd

from boneage.cascade.estimate import RESEARCH_NOTICE
from boneage.evaluation.metrics_table import routing_table, wide
from boneage.evaluation.published import PAPER_SOURCE, SYSTEMS
from boneage.evaluation.text import CAUTION, comparison_table

_ERRORS = (
    "mae_months", "rmse_months", "bias_months", "agreement_low_months", "agreement_high_months", "within_6_months",
    "within_12_months", "within_24_months", "interval_coverage",
)  # fmt: skip
_CLASSES = ("accuracy", "accuracy_of_estimated_age", "sensitivity", "specificity")
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 75rem; margin: 2rem auto; padding: 0 1rem; color: #1b2733; }
table { border-collapse: collapse; margin: 0.5rem 0 1.5rem; font-size: 13px; font-variant-numeric: tabular-nums; }
th, td { padding: 0.25rem 0.6rem; border-bottom: 1px solid #d8dee4; text-align: left; white-space: nowrap; }
th { background: #f4f6f8; } div.wide { overflow-x: auto; } img { max-width: 100%; } p.note { color: #57606a; }
"""
Tables = list[tuple[str, pd.DataFrame]]


def account_tables(figures: pd.DataFrame, per_image: pd.DataFrame, metrics: Mapping[str, float]) -> Tables:
    """Return the account's tables with their headings, in reading order.

    Args:
        figures: from `boneage.evaluation.metrics_table.account`.
        per_image: of the same evaluation.
        metrics: of the same evaluation, for the published figures beside ours.
    """
    per_class = tuple(f"{name}_{number}" for name in ("sensitivity", "specificity") for number in (1, 2, 3, 4))
    tables = [
        ("Errors, with 95 % bootstrap intervals", wide(figures, _ERRORS)),
        ("Routing and groups, with 95 % bootstrap intervals", wide(figures, _CLASSES)),
        ("Each group against the rest, with 95 % bootstrap intervals", wide(figures, per_class)),
        ("Routings on the same images (minus_hard below 0: better than hard)", routing_table(per_image)),
        ("Beside the paper's figures", comparison_table(metrics)),
        ("Other systems, as published", systems_table()),
    ]
    return [(heading, table) for heading, table in tables if not table.empty]


def systems_table() -> pd.DataFrame:
    """Return what other systems publish: which set, and whose truth."""
    return pd.DataFrame([{"system": s.system, "figure": s.figure, "set": s.images, "truth": s.truth} for s in SYSTEMS])


def account_html(title: str, facts: Sequence[str], tables: Tables, pictures: Mapping[str, bytes]) -> str:
    """Write one page.

    Args:
        title: the heading.
        facts: which model, which images.
        tables: headings and tables.
        pictures: captions and PNG files' bytes; they are embedded.
    """
    parts = [f"<h1>{html.escape(title)}</h1>", "<ul>", *(f"<li>{html.escape(fact)}</li>" for fact in facts), "</ul>"]
    parts.append(f"<p><strong>{html.escape(RESEARCH_NOTICE)}</strong></p>")
    for heading, table in tables:
        parts += [f"<h2>{html.escape(heading)}</h2>", f'<div class="wide">{_html_table(table)}</div>']
    for caption, png in pictures.items():
        image = base64.b64encode(png).decode()
        parts.append(
            f'<figure><img alt="{html.escape(caption)}" src="data:image/png;base64,{image}">'
            f"<figcaption>{html.escape(caption)}</figcaption></figure>"
        )
    parts.append(
        f'<p class="note">Source of the paper\'s figures: {html.escape(PAPER_SOURCE)}. {html.escape(CAUTION)}</p>'
    )
    head = f'<meta charset="utf-8"><title>{html.escape(title)}</title><style>{_STYLE}</style>'
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>\n' + "\n".join(parts) + "\n</body></html>\n"


def _html_table(table: pd.DataFrame) -> str:
    head = "".join(f"<th>{html.escape(str(name))}</th>" for name in table.columns)
    rows = ("".join(f"<td>{_cell(value)}</td>" for value in row) for row in table.itertuples(index=False))
    return f"<table><tr>{head}</tr>" + "".join(f"<tr>{row}</tr>" for row in rows) + "</table>"


def _cell(value: object) -> str:
    if value is None or (isinstance(value, float) and value != value):
        return ""
    return f"{value:.3f}" if isinstance(value, float) else html.escape(str(value))

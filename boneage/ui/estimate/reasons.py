"""Show the reasons of an estimate: the age of each expert, and the most similar training cases."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from boneage.hospital.report_extras import Row, expert_rows, region_rows, similar_rows
from boneage.languages.texts import text
from boneage.ui.estimate.case import Case


def reasons_html(case: Case, language: str) -> str:
    """Draw regional ages, experts and similar cases, folded away below the number; nothing where none are known."""
    regions = region_rows(case.estimate, language)
    drawn = _folded("regions_heading", regions, text("regions_info", language), language) if regions else ""
    return drawn + _opinions_html(case, language)


def _opinions_html(case: Case, language: str) -> str:
    if case.reasons is None:
        return ""
    experts = _folded("experts", expert_rows(case.reasons, language), text("experts_info", language), language)
    similar = similar_rows(case.reasons, language)
    return experts + (_folded("similar", similar, text("similar_info", language), language) if similar else "")


def _folded(key: str, rows: Sequence[Row], hint: str, language: str) -> str:
    items = "".join(
        f'<li><span class="ba-role">{escape(name)}</span> <span>{escape(words)}</span></li>' for name, words in rows
    )
    return (
        f'<details class="ba-answered ba-reasons"><summary class="ba-kicker">{escape(text(key, language))}</summary>'
        f'<ul>{items}</ul><p class="ba-small">{escape(hint)}</p></details>'
    )

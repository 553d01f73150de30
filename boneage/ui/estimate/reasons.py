"""Show the reasons of an estimate: the age of each expert, and the most similar training cases."""

from __future__ import annotations

from html import escape

from boneage.cascade.case_index import SimilarCase
from boneage.explain.reasons import ALL_AGES, Opinion, Reasons
from boneage.languages.texts import age_in_words, number, text
from boneage.ui.estimate.case import Case


def reasons_html(case: Case, language: str) -> str:
    """Draw the experts and the similar cases, folded away below the number; nothing where none are known."""
    if case.reasons is None:
        return ""
    return _experts(case.reasons, language) + _similar(case.reasons.similar_cases, language)


def _experts(reasons: Reasons, language: str) -> str:
    rows = "".join(_row(_named(one, language), _said(one, language)) for one in reasons.experts)
    if reasons.hard_months is not None:
        rows += _row(text("hard_routing", language), age_in_words(reasons.hard_months, language))
    return _folded("experts", rows, text("experts_info", language), language)


def _named(one: Opinion, language: str) -> str:
    if one.range == ALL_AGES:
        return text("all_ages", language)
    return text("group_row", language, label=one.range.replace("-", "–"))


def _said(one: Opinion, language: str) -> str:
    share = number(round(100 * one.weight), language)
    return text("expert_row", language, age=age_in_words(one.months, language), share=share)


def _similar(cases: tuple[SimilarCase, ...], language: str) -> str:
    if not cases:
        return ""
    rows = "".join(_row(one.id, _age_and_likeness(one, language)) for one in cases)
    return _folded("similar", rows, text("similar_info", language), language)


def _age_and_likeness(one: SimilarCase, language: str) -> str:
    likeness = number(round(100 * one.likeness), language)
    return text("similar_row", language, age=age_in_words(one.age_months, language), likeness=likeness)


def _row(name: str, words: str) -> str:
    return f'<li><span class="ba-role">{escape(name)}</span> <span>{escape(words)}</span></li>'


def _folded(key: str, rows: str, hint: str, language: str) -> str:
    return (
        f'<details class="ba-answered ba-reasons"><summary class="ba-kicker">{escape(text(key, language))}</summary>'
        f'<ul>{rows}</ul><p class="ba-small">{escape(hint)}</p></details>'
    )

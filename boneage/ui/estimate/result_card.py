"""Render an estimate as an HTML card, for the page and the report."""

from __future__ import annotations

from html import escape

from boneage.explain.reasons import ALL_AGES, ALL_REGIONS
from boneage.groups import AGE_GROUPS, MAX_AGE_MONTHS, RANGE_LABELS
from boneage.html import Link
from boneage.languages.texts import age_in_words, number, text, with_commands
from boneage.notices import say
from boneage.ui.bars import bar_row, percent
from boneage.ui.estimate.adult_height import height_html
from boneage.ui.estimate.case import Case, Refusal
from boneage.ui.estimate.chronological import comparison_html, difference_html
from boneage.ui.estimate.reasons import reasons_html
from boneage.ui.service import Answer

UNUSUAL_DIFFERENCE_MONTHS = 36.0


def result_card(case: Case | Refusal | None, language: str, mlflow: str = "") -> str:
    """Draw the result, a refusal, or what to do while there is neither.

    Args:
        case: what to show.
        language: in which words.
        mlflow: address of the MLflow UI, for links to the runs; empty for none.
    """
    if case is None:
        return f'<div class="ba-card ba-empty"><p>{escape(text("result_placeholder", language))}</p></div>'
    if isinstance(case, Refusal):
        return _refusal(case, language)
    parts = (
        _headline(case, language),
        _ruler(case, language),
        comparison_html(case.comparison, language),
        height_html(case.height, language),
        _beside(case, language),
        _groups(case, language),
        _warnings(case, language),
        reasons_html(case, language),
        _answered(case, language, mlflow),
    )
    title = _say("bone_age", language)
    return f'<section class="ba-card" aria-live="polite" aria-label="{title}">{"".join(parts)}</section>'


def _refusal(refusal: Refusal, language: str) -> str:
    """Say calmly why there is no number, and what can be done."""
    reasons = "".join(f"<li>{escape(say(reason, language))}</li>" for reason in refusal.reasons)
    return (
        f'<section class="ba-card ba-withheld" aria-live="polite"><p class="ba-kicker">{_say("bone_age", language)}</p>'
        f'<p class="ba-amount">{_say("withheld", language)}</p><ul>{reasons}</ul>'
        f'<p class="ba-small">{_say("withheld_hint", language)}</p></section>'
    )


def _beside(case: Case, language: str) -> str:
    """Show both rivals' answers side by side."""
    if case.beside is None:
        return ""
    columns = "".join(_rival(one, language) for one in (case, case.beside))
    apart = abs(case.estimate.bone_age_months - case.beside.estimate.bone_age_months)
    words = text("beside_apart", language, months=text("in_months", language, months=number(apart, language)))
    return (
        f'<div class="ba-beside"><p class="ba-kicker">{_say("beside", language)}</p>'
        f'<div class="ba-rivals">{columns}</div>'
        f'<p class="ba-small">{escape(words)}</p></div>'
    )


def _rival(case: Case, language: str) -> str:
    estimate = case.estimate
    aliases = next((answer.aliases for answer in case.answers), ())
    name = text("beside_name", language, aliases=" · ".join(aliases) or estimate.model, version=estimate.version)
    months = text("in_months", language, months=number(estimate.bone_age_months, language))
    group = text("group_row", language, label=RANGE_LABELS[estimate.group - 1].replace("-", "–"))
    return (
        f'<div class="ba-rival"><p class="ba-small">{escape(name)}</p>'
        f'<p class="ba-amount">{escape(age_in_words(estimate.bone_age_months, language))}</p>'
        f"<p>{escape(months)}</p>"
        f'<p class="ba-small">{_say("groups", language)}: {escape(group)}<br>'
        f"{escape(interval_words(case, language))}</p></div>"
    )


def _headline(case: Case, language: str) -> str:
    estimate = case.estimate
    months = text("in_months", language, months=number(estimate.bone_age_months, language))
    return (
        '<div class="ba-head"><div>'
        f'<p class="ba-kicker">{_say("bone_age", language)} · {_say(estimate.sex, language)}</p>'
        f'<p class="ba-age">{escape(age_in_words(estimate.bone_age_months, language))}</p>'
        f'<p class="ba-months">{escape(months)}</p></div>'
        f"{difference_html(case, language)}</div>"
    )


def _ruler(case: Case, language: str) -> str:
    """Draw the age on a scale of all months with the four groups, the interval as a band."""
    estimate = case.estimate
    groups = "".join(
        f'<i class="ba-zone{" ba-on" if group.number == estimate.group else ""}" '
        f'style="left:{_percent(group.low)}%;width:{_percent(group.high - group.low)}%"></i>'
        for group in AGE_GROUPS
    )
    band = ""
    if estimate.low_months is not None and estimate.high_months is not None:
        width = _percent(estimate.high_months - estimate.low_months)
        band = f'<i class="ba-band" style="left:{_percent(estimate.low_months)}%;width:{width}%"></i>'
    mark = f'<i class="ba-mark" style="left:{_percent(estimate.bone_age_months)}%"></i>'
    if case.chronological_months is not None and case.chronological_months <= MAX_AGE_MONTHS:
        mark += f'<i class="ba-chronological" style="left:{_percent(case.chronological_months)}%"></i>'
    ticks = "".join(
        f'<span style="left:{_percent(year * 12)}%">{year}</span>'
        for year in range(0, int(MAX_AGE_MONTHS // 12) + 1, 2)
    )
    return (
        f'<div class="ba-ruler" role="img" aria-label="{_say("ruler_alt", language)}">{groups}{band}{mark}</div>'
        f'<div class="ba-ticks" aria-hidden="true">{ticks}</div>'
        f'<p class="ba-interval">{escape(interval_words(case, language))}</p>'
    )


def interval_words(case: Case, language: str) -> str:
    """Say the interval, or that there is none."""
    low, high = case.estimate.low_months, case.estimate.high_months
    if low is None or high is None:
        return text("no_interval", language)
    return text(
        "interval",
        language,
        coverage=number(100 * case.coverage, language),
        low=age_in_words(low, language),
        high=age_in_words(high, language),
        low_months=number(low, language),
        high_months=number(high, language),
    )


def _groups(case: Case, language: str) -> str:
    rows = "".join(
        _group_row(case, index, probability, language)
        for index, probability in enumerate(case.classified.group_probabilities)
    )
    title = "groups_unused" if case.estimate.routing == "given" else "groups"
    return (
        f'<div class="ba-groups"><p class="ba-kicker">{_say(title, language)}</p>'
        f'<div class="ba-bars{" ba-unused" if title == "groups_unused" else ""}" role="list">{rows}</div>'
        f'<p class="ba-small">{escape(routing_words(case, language))}</p></div>'
    )


def _group_row(case: Case, index: int, probability: float, language: str) -> str:
    label = RANGE_LABELS[index].replace("-", "–")
    chosen = index + 1 == case.estimate.group
    badge = text("given" if case.estimate.routing == "given" else "chosen", language) if chosen else ""
    alt = text("group_alt", language, label=label, percent=percent(probability))
    return bar_row(text("group_row", language, label=label), probability, alt, on=chosen, badge=badge)


def routing_words(case: Case, language: str) -> str:
    """Say which regressor answered and whether the classifier was skipped."""
    label = RANGE_LABELS[case.estimate.group - 1].replace("-", "–")
    if case.estimate.routing == "stacked":
        return _stacked_words(case, label, language)
    if case.estimate.routing != "given":
        key = "routing_soft" if case.estimate.routing == "soft" else "routing_classifier"
        return text(key, language, label=label)
    other = RANGE_LABELS[case.classified.group - 1].replace("-", "–")
    said = text("groups_contradict" if case.contradicted else "groups_agree", language, label=other)
    return f"{text('routing_given', language, label=label)} {said}"


def _stacked_words(case: Case, label: str, language: str) -> str:
    """Say the share of the head for all ages and whose the rest is: the four regressors', one's, or nobody's."""
    experts = case.reasons.experts if case.reasons else ()
    share = round(100 * sum(one.weight for one in experts if one.range in {ALL_AGES, ALL_REGIONS}))
    if share >= 100:
        return text("routing_all_ages", language)
    several = sum(one.weight > 0 for one in experts if one.range not in {ALL_AGES, ALL_REGIONS}) > 1
    key = "routing_stacked" if several else "routing_stacked_one"
    return text(key, language, label=label, share=number(share, language), rest=number(100 - share, language))


def all_warnings(case: Case, language: str) -> list[str]:
    """List the warnings of an estimate in the visitor's language, those of the page included."""
    notes = [say(warning, language) for warning in case.estimate.warnings]
    months = case.chronological_months
    if months is not None and abs(months - case.estimate.bone_age_months) > UNUSUAL_DIFFERENCE_MONTHS:
        notes.append(text("warning_unusual", language))
    return list(dict.fromkeys(notes))


def _warnings(case: Case, language: str) -> str:
    notes = all_warnings(case, language)
    if not notes:
        return ""
    items = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return f'<div class="ba-warnings" role="note"><p>{_say("warnings", language)}</p><ul>{items}</ul></div>'


def _answered(case: Case, language: str, mlflow: str) -> str:
    """Name the models that took part, each with version, alias and its run."""
    cases = (case, *([case.beside] if case.beside else []))
    answers = [answer for one in cases for answer in one.answers or (_unlisted(one),)]
    rows = "".join(_answer_row(answer, language, mlflow) for answer in answers)
    hint = ""
    if mlflow and any(answer.page for answer in answers):
        hint = f'<p class="ba-small">{with_commands(text("answered_hint", language))}</p>'
    return (
        f'<details class="ba-answered" open><summary class="ba-kicker">{_say("answered", language)}</summary>'
        f"<ul>{rows}</ul>{hint}</details>"
    )


def _unlisted(case: Case) -> Answer:
    return Answer("cascade", case.estimate.model, case.estimate.version)


def _answer_row(answer: Answer, language: str, mlflow: str) -> str:
    words = text("answered_by", language, model=answer.model or "–", version=answer.version or "–")
    aliases = "".join(f" <b>{escape(alias)}</b>" for alias in answer.aliases)
    link = ""
    if mlflow and answer.page:
        run = text("answered_run", language)
        address = f"{mlflow.rstrip('/')}/{answer.page}"
        link = f" {Link(run, address, f'{run}: {answer.model}').html}"
    role = _say(f"role_{answer.role}", language)
    return f'<li><span class="ba-role">{role}</span> <span>{escape(words)}{aliases}{link}</span></li>'


def _say(key: str, language: str) -> str:
    return escape(text(key, language))


def _percent(months: float) -> str:
    return f"{100 * min(max(months, 0.0), MAX_AGE_MONTHS) / MAX_AGE_MONTHS:.2f}"

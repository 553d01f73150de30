"""Show a follow-up: the chart, a PDF of one page, and a FHIR bundle."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from html import escape
from io import BytesIO
from typing import Any

import numpy as np

from boneage.cascade.estimate import RESEARCH_NOTICE
from boneage.clinical.comparison import BEYOND_SD
from boneage.hospital.fhir import observation, rate_observation
from boneage.hospital.follow import RATE_COVERAGE, FollowUp, Visit
from boneage.hospital.report_pdf import blank, write_lines
from boneage.html import html_page, html_table
from boneage.languages.texts import age_in_words, number, text
from boneage.notices import say

_TEAL, _AMBER, _GREY, _BAND = "#108282", "#c98a1b", "#5a686e", "#dfe7e8"


def chart(found: FollowUp, language: str) -> bytes:
    """Draw bone age against chronological age in years with intervals, the table's bands and the rate's line; PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.6, 5.2), dpi=130, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    ages = np.array([one.age_months for one in (*found.visits, *found.refused)])
    around = np.linspace(max(ages.min() - 12, 0), ages.max() + 12, 120)
    _bands(axes, found, around, language)
    axes.plot(around / 12, around / 12, color=_GREY, linewidth=1, label=text("follow_same", language))
    for one in found.visits:
        estimate = one.result.estimate
        if estimate is None:
            continue
        low, high = (estimate.low_months, estimate.high_months)
        if low is not None and high is not None:
            axes.plot([one.age_months / 12] * 2, [low / 12, high / 12], color=_TEAL, linewidth=2, alpha=0.6)
        axes.plot(one.age_months / 12, estimate.bone_age_months / 12, "o", color=_TEAL, markersize=7)
    _line(axes, found, ages)
    axes.set_xlabel(text("follow_age", language))
    axes.set_ylabel(text("follow_bone_age", language))
    axes.grid(alpha=0.25)
    axes.legend(frameon=False, loc="upper left", fontsize=9)
    axes.set_title(text("notice", language), fontsize=8, color=_AMBER)
    buffer = BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _bands(axes: Any, found: FollowUp, around: np.ndarray, language: str) -> None:
    """Shade two standard deviations round the line of equal ages, where the table has them."""
    if found.table is None:
        return
    sds = np.array([found.table.sd_months(found.sex, float(age)) or np.nan for age in around])
    low, high = (around - BEYOND_SD * sds) / 12, (around + BEYOND_SD * sds) / 12
    axes.fill_between(around / 12, low, high, color=_BAND, label=text("follow_band", language, table=found.table.name))


def _line(axes: Any, found: FollowUp, ages: np.ndarray) -> None:
    if found.rate is None:
        return
    age, bone_age = found.rate.through
    ends = np.array([ages.min(), ages.max()])
    line = bone_age + found.rate.months_per_year / 12 * (ends - age)
    axes.plot(ends / 12, line / 12, color=_TEAL, linestyle="--", linewidth=1)


def words(found: FollowUp, language: str) -> list[str]:
    """Say every film and the rate, a line each."""
    lines = []
    for visit, row in _visits(found):
        age = age_in_words(row["age_months"], language)
        if "error" in row:
            lines.append(f"{text('follow_refused', language, age=age)}: {_reasons(visit, language)}")
            continue
        bone = age_in_words(row["bone_age_months"], language)
        z = "" if row["z_score"] is None else _signed(row["z_score"], language, 2)
        columns = zip(("interval", "difference", "z"), (*_interval(row, language), z), strict=True)
        said = [f"{text(f'follow_column_{name}', language).lower()} {value}" for name, value in columns if value]
        lines.append("; ".join([text("follow_row", language, age=age, bone_age=bone), *said, *_notes(visit, language)]))
    return [*lines, rate_words(found, language), *(f"{say(one, language)}." for one in found.doubts)]


def _visits(found: FollowUp) -> list[tuple[Visit, dict[str, Any]]]:
    """Return every film with its record, youngest first."""
    return list(zip(sorted((*found.visits, *found.refused), key=lambda one: one.age_months), found.rows(), strict=True))


def _interval(row: dict[str, Any], language: str) -> tuple[str, str]:
    """Return the interval in months, empty where there is none, and the difference."""
    low, high = row["low_months"], row["high_months"]
    months = (
        "" if low is None else text("in_months", language, months=f"{number(low, language)}–{number(high, language)}")
    )
    return months, text("in_months", language, months=_signed(row["difference_months"], language))


def _signed(value: float, language: str, digits: int = 1) -> str:
    return ("−" if value < 0 else "+") + number(abs(value), language, digits)


def _reasons(visit: Visit, language: str) -> str:
    return "; ".join(say(reason, language).rstrip(".") for reason in visit.result.refusal)


def follow_body(found: FollowUp, language: str, *, named: bool) -> str:
    """Write chart, films and rate as HTML.

    Args:
        found: the films of one child.
        language: a key of `LANGUAGES`.
        named: whether films are called by their names, which may name the patient.
    """
    drawn = base64.b64encode(chart(found, language)).decode()
    title = escape(text("follow_title", language))
    columns = ("film", "age", "bone_age", "interval", "difference", "z", "note")
    cells = [_cells(visit, row, language) for visit, row in _visits(found)]
    shown = slice(not named, None if any(one[-1] for one in cells) else -1)  # no empty column of notes
    headers = [text(f"follow_column_{name}", language) for name in columns[shown]]
    rows = [one[shown] for one in cells]
    table = [] if found.table is None else [f"{found.table.name}. {say(found.table.provenance, language)}"]
    doubts = "".join(f'<p class="ba-refused">{escape(say(one, language))}.</p>' for one in found.doubts)
    small = "".join(f'<p class="ba-small">{escape(one)}</p>' for one in [text("follow_caution", language), *table])
    return (
        f'<p class="ba-notice"><b>{escape(text("notice", language))}</b></p>'
        f'<img class="ba-chart plot" alt="{title}" src="data:image/png;base64,{drawn}">{html_table(headers, rows)}'
        f'<p class="ba-amount">{escape(rate_words(found, language))}</p>{doubts}{small}'
    )


def _notes(visit: Visit, language: str) -> list[str]:
    return [say(one, language).rstrip(".") for one in visit.result.warnings]


def _cells(visit: Visit, row: dict[str, Any], language: str) -> list[str]:
    start = [visit.name, age_in_words(row["age_months"], language)]
    if "error" in row:
        return [*start, "–", "–", "–", "–", _reasons(visit, language)]
    notes = "; ".join(_notes(visit, language))
    z = "–" if row["z_score"] is None else _signed(row["z_score"], language, 2)
    months, apart = _interval(row, language)
    return [*start, age_in_words(row["bone_age_months"], language), months or "–", apart, z, notes]


def follow_page(found: FollowUp, language: str) -> str:
    """Write the follow-up as one HTML page that needs nothing beside it and names neither patient nor file."""
    made = text("report_made", language, date=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC")
    parts = [f"<p>{escape(made)}</p>", follow_body(found, language, named=False)]
    return html_page(text("follow_title", language), parts, language)


def rate_words(found: FollowUp, language: str) -> str:
    """Say the rate, or that there is none."""
    rate = found.rate
    if rate is None:
        return text("follow_no_rate", language)
    return text(
        "follow_rate",
        language,
        rate=number(rate.months_per_year, language),
        coverage=number(100 * RATE_COVERAGE, language),
        low=number(rate.low, language),
        high=number(rate.high, language),
    )


def follow_pdf(found: FollowUp, language: str, paper: str = "A4") -> bytes:
    """Return the follow-up on one page as a PDF; it names no patient and no file."""
    title = text("follow_title", language)
    pdf = blank(paper, title, language)
    pdf.set_auto_page_break(True, 12)  # many films go on on a second page
    made = text("report_made", language, date=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC")
    y = write_lines(pdf, [(title, 18, "B"), (made, 8, ""), (text("notice", language), 9.5, "B")], 12)
    width = pdf.w - 28
    pdf.image(BytesIO(chart(found, language)), 14, y + 3, width, alt_text=title)
    table = [] if found.table is None else [(f"{found.table.name}. {say(found.table.provenance, language)}", 7, "")]
    lines = [(line, 9, "") for line in words(found, language)]
    write_lines(pdf, [*lines, (text("follow_caution", language), 8, ""), *table], y + width * 0.69 + 6)
    return bytes(pdf.output())


def follow_fhir(found: FollowUp) -> str:
    """Return a bundle of the films' Observations and, where it is known, one of the rate, as JSON.

    Raises:
        HospitalError: when a resource does not hold against the library's model.
    """
    entries = [observation(one.result) for one in (*found.visits, *found.refused)]
    if found.rate is not None:
        notes = [RESEARCH_NOTICE, found.rate.sentence(), *map(str, found.doubts)]
        entries.append(rate_observation(found.visits[-1].result, found.rate, notes))
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": one} for one in entries]}
    return json.dumps(bundle, ensure_ascii=False, indent=2)

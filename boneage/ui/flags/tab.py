"""The flag tab: save a case with a reading for future training, and list saved cases."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import gradio as gr

from boneage.html import html_table
from boneage.languages.texts import age_in_words, number, text, with_commands
from boneage.ui.errors import Boundary
from boneage.ui.estimate.case import Case, Refusal
from boneage.ui.estimate.steps import preview_html
from boneage.ui.estimate.tab import heading
from boneage.ui.flags.save import Reading, case_of_key, flag_case, flagged_words
from boneage.ui.flags.texts import found_html, search_words
from boneage.ui.labels import Labels
from boneage.ui.page_services import PageServices

if TYPE_CHECKING:
    import pandas as pd

    from boneage.data.flags import FlagStore

_LATEST = 20
_COLUMNS = ("time", "sex", "estimate", "reader", "model", "image")


@dataclass(frozen=True)
class FlagTab:
    """The tab's components, and what they show."""

    summary: gr.HTML
    form: gr.Column
    reader_age: gr.Number
    comment: gr.Textbox
    consent: gr.Checkbox
    button: gr.Button
    flagged: gr.HTML
    cases: gr.HTML
    tab: gr.Tab
    key: gr.Textbox
    seen: gr.Textbox
    services: PageServices

    @property
    def store(self) -> FlagStore:
        """Where cases are saved."""
        return self.services.flags

    @property
    def shows(self) -> list[Any]:
        """List the components that `shown` updates."""
        return [self.summary, self.form, self.reader_age, self.comment, self.consent, self.flagged, self.key]

    def shown(self, case: Case | Refusal | None, language: str) -> list[Any]:
        """Return updates that offer a case for keeping, the form empty, or say that there is none."""
        there = case if isinstance(case, Case) else None
        return [_summary(there, language), gr.update(visible=there is not None), None, "", False, "", _key(there)]

    def translated(self, case: Case | Refusal | None, language: str) -> list[Any]:
        """Return updates that say the same in another language; what was typed stays."""
        summary, form, *_ = self.shown(case, language)
        return [summary, form, gr.update(), gr.update(), gr.update(), "", gr.update()]


def lay_out(labels: Labels, services: PageServices) -> FlagTab:
    """Lay out the tab."""
    with labels.made(gr.Tab, {"label": "tab_flag"}, id="flag") as tab, gr.Row(elem_id="flag-tab"):
        with gr.Column(scale=5, min_width=320):
            labels.made(gr.HTML, {"value": _intro})
            summary = gr.HTML(_summary(None, "en"), elem_id="flag-summary")
            with gr.Column(visible=False, elem_id="flag") as form:
                reader_age = labels.made(gr.Number, {"label": "reader_age"}, elem_id="reader-age")
                comment = labels.made(gr.Textbox, {"label": "comment"}, max_length=500, elem_id="comment")
                # The key of the case whose burned-in text was shown: only then it is blacked out and saved.
                seen = gr.Textbox("", visible=False, elem_id="flag-seen")
                # In the browser: what is saved is what the reader sees, whatever came to this server since.
                key = gr.Textbox("", visible=False, elem_id="flag-key")
                consent = labels.made(gr.Checkbox, {"label": "consent"}, elem_id="consent")
                button = labels.made(gr.Button, {"value": "flag"}, variant="primary", elem_id="flag-button")
            flagged = gr.HTML("", elem_id="flagged")
        with gr.Column(scale=8, min_width=320):
            cases = gr.HTML("", elem_id="flag-cases")
    return FlagTab(summary, form, reader_age, comment, consent, button, flagged, cases, tab, key, seen, services)


def connect(tab: FlagTab, case: gr.State, language: gr.Dropdown) -> None:
    """Connect the tab's components."""

    def save(given: dict[Any, Any], request: gr.Request) -> list[Any]:
        code, key, shown = given[language], given[tab.key], given[case]
        with Boundary(code):
            mine = isinstance(shown, Case) and bool(key) and shown.key == key
            kept = shown if mine else case_of_key(tab.services.recent, key, request.session_hash, code)
            said = (given[tab.reader_age], given[tab.comment], given[tab.consent])
            reading = Reading(*said, who=request.username or "")
            reading.check(code)
            found = tab.services.texts.of(kept)
            if found is not None and found.texts and given[tab.seen] != kept.key:
                return [found_html(kept, found, code), gr.skip(), kept.key]
            words = flagged_words(flag_case(tab.store, kept, reading, found, code), code)
            return [words, cases_html(tab.store, code), ""]

    def look(code: str) -> str:
        with Boundary(code):
            return cases_html(tab.store, code)

    private: dict[str, Any] = {"api_visibility": "private"}
    given = {case, tab.key, tab.seen, tab.reader_age, tab.comment, tab.consent, language}
    tab.button.click(save, given, [tab.flagged, tab.cases, tab.seen], show_progress_on=tab.flagged, **private)
    tab.tab.select(look, [language], tab.cases, show_progress="hidden", **private)


def cases_html(store: FlagStore, language: str) -> str:
    """List the latest saved cases, without pictures and comments, and say how they get into a training."""
    records = store.records()
    latest = records.iloc[::-1].head(_LATEST)
    count = text("flag_cases", language, count=len(records))
    if len(records) > len(latest):
        count = f"{count} ({text('flag_latest', language, count=len(latest))})"
    where = text("flag_where", language, folder=f"{store.folder.name}/")
    rows = [_cells(row, language) for _, row in latest.iterrows()]
    return (
        f'<h2 class="ba-kicker">{escape(count)}</h2>'
        f"{html_table([text(f'column_{name}', language) for name in _COLUMNS], rows)}"
        f'<p class="ba-small">{escape(where)}</p><p class="ba-small">{with_commands(text("flag_train", language))}</p>'
    )


def _cells(row: pd.Series, language: str) -> list[str]:
    reader = row["reader_age_months"]
    return [
        str(row["time"])[:16].replace("T", " "),
        text(str(row["sex"]), language),
        number(float(row["estimated_age_months"]), language),
        number(float(reader), language) if reader == reader else "–",
        f"{row['model']} {row['version']}".strip() or "–",
        f"{str(row['sha256'])[:12]}…",
    ]


def _intro(language: str) -> str:
    return (
        f'{heading("flag_heading")(language)}<p class="ba-small">{escape(text("flag_info", language))}</p>'
        f'<p class="ba-small">{escape(search_words(language))}</p>'
    )


def _key(case: Case | None) -> str:
    return case.key if case else ""


def _summary(case: Case | None, language: str) -> str:
    """Show what would be saved: the estimate as it was shown, and its film."""
    if case is None:
        return f'<div class="ba-card ba-empty"><p>{escape(text("flag_nothing", language))}</p></div>'
    estimate = case.estimate
    line = text(
        "flag_line",
        language,
        sex=text(estimate.sex, language),
        age=age_in_words(estimate.bone_age_months, language),
        months=text("in_months", language, months=number(estimate.bone_age_months, language)),
        model=estimate.model or "–",
        version=estimate.version or "–",
    )
    return (
        f'<div class="ba-card ba-kept">{preview_html(case.pictures[0], language)}'
        f'<div><p class="ba-kicker">{escape(text("flag_shown", language))}</p><p>{escape(line)}</p></div></div>'
    )

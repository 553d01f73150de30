"""The follow-up tab: its components and events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from html import escape
from typing import Any

import gradio as gr

from boneage.hospital.follow import FollowUp
from boneage.hospital.follow_out import follow_body, follow_fhir, follow_page, follow_pdf
from boneage.languages.texts import sex_choices, text
from boneage.ui.errors import Boundary
from boneage.ui.estimate.chronological import built_in_choices
from boneage.ui.estimate.events import MODEL_TURN
from boneage.ui.follow.films import age_lines, follow_up, read_asked
from boneage.ui.labels import Labels
from boneage.ui.page_services import PageServices

FILES = {
    "follow_report": "boneage-follow-up.html",
    "follow_pdf": "boneage-follow-up.pdf",
    "follow_fhir": "boneage-follow-up.json",
}
_MAKERS: dict[str, Callable[[FollowUp, str], str | bytes]] = {
    "follow_report": follow_page,
    "follow_pdf": follow_pdf,
    "follow_fhir": lambda found, language: follow_fhir(found),
}
# The link is set a moment after the answer has come.
_FETCH = "() => setTimeout(() => document.querySelector('#follow-made a, a#follow-made, #follow-made')?.click(), 300)"
_PRIVATE: dict[str, Any] = {"api_visibility": "private"}


@dataclass(frozen=True)
class FollowTab:
    """The tab's components.

    Attributes:
        files: the films of one child.
        ages: a line per film.
        born: the birth date, for typed dates.
        sex: where the files do not say it.
        table: for bands and z-scores.
        button: estimates them.
        shown: chart, table and rate.
        actions: the downloads.
        buttons: one per key of `FILES`.
        made: what a button made.
        found: the follow-up that is shown.
    """

    files: gr.File
    ages: gr.Textbox
    born: gr.Textbox
    sex: gr.Radio
    table: gr.Dropdown
    button: gr.Button
    shown: gr.HTML
    actions: gr.Row
    buttons: dict[str, gr.Button]
    made: gr.DownloadButton
    found: gr.State


def lay_out(labels: Labels, seconds: float) -> FollowTab:
    """Lay out the tab; what it shows is forgotten after so many seconds."""
    with labels.made(gr.Tab, {"label": "tab_follow"}, id="follow"), gr.Row(elem_id="follow-tab"):
        with gr.Column(scale=5, min_width=320):
            labels.made(gr.HTML, {"value": _intro})
            files = labels.made(gr.File, {"label": "follow_files"}, file_count="multiple", height=170,
                                elem_id="follow-files")  # fmt: skip
            ages = labels.made(gr.Textbox, {"label": "follow_ages", "info": "follow_ages_info"}, lines=3,
                               elem_id="follow-ages")  # fmt: skip
            born = labels.made(gr.Textbox, {"label": "follow_born"}, max_length=10, elem_id="follow-born")
            sex = labels.made(gr.Radio, {"label": "sex", "choices": sex_choices}, elem_id="follow-sex")
            table = labels.made(gr.Dropdown, {"label": "table", "choices": built_in_choices}, value="",
                                filterable=False, elem_id="follow-table")  # fmt: skip
            button = labels.made(gr.Button, {"value": "follow_run"}, variant="primary", size="lg",
                                 elem_id="follow-button")  # fmt: skip
        with gr.Column(scale=8, min_width=320):
            shown = gr.HTML(shown_html(None, "en"), elem_id="follow-shown")
            with gr.Row(visible=False, elem_id="follow-actions") as actions:
                buttons = {
                    key: labels.made(
                        gr.Button, {"value": key}, size="sm", scale=0, min_width=170, elem_id=key.replace("_", "-")
                    )  # fmt: skip
                    for key in FILES
                }
                made = gr.DownloadButton("PDF, FHIR", elem_id="follow-made", elem_classes="ba-unseen")
        found = gr.State(None, time_to_live=seconds)
    return FollowTab(files, ages, born, sex, table, button, shown, actions, buttons, made, found)


def connect(tab: FollowTab, services: PageServices, model: gr.Dropdown, language: gr.Dropdown) -> None:
    """Connect the tab's components."""

    def came(given: list[str] | None, code: str, request: gr.Request) -> list[Any]:
        with Boundary(code):
            services.visits.keep(request.session_hash, given or [])
            return [age_lines(given, code), None, shown_html(None, code), gr.update(visible=False)]

    def run(
        given: dict[Any, Any],
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 (Gradio finds it by its default)
    ) -> list[Any]:
        code, files = given[language], given[tab.files]
        with Boundary(code):
            choices = (given[tab.sex] or "", given[tab.table] or "", given[model] or "")
            asked = read_asked(files, given[tab.ages] or "", given[tab.born] or "", choices, code)
            asked = replace(asked, who=request.username or "")
            found = follow_up(services.service, asked, lambda place, name: progress((place, len(files)), desc=name))
            return [found, shown_html(found, code), gr.update(visible=True)]

    tab.files.change(came, [tab.files, language], [tab.ages, tab.found, tab.shown, tab.actions],
                     show_progress="hidden", **_PRIVATE)  # fmt: skip
    fields = {tab.files, tab.ages, tab.born, tab.sex, tab.table, model, language}
    tab.button.click(run, fields, [tab.found, tab.shown, tab.actions], show_progress_on=tab.shown,
                     concurrency_id=MODEL_TURN, concurrency_limit=1, **_PRIVATE)  # fmt: skip
    language.input(lambda found, code: shown_html(found, code), [tab.found, language], tab.shown, queue=False,
                   show_progress="hidden", **_PRIVATE)  # fmt: skip
    _connect_downloads(tab, services, language)


def _connect_downloads(tab: FollowTab, services: PageServices, language: gr.Dropdown) -> None:
    """Make report, PDF or FHIR bundle when they are asked for, and hand them to the browser."""

    def making(key: str) -> Callable[..., str | None]:
        def make(found: Any, code: str, request: gr.Request) -> str | None:
            with Boundary(code):
                if found is None:
                    return None
                return services.downloads.write(FILES[key], _MAKERS[key](found, code), request.session_hash)

        return make

    for key, button in tab.buttons.items():
        done = button.click(making(key), [tab.found, language], tab.made, **_PRIVATE)
        done.success(None, None, None, js=_FETCH, **_PRIVATE)


def shown_html(found: FollowUp | None, language: str) -> str:
    """Show a follow-up, or what to do while there is none."""
    if found is None:
        return f'<div class="ba-card ba-empty"><p>{escape(text("follow_empty", language))}</p></div>'
    title = escape(text("follow_title", language))
    return (
        f'<section class="ba-card ba-follow" aria-label="{title}">{follow_body(found, language, named=True)}</section>'
    )


def _intro(language: str) -> str:
    return f'<p class="ba-small">{escape(text("follow_intro", language))}</p>'

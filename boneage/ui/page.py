"""Build the page: header, research notice, language, model status, and the tabs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from boneage.languages.texts import DEFAULT_LANGUAGE, language_choices, preferred_language, text, with_commands
from boneage.notices import say
from boneage.ui.api import add_api
from boneage.ui.batch.tab import add_batch_tab
from boneage.ui.estimate import events as estimate_events
from boneage.ui.estimate import tab as estimate_tab
from boneage.ui.estimate.tab import EstimateTab
from boneage.ui.flags import tab as flag_tab
from boneage.ui.flags.tab import FlagTab
from boneage.ui.follow import tab as follow_tab
from boneage.ui.labels import Labels
from boneage.ui.models import tab as models_tab
from boneage.ui.models.tab import ModelsTab
from boneage.ui.page_services import PageServices
from boneage.ui.service import ModelService, Phase

# Uploads and pictures are deleted this many seconds after they were made; looked at every CACHE_CHECK_SECONDS.
CACHE_SECONDS = 3600
CACHE_CHECK_SECONDS = 600
_POLL_SECONDS = 2.0
_CALM_POLL_SECONDS = 20.0
_QUIET: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
_SWITCH_THEME = "() => { document.body.classList.toggle('dark'); }"


def build_page(services: PageServices) -> gr.Blocks:
    """Build the page; launch it with `boneage.ui.launch.launch`."""
    labels = Labels()
    page = gr.Blocks(title="Bone age", analytics_enabled=False, delete_cache=(CACHE_CHECK_SECONDS, CACHE_SECONDS))
    with page:
        language = _header(labels)
        status = gr.HTML(status_line(services.service, DEFAULT_LANGUAGE), elem_id="status")
        case = gr.State(None, time_to_live=CACHE_SECONDS)
        with gr.Tabs(elem_id="tabs", overflow_behavior="wrap") as tabs:
            estimate = estimate_tab.lay_out(labels, services)
            add_batch_tab(labels, services, estimate.inputs.model, language)
            child = follow_tab.lay_out(labels, CACHE_SECONDS)
            flags = flag_tab.lay_out(labels, services)
            models = models_tab.lay_out(labels, services)
        shell = Shell(page, labels, language, status, case, tabs)
        estimate_events.connect(estimate, flags, case, language)
        follow_tab.connect(child, services, estimate.inputs.model, language)
        flag_tab.connect(flags, case, language)
        models_tab.connect(models, language)
        add_api(services)
        _follow_language(shell, estimate, flags, models)
        _follow_models(shell, estimate, models)
        page.unload(_leaving(services))
    return page


@dataclass(frozen=True)
class Shell:
    """The components around the tabs."""

    page: gr.Blocks
    labels: Labels
    language: gr.Dropdown
    status: gr.HTML
    case: gr.State
    tabs: gr.Tabs


def _header(labels: Labels) -> gr.Dropdown:
    with gr.Row(elem_id="header", equal_height=True):
        labels.made(gr.HTML, {"value": _title}, elem_id="title")
        with gr.Row(elem_id="tools"):
            language = labels.made(
                gr.Dropdown,
                {"label": "language"},
                choices=language_choices(),
                value=DEFAULT_LANGUAGE,
                filterable=False,
                show_label=False,
                container=False,
                min_width=120,
                elem_id="language",
            )
            theme = labels.made(gr.Button, {"value": "theme"}, size="sm", min_width=90, elem_id="theme")
            theme.click(None, js=_SWITCH_THEME, api_visibility="private")
    labels.made(gr.HTML, {"value": _notice}, elem_id="notice")
    return language


def _title(language: str) -> str:
    return f"<h1>{escape(text('title', language))}</h1><p>{escape(text('subtitle', language))}</p>"


def _notice(language: str) -> str:
    return f'<p role="note">{escape(text("notice", language))}</p>'


def status_line(service: ModelService, language: str) -> str:
    """Render the status of the page's model: loading, ready or missing."""
    status = service.status
    if status.phase is Phase.READY:
        words = text("status_ready", language, model=status.model, version=status.version or "–")
        return f'<p class="ba-status ba-ready" role="status">{escape(words)}</p>'
    if status.phase is Phase.LOADING:
        return f'<p class="ba-status ba-loading" role="status">{escape(text("status_loading", language))}</p>'
    missing = text("status_missing", language)
    then = text("status_others" if service.choices else "status_then", language)
    return (
        f'<div class="ba-status ba-missing" role="alert"><p><b>{escape(missing)}</b></p>'
        f"<p>{with_commands(say(status.problem, language))}</p><p>{escape(then)}</p></div>"
    )


def _follow_language(shell: Shell, estimate: EstimateTab, flags: FlagTab, models: ModelsTab) -> None:
    """Let every text follow the language: chosen in the page, or brought by the browser."""
    services, language = estimate.services, shell.language

    def translate(code: str, shown: Any) -> list[Any]:
        return [
            *shell.labels.updates(code),
            status_line(services.service, code),
            *estimate.shown(shown, code),
            estimate_tab.example_gallery(services.examples, code),
            estimate_tab.model_switch(services.service, code),
            *flags.translated(shown, code),
        ]

    def greet(request: gr.Request) -> list[Any]:
        code = preferred_language(request.headers.get("accept-language", ""))
        # Gradio's number fields begin at 0, and a newborn is not what an empty field means.
        return [gr.update(value=code), *[None] * len(numbers), *translate(code, None)]

    def again(code: str, tables: str) -> list[Any]:
        return [flag_tab.cases_html(services.flags, code), *(models.shown(code) if tables else [gr.skip()] * 4)]

    inputs = estimate.inputs
    numbers = [inputs.chronological, inputs.height, inputs.father, inputs.mother]
    follows = [
        *shell.labels.components,
        shell.status,
        *estimate.shows,
        estimate.inputs.examples,
        estimate.inputs.model,
        *flags.shows,
    ]
    shell.page.load(greet, None, [language, *numbers, *follows], **_QUIET)
    language.input(translate, [language, shell.case], follows, **_QUIET)
    language.input(again, [language, models.rows], [flags.cases, *models.shows], **_QUIET)
    estimate.results.flag.click(lambda: gr.Tabs(selected="flag"), None, shell.tabs, **_QUIET)


def _follow_models(shell: Shell, estimate: EstimateTab, models: ModelsTab) -> None:
    """Let status, switch and tables follow the registry: often while a model is awaited, calmly afterwards."""
    service = estimate.services.service

    def look(code: str, tables: str) -> list[Any]:
        ready = service.status.phase is Phase.READY
        every = gr.Timer(_CALM_POLL_SECONDS if ready else _POLL_SECONDS)
        # The tables are read only where the visitor has opened their tab.
        shown = models.shown(code)[:2] if tables else [gr.skip(), gr.skip()]
        return [status_line(service, code), estimate_tab.model_switch(service, code), every, *shown]

    timer = gr.Timer(_POLL_SECONDS)
    follows = [shell.status, estimate.inputs.model, timer, models.rivals, models.rows]
    timer.tick(look, [shell.language, models.rivals], follows, **_QUIET)


def _leaving(services: PageServices) -> Callable[[gr.Request], None]:
    def leave(request: gr.Request) -> None:
        services.visits.end(request.session_hash)

    return leave

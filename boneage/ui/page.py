"""The page's frame: header, notice, language, status, and the tabs."""

from __future__ import annotations

from html import escape
from typing import Any

import gradio as gr

from boneage.ui.api import add_api
from boneage.ui.batch_tab import add_batch_tab
from boneage.ui.estimate_tab import EstimateTab, add_estimate_tab
from boneage.ui.labels import Labels
from boneage.ui.models_tab import add_models_tab
from boneage.ui.sentences import sentence_in
from boneage.ui.service import ModelService, Phase
from boneage.ui.surroundings import Surroundings
from boneage.ui.texts import DEFAULT_LANGUAGE, language_choices, preferred_language, text

# Uploads and pictures are deleted this many seconds after they were made; looked at every CACHE_CHECK_SECONDS.
CACHE_SECONDS = 3600
CACHE_CHECK_SECONDS = 600
_POLL_SECONDS = 2.0
_CALM_POLL_SECONDS = 20.0
_SWITCH_THEME = "() => { document.body.classList.toggle('dark'); }"


def build_page(around: Surroundings) -> gr.Blocks:
    """Build the page; launch it with `boneage.ui.launch.launch`."""
    labels = Labels()
    page = gr.Blocks(title="Bone age", analytics_enabled=False, delete_cache=(CACHE_CHECK_SECONDS, CACHE_SECONDS))
    with page:
        language = _header(labels)
        status = gr.HTML(status_line(around.service, DEFAULT_LANGUAGE), elem_id="status")
        case = gr.State(None, time_to_live=CACHE_SECONDS)
        with gr.Tabs():
            estimate = add_estimate_tab(labels, around, case, language)
            add_batch_tab(labels, around, estimate.model, language)
            add_models_tab(labels, around.service, language)
        add_api(around, case)
        _follow(page, around, labels, language, status, case, estimate)
    return page


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
    """Say where the page's model stands."""
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
        f"<p>{_with_commands(sentence_in(language, status.problem))}</p><p>{escape(then)}</p></div>"
    )


def _with_commands(sentence: str) -> str:
    """Set what stands between backticks as code."""
    parts = escape(sentence).split("`")
    return "".join(f"<code>{part}</code>" if index % 2 else part for index, part in enumerate(parts))


def _follow(
    page: gr.Blocks,
    around: Surroundings,
    labels: Labels,
    language: gr.Dropdown,
    status: gr.HTML,
    case: gr.State,
    estimate: EstimateTab,
) -> None:
    """Let texts follow the language, and the status follow the models."""
    service = around.service
    quiet: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}

    def translate(code: str, shown: Any) -> list[Any]:
        return [*labels.updates(code), status_line(service, code), *estimate.shown(shown, code), estimate.gallery(code)]

    def greet(request: gr.Request) -> list[Any]:
        code = preferred_language(request.headers.get("accept-language", ""))
        # Gradio's number fields begin at 0, and a newborn is not what an empty field means.
        return [gr.update(value=code), None, None, *translate(code, None)]

    def look(code: str) -> list[Any]:
        ready = service.status.phase is Phase.READY
        every = gr.Timer(_CALM_POLL_SECONDS if ready else _POLL_SECONDS)
        return [status_line(service, code), estimate.models(), every]

    follows = [*labels.components, status, *estimate.follows_language, estimate.examples]
    numbers = [estimate.inputs.chronological, estimate.results.reader_age]
    page.load(greet, None, [language, *numbers, *follows], **quiet)
    language.input(translate, [language, case], follows, **quiet)
    timer = gr.Timer(_POLL_SECONDS)
    timer.tick(look, [language], [status, estimate.model, timer], **quiet)

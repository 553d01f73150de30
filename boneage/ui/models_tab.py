"""The third tab: what is registered, which version answers, and the model cards."""

from __future__ import annotations

from typing import Any

import gradio as gr

from boneage.errors import BoneageError
from boneage.ui.boundary import Boundary
from boneage.ui.labels import Labels
from boneage.ui.sentences import sentence_in
from boneage.ui.service import Listed, ModelService
from boneage.ui.tables import html_table
from boneage.ui.texts import number, text

_COLUMNS = ("model", "version", "aliases", "status", "mae", "created", "run")


def add_models_tab(labels: Labels, service: ModelService, language: gr.Dropdown) -> None:
    """Lay out the tab and connect it; it looks into the registry whenever it is opened."""
    with labels.made(gr.Tab, {"label": "tab_models"}) as tab:
        labels.made(gr.Markdown, {"value": "models_intro"})
        rows = gr.HTML("", elem_id="models-rows")
        with gr.Row():
            again = labels.made(gr.Button, {"value": "models_refresh"}, size="sm", scale=0, min_width=160)
            chosen = labels.made(gr.Dropdown, {"label": "models_card"}, choices=[], filterable=False, elem_id="card-of",
                                 scale=2)  # fmt: skip
        card = gr.Markdown("", elem_id="model-card")

    def look(code: str) -> list[Any]:
        with Boundary(code):
            try:
                listed = service.catalogue.table()
            except BoneageError as error:
                return [
                    "",
                    gr.update(choices=[], value=None),
                    f"{text('models_none', code)} {sentence_in(code, str(error))}",
                ]
            names = [_name(one) for one in listed]
            first = next((_name(one) for one in listed if "champion" in one.aliases), names[0] if names else None)
            shown = next((one.card for one in listed if _name(one) == first), text("models_none", code))
            return [html_table(_headers(code), _cells(listed, code)), gr.update(choices=names, value=first), shown]

    def show(name: str | None, code: str) -> str:
        with Boundary(code):
            return next((one.card for one in service.catalogue.table() if _name(one) == name), "")

    quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "minimal"}
    tab.select(look, [language], [rows, chosen, card], **quiet)
    again.click(look, [language], [rows, chosen, card], **quiet)
    chosen.input(show, [chosen, language], [card], **quiet)


def _headers(language: str) -> list[str]:
    return [text(f"models_{name}", language) for name in _COLUMNS]


def _name(one: Listed) -> str:
    return f"{one.model} {one.version}"


def _cells(listed: list[Listed], language: str) -> list[list[str]]:
    return [
        [
            one.model,
            one.version,
            ", ".join(one.aliases),
            text(f"status_{one.status}", language) if one.status in {"pending", "passed", "failed"} else one.status,
            "–" if one.mae_months is None else number(one.mae_months, language, digits=2),
            one.created.replace("T", " ")[:16],
            one.run_id[:8],
        ]
        for one in listed
    ]

"""The batch tab: its components and events."""

from __future__ import annotations

from html import escape
from typing import Any

import gradio as gr

from boneage.html import html_table
from boneage.languages.texts import sex_choices, text
from boneage.ui.batch.estimate import Common, estimate_all, items_of, read_table, table_headers, to_cells, to_csv
from boneage.ui.errors import Boundary
from boneage.ui.labels import Labels
from boneage.ui.page_services import PageServices


def add_batch_tab(labels: Labels, services: PageServices, model: gr.Dropdown, language: gr.Dropdown) -> None:
    """Lay out the tab and connect it."""
    with labels.made(gr.Tab, {"label": "tab_batch"}, id="batch"), gr.Row():
        with gr.Column(scale=5, min_width=320):
            files = labels.made(gr.File, {"label": "batch_files"}, file_count="multiple", height=200,
                                elem_id="batch-files")  # fmt: skip
            sex = labels.made(gr.Radio, {"label": "batch_sex", "choices": sex_choices}, elem_id="batch-sex")
            table = labels.made(gr.File, {"label": "batch_table"}, height=120, elem_id="batch-table")
            labels.made(gr.HTML, {"value": _hint})
            button = labels.made(
                gr.Button, {"value": "batch_run"}, variant="primary", size="lg", elem_id="batch-button"
            )
        with gr.Column(scale=8, min_width=320):
            summary = gr.Markdown("", elem_id="batch-summary")
            rows = gr.HTML("", elem_id="batch-rows")
            download = labels.made(gr.DownloadButton, {"label": "batch_download"}, visible=False, size="sm",
                                   elem_id="batch-download")  # fmt: skip

    def run(
        given: list[str] | None,
        sex_of_all: str | None,
        sexes: str | None,
        uri: str | None,
        code: str,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 (Gradio finds it by its default)
    ) -> list[Any]:
        with Boundary(code):
            services.visits.keep(request.session_hash, [*(given or []), sexes])
            items, wishes = items_of(given or [], code), read_table(sexes, code)
            common, done = Common.read(uri, sex_of_all, request.username), []
            for row in estimate_all(services.service, items, wishes, common, code):
                done.append(row)
                progress((len(done), len(items)), desc=str(row["image"]))
            bad = sum(1 for row in done if row.get("error"))
            made = services.downloads.write("boneage-estimates.csv", to_csv(done), request.session_hash)
            words = text("batch_done", code, good=len(done) - bad, bad=bad)
            return [words, html_table(table_headers(code), to_cells(done, code)), gr.update(value=made, visible=True)]

    def came(given: list[str] | None, sexes: str | None, request: gr.Request) -> None:
        services.visits.keep(request.session_hash, [*(given or []), sexes])

    private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    gr.on([files.change, table.change], came, [files, table], None, **private)
    asked = [files, sex, table, model, language]
    button.click(run, asked, [summary, rows, download], show_progress_on=summary, api_visibility="private",
                 concurrency_id="batch", concurrency_limit=1)  # fmt: skip


def _hint(language: str) -> str:
    return f'<p class="ba-small">{escape(text("batch_hint", language))}</p>'

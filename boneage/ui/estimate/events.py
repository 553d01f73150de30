"""Events of the estimate tab: preview a file, estimate it, add the heat map."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from boneage.data.images import read_radiograph
from boneage.errors import BoneageError
from boneage.languages.texts import age_in_words, text
from boneage.notices import say
from boneage.ui.errors import Boundary
from boneage.ui.estimate.adult_height import read_heights
from boneage.ui.estimate.case import Case, Refusal, explained, make_shown, read_request
from boneage.ui.estimate.chronological import OWN_TABLE, chosen_table
from boneage.ui.estimate.hospital import dicom_of, fhir_of, pdf_of
from boneage.ui.estimate.pictures import preview
from boneage.ui.estimate.report import html_of
from boneage.ui.estimate.steps import preview_html
from boneage.ui.estimate.tab import EstimateTab
from boneage.ui.flags.tab import FlagTab

MODEL_TURN = "model"
Shown = Case | Refusal | None
# The link is set a moment after the answer has come.
_FETCH = "() => setTimeout(() => document.querySelector('#made a, a#made, #made')?.click(), 300)"
_PRIVATE: dict[str, Any] = {"api_visibility": "private"}


def connect(tab: EstimateTab, flags: FlagTab, case: gr.State, language: gr.Dropdown) -> None:
    """Connect the tab's components with each other and with the flag tab."""
    _connect_file(tab, flags, case, language)
    _connect_table(tab)
    _connect_estimate(tab, flags, case, language)
    _connect_results(tab, case, language)


def _connect_file(tab: EstimateTab, flags: FlagTab, case: gr.State, language: gr.Dropdown) -> None:
    inputs = tab.inputs

    def look(file: str | None, code: str, request: gr.Request) -> list[Any]:
        with Boundary(code):
            tab.services.visits.keep(request.session_hash, [file])
            return _looked_at(file, code)

    def forget(file: str | None, code: str, request: gr.Request) -> list[Any]:
        tab.services.recent.turn(request.session_hash, file)
        return [None, *tab.shown(None, code), *flags.shown(None, code)]

    def choose(code: str, event: gr.SelectData) -> list[Any]:
        example = tab.services.examples.ready()[event.index]
        return [str(example.file), gr.update(value=str(example.sex))]

    looked_at = [inputs.preview, inputs.read, inputs.sex, inputs.chronological]
    inputs.file.change(look, [inputs.file, language], looked_at, show_progress="hidden", **_PRIVATE)
    inputs.file.change(
        forget,
        [inputs.file, language],
        [case, *tab.shows, *flags.shows],
        queue=False,
        show_progress="hidden",
        **_PRIVATE,
    )
    inputs.examples.select(choose, [language], [inputs.file, inputs.sex], show_progress="hidden", **_PRIVATE)


def _connect_table(tab: EstimateTab) -> None:
    """Ask for the visitor's own table where that is chosen, and delete it with the visit."""
    inputs = tab.inputs

    def came(file: str | None, request: gr.Request) -> None:
        tab.services.visits.keep(request.session_hash, [file])

    quiet: dict[str, Any] = {"show_progress": "hidden", **_PRIVATE}
    inputs.table.change(lambda name: gr.update(visible=name == OWN_TABLE), inputs.table, inputs.table_file, **quiet)
    inputs.table_file.change(came, inputs.table_file, None, **quiet)


def _connect_estimate(tab: EstimateTab, flags: FlagTab, case: gr.State, language: gr.Dropdown) -> None:
    inputs, results = tab.inputs, tab.results
    service, recent = tab.services.service, tab.services.recent

    def estimating(insists: bool) -> Callable[..., list[Any]]:
        def estimate(
            given: dict[Any, Any],
            request: gr.Request,
            progress: gr.Progress = gr.Progress(),  # noqa: B008 (Gradio finds it by its default)
        ) -> list[Any]:
            code = given[language]
            with Boundary(code):
                months = given[inputs.chronological]
                asked = read_request(given[inputs.file], given[inputs.sex], given[inputs.age_range], months, code)
                table = chosen_table(given[inputs.table], given[inputs.table_file], months, code)
                cm = (given[inputs.height], given[inputs.father], given[inputs.mother])
                heights = read_heights(*cm, months, code)
                asked = replace(asked, uri=given[inputs.model] or "", anyway=insists, table=table)
                asked = replace(asked, who=request.username or "", **heights)
                recent.turn(request.session_hash, asked.source)
                made = make_shown(service, asked, code, lambda share, words: progress(share, desc=words))
                if isinstance(made, Case) and not recent.keep_shown(request.session_hash, asked.source, made):
                    return [gr.skip()] * len(fresh)  # another film lies there by now
                return [made, *tab.shown(made, code), *flags.shown(made, code)]

        return estimate

    def explain(shown: Shown, code: str, request: gr.Request) -> list[Any]:
        """Add the heat map, which takes as long again as the estimate: the number does not wait for it."""
        with Boundary(code):
            more = explained(service, shown) if isinstance(shown, Case) else shown
            if isinstance(more, Case) and recent.last(request.session_hash) != more.key:
                return [gr.skip()] * (len(fresh) - len(flags.shows))  # another film lies there by now
            return [more, *tab.shown(more, code)]

    fresh = [case, *tab.shows, *flags.shows]
    asked_for = (inputs.sex, inputs.age_range, inputs.chronological, inputs.table, inputs.table_file, inputs.model)
    fields = {inputs.file, *asked_for, inputs.height, inputs.father, inputs.mother, language}
    turn: dict[str, Any] = {"concurrency_id": MODEL_TURN, "concurrency_limit": 1, **_PRIVATE}
    for button, insists in ((inputs.button, False), (results.anyway, True)):
        done = button.click(estimating(insists), fields, fresh, show_progress_on=results.card, **turn)
        done.success(explain, [case, language], [case, *tab.shows], show_progress="hidden", **turn)


def _connect_results(tab: EstimateTab, case: gr.State, language: gr.Dropdown) -> None:
    """Make report, PDF, DICOM objects or FHIR resource when they are asked for, and hand them to the browser."""
    inputs, results = tab.inputs, tab.results

    def making(make: Callable[[Case, str | None, str], tuple[str, bytes]]) -> Callable[..., str | None]:
        def made(shown: Shown, file: str | None, code: str, request: gr.Request) -> str | None:
            with Boundary(code):
                if not isinstance(shown, Case):
                    return None
                name, content = make(shown, file, code)
                return tab.services.downloads.write(name, content, request.session_hash)

        return made

    kinds = ((results.report, html_of), (results.pdf, pdf_of), (results.dicom, dicom_of), (results.fhir, fhir_of))
    for button, make in kinds:
        done = button.click(making(make), [case, inputs.file, language], results.made, **_PRIVATE)
        done.success(None, None, None, js=_FETCH, **_PRIVATE)


def _looked_at(file: str | None, language: str) -> list[Any]:
    """Show an uploaded file at once, and what a DICOM file says of the patient."""
    if not file:
        return ["", gr.update(visible=False), gr.update(), gr.update()]
    try:
        radiograph = read_radiograph(file, name=Path(file).name)
    except BoneageError as error:
        # It stays beside the file, where a passing message would be gone before it is read.
        refused = f'<p class="ba-refused" role="alert">{escape(say(error.sentence, language))}</p>'
        return ["", gr.update(value=refused, visible=True), gr.update(), gr.update()]
    known = []
    if radiograph.sex is not None:
        known.append(text(radiograph.sex, language))
    if radiograph.age_months is not None:
        known.append(age_in_words(radiograph.age_months, language))
    sentence = f'<p class="ba-small">{escape(text("dicom_read", language, what=", ".join(known)))}</p>'
    return [
        preview_html(preview(radiograph.pixels), language),
        gr.update(value=sentence, visible=bool(known)),
        gr.update(value=str(radiograph.sex)) if radiograph.sex is not None else gr.update(),
        gr.update(value=radiograph.age_months and round(radiograph.age_months, 1)),
    ]

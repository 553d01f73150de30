"""The first tab: one radiograph in, one estimate out, and the flag."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from boneage.data.images import read_radiograph
from boneage.errors import BoneageError
from boneage.ui.boundary import Boundary
from boneage.ui.card import result_card
from boneage.ui.case import Case, make_case, read_request
from boneage.ui.examples import Examples
from boneage.ui.flagging import flag_case, flagged_words
from boneage.ui.labels import Labels, Words
from boneage.ui.pictures import shrink
from boneage.ui.report import report_html
from boneage.ui.sentences import sentence_in
from boneage.ui.service import ModelService
from boneage.ui.surroundings import Surroundings
from boneage.ui.texts import age_in_words, range_choices, sex_choices, text

MODEL_TURN = "model"


@dataclass(frozen=True)
class Inputs:
    """What the visitor fills in."""

    file: gr.File
    preview: gr.Image
    read: gr.HTML
    sex: gr.Radio
    age_range: gr.Dropdown
    chronological: gr.Number
    model: gr.Dropdown
    button: gr.Button
    examples: gr.Gallery


@dataclass(frozen=True)
class Results:
    """What the visitor reads, and the flag below it."""

    card: gr.HTML
    steps: gr.Gallery
    report: gr.DownloadButton
    flag: gr.Column
    reader_age: gr.Number
    comment: gr.Textbox
    consent: gr.Checkbox
    flag_button: gr.Button
    flagged: gr.HTML


@dataclass(frozen=True)
class EstimateTab:
    """The tab's components, and what they show."""

    inputs: Inputs
    results: Results
    around: Surroundings

    @property
    def model(self) -> gr.Dropdown:
        """Return the switch of models."""
        return self.inputs.model

    @property
    def examples(self) -> gr.Gallery:
        """Return the gallery of drawn hands."""
        return self.inputs.examples

    @property
    def follows_language(self) -> list[Any]:
        """List the components that `shown` updates."""
        results = self.results
        return [results.card, results.steps, results.report, results.flag, results.flagged]

    def shown(self, case: Case | None, language: str) -> list[Any]:
        """Return updates that show a case (or that there is none) in a language."""
        there = case is not None
        pictures = [(p.pixels, text(p.key, language)) for p in case.pictures] if case else None
        made = self.around.downloads.write("boneage-report.html", report_html(case, language)) if case else None
        return [
            result_card(case, language),
            gr.update(value=pictures, visible=there),
            gr.update(value=made, visible=there),
            gr.update(visible=there),
            "",
        ]

    def models(self) -> Any:
        """Return the update of the model switch: hidden while there is no choice."""
        return model_switch(self.around.service)

    def gallery(self, language: str) -> Any:
        """Return the update of the drawn hands."""
        return example_gallery(self.around.examples, language)


def model_switch(service: ModelService) -> Any:
    """Offer the registered models, the page's own first; hidden while there is no choice."""
    names = {one.uri: f"{one.model} · {one.alias} · v{one.version}" for one in service.choices}
    choices = [(names.pop(service.uri, service.uri), service.uri), *((name, uri) for uri, name in names.items())]
    return gr.update(choices=choices, visible=len(choices) > 1)


def example_gallery(examples: Examples, language: str) -> Any:
    """Show the drawn hands that are there, with sex and age below each."""
    items = [
        (
            str(example.file),
            text(
                "example_caption",
                language,
                sex=text(example.sex, language),
                age=age_in_words(example.age_months, language),
            ),
        )
        for example in examples.ready()
    ]
    return gr.update(value=items, visible=bool(items))


def add_estimate_tab(labels: Labels, around: Surroundings, case: gr.State, language: gr.Dropdown) -> EstimateTab:
    """Lay out the tab and connect it."""
    with labels.made(gr.Tab, {"label": "tab_estimate"}), gr.Row(elem_id="estimate"):
        with gr.Column(scale=5, min_width=320, elem_id="inputs"):
            inputs = _inputs(labels, around)
        with gr.Column(scale=8, min_width=320, elem_id="results"):
            results = _results(labels)
    tab = EstimateTab(inputs, results, around)
    _connect(tab, case, language)
    return tab


def _inputs(labels: Labels, around: Surroundings) -> Inputs:
    file = labels.made(gr.File, {"label": "file"}, height=170, elem_id="file")
    preview = gr.Image(visible=False, interactive=False, show_label=False, height=190, buttons=["fullscreen"],
                       elem_id="preview")  # fmt: skip
    read = gr.HTML(visible=False, elem_id="read")
    sex = labels.made(gr.Radio, {"label": "sex", "choices": sex_choices}, elem_id="sex")
    age_range = labels.made(
        gr.Dropdown,
        {"label": "age_range", "info": "age_range_info", "choices": range_choices},
        value="",
        filterable=False,
        elem_id="age-range",
    )
    chronological = labels.made(
        gr.Number, {"label": "chronological", "info": "chronological_info"}, elem_id="chronological",
    )  # fmt: skip
    model = labels.made(gr.Dropdown, {"label": "model"}, choices=[(around.service.uri, around.service.uri)],
                        value=around.service.uri, visible=False, filterable=False, elem_id="model")  # fmt: skip
    button = labels.made(gr.Button, {"value": "estimate"}, variant="primary", size="lg", elem_id="estimate-button")
    labels.made(gr.HTML, {"value": heading("examples")}, elem_classes="ba-heading")
    examples = gr.Gallery(columns=6, rows=1, height="auto", allow_preview=False, interactive=False, show_label=False,
                          visible=False, object_fit="cover", buttons=[], elem_id="examples")  # fmt: skip
    return Inputs(file, preview, read, sex, age_range, chronological, model, button, examples)


def _results(labels: Labels) -> Results:
    card = gr.HTML(result_card(None, "en"), elem_id="card")
    steps = gr.Gallery(columns=3, rows=1, height="auto", object_fit="contain", visible=False, interactive=False,
                       show_label=False, buttons=["fullscreen"], elem_id="steps")  # fmt: skip
    report = labels.made(gr.DownloadButton, {"label": "report"}, size="sm", visible=False, elem_id="report")
    with gr.Column(visible=False, elem_id="flag") as flag:
        labels.made(gr.HTML, {"value": _flag_heading})
        with gr.Row():
            reader_age = labels.made(gr.Number, {"label": "reader_age"}, min_width=180, elem_id="reader-age")
            comment = labels.made(gr.Textbox, {"label": "comment"}, max_length=500, scale=2, min_width=200,
                                  elem_id="comment")  # fmt: skip
        consent = labels.made(gr.Checkbox, {"label": "consent"}, elem_id="consent")
        button = labels.made(gr.Button, {"value": "flag"}, elem_id="flag-button")
    flagged = gr.HTML("", elem_id="flagged")
    return Results(card, steps, report, flag, reader_age, comment, consent, button, flagged)


def heading(key: str) -> Words:
    """Return a function from a language to a small heading."""
    return lambda language: f'<p class="ba-kicker">{escape(text(key, language))}</p>'


def _flag_heading(language: str) -> str:
    return f'{heading("flag_heading")(language)}<p class="ba-small">{escape(text("flag_info", language))}</p>'


def _connect(tab: EstimateTab, case: gr.State, language: gr.Dropdown) -> None:
    inputs, results = tab.inputs, tab.results
    looked_at = [inputs.preview, inputs.read, inputs.sex, inputs.chronological]
    fresh = [case, *tab.follows_language, results.reader_age, results.comment, results.consent]

    def look(file: str | None, code: str) -> list[Any]:
        with Boundary(code):
            return _looked_at(file, code)

    def forget(code: str) -> list[Any]:
        return [None, *tab.shown(None, code), None, "", False]

    def estimate(
        file: str | None,
        sex: str | None,
        age_range: str | None,
        months: float | None,
        uri: str | None,
        code: str,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 (Gradio finds it by its default)
    ) -> list[Any]:
        with Boundary(code):
            request = read_request(file, sex, age_range, months, code).answered_by(uri)
            made = make_case(tab.around.service, request, code, lambda share, words: progress(share, desc=words))
            return [made, *tab.shown(made, code), None, "", False]

    def save(shown: Case | None, age: float | None, comment: str, consent: bool, code: str) -> str:
        with Boundary(code):
            return flagged_words(flag_case(tab.around.flags, shown, age, comment, consent, code), code)

    def choose(code: str, event: gr.SelectData) -> list[Any]:
        example = tab.around.examples.ready()[event.index]
        return [str(example.file), gr.update(value=str(example.sex))]

    private: dict[str, Any] = {"api_visibility": "private"}
    asked = [inputs.file, inputs.sex, inputs.age_range, inputs.chronological, inputs.model, language]
    inputs.file.change(look, [inputs.file, language], looked_at, show_progress="hidden", **private)
    inputs.file.change(forget, [language], fresh, queue=False, show_progress="hidden", **private)
    inputs.button.click(
        estimate, asked, fresh, concurrency_id=MODEL_TURN, concurrency_limit=1, show_progress_on=results.card, **private
    )
    results.flag_button.click(
        save, [case, results.reader_age, results.comment, results.consent, language], results.flagged, **private
    )
    inputs.examples.select(choose, [language], [inputs.file, inputs.sex], show_progress="hidden", **private)


def _looked_at(file: str | None, language: str) -> list[Any]:
    """Show an uploaded file at once, and what a DICOM file says of the patient."""
    if not file:
        return [gr.update(value=None, visible=False), gr.update(visible=False), gr.update(), gr.update()]
    try:
        radiograph = read_radiograph(file, name=Path(file).name)
    except BoneageError as error:
        # It stays beside the file, where a passing message would be gone before it is read.
        refused = f'<p class="ba-refused" role="alert">{escape(sentence_in(language, str(error)))}</p>'
        return [gr.update(value=None, visible=False), gr.update(value=refused, visible=True), gr.update(), gr.update()]
    known = []
    if radiograph.sex is not None:
        known.append(text(radiograph.sex, language))
    if radiograph.age_months is not None:
        known.append(age_in_words(radiograph.age_months, language))
    sentence = f'<p class="ba-small">{escape(text("dicom_read", language, what=", ".join(known)))}</p>'
    return [
        gr.update(value=shrink(radiograph.pixels), visible=True),
        gr.update(value=sentence, visible=bool(known)),
        gr.update(value=str(radiograph.sex)) if radiograph.sex is not None else gr.update(),
        gr.update(value=radiograph.age_months and round(radiograph.age_months, 1)),
    ]

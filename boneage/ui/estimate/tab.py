"""The estimate tab: its components and how they are updated."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from boneage.languages.texts import age_in_words, range_choices, sex_choices, text
from boneage.ui.estimate.case import BESIDE, Case, Refusal
from boneage.ui.estimate.chronological import table_choices
from boneage.ui.estimate.examples import Examples
from boneage.ui.estimate.hands import hands_html
from boneage.ui.estimate.result_card import result_card
from boneage.ui.estimate.steps import steps_html
from boneage.ui.labels import Labels, Words
from boneage.ui.page_services import PageServices
from boneage.ui.service import CHALLENGER, CHAMPION, ModelService, rivals


@dataclass(frozen=True)
class Inputs:
    """The input components of the estimate tab."""

    file: gr.File
    preview: gr.HTML
    read: gr.HTML
    sex: gr.Radio
    age_range: gr.Dropdown
    chronological: gr.Number
    height: gr.Number
    father: gr.Number
    mother: gr.Number
    table: gr.Dropdown
    table_file: gr.File
    model: gr.Dropdown
    button: gr.Button
    examples: gr.Gallery


@dataclass(frozen=True)
class Results:
    """The output components of the estimate tab."""

    card: gr.HTML
    anyway: gr.Button
    steps: gr.HTML
    hands: gr.HTML
    actions: gr.Row
    report: gr.Button
    pdf: gr.Button
    dicom: gr.Button
    fhir: gr.Button
    made: gr.DownloadButton
    flag: gr.Button


@dataclass(frozen=True)
class EstimateTab:
    """The tab's components, and what they show."""

    inputs: Inputs
    results: Results
    services: PageServices

    @property
    def shows(self) -> list[Any]:
        """List the components that `shown` updates."""
        results = self.results
        return [results.card, results.anyway, results.steps, results.hands, results.actions]

    def shown(self, case: Case | Refusal | None, language: str) -> list[Any]:
        """Return updates that show a case, a refusal or nothing in a language."""
        there = case if isinstance(case, Case) else None
        return [
            result_card(case, language, self.services.mlflow),
            gr.update(visible=isinstance(case, Refusal)),
            steps_html(case, language),
            hands_html(there, language),
            gr.update(visible=there is not None),
        ]


def model_switch(service: ModelService, language: str) -> Any:
    """Offer the registered models, the page's own first, and both rivals at once; hidden while there is no choice."""
    mine_first = sorted(service.choices, key=lambda one: (one.uri != service.uri, one.alias != CHAMPION))
    versions = {(one.model, one.version): one for one in reversed(mine_first)}
    names = {
        one.uri: text("model_choice", language, alias=one.alias, version=one.version, model=one.model)
        for one in reversed(versions.values())
    }
    choices = [(names.pop(service.uri, service.uri), service.uri), *((name, uri) for uri, name in names.items())]
    both = both_rivals(service)
    if both:
        choices.append((text("model_both", language), both))
    return gr.update(choices=choices, visible=len(choices) > 1)


def both_rivals(service: ModelService) -> str:
    """Return the URI that asks champion and challenger of the page's model; empty while they are not two versions."""
    model = service.uri.removeprefix("models:/").partition("@")[0]
    champion, challenger = rivals(service.listed, model)
    if champion is None or challenger is None or champion.version == challenger.version:
        return ""
    return f"models:/{model}@{CHAMPION}{BESIDE}models:/{model}@{CHALLENGER}"


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


def lay_out(labels: Labels, services: PageServices) -> EstimateTab:
    """Lay out the tab; `boneage.ui.estimate.events.connect` brings it to life."""
    with labels.made(gr.Tab, {"label": "tab_estimate"}, id="estimate"), gr.Row(elem_id="estimate"):
        with gr.Column(scale=5, min_width=320, elem_id="inputs"):
            inputs = _inputs(labels, services)
        with gr.Column(scale=8, min_width=320, elem_id="results"):
            results = _results(labels)
    return EstimateTab(inputs, results, services)


def _inputs(labels: Labels, services: PageServices) -> Inputs:
    file = labels.made(gr.File, {"label": "file"}, height=150, elem_id="file")
    preview = gr.HTML("", elem_id="preview")
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
    with labels.made(gr.Accordion, {"label": "height_group"}, open=False, elem_id="heights"):
        height, father, mother = (
            labels.made(gr.Number, {"label": name}, elem_id=name.replace("_", "-"))
            for name in ("height_now", "height_father", "height_mother")
        )
    table = labels.made(gr.Dropdown, {"label": "table", "info": "table_info", "choices": table_choices}, value="",
                        filterable=False, elem_id="table")  # fmt: skip
    table_file = labels.made(gr.File, {"label": "table_file"}, height=110, visible=False, elem_id="table-file")
    model = labels.made(gr.Dropdown, {"label": "model"}, choices=[(services.service.uri, services.service.uri)],
                        value=services.service.uri, visible=False, filterable=False, elem_id="model")  # fmt: skip
    button = labels.made(gr.Button, {"value": "estimate"}, variant="primary", size="lg", elem_id="estimate-button")
    labels.made(gr.HTML, {"value": _examples_heading}, elem_classes="ba-heading")
    examples = gr.Gallery(columns=6, rows=1, height="auto", allow_preview=False, interactive=False, show_label=False,
                          visible=False, object_fit="cover", buttons=[], elem_id="examples")  # fmt: skip
    return Inputs(file, preview, read, sex, age_range, chronological, height, father, mother, table, table_file,
                  model, button, examples)  # fmt: skip


def _results(labels: Labels) -> Results:
    card = gr.HTML(result_card(None, "en"), elem_id="card")
    anyway = labels.made(gr.Button, {"value": "anyway"}, visible=False, elem_id="anyway")
    steps = gr.HTML("", elem_id="steps")
    hands = gr.HTML("", elem_id="hands")
    with gr.Row(visible=False, elem_id="actions") as actions:
        flag = labels.made(gr.Button, {"value": "flag_open"}, size="sm", scale=0, min_width=180, elem_id="flag-open")
        report = labels.made(gr.Button, {"value": "report"}, size="sm", scale=0, min_width=180, elem_id="report")
        pdf = labels.made(gr.Button, {"value": "report_pdf"}, size="sm", scale=0, min_width=90, elem_id="pdf")
        dicom = labels.made(gr.Button, {"value": "report_dicom"}, size="sm", scale=0, min_width=220, elem_id="dicom")
        fhir = labels.made(gr.Button, {"value": "report_fhir"}, size="sm", scale=0, min_width=90, elem_id="fhir")
        made = gr.DownloadButton("HTML, PDF, DICOM, FHIR", elem_id="made", elem_classes="ba-unseen")
    return Results(card, anyway, steps, hands, actions, report, pdf, dicom, fhir, made, flag)


def heading(key: str) -> Words:
    """Return a function from a language to a small heading."""
    return lambda language: f'<h2 class="ba-kicker">{escape(text(key, language))}</h2>'


def _examples_heading(language: str) -> str:
    return f'{heading("examples")(language)}<p class="ba-small">{escape(text("examples_info", language))}</p>'

"""The models tab: champion beside challenger, all versions, their model cards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from boneage.errors import BoneageError
from boneage.html import Cell, Link, html_table
from boneage.languages.texts import number, text, with_commands
from boneage.notices import say
from boneage.registry.champions import Tenure
from boneage.ui.errors import Boundary
from boneage.ui.labels import Labels
from boneage.ui.page_services import PageServices
from boneage.ui.service import CHALLENGER, CHAMPION, FIGURES, Listed, ModelService, rivals

_COLUMNS = ("model", "version", "aliases", "status", "mae", "created", "run")
_SHARES = {"within_12_months", "within_24_months", "accuracy", "interval_coverage"}


@dataclass(frozen=True)
class ModelsTab:
    """The tab's components, and what they show."""

    rivals: gr.HTML
    rows: gr.HTML
    chosen: gr.Dropdown
    card: gr.Markdown
    tab: gr.Tab
    again: gr.Button
    services: PageServices

    @property
    def shows(self) -> list[Any]:
        """List the components that `shown` updates."""
        return [self.rivals, self.rows, self.chosen, self.card]

    def shown(self, language: str) -> list[Any]:
        """Look into the registry and return updates that show what is in it."""
        try:
            listed = self.services.service.catalogue.table()
        except BoneageError as error:
            problem = f"{text('models_none', language)} {say(error.sentence, language)}"
            return [f'<p class="ba-refused">{with_commands(problem)}</p>', "", gr.update(choices=[], value=None), ""]
        if not listed:
            problem = f"{text('models_none', language)} {say(self.services.service.status.problem, language)}"
            return [f'<p class="ba-refused">{with_commands(problem)}</p>', "", gr.update(choices=[], value=None), ""]
        first = next((one for one in listed if CHAMPION in one.aliases), listed[0])
        heading = f'<h2 class="ba-kicker">{escape(text("models_all", language))}</h2>'
        return [
            rivals_html(self.services, listed, language),
            heading
            + html_table(_headers(language), [_cells(one, language, self.services.mlflow) for one in listed])
            + history_html(self.services.service.catalogue.history(_page_model(self.services)), language),
            gr.update(choices=[_name(one) for one in listed], value=_name(first)),
            first.card,
        ]


def lay_out(labels: Labels, services: PageServices) -> ModelsTab:
    """Lay out the tab."""
    with labels.made(gr.Tab, {"label": "tab_models"}, id="models") as tab:
        with gr.Row(elem_id="models-top"):
            labels.made(gr.HTML, {"value": _intro})
            again = labels.made(gr.Button, {"value": "models_refresh"}, size="sm", scale=0, min_width=160,
                                elem_id="models-again")  # fmt: skip
        both = gr.HTML("", elem_id="models-rivals")
        rows = gr.HTML("", elem_id="models-rows")
        chosen = labels.made(gr.Dropdown, {"label": "models_card"}, choices=[], filterable=False, elem_id="card-of")
        card = gr.Markdown("", elem_id="model-card")
    return ModelsTab(both, rows, chosen, card, tab, again, services)


def connect(tab: ModelsTab, language: gr.Dropdown) -> None:
    """Connect the tab: it looks into the registry whenever it is opened, and when asked to."""
    service: ModelService = tab.services.service

    def look(code: str) -> list[Any]:
        with Boundary(code):
            return tab.shown(code)

    def reload(code: str) -> list[Any]:
        with Boundary(code):
            service.refresh()
            return tab.shown(code)

    def show(name: str | None, code: str) -> str:
        with Boundary(code):
            return next((one.card for one in service.catalogue.table() if _name(one) == name), "")

    quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "minimal"}
    tab.tab.select(look, [language], tab.shows, **quiet)
    tab.again.click(reload, [language], tab.shows, **quiet)
    tab.chosen.input(show, [tab.chosen, language], [tab.card], **quiet)


def rivals_html(services: PageServices, listed: Sequence[Listed], language: str) -> str:
    """Draw champion and challenger of the page's model side by side, with their figures."""
    model = _page_model(services)
    if not any(one.model == model for one in listed):
        return ""
    champion, challenger = rivals(listed, model)
    panels = [_panel(champion, CHAMPION, language, services.mlflow)]
    note = ""
    if challenger is None:
        note = text("models_alone", language)
    elif champion is not None and challenger.version == champion.version:
        note = text("models_same", language)
    else:
        panels.append(_panel(challenger, CHALLENGER, language, services.mlflow))
    words = f'<p class="ba-small">{escape(note)}</p>' if note else ""
    return f'<div class="ba-panels">{"".join(panels)}</div>{words}'


def history_html(tenures: Sequence[Tenure], language: str) -> str:
    """Say who was champion from when to when, the present one first; empty where nobody was."""
    if not tenures:
        return ""
    names = ("version", "since", "until", "how", "by", "mae")
    rows: list[list[Cell]] = [
        [
            str(one.version),
            _minute(one.since) or "–",
            _minute(one.until) or text("models_now", language),
            text(f"models_{one.how.replace(' ', '_')}", language) + (f" ({one.reason})" if one.reason else ""),
            one.by or "–",
            number(one.figures["mae_months"], language, digits=2) if "mae_months" in one.figures else "–",
        ]
        for one in reversed(tenures)
    ]
    heading = f'<h2 class="ba-kicker">{escape(text("models_history", language))}</h2>'
    return heading + html_table([text(f"models_{name}", language) for name in names], rows)


def _minute(time: str) -> str:
    return time.replace("T", " ")[:16]


def _page_model(services: PageServices) -> str:
    """Return the registered name of the page's model."""
    return services.service.uri.removeprefix("models:/").partition("@")[0]


def _panel(one: Listed | None, alias: str, language: str, mlflow: str) -> str:
    if one is None:
        words = text("models_no_alias", language, alias=alias)
        return f'<section class="ba-card ba-empty"><p>{escape(words)}</p></section>'
    figures = "".join(
        f"<div><dt>{escape(text(f'figure_{name}', language))}</dt><dd>{escape(_figure(one, name, language))}</dd></div>"
        for name in FIGURES
        if name in one.figures
    )
    of = f'<p class="ba-small">{escape(text("models_figures_of", language))}</p>' if figures else ""
    title = text("beside_name", language, aliases=alias, version=one.version)
    status = f"{text('models_status', language)}: {_status(one, language)} · {one.created.replace('T', ' ')[:16]} UTC"
    run = f'<p class="ba-small">{escape(text("answered_run", language))}: {_link(one, language, mlflow).html}</p>'
    return (
        f'<section class="ba-card ba-panel"><h3 class="ba-amount">{escape(title)}</h3>'
        f'<p class="ba-small">{escape(one.model)}<br>{escape(status)}</p><dl>{figures}</dl>{of}{run}</section>'
    )


def _figure(one: Listed, name: str, language: str) -> str:
    value = one.figures[name]
    if name in _SHARES:
        return f"{number(100 * value, language)} %"
    if name == "images":
        return f"{value:.0f}"
    return text("in_months", language, months=number(value, language, digits=2))


def _headers(language: str) -> list[str]:
    return [text(f"models_{name}", language) for name in _COLUMNS]


def _name(one: Listed) -> str:
    return f"{one.model} {one.version}"


def _status(one: Listed, language: str) -> str:
    return text(f"status_{one.status}", language) if one.status in {"pending", "passed", "failed"} else one.status


def _link(one: Listed, language: str, mlflow: str) -> Link:
    address = f"{mlflow.rstrip('/')}/{one.page}" if mlflow and one.page else ""
    return Link(one.run_id[:8] or "–", address, f"{text('answered_run', language)}: {_name(one)}")


def _cells(one: Listed, language: str, mlflow: str) -> list[Cell]:
    return [
        one.model,
        one.version,
        ", ".join(one.aliases),
        _status(one, language),
        "–" if one.mae_months is None else number(one.mae_months, language, digits=2),
        one.created.replace("T", " ")[:16],
        _link(one, language, mlflow),
    ]


def _intro(language: str) -> str:
    return f'<p class="ba-small">{escape(text("models_intro", language))}</p>'

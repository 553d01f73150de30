"""Render the preparation steps as zoomable HTML figures; pictures are embedded, none is written to disk."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from boneage.languages.texts import text
from boneage.notices import say
from boneage.ui.estimate.case import Case, Refusal
from boneage.ui.estimate.pictures import HEAT, Picture


def steps_html(case: Case | Refusal | None, language: str) -> str:
    """Draw the steps of an estimate side by side, with what the heat map means, or what was seen of a refused film."""
    if case is None or not case.pictures:
        return ""
    figures = "".join(_figure(picture, language) for picture in case.pictures)
    if isinstance(case, Refusal):
        title = _say("steps", language)
        return (
            f'<section class="ba-steps" aria-label="{title}"><h2 class="ba-kicker">{title}</h2>'
            f'<div class="ba-figures">{figures}</div></section>'
        )
    waiting = "" if case.prepared is None else f'<div class="ba-step ba-waiting">{_say("step_waiting", language)}</div>'
    return (
        f'<section class="ba-steps" aria-label="{_say("steps", language)}">'
        f'<h2 class="ba-kicker">{_say("steps", language)}</h2>'
        f'<div class="ba-figures">{figures}{waiting}</div>{_legend(case.pictures, language)}'
        f"{faithfulness_html(case, language)}</section>"
    )


def faithfulness_html(case: Case, language: str) -> str:
    """Say how far the heat map can be believed on this film; nothing where there is none."""
    if case.faithfulness is None:
        return ""
    kind = "ba-small" if case.faithfulness.holds else "ba-small ba-doubtful"
    words = escape(say(case.faithfulness.sentence(), language))
    return f'<p class="{kind}" data-faithful="{str(case.faithfulness.holds).lower()}">{words}.</p>'


def preview_html(picture: Picture, language: str) -> str:
    """Show a film that was chosen and is not estimated yet."""
    return _figure(picture, language)


def _figure(picture: Picture, language: str) -> str:
    return figure_html(picture, text(picture.key, language), text(f"{picture.key}_alt", language), language)


def figure_html(picture: Picture, caption: str, alt: str, language: str) -> str:
    """Draw a picture that opens large, with its caption below.

    Args:
        picture: what is shown.
        caption: the words below it.
        alt: what is to be seen, for those who hear the page.
        language: of the buttons.
    """
    caption, alt = escape(caption), escape(alt)
    words = "".join(f' data-{name}="{_say(f"zoom_{name}", language)}"' for name in ("closer", "wider", "close"))
    return (
        f'<figure class="ba-step" data-step="{picture.key}">'
        f'<button type="button" class="ba-zoom" aria-label="{_say("zoom", language)}: {caption}"{words}>'
        f'<img src="{picture.address}" alt="{alt}"></button><figcaption>{caption}</figcaption></figure>'
    )


def _legend(pictures: Sequence[Picture], language: str) -> str:
    if not any(picture.key == HEAT for picture in pictures):
        return ""
    return (
        f'<p class="ba-legend"><span>{_say("heat_little", language)}</span><i aria-hidden="true"></i>'
        f'<span>{_say("heat_much", language)}</span></p><p class="ba-small">{_say("heat_explained", language)}</p>'
    )


def _say(key: str, language: str) -> str:
    return escape(text(key, language))

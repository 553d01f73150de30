"""Drawn hands beside the film: a check of the number for the eye, labelled as drawn."""

from __future__ import annotations

from html import escape

from boneage.clinical.reference_hands import expected_centres, reference_hands
from boneage.groups import Sex
from boneage.hospital.report_text import centre_lines
from boneage.languages.texts import age_in_words, text
from boneage.ui.estimate.case import Case
from boneage.ui.estimate.pictures import Picture, drawn_picture
from boneage.ui.estimate.steps import figure_html


def hands_html(case: Case | None, language: str, shown: Picture | None = None) -> str:
    """Draw the film (or `shown` for it) beside the phantom at the estimate and at the standards below and above it.

    Below them stand the ossification centres that should be there, missing and fusing at that age. Nothing where there
    is no estimate.
    """
    if case is None or not case.pictures:
        return ""
    sex, age = Sex.parse(case.estimate.sex), case.estimate.bone_age_months
    film = shown or case.pictures[0]
    figures = figure_html(film, text(film.key, language), text(f"{film.key}_alt", language), language)
    for hand in reference_hands(age, sex):
        words = age_in_words(hand.age_months, language)
        caption = text("drawn_estimate" if hand.is_estimate else "drawn_hand", language, age=words)
        figures += figure_html(drawn_picture(hand.image), caption, text("drawn_alt", language, age=words), language)
    lines = [text("drawn_info", language), *centre_lines(expected_centres(age, sex), language)]
    small = "".join(f'<p class="ba-small">{escape(line)}</p>' for line in lines)
    title = escape(text("drawn_hands", language))
    return (
        f'<section class="ba-steps ba-hands" aria-label="{title}"><h2 class="ba-kicker">{title}</h2>'
        f'<div class="ba-figures">{figures}</div>{small}</section>'
    )

"""Write the report of an estimate: one self-contained, printable HTML page that names no patient."""

from __future__ import annotations

from dataclasses import replace
from html import escape
from pathlib import Path

from boneage.hospital.report_film import report_film
from boneage.hospital.secondary_capture import film_with_outline
from boneage.languages.texts import text
from boneage.notices import say as say_notice
from boneage.ui.estimate.case import Case
from boneage.ui.estimate.hands import hands_html
from boneage.ui.estimate.hospital import prepared_pictures, result_of
from boneage.ui.estimate.pictures import report_picture
from boneage.ui.estimate.result_card import result_card
from boneage.ui.estimate.steps import faithfulness_html

STYLE = Path(__file__).parents[1] / "page.css"
_PRINT = """
@page { size: A4; margin: 14mm }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 780px; margin: 24px auto; padding: 0 16px;
       background: #fff; color: #17262b }
h1 { font-size: 26px; margin: 0 } header p, footer p { color: #4c6067; margin: 4px 0 }
.pictures { display: grid; grid-template-columns: repeat(4, 1fr); gap: 12px; margin: 18px 0 }
figure { margin: 0 }
figure img { width: 100%; height: 210px; object-fit: contain; background: #000; border-radius: 6px }
figcaption { font-size: 13px; color: #4c6067 }
.ba-hands .ba-zoom { border: 0; padding: 0; background: none; width: 100% } .ba-hands { break-inside: avoid }
.notice { border: 1px solid #c98a1b; border-radius: 6px; padding: 8px 12px }
* { -webkit-print-color-adjust: exact; print-color-adjust: exact } @media print { .screen { display: none } }
"""


def report_html(case: Case, language: str) -> str:
    """Write the report of a case in a language.

    The file's name is left out and text burned into the film is blacked out, for both may name the patient.
    """

    def say(key: str, **values: object) -> str:
        return escape(text(key, language, **values))

    result = result_of(case, language)
    film = report_film(result.film.pixels)
    outlined = film_with_outline(replace(result, film=replace(result.film, pixels=film.pixels)))
    shown = [report_picture(*one) for one in [("step_film", outlined), *prepared_pictures(case)]]
    pictures = "".join(
        f'<figure><img alt="{say(f"{p.key}_alt")}" src="{p.address}"><figcaption>{say(p.key)}</figcaption></figure>'
        for p in shown
    )
    notes = "".join(f'<p class="ba-small">{escape(say_notice(one, language))}.</p>' for one in film.notes)
    made = case.made.strftime("%Y-%m-%d %H:%M UTC")
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8"><title>{say("report_title")}</title>'
        f"<style>{STYLE.read_text(encoding='utf-8')}{_PRINT}</style></head><body>"
        f"<header><h1>{say('report_title')}</h1><p>{say('report_made', date=made)}</p>"
        f'<p class="notice"><b>{say("notice")}</b></p></header>'
        f'{result_card(case, language)}<div class="pictures">{pictures}</div>{notes}'
        f"{faithfulness_html(case, language)}{hands_html(case, language, shown[0])}"
        f'<footer><p class="screen">{say("report_print")}</p></footer></body></html>\n'
    )


def html_of(case: Case, _file: str | None, language: str) -> tuple[str, bytes]:
    """Return name and content of the report as a page."""
    return "boneage-report.html", report_html(case, language).encode()

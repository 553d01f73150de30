"""Write the report of an estimate: one self-contained, printable HTML page that names no patient."""

from __future__ import annotations

from html import escape
from pathlib import Path

from boneage.languages.texts import text
from boneage.ui.estimate.case import Case
from boneage.ui.estimate.hands import hands_html
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
    """Write the report of a case in a language; the file's name is left out, for it may name the patient."""

    def say(key: str, **values: object) -> str:
        return escape(text(key, language, **values))

    pictures = "".join(
        f'<figure><img alt="{say(f"{p.key}_alt")}" src="{p.address}"><figcaption>{say(p.key)}</figcaption></figure>'
        for p in case.pictures
    )
    made = case.made.strftime("%Y-%m-%d %H:%M UTC")
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8"><title>{say("report_title")}</title>'
        f"<style>{STYLE.read_text(encoding='utf-8')}{_PRINT}</style></head><body>"
        f"<header><h1>{say('report_title')}</h1><p>{say('report_made', date=made)}</p>"
        f'<p class="notice"><b>{say("notice")}</b></p></header>'
        f'{result_card(case, language)}<div class="pictures">{pictures}</div>'
        f"{faithfulness_html(case, language)}{hands_html(case, language)}"
        f'<footer><p class="screen">{say("report_print")}</p></footer></body></html>\n'
    )

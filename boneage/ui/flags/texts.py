"""Look for names burned into a film before it is saved, and show what would be blacked out."""

from __future__ import annotations

import threading
from collections import OrderedDict
from html import escape

from boneage.hospital.deidentify import Cleaned, installed, look, preview
from boneage.languages.texts import text
from boneage.ui.estimate.case import Case
from boneage.ui.estimate.pictures import decode_png, text_picture
from boneage.ui.estimate.steps import figure_html

_KEPT = 4


class TextSearch:
    """What was found on the last few films: a film is looked at once, though it is shown and then saved."""

    def __init__(self) -> None:
        self._found: OrderedDict[str, Cleaned | None] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, case: Case) -> Cleaned | None:
        """Return what was found on a case's film; None where the extra `deidentify` is not installed."""
        with self._lock:
            if case.key not in self._found:
                self._found[case.key] = look(decode_png(case.png))
                while len(self._found) > _KEPT:
                    self._found.popitem(last=False)
            return self._found[case.key]


def found_html(case: Case, found: Cleaned, language: str) -> str:
    """Show which text would be blacked out (red) and which side markers stay (green), and ask to save again."""
    picture = text_picture(preview(decode_png(case.png), found))
    words = [text("flag_text_found", language, count=found.texts)]
    if found.over_the_hand:
        words.append(text("flag_text_over_hand", language, count=found.over_the_hand))
    said = "".join(f"<p>{escape(one)}</p>" for one in words)
    figure = figure_html(picture, text("flag_text_shown", language), text("flag_text_alt", language), language)
    return f'<div class="ba-refused ba-texts" role="alert">{said}{figure}</div>'


def search_words(language: str) -> str:
    """Say that names on the film are looked for, or that they are not and why."""
    return text("flag_text_search" if installed() else "flag_text_missing", language)

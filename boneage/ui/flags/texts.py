"""Look for names burned into a film before it is saved, and show what would be blacked out."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

from boneage.data.flags import pixels_sha256
from boneage.hospital.deidentify import Cleaned, Text, installed, look, preview
from boneage.languages.texts import text
from boneage.ui.estimate.case import Case
from boneage.ui.estimate.pictures import decode_png, text_picture
from boneage.ui.estimate.steps import figure_html

_MOST = 64


@dataclass(frozen=True)
class _Kept:
    """What was found on a film, without the film: `bits` packs the pixels that go."""

    found: tuple[Text, ...]
    over_the_hand: int
    bits: NDArray[np.uint8]

    def on(self, film: NDArray[np.uint8]) -> Cleaned:
        """Return the film without the text."""
        removed = np.unpackbits(self.bits, count=film.size).reshape(film.shape).astype(bool)
        return Cleaned(np.where(removed, 0, film).astype(np.uint8), self.found, removed, self.over_the_hand)


class TextSearch:
    """Looks for text on a film once, though it is shown and then saved, and by several visitors perhaps."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, case: Case) -> Cleaned | None:
        """Return what was found on a case's film; None where the extra `deidentify` is not installed."""
        film = decode_png(case.png)
        key = pixels_sha256(film)
        with self._lock:  # one film at a time: two at once are no faster
            if key in self._kept:
                return self._kept[key].on(film)
            found = look(film)
            if found is not None:
                self._kept[key] = _Kept(found.found, found.over_the_hand, np.packbits(found.removed))
                while len(self._kept) > _MOST:
                    self._kept.popitem(last=False)
            return found


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

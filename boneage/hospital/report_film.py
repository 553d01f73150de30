"""Take text that is burned into a film out of the pictures of a report, which names no patient."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from boneage.hospital.deidentify import look
from boneage.notices import Notice, note, warning

Film = NDArray[np.uint8]


@dataclass(frozen=True)
class ReportFilm:
    """A film as a report shows it.

    Attributes:
        pixels: uint8 (H, W), text blacked out outside the hand.
        has_text: whether there was text other than side markers.
        notes: what was done, or that a reader must look.
    """

    pixels: Film
    has_text: bool
    notes: tuple[Notice, ...]


def report_film(film: Film) -> ReportFilm:
    """Black out the text on a film, uint8 (H, W), outside the hand; side markers stay.

    Where the extra `deidentify` is not installed the film stays as it is, and the report says so.
    """
    cleaned = look(film)
    if cleaned is None:
        return ReportFilm(film, False, (warning("report.text_not_sought"),))
    notes = [note("report.text_gone", count=cleaned.texts)] if cleaned.texts else []
    if cleaned.over_the_hand:
        notes.append(warning("report.text_over_hand", count=cleaned.over_the_hand))
    return ReportFilm(cleaned.film, cleaned.texts > 0, tuple(notes))


def without_text(pictures: tuple[NDArray[np.uint8], ...]) -> tuple[NDArray[np.uint8], ...]:
    """Black out the text of the first of several pictures of one framing in all of them.

    Args:
        pictures: uint8 (h, w, 3) RGB; the first has grey pixels.
    """
    cleaned = look(pictures[0][..., 0]) if pictures else None
    if cleaned is None:
        return pictures
    return tuple(np.where(cleaned.removed[..., None], 0, picture).astype(np.uint8) for picture in pictures)

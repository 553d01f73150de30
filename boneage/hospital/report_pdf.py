"""Print a result as a PDF of one page (A4 or Letter, fonts embedded), without a browser."""

from __future__ import annotations

import warnings
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from boneage.clinical.reference_hands import reference_hands
from boneage.data.flags import pixels_sha256
from boneage.files import write_whole
from boneage.groups import AGE_GROUPS, MAX_AGE_MONTHS
from boneage.hospital.dicom_out import need
from boneage.hospital.report_extras import Extras
from boneage.hospital.report_film import report_film
from boneage.hospital.report_text import Block, Report, report_of
from boneage.hospital.result import Result
from boneage.hospital.secondary_capture import film_with_outline
from boneage.languages.texts import age_in_words, text
from boneage.notices import say

if TYPE_CHECKING:
    from fpdf import FPDF

PAPERS = ("A4", "Letter")
_MARGIN, _GAP = 14.0, 5.0
_INK, _GREY, _TEAL, _AMBER, _PALE = (23, 38, 43), (90, 104, 110), (16, 130, 130), (201, 138, 27), (223, 231, 232)
_FILM_SHARE = 0.40
_FILM_HEIGHT, _HAND_HEIGHT, _STEP_HEIGHT = 80.0, 38.0, 27.0
_SMALLEST = 0.6


def write_pdf(result: Result, folder: Path, language: str, paper: str = "A4") -> Path:
    """Write the report of one result, named as its other objects are.

    Args:
        result: what was estimated or refused.
        folder: made when missing.
        language: a key of `LANGUAGES`.
        paper: one of `PAPERS`.

    Returns:
        The path.
    """
    name = pixels_sha256(result.film.pixels) if result.header is None else str(result.header.SOPInstanceUID)
    return write_whole(folder / f"{name}.pdf", report_pdf(result, language, paper))


def report_pdf(
    result: Result,
    language: str,
    paper: str = "A4",
    made: datetime | None = None,
    extras: Extras | None = None,
) -> bytes:
    """Return the report as the bytes of a PDF; it names no patient, and text burned into the film is blacked out.

    Args:
        result: what was estimated or refused.
        language: a key of `LANGUAGES`.
        paper: one of `PAPERS`.
        made: the time that it states; now by default.
        extras: what is known beyond the number.
    """
    need("fpdf")
    film, more = report_film(result.film.pixels), extras or Extras()
    more = replace(more, notes=(*more.notes, *(say(one, language) for one in film.notes)))
    result = replace(result, film=replace(result.film, pixels=film.pixels))
    report = report_of(result, language, made, more)
    scale = 1.0
    while True:
        sheet = _Sheet(result, report, language, paper, scale)
        if sheet.fits or scale <= _SMALLEST:
            return sheet.finished()
        scale -= 0.08  # many warnings or a long table's note: smaller, but on one page


class _Sheet:
    """One page, drawn from the top; `fits` tells whether the bottom was kept free."""

    def __init__(self, result: Result, report: Report, language: str, paper: str, scale: float) -> None:
        self.result, self.report, self.language, self.scale = result, report, language, scale
        self.pdf = blank(paper, report.title, language)
        self.width = self.pdf.w - 2 * _MARGIN
        film = _FILM_SHARE * self.width
        top = self._head()
        left = self._picture(film_with_outline(result), (_MARGIN, top), film, _FILM_HEIGHT, text("step_film", language))
        right = self._answer(_MARGIN + film + _GAP, top, self.width - film - _GAP)
        low = self._middle(max(left, right) + _GAP)
        low = self._reasons(low + 1)
        low = self._pictures(low + 1)
        low = self._hands(low + 2)
        low = self._block(report.warnings, _MARGIN, low + 1, self.width)
        foot = "\n".join(filter(None, ("; ".join(report.extras.answered), report.model, report.notice)))
        foot_height = 3.6 * (foot.count("\n") + 1 + bool(report.extras.answered))
        self.fits = low < self.pdf.h - _MARGIN - foot_height
        self._write(foot, _MARGIN, self.pdf.h - _MARGIN + 3 - foot_height, self.width, 7, _GREY)

    def finished(self) -> bytes:
        """Return the bytes."""
        return bytes(self.pdf.output())

    def _write(
        self, words: str, x: float, y: float, width: float, size: float, colour: tuple[int, ...], style: str = ""
    ) -> float:
        """Write words within a width and return where they end."""
        pdf, size = self.pdf, size * self.scale
        pdf.set_font("DejaVu", style, size)
        pdf.set_text_color(*colour)
        pdf.set_xy(x, y)
        pdf.multi_cell(width, size * 0.47, words, align="L", new_x="LEFT", new_y="NEXT")
        return float(pdf.get_y())

    def _block(self, block: Block | None, x: float, y: float, width: float) -> float:
        if block is None:
            return y
        y = self._write(block.kicker, x, y, width, 8, _TEAL, "B")
        if block.amount:
            y = self._write(block.amount, x, y + 0.4, width, 10.5, _INK, "B")
        for line in block.lines:
            y = self._write(line, x, y + 0.4, width, 7.5, _GREY)
        return y + 2.5

    def _head(self) -> float:
        y = self._write(self.report.title, _MARGIN, _MARGIN - 2, self.width, 18, _INK, "B")
        y = self._write(self.report.made, _MARGIN, y + 0.5, self.width, 8, _GREY) + 2
        end = self._write(self.report.notice, _MARGIN + 3, y + 1.6, self.width - 6, 9.5, _INK, "B") + 1.6
        self.pdf.set_draw_color(*_AMBER)
        self.pdf.set_line_width(0.4)
        self.pdf.rect(_MARGIN, y, self.width, end - y)
        return end + _GAP

    def _picture(
        self, picture: np.ndarray, place: tuple[float, float], width: float, height: float, caption: str
    ) -> float:
        """Place a picture as large as fits, with its caption, and return where that ends."""
        x, y = place
        rows, columns = picture.shape[:2]
        factor = min(width / columns, self.scale * height / rows)
        shown = (columns * factor, rows * factor)
        self.pdf.image(_jpeg(picture), x, y, *shown, alt_text=caption)
        return self._write(caption, x, y + shown[1] + 0.8, width, 7, _GREY)

    def _answer(self, x: float, y: float, width: float) -> float:
        age = self.report.age
        y = self._write(age.kicker, x, y, width, 8, _TEAL, "B")
        y = self._write(age.amount, x, y + 0.5, width, 20, _INK, "B")
        for line in age.lines[:1]:
            y = self._write(line, x, y + 0.5, width, 11, _INK)
        if self.result.estimate is not None:
            y = self._ruler(x, y + 3, width)
        for line in age.lines[1:]:
            y = self._write(line, x, y + 0.5, width, 8.5, _INK)
        y = self._block(self.report.difference, x, y + 3, width)
        return self._block(self.report.compared, x, y + 0.5, width)

    def _ruler(self, x: float, y: float, width: float) -> float:
        """Draw all months with the four groups, the interval as a band, estimate and chronological age as marks."""
        pdf, estimate = self.pdf, self.result.estimate
        if estimate is None:
            return y

        def at(months: float) -> float:
            return x + width * min(max(months, 0.0), MAX_AGE_MONTHS) / MAX_AGE_MONTHS

        for group in AGE_GROUPS:
            pdf.set_fill_color(*(_PALE if group.number % 2 else (238, 243, 243)))
            pdf.rect(at(group.low), y, at(group.high) - at(group.low), 6, style="F")
        if estimate.low_months is not None and estimate.high_months is not None:
            pdf.set_fill_color(140, 205, 203)
            pdf.rect(at(estimate.low_months), y, at(estimate.high_months) - at(estimate.low_months), 6, style="F")
        self._mark(at(estimate.bone_age_months), y - 1, 8, _TEAL, 0.9)
        if (age := self.result.chronological_months) is not None and age <= MAX_AGE_MONTHS:
            self._mark(at(age), y - 1, 8, _AMBER, 0.5)
        for year in range(0, int(MAX_AGE_MONTHS // 12) + 1, 2):
            self._write(str(year), at(12 * year) - 2, y + 6.8, 8, 6.5, _GREY)
        return y + 11

    def _mark(self, x: float, y: float, height: float, colour: tuple[int, ...], width: float) -> None:
        self.pdf.set_draw_color(*colour)
        self.pdf.set_line_width(width)
        self.pdf.line(x, y, x, y + height)

    def _middle(self, y: float) -> float:
        """Set the age groups, and who gave the age, beside another model's answer and the adult height."""
        half = (self.width - _GAP) / 2
        left, extras = self._groups(_MARGIN, y, half), self.report.extras
        if extras.routing:
            left = self._write(extras.routing, _MARGIN, left + 0.4, half, 7, _GREY) + 1
        x, right = _MARGIN + half + _GAP, y
        if extras.rival:
            title = text("beside", self.language)
            right = self._block(Block(title, extras.rival[0], extras.rival[1:]), x, right, half)
        return max(left, self._block(self.report.height, x, right, half))

    def _reasons(self, y: float) -> float:
        """Set what each expert said beside the similar cases."""
        half = (self.width - _GAP) / 2
        left = self._block(self.report.experts, _MARGIN, y, half)
        return max(left, self._block(self.report.similar, _MARGIN + half + _GAP, y, half))

    def _pictures(self, y: float) -> float:
        """Set the prepared image and the heat map beside what they mean."""
        extras = self.report.extras
        if not extras.pictures:
            return y
        x, low, side = _MARGIN, y, _STEP_HEIGHT * self.scale
        for caption, picture in extras.pictures:
            low = max(low, self._picture(picture, (x, y), side, _STEP_HEIGHT, caption))
            x += side + 2
        words = [text("heat_explained", self.language)] if len(extras.pictures) > 1 else []
        lines = tuple(filter(None, (*words, extras.believed)))
        block = Block(text("steps", self.language), "", lines)
        return max(low, self._block(block, x + 3, y, self.pdf.w - _MARGIN - x - 3))

    def _groups(self, x: float, y: float, width: float) -> float:
        if not self.report.groups:
            return y
        y = self._write(self.report.groups_title, x, y, width, 8, _TEAL, "B") + 0.8
        label, room = 0.36 * width, 0.5 * width
        for name, share, chosen in self.report.groups:
            self.pdf.set_fill_color(*_PALE)
            self.pdf.rect(x + label, y + 0.6, room, 2.4, style="F")
            self.pdf.set_fill_color(*(_TEAL if chosen else _GREY))
            self.pdf.rect(x + label, y + 0.6, room * share, 2.4, style="F")
            self._write(f"{100 * share:.0f} %", x + label + room + 1, y, width - label - room, 7.5, _INK)
            y = self._write(name, x, y, label, 7.5, _INK, "B" if chosen else "") + 0.4
        return y

    def _hands(self, y: float) -> float:
        """Set the drawn hands side by side, and beside them what should be seen."""
        estimate = self.result.estimate
        if estimate is None:
            return y
        x, low = _MARGIN, y
        for hand in reference_hands(estimate.bone_age_months, self.result.sex):
            age = age_in_words(hand.age_months, self.language)
            caption = text("drawn_estimate" if hand.is_estimate else "drawn_hand", self.language, age=age)
            wide = 0.8 * _HAND_HEIGHT * self.scale
            low = max(low, self._picture(hand.image, (x, y), wide, _HAND_HEIGHT, caption))
            x += wide + 2
        return max(low, self._block(self.report.centres, x + 3, y, self.pdf.w - _MARGIN - x - 3))


def blank(paper: str, title: str, language: str) -> FPDF:
    """Return an empty page with the fonts that every language needs."""
    need("fpdf")
    from fpdf import FPDF
    from matplotlib import get_data_path

    pdf = FPDF(format=paper)
    pdf.set_auto_page_break(False)
    pdf.add_page()
    fonts = Path(get_data_path()) / "fonts" / "ttf"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for style, file in (("", "DejaVuSans.ttf"), ("B", "DejaVuSans-Bold.ttf")):
            pdf.add_font("DejaVu", style, fonts / file)
    pdf.set_title(title)
    pdf.set_lang(language)
    pdf.set_creator("boneage (research use only)")
    return pdf


def write_lines(pdf: FPDF, lines: list[tuple[str, float, str]], y: float) -> float:
    """Write (words, size, style) below each other over the whole width and return where they end."""
    for words, size, style in lines:
        pdf.set_font("DejaVu", style, size)
        pdf.set_text_color(*_INK)
        pdf.set_xy(_MARGIN, y)
        pdf.multi_cell(pdf.w - 2 * _MARGIN, size * 0.47, words, align="L", new_x="LEFT", new_y="NEXT")
        y = float(pdf.get_y()) + 1
    return y


def _jpeg(picture: np.ndarray) -> Any:
    from io import BytesIO

    shown = picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    return BytesIO(bytes(cv2.imencode(".jpg", shown, [cv2.IMWRITE_JPEG_QUALITY, 90])[1]))

"""Adult height on the page: what the visitor gives, and what the tables of Bayley and Pinneau make of it."""

from __future__ import annotations

from html import escape
from typing import Any

from boneage.clinical.adult_height import AdultHeight
from boneage.hospital.report_text import Block, height_block
from boneage.languages.texts import text
from boneage.ui.errors import PageError


def read_heights(
    height: float | None, father: float | None, mother: float | None, months: float | None, language: str
) -> dict[str, Any]:
    """Check the heights that were given, and return them as fields of a `Request`; an empty field (None, 0) is nothing.

    Args:
        height: the child's, in cm.
        father: the father's, in cm.
        mother: the mother's, in cm.
        months: the chronological age, without which no adult height can be predicted.
        language: of the errors.

    Raises:
        PageError: when the age, the child's height or one parent's is missing.
    """
    if bool(father) != bool(mother):
        raise PageError(text("error_parents", language))
    if not height:
        if father:
            raise PageError(text("error_parents", language))
        return {}
    if months is None:
        raise PageError(text("error_height_needs_age", language))
    return {"height_cm": height, "parents_cm": (father, mother) if father else None}


def height_html(found: AdultHeight | None, language: str) -> str:
    """Draw the predicted adult height with its interval and where it is from; nothing where none was asked for."""
    return "" if found is None else block_html(height_block(found, language), "ba-height")


def block_html(block: Block, name: str) -> str:
    """Draw a part of a report as a part of the result's card.

    Args:
        block: the part.
        name: its class, by which it is found on the page.
    """
    amount = f'<p class="ba-amount">{escape(block.amount)}</p>' if block.amount else ""
    small = "".join(f'<p class="ba-small">{escape(line)}</p>' for line in block.lines)
    return f'<div class="ba-compared {name}"><p class="ba-kicker">{escape(block.kicker)}</p>{amount}{small}</div>'

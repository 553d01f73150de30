"""Show bone age beside chronological age: the difference, and the z-score of the chosen table."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from boneage.clinical.comparison import VERDICTS, Comparison
from boneage.clinical.sd_tables import TABLE_TITLES, SdTable, built_in_table, read_table
from boneage.languages.texts import age_in_words, number, text
from boneage.notices import say
from boneage.ui.bars import bar_row, percent
from boneage.ui.errors import PageError

if TYPE_CHECKING:
    from boneage.ui.estimate.case import Case

# What the list of tables calls the visitor's own file.
OWN_TABLE = "own"


def table_choices(language: str) -> list[tuple[str, str]]:
    """Return (text, value) of the tables; the empty value asks for no z-score."""
    return [*built_in_choices(language), (text("table_own", language), OWN_TABLE)]


def built_in_choices(language: str) -> list[tuple[str, str]]:
    """Return (text, value) of the built-in tables; the empty value asks for no z-score."""
    return [(text("table_none", language), ""), *((title, name) for name, title in TABLE_TITLES.items())]


def chosen_table(name: str | None, file: str | None, months: float | None, language: str) -> SdTable | None:
    """Open the table that a visitor chose, None where none was.

    Args:
        name: a built-in table's name, `OWN_TABLE`, or empty.
        file: the visitor's own table, which `OWN_TABLE` reads.
        months: chronological age, if given.
        language: of the errors.

    Raises:
        PageError: when the age or the file is missing.
        TableError: when there is no such table, or the file is none.
    """
    if not name:
        return None
    if months is None:
        raise PageError(text("error_table_needs_age", language))
    if name != OWN_TABLE:
        return built_in_table(name)
    if not file:
        raise PageError(text("error_table_file_needed", language))
    return read_table(Path(file))


def difference_html(case: Case, language: str) -> str:
    """Say how far the bone age is from the chronological age; nothing where that is not known."""
    if case.chronological_months is None:
        return ""
    difference = round(case.estimate.bone_age_months) - round(case.chronological_months)
    key = "difference_none" if difference == 0 else "difference_more" if difference > 0 else "difference_less"
    words = text(
        key,
        language,
        amount=age_in_words(difference, language),
        chronological=age_in_words(case.chronological_months, language),
    )
    return (
        f'<div class="ba-difference"><p class="ba-kicker">{_say("difference", language)}</p>'
        f'<p class="ba-amount">{escape(words)}</p><p class="ba-small">{_say("difference_caution", language)}</p></div>'
    )


def comparison_html(found: Comparison | None, language: str) -> str:
    """Draw what a table makes of the difference, with its provenance; nothing where none was chosen."""
    if found is None:
        return ""
    hints = [found.note, found.provenance]
    if found.z_score is not None:
        hints.insert(0, text("verdict_info" if found.probabilities else "chances_none", language))
    said = [say(hint, language).rstrip(".") for hint in hints if hint]
    small = "".join(f'<p class="ba-small">{escape(words)}.</p>' for words in said)
    return (
        f'<div class="ba-compared"><p class="ba-kicker">{_say("compared", language, table=found.table)}</p>'
        f'<p class="ba-amount">{escape(_z_words(found, language))}</p>{_chances(found, language)}{small}</div>'
    )


def _z_words(found: Comparison, language: str) -> str:
    if found.z_score is None or found.sd_months is None:
        return text("z_none", language)
    return text(
        "z_score",
        language,
        z=f"{'−' if found.z_score < 0 else '+'}{number(abs(found.z_score), language, 2)}",
        sd=number(found.sd_months, language),
        verdict=text(f"verdict_{found.verdict}", language),
    )


def _chances(found: Comparison, language: str) -> str:
    """Draw the three probabilities, the verdict's set off."""
    if found.probabilities is None:
        return ""
    rows = ""
    for name, chance in zip(VERDICTS, found.probabilities, strict=True):
        label = text(f"verdict_{name}", language)
        alt = text("chance_alt", language, verdict=label, percent=percent(chance))
        rows += bar_row(label, chance, alt, on=name == found.verdict)
    return f'<p class="ba-small">{_say("chances", language)}</p><div class="ba-bars" role="list">{rows}</div>'


def _say(key: str, language: str, **values: object) -> str:
    return escape(text(key, language, **values))

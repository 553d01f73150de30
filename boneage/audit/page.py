"""Write an audit as one HTML page that needs nothing else: figures, plots, sample films and duplicates.

The page shows films of patients: it belongs where the films belong, and is never committed or sent.
"""

from __future__ import annotations

import hashlib
from html import escape
from io import BytesIO
from typing import TYPE_CHECKING

import pandas as pd
from PIL import Image

from boneage import __version__, plots
from boneage.audit.audit import NO_SET, Audit
from boneage.audit.duplicates import Pair
from boneage.audit.labels import heaping, problem_counts, rows_of, sizes
from boneage.data.annotations import audit_counts, read_row
from boneage.data.archives import DataError
from boneage.groups import RANGE_LABELS, Sex
from boneage.html import frame_table, html_page, picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SIDE = 116
_SAMPLES = 4
_MOST_PAIRS, _MOST_PROBLEMS = 24, 200


def page(audit: Audit, title: str) -> str:
    """Return the page as HTML.

    Args:
        audit: What was found; a few of its films are read again for the samples.
        title: What was audited.
    """
    parts = [
        '<p class="note">This page shows films of patients: keep it where they are. Research use only. '
        f"boneage {__version__}</p>",
        _verdict(audit),
        _tiles(audit),
        "<h2>Images per source, sex and age group</h2>",
        _table(pd.DataFrame(audit.layouts.items(), columns=["source", "layout"])),
        _table(audit_counts(audit.table)),
        "<h2>Labels</h2>",
        '<p class="note">Ages that fall evenly would be multiples of 6 in 16.7 % and of 12 in 8.3 % of cases.</p>',
        _table(heaping(audit.table)),
        '<div class="two">',
        _plot(plots.ages(audit.table), "Ages per sex"),
        _plot(plots.months_of_the_year(audit.table), "Month of the year of life of the labels"),
        "</div>",
        *(_films(audit) if audit.films_read else ['<p class="note">The films were not read (--labels-only).</p>']),
        "<h2>Problems</h2>",
        _problems(audit),
    ]
    return html_page(f"Audit of {title}", parts)


def _verdict(audit: Audit) -> str:
    if audit.leaks:
        return (
            f'<p class="bad"><b>{len(audit.leaks)} pairs of rows show the same film in two of training, validation and '
            "test.</b> A study on these sources stops. Remove one of each.</p>"
        )
    if not audit.films_read:
        return '<p class="note">Only labels were looked at: duplicates are not known.</p>'
    if audit.table["set"].eq(NO_SET).all():
        return '<p class="good">Nothing is split here, so no film can be in two of training, validation and test.</p>'
    return '<p class="good">No film is in two of training, validation and test.</p>'


def _tiles(audit: Audit) -> str:
    """Return the figures that matter at a glance."""
    females = int((audit.table["sex"] == Sex.FEMALE.value).sum())
    tiles = [("usable images", len(audit.table), False), ("female", females, False)]
    tiles += [("male", len(audit.table) - females, False), ("problems", len(audit.problems), False)]
    if audit.films_read:
        tiles += [("pairs of the same film", len(audit.pairs), False), ("leaks", len(audit.leaks), bool(audit.leaks))]
    shown = (
        f'<div class="tile{" alarm" if alarm else ""}"><b>{count:,}</b>{name}</div>' for name, count, alarm in tiles
    )
    return f'<div class="tiles">{"".join(shown)}</div>'


def _films(audit: Audit) -> list[str]:
    """Return the parts that need films: sizes, samples per sex and group, duplicates."""
    parts = ["<h2>Films</h2>", _table(sizes(audit.table)), _plot(plots.film_sizes(audit.table), "Sizes as stored")]
    for sex in Sex:
        parts.append(f'<h3>{sex.value.capitalize()}</h3><div class="groups">')
        for group, label in enumerate(RANGE_LABELS, start=1):
            rows = audit.table[(audit.table["sex"] == sex.value) & (audit.table["group"] == group)]
            if len(rows):
                films = "".join(_figure(row, f"{row['id']}: {row['age_months']:g}") for row in _some(rows))
                parts.append(f'<div><p class="note">{label} months ({len(rows):,} images)</p>{films}</div>')
        parts.append("</div>")
    parts.append(f"<h2>The same film twice: {len(audit.pairs)} pairs</h2>")
    by_id = {str(row["id"]): row for row in rows_of(audit.table)}
    parts += [_pair(pair, by_id) for pair in audit.pairs[:_MOST_PAIRS]]
    if len(audit.pairs) > _MOST_PAIRS:
        parts.append(f"<p>... and {len(audit.pairs) - _MOST_PAIRS} more, all of them in the JSON.</p>")
    return parts


def _pair(pair: Pair, by_id: dict[str, dict[str, object]]) -> str:
    films = "".join(_figure(by_id[name], name) for name in (pair.one, pair.other))
    sentence = f'<p class="{"bad" if pair.leak else "note"}">{escape(pair.sentence())}</p>'
    return f'<div class="pair">{sentence}<div>{films}</div></div>'


def _problems(audit: Audit) -> str:
    if audit.problems.empty:
        return "<p>None.</p>"
    counts = pd.DataFrame(problem_counts(audit.problems).items(), columns=["what", "rows"])
    shown = _table(counts) + _table(audit.problems.head(_MOST_PROBLEMS))
    rest = len(audit.problems) - _MOST_PROBLEMS
    return shown + (f"<p>... and {rest} more, all of them in the JSON.</p>" if rest > 0 else "")


def _some(rows: pd.DataFrame) -> list[dict[str, object]]:
    """Choose a few rows, always the same ones, whatever their order."""
    order = rows["id"].map(lambda name: hashlib.sha256(str(name).encode()).hexdigest()).sort_values().index
    return rows_of(rows.loc[order[:_SAMPLES]])


def _figure(row: dict[str, object], caption: str) -> str:
    try:
        film = Image.fromarray(read_row(row))
    except DataError:
        return f"<figure>gone<figcaption>{escape(caption)}</figcaption></figure>"
    film.thumbnail((_SIDE, _SIDE))
    buffer = BytesIO()
    film.save(buffer, format="JPEG", quality=80)
    return picture(buffer.getvalue(), "jpeg", caption)


def _plot(figure: Figure, caption: str) -> str:
    return picture(plots.png(figure), "png", caption)


def _table(table: pd.DataFrame) -> str:
    return frame_table(table.rename(columns=lambda name: str(name).replace("_", " ")), str)

"""An audit as one HTML page that needs nothing else: figures, plots, sample films and duplicates.

The page shows films of patients: it belongs where the films belong, and is never committed or sent.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from html import escape
from io import BytesIO

import pandas as pd
from PIL import Image

from boneage import __version__
from boneage.audit import plots
from boneage.audit.audit import NO_SET, Audit
from boneage.audit.duplicates import Pair
from boneage.audit.labels import heaping, problem_counts, sizes
from boneage.data.annotations import audit_counts, read_row
from boneage.data.archives import DataError
from boneage.groups import RANGE_LABELS, Sex

_SIDE = 116
_SAMPLES = 4
_MOST_PAIRS, _MOST_PROBLEMS = 24, 200
_STYLE = """
:root{color-scheme:light}
body{font:15px/1.5 system-ui,sans-serif;max-width:1180px;margin:2rem auto;padding:0 1rem;color:#1c2226;background:#fff}
h1{font-size:1.6rem;margin-bottom:0} h2{font-size:1.2rem;margin-top:2.2rem;border-bottom:1px solid #d5dadd}
h3{font-size:1rem;margin:1rem 0 .2rem}
.scroll{overflow-x:auto} table{border-collapse:collapse;margin:.6rem 0;font-variant-numeric:tabular-nums}
td,th{padding:.25rem .7rem;text-align:left;border-bottom:1px solid #e6eaec;vertical-align:top}
th{color:#5a666d;font-weight:600} tr:nth-child(odd) td{background:#f7f9fa} td.n,th.n{text-align:right}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:.8rem;margin:1.2rem 0}
.tile{border:1px solid #dde2e5;border-radius:8px;padding:.6rem .9rem} .tile b{display:block;font-size:1.5rem}
.tile.alarm{border-color:#b3261e;color:#b3261e}
.two{display:grid;grid-template-columns:repeat(auto-fit,minmax(440px,1fr))}
.groups{display:grid;grid-template-columns:repeat(auto-fit,minmax(500px,1fr));gap:0 1.2rem}
.pair{border:1px solid #dde2e5;border-radius:8px;padding:.4rem .8rem;margin:.7rem 0} .pair p{margin:.3rem 0}
.bad{background:#fdecea;border-left:4px solid #b3261e;padding:.6rem 1rem}
.good{background:#e9f5ee;border-left:4px solid #1d7a46;padding:.6rem 1rem}
.note{color:#5a666d} figure{display:inline-block;margin:.3rem;text-align:center;font-size:.8rem}
figure img{display:block;background:#000;margin:auto} .plot{max-width:100%}
"""


def page(audit: Audit, title: str) -> str:
    """Return the page as HTML.

    Args:
        audit: What was found; a few of its films are read again for the samples.
        title: What was audited.
    """
    parts = [
        f"<h1>Audit of {escape(title)}</h1>",
        '<p class="note">This page shows films of patients: keep it where they are. Research use only. '
        f"boneage {__version__}</p>",
        _verdict(audit),
        _tiles(audit),
        "<h2>Images per source, sex and age group</h2>",
        _table(_layouts(audit)),
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
    head = f'<meta charset="utf-8"><title>Audit of {escape(title)}</title><style>{_STYLE}</style>'
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{"".join(parts)}</body></html>\n'


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


def _layouts(audit: Audit) -> pd.DataFrame:
    rows = [{"source": source, "layout": layout} for source, layout in audit.layouts.items()]
    return pd.DataFrame(rows, columns=["source", "layout"])


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
    by_id = {str(row["id"]): row for row in _rows(audit.table)}
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
    return _rows(rows.loc[order[:_SAMPLES]])


def _rows(table: pd.DataFrame) -> list[dict[str, object]]:
    return [{str(key): value for key, value in row.items()} for row in table.to_dict("records")]


def _figure(row: dict[str, object], caption: str) -> str:
    try:
        picture = Image.fromarray(read_row(row))
    except DataError:
        return f"<figure>gone<figcaption>{escape(caption)}</figcaption></figure>"
    picture.thumbnail((_SIDE, _SIDE))
    buffer = BytesIO()
    picture.save(buffer, format="JPEG", quality=80)
    return f"<figure>{_image(buffer.getvalue(), 'jpeg', caption)}<figcaption>{escape(caption)}</figcaption></figure>"


def _plot(png: bytes, caption: str) -> str:
    return f"<p>{_image(png, 'png', caption)}</p>"


def _image(data: bytes, kind: str, caption: str) -> str:
    text = base64.b64encode(data).decode("ascii")
    css = ' class="plot"' if kind == "png" else ""
    return f'<img{css} alt="{escape(caption)}" src="data:image/{kind};base64,{text}">'


def _table(table: pd.DataFrame) -> str:
    """Return a table whose every cell is escaped: names come from files that anybody may have named."""
    numeric = [pd.api.types.is_numeric_dtype(table[name]) for name in table.columns]
    names = (str(name).replace("_", " ") for name in table.columns)
    head = "".join(f"<th{_right(number)}>{escape(name)}</th>" for name, number in zip(names, numeric, strict=True))
    body = "".join(f"<tr>{_cells(row, numeric)}</tr>" for row in table.itertuples(index=False))
    return f'<div class="scroll"><table><tr>{head}</tr>{body}</table></div>'


def _cells(values: Iterable[object], numeric: list[bool]) -> str:
    pairs = zip(values, numeric, strict=True)
    return "".join(f"<td{_right(number)}>{escape(str(value))}</td>" for value, number in pairs)


def _right(number: bool) -> str:
    return ' class="n"' if number else ""

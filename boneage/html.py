"""Make HTML tables, pictures and pages that need nothing beside themselves; every cell is escaped."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

import pandas as pd

from boneage.tables import cell

_STYLE = """
:root{color-scheme:light}
body{font:15px/1.5 system-ui,sans-serif;max-width:1180px;margin:2rem auto;padding:0 1rem;color:#1c2226;background:#fff}
h1{font-size:1.6rem;margin-bottom:0} h2{font-size:1.2rem;margin-top:2.2rem;border-bottom:1px solid #d5dadd}
h3{font-size:1rem;margin:1rem 0 .2rem}
.ba-table{overflow-x:auto} table{border-collapse:collapse;margin:.6rem 0;font-variant-numeric:tabular-nums}
td,th{padding:.25rem .7rem;text-align:left;border-bottom:1px solid #e6eaec;vertical-align:top}
th{color:#5a666d;font-weight:600} tr:nth-child(even) td{background:#f7f9fa} td.n,th.n{text-align:right}
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


@dataclass(frozen=True)
class Link:
    """A cell that opens an address in another tab; plain words where there is no address."""

    words: str
    address: str
    label: str

    @property
    def html(self) -> str:
        """The link as HTML."""
        if not self.address:
            return escape(self.words)
        return (
            f'<a href="{escape(self.address)}" target="_blank" rel="noopener noreferrer" '
            f'aria-label="{escape(self.label)}">{escape(self.words)}</a>'
        )


Cell = str | Link


def html_table(headers: Sequence[str], rows: Sequence[Sequence[Cell]], numeric: Sequence[bool] = ()) -> str:
    """Write a table that wraps and can be read by a screen reader; nothing at all where there is no row.

    Args:
        headers: names of the columns.
        rows: their cells.
        numeric: per column whether it holds numbers, which are aligned to the right; empty for none.
    """
    if not rows:
        return ""
    css = [' class="n"' if number else "" for number in numeric] or [""] * len(headers)
    head = "".join(f'<th scope="col"{kind}>{escape(name)}</th>' for kind, name in zip(css, headers, strict=True))
    body = "".join(
        f"<tr>{''.join(f'<td{kind}>{_html(each)}</td>' for kind, each in zip(css, row, strict=True))}</tr>"
        for row in rows
    )
    return (
        f'<div class="ba-table" tabindex="0"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def frame_table(frame: pd.DataFrame, show: Callable[[object], str] = cell) -> str:
    """Write a data frame as a table, numbers to the right; `show` writes a value."""
    numeric = [pd.api.types.is_numeric_dtype(frame[name]) for name in frame.columns]
    rows = [[show(value) for value in row] for row in frame.itertuples(index=False)]
    return html_table([str(name) for name in frame.columns], rows, numeric)


def picture(data: bytes, kind: str, caption: str) -> str:
    """Embed a picture, given as the bytes of a file of a kind (`png`, `jpeg`), with its caption below."""
    text = base64.b64encode(data).decode("ascii")
    image = f'<img class="plot" alt="{escape(caption)}" src="data:image/{kind};base64,{text}">'
    return f"<figure>{image}<figcaption>{escape(caption)}</figcaption></figure>"


def html_page(title: str, parts: Sequence[str], language: str = "en") -> str:
    """Write one page with a heading and parts that are HTML already, in a language."""
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style>'
    body = "\n".join([f"<h1>{escape(title)}</h1>", *parts])
    return f'<!doctype html>\n<html lang="{language}"><head>{head}</head><body>\n{body}\n</body></html>\n'


def _html(content: Cell) -> str:
    return content.html if isinstance(content, Link) else escape(content)

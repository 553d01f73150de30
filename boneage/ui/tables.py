"""Plain tables of the page, as HTML that wraps and can be read by a screen reader."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape


def html_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a table; nothing at all where there is no row."""
    if not rows:
        return ""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in headers)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="ba-table"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'

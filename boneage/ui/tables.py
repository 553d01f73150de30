"""Plain tables of the page, as HTML that wraps and can be read by a screen reader."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape


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


def html_table(headers: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """Write a table; nothing at all where there is no row."""
    if not rows:
        return ""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in headers)
    body = "".join(f"<tr>{''.join(f'<td>{_html(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return (
        f'<div class="ba-table" tabindex="0"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def _html(cell: Cell) -> str:
    return cell.html if isinstance(cell, Link) else escape(cell)

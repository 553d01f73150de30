"""Shares as bars in the result's card."""

from __future__ import annotations

from html import escape


def bar_row(label: str, share: float, alt: str, *, on: bool, badge: str = "") -> str:
    """Draw one share as HTML.

    Args:
        label: what the share is of.
        share: 0-1.
        alt: the row in words, for those who hear the page.
        on: set it off as the one that counts.
        badge: a word beside the label; empty for none.
    """
    return (
        f'<div class="ba-row{" ba-on" if on else ""}" role="listitem" aria-label="{escape(alt)}">'
        f'<span class="ba-label">{escape(label)}{f" <b>{escape(badge)}</b>" if badge else ""}</span>'
        f'<span class="ba-bar"><i style="width:{100 * share:.1f}%"></i></span>'
        f'<span class="ba-percent">{percent(share)} %</span></div>'
    )


def percent(share: float) -> str:
    """Write a share of 0-1 in whole percent, without the sign."""
    return f"{100 * share:.0f}"

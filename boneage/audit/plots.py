"""The pictures of an audit: ages per sex, how labels heap, and film sizes."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
import pandas as pd

from boneage.groups import AGE_GROUPS, MAX_AGE_MONTHS, Sex

_COLOURS = {Sex.FEMALE.value: "#b5651d", Sex.MALE.value: "#2f6f8f"}


def ages(table: pd.DataFrame) -> bytes:
    """Draw a histogram of the ages per sex, with the borders of the age groups; a PNG."""
    figure, axes = _axes()
    edges = np.arange(0, MAX_AGE_MONTHS + 7, 6)
    for sex, colour in _COLOURS.items():
        part = table.loc[table["sex"] == sex, "age_months"]
        axes.hist(part, bins=edges, color=colour, alpha=0.35)
        axes.hist(part, bins=edges, histtype="step", linewidth=1.4, color=colour, label=f"{sex} ({len(part):,})")
    for group in AGE_GROUPS[1:]:
        axes.axvline(group.low, color="#777777", linewidth=0.9, linestyle=":")
    axes.set(xlabel="age (months); dotted: borders of the age groups", ylabel="images", xlim=(0, MAX_AGE_MONTHS + 6))
    axes.set_xticks(range(0, int(MAX_AGE_MONTHS) + 1, 24))
    axes.yaxis.set_major_locator(_whole_numbers())
    _legend(axes)
    return _png(figure)


def months_of_the_year(table: pd.DataFrame) -> bytes:
    """Draw which month of the year of life the labels fall on, beside what even ages would give; a PNG."""
    figure, axes = _axes()
    month = np.floor(table["age_months"]).astype(int) % 12
    shares = np.bincount(month, minlength=12) / max(1, len(month))
    axes.bar(range(12), shares, color="#2f6f8f")
    axes.axhline(1 / 12, color="#b5651d", linewidth=1.2, label="even: 8.3 %")
    axes.set(xlabel="label modulo 12 (months)", ylabel="share of images", xticks=range(12))
    axes.yaxis.set_major_formatter(_percent())
    _legend(axes)
    return _png(figure)


def film_sizes(table: pd.DataFrame) -> bytes:
    """Draw width against height of the films as stored; a PNG."""
    figure, axes = _axes()
    for source, part in table.groupby("source", sort=False):
        axes.plot(part["width"], part["height"], "o", markersize=4, alpha=0.35, mew=0, label=str(source))
    axes.set(xlabel="width (pixels)", ylabel="height (pixels)", xlim=(0, None), ylim=(0, None))
    axes.margins(0.08)
    _legend(axes)
    return _png(figure)


def _legend(axes: Any) -> None:
    """Put the legend above the plot, where it hides nothing."""
    axes.legend(frameon=False, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=3, borderaxespad=0.2)


def _whole_numbers() -> Any:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(integer=True)


def _percent() -> Any:
    from matplotlib.ticker import PercentFormatter

    return PercentFormatter(1.0, decimals=0)


def _axes() -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 3.4), layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#e3e7ea", linewidth=0.8)
    axes.set_axisbelow(True)
    return figure, axes


def _png(figure: Any) -> bytes:
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()

"""The picture of a stress test: one panel per disturbance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLUMNS = 3


def stress_plot(summary: pd.DataFrame) -> Figure:
    """Draw mean move and share moved by over 12 months against strength.

    Args:
        summary: from `boneage.evaluation.stress.stress_summary`.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(summary["disturbance"]))
    rows = -(-len(names) // _COLUMNS)
    figure = Figure(figsize=(4 * _COLUMNS, 2.8 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(rows, _COLUMNS, squeeze=False).ravel()
    for axes, name in zip(panels, names, strict=False):
        part = summary[summary["disturbance"] == name].sort_values("strength")
        axes.plot(part["strength"], part["mean_move_months"], "o-", color="#1f6feb", label="mean move (months)")
        axes.set(title=name, xlabel=part["unit"].iloc[0], ylabel="months")
        axes.set_ylim(bottom=0)
        share = axes.twinx()
        share.plot(part["strength"], part["moved_over_12_months"], "s--", color="#bf3989", label="share over 12 months")
        share.set(ylim=(0, 1), ylabel="share of films")
    for axes in panels[len(names) :]:
        axes.set_visible(False)
    figure.suptitle(
        "Stress test: blue, mean move of the estimate; red, share of films moved by over 12 months", fontsize=10
    )
    return figure

"""Draw what is known of films, fits and estimates: arrays and tables in, a matplotlib figure out.

Drawn on figures of their own, never through pyplot: nothing is left open, and any thread may draw.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from boneage.groups import AGE_GROUPS, MAX_AGE_MONTHS, RANGE_LABELS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_INK = "#26323d"
_GRID = "#e3e7eb"
_EDGE = "#a8b2ba"
_BLUE = "#2f6f9f"
_RED = "#c2543d"
_FOLDS = ("#2f6f9f", "#c2543d", "#4e8a4a", "#8a63a6", "#b8862b", "#4a9aa0", "#8c5a4a", "#75808a")
_SEX_COLOURS = {"female": "#a8477a", "male": "#2f6f9f"}
_TICKS = np.arange(0, MAX_AGE_MONTHS + 1, 24)
_LIMITS_OF_AGREEMENT = 1.96
_WIDE, _PANELS = (6.4, 3.4), 3


def learning_curves(histories: Sequence[Mapping[str, Sequence[float]]], title: str) -> Figure:
    """Draw loss and learning rate over the epochs, one colour per fold.

    Args:
        histories: per fold (or for one fit alone) the lists `loss`, `val_loss`, `learning_rate`, one value per epoch.
        title: what was fitted, for example `regressor-female-4, trial 3`.
    """
    from matplotlib.ticker import MaxNLocator

    figure, (top, bottom) = new_figure((7.2, 5.6), rows=2, heights=(3, 1))
    for number, history in enumerate(histories):
        colour = _FOLDS[number % len(_FOLDS)]
        label = f"fold {number}" if len(histories) > 1 else "watched part"
        _curve(top, history.get("loss", ()), colour, linestyle=":", alpha=0.75)
        _curve(top, history.get("val_loss", ()), colour, label=label)
        _curve(bottom, history.get("learning_rate", ()), colour)
    top.plot([], [], color=_INK, linestyle=":", label="training part")
    _style(top, title, "", "Loss")
    _style(bottom, "", "Epoch", "Learning rate")
    bottom.ticklabel_format(axis="y", style="sci", scilimits=(-2, 2))
    bottom.xaxis.set_major_locator(MaxNLocator(integer=True))
    top.legend(frameon=False, fontsize=8, ncols=2)
    return figure


def confusion_matrix(counts: np.ndarray, title: str) -> Figure:
    """Draw which age group was taken for which: counts int (4, 4), rows the true groups, columns the predicted ones."""
    counts = np.asarray(counts)
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)
    figure, (axes,) = new_figure((5.6, 5.0))
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), share in np.ndenumerate(shares):
        colour = "white" if share > 0.55 else _INK
        text = f"{counts[row, column]}\n{share:.0%}" if totals[row, 0] else "0"
        axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=10)
    _style(axes, title, "Predicted age group (months)", "True age group (months)")
    axes.grid(visible=False)
    axes.set_xticks(range(len(RANGE_LABELS)), RANGE_LABELS)
    axes.set_yticks(range(len(RANGE_LABELS)), RANGE_LABELS)
    bar = figure.colorbar(image, ax=axes, fraction=0.046, pad=0.04)
    bar.set_label("Share of the true group", color=_INK)
    bar.ax.tick_params(colors=_INK, labelsize=9, length=0)
    bar.outline.set_visible(False)
    return figure


def predicted_against_true(
    true_months: np.ndarray, predicted_months: np.ndarray, title: str, sexes: Sequence[str] | None = None
) -> Figure:
    """Draw estimates against true ages, float (N,), with the identity and a band of 12 months on either side.

    N `sexes` (`female`, `male`) colour the points.
    """
    true, predicted = np.asarray(true_months, dtype=float), np.asarray(predicted_months, dtype=float)
    figure, (axes,) = new_figure((6.0, 5.8))
    ends = np.array([0.0, MAX_AGE_MONTHS])
    axes.fill_between(ends, ends - 12, ends + 12, color=_GRID, alpha=0.7, linewidth=0, label="within 12 months")
    axes.plot(ends, ends, color=_INK, linewidth=1, label="identity")
    _points(axes, true, predicted, sexes)
    _style(axes, title, "True age (months)", "Estimated bone age (months)")
    axes.set(xlim=(-4, MAX_AGE_MONTHS + 4), ylim=(-4, MAX_AGE_MONTHS + 4), aspect="equal", xticks=_TICKS, yticks=_TICKS)
    _group_edges(axes)
    if len(true):
        error = predicted - true
        note = f"n = {len(true)}\nMAE {np.abs(error).mean():.2f} months\nbias {error.mean():+.2f} months"
        axes.text(0.97, 0.04, note, transform=axes.transAxes, ha="right", va="bottom", fontsize=9, color=_INK)
    axes.legend(frameon=False, fontsize=8, loc="upper left")
    return figure


def bland_altman(
    true_months: np.ndarray, predicted_months: np.ndarray, title: str, sexes: Sequence[str] | None = None
) -> Figure:
    """Draw the difference against the mean of both readings, float (N,), with bias and 95 % limits of agreement.

    N `sexes` (`female`, `male`) colour the points.
    """
    true, predicted = np.asarray(true_months, dtype=float), np.asarray(predicted_months, dtype=float)
    difference = predicted - true
    figure, (axes,) = new_figure((7.2, 4.8))
    _points(axes, (true + predicted) / 2, difference, sexes)
    if len(difference) > 1:
        bias, spread = float(difference.mean()), _LIMITS_OF_AGREEMENT * float(difference.std(ddof=1))
        _level(axes, bias, f"bias {bias:+.1f}", "-")
        _level(axes, bias + spread, f"+1.96 SD {bias + spread:+.1f}", "--")
        _level(axes, bias - spread, f"-1.96 SD {bias - spread:+.1f}", "--")
    _style(axes, title, "Mean of estimate and true age (months)", "Estimate - true age (months)")
    axes.set(xlim=(-4, MAX_AGE_MONTHS + 40), xticks=_TICKS)
    if sexes is not None:
        axes.legend(frameon=False, fontsize=8, loc="upper left")
    return figure


def calibration(probabilities: np.ndarray, true_groups: np.ndarray, title: str, bins: int = 10) -> Figure:
    """Draw how often the classifier is right against how sure it was.

    Args:
        probabilities: float (N, 4), rows sum to 1.
        true_groups: int (N,), 1-4.
        title: which classifier on which images.
        bins: equal bins of the highest probability, from a quarter (mere chance) to 1.
    """
    probabilities = np.asarray(probabilities, dtype=float).reshape(-1, len(AGE_GROUPS))
    sure = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) + 1 == np.asarray(true_groups)
    edges = np.linspace(1 / len(AGE_GROUPS), 1, bins + 1)
    cell = np.clip(np.digitize(sure, edges) - 1, 0, bins - 1)
    filled = np.unique(cell)
    figure, (top, bottom) = new_figure((5.6, 6.0), rows=2, heights=(3, 1))
    top.plot([0, 1], [0, 1], color=_INK, linewidth=1, label="perfect")
    means = [(float(sure[cell == one].mean()), float(right[cell == one].mean())) for one in filled]
    top.plot(*(np.array(means).T if means else ([], [])), color=_BLUE, marker="o", label="classifier")
    bottom.hist(sure, bins=list(edges), color=_BLUE, alpha=0.8, edgecolor="white")
    _style(top, title, "", "Share that was right")
    _style(bottom, "", "Probability of the chosen group", "Images")
    top.set(xlim=(edges[0], 1), ylim=(0, 1.02))
    top.legend(frameon=False, fontsize=8, loc="lower right")
    return figure


def evaluation_pictures(per_image: pd.DataFrame, title: str) -> dict[str, bytes]:
    """Draw an evaluation: captions and PNG files' bytes.

    Args:
        per_image: columns as `boneage.evaluation.evaluate` gives them.
        title: which images.
    """
    true, estimated = per_image["true_months"].to_numpy(), per_image["estimated_months"].to_numpy()
    probabilities = per_image[[f"probability_{group.number}" for group in AGE_GROUPS]].to_numpy()
    sexes, groups = list(per_image["sex"]), per_image["true_group"].to_numpy()
    return {
        "Estimated against true age": png(predicted_against_true(true, estimated, title, sexes)),
        "Difference against mean (Bland-Altman)": png(bland_altman(true, estimated, title, sexes)),
        "Calibration of the classifiers": png(calibration(probabilities, groups, title)),
    }


def stress_plot(summary: pd.DataFrame) -> Figure:
    """Draw mean move and share moved by over 12 months against strength, one panel per disturbance.

    Args:
        summary: from `boneage.evaluation.stress.stress_summary`.
    """
    names = list(dict.fromkeys(summary["disturbance"]))
    rows = -(-len(names) // _PANELS)
    figure, panels = new_figure((4 * _PANELS, 2.8 * rows), rows, _PANELS)
    for axes, name in zip(panels, names, strict=False):
        part = summary[summary["disturbance"] == name].sort_values("strength")
        axes.plot(part["strength"], part["mean_move_months"], "o-", color=_BLUE)
        axes.set(title=name, xlabel=part["unit"].iloc[0], ylabel="months")
        axes.set_ylim(bottom=0)
        share = axes.twinx()
        share.plot(part["strength"], part["moved_over_12_months"], "s--", color=_RED)
        share.set(ylim=(0, 1), ylabel="share of films")
    for axes in panels[len(names) :]:
        axes.set_visible(False)
    title = "Stress test: blue, mean move of the estimate; red, share of films moved by over 12 months"
    figure.suptitle(title, fontsize=10)
    return figure


def ages(table: pd.DataFrame) -> Figure:
    """Draw a histogram of the ages per sex, with the borders of the age groups."""
    from matplotlib.ticker import MaxNLocator

    figure, (axes,) = new_figure(_WIDE)
    edges = list(np.arange(0, MAX_AGE_MONTHS + 7, 6))
    for sex, colour in _SEX_COLOURS.items():
        part = table.loc[table["sex"] == sex, "age_months"]
        axes.hist(part, bins=edges, color=colour, alpha=0.35)
        axes.hist(part, bins=edges, histtype="step", linewidth=1.4, color=colour, label=f"{sex} ({len(part):,})")
    _style(axes, "", "age (months); dashed: borders of the age groups", "images")
    _group_edges(axes)
    axes.set(xlim=(0, MAX_AGE_MONTHS + 6), xticks=_TICKS)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    return _with_legend_above(figure, axes)


def months_of_the_year(table: pd.DataFrame) -> Figure:
    """Draw which month of the year of life the labels fall on, beside what even ages would give."""
    from matplotlib.ticker import PercentFormatter

    figure, (axes,) = new_figure(_WIDE)
    month = np.floor(table["age_months"]).astype(int) % 12
    axes.bar(range(12), np.bincount(month, minlength=12) / max(1, len(month)), color=_BLUE)
    axes.axhline(1 / 12, color=_RED, linewidth=1.2, label="even: 8.3 %")
    _style(axes, "", "label modulo 12 (months)", "share of images")
    axes.set_xticks(range(12))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    return _with_legend_above(figure, axes)


def film_sizes(table: pd.DataFrame) -> Figure:
    """Draw width against height of the films as stored."""
    figure, (axes,) = new_figure(_WIDE)
    for source, part in table.groupby("source", sort=False):
        axes.plot(part["width"], part["height"], "o", markersize=4, alpha=0.35, mew=0, label=str(source))
    _style(axes, "", "width (pixels)", "height (pixels)")
    axes.set(xlim=(0, None), ylim=(0, None))
    axes.margins(0.08)
    return _with_legend_above(figure, axes)


def png(figure: Figure) -> bytes:
    """Return a figure as the bytes of a PNG file."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()


def _with_legend_above(figure: Figure, axes: Axes) -> Figure:
    """Put the legend above the plot, where it hides nothing."""
    axes.legend(frameon=False, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=3, borderaxespad=0.2)
    return figure


def error_against_cost(
    names: Sequence[str],
    cost_ms: ArrayLike,
    mae_months: ArrayLike,
    bounds: ArrayLike,
    title: str,
    films: str = "out of fold",
) -> Figure:
    """Draw what N networks or methods cost, milliseconds an image (N,), against their error in months (N,).

    `bounds`: the ends of the errors' intervals, float (2, N); `films`: which films the errors are of.
    """
    cost, mae = np.asarray(cost_ms, float), np.asarray(mae_months, float)
    figure, (axes,) = new_figure((7.2, 4.8))
    axes.errorbar(cost, mae, np.abs(np.asarray(bounds, float) - mae), fmt="o", color=_BLUE, ecolor=_EDGE, capsize=3)
    for name, x, y in zip(names, cost, mae, strict=True):
        axes.annotate(name, (x, y), (6, 4), textcoords="offset points", fontsize=8, color=_INK)
    axes.set_xscale("log")
    axes.margins(x=0.2)
    _style(axes, title, "Milliseconds of one core an image", f"Mean absolute error {films} (months)")
    return figure


def error_by_year(table: pd.DataFrame, title: str) -> Figure:
    """Draw the error of several methods against the true year of age: `method`, and a column of months per year."""
    figure, (axes,) = new_figure((7.2, 4.8))
    years = [name for name in table.columns if name != "method"]
    for number, row in enumerate(table.to_dict("records")):
        colour = _FOLDS[number % len(_FOLDS)]
        axes.plot([int(year) for year in years], [row[year] for year in years], "o-", color=colour, label=row["method"])
    _style(axes, title, "True age (years, the nearest)", "Mean absolute error (months)")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, fontsize=8)
    return figure


def new_figure(
    size: tuple[float, float], rows: int = 1, columns: int = 1, heights: Sequence[float] | None = None
) -> tuple[Figure, tuple[Axes, ...]]:
    """Make a figure of axes (x shared where heights are given) that draws with Agg, apart from pyplot's state."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, sharex=heights is not None, squeeze=False, height_ratios=heights)
    return figure, tuple(axes.ravel())


def _style(axes: Axes, title: str, x_label: str, y_label: str) -> None:
    axes.set_title(title, fontsize=11, color=_INK, loc="left", pad=8)
    axes.set_xlabel(x_label, color=_INK)
    axes.set_ylabel(y_label, color=_INK)
    axes.tick_params(colors=_INK, labelsize=9, length=0)
    axes.grid(color=_GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _curve(
    axes: Axes, values: Sequence[float], colour: str, label: str = "", linestyle: str = "-", alpha: float = 1.0
) -> None:
    if len(values):
        epochs = range(1, len(values) + 1)
        axes.plot(epochs, values, color=colour, label=label or None, linestyle=linestyle, alpha=alpha, linewidth=1.5)


def _points(axes: Axes, x: np.ndarray, y: np.ndarray, sexes: Sequence[str] | None) -> None:
    alpha, size = (0.75, 16) if len(x) < 500 else (0.35, 9)
    names = np.array([str(sex) for sex in sexes]) if sexes is not None else np.full(len(x), "")
    for name in sorted(set(names)):
        chosen, colour = names == name, _SEX_COLOURS.get(name, _BLUE)
        label = f"{name} ({chosen.sum()})" if name else None
        axes.scatter(x[chosen], y[chosen], s=size, color=colour, alpha=alpha, linewidths=0, label=label)


def _level(axes: Axes, height: float, text: str, linestyle: str) -> None:
    axes.axhline(height, color=_RED, linewidth=1, linestyle=linestyle)
    axes.text(MAX_AGE_MONTHS + 38, height, text, color=_RED, fontsize=8, va="bottom", ha="right")


def _group_edges(axes: Axes) -> None:
    for group in AGE_GROUPS[1:]:
        axes.axvline(group.low, color=_EDGE, linewidth=1.0, linestyle="--", zorder=0)

"""Figures of a study: arrays in, a matplotlib figure out.

Drawn on figures of their own, never through pyplot: nothing is left open, and any thread may draw.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from boneage.groups import AGE_GROUPS, MAX_AGE_MONTHS, RANGE_LABELS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_INK = "#26323d"
_GRID = "#e3e7eb"
_BLUE = "#2f6f9f"
_RED = "#c2543d"
_FOLDS = ("#2f6f9f", "#c2543d", "#4e8a4a", "#8a63a6", "#b8862b", "#4a9aa0", "#8c5a4a", "#75808a")
_SEX_COLOURS = {"female": "#a8477a", "male": "#2f6f9f"}
_TICKS = np.arange(0, MAX_AGE_MONTHS + 1, 24)
_LIMITS_OF_AGREEMENT = 1.96


def learning_curves(histories: Sequence[Mapping[str, Sequence[float]]], title: str, loss_unit: str = "") -> Figure:
    """Draw loss and learning rate over the epochs, one colour per fold.

    Args:
        histories: per fold (or for one fit alone) the lists `loss`, `val_loss`, `learning_rate`, one value per epoch.
        title: what was fitted, for example `regressor-female-4, trial 3`.
        loss_unit: the loss and its unit for the axis, for example `MAE, months`.
    """
    from matplotlib.ticker import MaxNLocator

    figure, (top, bottom) = _figure((7.2, 5.6), rows=2, height_ratios=(3, 1), sharex=True)
    for number, history in enumerate(histories):
        colour = _FOLDS[number % len(_FOLDS)]
        label = f"fold {number}" if len(histories) > 1 else "watched part"
        _curve(top, history.get("loss", ()), colour, linestyle=":", alpha=0.75)
        _curve(top, history.get("val_loss", ()), colour, label=label)
        _curve(bottom, history.get("learning_rate", ()), colour)
    top.plot([], [], color=_INK, linestyle=":", label="training part")
    _style(top, title, "", f"Loss ({loss_unit})" if loss_unit else "Loss")
    _style(bottom, "", "Epoch", "Learning rate")
    bottom.ticklabel_format(axis="y", style="sci", scilimits=(-2, 2))
    bottom.xaxis.set_major_locator(MaxNLocator(integer=True))
    top.legend(frameon=False, fontsize=8, ncols=2)
    return figure


def confusion_matrix(counts: np.ndarray, title: str) -> Figure:
    """Draw which age group was taken for which.

    Args:
        counts: int (4, 4), rows the true groups, columns the predicted ones.
        title: which classifier on which images.
    """
    counts = np.asarray(counts)
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)
    figure, (axes,) = _figure((5.6, 5.0))
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
    """Draw estimates against true ages with the identity and a band of 12 months on either side.

    Args:
        true_months: float (N,).
        predicted_months: float (N,).
        title: which model on which images.
        sexes: N names (`female`, `male`) that colour the points, or None.
    """
    true, predicted = np.asarray(true_months, dtype=float), np.asarray(predicted_months, dtype=float)
    figure, (axes,) = _figure((6.0, 5.8))
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
    """Draw the difference against the mean of both readings, with bias and 95 % limits of agreement.

    Args:
        true_months: float (N,).
        predicted_months: float (N,).
        title: which model on which images.
        sexes: N names that colour the points, or None.
    """
    true, predicted = np.asarray(true_months, dtype=float), np.asarray(predicted_months, dtype=float)
    difference = predicted - true
    figure, (axes,) = _figure((7.2, 4.8))
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
    figure, (top, bottom) = _figure((5.6, 6.0), rows=2, height_ratios=(3, 1), sharex=True)
    top.plot([0, 1], [0, 1], color=_INK, linewidth=1, label="perfect")
    means = [(float(sure[cell == one].mean()), float(right[cell == one].mean())) for one in filled]
    top.plot(*(np.array(means).T if means else ([], [])), color=_BLUE, marker="o", label="classifier")
    bottom.hist(sure, bins=list(edges), color=_BLUE, alpha=0.8, edgecolor="white")
    _style(top, title, "", "Share that was right")
    _style(bottom, "", "Probability of the chosen group", "Images")
    top.set(xlim=(edges[0], 1), ylim=(0, 1.02))
    top.legend(frameon=False, fontsize=8, loc="lower right")
    return figure


def _figure(
    size: tuple[float, float], rows: int = 1, height_ratios: Sequence[float] | None = None, sharex: bool = False
) -> tuple[Figure, tuple[Axes, ...]]:
    """Make a figure that draws with Agg and belongs to nobody's pyplot state."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, 1, sharex=sharex, squeeze=False, height_ratios=height_ratios)
    return figure, tuple(axes[:, 0])


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
        axes.axvline(group.low, color=_GRID, linewidth=1.2, linestyle="--", zorder=0)

"""Curves over epochs, and bars."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.optim.figures.style import INK, SIZE, STYLES, WIDE, axes, figure_of, legend, styles, whole_numbers

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Columns = Mapping[str, Sequence[float]]


def learning_curves(
    history: Columns | Mapping[str, Columns],
    columns: Sequence[str] = ("loss", "val_loss"),
    *,
    mark: str | None = "val_loss",
    log: bool | None = None,
    xlabel: str = "epoch",
    ax: Axes | None = None,
) -> Figure:
    """Draw columns of a history over the epochs, or one column of several histories; returns the figure.

    history: a `History`, or any dict of columns; or a dict of them by name, of which the first column named is drawn
    columns: what is drawn; those that a history lacks are left out
    mark:    the column of a single history whose least value is marked, where early stopping would take the parameters
    log:     a logarithmic axis; by default where the values span a factor of 10
    xlabel:  what a row of the history is: an epoch, or a step
    ax:      where to draw; a figure of its own by default

    nan and inf leave a gap: a run that diverged ends where it did.

    Errors: ValueError where there is nothing to draw.

    >>> from minigrad.optim import figures
    >>> figure = figures.learning_curves({"loss": [1.0, 0.5, 0.2], "val_loss": [1.1, 0.7, 0.8]})
    >>> [line.get_label() for line in figure.axes[0].lines[:2]], figure.axes[0].get_xlabel()
    (['loss', 'val_loss'], 'epoch')
    """
    several = {
        name: found for name, found in history.items() if isinstance(found, Mapping)
    }  # a History's columns are lists
    if several:
        curves: dict[str, Sequence[float]] = {
            name: found[columns[0]] for name, found in several.items() if columns[0] in found
        }
    else:
        curves = {name: history[name] for name in columns if name in history}  # type: ignore[misc]
    if not any(len(curve) for curve in curves.values()):
        raise ValueError(
            f"learning_curves: no column of {', '.join(columns)} in {', '.join(map(str, history)) or 'nothing'}"
        )
    beside = len(curves) > 3  # the legend, which needs a place of its own
    ax = axes(ax, size=(7.0, 3.4) if beside else SIZE)
    for (name, curve), (color, dash) in zip(curves.items(), styles(len(curves)), strict=True):
        ax.plot(range(1, len(curve) + 1), curve, color=color, linestyle=dash, linewidth=2, label=name)
    every = np.array([value for curve in curves.values() for value in curve], np.float64)
    positive = every[np.isfinite(every) & (every > 0)]
    wide = positive.size and positive.size == np.isfinite(every).sum() and positive.max() > 10 * positive.min()
    if log or (log is None and wide):
        ax.set_yscale("log")
    if not several and mark in curves and np.isfinite(curves[mark]).any():
        best = int(np.argmin(np.where(np.isfinite(curves[mark]), curves[mark], np.inf)))
        ax.axvline(best + 1, color=INK, linewidth=1, linestyle=":")
        ax.plot(best + 1, curves[mark][best], "o", color=INK, label=f"least {mark}, epoch {best + 1}")
    whole_numbers(ax)
    ax.set(xlabel=xlabel, ylabel=columns[0] if several or len(curves) == 1 else "")
    legend(ax, beside=beside)
    return figure_of(ax)


def lines(
    curves: Mapping[str, Any],
    *,
    ends: bool = False,
    ax: Axes | None = None,
    size: tuple[float, float] = WIDE,
    **properties: Any,
) -> Figure:
    """Draw curves by name, each with a color and a dash of its own; returns the figure.

    curves:     values, over 0, 1, 2, ..., or a pair (x, values)
    ends:       write each name at the end of its curve, in its color, instead of in a legend
    ax:         where to draw; a figure of its own by default, of `size`
    properties: of the axes, as of Matplotlib's `Axes.set`: xlabel, ylabel, title, yscale="log"

    Errors: ValueError where there is no curve, or where x and values differ in length.

    >>> from minigrad.optim import figures
    >>> figure = figures.lines({"w": [1, 2, 4], "v": ([0, 2], [1, 3])}, xlabel="step", yscale="log")
    >>> [line.get_label() for line in figure.axes[0].lines]
    ['w', 'v']
    """
    if not curves:
        raise ValueError("lines: there is no curve to draw")
    ax = axes(ax, size=size, **properties)
    for (name, curve), (color, dash) in zip(curves.items(), styles(len(curves)), strict=True):
        x, values = curve if isinstance(curve, tuple) else (range(len(curve)), curve)
        if len(x) != len(values):
            raise ValueError(f"lines: {name} has {len(x)} places and {len(values)} values")
        ax.plot(x, values, color=color, linestyle=dash, linewidth=2, label=name)
        if ends and len(values):
            ax.annotate(f" {name}", (x[-1], values[-1]), color=color, va="center")
    if not ends:
        legend(ax)
    return figure_of(ax)


def bars(
    values: Mapping[str, float], *, label: str = "", baseline: float | None = None, ax: Axes | None = None
) -> Figure:
    """Draw a bar for each number, from the top down, with the number at its end; returns the figure.

    label: of the axis, with the unit;  baseline: a number that is drawn as a line for comparison

    Errors: ValueError where there is no number.
    """
    finite = {name: value for name, value in values.items() if math.isfinite(value)}
    if not finite:
        raise ValueError("bars: there is no number to draw")
    ax = axes(ax, size=(SIZE[0], 0.8 + 0.42 * len(values)))
    places = range(len(values))
    ax.barh(places, [finite.get(name, 0) for name in values], color=STYLES[0][0], height=0.6)
    for place, (name, value) in zip(places, values.items(), strict=True):
        shown, side = f" {value:.4g} ", "right" if finite.get(name, 0) < 0 else "left"
        ax.text(finite.get(name, 0), place, shown, va="center", ha=side, color=INK)
    ax.set_yticks(places, list(values))
    ax.invert_yaxis()
    ax.margins(x=0.12)
    ax.grid(visible=False, axis="y")
    if baseline is not None:
        ax.axvline(baseline, color=INK, linestyle="--", linewidth=1.2)
    ax.set_xlabel(label)
    return figure_of(ax)

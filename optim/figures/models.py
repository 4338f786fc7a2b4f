"""What a model does, seen: its decisions, what it looks at, how far its parameters move, how its adjoints fade."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from minigrad.graph import gradients
from minigrad.models import Module
from minigrad.node import Array, Input
from minigrad.optim.figures.style import INK, STYLES, axes, figure_of, legend, whole_numbers
from minigrad.optim.training.evaluation import modes_of, predict, restore

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARKERS = "os^DvPX*"


def decision_regions(
    model: Module, inputs: npt.ArrayLike, class_indices: npt.ArrayLike, *, title: str = "", ax: Axes | None = None
) -> Figure:
    """Draw which class a model gives to each point of the plane, and the examples; returns the figure.

    inputs (n, 2); class_indices (n,). The model gives logits or scores (n, n_classes); it runs in evaluation mode.

    Errors: ValueError where inputs are not of two features, or an example has no class.
    """
    points, classes = np.asarray(inputs), np.asarray(class_indices)
    if points.ndim != 2 or points.shape[1] != 2 or classes.shape != points.shape[:1] or not len(points):
        raise ValueError(
            f"decision_regions: expected inputs (n, 2) and classes (n,), found {points.shape} and {classes.shape}"
        )
    low, high = points.min(axis=0), points.max(axis=0)
    margin = 0.12 * np.maximum(high - low, 1e-12)
    x, y = (np.linspace(a, b, 121) for a, b in zip(low - margin, high + margin, strict=True))
    grid = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2).astype(points.dtype)
    scores = predict(model, grid)
    decided = scores.argmax(axis=-1).reshape(121, 121)
    n = scores.shape[-1]
    colors = [STYLES[i % len(STYLES)][0] for i in range(n)]
    ax = axes(ax, size=(5.0, 4.2))
    ax.grid(visible=False)
    ax.contourf(x, y, decided, np.arange(n + 1) - 0.5, colors=colors, alpha=0.25)
    if decided.min() < decided.max():
        ax.contour(x, y, decided, np.arange(n - 1) + 0.5, colors=INK, linewidths=1)
    for i, color in enumerate(colors):
        ax.plot(*points[classes == i].T, MARKERS[i % len(MARKERS)], color=color, markersize=4, label=f"class {i}")
    ax.set_title(title)
    return figure_of(ax)


def saliency_map(model: Module, x: npt.ArrayLike, class_index: int | None = None) -> Array:
    """|∂s_c/∂x| of one example, in its shape: how much each entry moves the score of a class, that of the largest by default.

    The model runs in evaluation mode, and modes are restored.

    Source: K. Simonyan, A. Vedaldi and A. Zisserman, Deep inside convolutional networks, ICLR workshop 2014.
    """
    example = Input(np.asarray(x)[np.newaxis], name="x")
    modes = modes_of(model)
    model.eval()
    try:
        scores = model(example)
    finally:
        restore(modes)
    chosen = int(scores.value.argmax()) if class_index is None else class_index
    (slope,) = gradients(scores[0, chosen], [example])
    found: Array = np.abs(slope.value[0])
    return found


def saliency(model: Module, image: npt.ArrayLike, class_index: int | None = None, *, ax: Axes | None = None) -> Figure:
    """Draw `saliency_map` over an image (height, width) or (height, width, channels); returns the figure."""
    shown = np.asarray(image)
    slopes = saliency_map(model, shown, class_index)
    if shown.ndim not in (2, 3):
        raise ValueError(
            f"saliency: expected an image (height, width) or (height, width, channels), found {shown.shape}"
        )
    slopes = slopes if slopes.ndim == 2 else slopes.max(axis=-1)
    ax = axes(ax, size=(4.2, 3.6))
    ax.grid(visible=False)
    drawn = ax.imshow(slopes / max(float(slopes.max()), 1e-30), cmap="cividis")
    bar = figure_of(ax).colorbar(drawn, ax=ax, label="|∂score/∂pixel|, relative")
    bar.ax.tick_params(colors=INK)
    bar.outline.set_edgecolor(INK)
    bar.ax.yaxis.label.set_color(INK)
    ax.set(xticks=[], yticks=[])
    return figure_of(ax)


def update_sizes(
    sizes: Mapping[str, Sequence[float]], *, label: str = "mean |update| / mean |value|", ax: Axes | None = None
) -> Figure:
    """Draw how large the updates of parameters (or of optimizers) are over the epochs, on a logarithmic axis; returns the figure."""
    return _on_log_axis(sizes, "epoch", label, ax)


def adjoint_norms(
    norms: Mapping[str, Sequence[float] | Array], *, label: str = "‖λ_t‖", ax: Axes | None = None
) -> Figure:
    """Draw the norms of adjoints over the time steps, 1 to T, for each method or net by name; returns the figure.

    norms: those of λ_1 ... λ_T, as (T,)
    """
    return _on_log_axis(norms, "time step t", label, ax)


def bias_variance(
    strengths: Sequence[float],
    bias_squared: Sequence[float],
    variance: Sequence[float],
    noise: float = 0.0,
    *,
    label: str = "λ",
    ax: Axes | None = None,
) -> Figure:
    """Draw bias², variance and their sum with the noise over the strength of a penalty; marks the least sum; returns the figure."""
    total = np.add(bias_squared, variance) + noise
    ax = axes(ax)
    for values, name, (color, dash) in zip(
        (bias_squared, variance, total), ("bias²", "variance", "expected error"), STYLES, strict=False
    ):
        ax.plot(strengths, values, color=color, linestyle=dash, linewidth=2, label=name)
    best = int(np.argmin(total))
    ax.plot(strengths[best], total[best], "o", color=INK, label=f"least at {label} = {strengths[best]:.3g}")
    if min(strengths) > 0:
        ax.set_xscale("log")
    ax.set(xlabel=label, ylabel="error")
    legend(ax)
    return figure_of(ax)


def _on_log_axis(curves: Mapping[str, Sequence[float] | Array], xlabel: str, label: str, ax: Axes | None) -> Figure:
    if not curves:
        raise ValueError(f"there is no curve to draw of {label}: pass a dict of numbers by name")
    ax = axes(ax)
    for i, (name, values) in enumerate(curves.items()):
        color, dash = STYLES[i % len(STYLES)]
        shown = np.asarray(values, np.float64)
        ax.plot(
            range(1, len(shown) + 1),
            np.where(shown > 0, shown, np.nan),
            color=color,
            linestyle=dash,
            linewidth=2,
            label=name,
        )
    ax.set_yscale("log")
    whole_numbers(ax)
    ax.set(xlabel=xlabel, ylabel=label)
    legend(ax)
    return figure_of(ax)

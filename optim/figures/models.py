"""What a model does, seen: its decisions, what it looks at, how far its parameters move, how its adjoints fade."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from minigrad.graph import gradients
from minigrad.models import Module
from minigrad.node import Array, Input
from minigrad.optim.figures.style import (
    INK,
    SIZE,
    STYLES,
    WIDE,
    axes,
    figure_of,
    legend,
    markers,
    panels,
    styles,
    whole_numbers,
)
from minigrad.optim.training.evaluation import evaluating, predict

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from minigrad.optim.diagnosis import LayerSignals


GRID = 61  # points along each axis, at which a model is asked


def decision_regions(
    model: Module, inputs: npt.ArrayLike, class_indices: npt.ArrayLike, *, title: str = "", ax: Axes | None = None
) -> Figure:
    """Draw which class a model gives to each point of the plane, and the examples; returns the figure.

    inputs (n, 2); class_indices (n,). The model gives logits or scores (n, n_classes), or one logit for each example, (n, 1) or
    (n,), which says class 1 where it is positive. It runs in evaluation mode.

    Errors: ValueError where inputs are not of two features, or an example has no class.
    """
    points, classes = np.asarray(inputs), np.asarray(class_indices)
    if points.ndim != 2 or points.shape[1] != 2 or classes.shape != points.shape[:1] or not len(points):
        raise ValueError(
            f"decision_regions: expected inputs (n, 2) and classes (n,), found {points.shape} and {classes.shape}"
        )
    low, high = points.min(axis=0), points.max(axis=0)
    margin = 0.12 * np.maximum(high - low, 1e-12)
    x, y = (np.linspace(a, b, GRID) for a, b in zip(low - margin, high + margin, strict=True))
    grid = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2).astype(points.dtype)
    scores = predict(model, grid).reshape(GRID, GRID, -1)
    if scores.shape[-1] == 1:
        scores = np.concatenate([np.zeros_like(scores), scores], axis=-1)
    n = scores.shape[-1]
    if not 0 <= classes.min() <= classes.max() < n:
        raise ValueError(
            f"decision_regions: class_indices lie in {classes.min()} ... {classes.max()}, and the model has the classes 0 ... {n - 1}"
        )
    ax = axes(ax, size=(6.0, 4.2))
    ax.grid(visible=False)
    for i, ((color, _), marker) in enumerate(zip(styles(n), markers(n), strict=True)):
        lead = scores[..., i] - np.delete(scores, i, axis=-1).max(axis=-1)  # of class i over the best of the others
        if lead.max() > 0:
            ax.contourf(x, y, lead, [0.0, float(lead.max()) * 1.01], colors=[color], alpha=0.25)
        if lead.min() < 0 < lead.max():
            ax.contour(x, y, lead, [0.0], colors=INK, linewidths=1)
        ax.plot(*points[classes == i].T, marker, color=color, markersize=4, label=f"class {i}")
    legend(ax, beside=True)
    ax.set_title(title)
    return figure_of(ax)


def saliency_map(model: Module, x: npt.ArrayLike, class_index: int | None = None) -> Array:
    """|∂s_c/∂x| of one example, in its shape: how much each entry moves the score of a class, that of the largest by default.

    The model runs in evaluation mode, and modes are restored.

    Source: K. Simonyan, A. Vedaldi and A. Zisserman, Deep inside convolutional networks, ICLR workshop 2014.
    """
    example = Input(np.asarray(x)[np.newaxis], name="x")
    with evaluating(model):
        scores = model(example)
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
    """Draw how large the updates of parameters (or of optimizers) are over the epochs, on a logarithmic axis; returns the figure.

    sizes: by name, as `diagnosis.UpdateSizes` notes them: its `ratios`, or its `sizes` with a label of their own
    """
    return _on_log_axis({name: of for name, of in sizes.items() if name not in ("epoch", "step")}, "epoch", label, ax)


def adjoint_norms(
    norms: Mapping[str, Sequence[float] | Array], *, label: str = "‖λ_t‖", ax: Axes | None = None
) -> Figure:
    """Draw the norms of adjoints over the time steps, 1 to T, for each method or net by name; returns the figure.

    norms: those of λ_1 ... λ_T, as (T,)
    """
    return _on_log_axis(norms, "time step t", label, ax)


def layers(records: Mapping[str, LayerSignals] | Mapping[str, Mapping[str, LayerSignals]]) -> Figure:
    """Draw how far values and adjoints spread at each activation, from the inputs (1) to the outputs; returns the figure.

    records: what `diagnosis.layer_signals` gives, of one model, or of several by name

    Errors: ValueError where no activation was found.
    """
    several = all(isinstance(each, Mapping) for each in records.values())
    by_name: Mapping[str, Any] = records if several else {"model": records}
    if not by_name or not all(by_name.values()):
        raise ValueError("layers: there is no activation to draw; pass what diagnosis.layer_signals gives")
    parts = panels(2, xlabel="layer", yscale="log")
    for ax, part in zip(parts, ("values", "adjoints"), strict=True):
        for (name, record), (color, dash) in zip(by_name.items(), styles(len(by_name)), strict=True):
            spreads = [getattr(layer, part) for layer in record.values()]
            ax.plot(range(1, len(spreads) + 1), spreads, color=color, linestyle=dash, linewidth=2, label=name)
        ax.set_title(f"spread of {part}")
        whole_numbers(ax)
    if several:
        legend(parts[0])
    return figure_of(parts[0])


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
    if not len(strengths) == len(bias_squared) == len(variance) > 0:
        raise ValueError(
            f"bias_variance: {len(strengths)} strengths, {len(bias_squared)} of bias² and {len(variance)} of variance; "
            "expected equally many, at least one"
        )
    total = np.add(bias_squared, variance) + noise
    ax = axes(ax, size=(6.4, 3.2))
    for values, name, (color, dash) in zip(
        (bias_squared, variance, total), ("bias²", "variance", "expected error"), STYLES, strict=False
    ):
        ax.plot(strengths, values, color=color, linestyle=dash, linewidth=2, label=name)
    best = int(np.argmin(total))
    ax.plot(strengths[best], total[best], "o", color=INK, label=f"least at {label} = {strengths[best]:.3g}")
    if min(strengths) > 0:
        ax.set_xscale("log")
    ax.set(xlabel=label, ylabel="error")
    legend(ax, beside=True)
    return figure_of(ax)


def _on_log_axis(curves: Mapping[str, Sequence[float] | Array], xlabel: str, label: str, ax: Axes | None) -> Figure:
    if not curves:
        raise ValueError(f"there is no curve to draw of {label}: pass a dict of numbers by name")
    ax = axes(ax, size=WIDE if len(curves) > 3 else SIZE)
    for i, (name, values) in enumerate(curves.items()):
        color, dash = styles(len(curves))[i]
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

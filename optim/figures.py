"""The two figures of a comparison, made to be read from the back of a room. Matplotlib is imported when one is drawn.

One color per method, chosen to differ for color-blind readers and in gray print (Okabe and Ito, 2008), and one line
style each.
"""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path
from typing import Any

import numpy as np

from minigrad.drawing import draw
from minigrad.files import write_file
from minigrad.node import Array, Input
from minigrad.optim.comparison import Comparison, Run
from minigrad.optim.nets import make_net

PLAIN = ("#444444", "-")
STYLES: list[tuple[str, Any]] = [  # of the penalized methods in turn
    ("#0072b2", "-"),
    ("#d55e00", (0, (4, 1.5))),
    ("#009e73", (0, (6, 1, 1, 1))),
    ("#cc79a7", (0, (1, 1))),
    ("#56b4e9", "-"),
    ("#e69f00", (0, (4, 1.5))),
]
LOG_RATIO = r"$\log_{10}\ \|\lambda_t\| / \|\lambda_T\|$"
SETTINGS: dict[Any, Any] = {  # Matplotlib's own type lists every setting there is
    "font.size": 13,
    "axes.titlesize": 14,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e6e6e6",
    "legend.frameon": False,
}
DRAWN = {"states": 3, "steps": 2}  # of the net whose graph is drawn: small enough to show every number
FAINTEST = -12.0  # log10 of the faintest relative adjoint norm that is drawn
COLORS = "RdBu_r"  # blue: shorter than λ_T, near white: as long, red: longer
TOO_WIDE = 10.0  # a largest loss so many times the first is drawn on a logarithmic axis


def learning_curves(comparison: Comparison, path: Path) -> None:
    """Training loss and validation score over the steps; of several seeds the median, and every seed as a thin line."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    task = comparison.task
    panels = {"train_loss": "training loss", "val_score": "validation score: fraction right"}
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(12, 5), layout="constrained")
        for axes, (column, title) in zip(figure.subplots(1, 2), panels.items(), strict=True):
            for runs in comparison.by_method():
                _curve(axes, runs, column, _style(comparison, runs))
            axes.set(title=title, xlabel="training step", xlim=(0, comparison.configuration.steps))
            if column == "val_score":
                axes.set_ylim(0, 1.02)
                axes.axhline(task.chance, color="#999999", linewidth=1, linestyle=":")
                axes.annotate("chance", (1.01, task.chance), None, ("axes fraction", "data"),
                              ha="left", va="center", color="#777777", fontsize=11)  # fmt: skip
            else:
                _scale_losses(axes, comparison)
        figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
        figure.suptitle(_headline(comparison), x=0.01, ha="left", fontsize=12, color="#555555")
        _save(figure, path)


def adjoint_norms(comparison: Comparison, path: Path) -> None:
    """How much of the last state's adjoint reaches each state: log10 ‖λ_t‖/‖λ_T‖ over time steps t and training steps.

    Above a map per method: white where λ_t is as long as λ_T, blue where shorter, red where longer; one scale for all,
    from the 1st to the 99th percentile of what training made (the start, where all methods are the same, is left out).
    Below the same as curves, at the start, after a tenth of the steps and at the end.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    shown = {runs[0].method: runs for runs in comparison.by_method()}
    tables = {method: _relative_norms(runs) for method, runs in shown.items()}
    low, high = _color_limits([table for _, table in tables.values()])
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(12, 9), layout="constrained")
        maps, curves = np.asarray(figure.subfigures(2, 1, height_ratios=(1.1, 1))).tolist()
        all_axes = maps.subplots(1, len(tables), sharey=True, squeeze=False)[0]
        for axes, (method, (steps, table)) in zip(all_axes, tables.items(), strict=True):
            mesh = axes.pcolormesh(
                np.arange(0.5, table.shape[1] + 1), _edges(steps), table, cmap=_colors(low, high), vmin=low, vmax=high,
                rasterized=True,
            )  # fmt: skip
            axes.set(title=shown[method][0].name, xlabel="time step t", ylim=(0, comparison.configuration.steps))
            axes.grid(visible=False)
        all_axes[0].set_ylabel("training step")
        bar = maps.colorbar(mesh, ax=list(all_axes), extend="both")
        bar.set_label(LOG_RATIO)
        _curves_over_time(curves.subplots(), comparison, tables)
        figure.suptitle(_headline(comparison), x=0.01, ha="left", fontsize=12, color="#555555")
        _save(figure, path)


def net_graph(comparison: Comparison, path: Path) -> None:
    """A small twin of the net as a flow graph: fewer states and time steps, the same operations, one sequence."""
    task = comparison.task
    configuration = dataclasses.replace(comparison.configuration, states=DRAWN["states"])
    net = make_net(configuration, task, np.random.default_rng(configuration.first_seed))
    inputs = Input(task.test[0][:1, : DRAWN["steps"]], "inputs")
    draw(net(inputs), adjoints=False, layout="layered").save(path)


def _save(figure: Any, path: Path) -> None:
    """Draw the whole figure before the file is touched."""
    picture = io.BytesIO()
    figure.savefig(picture, format=path.suffix[1:], dpi=150)
    write_file(path, picture.getvalue())


def _scale_losses(axes: Any, comparison: Comparison) -> None:
    """From 0 up; logarithmic where a loss went far beyond where it started."""
    losses = np.array([loss for run in comparison.runs for loss in run.history["train_loss"]])
    losses = losses[np.isfinite(losses)]
    start = comparison.runs[0].history["val_loss"][0]
    if losses.size and losses.max() > TOO_WIDE * start:
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)


def _curves_over_time(axes: Any, comparison: Comparison, tables: dict[str, tuple[list[int], Array]]) -> None:
    """log10 ‖λ_t‖/‖λ_T‖ over t: the common start, and of each method a tenth of its way (thin) and its end."""
    axes.axhline(0, color="#999999", linewidth=1)
    steps, table = next(iter(tables.values()))
    t = np.arange(1, table.shape[1] + 1)
    axes.plot(t, table[0], color="#999999", linestyle=":", linewidth=2.2, label=f"start (step {steps[0]})")
    for runs, (steps, table) in zip(comparison.by_method(), tables.values(), strict=True):
        color, style = _style(comparison, runs)
        tenth = int(np.searchsorted(steps, steps[-1] / 10))
        if 0 < tenth < len(steps) - 1:
            axes.plot(t, table[tenth], color=color, linestyle=style, linewidth=1, alpha=0.7)
        axes.plot(t, table[-1], color=color, linestyle=style, linewidth=2.6, label=f"{runs[0].name}, end")
    axes.set(xlabel="time step t", ylabel=LOG_RATIO, xlim=(1, t[-1]), title="start, a tenth of the way (thin), end")
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))


def _color_limits(tables: list[Array]) -> tuple[float, float]:
    """The 1st and 99th percentile of all records after the first, 0 within, and at least 1 apart from it."""
    trained = np.concatenate([(table[1:] if len(table) > 1 else table).ravel() for table in tables])
    low, high = np.percentile(trained, [1, 99])
    return min(float(low), -1.0), max(float(high), 1.0)


def _colors(low: float, high: float) -> Any:
    """The part of COLORS from low to high of a scale that is symmetric about 0, where its middle stays."""
    import matplotlib as mpl
    from matplotlib.colors import ListedColormap

    largest = max(-low, high)
    return ListedColormap(mpl.colormaps[COLORS](0.5 + np.linspace(low, high, 256) / (2 * largest)))


def _edges(steps: list[int]) -> Array:
    """Where the rows of a map begin and end: a record stands for the steps since the one before it."""
    return np.array([-max(steps[-1], 1) * 0.02, *steps], dtype=float)


def _curve(axes: Any, runs: list[Run], column: str, look: tuple[str, Any]) -> None:
    """The median of the runs over the records that all of them have, and each of them."""
    n = min(run.history.n_rows for run in runs)
    steps = runs[0].history["step"][:n]
    values = np.array([run.history[column][:n] for run in runs], dtype=float)
    color, style = look
    label = runs[0].name if len(runs) == 1 else f"{runs[0].name} (median of {len(runs)})"
    axes.plot(steps, np.median(values, axis=0), color=color, linestyle=style, linewidth=2.2, label=label)
    if len(runs) > 1:
        axes.plot(steps, values.T, color=color, linestyle=style, linewidth=0.8, alpha=0.4)


def _style(comparison: Comparison, runs: list[Run]) -> tuple[str, Any]:
    """Color and line of a method: its own in all figures of the comparison."""
    methods = comparison.configuration.methods
    penalized = [method for method in methods if method != "backprop"]
    method = runs[0].method
    return PLAIN if method == "backprop" else STYLES[penalized.index(method) % len(STYLES)]


def _relative_norms(runs: list[Run]) -> tuple[list[int], Array]:
    """The steps, and log10 ‖λ_t‖/‖λ_T‖ as (records, T): the median over the runs; what is 0 gets the faintest color."""
    n = min(len(run.adjoints) for run in runs)
    steps = [step for step, _ in runs[0].adjoints[:n]]
    norms = np.array([[norms for _, norms in run.adjoints[:n]] for run in runs])
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.log10(norms / norms[..., -1:])
    relative = np.nan_to_num(relative, nan=FAINTEST, neginf=FAINTEST, posinf=0)
    return steps, np.median(relative, axis=0)


def _headline(comparison: Comparison) -> str:
    c = comparison.configuration
    seeds = "1 seed" if c.seeds == 1 else f"{c.seeds} seeds"
    return (
        f"{c.task}, T = {comparison.task.length}: {c.states} {'tanh' if c.cell == 'rnn' else c.cell} states, {c.initialization}, {c.optimizer} "
        f"{c.rate_in_words}, {c.penalty} {c.weight:g}, {seeds}"
    )

"""The two figures of a comparison, made to be read from the back of a room. Matplotlib is imported when one is drawn.

One color per method, chosen to differ for color-blind readers and in gray print (Okabe and Ito, 2008), and one line
style each.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from minigrad.drawing import draw
from minigrad.node import Array, Input
from minigrad.optim.comparison import Comparison, Run, make_net

STYLES = {"backprop": ("#444444", "-"), "exact": ("#0072b2", "-"), "immediate": ("#d55e00", (0, (4, 1.5)))}
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
DRAWN = 3  # time steps of the net's graph
FAINTEST = -12.0  # log10 of the faintest relative adjoint norm that has a color of its own


def learning_curves(comparison: Comparison, path: Path) -> None:
    """Training loss and test score over the steps; of several seeds the median, and every seed as a thin line."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    task = comparison.task
    panels = {"train_loss": "training loss", "test_score": "test score: fraction right"}
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(12, 5), layout="constrained")
        for axes, (column, title) in zip(figure.subplots(1, 2), panels.items(), strict=True):
            for method in comparison.configuration.methods:
                runs = comparison.of_method(method)
                if runs:
                    _curve(axes, runs, column)
            axes.set(title=title, xlabel="training step")
            axes.set_ylim(bottom=0)
            if column == "test_score":
                axes.set_ylim(top=1.02)
                axes.axhline(task.chance, color="#999999", linewidth=1, linestyle=":")
                axes.annotate("chance", (0.99, task.chance - 0.01), None, ("axes fraction", "data"),
                              ha="right", va="top", color="#777777", fontsize=11)  # fmt: skip
        figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
        figure.suptitle(_headline(comparison), x=0.01, ha="left", fontsize=12, color="#555555")
        figure.savefig(path, dpi=150)


def adjoint_norms(comparison: Comparison, path: Path) -> None:
    """How much of the last state's adjoint reaches each state: ‖λ_t‖/‖λ_T‖ over time steps t and training steps."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    shown = {m: comparison.of_method(m) for m in comparison.configuration.methods if comparison.of_method(m)}
    tables = {method: _relative_norms(runs) for method, runs in shown.items()}
    lowest = max(min(np.floor(table.min()) for _, table in tables.values()), FAINTEST)
    highest = max(*(np.ceil(table.max()) for _, table in tables.values()), 1.0)
    with mpl.rc_context({**SETTINGS, "axes.grid": False}):
        figure = Figure(figsize=(4.2 * len(tables) + 1.2, 4.8), layout="constrained")
        all_axes = figure.subplots(1, len(tables), sharey=True, squeeze=False)[0]
        for axes, (method, (steps, table)) in zip(all_axes, tables.items(), strict=True):
            mesh = axes.pcolormesh(
                np.arange(1, table.shape[1] + 1), steps, table, cmap="viridis", vmin=lowest, vmax=highest,
                shading="nearest", rasterized=True,
            )  # fmt: skip
            axes.set(title=shown[method][0].name, xlabel="time step t")
        all_axes[0].set_ylabel("training step")
        bar = figure.colorbar(mesh, ax=list(all_axes), extend="min" if lowest == FAINTEST else "neither")
        bar.set_label(r"$\log_{10}\ \|\lambda_t\| / \|\lambda_T\|$")
        figure.suptitle(_headline(comparison), x=0.01, ha="left", fontsize=12, color="#555555")
        figure.savefig(path, dpi=150)


def net_graph(comparison: Comparison, path: Path) -> None:
    """The net, unrolled over DRAWN steps, and its loss, as a flow graph: one sequence, parameters as they started."""
    task = comparison.task
    net = make_net(comparison.configuration, task, np.random.default_rng(comparison.configuration.first_seed))
    x, y = task.test
    inputs, targets = Input(x[:1, :DRAWN], "inputs"), Input(y[:1], "targets")
    draw(task.loss(net(inputs), targets)).save(path)


def _curve(axes: Any, runs: list[Run], column: str) -> None:
    """The median of the runs over the records that all of them have, and each of them."""
    n = min(run.history.n_rows for run in runs)
    steps = runs[0].history["step"][:n]
    values = np.array([run.history[column][:n] for run in runs], dtype=float)
    color, style = STYLES[runs[0].method]
    label = runs[0].name if len(runs) == 1 else f"{runs[0].name} (median of {len(runs)})"
    axes.plot(steps, np.median(values, axis=0), color=color, linestyle=style, linewidth=2.2, label=label)
    if len(runs) > 1:
        axes.plot(steps, values.T, color=color, linestyle=style, linewidth=0.8, alpha=0.4)


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
        f"{c.task}, T = {comparison.task.length}: {c.states} tanh states, {c.initialization}, {c.optimizer} "
        f"{c.learning_rate:g}, {c.penalty} {c.weight:g}, {seeds}"
    )

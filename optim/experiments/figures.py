"""The two figures of a comparison, made to be read from the back of a room. Matplotlib is imported when one is drawn.

One color and one dash per method, the same in both, taken from the style of all figures of trainings. Every seed is drawn: a
median of seeds that learned and seeds that did not is no run's.
"""

from __future__ import annotations

import dataclasses
import io
import textwrap
from itertools import cycle, zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from minigrad.drawing import draw
from minigrad.files import write_file
from minigrad.node import Array, Input
from minigrad.optim.experiments.cells import CELLS
from minigrad.optim.experiments.comparison import Comparison, Run
from minigrad.optim.experiments.findings import counted
from minigrad.optim.experiments.nets import make_net
from minigrad.optim.figures.style import STYLES

PLAIN = ("#444444", "-")
FIRST = ("Omega (immediate)", "relative variance (exact)", "soft orthogonality", "Omega (exact)")
NORMS = r"$\|\lambda_t\| \, / \, \|\lambda_T\|$"
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
WIDTH = 12.0  # inches
LONGEST = 60  # letters of a method or a learning rate, whose schedules may have many
A_LETTER = 0.115  # inches that a letter takes at most, in a title
DRAWN = {"states": 3, "steps": 2}  # of the net whose graph is drawn: small enough to show every number
FEW = 4  # seeds whose numbers are listed one by one, and whose maps are drawn
FAINTEST = 12.0  # powers of ten from λ_T's length, beyond which maps show one color, and curves leave the picture
BEYOND = 1000.0  # powers of ten that stand for 0 and for infinity
CURVES = {"val_score": "validation score: fraction right", "train_loss": "training loss"}
KINDS = {"learned": 1, "did not learn": 0}  # of seeds, of which the maps of many show the medians
COLORS = "RdBu_r"  # blue: shorter than λ_T, near white: as long, red: longer
NO_NUMBER = "#c8c8c8"
TOO_WIDE = 10.0  # a largest loss so many times the first is drawn on a logarithmic axis


def learning_curves(comparison: Comparison, path: Path) -> None:
    """Validation score and training loss over the steps, a line for every seed: of several seeds each method by itself."""
    import matplotlib as mpl

    with mpl.rc_context(SETTINGS):
        figure = _together(comparison) if comparison.configuration.seeds == 1 else _method_by_method(comparison)
        _headline(figure, comparison)
        _save(figure, path)


def _together(comparison: Comparison) -> Any:
    """All methods in two panels."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, 4.4 + _legend_height(comparison)), layout="constrained")
    for axes, (column, name) in zip(figure.subplots(1, 2), CURVES.items(), strict=True):
        for runs in comparison.by_method():
            _curves(axes, runs, column, _style(comparison, runs))
        _scale([axes], comparison, column)
        axes.set(title=name, xlabel="training step")
    _legend(figure, comparison)
    return figure


def _method_by_method(comparison: Comparison) -> Any:
    """Two rows of panels, and a column for each method."""
    from matplotlib.figure import Figure

    methods = comparison.by_method()
    figure = Figure(figsize=(WIDTH, 7.5), layout="constrained")
    grid = figure.subplots(2, len(methods), sharex=True, sharey="row", squeeze=False)
    for line, (column, name) in zip(grid, CURVES.items(), strict=True):
        for axes, runs in zip(line, methods, strict=True):
            _curves(axes, runs, column, _style(comparison, runs))
        _scale(line, comparison, column)
        line[0].set_ylabel(name)
    for axes in grid[-1]:
        axes.set_xlabel("training step")
    _name_columns(grid[0], [f"{_short(runs[0].name)}:\n{counted(comparison, runs)}" for runs in methods])
    return figure


def adjoint_norms(comparison: Comparison, path: Path) -> None:
    """Draw which part of the last state's adjoint reaches each state: ‖λ_t‖/‖λ_T‖ over time steps t and training steps.

    Above maps, a column per method: white where λ_t is as long as λ_T, blue where shorter, red where longer, gray where there is
    no number; one scale for all. A row per seed or, of many, one of those that learned and one of the others. Below the same as
    curves at the end, a line for every seed.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    rows = map_rows(comparison)
    pictures = {name: [_median(runs) for runs in of_methods] for name, of_methods in rows.items()}
    low, high = _color_limits([table for row in pictures.values() for _, table in row])
    heights = max(4.2, 2.1 * len(rows)), 3.8 + _legend_height(comparison)
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(WIDTH, sum(heights)), layout="constrained")
        maps, curves = np.asarray(figure.subfigures(2, 1, height_ratios=heights)).tolist()
        grid = maps.subplots(len(rows), len(comparison.by_method()), sharex=True, sharey=True, squeeze=False)
        for line, name in zip(grid, rows, strict=True):
            line[0].set_ylabel("training step" if len(rows) == 1 else f"{name}\ntraining step")
            for axes, runs, picture in zip(line, rows[name], pictures[name], strict=True):
                _map(axes, comparison, picture, low, high)
                if name in KINDS:
                    _note(axes, f"{len(runs) or 'no'} seed{'s' * (len(runs) > 1)}")
        _name_columns(grid[0], [_short(runs[0].name) for runs in comparison.by_method()])
        for axes in grid[-1]:
            axes.set_xlabel("time step t")
        _color_bar(maps, grid, low, high)
        _ends(curves.subplots(), comparison)
        _legend(curves, comparison)
        _headline(figure, comparison)
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


def _headline(figure: Any, comparison: Comparison) -> None:
    """Name task, net, start, optimizer and seeds above a figure, in as many lines as it takes."""
    c = comparison.configuration
    seeds = "1 seed" if c.seeds == 1 else f"{c.seeds} seeds"
    start = "its own" if CELLS[c.cell].own_start else c.initialization
    text = (
        f"{c.task}, T = {comparison.task.length}: {c.states} {'tanh' if c.cell == 'rnn' else c.cell} states, {start} start, "
        f"{c.optimizer} {_short(c.rate_in_words)}, {seeds}"
    )
    n_letters = int(WIDTH / A_LETTER * 14 / 12)  # letters of size 12, where those of titles have 14
    figure.suptitle(textwrap.fill(text, n_letters), x=0.01, ha="left", fontsize=12, color="#555555")


def _name_columns(row: Any, names: list[str]) -> None:
    """A title for each panel of the row, in as many lines and as small as its width asks for."""
    width = 0.8 * WIDTH / len(names)
    longest = max(len(word) for name in names for word in name.split())
    size = min(14.0, 14 * width / (longest * A_LETTER))
    for axes, name in zip(row, names, strict=True):
        n_letters = max(int(width / A_LETTER * 14 / size), longest)
        lines = [textwrap.fill(part, n_letters, break_on_hyphens=False) for part in name.split("\n")]
        axes.set_title("\n".join(lines), fontsize=size)


def _short(text: str) -> str:
    return textwrap.shorten(text, LONGEST, placeholder=" …")


def _legend_columns(comparison: Comparison) -> int:
    longest = max(len(_label(comparison, runs)) for runs in comparison.by_method())
    return max(int(WIDTH / (A_LETTER * (longest + 5))), 1)


def _legend_height(comparison: Comparison) -> float:
    """The inches that the lines of the legend take."""
    return 0.3 * -(-len(comparison.by_method()) // _legend_columns(comparison))


def _label(comparison: Comparison, runs: list[Run]) -> str:
    return f"{_short(runs[0].name)}: {counted(comparison, runs)}"


def _legend(figure: Any, comparison: Comparison) -> None:
    """A line per method, with how many of its seeds learned, below the panels."""
    from matplotlib.lines import Line2D

    labels = [_label(comparison, runs) for runs in comparison.by_method()]
    looks = [_style(comparison, runs) for runs in comparison.by_method()]
    lines = [Line2D([], [], color=color, linestyle=style, linewidth=2.6) for color, style in looks]
    figure.legend(lines, labels, loc="outside lower center", ncols=_legend_columns(comparison), handlelength=3)


def _scale(panels: Any, comparison: Comparison, column: str) -> None:
    """The axes of panels side by side, whose lines are drawn."""
    for axes in panels:
        axes.set_xlim(0, comparison.configuration.steps)
        axes.xaxis.get_major_locator().set_params(integer=True, nbins=max(9 // len(panels), 2))
        if column == "val_score":
            _mark_scores(axes, comparison, named=axes is panels[-1])
    if column == "train_loss":
        _scale_losses(panels[0], comparison)


def _mark_scores(axes: Any, comparison: Comparison, *, named: bool) -> None:
    """From 0 to 1, with the score of chance and the one from which the task counts as learned."""
    task = comparison.task
    axes.set_ylim(0, 1.02)
    for score, name, style in ((task.chance, "chance", ":"), (task.learned, "learned", "--")):
        axes.axhline(score, color="#888888", linewidth=1.2, linestyle=style, zorder=1)
        if named:
            axes.annotate(
                name, (1.01, score), None, ("axes fraction", "data"), va="center", color="#666666", fontsize=12
            )


def _scale_losses(axes: Any, comparison: Comparison) -> None:
    """From 0 up; logarithmic where a loss went far beyond where it started."""
    losses = np.array([loss for run in comparison.runs for loss in run.history["train_loss"]])
    losses = losses[np.isfinite(losses)]
    start = comparison.runs[0].history["val_loss"][0]
    if losses.size and losses.max() > TOO_WIDE * start:
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)


def _curves(axes: Any, runs: list[Run], column: str, look: tuple[str, Any]) -> None:
    """A line for every run; what is no finite number is left out."""
    for run in runs:
        values = np.array(run.history[column], dtype=float)
        values[~np.isfinite(values)] = np.nan
        axes.plot(run.history["step"], values, **_line(len(runs), look))


def _ends(axes: Any, comparison: Comparison) -> None:
    """‖λ_t‖/‖λ_T‖ over t: at the start, in gray, and where each run ended."""
    axes.axhline(0, color="#999999", linewidth=1)
    times = np.arange(1, comparison.task.length + 1)
    starts = {run.seed: run.adjoints[0][1] for runs in comparison.by_method() for run in runs}
    for norms in starts.values():
        axes.plot(times, _relative(norms), color="#999999", linestyle=":", linewidth=1.6)
    for runs in comparison.by_method():
        for run in runs:
            axes.plot(times, _relative(run.adjoints[-1][1]), **_line(len(runs), _style(comparison, runs)))
    low, high = axes.get_ylim()
    axes.set(
        xlabel="time step t", ylabel=NORMS, xlim=(1, max(comparison.task.length, 2)), ylim=(max(low, -FAINTEST), min(high, FAINTEST)),
        title="at the end of training; gray and dotted: at its start",
    )  # fmt: skip
    _name_powers(axes.yaxis)


def _line(n: int, look: tuple[str, Any]) -> dict[str, Any]:
    """Choose the look of a line, of a method that has n of them: the more, the thinner."""
    color, style = look
    width, alpha = (2.4, 1.0) if n == 1 else (1.7, 0.9) if n <= FEW else (1.1, 0.75)
    return {"color": color, "linestyle": style, "linewidth": width, "alpha": alpha}


def _style(comparison: Comparison, runs: list[Run]) -> tuple[str, Any]:
    """Color and line of a method: its own in all figures of a comparison, the same in most comparisons."""
    c = comparison.configuration
    labels = [c.method(method).label for method in c.methods if method != "backprop"]
    others = [label for label in labels if label not in FIRST]
    free = [style for label, style in zip_longest(FIRST, STYLES) if label not in labels]
    styles = {**dict(zip(FIRST, STYLES, strict=False)), **dict(zip(others, cycle(free), strict=False))}
    return PLAIN if runs[0].method == "backprop" else styles[c.method(runs[0].method).label]


def map_rows(comparison: Comparison) -> dict[str, list[list[Run]]]:
    """The rows of maps: each by its name, with the runs of every method that it shows."""
    methods = comparison.by_method()
    seeds = sorted({run.seed for runs in methods for run in runs})
    if len(seeds) <= FEW:
        return {f"seed {seed}": [[run for run in runs if run.seed == seed] for runs in methods] for seed in seeds}
    rows = {
        name: [[r for r in runs if comparison.n_learned([r]) == kind] for runs in methods]
        for name, kind in KINDS.items()
    }
    return {name: of_methods for name, of_methods in rows.items() if any(of_methods)}


def _map(axes: Any, comparison: Comparison, picture: tuple[list[int], Array], low: float, high: float) -> None:
    """Relative norms over time steps and training steps, these on an axis log(1 + step), on which the start is seen."""
    steps, table = picture
    planned = comparison.configuration.steps
    axes.set_facecolor(NO_NUMBER)
    axes.grid(visible=False)
    if steps:
        times = np.arange(0.5, table.shape[1] + 1)
        numbers = np.ma.masked_invalid(table)
        axes.pcolormesh(times, _edges(steps), numbers, cmap=_colors(low, high), vmin=low, vmax=high, rasterized=True)
    ticks = [0, *[10**k for k in range(1, len(str(planned))) if 10**k <= planned / 3], planned]
    axes.set_yticks(np.log1p(ticks), [str(tick) for tick in ticks])
    axes.set_ylim(_edges([0, 1])[0], np.log1p(planned))
    axes.xaxis.get_major_locator().set_params(integer=True, nbins=5)


def _note(axes: Any, text: str) -> None:
    axes.text(0.97, 0.94, text, transform=axes.transAxes, ha="right", va="top", fontsize=12,
              bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 2})  # fmt: skip


def _color_bar(figure: Any, grid: Any, low: float, high: float) -> None:
    """The scale of all maps, in powers of ten."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    bar = figure.colorbar(
        ScalarMappable(Normalize(low, high), _colors(low, high)), ax=grid.ravel().tolist(), extend="both"
    )
    bar.set_label(f"length of the adjoint, {NORMS}")
    _name_powers(bar.ax.yaxis)


def _name_powers(axis: Any) -> None:
    """Ticks of an axis of powers of ten: at whole exponents or, within two of them, at 1, 2, 5, 10, …"""
    from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

    low, high = axis.get_view_interval()
    narrow = [digit + k for k in range(-3, 3) for digit in np.log10([1, 2, 5])]
    axis.set_major_locator(MaxNLocator(integer=True, nbins=7) if high - low > 2 else FixedLocator(narrow))
    axis.set_major_formatter(
        FuncFormatter(lambda power, _: f"{10**power:.4g}" if abs(power) < 2 else f"$10^{{{power:g}}}$")
    )


def _color_limits(tables: list[Array]) -> tuple[float, float]:
    """The 1st and 99th percentile of all numbers, from 1 to FAINTEST below and above 0."""
    numbers = np.concatenate([table[np.isfinite(table)] for table in tables] + [np.zeros(1)])
    low, high = np.clip(np.percentile(numbers, [1, 99]), -FAINTEST, FAINTEST)
    return min(float(low), -1.0), max(float(high), 1.0)


def _colors(low: float, high: float) -> Any:
    """The part of COLORS from low to high of a scale that is symmetric about 0, where its middle stays."""
    import matplotlib as mpl
    from matplotlib.colors import ListedColormap

    largest = max(-low, high)
    return ListedColormap(mpl.colormaps[COLORS](0.5 + np.linspace(low, high, 256) / (2 * largest)))


def _edges(steps: list[int]) -> Array:
    """Place the edges of a map's rows on an axis log(1 + step): halfway between two records, and at the last one."""
    at = np.log1p(steps)
    first = at[1] - at[0] if len(at) > 1 else np.log(2)
    return np.array([at[0] - first / 2, *(at[1:] + at[:-1]) / 2, at[-1] if len(at) > 1 else at[0] + first / 2])


def _median(runs: list[Run]) -> tuple[list[int], Array]:
    """The steps that all of the runs recorded, and the median over the runs of the relative norms there, (steps, T)."""
    if not runs:
        return [], np.zeros((0, 1))
    recorded = [dict(run.adjoints) for run in runs]
    steps = [step for step in recorded[0] if all(step in of for of in recorded)]
    tables = [_relative(np.array([of[step] for step in steps])) for of in recorded]
    return steps, np.median(tables, axis=0)


def _relative(norms: Array) -> Array:
    """log10 ‖λ_t‖/‖λ_T‖, at most BEYOND either way; nan where there is nothing to compare."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return np.clip(np.log10(norms / norms[..., -1:]), -BEYOND, BEYOND)

"""The page: page.md with the tables filled in, as README.md, and the plots beside it."""

from __future__ import annotations

from pathlib import Path
from string import Template
from typing import Any

from benchmarks import results
from benchmarks.rows import ROWS
from minigrad.files import write_file
from minigrad.optim import figures

TEMPLATE = Path(__file__).parent / "page.md"
TICKS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50)
THREADS = (1, 2)
STYLES = {  # of a column: color and marker
    "squeezed": (figures.INK, "o"), "eager": ("C1", "s"), "compiled": ("C3", "D"), "compiled, numba": ("C6", "D"),
    "Step": ("C3", "s"), "Step, numba": ("C6", "s"), "PyTorch": ("C0", "^"), "torch.compile": ("C0", "v"), "JAX": ("C2", "^"), "autograd": ("C8", "<"), "MyGrad": ("C9", ">"),
    "PyTorch, other": ("C7", "^"),
}  # fmt: skip


def write(found: results.Found, folder: Path) -> None:
    """README.md, steps.svg and growth.svg there."""
    tables = {f"steps_{threads}": results.steps(found, threads) for threads in THREADS}
    for name, show in results.MEASURES.items():
        tables[name] = show(found[name]["measured"]) if name in found else "Not measured."
    page = Template(TEMPLATE.read_text()).substitute(tables, made=results.made(found))
    write_file(folder / "README.md", page)
    plot_steps({threads: results.rows(found, threads) for threads in THREADS}, folder / "steps.svg")
    if "growth" in found:
        plot_growth(found["growth"]["measured"]["series"], folder / "growth.svg")


def plot_steps(found: dict[int, dict[str, Any]], path: Path) -> None:
    """A mark per contestant and row, its quartiles as a bar, on a logarithmic axis of ratios."""
    axes = figures.panels(len(found), size=(15, 7))
    for axis, (threads, entries) in zip(axes, found.items(), strict=True):
        for who in results.COLUMNS:
            _marks(axis, entries, who)
        axis.axvline(1, color=figures.INK, linewidth=0.8)
        axis.set(xscale="log", xlabel=f"time / NumPy by hand, {threads} thread{'s' if threads > 1 else ''}")
        axis.set_xticks(TICKS, [f"{tick:g}" for tick in TICKS])
        axis.set_xticks([], minor=True)
        axis.set_yticks(range(len(ROWS)), ROWS if axis is axes[0] else [])
        axis.set_ylim(len(ROWS) - 0.5, -0.5)
        axis.grid(visible=False, axis="y")
        for i in range(0, len(ROWS), 2):
            axis.axhspan(i - 0.5, i + 0.5, color=figures.INK, alpha=0.08, linewidth=0, zorder=0)
    handles = {label: handle for axis in axes for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    if handles:
        _legend(axes[0].figure, handles.values(), handles.keys())
    figures.save(axes[0].figure.figure, path)


def plot_growth(series: dict[str, Any], path: Path) -> None:
    """Milliseconds against size, both logarithmic, with a line of slope 1."""
    axes = figures.panels(len(series), size=(15, 4))
    styles = {
        "by hand": "-o",
        "minigrad eager": "C0-s",
        "minigrad compiled": "C1-^",
        "minigrad compiled, numba": "C2-v",
    }
    for axis, (name, of) in zip(axes, series.items(), strict=True):
        for who, milliseconds in of["milliseconds"].items():
            there = [(size, t) for size, t in zip(of["sizes"], milliseconds, strict=True) if t is not None]
            (line,) = axis.plot(*zip(*there, strict=True), styles.get(who, "-"), label=who, markersize=4)
            if who == "by hand":
                line.set_color(figures.INK)
        sizes = of["sizes"]
        lowest = min(t for ts in of["milliseconds"].values() for t in ts if t is not None)
        axis.plot(
            sizes,
            [lowest / 2 * size / sizes[0] for size in sizes],
            ":",
            color=figures.INK,
            linewidth=0.8,
            label="linear",
        )
        axis.set(xscale="log", yscale="log", title=name, xlabel=of["axis"], ylabel="milliseconds")
        axis.title.set_fontsize(9)
        axis.set_xticks(sizes, [f"{size:,}" for size in sizes])
        axis.set_xticks([], minor=True)
    _legend(axes[0].figure, *axes[0].get_legend_handles_labels())
    figures.save(axes[0].figure.figure, path)


def _legend(figure: Any, handles: Any, labels: Any) -> None:
    """Write the names beside the panels, whose lines they would hide."""
    figure.legend(handles, labels, loc="outside right center", frameon=False, labelcolor=figures.INK)


def _marks(axis: Any, entries: dict[str, Any], who: str) -> None:
    there = [
        (i, entries[row]["ratios"][who]) for i, row in enumerate(ROWS) if who in entries.get(row, {}).get("ratios", {})
    ]
    if not there:
        return
    column = results.COLUMNS[who]
    color, marker = STYLES[column]
    offset = (list(STYLES).index(column) / (len(STYLES) - 1) - 0.5) * 0.6  # a lane of its own in every row
    medians = [of["median"] for _, of in there]
    bars = [
        [of["median"] - of["first_quartile"] for _, of in there],
        [of["third_quartile"] - of["median"] for _, of in there],
    ]
    places = [i + offset for i, _ in there]
    axis.errorbar(medians, places, xerr=bars, fmt=marker, color=color, markersize=5, linewidth=1, label=column)

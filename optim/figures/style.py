"""The style of all figures: transparent, one color for axes and text that a page may replace, and a color and a dash per curve."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minigrad.files import write_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#808080"  # axes and their text; legible on white and on black, and to be replaced by a page: svg.replace(INK, "currentColor")
STYLES: tuple[
    tuple[str, Any], ...
] = (  # of the curves, in turn: the colors of Okabe and Ito (2008), light ones darkened until white bears them
    ("#0072b2", "-"),
    ("#d55e00", (0, (4, 1.5))),
    ("#009e73", (0, (6, 1, 1, 1))),
    ("#cc79a7", (0, (1, 1))),
    ("#c48600", (0, (9, 2))),
    ("#3a96cf", (0, (3, 1, 1, 1, 1, 1))),
    ("#8f8f2e", (0, (2, 2))),
    ("#b3507f", (0, (8, 1, 2, 1))),
)
MARKERS = "os^DvPX*"  # of points, in turn
SIZE = 5.6, 3.2  # inches; on a phone, 390 px wide, text of 10 points is then 9 px high


def axes(ax: Axes | None = None, *, size: tuple[float, float] = SIZE) -> Axes:
    """Give the axes to draw into, in the style: those given, or those of a new figure that nothing else knows of."""
    if ax is None:
        try:
            from matplotlib.figure import Figure
        except ImportError as error:
            raise ImportError('figures are drawn by Matplotlib: pip install "minigrad[train]"') from error
        figure = Figure(figsize=size, layout="constrained")
        figure.patch.set_alpha(0)
        ax = figure.add_subplot()
    ax.patch.set_alpha(0)
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color(INK)
    ax.tick_params(colors=INK, which="both")
    ax.xaxis.label.set_color(INK)
    ax.yaxis.label.set_color(INK)
    ax.title.set_color(INK)
    ax.grid(color=INK, alpha=0.2, linewidth=0.7)
    ax.set_axisbelow(True)
    return ax


def figure_of(ax: Axes) -> Figure:
    """Give the whole figure that axes are in."""
    return ax.figure.figure  # of a subfigure too


def styles(n: int) -> list[tuple[str, Any]]:
    """List n styles; where there are too few, each color comes again with another dash."""
    most = len(STYLES)
    return [(STYLES[i % most][0], STYLES[(i + i // most) % most][1]) for i in range(n)]


def markers(n: int) -> list[str]:
    """List n markers, beginning anew where there are too few."""
    return [MARKERS[i % len(MARKERS)] for i in range(n)]


def legend(ax: Axes, **options: Any) -> None:
    """Write the names of the curves, in the color of the axes."""
    ax.legend(frameon=False, labelcolor=INK, **options)


def whole_numbers(ax: Axes) -> None:
    """Let the ticks of the horizontal axis be whole numbers, as of epochs and steps."""
    from matplotlib.ticker import MaxNLocator

    ax.xaxis.set_major_locator(MaxNLocator(integer=True))


def svg(figure: Figure) -> str:
    """Draw the figure as SVG, whose text stays text; the same figure gives the same bytes."""
    return _picture(figure, "svg").decode()


def save(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Write the figure, by the name's ending: .svg, .png or .pdf."""
    write_file(path, _picture(figure, Path(path).suffix[1:].lower() or "svg"))


def _picture(figure: Figure, kind: str) -> bytes:
    import matplotlib as mpl

    picture = io.BytesIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "minigrad"}):
        figure.savefig(picture, format=kind, metadata={"Date": None} if kind == "svg" else None, transparent=True)
    return picture.getvalue()

"""The style of all figures: transparent, axes and text in the color of the page, and a color and a dash per curve."""

from __future__ import annotations

import io
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minigrad.files import write_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#808080"  # axes and their text: in PNG and PDF this gray, legible on white and on black; in SVG `currentColor`
# An SVG file that stands alone has no page whose color it could take.
THEMES = "<style>svg{color:#1c2430}@media (prefers-color-scheme:dark){svg{color:#e8edf3}}</style>"
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
FONT = "'DejaVu Sans', sans-serif"
NO_METADATA = dict.fromkeys(("Date", "Creator", "Format", "Type"))
GIVEN = re.compile(
    r"(figure|axes|patch|line2d|text|[xy]tick|matplotlib\.axis|legend|\w+Collection|QuadContourSet)_\d+"
)  # by Matplotlib
SIZE = 5.6, 3.2  # inches; on a phone, 390 px wide, text of 10 points is then 9 px high
WIDE = 7.0, 3.2  # of several panels


def axes(ax: Axes | None = None, *, size: tuple[float, float] = SIZE, **properties: Any) -> Axes:
    """Give axes to draw into, in the style: those given, or those of a new figure, which is `ax.figure`.

    size:       of a new figure, width and height in inches
    properties: of the axes, as of Matplotlib's `Axes.set`: xlabel, ylabel, title, xlim, yscale

    Errors: ImportError without Matplotlib.

    >>> from minigrad.optim import figures
    >>> ax = figures.axes(xlabel="time step t", ylabel="norm of the adjoint")
    >>> ax.figure.get_size_inches().tolist()
    [5.6, 3.2]
    """
    if ax is None:
        ax = _sheet(size).add_subplot()
    ax.patch.set_alpha(0)
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color(INK)
    ax.tick_params(colors=INK, which="both")
    ax.xaxis.label.set_color(INK)
    ax.yaxis.label.set_color(INK)
    ax.title.set_color(INK)
    ax.grid(color=INK, alpha=0.2, linewidth=0.7)
    ax.set_axisbelow(True)
    ax.set(**properties)
    return ax


def panels(n: int, *, size: tuple[float, float] = WIDE, **properties: Any) -> list[Axes]:
    """Give the axes of n panels beside each other in a new figure, in the style; sizes and properties as of `axes`.

    >>> from minigrad.optim import figures
    >>> left, right = figures.panels(2, xlabel="w")
    >>> left.figure is right.figure
    True
    """
    sheet = _sheet(size)
    return [axes(sheet.add_subplot(1, n, place), **properties) for place in range(1, n + 1)]


def _sheet(size: tuple[float, float]) -> Figure:
    try:
        import matplotlib.figure  # noqa: F401 - whether it is there
    except ImportError as error:
        raise ImportError('figures are drawn by Matplotlib: pip install "minigrad[train]"') from error
    from minigrad.optim.figures.sheet import Sheet

    sheet = Sheet(figsize=size, layout="constrained")
    sheet.patch.set_alpha(0)
    return sheet


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


def legend(ax: Axes, *, beside: bool = False, **options: Any) -> None:
    """Write the names of the curves, in the color of the axes; more than three stand beside the curves, which they would hide.

    beside:  put them there whatever their number
    options: of Matplotlib's `Axes.legend`
    """
    beside = beside or len(ax.get_legend_handles_labels()[1]) > 3
    place: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (1, 1)} if beside else {}
    ax.legend(**{"frameon": False, "labelcolor": INK, **place, **options})


def whole_numbers(ax: Axes) -> None:
    """Let the ticks of the horizontal axis be whole numbers, as of epochs and steps."""
    from matplotlib.ticker import MaxNLocator

    ax.xaxis.set_major_locator(MaxNLocator(integer=True))


def svg(figure: Figure) -> str:
    """Draw the figure as SVG, whose text stays text; the same figure gives the same bytes.

    Axes and text have the color of the page around them (`currentColor`); where the SVG is a file of its own or an image,
    they are dark or light by the reader's theme.
    """
    return _picture(figure, "svg").decode()


def save(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Write the figure, by the name's ending: .svg, .png or .pdf."""
    write_file(path, _picture(figure, Path(path).suffix[1:].lower() or "svg"))


def _picture(figure: Figure, kind: str) -> bytes:
    import matplotlib as mpl

    from minigrad.optim.figures.ticks import write_powers

    write_powers(figure)
    picture = io.BytesIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "minigrad", "font.sans-serif": ["DejaVu Sans"]}):
        figure.savefig(picture, format=kind, metadata=NO_METADATA if kind == "svg" else None, transparent=True)
    if kind != "svg":
        return picture.getvalue()
    text = re.sub(r">\s+<", "><", re.sub(r"<!--.*?-->", "", picture.getvalue().decode()))
    read = set(re.findall(r'#([^")]+)', text))
    text = re.sub(
        r' id="([^"]+)"', lambda name: "" if name[1] not in read and GIVEN.fullmatch(name[1]) else name[0], text
    )
    text = re.sub(r"<[^>]*>", lambda tag: _short(tag[0]), text)  # words of the figure are left as they are
    return re.sub(r"<svg ([^>]*>)", rf'<svg font-family="{FONT}" \1{THEMES}', text, count=1).encode()


def _short(tag: str) -> str:
    """Leave out of places all digits beyond a tenth of a point, and blanks that part nothing; give INK the color of the page."""
    tag = re.sub(
        r'\b(?:d|x|y)="[^"]*"', lambda places: re.sub(r"-?\d+\.\d+", _tenths, " ".join(places[0].split())), tag
    )
    tag = re.sub(r' transform="rotate\(-0 [^)]*\)"', "", tag).replace(
        f" font-family: {FONT};", ""
    )  # said once, of the whole
    return tag.replace(INK, "currentColor")


def _tenths(place: re.Match[str]) -> str:
    return f"{float(place[0]):.1f}".removesuffix(".0")

"""The gallery of activation functions: a panel each with f and f′, all on the same axes, so that they can be compared."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from html import escape
from itertools import pairwise
from pathlib import Path

import numpy as np

from minigrad.activation_table.entry import Activation
from minigrad.activation_table.formulas import printed, settled
from minigrad.drawing.canvas import save
from minigrad.drawing.metrics import width
from minigrad.drawing.png import to_png
from minigrad.drawing.style import BACKGROUND, DARK, FAINT, LIGHT, SANS, TEXT, Face, themes
from minigrad.drawing.svg import named, within
from minigrad.node import Array

LEFT, RIGHT, BOTTOM, TOP = -4.0, 4.0, -1.6, 2.4  # the part of the plane a panel shows, in equal units
UNIT = 28  # pixels
WIDTH, HEIGHT = (RIGHT - LEFT) * UNIT, (TOP - BOTTOM) * UNIT
HEAD = 46  # above a panel: name and formula
GAP_X, GAP_Y = 26, 22
MARGIN = 28
TITLE = "Activation functions and their derivatives"
ABOVE = 62  # the title and the key
COLUMNS = 4  # panels side by side: as wide as a page
SAMPLES = 121  # of a curve, or of a piece of it
ASIDE = 1e-6  # so far beside a jump it has the value of that side

VALUE, SLOPE = "#0072b2", "#d55e00"  # f and f′: differ for the color-blind, and f′ is dashed
GRID, AXIS, FRAME, PANEL = "#eceff2", "#b9c1ca", "#d3dae1", "#fefefe"
PALETTE = {
    **{name: (LIGHT[name], DARK[name]) for name in ("paper", "ink", "faint")},
    "value": (VALUE, "#56b4e9"),
    "slope": (SLOPE, "#ff8a4c"),
    "grid": (GRID, "#1f252f"),
    "axis": (AXIS, "#5f6b79"),
    "frame": (FRAME, "#38424f"),
    "panel": (PANEL, "#151a21"),
}
HEADLINE = Face(19, 24, False, 600, TEXT)
NAME = Face(13.5, 18, False, 600, TEXT)
FORMULA = Face(11, 15, False, 400, FAINT)
TICK = Face(9, 10, False, 400, FAINT)
SMALLEST = 9.0  # a long formula is set smaller, down to this size, and then in two lines
DIGITS = re.compile(r"\d+\.\d{5,}")  # more than one reads in a formula

Curve = tuple[Array, Array]  # x and y of a piece without a jump


class Gallery:
    """A picture of activation functions; in a notebook it shows itself."""

    def __init__(self, entries: Sequence[Activation]) -> None:
        if not entries:
            raise ValueError("a gallery needs at least one activation")
        self.entries = list(entries)
        self.columns = min(len(self.entries), COLUMNS)

    def __repr__(self) -> str:
        return f"<Gallery: {len(self.entries)} activation functions; .svg() .save(path)>"

    def _repr_svg_(self) -> str:
        return within(self.svg())

    def svg(self) -> str:
        """The picture as SVG, light or dark as its reader prefers."""
        rows = -(-len(self.entries) // self.columns)
        wide = 2 * MARGIN + self.columns * WIDTH + (self.columns - 1) * GAP_X
        high = ABOVE + rows * (HEAD + HEIGHT + GAP_Y) + MARGIN - GAP_Y
        panels = []
        for k, entry in enumerate(self.entries):
            row, column = divmod(k, self.columns)
            place = MARGIN + column * (WIDTH + GAP_X), ABOVE + row * (HEAD + HEIGHT + GAP_Y)
            panels.append(f'<g transform="translate({_n(place[0])} {_n(place[1])})">\n{_panel(entry)}\n</g>')
        size = f'width="{_n(wide)}" height="{_n(high)}"'
        looks = f'font-family="{escape(SANS)}"'
        name = named(*panels)
        spoken = f'role="img" aria-labelledby="{name}-title {name}-description"'
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" id="{name}" {size} viewBox="0 0 {_n(wide)} {_n(high)}" {looks} {spoken}>',
            f'<title id="{name}-title">{TITLE}</title>',
            f'<desc id="{name}-description">{escape(self._description())}</desc>',
            f"<style>\n{themes(name, PALETTE)}\n</style>",
            f'<rect {size} fill="{BACKGROUND}"/>',
            _legend(wide),
            *panels,
            "</svg>",
        ]
        return "\n".join(parts) + "\n"

    def _description(self) -> str:
        """The gallery in words."""
        names = ", ".join([entry.name.replace("_", " ") for entry in self.entries])
        return f"f (a line) and f′ (dashed) of {len(self.entries)} functions from {LEFT:g} to {RIGHT:g}: {names}."

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        return {"image/svg+xml": self._repr_svg_(), "text/plain": "\n".join(map(str, self.entries))}

    def save(self, path: str | Path) -> None:
        """Write a file as a whole or not at all; its suffix says which: .svg, or .png by the extra `minigrad[png]`."""
        save(self, path, {".svg": self.svg, ".png": lambda: to_png(self.svg())})


def _legend(wide: float) -> str:
    """The headline, and which line is which."""
    if wide < 560:  # one or two panels: no room for both
        return _key(MARGIN, MARGIN)
    headline = _text(TITLE, MARGIN, MARGIN + 10, HEADLINE)
    return f"{headline}\n{_key(wide - MARGIN - 172, MARGIN + 5)}"


def _key(x: float, y: float) -> str:
    parts = []
    for shift, label, look in ((0, "f(x)", _VALUE_LINE), (86, "f′(x)", _SLOPE_LINE)):
        parts.append(f'<path d="M{_n(x + shift)},{_n(y)}h34" {look}/>')
        parts.append(_text(label, x + shift + 42, y + 4.5, NAME._replace(weight=400)))
    return "\n".join(parts)


def _formula(text: str) -> str:
    """The formula of a panel, as large as it fits."""
    face = FORMULA
    while width(text, face) > WIDTH and face.size > SMALLEST:
        face = face._replace(size=face.size - 0.5)
    if width(text, face) <= WIDTH:
        return _text(text, 0, 33, face)
    first, _, rest = text.partition(" else ")
    return f"{_text(first, 0, 28, face)}\n{_text(f'else {rest}', 0, 39, face)}"


def _panel(entry: Activation) -> str:
    """Name, formula, axes and the two curves of an entry."""
    formula = printed(settled(entry.formula, entry.parameters)) + (f",  {printed(entry.given)}" if entry.given else "")
    properties = entry.properties
    values = _pieces(entry.values, properties["jumps"])
    slopes = _pieces(partial(entry.values, order=1), (*properties["jumps"], *properties["kinks"]))
    return "\n".join(
        [
            f"<title>{escape(str(entry))}</title>",
            _text(entry.name.replace("_", " "), 0, 15, NAME),
            _text(_parameters(entry), WIDTH, 15, FORMULA, ' text-anchor="end"'),
            _formula(DIGITS.sub(lambda number: f"{float(number[0]):.5g}", formula)),
            f'<g transform="translate(0 {HEAD - 4})">',
            _axes(),
            *[_line(piece, _SLOPE_LINE) for piece in slopes],
            *[_line(piece, _VALUE_LINE) for piece in values],
            "</g>",
        ]
    )


def _parameters(entry: Activation) -> str:
    return ", ".join([f"{printed(name)} = {value:.3g}" for name, value in entry.parameters.items()])


def _axes() -> str:
    """A frame, a line per unit, the two axes, and numbers."""
    right, down = _n(WIDTH), _n(HEIGHT)
    lines = [f'<rect width="{right}" height="{down}" fill="{PANEL}" stroke="{FRAME}" rx="3"/>']
    grid = [f"M{_n(_x(i))},0v{down}" for i in range(int(LEFT) + 1, int(RIGHT))]
    grid += [f"M0,{_n(_y(i))}h{right}" for i in range(int(BOTTOM), int(TOP) + 1)]
    lines += [f'<path d="{"".join(grid)}" stroke="{GRID}"/>']
    lines += [f'<path d="M{_n(_x(0))},0v{down}M0,{_n(_y(0))}h{right}" stroke="{AXIS}"/>']
    lines += [_text(f"{i}".replace("-", "−"), _x(i), _y(0) + 10, TICK, _MIDDLE) for i in (-2, 2)]
    lines += [_text(f"{i}".replace("-", "−"), _x(0) - 4, _y(i) - 3, TICK, _END) for i in (-1, 1, 2)]
    return "\n".join(lines)


def _pieces(f: Callable[[Array], Array], breaks: Sequence[float]) -> list[Curve]:
    """The parts of a curve that lie in the frame, broken where it jumps."""
    ends = [LEFT, *sorted(place for place in breaks if LEFT < place < RIGHT), RIGHT]
    pieces = []
    for start, stop in pairwise(ends):
        x = np.linspace(start, stop, SAMPLES)
        y = f(np.clip(x, start + ASIDE, stop - ASIDE))  # at a jump the value of this side
        pieces += _inside(x, y)
    return pieces


def _inside(x: Array, y: Array) -> list[Curve]:
    """The runs between BOTTOM and TOP; where the curve leaves, the point on the edge is interpolated."""
    points: list[tuple[float, float, bool]] = []
    for (x0, y0), (x1, y1) in pairwise(zip(x, y, strict=True)):
        points.append((x0, y0, BOTTOM <= y0 <= TOP))
        for edge in (BOTTOM, TOP):
            if (y0 - edge) * (y1 - edge) < 0:
                points.append((x0 + (x1 - x0) * (edge - y0) / (y1 - y0), edge, True))
    points.append((x[-1], y[-1], BOTTOM <= y[-1] <= TOP))
    runs: list[list[tuple[float, float]]] = [[]]
    for across, up, visible in points:
        if visible:
            runs[-1].append((across, up))
        elif runs[-1]:
            runs.append([])
    return [(np.array(run)[:, 0], np.array(run)[:, 1]) for run in runs if len(run) > 1]


def _line(piece: Curve, look: str) -> str:
    points = [f"{_x(x):.2f},{_y(y):.2f}" for x, y in zip(*_thinned(*piece), strict=True)]
    return f'<path d="M{"L".join(points)}" {look}/>'


def _thinned(x: Array, y: Array) -> Curve:
    """Without the points that lie on the line between their neighbors: straight pieces need two."""
    bends = np.abs(np.diff(y)[1:] * np.diff(x)[:-1] - np.diff(y)[:-1] * np.diff(x)[1:]) > 1e-9
    kept = np.concatenate([[True], bends, [True]])
    return x[kept], y[kept]


def _text(text: str, x: float, y: float, face: Face, more: str = "") -> str:
    weight = f' font-weight="{face.weight}"' if face.weight != 400 else ""
    return f'<text x="{_n(x)}" y="{_n(y)}" font-size="{face.size:g}"{weight} fill="{face.color}"{more}>{escape(text)}</text>'


def _x(x: float) -> float:
    return (x - LEFT) * UNIT


def _y(y: float) -> float:
    return (TOP - y) * UNIT


def _n(number: float) -> str:
    """A coordinate to a tenth of a pixel."""
    return f"{round(number, 1) + 0.0:.1f}".removesuffix(".0")


_VALUE_LINE = f'fill="none" stroke="{VALUE}" stroke-width="2.2" stroke-linejoin="round" stroke-linecap="round"'
_SLOPE_LINE = f'fill="none" stroke="{SLOPE}" stroke-width="1.8" stroke-dasharray="5 3" stroke-linejoin="round"'
_MIDDLE, _END = ' text-anchor="middle"', ' text-anchor="end"'

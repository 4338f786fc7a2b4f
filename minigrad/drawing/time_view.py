"""Adjoints over time as a picture: curves of their norms, and below them the states of every step and the adjoints sent
between them, which fade into the page as they vanish.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from html import escape

from minigrad.drawing import metrics, symbols
from minigrad.drawing.canvas import Picture, as_svg, pixels, text
from minigrad.drawing.decay import Curve, Loop, Run, check_cuts, in_words, power_of_ten, run_of, two_digits
from minigrad.drawing.events import Record
from minigrad.drawing.lanes import JOINT, OUTSIDE, Lane, Link, TimeGrid
from minigrad.drawing.layout import Point
from minigrad.drawing.shades import KEY, PALETTE, Scale
from minigrad.drawing.style import BACKGROUND, FAINT, SCOPE_FILLS, SCOPE_STROKE, TEXT, Face
from minigrad.errors import no_node
from minigrad.node import Node

Runs = Node | Record | Sequence[Node | Record] | Mapping[str, Node | Record]
Cuts = str | Sequence[str | Sequence[str]]

MARGIN = 28.0
PLOT = 900.0  # the width of all steps, but for many,
NARROWEST, NARROW = 9.0, 5.0  # since a step is at least as wide; of states alone
WIDE = 48.0  # the least width of a step in which the links of gates are drawn
ROW, THIN_ROW = 26.0, 16.0
CURVES = 150.0  # the height of the curves
GAP = 18.0
ARC = 14.0  # how far the control point of a link beside another one, or past dots, lies above them
LINKS = 4  # to each dot that the limit allows
TICKS = 6  # on an axis at most

HEADLINE = Face(18, 26, False, 600, TEXT)
PANEL = Face(13.5, 22, False, 600, TEXT)
WORDS = Face(11.5, 17, False, 400, TEXT)
LABEL = Face(11, 15, False, 400, TEXT)
TICK = Face(10, 13, False, 400, FAINT)
CURVE_INKS = ("#1c2430", "#0072b2", "#8a5a00", "#00735c")  # of states; with the dashes below they differ without color
DASHES = ("", "7 3", "2 3", "9 3 2 3")
CUT_INKS = ("#b0380a", "#7a3d9c", "#a01f5c", "#4a5a00")
CUT_DASHES = ("5 3", "2 2.5", "8 3 2 3", "1 3")


def time_view(given: Runs, cut: Cuts, title: str, limit: int) -> TimeView:
    """Draw adjoints over time: of a loss or its record, or of several, in a list or by title in a dictionary."""
    if isinstance(given, Mapping):
        runs = {str(name): run for name, run in given.items()}
    elif isinstance(given, Node | Record):
        runs = {"": given}
    elif isinstance(given, Sequence):
        runs = {f"run {k + 1}": run for k, run in enumerate(given)}
    else:
        raise no_node('mg.draw(view="time") takes a loss or its record, or several', given, "draw each, or the sum")
    if not runs:
        raise ValueError('mg.draw(view="time") takes at least one loss: there is nothing to show')
    for run in runs.values():
        if not isinstance(run, Node | Record):
            raise no_node(
                'mg.draw(view="time") takes losses or their records', run, "give one flat list, or a dictionary"
            )
    cuts = [(cut,)] if isinstance(cut, str) else [(each,) if isinstance(each, str) else tuple(each) for each in cut]
    found = [run_of(symbols.clean(name), run, cuts) for name, run in runs.items()]
    check_cuts(cuts, found)
    view = TimeView(found, title)
    links = sum(len(loop.grid.links) for run in found for loop in run.loops)
    if view.n_dots > limit or links > LINKS * limit:
        raise ValueError(
            f'mg.draw(view="time"): a picture of {view.n_dots} dots and {links} links cannot be read (limit={limit}). Draw fewer '
            "time steps or fewer runs, or raise the limit"
        )
    return view


class TimeView(Picture):
    """The adjoints of states over time, of one run or several on one scale. In a notebook it shows itself.

    runs: the data: grids, and curves of norms
    """

    smallest = TICK.size

    def __init__(self, runs: Sequence[Run], title: str = "") -> None:
        self.runs = tuple(runs)
        self.title = title or self._title()
        self.scale = Scale.of(self.runs)

    def __repr__(self) -> str:
        loops = [loop for run in self.runs for loop in run.loops]
        steps = max(len(loop.grid.steps) for loop in loops)
        states = sum(len(loop.grid.states) for loop in loops)
        return f"<TimeView: {states} states over {steps} steps; .svg() .text() .html() .save(path)>"

    @property
    def n_dots(self) -> int:
        """How many dots the picture has."""
        return sum(len(loop.grid.dots) for run in self.runs for loop in run.loops)

    def _title(self) -> str:
        if len(self.runs) > 1:
            return "Adjoints over time"
        names = dict.fromkeys([loop.grid.name for loop in self.runs[0].loops if loop.grid.name])
        count = max(len(loop.grid.steps) for loop in self.runs[0].loops)
        return f"Adjoints over {count} steps" + (f" of {symbols.shortened(', '.join(names), 60)}" if names else "")

    @cached_property
    def description(self) -> str:  # type: ignore[override]
        """What is measured, in words."""
        return " ".join([f"{line}." for run in self.runs for line in _lines(run, len(self.runs) > 1)])

    def text(self) -> str:
        """The norms of all states by step, with and without cuts, and what is left in words."""
        parts = [self.title]
        for run in self.runs:
            parts += ["", *_lines(run, len(self.runs) > 1)]
            for loop in run.loops:
                parts += ["", *_table(loop)]
        return "\n".join(parts)

    def svg(self) -> str:
        """The picture as SVG, light or dark as its reader prefers."""
        steps = [step for run in self.runs for loop in run.loops for step in loop.grid.steps]
        frame = _Axis.of(min(steps), max(steps), self._labels(), NARROWEST if "gate" in self._marks() else NARROW)
        words = [metrics.width(line, WORDS) + 40 for run in self.runs for line in _lines(run, several=False)]
        legend = self.scale.legend_width(self._direction())
        width = max(frame.right + 64, 2 * MARGIN + max(metrics.width(self.title, HEADLINE), legend, *words))
        parts = [
            text(self.title, MARGIN, MARGIN + 12, HEADLINE),
            self.scale.legend(MARGIN, MARGIN + 32, self._direction()),
            _key(MARGIN + 260, MARGIN + 58, self._marks(), self._crossed(), dense=frame.step < WIDE),
        ]
        y = MARGIN + 84
        for run in self.runs:
            panel = _Panel(run, frame, self.scale, several=len(self.runs) > 1)
            parts.append(panel.drawn(y))
            y += panel.height + GAP
        return as_svg(self.title, self.description, (width, y), PALETTE, "\n".join(parts))

    def _labels(self) -> list[str]:
        """What is written to the left of curves and lanes."""
        loops = [loop for run in self.runs for loop in run.loops]
        curves = [_name(loop, curve, len(loops) > len(self.runs)) for loop in loops for curve in loop.curves]
        return ["from the loss", *curves, *[lane.label for loop in loops for lane in loop.grid.lanes]]

    def _direction(self) -> str:
        """Where adjoints run, if all do the same."""
        ways = {_runs_forward(loop.grid) for run in self.runs for loop in run.loops}
        return "" if len(ways) > 1 else ", from right to left" if ways == {True} else ", from left to right"

    def _marks(self) -> set[str]:
        """The roles of the dots, for the legend."""
        return {lane.role for run in self.runs for loop in run.loops for lane in loop.grid.lanes}

    def _crossed(self) -> str:
        """What a cross stands for in this picture, "" where there is none."""
        grids = [loop.grid for run in self.runs for loop in run.loops]
        sent = [link.norm for grid in grids for link in grid.links]
        norms = sent + [dot.norm for grid in grids for dot in grid.dots if dot.norm is not None]
        meanings = ["exactly 0"] * (0 in norms) + ["no finite number"] * (not all(map(math.isfinite, norms)))
        return ", or ".join(meanings)


def _lines(run: Run, several: bool) -> list[str]:
    """What is left of every curve, in words."""
    found = []
    for loop in run.loops:
        names = [name for name in (run.title if several else "", loop.grid.name if len(run.loops) > 1 else "") if name]
        before = ", ".join(names) + ": " if names else ""
        found += [f"{before}Adjoint of {curve.label}: {in_words(curve)}" for curve in loop.curves]
    return found


def _table(loop: Loop) -> list[str]:
    """A line per step: the norm of each adjoint."""
    rows = [["t", *[curve.label for curve in loop.curves]]]
    for step in sorted(loop.grid.steps):
        norms = [curve.norms.get(step) for curve in loop.curves]
        rows.append([str(step), *["no path" if norm is None else f"{norm:.4g}" for norm in norms]])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join([cell.rjust(size) for cell, size in zip(row, widths, strict=True)]) for row in rows]


class _Axis:
    """Where steps and lanes lie from left to right."""

    def __init__(self, first: int, last: int, left: float, step: float) -> None:
        self.first, self.last, self.left, self.step = first, last, left, step

    @classmethod
    def of(cls, first: int, last: int, labels: Iterable[str], least: float) -> _Axis:
        count = last - first + 1
        left = MARGIN + max(64.0, *[metrics.width(label, LABEL) + 18 for label in labels])
        return cls(first, last, left, max(PLOT / max(count, 5), least))

    @property
    def right(self) -> float:
        return self.left + (self.last - self.first + 1) * self.step

    def band(self, step: int) -> float:
        """The left edge of a step."""
        return self.left + (step - self.first) * self.step

    def x(self, grid: TimeGrid, lane: int, step: int) -> float:
        """The middle of a dot: deeper ones later, as the loop runs."""
        deepest = max(lane.depth for lane in grid.lanes) + 1
        part = (grid.lanes[lane].depth + 0.5 if lane != OUTSIDE else deepest) / deepest
        part = 0.5 + (part - 0.5) * 0.86
        return self.band(step) + self.step * (part if _runs_forward(grid) else 1 - part)

    def ticks(self) -> list[int]:
        """The steps that are numbered: the first, the last, and round ones between them."""
        count = self.last - self.first + 1
        every = next(n for n in _round() if count / n <= 12)
        inner = [step for step in range(self.first, self.last) if step % every == 0]
        room = max(1, math.ceil(26 / self.step))
        inner = [step for step in inner if min(step - self.first, self.last - step) >= room]
        return sorted({self.first, *inner, self.last})


def _round() -> Iterable[int]:
    """1, 2, 5, 10, 20, 50, …"""
    power = 1
    while True:
        yield from (power, 2 * power, 5 * power)
        power *= 10


def _runs_forward(grid: TimeGrid) -> bool:
    return grid.steps[0] <= grid.steps[-1]


class _Panel:
    """A run: its heading, its words, its curves, and its grids on one axis."""

    def __init__(self, run: Run, axis: _Axis, scale: Scale, *, several: bool) -> None:
        self.run, self.axis, self.scale = run, axis, scale
        self.heading = run.title if several else ""
        self.curves = [(loop, curve) for loop in run.loops for curve in loop.curves]
        self.grids = [_Lanes(loop.grid, axis, scale, run.unit, named=len(run.loops) > 1) for loop in run.loops]
        self.top = (PANEL.height if several else 0) + WORDS.height * len(self.curves) + 26

    @property
    def height(self) -> float:
        return self.top + CURVES + 14 + sum(grid.height for grid in self.grids) + 24

    def drawn(self, y: float) -> str:
        parts = [text(self.heading, MARGIN, y + 14, PANEL)] if self.heading else []
        at = y + (PANEL.height if self.heading else 0)
        for k, (loop, curve) in enumerate(self.curves):
            ink, dashes = self._look(k)
            parts.append(_stroke(f"M{pixels(MARGIN)},{pixels(at + 9)}h30", ink, dashes))
            name = f"{loop.grid.name}: " if len(self.run.loops) > 1 else ""
            parts.append(text(f"{name}adjoint of {curve.label}: {in_words(curve)}", MARGIN + 40, at + 13, WORDS))
            at += WORDS.height
        parts.append(self._plot(y + self.top))
        at = y + self.top + CURVES + 14
        for grid in self.grids:
            parts.append(grid.drawn(at))
            at += grid.height
        parts += self._numbers(at + 10)
        return "\n".join(parts)

    def _look(self, k: int) -> tuple[str, str]:
        """The color and the dashes of a curve: one row of looks for states, another one for cuts."""
        cut = bool(self.curves[k][1].without)
        place = [bool(curve.without) for _, curve in self.curves[:k]].count(cut)
        inks, dashes = (CUT_INKS, CUT_DASHES) if cut else (CURVE_INKS, DASHES)
        return inks[place % len(inks)], dashes[(place + place // len(inks)) % len(dashes)]

    def _numbers(self, y: float) -> list[str]:
        axis = self.axis
        parts = []
        for step in axis.ticks():
            words = f"t = {step}" if step == axis.first else str(step)
            parts.append(text(words, axis.band(step) + axis.step / 2, y + 4, TICK, "middle"))
        return parts

    def _plot(self, y: float) -> str:
        """Decades, and a line per curve."""
        axis, low, high = self.axis, self.scale.lowest, self.scale.highest
        tall = CURVES / (high - low)

        def up(decades: float) -> float:
            return y + (high - min(max(decades, low), high)) * tall

        every = next(n for n in _round() if (high - low) / n <= TICKS)
        grid = [k for k in range(low, high + 1) if k % every == 0]
        lines = "".join([f"M{pixels(axis.left)},{pixels(up(k))}H{pixels(axis.right)}" for k in grid])
        parts = [f'<path d="{lines}" stroke="{SCOPE_STROKE}"/>']
        parts += [text("1" if k == 0 else power_of_ten(k), axis.right + 8, up(k) + 3.5, TICK) for k in grid]
        parts.append(text(f"norm of the adjoint, divided by {two_digits(self.run.unit)}", axis.left, y - 8, TICK))
        labels = []
        for k, (loop, curve) in enumerate(self.curves):
            points = self._points(loop, curve, up)
            for piece in points:
                parts.append(_stroke("M" + "L".join([f"{pixels(x)},{pixels(v)}" for x, v in piece]), *self._look(k)))
            if points:
                labels.append(
                    (
                        min(point for piece in points for point in piece)[1],
                        _name(loop, curve, len(self.run.loops) > 1),
                        self._look(k)[0],
                    )
                )
        parts += _beside(labels, axis.left - 8)
        return "\n".join(parts)

    def _points(self, loop: Loop, curve: Curve, up: Callable[[float], float]) -> list[list[Point]]:
        """The curve in pieces: it is broken where there is nothing to plot, and ends where it leaves the plot."""
        lane = next(i for i, lane in enumerate(loop.grid.lanes) if lane.label == curve.state)
        pieces: list[list[Point]] = [[]]
        for step, norm in curve.norms.items():
            if norm is None or not 0 < norm < math.inf:
                pieces.append([])
                continue
            decades = math.log10(norm / self.run.unit)
            if decades >= self.scale.lowest:
                pieces[-1].append((self.axis.x(loop.grid, lane, step), up(decades)))
        return [piece for piece in pieces if piece]


def _name(loop: Loop, curve: Curve, several: bool) -> str:
    """What a curve is called beside it: the state, and of several loops its name as far as there is room."""
    label = symbols.shortened(curve.label, 20)
    name = symbols.shortened(loop.grid.name.split("/")[-1], 10)
    return f"{name}: {label}" if several and name else label


def _beside(labels: list[tuple[float, str, str]], x: float) -> list[str]:
    """Labels at the ends of curves, apart from each other."""
    parts, last = [], -math.inf
    for y, label, ink in sorted(labels):
        last = max(y, last + 13)
        parts.append(text(label, x, last + 4, LABEL._replace(color=ink, weight=600), "end"))
    return parts


def _stroke(path: str, color: str, dashes: str) -> str:
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    return f'<path d="{path}" fill="none" stroke="{color}" stroke-width="2" stroke-linejoin="round"{dashed}/>'


class _Lanes:
    """The grid of a loop: links, then dots."""

    def __init__(self, grid: TimeGrid, axis: _Axis, scale: Scale, unit: float, *, named: bool) -> None:
        self.grid, self.axis, self.scale, self.unit = grid, axis, scale, unit
        self.outside = any(link.source[0] == OUTSIDE for link in grid.links)
        self.head = 20.0 if named else 0.0
        self.is_dense = axis.step < WIDE
        self.rows = self._rows()

    def _rows(self) -> list[float]:
        """The middle of every lane, and of that of the loss, from the top; lanes without links are closer to each other."""
        at, found = 0.0, []
        for lane in [*[lane.role for lane in self.grid.lanes], *["state"] * self.outside]:
            high = THIN_ROW if self.is_dense and lane in ("gate", JOINT) else ROW
            found.append(at + high / 2)
            at += high
        return [*found, at]

    @property
    def height(self) -> float:
        return self.head + self.rows[-1] + 12

    def drawn(self, y: float) -> str:
        grid, axis = self.grid, self.axis
        self.top = y + self.head + 6
        parts = [text(grid.name, axis.left, y + 14, LABEL._replace(weight=600, color=FAINT))] if self.head else []
        back = [f"M{pixels(axis.left)},{pixels(self._y(i))}H{pixels(axis.right)}" for i in range(len(grid.lanes))]
        parts.append(f'<path d="{"".join(back)}" stroke="{SCOPE_FILLS[1]}"/>')
        parts += [self._label(lane.label, i, lane) for i, lane in enumerate(grid.lanes)]
        if self.outside:
            words = "from outside" if self.head else "from the loss"
            parts.append(text(words, axis.left - 12, self._y(OUTSIDE) + 4, LABEL._replace(color=FAINT), "end"))
        return "\n".join([*parts, *self._links(), *self._dots()])

    def _label(self, label: str, row: int, lane: Lane) -> str:
        face = LABEL if lane.role != "state" else LABEL._replace(weight=600)
        return text(label, self.axis.left - 12, self._y(row) + 4, face, "end")

    def _y(self, lane: int) -> float:
        return self.top + self.rows[len(self.grid.lanes) if lane == OUTSIDE else lane]

    def _links(self) -> list[str]:
        """Links of one shade as one path, fainter ones first."""
        paths: dict[int, list[str]] = {}
        crosses = []
        dead = {(dot.lane, dot.step) for dot in self.grid.dots if not dot.norm}
        for link in self.grid.links:
            if self.is_dense and "gate" in self._roles(link):
                continue  # a weave nobody can read, and the dots of gates have the colors of their links
            level = self.scale.level(link.norm / self.unit)
            if level is None and link.source not in dead:  # else the cross of the dot is enough
                crosses.append(self._cross(link))
            elif level is not None:
                paths.setdefault(level, []).append(self._way(link))
        found = []
        for level in sorted(paths):
            color, wide = self.scale.color(level), self.scale.width(level)
            found.append(f'<path d="{"".join(paths[level])}" fill="none" stroke="{color}" stroke-width="{wide:.1f}"/>')
        return [*found, *crosses]

    def _roles(self, link: Link) -> list[str]:
        return [self.grid.lanes[lane].role for lane, _ in (link.source, link.target) if lane != OUTSIDE]

    def _ends(self, link: Link) -> tuple[float, float, float, float]:
        (lane, step), (to_lane, to_step) = link.source, link.target
        x, to_x = self.axis.x(self.grid, lane, step), self.axis.x(self.grid, to_lane, to_step)
        return x, self._y(lane), to_x, self._y(to_lane)

    def _way(self, link: Link) -> str:
        x, y, to_x, to_y = self._ends(link)
        start = f"M{pixels(x)},{pixels(y)}"
        if _is_arc(link):
            middle = (y + to_y) / 2 - _rise(link)
            return f"{start}Q{pixels((x + to_x) / 2)},{pixels(middle)},{pixels(to_x)},{pixels(to_y)}"
        if self.is_dense or y == to_y:
            return f"{start}L{pixels(to_x)},{pixels(to_y)}"
        bend = (to_x - x) / 2
        return (
            f"{start}C{pixels(x + bend)},{pixels(y)},{pixels(to_x - bend)},{pixels(to_y)},{pixels(to_x)},{pixels(to_y)}"
        )

    def _cross(self, link: Link) -> str:
        x, y, to_x, to_y = self._ends(link)
        return _cross((x + to_x) / 2, (y + to_y) / 2 - (_rise(link) / 2 if _is_arc(link) else 0.0), 3.0)

    def _dots(self) -> list[str]:
        size = min(5.5, 1 + self.axis.step * 0.2)
        found = []
        for dot in self.grid.dots:
            lane = self.grid.lanes[dot.lane]
            at = self.axis.x(self.grid, dot.lane, dot.step), self._y(dot.lane)
            norm = math.nan if dot.norm is None else dot.norm
            level = self.scale.level(norm / self.unit)
            shape = _cross(*at, 0.75 * size) if level is None else _shape(lane.role, *at, size, self.scale.color(level))
            said = f"{lane.label} at t = {dot.step}: {two_digits(norm)}"
            found.append(f"<g><title>{escape(said)}</title>{shape}</g>")
        return found


def _is_arc(link: Link) -> bool:
    """Whether it would lie on another link, or on a dot between its own."""
    (lane, step), (to_lane, to_step) = link.source, link.target
    return link.way > 0 or (lane == to_lane and abs(step - to_step) > 1)


def _rise(link: Link) -> float:
    """How far the control point of an arc lies above its ends: longer arcs are higher."""
    return ARC * min(abs(link.source[1] - link.target[1]) + link.way, 4) / 2


def _key(x: float, y: float, roles: set[str], crossed: str, *, dense: bool) -> str:
    """What the shapes stand for, and a cross."""
    meanings = {
        "state": "state",
        "gate": "gate" + ", without its links" * dense,
        JOINT: "sum of what several dots send",
        "": "other operation",
    }
    parts = []
    for role in [role for role in meanings if role in roles]:
        parts += [_shape(role, x, y, 5.0, BACKGROUND, FAINT), text(meanings[role], x + 10, y + 3.5, KEY)]
        x += 26 + metrics.width(meanings[role], KEY)
    if crossed:
        parts += [_cross(x, y, 4.0), text(crossed, x + 10, y + 3.5, KEY)]
    return "\n".join(parts)


def _shape(role: str, x: float, y: float, size: float, color: str, outline: str = SCOPE_STROKE) -> str:
    """A circle for a state, a diamond for a gate, a small circle for the rest."""
    look = f'fill="{color}" stroke="{outline}"'
    if role == "gate":
        r = pixels(size)
        return f'<path d="M{pixels(x)},{pixels(y - size)}l{r},{r}l-{r},{r}l-{r},-{r}z" {look}/>'
    radius = size if role == "state" else size * (0.45 if role == JOINT else 0.7)
    return f'<circle cx="{pixels(x)}" cy="{pixels(y)}" r="{pixels(radius)}" {look}/>'


def _cross(x: float, y: float, size: float) -> str:
    b = pixels(2 * size)
    return (
        f'<path d="M{pixels(x - size)},{pixels(y - size)}l{b},{b}m-{b},0l{b},-{b}" stroke="{TEXT}" stroke-width="1.4"/>'
    )

"""A cell as SVG: its wires with a hop where they cross, its layers and operations, its delays, and what they mean."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from html import escape
from itertools import pairwise

from minigrad.drawing import metrics
from minigrad.drawing.canvas import pixels, text
from minigrad.drawing.cell_graph import BEFORE, INPUT, LAYER, OPERATION, SUM, Item
from minigrad.drawing.cell_panel import Panel
from minigrad.drawing.cell_places import CORNER, Point
from minigrad.drawing.cell_weights import Weight
from minigrad.drawing.style import DARK, LIGHT, Face

LAYER_SIZE, ENTRY_SIZE, NUMBER_SIZE = (100.0, 58.0), (64.0, 34.0), (40.0, 34.0)  # "tanh", "1 −"
CIRCLE_SIZE, LABEL_SIZE, DELAY_SIZE = (32.0, 32.0), (56.0, 30.0), (112.0, 24.0)
BEND, HOP, HEAD = 9.0, 7.0, 9.0
MARGIN = 24.0
KEY_ROW = 40.0
CIRCLES = ("×", "+", "−")
MEANINGS = {
    "layer": "a layer: weights, bias, activation",
    "circle": "an operation, entry by entry",
    "join": "joined: each times its weights, and summed",
    "fork": "copied",
    "hop": "not joined",
}

INK, LINE = LIGHT["ink"], LIGHT["operation-line"]
PALETTE = {
    **{name: (LIGHT[name], DARK[name]) for name in ("paper", "ink", "faint", "frame", "frame-line")},
    **{f"{role}-{part}": (LIGHT[f"{role}-{part}"], DARK[f"{role}-{part}"])
       for role in ("parameter", "input", "operation") for part in ("fill", "line") if (role, part) != ("operation", "fill")},
    "state-fill": ("#e3f3ea", "#12301f"),
    "state-line": ("#1d7a4d", "#5fca93"),
}  # fmt: skip
LAYER_LOOK, INPUT_LOOK, STATE_LOOK, PLAIN_LOOK = (
    (LIGHT["parameter-fill"], LIGHT["parameter-line"]),
    (LIGHT["input-fill"], LIGHT["input-line"]),
    ("#e3f3ea", "#1d7a4d"),
    (LIGHT["paper"], LINE),
)

HEADING = Face(14, 22, False, 600, INK)
SIGN = Face(18, 22, False, 600, INK)
WORD = Face(14, 20, False, 600, INK)
NAME = Face(16, 20, False, 400, INK)
BELOW, SMALLER = 11.5, 11.5  # the size of a subscript, and of a longer name
GATE_ROOM = 60.0  # for the name of a gate, beside its wire
SMALL = Face(11, 14, False, 400, LIGHT["faint"])
WORDS = Face(12.5, 19, False, 400, INK)


class Route:
    """A wire as a line of points with right angles."""

    def __init__(self, ends: tuple[str, str], written: str) -> None:
        self.source, self.target = ends
        self.points = _points(written)

    @property
    def segments(self) -> list[tuple[Point, Point]]:
        """Its straight pieces."""
        return list(pairwise(self.points))

    def crossings(self, others: Sequence[Route]) -> list[Point]:
        """Where its vertical pieces cross horizontal ones of wires that come from elsewhere."""
        found: dict[Point, None] = {}
        for (x, top), (to, bottom) in self.segments:
            for other in others:
                for (left, y), (right, end) in other.segments:
                    across = x == to and y == end and other.source != self.source
                    if across and min(left, right) < x < max(left, right) and min(top, bottom) < y < max(top, bottom):
                        found[x, y] = None
        return list(found)


class Frame:
    """The picture of one cell."""

    def __init__(self, panel: Panel, *, headed: bool) -> None:
        self.panel = panel
        self.top = HEADING.height if headed else 0.0
        self.routes = [Route(ends, written) for ends, written in panel.routes.items()]
        points = [point for route in self.routes for point in route.points]
        self.right = max(x for x, _ in points)
        label = LABEL_SIZE[1] / 2
        self.bottom = max([*[y for _, y in points], *[y + label for _, y in panel.cell.places.values()]])
        self.width = max(
            self.right + MARGIN + 8, *[metrics.width(line, WORDS) + 2 * MARGIN for line in panel.caption()]
        )

    @property
    def height(self) -> float:
        """The height, with its words below."""
        return self.top + self.bottom + 24 + WORDS.height * len(self.panel.caption()) + 16

    def drawn(self) -> str:
        """The picture, from (0, 0) on."""
        parts = [text(self.panel.name, MARGIN, 12, HEADING)] if self.top else []
        parts.append(f'<g transform="translate(0 {pixels(self.top)})">')
        parts += [self._frame(), *self._wires(), *self._heads(), *self._signs(), *self._delays()]
        parts += [self._item(name) for name in self.panel.way]
        parts += [self._label(name, STATE_LOOK) for name in self._outputs()]
        parts += [*self._names(), "</g>"]
        y = self.top + self.bottom + 24 + WORDS.height / 2
        parts += [text(line, MARGIN, y + k * WORDS.height, WORDS) for k, line in enumerate(self.panel.caption())]
        return "\n".join(parts)

    def _outputs(self) -> list[str]:
        return [route.target for route in self.routes if route.target.startswith("out ")]

    def _frame(self) -> str:
        (left, top), cell = CORNER, self.panel.cell
        size = f'width="{pixels(cell.right - left)}" height="{pixels(cell.bottom - top)}"'
        return f'<rect x="{pixels(left)}" y="{pixels(top)}" {size} rx="16" fill="{LIGHT["frame"]}" stroke="{LIGHT["frame-line"]}"/>'

    # Wires -----------------------------------------------------------------------------------------------------------

    def _wires(self) -> Iterator[str]:
        yield f'<g fill="none" stroke="{LINE}" stroke-width="2">'
        for route in self.routes:
            words = escape(self.panel.wire(route.source, route.target))
            yield f'<path d="{_line(route.points, route.crossings(self.routes))}"><title>{words}</title></path>'
        yield "</g>"

    def _heads(self) -> Iterator[str]:
        tips = dict.fromkeys([route.segments[-1] for route in self.routes])
        delays = [self._delay(route) for route in self.routes if route.target.endswith("'")]
        heads = [_head(way) for way in tips] + [_head(way) for way in delays]
        yield f'<path fill="{LINE}" d="{"".join(dict.fromkeys(heads))}"/>'

    def _delay(self, route: Route) -> tuple[Point, Point]:
        """The way into the delay, which sits in the middle of the longest piece."""
        (x, y), (to, _) = max(route.segments, key=lambda piece: abs(piece[1][0] - piece[0][0]))
        return (x, y), ((x + to) / 2 + DELAY_SIZE[0] / 2, y)

    def _delays(self) -> Iterator[str]:
        for route in self.routes:
            if route.target.endswith("'"):
                _, (x, y) = self._delay(route)
                x -= DELAY_SIZE[0] / 2
                yield _rounded((x, y), DELAY_SIZE, PLAIN_LOOK, 12) + text("delay: one step", x, y + 4, SMALL, "middle")

    def _signs(self) -> Iterator[str]:
        """Beside the arrows into a difference, which one is subtracted."""
        for route in self.routes:
            known = self.panel.way.get(route.target)
            item = (
                self.panel.graph.items[known]
                if known is not None and route.target in self.panel.cell.equations
                else None
            )
            if item is not None and item.sign == "−" and len(item.sources) == 2:
                sign = "+" if item.sources[0] == self.panel.way[route.source] else "−"
                (x, _), (to, y) = route.segments[-1]
                at = (to - 13, y - 6) if x != to else (to + 13, y + 17)
                yield text(sign, *at, WORD, "middle")

    # Items -----------------------------------------------------------------------------------------------------------

    def _item(self, name: str) -> str:
        item, at = self.panel.item(name), self.panel.cell.places[name]
        if item.kind in (BEFORE, INPUT):
            return self._label(name, STATE_LOOK if item.kind == BEFORE else INPUT_LOOK)
        title = f"<title>{escape(self.panel.formula(name))}</title>"
        if item.kind in (LAYER, SUM):
            return f"<g>{title}{_rounded(at, LAYER_SIZE, LAYER_LOOK, 5)}{_layer_words(item, self.panel.weights(item), at)}</g>"
        size = size_of(item)
        face = SIGN if item.sign in CIRCLES else WORD
        words = text(metrics.fitting(item.sign, face, size[0] - 8), at[0], at[1] + 0.33 * face.size, face, "middle")
        return f"<g>{title}{_rounded(at, size, PLAIN_LOOK, size[1] / 2)}{words}</g>"

    def _label(self, name: str, look: tuple[str, str]) -> str:
        x, y = self.panel.cell.places[name]
        return _rounded((x, y), LABEL_SIZE, look, LABEL_SIZE[1] / 2) + _name(
            *self.panel.label(name), x, y + 4, "middle"
        )

    def _names(self) -> Iterator[str]:
        """The names of gates beside the wire that leaves them, and of states where they leave the frame."""
        right = self.panel.cell.right
        for name in self.panel.cell.equations:
            if name in self.panel.cell.states:
                way = next(route for route in self.routes if route.source == name and route.target.endswith("'"))
                y = next(y for (x, y), (to, _) in way.segments if x < right < to)
                room = max(x for x, _ in way.points) - right - 12
                yield _name(*self.panel.label(name), right + 7, y - 9, "", room)
            elif self.panel.letter(name):
                x, y = self.panel.cell.places[name]
                above = y - size_of(self.panel.item(name))[1] / 2 - 9
                yield _name(*self.panel.label(name), x + 8, above, "", GATE_ROOM)

    def signs(self) -> set[str]:
        """What of `MEANINGS` there is in the picture."""
        tips = Counter([tip for tip, _ in {(route.points[-1], route.source) for route in self.routes}])
        found = {
            "layer": True,
            "circle": any(item.kind == OPERATION for item in self.panel.graph.items),
            "join": max(tips.values()) > 1,
            "fork": max(Counter([route.source for route in self.routes]).values()) > 1,
            "hop": any(route.crossings(self.routes) for route in self.routes),
        }
        return {sign for sign, is_there in found.items() if is_there}


class Key:
    """What boxes and lines mean, in rows."""

    def __init__(self, signs: set[str], width: float) -> None:
        self.rows: list[list[tuple[str, str, float]]] = [[]]
        x = MARGIN
        for sign, words in MEANINGS.items():
            length = 50 + metrics.width(words, SMALL)
            if sign in signs:
                if self.rows[-1] and x + length > width - MARGIN:
                    self.rows.append([])
                    x = MARGIN
                self.rows[-1].append((sign, words, x))
                x += length + 22

    @property
    def height(self) -> float:
        """The height of its rows."""
        return KEY_ROW * len(self.rows)

    def drawn(self, y: float) -> Iterator[str]:
        """The signs and their words, from there on down."""
        for k, row in enumerate(self.rows):
            for sign, words, x in row:
                middle = y + KEY_ROW * (k + 0.5)
                yield _sample(sign, x, middle) + text(words, x + 50, middle + 4, SMALL)


def size_of(item: Item) -> tuple[float, float]:
    """The width and height of a layer or an operation."""
    if item.kind in (LAYER, SUM):
        return LAYER_SIZE
    return CIRCLE_SIZE if item.sign in CIRCLES else NUMBER_SIZE if item.sign[0].isdigit() else ENTRY_SIZE


def _layer_words(item: Item, used: Sequence[Weight], at: Point) -> str:
    """The activation, the names of weights and biases, and which part of them, if it is the same of all."""
    x, y = at
    spans = {weight.part for weight in used}
    part = next(iter(spans)) if len(spans) == 1 else ""
    units = [weight.unit for weight in used if weight.unit != "entries"] or ["entries"]
    names = " ".join([weight.name if len(spans) == 1 else weight.text for weight in used])
    lines = [metrics.fitting(names, SMALL, LAYER_SIZE[0] - 8), *([f"{units[0]} {part}"] if part else [])]
    sign = item.sign or "linear"
    top = y - 8 if part else y - 2
    parts = [
        text(
            metrics.fitting(sign, SIGN if item.sign else WORD, LAYER_SIZE[0] - 10),
            x,
            top,
            SIGN if item.sign else WORD,
            "middle",
        )
    ]
    parts += [text(line, x, top + 16 + 13 * k, SMALL, "middle") for k, line in enumerate(lines)]
    return "".join(parts)


def _name(letter: str, below: str, x: float, y: float, anchor: str, room: float = LABEL_SIZE[0] - 6) -> str:
    """A letter and its subscript; a longer name is set smaller."""
    room -= metrics.width(below, NAME._replace(size=BELOW))
    face = NAME if metrics.width(letter, NAME) <= room else NAME._replace(size=SMALLER)
    whole = text(metrics.fitting(letter, face, room), x, y, face, anchor)
    if not below:
        return whole
    return f'{whole.removesuffix("</text>")}<tspan font-size="{BELOW:g}" dy="4">{escape(below)}</tspan></text>'


def _rounded(at: Point, size: tuple[float, float], look: tuple[str, str], corner: float) -> str:
    (x, y), (width, height), (fill, line) = at, size, look
    place = (
        f'x="{pixels(x - width / 2)}" y="{pixels(y - height / 2)}" width="{pixels(width)}" height="{pixels(height)}"'
    )
    return f'<rect {place} rx="{pixels(corner)}" fill="{fill}" stroke="{line}" stroke-width="1.6"/>'


def _points(written: str) -> list[Point]:
    """The points of a route: "80,130 H194 V40"."""
    first, *further = written.split()
    x, y = map(float, first.split(","))
    points = [(x, y)]
    for step in further:
        x, y = (float(step[1:]), y) if step[0] == "H" else (x, float(step[1:]))
        points.append((x, y))
    return points


def _line(points: Sequence[Point], crossings: Sequence[Point]) -> str:
    """The path along the points: bends are round, and at a crossing it hops."""
    parts = [f"M{_at(points[0])}"]
    for k, (a, b) in enumerate(pairwise(points)):
        way = _way(a, b)
        for x, y in sorted([c for c in crossings if _lies_on(c, a, b)], key=lambda c: c[1] * way[1]):
            turn = 1 if way[1] > 0 else 0  # to the right on either way
            parts.append(f"V{pixels(y - HOP * way[1])}A{HOP:g},{HOP:g} 0 0 {turn} {_at((x, y + HOP * way[1]))}")
        if k == len(points) - 2:
            parts.append(f"L{_at(_before(a, b, HEAD - 2))}")
        else:
            parts.append(f"L{_at(_before(a, b, BEND))}Q{_at(b)} {_at(_before(points[k + 2], b, BEND))}")
    return "".join(parts)


def _lies_on(point: Point, a: Point, b: Point) -> bool:
    return a[0] == b[0] == point[0] and min(a[1], b[1]) < point[1] < max(a[1], b[1])


def _way(a: Point, b: Point) -> Point:
    """The direction from a to b."""
    return float((b[0] > a[0]) - (b[0] < a[0])), float((b[1] > a[1]) - (b[1] < a[1]))


def _before(a: Point, b: Point, distance: float) -> Point:
    """The point that far before b, on the way from a."""
    x, y = _way(a, b)
    return b[0] - distance * x, b[1] - distance * y


def _head(way: tuple[Point, Point]) -> str:
    """The triangle at the end of a wire."""
    (x, y), tip = _way(*way), way[1]
    foot = tip[0] - HEAD * x, tip[1] - HEAD * y
    corners = [(foot[0] + 4.2 * s * y, foot[1] + 4.2 * s * x) for s in (1, -1)]
    return f"M{_at(tip)}L{_at(corners[0])}L{_at(corners[1])}z"


def _at(point: Point) -> str:
    return f"{pixels(point[0])},{pixels(point[1])}"


def _sample(kind: str, x: float, y: float) -> str:
    """The sign of an entry of the legend, 40 wide."""
    if kind == "layer":
        return _rounded((x + 20, y), (36, 22), LAYER_LOOK, 4)
    if kind == "circle":
        return _rounded((x + 20, y), (22, 22), PLAIN_LOOK, 11) + text("×", x + 20, y + 5, WORD, "middle")
    from_left, from_below = f"M{_at((x + 1, y))}", f"M{_at((x + 20, y + 14))}"
    branch = {
        "join": f"{from_below}v-5q0,-9 9,-9h5",
        "fork": f"{from_left}h12q9,0 9,-9v-5",
        "hop": f"{from_below}v-7a7,7 0 0 0 0,-14v-7",
    }[kind]
    return f'<path fill="none" stroke="{LINE}" stroke-width="2" d="{from_left}h38{branch}"/>'

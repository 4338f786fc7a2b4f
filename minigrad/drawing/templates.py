"""The inside of one block, laid out once: where its children lie, where its ports are, and the route of each link.

Everything is laid out downward: x along rows, y from row to row, from the corner of the block. A long link passes each row
between its ends at a bend, and all links from one port share theirs.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, permutations
from typing import NamedTuple

from minigrad.drawing.coordinates import coordinates
from minigrad.drawing.grid import End, Grid
from minigrad.drawing.layout import Point, Route
from minigrad.drawing.ordering import order
from minigrad.drawing.ranks import ranks

TIP = 7.0  # length of an arrow's head
BETWEEN_BENDS = 10.0
BETWEEN_OPERANDS = 16.0
NEARLY = 14.0  # an arrow that is nearly straight starts beside the middle of its box, and is straight
TALL = 200.0  # a row as deep as that has a block in it
MANY_LANES = 3  # lanes up to which all orders are tried


class Child(NamedTuple):
    """A box or a block within a block: its extents along and across rows, and the ports of a block, from its middle."""

    breadth: float
    depth: float
    late: bool = False
    ins: tuple[tuple[int, float], ...] | None = None  # None: a box
    outs: tuple[tuple[int, float], ...] = ()


class Link(NamedTuple):
    """From the port `out` of a child to the port or operand `into` of another; -1 is the block itself."""

    source: int
    out: int
    target: int
    into: int


class Spec(NamedTuple):
    """All that a template depends on.

    after:     pairs of children of which the second one reads the first by reference, and so comes later
    ins, outs: the numbers of its ports
    lanes:     if these are lanes, their order from left to right
    """

    children: tuple[Child, ...]
    links: tuple[Link, ...]
    after: tuple[tuple[int, int], ...]
    ins: tuple[int, ...]
    outs: tuple[int, ...]
    lanes: tuple[int, ...] = ()


class Spacing(NamedTuple):
    """How far apart things lie: rows, boxes in a row; and the room around: first, last, left, right; the least breadth."""

    rows: float
    boxes: float
    first: float
    last: float
    left: float
    right: float
    least: float = 0.0


@dataclass(frozen=True, slots=True)
class Template:
    """A block laid out: its extents, the middles of its children, its ports from its left edge, the routes of its links."""

    breadth: float
    depth: float
    centers: tuple[Point, ...]
    ins: Mapping[int, float]
    outs: Mapping[int, float]
    routes: Mapping[Link, Route]


def in_best_order(spec: Spec, spacing: Spacing) -> Sketch:
    """A sketch whose lanes, which are its ports, stand so that there are few crossings and short detours."""
    lanes = sorted({*spec.ins, *spec.outs})
    if len(lanes) > MANY_LANES:
        free = Sketch(spec, spacing)
        orders = [tuple(sorted(lanes, key=free.where))]
    else:
        orders = list(permutations(lanes))
    return min([Sketch(spec._replace(lanes=lanes), spacing) for lanes in orders], key=Sketch.cost)


def _below_blocks(spec: Spec, layer: Sequence[int], links: Sequence[tuple[int, int]]) -> list[int]:
    """Rows in which what nobody links to, such as a reference, has a row of its own below the blocks of its row."""
    blocks = {row for child, row in zip(spec.children, layer, strict=True) if child.ins is not None}
    sources, targets = {source for source, _ in links}, {target for _, target in links}
    low = {
        i
        for i, (child, row) in enumerate(zip(spec.children, layer, strict=True))
        if row in blocks and child.ins is None and i in sources and i not in targets
    }
    split = sorted({layer[i] for i in low})
    return [row + bisect_left(split, row) + (i in low) for i, row in enumerate(layer)]


class Sketch:
    """A block whose rows are ordered and whose items have their places in them; `template` is the finished layout."""

    def __init__(self, spec: Spec, spacing: Spacing) -> None:
        self.spec, self.spacing = spec, spacing
        self.grid = Grid()
        inner = [(link.source, link.target) for link in spec.links if link.source >= 0 and link.target >= 0]
        layer = _below_blocks(spec, ranks([child.late for child in spec.children], [*inner, *spec.after]), inner)
        first = 1 if spec.ins else 0
        count = 1 + max(layer, default=0) + first + (1 if spec.outs else 0)
        self.grid.rows = [[] for _ in range(count)]
        self.row = [number + first for number in layer]
        for child, row in zip(spec.children, self.row, strict=True):
            self.grid.add(row, child.breadth, spacing.boxes)
        self.ins = {port: self._port(0) for port in spec.ins}
        self.outs = {port: self._port(len(self.grid.rows) - 1) for port in spec.outs}
        self._pin()
        self.operands = self._operands()
        self.ways = self._ways()
        self.crossings = order(self.grid)
        self.x = coordinates(self.grid)
        for ports in (self.ins, self.outs):
            self._gather(sorted(ports.values(), key=lambda port: self.x[port]))
        self.bent = self._bent()

    def _port(self, row: int) -> int:
        self.row.append(row)
        return self.grid.add(row, 0.0, BETWEEN_BENDS)

    def _gather(self, ports: Sequence[int]) -> None:
        """Put ports, which share their row with nobody, where their links want them, as near as their distances allow.

        The nearest places in order are means of runs (R. E. Barlow and others, Statistical inference under order restrictions,
        1972): neighbors that want to pass each other stand side by side.
        """
        offsets = [0.0]
        for left, right in pairwise(ports):
            offsets.append(offsets[-1] + self.grid.distance(left, right))
        runs: list[tuple[float, int]] = []  # the mean of what is wanted, and of how many
        for port, offset in zip(ports, offsets, strict=False):
            wanted = [
                self.x[other] + there - here for other, here, there in (*self.grid.ups[port], *self.grid.downs[port])
            ]
            mean, count = (sum(wanted) / len(wanted) if wanted else self.x[port]) - offset, 1
            while runs and runs[-1][0] > mean:
                before, many = runs.pop()
                mean, count = (before * many + mean * count) / (many + count), many + count
            runs.append((mean, count))
        places = [mean for mean, count in runs for _ in range(count)]
        for port, offset, place in zip(ports, offsets, places, strict=False):
            self.x[port] = place + offset

    def _pin(self) -> None:
        """Lanes stand in the same order where they enter and where they leave."""
        for rank, lane in enumerate(self.spec.lanes):
            for ports in (self.ins, self.outs):
                if lane in ports:
                    self.grid.pins[ports[lane]] = rank

    def _operands(self) -> dict[Link, float]:
        """Where links arrive at boxes, from their middles: operands in their order, from left to right."""
        arriving: dict[int, list[Link]] = {}
        for link in self.spec.links:
            if link.target >= 0 and self.spec.children[link.target].ins is None:
                arriving.setdefault(link.target, []).append(link)
        places = {}
        for target, links in arriving.items():
            room = self.spec.children[target].breadth - 20
            step = min(BETWEEN_OPERANDS, room / max(1, len(links) - 1))
            for place, link in enumerate(sorted(links, key=lambda link: link.into)):
                places[link] = (place - (len(links) - 1) / 2) * step
        return places

    def _ends(self, link: Link) -> tuple[int, float, int, float]:
        """The items a link joins, and where on them."""
        source = self.ins[link.out] if link.source < 0 else link.source
        target = self.outs[link.into] if link.target < 0 else link.target
        above = below = 0.0
        if link.source >= 0 and self.spec.children[link.source].ins is not None:
            above = dict(self.spec.children[link.source].outs)[link.out]
        if link.target >= 0:
            ports = self.spec.children[link.target].ins
            below = self.operands[link] if ports is None else dict(ports)[link.into]
        return source, above, target, below

    def _ways(self) -> dict[Link, list[int]]:
        """The items each link passes, its ends included; joins them in the grid."""
        leaving: dict[tuple[int, int], list[Link]] = {}
        for link in self.spec.links:
            leaving.setdefault((link.source, link.out), []).append(link)
        ways = {}
        for links in leaving.values():
            ends = [self._ends(link) for link in links]
            source, above = ends[0][:2]
            trunk = [source]
            for row in range(self.row[source] + 1, max(self.row[target] for _, _, target, _ in ends)):
                bend = self.grid.add(row, 0.0, BETWEEN_BENDS, bend=True)
                self.row.append(row)
                self.grid.link(trunk[-1], bend, above if len(trunk) == 1 else 0.0, 0.0)
                trunk.append(bend)
            for link, (_, _, target, below) in zip(links, ends, strict=True):
                ways[link] = [*trunk[: self.row[target] - self.row[source]], target]
                upper = ways[link][-2]
                self.grid.link(upper, target, above if upper == source else 0.0, below)
        return ways

    def cost(self) -> tuple[int, float]:
        """How bad a layout is: crossings, then detours."""
        return self.crossings, self.bent

    def _bent(self) -> float:
        """How far links lead aside, those from the one end of a lane to the other too."""
        x = self.x
        aside = [
            x[item] + here - x[other] - there for item, ends in enumerate(self.grid.ups) for other, here, there in ends
        ]
        aside += [x[port] - x[self.outs[lane]] for lane, port in self.ins.items() if lane in self.outs]
        return sum([abs(way) for way in aside])

    def where(self, lane: int) -> float:
        """Where a lane would stand by itself."""
        return self.x[self.ins[lane] if lane in self.ins else self.outs[lane]]

    def settle(self, places: Mapping[int, float]) -> None:
        """Put the ports of lanes there. A line comes along as a whole if there is room for it below or above its lane."""
        for ports, ends in ((self.ins, self.grid.downs), (self.outs, self.grid.ups)):
            for lane, port in ports.items():
                self.x[port] = places[lane]
                line = self._bends(port, ends)
                if all(self._has_room(item, places[lane]) for item in line):
                    for item in line:
                        self.x[item] = places[lane]

    def _bends(self, port: int, ends: Sequence[Sequence[End]]) -> list[int]:
        """The bends that a line from or to a port passes, while it has no branch."""
        line: list[int] = []
        at = ends[port]
        while len(at) == 1 and self.grid.bends[at[0].other]:
            line.append(at[0].other)
            at = ends[line[-1]]
        return line

    def _has_room(self, item: int, x: float) -> bool:
        """Whether an item may stand there, between the neighbors it has."""
        row = self.grid.rows[self.row[item]]
        k = row.index(item)
        left = k == 0 or self.x[row[k - 1]] + self.grid.distance(row[k - 1], item) <= x
        return left and (k + 1 == len(row) or x <= self.x[row[k + 1]] - self.grid.distance(item, row[k + 1]))

    # Coordinates in pixels -------------------------------------------------------------------------------------------

    def template(self) -> Template:
        left, right = self._extent()
        shift = self.spacing.left - left
        breadth = max(right + shift + self.spacing.right, self.spacing.least)
        self.x = [x + shift for x in self.x]
        self.tops, self.bottoms, depth = self._rows()
        self.middles = [self._middle(item) for item in range(len(self.row))]
        centers = [(self.x[item], self.middles[item]) for item in range(len(self.spec.children))]
        return Template(
            breadth,
            depth,
            tuple(centers),
            {port: self.x[item] for port, item in self.ins.items()},
            {port: self.x[item] for port, item in self.outs.items()},
            {link: self._route(link, way) for link, way in self.ways.items()},
        )

    def _extent(self) -> tuple[float, float]:
        """The leftmost and the rightmost point of any item."""
        halves = [breadth / 2 for breadth in self.grid.breadths]
        left = min([x - half for x, half in zip(self.x, halves, strict=True)], default=0.0)
        return left, max([x + half for x, half in zip(self.x, halves, strict=True)], default=0.0)

    def _rows(self) -> tuple[list[float], list[float], float]:
        """Where each row begins and ends, and where the block ends; ports lie on its edges."""
        tops, bottoms = [], []
        last = len(self.grid.rows) - 1
        y = 0.0 if self.ins else self.spacing.first
        for number, row in enumerate(self.grid.rows):
            tops.append(y)
            y += max([self.spec.children[item].depth for item in row if item < len(self.spec.children)], default=0.0)
            bottoms.append(y)
            gap = self.spacing.rows
            if number == 0 and self.ins:
                gap = max(gap, self.spacing.first)
            if number + 1 == last and self.outs:
                gap = max(gap, self.spacing.last)
            y += gap if number < last else 0.0 if self.outs else self.spacing.last
        return tops, bottoms, y

    def _route(self, link: Link, way: Sequence[int]) -> Route:
        """Straight through rows, curved between them, and straight into the target's port."""
        _, above, _, below = self._ends(link)
        first, last = way[0], way[-1]
        start_x = self.x[first] + above
        next_x = self.x[way[1]] + (below if len(way) == 2 else 0.0)
        if first < len(self.spec.children) and self.spec.children[first].ins is None:
            room = min(NEARLY, self.grid.breadths[first] / 2 - 10)
            start_x = next_x if abs(next_x - start_x) <= room else start_x
        start = (start_x, self._edge(first, 1))
        end = (self.x[last] + below, self._edge(last, -1))
        tip = TIP if link in self.operands else 0.0
        pieces: list[tuple[Point, ...]] = []
        x, y = start
        for upper, lower in pairwise(way):
            to_x = end[0] if lower == last else self.x[lower]
            to_y = min(self.tops[self.row[lower]], end[1] - tip) if lower == last else self.tops[self.row[lower]]
            from_y = self.bottoms[self.row[upper]]
            if from_y > y:
                pieces.append(((x, from_y),))
            middle = (to_y - from_y) / 2
            curve = ((x, from_y + middle), (to_x, to_y - middle), (to_x, to_y))
            pieces.append(curve if abs(to_x - x) > 0.5 else ((to_x, to_y),))
            x, y = to_x, to_y
        if end[1] - tip > y:
            pieces.append(((x, end[1] - tip),))
        return Route(start, tuple(pieces), end)

    def _depth(self, item: int) -> float:
        return self.spec.children[item].depth if item < len(self.spec.children) else 0.0

    def _middle(self, item: int) -> float:
        """The y of an item's middle: beside a tall block, what nobody links to lies low, and what links to nobody, high."""
        top, bottom, half = self.tops[self.row[item]], self.bottoms[self.row[item]], self._depth(item) / 2
        if bottom - top > TALL and item < len(self.spec.children):
            if not self.grid.ups[item]:
                return bottom - half
            if not self.grid.downs[item]:
                return top + half
        return (top + bottom) / 2

    def _edge(self, item: int, side: int) -> float:
        """The y of an item's upper (-1) or lower (1) edge."""
        return self.middles[item] + side * self._depth(item) / 2

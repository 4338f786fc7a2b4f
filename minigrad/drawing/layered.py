"""A layered layout of our own, after Sugiyama, Tagawa and Toda (1981): layers, order within layers, coordinates, curves.

Everything is laid out downward; other directions turn the result. A long arrow passes each layer between its ends at a
waypoint, and all arrows from one box share theirs. Scopes are kept together: in a layer their boxes stand side by side,
and two scopes that meet in one layer stand in the same order in all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from minigrad.drawing import metrics
from minigrad.drawing.diagram import Box, Diagram
from minigrad.drawing.layers import layers, sources_first
from minigrad.drawing.layout import Frame, Layout, Point, Route, prefixes
from minigrad.drawing.style import HEADING

MARGIN = 18.0
TIP = 7.0  # length of an arrow's head
PAD = 12.0  # between a frame and what is in it
BETWEEN_LAYERS = {"TB": 34.0, "BT": 34.0, "LR": 46.0}
BETWEEN_BOXES = {"TB": 24.0, "BT": 24.0, "LR": 16.0}
BETWEEN_WAYPOINTS = 10.0
BETWEEN_PORTS = 16.0
ORDER_SWEEPS = 24
SWAP_SWEEPS = 8
MANY = 2000  # items from which one attempt at an order has to do
PLACE_SWEEPS = 12
RELAX_SWEEPS = 8
LONGEST_HEADING = 160.0
NEARLY = 14.0  # an arrow that is nearly straight starts beside the middle of its box, and is straight

Scope = tuple[str, ...]


@dataclass(slots=True)
class Item:
    """What stands in a layer: a box, a waypoint of arrows, or a placeholder that keeps a scope's frame clear.

    breadth is its extent within the layer, depth across it; before and after are (item, offset of the port there, own
    port's offset, weight).
    """

    breadth: float
    depth: float
    scope: Scope
    layer: int
    box: int | None = None
    placeholder: bool = False
    before: list[tuple[int, float, float, float]] = field(default_factory=list)
    after: list[tuple[int, float, float, float]] = field(default_factory=list)


def layered(diagram: Diagram, direction: str) -> Layout:
    """Place the boxes and route the arrows of a diagram."""
    return _Sketch(diagram, direction).layout()


class _Sketch:
    """The state of one layout."""

    def __init__(self, diagram: Diagram, direction: str) -> None:
        self.diagram = diagram
        self.direction = direction
        self.sideways = direction == "LR"
        ends = [(arrow.source, arrow.target) for arrow in diagram.arrows]
        late = [box.late for box in diagram.boxes]
        self.items = [
            self._item(i, box, layer)
            for i, (box, layer) in enumerate(zip(diagram.boxes, layers(late, ends), strict=True))
        ]
        self.ways = self._waypoints()
        self.scopes = prefixes([box.scope for box in diagram.boxes])
        self.spans = self._spans()
        self._placeholders()
        self.rows: list[list[int]] = [[] for _ in range(1 + max(item.layer for item in self.items))]
        for i, item in enumerate(self.items):
            self.rows[item.layer].append(i)
        self.x = [0.0] * len(self.items)  # where the middles of the items are, along their layers
        if not self.sideways:
            self._widen()

    def layout(self) -> Layout:
        self._order()
        self._place()
        return _Finish(self).layout()

    def _item(self, index: int, box: Box, layer: int) -> Item:
        breadth, depth = (box.height, box.width) if self.sideways else (box.width, box.height)
        return Item(breadth, depth, box.scope, layer, index)

    # Waypoints -------------------------------------------------------------------------------------------------------

    def _waypoints(self) -> list[list[int]]:
        """Join the items by links from layer to layer; gives the items each arrow passes, its ends included."""
        arriving: dict[int, list[int]] = {}
        leaving: dict[int, list[int]] = {}
        for i, arrow in enumerate(self.diagram.arrows):
            arriving.setdefault(arrow.target, []).append(i)
            leaving.setdefault(arrow.source, []).append(i)
        self.ports = [0.0] * len(self.diagram.arrows)
        for target, arrows in arriving.items():  # operands arrive in their order, from left to right
            room = self.items[target].breadth - 20
            step = min(BETWEEN_PORTS, room / max(1, len(arrows) - 1))
            for place, i in enumerate(sorted(arrows, key=lambda i: self.diagram.arrows[i].slot)):
                self.ports[i] = (place - (len(arrows) - 1) / 2) * step
        ways: list[list[int]] = [[] for _ in self.diagram.arrows]
        for source, arrows in leaving.items():
            trunk = self._trunk(source, arrows)
            for i in arrows:
                target = self.diagram.arrows[i].target
                ways[i] = [*trunk[: self.items[target].layer - self.items[source].layer], target]
                self._link(ways[i][-2], target, self.ports[i])
        return ways

    def _trunk(self, source: int, arrows: Iterable[int]) -> list[int]:
        """The source, and one waypoint in each layer down to the last target's; all its arrows share them."""
        targets = [self.items[self.diagram.arrows[i].target] for i in arrows]
        trunk = [source]
        for layer in range(self.items[source].layer + 1, max(target.layer for target in targets)):
            scope = self.items[source].scope
            for target in targets:
                if target.layer > layer:
                    scope = _common(scope, target.scope)
            self.items.append(Item(0.0, 0.0, scope, layer))
            self._link(trunk[-1], len(self.items) - 1, 0.0)
            trunk.append(len(self.items) - 1)
        return trunk

    def _link(self, upper: int, lower: int, port: float) -> None:
        """Join two items of neighboring layers; the straighter the more of it is waypoints."""
        weight = (1.0, 2.0, 8.0)[(self.items[upper].box is None) + (self.items[lower].box is None)]
        self.items[lower].before.append((upper, 0.0, port, weight))
        self.items[upper].after.append((lower, port, 0.0, weight))

    # Scopes ----------------------------------------------------------------------------------------------------------

    def _spans(self) -> dict[Scope, tuple[int, int]]:
        """The first and last layer of each scope."""
        spans: dict[Scope, tuple[int, int]] = {}
        for item in self.items:
            for depth in range(1, len(item.scope) + 1):
                first, last = spans.get(item.scope[:depth], (item.layer, item.layer))
                spans[item.scope[:depth]] = (min(first, item.layer), max(last, item.layer))
        return spans

    def _placeholders(self) -> None:
        """In each layer of a scope something must stand for it, or a stranger might."""
        present = {(item.scope[:depth], item.layer) for item in self.items for depth in range(1, len(item.scope) + 1)}
        for scope in reversed(self.scopes):  # inner ones first: they stand for the outer ones too
            last: int | None = None
            for layer in range(self.spans[scope][0], self.spans[scope][1] + 1):
                if (scope, layer) in present:
                    last = None
                    continue
                present.update((scope[:depth], layer) for depth in range(1, len(scope) + 1))
                self.items.append(Item(0.0, 0.0, scope, layer, placeholder=True))
                if last is not None:
                    self._link(last, len(self.items) - 1, 0.0)
                last = len(self.items) - 1

    # Order within layers ---------------------------------------------------------------------------------------------

    def _order(self) -> None:
        """Sweep down and up, sorting each layer by the means of its neighbors; keep the order with fewest crossings."""
        for row in self.rows:
            self._sort(row, {i: float(i) for i in row}, {})
        self._fix_scopes()
        best, fewest = [row[:] for row in self.rows], self._crossings()
        start, places = best, self.x[:]
        for turn in range(2 if len(self.items) < MANY else 1):  # begin downward, then once more upward
            for row, kept in zip(self.rows, start, strict=True):
                row[:] = kept
            self.x = places[:]
            for sweep in range(turn, ORDER_SWEEPS + turn):
                if fewest == 0:
                    break
                self._sweep(down=sweep % 2 == 0)
                crossings = self._crossings()
                if crossings < fewest:
                    best, fewest = [row[:] for row in self.rows], crossings
        for row, kept in zip(self.rows, best, strict=True):
            row[:] = kept
            self._pack(row)
        for _ in range(SWAP_SWEEPS):
            swapped = [self._swap(row) for row in self.rows]
            if not any(swapped):
                break

    def _swap(self, row: list[int]) -> bool:
        """Exchange neighbors of one scope whose links cross less the other way round; gives whether there were any."""
        swapped = False
        for place in range(len(row) - 1):
            left, right = row[place : place + 2]
            if self.items[left].scope == self.items[right].scope and self._tangle(right, left) < self._tangle(
                left, right
            ):
                row[place : place + 2] = right, left
                swapped = True
        if swapped:
            self._pack(row)
        return swapped

    def _tangle(self, left: int, right: int) -> int:
        """How many links of the two cross if they stand in this order."""
        a, b = self.items[left], self.items[right]
        crossings = 0
        for mine, others in ((a.before, b.before), (a.after, b.after)):
            ends = [self.x[other] + there for other, there, _, _ in others]
            crossings += sum([self.x[one] + there > end for one, there, _, _ in mine for end in ends])
        return crossings

    def _sweep(self, down: bool) -> None:
        scope_keys = self._scope_keys()
        for row in self.rows if down else reversed(self.rows):
            self._sort(row, {i: self._mean(i, down) for i in row}, scope_keys)

    def _fix_scopes(self) -> None:
        """One order of scopes for all layers, as the first sorting left them."""
        keys = self._scope_keys()
        for row in self.rows:
            self._sort(row, {i: self.x[i] for i in row}, keys)

    def _mean(self, i: int, down: bool) -> float:
        """Where the item would best stand: the weighted mean of where its neighbors want it."""
        item = self.items[i]
        links = (item.before if down else item.after) or item.before or item.after
        return _wanted(self.x, links, self.x[i])

    def _scope_keys(self) -> dict[Scope, float]:
        """Where a scope wants to stand: the mean of all that is in it."""
        sums: dict[Scope, list[float]] = {}
        for i, item in enumerate(self.items):
            wanted = _wanted(self.x, item.before + item.after, self.x[i])
            for depth in range(1, len(item.scope) + 1):
                total = sums.setdefault(item.scope[:depth], [0.0, 0.0])
                total[0] += wanted
                total[1] += 1
        return {scope: total / count for scope, (total, count) in sums.items()}

    def _sort(self, row: list[int], keys: dict[int, float], scope_keys: dict[Scope, float]) -> None:
        """Sort by key, scopes as blocks."""

        def path(i: int) -> tuple[tuple[float, Scope, float], ...]:
            scope = self.items[i].scope
            around = [(scope_keys.get(scope[:d], 0.0), scope[:d], 0.0) for d in range(1, len(scope) + 1)]
            return (*around, (keys[i], (), self.x[i]))

        row.sort(key=path)
        self._pack(row)

    def _pack(self, row: Sequence[int]) -> None:
        """Put the items of a layer as close to each other as they may be, around 0."""
        x = 0.0
        for left, right in zip([None, *row], row, strict=False):
            x += 0.0 if left is None else self.distance(left, right)
            self.x[right] = x
        for i in row:
            self.x[i] -= x / 2

    def _crossings(self) -> int:
        """How many links cross, layer by layer."""
        total = 0
        for row in self.rows:
            seen: list[float] = []
            for i in row:
                item = self.items[i]
                ends = sorted([self.x[lower] + port for lower, port, _, _ in item.after])
                total += sum([len(seen) - _position(seen, end) for end in ends])
                for end in ends:
                    seen.insert(_position(seen, end), end)
        return total

    # Coordinates -----------------------------------------------------------------------------------------------------

    def distance(self, left: int, right: int) -> float:
        """How far apart the middles of two neighbors in a layer must be, the frames between them included."""
        a, b = self.items[left], self.items[right]
        shared = len(_common(a.scope, b.scope))
        closing, opening = len(a.scope) - shared, len(b.scope) - shared
        return (a.breadth + b.breadth) / 2 + self.gap(left, right) + closing * PAD + opening * (PAD + self.heading)

    def gap(self, left: int, right: int) -> float:
        """The air between two neighbors, items or frames: waypoints need less."""
        count = len(self.items)
        airy = all(i >= count or self.items[i].box is not None for i in (left, right))
        return BETWEEN_BOXES[self.direction] if airy else BETWEEN_WAYPOINTS

    def _widen(self) -> None:
        """Give the widest box of each scope the room that the scope's name needs."""
        widest: dict[Scope, int] = {}
        for i, item in enumerate(self.items[: len(self.diagram.boxes)]):
            for depth in range(1, len(item.scope) + 1):
                best = widest.setdefault(item.scope[:depth], i)
                if item.breadth > self.items[best].breadth:
                    widest[item.scope[:depth]] = i
        for scope, i in widest.items():
            name = min(metrics.width(scope[-1], HEADING), LONGEST_HEADING)
            self.items[i].breadth = max(self.items[i].breadth, name + 20 - 2 * PAD)

    @property
    def heading(self) -> float:
        """The room for a scope's name, where it lies across the layers."""
        return HEADING.height if self.sideways else 0.0

    def _place(self) -> None:
        """Sweep down and up, moving each layer as close to where its neighbors want it as the order allows."""
        for sweep in range(PLACE_SWEEPS):
            down = sweep % 2 == 0
            for row in self.rows if down else reversed(self.rows):
                self._settle(row, down, both=sweep >= PLACE_SWEEPS - 4)
        constraints = _Constraints(self)
        constraints.satisfy()
        for sweep in range(RELAX_SWEEPS):
            constraints.relax(down=sweep % 2 == 0)
        for way in self.ways:
            constraints.straighten(way[1:-1])
        self.x = constraints.x[: len(self.items)]

    def _settle(self, row: list[int], down: bool, both: bool) -> None:
        """Least squares under an order and distances: pool neighbors that want to be closer than they may."""
        blocks: list[tuple[float, float, list[int]]] = []  # where it wants to begin, weight, offsets' owners
        offsets: list[float] = []
        for place, i in enumerate(row):
            item = self.items[i]
            links = item.before + item.after if both else (item.before if down else item.after)
            wanted = _wanted(self.x, links, self.x[i])
            weight = sum([w for _, _, _, w in links]) or 0.1
            offsets.append(offsets[-1] + self.distance(row[place - 1], i) if place else 0.0)
            block = (wanted - offsets[-1], weight, [place])
            while blocks and blocks[-1][0] > block[0]:
                start, heavy, members = blocks.pop()
                together = heavy + block[1]
                block = ((start * heavy + block[0] * block[1]) / together, together, members + block[2])
            blocks.append(block)
        for start, _, members in blocks:
            for place in members:
                self.x[row[place]] = start + offsets[place]


def _wanted(x: Sequence[float], links: Sequence[tuple[int, float, float, float]], otherwise: float) -> float:
    """The weighted mean of where the links would make an item stand."""
    total = weights = 0.0
    for other, there, here, weight in links:
        total += weight * (x[other] + there - here)
        weights += weight
    return total / weights if weights else otherwise


def _position(ordered: Sequence[float], value: float) -> int:
    """How many entries are at most the value."""
    low, high = 0, len(ordered)
    while low < high:
        middle = (low + high) // 2
        if ordered[middle] <= value:
            low = middle + 1
        else:
            high = middle
    return low


def _common(a: Scope, b: Scope) -> Scope:
    """The innermost scope around both."""
    shared = 0
    for x, y in zip(a, b, strict=False):
        if x != y:
            break
        shared += 1
    return a[:shared]


class _Constraints:
    """Who must stand how far left of whom: items, and both edges of each frame, in all layers at once.

    Pushing all to the right as far as needed satisfies them, so does pushing to the left, and so does the mean of the two.
    """

    def __init__(self, sketch: _Sketch) -> None:
        self.items, self.rows, self.scopes = sketch.items, sketch.rows, sketch.scopes
        self.first = first = len(sketch.items)  # of the edges: they alternate, left and right
        self.left_edge = {scope: first + 2 * i for i, scope in enumerate(sketch.scopes)}
        self.count = first + 2 * len(sketch.scopes)
        self.x = [*sketch.x, *[0.0] * (self.count - first)]
        self.members: dict[Scope, list[int]] = {}
        for i, item in enumerate(self.items):
            for depth in range(1, len(item.scope) + 1):
                self.members.setdefault(item.scope[:depth], []).append(i)
        gaps: dict[tuple[int, int], float] = {}
        for row in sketch.rows:
            line = self._line(row)
            for (left, opens, breadth), (right, _, other) in pairwise(line):
                closes = right >= first and (right - first) % 2 == 1
                room = PAD + sketch.heading * opens if opens or closes else sketch.gap(left, right)
                gaps[left, right] = max(gaps.get((left, right), 0.0), breadth + room + other)
        self.lefts: list[list[tuple[int, float]]] = [[] for _ in range(self.count)]
        self.rights: list[list[tuple[int, float]]] = [[] for _ in range(self.count)]
        for (left, right), gap in gaps.items():
            self.lefts[right].append((left, gap))
            self.rights[left].append((right, gap))
        self.order = sources_first([[i for i, _ in x] for x in self.lefts], [[i for i, _ in x] for x in self.rights])

    def _line(self, row: Sequence[int]) -> list[tuple[int, bool, float]]:
        """The items of a layer and the edges of the frames between: (who, whether it opens a frame, half its breadth)."""
        line = []
        around: Scope = ()
        for i in (*row, None):
            scope = () if i is None else self.items[i].scope
            shared = len(_common(around, scope))
            line += [(self.left_edge[around[:depth]] + 1, False, 0.0) for depth in range(len(around), shared, -1)]
            line += [(self.left_edge[scope[:depth]], True, 0.0) for depth in range(shared + 1, len(scope) + 1)]
            if i is not None:
                line.append((i, False, self.items[i].breadth / 2))
            around = scope
        return line

    def satisfy(self) -> None:
        """Move the items as little as the constraints allow."""
        self._tighten(self.scopes[::-1])
        right, left = self.x[:], self.x[:]
        for i in self.order:
            right[i] = max([right[i], *[right[j] + gap for j, gap in self.lefts[i]]])
        for i in reversed(self.order):
            left[i] = min([left[i], *[left[j] - gap for j, gap in self.rights[i]]])
        self.x = [(a + b) / 2 for a, b in zip(right, left, strict=True)]
        self._tighten(self.scopes[::-1])

    def relax(self, down: bool) -> None:
        """Move each item, then each scope as a whole, to where its links want it, as far as there is room."""
        for row in self.rows if down else reversed(self.rows):
            for i in row if down else reversed(row):
                wanted = _wanted(self.x, self.items[i].before + self.items[i].after, self.x[i])
                self._move(i, min(max(wanted, self._lowest(i)), self._highest(i)))
        for scope in reversed(self.scopes):
            self._shift(scope)
            self._tighten([scope[:depth] for depth in range(len(scope) - 1, 0, -1)])

    def straighten(self, waypoints: Sequence[int]) -> None:
        """Put as many successive waypoints as there is room for on one straight line."""
        run: list[int] = []
        room = (float("-inf"), float("inf"))
        for i in waypoints:
            low, high = self._lowest(i), self._highest(i)
            if max(low, room[0]) > min(high, room[1]):
                self._align(run, room)
                run, room = [], (float("-inf"), float("inf"))
            run.append(i)
            room = (max(low, room[0]), min(high, room[1]))
        self._align(run, room)

    def _align(self, run: Sequence[int], room: tuple[float, float]) -> None:
        if run:
            x = min(max(sum([self.x[i] for i in run]) / len(run), room[0]), room[1])
            for i in run:
                self._move(i, x)

    def _shift(self, scope: Scope) -> None:
        """Move a scope as a whole."""
        members = self.members[scope]
        inside = set(members)
        pulls = [
            (other, there, here + self.x[i], weight)
            for i in members
            for other, there, here, weight in self.items[i].before + self.items[i].after
            if other not in inside
        ]
        edge = self.left_edge[scope]
        way = _wanted(self.x, pulls, 0.0)
        way = min(max(way, self._lowest(edge) - self.x[edge]), self._highest(edge + 1) - self.x[edge + 1])
        within = [self.left_edge[s] + side for s in self.scopes if s[: len(scope)] == scope for side in (0, 1)]
        for i in (*members, *within):
            self.x[i] += way

    def _lowest(self, i: int) -> float:
        """How far left it may go; the left edges of its own scopes give way, as far as they have room themselves."""
        bound = float("-inf")
        near = [(i, 0.0)]
        for who, offset in near:  # grows
            for j, gap in self.lefts[who]:
                if j >= self.first and (j - self.first) % 2 == 0:
                    near.append((j, offset + gap))
                else:
                    bound = max(bound, self.x[j] + gap + offset)
        return bound

    def _highest(self, i: int) -> float:
        """How far right it may go; likewise."""
        bound = float("inf")
        near = [(i, 0.0)]
        for who, offset in near:  # grows
            for j, gap in self.rights[who]:
                if j >= self.first and (j - self.first) % 2 == 1:
                    near.append((j, offset + gap))
                else:
                    bound = min(bound, self.x[j] - gap - offset)
        return bound

    def _move(self, i: int, x: float) -> None:
        """Move an item; the edges of its frames follow where it reaches beyond them or gives them room."""
        before, self.x[i] = self.x[i], x
        for side, neighbors, others, outer in ((0, self.lefts, self.rights, min), (1, self.rights, self.lefts, max)):
            who, was = i, before
            while True:
                edges = [(j, gap) for j, gap in neighbors[who] if j >= self.first and (j - self.first) % 2 == side]
                if not edges:
                    break
                ((edge, gap),) = edges
                gap = gap if side else -gap
                old = self.x[edge]
                if outer(self.x[who] + gap, old) != old:
                    self.x[edge] = self.x[who] + gap
                elif abs(was + gap - old) < 1e-9:
                    self.x[edge] = outer([self.x[j] + (near if side else -near) for j, near in others[edge]])
                else:
                    break
                who, was = edge, old

    def _tighten(self, scopes: Iterable[Scope]) -> None:
        """Put the edges of these frames, inner ones first, close around what is in them."""
        for scope in scopes:
            edge = self.left_edge[scope]
            self.x[edge] = min([self.x[j] - gap for j, gap in self.rights[edge]])
            self.x[edge + 1] = max([self.x[j] + gap for j, gap in self.lefts[edge + 1]])


# The finished picture ------------------------------------------------------------------------------------------------


class _Finish:
    """Coordinates in pixels, out of the order and places of a sketch; layers lie below each other until `turned`."""

    def __init__(self, sketch: _Sketch) -> None:
        self.sketch = sketch
        rooms = self._rooms()
        self.tops: list[float] = []
        self.bottoms: list[float] = []
        y = MARGIN
        for layer, row in enumerate(sketch.rows):
            starting = [before for scope, (before, _) in rooms.items() if sketch.spans[scope][0] == layer]
            y += max(starting, default=0.0)
            self.tops.append(y)
            y += max(sketch.items[i].depth for i in row)
            self.bottoms.append(y)
            ending = [after for scope, (_, after) in rooms.items() if sketch.spans[scope][1] == layer]
            y += max(ending, default=0.0) + BETWEEN_LAYERS[sketch.direction]
        self.length = y - BETWEEN_LAYERS[sketch.direction] + MARGIN
        frames = self._frames(rooms)
        ends = [(x - item.breadth / 2, x + item.breadth / 2) for x, item in zip(sketch.x, sketch.items, strict=True)]
        self.shift = MARGIN - min([left for left, _ in ends] + [frame[0] for frame in frames.values()])
        self.breadth = MARGIN + self.shift + max([end for _, end in ends] + [frame[1] for frame in frames.values()])
        self.frames = frames

    def layout(self) -> Layout:
        sketch = self.sketch
        boxes = zip(sketch.x, sketch.items[: len(sketch.diagram.boxes)], strict=False)
        size = (self.length, self.breadth) if sketch.sideways else (self.breadth, self.length)
        return Layout(
            *size,
            tuple([self.turned((x, (self.tops[item.layer] + self.bottoms[item.layer]) / 2)) for x, item in boxes]),
            tuple([self._route(way, port) for way, port in zip(sketch.ways, sketch.ports, strict=True)]),
            tuple([self._frame(scope) for scope in sketch.scopes]),
            ordered=True,
        )

    def turned(self, point: Point) -> Point:
        """From layers below each other to the direction asked for."""
        x, y = point[0] + self.shift, point[1]
        if self.sketch.sideways:
            return (y, x)
        return (x, self.length - y if self.sketch.direction == "BT" else y)

    def _route(self, way: Sequence[int], port: float) -> Route:
        """Straight through layers, curved between them, and straight into the target's port."""
        items = self.sketch.items
        first, last = items[way[0]], items[way[-1]]
        next_x = self.sketch.x[way[1]] + (port if len(way) == 2 else 0.0)
        straight = abs(next_x - self.sketch.x[way[0]]) <= min(NEARLY, first.breadth / 2 - 10)
        start = (
            next_x if straight else self.sketch.x[way[0]],
            (self.tops[first.layer] + self.bottoms[first.layer] + first.depth) / 2,
        )
        tip = (self.sketch.x[way[-1]] + port, (self.tops[last.layer] + self.bottoms[last.layer] - last.depth) / 2)
        points: list[tuple[Point, ...]] = []
        x, y = start
        for upper, lower in pairwise(way):
            end = lower == way[-1]
            to_x, to_y = tip[0] if end else self.sketch.x[lower], self.tops[items[lower].layer]
            if end:
                to_y = min(to_y, tip[1] - TIP)
            from_y = self.bottoms[items[upper].layer]
            if from_y > y:
                points.append(((x, from_y),))
            middle = (to_y - from_y) / 2
            points.append(
                ((x, from_y + middle), (to_x, to_y - middle), (to_x, to_y)) if abs(to_x - x) > 0.5 else ((to_x, to_y),)
            )
            x, y = to_x, to_y
        if tip[1] - TIP > y:
            points.append(((x, tip[1] - TIP),))
        pieces = tuple([tuple([self.turned(point) for point in piece]) for piece in points])
        return Route(self.turned(start), pieces, self.turned(tip))

    # Frames ----------------------------------------------------------------------------------------------------------

    def _rooms(self) -> dict[Scope, tuple[float, float]]:
        """What each frame needs before its first layer and after its last: padding, heading, frames within."""
        sketch = self.sketch
        heading = {"TB": (HEADING.height, 0.0), "BT": (0.0, HEADING.height), "LR": (0.0, 0.0)}[sketch.direction]
        rooms: dict[Scope, tuple[float, float]] = {}
        inner: dict[Scope, tuple[float, float]] = {}
        for scope in reversed(sketch.scopes):
            within = inner.get(scope, (0.0, 0.0))
            rooms[scope] = (PAD + heading[0] + within[0], PAD + heading[1] + within[1])
            around, span = scope[:-1], sketch.spans[scope]
            if around:
                same = [a == b for a, b in zip(span, sketch.spans[around], strict=True)]
                most = inner.get(around, (0.0, 0.0))
                inner[around] = (
                    max(most[0], rooms[scope][0] * same[0]),
                    max(most[1], rooms[scope][1] * same[1]),
                )
        return rooms

    def _frames(self, rooms: Mapping[Scope, tuple[float, float]]) -> dict[Scope, tuple[float, float, float, float]]:
        """Left, right, top and bottom of each frame, close around what is in it."""
        sketch = self.sketch
        ends: dict[Scope, tuple[float, float]] = {}
        for x, item in zip(sketch.x, sketch.items, strict=True):
            if item.scope and not item.placeholder:
                _widen(ends, item.scope, x - item.breadth / 2, x + item.breadth / 2)
        frames = {}
        for scope in reversed(sketch.scopes):
            left, right = ends[scope][0] - PAD - sketch.heading, ends[scope][1] + PAD
            _widen(ends, scope[:-1], left, right)
            first, last = sketch.spans[scope]
            frames[scope] = (left, right, self.tops[first] - rooms[scope][0], self.bottoms[last] + rooms[scope][1])
        return frames

    def _frame(self, scope: Scope) -> Frame:
        left, right, top, bottom = self.frames[scope]
        (x, y), (to_x, to_y) = self.turned((left, top)), self.turned((right, bottom))
        return Frame(scope, min(x, to_x), min(y, to_y), abs(to_x - x), abs(to_y - y))


def _widen(ends: dict[Scope, tuple[float, float]], scope: Scope, left: float, right: float) -> None:
    before = ends.get(scope, (left, right))
    ends[scope] = (min(before[0], left), max(before[1], right))

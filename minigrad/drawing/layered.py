"""A layered layout of our own: blocks are laid out inside out, blocks of one structure once; then they are stamped.

Everything is laid out downward; other directions turn the result. The steps of a chain lie one after another, so that the
values they hand on run in straight lanes.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import pairwise

from minigrad.drawing import metrics
from minigrad.drawing.blocks import Block, Edge, Part, Tree, tree
from minigrad.drawing.diagram import Arrow, Diagram
from minigrad.drawing.layout import Frame, Layout, Point, Route
from minigrad.drawing.style import FACES, HEADING
from minigrad.drawing.templates import BETWEEN_BENDS, Child, Link, Sketch, Spacing, Spec, Template, in_best_order

MARGIN = 18.0
PAD = 12.0  # between a frame and what is in it
BETWEEN_ROWS = {"TB": 34.0, "BT": 34.0, "LR": 46.0}
BETWEEN_BOXES = {"TB": 24.0, "BT": 24.0, "LR": 16.0}
LONGEST_HEADING = 160.0
BETWEEN_DELAYS = 9.0
TIP = 7.0  # length of an arrow's head
BELOW_DELAYS = 20.0  # for a label, where they run to the left
CORNER = 5.0  # radius of a turn of a delay


def layered(diagram: Diagram, direction: str) -> Layout:
    """Place the boxes and route the arrows of a diagram."""
    inside_out = _InsideOut(diagram, direction)
    return _stamped(diagram, direction, inside_out.tree, inside_out.links, inside_out.templates)


class _InsideOut:
    """Templates for all blocks, inner ones first."""

    def __init__(self, diagram: Diagram, direction: str) -> None:
        self.diagram, self.direction = diagram, direction
        arrows = [(arrow.source, arrow.target, arrow.slot) for arrow in diagram.arrows if arrow.role != "delay"]
        self.tree = tree([box.path for box in diagram.boxes], arrows, diagram.references)
        for arrow in [arrow for arrow in diagram.arrows if arrow.role == "delay"]:
            if self._leads_around(arrow):
                self.tree.add_delay(arrow.source, arrow.target, arrow.slot)
            else:
                self.tree.ways.append([])
        self._number_lanes()
        self.links = [_links(self.tree, block) for block in self.tree.blocks]
        marks = [metrics.width(arrow.mark, FACES["small"]) for arrow in diagram.arrows if arrow.role == "delay"]
        self.room = BELOW_DELAYS if direction == "LR" else max(marks, default=0.0) + PAD  # for labels of delays
        self.known: dict[tuple[Spec, Spacing], Template] = {}
        self.templates: dict[int, Template] = {}
        rows = {number for number, block in enumerate(self.tree.blocks) if _is_row(block)}
        for number in reversed(range(len(self.tree.blocks))):
            if number in rows:
                self._row(number)
            elif self.tree.blocks[number].parent not in rows:
                self._single(number)

    def _leads_around(self, delay: Arrow) -> bool:
        """Whether a delay can lead around its step: this is whole, in a row of steps; scopes that are left and entered again cut both."""
        step = self.tree.home[delay.source]
        part = _part(self.tree.blocks[step])
        whole = part is not None and part.step >= 0 and self.tree.home[delay.target] == step
        return whole and _is_row(self.tree.blocks[self.tree.blocks[step].parent])

    def _number_lanes(self) -> None:
        """The ports of a chain and of its steps are numbered by their lanes."""
        for block in self.tree.blocks:
            part = _part(block)
            if part is not None and part.chain >= 0:
                lanes = self.diagram.lanes[part.chain]
                for ports in (block.ins, block.outs):
                    ports.update({box: lanes.get(box, len(lanes) + port) for box, port in ports.items()})

    def _spec(self, number: int) -> Spec:
        block = self.tree.blocks[number]
        boxes = [self.diagram.boxes[box] for box in block.boxes]
        turned = self.direction == "LR"
        children = [
            Child(*((box.height, box.width) if turned else (box.width, box.height)), late=box.late) for box in boxes
        ]
        children += [_as_child(self.templates[inner]) for inner in block.blocks]
        return Spec(
            tuple(children),
            tuple(self.links[number].values()),
            tuple([(_place(block, source), _place(block, target)) for source, target in block.after]),
            tuple(sorted(block.ins.values())),
            tuple(sorted(block.outs.values())),
        )

    def _spacing(self, block: Block) -> Spacing:
        """The air in and around a block."""
        rows, boxes = BETWEEN_ROWS[self.direction], BETWEEN_BOXES[self.direction]
        part = _part(block)
        if part is None:
            return Spacing(rows, boxes, MARGIN, MARGIN, MARGIN, MARGIN)
        if not part.title:
            return Spacing(rows, boxes, 0.0, 0.0, 0.0, 0.0)
        head = HEADING.height
        first, last, left = {"TB": (head, 0.0, 0.0), "BT": (0.0, head, 0.0), "LR": (0.0, 0.0, head)}[self.direction]
        least = 0.0 if left else min(metrics.width(part.heading, HEADING), LONGEST_HEADING) + 18.0
        return Spacing(rows, boxes, PAD + first, PAD + last, PAD + left, PAD, least)

    def _single(self, number: int) -> None:
        """Lay out a block, unless one of the same structure has been."""
        key = self._spec(number), self._spacing(self.tree.blocks[number])
        if key not in self.known:
            self.known[key] = Sketch(*key).template()
        self.templates[number] = self.known[key]

    def _row(self, number: int) -> None:
        """Lay out a chain: each kind of step once, with its lanes where all others have them, then one after the other."""
        kinds = self._kinds(self.tree.blocks[number].blocks)
        first = in_best_order(*kinds[0][:2])
        lanes = _all_lanes(first.spec.lanes, [spec for spec, _, _ in kinds])
        sketches = [first, *[Sketch(spec._replace(lanes=lanes), spacing) for spec, spacing, _ in kinds[1:]]]
        _share_lanes(sketches, lanes)
        for sketch, (_, _, steps) in zip(sketches, kinds, strict=True):
            template = sketch.template()
            self.templates.update(dict.fromkeys(steps, template))
        row = [self.templates[step] for step in self.tree.blocks[number].blocks]
        self.templates[number] = _in_a_row(row, self.links[number].values(), BETWEEN_ROWS[self.direction], self.room)

    def _kinds(self, steps: Sequence[int]) -> list[tuple[Spec, Spacing, list[int]]]:
        """The steps of each structure, most frequent ones and then those with most lanes first; a link or port that one has, all have."""
        kinds: dict[tuple[int, tuple[Child, ...]], list[int]] = {}
        specs = {}
        for step in steps:
            specs[step] = self._spec(step)
            part = _part(self.tree.blocks[step])
            kinds.setdefault((part.kind if part else 0, specs[step].children), []).append(step)
        found = []
        for (_, children), alike in kinds.items():
            links = dict.fromkeys(link for step in alike for link in specs[step].links)
            ins = {port for step in alike for port in specs[step].ins}
            outs = {port for step in alike for port in specs[step].outs}
            spacing = self._spacing(self.tree.blocks[alike[-1]])
            found.append((Spec(children, tuple(links), (), tuple(sorted(ins)), tuple(sorted(outs))), spacing, alike))
        return sorted(found, key=lambda kind: (-len(kind[2]), -len(kind[0].ins) - len(kind[0].outs)))


def _part(block: Block) -> Part | None:
    """What frame a block is; None for the picture."""
    return block.path[-1] if block.path else None


def _is_row(block: Block) -> bool:
    """Whether a block is a chain each of whose steps reads only the one before, and the first what comes in."""
    part = _part(block)
    if part is None or part.chain < 0 or part.step >= 0 or block.boxes:
        return False
    place = {-1 - step: k for k, step in enumerate(block.blocks)}
    last = len(block.blocks) - 1
    return all(
        place.get(edge.source, -1) + 1 == (place[edge.target] if edge.target != -1 else last + 1)
        for edge in block.edges
        if not _is_delay(edge)
    )


def _is_delay(edge: Edge | Link) -> bool:
    """Whether a link leads from a step around it."""
    return edge.source == edge.target


def _links(tree: Tree, block: Block) -> dict[Edge, Link]:
    """The edges of a block in numbers that blocks of one structure have in common."""
    children = [*block.boxes, *[-1 - inner for inner in block.blocks]]
    place = {-1: -1} | {child: i for i, child in enumerate(children)}

    def ports(child: int, of_block: dict[int, int], side: str) -> dict[int, int]:
        return of_block if child == -1 else getattr(tree.blocks[-1 - child], side)

    links = {}
    for edge in block.edges:
        out = ports(edge.source, block.ins, "outs")[edge.out] if edge.source < 0 else 0
        into = ports(edge.target, block.outs, "ins")[edge.into] if edge.target < 0 else edge.into
        links[edge] = Link(place[edge.source], out, place[edge.target], into)
    return links


def _place(block: Block, child: int) -> int:
    """The place of a child in its block: boxes, then blocks."""
    return block.boxes.index(child) if child >= 0 else len(block.boxes) + block.blocks.index(-1 - child)


def _as_child(template: Template) -> Child:
    half = template.breadth / 2
    ins, outs = [
        tuple([(port, x - half) for port, x in sorted(ports.items())]) for ports in (template.ins, template.outs)
    ]
    return Child(template.breadth, template.depth, False, ins, outs)


# Chains --------------------------------------------------------------------------------------------------------------


def _all_lanes(lanes: tuple[int, ...], specs: Sequence[Spec]) -> tuple[int, ...]:
    """The lanes of all steps in order: those of the first one, and then what others have besides."""
    return tuple(dict.fromkeys([*lanes, *sorted({lane for spec in specs for lane in (*spec.ins, *spec.outs)})]))


def _share_lanes(sketches: Sequence[Sketch], lanes: Sequence[int]) -> None:
    """Give each lane one place in all steps, where the first sketch that has it would put it."""
    places: list[float] = []
    for lane in lanes:
        wanted = next(sketch.where(lane) for sketch in sketches if lane in sketch.ins or lane in sketch.outs)
        places.append(max([wanted, *[place + BETWEEN_BENDS for place in places[-1:]]]))
    shared = dict(zip(lanes, places, strict=True))
    for sketch in sketches:
        own = [lane for lane in lanes if lane in sketch.ins or lane in sketch.outs]
        shift = sketch.where(own[0]) - shared[own[0]] if own else 0.0
        sketch.settle({lane: shared[lane] + shift for lane in own})


def _in_a_row(steps: Sequence[Template], links: Collection[Link], gap: float, room: float) -> Template:
    """Steps one after another, so that lanes are straight; and around them, with room for a label, delays."""
    starts = _starts(steps)
    around: dict[int, list[Link]] = {}
    for link in links:
        if _is_delay(link):
            around.setdefault(link.source, []).append(link)
    rim = max([BETWEEN_DELAYS * (len(delays) + 1) for delays in around.values()], default=0.0)
    tops = [rim]
    for step in steps:
        tops.append(tops[-1] + step.depth + max(gap, 2 * rim))
    depth = tops[len(steps) - 1] + steps[-1].depth + rim
    routes = {}
    for k, delays in around.items():
        routes.update(_around(delays, steps[k], starts[k], tops[k]))
    for link in [link for link in links if not _is_delay(link)]:
        first = link.source if link.source >= 0 else link.target
        ports = steps[first].outs if link.source >= 0 else steps[first].ins
        x = starts[first] + ports[link.out if link.source >= 0 else link.into]
        y = tops[link.source] + steps[link.source].depth if link.source >= 0 else 0.0
        to_y = tops[link.target] if link.target >= 0 else depth
        routes[link] = Route((x, y), (((x, to_y),),) if to_y > y else (), (x, to_y))
    widths = [
        step.breadth + (room + BETWEEN_DELAYS * len(around[k]) if k in around else 0.0) for k, step in enumerate(steps)
    ]
    breadth = max([start + width for start, width in zip(starts, widths, strict=True)])
    centers = [
        (start + step.breadth / 2, top + step.depth / 2) for start, top, step in zip(starts, tops, steps, strict=False)
    ]
    ins = {lane: starts[0] + x for lane, x in steps[0].ins.items()}
    outs = {lane: starts[-1] + x for lane, x in steps[-1].outs.items()}
    return Template(breadth, depth, tuple(centers), ins, outs, routes)


def _around(delays: Sequence[Link], step: Template, start: float, top: float) -> dict[Link, Route]:
    """The ways around a step from its end to its start, one in the other."""
    routes = {}
    inside_out = sorted(delays, key=lambda link: (-step.outs[link.out], -step.ins[link.into]))
    for i, link in enumerate(inside_out):
        by = BETWEEN_DELAYS * (i + 1)
        side, low, high = start + step.breadth + by, top + step.depth + by, top - by
        x, to_x = start + step.outs[link.out], start + step.ins[link.into]
        corners = [(x, low), (side, low), (side, high), (to_x, high)]
        routes[link] = Route((x, top + step.depth), _rounded((x, top + step.depth), corners, (to_x, top)), (to_x, top))
    return routes


def _rounded(start: Point, corners: Sequence[Point], end: Point) -> tuple[tuple[Point, ...], ...]:
    """Straight lines from corner to corner, with round turns."""
    pieces: list[tuple[Point, ...]] = []
    for before, corner, after in zip([start, *corners], corners, [*corners[1:], end], strict=False):
        near, far = _toward(corner, before), _toward(corner, after)
        pieces += [(near,), (corner, corner, far)]
    return (*pieces, (end,))


def _toward(corner: Point, other: Point) -> Point:
    """The point on the way from a corner where its turn begins."""
    dx, dy = other[0] - corner[0], other[1] - corner[1]
    length = max(abs(dx), abs(dy))
    share = min(CORNER, length / 2) / length if length else 0.0
    return corner[0] + share * dx, corner[1] + share * dy


def _starts(steps: Sequence[Template]) -> list[float]:
    """The left edges of steps whose lanes go on straight."""
    starts = [0.0]
    for before, step in pairwise(steps):
        lane = next((lane for lane in before.outs if lane in step.ins), None)
        middle = starts[-1] + (before.breadth - step.breadth) / 2
        starts.append(middle if lane is None else starts[-1] + before.outs[lane] - step.ins[lane])
    return [start - min(starts) for start in starts]


# Stamping ------------------------------------------------------------------------------------------------------------


def _stamped(
    diagram: Diagram, direction: str, blocks: Tree, links: Sequence[dict[Edge, Link]], templates: dict[int, Template]
) -> Layout:
    """Put the templates where their blocks are."""
    page = templates[0]
    turned = _Turn(direction, page.depth)
    origins = {0: (0.0, 0.0)}
    centers: dict[int, Point] = {}
    frames = []
    for number, block in enumerate(blocks.blocks):
        x, y = origins[number]
        template = templates[number]
        places = [(x + cx, y + cy) for cx, cy in template.centers]
        centers.update(zip(block.boxes, places, strict=False))
        for inner, (cx, cy) in zip(block.blocks, places[len(block.boxes) :], strict=True):
            origins[inner] = (cx - templates[inner].breadth / 2, cy - templates[inner].depth / 2)
        part = _part(block)
        if part is not None and part.title:
            titles = tuple([outer.heading for outer in block.path if outer.title])
            step = (part.chain, part.step) if part.step >= 0 else None
            frames.append(turned.frame(titles, (x, y), (x + template.breadth, y + template.depth), step))
    places_of = [turned(centers[box]) for box in range(len(diagram.boxes))]
    routes = []
    for arrow, way in zip(diagram.arrows, blocks.ways, strict=True):
        if not way:
            routes.append(_aside(diagram, arrow, places_of))
            continue
        pieces = [(templates[number].routes[links[number][edge]], origins[number]) for number, edge in way]
        routes.append(turned.route(pieces))
    size = (page.depth, page.breadth) if direction == "LR" else (page.breadth, page.depth)
    return Layout(
        *size,
        tuple(places_of),
        tuple(routes),
        tuple(frames),
        ordered=True,
    )


def _aside(diagram: Diagram, delay: Arrow, centers: Sequence[Point]) -> Route:
    """The way of a delay that cannot lead around its step: beside the boxes, from right edge to right edge."""
    (x, y), (to_x, to_y) = [
        (centers[box][0] + diagram.boxes[box].width / 2, centers[box][1]) for box in (delay.source, delay.target)
    ]
    if delay.source == delay.target:
        y, to_y = y + 6, to_y - 6
    out = max(x, to_x) + PAD
    return Route((x, y), (((out, y), (out, to_y), (to_x + TIP, to_y)),), (to_x, to_y))


class _Turn:
    """From layers below each other to the direction asked for."""

    def __init__(self, direction: str, depth: float) -> None:
        self.direction, self.depth = direction, depth

    def __call__(self, point: Point) -> Point:
        x, y = point
        if self.direction == "LR":
            return (y, x)
        return (x, self.depth - y if self.direction == "BT" else y)

    def frame(self, titles: tuple[str, ...], corner: Point, other: Point, step: tuple[int, int] | None) -> Frame:
        (x, y), (to_x, to_y) = self(corner), self(other)
        return Frame(titles, min(x, to_x), min(y, to_y), abs(to_x - x), abs(to_y - y), step)

    def route(self, routes: Sequence[tuple[Route, Point]]) -> Route:
        """One route out of those through several blocks, each from the corner of its block."""
        pieces: list[tuple[Point, ...]] = []
        start = _moved(routes[0][0].start, routes[0][1])
        for route, corner in routes:
            for piece in route.pieces:
                moved = tuple([_moved(point, corner) for point in piece])
                if len(moved) == 1 and pieces and len(pieces[-1]) == 1 and pieces[-1][0][0] == moved[0][0]:
                    pieces.pop()  # straight on
                pieces.append(moved)
        tip = _moved(routes[-1][0].tip, routes[-1][1])
        return Route(self(start), tuple([tuple([self(point) for point in piece]) for piece in pieces]), self(tip))


def _moved(point: Point, corner: Point) -> Point:
    return (point[0] + corner[0], point[1] + corner[1])

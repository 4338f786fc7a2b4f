"""A graph and its adjoints as in a mirror: under each node its adjoint, at the same x; the arrows between adjoints are
reversed, and each has the local factor of the chain rule.

Where the graph contains adjoints itself, as a penalty on them does, they lie in a band below the forward nodes, and run to the
left; the mirror image below is of both bands. What lies far away, as a weight that all time steps read, is repeated at its use
(a copy), and below each copy stands its part of the adjoint.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import NamedTuple

import numpy as np

from minigrad.drawing import metrics, summary, symbols
from minigrad.drawing.canvas import Palette, Picture, as_svg, pixels, text
from minigrad.drawing.description import described
from minigrad.drawing.diagram import Box, Diagram, diagram
from minigrad.drawing.events import Bprop, Record, Sent, record_of_scalar
from minigrad.drawing.flow import Flow, FlowNode
from minigrad.drawing.layered import layered
from minigrad.drawing.layout import Layout, Point, Route
from minigrad.drawing.stored import stored
from minigrad.drawing.style import ADJOINT, ARROWS, DARK, FACES, INDEX, LIGHT, ROLES, SCOPE_FILLS, TEXT, Face
from minigrad.errors import no_node
from minigrad.node import Array, Node
from minigrad.numbering import in_order
from minigrad.rules import Formula, rule_of

LONGEST_FACTOR = 48
LONGEST_NAME = 14
SLOT = 16.0  # between two arrows that arrive at a box
HEAD = 7.0  # of an arrow
TOP = 84.0  # the title and the heading of the upper half
BETWEEN = 40.0  # the halves
TURN = 56.0  # how far the turn goes beyond its boxes

SECOND, SECOND_DARK = "#7d2a70", "#dda3d6"  # text of adjoints of a second order
LEAVES = ("parameter", "state", "input", "constant")
HEADLINE = Face(18, 26, False, 600, TEXT)
UPPER = Face(13, 20, False, 600, TEXT)
LOWER = Face(13, 20, False, 600, ADJOINT)
FACTOR = Face(10.5, 14, False, 600, ADJOINT)
SHOWN = ("paper", "ink", "faint", "slope", "frame", "inner-frame", "frame-line", "value-arrow", "adjoint-arrow", "adjoint-fill",
         "adjoint-line")  # fmt: skip
PALETTE = {
    **{name: (LIGHT[name], DARK[name]) for name in SHOWN},
    **{f"{role}-{part}": (LIGHT[f"{role}-{part}"], DARK[f"{role}-{part}"])
       for role in ("parameter", "state", "input", "constant", "operation") for part in ("fill", "line")},
}  # fmt: skip


def mirror_view(given: object, title: str, limit: int) -> MirrorView:
    """Draw a loss and its adjoints, mirrored."""
    if isinstance(given, Record):
        raise TypeError('mg.draw(record, view="mirror"): factors are read off the rules of nodes: draw the loss')
    if not isinstance(given, Node):
        raise no_node('mg.draw(view="mirror") takes the loss', given, "draw one of them, or their sum")
    recorded = record_of_scalar(given)
    if any(node.order > 1 for node in recorded.nodes):
        raise ValueError(
            'mg.draw(view="mirror"): this graph contains adjoints of adjoints already, and a third order has no band: draw the loss '
            'that was differentiated, or all of it with view="flow"'
        )
    copied = replace(
        recorded.flow, transformed=replace(recorded.flow.shown, apart=dict.fromkeys(_copies(recorded.flow), ""))
    )
    boxes = diagram(copied, stubs=False, numbers=True, fold=False, title="")
    if len(boxes.boxes) > limit:
        raise ValueError(
            f'mg.draw(view="mirror"): a picture of {2 * len(boxes.boxes)} boxes cannot be read (limit={limit} in each half). '
            "Draw a part (fewer time steps, a smaller net), or raise the limit"
        )
    loss = recorded.nodes[recorded.flow.outputs[0]]
    letter = _called(loss) if loss.name else _letter(recorded)
    adjoints = [f"∂{letter}/∂{_called(node)}" for node in recorded.nodes]
    return MirrorView(recorded, boxes, adjoints, _factors(in_order([given]), recorded, adjoints), title)


def _letter(recorded: Record) -> str:
    """What a loss without a name is called: L, and P if it has adjoints in it."""
    return "P" if any(node.order for node in recorded.nodes) else "L"


def _copies(flow: Flow) -> list[tuple[int, int]]:
    """The edges (source, target) whose source is copied to its reader: those from band to band, and those from outside of a loop into
    several of its steps.
    """
    read: dict[int, set[tuple[int | None, int | None]]] = {}
    for edge in flow.edges:
        target = flow.nodes[edge.target]
        read.setdefault(edge.source, set()).add((target.loop, target.step))
    found = []
    for edge in flow.edges:
        source, target = flow.nodes[edge.source], flow.nodes[edge.target]
        steps = [step for loop, step in read[edge.source] if loop == target.loop and loop is not None]
        into_steps = source.loop is None and len(steps) > 1
        if not source.is_number and (into_steps or _band(flow, edge.source) != target.order):
            found.append((edge.source, edge.target))
    return found


def _band(flow: Flow, index: int) -> int:
    """The band of a node: 0 of fprop, 1 of the adjoints in the graph. A constant that only these read lies with them."""
    node = flow.nodes[index]
    if node.kind != "constant":
        return node.order
    return min([flow.nodes[edge.target].order for edge in flow.edges if edge.source == index], default=0)


class Factor(NamedTuple):
    """What becomes of an adjoint on its way to a child: a label, "· (1 − u²)", the whole part, "∂L/∂u · (1 − u²)", and in numbers.

    Where the rule is no product, ∂ stands for the adjoint in the label.
    """

    label: str
    part: str
    numbers: str = ""


def _factors(nodes: Sequence[Node], recorded: Record, adjoints: Sequence[str]) -> dict[tuple[int, int], Factor]:
    """The factors by node and place of the child; adjoints: how that of each node is written."""
    known: dict[tuple[int, int], Factor] = {}
    index = {node: i for i, node in enumerate(nodes)}
    called = [_called(node) for node in recorded.nodes]
    for i, node in enumerate(nodes):
        rule = rule_of(node)
        names = rule.bound([called[index[child]] for child in node.children], called[i])
        found = _adjoint_of(recorded, i)
        values = rule.bound([child.value for child in node.children], node.value, found)
        for slot, formula in enumerate(rule.adjoints):
            if formula is not None:
                summed = node.children[slot].size < node.size
                factor = _factor(formula, names, rule.symbols[-1], adjoints[i], summed=summed)
                known[i, slot] = factor if found is None else factor._replace(numbers=formula.in_numbers(values))
    return known


def _adjoint_of(recorded: Record, i: int) -> Array | None:
    """The adjoint of a node, if there is one and it is stored whole."""
    place = recorded.adjoints[i]
    if place is None or recorded.arrays[place].entries is None:
        return None
    return recorded.arrays[place].array()


def _factor(formula: Formula, names: Mapping[str, str], letter: str, adjoint: str, *, summed: bool) -> Factor:
    """An adjoint times a factor, from the side on which it stands; summed where the child was broadcast."""
    factor = formula.factor(names)
    if not factor:
        return Factor(*[formula.text({**names, letter: written}) for written in ("∂", adjoint)])
    if factor.endswith(" @"):
        return Factor(factor, f"{factor} {adjoint}")
    if factor.startswith("@ "):
        return Factor(factor, f"{adjoint} {factor}")
    sign = "Σ " if summed else ""
    if factor == "1":
        return Factor(sign.strip(), sign + adjoint)
    shown = f"({factor})" if factor.startswith("−") or " / " in factor else factor
    return Factor(f"{sign}· {shown}", f"{sign}{adjoint} · {shown}")


def _called(node: FlowNode) -> str:
    """What a node is called in formulas: a number as it is, else its name or its place."""
    if node.is_number:
        return summary.line(node.value)
    return symbols.shortened(node.name.split(".")[-1], LONGEST_NAME) or f"#{node.index}"


class MirrorView(Picture):
    """A loss above, its adjoints below. In a notebook it shows itself.

    record:   the data
    adjoints: how the adjoint of each node is written, "∂L/∂u1"
    factors:  by node and place of the child what becomes of the adjoint on its way
    """

    def __init__(
        self,
        recorded: Record,
        boxes: Diagram,
        adjoints: Sequence[str],
        factors: Mapping[tuple[int, int], Factor],
        title: str,
    ) -> None:
        self.record, self.adjoints, self.factors = recorded, adjoints, factors
        self.loss = recorded.nodes[recorded.flow.outputs[0]]
        self.n_bands = 1 + any(node.order for node in recorded.nodes)
        what = "fprop and bprop" if self.n_bands == 1 else "fprop, bprop and second bprop"
        self.title = title or f"{what} of {symbols.shortened(self.loss.title, 40)}"
        self.description = described(recorded)
        self.boxes = boxes

    def __repr__(self) -> str:
        count = sum([not _is_copy(box) for box in self.boxes.boxes])
        order = " of a second order" * (self.n_bands > 1)
        return f"<MirrorView: {count} nodes and their adjoints{order}; .svg() .text() .html() .save(path)>"

    def text(self) -> str:
        """The values in the order of fprop, then the adjoints in the order of bprop, each with what it is made of."""
        children = self.record.flow.operands()
        nodes = self.record.nodes
        lines = [self.title, "", "fprop"]
        for node in sorted(nodes, key=lambda node: node.order):
            if node.order and "bprop" not in lines:
                lines += ["", "bprop"]
            if not node.is_number:
                made = [_called(nodes[child]) for child in children[node.index]]
                what = f"{symbols.expression(node.operation, node.attributes, made)} = " if made else ""
                lines.append(f"  {_called(node)} = {what}{summary.line(node.value)}")
        parts: dict[int, list[str]] = {}
        for event in self.record.events:
            for sent in event.sends if isinstance(event, Bprop) else ():
                parts.setdefault(sent.child, []).append(self.factors[event.node, sent.slot].part)
        lines += ["", "bprop" if self.n_bands == 1 else "second bprop"]
        for node in sorted(nodes, key=lambda node: -node.index):
            if node.adjoint:
                made = [f"{' + '.join(parts[node.index])} = "] if node.index in parts else [""]
                lines.append(f"  {self.adjoints[node.index]} = {made[0]}{summary.line(node.adjoint)}")
        return "\n".join(lines)

    def svg(self) -> str:
        """The picture as SVG, light or dark as its reader prefers."""
        return _Halves(self).drawn()


@dataclass(frozen=True, slots=True)
class _Card:
    """A box of both halves: its lines above and below, its size, and the room before it for factors."""

    box: Box
    values: tuple[tuple[str, str], ...]
    adjoints: tuple[tuple[str, str], ...]
    room: float

    @property
    def width(self) -> float:
        return self.box.width - self.room


def _is_copy(box: Box) -> bool:
    """Whether a box repeats one from elsewhere."""
    return "_" in box.name


class _Halves:
    """The layout of the upper half, which the lower one mirrors.

    ways:   of each box to which side values flow: 1 to the right, -1 to the left in the second band
    second: whether the lower half has adjoints of a second order
    """

    def __init__(self, view: MirrorView) -> None:
        self.view = view
        self.second = view.n_bands > 1
        self.role = "second" if self.second else "adjoint"
        self.ink = ARROWS[self.role][0]
        self.parts = self._parts()
        self.labels = {(arrow.target, arrow.slot): self._label(arrow.target, arrow.slot) for arrow in view.boxes.arrows}
        self.cards = [self._card(place, box) for place, box in enumerate(view.boxes.boxes)]
        boxes = tuple([card.box for card in self.cards])
        wide = replace(
            view.boxes, boxes=boxes, references=()
        )  # a copy stands where it is read, wherever the original is
        self.ways = [1] * len(self.cards)
        self.depths: list[float] = []
        self.layout: Layout = self._bands(wide) if self.second else layered(wide, "LR")
        self.fold = TOP + self.layout.height + BETWEEN  # where the lower half begins

    def _label(self, target: int, slot: int) -> str:
        factor = self.view.factors.get((self.view.boxes.boxes[target].node, slot))
        return "" if factor is None else textwrap.shorten(factor.label, LONGEST_FACTOR, placeholder=" …")

    def _bands(self, wide: Diagram) -> Layout:
        """The forward nodes above, the adjoints in the graph below them from right to left; the right edges are the same."""
        flow = self.view.record.flow
        readers = {arrow.source: arrow.target for arrow in wide.arrows}
        homes = [flow.nodes[wide.boxes[readers[i]].node].order if _is_copy(box) else _band(flow, box.node)
                 for i, box in enumerate(wide.boxes)]  # fmt: skip
        self.ways = [-1 if band else 1 for band in homes]
        layouts = [layered(_only(wide, homes, band), "LR") for band in (0, 1)]
        self.depths = [layout.height for layout in layouts]
        turn = TURN + metrics.width(self._said(), FACTOR) if homes[self._output()] else 0.0
        width = max([layout.width for layout in layouts]) + turn
        below = layouts[0].height + BETWEEN
        moves: tuple[Callable[[Point], Point], ...] = (
            lambda point: (point[0] + width - layouts[0].width, point[1]),
            lambda point: (width - point[0], point[1] + below),
        )
        centers = [iter(map(move, layout.centers)) for move, layout in zip(moves, layouts, strict=True)]
        routes = [
            iter([_moved(route, move) for route in layout.routes]) for move, layout in zip(moves, layouts, strict=True)
        ]
        return Layout(
            width,
            below + layouts[1].height,
            tuple([next(centers[band]) for band in homes]),
            tuple([next(routes[homes[arrow.target]]) for arrow in wide.arrows]),
            (),
            ordered=True,
        )

    def _parts(self) -> dict[int, tuple[str, tuple[str, ...]]]:
        """Of a copy which part of the adjoint it has, and the part; of what is copied how many there are."""
        boxes, record = self.view.boxes, self.view.record
        sent: dict[tuple[int, int], list[Sent]] = {}
        for event in record.events:
            for one in event.sends if isinstance(event, Bprop) else ():
                sent.setdefault((one.child, event.node), []).append(one)
        brought: dict[int, list[int]] = {}  # of a node the boxes whose arrows bring it parts: copies, or its own
        readers: dict[int, int] = {}
        for arrow in boxes.arrows:
            if (boxes.boxes[arrow.source].node, boxes.boxes[arrow.target].node) in sent:
                readers[arrow.source] = boxes.boxes[arrow.target].node
                own = brought.setdefault(boxes.boxes[arrow.source].node, [])
                if arrow.source not in own:
                    own.append(arrow.source)
        found: dict[int, tuple[str, tuple[str, ...]]] = {}
        for place, box in enumerate(boxes.boxes):
            own = brought.get(box.node, [])
            if _is_copy(box) and place in own:
                sends = sent[box.node, readers[place]]
                found[place] = (
                    f"part {own.index(place) + 1} of {len(own)}" if len(own) > 1 else "all of it",
                    _sum(record, sends),
                )
            elif len(own) > 1 and not _is_copy(box):
                found[place] = f"sum of {len(own)} parts", ()
        return found

    def _adjoint_lines(self, place: int, box: Box) -> tuple[tuple[str, str], ...]:
        """What stands below a box: its adjoint, or of a copy a part of it."""
        node = self.view.record.nodes[box.node]
        said, part = self.parts.get(place, ("", ()))
        rows = part if _is_copy(box) else node.adjoint
        if not rows:
            return ()
        note = [("small", said)] if said else []
        return ("title", self.view.adjoints[box.node]), *note, *[("adjoint", row) for row in rows]

    def _card(self, place: int, box: Box) -> _Card:
        values = tuple([line for line in box.lines if line[0] != "adjoint"])
        adjoints = self._adjoint_lines(place, box)
        labels = [label for (target, _), label in self.labels.items() if target == place]
        room = max([metrics.width(label, FACTOR) + 8 for label in labels if label], default=0.0)
        widths = [metrics.width(words, FACES[face]) + 20 for face, words in (*values, *adjoints)]
        corner = 2 * metrics.width(str(box.node), INDEX) + 4
        heights = [sum(FACES[face].height for face, _ in lines) + 11 for lines in (values, adjoints)]
        high = max(*heights, SLOT * (len(labels) + 1))
        wide = math.ceil(max(*widths, metrics.width(values[0][1], FACES["title"]) + 20 + corner) + room)
        return _Card(replace(box, width=float(wide), height=high, path=(), scope=()), values, adjoints, room)

    def drawn(self) -> str:
        view, layout = self.view, self.layout
        key = self._key()
        high = self.fold + layout.height + 20 + 16 * len(key)
        said = self._said()
        turn = self._exit(self._output()) + TURN + metrics.width(said, FACTOR)
        lines = [(view.title, HEADLINE), *[(line, FACES["small"]) for line in key]]
        wide = max(layout.width, turn, *[18 + metrics.width(*line) for line in lines]) + 20
        parts = [
            f'<path d="M0,{pixels(self.fold - 30)}h{pixels(wide)}V{pixels(high)}h-{pixels(wide)}z" fill="{SCOPE_FILLS[0]}"/>',
            text(view.title, 18, 34, HEADLINE),
            *self._headings(),
            self._arrows(),
            self._turn(said),
            *[self._box(i, card) for i, card in enumerate(self.cards)],
            *[text(line, 18, high - 16 - 16 * i, FACES["small"]) for i, line in enumerate(reversed(key))],
        ]
        roles = {box.role for box in view.boxes.boxes} | {self.role}
        return as_svg(view.title, view.description, (wide, high), _palette(roles), "\n".join(parts))

    def _said(self) -> str:
        return f"{self.view.adjoints[self.view.loss.index]} = 1"

    def _headings(self) -> list[str]:
        """What each band is."""
        upper, lower = UPPER, LOWER._replace(color=SECOND if self.second else ADJOINT)
        found = [text("fprop: values →", 18, TOP - 12, upper)]
        if not self.second:
            return [*found, text("← bprop: adjoints, each under its node", 18, self.fold - 10, lower)]
        below = TOP + self.depths[0] + BETWEEN
        turns_left = self.ways[self._output()] < 0
        aside = self._exit(self._output()) - TURN / 4 if turns_left else 18.0
        return [
            *found,
            text("← bprop: the adjoints in this graph, as it computes them", 18, below - 10, LOWER),
            text("second bprop →: the adjoint of each node of the bprop above", aside, self.fold - 10, lower),
            text(
                "← and on: the adjoint of each node of the fprop", 18, self.fold + self.depths[1] + BETWEEN - 10, lower
            ),
        ]

    def _key(self) -> list[str]:
        """What the labels mean."""
        said = ["A label is what the adjoint is multiplied by on its way, none means 1. Adjoints that meet are added."]
        if not self.view.loss.name:
            said.append(f"{_letter(self.view.record)} is #{self.view.loss.index}.")
        if any(label.startswith("Σ") for label in self.labels.values()):
            said.append("Σ: summed where the value was broadcast.")
        if any("∂" in label for label in self.labels.values()):
            said.append("∂: the adjoint itself, in a rule that is no product.")
        return said

    def _output(self) -> int:
        return next(i for i, box in enumerate(self.view.boxes.boxes) if box.is_output)

    def _above(self, point: Point) -> Point:
        return point[0], point[1] + TOP

    def _below(self, point: Point) -> Point:
        return point[0], self.fold + self.layout.height - point[1]

    def _entry(self, place: int) -> float:
        """The x of the edge at which values arrive."""
        return self._exit(place) - self.ways[place] * self.cards[place].width

    def _exit(self, place: int) -> float:
        """The x of the edge at which they leave."""
        return self.layout.centers[place][0] + self.ways[place] * self.cards[place].box.width / 2

    def _arrows(self) -> str:
        parts = []
        forward, backward, heads = [], [], []
        bprops = [event for event in self.view.record.events if isinstance(event, Bprop)]
        sent = {(event.node, each.slot) for event in bprops for each in event.sends}
        for arrow, route in zip(self.view.boxes.arrows, self.layout.routes, strict=True):
            entry, way = self._entry(arrow.target), self.ways[arrow.target]
            forward.append(_forward(route, entry - way * HEAD, self._above))
            heads.append(_head(*self._above((entry, route.tip[1])), way))
            sender, child = [
                self.view.record.nodes[self.view.boxes.boxes[end].node] for end in (arrow.target, arrow.source)
            ]
            if (sender.index, arrow.slot) not in sent:
                continue
            backward.append((_backward(route, entry, way, self._below), _head(*self._below(route.start), -way)))
            label = self.labels[arrow.target, arrow.slot]
            if label:
                x, y = self._below((entry, route.tip[1]))
                words = text(label, x - 5 * way, y - 4, self._factor_face(), "end" if way > 0 else "")
                parts.append(f"<g><title>{escape(self._along(sender, child, arrow.slot))}</title>{words}</g>")
        values, adjoints = ARROWS["value"][0], self.ink
        lines = "".join(forward)
        back = "".join(dict.fromkeys([line for line, _ in backward]))
        return "\n".join(
            [
                f'<path d="{lines}" fill="none" stroke="{values}" stroke-width="1.4"/>',
                f'<path d="{"".join(heads)}" fill="{values}"/>',
                f'<path d="{back}" fill="none" stroke="{adjoints}" stroke-width="1.4"/>',
                f'<path d="{"".join(dict.fromkeys([head for _, head in backward]))}" fill="{adjoints}"/>',
                *parts,
            ]
        )

    def _factor_face(self) -> Face:
        return FACTOR._replace(color=SECOND) if self.second else FACTOR

    def _along(self, sender: FlowNode, child: FlowNode, slot: int) -> str:
        """What goes along an arrow, with names and in numbers."""
        factor = self.view.factors[sender.index, slot]
        return "\n".join(
            [f"to {self.view.adjoints[child.index]}: {factor.part}", *[factor.numbers] * bool(factor.numbers)]
        )

    def _turn(self, said: str) -> str:
        """The way from the loss to its adjoint, which is 1."""
        place = self._output()
        x, (_, y), (_, to_y) = (
            self._exit(place),
            self._above(self.layout.centers[place]),
            self._below(self.layout.centers[place]),
        )
        way = self.ways[place]
        out, tip = pixels(x + way * TURN), pixels(x + way * HEAD)
        path = f"M{pixels(x)},{pixels(y)}C{out},{pixels(y)},{out},{pixels(to_y)},{tip},{pixels(to_y)}"
        color = self.ink
        return "\n".join(
            [
                f'<path d="{path}" fill="none" stroke="{color}" stroke-width="1.4"/>',
                f'<path d="{_head(x, to_y, -way)}" fill="{color}"/>',
                text(
                    said, x + way * (0.75 * TURN + 6), (y + to_y) / 2 + 4, self._factor_face(), "end" if way < 0 else ""
                ),
            ]
        )

    def _box(self, place: int, card: _Card) -> str:
        center = self.layout.centers[place]
        left = min(self._entry(place), self._exit(place))
        x, y = self._above((left, center[1] - card.box.height / 2))
        parts = [_card(card.box, (x, y, card.width, card.box.height), card.values, card.box.role, below=False)]
        if card.adjoints:
            x, y = self._below((left, center[1] + card.box.height / 2))
            parts.append(_card(card.box, (x, y, card.width, card.box.height), card.adjoints, self.role, below=True))
        return "\n".join(parts)


def _card(
    box: Box, place: tuple[float, float, float, float], lines: Sequence[tuple[str, str]], role: str, *, below: bool
) -> str:
    """A box with its lines in the middle; that of a leaf's adjoint, which is what one asks for, has a heavy outline."""
    x, y, width, height = place
    style, leaf = ROLES[role], below and box.role in LEAVES
    rounding = ROLES[box.role].round
    radius = min(height / 2, 14) if rounding == 1 else rounding * 20 or 2
    dashed = f' stroke-dasharray="{style.dashes}"' if style.dashes and not leaf else ""
    weight = 2.6 if box.is_output or leaf else 1.4
    size = f'x="{pixels(x)}" y="{pixels(y)}" width="{pixels(width)}" height="{pixels(height)}" rx="{pixels(radius)}"'
    rest = height - 11 - sum(FACES[face].height for face, _ in lines)
    at = y + 5 + rest / 2
    parts = [f'<rect {size} fill="{style.fill}" stroke="{style.stroke}" stroke-width="{weight}"{dashed}/>']
    if not below:
        parts.append(text(str(box.node), x + (10 if rounding == 1 else 6), y + 11, INDEX))
    for face, words in lines:
        look = FACES[face]._replace(color=SECOND) if face == "adjoint" and role == "second" else FACES[face]
        at += look.height
        parts.append(text(words, x + width / 2, at - 0.28 * look.height, look, "middle"))
    return f"<g><title>{escape(box.tooltip)}</title>\n{chr(10).join(parts)}</g>"


def _only(wide: Diagram, homes: Sequence[int], band: int) -> Diagram:
    """The boxes of a band, and the arrows between them."""
    inside = [i for i, home in enumerate(homes) if home == band]
    place = {i: k for k, i in enumerate(inside)}
    arrows = [
        replace(arrow, source=place[arrow.source], target=place[arrow.target])
        for arrow in wide.arrows
        if homes[arrow.target] == band
    ]
    return replace(wide, boxes=tuple([wide.boxes[i] for i in inside]), arrows=tuple(arrows))


def _moved(route: Route, move: Callable[[Point], Point]) -> Route:
    return Route(move(route.start), tuple([tuple(map(move, piece)) for piece in route.pieces]), move(route.tip))


def _sum(record: Record, sends: Sequence[Sent]) -> tuple[str, ...]:
    """The sum of what was sent along several edges, as text; of large arrays, which are summarized, what was sent along the only one."""
    arrays = [record.arrays[one.array] for one in sends]
    if any(array.entries is None for array in arrays):
        return arrays[0].text if len(arrays) == 1 else ("…",)
    total = None
    for one, array in zip(sends, arrays, strict=True):
        held = None if one.mask is None else record.arrays[one.mask]
        whole = array.array()
        if held is not None and held.entries is not None:
            whole = np.where(held.array(), whole, whole.dtype.type(0))
        total = whole if total is None else total + whole
    return stored(np.asarray(total)).text


def _palette(roles: set[str]) -> Palette:
    """The colors of the roles that are shown."""
    more = [f"{role}-{part}" for role in sorted(roles & {"second", "reference"}) for part in ("fill", "line")]
    more += ["second-arrow"] * ("second" in roles)
    inks = {"second-ink": (SECOND, SECOND_DARK)} if "second" in roles else {}
    return {**PALETTE, **{name: (LIGHT[name], DARK[name]) for name in more}, **inks}


def _forward(route: Route, end: float, moved: Callable[[Point], Point]) -> str:
    """The path of a route, and on to the box itself."""
    parts = [f"M{_pair(moved(route.start))}"]
    for piece in route.pieces:
        points = " ".join([_pair(moved(point)) for point in piece])
        parts.append(f"L{points}" if len(piece) == 1 else f"C{points}")
    return f"{''.join(parts)}H{pixels(end)}"


def _backward(route: Route, start: float, way: int, moved: Callable[[Point], Point]) -> str:
    """The same way back."""
    begin = (route.start[0] + way * HEAD, route.start[1])
    ends = [begin, *[piece[-1] for piece in route.pieces]]
    parts = [f"M{_pair(moved((start, route.tip[1])))}L{_pair(moved(ends[-1]))}"]
    for piece, end in zip(reversed(route.pieces), reversed(ends[:-1]), strict=True):
        points = " ".join([_pair(moved(point)) for point in (*reversed(piece[:-1]), end)])
        parts.append(f"L{points}" if len(piece) == 1 else f"C{points}")
    return "".join(parts)


def _head(x: float, y: float, way: int) -> str:
    """The head of an arrow with its tip there, to the right (1) or to the left (-1)."""
    return f"M{pixels(x)},{pixels(y)}l{pixels(-way * HEAD)},-3.2v6.4z"


def _pair(point: Point) -> str:
    return f"{pixels(point[0])},{pixels(point[1])}"

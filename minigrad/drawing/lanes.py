"""The steps of recorded loops as a grid: a lane for every state and gate, and the adjoints sent from one to the other.

Only what was recorded is in it. Where several operations lie between two dots, the link has the adjoint on the last edge
before others join in.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from minigrad.drawing import symbols
from minigrad.drawing.events import Bprop, Record
from minigrad.drawing.flow import FlowNode
from minigrad.drawing.steps import common
from minigrad.drawing.uses import fixed_nodes
from minigrad.drawing.words import sign_or_word

WHOLE = 12  # steps up to which a grid has all operations
LONGEST_LABEL = 22
DEPTH = 2  # of operations within operations in a label
BINDING = {"Multiply", "Divide", "Subtract", "MatMul"}  # closer than a sum
STEP = re.compile(r"[\s_=\[(]*\d+[\])]*$")  # the number of a step at the end of a name
OPEN = re.compile(r"[\s_=\[(\d]+$")  # what is left of it where names begin alike
JOINT = "joint"
OUTSIDE = -1  # the lane of all that is no part of the loop


@dataclass(frozen=True, slots=True)
class Lane:
    """A row of dots: its label, the role of its nodes ("state", "gate", "joint" where the ways of several dots join, or ""),
    and how deep in a step they lie, 0 for the first ones.
    """

    label: str
    role: str
    depth: int


@dataclass(frozen=True, slots=True)
class Dot:
    """A node in the grid, with the norm of its adjoint; None where no path leads to it."""

    lane: int
    step: int
    node: int
    norm: float | None


@dataclass(frozen=True, slots=True)
class Link:
    """The norm of the adjoint sent from one dot to another, each given by lane and step; way: counts links beside each other."""

    source: tuple[int, int]
    target: tuple[int, int]
    norm: float
    way: int = 0


@dataclass(frozen=True, slots=True)
class TimeGrid:
    """The grid of one loop: its place in the flow and its name, its steps in the order of execution, lanes, dots and links."""

    loop: int
    name: str
    steps: tuple[int, ...]
    lanes: tuple[Lane, ...]
    dots: tuple[Dot, ...]
    links: tuple[Link, ...]

    @property
    def states(self) -> list[int]:
        """The lanes of its states."""
        return [i for i, lane in enumerate(self.lanes) if lane.role == "state"]

    def norms(self, lane: int) -> dict[int, float | None]:
        """The norms of the adjoints in a lane, by step."""
        return {dot.step: dot.norm for dot in self.dots if dot.lane == lane}


def grids(record: Record, whole: int = WHOLE) -> list[TimeGrid]:
    """The grids of the loops of a forward pass; of up to `whole` steps with all operations."""
    loops = [i for i, loop in enumerate(record.flow.loops) if not loop.order]
    found = [loop for loop in [_Loop(record, i, whole) for i in loops] if loop.lane]
    names = _names([loop.scopes for loop in found])
    return [loop.grid(name) for loop, name in zip(found, names, strict=True)]


class _Loop:
    """The nodes of a loop, and which of them are seen."""

    def __init__(self, record: Record, number: int, whole: int) -> None:
        self.record, self.number = record, number
        self.steps = record.flow.loops[number].steps
        self.children = record.flow.operands()
        members = [node for node in record.nodes if node.loop == number and record.adjoints[node.index] is not None]
        self.fixed = fixed_nodes(record.flow)
        left_out = self._totals(members) | self.fixed
        self.inside = {node.index: node for node in members if node.index not in left_out}
        self.scopes = [node.scope for node in self.inside.values()]
        self.sends = self._sends()
        self.received = self._received()
        self.roles = {i: node.role for i, node in self.inside.items() if node.role or len(self.steps) <= whole}
        self.reached = self._reached()
        self.labels: dict[int, str] = {}
        self.lane = self._lanes()

    def _totals(self, members: Sequence[FlowNode]) -> set[int]:
        """Numbers that are summed over the steps, as losses are, and nothing else: no states, if there are others."""
        readers: dict[int, int] = {}
        for children in self.children:
            for child in set(children):
                readers[child] = readers.get(child, 0) + 1
        states = [node for node in members if node.role == "state"]
        sums = [n for n in states if n.operation == "Add" and n.shape == () and readers.get(n.index, 0) <= 1]
        return {node.index for node in sums} if len(sums) < len(states) else set()

    def _sends(self) -> dict[int, list[tuple[int, float]]]:
        """What every node has sent to the members of the loop: child and norm."""
        arrays = self.record.arrays
        return {
            event.node: [(sent.child, arrays[sent.array].norm) for sent in event.sends if sent.child in self.inside]
            for event in self.record.events
            if isinstance(event, Bprop)
        }

    def _received(self) -> dict[int, int]:
        """How many adjoints every member was sent."""
        found: dict[int, int] = {}
        for sends in self.sends.values():
            for child, _ in sends:
                found[child] = found.get(child, 0) + 1
        return found

    def _reached(self) -> dict[int, tuple[int, ...]]:
        """The dots that the adjoint of each node gets to by way of nodes that are not shown.

        Where the ways of several dots join on their way to a state is shown, too: of such places in a row the last one only.
        """
        found: dict[int, tuple[int, ...]] = {}
        for i in sorted(self.inside):
            if i not in self.roles:
                ends = tuple(dict.fromkeys(end for child, _ in self.sends.get(i, ()) for end in found[child]))
                leads_to_joint = len(ends) == 1 and self.roles[ends[0]] == JOINT
                if self.received.get(i, 0) < 2 or not ends or leads_to_joint:
                    found[i] = ends
                    continue
                self.roles[i] = JOINT
            found[i] = (i,)
        return found

    def ends(self, child: int, norm: float) -> list[tuple[int, float]]:
        """The dots that an adjoint gets to by way of nodes that are not shown, and its norm before others join in.

        Merge ways that part after that place and meet again at the same dot.
        """
        found, ways = [], [(child, norm)]
        while ways:
            at, norm = ways.pop()
            if at in self.roles or self.received[at] > 1:
                found += [(end, norm) for end in self.reached[at]]
            else:
                ways += reversed(self.sends.get(at, ()))
        return found

    def _lanes(self) -> dict[int, tuple[str, str, int]]:
        """The lane of every dot: role, name or operation, and the place among those of its step that have the same."""
        shown = [self.inside[i] for i in sorted(self.roles)]
        steps_of: dict[str, int] = {}
        for name, alike in groupby(sorted(shown, key=lambda node: node.name), key=lambda node: node.name):
            steps_of[name] = len({node.step for node in alike})
        counts: dict[tuple[int | None, str, str], int] = {}
        found = {}
        for node in shown:
            lasting = bool(node.name) and (steps_of[node.name] > 1 or len(self.steps) == 1)
            key = (self.roles[node.index], node.name if lasting else f"{node.operation} ")
            place = (node.step, *key)
            counts[place] = counts.get(place, -1) + 1
            found[node.index] = (*key, counts[place])
        return found

    def grid(self, name: str) -> TimeGrid:
        """The lanes from top to bottom, the dots, and the links between them."""
        depths = self._depths()
        members: dict[tuple[str, str, int], list[int]] = {}
        for i, key in self.lane.items():
            members.setdefault(key, []).append(i)
        order = self._from_top_to_bottom(list(members))
        labels = _distinct([self._label(members[key]) for key in order])
        lanes = tuple([Lane(label, key[0], depths[key]) for label, key in zip(labels, order, strict=True)])
        rows = {key: row for row, key in enumerate(order)}
        places = {i: (rows[key], self.step(i)) for i, key in self.lane.items()}
        norms = [None if place is None else self.record.arrays[place].norm for place in self.record.adjoints]
        dots = tuple([Dot(*places[i], i, norms[i]) for i in sorted(places)])
        return TimeGrid(self.number, name, self.steps, lanes, dots, tuple(self._links(places)))

    def step(self, i: int) -> int:
        """The step of a member."""
        return self.inside[i].step or 0

    def _links(self, places: dict[int, tuple[int, int]]) -> Iterable[Link]:
        ways: dict[tuple[tuple[int, int], tuple[int, int]], int] = {}
        for sender, sends in self.sends.items():
            if sender in self.inside and sender not in places:
                continue  # its adjoint was followed here from the dot before
            for child, norm in sends:
                for end, sent in self.ends(child, norm):
                    target = places[end]
                    ends = places.get(sender, (OUTSIDE, target[1])), target
                    ways[ends] = ways.get(ends, -1) + 1
                    yield Link(*ends, sent, ways[ends])

    def _depths(self) -> dict[tuple[str, str, int], int]:
        """How many dots of its step lie before a lane at most."""
        depth: dict[int, int] = {}
        for i in sorted(self.lane, reverse=True):
            depth.setdefault(i, 0)
            for child, norm in self.sends.get(i, ()):
                for end, _ in self.ends(child, norm):
                    if self.step(end) == self.step(i):
                        depth[end] = max(depth.get(end, 0), depth[i] + 1)
        deepest = max(depth.values())
        found: dict[tuple[str, str, int], int] = {}
        for i, key in self.lane.items():
            found[key] = min(found.get(key, deepest), deepest - depth[i])
        least = min(found.values())
        return {key: depth - least for key, depth in found.items()}

    def _from_top_to_bottom(self, keys: list[tuple[str, str, int]]) -> list[tuple[str, str, int]]:
        """All operations in their order; of states and gates alone, the last state at the bottom, the others at the top."""
        if all(key[0] for key in keys):
            states = [key for key in keys if key[0] == "state"]
            gates = [key for key in keys if key[0] == "gate"]
            joints = [key for key in keys if key[0] == JOINT]
            return [*states[:-1], *gates, *joints, *states[-1:]]
        return keys

    def _label(self, members: Sequence[int]) -> str:
        """What the nodes of a lane have in common: the beginning of their names, or their operation."""
        nodes = [self.inside[i] for i in members]
        shared = "".join(common([tuple(node.name) for node in nodes]))
        shown = OPEN.sub("", shared) if len({node.name for node in nodes}) > 1 else shared
        if shown:
            return symbols.shortened(shown, LONGEST_LABEL)
        node = nodes[-1]
        if node.step is not None and not any(child in self.inside for child in self.children[node.index]):
            return node.name or "input"
        written = self._written(node, DEPTH)
        if written == symbols.ANY:
            written = f"·[{node.attributes['index']}]" if "index" in node.attributes else sign_or_word(node)
        return symbols.shortened(written, LONGEST_LABEL)

    def _written(self, node: FlowNode, depth: int) -> str:
        """The formula of a node: operands by their names, or by their own formulas down to that depth."""
        children = self.children[node.index]
        if not children or not depth:
            return self._short(node) if node.kind == "parameter" else node.name or symbols.ANY
        inner = [self.record.nodes[child] for child in children]
        depths = [depth if child.index in self.fixed else depth - 1 for child in inner]
        depths = [0 if child.step not in (None, node.step) else at for child, at in zip(inner, depths, strict=True)]
        operands = [self._short(child) or self._written(child, at) for child, at in zip(inner, depths, strict=True)]
        if set(operands) == {symbols.ANY}:
            return symbols.ANY
        if node.operation == "GetItem":
            return f"{operands[0]}[…]"
        loose = (
            " "
            if node.operation in (*symbols.AROUND, "MatrixTranspose")
            else " + "
            if node.operation in BINDING
            else ""
        )
        if loose:
            operands = [f"({operand})" if loose in operand else operand for operand in operands]
        return symbols.expression(node.operation, {}, operands)

    def _short(self, node: FlowNode) -> str:
        """The name of a node without what is written before a dot, and without the number of its step."""
        name = node.name.split(".")[-1]
        return STEP.sub("", name) or name if node.step is not None else name


def _distinct(labels: Sequence[str]) -> list[str]:
    """The labels, a number behind those that occur again."""
    return [
        f"{label} ({labels[:i].count(label) + 1})" if label in labels[:i] else label for i, label in enumerate(labels)
    ]


def _names(scopes: Sequence[Sequence[str]]) -> list[str]:
    """A name for each loop: the scopes its nodes have in common, without those all loops have in common, where there are several."""
    paths = [common([tuple(scope.split("/")) for scope in of_loop]) for of_loop in scopes]
    if len(paths) < 2:
        return ["/".join(path) for path in paths]
    around = len(common(paths))
    return ["/".join(path[around:]) or f"loop {i + 1}" for i, path in enumerate(paths)]

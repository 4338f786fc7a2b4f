"""The loops in a graph: what unrollers have marked, and where nothing is marked what repeats itself.

`loops` is the one function from nodes to like steps, for drawings and programs alike. Adjoints belong to the steps of the nodes
whose adjoints they are.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from minigrad.graph import by_age
from minigrad.marks import step_of
from minigrad.node import Node, Number, Parameter
from minigrad.ops.base import Operation
from minigrad.repetition import FEWEST, Repetition, kind_of

DEEPEST = 3  # loops over loops over loops that carry nothing on


@dataclass(eq=False, slots=True)
class Loop:
    """A loop of a forward pass, or what belongs to it in a backward sweep.

    steps:  by the step's number its nodes, leaves first, then in the order of birth; the steps in the order of execution
    kinds:  by the step's number which steps are alike: equal operations that read from equal places of this and earlier steps
    states: the nodes that a later step reads, and those like them in steps after which nothing comes
    order:  how many backward sweeps lie between the loop's own nodes and these: 0 for its own
    of:     the same of the nodes whose adjoints these are
    roles:  what the names of nodes in it stand for, "state" or "gate", where an unroller has said so
    """

    order: int
    of: int
    roles: Mapping[str, str] = field(default_factory=dict)
    steps: dict[int, list[Node]] = field(default_factory=dict)
    kinds: dict[int, int] = field(default_factory=dict)
    states: set[Node] = field(default_factory=set)

    def role(self, node: Node) -> str:
        """What a node of the loop is in its step: "state", "gate" or ""."""
        return "" if self.order else self.roles.get(node.name, "state" if node in self.states else "")


def loops(nodes: Sequence[Node]) -> list[Loop]:
    """Find the loops among the nodes of a graph, given children first. A node is in one step of one loop at most.

    The number of comparisons grows linearly with the number of nodes.
    """
    search = _Search(nodes)
    found = search.found()
    for loop in found:
        _compare(loop, search.places)
    search.place_leaves()
    return found


def uncompared(nodes: Sequence[Node]) -> list[Loop]:
    """Find the same loops in a third of the time: `kinds` and `states`, which no program needs, stay empty."""
    search = _Search(nodes)
    found = search.found()
    search.place_leaves()
    return found


def sweeps(nodes: Sequence[Node]) -> dict[Node, tuple[int, int]]:
    """Count the sweeps of bprop that lie behind each node, given children first, and behind the node whose adjoint it computes.

    (0, 0) is forward, (1, 0) a gradient; a gradient of that has (2, 1), which answers the nodes of the first, and (2, 0).
    """
    found: dict[Node, tuple[int, int]] = {}
    births: list[int] = []
    orders: list[int] = []
    for node in sorted(nodes, key=by_age):
        order, of = max([found[child][0] for child in node.children], default=0), 0
        if node.adjoint_of is not None and node.children:
            of = _order_of(node.adjoint_of, births, orders)
            order = max(order, 1 + of)
        found[node] = order, of
        if node.children:
            births.append(node.number)
            orders.append(order)
    return found


def _order_of(number: int, births: Sequence[int], orders: Sequence[int]) -> int:
    """The order of the node born with that number. Where it is not in the graph, its neighbors in time are of its sweep."""
    at = bisect_right(births, number)
    if at and births[at - 1] == number:
        return orders[at - 1]
    return min(orders[at - 1 : at + 1]) if at else 0  # what was born before all others is forward


class _Search:
    """The loops found so far, and the places of nodes in them.

    loops:  by what a loop is known by, and the sweep
    places: of each node its loop, and the number of the step
    homes:  by a node's number what its loop is known by, and the number of the step
    bases:  by what a loop is known by and the number of the step how many sweeps lie behind its nodes: in steps of gradient descent
            there are more and more
    births: the same as homes by the first birth of each round that is not marked, in the order of births; None for what follows a loop
    """

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.nodes = nodes
        self.operations = sorted([node for node in nodes if isinstance(node, Operation)], key=by_age)
        self.sweeps = sweeps(nodes)
        self.loops: dict[Any, Loop] = {}
        self.places: dict[Node, tuple[Loop, int]] = {}
        self.homes: dict[int, tuple[Any, int]] = {}
        self.bases: dict[tuple[Any, int], int] = {}
        self.births: list[tuple[int, Any, int]] = [(0, None, 0)]

    def found(self) -> list[Loop]:
        """Place what can be placed; the loops in the order of their first births."""
        self.place_marked()
        self.place_repeated(forward=True, carried=True)
        self.place_readers()
        self.place_adjoints()
        self.place_readers()  # what is made of the adjoint of each step, as penalties are
        self.place_adjoints()
        self.place_repeated(forward=False, carried=True)
        return sorted(self.loops.values(), key=lambda loop: next(iter(loop.steps.values()))[0].number)

    def place_marked(self) -> None:
        """Give the nodes born in marked steps their places."""
        for node in self.operations:
            step = step_of(node)
            if step is not None:
                marker, number = step
                self._place(node, marker, number, marker.roles)

    def place_repeated(self, *, forward: bool, carried: bool) -> None:
        """Find the rounds of loops that nobody has marked: those that carry a value, or also those that read the steps of one.

        Among the operations that have no place yet, either those of forward passes or those of backward sweeps.
        """
        operations = [
            node for node in self.operations if node not in self.places and (node.adjoint_of is None) is forward
        ]
        if len(operations) < FEWEST or not (carried or self.places):
            return
        repetition = Repetition(operations, self.nodes, self.places, carried=carried)
        for rounds in repetition.found():
            key = object()
            for number, of_round in zip(repetition.numbers(rounds), rounds.parts(operations), strict=True):
                self.births.append((of_round[0].number, key, number))
                for node in of_round:
                    self._place(node, key, number)
            self.births.append((operations[rounds.end - 1].number + 1, None, 0))  # of the rest nobody knows

    def place_readers(self) -> None:
        """Find the rounds of what carries nothing on and reads the steps of a loop one by one."""
        for _ in range(DEEPEST):
            n_placed = len(self.places)
            self.place_repeated(forward=True, carried=False)
            if len(self.places) == n_placed:
                break

    def place_adjoints(self) -> None:
        """Give adjoints the places of the nodes they belong to; these need not be in the graph."""
        self.births.sort(key=lambda birth: birth[0])
        firsts = [birth for birth, _, _ in self.births]
        for node in self.operations:
            origin = node.adjoint_of
            if origin is not None and node not in self.places:
                _, key, number = self.births[bisect_right(firsts, origin) - 1]
                key, number = self.homes.get(origin, (key, number))
                if key is not None:
                    self._place(node, key, number)

    def place_leaves(self) -> None:
        """Give leaves that a single step reads, as the inputs of every step are, its place."""
        readers: dict[Node, list[tuple[Node, int]]] = {}
        for node in self.operations:
            for slot, child in enumerate(node.children):
                if not isinstance(child, Operation | Parameter | Number):
                    readers.setdefault(child, []).append((node, slot))
        found = []
        for leaf, reading in readers.items():
            places = {self.places.get(node) for node, _ in reading}
            place = places.pop()
            if not places and place is not None and not _is_start(*reading[0], *place, self.places):
                found.append((leaf, place))
        for leaf, (loop, number) in found:
            loop.steps[number].insert(0, leaf)

    def _place(self, node: Node, key: Any, number: int, roles: Mapping[str, str] | None = None) -> None:
        order, of = self.sweeps[node]
        base = self.bases.setdefault((key, number), order if node.adjoint_of is None else 0)
        sweep = (0, 0) if node.adjoint_of is None else (order - base, of - base)
        loop = self.loops.get((key, sweep))
        if loop is None:
            loop = self.loops[key, sweep] = Loop(*sweep, roles or {})
        loop.steps.setdefault(number, []).append(node)
        self.places[node] = loop, number
        self.homes[node.number] = key, number


def _compare(loop: Loop, places: Mapping[Node, tuple[Loop, int]]) -> None:
    """Say which steps are alike, and which nodes carry something to a later step."""
    what = {node: kind_of(node) for step in loop.steps.values() for node in step}
    ordinals = {number: k for k, number in enumerate(loop.steps)}
    within = {node: i for step in loop.steps.values() for i, node in enumerate(step)}
    known: dict[Any, int] = {}
    for number, step in loop.steps.items():
        signature: list[Any] = []
        for node in step:
            signature.append(what[node])
            for child in node.children:
                home = places.get(child)
                if home is None or home[0] is not loop:
                    signature.append(None)
                else:
                    back = ordinals[number] - ordinals[home[1]]
                    signature.append((back, within[child]))
                    if back:
                        loop.states.add(child)
        loop.kinds[number] = known.setdefault(tuple(signature), len(known))
    carried = {(within[node], what[node]) for node in loop.states}
    for step in loop.steps.values():  # what is carried on in one step is a state in all of them
        loop.states.update([node for i, node in enumerate(step) if (i, what[node]) in carried])


def _is_start(reader: Node, slot: int, loop: Loop, number: int, places: Mapping[Node, tuple[Loop, int]]) -> bool:
    """Whether other steps read there what an earlier step has made, so that what is read here stands before all steps."""
    at = next(i for i, node in enumerate(loop.steps[number]) if node is reader)
    numbers = list(loop.steps)
    beside = numbers[1] if number == numbers[0] and len(numbers) > 1 else numbers[0]
    like = loop.steps[beside][at : at + 1]
    if beside == number or not like or kind_of(like[0]) != kind_of(reader):
        return True  # nothing to compare with
    return places.get(like[0].children[slot], (None, 0))[0] is loop

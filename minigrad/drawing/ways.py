"""The ways along which an adjoint comes from the loss to a node: how many there are, which is the largest, what it alone carries.

What a way carries is the loss's adjoint times all factors on it. Of numbers the largest way is found in one pass over the graph,
as a shortest path is. Of arrays factors are matrices, and only two ways are tried: the one whose norms shrink least from rule to
rule, and the one that takes the largest part at each node, back from the end.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from minigrad.adjoints import Arrived, Held, Mask, Part, send
from minigrad.drawing.events import Record, Sent
from minigrad.drawing.stored import summarized
from minigrad.graph import by_age, seed_for, sweep
from minigrad.node import Node
from minigrad.ops.base import Operation

Edge = tuple[int, int]  # a node, and the place of an operand among its operands
MANY = 10_000  # ways that are counted exactly


class Way(NamedTuple):
    """A way from the loss to a node.

    nodes:    from the loss on
    norms:    of what arrives at each of them along this way alone
    opposed:  whether what it carries points away from the sum of all ways
    """

    nodes: list[int]
    norms: list[float]
    opposed: bool = False


class Ways:
    """The ways from the loss to one node, in a record.

    nodes:   the nodes of the graph, as the record numbers them
    parents: of every node the rules that may send to it
    sent:    what each of them sent
    """

    def __init__(
        self,
        record: Record,
        nodes: Sequence[Node],
        parents: Sequence[Sequence[Edge]],
        sent: Mapping[Edge, Sent],
        index: int,
    ) -> None:
        self.record, self.nodes, self.index = record, nodes, index
        self.parts: dict[int, list[tuple[float, Edge]]] = {}
        todo = [index]
        while todo:
            at = todo.pop()
            if at not in self.parts:
                self.parts[at] = [(record.arrays[sent[edge].array].norm, edge) for edge in parents[at] if edge in sent]
                todo += [edge[0] for _, edge in self.parts[at]]
        self.order = sorted(self.parts, reverse=True)

    @property
    def count(self) -> float:
        """How many ways carry something; inf beyond all numbers."""
        counts = dict.fromkeys(self.record.flow.outputs, 1.0)
        for i in self.order:
            if self.parts[i]:
                counts[i] = sum([counts[parent] for norm, (parent, _) in self.parts[i] if norm])
        return counts[self.index]

    @property
    def exact(self) -> bool:
        """Whether all factors are numbers that are known, so that the largest way is the largest of all."""
        sizes = all(self.nodes[i].size == 1 for i in self.parts)
        return sizes and all(self.norm(i) for i in self.parts) and not self._has("ClipAdjoint")

    def norm(self, i: int) -> float:
        """The norm of the adjoint that arrives at a node in all."""
        place = self.record.adjoints[i]
        return 0.0 if place is None else self.record.arrays[place].norm

    def largest(self) -> Way | None:
        """The way that carries most; None where numbers are not finite."""
        if not all(math.isfinite(norm) for i in self.parts for norm in [self.norm(i), *[n for n, _ in self.parts[i]]]):
            return None
        ways = [self._shrinking_least()]
        if not self.exact and (other := self.by_largest_parts()) != ways[0]:
            ways.append(other)
        return max([self._alone(edges) for edges in ways], key=lambda way: way.norms[-1])

    def by_largest_parts(self) -> list[Edge]:
        """Take the largest part at each node, back from the end; a nan before all, to get to where it comes from."""
        edges: list[Edge] = []
        at = self.index
        while self.parts[at]:
            strange = [part for part in self.parts[at] if math.isnan(part[0])]
            _, edge = strange[0] if strange else max(self.parts[at])
            edges.append(edge)
            at = edge[0]
        return edges[::-1]

    def cancelling(self) -> tuple[int, float] | None:
        """Where parts are larger than their sum, and the largest part: at the end itself or, if not there, where it is most."""
        found = []
        for i, parts in self.parts.items():
            largest, norm = max([norm for norm, _ in parts], default=0.0), self.norm(i)
            if largest > norm * (1 + 1e-6) and math.isfinite(largest):
                found.append((i == self.index, math.inf if not norm else largest / norm, i, largest))
        return max(found)[2:] if found else None

    def _has(self, operation: str) -> bool:
        return any(self.record.nodes[i].operation == operation for i in self.parts)

    def _shrinking_least(self) -> list[Edge]:
        """The way with the largest product of factors, a factor being the norm of what is sent by that of what is given."""
        best: dict[int, tuple[float, Edge | None]] = dict.fromkeys(self.record.flow.outputs, (0.0, None))
        for i in self.order:
            ways = [
                (round(best[edge[0]][0] + math.log2(norm) - math.log2(self.norm(edge[0])), 9), edge)
                for norm, edge in self.parts[i]
                if norm and edge[0] in best and self.norm(edge[0])
            ]
            if ways:
                best[i] = max(ways)
        if self.index not in best:
            return self.by_largest_parts()
        edges: list[Edge] = []
        at = self.index
        while (edge := best[at][1]) is not None:
            edges.append(edge)
            at = edge[0]
        return edges[::-1]

    def _alone(self, edges: Sequence[Edge]) -> Way:
        """What goes along these edges and no others: the engine sweeps as always, and the rest of what is sent is dropped."""
        indices = [*[node for node, _ in edges], self.index]
        on_it = [self.nodes[i] for i in indices]
        after = {node: (slot, child) for node, child, (_, slot) in zip(on_it, on_it[1:], edges, strict=False)}

        def send_on(node: Operation, adjoint: Node, mask: Mask | None, wanted: set[Node], arrived: Arrived) -> None:
            slot, child = after[node]
            if type(node).__name__ == "Probe":  # its callback is to see whole adjoints only
                arrived[child] = [adjoint if mask is None else Held(adjoint, mask)]
                return
            parts: dict[int, Part] = {}
            note: Callable[[int, Part], Any] = parts.__setitem__
            send(node, adjoint, mask, {child}, {}, note)
            arrived[child] = [parts[slot]]

        loss = on_it[0]
        seed = seed_for(loss, None, takes_adjoint=False)
        found = sweep(loss, seed, sorted(on_it, key=by_age), on_it, keep_graph=False, send=send_on)
        arrays = [found[node].value for node in on_it]
        place = self.record.adjoints[self.index]
        whole = None if place is None else self.record.arrays[place]
        opposed = whole is not None and whole.entries is not None and np.vdot(arrays[-1], whole.array()) < 0
        return Way(indices, [summarized(array).norm for array in arrays], bool(opposed))

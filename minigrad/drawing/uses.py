"""The edges of a graph that are drawn, who reads whom by them, and what is made of parameters alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from minigrad.drawing.flow import Flow


class Use(NamedTuple):
    """An edge to be drawn."""

    source: int
    target: int
    slot: int


class Links:
    """For each node what it reads, as (source, slot), and by whom it is read; and its operands, drawn or not."""

    def __init__(self, flow: Flow, uses: Sequence[Use]) -> None:
        self.operands = flow.operands()
        self.sources: list[list[tuple[int, int]]] = [[] for _ in flow.nodes]
        self.targets: list[list[int]] = [[] for _ in flow.nodes]
        for source, target, slot in uses:
            self.sources[target].append((source, slot))
            self.targets[source].append(target)


def drawn(flow: Flow, *, numbers: bool) -> list[Use]:
    """All edges, but for those from numbers, if these are written where they are used."""
    return [
        Use(edge.source, edge.target, edge.slot)
        for edge in flow.shown.edges
        if not (numbers and flow.nodes[edge.source].is_number)
    ]


def fixed_nodes(flow: Flow) -> set[int]:
    """Find what is made of parameters and numbers alone, as the transpose of a matrix of weights, and is the same in all steps."""
    found: set[int] = set()
    for node, children in zip(flow.nodes, flow.operands(), strict=True):
        if node.kind in ("parameter", "state") or node.is_number or (children and found.issuperset(children)):
            found.add(node.index)
    return found

"""The edges of a graph that are drawn, and who reads whom by them."""

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

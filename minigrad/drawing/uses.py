"""The edges of a graph that are drawn, who reads whom by them, and what is made of parameters alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

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
    """Find what is made of parameters and numbers alone, as the transpose of a matrix of weights, and is the same in all steps.

    A state is not, nor what is like something made of a state in another step: a first state may be a parameter.
    """
    found: set[int] = set()
    for node, children in zip(flow.nodes, flow.operands(), strict=True):
        of_parameters = bool(children) and node.role != "state" and found.issuperset(children)
        if node.kind in ("parameter", "state") or node.is_number or of_parameters:
            found.add(node.index)
    return found - _like_others(flow, found)


def _like_others(flow: Flow, fixed: set[int]) -> set[int]:
    """Of the fixed operations in loops those whose like in another step is not fixed."""
    counts: Counter[tuple[Any, ...]] = Counter()
    alike: dict[tuple[Any, ...], list[int]] = {}
    for node, children in zip(flow.nodes, flow.operands(), strict=True):
        if node.loop is not None and children:
            what = node.loop, node.operation, node.shape
            alike.setdefault((*what, counts[*what, node.step]), []).append(node.index)
            counts[*what, node.step] += 1
    return {i for group in alike.values() if not fixed.issuperset(group) for i in group}

"""The order in which drawings, listings and messages number the nodes of a graph."""

from collections.abc import Iterable

from minigrad.graph import Graph
from minigrad.node import Constant, Node


def in_order(outputs: Iterable[Node]) -> list[Node]:
    """The nodes by birth, each constant just before its first use.

    A number used again is one and the same node in all graphs of a process, so its birth says nothing of this graph.
    """
    ordered: dict[Node, None] = {}
    for node in Graph(*outputs).nodes:
        if not isinstance(node, Constant):
            ordered.update(dict.fromkeys(child for child in node.children if isinstance(child, Constant)))
            ordered[node] = None
    ordered.update(dict.fromkeys(outputs))
    return list(ordered)

"""A guard for losses and metrics of one's own whose broadcasting compares an example with other examples.

Outputs (n, 1) against targets (n,) broadcast to (n, n), all against all. Outputs (n, k) against targets (n,) are an error of
NumPy's, but for a batch of n = k examples: there column i meets target i.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

from minigrad.node import Node
from minigrad.ops.base import Operation
from minigrad.ops.indexing import GetItem
from minigrad.ops.shaping import ExpandDims, MatrixTranspose, Reshape, Squeeze, Transpose


def refuse_all_pairs(loss: Node, given: Mapping[str, Node], what: str = "the loss") -> None:
    """ValueError where an operation in the loss pairs examples of one thing with other examples of another, or with its columns.

    given: what the loss was made from, by name: outputs, targets, mask, weights
    what:  what to call it, where it is no loss

    That is, where two nodes that come from different ones of these, the examples along axis 0 in both, have equally many
    entries and broadcast to more than either has; or where the axes are of different number, so that the examples of the one
    lie along another axis of the other, of the same length or of length 1. What is written as all against all, by an axis
    inserted or by a transpose, is no such pair: y[:, np.newaxis] - y, y - y.T.
    """
    sources: dict[Node, frozenset[str]] = {}  # of the nodes with the examples along axis 0
    for name, node in given.items():
        sources[node] = sources.get(node, frozenset()) | {name}
    n_axes = {name: node.ndim for name, node in given.items()}

    for node in _between(loss, set(sources)):
        children = [child for child in dict.fromkeys(node.children) if sources.get(child)]
        if isinstance(node, Operation) and node.elementwise:
            paired = [child for child in children if 0 < child.ndim <= max(n_axes[name] for name in sources[child])]
            for a, b in combinations(paired, 2):
                if sources[a] != sources[b] and a.shape[0] == b.shape[0] > 1:
                    if a.size == b.size < node.size:
                        raise _all_pairs(what, node, a, b, sources)
                    if _lies_across(a, b):
                        raise _across(what, node, a, b, sources)
        sources[node] = frozenset().union(*[sources[child] for child in children if _keeps_examples(node, child)])


def _lies_across(a: Node, b: Node) -> bool:
    """Whether the examples of the node with fewer axes meet another axis of the other than its examples."""
    few, many = sorted((a, b), key=lambda child: child.ndim)
    return few.ndim < many.ndim and many.shape[many.ndim - few.ndim] in (1, few.shape[0])


def _keeps_examples(node: Node, child: Node) -> bool:
    """Whether the examples stay along axis 0, alone or with further axes (time) in one."""
    if isinstance(node, Reshape | ExpandDims | Squeeze) or (isinstance(node, Operation) and node.elementwise):
        return True
    if "keepdims" in node.attributes:  # a reduction
        axis = node.attributes["axis"]
        axes = axis if isinstance(axis, tuple) else (axis,)
        return axis is not None and 0 not in [place % child.ndim for place in axes]
    if isinstance(node, GetItem):
        return isinstance(node.attributes["index"][0], slice) and node.shape[:1] == child.shape[:1]
    return len(node.children) == 1 and node.shape == child.shape and not isinstance(node, Transpose | MatrixTranspose)


def _between(loss: Node, stops: set[Node]) -> list[Node]:
    """The nodes that the loss is computed from, children first, without the stops and what lies beneath them."""
    found = {loss} - stops
    todo = list(found)
    while todo:
        new = set(todo.pop().children) - found - stops
        found |= new
        todo += new
    return sorted(found, key=lambda node: node.number)


def _all_pairs(what: str, node: Node, a: Node, b: Node, sources: Mapping[Node, frozenset[str]]) -> ValueError:
    few, many, other, one = _named(a, b, sources)
    return ValueError(
        f"{what} compares every example with every other: {type(node).__name__} of {one} {many.shape} and {other} {few.shape} "
        f"broadcasts to {node.shape}. Give both one shape: {other}.reshape({one}.shape) in {what}, or pass {other} of shape "
        f"{many.shape}"
    )


def _across(what: str, node: Node, a: Node, b: Node, sources: Mapping[Node, frozenset[str]]) -> ValueError:
    few, many, other, one = _named(a, b, sources)
    shape = few.shape + (1,) * (many.ndim - few.ndim)
    return ValueError(
        f"{what} compares examples with other examples: {type(node).__name__} of {one} {many.shape} and {other} {few.shape} puts "
        f"the {few.shape[0]} examples of {other} along axis {many.ndim - few.ndim} of {one}. Put them along axis 0: {other} of "
        f"shape {shape}"
    )


def _named(a: Node, b: Node, sources: Mapping[Node, frozenset[str]]) -> tuple[Node, Node, str, str]:
    """The node with fewer axes, the other one, and what each comes from."""
    few, many = sorted((a, b), key=lambda child: child.ndim)
    other, one = (" and ".join(sorted(sources[child])) for child in (few, many))
    return few, many, other, one

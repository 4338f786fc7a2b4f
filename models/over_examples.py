"""Tell from its nodes whether a loss is the mean over its examples or their sum."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, TypeAlias

from minigrad.graph import by_age, paths
from minigrad.node import Node
from minigrad.ops.arithmetic import Add, Divide, Maximum, Multiply, Negative, Subtract
from minigrad.ops.base import Operation
from minigrad.ops.casting import AsType
from minigrad.ops.reductions import Mean, Sum

Reduction: TypeAlias = Literal["mean", "sum"]


def reduction_of(loss: Node, states: Sequence[Node]) -> Reduction | None:
    """Find the reduction that makes the loss of its examples; None where the nodes do not tell.

    The search goes from the loss down, through sums, differences, products and quotients. A sum divided by another sum (of
    weights, or of what a mask leaves) is a mean. A sum times a number may be either, and so may what is no sum and no mean.

    states: nodes (batch, ...) that the loss is computed from
    """
    batch = len(states[0])
    if batch < 2:
        return "mean"  # which is the sum
    ends = set(states)
    between = _between(loss, ends)
    found: set[Reduction | None] = set()
    todo: list[tuple[Node, Reduction | None]] = [(loss, "sum")]  # what is looked at, and what a sum found there is
    while todo:
        node, of_sum = todo.pop()
        below = [child for child in node.children if child in between]
        if isinstance(node, Sum | Mean) and _reduces_examples(node, batch):
            found.add("mean" if isinstance(node, Mean) else of_sum)
        elif node in ends:
            found.add(None)
        elif isinstance(node, Multiply | Divide) and len(below) == 1:
            by_sum = isinstance(node, Divide) and below[0] is node.children[0] and _is_sum(node.children[1])
            todo.append((below[0], "mean" if by_sum or of_sum == "mean" else None))
        elif isinstance(node, Add | Subtract | Negative | AsType) or (isinstance(node, Operation) and node.moves):
            todo += [(child, of_sum) for child in below]
        else:
            found.add(None)
    return found.pop() if len(found) == 1 else None


def _between(loss: Node, ends: set[Node]) -> set[Node]:
    """The nodes on the paths from the states to the loss, of each path those from its last state on."""
    oldest = min(state.number for state in ends)
    seen, todo = {loss}, [loss]
    while todo:
        node = todo.pop()
        new = [] if node in ends else [x for x in node.children if x.number >= oldest and x not in seen]
        seen.update(new)
        todo += new
    return set(paths(sorted(seen, key=by_age), ends))


def _reduces_examples(node: Sum | Mean, batch: int) -> bool:
    """Whether the examples are summed over, and were not before. Their axis is the first one that is as long as the batch."""
    (x,) = node.children
    axes = {axis % x.ndim for axis in _axes(node)}
    n_reduced = math.prod(x.shape[axis] for axis in axes)
    has_examples = n_reduced % batch == 0 if len(axes) == x.ndim else batch in x.shape and x.shape.index(batch) in axes
    return has_examples and n_reduced > 0 and not _is_reduced(x, batch)


def _is_reduced(x: Node, batch: int) -> bool:
    """Whether what is summed has no axis of examples any more: it was summed before, or is made of single numbers."""
    if isinstance(x, Sum | Mean):
        return _reduces_examples(x, batch)
    return isinstance(x, Operation) and x.moves and all(child.size == 1 for child in x.children)


def _is_sum(node: Node) -> bool:
    """Whether it is a sum, also in another dtype, or one that is kept from being 0."""
    return isinstance(node, Sum) or (isinstance(node, AsType | Maximum) and any(map(_is_sum, node.children)))


def _axes(node: Sum | Mean) -> Sequence[int]:
    axis = node.axis
    return range(node.children[0].ndim) if axis is None else (axis,) if isinstance(axis, int) else axis

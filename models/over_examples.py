"""Tell from its nodes whether a loss is the mean over its examples or their sum."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, TypeAlias

from minigrad.graph import by_age, paths
from minigrad.node import Constant, Node
from minigrad.ops.arithmetic import Add, Divide, Maximum, Multiply, Negative, Subtract
from minigrad.ops.base import Operation
from minigrad.ops.casting import AsType
from minigrad.ops.reductions import Mean, Sum

Reduction: TypeAlias = Literal["mean", "sum"]


def reduction_of(loss: Node, states: Sequence[Node]) -> Reduction | None:
    """Find the reduction that makes the loss of its examples; None where the nodes do not tell.

    The search goes from the loss down, through sums, differences, products and quotients. A sum divided by another sum (of
    weights, or of what a mask leaves) is a mean, and so is one divided by the number of examples or a multiple of it, as the
    number of all entries. A sum times any other number may be either, and so may what is no sum and no mean.

    states: nodes (batch, ...) that the loss is computed from
    """
    batch = len(states[0])
    if batch < 2:
        return "mean"  # which is the sum
    ends = set(states)
    between = _between(loss, ends)
    found: set[Reduction | None] = set()
    todo: list[tuple[Node, float]] = [(loss, 1.0)]  # what is looked at, and by what number a sum found there is divided
    while todo:
        node, divisor = todo.pop()
        below = [child for child in node.children if child in between]
        if isinstance(node, Sum | Mean) and _reduces_examples(node, batch):
            found.add("mean" if isinstance(node, Mean) else _of_sum(divisor, batch))
        elif node in ends:
            found.add(None)
        elif isinstance(node, Multiply | Divide) and len(below) == 1:
            todo.append((below[0], divisor * _divisor(node, below[0])))
        elif isinstance(node, Add | Subtract | Negative | AsType) or (isinstance(node, Operation) and node.moves):
            todo += [(child, divisor) for child in below]
        else:
            found.add(None)
    return found.pop() if len(found) == 1 else None


def _of_sum(divisor: float, batch: int) -> Reduction | None:
    """Tell what a sum over the examples is, once divided by a number."""
    if abs(divisor) == 1:
        return "sum"
    if math.isnan(divisor):
        return None
    multiple = abs(divisor) / batch
    return "mean" if math.isinf(multiple) or abs(multiple - max(round(multiple), 1)) < 1e-5 * multiple else None


def _divisor(node: Multiply | Divide, of: Node) -> float:
    """Find the divisor that a product or quotient applies to one operand: a number; inf for another sum; nan for all else."""
    (other,) = (child for child in node.children if child is not of)
    if isinstance(node, Divide) and other is node.children[1] and _is_sum(other):
        return math.inf
    if not isinstance(other, Constant) or other.size != 1 or not other.value.all():
        return math.nan
    number = float(other.value.reshape(()))
    return number if isinstance(node, Divide) and other is node.children[1] else 1 / number


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
    """Tell whether a reduction is the first one over the examples. Their axis is the first one that is as long as the batch."""
    (x,) = node.children
    axes = {axis % x.ndim for axis in _axes(node)}
    n_reduced = math.prod(x.shape[axis] for axis in axes)
    has_examples = n_reduced % batch == 0 if len(axes) == x.ndim else batch in x.shape and x.shape.index(batch) in axes
    return has_examples and n_reduced > 0 and not _is_reduced(x, batch)


def _is_reduced(x: Node, batch: int) -> bool:
    """Tell whether a node has no axis of examples any more: it was summed before, or is made of single numbers."""
    if isinstance(x, Sum | Mean):
        return _reduces_examples(x, batch)
    return isinstance(x, Operation) and x.moves and all(child.size == 1 for child in x.children)


def _is_sum(node: Node) -> bool:
    """Tell whether a node is a sum, cast or kept from being 0 or not."""
    return isinstance(node, Sum) or (isinstance(node, AsType | Maximum) and any(map(_is_sum, node.children)))


def _axes(node: Sum | Mean) -> Sequence[int]:
    axis = node.axis
    return range(node.children[0].ndim) if axis is None else (axis,) if isinstance(axis, int) else axis

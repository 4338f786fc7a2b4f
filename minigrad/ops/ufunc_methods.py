"""The methods of NumPy's ufuncs: np.add.reduce, np.maximum.accumulate, np.multiply.outer, np.add.reduceat.

`outer` is there for every ufunc of two arguments that nodes answer; the others for those that have a reduction.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.dispatch import NOT_GIVEN, TABLE, answers, refuse_out, spelling
from minigrad.node import Node, as_node
from minigrad.ops.activations import logsumexp
from minigrad.ops.arithmetic import PiecewiseConstant, logical_not
from minigrad.ops.casting import astype
from minigrad.ops.indexing import take_along_axis
from minigrad.ops.nan_reductions import nanmax, nanmin
from minigrad.ops.reductions import all, any, cumprod, cumsum, max, min, prod, sum
from minigrad.ops.shaping import along, reshape, stack
from minigrad.protocols import call_function

if TYPE_CHECKING:
    from minigrad.operators import Axis, Operand

__all__ = ["RunningArgMax", "cumulative_maximum", "cumulative_minimum"]

REDUCTIONS: dict[np.ufunc, Callable[..., Node]] = {
    np.add: sum, np.multiply: prod, np.maximum: max, np.minimum: min, np.fmax: nanmax, np.fmin: nanmin,
    np.logical_or: any, np.logical_and: all, np.logaddexp: logsumexp,
}  # fmt: skip


@answers("reduce")
def reduce(
    ufunc: np.ufunc,
    array: Operand,
    axis: Axis = 0,
    dtype: Any = None,
    out: None = None,
    keepdims: bool = False,
    initial: Any = NOT_GIVEN,
    where: Any = True,
) -> Node:
    """The ufunc applied between all entries along axes; the first axis where none is given."""
    refuse_out(out)
    function = REDUCTIONS.get(ufunc)
    if function is None:
        raise _refusal(ufunc, "reduce", REDUCTIONS)
    options = {"initial": initial, "where": where}
    given = {name: value for name, value in options.items() if value is not NOT_GIVEN and value is not True}
    return function(as_node(array) if dtype is None else astype(array, dtype), axis, keepdims=keepdims, **given)


@answers("outer")
def outer(ufunc: np.ufunc, a: Operand, b: Operand, **keywords: Any) -> Node:
    """The ufunc of every entry of a with every entry of b, in the shape a.shape + b.shape."""
    a, b = as_node(a), as_node(b)
    result: Node = call_function(ufunc, (reshape(a, a.shape + (1,) * b.ndim), b), keywords)
    return result


@answers("accumulate")
def accumulate(ufunc: np.ufunc, array: Operand, axis: int = 0, dtype: Any = None, out: None = None) -> Node:
    """The ufunc applied between the entries so far along an axis."""
    refuse_out(out)
    function = SCANS.get(ufunc)
    if function is None:
        raise _refusal(ufunc, "accumulate", SCANS)
    return function(as_node(array) if dtype is None else astype(array, dtype), axis)


@answers("reduceat")
def reduceat(
    ufunc: np.ufunc, array: Operand, indices: Sequence[int], axis: int = 0, dtype: Any = None, out: None = None
) -> Node:
    """The reductions of the slices that begin at the indices and end at the next one.

    Where an index is not below the next, the entry there alone is taken.
    """
    if isinstance(indices, Node):
        raise TypeError(f"{spelling(ufunc)}.reduceat: the indices are no node, since they decide shapes: write .value")
    x, axis = along(array, axis, f"{spelling(ufunc)}.reduceat")
    starts = [int(i) for i in np.asarray(indices)]
    head = (slice(None),) * axis
    parts = [
        x[(*head, slice(start, end) if start < end else slice(start, start + 1))]
        for start, end in zip(starts, [*starts[1:], x.shape[axis]], strict=True)
    ]
    return stack([reduce(ufunc, part, axis, dtype, out) for part in parts], axis)


class RunningArgMax(PiecewiseConstant):
    """y_k = the index of the first maximum of x_0..x_k along the axis, or of the first nan among them;  no adjoint."""

    __slots__ = ()
    axis: int

    def fprop(self, x: Any, *, axis: int) -> Any:
        lines = np.moveaxis(x, axis, -1)
        top = np.maximum.accumulate(lines, axis=-1)
        before = np.concatenate([top[..., :1], top[..., :-1]], axis=-1)
        new = (top > before) | (np.isnan(top) & ~np.isnan(before))
        places = np.where(new, np.arange(lines.shape[-1]), 0)
        return np.moveaxis(np.maximum.accumulate(places, axis=-1), -1, axis)


def cumulative_maximum(a: Operand, axis: int = 0) -> Node:
    """The largest entry so far along the axis; its adjoint goes to the first such entry."""
    x, axis = along(a, axis, "maximum.accumulate")
    return take_along_axis(x, RunningArgMax(x, axis=axis), axis)


def cumulative_minimum(a: Operand, axis: int = 0) -> Node:
    """The smallest entry so far along the axis; its adjoint goes to the first such entry."""
    x, axis = along(a, axis, "minimum.accumulate")
    turned = logical_not(x) if x.dtype.kind == "b" else -x if x.dtype.kind == "f" else ~x
    return take_along_axis(x, RunningArgMax(turned, axis=axis), axis)


SCANS: dict[np.ufunc, Callable[..., Node]] = {
    np.add: cumsum, np.multiply: cumprod, np.maximum: cumulative_maximum, np.minimum: cumulative_minimum
}  # fmt: skip


def _refusal(ufunc: np.ufunc, method: str, known: dict[np.ufunc, Any]) -> TypeError:
    names = ", ".join(spelling(other) for other in known)
    instead = "combine slices by operators" if ufunc in TABLE else "compute it outside the graph, from x.value"
    return TypeError(f"{spelling(ufunc)}.{method} is not supported on nodes, which have that of {names}: {instead}")

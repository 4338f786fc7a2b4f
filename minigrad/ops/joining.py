"""NumPy's further ways to join, grow, cut and lay out arrays, composed of the movements of `shaping` and of indices.

Where entries go is computed once, outside the graph, as shapes are: an index that decides a shape is no node.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from minigrad.dispatch import ADVICE, Way, answers
from minigrad.node import Constant, Node, as_node
from minigrad.ops.base import broadcast_to
from minigrad.ops.casting import astype
from minigrad.ops.shaping import along, concatenate, copy, moveaxis, ravel, reshape, stack, transpose

if TYPE_CHECKING:
    from minigrad.operators import Operand

__all__ = [
    "append", "insert", "delete", "block", "resize", "rollaxis", "meshgrid", "ix_", "apply_along_axis", "apply_over_axes",
]  # fmt: skip


# Growing and cutting -------------------------------------------------------------------------------------------------


@answers(np.append)
def append(arr: Operand, values: Operand, axis: int | None = None) -> Node:
    """The values behind arr along an axis; axis=None joins both as vectors."""
    parts = [as_node(arr), as_node(values)]
    return concatenate([ravel(x) for x in parts] if axis is None else parts, 0 if axis is None else axis)


@answers(np.insert)
def insert(arr: Operand, obj: Any, values: Operand, axis: int | None = None) -> Node:
    """arr with values put before the places that `obj` names along an axis; axis=None takes arr as a vector."""
    x, axis = along(arr, axis, "insert")
    _fixed("insert", obj)
    length = x.shape[axis]
    places = np.asarray(np.arange(length)[obj] if isinstance(obj, slice) else obj)
    if places.dtype.kind == "b" or not places.size:
        places = np.flatnonzero(places)
    v = astype(values, x.dtype)
    v = reshape(v, (1,) * (x.ndim - v.ndim) + v.shape) if v.ndim < x.ndim else v
    v = v if places.ndim else moveaxis(v, 0, axis)
    added = v.shape[axis] if places.size == 1 else places.size
    source = np.insert(np.arange(length), np.broadcast_to(places.reshape(-1), added), length + np.arange(added))
    v = broadcast_to(v, [added if i == axis else n for i, n in enumerate(x.shape)])
    return concatenate([x, v], axis)[(*(slice(None),) * axis, source)]


@answers(np.delete)
def delete(arr: Operand, obj: Any, axis: int | None = None) -> Node:
    """arr without the places that `obj` names along an axis; axis=None takes arr as a vector."""
    x, axis = along(arr, axis, "delete")
    _fixed("delete", obj)
    return x[(*(slice(None),) * axis, np.delete(np.arange(x.shape[axis]), obj))]


def _fixed(function: str, obj: Any) -> None:
    if isinstance(obj, Node):
        raise TypeError(f"{function}: the places are no node, since they decide a shape: write .value")


@answers(np.resize)
def resize(a: Operand, new_shape: int | Sequence[int]) -> Node:
    """The entries of a, row by row and again from the beginning, in a shape of another size."""
    x = ravel(a)
    source = np.arange(np.prod(new_shape, dtype=np.intp)).reshape(new_shape)
    return x[source % x.size] if x.size else Constant(np.zeros(source.shape, x.dtype))


# Layout --------------------------------------------------------------------------------------------------------------


@answers(np.block)
def block(arrays: Any) -> Node:
    """The array that nested lists of blocks show: the innermost are joined along the last axis, and so on outwards."""
    depth = _depth(arrays)
    ndim = max([depth, *[x.ndim for x in _leaves(arrays)]])
    return _joined(arrays, ndim, depth)


def _depth(arrays: Any) -> int:
    if isinstance(arrays, tuple):
        raise TypeError("block: blocks stand in lists, and one is a tuple: write [a, b]")
    if not isinstance(arrays, list):
        return 0
    depths = {_depth(part) for part in arrays}
    if len(depths) != 1:
        raise ValueError("block: lists stand side by side with lists of the same depth, and none is empty")
    return 1 + depths.pop()


def _leaves(arrays: Any) -> list[Node]:
    if not isinstance(arrays, list):
        return [as_node(arrays)]
    return [leaf for part in arrays for leaf in _leaves(part)]


def _joined(arrays: Any, ndim: int, depth: int) -> Node:
    if not isinstance(arrays, list):
        x = as_node(arrays)
        return reshape(x, (1,) * (ndim - x.ndim) + x.shape) if x.ndim < ndim else copy(x) if depth == 0 else x
    return concatenate([_joined(part, ndim, depth - 1) for part in arrays], -depth)


@answers(np.rollaxis)
def rollaxis(a: Operand, axis: int, start: int = 0) -> Node:
    """a with an axis moved before the position `start`."""
    x = as_node(a)
    axis = normalize_axis_index(axis, x.ndim, f"rollaxis of {x.label}")
    start = normalize_axis_index(start + x.ndim * (start < 0), x.ndim + 1, f"rollaxis of {x.label}, start")
    order = [i for i in range(x.ndim) if i != axis]
    order.insert(start - (axis < start), axis)
    return transpose(x, order)


@answers(np.meshgrid)
def meshgrid(*xi: Operand, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> tuple[Node, ...]:
    """Each vector along an axis of its own, repeated along the others: the coordinates of a grid.

    indexing: "xy" has the first vector run along the second axis, "ij" each along its own
    """
    if indexing not in ("xy", "ij"):
        raise ValueError(f"meshgrid(indexing={indexing!r}): 'xy' or 'ij'")
    axes = list(range(len(xi)))
    if indexing == "xy" and len(xi) > 1:
        axes[:2] = 1, 0
    vectors = [ravel(x) for x in xi]
    laid = [reshape(x, [-1 if i == axis else 1 for i in axes_of(xi)]) for x, axis in zip(vectors, axes, strict=True)]
    if sparse:
        return tuple(laid)
    shape = [vectors[axes.index(i)].size for i in axes_of(xi)]
    return tuple([broadcast_to(x, shape) for x in laid])


def axes_of(arrays: Sequence[Any]) -> range:
    """One axis per array."""
    return range(len(arrays))


@answers(np.ix_)
def ix_(*args: Operand) -> tuple[Node, ...]:
    """Vectors of integers, each along an axis of its own: the index of a sub-grid."""
    found = []
    for i, x in enumerate(map(as_node, args)):
        if x.ndim != 1:
            raise ValueError(f"ix_: vectors, not {x.label}")
        if x.dtype.kind == "b":
            raise TypeError("ix_: how often a mask holds depends on values: write np.flatnonzero(mask.value)")
        found.append(reshape(x, [-1 if i == k else 1 for k in axes_of(args)]))
    return tuple(found)


# Indices of a shape: plain arrays -------------------------------------------------------------------------------------


@answers(np.tril_indices_from)
def _tril_indices_from(arr: Operand, k: int = 0) -> Any:
    """The indices of the lower triangle of a matrix, up to the k-th diagonal: plain arrays."""
    return np.tril_indices_from(as_node(arr)._value, k)


@answers(np.triu_indices_from)
def _triu_indices_from(arr: Operand, k: int = 0) -> Any:
    """The indices of the upper triangle of a matrix, from the k-th diagonal on: plain arrays."""
    return np.triu_indices_from(as_node(arr)._value, k)


@answers(np.diag_indices_from)
def _diag_indices_from(arr: Operand) -> Any:
    """The indices of the diagonal of an array: plain arrays."""
    return np.diag_indices_from(as_node(arr)._value)


# Functions along axes ------------------------------------------------------------------------------------------------


@answers(np.apply_along_axis)
def apply_along_axis(func1d: Callable[..., Any], axis: int, arr: Operand, *args: Any, **kwargs: Any) -> Node:
    """A function of vectors applied to every line of arr along an axis; what it gives lies along that axis."""
    x = as_node(arr)
    axis = normalize_axis_index(axis, x.ndim, f"apply_along_axis of {x.label}")
    lines = moveaxis(x, axis, -1)
    kept = lines.shape[:-1]
    parts = [as_node(func1d(lines[index], *args, **kwargs)) for index in np.ndindex(kept)]
    if not parts:
        raise ValueError(f"apply_along_axis of {x.label}: there is no line to apply the function to")
    found = reshape(stack(parts), kept + parts[0].shape)
    return moveaxis(found, range(len(kept), found.ndim), range(axis, axis + parts[0].ndim))


@answers(np.apply_over_axes)
def apply_over_axes(func: Callable[[Node, int], Any], a: Operand, axes: int | Sequence[int]) -> Node:
    """A function of (array, axis) applied along one axis after another; an axis it drops is put back, of length 1."""
    x = as_node(a)
    for axis in np.atleast_1d(axes).tolist():
        axis = normalize_axis_index(axis, x.ndim, f"apply_over_axes of {x.label}")
        y = as_node(func(x, axis))
        x = y if y.ndim == x.ndim else reshape(y, [*y.shape[:axis], 1, *y.shape[axis:]])
    return x


ADVICE.update(
    {
        np.empty_like: Way("0 * np.empty_like(x)", "np.zeros_like(x)"),
        np.trim_zeros: "its result's shape depends on values: write a slice",
    }
)

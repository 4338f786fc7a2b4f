"""Sums, means, products, extremes, sorting and scans: operations that reduce, order or run along axes.

`axis` is NumPy's: an integer, a tuple, or None for all. What depends on the order of values (the arg max, the
permutation that sorts) is a node of its own, so that a replay finds it anew.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from minigrad.dispatch import ADVICE, NOT_GIVEN, Way, answers, refuse_out
from minigrad.node import Array, Constant, Node, as_node
from minigrad.ops.arithmetic import Add, Maximum, Minimum, Multiply, PiecewiseConstant, floating, isnan, maximum, where
from minigrad.ops.base import Entries, Masked, Operation, broadcast_to, broadcasts_to
from minigrad.ops.casting import astype
from minigrad.ops.elementwise import sqrt, square
from minigrad.ops.indexing import take_along_axis
from minigrad.ops.shaping import along, concatenate, expand_dims, flip, full_like, ravel, reshape

if TYPE_CHECKING:
    from minigrad.operators import Axis, Operand

__all__ = [
    # sums and means
    "Sum", "Mean", "Var", "Std", "Binade", "sum", "mean", "var", "std", "average",
    # extremes
    "Max", "Min", "FirstMaximum", "ArgMax", "ArgMin", "max", "min", "argmax", "argmin",
    # order
    "Sort", "ArgSort", "sort", "argsort", "median",
    # scans and products
    "CumSum", "CumProd", "Recurrence", "Prod", "cumsum", "cumprod", "prod", "diff",
    # truth
    "AnyTrue", "AllTrue", "CountNonzero", "any", "all", "count_nonzero",
]  # fmt: skip


# Sums and means ----------------------------------------------------------------------------------------------------


class Sum(Operation):
    """y = Σ x over the axes;  x̄ = ȳ repeated along them."""

    __slots__ = ()
    moves = True
    axis: Axis
    keepdims: bool

    def fprop(self, x: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
        return x.sum(axis=axis, keepdims=keepdims)

    def bprop(self, adjoint: Node) -> Entries:
        (x,) = self.children
        return broadcast_to(broadcastable(adjoint, x, self.axis), x.shape)


class Mean(Operation):
    """y = Σ x / n over the axes, n = count x;  x̄ = ȳ / n repeated along them."""

    __slots__ = ()
    moves = True
    axis: Axis
    keepdims: bool

    def fprop(self, x: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
        return x.mean(axis=axis, keepdims=keepdims)

    def bprop(self, adjoint: Node) -> Entries:
        (x,) = self.children
        return broadcast_to(broadcastable(adjoint / (_count(x, self.axis) or 1), x, self.axis), x.shape)


class Var(Operation):
    """y = Σ (x − m)² / d over the axes, m = mean x, d = count x − ddof;  x̄ = 2 ȳ (x − m) / d."""

    __slots__ = ()
    analytic = False
    axis: Axis
    ddof: float
    keepdims: bool

    def fprop(self, x: Any, *, axis: Axis = None, ddof: float = 0, keepdims: bool = False) -> Any:
        return x.var(axis=axis, ddof=ddof, keepdims=keepdims)

    def bprop(self, adjoint: Node) -> Entries:
        (x,) = self.children
        scaled = adjoint / (_degrees_of_freedom(x, self.axis, self.ddof) / 2)
        return broadcastable(scaled, x, self.axis) * (x - mean(x, self.axis, keepdims=True))


class Std(Operation):
    """y = √(Σ (x − m)² / d), m = mean x, d = count x − ddof;  x̄ = ȳ (x − m) / (d y) where y ≠ 0, else 0.

    That is where all x are equal, even if their mean was rounded and y is not quite 0.
    """

    __slots__ = ()
    analytic = False
    axis: Axis
    ddof: float
    keepdims: bool

    def fprop(self, x: Any, *, axis: Axis = None, ddof: float = 0, keepdims: bool = False) -> Any:
        centered = x - x.mean(axis=axis, keepdims=True)
        unit = binade(centered, axis)
        squares = np.square(centered / unit).sum(axis=axis, keepdims=True)
        y = unit * np.sqrt(squares / _degrees_of_freedom(x, axis, ddof))
        return y if keepdims else np.squeeze(y, axis)

    def bprop(self, adjoint: Node) -> Entries:
        (x,) = self.children
        if x.size == 0:
            return 0 * x
        equal = max(x, self.axis, keepdims=self.keepdims) == min(x, self.axis, keepdims=self.keepdims)
        flat = equal | (self == 0)
        spread = broadcastable(where(flat, 1, self), x, self.axis)
        scaled = where(flat, 0, adjoint) / _degrees_of_freedom(x, self.axis, self.ddof)
        return broadcastable(scaled, x, self.axis) * ((x - mean(x, self.axis, keepdims=True)) / spread)


@answers(np.sum)
def sum(
    a: Operand,
    axis: Axis = None,
    dtype: Any = None,
    out: None = None,
    keepdims: bool = False,
    initial: Any = NOT_GIVEN,
    where: Any = True,
) -> Node:
    """The sum over the axes, of those entries alone where the mask `where` holds, on top of `initial`, in `dtype`."""
    if dtype is out is None and initial is NOT_GIVEN and where is True:
        return Sum(a, axis=axis, keepdims=keepdims)
    x = selected(_given(a, dtype, out), where, 0)
    return _joined(Sum(x, axis=axis, keepdims=keepdims), initial, dtype)


@answers(np.mean)
def mean(
    a: Operand,
    axis: Axis = None,
    dtype: Any = None,
    out: None = None,
    keepdims: bool = False,
    *,
    where: Any = True,
) -> Node:
    """The mean over the axes, of those entries alone where the mask `where` holds, in `dtype`."""
    if dtype is out is None and where is True:
        return Mean(a, axis=axis, keepdims=keepdims)
    x = _given(a, dtype, out)
    if where is True:
        return _in(dtype, Mean(x, axis=axis, keepdims=keepdims))
    total = Sum(selected(floating(x), where, 0), axis=axis, keepdims=keepdims)
    return _in(dtype, total / counted(x, axis, keepdims, where, total.dtype))


@answers(np.var)
def var(
    a: Operand,
    axis: Axis = None,
    dtype: Any = None,
    out: None = None,
    ddof: float = 0,
    keepdims: bool = False,
    *,
    where: Any = True,
    mean: Any = NOT_GIVEN,
    correction: float = NOT_GIVEN,
) -> Node:
    """The variance over the axes: squares summed over n − ddof (`correction` is another name of ddof).

    where: a mask, of the entries that count
    mean:  the mean, where it is known, with the axes kept
    """
    ddof = _correction("var", ddof, correction)
    if dtype is out is None and where is True and mean is NOT_GIVEN:
        return Var(a, axis=axis, ddof=ddof, keepdims=keepdims)
    x = _given(a, dtype, out)
    if where is True and mean is NOT_GIVEN:
        return _in(dtype, Var(x, axis=axis, ddof=ddof, keepdims=keepdims))
    return _in(dtype, _variance(floating(x), axis, ddof, keepdims, where, mean))


@answers(np.std)
def std(
    a: Operand,
    axis: Axis = None,
    dtype: Any = None,
    out: None = None,
    ddof: float = 0,
    keepdims: bool = False,
    *,
    where: Any = True,
    mean: Any = NOT_GIVEN,
    correction: float = NOT_GIVEN,
) -> Node:
    """The standard deviation over the axes, the root of `var`; its adjoint is 0 where it is 0."""
    ddof = _correction("std", ddof, correction)
    if dtype is out is None and where is True and mean is NOT_GIVEN:
        return Std(a, axis=axis, ddof=ddof, keepdims=keepdims)
    x = _given(a, dtype, out)
    if where is True and mean is NOT_GIVEN:
        return _in(dtype, Std(x, axis=axis, ddof=ddof, keepdims=keepdims))
    return _in(dtype, deviation(floating(x), axis, ddof, keepdims, where, mean))


def spread(x: Node, axis: Axis, ddof: float, keepdims: bool, mask: Any, center: Any = NOT_GIVEN) -> tuple[Node, Node]:
    """The squares of those entries where the mask holds, around their mean or a center given, summed; and n − ddof."""
    squares = square(_centered(x, axis, mask, center))
    return Sum(squares, axis=axis, keepdims=keepdims), counted(x, axis, keepdims, mask, x.dtype) - ddof


def _centered(x: Node, axis: Axis, mask: Any, center: Any) -> Node:
    """The entries where the mask holds, minus their mean or a center given, and 0 elsewhere."""
    if center is NOT_GIVEN:
        center = mean(x, axis, keepdims=True, where=mask)
    return selected(x - center, mask, 0)


def _variance(x: Node, axis: Axis, ddof: float, keepdims: bool, mask: Any, center: Any) -> Node:
    squares, freedom = spread(x, axis, ddof, keepdims, mask, center)
    return squares / maximum(freedom, 0)


def deviation(x: Node, axis: Axis, ddof: float, keepdims: bool, mask: Any, center: Any) -> Node:
    """The root of the variance, in a unit in which no square overflows or underflows; its adjoint is 0 where it is 0."""
    centered = _centered(x, axis, mask, center)
    unit = Binade(centered, axis=axis)
    squares = Sum(square(centered / unit), axis=axis, keepdims=keepdims)
    freedom = maximum(counted(x, axis, keepdims, mask, x.dtype) - ddof, 0)
    return root(squares / freedom) * reshape(unit, squares.shape)


def root(x: Node) -> Node:
    """√x, with adjoint 0 where x is 0."""
    zero = x == 0
    return masked_to(~zero, sqrt(masked_to(~zero, x, 1)), 0)


@answers(np.average)
def average(
    a: Operand, axis: Axis = None, weights: Operand | None = None, returned: bool = False, *, keepdims: bool = False
) -> Any:
    """Σ w a / Σ w over the axes, the mean without weights; weights of a's shape, or of that of the axes.

    Weights that sum to 0 give nan or inf. returned=True gives Σ w too.
    """
    x = as_node(a)
    if weights is None:
        average = mean(x, axis, keepdims=keepdims)
        total = full_like(average, _count(x, axis))
    else:
        w = as_node(weights)
        if w.shape != x.shape:
            w = _along(w, x, axis)
        total = sum(broadcast_to(w, x.shape), axis, keepdims=keepdims)
        average = sum(x * w, axis, keepdims=keepdims) / total
    return (average, astype(total, average.dtype)) if returned else average


def _along(weights: Node, x: Node, axis: Axis) -> Node:
    """Weights of the axes' shape, laid along them to broadcast with x."""
    axes = normalize_axis_tuple(range(x.ndim) if axis is None else axis, x.ndim)
    if axis is None or weights.shape != tuple(x.shape[i] for i in axes):
        raise ValueError(
            f"average: weights of shape {weights.shape} are neither of a's shape {x.shape} nor of that of axis={axis}"
        )
    return reshape(
        weights.transpose([int(i) for i in np.argsort(axes)]), [n if i in axes else 1 for i, n in enumerate(x.shape)]
    )


def _correction(function: str, ddof: float, correction: float) -> float:
    if correction is NOT_GIVEN:
        return ddof
    if ddof != 0:
        raise ValueError(f"{function}: ddof and correction are two names of one thing: give one of them")
    return correction


# What reductions have in common ------------------------------------------------------------------------------------


def _given(a: Operand, dtype: Any, out: None) -> Node:
    """What is to be reduced, in the dtype asked for."""
    refuse_out(out)
    return as_node(a) if dtype is None else astype(a, dtype)


def _in(dtype: Any, y: Node) -> Node:
    """A result in the dtype asked for."""
    return y if dtype is None else astype(y, dtype)


def selected(x: Node, mask: Any, instead: float) -> Node:
    """x where the mask holds, which broadcasts to it, and a number where it does not."""
    if mask is True:
        return x
    return masked_to(mask_of(x, mask), x, instead)


def masked_to(mask: Node, x: Node, instead: float) -> Node:
    """x where the mask holds, and a number of x's dtype where it does not."""
    return where(mask, x, Constant(np.asarray(instead, x.dtype)))


def mask_of(x: Node, mask: Any) -> Node:
    """The argument `where` of a reduction as a boolean node that broadcasts to x."""
    holds = as_node(mask)
    if not broadcasts_to(holds.shape, x.shape):
        raise ValueError(f"the mask where= has shape {holds.shape} and does not broadcast to {x.label}")
    return holds if holds.dtype.kind == "b" else holds != 0


def counted(x: Node, axis: Axis, keepdims: bool, mask: Any, dtype: np.dtype[Any]) -> Node:
    """How many entries over the axes the mask selects."""
    if mask is True:
        return Constant(np.asarray(_count(x, axis), dtype))
    return astype(Sum(broadcast_to(mask_of(x, mask), x.shape), axis=axis, keepdims=keepdims), dtype)


def _joined(y: Node, initial: Any, dtype: Any = None) -> Node:
    """A reduction joined with its initial value, one number, by the operation that reduces."""
    if initial is NOT_GIVEN or initial is None:
        return _in(dtype, y)
    return _in(dtype, JOINED_BY[type(y)](y, _number(initial, y.dtype)))


def _number(initial: Any, dtype: np.dtype[Any]) -> Node:
    """The initial value of a reduction in its dtype."""
    node = as_node(initial, dtype)
    if node.ndim:
        raise TypeError(f"the initial value of a reduction is one number, not of shape {node.shape}")
    return astype(node, dtype)


def binade(x: Any, axis: Axis) -> Any:
    """The power of two just below the largest |x| along the axes, kept as axes of length 1; never below the smallest normal
    number.

    What is divided by it can be squared without overflow or underflow, and without another rounding. Infinities have a
    finite one.
    """
    info = np.finfo(x.dtype)
    largest = np.abs(x).max(axis=axis, keepdims=True, initial=0)
    return np.spacing(np.minimum(largest, info.max / 2)) / info.eps


class Binade(PiecewiseConstant):
    """y = the power of two just below the largest |x| along the axes, kept as axes of length 1;  no adjoint.

    A unit for squares: it cancels, and its derivative (0 but for jumps) has no part in a rule.
    """

    __slots__ = ()
    axis: Axis

    def fprop(self, x: Any, *, axis: Axis = None) -> Any:
        return binade(x, axis)


# Axes --------------------------------------------------------------------------------------------------------------


def _axes(x: Node | Array, axis: Axis) -> tuple[int, ...]:
    """The axes that are reduced, in order. NumPy lets a 0-d array have the axes 0 and −1; there is nothing to reduce."""
    if x.ndim == 0 and axis is not None:
        normalize_axis_tuple(axis, 1)
        return ()
    return tuple(sorted(normalize_axis_tuple(range(x.ndim) if axis is None else axis, x.ndim)))


def _count(x: Node | Array, axis: Axis) -> int:
    """How many entries are reduced to one."""
    return math.prod([x.shape[i] for i in _axes(x, axis)])


def _degrees_of_freedom(x: Node | Array, axis: Axis, ddof: float) -> float:
    """n − ddof, not below 0."""
    return float(np.maximum(_count(x, axis) - ddof, 0))


def broadcastable(reduced: Node, x: Node, axis: Axis) -> Node:
    """What x was reduced to, with the reduced axes of length 1 put back where it would not broadcast against x."""
    axes = _axes(x, axis)
    if reduced.ndim == x.ndim or axes == tuple(range(len(axes))):
        return reduced
    return reshape(reduced, [1 if i in axes else n for i, n in enumerate(x.shape)])


Values = TypeVar("Values", Node, Array)


def _lines(x: Values, axis: Axis) -> Values:
    """x with its reduced axes joined into one, the last."""
    axes = _axes(x, axis)
    kept: tuple[int, ...] = tuple([i for i in range(x.ndim) if i not in axes])
    length = math.prod([x.shape[i] for i in axes])
    return x.transpose(kept + axes).reshape((*[x.shape[i] for i in kept], length))


def _from_lines(lines: Values, shape: tuple[int, ...], axes: tuple[int, ...]) -> Values:
    """The inverse of `_lines`."""
    order = [*[i for i in range(len(shape)) if i not in axes], *axes]
    return lines.reshape(tuple([shape[i] for i in order])).transpose([order.index(i) for i in range(len(shape))])


# Extremes ----------------------------------------------------------------------------------------------------------


class Max(Operation):
    """y = max x over the axes, nan if one is nan;  x̄ = ȳ where x is the first maximum, else 0, row by row."""

    __slots__ = ()
    moves = True
    smooth = False
    analytic = False
    axis: Axis
    keepdims: bool

    def fprop(self, x: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
        return x.max(axis=axis, keepdims=keepdims)

    def bprop(self, adjoint: Node) -> Entries:
        (x,) = self.children
        return first_only(FirstMaximum(x, axis=self.axis), broadcastable(adjoint, x, self.axis))


class Min(Operation):
    """y = min x over the axes, nan if one is nan;  x̄ = ȳ where x is the first minimum, else 0, row by row."""

    __slots__ = ()
    moves = True
    smooth = False
    analytic = False
    axis: Axis
    keepdims: bool

    def fprop(self, x: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
        return x.min(axis=axis, keepdims=keepdims)

    def bprop(self, adjoint: Node) -> Entries:
        (x,) = self.children
        return first_only(FirstMaximum(-x, axis=self.axis), broadcastable(adjoint, x, self.axis))


def first_only(first: Node, adjoint: Node) -> Masked:
    """The adjoint where the mask of what was chosen holds, 0 elsewhere; masked as in `Where`."""
    return Masked(where(first, adjoint, 0), first)


class FirstMaximum(PiecewiseConstant):
    """y = whether x is the first maximum over the axes, row by row: it takes the adjoint of `max`;  no adjoint."""

    __slots__ = ()
    axis: Axis

    def fprop(self, x: Any, *, axis: Axis = None) -> Any:
        lines = _lines(x, axis)
        first = lines.argmax(-1)[..., None] == np.arange(lines.shape[-1])
        return _from_lines(first, x.shape, _axes(x, axis))


class ArgMax(PiecewiseConstant):
    """y = argmax(x) along the axis, the index of the first maximum, or in x row by row;  no adjoint."""

    __slots__ = ()
    axis: int | None
    keepdims: bool

    def fprop(self, x: Any, *, axis: int | None = None, keepdims: bool = False) -> Any:
        return np.argmax(x, axis=axis, keepdims=keepdims)


class ArgMin(PiecewiseConstant):
    """y = argmin(x) along the axis, the index of the first minimum, or in x row by row;  no adjoint."""

    __slots__ = ()
    axis: int | None
    keepdims: bool

    def fprop(self, x: Any, *, axis: int | None = None, keepdims: bool = False) -> Any:
        return np.argmin(x, axis=axis, keepdims=keepdims)


@answers(np.max, np.amax)
def max(
    a: Operand,
    axis: Axis = None,
    out: None = None,
    keepdims: bool = False,
    initial: Any = NOT_GIVEN,
    where: Any = True,
) -> Node:
    """The largest entry along the axes; its adjoint goes to the first such entry.

    where: a mask, of the entries that count; then there must be an `initial` value, which counts too
    """
    if out is None and initial is NOT_GIVEN and where is True:
        return Max(a, axis=axis, keepdims=keepdims)
    return _extreme(Max, _given(a, None, out), axis, keepdims, initial, where)


@answers(np.min, np.amin)
def min(
    a: Operand,
    axis: Axis = None,
    out: None = None,
    keepdims: bool = False,
    initial: Any = NOT_GIVEN,
    where: Any = True,
) -> Node:
    """The smallest entry along the axes; its adjoint goes to the first such entry.

    where: a mask, of the entries that count; then there must be an `initial` value, which counts too
    """
    if out is None and initial is NOT_GIVEN and where is True:
        return Min(a, axis=axis, keepdims=keepdims)
    return _extreme(Min, _given(a, None, out), axis, keepdims, initial, where)


def _extreme(
    kind: Callable[..., Node],
    x: Node,
    axis: Axis,
    keepdims: bool,
    initial: Any,
    mask: Any,
) -> Node:
    """An extreme of those entries where the mask holds, and of the initial value."""
    if initial is NOT_GIVEN or initial is None:
        if mask is not True:
            raise ValueError(
                "a maximum or minimum under a mask where= has no value where nothing is left: give initial="
            )
        return kind(x, axis=axis, keepdims=keepdims)
    first = _number(initial, x.dtype)
    if mask is not True:
        x = where(mask_of(x, mask), x, first)
    if not _count(x, axis):
        return broadcast_to(first, Sum(x, axis=axis, keepdims=keepdims).shape)
    return _joined(kind(x, axis=axis, keepdims=keepdims), first)


@answers(np.argmax)
def argmax(a: Operand, axis: int | None = None, out: None = None, *, keepdims: bool = False) -> Node:
    """The index of the first largest entry along the axis, an integer node."""
    refuse_out(out)
    return ArgMax(a, axis=axis, keepdims=keepdims)


@answers(np.argmin)
def argmin(a: Operand, axis: int | None = None, out: None = None, *, keepdims: bool = False) -> Node:
    """The index of the first smallest entry along the axis, an integer node."""
    refuse_out(out)
    return ArgMin(a, axis=axis, keepdims=keepdims)


# Order -------------------------------------------------------------------------------------------------------------


class Sort(Operation):
    """y = x sorted along the axis;  x̄ = ȳ taken back to where x's entries came from, in a tie in their order."""

    __slots__ = ()
    moves = True
    smooth = False
    analytic = False
    axis: int

    def fprop(self, x: Any, *, axis: int = -1) -> Any:
        return np.sort(x, axis=axis)

    def bprop(self, adjoint: Node) -> Entries:
        rank = argsort(argsort(self.children[0], self.axis), self.axis)
        return take_along_axis(adjoint, rank, self.axis)


class ArgSort(PiecewiseConstant):
    """y = argsort(x) along the axis, the indices that sort x: of equal entries the earlier first;  no adjoint."""

    __slots__ = ()
    axis: int

    def fprop(self, x: Any, *, axis: int = -1) -> Any:
        return np.argsort(x, axis=axis, kind="stable")


@answers(np.sort)
def sort(
    a: Operand, axis: int | None = -1, kind: str | None = None, order: None = None, *, stable: bool | None = None
) -> Node:
    """a sorted along the axis, nan last; axis=None sorts a as a vector. All kinds give the same."""
    _known_kind(kind, order, stable)
    return Sort(ravel(a), axis=-1) if axis is None else Sort(a, axis=axis)


@answers(np.argsort)
def argsort(
    a: Operand, axis: int | None = -1, kind: str | None = None, order: None = None, *, stable: bool | None = None
) -> Node:
    """The indices that sort a along the axis, an integer node; always stable, whatever kind is asked for."""
    _known_kind(kind, order, stable)
    return ArgSort(ravel(a), axis=-1) if axis is None else ArgSort(a, axis=axis)


def _known_kind(kind: Any, order: Any, stable: bool | None) -> None:
    """Raise NumPy's own error where it has no such kind, or no fields to order by."""
    if kind is not None or order is not None:
        np.empty(0).sort(kind=kind, order=order, stable=stable)


@answers(np.median)
def median(
    a: Operand, axis: Axis = None, out: None = None, overwrite_input: bool = False, keepdims: bool = False
) -> Node:
    """The middle of the sorted entries along the axes, of an even number the mean of the two; nan if one is nan."""
    refuse_out(out)
    x = as_node(a)
    axis = None if axis is None else normalize_axis_tuple(axis, x.ndim, f"median of {x.label}")
    if not _count(x, axis):
        return mean(x, axis, keepdims=keepdims)  # nan, as NumPy has it
    lines = sort(_lines(x if x.dtype.kind == "f" else x.astype(np.float64), axis))
    n = lines.shape[-1]
    middle = lines[..., n // 2] if n % 2 else (lines[..., n // 2 - 1] + lines[..., n // 2]) / 2
    last = lines[..., -1]  # nan is sorted last
    found = where(isnan(last), last, middle)
    return expand_dims(found, _axes(x, axis)) if keepdims else found


# Scans and products ------------------------------------------------------------------------------------------------


class CumSum(Operation):
    """y_k = Σ x_j over j ≤ k along the axis;  x̄_j = Σ ȳ_k over k ≥ j."""

    __slots__ = ()
    moves = True
    axis: int

    def fprop(self, x: Any, *, axis: int) -> Any:
        return np.cumsum(x, axis=axis)

    def bprop(self, adjoint: Node) -> Entries:
        return flip(cumsum(flip(adjoint, self.axis), self.axis), self.axis)


class CumProd(Operation):
    """y_k = Π x_j over j ≤ k along the axis;  x̄_j = (Π x_i over i < j) λ_j with λ_k = ȳ_k + x_{k+1} λ_{k+1}.

    That is without division, so right where x is 0.
    """

    __slots__ = ()
    axis: int

    def fprop(self, x: Any, *, axis: int) -> Any:
        return np.cumprod(x, axis=axis)

    def bprop(self, adjoint: Node) -> Entries:
        (x,) = self.children
        return _before(self, 1, self.axis) * Recurrence(x, adjoint, axis=self.axis, reverse=True)


class Recurrence(Operation):
    """y_k = b_k + a_k y_{k−1} along the axis (a_0 has no use), or in reverse y_k = b_k + a_{k+1} y_{k+1}.

    Back: b̄ = Recurrence(a, ȳ), the other way round; ā_k = b̄_k y_{k−1}, or in reverse b̄_{k−1} y_k.

    For a_k joins k − 1 and k either way, and its adjoint is the product of what arrives at both ends.
    """

    __slots__ = ()
    axis: int
    reverse: bool

    def fprop(self, a: Any, b: Any, *, axis: int, reverse: bool = False) -> Any:
        y = np.array(b, dtype=np.result_type(a, b))
        state, weight = np.moveaxis(y, axis, 0), np.moveaxis(a, axis, 0)
        steps = range(1, len(state))
        for k in reversed(steps) if reverse else steps:
            if reverse:
                state[k - 1] += weight[k] * state[k]
            else:
                state[k] += weight[k] * state[k - 1]
        return y

    def bprop(self, adjoint: Node) -> Entries:
        a, _ = self.children
        back = Recurrence(a, adjoint, axis=self.axis, reverse=not self.reverse)
        early, late = (back, self) if self.reverse else (self, back)
        return lambda: _before(early, 0, self.axis) * late, back


class Prod(Operation):
    """y = Π x over the axes;  x̄_j = ȳ Π_{i≠j} x_i, by products of what is before and after: right where x is 0."""

    __slots__ = ()
    axis: Axis
    keepdims: bool

    def fprop(self, x: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
        return x.prod(axis=axis, keepdims=keepdims)

    def bprop(self, adjoint: Node) -> Entries:
        (x,) = self.children
        lines = _lines(x, self.axis)
        before = _before(cumprod(lines, -1), 1, -1)
        after = flip(_before(cumprod(flip(lines, -1), -1), 1, -1), -1)
        return broadcastable(adjoint, x, self.axis) * _from_lines(before * after, x.shape, _axes(x, self.axis))


def _before(x: Node, first: float, axis: int) -> Node:
    """At k what x is at k − 1, and at the beginning the number given."""
    axis = normalize_axis_index(axis, x.ndim)
    if not x.shape[axis]:
        return x
    start = Constant(np.full((*x.shape[:axis], 1, *x.shape[axis + 1 :]), first, x.dtype))
    return concatenate([start, x[(slice(None),) * axis + (slice(-1),)]], axis)


@answers(np.cumsum)
def cumsum(a: Operand, axis: int | None = None, dtype: Any = None, out: None = None) -> Node:
    """The sums of the entries so far along the axis; axis=None takes a as a vector."""
    x, axis = along(_given(a, dtype, out), axis, "cumsum")
    return CumSum(x, axis=axis)


@answers(np.cumprod)
def cumprod(a: Operand, axis: int | None = None, dtype: Any = None, out: None = None) -> Node:
    """The products of the entries so far along the axis; axis=None takes a as a vector."""
    x, axis = along(_given(a, dtype, out), axis, "cumprod")
    return CumProd(x, axis=axis)


@answers(np.prod)
def prod(
    a: Operand,
    axis: Axis = None,
    dtype: Any = None,
    out: None = None,
    keepdims: bool = False,
    initial: Any = NOT_GIVEN,
    where: Any = True,
) -> Node:
    """The product over the axes, of those entries alone where the mask `where` holds, times `initial`, in `dtype`."""
    if dtype is out is None and initial is NOT_GIVEN and where is True:
        return Prod(a, axis=axis, keepdims=keepdims)
    x = selected(_given(a, dtype, out), where, 1)
    return _joined(Prod(x, axis=axis, keepdims=keepdims), initial, dtype)


@answers(np.diff)
def diff(a: Operand, n: int = 1, axis: int = -1, prepend: Operand | None = None, append: Operand | None = None) -> Node:
    """The n-th differences x_{k+1} − x_k along the axis, after joining what is to come before and after a."""
    x = as_node(a)
    if n < 0:
        raise ValueError(f"diff(n={n}): the number of differences is 0 or more")
    if n == 0:
        return x
    axis = normalize_axis_index(axis, x.ndim, "diff")
    ends = [None if end is None else _end(as_node(end), x, axis) for end in (prepend, append)]
    parts = [part for part in (ends[0], x, ends[1]) if part is not None]
    x = concatenate(parts, axis) if len(parts) > 1 else x
    for _ in range(n):
        late, early = (x[(slice(None),) * axis + (part,)] for part in (slice(1, None), slice(-1)))
        x = late != early if x.dtype.kind == "b" else late - early
    return x


def _end(end: Node, x: Node, axis: int) -> Node:
    """What is joined to x: a number stands for one entry along the axis."""
    return end if end.ndim else broadcast_to(end, [1 if i == axis else n for i, n in enumerate(x.shape)])


# Truth -------------------------------------------------------------------------------------------------------------


class AnyTrue(PiecewiseConstant):
    """y = any(x) along the axes, whether an entry is nonzero;  no adjoint."""

    __slots__ = ()
    axis: Axis
    keepdims: bool

    def fprop(self, x: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
        return x.any(axis=axis, keepdims=keepdims)


class AllTrue(PiecewiseConstant):
    """y = all(x) along the axes, whether all entries are nonzero;  no adjoint."""

    __slots__ = ()
    axis: Axis
    keepdims: bool

    def fprop(self, x: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
        return x.all(axis=axis, keepdims=keepdims)


class CountNonzero(PiecewiseConstant):
    """y = count_nonzero(x) along the axes, how many entries are nonzero, an integer;  no adjoint."""

    __slots__ = ()
    axis: Axis
    keepdims: bool

    def fprop(self, x: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
        return np.count_nonzero(x, axis=axis, keepdims=keepdims)


@answers(np.any)
def any(a: Operand, axis: Axis = None, out: None = None, keepdims: bool = False, *, where: Any = True) -> Node:
    """Whether an entry along the axes (of those alone where the mask `where` holds) is nonzero, a boolean node."""
    x = _given(a, None, out)
    return AnyTrue(x if where is True else (x != 0) & mask_of(x, where), axis=axis, keepdims=keepdims)


@answers(np.all)
def all(a: Operand, axis: Axis = None, out: None = None, keepdims: bool = False, *, where: Any = True) -> Node:
    """Whether all entries along the axes (of those alone where the mask `where` holds) are nonzero, a boolean node."""
    x = _given(a, None, out)
    return AllTrue(x if where is True else (x != 0) | ~mask_of(x, where), axis=axis, keepdims=keepdims)


@answers(np.count_nonzero)
def count_nonzero(a: Operand, axis: Axis = None, *, keepdims: bool = False) -> Node:
    """How many entries along the axes are nonzero, an integer node."""
    return CountNonzero(a, axis=axis, keepdims=keepdims)


JOINED_BY: dict[type[Node], Callable[[Node, Node], Node]] = {Sum: Add, Prod: Multiply, Max: Maximum, Min: Minimum}

_COUNTED = "what is counted has no gradient: compute it outside the graph, from x.value"
_OUTSIDE = "its shape depends on values: compute it outside the graph, from x.value"
ADVICE.update(
    {
        **dict.fromkeys((np.histogram, np.histogram2d, np.histogramdd, np.histogram_bin_edges), _COUNTED),
        **dict.fromkeys((np.unique, np.unique_all, np.unique_counts, np.unique_inverse, np.unique_values), _OUTSIDE),
        **dict.fromkeys((np.union1d, np.intersect1d, np.setdiff1d, np.setxor1d), _OUTSIDE),
        np.bincount: Way(
            "np.bincount(labels, weights, minlength=5)", "mg.Constant(np.zeros(5)).at[labels].add(weights)"
        ),
    }
)

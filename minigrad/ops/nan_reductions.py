"""Reductions that leave nan out: those of `reductions` under the mask of the entries that are numbers.

The mask is a node, so a replay with other entries missing counts anew. A missing entry has adjoint 0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.dispatch import NOT_GIVEN, answers, refuse_out
from minigrad.node import Node, as_node
from minigrad.ops.arithmetic import PiecewiseConstant, floating, isnan
from minigrad.ops.casting import astype
from minigrad.ops.indexing import take_along_axis
from minigrad.ops.reductions import (
    _axes,
    _correction,
    _lines,
    cumprod,
    cumsum,
    deviation,
    mask_of,
    masked_to,
    max,
    mean,
    min,
    prod,
    selected,
    spread,
    sum,
)
from minigrad.ops.shaping import expand_dims, squeeze

if TYPE_CHECKING:
    from minigrad.operators import Axis, Operand

__all__ = [
    "ArgExtreme", "nansum", "nanprod", "nanmean", "nanvar", "nanstd", "nanmax", "nanmin", "nanargmax", "nanargmin",
    "nancumsum", "nancumprod",
]  # fmt: skip


def present(x: Node, mask: Any = True) -> Any:
    """The mask of entries that are no nan, and where the mask holds: True where that is all of them for sure."""
    if x.dtype.kind != "f":
        return mask
    numbers = ~isnan(x)
    return numbers if mask is True else numbers & mask_of(x, mask)


# Sums and means ------------------------------------------------------------------------------------------------------


@answers(np.nansum)
def nansum(
    a: Operand,
    axis: Axis = None,
    dtype: Any = None,
    out: None = None,
    keepdims: bool = False,
    initial: Any = NOT_GIVEN,
    where: Any = True,
) -> Node:
    """The sum over the axes of what is no nan."""
    x = as_node(a)
    return sum(selected(x, present(x), 0), axis, dtype, out, keepdims, initial, where)


@answers(np.nanprod)
def nanprod(
    a: Operand,
    axis: Axis = None,
    dtype: Any = None,
    out: None = None,
    keepdims: bool = False,
    initial: Any = NOT_GIVEN,
    where: Any = True,
) -> Node:
    """The product over the axes of what is no nan."""
    x = as_node(a)
    return prod(selected(x, present(x), 1), axis, dtype, out, keepdims, initial, where)


@answers(np.nanmean)
def nanmean(
    a: Operand,
    axis: Axis = None,
    dtype: Any = None,
    out: None = None,
    keepdims: bool = False,
    *,
    where: Any = True,
) -> Node:
    """The mean over the axes of what is no nan; nan where that is nothing."""
    x = as_node(a)
    return mean(x, axis, dtype, out, keepdims, where=present(x, where))


@answers(np.nanvar)
def nanvar(
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
    """The variance over the axes of what is no nan; nan where that is not more than ddof entries."""
    refuse_out(out)
    x = floating(a if dtype is None else astype(a, dtype))
    ddof = _correction("nanvar", ddof, correction)
    squares, freedom = spread(x, axis, ddof, keepdims, present(x, where), mean)
    enough = freedom > 0
    return masked_to(enough, squares, 0) / masked_to(enough, freedom, 0)  # 0/0 is nan


@answers(np.nanstd)
def nanstd(
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
    """The root of `nanvar`; its adjoint is 0 where it is 0."""
    refuse_out(out)
    x = floating(a if dtype is None else astype(a, dtype))
    ddof = _correction("nanstd", ddof, correction)
    return deviation(x, axis, ddof, keepdims, present(x, where), mean)


# Extremes ------------------------------------------------------------------------------------------------------------


class ArgExtreme(PiecewiseConstant):
    """y = the index of the first maximum (or minimum) along the last axis of what is no nan;  no adjoint.

    empty: what a line of nothing but nan does: 0 is its index, or an error
    """

    __slots__ = ()
    largest: bool
    empty: str

    def fprop(self, x: Any, *, largest: bool, empty: str = "0") -> Any:
        if empty == "error" and np.isnan(x).all(axis=-1).any():
            raise ValueError("All-NaN slice encountered: there is no index of an entry that is a number")
        if not x.shape[-1]:
            raise ValueError("zero-size array to a reduction which has no identity")
        known = np.where(np.isnan(x), -np.inf if largest else np.inf, x)
        best = known.max(axis=-1, keepdims=True) if largest else known.min(axis=-1, keepdims=True)
        return (x == best).argmax(axis=-1)


@answers(np.nanmax)
def nanmax(
    a: Operand,
    axis: Axis = None,
    out: None = None,
    keepdims: bool = False,
    initial: Any = NOT_GIVEN,
    where: Any = True,
) -> Node:
    """The largest entry along the axes but for nan, nan where there is nothing else; its adjoint goes to the first."""
    return _extreme(max, True, a, axis, out, keepdims, initial, where)


@answers(np.nanmin)
def nanmin(
    a: Operand,
    axis: Axis = None,
    out: None = None,
    keepdims: bool = False,
    initial: Any = NOT_GIVEN,
    where: Any = True,
) -> Node:
    """The smallest entry along the axes but for nan, nan where there is nothing else; its adjoint goes to the first."""
    return _extreme(min, False, a, axis, out, keepdims, initial, where)


def _extreme(
    function: Callable[..., Node],
    largest: bool,
    a: Operand,
    axis: Axis,
    out: None,
    keepdims: bool,
    initial: Any,
    mask: Any,
) -> Node:
    refuse_out(out)
    x = as_node(a)
    if initial is not NOT_GIVEN or mask is not True or x.dtype.kind != "f":
        return function(x, axis, None, keepdims, initial, present(x, mask))
    lines = _lines(x, axis)
    best = expand_dims(ArgExtreme(lines, largest=largest), -1)
    chosen = masked_to(best == np.arange(lines.shape[-1]), lines, 0)  # which sends no nan to the rest
    found = squeeze(take_along_axis(chosen, best, -1), -1)
    return expand_dims(found, _axes(x, axis)) if keepdims else found


@answers(np.nanargmax)
def nanargmax(a: Operand, axis: int | None = None, out: None = None, *, keepdims: bool = False) -> Node:
    """The index of the first largest entry along the axis but for nan, an integer node; of nothing but nan an error."""
    return _arg_extreme(True, a, axis, out, keepdims)


@answers(np.nanargmin)
def nanargmin(a: Operand, axis: int | None = None, out: None = None, *, keepdims: bool = False) -> Node:
    """The index of the first smallest entry along the axis but for nan, an integer node; of nothing but nan an error."""
    return _arg_extreme(False, a, axis, out, keepdims)


def _arg_extreme(largest: bool, a: Operand, axis: int | None, out: None, keepdims: bool) -> Node:
    refuse_out(out)
    x = as_node(a)
    found = ArgExtreme(_lines(x, axis), largest=largest, empty="error")
    return expand_dims(found, _axes(x, axis)) if keepdims else found


# Scans ---------------------------------------------------------------------------------------------------------------


@answers(np.nancumsum)
def nancumsum(a: Operand, axis: int | None = None, dtype: Any = None, out: None = None) -> Node:
    """The sums so far along the axis of what is no nan."""
    x = as_node(a)
    return cumsum(selected(x, present(x), 0), axis, dtype, out)


@answers(np.nancumprod)
def nancumprod(a: Operand, axis: int | None = None, dtype: Any = None, out: None = None) -> Node:
    """The products so far along the axis of what is no nan."""
    x = as_node(a)
    return cumprod(selected(x, present(x), 1), axis, dtype, out)

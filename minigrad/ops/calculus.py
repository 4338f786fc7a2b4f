"""Differences, sums and interpolation of sampled functions, convolutions of sequences, grids: compositions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from minigrad.dispatch import answers
from minigrad.node import Constant, Node, as_node
from minigrad.ops.arithmetic import absolute, clip, floating, mod, where
from minigrad.ops.base import as_nodes, broadcast_to
from minigrad.ops.casting import astype
from minigrad.ops.reductions import argsort, cumprod, cumsum, diff, sum
from minigrad.ops.shaping import concatenate, expand_dims, flip, moveaxis, ravel, reshape
from minigrad.ops.sorting import searchsorted

if TYPE_CHECKING:
    from minigrad.operators import Axis, Operand

__all__ = [
    "ediff1d", "gradient", "trapezoid", "interp", "unwrap", "cumulative_sum", "cumulative_prod", "convolve", "correlate",
    "linspace", "logspace", "geomspace",
]  # fmt: skip


def _part(x: Node, axis: int, *ends: Any) -> Node:
    """A slice along one axis; a number keeps the axis, of length 1."""
    part = slice(*ends) if len(ends) > 1 else slice(ends[0], ends[0] + 1 or None)
    return x[(*(slice(None),) * axis, part)]


# Differences and sums ------------------------------------------------------------------------------------------------


@answers(np.ediff1d)
def ediff1d(ary: Operand, to_end: Operand | None = None, to_begin: Operand | None = None) -> Node:
    """The differences of consecutive entries of a vector, between what is to begin and to end with."""
    x = ravel(ary)
    ends = [None if end is None else astype(ravel(end), x.dtype) for end in (to_begin, to_end)]
    parts = [part for part in (ends[0], diff(x), ends[1]) if part is not None]
    return concatenate(parts) if len(parts) > 1 else parts[0]


@answers(np.gradient)
def gradient(f: Operand, *varargs: Operand, axis: Axis = None, edge_order: int = 1) -> Any:
    """The derivatives of a sampled function along each axis: central differences, one-sided at the edges.

    varargs:    the spacing, one number for all axes, or for each axis a number or the vector of its coordinates
    edge_order: 1, or 2 for a parabola through the three samples at each edge
    """
    x = floating(f)
    axes = normalize_axis_tuple(range(x.ndim) if axis is None else axis, x.ndim, f"gradient of {x.label}")
    if edge_order not in (1, 2):
        raise ValueError(f"gradient(edge_order={edge_order!r}): 1 or 2")
    spacings = list(varargs) or [1.0]
    if len(spacings) == 1 and (len(axes) == 1 or not np.ndim(_shaped(spacings[0]))):
        spacings *= len(axes)
    if len(spacings) != len(axes):
        raise TypeError(
            f"gradient of {x.label}: {len(varargs)} spacings for {len(axes)} axes: give one, or one for each"
        )
    found = [_slopes(x, i, spacing, edge_order) for i, spacing in zip(axes, spacings, strict=True)]
    return found[0] if len(found) == 1 else tuple(found)


def _shaped(spacing: Operand) -> Any:
    return spacing._value if isinstance(spacing, Node) else spacing


def _slopes(x: Node, axis: int, spacing: Operand, edge_order: int) -> Node:
    if x.shape[axis] < edge_order + 1:
        raise ValueError(f"gradient of {x.label}: axis {axis} needs {edge_order + 1} samples or more")
    h = as_node(spacing, x.dtype)
    if h.ndim == 0:
        inner = (_part(x, axis, 2, None) - _part(x, axis, None, -2)) / (2.0 * h)
        left, right = h, h
        second = h, h
    else:
        if h.shape != (x.shape[axis],):
            raise ValueError(f"gradient of {x.label}: the coordinates of axis {axis} have shape {h.shape}")
        steps = reshape(diff(floating(h)), [-1 if i == axis else 1 for i in range(x.ndim)])
        before, after = _part(steps, axis, None, -1), _part(steps, axis, 1, None)
        inner = (
            _part(x, axis, None, -2) * (-after / (before * (before + after)))
            + _part(x, axis, 1, -1) * ((after - before) / (before * after))
            + _part(x, axis, 2, None) * (before / (after * (before + after)))
        )
        left, right = _part(steps, axis, 0), _part(steps, axis, -1)
        second = (_part(steps, axis, 1), _part(steps, axis, -2)) if edge_order == 2 else (left, right)
    if edge_order == 1:
        first = (_part(x, axis, 1) - _part(x, axis, 0)) / left
        last = (_part(x, axis, -1) - _part(x, axis, -2)) / right
    else:
        first = _parabola([_part(x, axis, i) for i in (0, 1, 2)], left, second[0])
        last = -_parabola([_part(x, axis, i) for i in (-1, -2, -3)], right, second[1])
    return astype(concatenate([first, inner, last], axis), x.dtype)


def _parabola(samples: Sequence[Node], h1: Node, h2: Node) -> Node:
    """The slope at the first of three samples, h1 and h2 apart, of the parabola through them."""
    f0, f1, f2 = samples
    a, b, c = -(2.0 * h1 + h2) / (h1 * (h1 + h2)), (h1 + h2) / (h1 * h2), -h1 / (h2 * (h1 + h2))
    slope: Node = a * f0 + b * f1 + c * f2
    return slope


@answers(np.trapezoid)
def trapezoid(y: Operand, x: Operand | None = None, dx: Operand = 1.0, axis: int = -1) -> Node:
    """The integral of samples by the trapezoidal rule: Σ h_k (y_k + y_{k+1}) / 2, with steps dx or between x's entries."""
    values = as_node(y)
    axis = normalize_axis_index(axis, values.ndim, f"trapezoid of {values.label}")
    steps = as_node(dx, values.dtype)
    if x is not None:
        points = as_node(x)
        steps = diff(points, axis=axis if points.ndim > 1 else -1)
        if points.ndim == 1:
            steps = reshape(steps, [-1 if i == axis else 1 for i in range(values.ndim)])
    pairs = _part(values, axis, 1, None) + _part(values, axis, None, -1)
    return sum(steps * pairs / 2.0, axis)


@answers(np.interp)
def interp(
    x: Operand,
    xp: Operand,
    fp: Operand,
    left: Operand | None = None,
    right: Operand | None = None,
    period: float | None = None,
) -> Node:
    """The function through the points (xp, fp), straight between them, at x; in float64, as NumPy has it.

    Outside it is fp's first and last value, or `left` and `right`; with a period xp is taken modulo it. At a point the
    slope is that to its right.
    """
    points, knots, values = (astype(a, np.float64) for a in (x, xp, fp))
    if knots.ndim != 1 or knots.shape != values.shape or not knots.size:
        raise ValueError(f"interp: xp and fp are vectors of one length above 0, not {knots.label} and {values.label}")
    if period is not None:
        points, knots, values = _around(points, knots, values, abs(float(period)))
        left = right = None
    if knots.size == 1:
        inside = values[0] + 0.0 * points
    else:
        i = clip(searchsorted(knots, points, "right") - 1, 0, knots.size - 2)
        slope = (values[i + 1] - values[i]) / (knots[i + 1] - knots[i])
        inside = values[i] + slope * (points - knots[i])
    below, above = (values[k] if end is None else as_node(end, values.dtype) for k, end in ((0, left), (-1, right)))
    return astype(where(points < knots[0], below, where(points > knots[-1], above, inside)), np.float64)


def _around(points: Node, knots: Node, values: Node, period: float) -> tuple[Node, Node, Node]:
    """Points and knots within one period, the knots sorted, with one more before and behind."""
    if period == 0:
        raise ValueError("interp(period=0): a period is not 0")
    points, knots = points % period, knots % period
    order = argsort(knots)
    knots, values = knots[order], values[order]
    knots = concatenate([knots[-1:] - period, knots, knots[:1] + period])
    return points, knots, concatenate([values[-1:], values, values[:1]])


@answers(np.unwrap)
def unwrap(p: Operand, discont: float | None = None, axis: int = -1, *, period: float = 2 * math.pi) -> Node:
    """Phases without jumps: where one is larger than `discont`, and at least half a period, periods are added."""
    x = as_node(p)
    axis = normalize_axis_index(axis, x.ndim, f"unwrap of {x.label}")
    whole = x.dtype.kind in "iu" and isinstance(period, int)
    x = x if whole else floating(x)
    half = period // 2 if whole else period / 2
    steps = diff(x, axis=axis)
    wrapped = mod(steps + half, period) - half
    if not whole or period % 2 == 0:
        wrapped = where((wrapped == -half) & (steps > 0), half, wrapped)
    jumps = where(absolute(steps) < (half if discont is None else discont), 0, wrapped - steps)
    return concatenate([_part(x, axis, 0), _part(x, axis, 1, None) + cumsum(jumps, axis)], axis)


@answers(np.cumulative_sum)
def cumulative_sum(
    x: Operand, /, *, axis: int | None = None, dtype: Any = None, out: None = None, include_initial: bool = False
) -> Node:
    """The sums of the entries so far along the axis, with the 0 before the first where asked for."""
    return _cumulative("cumulative_sum", cumsum, 0, x, axis, dtype, out, include_initial)


@answers(np.cumulative_prod)
def cumulative_prod(
    x: Operand, /, *, axis: int | None = None, dtype: Any = None, out: None = None, include_initial: bool = False
) -> Node:
    """The products of the entries so far along the axis, with the 1 before the first where asked for."""
    return _cumulative("cumulative_prod", cumprod, 1, x, axis, dtype, out, include_initial)


def _cumulative(
    name: str, scan: Any, first: float, x: Operand, axis: int | None, dtype: Any, out: None, include_initial: bool
) -> Node:
    node = as_node(x)
    if axis is None and node.ndim > 1:
        raise ValueError(f"{name} of {node.label}: give axis=, since there are several")
    y: Node = scan(node, axis, dtype, out)
    if not include_initial:
        return y
    axis = normalize_axis_index(axis or 0, y.ndim)
    start = Constant(np.full([1 if i == axis else n for i, n in enumerate(y.shape)], first, y.dtype))
    return concatenate([start, y], axis)


# Convolutions --------------------------------------------------------------------------------------------------------


@answers(np.convolve)
def convolve(a: Operand, v: Operand, mode: str = "full") -> Node:
    """The convolution of two sequences, y_k = Σ a_i v_{k−i}: full, of the longer's length (same), or without edges (valid)."""
    long, short = _sequences("convolve", a, v)
    if short.size > long.size:
        long, short = short, long
    return _slid(long, flip(short), mode)


@answers(np.correlate)
def correlate(a: Operand, v: Operand, mode: str = "valid") -> Node:
    """The correlation of two sequences, y_k = Σ a_{i+k} v_i: full, of the longer's length (same), or without edges (valid)."""
    first, second = _sequences("correlate", a, v)
    return flip(_slid(second, first, mode)) if second.size > first.size else _slid(first, second, mode)


def _sequences(function: str, a: Operand, v: Operand) -> list[Node]:
    found = [x if x.ndim else ravel(x) for x in (as_node(a), as_node(v))]
    if any(x.ndim != 1 or not x.size for x in found):
        raise ValueError(f"{function}: two sequences of length 1 or more, not {found[0].label} and {found[1].label}")
    return found


def _slid(long: Node, short: Node, mode: str) -> Node:
    """The products of the shorter sequence with what of the longer lies beneath it, summed, at every place."""
    width = short.size
    edges = {"full": (width - 1, width - 1), "same": (width // 2, (width - 1) // 2), "valid": (0, 0)}
    if mode not in edges:
        raise ValueError(f"mode={mode!r} of a convolution: 'full', 'same' or 'valid'")
    ends = [Constant(np.zeros(n, long.dtype)) for n in edges[mode]]
    padded = concatenate([ends[0], long, ends[1]]) if mode != "valid" else long
    windows = np.arange(padded.size - width + 1)[:, None] + np.arange(width)
    return padded[windows] @ short


# Grids ----------------------------------------------------------------------------------------------------------------


@answers(np.linspace)
def linspace(
    start: Operand,
    stop: Operand,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
    *,
    device: str | None = None,
) -> Any:
    """num numbers evenly spaced from start to stop, along a new axis; with retstep=True the spacing too."""
    first, last = (floating(x) for x in as_nodes((start, stop)))
    parts = num - 1 if endpoint else num
    step = (last - first) / parts if parts > 0 else (last - first) * np.nan
    rows = np.arange(num).reshape((-1,) + (1,) * max(first.ndim, last.ndim))
    weights = (rows / parts if parts > 0 else rows * 1.0).astype(step.dtype)
    points = first + (last - first) * weights
    if endpoint and num > 1:
        points = concatenate([points[:-1], expand_dims(broadcast_to(last, points.shape[1:]), 0)])
    points = moveaxis(points, 0, axis) if axis else points
    if dtype is not None:
        points = astype(points if np.dtype(dtype).kind == "f" else np.floor(points), dtype)
    return (points, step) if retstep else points


@answers(np.logspace)
def logspace(
    start: Operand,
    stop: Operand,
    num: int = 50,
    endpoint: bool = True,
    base: Operand = 10.0,
    dtype: Any = None,
    axis: int = 0,
) -> Node:
    """Powers of a base whose exponents are evenly spaced from start to stop, along a new axis."""
    exponents = linspace(start, stop, num, endpoint, axis=axis)
    return _as_asked(as_node(base, exponents.dtype) ** exponents, dtype)


@answers(np.geomspace)
def geomspace(
    start: Operand, stop: Operand, num: int = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0
) -> Node:
    """Numbers from start to stop, of one sign, each the same multiple of the one before, along a new axis; in float64."""
    first, last = (astype(x, np.float64) for x in (start, stop))
    weights = linspace(first * 0, last * 0 + 1, num, endpoint, axis=axis)
    if axis:
        first, last = (expand_dims(x, axis) if x.ndim else x for x in (first, last))
    return _as_asked(first * (last / first) ** weights, dtype)


def _as_asked(points: Node, dtype: Any) -> Node:
    return points if dtype is None else astype(points, dtype)

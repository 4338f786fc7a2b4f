"""Places in sorted arrays, and what follows from sorting: partitions, orders by several keys, quantiles.

Which entries a quantile lies between is found by nodes, so that a replay with another order decides anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.dispatch import answers, refuse_out
from minigrad.node import Array, Constant, Node, as_node, is_number
from minigrad.ops.arithmetic import Numbers, PiecewiseConstant, floating, isnan, maximum, minimum, where
from minigrad.ops.casting import astype
from minigrad.ops.indexing import take, take_along_axis
from minigrad.ops.reductions import _axes, _lines, argsort, max, min, sort
from minigrad.ops.shaping import expand_dims, flip, moveaxis, reshape

if TYPE_CHECKING:
    from minigrad.operators import Axis, Operand

__all__ = [
    "SearchSorted", "Monotonic", "QuantileIndex", "QuantileWeight", "searchsorted", "digitize", "lexsort", "partition", "argpartition", "ptp", "quantile", "percentile",
    "nanquantile", "nanpercentile", "nanmedian",
]  # fmt: skip


# Places and orders ---------------------------------------------------------------------------------------------------


class SearchSorted(PiecewiseConstant):
    """y = before which entry of a sorted vector a each v has to stand;  no adjoint. side: "left" or "right" of equals."""

    __slots__ = ()
    side: Any

    def fprop(self, a: Any, v: Any, *, side: Any = "left") -> Any:
        return np.searchsorted(a, v, side)


@answers(np.searchsorted)
def searchsorted(a: Operand, v: Operand, side: str = "left", sorter: Operand | None = None) -> Node:
    """Before which entry of the sorted vector a each v has to stand, an integer node."""
    if side not in ("left", "right"):
        raise ValueError(f"searchsorted(side={side!r}): 'left' or 'right'")
    x = as_node(a)
    if x.ndim != 1:
        raise ValueError(f"searchsorted: the sorted array is a vector, not {x.label}")
    return SearchSorted(x if sorter is None else take(x, sorter), as_node(v), side=side)


@answers(np.digitize)
def digitize(x: Operand, bins: Operand, right: bool = False) -> Node:
    """The number of the bin each x lies in, an integer node; bins rise or fall."""
    edges = as_node(bins)
    if edges.ndim != 1:
        raise ValueError(f"digitize: the bins are a vector that rises or falls, not {edges.label}")
    edges = Monotonic(edges)
    x, side = as_node(x), "left" if right else "right"
    rising = searchsorted(edges, x, side)
    if edges.size < 2 or (not isinstance(bins, Node) and edges._value[0] <= edges._value[-1]):
        return rising
    falling = edges.size - searchsorted(flip(edges), x, side)
    return where(edges[0] > edges[-1], falling, rising)


class Monotonic(PiecewiseConstant):
    """y = x, a vector;  no adjoint. Raises, in replays too, where x both rises and falls, or holds a nan."""

    __slots__ = ()

    def fprop(self, x: Any) -> Any:
        if not ((x[1:] >= x[:-1]).all() or (x[1:] <= x[:-1]).all()):
            raise ValueError("digitize: the bins are a vector that rises or falls: write np.sort(bins)")
        return x


@answers(np.lexsort)
def lexsort(keys: Sequence[Operand] | Node, axis: int = -1) -> Node:
    """The indices that sort by the last key, where that is equal by the one before, and so on: an integer node."""
    nodes = [as_node(key) for key in keys]
    if not nodes:
        raise TypeError("lexsort: give one key or more")
    order = argsort(nodes[0], axis)
    for key in nodes[1:]:
        order = take_along_axis(order, argsort(take_along_axis(key, order, axis), axis), axis)
    return order


@answers(np.partition)
def partition(a: Operand, kth: Any, axis: int | None = -1, kind: str = "introselect", order: None = None) -> Node:
    """a sorted along the axis: so the kth entry, smaller ones before it and larger ones behind, are where they belong."""
    _known_places(a, kth, axis)
    return sort(a, axis, None, order)


@answers(np.argpartition)
def argpartition(a: Operand, kth: Any, axis: int | None = -1, kind: str = "introselect", order: None = None) -> Node:
    """The indices that sort a along the axis, an integer node: they partition it too."""
    _known_places(a, kth, axis)
    return argsort(a, axis, None, order)


def _known_places(a: Operand, kth: Any, axis: int | None) -> None:
    np.argpartition(np.empty(as_node(a).shape, bool), kth, axis)  # NumPy's own error where there is no such place


@answers(np.ptp)
def ptp(a: Operand, axis: Axis = None, out: None = None, keepdims: bool = False) -> Node:
    """The largest entry along the axes minus the smallest."""
    refuse_out(out)
    x = as_node(a)
    return max(x, axis, keepdims=keepdims) - min(x, axis, keepdims=keepdims)


# Quantiles -----------------------------------------------------------------------------------------------------------

# The methods of R. J. Hyndman and Y. Fan, "Sample quantiles in statistical packages", The American Statistician 50
# (1996), and of NumPy. With n entries x_0 ≤ x_1 ≤ …, the q-quantile has the virtual index ...
_INDEX: dict[str, Callable[[Any, Array], Array]] = {
    "linear": lambda n, q: (n - 1) * q,
    "lower": lambda n, q: np.floor((n - 1) * q),
    "higher": lambda n, q: np.ceil((n - 1) * q),
    "nearest": lambda n, q: np.round((n - 1) * q),
    "midpoint": lambda n, q: (np.floor((n - 1) * q) + np.ceil((n - 1) * q)) / 2,
    "interpolated_inverted_cdf": lambda n, q: n * q - 1,
    "hazen": lambda n, q: n * q - 0.5,
    "weibull": lambda n, q: (n + 1) * q - 1,
    "median_unbiased": lambda n, q: n * q + (1 / 3 + q / 3) - 1,
    "normal_unbiased": lambda n, q: n * q + (3 / 8 + q / 4) - 1,
    "inverted_cdf": lambda n, q: np.ceil(n * q - 1),
    "averaged_inverted_cdf": lambda n, q: n * q - 1,
    "closest_observation": lambda n, q: np.round(n * q) - 1,
}
# ... of which these give the entry at that index, and the others i + t lies between two entries: (1 − t) x_i + t x_{i+1}.
_DISCRETE = ("lower", "higher", "nearest", "inverted_cdf", "closest_observation")


def _place(n: Any, q: Array, method: str) -> tuple[Array, Array]:
    """The index i and the weight t of each quantile, of lines of n numbers."""
    place = np.asarray(_INDEX[method](n, q))
    low = np.floor(place)
    t = place - low
    if method == "averaged_inverted_cdf":
        t = np.where(t == 0, 0.5, 1.0)
    last = np.maximum(n - 1, 0)
    index = np.clip(low, 0, last).astype(np.intp)
    return index, np.where((low < 0) | (low >= last), 0, t)


class QuantileIndex(PiecewiseConstant):
    """y = the index of the entry below each q-quantile of a sorted line of n entries, along a last axis;  no adjoint."""

    __slots__ = ()
    q: tuple[float, ...]
    method: str

    def fprop(self, n: Any, *, q: tuple[float, ...], method: str) -> Any:
        return _place(n[..., None], np.array(q), method)[0]


class QuantileWeight(PiecewiseConstant):
    """y = how far each q-quantile of a sorted line of n entries lies towards the next entry, in [0, 1];  no adjoint."""

    __slots__ = ()
    q: tuple[float, ...]
    method: str

    def fprop(self, n: Any, *, q: tuple[float, ...], method: str) -> Any:
        return _place(n[..., None], np.array(q), method)[1]


@answers(np.quantile)
def quantile(
    a: Operand,
    q: Any,
    axis: Axis = None,
    out: None = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
    *,
    weights: None = None,
) -> Node:
    """The q-quantiles of the entries along the axes, by one of NumPy's methods; of lines with a nan they are nan.

    Between two entries it is (1 − t) x_i + t x_{i+1}, and the adjoint goes to both by these weights. q is a number or an
    array of numbers in [0, 1], whose axes come first, and no node.
    """
    _without_weights("quantile", weights, out)
    return _quantiles(as_node(a), _levels("quantile", q, 1), axis, method, keepdims)


@answers(np.percentile)
def percentile(
    a: Operand,
    q: Any,
    axis: Axis = None,
    out: None = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
    *,
    weights: None = None,
) -> Node:
    """As `quantile`, with q in percent."""
    _without_weights("percentile", weights, out)
    return _quantiles(as_node(a), _levels("percentile", q, 100), axis, method, keepdims)


@answers(np.nanquantile)
def nanquantile(
    a: Operand,
    q: Any,
    axis: Axis = None,
    out: None = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
    *,
    weights: None = None,
) -> Node:
    """As `quantile`, of what is no nan."""
    _without_weights("nanquantile", weights, out)
    return _nan_quantiles(as_node(a), _levels("nanquantile", q, 1), axis, method, keepdims)


@answers(np.nanpercentile)
def nanpercentile(
    a: Operand,
    q: Any,
    axis: Axis = None,
    out: None = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
    *,
    weights: None = None,
) -> Node:
    """As `percentile`, of what is no nan."""
    _without_weights("nanpercentile", weights, out)
    return _nan_quantiles(as_node(a), _levels("nanpercentile", q, 100), axis, method, keepdims)


@answers(np.nanmedian)
def nanmedian(
    a: Operand, axis: Axis = None, out: None = None, overwrite_input: bool = False, keepdims: bool = False
) -> Node:
    """The middle of the sorted entries along the axes that are no nan, of an even number the mean of the two."""
    refuse_out(out)
    half, x = (np.asarray(0.5), True), floating(a)
    # Half of each: the way from the lower to the higher one would be nan between two infinities.
    return (
        _nan_quantiles(x, half, axis, "lower", keepdims) * 0.5 + _nan_quantiles(x, half, axis, "higher", keepdims) * 0.5
    )


def _without_weights(function: str, weights: Any, out: None) -> None:
    refuse_out(out)
    if weights is not None:
        raise TypeError(
            f"{function} on nodes takes no weights=: its entries are x[np.searchsorted(np.cumsum(w) / np.sum(w), q)] with "
            "vectors x, w sorted by x"
        )


def _levels(function: str, q: Any, whole: int) -> tuple[Array, bool]:
    """q as an array between 0 and 1, and whether it was a Python number, which does not decide the result's dtype."""
    if isinstance(q, Node):
        raise TypeError(f"{function}(x, q): q decides which entries are taken, and is no node: write q.value")
    given = np.asarray(q)
    if given.dtype.kind not in "fiu":
        raise TypeError(f"{function}(x, q): q holds real numbers, not {given.dtype}")
    levels = given if whole == 1 else np.true_divide(given, whole)
    if not ((levels >= 0) & (levels <= 1)).all():
        raise ValueError(f"{function}(x, q): q lies in [0, {whole}], and is {q!r}")
    return np.asarray(levels), is_number(q)


def _quantiles(x: Node, levels: tuple[Array, bool], axis: Axis, method: str, keepdims: bool) -> Node:
    """The quantiles of all entries along the axes."""
    q, weak = levels
    _known_method(method)
    lines = sort(_lines(x, axis))  # nan is sorted last
    length = lines.shape[-1]
    if not length:
        found: Node = Constant(np.full((*lines.shape[:-1], q.size), np.nan, x.dtype))
    else:
        index, t = _place(length, q.reshape(-1), method)
        found = lines[..., index]
        if method not in _DISCRETE and not (method == "linear" and q.dtype.kind != "f"):
            above = lines[..., np.minimum(index + 1, length - 1)]
            found = found + (above - found) * t.astype(_weights_dtype(x, q, weak))
        if x.dtype.kind == "f":
            last = lines[..., -1:]
            found = where(isnan(last), last, found)
    return _laid_out(found, x, q, axis, keepdims)


def _nan_quantiles(x: Node, levels: tuple[Array, bool], axis: Axis, method: str, keepdims: bool) -> Node:
    """The quantiles of those entries along the axes that are no nan: each line has its own number of them."""
    q, weak = levels
    if x.dtype.kind != "f":
        return _quantiles(x, levels, axis, method, keepdims)
    _known_method(method)
    lines = sort(_lines(Numbers(x), axis))
    if not lines.shape[-1]:
        return _quantiles(x, levels, axis, method, keepdims)
    n = (~isnan(lines)).sum(-1)
    options = {"q": tuple(q.reshape(-1).astype(float).tolist()), "method": method}
    index = QuantileIndex(n, **options)
    found = take_along_axis(lines, index, -1)
    if method not in _DISCRETE:
        above = take_along_axis(lines, minimum(index + 1, maximum(expand_dims(n, -1) - 1, 0)), -1)
        t = astype(QuantileWeight(n, **options), _weights_dtype(x, q, weak))
        found = found + (above - found) * t
    return _laid_out(found, x, q, axis, keepdims)


def _weights_dtype(x: Node, q: Array, weak: bool) -> np.dtype[Any]:
    """The dtype NumPy interpolates in: that of q, unless q is a Python number or holds integers."""
    if weak and x.dtype.kind == "f":
        return x.dtype
    return q.dtype if q.dtype.kind == "f" else np.dtype(np.float64)


def _known_method(method: str) -> None:
    if method not in _INDEX:
        raise ValueError(f"quantile(method={method!r}): the methods are {', '.join(_INDEX)}")


def _laid_out(found: Node, x: Node, q: Array, axis: Axis, keepdims: bool) -> Node:
    """Quantiles along the last axis in NumPy's layout: the axes of q first, the reduced ones where they were."""
    axes = _axes(x, axis)
    shape = [1 if i in axes else n for i, n in enumerate(x.shape) if keepdims or i not in axes]
    return reshape(moveaxis(found, -1, 0), (*q.shape, *shape))

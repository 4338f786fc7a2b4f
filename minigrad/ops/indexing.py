"""Reading parts of an array, and writing them into a new one.

Index arrays, given or computed, are children, so that a replay may bring others; slices, integers, None and Ellipsis
are fixed. `x[i]` sends its adjoint back as a light `Piece`; the engine hands all pieces of one array to `scattered`,
which puts them into one node. Its adjoint are slices again: reading T slices costs O(size) backward, at any order.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from enum import Enum
from functools import partial, reduce
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.dispatch import ADVICE, Way, answers, refuse_out
from minigrad.node import Array, Constant, Node, as_node, is_number
from minigrad.ops.arithmetic import PiecewiseConstant, clip, where
from minigrad.ops.base import Entries, Entry, Masked, Operation, Piece
from minigrad.ops.casting import astype
from minigrad.ops.shaping import along, ravel, reshape

if TYPE_CHECKING:
    from minigrad.operators import Operand

__all__ = [
    "GetItem", "getitem", "take", "take_along_axis", "compress", "extract", "select", "choose", "unravel_index", "ravel_multi_index", "Scatter", "scattered",
    "SameCount", "InRange", "SetAt", "AddAt", "IsLast", "At", "Place",
]  # fmt: skip


class Slot(Enum):
    """Stands in an index for an array that is a child. ONCE: all arrays of the index together name no entry twice."""

    ARRAY = "array"
    ONCE = "array once"

    def __repr__(self) -> str:
        return self.value


ARRAY, ONCE = Slot.ARRAY, Slot.ONCE
Index = tuple[Any, ...]  # of int, slice, None, Ellipsis, ARRAY and ONCE


# Reading -------------------------------------------------------------------------------------------------------------


class GetItem(Operation):
    """y = x[index];  x̄ = 0 but for x̄[index] += ȳ, sent as a Piece; of a boolean index masked as in `Where`."""

    __slots__ = ()
    moves = True
    index: Index

    def fprop(self, x: Any, *arrays: Any, index: Index) -> Any:
        return x[_filled(index, arrays)]

    def bprop(self, adjoint: Node) -> Entries:
        piece = Piece(adjoint, self, scattered)
        if any(array.dtype.kind == "b" for array in self.children[1:]):
            return [Masked(piece, as_node(True)), *[None] * (len(self.children) - 1)]
        return [piece, *[None] * (len(self.children) - 1)]


class Scatter(Operation):
    """y = 0 but for y[index_i] += x_i, i = 1..n;  x̄_i = ȳ[index_i].

    The first children are the x_i, one per index in `places`; the index arrays follow in the order of their slots.
    """

    __slots__ = ()
    moves = True
    shape_to: tuple[int, ...]
    places: tuple[Index, ...]

    def fprop(self, *arrays: Any, shape_to: tuple[int, ...], places: tuple[Index, ...]) -> Any:
        y = np.empty(shape_to, reduce(np.promote_types, {piece.dtype for piece in arrays[: len(places)]}))
        scatter_into(y, arrays, places)
        return y

    def bprop(self, adjoint: Node) -> Entries:
        rest = iter(self.children[len(self.places) :])
        parts = [partial(GetItem, adjoint, *_taken(index, rest), index=index) for index in self.places]
        return [*parts, *[None] * (len(self.children) - len(parts))]


def scattered(child: Node, pieces: Sequence[Piece]) -> Node:
    """The adjoints of all parts read from one array, as one node of its shape."""
    arrays = [array for piece in pieces for array in piece.place.children[1:]]
    places = tuple([piece.place.attributes["index"] for piece in pieces])
    return Scatter(*[piece.adjoint for piece in pieces], *arrays, shape_to=child.shape, places=places)


def scatter_into(y: Array, arrays: Sequence[Array], places: Sequence[Index]) -> None:
    """What `Scatter` computes of these children, in y, whatever stood there."""
    y.fill(0)
    rest = iter(arrays[len(places) :])
    for piece, index in zip(arrays, places, strict=False):
        _accumulate(y, index, rest, piece)


def is_slot(entry: Any) -> bool:
    """Whether the entry of an index stands for a child."""
    return entry is ARRAY or entry is ONCE


def _filled(index: Index, arrays: Iterable[Any]) -> Index:
    """The index with its slots filled, in order."""
    rest = iter(arrays)
    return tuple([next(rest) if entry is ARRAY or entry is ONCE else entry for entry in index])


def _taken(index: Index, rest: Iterator[Node]) -> list[Node]:
    """As many of the rest as the index has slots."""
    return [next(rest) for entry in index if is_slot(entry)]


def _accumulate(y: Array, template: Index, rest: Iterable[Array], piece: Array) -> None:
    """y[index] += piece, in place, counting an entry as often as the index names it."""
    index = _filled(template, rest)
    if ARRAY not in template:
        y[index] += piece
        return
    arrays = [entry for entry in index if isinstance(entry, np.ndarray)]
    if all(array.dtype.kind == "b" for array in arrays):
        y[index] += piece
    elif len(index) == 1 and y.flags.c_contiguous and y.size:  # rows of a table: add.at is faster on a vector
        width = y[0].size
        rows = arrays[0].astype(np.intp).reshape(-1, 1) % len(y)  # in small integers the products would wrap around
        flat = rows * width + np.arange(width)
        np.add.at(y.reshape(-1), flat.reshape(-1), np.broadcast_to(piece, arrays[0].shape + y.shape[1:]).reshape(-1))
    else:
        np.add.at(y, index, piece)


class SameCount(PiecewiseConstant):
    """y = x, a boolean mask;  no adjoint. Raises where it does not hold as often as when the graph was built."""

    __slots__ = ()
    count: int

    def fprop(self, x: Any, *, count: int) -> Any:
        if np.count_nonzero(x) != count:
            raise ValueError(
                f"the mask that x[mask] was built with held {count} times, and now it holds {np.count_nonzero(x)} times, but "
                "shapes are fixed in a graph: write np.where(mask, x, 0), or build the graph anew"
            )
        return x


def _parsed(x: Node, index: Any) -> tuple[Index, list[Node]]:
    """The index as a tuple with slots, and the arrays that go there."""
    template: list[Any] = []
    arrays: list[Node] = []
    given: set[Node] = set()  # what may be fed in a replay
    for entry in index if type(index) is tuple else (index,):
        if entry is None or entry is Ellipsis or isinstance(entry, slice) or type(entry) is int:
            template.append(entry)
        elif isinstance(entry, np.integer):
            template.append(int(entry))
        else:
            template.append(ARRAY)
            arrays.append(_index_array(x, entry))
            given.update([entry] if isinstance(entry, Node) else [])
    if _name_once(arrays, given):
        template = [ONCE if entry is ARRAY else entry for entry in template]
    return tuple(template), arrays


def _name_once(arrays: Sequence[Node], given: Collection[Node]) -> bool:
    """Whether one of the vectors of an index is known to rise, as `np.arange(n)` does in x[np.arange(n), labels].

    given: nodes, whose values a replay may change, even if they are constants
    """
    if not arrays or any(array.ndim > 1 or array.dtype.kind == "b" for array in arrays):
        return False
    longest = max(array.size for array in arrays)
    return any(array not in given and array.size == longest and _rises(array._value) for array in arrays)


def _rises(vector: Array) -> bool:
    return vector.ndim == 1 and vector.size > 0 and vector[0] >= 0 and bool((vector[1:] > vector[:-1]).all())


def _index_array(x: Node, entry: Any) -> Node:
    """An entry of an index as a node of integers or booleans. An empty list names nothing, whatever its dtype."""
    empty = isinstance(entry, list) and not np.size(entry)
    node = entry if isinstance(entry, Node) else Constant(np.asarray(entry, dtype=np.intp if empty else None))
    if node.dtype.kind == "f":
        raise IndexError(
            f"{x.label}[index]: an index holds integers or booleans, not {node.dtype}: write i.astype(int)"
        )
    if node.dtype.kind == "b" and node is entry:
        return SameCount(node, count=int(np.count_nonzero(node._value)))
    return node


@answers("getitem")
def getitem(x: Operand, index: Any) -> Node:
    """x[index], as NumPy has it: integers, slices, None, Ellipsis, masks, arrays of integers, and tuples of these.

    A node among the index arrays may hold other integers in a replay; a mask must keep its count (shapes are fixed).
    """
    node = as_node(x)
    if type(index) is int:  # a time step: the commonest by far
        return GetItem(node, index=(index,))
    template, arrays = _parsed(node, index)
    return GetItem(node, *arrays, index=template)


@answers(np.take)
def take(a: Operand, indices: Operand, axis: int | None = None, out: None = None, mode: str = "raise") -> Node:
    """The entries of a at the indices along an axis; of a as a vector where no axis is given.

    mode: what an index outside does: "raise" an IndexError (here a negative one counts from the end), "wrap" around, or
    be clipped to the first or last entry ("clip")
    """
    refuse_out(out)
    x, axis = along(a, axis, "take")
    if mode != "raise":
        indices = _inside(as_node(indices), x.shape[axis], mode)
    if type(indices) is not int:
        empty = isinstance(indices, list | tuple) and not np.size(indices)
        indices = Constant(np.zeros(np.shape(indices), np.intp)) if empty else as_node(indices)
        if indices.dtype.kind == "f":
            raise TypeError(f"take of {x.label}: indices are integers, not {indices.dtype}: write i.astype(int)")
        indices = astype(indices, np.intp) if indices.dtype.kind == "b" else indices
    return x[(*(slice(None),) * axis, indices)]


def _inside(indices: Node, length: int, mode: str) -> Node:
    """Indices brought inside an axis of the given length."""
    if mode not in ("wrap", "clip"):
        raise ValueError(f"take(mode={mode!r}): the modes are 'raise', 'wrap' and 'clip'")
    if indices.dtype.kind == "f":  # which the caller refuses
        return indices
    return indices % length if mode == "wrap" else clip(indices, 0, length - 1)


@answers(np.take_along_axis)
def take_along_axis(arr: Operand, indices: Operand, axis: int | None = -1) -> Node:
    """For every line along the axis the entries its own indices name: what argmax and argsort point at."""
    x, axis = along(arr, axis, "take_along_axis")
    chosen = as_node(indices)
    if chosen.dtype.kind not in "iu":
        raise IndexError(f"take_along_axis: the indices are integers, and are {chosen.label}")
    if chosen.ndim != x.ndim:
        raise ValueError(
            f"take_along_axis: the indices need as many axes as the array, and are {chosen.label} for {x.label}"
        )
    lines = [_laid(np.arange(n), i, x.ndim) for i, n in enumerate(x.shape)]
    index = [chosen if i == axis else Constant(line) for i, line in enumerate(lines)]
    alone = all(n == 1 or (i != axis and n == x.shape[i]) for i, n in enumerate(chosen.shape))
    return GetItem(x, *index, index=(ONCE if alone else ARRAY,) * x.ndim)


def rearranged(x: Node, order: Node) -> Node:
    """y[i, j] = x[order[i, j], j], rows in another order for every column;  x̄[order[i, j], j] = ȳ[i, j].

    order: (rows, columns), a permutation of the rows in each of its columns, as argsort(axis=0) gives it: nothing is added up
    """
    return GetItem(x, order, Constant(np.arange(order.shape[1])[np.newaxis]), index=(ONCE, ONCE))


def _laid(line: Array, axis: int, ndim: int) -> Array:
    """A vector laid along one of several axes."""
    return line.reshape([-1 if i == axis else 1 for i in range(ndim)])


@answers(np.compress)
def compress(condition: Operand, a: Operand, axis: int | None = None, out: None = None) -> Node:
    """The slices of a along an axis where the condition, a vector, holds."""
    refuse_out(out)
    x, axis = along(a, axis, "compress")
    holds = condition if isinstance(condition, Node) else np.asarray(condition)
    if holds.ndim != 1:
        raise ValueError(f"compress of {x.label}: the condition is a vector, not of shape {holds.shape}")
    if not isinstance(holds, Node):
        return take(x, np.flatnonzero(holds), axis)
    part = (slice(None),) * axis  # a condition may end before the axis does
    return x[(*part, slice(holds.size))][(*part, holds != 0)] if holds.size < x.shape[axis] else x[(*part, holds != 0)]


@answers(np.extract)
def extract(condition: Operand, arr: Operand) -> Node:
    """The entries of arr where the condition holds, as a vector."""
    return compress(ravel(condition) if isinstance(condition, Node) else np.ravel(condition), arr)


@answers(np.select)
def select(condlist: Sequence[Operand], choicelist: Sequence[Operand], default: Operand = 0) -> Node:
    """Entry by entry the first choice whose condition, of booleans, holds, else the default."""
    if len(condlist) != len(choicelist) or not condlist:
        raise ValueError(
            f"select: {len(condlist)} conditions and {len(choicelist)} choices: as many of each, at least 1"
        )
    choices = [x if is_number(x) else as_node(x) for x in (*choicelist, default)]
    dtype = np.result_type(*[x.dtype if isinstance(x, Node) else x for x in choices])
    *nodes, chosen = [astype(x, dtype) if isinstance(x, Node) else Constant(np.asarray(x, dtype)) for x in choices]
    for condition, node in zip(reversed(condlist), reversed(nodes), strict=True):
        holds = as_node(condition)
        if holds.dtype.kind != "b":
            raise TypeError(f"select: a condition holds booleans, and one is {holds.label}: write condition != 0")
        chosen = where(holds, node, chosen)
    return chosen


@answers(np.choose)
def choose(a: Operand, choices: Sequence[Operand] | Node, out: None = None, mode: str = "raise") -> Node:
    """Entry by entry the choice that the integer in `a` names; `mode` is that of `take`."""
    refuse_out(out)
    index, parts = as_node(a), list(choices)
    if index.dtype.kind == "f":
        raise TypeError(f"choose: the numbers of the choices are integers, and are {index.label}: write i.astype(int)")
    index = astype(index, np.intp)
    if mode == "raise":
        index = InRange(index, length=len(parts), refusal="choose: invalid entry in choice array")
    else:
        index = _inside(index, len(parts), mode)
    return select([index == i for i in range(len(parts))], parts, np.False_)


@answers(np.unravel_index)
def unravel_index(indices: Operand, shape: int | Sequence[int], order: str = "C") -> tuple[Node, ...]:
    """The index along each axis of entries that are numbered row by row (order="F": column by column)."""
    lengths = [int(n) for n in np.atleast_1d(shape)]
    found = list[Node]()
    given, size = _integers(indices, "unravel_index"), math.prod(lengths)
    rest: Node = InRange(given, length=size, refusal="unravel_index: an index lies outside the array")
    for n in lengths[::-1] if order == "C" else lengths:
        found.append(rest % n)
        rest = rest // n
    return tuple(found[::-1] if order == "C" else found)


@answers(np.ravel_multi_index)
def ravel_multi_index(
    multi_index: Sequence[Operand] | Node, dims: Sequence[int], mode: str = "raise", order: str = "C"
) -> Node:
    """The numbers, row by row (order="F": column by column), of entries given by an index along each axis."""
    number: Node = Constant(np.intp(0))
    pairs = [(_integers(i, "ravel_multi_index"), int(n)) for i, n in zip(multi_index, dims, strict=True)]
    for i, n in pairs if order == "C" else pairs[::-1]:
        refusal = "ravel_multi_index: an index lies outside its axis"
        inside = InRange(i, length=n, refusal=refusal) if mode == "raise" else _inside(i, n, mode)
        number = number * n + inside
    return number


class InRange(PiecewiseConstant):
    """y = x, whole numbers;  no adjoint. Raises, in replays too, where one is below 0 or not below `length`.

    refusal: what the error begins with
    """

    __slots__ = ()
    length: int
    refusal: str

    def fprop(self, x: Any, *, length: int, refusal: str) -> Any:
        outside = (x < 0) | (x >= length)
        if outside.any():
            raise ValueError(f"{refusal}: found {x[outside].flat[0]}, expected 0 or more and less than {length}")
        return x


def _integers(x: Operand, function: str) -> Node:
    node = as_node(x)
    if node.dtype.kind not in "iu":
        raise TypeError(f"{function}: the indices are integers, and are {node.label}: write i.astype(int)")
    return astype(node, np.intp)


# Writing -------------------------------------------------------------------------------------------------------------


class SetAt(Operation):
    """y = x but for y[index] = v;  x̄ = ȳ but for x̄[index] = 0, v̄ = ȳ[index]; masked as in `Where`.

    Where the index names an entry several times, the last (row by row) wins, and only it has an adjoint.
    """

    __slots__ = ()
    moves = True
    broadcasts = True
    index: Index

    def fprop(self, x: Any, v: Any, *arrays: Any, index: Index) -> Any:
        y = np.array(x, dtype=np.result_type(x, v))
        y[_filled(index, map(_by_rows, arrays))] = v
        return y

    def bprop(self, adjoint: Node) -> Entries:
        x, _, *arrays = self.children

        def of_x() -> Entry:
            kept = SetAt(Constant(np.ones(x.shape, np.bool_)), as_node(False), *arrays, index=self.index)
            return Masked(SetAt(adjoint, as_node(0, adjoint.dtype), *arrays, index=self.index), kept)

        def of_v() -> Entry:
            read = GetItem(adjoint, *arrays, index=self.index)
            if ARRAY not in self.index:
                return read
            last = IsLast(*arrays, index=self.index, shape_of=x.shape)
            return Masked(where(last, read, 0), last)

        return [of_x, of_v, *[None] * len(arrays)]


class IsLast(PiecewiseConstant):
    """y = whether no later entry of x[index] (whose shape y has), row by row, names the same place in x;  no adjoint."""

    __slots__ = ()
    index: Index
    shape_of: tuple[int, ...]

    def fprop(self, *arrays: Any, index: Index, shape_of: tuple[int, ...]) -> Any:
        places = _filled(index, map(_by_rows, arrays))
        writer = np.zeros(shape_of, dtype=np.intp)
        part = writer[places]
        order = np.arange(part.size).reshape(part.shape)
        writer[places] = order
        return writer[places] == order


def _by_rows(array: Array) -> Array:
    """The array in C order: NumPy walks through an index in the order of its memory, which decides which entry is last."""
    return np.asarray(array, order="C")


class AddAt(Operation):
    """y = x but for y[index] += v, as often as the index names an entry;  x̄ = ȳ, v̄ = ȳ[index]."""

    __slots__ = ()
    moves = True
    broadcasts = True
    index: Index

    def fprop(self, x: Any, v: Any, *arrays: Any, index: Index) -> Any:
        y = np.array(x, dtype=np.result_type(x, v))
        _accumulate(y, index, arrays, v)
        return y

    def bprop(self, adjoint: Node) -> Entries:
        arrays = self.children[2:]
        return [adjoint, lambda: GetItem(adjoint, *arrays, index=self.index), *[None] * len(arrays)]


@answers("at")
class At:
    """`x.at`: what `x.at[index].set(v)` and `x.at[index].add(v)` are written with; x itself stays as it is."""

    __slots__ = ("_x",)

    def __init__(self, x: Operand) -> None:
        self._x = as_node(x)

    def __getitem__(self, index: Any) -> Place:
        return Place(self._x, index)


class Place:
    """Some entries of a node, to be changed in a new one. v is broadcast to them; the result has x's dtype."""

    __slots__ = ("_index", "_x")

    def __init__(self, x: Node, index: Any) -> None:
        self._x = x
        self._index = index

    def set(self, v: Operand) -> Node:
        """x with v at these entries; of several values for one entry the last, row by row, wins."""
        value, mask = self._value(v, "set"), self._mask()
        if mask is not None and value.ndim == 0:
            return where(mask, value, self._x)
        template, arrays = _parsed(self._x, self._index)
        return SetAt(self._x, self._fitting(value, template, arrays, "set"), *arrays, index=template)

    def add(self, v: Operand) -> Node:
        """x with v added at these entries, as often as the index names them."""
        value, mask = self._value(v, "add"), self._mask()
        if mask is not None and value.ndim == 0:
            return self._x + where(mask, value, 0)
        template, arrays = _parsed(self._x, self._index)
        return AddAt(self._x, self._fitting(value, template, arrays, "add"), *arrays, index=template)

    def _value(self, v: Operand, method: str) -> Node:
        """v in x's dtype, unless that would lose it."""
        value = as_node(v, self._x.dtype)
        if not np.can_cast(value.dtype, self._x.dtype, "same_kind"):
            raise TypeError(
                f"x.at[index].{method}(v): x is {self._x.label}, and v of dtype {value.dtype} does not go into it: "
                f"write x.astype(np.{value.dtype})"
            )
        return astype(value, self._x.dtype)

    def _mask(self) -> Node | None:
        """The index where it is one boolean node, which then may hold more or less often in a replay."""
        mask = self._index
        if not isinstance(mask, Node) or mask.dtype.kind != "b" or mask.shape != self._x.shape[: mask.ndim]:
            return None
        return reshape(mask, mask.shape + (1,) * (self._x.ndim - mask.ndim)) if mask.ndim < self._x.ndim else mask

    def _fitting(self, value: Node, template: Index, arrays: list[Node], method: str) -> Node:
        """The value, if it broadcasts to the entries, or an error."""
        index = _filled(template, [array._value for array in arrays])
        try:
            part = np.broadcast_to(np.False_, self._x.shape)[index].shape
        except IndexError as error:
            raise IndexError(f"{self._x.label}.at[index].{method}(v): {error}") from None
        if not _broadcasts(value.shape, part):
            raise ValueError(
                f"{self._x.label}.at[index].{method}(v): v has shape {value.shape} and does not broadcast to the entries, "
                f"which have shape {part}"
            )
        return value


def _broadcasts(small: tuple[int, ...], large: tuple[int, ...]) -> bool:
    """Whether an array of one shape broadcasts to the other."""
    pairs = zip(reversed(small), reversed(large), strict=False)
    return len(small) <= len(large) and all(m in (n, 1) for m, n in pairs)


_DEPENDS = (
    "the shape of its result depends on values: write np.where(mask, x, 0), or call it on x.value outside the graph"
)
ADVICE.update(dict.fromkeys((np.nonzero, np.argwhere, np.flatnonzero), _DEPENDS))
ADVICE.update(  # what works in place: the recipe is what the array holds afterwards
    {
        np.put_along_axis: Way(
            "np.put_along_axis(x, index, values, axis=1)", "x.at[np.arange(len(x))[:, None], index].set(values)"
        ),
        np.put: Way("np.put(x, [0, 2], [7.0, 8.0])", "x.at[np.unravel_index([0, 2], x.shape)].set([7.0, 8.0])"),
        np.place: Way("np.place(x, mask, [7.0])", "np.where(mask, 7.0, x)"),
        np.putmask: Way("np.putmask(x, mask, other)", "np.where(mask, other, x)"),
        np.copyto: Way("np.copyto(x, other, where=mask)", "np.where(mask, other, x)"),
        np.fill_diagonal: Way("np.fill_diagonal(x, 7.0)", "x.at[np.diag_indices(min(x.shape))].set(7.0)"),
    }
)

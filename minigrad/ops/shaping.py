"""Operations that move, repeat and join entries and change none of them.

The few primitive ones are classes; the rest of NumPy's family are compositions of these. Every adjoint is the same
movement backwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from operator import index as as_int
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from minigrad.dispatch import answers
from minigrad.node import Constant, Node, as_node
from minigrad.ops.base import Elementwise, Entries, Masked, Operation, as_nodes, broadcast_to
from minigrad.ops.casting import astype

if TYPE_CHECKING:
    import numpy.typing as npt

    from minigrad.operators import Axis, Operand

__all__ = [
    "Reshape", "ExpandDims", "Squeeze", "Transpose", "MatrixTranspose", "Concatenate", "Stack", "Flip", "Roll", "Pad",
    "Tril", "Triu", "Copy",
    "reshape", "ravel", "transpose", "matrix_transpose", "swapaxes", "moveaxis", "rot90", "expand_dims", "squeeze",
    "atleast_1d", "atleast_2d", "atleast_3d", "concatenate", "stack", "unstack", "vstack", "hstack", "dstack", "column_stack",
    "split", "array_split", "hsplit", "vsplit", "dsplit", "flip", "flipud", "fliplr", "roll", "repeat", "tile", "pad",
    "tril", "triu", "copy", "diagonal", "broadcast_arrays", "zeros_like", "ones_like", "full_like", "shape", "ndim",
    "size",
]  # fmt: skip


# One array in another shape ------------------------------------------------------------------------------------------


class Reshape(Operation):
    """y = x in another shape, row by row;  x̄ = ȳ in x's shape."""

    __slots__ = ()
    moves = True
    shape_to: tuple[int, ...]

    def fprop(self, x: Any, *, shape_to: tuple[int, ...]) -> Any:
        return x.reshape(shape_to)

    def bprop(self, adjoint: Node) -> Entries:
        return reshape(adjoint, self.children[0].shape)


@answers(np.reshape)
def reshape(a: Operand, /, shape: int | Sequence[int], order: str = "C", *, copy: bool | None = None) -> Node:
    """The entries of a in another shape, one length of which may be -1.

    order:  "C" reads and writes row by row, "F" column by column
    copy:   has no meaning: nodes do not change
    """
    lengths = _lengths(shape)
    if _by_columns("reshape", order):
        return transpose(Reshape(transpose(a), shape_to=lengths[::-1]))
    return Reshape(a, shape_to=lengths)


@answers(np.ravel)
def ravel(a: Operand, order: str = "C") -> Node:
    """The entries of a as a vector, row by row, or for order="F" column by column."""
    return Reshape(transpose(a) if _by_columns("ravel", order) else a, shape_to=(-1,))


def _by_columns(function: str, order: str) -> bool:
    """Whether the first axis runs fastest. NumPy's orders A and K follow the layout in memory, which nodes do not have."""
    if order in ("C", "F"):
        return order == "F"
    raise ValueError(
        f"{function}(order={order!r}): a node has no layout in memory to follow: write order='C' or order='F'"
    )


def _lengths(shape: int | Sequence[int]) -> tuple[int, ...]:
    return tuple([as_int(n) for n in shape]) if isinstance(shape, Sequence | np.ndarray) else (as_int(shape),)


def _axes(axis: Axis) -> Axis:
    """An axis or several as attributes hold them: None, a number, or a tuple."""
    return tuple([as_int(i) for i in axis]) if isinstance(axis, Sequence) else axis


class ExpandDims(Operation):
    """y = x in another shape, with new axes of length 1;  x̄ = ȳ in x's shape."""

    __slots__ = ()
    moves = True
    axis: Axis

    def fprop(self, x: Any, *, axis: Axis) -> Any:
        return np.expand_dims(x, axis)  # type: ignore[arg-type]

    def bprop(self, adjoint: Node) -> Entries:
        return squeeze(adjoint, self.axis)


@answers(np.expand_dims)
def expand_dims(a: Operand, axis: int | Sequence[int]) -> Node:
    """a with new axes of length 1 where `axis` says they are in the result."""
    return ExpandDims(a, axis=_axes(axis))


class Squeeze(Operation):
    """y = x in another shape, without axes of length 1 (all of them, or those named);  x̄ = ȳ in x's shape."""

    __slots__ = ()
    moves = True
    axis: Axis

    def fprop(self, x: Any, *, axis: Axis = None) -> Any:
        return np.squeeze(x, axis)

    def bprop(self, adjoint: Node) -> Entries:
        return reshape(adjoint, self.children[0].shape)


@answers(np.squeeze)
def squeeze(a: Operand, axis: Axis = None) -> Node:
    """a without its axes of length 1: all of them, or those named."""
    return Squeeze(a, axis=_axes(axis))


def _at_least(a: Operand, ndim: int) -> Node:
    """a with as many axes as asked for, the new ones where np.atleast_nd puts them."""
    x = as_node(a)
    if x.ndim >= ndim:
        return x
    shape = {0: (1,) * ndim, 1: (*(1,) * min(ndim - 1, 1), *x.shape, 1)[:ndim], 2: (*x.shape, 1)}[x.ndim]
    return reshape(x, shape)


@answers(np.atleast_1d)
def atleast_1d(*arys: Operand) -> Any:
    """Each with at least one axis; one node, or a tuple of several."""
    return _each(arys, 1)


@answers(np.atleast_2d)
def atleast_2d(*arys: Operand) -> Any:
    """Each with at least two axes, a vector as a row; one node, or a tuple of several."""
    return _each(arys, 2)


@answers(np.atleast_3d)
def atleast_3d(*arys: Operand) -> Any:
    """Each with at least three axes, a vector as (1, n, 1), a matrix as (m, n, 1); one node, or a tuple of several."""
    return _each(arys, 3)


def _each(arrays: tuple[Operand, ...], ndim: int) -> Any:
    found = tuple([_at_least(a, ndim) for a in arrays])
    return found[0] if len(found) == 1 else found


# Axes in another order -----------------------------------------------------------------------------------------------


class Transpose(Operation):
    """y = x with its axes in another order, the given one (None: reversed);  x̄ = ȳ with its axes put back."""

    __slots__ = ()
    moves = True
    axes: tuple[int, ...] | None

    def fprop(self, x: Any, *, axes: tuple[int, ...] | None = None) -> Any:
        return x.transpose(axes)

    def bprop(self, adjoint: Node) -> Entries:
        if self.axes is None:
            return transpose(adjoint)
        order = [axis % self.ndim for axis in self.axes]
        return transpose(adjoint, sorted(range(self.ndim), key=order.__getitem__))


class MatrixTranspose(Operation):
    """y = x', the last two axes swapped;  x̄ = ȳ'."""

    __slots__ = ()
    moves = True

    def fprop(self, x: Any) -> Any:
        return x.mT

    def bprop(self, adjoint: Node) -> Entries:
        return MatrixTranspose(adjoint)


@answers(np.transpose)
def transpose(a: Operand, axes: int | Sequence[int] | None = None) -> Node:
    """a with its axes in the given order, reversed where none is given."""
    x = as_node(a)
    if axes is None:
        return MatrixTranspose(x) if x.ndim == 2 else Transpose(x)
    return Transpose(x, axes=_lengths(axes))


@answers(np.matrix_transpose, np.linalg.matrix_transpose)
def matrix_transpose(x: Operand, /) -> Node:
    """x with its last two axes swapped: each matrix of a stack transposed."""
    return MatrixTranspose(x)


@answers(np.swapaxes)
def swapaxes(a: Operand, axis1: int, axis2: int) -> Node:
    """a with two axes exchanged."""
    x = as_node(a)
    order = list(range(x.ndim))
    first, second = (normalize_axis_index(axis, x.ndim, _of("swapaxes", x)) for axis in (axis1, axis2))
    order[first], order[second] = second, first
    return transpose(x, order)


@answers(np.moveaxis)
def moveaxis(a: Operand, source: int | Sequence[int], destination: int | Sequence[int]) -> Node:
    """a with the axes `source` moved to the positions `destination`, the others in their order."""
    x = as_node(a)
    sources = normalize_axis_tuple(source, x.ndim, _of("moveaxis", x) + ", source")
    targets = normalize_axis_tuple(destination, x.ndim, _of("moveaxis", x) + ", destination")
    if len(sources) != len(targets):
        raise ValueError(f"{_of('moveaxis', x)}: {len(sources)} source axes do not go to {len(targets)} destinations")
    order = [axis for axis in range(x.ndim) if axis not in sources]
    for target, moved in sorted(zip(targets, sources, strict=True)):
        order.insert(target, moved)
    return transpose(x, order)


@answers(np.rot90)
def rot90(m: Operand, k: int = 1, axes: Sequence[int] = (0, 1)) -> Node:
    """m turned k times by 90 degrees in the plane of two axes, from the first towards the second."""
    x = as_node(m)
    first, second = normalize_axis_tuple(axes, x.ndim, _of("rot90", x))
    turned = [x, swapaxes(flip(x, second), first, second), flip(x, (first, second))]
    return [*turned, flip(swapaxes(x, first, second), second)][k % 4]


def _of(function: str, x: Node) -> str:
    return f"{function} of {x.label}"


def along(a: Operand, axis: int | None, function: str) -> tuple[Node, int]:
    """The array and the axis to work along; None means the array as a vector, which a 0-d array is taken for."""
    x = as_node(a)
    x = x if x.ndim and axis is not None else ravel(x)
    return x, normalize_axis_index(0 if axis is None else as_int(axis), x.ndim, _of(function, x))


# Several arrays in one, one in several -------------------------------------------------------------------------------


class Concatenate(Operation):
    """y = concatenate(x_i), one after the other along an axis;  x̄_i = ȳ[stretch_i]."""

    __slots__ = ()
    moves = True
    axis: int

    def fprop(self, *arrays: Any, axis: int = 0) -> Any:
        return np.concatenate(arrays, axis)

    def bprop(self, adjoint: Node) -> Entries:
        axis = self.axis % self.ndim
        ends = np.cumsum([0, *(x.shape[axis] for x in self.children)]).tolist()
        return [partial(_stretch, adjoint, axis, slice(*pair)) for pair in pairwise(ends)]


class Stack(Operation):
    """y = stack(x_i), of one shape, side by side along a new axis;  x̄_i = ȳ[slice_i]."""

    __slots__ = ()
    moves = True
    axis: int

    def fprop(self, *arrays: Any, axis: int = 0) -> Any:
        return np.stack(arrays, axis)

    def bprop(self, adjoint: Node) -> Entries:
        axis = self.axis % self.ndim
        return [partial(_stretch, adjoint, axis, i) for i in range(len(self.children))]


def _stretch(x: Node, axis: int, part: int | slice) -> Node:
    """x[..., part, ...] along one axis."""
    return x[(*(slice(None),) * axis, part)]


def _cast(arrays: Sequence[Operand] | Node, dtype: Any, casting: Any) -> Sequence[Operand] | Node:
    """What is to be joined, in the dtype asked for."""
    if dtype is None:
        return arrays
    return [astype(x, dtype, casting=casting) for x in as_nodes(tuple(arrays))]


@answers(np.concatenate)
def concatenate(
    arrays: Sequence[Operand] | Node, /, axis: int | None = 0, *, dtype: Any = None, casting: str = "same_kind"
) -> Node:
    """The arrays one after the other along an axis they have; axis=None joins them as vectors.

    Python numbers take the others' dtype here alone: `stack` and its like, as in NumPy, make float64 of 1.0.
    """
    arrays = _cast(arrays, dtype, casting)
    if axis is None:
        return Concatenate(*[ravel(x) for x in as_nodes(tuple(arrays))], axis=0)
    return Concatenate(*arrays, axis=as_int(axis))


@answers(np.stack)
def stack(arrays: Sequence[Operand] | Node, axis: int = 0, *, dtype: Any = None, casting: str = "same_kind") -> Node:
    """The arrays, of one shape, side by side along a new axis."""
    return Stack(*[as_node(x) for x in _cast(arrays, dtype, casting)], axis=as_int(axis))


@answers(np.unstack)
def unstack(x: Operand, /, *, axis: int = 0) -> tuple[Node, ...]:
    """The slices of x along an axis: what `stack` joins."""
    return tuple(moveaxis(x, axis, 0))


@answers(np.vstack)
def vstack(tup: Sequence[Operand] | Node, *, dtype: Any = None, casting: str = "same_kind") -> Node:
    """The arrays on top of each other, vectors as rows."""
    return concatenate([_at_least(x, 2) for x in tup], 0, dtype=dtype, casting=casting)


@answers(np.hstack)
def hstack(tup: Sequence[Operand] | Node, *, dtype: Any = None, casting: str = "same_kind") -> Node:
    """The arrays next to each other along their second axis; vectors along their only one."""
    arrays = [_at_least(x, 1) for x in tup]
    return concatenate(arrays, 0 if arrays and arrays[0].ndim == 1 else 1, dtype=dtype, casting=casting)


@answers(np.dstack)
def dstack(tup: Sequence[Operand] | Node) -> Node:
    """The arrays behind each other along a third axis."""
    return concatenate([_at_least(x, 3) for x in tup], 2)


@answers(np.column_stack)
def column_stack(tup: Sequence[Operand] | Node) -> Node:
    """Vectors as columns, and matrices, next to each other."""
    arrays = [as_node(x) for x in tup]
    return concatenate([x if x.ndim > 1 else reshape(x, (-1, 1)) for x in arrays], 1)


@answers(np.array_split)
def array_split(ary: Operand, indices_or_sections: int | Sequence[int], axis: int = 0) -> list[Node]:
    """The array cut along an axis: at indices, or into a number of sections whose lengths differ by at most one."""
    x = as_node(ary)
    axis = normalize_axis_index(as_int(axis), x.ndim, _of("array_split", x))
    if isinstance(indices_or_sections, Node):
        raise TypeError(f"{_of('array_split', x)}: where to cut is not a node, since shapes are fixed: write .value")
    if isinstance(indices_or_sections, Sequence | np.ndarray):
        cuts: list[int] = [as_int(cut) for cut in indices_or_sections]
    else:
        sections = as_int(indices_or_sections)
        if sections <= 0:
            raise ValueError(f"{_of('array_split', x)}: the number of sections is at least 1, not {sections}")
        each, longer = divmod(x.shape[axis], sections)
        cuts = [i * each + min(i, longer) for i in range(1, sections)]
    return [_stretch(x, axis, slice(*pair)) for pair in zip([0, *cuts], [*cuts, x.shape[axis]], strict=True)]


@answers(np.split)
def split(ary: Operand, indices_or_sections: int | Sequence[int], axis: int = 0) -> list[Node]:
    """As `array_split`, but a number of sections must divide the axis evenly."""
    x = as_node(ary)
    axis = normalize_axis_index(as_int(axis), x.ndim, _of("split", x))
    if (
        isinstance(indices_or_sections, int | np.integer)
        and indices_or_sections > 0
        and x.shape[axis] % indices_or_sections
    ):
        raise ValueError(
            f"{_of('split', x)}: axis {axis} does not divide into {indices_or_sections} equal parts: write np.array_split"
        )
    return array_split(x, indices_or_sections, axis)


@answers(np.hsplit)
def hsplit(ary: Operand, indices_or_sections: int | Sequence[int]) -> list[Node]:
    """The array cut along its second axis (a vector along its only one)."""
    x = as_node(ary)
    return split(x, indices_or_sections, 0 if x.ndim == 1 else 1)


@answers(np.vsplit)
def vsplit(ary: Operand, indices_or_sections: int | Sequence[int]) -> list[Node]:
    """The array, of two axes or more, cut along its first."""
    x = as_node(ary)
    if x.ndim < 2:
        raise ValueError(f"{_of('vsplit', x)}: it needs two axes or more; a vector is cut by np.split")
    return split(x, indices_or_sections, 0)


@answers(np.dsplit)
def dsplit(ary: Operand, indices_or_sections: int | Sequence[int]) -> list[Node]:
    """The array, of three axes or more, cut along its third."""
    return split(ary, indices_or_sections, 2)


# The same entries elsewhere ------------------------------------------------------------------------------------------


class Flip(Operation):
    """y = x reversed along the axes, None for all;  x̄ = ȳ reversed along them."""

    __slots__ = ()
    moves = True
    axis: Axis

    def fprop(self, x: Any, *, axis: Axis = None) -> Any:
        return np.flip(x, axis)  # type: ignore[arg-type]

    def bprop(self, adjoint: Node) -> Entries:
        return flip(adjoint, self.axis)


@answers(np.flip)
def flip(m: Operand, axis: Axis = None) -> Node:
    """m with the order along the axes reversed; along all where none is given."""
    return Flip(m, axis=_axes(axis))


@answers(np.flipud)
def flipud(m: Operand) -> Node:
    """m upside down: its first axis reversed."""
    return Flip(m, axis=0)


@answers(np.fliplr)
def fliplr(m: Operand) -> Node:
    """m left to right: its second axis reversed."""
    return Flip(m, axis=1)


class Roll(Operation):
    """y = x shifted along the axes, around the end (None: as a vector);  x̄ = ȳ shifted back."""

    __slots__ = ()
    moves = True
    shift: tuple[int, ...]
    axis: Axis

    def fprop(self, x: Any, *, shift: tuple[int, ...], axis: Axis = None) -> Any:
        return np.roll(x, shift, axis)

    def bprop(self, adjoint: Node) -> Entries:
        return roll(adjoint, [-steps for steps in self.shift], self.axis)


@answers(np.roll)
def roll(a: Operand, shift: int | Sequence[int], axis: Axis = None) -> Node:
    """a shifted around: what leaves at the end of an axis comes in at its start."""
    return Roll(a, shift=_lengths(shift), axis=_axes(axis))


@answers(np.repeat)
def repeat(a: Operand, repeats: npt.ArrayLike, axis: int | None = None) -> Node:
    """Each entry along an axis repeated: as often as a number says, or each as often as its own count."""
    if isinstance(repeats, Node):
        raise TypeError("repeat(a, repeats): the counts are not a node, since they decide a shape: write repeats.value")
    x, axis = along(a, axis, "repeat")
    counts = np.asarray(repeats)
    if counts.size != 1:
        return x[(*(slice(None),) * axis, np.repeat(np.arange(x.shape[axis]), counts))]
    times = as_int(counts.item())
    if times < 0:
        raise ValueError(f"{_of('repeat', x)}: repeats may not be negative, and is {times}")
    before, length, after = x.shape[:axis], x.shape[axis], x.shape[axis + 1 :]
    spread = broadcast_to(expand_dims(x, axis + 1), (*before, length, times, *after))
    return reshape(spread, (*before, length * times, *after))


@answers(np.tile)
def tile(A: Operand, reps: int | Sequence[int]) -> Node:
    """A repeated as a whole along each axis."""
    x = as_node(A)
    times = _lengths(reps)
    ndim = max(x.ndim, len(times))
    lengths = (1,) * (ndim - x.ndim) + x.shape
    times = (1,) * (ndim - len(times)) + times
    apart = [n for length in lengths for n in (1, length)]
    spread = [n for pair in zip(times, lengths, strict=True) for n in pair]
    return reshape(broadcast_to(reshape(x, apart), spread), [t * n for t, n in zip(times, lengths, strict=True)])


class Pad(Operation):
    """y = x padded, with numbers put before and after it along each axis;  x̄ = ȳ without the padding."""

    __slots__ = ()
    moves = True
    pad_width: tuple[tuple[int, int], ...]
    constant_values: Any

    def fprop(self, x: Any, *, pad_width: tuple[tuple[int, int], ...], constant_values: Any) -> Any:
        return np.pad(x, pad_width, constant_values=constant_values)

    def bprop(self, adjoint: Node) -> Entries:
        (x,) = self.children
        starts = [before for before, _ in self.pad_width]
        return adjoint[tuple([slice(start, start + n) for start, n in zip(starts, x.shape, strict=True)])]


@answers(np.pad)
def pad(array: Operand, pad_width: Any, mode: str = "constant", *, constant_values: Any = None) -> Node:
    """array with entries added before and after it: numbers (0), or its own (modes reflect, symmetric, edge and wrap)."""
    x = as_node(array)
    if isinstance(pad_width, dict):  # by axis
        by_axis = {normalize_axis_index(axis, x.ndim, _of("pad", x)): width for axis, width in pad_width.items()}
        pad_width = [np.broadcast_to(by_axis.get(i, 0), 2) for i in range(x.ndim)]
    given = np.asarray(pad_width)
    if given.dtype.kind != "i":
        raise TypeError(f"{_of('pad', x)}: widths are integers, not pad_width={pad_width!r}")
    if given.min(initial=0) < 0:
        raise ValueError(f"{_of('pad', x)}: widths are 0 or more, not pad_width={pad_width!r}: write a slice")
    widths = tuple([(int(a), int(b)) for a, b in np.broadcast_to(given, (x.ndim, 2))])
    if mode == "constant":
        if isinstance(constant_values, Node):
            raise TypeError("pad(constant_values=): numbers, not a node; join nodes by np.concatenate")
        numbers = 0 if constant_values is None else constant_values
        return Pad(x, pad_width=widths, constant_values=numbers) if widths else x
    if mode not in ("edge", "reflect", "symmetric", "wrap"):
        raise ValueError(f"pad(mode={mode!r}): nodes take the modes constant, edge, reflect, symmetric and wrap")
    if constant_values is not None:
        raise ValueError(f"pad(mode={mode!r}) takes no constant_values: they are for mode='constant'")
    for axis, width in enumerate(widths):
        if width != (0, 0):
            source = np.pad(np.arange(x.shape[axis]), width, mode)  # type: ignore[call-overload]
            x = x[(*(slice(None),) * axis, source)]
    return x


class Tril(Operation):
    """y = tril(x, k), the lower triangle of matrices up to the k-th diagonal;  x̄ = tril(ȳ, k), masked as in `Where`."""

    __slots__ = ()
    moves = True
    k: int

    def fprop(self, x: Any, *, k: int = 0) -> Any:
        return np.tril(x, k)

    def bprop(self, adjoint: Node) -> Entries:
        return Masked(tril(adjoint, self.k), Constant(np.tri(self.shape[-2], self.shape[-1], self.k, dtype=np.bool_)))


class Triu(Operation):
    """y = triu(x, k), the upper triangle of matrices from the k-th diagonal;  x̄ = triu(ȳ, k), masked as in `Where`."""

    __slots__ = ()
    moves = True
    k: int

    def fprop(self, x: Any, *, k: int = 0) -> Any:
        return np.triu(x, k)

    def bprop(self, adjoint: Node) -> Entries:
        return Masked(
            triu(adjoint, self.k), Constant(~np.tri(self.shape[-2], self.shape[-1], self.k - 1, dtype=np.bool_))
        )


@answers(np.tril)
def tril(m: Operand, k: int = 0) -> Node:
    """The lower triangle of each matrix, up to the k-th diagonal, 0 above it."""
    return Tril(_matrices(m), k=k)


@answers(np.triu)
def triu(m: Operand, k: int = 0) -> Node:
    """The upper triangle of each matrix, from the k-th diagonal on, 0 below it."""
    return Triu(_matrices(m), k=k)


def _matrices(m: Operand) -> Node:
    """A vector as as many equal rows, which is what NumPy takes the triangle of."""
    x = as_node(m)
    return broadcast_to(x, (x.size, x.size)) if x.ndim == 1 else x


@answers(np.diagonal)
def diagonal(a: Operand, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Node:
    """The diagonals of the matrices that two axes span, along a new last axis (a copy, not a view)."""
    x = as_node(a)
    if x.ndim < 2:
        raise ValueError(f"{_of('diagonal', x)}: it needs two axes or more; np.diag makes a matrix of a vector")
    x, offset = moveaxis(x, (axis1, axis2), (-2, -1)), as_int(offset)
    rows, columns = x.shape[-2:]
    first = max(0, -offset)
    steps = np.arange(first, max(first, min(rows, columns - offset)))
    return x[..., steps, steps + offset]


class Copy(Elementwise):
    """y = x, in memory of its own;  x̄ = ȳ."""

    __slots__ = ()

    def fprop(self, x: Any) -> Any:
        return x.copy()

    def bprop(self, adjoint: Node) -> Entries:
        return adjoint


@answers(np.copy)
def copy(a: Operand, order: str = "K", subok: bool = False) -> Node:
    """a in memory of its own."""
    if order not in ("K", "C", "A"):
        raise ValueError(f"copy(order={order!r}): a node has no layout in memory to choose")
    return Copy(a)


@answers(np.broadcast_arrays)
def broadcast_arrays(*args: Operand) -> tuple[Node, ...]:
    """All arrays in the one shape they broadcast to."""
    nodes = [as_node(x) for x in args]
    common = np.broadcast_shapes(*[x.shape for x in nodes])
    return tuple([broadcast_to(x, common) for x in nodes])


# Constants and queries -----------------------------------------------------------------------------------------------


@answers(np.zeros_like)
def zeros_like(a: Operand, dtype: npt.DTypeLike | None = None, *, shape: int | Sequence[int] | None = None) -> Node:
    """A Constant of zeros in a's shape and dtype, or in those given."""
    return full_like(a, 0, dtype, shape=shape)


@answers(np.ones_like)
def ones_like(a: Operand, dtype: npt.DTypeLike | None = None, *, shape: int | Sequence[int] | None = None) -> Node:
    """A Constant of ones in a's shape and dtype, or in those given."""
    return full_like(a, 1, dtype, shape=shape)


@answers(np.full_like)
def full_like(
    a: Operand, fill_value: Operand, dtype: npt.DTypeLike | None = None, *, shape: int | Sequence[int] | None = None
) -> Node:
    """The fill value in a's shape and dtype, or in those given: a Constant, unless the fill value is a node."""
    x = as_node(a)
    lengths = x.shape if shape is None else _lengths(shape)
    kind = x.dtype if dtype is None else np.dtype(dtype)
    if isinstance(fill_value, Node):
        return broadcast_to(astype(fill_value, kind), lengths)
    return Constant(np.full(lengths, fill_value, kind))


@answers(np.shape)
def shape(a: Operand) -> tuple[int, ...]:
    """The lengths of a's axes: plain numbers."""
    return as_node(a).shape


@answers(np.ndim)
def ndim(a: Operand) -> int:
    """How many axes a has: a plain number."""
    return as_node(a).ndim


@answers(np.size)
def size(a: Operand, axis: Axis = None) -> int:
    """How many entries a has, or its length along axes: a plain number."""
    x = as_node(a)
    axes = range(x.ndim) if axis is None else normalize_axis_tuple(axis, x.ndim, _of("size", x))
    return int(np.prod([x.shape[i] for i in axes], dtype=np.intp))

"""Products of vectors, matrices and tensors, and what is solved, inverted and measured with them.

Written with matrices last: a stack of matrices is (..., rows, columns), and stacks broadcast as NumPy's do. A' is the
transposed matrix. Formulas: M. Giles, "Collected matrix derivative results for forward and reverse mode algorithmic
differentiation", 2008; the Cholesky factor: I. Murray, "Differentiation of the Cholesky decomposition", 2016.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Iterable, Sequence
from functools import partial, reduce
from math import prod
from operator import index as as_int
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from minigrad.dispatch import ADVICE, TABLE, Answer, answers, refuse_out
from minigrad.node import Constant, Node, as_node
from minigrad.ops.arithmetic import PiecewiseConstant, absolute, floating, sign, where
from minigrad.ops.base import Entries, Operation, Piece, broadcast_to
from minigrad.ops.indexing import ARRAY, AddAt
from minigrad.ops.reductions import binade
from minigrad.ops.shaping import (
    MatrixTranspose,
    diagonal,
    expand_dims,
    matrix_transpose,
    moveaxis,
    ravel,
    reshape,
    squeeze,
    transpose,
    tril,
)

if TYPE_CHECKING:
    from minigrad.operators import Axis, Operand

__all__ = [
    "MatMul", "SumOfProducts", "Outer", "Einsum", "Cross", "Solve", "Inv", "Det", "Cofactors", "LogAbsDet", "DetSign", "Cholesky", "VectorNorm",
    "matmul", "dot", "vdot", "inner", "outer", "tensordot", "einsum", "kron", "cross", "vecdot", "matvec", "vecmat", "trace", "diag",
    "diagflat", "solve", "inv", "det", "slogdet", "SlogdetResult", "cholesky", "matrix_power", "multi_dot", "norm",
    "vector_norm", "matrix_norm",
]  # fmt: skip


# Products ------------------------------------------------------------------------------------------------------------


@answers(np.matmul, np.linalg.matmul)
class MatMul(Operation):
    """Y = A B;  Ā = Ȳ B', B̄ = A' Ȳ. A vector is a row on the left and a column on the right, as in NumPy."""

    __slots__ = ()
    broadcasts = True

    def fprop(self, a: Any, b: Any) -> Any:
        return a @ b

    def bprop(self, adjoint: Node) -> Entries:
        a, b = self.children
        if a._value.ndim == b._value.ndim == 2 and b._value.dtype == self._value.dtype:
            return lambda: adjoint @ _mirrored(b), Piece(adjoint, self, products_in_one)
        if a.ndim > 1 and b.ndim > 1:
            return lambda: adjoint @ _mirrored(b), lambda: _summed_product(a, adjoint, b.ndim)
        if b.ndim == 1 and a.ndim == 2:
            return lambda: Outer(adjoint, b), lambda: adjoint @ a
        if a.ndim == 1 and b.ndim == 2:
            return lambda: b @ adjoint, lambda: Outer(a, adjoint)
        if a.ndim == b.ndim:
            return lambda: adjoint * b, lambda: adjoint * a
        if a.ndim == 1:  # a vector and a stack of matrices
            column = expand_dims(adjoint, -1)
            return lambda: squeeze(b @ column, -1), lambda: expand_dims(a, -1) * expand_dims(adjoint, -2)
        row = expand_dims(adjoint, -2)  # a stack of matrices and a vector
        return lambda: expand_dims(adjoint, -1) * b, lambda: squeeze(row @ a, -2)

    def advice(self) -> str:
        a, b = (x.shape for x in self.children)
        if not a or not b:
            return f"{a} @ {b} does not fit: @ takes vectors and matrices; with a number write *"
        first = b[-2] if len(b) > 1 else b[0]
        if a[-1] == first:
            return f"{a} @ {b} does not fit: the stacks {a[:-2]} and {b[:-2]} do not broadcast"
        flipped = " (the right operand's .mT would fit)" if len(b) > 1 and b[-1] == a[-1] else ""
        return (
            f"{a} @ {b} does not fit: the left operand's last axis is {a[-1]}, "
            f"the right operand's first is {first}{flipped}"
        )


def _mirrored(x: Node) -> Node:
    """x' for a rule; where x is itself a transposed matrix, the matrix, which saves a node at every product."""
    return x.children[0] if type(x) is MatrixTranspose else matrix_transpose(x)


def _summed_product(a: Node, adjoint: Node, ndim: int) -> Node:
    """A' Ȳ; where B is one matrix, and A a stack of them, as one large product and not a sum of small ones."""
    if ndim == 2 and a.ndim > 2:
        a, adjoint = (reshape(x, (prod(x.shape[:-1]), x.shape[-1])) for x in (a, adjoint))
    return _mirrored(a) @ adjoint


class SumOfProducts(Operation):
    """Y = Σ_i A_i' B_i, of matrices A_1..A_n, B_1..B_n, as one large product;  Ā_i = B_i Ȳ', B̄_i = A_i Ȳ.

    It is the adjoint of a weight matrix that many products share, as the time steps of a recurrent net do.
    """

    __slots__ = ()

    def fprop(self, *arrays: Any) -> Any:
        n = len(arrays) // 2
        return np.concatenate(arrays[:n]).T @ np.concatenate(arrays[n:])

    def bprop(self, adjoint: Node) -> Entries:
        n = len(self.children) // 2
        turned = matrix_transpose(adjoint)
        return [
            *[partial(matmul, b, turned) for b in self.children[n:]],
            *[partial(matmul, a, adjoint) for a in self.children[:n]],
        ]


def products_in_one(child: Node, pieces: Sequence[Piece]) -> Node:
    """The adjoint Σ A_i' Ȳ_i of a matrix that was the right operand of the products A_i B."""
    left = [piece.place.children[0] for piece in pieces]
    if len(pieces) == 1:
        return _summed_product(left[0], pieces[0].adjoint, 2)
    return SumOfProducts(*left, *[piece.adjoint for piece in pieces])


def matmul(x1: Operand, x2: Operand, /) -> Node:
    """The matrix product x1 @ x2 of vectors, matrices, or stacks of matrices that broadcast."""
    return MatMul(x1, x2)


class Outer(Operation):
    """Y = A B', of vectors as columns;  Ā = Ȳ B, B̄ = Ȳ' A."""

    __slots__ = ()

    def fprop(self, a: Any, b: Any) -> Any:
        return a[:, None] * b

    def bprop(self, adjoint: Node) -> Entries:
        a, b = self.children
        return lambda: adjoint @ b, lambda: a @ adjoint


@answers(np.outer)
def outer(a: Operand, b: Operand) -> Node:
    """All products a_i b_j, a matrix; arrays that are not vectors are read as vectors."""
    return Outer(*[x if x.ndim == 1 else ravel(x) for x in _arrays(a, b)])


@answers(np.linalg.outer)
def _outer_of_vectors(x1: Operand, x2: Operand, /) -> Node:
    """All products a_i b_j of two vectors, a matrix; other arrays are an error."""
    a, b = _arrays(x1, x2)
    if (a.ndim, b.ndim) != (1, 1):
        raise ValueError(f"linalg.outer takes two vectors, not {a.label} and {b.label}: np.outer reads both as vectors")
    return Outer(a, b)


def _answers_if_there(name: str) -> Callable[[Answer], Answer]:
    """As `answers`, for a function that NumPy 2.1 lacks."""
    return answers(getattr(np, name)) if hasattr(np, name) else answers(f"np.{name}")


def _arrays(*operands: Operand) -> list[Node]:
    """Every operand as a node. As NumPy has it, products of arrays (other than *) do not adapt a Python number's dtype."""
    return [as_node(x) for x in operands]


@answers(np.dot)
def dot(a: Operand, b: Operand, out: None = None) -> Node:
    """The sum over a's last axis and b's last but one (a vector's only one); with a number, the product."""
    refuse_out(out)
    a, b = _arrays(a, b)
    if not a.ndim or not b.ndim:
        return a * b
    return MatMul(a, b) if a.ndim <= 2 >= b.ndim or b.ndim == 1 else tensordot(a, b, axes=(-1, -2))


@answers(np.inner)
def inner(a: Operand, b: Operand, /) -> Node:
    """The sum over the last axes of both; with a number, the product."""
    a, b = _arrays(a, b)
    return tensordot(a, b, axes=(-1, -1)) if a.ndim and b.ndim else a * b


@answers(np.vdot)
def vdot(a: Operand, b: Operand, /) -> Node:
    """The sum of all products of entries, both read as vectors."""
    return MatMul(*[ravel(x) for x in _arrays(a, b)])


@answers(np.vecdot, np.linalg.vecdot)
def vecdot(x1: Operand, x2: Operand, /, *, axis: int = -1, axes: Any = None, keepdims: bool = False) -> Node:
    """The sums of products along one axis of both, of one length, which broadcast along the others.

    axes: as one axis for each of both, [1, 0], where they differ
    """
    first, second = (axis, axis) if axes is None else (as_int(i) if np.ndim(i) == 0 else i[0] for i in axes[:2])
    a, b = (moveaxis(x, i, -1) for x, i in zip(_arrays(x1, x2), (first, second), strict=True))
    if a.shape[-1] != b.shape[-1]:
        raise ValueError(
            f"vecdot(axis={axis}): vectors of length {a.shape[-1]} do not go with those of length {b.shape[-1]}"
        )
    found = einsum("...i,...i->...", a, b)
    return expand_dims(found, axis) if keepdims else found


@_answers_if_there("matvec")
def matvec(x1: Operand, x2: Operand, /, *, axes: Any = None) -> Node:
    """The products of matrices with vectors, along the last axis of both; stacks broadcast."""
    if axes is not None:
        return _along_axes(matvec, (2, 1, 1), axes, x1, x2)
    a, b = _arrays(x1, x2)
    if a.ndim < 2 or not b.ndim or a.shape[-1] != b.shape[-1]:
        raise ValueError(f"matvec: matrices (..., m, n) and vectors (..., n), not {a.label} and {b.label}")
    return MatMul(a, b) if b.ndim == 1 else squeeze(MatMul(a, expand_dims(b, -1)), -1)


@_answers_if_there("vecmat")
def vecmat(x1: Operand, x2: Operand, /, *, axes: Any = None) -> Node:
    """The products of vectors with matrices, along the vectors' last axis and the matrices' last but one."""
    if axes is not None:
        return _along_axes(vecmat, (1, 2, 1), axes, x1, x2)
    a, b = _arrays(x1, x2)
    if b.ndim < 2 or not a.ndim or a.shape[-1] != b.shape[-2]:
        raise ValueError(f"vecmat: vectors (..., m) and matrices (..., m, n), not {a.label} and {b.label}")
    return MatMul(a, b) if a.ndim == 1 else squeeze(MatMul(expand_dims(a, -2), b), -2)


@answers("np.matmul(axes=)")
def _matmul_along(x1: Operand, x2: Operand, /, *, axes: Any) -> Node:
    a, b = _arrays(x1, x2)
    return _along_axes(matmul, (min(a.ndim, 2), min(b.ndim, 2), (a.ndim > 1) + (b.ndim > 1)), axes, a, b)


def _along_axes(function: Callable[..., Node], cores: tuple[int, ...], axes: Any, *operands: Operand) -> Node:
    """A function of last axes along others: `axes` names those of each operand, and those of the result."""
    places = [(as_int(place),) if np.ndim(place) == 0 else tuple(place) for place in axes]
    if len(places) == len(operands) and not cores[-1]:
        places.append(())
    if [len(place) for place in places] != list(cores):
        raise ValueError(f"axes={axes!r}: {', '.join(map(str, cores))} axes of both operands and of the result")
    moved = [moveaxis(x, place, range(-len(place), 0)) for x, place in zip(_arrays(*operands), places, strict=False)]
    found = function(*moved)
    return moveaxis(found, range(-len(places[-1]), 0), places[-1])


@answers(np.tensordot, np.linalg.tensordot)
def tensordot(a: Operand, b: Operand, axes: Any = 2) -> Node:
    """The sum over several axes of both: the last n of a with the first n of b, or the pairs two lists give."""
    a, b = _arrays(a, b)
    if isinstance(axes, Sequence | np.ndarray):
        if len(axes) != 2:
            raise ValueError(f"tensordot(axes={axes!r}): a number of axes, or the axes of a and those of b: two lists")
        given_a, given_b = axes
    else:
        if as_int(axes) > min(a.ndim, b.ndim):
            raise np.exceptions.AxisError(
                f"tensordot(axes={axes}): {a.label} and {b.label} do not both have so many axes"
            )
        given_a, given_b = range(a.ndim - as_int(axes), a.ndim), range(as_int(axes))
    axes_a = normalize_axis_tuple(given_a, a.ndim, f"tensordot of {a.label}")
    axes_b = normalize_axis_tuple(given_b, b.ndim, f"tensordot of {b.label}")
    if [a.shape[i] for i in axes_a] != [b.shape[i] for i in axes_b]:
        raise ValueError(f"tensordot: axes {axes_a} of {a.label} and {axes_b} of {b.label} are not of the same lengths")
    free_a = [i for i in range(a.ndim) if i not in axes_a]
    free_b = [i for i in range(b.ndim) if i not in axes_b]
    summed = prod(a.shape[i] for i in axes_a)
    shape_a, shape_b = [a.shape[i] for i in free_a], [b.shape[i] for i in free_b]
    left = _as_matrix(a, [*free_a, *axes_a], (prod(shape_a), summed))
    right = _as_matrix(b, [*axes_b, *free_b], (summed, prod(shape_b)))
    product = left @ right
    shape = (*shape_a, *shape_b)
    return product if product.shape == shape else reshape(product, shape)


def _as_matrix(x: Node, order: list[int], shape: tuple[int, int]) -> Node:
    """x with its axes in order and joined to two: no nodes where nothing changes."""
    if order != sorted(order):
        x = transpose(x, None if x.ndim == 2 else order)
    return x if x.shape == shape else reshape(x, shape)


@answers(np.linalg.multi_dot)
def multi_dot(arrays: Sequence[Operand]) -> Node:
    """The product of two arrays, as `dot` has it, or of several matrices, the first and the last of which may be vectors.

    It goes from left to right, where NumPy looks for the order that is cheapest.
    """
    nodes = _arrays(*arrays)
    if len(nodes) < 2:
        raise ValueError(f"multi_dot takes two arrays or more, not {len(nodes)}")
    if len(nodes) == 2:
        return dot(nodes[0], nodes[1])
    for i, x in enumerate(nodes):
        if x.ndim != 2 and not (x.ndim == 1 and i in (0, len(nodes) - 1)):
            raise np.linalg.LinAlgError(
                f"multi_dot takes matrices (vectors first and last), and array {i} is {x.label}"
            )
    return reduce(matmul, nodes)


@answers(np.kron)
def kron(a: Operand, b: Operand) -> Node:
    """Every entry of a times all of b, laid out in a's order."""
    a, b = _arrays(a, b)
    ndim = max(a.ndim, b.ndim)
    lengths_a, lengths_b = ((1,) * (ndim - x.ndim) + x.shape for x in (a, b))
    blocks = reshape(a, [n for length in lengths_a for n in (length, 1)])
    inside = reshape(b, [n for length in lengths_b for n in (1, length)])
    return reshape(blocks * inside, [m * n for m, n in zip(lengths_a, lengths_b, strict=True)])


class Cross(Operation):
    """y = a × b, of vectors of length 3 along the last axis;  ā = b × ȳ, b̄ = ȳ × a."""

    __slots__ = ()
    broadcasts = True

    def fprop(self, a: Any, b: Any) -> Any:
        return np.cross(a, b)

    def bprop(self, adjoint: Node) -> Entries:
        a, b = self.children
        return lambda: Cross(b, adjoint), lambda: Cross(adjoint, a)


@answers(np.cross)
def cross(a: Operand, b: Operand, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> Node:
    """The vector product, of vectors of length 3 along axisa and axisb; the result's lie along axisc."""
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = _arrays(a, b)
    a = a if axisa == -1 else moveaxis(a, axisa, -1)
    b = b if axisb == -1 else moveaxis(b, axisb, -1)
    if a.shape[-1:] != (3,) or b.shape[-1:] != (3,):
        raise ValueError(
            f"cross: vectors of length 3, not {a.label} and {b.label}; for vectors in the plane write "
            "a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]"
        )
    product = Cross(a, b)
    return product if axisc == -1 else moveaxis(product, -1, axisc)


@answers(np.linalg.cross)
def _cross_along(x1: Operand, x2: Operand, /, *, axis: int = -1) -> Node:
    """The vector product of vectors of length 3 along one axis."""
    return cross(x1, x2, axis=axis)


# Einstein's summation ------------------------------------------------------------------------------------------------


class Einsum(Operation):
    """y = einsum(x_i), Σ Π x_i, an index per axis: "ij,jk->ik";  x̄_i = einsum(ȳ, x_j), to x_i's indices.

    Indices of each x_i and of y are distinct, and there is no ellipsis. Along an index only x_i has, x̄_i is repeated.
    """

    __slots__ = ()
    broadcasts = True
    analytic = True
    subscripts: str
    optimize: Any

    @property
    def moves(self) -> bool:  # type: ignore[override]
        return len(self.children) == 1

    def fprop(self, *arrays: Any, subscripts: str, optimize: Any = False) -> Any:
        return np.einsum(subscripts, *arrays, optimize=optimize)

    def bprop(self, adjoint: Node) -> Entries:
        return [partial(self._of_operand, i, adjoint) for i in range(len(self.children))]

    def _of_operand(self, i: int, adjoint: Node) -> Node:
        terms, _, output = self.subscripts.partition("->")
        indices = terms.split(",")
        mine = indices[i]
        lengths = _index_lengths(indices, [x.shape for x in self.children])
        others = [j for j in range(len(indices)) if j != i]
        known = {*output, *(label for j in others for label in indices[j])}
        kept = "".join([label for label in mine if label in known])
        subscripts = ",".join([output, *(indices[j] for j in others)]) + "->" + kept
        x: Node = Einsum(adjoint, *[self.children[j] for j in others], subscripts=subscripts, optimize=self.optimize)
        if kept != mine:
            x = expand_dims(x, [axis for axis, label in enumerate(mine) if label not in known])
        return broadcast_to(x, [lengths[label] for label in mine])


@answers(np.einsum)
def einsum(*operands: Any, optimize: Any = False) -> Node:
    """Einstein's summation in all of NumPy's forms, as "ij,jk->ik", a, b or as a, [0, 1], b, [1, 2], [0, 2].

    The output may be implicit, an index repeated (a diagonal), an ellipsis broadcasts. `optimize` is NumPy's: for speed.
    """
    terms, output, arrays = _einsum_terms(operands)
    if len(terms) != len(arrays):
        raise ValueError(f"einsum: {','.join(terms)!r} names {len(terms)} arrays, and {len(arrays)} are given")
    for i, (term, x) in enumerate(zip(terms, arrays, strict=True)):
        if len(term) != x.ndim:
            raise ValueError(f"einsum: {term!r} names {len(term)} axes, and array {i} is {x.label}")
        terms[i], arrays[i] = _without_repeats(term, x)
    _index_lengths(terms, [x.shape for x in arrays])
    return Einsum(*arrays, subscripts=",".join(terms) + "->" + output, optimize=optimize)


def _without_repeats(term: str, x: Node) -> tuple[str, Node]:
    """The indices without repetitions, and the array's diagonals along the repeated ones."""
    for label in term:
        while term.count(label) > 1:
            first, second = term.index(label), term.rindex(label)
            if x.shape[first] != x.shape[second]:
                raise ValueError(f"einsum: index {label!r} stands for two axes of different lengths of {x.label}")
            x = diagonal(x, 0, first, second)
            term = term[:first] + term[first + 1 : second] + term[second + 1 :] + label
    return term, x


def _index_lengths(terms: Iterable[str], shapes: Iterable[tuple[int, ...]]) -> dict[str, int]:
    """How long each index runs; a length of 1 broadcasts, as in NumPy."""
    lengths: dict[str, int] = {}
    for term, shape in zip(terms, shapes, strict=True):
        for label, length in zip(term, shape, strict=True):
            if lengths.setdefault(label, length) == 1:
                lengths[label] = length
            elif length not in (1, lengths[label]):
                raise ValueError(
                    f"einsum: index {label!r} is {lengths[label]} long in one array and {length} in another"
                )
    return lengths


def _einsum_terms(operands: tuple[Any, ...]) -> tuple[list[str], str, list[Node]]:
    """The indices of each array and of the output, as letters without ellipsis, and the arrays as nodes."""
    if not operands:
        raise ValueError("einsum: write the indices and the arrays, as in einsum('ij,jk->ik', a, b)")
    if isinstance(operands[0], str):
        text = operands[0].replace(" ", "")
        given: list[Any] = list(operands[1:])
    else:
        text, given = _from_sublists(operands)
    arrays = _arrays(*given)
    left, arrow, output = text.partition("->")
    if set(text) - set(string.ascii_letters + ".,->") or text.replace("...", "").count("."):
        raise ValueError(
            f"einsum({operands[0]!r}): indices are letters, an ellipsis is three dots, as in '...ij,jk->...ik'"
        )
    terms = left.split(",")
    free = [label for label in string.ascii_letters if label not in text]
    widths = [x.ndim - len(term.replace("...", "")) for term, x in zip(terms, arrays, strict=False) if "..." in term]
    widest = max([0, *widths])
    dots = "".join(free[:widest])
    expanded = [
        term.replace("...", dots[widest - x.ndim + len(term) - 3 :]) for term, x in zip(terms, arrays, strict=False)
    ] + terms[len(arrays) :]
    if arrow:
        if dots and "..." not in output:
            raise ValueError(f"einsum({text!r}): the arrays have an ellipsis, and the output needs it too")
        output = output.replace("...", dots)
    else:
        letters = left.replace("...", "").replace(",", "")
        output = dots + "".join(sorted(label for label in set(letters) if letters.count(label) == 1))
    if len(set(output)) < len(output) or not set(output) <= set("".join(expanded)):
        raise ValueError(f"einsum({text!r}): the output names each index once, and only indices of the arrays")
    return expanded, output, arrays


def _from_sublists(operands: tuple[Any, ...]) -> tuple[str, list[Any]]:
    """The form einsum(a, [0, 1], b, [1, 2], [0, 2]) as letters and arrays."""
    sublists = [*operands[1::2], *(operands[-1:] if len(operands) % 2 else [])]
    arrays = list(operands[: len(operands) - len(operands) % 2 : 2])
    terms = ["".join("..." if i is Ellipsis else _letter(as_int(i)) for i in part) for part in sublists]
    text = ",".join(terms[: len(arrays)])
    return (f"{text}->{terms[-1]}" if len(operands) % 2 else text), arrays


def _letter(i: int) -> str:
    """The letter of an integer index, in an order that sorting keeps: implicit outputs are sorted."""
    if not 0 <= i < 52:
        raise ValueError(f"einsum: the index {i} in a list of indices lies outside 0..51")
    return (string.ascii_uppercase + string.ascii_lowercase)[i]


# Diagonals -----------------------------------------------------------------------------------------------------------


@answers(np.trace)
def trace(a: Operand, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: None = None) -> Node:
    """The sums along the diagonals of the matrices that two axes span."""
    return diagonal(a, offset, axis1, axis2).sum(-1, dtype, out)


@answers(np.linalg.trace)
def _matrix_trace(x: Operand, /, *, offset: int = 0, dtype: Any = None) -> Node:
    """The sum along the diagonal of each matrix of a stack."""
    return trace(x, offset, -2, -1, dtype)


@answers(np.linalg.diagonal)
def _matrix_diagonal(x: Operand, /, *, offset: int = 0) -> Node:
    """The diagonal of each matrix of a stack, along the last axis."""
    return diagonal(x, offset, -2, -1)


@answers(np.diag)
def diag(v: Operand, k: int = 0) -> Node:
    """The k-th diagonal of a matrix; of a vector, the matrix with it on its k-th diagonal and zeros elsewhere."""
    x = as_node(v)
    if x.ndim == 2:
        return diagonal(x, k)
    if x.ndim != 1:
        raise ValueError(f"diag takes a vector or a matrix, not {x.label}: for stacks write np.diagonal(x, k, -2, -1)")
    steps = np.arange(x.size)
    zeros = Constant(np.zeros((x.size + abs(k),) * 2, x.dtype))
    return AddAt(zeros, x, steps + max(0, -k), steps + max(0, k), index=(ARRAY, ARRAY))


@answers(np.diagflat)
def diagflat(v: Operand, k: int = 0) -> Node:
    """The matrix with v, read as a vector, on its k-th diagonal and zeros elsewhere."""
    return diag(ravel(v), k)


# Solving and inverting -----------------------------------------------------------------------------------------------


class Solve(Operation):
    """X = A⁻¹ B, of matrices, by no inverse;  B̄ = A'⁻¹ X̄, Ā = −B̄ X'."""

    __slots__ = ()
    broadcasts = True

    def fprop(self, a: Any, b: Any) -> Any:
        return np.linalg.solve(a, b)

    def bprop(self, adjoint: Node) -> Entries:
        pulled = Solve(_mirrored(self.children[0]), adjoint)
        return lambda: -(pulled @ matrix_transpose(self)), pulled

    def advice(self) -> str:
        a, b = self.children
        if square := _square_advice("solve", a):
            return square
        if b.ndim < 2:
            return f"b is a vector or matrices (..., n, k), not of shape {b.shape}"
        if a.shape[-1] != b.shape[-2]:
            return f"a x = b does not fit: a is {a.shape[-1]} by {a.shape[-1]}, and b has {b.shape[-2]} rows"
        return ""


@answers(np.linalg.solve)
def solve(a: Operand, b: Operand) -> Node:
    """x with a @ x = b. As in NumPy 2, b is a vector only if it has one axis, and otherwise matrices (..., n, k)."""
    a, b = _arrays(a, b)
    return squeeze(Solve(a, expand_dims(b, -1)), -1) if b.ndim == 1 else Solve(a, b)


class Inv(Operation):
    """Y = A⁻¹;  Ā = −Y' Ȳ Y'."""

    __slots__ = ()

    def fprop(self, a: Any) -> Any:
        return np.linalg.inv(a)

    def bprop(self, adjoint: Node) -> Entries:
        flipped = matrix_transpose(self)
        return -(flipped @ adjoint @ flipped)

    def advice(self) -> str:
        return _square_advice("inv", self.children[0])


def _square_advice(function: str, a: Node) -> str:
    """What is wrong with a matrix: not square; where it is singular NumPy says so."""
    if a.ndim >= 2 and a.shape[-1] == a.shape[-2]:
        return ""
    return f"linalg.{function} takes square matrices (..., n, n), and a has shape {a.shape}"


@answers(np.linalg.inv)
def inv(a: Operand) -> Node:
    """The inverse of each matrix. To solve a @ x = b, `solve` is faster and more accurate."""
    return Inv(a)


class Det(Operation):
    """y = det A;  Ā = ȳ cof A, which for a regular A is ȳ y A⁻¹'."""

    __slots__ = ()

    def fprop(self, a: Any) -> Any:
        return np.linalg.det(a)

    def bprop(self, adjoint: Node) -> Entries:
        return expand_dims(adjoint, (-2, -1)) * Cofactors(self.children[0])

    def advice(self) -> str:
        return _square_advice("det", self.children[0])


class Cofactors(Operation):
    """Y = cof A, the derivative of det A, with A' Y = det A · 1;  Ā = ⟨Ȳ, A⁻¹'⟩ Y − Y Ȳ' A⁻¹'.

    From A = U S V' it is det U det V · U cof S V', where an entry of cof S is the product of the other singular values:
    right for singular matrices too. Its own adjoint needs the inverse, so there it is an error.
    """

    __slots__ = ()
    analytic = False

    def fprop(self, a: Any) -> Any:
        factors = np.linalg.svd(a)
        u, s, v = factors[0], factors[1], factors[2]
        others = np.where(np.eye(a.shape[-1], dtype=bool), 1, s[..., None, :]).prod(-1)
        return (np.linalg.det(u) * np.linalg.det(v))[..., None, None] * (u * others[..., None, :]) @ v

    def bprop(self, adjoint: Node) -> Entries:
        inverse = matrix_transpose(inv(self.children[0]))
        scale = (adjoint * inverse).sum((-2, -1), keepdims=True)
        return scale * self - self @ matrix_transpose(adjoint) @ inverse


@answers(np.linalg.det)
def det(a: Operand) -> Node:
    """The determinant of each matrix; `slogdet` is the form that does not overflow.

    The second derivative of a singular matrix is an error; the first is not.
    """
    return Det(a)


class LogAbsDet(Operation):
    """y = ln |det A|;  Ā = ȳ A⁻¹'."""

    __slots__ = ()
    analytic = False

    def fprop(self, a: Any) -> Any:
        return np.linalg.slogdet(a)[1]

    def bprop(self, adjoint: Node) -> Entries:
        return expand_dims(adjoint, (-2, -1)) * matrix_transpose(inv(self.children[0]))


class DetSign(PiecewiseConstant):
    """y = sign(det A), which is −1, 0 or 1;  no adjoint."""

    __slots__ = ()

    def fprop(self, a: Any) -> Any:
        return np.linalg.slogdet(a)[0]

    def advice(self) -> str:
        return _square_advice("slogdet", self.children[0])


class SlogdetResult(NamedTuple):
    """The sign of a determinant and the logarithm of its absolute value."""

    sign: Node
    logabsdet: Node


@answers(np.linalg.slogdet)
def slogdet(a: Operand) -> SlogdetResult:
    """The sign (which has no adjoint) and the logarithm of the absolute value of each matrix's determinant."""
    x = as_node(a)
    return SlogdetResult(DetSign(x), LogAbsDet(x))


class Cholesky(Operation):
    """L = cholesky(A), the lower triangle with L L' = A, positive definite;  Ā = τ(S), S = L'⁻¹ Φ(L' L̄) L⁻¹.

    Φ takes the lower triangle and halves its diagonal. NumPy reads A's lower triangle only, an entry of which stands for the
    mirrored one too, so τ(S) = tril(S) + tril(S', −1), and 0 above the diagonal.
    """

    __slots__ = ()
    analytic = False

    def fprop(self, a: Any) -> Any:
        return np.linalg.cholesky(a)

    def bprop(self, adjoint: Node) -> Entries:
        flipped = matrix_transpose(self)
        inside = flipped @ adjoint
        halved = (tril(inside) + tril(inside, -1)) / 2
        return to_lower(Solve(flipped, matrix_transpose(Solve(flipped, matrix_transpose(halved)))))

    def advice(self) -> str:
        return _square_advice("cholesky", self.children[0])


def to_lower(s: Node) -> Node:
    """The adjoint of the lower triangle alone, where s is that of symmetric matrices of which only it is read."""
    return tril(s) + tril(matrix_transpose(s), -1)


@answers(np.linalg.cholesky)
def cholesky(a: Operand, /, *, upper: bool = False) -> Node:
    """The lower triangular L with a = L L' (upper: U with a = U' U) of symmetric positive definite matrices.

    As NumPy reads one triangle, the adjoint lies in that triangle alone: of a symmetric Ā the sum of both sides.
    """
    return matrix_transpose(Cholesky(matrix_transpose(a))) if upper else Cholesky(a)


@answers(np.linalg.matrix_power)
def matrix_power(a: Operand, n: int) -> Node:
    """The n-th power of each matrix, by repeated squaring; a negative n takes powers of the inverse."""
    x = as_node(a)
    if x.ndim < 2 or x.shape[-1] != x.shape[-2]:
        raise np.linalg.LinAlgError(_square_advice("matrix_power", x))
    n = as_int(n)
    if n == 0:
        return Constant(np.broadcast_to(np.eye(x.shape[-1], dtype=x.dtype), x.shape))
    base = inv(x) if n < 0 else x
    power = base
    for digit in bin(abs(n))[3:]:
        power = power @ power
        if digit == "1":
            power = power @ base
    return power


# Norms ---------------------------------------------------------------------------------------------------------------


class VectorNorm(Operation):
    """y = (Σ |x|^p over the axes)^(1/p), p = ord;  x̄ = ȳ sign(x) (|x| / y)^(p−1), which for p = 2 is ȳ x / y.

    The adjoint is 0 where y is 0 and, for p ≠ 2, where x_i is 0, at every order.
    """

    __slots__ = ()
    analytic = False
    ord: float
    axis: tuple[int, ...]
    keepdims: bool

    def fprop(self, x: Any, *, ord: float, axis: tuple[int, ...], keepdims: bool = False) -> Any:
        unit = binade(x, axis) if ord > 0 else 1 / binade(1 / x, axis)
        if ord == 2:
            y = unit * np.sqrt(np.square(x / unit).sum(axis, keepdims=True))
        else:
            y = unit * (np.abs(x / unit) ** ord).sum(axis, keepdims=True) ** (1 / ord)
        return y if keepdims else np.squeeze(y, axis)

    def bprop(self, adjoint: Node) -> Entries:
        (x,) = self.children
        y: Node = self
        if not self.keepdims:
            y, adjoint = expand_dims(y, self.axis), expand_dims(adjoint, self.axis)
        direction = x / where(y > 0, y, 1)
        if self.ord == 2:
            return adjoint * where(y > 0, direction, 0)
        counts = (x != 0) & (y > 0)
        length = where(counts, absolute(direction), 1)
        return adjoint * where(counts, sign(x) * length ** (self.ord - 1), 0)


@answers(np.linalg.norm)
def norm(x: Operand, ord: float | str | None = None, axis: Axis = None, keepdims: bool = False) -> Node:
    """The norm of vectors (one axis) or matrices (two axes); without ord and axis, the root of the sum of all squares.

    ord: for vectors 2 (None), 1, inf, -inf, 0 or any p; for matrices "fro" (None), "nuc", 1, -1, 2, -2, inf or -inf.
    """
    a = floating(x)
    if axis is None and ord is None:
        return VectorNorm(a, ord=2, axis=tuple(range(a.ndim)), keepdims=keepdims)
    axes = normalize_axis_tuple(range(a.ndim) if axis is None else axis, a.ndim, f"norm of {a.label}")
    if len(axes) == 1:
        return _vector_norm(a, ord, axes, keepdims)
    if len(axes) == 2:
        return _matrix_norm(a, ord, axes, keepdims)
    raise ValueError(
        f"norm of {a.label}: it is taken along one axis (vectors) or two (matrices): give axis=, or no ord"
    )


@answers(np.linalg.vector_norm)
def vector_norm(x: Operand, /, *, axis: Axis = None, keepdims: bool = False, ord: float = 2) -> Node:
    """The norm of the vectors that lie along axes (None: all); ord is 2, 1, inf, -inf, 0 or any p."""
    a = floating(x)
    axes = normalize_axis_tuple(range(a.ndim) if axis is None else axis, a.ndim, f"vector_norm of {a.label}")
    return _vector_norm(a, ord, axes, keepdims)


@answers(np.linalg.matrix_norm)
def matrix_norm(x: Operand, /, *, keepdims: bool = False, ord: float | str = "fro") -> Node:
    """The norm of each matrix of a stack; ord is "fro", "nuc", 1, -1, 2, -2, inf or -inf."""
    a = floating(x)
    axes = normalize_axis_tuple((-2, -1), a.ndim, f"matrix_norm of {a.label}")
    return _matrix_norm(a, ord, axes, keepdims)


def _vector_norm(x: Node, ord: float | str | None, axes: tuple[int, ...], keepdims: bool) -> Node:
    if isinstance(ord, str):
        raise ValueError(f"norm(ord={ord!r}) is for matrices, and vectors were given: {x.label}, axes {axes}")
    if ord == np.inf:
        return _largest(absolute(x), axes, keepdims)
    if ord == -np.inf:
        return absolute(x).min(axes, keepdims=keepdims)
    if ord == 0:
        return (x != 0).astype(x.dtype).sum(axes, keepdims=keepdims)
    if ord == 1:
        return absolute(x).sum(axes, keepdims=keepdims)
    return VectorNorm(x, ord=2 if ord is None else ord, axis=axes, keepdims=keepdims)


def _matrix_norm(x: Node, ord: float | str | None, axes: tuple[int, ...], keepdims: bool) -> Node:
    if ord in (None, "fro", "f"):
        return VectorNorm(x, ord=2, axis=axes, keepdims=keepdims)
    if ord in (2, -2, "nuc"):
        return TABLE["spectral norm"](x, ord, axes, keepdims)
    if ord not in (1, -1, np.inf, -np.inf):
        raise ValueError(f"norm(ord={ord!r}) of matrices: it is 'fro', 'nuc', 1, -1, 2, -2, inf or -inf")
    rows, columns = axes if ord in (1, -1) else axes[::-1]
    sums = absolute(x).sum(rows, keepdims=True)
    found = _largest(sums, (columns,), True) if ord in (1, np.inf) else sums.min(columns, keepdims=True)
    return found if keepdims else squeeze(found, axes)


def _largest(x: Node, axes: tuple[int, ...], keepdims: bool) -> Node:
    """The maximum of what is not negative; of nothing it is 0, the sum."""
    reduce_by = x.max if prod(x.shape[i] for i in axes) else x.sum
    return reduce_by(axes, keepdims=keepdims)


ADVICE[np.einsum_path] = "call it on arrays, and give its result as optimize= to np.einsum"

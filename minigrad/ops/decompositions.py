"""Eigenvectors, singular vectors, triangular factors, and what is made of them: pseudo-inverses, ranks, condition numbers.

A factorization of two parts is one node that holds one part above the other; slices of it are what functions give. The
rules need simple spectra: where two eigenvalues or singular values are equal, the values have adjoints (the way their
own vectors point) and the vectors have none: their adjoints, and second derivatives of the values, are infinite or nan.

Formulas: M. Giles, "An extended collection of matrix derivative results for forward and reverse mode algorithmic
differentiation", 2008; J. Townsend, "Differentiating the singular value decomposition", 2016; G. Golub and V. Pereyra,
"The differentiation of pseudo-inverses and nonlinear least squares problems", 1973.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from minigrad.dispatch import ADVICE, answers
from minigrad.node import Constant, Node, as_node
from minigrad.ops.arithmetic import floating
from minigrad.ops.base import Entries, Operation
from minigrad.ops.elementwise import square
from minigrad.ops.linear_algebra import _square_advice, inv, norm, solve, to_lower
from minigrad.ops.reductions import count_nonzero
from minigrad.ops.shaping import concatenate, expand_dims, matrix_transpose, reshape, transpose, tril

if TYPE_CHECKING:
    from minigrad.operators import Operand

__all__ = [
    "Eigvalsh", "EighVectors", "SingularValues", "SvdVectors", "Qr", "Pinv", "EighResult", "SVDResult", "QRResult",
    "eigh", "eigvalsh", "svd", "svdvals", "qr", "pinv", "lstsq", "cond", "matrix_rank", "tensorsolve", "tensorinv",
]  # fmt: skip


class EighResult(NamedTuple):
    """Eigenvalues, rising, and eigenvectors as columns."""

    eigenvalues: Node
    eigenvectors: Node


class SVDResult(NamedTuple):
    """Left singular vectors as columns, singular values, falling, and right singular vectors as rows."""

    U: Node
    S: Node
    Vh: Node


class QRResult(NamedTuple):
    """Orthonormal columns and an upper triangular matrix."""

    Q: Node
    R: Node


def _matrices(x: Operand, function: str) -> Node:
    a = floating(x)
    if a.ndim < 2:
        raise np.linalg.LinAlgError(f"linalg.{function} takes matrices (..., m, n), not {a.label}")
    return a


def _eye(n: int, like: Node) -> Node:
    return Constant(np.eye(n, dtype=like.dtype))


def _inverse_gaps(levels: Node) -> Node:
    """F_ij = 1 / (λ_j − λ_i), and 0 on the diagonal."""
    eye = _eye(levels.shape[-1], levels)
    gaps = expand_dims(levels, -2) - expand_dims(levels, -1)
    return (1 - eye) / (gaps + eye)


# Symmetric matrices --------------------------------------------------------------------------------------------------


class Eigvalsh(Operation):
    """w = eigenvalues(A), rising, of symmetric matrices A = V diag(w) V';  Ā = τ(V diag(w̄) V'), V = eigenvectors(A).

    NumPy reads A's lower triangle only, an entry of which stands for the mirrored one too, so τ(S) = tril(S) + tril(S', −1),
    and 0 above the diagonal.
    """

    __slots__ = ()
    analytic = False

    def fprop(self, a: Any) -> Any:
        return np.linalg.eigvalsh(a)

    def bprop(self, adjoint: Node) -> Entries:
        v = EighVectors(self.children[0])
        return to_lower((v * expand_dims(adjoint, -2)) @ matrix_transpose(v))

    def advice(self) -> str:
        return _square_advice("eigvalsh", self.children[0])


class EighVectors(Operation):
    """V = eigenvectors(A), as columns, of symmetric matrices A = V diag(w) V';  Ā = τ(V (F ∘ V' V̄) V'), w = eigenvalues(A),
    F = inverse_gaps(w).

    F_ij = 1 / (w_j − w_i) off the diagonal, 0 on it: infinite where eigenvalues are equal. τ as in `Eigvalsh`.
    """

    __slots__ = ()
    analytic = False

    def fprop(self, a: Any) -> Any:
        return np.linalg.eigh(a)[1]

    def bprop(self, adjoint: Node) -> Entries:
        (a,) = self.children
        mirrored = matrix_transpose(self)
        return to_lower(self @ (_inverse_gaps(Eigvalsh(a)) * (mirrored @ adjoint)) @ mirrored)

    def advice(self) -> str:
        return _square_advice("eigh", self.children[0])


def _triangle(a: Node, UPLO: str) -> Node:
    if UPLO.upper() not in ("L", "U"):
        raise ValueError(f"UPLO={UPLO!r}: 'L' reads the lower triangle, 'U' the upper one")
    return a if UPLO.upper() == "L" else matrix_transpose(a)


@answers(np.linalg.eigh)
def eigh(a: Operand, UPLO: str = "L") -> EighResult:
    """The eigenvalues of each symmetric matrix, rising, and its eigenvectors as columns.

    The adjoint lies in the triangle that NumPy reads, as in `eigvalsh`. Of eigenvectors only functions that do not depend on their signs have a meaning, and none where eigenvalues are equal.
    """
    x = _triangle(_matrices(a, "eigh"), UPLO)
    return EighResult(Eigvalsh(x), EighVectors(x))


@answers(np.linalg.eigvalsh)
def eigvalsh(a: Operand, UPLO: str = "L") -> Node:
    """The eigenvalues of each symmetric matrix, rising.

    The adjoint lies in the triangle that NumPy reads (UPLO), an entry of which stands for the mirrored one too.
    """
    return Eigvalsh(_triangle(_matrices(a, "eigvalsh"), UPLO))


# Singular values -----------------------------------------------------------------------------------------------------


class SingularValues(Operation):
    """s = singular_values(A), falling, A = U diag(s) V';  Ā = U diag(s̄) V', U = left_vectors(A), V = right_vectors(A)."""

    __slots__ = ()
    analytic = False

    def fprop(self, a: Any) -> Any:
        return np.linalg.svd(a, compute_uv=False)

    def bprop(self, adjoint: Node) -> Entries:
        u, v = _singular_vectors(self.children[0])
        return (u * expand_dims(adjoint, -2)) @ matrix_transpose(v)


class SvdVectors(Operation):
    """Y = [U; V], the singular vectors, as columns, of A = U diag(s) V', U above V.

    Back: Ā = U [(F ∘ (U'Ū − Ū'U)) S + S (F ∘ (V'V̄ − V̄'V))] V' + (1 − U U') Ū S⁻¹ V' + U S⁻¹ V̄' (1 − V V')

    F_ij = 1 / (s_j² − s_i²) off the diagonal, 0 on it: infinite where singular values are equal, S⁻¹ where one is 0.
    """

    __slots__ = ()
    analytic = False

    def fprop(self, a: Any) -> Any:
        u, _, vh = np.linalg.svd(a, full_matrices=False)
        return np.concatenate([u, np.swapaxes(vh, -1, -2)], axis=-2)

    def bprop(self, adjoint: Node) -> Entries:
        (a,) = self.children
        m = a.shape[-2]
        (u, v), (du, dv) = ((x[..., :m, :], x[..., m:, :]) for x in (self, adjoint))
        s = SingularValues(a)
        f, row, column = _inverse_gaps(square(s)), expand_dims(s, -2), expand_dims(s, -1)
        turned_u, turned_v = (matrix_transpose(x) @ dx for x, dx in ((u, du), (v, dv)))
        inner = f * (turned_u - matrix_transpose(turned_u)) * row
        inner = inner + column * (f * (turned_v - matrix_transpose(turned_v)))
        whole = u @ inner @ matrix_transpose(v)
        if a.shape[-2] > a.shape[-1]:
            whole = whole + (du - u @ turned_u) / row @ matrix_transpose(v)
        elif a.shape[-2] < a.shape[-1]:
            whole = whole + u @ matrix_transpose((dv - v @ turned_v) / row)
        return whole


def _singular_vectors(a: Node) -> tuple[Node, Node]:
    """U and V, as columns."""
    both = SvdVectors(a)
    return both[..., : a.shape[-2], :], both[..., a.shape[-2] :, :]


@answers(np.linalg.svd)
def svd(a: Operand, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False) -> Any:
    """U, s and V' with a = U diag(s) V' of each matrix, or with compute_uv=False s alone, falling.

    full_matrices=True is there for square matrices: of others the further columns are any basis, without a derivative.
    Of singular vectors only functions that do not depend on their signs have a meaning.
    """
    x = _matrices(a, "svd")
    if not compute_uv:
        return SingularValues(x)
    if full_matrices and x.shape[-2] != x.shape[-1]:
        raise ValueError(
            f"linalg.svd of {x.label}: the columns that full_matrices=True adds are any basis, and have no derivative: write "
            "full_matrices=False"
        )
    u, v = _singular_vectors(x)
    return SVDResult(u, SingularValues(x), matrix_transpose(v))


@answers(np.linalg.svdvals)
def svdvals(x: Operand, /) -> Node:
    """The singular values of each matrix, falling."""
    return SingularValues(_matrices(x, "svdvals"))


@answers("spectral norm")
def spectral(x: Node, ord: float | str, axes: tuple[int, ...], keepdims: bool) -> Node:
    """The norms of matrices by their singular values: the largest (2), the smallest (−2), or their sum ("nuc")."""
    rest = [i for i in range(x.ndim) if i not in axes]
    s = SingularValues(transpose(x, [*rest, *axes]))
    found = s.sum(-1) if ord == "nuc" else s[..., 0 if ord == 2 else -1]
    return expand_dims(found, sorted(axes)) if keepdims else found


@answers(np.linalg.cond)
def cond(x: Operand, p: float | str | None = None) -> Node:
    """The condition number of each matrix: ‖x‖ ‖x⁻¹‖ in the norm `p`, for None the largest singular value by the smallest."""
    a = _matrices(x, "cond")
    if p in (None, 2, -2):
        s = SingularValues(a)
        return s[..., -1] / s[..., 0] if p == -2 else s[..., 0] / s[..., -1]
    return norm(a, p, (-2, -1)) * norm(inv(a), p, (-2, -1))


@answers(np.linalg.matrix_rank)
def matrix_rank(A: Operand, tol: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Node:
    """How many singular values of each matrix are above a tolerance (rtol times the largest), an integer node."""
    a = floating(A)
    if a.ndim < 2:
        return (a != 0).any().astype(np.intp)
    s = SingularValues(a)
    if tol is None:
        share = max(a.shape[-2:]) * np.finfo(a.dtype).eps if rtol is None else expand_dims(as_node(rtol, s.dtype), -1)
        return count_nonzero(s > s[..., :1] * share, axis=-1)
    return count_nonzero(s > expand_dims(as_node(tol, s.dtype), -1), axis=-1)


# Triangular factors --------------------------------------------------------------------------------------------------


class Qr(Operation):
    """Y = [Q; R] with A = Q R, of as many rows as columns or more, Q above R;  Ā = (Q̄ + Q M) R⁻¹', M = copy(R R̄' − Q̄' Q).

    copy takes the lower triangle and mirrors it. R has to be regular.
    """

    __slots__ = ()
    analytic = False

    def fprop(self, a: Any) -> Any:
        q, r = np.linalg.qr(a)
        return np.concatenate([q, r], axis=-2)

    def bprop(self, adjoint: Node) -> Entries:
        m = self.children[0].shape[-2]
        (q, r), (dq, dr) = ((x[..., :m, :], x[..., m:, :]) for x in (self, adjoint))
        inside = r @ matrix_transpose(dr) - matrix_transpose(dq) @ q
        lower = tril(inside)
        mirrored = lower + matrix_transpose(tril(inside, -1))
        return matrix_transpose(solve(r, matrix_transpose(dq + q @ mirrored)))


@answers(np.linalg.qr)
def qr(a: Operand, mode: str = "reduced") -> Any:
    """Q with orthonormal columns and an upper triangular R with a = Q R, or with mode="r" R alone.

    mode="complete" is there for as many columns as rows or more: further columns are any basis, without a derivative.
    """
    x = _matrices(a, "qr")
    m, n = x.shape[-2:]
    if mode not in ("reduced", "complete", "r"):
        raise ValueError(f"linalg.qr(mode={mode!r}): nodes take 'reduced', 'complete' and 'r'")
    if mode == "complete" and m > n:
        raise ValueError(
            f"linalg.qr of {x.label}: the columns that mode='complete' adds are any basis, and have no derivative: write "
            "mode='reduced'"
        )
    both = Qr(x if m >= n else x[..., :m])
    q, r = both[..., :m, :], both[..., m:, :]
    if m < n:
        r = concatenate([r, matrix_transpose(q) @ x[..., m:]], -1)
    return r if mode == "r" else QRResult(q, r)


# Least squares -------------------------------------------------------------------------------------------------------


class Pinv(Operation):
    """P = pinv(A), the pseudo-inverse of matrices;  Ā = −P' P̄ P' + (1 − A P) P̄' P P' + P' P P̄' (1 − P A).

    The rule holds as long as the rank of A does not change.
    """

    __slots__ = ()
    analytic = False
    rcond: Any

    def fprop(self, a: Any, *, rcond: Any = None) -> Any:
        return np.linalg.pinv(a) if rcond is None else np.linalg.pinv(a, rcond)

    def bprop(self, adjoint: Node) -> Entries:
        (a,) = self.children
        p, mirrored, turned = self, matrix_transpose(self), matrix_transpose(adjoint)
        beside, below = turned @ p @ mirrored, mirrored @ p @ turned
        return (beside - a @ (p @ beside)) + (below - (below @ p) @ a) - mirrored @ adjoint @ mirrored


@answers(np.linalg.pinv)
def pinv(a: Operand, rcond: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Node:
    """The pseudo-inverse of each matrix; singular values below rcond (or rtol) times the largest count as 0."""
    if rcond is not None and rtol is not None:
        raise ValueError("linalg.pinv: rcond and rtol are two names of one thing: give one of them")
    if isinstance(rcond, Node) or isinstance(rtol, Node):
        raise TypeError("linalg.pinv: what counts as 0 is no node: write .value")
    return Pinv(_matrices(a, "pinv"), rcond=rcond if rtol is None else rtol)


@answers(np.linalg.lstsq)
def lstsq(a: Operand, b: Operand, rcond: float | None = None) -> tuple[Node, Node, Node, Node]:
    """x that minimizes ‖b − a x‖, the smallest of them; the sums of squares left over, a's rank and its singular values.

    As in NumPy the sums of squares are empty unless a has more rows than columns and full rank, which is decided when the
    graph is built, as shapes are.
    """
    matrix, targets = _matrices(a, "lstsq"), floating(b)
    if matrix.ndim != 2 or targets.ndim not in (1, 2) or targets.shape[0] != matrix.shape[0]:
        raise np.linalg.LinAlgError(
            f"linalg.lstsq: a matrix and a vector or matrix of as many rows, not {matrix.label} and {targets.label}"
        )
    m, n = matrix.shape
    share = max(m, n) * float(np.finfo(matrix.dtype).eps) if rcond is None else rcond
    x = Pinv(matrix, rcond=share) @ targets
    rank = matrix_rank(matrix, rtol=share)
    columns = targets if targets.ndim == 2 else expand_dims(targets, 1)
    if m > n and rank._value == n:
        left = square(columns - matrix @ (x if x.ndim == 2 else expand_dims(x, 1))).sum(0)
    else:
        left = Constant(np.zeros(0, x.dtype))
    return x, left, rank, SingularValues(matrix)


# Tensors as matrices -------------------------------------------------------------------------------------------------


@answers(np.linalg.tensorsolve)
def tensorsolve(a: Operand, b: Operand, axes: Sequence[int] | None = None) -> Node:
    """x with tensordot(a, x, x.ndim) = b; `axes` of a are moved to its end first."""
    tensor, target = as_node(a), as_node(b)
    if axes is not None:
        order = [i for i in range(tensor.ndim) if i not in axes]
        tensor = transpose(tensor, [*order, *axes])
    shape = tensor.shape[target.ndim :]
    size = prod(shape)
    if size * size != tensor.size or target.size != size:
        raise np.linalg.LinAlgError(
            f"linalg.tensorsolve: {tensor.label} is no square matrix between {target.label} and {shape}"
        )
    return reshape(solve(reshape(tensor, (size, size)), reshape(target, (-1,))), shape)


@answers(np.linalg.tensorinv)
def tensorinv(a: Operand, ind: int = 2) -> Node:
    """The inverse of a as a matrix from its axes behind the first `ind` to those."""
    tensor = as_node(a)
    if ind <= 0:
        raise ValueError(f"linalg.tensorinv(ind={ind}): the number of axes is 1 or more")
    rows = prod(tensor.shape[:ind])
    matrix = reshape(tensor, (rows, -1))
    return reshape(inv(matrix), (*tensor.shape[ind:], *tensor.shape[:ind]))


ADVICE.update(
    dict.fromkeys(
        (np.linalg.eig, np.linalg.eigvals),
        "eigenvalues of a matrix that is not symmetric may be complex, and nodes are real: for symmetric matrices write "
        "np.linalg.eigh(x); outside the graph, np.linalg.eig(x.value)",
    )
)

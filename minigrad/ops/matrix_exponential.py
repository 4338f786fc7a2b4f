"""The exponential of matrices, and its derivative, which is the exponential of larger matrices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.node import Constant, Node
from minigrad.ops.arithmetic import absolute, floating, where
from minigrad.ops.base import Entries, Operation
from minigrad.ops.control import stop_gradient
from minigrad.ops.joining import block
from minigrad.ops.shaping import matrix_transpose

if TYPE_CHECKING:
    from minigrad.operators import Operand

__all__ = ["Expm", "expm"]

# Algorithm 2.3 of N. Higham, "The scaling and squaring method for the matrix exponential revisited", SIAM Journal on Matrix
# Analysis and Applications 26, 2005: the coefficients of the Padé approximant of degree 13, b_13 = 1, and the largest norm at
# which its backward error is below the rounding of float64.
PADE = (
    64764752532480000.0, 32382376266240000.0, 7771770303897600.0, 1187353796428800.0, 129060195264000.0, 10559470521600.0,
    670442572800.0, 33522128640.0, 1323241920.0, 40840800.0, 960960.0, 16380.0, 182.0, 1.0,
)  # fmt: skip
LARGEST_NORM = 5.371920351148152


class Expm(Operation):
    """Y = expm(A), Σ A^k / k! for square matrices (…, n, n);  Ā = expm_slope(A', Ȳ), the derivative L(A', Ȳ).

    L(A, E), the derivative of exp at A in direction E, is the upper right block of exp [[A, E], [0, A]]: N. Higham, Functions
    of Matrices, SIAM 2008, section 3.2. Of an antisymmetric A the exponential is orthogonal. float32 is computed in float64.
    """

    __slots__ = ()

    def fprop(self, a: Any) -> Any:
        return exponential(a.astype(np.result_type(a, np.float64))).astype(a.dtype)

    def bprop(self, adjoint: Node) -> Entries:
        (a,) = self.children
        n = a.shape[-1]
        # L is linear in E: without its size, E of any size neither overflows nor asks for more squarings
        size = stop_gradient(absolute(adjoint).sum((-2, -1), keepdims=True))
        size = where(size > 0, size, 1)
        flipped, below = matrix_transpose(a), Constant(np.zeros(a.shape, a.dtype))
        return Expm(block([[flipped, adjoint / size], [below, flipped]]))[..., :n, n:] * size


def expm(a: Operand) -> Node:
    """The exponential of each matrix, Σ A^k / k!. An entry of size s costs digits of entries far below s · 1e-10.

    >>> import numpy as np, minigrad as mg
    >>> turn = mg.expm(np.array([[0.0, -np.pi / 2], [np.pi / 2, 0.0]]))
    >>> turn.value.round(12) + 0.0
    array([[ 0., -1.],
           [ 1.,  0.]])
    """
    return Expm(floating(a))


def exponential(a: Any) -> Any:
    """exp A = (r(A / 2^s))^(2^s), r the Padé approximant and s so large that A / 2^s has a norm below `LARGEST_NORM`.

    Each matrix of a stack has its own s.
    """
    if a.ndim < 2 or a.shape[-1] != a.shape[-2]:
        raise np.linalg.LinAlgError(f"expm takes square matrices (..., n, n), not {a.shape}")
    norms = np.abs(a).sum(-2).max(-1, initial=0)
    squarings = np.ceil(np.log2(np.maximum(np.where(np.isfinite(norms), norms, 0) / LARGEST_NORM, 1))).astype(int)
    y = approximant(a * (0.5**squarings)[..., None, None])
    for k in range(squarings.max(initial=0)):
        y = np.where((k < squarings)[..., None, None], y @ y, y)
    return y


def approximant(a: Any) -> Any:
    """The Padé approximant q(A)⁻¹ p(A) of degree 13, with p(A) = V + U, q(A) = p(−A) = V − U, in six products."""
    b = PADE
    one = np.eye(a.shape[-1])
    a2 = a @ a
    a4 = a2 @ a2
    a6 = a4 @ a2
    odd = a6 @ (b[13] * a6 + b[11] * a4 + b[9] * a2) + b[7] * a6 + b[5] * a4 + b[3] * a2 + b[1] * one
    even = a6 @ (b[12] * a6 + b[10] * a4 + b[8] * a2) + b[6] * a6 + b[4] * a4 + b[2] * a2 + b[0] * one
    u = a @ odd
    return np.linalg.solve(even - u, even + u)

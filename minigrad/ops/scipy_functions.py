"""What SciPy's ufuncs mean on nodes: scipy.special.expit(node) is minigrad's sigmoid. SciPy need not be installed.

SciPy's softmax, log_softmax and logsumexp are no ufuncs, and make arrays of what they are given: they are refused by a
message that names minigrad's.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.dispatch import TABLE, answers
from minigrad.node import Node
from minigrad.ops.activations import sigmoid, softplus
from minigrad.ops.arithmetic import floating, where
from minigrad.ops.base import Elementwise, Entries, as_nodes
from minigrad.ops.elementwise import FAR, NEAR, cbrt, erf, exp, exp2, expm1, log, log1p, rational

if TYPE_CHECKING:
    from minigrad.operators import Operand

__all__ = ["Erfc", "erfc", "exp10", "log_expit", "logit", "ndtr", "xlog1py", "xlogy"]

for _name, _function in {
    "expit": sigmoid, "erf": erf, "log1p": log1p, "expm1": expm1, "exp2": exp2, "cbrt": cbrt
}.items():  # fmt: skip
    TABLE[f"scipy.special.{_name}"] = _function


# The third approximation of W. J. Cody, "Rational Chebyshev approximations for the error function", 1969, for x ≥ 4:
# x eˣˣ erfc(x) = 1/√π − R(1/x²) / x². Those for smaller x stand beside `Erf`.
TAIL = (
    (1.63153871373020978e-2, 3.05326634961232344e-1, 3.60344899949804439e-1, 1.25781726111229246e-1,
     1.60837851487422766e-2, 6.58749161529837803e-4),
    (1.0, 2.56852019228982242e0, 1.87295284992346725e0, 5.27905102951428412e-1, 6.05183413124413191e-2,
     2.33520497626869185e-3),
)  # fmt: skip


class Erfc(Elementwise):
    """y = 1 − erf(x), which is 2/√π ∫ exp(−t²) dt from x to ∞;  x̄ = −ȳ 2/√π exp(−x²)."""

    __slots__ = ()
    analytic = False

    def fprop(self, x: Any) -> Any:
        size = np.abs(x)
        near = np.minimum(size, 0.46875)
        middle = np.clip(size, 0.46875, 4.0)
        far = np.maximum(size, 4.0)
        inverse = 1 / (far * far)
        tail = (1 / math.sqrt(math.pi) - inverse * rational(TAIL, inverse)) / far
        above = np.exp(-size * size) * np.where(size < 4.0, rational(FAR, middle), tail)
        below = 1 - near * rational(NEAR, near * near)
        right = np.where(size > 0.46875, above, np.where(np.isnan(x), x, below))
        return np.where(x < 0, 2 - right, right)

    def bprop(self, adjoint: Node) -> Entries:
        (x,) = self.children
        return adjoint * (-2 / math.sqrt(math.pi) * exp(-x * x))


@answers("scipy.special.erfc")
def erfc(x: Operand) -> Node:
    """1 − erf(x), exact where that is small."""
    return Erfc(floating(x))


@answers("scipy.special.ndtr")
def ndtr(x: Operand) -> Node:
    """The normal distribution function Φ(x), exact in the left tail."""
    return Erfc(floating(x) * -math.sqrt(0.5)) / 2


@answers("scipy.special.logit")
def logit(x: Operand) -> Node:
    """ln(x / (1 − x)), the inverse of `sigmoid`."""
    p = floating(x)
    return log(p) - log1p(-p)


@answers("scipy.special.log_expit")
def log_expit(x: Operand) -> Node:
    """The logarithm of `sigmoid`, without underflow."""
    return -softplus(-floating(x))


@answers("scipy.special.exp10")
def exp10(x: Operand) -> Node:
    """10ˣ."""
    return exp(floating(x) * math.log(10))


@answers("scipy.special.xlogy")
def xlogy(x: Operand, y: Operand) -> Node:
    """x ln y, and 0 where x is 0, whatever y."""
    a, b = (floating(z) for z in as_nodes((x, y)))
    return a * log(where((a == 0) & (b <= 0), 1, b))


@answers("scipy.special.xlog1py")
def xlog1py(x: Operand, y: Operand) -> Node:
    """x ln(1 + y), and 0 where x is 0, whatever y."""
    a, b = (floating(z) for z in as_nodes((x, y)))
    return a * log1p(where((a == 0) & (b <= -1), 0, b))

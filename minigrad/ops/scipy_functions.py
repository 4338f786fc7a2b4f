"""What SciPy's ufuncs mean on nodes: scipy.special.expit(node) is minigrad's sigmoid. SciPy need not be installed.

SciPy's softmax, log_softmax and logsumexp are no ufuncs, and make arrays of what they are given: they are refused by a
message that names minigrad's.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from minigrad.dispatch import TABLE, answers
from minigrad.node import Node
from minigrad.ops.activations import sigmoid, softplus
from minigrad.ops.arithmetic import floating, where
from minigrad.ops.base import as_nodes
from minigrad.ops.elementwise import cbrt, erf, exp, exp2, expm1, log, log1p

if TYPE_CHECKING:
    from minigrad.operators import Operand

__all__ = ["exp10", "log_expit", "logit", "xlog1py", "xlogy"]

for _name, _function in {
    "expit": sigmoid, "erf": erf, "log1p": log1p, "expm1": expm1, "exp2": exp2, "cbrt": cbrt
}.items():  # fmt: skip
    TABLE[f"scipy.special.{_name}"] = _function


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

"""Covariances and correlations of variables, composed of products of what is centered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.dispatch import NOT_GIVEN, answers
from minigrad.node import Node, as_node
from minigrad.ops.base import Elementwise, Entries
from minigrad.ops.casting import astype
from minigrad.ops.elementwise import sqrt
from minigrad.ops.linear_algebra import diag
from minigrad.ops.reductions import Binade, average, mean, sum
from minigrad.ops.shaping import atleast_2d, concatenate, expand_dims, matrix_transpose, squeeze

if TYPE_CHECKING:
    from minigrad.operators import Operand

__all__ = ["WithinOne", "corrcoef", "cov"]


@answers(np.cov)
def cov(
    m: Operand,
    y: Operand | None = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: int | None = None,
    fweights: Operand | None = None,
    aweights: Operand | None = None,
    *,
    dtype: Any = None,
) -> Node:
    """The covariances of variables, which are rows: Σ (x_i − m_i)(x_j − m_j) / (n − 1), in float64 unless dtype says.

    rowvar:   False where variables are columns
    bias:     divide by n; ddof, where given, by n − ddof
    fweights: how often each observation counts; aweights: how much
    """
    x = _variables(m, y, rowvar, dtype)
    kind = x.dtype
    freedom = (0 if bias else 1) if ddof is None else int(ddof)
    weights = [astype(w, kind) for w in (fweights, aweights) if w is not None]
    weight: Any = None if not weights else weights[0] if len(weights) == 1 else weights[0] * weights[1]
    means, total = average(x, 1, weight, True)
    count: Any = x.shape[1] if weight is None else total[0]
    if aweights is None:
        count = count - freedom
    elif freedom:
        count = count - freedom * (sum(weight * weights[-1]) / count)
    centered = x - expand_dims(means, 1)
    products = centered @ matrix_transpose(centered if weight is None else centered * weight)
    if weight is None:
        count = np.asarray(max(count, 0), x.dtype)  # NumPy divides by 0 rather than by less
    return squeeze(products / count)


def _variables(m: Operand, y: Operand | None, rowvar: bool, dtype: Any) -> Node:
    """The variables of both, where there are two, as rows of one matrix."""
    given = [as_node(a) for a in (m, y) if a is not None]
    kind = np.result_type(*[x.dtype for x in given], np.float64) if dtype is None else dtype
    rows = list[Node]()
    for x in given:
        if x.ndim > 2:
            raise ValueError(f"cov: variables are rows of a matrix, not {x.label}")
        of_x: Node = atleast_2d(astype(x, kind))
        rows.append(of_x if rowvar or x.ndim < 2 else matrix_transpose(of_x))
    return concatenate(rows) if len(rows) > 1 else rows[0]


class WithinOne(Elementwise):
    """y = x, and ±1 where x is beyond or a few roundings below;  x̄ = ȳ, everywhere: at ±1 the curvature counts too.

    Perfect correlations are 1 to the last digit, so that differences of them see no rounding cut off on one side.
    """

    __slots__ = ()
    analytic = False

    def fprop(self, x: Any) -> Any:
        return np.where(np.abs(x) > 1 - 8 * np.finfo(x.dtype).eps, np.sign(x), x)

    def bprop(self, adjoint: Node) -> Entries:
        return adjoint


@answers(np.corrcoef)
def corrcoef(
    x: Operand,
    y: Operand | None = None,
    rowvar: bool = True,
    bias: Any = NOT_GIVEN,
    ddof: Any = NOT_GIVEN,
    *,
    dtype: Any = None,
) -> Node:
    """The correlations of variables, which are rows: covariances divided by both standard deviations, within ±1.

    Each row is measured in a unit in which its squares neither overflow nor underflow.
    """
    rows = _variables(x, y, rowvar, dtype)
    centered = rows - mean(rows, 1, keepdims=True)
    scaled = centered / Binade(centered, axis=1)
    c = squeeze(scaled @ matrix_transpose(scaled))
    if c.ndim == 0:
        return c / c
    spread = sqrt(diag(c))
    return WithinOne(c / expand_dims(spread, 1) / spread)

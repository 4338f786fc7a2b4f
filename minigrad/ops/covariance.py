"""Covariances and correlations of variables, composed of products of what is centered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.dispatch import NOT_GIVEN, answers
from minigrad.node import Node, as_node
from minigrad.ops.arithmetic import clip
from minigrad.ops.casting import astype
from minigrad.ops.elementwise import sqrt
from minigrad.ops.linear_algebra import diag
from minigrad.ops.reductions import average, sum
from minigrad.ops.shaping import atleast_2d, concatenate, expand_dims, matrix_transpose, squeeze

if TYPE_CHECKING:
    from minigrad.operators import Operand

__all__ = ["corrcoef", "cov"]


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
    given = [as_node(a) for a in (m, y) if a is not None]
    kind = np.result_type(*[x.dtype for x in given], np.float64) if dtype is None else dtype
    for x in given:
        if x.ndim > 2:
            raise ValueError(f"cov: variables are rows of a matrix, not {x.label}")
    rows = [_variables(astype(x, kind), rowvar) for x in given]
    x = concatenate(rows) if len(rows) > 1 else rows[0]
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


def _variables(x: Node, rowvar: bool) -> Node:
    """The variables as rows."""
    rows: Node = atleast_2d(x)
    return rows if rowvar or x.ndim < 2 else matrix_transpose(rows)


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
    """The correlations of variables, which are rows: covariances divided by both standard deviations, within ±1."""
    c = cov(x, y, rowvar, dtype=dtype)
    if c.ndim == 0:
        return c / c
    spread = sqrt(diag(c))
    return clip(c / expand_dims(spread, 1) / spread, -1, 1)

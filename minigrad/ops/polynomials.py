"""Polynomials by their coefficients, the highest power first, as NumPy's poly functions have them: compositions."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import TYPE_CHECKING

import numpy as np

from minigrad.dispatch import answers
from minigrad.node import Constant, Node, as_node
from minigrad.ops.calculus import convolve
from minigrad.ops.casting import astype
from minigrad.ops.shaping import concatenate, ravel, stack

if TYPE_CHECKING:
    from minigrad.operators import Operand

__all__ = ["polyadd", "polyder", "polyint", "polymul", "polysub", "polyval", "vander"]


@answers(np.polyval)
def polyval(p: Operand, x: Operand) -> Node:
    """The polynomial with the coefficients p, the highest power first, at x: by Horner's rule."""
    coefficients, point = as_node(p), as_node(x)
    zero = point * 0
    return reduce(lambda y, c: y * point + c, coefficients, zero)


@answers(np.vander)
def vander(x: Operand, N: int | None = None, increasing: bool = False) -> Node:
    """The powers of a vector as columns, the highest first, or last where increasing."""
    v = as_node(x)
    if v.ndim != 1:
        raise ValueError(f"vander: a vector, not {v.label}")
    n = v.size if N is None else N
    dtype = np.result_type(v.dtype, np.int64)
    v = astype(v, dtype)
    if not n:
        return Constant(np.zeros((v.size, 0), dtype))
    powers = [v**k for k in range(n)]
    return stack(powers if increasing else powers[::-1], 1)


@answers(np.polyadd)
def polyadd(a1: Operand, a2: Operand) -> Node:
    """The sum of two polynomials."""
    a, b = _of_one_length(a1, a2)
    return a + b


@answers(np.polysub)
def polysub(a1: Operand, a2: Operand) -> Node:
    """The difference of two polynomials."""
    a, b = _of_one_length(a1, a2)
    return a - b


def _of_one_length(*polynomials: Operand) -> list[Node]:
    nodes = [ravel(p) for p in polynomials]
    length = max(p.size for p in nodes)
    return [concatenate([np.zeros(length - p.size, p.dtype), p]) if p.size < length else p for p in nodes]


@answers(np.polymul)
def polymul(a1: Operand, a2: Operand) -> Node:
    """The product of two polynomials."""
    return convolve(ravel(a1), ravel(a2))


@answers(np.polyder)
def polyder(p: Operand, m: int = 1) -> Node:
    """The m-th derivative of a polynomial."""
    y = ravel(p)
    if m < 0:
        raise ValueError(f"polyder(m={m}): the order is 0 or more")
    for _ in range(m):
        y = y[:-1] * np.arange(y.size - 1, 0, -1)
    return y


@answers(np.polyint)
def polyint(p: Operand, m: int = 1, k: float | Sequence[float] | None = None) -> Node:
    """The m-th antiderivative of a polynomial, with the constants k of each integration (0 where there are none)."""
    y = ravel(p)
    if m < 0:
        raise ValueError(f"polyint(m={m}): the order is 0 or more")
    constants = np.zeros(m) if k is None else np.broadcast_to(np.asarray(k, float), m)
    for constant in constants:
        y = concatenate([y / np.arange(y.size, 0, -1), [constant]])
    return y

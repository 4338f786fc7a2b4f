"""Compute exp and tanh without branches, calls or tables, so that LLVM vectorizes the compiled loops of `kernels`.

With x = k ln 2 + r, k whole and |r| ≤ ln(2) / 2, e^x = 2^k e^r. The power of two is put together from its bits, and
e^r − 1 is its Taylor polynomial, which on so short an interval is as good as rounding allows. Then tanh x = e / (e + 2),
where e = e^2x − 1, computed without forming the 1. Errors are below 3 units in the last place; infinities, nan,
subnormal numbers and −0 are as in NumPy.

Importing this needs numba.
"""

from __future__ import annotations

from collections.abc import Callable
from math import factorial
from typing import Any

import numpy as np
from numba import njit  # type: ignore[import-not-found,import-untyped,unused-ignore]
from numba.core.compiler import Compiler  # type: ignore[import-not-found,import-untyped,unused-ignore]

EXACT: dict[str, Any] = {"error_model": "numpy", "fastmath": {"contract"}}  # a b + c may be rounded once


class Apart(Compiler):  # type: ignore[misc,unused-ignore]
    """numba's compiler, which is told that no array a function writes to shares memory with another one."""

    def __init__(self, typing: Any, target: Any, library: Any, args: Any, result: Any, flags: Any, local: Any) -> None:
        flags.noalias = True
        super().__init__(typing, target, library, args, result, flags, local)  # type: ignore[no-untyped-call,unused-ignore]


def _made(
    floating: Any, integer: Any, degree: int, lowest: float, highest: float, saturated: float
) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """exp and tanh of one precision.

    degree:          of the polynomial
    lowest, highest: e^x is 0 below, and infinite above
    saturated:       tanh is 1 above half of it
    """
    info = np.finfo(floating)
    fraction, bias = integer(info.nmant), integer(-info.minexp + 1)
    # Added to a number, it leaves the number rounded to a whole one in the last bits.
    shifter = floating(1.5 * 2.0**info.nmant)
    shifter_bits = shifter.view(integer)
    ln2 = np.log(np.longdouble(2))
    ln2_high = floating(np.floor(float(ln2) * 2**10) / 2**10)  # so short that products with k are exact
    ln2_low = floating(ln2 - np.longdouble(ln2_high))
    inverse = floating(1 / ln2)
    zero, one, two, half = floating(0), floating(1), floating(2), integer(1)
    lowest, highest, saturated = floating(lowest), floating(highest), floating(saturated)
    polynomial = _polynomial([floating(1 / factorial(i)) for i in range(2, degree + 1)])

    @njit(**EXACT)
    def power_of_two(k):  # type: ignore[no-untyped-def]
        return integer((k + bias) << fraction).view(floating)

    @njit(**EXACT)
    def exp(x):  # type: ignore[no-untyped-def]
        y = lowest if x < lowest else x  # noqa: FURB136
        y = highest if y > highest else y  # noqa: FURB136
        shifted = y * inverse + shifter
        k = floating(shifted).view(integer) - shifter_bits
        n = shifted - shifter
        r = (y - n * ln2_high) - n * ln2_low
        some = k >> half  # 2^k alone may overflow, or be subnormal
        result = (polynomial(r) + one) * power_of_two(some) * power_of_two(k - some)
        return x if x != x else result

    @njit(**EXACT)
    def tanh(x):  # type: ignore[no-untyped-def]
        y = two * abs(x)
        y = saturated if y > saturated else y  # noqa: FURB136
        shifted = y * inverse + shifter
        k = floating(shifted).view(integer) - shifter_bits
        n = shifted - shifter
        r = (y - n * ln2_high) - n * ln2_low
        scale = power_of_two(k)
        e = polynomial(r) * scale + (scale - one)
        result = e / (e + two)
        result = -result if x < zero else result
        return result if abs(x) > zero else x  # −0, nan

    return exp, tanh


def _polynomial(coefficients: list[Any]) -> Any:
    """r ↦ r + c_2 r² + c_3 r³ + ..., by Horner's rule."""
    terms = f"c{len(coefficients) + 1}"
    for i in range(len(coefficients), 1, -1):
        terms = f"c{i} + r * ({terms})"
    source = f"def polynomial(r):\n    return r + r * r * ({terms})\n"
    names: dict[str, Any] = {"__name__": __name__, **{f"c{i}": c for i, c in enumerate(coefficients, 2)}}
    exec(source, names)
    return njit(**EXACT)(names["polynomial"])


exp32, tanh32 = _made(np.float32, np.int32, 7, -104, 89, 20)
exp64, tanh64 = _made(np.float64, np.int64, 13, -746, 710, 40)


@njit(**EXACT)
def maximum(a, b):  # type: ignore[no-untyped-def]
    """The larger one, or nan if one of them is."""
    return a if a >= b or a != a else b


@njit(**EXACT)
def minimum(a, b):  # type: ignore[no-untyped-def]
    """The smaller one, or nan if one of them is."""
    return a if a <= b or a != a else b

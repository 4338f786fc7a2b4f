"""Special functions of the gamma family: the logarithms of gamma and beta, and the derivatives of the first, at all orders.

Values are computed in float64 (of float32 they are the rounding) by formulas of M. Abramowitz and I. Stegun, Handbook of
Mathematical Functions, 1964, chapter 6 (AS): the recurrence that moves an argument by whole steps, the asymptotic series of
large arguments, and the reflection of negative ones. There are no branches: where a formula does not count, its argument is
replaced by one at which nothing overflows.
"""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING, Any, SupportsIndex

import numpy as np

from minigrad.dispatch import answers
from minigrad.node import Node
from minigrad.ops.arithmetic import floating
from minigrad.ops.base import Elementwise, Entries, as_nodes
from minigrad.ops.one_call import as_one_call

if TYPE_CHECKING:
    from minigrad.operators import Operand

__all__ = ["Gammaln", "Polygamma", "Betaln", "PolygammaFall", "gammaln", "digamma", "polygamma", "betaln"]

# ζ(k) − 1 for k = 2, 3, ..., in the power series of ln Γ(2 + z), AS 6.1.33, and 1 − γ, γ Euler's constant.
ZETAS = (
    6.44934066848226436e-1, 2.02056903159594285e-1, 8.23232337111381915e-2, 3.69277551433699263e-2,
    1.73430619844491397e-2, 8.34927738192282684e-3, 4.07735619794433938e-3, 2.00839282608221442e-3,
    9.94575127818085337e-4, 4.94188604119464559e-4, 2.46086553308048299e-4, 1.22713347578489147e-4,
    6.12481350587048293e-5, 3.05882363070204936e-5, 1.52822594086518717e-5, 7.63719763789976227e-6,
    3.81729326499983986e-6, 1.90821271655393893e-6, 9.53962033872796113e-7, 4.76932986787806463e-7,
    2.3845050272773299e-7, 1.19219925965311073e-7, 5.96081890512594796e-8, 2.98035035146522802e-8,
    1.49015548283650412e-8, 7.45071178983542949e-9, 3.72533402478845705e-9,
)  # fmt: skip
ONE_MINUS_GAMMA = 0.42278433509846714
# Numerators and denominators of Bernoulli's numbers B₂, B₄, ..., in the asymptotic series AS 6.1.40 and 6.4.11.
BERNOULLI = ((1, 6), (-1, 30), (1, 42), (-1, 30), (5, 66), (-691, 2730), (7, 6), (-3617, 510))
STIRLING = tuple(above / (below * 2 * k * (2 * k - 1)) for k, (above, below) in enumerate(BERNOULLI, 1))
HALF_LOG_TAU = math.log(2 * math.pi) / 2
LARGE = 8  # from there on what is left out of Stirling's series is below 1e-16
HIGHEST = 100  # order of a derivative: the factorials of twice that are the largest a float64 holds


# Operations ----------------------------------------------------------------------------------------------------------


class Gammaln(Elementwise):
    """y = ln |Γ(x)|;  x̄ = ȳ ψ(x), ψ the digamma function.

    The error is below 1e-15 |y| for x > −1/2, near the zeros 1 and 2 too. Left of −1/2 it is below 2e-15 times the largest
    term of AS 6.1.17, ln Γ(1 − x), ln |sin πx| or 1. At the poles 0, −1, −2, ... y is ∞.
    """

    __slots__ = ()
    analytic = False

    def fprop(self, x: Any) -> Any:
        return log_gamma(x)

    def bprop(self, adjoint: Node) -> Entries:
        return adjoint * Polygamma(self.children[0], order=0)


class Polygamma(Elementwise):
    """y = ψ⁽ⁿ⁾(x), n = order, the (n + 1)-th derivative of ln Γ(x);  x̄ = ȳ ψ⁽ⁿ⁺¹⁾(x).

    For x > 0 the error is below 2e-15 max(|y|, 1) for n = 0 and 4e-15 |y| for n from 1 to 10. Left of 0 it is below 2e-15
    times the largest term of AS 6.4.7, or of 1. At the poles −1, −2, ... y is ∞ for odd n, and nan for even n, where its
    two sides differ in sign; at ±0 it is the limit from that side.
    """

    __slots__ = ()
    analytic = False
    order: int

    def fprop(self, x: Any, *, order: int) -> Any:
        return gamma_derivative(x, order)

    def bprop(self, adjoint: Node) -> Entries:
        return adjoint * Polygamma(self.children[0], order=self.order + 1)


class Betaln(Elementwise):
    """y = ln |Γ(a) Γ(b) / Γ(a + b)|, or ln |B(a, b)|;  ā = ȳ (ψ(a) − ψ(a + b)), b̄ = ȳ (ψ(b) − ψ(a + b)).

    For a, b > 0 the error is below 4e-15 max(|y|, 1), however large or far apart they are. Where one is 0 or below, the three
    logarithms are added, and each has its error.
    """

    __slots__ = ()
    analytic = False

    def fprop(self, a: Any, b: Any) -> Any:
        return log_beta(a, b)

    def bprop(self, adjoint: Node) -> Entries:
        a, b = self.children
        return lambda: adjoint * PolygammaFall(a, b, order=0), lambda: adjoint * PolygammaFall(b, a, order=0)


class PolygammaFall(Elementwise):
    """y = ψ⁽ⁿ⁾(a) − ψ⁽ⁿ⁾(a + b), n = order;  ā = ȳ (ψ⁽ⁿ⁺¹⁾(a) − ψ⁽ⁿ⁺¹⁾(a + b)), b̄ = −ȳ ψ⁽ⁿ⁺¹⁾(a + b).

    Subtracted in float64 and rounded once, so that in float32 a small b leaves digits. The error is that of ψ⁽ⁿ⁾(a).
    """

    __slots__ = ()
    analytic = False
    order: int

    def fprop(self, a: Any, b: Any, *, order: int) -> Any:
        wide = a.astype(np.float64)
        fall = gamma_derivative(wide, order) - gamma_derivative(wide + b, order)
        return fall.astype(np.result_type(a.dtype, b.dtype))

    def bprop(self, adjoint: Node) -> Entries:
        a, b = self.children
        return (
            lambda: adjoint * PolygammaFall(a, b, order=self.order + 1),
            lambda: -adjoint * Polygamma(a + b, order=self.order + 1),
        )


# Functions -----------------------------------------------------------------------------------------------------------


@answers("scipy.special.gammaln")
def gammaln(x: Operand) -> Node:
    """ln |Γ(x)|, the logarithm of the gamma function, where (n − 1)! = Γ(n).

    >>> import minigrad as mg
    >>> mg.gammaln([1.0, 5.0]).value.round(6)
    array([0.      , 3.178054])
    """
    return Gammaln(floating(x))


@answers("scipy.special.psi", "scipy.special.digamma")
def digamma(x: Operand) -> Node:
    """ψ(x) = d ln Γ(x) / dx, the digamma function, whose slope is the trigamma function polygamma(1, x)."""
    return Polygamma(floating(x), order=0)


def polygamma(n: SupportsIndex, x: Operand) -> Node:
    """ψ⁽ⁿ⁾(x), the n-th derivative of the digamma function, n an integer from 0 to 100."""
    if isinstance(n, bool | Node) or not hasattr(n, "__index__") or not 0 <= n.__index__() <= HIGHEST:
        raise ValueError(f"polygamma(n={n!r}, x): the order n comes first, an integer from 0 to {HIGHEST}")
    return Polygamma(floating(x), order=n.__index__())


@answers("scipy.special.betaln")
def betaln(a: Operand, b: Operand) -> Node:
    """ln |B(a, b)|, the logarithm of the beta function Γ(a) Γ(b) / Γ(a + b)."""
    return Betaln(*[floating(x) for x in as_nodes((a, b))])


# The same of arrays --------------------------------------------------------------------------------------------------


@as_one_call
def log_gamma(x: Any) -> Any:
    """ln |Γ(x)|."""
    return _log_gamma(x.astype(np.float64, copy=False)).astype(x.dtype, copy=False)


@as_one_call
def gamma_derivative(x: Any, n: int) -> Any:
    """ψ⁽ⁿ⁾(x)."""
    return _polygamma(x.astype(np.float64, copy=False), n).astype(x.dtype, copy=False)


@as_one_call
def log_beta(a: Any, b: Any) -> Any:
    """ln |B(a, b)|."""
    y = _log_beta(a.astype(np.float64, copy=False), b.astype(np.float64, copy=False))
    return y.astype(np.result_type(a, b), copy=False)


# ln Γ and ln B -------------------------------------------------------------------------------------------------------


def _log_gamma(x: Any) -> Any:
    mirrored = x < -0.5
    t = np.where(mirrored, 1 - x, x)
    y = np.where(t < LARGE, _log_gamma_near(np.minimum(t, LARGE)), _log_gamma_far(np.maximum(t, LARGE)))
    sine = np.abs(np.sin(np.pi * np.where(mirrored, _past_integer(x), 0.5)))
    return np.where(mirrored, math.log(math.pi) - np.log(sine) - y, y)  # AS 6.1.17


def _log_gamma_near(t: Any) -> Any:
    """ln |Γ(t)| for −1/2 ≤ t ≤ LARGE: Γ(2 + z) by its power series, and whole steps from there."""
    n = np.floor(t + 0.5)
    z = t - n
    y: Any = 0.0
    for k in range(len(ZETAS) + 1, 1, -1):
        y = (y + (-1) ** k * ZETAS[k - 2] / k) * z
    y = (y + ONE_MINUS_GAMMA) * z
    factors: Any = 1.0
    for k in range(2, LARGE):
        factors = factors * np.where(k < n, z + k, 1.0)  # Γ(n + z) = (n − 1 + z) ⋯ (2 + z) Γ(2 + z)
    y = y + np.log(factors) - np.log1p(np.where(n < 2, z, 0.0))  # Γ(1 + z) = Γ(2 + z) / (1 + z)
    return y - np.log(np.where(n < 1, np.abs(z), 1.0))


def _log_gamma_far(t: Any) -> Any:
    """ln Γ(t) for t ≥ LARGE, AS 6.1.40."""
    return (t - 0.5) * (np.log(t) - 1) + (HALF_LOG_TAU - 0.5) + _stirling(t)


def _stirling(t: Any) -> Any:
    """What Stirling's formula leaves of ln Γ(t)."""
    u = 1 / t
    square = u * u
    y = STIRLING[-1]
    for term in STIRLING[-2::-1]:
        y = y * square + term
    return y * u


def _log_beta(a: Any, b: Any) -> Any:
    positive = (a > 0) & (b > 0)
    p, q = np.where(positive, np.minimum(a, b), 1.0), np.where(positive, np.maximum(a, b), 1.0)
    far = q >= LARGE
    sum_of_three = (
        _log_gamma(np.where(far, 1.0, a)) + _log_gamma(np.where(far, 1.0, b)) - _log_gamma(np.where(far, 2.0, a + b))
    )
    return np.where(far, _log_beta_far(p, np.maximum(q, LARGE)), sum_of_three)


def _log_beta_far(p: Any, q: Any) -> Any:
    """ln B(p, q) for q ≥ LARGE and p: Stirling's formulas, subtracted by hand so that nothing large is left to cancel."""
    total, large = p + q, np.maximum(p, LARGE)
    near = _log_gamma(np.minimum(p, LARGE)) + p * (1 - np.log(total))
    far = p * np.log(large / total) - 0.5 * np.log(large) + HALF_LOG_TAU + _stirling(large)
    return np.where(p < LARGE, near, far) - (q - 0.5) * np.log1p(p / q) + _stirling(q) - _stirling(total)


# ψ and its derivatives -----------------------------------------------------------------------------------------------


def _polygamma(x: Any, n: int) -> Any:
    mirrored = x < 0
    t = np.where(mirrored, 1 - x, x)
    steps = 10 + 2 * n  # so many that the asymptotic series is exact there
    y = _polygamma_far(t + steps, n)
    for k in reversed(range(steps)):  # AS 6.4.6, the smallest first
        y = y - (-1) ** n * _factorial_power(1 / (t + k if k else t), n)
    past = np.where(mirrored, _past_integer(x), 0.25)
    slope = _cotangent_slope(_cotangent(past), n)
    if n % 2 == 0:
        slope = np.where(past == 0, np.nan, slope)
    return np.where(mirrored, (-1) ** n * y - slope, y)  # AS 6.4.7


def _polygamma_far(t: Any, n: int) -> Any:
    """ψ⁽ⁿ⁾(t) for large t, AS 6.3.18 and 6.4.11."""
    u = 1 / t
    square = u * u
    terms = [
        above * math.factorial(2 * k + n - 1) / (below * math.factorial(2 * k) * math.factorial(max(n - 1, 0)))
        for k, (above, below) in enumerate(BERNOULLI, 1)
    ]
    series = terms[-1]
    for term in terms[-2::-1]:
        series = series * square + term
    if n == 0:
        return np.log(t) - (0.5 + series * u) * u
    return (-1) ** (n + 1) * (1 + (0.5 * n + series * u) * u) * _factorial_power(u, n - 1)


def _factorial_power(u: Any, n: int) -> Any:
    """n! uⁿ⁺¹, factor by factor, so that no part of it overflows alone."""
    y = u
    for k in range(1, n + 1):
        y = y * (k * u)
    return y


def _cotangent(x: Any) -> Any:
    """cot(πx) for |x| ≤ 1/2, to the last digit near its zeros at ±1/2 too."""
    size = np.abs(x)
    steep = 1 / np.tan(np.pi * np.where(size <= 0.25, size, 0.25))
    return np.copysign(np.where(size <= 0.25, steep, np.tan(np.pi * (0.5 - size))), x)


def _cotangent_slope(c: Any, n: int) -> Any:
    """The n-th derivative of π cot(πx) for c = cot(πx): an odd or even polynomial of c."""
    coefficients = _cotangent_polynomial(n)
    square = c * c
    y = coefficients[-1]
    for coefficient in coefficients[-2::-1]:
        y = y * square + coefficient
    return y * c if n % 2 == 0 else y


@cache
def _cotangent_polynomial(n: int) -> list[float]:
    """Its coefficients, every second one: d/dx cᵏ = −π k cᵏ⁻¹ (1 + c²)."""
    polynomial = {1: 1}
    for _ in range(n):
        slope: dict[int, int] = {}
        for power, coefficient in polynomial.items():
            for new in (power - 1, power + 1):
                slope[new] = slope.get(new, 0) - power * coefficient
        polynomial = {power: coefficient for power, coefficient in slope.items() if coefficient}
    return [math.pi ** (n + 1) * polynomial[power] for power in sorted(polynomial)]


# Helpers -------------------------------------------------------------------------------------------------------------


def _past_integer(x: Any) -> Any:
    """By how much x is above the nearest integer, exactly; 0 for all numbers that are so large that they are integers."""
    bounded = np.clip(x, -(2.0**53), 2.0**53)
    return bounded - np.rint(bounded)

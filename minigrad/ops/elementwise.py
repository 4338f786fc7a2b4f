"""Powers and the elementary functions, entry by entry.

A rule is written in the output y where that is simplest or most exact (exp, sqrt, tan), else in x.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.dispatch import ADVICE, answers
from minigrad.node import Node, as_node, is_number
from minigrad.ops.arithmetic import isinf, where
from minigrad.ops.base import Elementwise, Entries

if TYPE_CHECKING:
    from minigrad.operators import Operand

__all__ = [
    # powers and roots
    "Power", "PowerOfNumber", "Square", "Reciprocal", "Sqrt", "InverseRoot", "Cbrt", "Hypot", "HypotSlope",
    "power", "square", "reciprocal", "sqrt", "cbrt", "hypot",
    # exponentials and logarithms
    "Exp", "Exp2", "Expm1", "Log", "Log2", "Log10", "Log1p", "LogAddExp",
    "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "logaddexp",
    # circular and hyperbolic functions
    "Sin", "Cos", "Tan", "Arcsin", "Arccos", "Arctan", "Arctan2", "Sinc",
    "sin", "cos", "tan", "arcsin", "arccos", "arctan", "arctan2", "sinc",
    "Sinh", "Cosh", "Tanh", "Arcsinh", "Arccosh", "Arctanh", "sinh", "cosh", "tanh", "arcsinh", "arccosh", "arctanh",
    # the normal distribution's
    "Erf", "erf",
]  # fmt: skip

NEGLIGIBLE_ONE = 1e10  # 1 + x² is x² from here on, to the last digit of float64 too; and x² is far from overflow


# Powers and roots --------------------------------------------------------------------------------------------------


class Power(Elementwise):
    """y = aᵇ, of two nodes;  ā = ȳ b aᵇ⁻¹, b̄ = ȳ y ln a.

    Where a = 0, b̄ is 0, and where b = 0 as well so is ā: there the formulas say 0 · ∞. Below 0, b̄ is nan.
    """

    __slots__ = ()

    def fprop(self, a: Any, b: Any) -> Any:
        return np.power(a, b)

    def bprop(self, adjoint: Node) -> Entries:
        a, b = self.children
        return (
            lambda: adjoint * b * power(a, where((a == 0) & (b == 0), 1, b - 1)),
            lambda: adjoint * self * log(where(a == 0, 1, a)),
        )


class PowerOfNumber(Elementwise):
    """y = xᵖ with p = exponent, a number;  x̄ = p ȳ xᵖ⁻¹, right at negative x, and 0 for p = 0."""

    __slots__ = ()
    exponent: float

    def fprop(self, x: Any, *, exponent: float) -> Any:
        if exponent in (3, 4) and x.dtype.kind in "fc":  # products are many times faster than pow
            return x * x * x if exponent == 3 else np.square(x * x)
        return x**exponent

    def bprop(self, adjoint: Node) -> Entries:
        (x,) = self.children
        p = self.exponent
        if p == 0:
            return [None]
        return adjoint if p == 1 else adjoint * (p * power(x, p - 1))


@answers(np.square)
class Square(Elementwise):
    """y = x²;  x̄ = 2 ȳ x."""

    __slots__ = ()

    def fprop(self, x: Any) -> Any:
        return np.square(x)

    def bprop(self, adjoint: Node) -> Entries:
        (x,) = self.children
        return adjoint * (2 * x)


@answers(np.reciprocal)
class Reciprocal(Elementwise):
    """y = 1/x;  x̄ = −ȳ y²."""

    __slots__ = ()

    def fprop(self, x: Any) -> Any:
        return np.reciprocal(x)

    def bprop(self, adjoint: Node) -> Entries:
        return -adjoint * square(self)


@answers(np.sqrt)
class Sqrt(Elementwise):
    """y = √x;  x̄ = ȳ / 2y, so infinite at 0."""

    __slots__ = ()

    def fprop(self, x: Any) -> Any:
        return np.sqrt(x)

    def bprop(self, adjoint: Node) -> Entries:
        return adjoint / (2 * self)


class InverseRoot(Elementwise):
    """y = 1 / √(1 + x²), without overflow;  x̄ = −ȳ (x y) y²: the slope of arsinh, and its square that of arctan."""

    __slots__ = ()
    analytic = False

    def fprop(self, x: Any) -> Any:
        small = np.clip(x, -NEGLIGIBLE_ONE, NEGLIGIBLE_ONE)
        return 1 / np.maximum(np.sqrt(1 + small * small), np.abs(x))

    def bprop(self, adjoint: Node) -> Entries:
        (x,) = self.children
        return -adjoint * (x * self) * square(self)


@answers(np.cbrt)
class Cbrt(Elementwise):
    """y = ∛x;  x̄ = ȳ / 3y², so infinite at 0."""

    __slots__ = ()
    analytic = False

    def fprop(self, x: Any) -> Any:
        return np.cbrt(x)

    def bprop(self, adjoint: Node) -> Entries:
        return adjoint / (3 * square(self))


@answers(np.hypot)
class Hypot(Elementwise):
    """y = √(a² + b²), without overflow;  ā = ȳ a/y where y ≠ 0, else 0, b̄ = ȳ b/y where y ≠ 0, else 0."""

    __slots__ = ()
    analytic = False

    def fprop(self, a: Any, b: Any) -> Any:
        return np.hypot(a, b)

    def bprop(self, adjoint: Node) -> Entries:
        a, b = self.children
        met = where(self == 0, 0, adjoint)
        return lambda: met * HypotSlope(a, b), lambda: met * HypotSlope(b, a)


class HypotSlope(Elementwise):
    """y = a / r with r = √(a² + b²), 0 where both are 0;  ā = ȳ z²/r, b̄ = −ȳ y z/r with z = b/r."""

    __slots__ = ()
    analytic = False

    def fprop(self, a: Any, b: Any) -> Any:
        r = np.hypot(a, b)
        return a / np.where(r == 0, 1, r)

    def bprop(self, adjoint: Node) -> Entries:
        a, b = self.children
        z = HypotSlope(b, a)
        r = hypot(a, b)
        scaled = adjoint * (z / where(r == 0, 1, r))
        return lambda: scaled * z, lambda: -scaled * self


@answers(np.power)
def power(a: Operand, b: Operand) -> Node:
    """aᵇ; where b is a Python number it has a rule of its own, right for negative a too."""
    if not is_number(b):
        return Power(a, b)
    a = as_node(a)
    return Square(a) if b == 2 and a.dtype.kind == "f" else PowerOfNumber(a, exponent=b)


def square(x: Operand) -> Node:
    """x²."""
    return Square(x)


def reciprocal(x: Operand) -> Node:
    """1/x."""
    return Reciprocal(x)


def sqrt(x: Operand) -> Node:
    """√x."""
    return Sqrt(x)


def cbrt(x: Operand) -> Node:
    """∛x."""
    return Cbrt(x)


def hypot(a: Operand, b: Operand) -> Node:
    """√(a² + b²)."""
    return Hypot(a, b)


# Exponentials and logarithms ---------------------------------------------------------------------------------------


@answers(np.exp)
class Exp(Elementwise):
    """y = eˣ;  x̄ = ȳ y."""

    __slots__ = ()

    def fprop(self, x: Any) -> Any:
        return np.exp(x)

    def bprop(self, adjoint: Node) -> Entries:
        return adjoint * self


@answers(np.exp2)
class Exp2(Elementwise):
    """y = 2ˣ;  x̄ = ȳ y ln 2."""

    __slots__ = ()

    def fprop(self, x: Any) -> Any:
        return np.exp2(x)

    def bprop(self, adjoint: Node) -> Entries:
        return adjoint * self * math.log(2)


@answers(np.expm1)
class Expm1(Elementwise):
    """y = eˣ − 1, exact at small x;  x̄ = ȳ eˣ, which y + 1 would lose at large negative x."""

    __slots__ = ()

    def fprop(self, x: Any) -> Any:
        return np.expm1(x)

    def bprop(self, adjoint: Node) -> Entries:
        return adjoint * exp(self.children[0])


@answers(np.log)
class Log(Elementwise):
    """y = ln x;  x̄ = ȳ / x."""

    __slots__ = ()

    def fprop(self, x: Any) -> Any:
        return np.log(x)

    def bprop(self, adjoint: Node) -> Entries:
        return adjoint / self.children[0]


@answers(np.log2)
class Log2(Elementwise):
    """y = log₂ x;  x̄ = ȳ / (x ln 2)."""

    __slots__ = ()

    def fprop(self, x: Any) -> Any:
        return np.log2(x)

    def bprop(self, adjoint: Node) -> Entries:
        return adjoint / (self.children[0] * math.log(2))


@answers(np.log10)
class Log10(Elementwise):
    """y = log₁₀ x;  x̄ = ȳ / (x ln 10)."""

    __slots__ = ()

    def fprop(self, x: Any) -> Any:
        return np.log10(x)

    def bprop(self, adjoint: Node) -> Entries:
        return adjoint / (self.children[0] * math.log(10))


@answers(np.log1p)
class Log1p(Elementwise):
    """y = ln(1 + x), exact at small x;  x̄ = ȳ / (1 + x)."""

    __slots__ = ()

    def fprop(self, x: Any) -> Any:
        return np.log1p(x)

    def bprop(self, adjoint: Node) -> Entries:
        return adjoint / (1 + self.children[0])


@answers(np.logaddexp)
class LogAddExp(Elementwise):
    """y = ln(eᵃ + eᵇ), without overflow;  ā = ȳ eᵃ⁻ʸ, b̄ = ȳ eᵇ⁻ʸ.

    Where y is infinite these are constants: ȳ to the larger of a and b, ȳ/2 to each where they are equal.
    """

    __slots__ = ()
    analytic = False

    def fprop(self, a: Any, b: Any) -> Any:
        return np.logaddexp(a, b)

    def bprop(self, adjoint: Node) -> Entries:
        a, b = self.children
        return lambda: adjoint * self._share(a, b), lambda: adjoint * self._share(b, a)

    def _share(self, a: Node, b: Node) -> Node:
        """The derivative by a."""
        top = isinf(self) & (a >= b)  # where a − y would be ∞ − ∞
        lead = a - where(top, 0, self)
        return exp(where(top & (a == b), -math.log(2), where(top, 0, lead)))


def exp(x: Operand) -> Node:
    """eˣ."""
    return Exp(x)


def exp2(x: Operand) -> Node:
    """2ˣ."""
    return Exp2(x)


def expm1(x: Operand) -> Node:
    """eˣ − 1, exact at small x."""
    return Expm1(x)


def log(x: Operand) -> Node:
    """The natural logarithm."""
    return Log(x)


def log2(x: Operand) -> Node:
    """The logarithm to base 2."""
    return Log2(x)


def log10(x: Operand) -> Node:
    """The logarithm to base 10."""
    return Log10(x)


def log1p(x: Operand) -> Node:
    """ln(1 + x), exact at small x."""
    return Log1p(x)


def logaddexp(a: Operand, b: Operand) -> Node:
    """ln(eᵃ + eᵇ), without overflow."""
    return LogAddExp(a, b)


# Circular functions ------------------------------------------------------------------------------------------------


@answers(np.sin)
class Sin(Elementwise):
    """y = sin x;  x̄ = ȳ cos x."""

    __slots__ = ()

    def fprop(self, x: Any) -> Any:
        return np.sin(x)

    def bprop(self, adjoint: Node) -> Entries:
        return adjoint * cos(self.children[0])


@answers(np.cos)
class Cos(Elementwise):
    """y = cos x;  x̄ = −ȳ sin x."""

    __slots__ = ()

    def fprop(self, x: Any) -> Any:
        return np.cos(x)

    def bprop(self, adjoint: Node) -> Entries:
        return -adjoint * sin(self.children[0])


@answers(np.tan)
class Tan(Elementwise):
    """y = tan x;  x̄ = ȳ (1 + y²)."""

    __slots__ = ()

    def fprop(self, x: Any) -> Any:
        return np.tan(x)

    def bprop(self, adjoint: Node) -> Entries:
        return adjoint * (1 + self * self)


@answers(np.arcsin)
class Arcsin(Elementwise):
    """y = arcsin x;  x̄ = ȳ / √(1 − x²)."""

    __slots__ = ()

    def fprop(self, x: Any) -> Any:
        return np.arcsin(x)

    def bprop(self, adjoint: Node) -> Entries:
        (x,) = self.children
        return adjoint / sqrt(1 - x * x)


@answers(np.arccos)
class Arccos(Elementwise):
    """y = arccos x;  x̄ = −ȳ / √(1 − x²)."""

    __slots__ = ()

    def fprop(self, x: Any) -> Any:
        return np.arccos(x)

    def bprop(self, adjoint: Node) -> Entries:
        (x,) = self.children
        return -adjoint / sqrt(1 - x * x)


@answers(np.arctan)
class Arctan(Elementwise):
    """y = arctan x;  x̄ = ȳ / (1 + x²)."""

    __slots__ = ()

    def fprop(self, x: Any) -> Any:
        return np.arctan(x)

    def bprop(self, adjoint: Node) -> Entries:
        return adjoint * square(InverseRoot(self.children[0]))


@answers(np.arctan2)
class Arctan2(Elementwise):
    """y = arctan2(a, b), the angle of the point (b, a), in (−π, π];  ā = ȳ b / (a² + b²), b̄ = −ȳ a / (a² + b²)."""

    __slots__ = ()
    analytic = False

    def fprop(self, a: Any, b: Any) -> Any:
        return np.arctan2(a, b)

    def bprop(self, adjoint: Node) -> Entries:
        a, b = self.children
        scaled = adjoint / hypot(a, b)
        return lambda: scaled * HypotSlope(b, a), lambda: -scaled * HypotSlope(a, b)


class Sinc(Elementwise):
    """y = sinc⁽ⁿ⁾(x), n = order, the n-th derivative of sin(πx) / πx, which is 1 at 0;  x̄ = ȳ sinc⁽ⁿ⁺¹⁾(x).

    With u = πx and f = sin(u)/u: f⁽ⁿ⁾ = (sin⁽ⁿ⁾(u) − n f⁽ⁿ⁻¹⁾) / u, from differentiating u f = sin u n times, and where
    |u| < 1 + n/2, where that would cancel, the power series of f differentiated term by term.
    """

    __slots__ = ()
    order: int

    def fprop(self, x: Any, *, order: int = 0) -> Any:
        if order == 0:
            return np.sinc(x)
        u = np.pi * x
        near = np.abs(u) < 1 + order / 2
        small = np.where(near, u, 0)
        series = np.zeros_like(small)
        for power in reversed(range(order % 2, 21 + 2 * order, 2)):
            sign = -1 if (power + order) % 4 else 1
            series = series * small**2 + sign / ((power + order + 1) * math.factorial(power))
        large = np.where(near, 1, u)
        derivative = np.sin(large) / large
        for n in range(1, order + 1):
            derivative = ((np.cos, np.sin)[(n + 1) % 2](large) * (-1) ** (n // 2) - n * derivative) / large
        return np.pi**order * np.where(near, series * small ** (order % 2), derivative)

    def bprop(self, adjoint: Node) -> Entries:
        return adjoint * Sinc(self.children[0], order=self.order + 1)


def sin(x: Operand) -> Node:
    """The sine of x radians."""
    return Sin(x)


def cos(x: Operand) -> Node:
    """The cosine of x radians."""
    return Cos(x)


def tan(x: Operand) -> Node:
    """The tangent of x radians."""
    return Tan(x)


def arcsin(x: Operand) -> Node:
    """The angle in [−π/2, π/2] whose sine is x."""
    return Arcsin(x)


def arccos(x: Operand) -> Node:
    """The angle in [0, π] whose cosine is x."""
    return Arccos(x)


def arctan(x: Operand) -> Node:
    """The angle in (−π/2, π/2) whose tangent is x."""
    return Arctan(x)


def arctan2(a: Operand, b: Operand) -> Node:
    """The angle in (−π, π] of the point (b, a)."""
    return Arctan2(a, b)


@answers(np.sinc)
def sinc(x: Operand) -> Node:
    """sin(πx) / πx, 1 at 0."""
    return Sinc(x)


# Hyperbolic functions ----------------------------------------------------------------------------------------------


@answers(np.sinh)
class Sinh(Elementwise):
    """y = sinh x;  x̄ = ȳ cosh x."""

    __slots__ = ()

    def fprop(self, x: Any) -> Any:
        return np.sinh(x)

    def bprop(self, adjoint: Node) -> Entries:
        return adjoint * cosh(self.children[0])


@answers(np.cosh)
class Cosh(Elementwise):
    """y = cosh x;  x̄ = ȳ sinh x."""

    __slots__ = ()

    def fprop(self, x: Any) -> Any:
        return np.cosh(x)

    def bprop(self, adjoint: Node) -> Entries:
        return adjoint * sinh(self.children[0])


@answers(np.tanh)
class Tanh(Elementwise):
    """y = tanh x;  x̄ = ȳ (1 − y²)."""

    __slots__ = ()

    def fprop(self, x: Any) -> Any:
        return np.tanh(x)

    def bprop(self, adjoint: Node) -> Entries:
        return adjoint * (1 - self * self)


@answers(np.arcsinh)
class Arcsinh(Elementwise):
    """y = arsinh x;  x̄ = ȳ / √(x² + 1)."""

    __slots__ = ()

    def fprop(self, x: Any) -> Any:
        return np.arcsinh(x)

    def bprop(self, adjoint: Node) -> Entries:
        return adjoint * InverseRoot(self.children[0])


@answers(np.arccosh)
class Arccosh(Elementwise):
    """y = arcosh x, for x ≥ 1;  x̄ = ȳ / √(x² − 1), as ȳ / (√(x − 1) √(x + 1))."""

    __slots__ = ()

    def fprop(self, x: Any) -> Any:
        return np.arccosh(x)

    def bprop(self, adjoint: Node) -> Entries:
        (x,) = self.children
        return adjoint / (sqrt(x - 1) * sqrt(x + 1))


@answers(np.arctanh)
class Arctanh(Elementwise):
    """y = artanh x, for |x| < 1;  x̄ = ȳ / (1 − x²)."""

    __slots__ = ()

    def fprop(self, x: Any) -> Any:
        return np.arctanh(x)

    def bprop(self, adjoint: Node) -> Entries:
        (x,) = self.children
        return adjoint / (1 - x * x)


def sinh(x: Operand) -> Node:
    """The hyperbolic sine."""
    return Sinh(x)


def cosh(x: Operand) -> Node:
    """The hyperbolic cosine."""
    return Cosh(x)


def tanh(x: Operand) -> Node:
    """The hyperbolic tangent."""
    return Tanh(x)


def arcsinh(x: Operand) -> Node:
    """The number whose hyperbolic sine is x."""
    return Arcsinh(x)


def arccosh(x: Operand) -> Node:
    """The number ≥ 0 whose hyperbolic cosine is x."""
    return Arccosh(x)


def arctanh(x: Operand) -> Node:
    """The number whose hyperbolic tangent is x."""
    return Arctanh(x)


# The error function ------------------------------------------------------------------------------------------------

# Rational approximations of W. J. Cody, "Rational Chebyshev approximations for the error function", Mathematics of
# Computation 23 (1969): numerators and denominators, the highest power first, of erf(x)/x in x² for |x| ≤ 0.46875, ...
NEAR = (
    (1.85777706184603153e-1, 3.16112374387056560e0, 1.13864154151050156e2, 3.77485237685302021e2,
     3.20937758913846947e3),
    (1.0, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3, 2.84423683343917062e3),
)  # fmt: skip
# ... and of eˣˣ erfc(x) in x for 0.46875 ≤ x ≤ 4; up to 6, where erfc is below 2e-17, it is good enough for erf.
FAR = (
    (2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594e0, 6.61191906371416295e1,
     2.98635138197400131e2, 8.81952221241769090e2, 1.71204761263407058e3, 2.05107837782607147e3, 1.23033935479799725e3),
    (1.0, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2, 1.62138957456669019e3,
     3.29079923573345963e3, 4.36261909014324716e3, 3.43936767414372164e3, 1.23033935480374942e3),
)  # fmt: skip


class Erf(Elementwise):
    """y = erf x, which is 2/√π ∫₀ˣ exp(−t²) dt;  x̄ = ȳ 2/√π exp(−x²)."""

    __slots__ = ()
    analytic = False

    def fprop(self, x: Any) -> Any:
        size = np.abs(x)
        near = np.minimum(size, 0.46875)
        far = np.clip(size, 0.46875, 6.0)
        below = near * rational(NEAR, near * near)
        above = 1 - np.exp(-far * far) * rational(FAR, far)
        return np.copysign(np.where(size > 0.46875, above, below), x)

    def bprop(self, adjoint: Node) -> Entries:
        (x,) = self.children
        return adjoint * (2 / math.sqrt(math.pi) * exp(-x * x))


def rational(coefficients: tuple[tuple[float, ...], tuple[float, ...]], x: Any) -> Any:
    """The rational function with the given numerator and denominator, in x's own precision."""
    return _polynomial(coefficients[0], x) / _polynomial(coefficients[1], x)


def _polynomial(coefficients: tuple[float, ...], x: Any) -> Any:
    """Horner's rule."""
    y: Any = coefficients[0]
    for coefficient in coefficients[1:]:
        y = y * x + coefficient
    return y


def erf(x: Operand) -> Node:
    """The error function y = 2/√π ∫₀ˣ exp(−t²) dt. With it the normal distribution has Φ(√2 x) = (1 + y) / 2."""
    x = as_node(x)
    return Erf(x if x.dtype.kind == "f" else x.astype(np.float64))


ADVICE[np.i0] = "its slope is another Bessel function, which NumPy lacks: compute it outside the graph, from x.value"

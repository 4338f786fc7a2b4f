"""Arithmetic, comparisons, logic and choice: what Python's operators mean on nodes, and `where`. All broadcast.

What jumps (comparisons, sign, floor) has no adjoint: its derivative is 0 wherever it has one. Powers are with the
elementary functions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.dispatch import ADVICE, Way, answers, refuse_out
from minigrad.node import Node, as_node
from minigrad.ops.base import Elementwise, Entries, Masked, Operation

if TYPE_CHECKING:
    from minigrad.operators import Operand

__all__ = [
    # arithmetic
    "Add", "Subtract", "Multiply", "Divide", "Negative", "Positive", "Absolute", "Fabs",
    "add", "subtract", "multiply", "divide", "negative", "positive", "absolute", "fabs",
    "Mod", "Fmod", "FloorDivide", "mod", "fmod", "floor_divide", "divmod",
    # choosing
    "Maximum", "Minimum", "Fmax", "Fmin", "Where", "Numbers", "maximum", "minimum", "fmax", "fmin", "where", "clip",
    # piecewise constant: values and booleans without adjoint
    "PiecewiseConstant", "Sign", "Floor", "Ceil", "Trunc", "Rint", "Round",
    "sign", "floor", "ceil", "trunc", "rint", "round",
    "Equal", "NotEqual", "Less", "LessEqual", "Greater", "GreaterEqual",
    "equal", "not_equal", "less", "less_equal", "greater", "greater_equal",
    "LeftShift", "RightShift", "SignBit", "left_shift", "right_shift", "signbit",
    "LogicalAnd", "LogicalOr", "LogicalXor", "LogicalNot", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "Invert",
    "logical_and", "logical_or", "logical_xor", "logical_not", "bitwise_and", "bitwise_or", "bitwise_xor", "invert",
    "IsFinite", "IsNan", "IsInf", "IsClose", "isfinite", "isnan", "isinf", "isclose",
    # questions with a plain answer
    "allclose", "array_equal",
]  # fmt: skip


# Arithmetic --------------------------------------------------------------------------------------------------------


@answers(np.add)
class Add(Elementwise):
    """y = a + b;  ā = ȳ, b̄ = ȳ."""

    __slots__ = ()

    def fprop(self, a: Any, b: Any) -> Any:
        return a + b

    def bprop(self, adjoint: Node) -> Entries:
        return adjoint, adjoint


@answers(np.subtract)
class Subtract(Elementwise):
    """y = a − b;  ā = ȳ, b̄ = −ȳ."""

    __slots__ = ()

    def fprop(self, a: Any, b: Any) -> Any:
        return a - b

    def bprop(self, adjoint: Node) -> Entries:
        return adjoint, lambda: -adjoint


@answers(np.multiply)
class Multiply(Elementwise):
    """y = a b;  ā = ȳ b, b̄ = ȳ a."""

    __slots__ = ()

    def fprop(self, a: Any, b: Any) -> Any:
        return a * b

    def bprop(self, adjoint: Node) -> Entries:
        a, b = self.children
        return lambda: adjoint * b, lambda: adjoint * a


@answers(np.divide)
class Divide(Elementwise):
    """y = a / b;  ā = ȳ / b, b̄ = −ȳ y / b."""

    __slots__ = ()

    def fprop(self, a: Any, b: Any) -> Any:
        return a / b

    def bprop(self, adjoint: Node) -> Entries:
        _, b = self.children
        return lambda: adjoint / b, lambda: -adjoint * self / b


@answers(np.negative)
class Negative(Elementwise):
    """y = −x;  x̄ = −ȳ."""

    __slots__ = ()

    def fprop(self, x: Any) -> Any:
        return -x

    def bprop(self, adjoint: Node) -> Entries:
        return -adjoint


@answers(np.positive)
class Positive(Elementwise):
    """y = x;  x̄ = ȳ."""

    __slots__ = ()

    def fprop(self, x: Any) -> Any:
        return +x

    def bprop(self, adjoint: Node) -> Entries:
        return adjoint


@answers(np.absolute)
class Absolute(Elementwise):
    """y = |x|;  x̄ = ȳ sign x, so 0 at 0."""

    __slots__ = ()
    smooth = False
    analytic = False

    def fprop(self, x: Any) -> Any:
        return np.absolute(x)

    def bprop(self, adjoint: Node) -> Entries:
        return adjoint * sign(self.children[0])


@answers(np.fabs)
class Fabs(Absolute):
    """y = |x|, in floating point even for integers;  x̄ = ȳ sign x."""

    __slots__ = ()

    def fprop(self, x: Any) -> Any:
        return np.fabs(x)


@answers(np.mod)
class Mod(Elementwise):
    """y = a − b ⌊a/b⌋, of b's sign;  ā = ȳ, b̄ = −ȳ ⌊a/b⌋."""

    __slots__ = ()
    smooth = False
    analytic = False

    def fprop(self, a: Any, b: Any) -> Any:
        return np.mod(a, b)

    def bprop(self, adjoint: Node) -> Entries:
        a, b = self.children
        return adjoint, lambda: -adjoint * floor_divide(a, b)


@answers(np.fmod)
class Fmod(Elementwise):
    """y = a − b trunc(a/b), of a's sign, as C has it;  ā = ȳ, b̄ = −ȳ trunc(a/b)."""

    __slots__ = ()
    smooth = False
    analytic = False

    def fprop(self, a: Any, b: Any) -> Any:
        return np.fmod(a, b)

    def bprop(self, adjoint: Node) -> Entries:
        a, b = self.children
        return adjoint, lambda: -adjoint * trunc(a / b)


def add(a: Operand, b: Operand) -> Node:
    """a + b."""
    return Add(a, b)


def subtract(a: Operand, b: Operand) -> Node:
    """a − b."""
    return Subtract(a, b)


def multiply(a: Operand, b: Operand) -> Node:
    """a b, entry by entry."""
    return Multiply(a, b)


def divide(a: Operand, b: Operand) -> Node:
    """a / b; integers give floating-point numbers."""
    return Divide(a, b)


def negative(x: Operand) -> Node:
    """−x."""
    return Negative(x)


def positive(x: Operand) -> Node:
    """x as it is."""
    return Positive(x)


def absolute(x: Operand) -> Node:
    """|x|."""
    return Absolute(x)


def fabs(x: Operand) -> Node:
    """|x| in floating point."""
    return Fabs(x)


def mod(a: Operand, b: Operand) -> Node:
    """The remainder of a / b, of b's sign."""
    return Mod(a, b)


def fmod(a: Operand, b: Operand) -> Node:
    """The remainder of a / b, of a's sign."""
    return Fmod(a, b)


# Choosing ----------------------------------------------------------------------------------------------------------


class _Choice(Elementwise):
    """y = a where `_first` holds, else b;  ā = ȳ there and 0 elsewhere, b̄ the other way round; masked as in `Where`."""

    __slots__ = ()
    smooth = False
    analytic = False

    def _first(self, a: Node, b: Node) -> Node:
        raise TypeError(f"{type(self).__name__} does not say when it takes a")

    def bprop(self, adjoint: Node) -> Entries:
        first = self._first(*self.children)
        return lambda: Masked(where(first, adjoint, 0), first), lambda: Masked(where(first, 0, adjoint), ~first)


@answers(np.maximum)
class Maximum(_Choice):
    """y = max(a, b), nan if one is nan;  ā = ȳ where a ≥ b, else 0, b̄ = 0 where a ≥ b, else ȳ: in a tie to a."""

    __slots__ = ()

    def fprop(self, a: Any, b: Any) -> Any:
        return np.maximum(a, b)

    def _first(self, a: Node, b: Node) -> Node:
        return a >= b


@answers(np.minimum)
class Minimum(_Choice):
    """y = min(a, b), nan if one is nan;  ā = ȳ where a ≤ b, else 0, b̄ = 0 where a ≤ b, else ȳ: in a tie to a."""

    __slots__ = ()

    def fprop(self, a: Any, b: Any) -> Any:
        return np.minimum(a, b)

    def _first(self, a: Node, b: Node) -> Node:
        return a <= b


@answers(np.fmax)
class Fmax(_Choice):
    """y = max(a, b), of a nan and a number the number;  ā = ȳ where c holds, else 0, b̄ = 0 where c holds, else ȳ,
    c = whether a ≥ b or b is nan.
    """

    __slots__ = ()

    def fprop(self, a: Any, b: Any) -> Any:
        return np.fmax(a, b)

    def _first(self, a: Node, b: Node) -> Node:
        return (a >= b) | isnan(b)


@answers(np.fmin)
class Fmin(_Choice):
    """y = min(a, b), of a nan and a number the number;  ā = ȳ where c holds, else 0, b̄ = 0 where c holds, else ȳ,
    c = whether a ≤ b or b is nan.
    """

    __slots__ = ()

    def fprop(self, a: Any, b: Any) -> Any:
        return np.fmin(a, b)

    def _first(self, a: Node, b: Node) -> Node:
        return (a <= b) | isnan(b)


class Where(Elementwise):
    """y = a where c holds, else b;  ā = ȳ where c holds, else 0, b̄ = 0 where c holds, else ȳ: c is the condition.

    The mask travels along with the adjoint, so that a nan of the branch not taken never comes out as 0 · nan. It goes
    through elementwise operations, and through all that moves, copies or sums entries (reshape, slices, transposes,
    concatenate, sum, mean, max, ...). Any other operation (a product of matrices, a norm, softmax, prod) ends it: guard its
    input too.
    """

    __slots__ = ()

    def fprop(self, condition: Any, a: Any, b: Any) -> Any:
        return chosen(condition, a, b)

    def bprop(self, adjoint: Node) -> Entries:
        condition = self.children[0]
        return (
            None,
            lambda: Masked(where(condition, adjoint, 0), condition),
            lambda: Masked(where(condition, 0, adjoint), ~condition),
        )


class Numbers(Elementwise):
    """y = x, from which reductions leave nan out;  x̄ = 0 where x is nan, else ȳ; masked as in `Where`."""

    __slots__ = ()
    checked = "definition"

    def fprop(self, x: Any) -> Any:
        return x

    def bprop(self, adjoint: Node) -> Entries:
        known = ~isnan(self.children[0])
        return Masked(where(known, adjoint, 0), known)


_INTEGERS: dict[Any, Any] = {np.dtype(np.float32): np.int32, np.dtype(np.float64): np.int64}


def chosen(condition: Any, a: Any, b: Any, out: Any = None) -> Any:
    """np.where of arrays, in memory that may be that of a or b.

    Where there are many, floating-point numbers are chosen bit by bit, b ^ ((a ^ b) & mask), and of a number and 0 as a
    whole number times 1 or 0: np.where takes up to thirty times as long if the condition has no pattern, since the
    processor guesses which way each entry goes.
    """
    integer = _INTEGERS.get(a.dtype)
    if integer is None or b.dtype != a.dtype or condition.dtype != np.bool_ or max(a.size, condition.size) < 1024:
        found = np.where(condition, a, b)
        if out is None:
            return found
        np.copyto(out, found)
        return out
    bits_a, bits_b = a.view(integer), b.view(integer)
    bits = None if out is None else out.view(integer)
    if b.ndim == 0 and bits_b == 0:
        bits = np.multiply(bits_a, condition.astype(integer), out=bits)
    elif a.ndim == 0 and bits_a == 0:
        bits = np.multiply(bits_b, (~condition).astype(integer), out=bits)
    else:
        mask = condition.astype(integer)
        np.negative(mask, out=mask)
        bits = np.bitwise_xor((bits_a ^ bits_b) & mask, bits_b, out=bits)
    return bits.view(a.dtype) if out is None else out


def maximum(a: Operand, b: Operand) -> Node:
    """The larger of a and b, entry by entry."""
    return Maximum(a, b)


def minimum(a: Operand, b: Operand) -> Node:
    """The smaller of a and b, entry by entry."""
    return Minimum(a, b)


def fmax(a: Operand, b: Operand) -> Node:
    """The larger of a and b; a nan loses against a number."""
    return Fmax(a, b)


def fmin(a: Operand, b: Operand) -> Node:
    """The smaller of a and b; a nan loses against a number."""
    return Fmin(a, b)


@answers(np.where)
def where(condition: Operand, x: Operand | None = None, y: Operand | None = None, /) -> Node:
    """x where the condition holds, else y."""
    if x is None or y is None:
        raise TypeError(
            "np.where on nodes takes three arguments, np.where(condition, x, y): how many entries np.where(condition) "
            "finds depends on values; for indices outside the graph write np.nonzero(condition.value)"
        )
    condition = as_node(condition)
    return Where(condition if condition.dtype.kind == "b" else condition != 0, x, y)


@answers(np.clip)
def clip(
    a: Operand,
    a_min: Operand | None = None,
    a_max: Operand | None = None,
    out: None = None,
    *,
    min: Operand | None = None,
    max: Operand | None = None,
) -> Node:
    """a between two bounds, min(max(a, a_min), a_max); None is no bound. At a bound the adjoint still goes to a."""
    refuse_out(out)
    if min is not None or max is not None:
        if a_min is not None or a_max is not None:
            raise ValueError("np.clip takes a_min and a_max, or the keywords min and max, not both")
        a_min, a_max = min, max
    x = as_node(a)
    if a_min is not None:
        x = Maximum(x, a_min)
    return x if a_max is None else Minimum(x, a_max)


# Piecewise constant ------------------------------------------------------------------------------------------------


class PiecewiseConstant(Operation):
    """An operation whose value does not move when its children move a little: no child has an adjoint."""

    __slots__ = ()
    checked = "definition"
    smooth = False
    analytic = False

    def bprop(self, adjoint: Node) -> Entries:
        return [None] * len(self.children)


class _Step(PiecewiseConstant, Elementwise):
    """A piecewise constant function, entry by entry."""

    __slots__ = ()


@answers(np.sign)
class Sign(_Step):
    """y = sign x, which is 1 for x > 0, −1 for x < 0, 0 at 0;  no adjoint."""

    __slots__ = ()

    def fprop(self, x: Any) -> Any:
        return np.sign(x)


@answers(np.floor)
class Floor(_Step):
    """y = ⌊x⌋;  no adjoint."""

    __slots__ = ()

    def fprop(self, x: Any) -> Any:
        return np.floor(x)


@answers(np.ceil)
class Ceil(_Step):
    """y = ⌈x⌉;  no adjoint."""

    __slots__ = ()

    def fprop(self, x: Any) -> Any:
        return np.ceil(x)


@answers(np.trunc)
class Trunc(_Step):
    """y = trunc x, x without its fraction;  no adjoint."""

    __slots__ = ()

    def fprop(self, x: Any) -> Any:
        return np.trunc(x)


@answers(np.rint)
class Rint(_Step):
    """y = rint x, the integer nearest to x, of two the even one;  no adjoint."""

    __slots__ = ()

    def fprop(self, x: Any) -> Any:
        return np.rint(x)


class Round(_Step):
    """y = round(x, decimals), x rounded to a number of decimals;  no adjoint."""

    __slots__ = ()
    decimals: int

    def fprop(self, x: Any, *, decimals: int = 0) -> Any:
        return np.round(x, decimals)


@answers(np.floor_divide)
class FloorDivide(_Step):
    """y = ⌊a / b⌋;  no adjoint."""

    __slots__ = ()

    def fprop(self, a: Any, b: Any) -> Any:
        return np.floor_divide(a, b)


@answers(np.equal)
class Equal(_Step):
    """y = whether a = b;  no adjoint."""

    __slots__ = ()

    def fprop(self, a: Any, b: Any) -> Any:
        return np.equal(a, b)


@answers(np.not_equal)
class NotEqual(_Step):
    """y = whether a ≠ b;  no adjoint."""

    __slots__ = ()

    def fprop(self, a: Any, b: Any) -> Any:
        return np.not_equal(a, b)


@answers(np.less)
class Less(_Step):
    """y = whether a < b;  no adjoint."""

    __slots__ = ()

    def fprop(self, a: Any, b: Any) -> Any:
        return np.less(a, b)


@answers(np.less_equal)
class LessEqual(_Step):
    """y = whether a ≤ b;  no adjoint."""

    __slots__ = ()

    def fprop(self, a: Any, b: Any) -> Any:
        return np.less_equal(a, b)


@answers(np.greater)
class Greater(_Step):
    """y = whether a > b;  no adjoint."""

    __slots__ = ()

    def fprop(self, a: Any, b: Any) -> Any:
        return np.greater(a, b)


@answers(np.greater_equal)
class GreaterEqual(_Step):
    """y = whether a ≥ b;  no adjoint."""

    __slots__ = ()

    def fprop(self, a: Any, b: Any) -> Any:
        return np.greater_equal(a, b)


@answers(np.logical_and)
class LogicalAnd(_Step):
    """y = whether a ≠ 0 and b ≠ 0;  no adjoint."""

    __slots__ = ()

    def fprop(self, a: Any, b: Any) -> Any:
        return np.logical_and(a, b)


@answers(np.logical_or)
class LogicalOr(_Step):
    """y = whether a ≠ 0 or b ≠ 0;  no adjoint."""

    __slots__ = ()

    def fprop(self, a: Any, b: Any) -> Any:
        return np.logical_or(a, b)


@answers(np.logical_xor)
class LogicalXor(_Step):
    """y = whether (a ≠ 0) ≠ (b ≠ 0), exactly one of them is nonzero;  no adjoint."""

    __slots__ = ()

    def fprop(self, a: Any, b: Any) -> Any:
        return np.logical_xor(a, b)


@answers(np.logical_not)
class LogicalNot(_Step):
    """y = whether x = 0;  no adjoint."""

    __slots__ = ()

    def fprop(self, x: Any) -> Any:
        return np.logical_not(x)


@answers(np.bitwise_and)
class BitwiseAnd(_Step):
    """y = a & b: of booleans whether both hold, of integers bit by bit;  no adjoint."""

    __slots__ = ()

    def fprop(self, a: Any, b: Any) -> Any:
        return a & b


@answers(np.bitwise_or)
class BitwiseOr(_Step):
    """y = a | b: of booleans whether one holds, of integers bit by bit;  no adjoint."""

    __slots__ = ()

    def fprop(self, a: Any, b: Any) -> Any:
        return a | b


@answers(np.bitwise_xor)
class BitwiseXor(_Step):
    """y = a ^ b: of booleans whether exactly one holds, of integers bit by bit;  no adjoint."""

    __slots__ = ()

    def fprop(self, a: Any, b: Any) -> Any:
        return a ^ b


@answers(np.invert)
class Invert(_Step):
    """y = ~x: of booleans whether it does not hold, of integers bit by bit;  no adjoint."""

    __slots__ = ()

    def fprop(self, x: Any) -> Any:
        return ~x


@answers(np.left_shift)
class LeftShift(_Step):
    """y = a · 2ᵇ, of integers, bit by bit;  no adjoint."""

    __slots__ = ()

    def fprop(self, a: Any, b: Any) -> Any:
        return np.left_shift(a, b)


@answers(np.right_shift)
class RightShift(_Step):
    """y = ⌊a / 2ᵇ⌋, of integers, bit by bit;  no adjoint."""

    __slots__ = ()

    def fprop(self, a: Any, b: Any) -> Any:
        return np.right_shift(a, b)


@answers(np.signbit)
class SignBit(_Step):
    """y = whether x is negative, or −0;  no adjoint."""

    __slots__ = ()

    def fprop(self, x: Any) -> Any:
        return np.signbit(x)


@answers(np.isfinite)
class IsFinite(_Step):
    """y = whether x is finite, neither nan nor infinite;  no adjoint."""

    __slots__ = ()

    def fprop(self, x: Any) -> Any:
        return np.isfinite(x)


@answers(np.isnan)
class IsNan(_Step):
    """y = whether x is nan;  no adjoint."""

    __slots__ = ()

    def fprop(self, x: Any) -> Any:
        return np.isnan(x)


@answers(np.isinf)
class IsInf(_Step):
    """y = whether x is infinite;  no adjoint."""

    __slots__ = ()

    def fprop(self, x: Any) -> Any:
        return np.isinf(x)


class IsClose(_Step):
    """y = whether |a − b| ≤ atol + rtol |b|;  no adjoint."""

    __slots__ = ()
    rtol: float
    atol: float
    equal_nan: bool

    def fprop(self, a: Any, b: Any, *, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Any:
        return np.isclose(a, b, rtol=rtol, atol=atol, equal_nan=equal_nan)


def sign(x: Operand) -> Node:
    """1, −1 or 0."""
    return Sign(x)


def floor(x: Operand) -> Node:
    """The largest integer not above x."""
    return Floor(x)


def ceil(x: Operand) -> Node:
    """The smallest integer not below x."""
    return Ceil(x)


def trunc(x: Operand) -> Node:
    """x without its fraction."""
    return Trunc(x)


def rint(x: Operand) -> Node:
    """The nearest integer, of two the even one."""
    return Rint(x)


@answers(np.round, np.around)
def round(a: Operand, decimals: int = 0, out: None = None) -> Node:
    """a to the given number of decimals (before the point where it is negative)."""
    refuse_out(out)
    return Round(a, decimals=decimals)


def floor_divide(a: Operand, b: Operand) -> Node:
    """⌊a / b⌋."""
    return FloorDivide(a, b)


@answers(np.divmod)
def divmod(a: Operand, b: Operand) -> Any:
    """⌊a / b⌋ and the remainder, of b's sign: two nodes."""
    return FloorDivide(a, b), Mod(a, b)


def equal(a: Operand, b: Operand) -> Node:
    """Whether a = b, entry by entry."""
    return Equal(a, b)


def not_equal(a: Operand, b: Operand) -> Node:
    """Whether a ≠ b, entry by entry."""
    return NotEqual(a, b)


def less(a: Operand, b: Operand) -> Node:
    """Whether a < b, entry by entry."""
    return Less(a, b)


def less_equal(a: Operand, b: Operand) -> Node:
    """Whether a ≤ b, entry by entry."""
    return LessEqual(a, b)


def greater(a: Operand, b: Operand) -> Node:
    """Whether a > b, entry by entry."""
    return Greater(a, b)


def greater_equal(a: Operand, b: Operand) -> Node:
    """Whether a ≥ b, entry by entry."""
    return GreaterEqual(a, b)


def logical_and(a: Operand, b: Operand) -> Node:
    """Whether both are nonzero."""
    return LogicalAnd(a, b)


def logical_or(a: Operand, b: Operand) -> Node:
    """Whether one is nonzero."""
    return LogicalOr(a, b)


def logical_xor(a: Operand, b: Operand) -> Node:
    """Whether exactly one is nonzero."""
    return LogicalXor(a, b)


def logical_not(x: Operand) -> Node:
    """Whether it is 0."""
    return LogicalNot(x)


def bitwise_and(a: Operand, b: Operand) -> Node:
    """a & b."""
    return BitwiseAnd(a, b)


def bitwise_or(a: Operand, b: Operand) -> Node:
    """a | b."""
    return BitwiseOr(a, b)


def bitwise_xor(a: Operand, b: Operand) -> Node:
    """a ^ b."""
    return BitwiseXor(a, b)


def invert(x: Operand) -> Node:
    """~x."""
    return Invert(x)


def left_shift(a: Operand, b: Operand) -> Node:
    """a << b."""
    return LeftShift(a, b)


def right_shift(a: Operand, b: Operand) -> Node:
    """a >> b."""
    return RightShift(a, b)


def signbit(x: Operand) -> Node:
    """Whether x is negative, or −0."""
    return SignBit(x)


def isfinite(x: Operand) -> Node:
    """Whether x is neither nan nor infinite."""
    return IsFinite(x)


def isnan(x: Operand) -> Node:
    """Whether x is nan."""
    return IsNan(x)


def isinf(x: Operand) -> Node:
    """Whether x is infinite."""
    return IsInf(x)


@answers(np.isclose)
def isclose(a: Operand, b: Operand, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Node:
    """Whether |a − b| ≤ atol + rtol |b|, entry by entry."""
    return IsClose(a, b, rtol=rtol, atol=atol, equal_nan=equal_nan)


# Questions with a plain answer -------------------------------------------------------------------------------------


@answers(np.allclose)
def allclose(a: Operand, b: Operand, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> bool:
    """Whether all entries are close: a plain answer, outside the graph (np.isclose gives a node)."""
    return np.allclose(as_node(a).value, as_node(b).value, rtol=rtol, atol=atol, equal_nan=equal_nan)


@answers(np.array_equal)
def array_equal(a1: Operand, a2: Operand, equal_nan: bool = False) -> bool:
    """Whether shapes and all entries are equal: a plain answer, outside the graph (== gives a node)."""
    return np.array_equal(as_node(a1).value, as_node(a2).value, equal_nan=equal_nan)


def floating(x: Operand) -> Node:
    """x as a floating-point node: integers and booleans become float64, as in np.exp."""
    node = as_node(x)
    return node if node.dtype.kind == "f" else node.astype(np.float64)


ADVICE.update(
    {
        np.gcd: "compute it outside the graph, from x.value",
        np.lcm: "compute it outside the graph, from x.value",
        np.piecewise: Way("np.piecewise(x, [x < 0, x >= 1], [-1, 1])", "np.select([x < 0, x >= 1], [-1.0, 1.0], 0.0)"),
    }
)

"""NumPy's other functions that work entry by entry, composed of the operations of `arithmetic` and `elementwise`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.dispatch import answers, refuse_out
from minigrad.node import Constant, Node, as_node
from minigrad.ops.arithmetic import absolute, floating, greater, isfinite, isinf, isnan, less, signbit, trunc, where
from minigrad.ops.base import as_nodes
from minigrad.ops.casting import astype
from minigrad.ops.elementwise import Power, logaddexp
from minigrad.ops.shaping import ravel, reshape, zeros_like

if TYPE_CHECKING:
    from minigrad.operators import Operand

__all__ = [
    "degrees", "radians", "copysign", "heaviside", "real", "imag", "conj", "angle", "isreal", "iscomplex", "modf", "fix",
    "isposinf", "isneginf", "nan_to_num", "float_power", "logaddexp2", "isin", "array_equiv", "can_cast", "result_type",
]  # fmt: skip


# Angles and signs ----------------------------------------------------------------------------------------------------


@answers(np.degrees, np.rad2deg)
def degrees(x: Operand) -> Node:
    """Radians in degrees."""
    return floating(x) * (180 / math.pi)


@answers(np.radians, np.deg2rad)
def radians(x: Operand) -> Node:
    """Degrees in radians."""
    return floating(x) * (math.pi / 180)


@answers(np.copysign)
def copysign(a: Operand, b: Operand) -> Node:
    """|a| with the sign of b, which has no adjoint."""
    size, signed = _floats(a, b)
    size = absolute(astype(size, np.result_type(size.dtype, signed.dtype)))
    return where(signbit(signed), -size, size)


@answers(np.heaviside)
def heaviside(x: Operand, at_zero: Operand) -> Node:
    """0 below 0, 1 above, and at 0 a number that is given and takes the adjoint; nan stays nan."""
    x, at_zero = _floats(x, at_zero)
    step = where(x < 0, 0, where(x == 0, at_zero, 1))
    return where(isnan(x), astype(x, step.dtype), step)


def _floats(*operands: Operand) -> list[Node]:
    """The operands as floating-point nodes; Python numbers take the dtype of the others."""
    return [floating(x) for x in as_nodes(operands)]


# Complex numbers, of which nodes are the real ones -------------------------------------------------------------------


@answers(np.real)
def real(val: Operand) -> Node:
    """x itself: nodes are real."""
    return as_node(val)


@answers(np.conj)
def conj(x: Operand) -> Node:
    """x itself: nodes are real."""
    return as_node(x)


@answers(np.imag)
def imag(val: Operand) -> Node:
    """Zeros: nodes are real."""
    return zeros_like(val)


@answers(np.angle)
def angle(z: Operand, deg: bool = False) -> Node:
    """The angle of a real number: 0, or π (180 degrees) where it is negative."""
    x = floating(z)
    return where(isnan(x), x, where(signbit(x), Constant(np.asarray(180 if deg else np.pi, x.dtype)), 0))


@answers(np.isreal)
def isreal(x: Operand) -> Node:
    """True everywhere: nodes are real."""
    return Constant(np.ones(as_node(x).shape, bool))


@answers(np.iscomplex)
def iscomplex(x: Operand) -> Node:
    """False everywhere: nodes are real."""
    return Constant(np.zeros(as_node(x).shape, bool))


@answers(np.isrealobj)
def _isrealobj(x: Operand) -> bool:
    """True: nodes are real. A plain answer."""
    return True


@answers(np.iscomplexobj)
def _iscomplexobj(x: Operand) -> bool:
    """False: nodes are real. A plain answer."""
    return False


# Parts of numbers, and numbers that are none -------------------------------------------------------------------------


@answers(np.modf)
def modf(x: Operand) -> tuple[Node, Node]:
    """The fraction, of x's sign, and the integer part, which has no adjoint."""
    x = floating(x)
    whole = trunc(x)
    return where(isinf(x), 0, x - where(isinf(x), 0, whole)), whole


@answers(np.fix)
def fix(x: Operand, out: None = None) -> Node:
    """x rounded towards 0."""
    refuse_out(out)
    return trunc(x)


@answers(np.isposinf)
def isposinf(x: Operand, out: None = None) -> Node:
    """Whether x is +∞."""
    refuse_out(out)
    return isinf(x) & greater(x, 0)


@answers(np.isneginf)
def isneginf(x: Operand, out: None = None) -> Node:
    """Whether x is −∞."""
    refuse_out(out)
    return isinf(x) & less(x, 0)


@answers(np.nan_to_num)
def nan_to_num(
    x: Operand, copy: bool = True, nan: Operand = 0.0, posinf: Operand | None = None, neginf: Operand | None = None
) -> Node:
    """x with a number for nan, and for ±∞ what is given, or the largest and smallest number of its dtype.

    What was replaced has no adjoint.
    """
    node = as_node(x)
    if node.dtype.kind != "f":
        return node
    limits = np.finfo(node.dtype)
    high, low = limits.max if posinf is None else posinf, limits.min if neginf is None else neginf
    nan, high, low = (astype(as_node(number, node.dtype), node.dtype) for number in (nan, high, low))
    return where(isfinite(node), node, where(isnan(node), nan, where(node > 0, high, low)))


# Powers, logarithms and questions ------------------------------------------------------------------------------------


@answers(np.float_power)
def float_power(a: Operand, b: Operand) -> Node:
    """aᵇ in float64."""
    return Power(astype(a, np.float64), astype(b, np.float64))


@answers(np.logaddexp2)
def logaddexp2(a: Operand, b: Operand) -> Node:
    """log₂(2ᵃ + 2ᵇ), without overflow."""
    a, b = as_nodes((a, b))
    return logaddexp(a * math.log(2), b * math.log(2)) / math.log(2)


@answers(np.isin)
def isin(
    element: Operand,
    test_elements: Operand,
    assume_unique: bool = False,
    invert: bool = False,
    *,
    kind: str | None = None,
) -> Node:
    """Whether each entry is one of the test elements, a boolean node. Every one is compared with every other."""
    x = as_node(element)
    found = (reshape(x, (*x.shape, 1)) == ravel(test_elements)).any(-1)
    return ~found if invert else found


@answers(np.array_equiv)
def array_equiv(a1: Operand, a2: Operand) -> bool:
    """Whether two arrays are equal after broadcasting: a plain answer, outside the graph."""
    return np.array_equiv(as_node(a1).value, as_node(a2).value)


@answers(np.result_type)
def result_type(*arrays_and_dtypes: Any) -> np.dtype[Any]:
    """The dtype that operands have together: a plain answer."""
    return np.result_type(*[x.dtype if isinstance(x, Node) else x for x in arrays_and_dtypes])


@answers(np.can_cast)
def can_cast(from_: Operand, to: Any, casting: Any = "safe") -> bool:
    """Whether a dtype goes into another: a plain answer."""
    return np.can_cast(from_.dtype if isinstance(from_, Node) else from_, to, casting)

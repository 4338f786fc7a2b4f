"""Activation functions: what NumPy lacks and nets apply to their sums. All are finite at ±1000, in float32 too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.node import Node, as_node
from minigrad.ops.arithmetic import where
from minigrad.ops.base import Elementwise, Entries, Operation
from minigrad.ops.elementwise import exp
from minigrad.ops.reductions import broadcastable

if TYPE_CHECKING:
    from minigrad.operators import Axis, Operand

__all__ = [
    # entry by entry
    "Sigmoid", "Softplus", "ReLU", "sigmoid", "softplus", "relu",
    # along axes
    "Softmax", "LogSoftmax", "LogSumExp", "softmax", "log_softmax", "logsumexp",
]  # fmt: skip


# Entry by entry ----------------------------------------------------------------------------------------------------


class Sigmoid(Elementwise):
    """y = 1 / (1 + e⁻ˣ);  x̄ = ȳ y (1 − y)."""

    __slots__ = ()
    analytic = False

    def fprop(self, x: Any) -> Any:
        return np.exp(np.minimum(x, 0)) / (1 + np.exp(-np.abs(x)))  # no exponent is above 0

    def bprop(self, adjoint: Node) -> Entries:
        return adjoint * (self * (1 - self))


class Softplus(Elementwise):
    """y = ln(1 + eˣ);  x̄ = ȳ / (1 + e⁻ˣ)."""

    __slots__ = ()
    analytic = False

    def fprop(self, x: Any) -> Any:
        return np.logaddexp(x, 0)

    def bprop(self, adjoint: Node) -> Entries:
        return adjoint * Sigmoid(self.children[0])


class ReLU(Elementwise):
    """y = max(x, 0);  x̄ = ȳ where x > 0, else 0 (so 0 at 0)."""

    __slots__ = ()
    smooth = False
    analytic = False

    def fprop(self, x: Any) -> Any:
        return np.maximum(x, 0)

    def bprop(self, adjoint: Node) -> Entries:
        return where(self > 0, adjoint, 0)


def sigmoid(x: Operand) -> Node:
    """1 / (1 + e⁻ˣ), the logistic function."""
    return Sigmoid(_floating(x))


def softplus(x: Operand, beta: float = 1) -> Node:
    """ln(1 + e^(βx)) / β for a number β > 0: the smooth relu; the larger β, the sharper its bend."""
    if not beta > 0:
        raise ValueError(f"softplus(x, beta={beta!r}): beta is a number above 0")
    x = _floating(x)
    return Softplus(x) if beta == 1 else Softplus(x * beta) / beta


def relu(x: Operand) -> Node:
    """max(x, 0), the rectifier."""
    return ReLU(x)


# Along axes --------------------------------------------------------------------------------------------------------


class Softmax(Operation):
    """y = eˣ / Σ eˣ along the axis;  x̄ = y (ȳ − Σ ȳ y): the full Jacobian diag(y) − y y', not its diagonal."""

    __slots__ = ()
    analytic = False
    axis: Axis

    def fprop(self, x: Any, *, axis: Axis = -1) -> Any:
        e = np.exp(x - x.max(axis=axis, keepdims=True, initial=-np.inf))
        return e / e.sum(axis=axis, keepdims=True)

    def bprop(self, adjoint: Node) -> Entries:
        return self * (adjoint - (adjoint * self).sum(self.axis, keepdims=True))


class LogSoftmax(Operation):
    """y = x − ln Σ eˣ along the axis;  x̄ = ȳ − eʸ Σ ȳ."""

    __slots__ = ()
    analytic = False
    axis: Axis

    def fprop(self, x: Any, *, axis: Axis = -1) -> Any:
        z = x - x.max(axis=axis, keepdims=True, initial=-np.inf)
        return z - np.log(np.maximum(np.exp(z).sum(axis=axis, keepdims=True), 1))  # it holds e⁰, or there is nothing

    def bprop(self, adjoint: Node) -> Entries:
        return adjoint - exp(self) * adjoint.sum(self.axis, keepdims=True)


class LogSumExp(Operation):
    """y = m + ln Σ eˣ⁻ᵐ over the axes, m their maximum;  x̄ = ȳ softmax(x) (nan where all are −∞, or one is +∞)."""

    __slots__ = ()
    analytic = False
    axis: Axis
    keepdims: bool

    def fprop(self, x: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
        m = x.max(axis=axis, keepdims=True, initial=-np.inf)
        limit = np.finfo(x.dtype).max
        total = np.exp(x - np.clip(m, -limit, limit)).sum(axis=axis, keepdims=True)
        y = m + np.log(np.maximum(total, 1))  # it holds e⁰, or all x are −∞, or there are none
        return y if keepdims else np.squeeze(y, axis)

    def bprop(self, adjoint: Node) -> Entries:
        (x,) = self.children
        return broadcastable(adjoint, x, self.axis) * Softmax(x, axis=self.axis)


def softmax(x: Operand, axis: Axis = -1) -> Node:
    """eˣ / Σ eˣ along the axis (or axes): positive, and of sum 1."""
    return Softmax(_floating(x), axis=axis)


def log_softmax(x: Operand, axis: Axis = -1) -> Node:
    """ln softmax(x) along the axis (or axes), without underflow."""
    return LogSoftmax(_floating(x), axis=axis)


def logsumexp(x: Operand, axis: Axis = None, keepdims: bool = False) -> Node:
    """ln Σ eˣ over the axes, without overflow; −∞ where there are no entries."""
    return LogSumExp(_floating(x), axis=axis, keepdims=keepdims)


def _floating(x: Operand) -> Node:
    """x as a floating-point node: integers become float64, as in np.exp."""
    node = as_node(x)
    return node if node.dtype.kind == "f" else node.astype(np.float64)

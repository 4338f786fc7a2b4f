"""Twenty elementwise operations and their gradient, by hand, in buffers that are used again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.by_hand.base import Step

if TYPE_CHECKING:
    from benchmarks.rows import Problem


class Chain(Step):
    """mean(F(F(x))), F(y) = h² + e with v = y/2 + x, s = v² + 1, e = v / s, h = x tanh(e) − 0.1: ten operations each.

    Back: h̄ = 2 h · adjoint, x̄ += h̄ tanh(e), ē = adjoint + h̄ x (1 − tanh² e), v̄ = ē (1 − v²) / s², x̄ += v̄, ȳ = v̄ / 2.
    """

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.buffers = [np.empty_like(self.store.flat) for _ in range(9)]

    def sweep(self) -> float:
        size = self.store.flat.size
        return self._sweep(self.store.flat, self.store.flat_gradient, self.buffers, 1 / size) / size

    def _sweep(self, x: Any, x_adjoint: Any, buffers: list[Any], slope: float) -> float:
        """The sum of F(F(x)); slope times its derivative in x_adjoint."""
        first, second, y = buffers[:4], buffers[4:8], buffers[8]
        self._forward(x, x, first, y)
        self._forward(x, y, second, y)
        total = float(np.add.reduce(y))
        y.fill(slope)
        self._backward(y, second, x_adjoint, first=False)
        self._backward(y, first, x_adjoint, first=True)
        x_adjoint += y  # the first F took x for y
        return total

    def _forward(self, x: Any, y: Any, saved: list[Any], out: Any) -> None:
        """F(y); leaves 1 − v² over s², tanh e, h and x (1 − tanh² e) behind."""
        slope, tanh, h, e = saved
        v = np.multiply(y, 0.5, out=slope)
        v += x
        square = np.multiply(v, v, out=h)
        np.add(square, 1, out=tanh)
        np.divide(v, tanh, out=e)
        tanh *= tanh
        np.subtract(1, square, out=slope)
        slope /= tanh
        np.tanh(e, out=tanh)
        np.multiply(x, tanh, out=h)
        h -= 0.1
        np.multiply(h, h, out=out)
        out += e
        np.multiply(tanh, tanh, out=e)
        np.subtract(1, e, out=e)
        e *= x

    def _backward(self, y_adjoint: Any, saved: list[Any], x_adjoint: Any, *, first: bool) -> None:
        """From ȳ in y_adjoint to that of F's argument, there; x̄ is begun by the second F and added to by the first."""
        slope, tanh, h, through = saved
        h *= 2
        h *= y_adjoint
        if first:
            tanh *= h
            x_adjoint += tanh
        else:
            np.multiply(tanh, h, out=x_adjoint)
        h *= through
        y_adjoint += h
        y_adjoint *= slope
        x_adjoint += y_adjoint
        y_adjoint *= 0.5

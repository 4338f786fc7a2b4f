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

    block: so many values at a time go through all of it, while they are in the cache
    """

    block: int | None = 32768

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        x, x_adjoint = self.store.values["x"], self.store.gradients["x"]
        block = min(self.block or x.size, x.size)
        self.blocks = [(x[i : i + block], x_adjoint[i : i + block]) for i in range(0, x.size, block)]
        self.buffers = [np.empty(block, x.dtype) for _ in range(10)]

    def sweep(self, scale: float) -> float:
        total = 0.0
        slope = scale / self.store.flat.size
        for x, x_adjoint in self.blocks:
            total += self._block(x, x_adjoint, [buffer[: x.size] for buffer in self.buffers], slope)
        return total / self.store.flat.size

    def _block(self, x: Any, x_adjoint: Any, buffers: list[Any], slope: float) -> float:
        first, second, y, spare = buffers[:4], buffers[4:8], buffers[8], buffers[9]
        self._forward(x, x, first, y)
        self._forward(x, y, second, y)
        total = float(np.add.reduce(y))
        y.fill(slope)
        self._backward(x, y, second, spare, x_adjoint, None)
        self._backward(x, y, first, spare, x_adjoint, x_adjoint)
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

    def _backward(self, x: Any, y_adjoint: Any, saved: list[Any], spare: Any, x_adjoint: Any, before: Any) -> None:
        """From ȳ in y_adjoint to that of F's argument, there; x̄ = before + what comes from here."""
        slope, tanh, h, through = saved
        h *= 2
        h *= y_adjoint
        tanh *= h
        if before is None:
            np.copyto(x_adjoint, tanh)
        else:
            x_adjoint += tanh
        h *= through
        y_adjoint += h
        y_adjoint *= slope
        x_adjoint += y_adjoint
        y_adjoint *= 0.5


class WholeChain(Chain):
    """The same, each operation over all values."""

    block = None

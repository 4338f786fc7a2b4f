"""A stack of dense layers with relu between them, and dropout after each relu if wanted, by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.by_hand.base import Step, cross_entropy

if TYPE_CHECKING:
    from benchmarks.rows import Problem


class MLP(Step):
    """Dropout needs no mask of its own on the way back: what was dropped, as what relu cut, is 0.

    The masks are drawn as `Dropout` draws them, so that the same seed gives the same numbers.
    """

    def __init__(self, problem: Problem, features: Any = None) -> None:
        """features: what the first layer reads, if not the inputs; then its adjoint is computed too."""
        super().__init__(problem)
        values, gradients = self.store.values, self.store.gradients
        names = [name.removesuffix(".W") for name in values if name.startswith("dense") and name.endswith(".W")]
        self.layers = [(values[f"{name}.W"], values[f"{name}.b"]) for name in names]
        self.slopes = [(gradients[f"{name}.W"], gradients[f"{name}.b"]) for name in names]
        batch, dtype = len(problem.inputs), problem.inputs.dtype
        first = problem.inputs if features is None else features
        self.y = [first, *[np.empty((batch, len(b)), dtype) for _, b in self.layers]]
        self.adjoints = [None if features is None else np.empty_like(first), *map(np.empty_like, self.y[1:-1])]
        self.alive = [np.empty(y.shape, bool) for y in self.y[1:-1]]
        self.keep = 1 - problem.row.sizes.get("dropout", 0.0)
        self.draws = [np.empty(y.shape, np.float32) for y in self.y[1:-1]] if self.keep < 1 else []
        self.generators = problem.generators()
        self.ones = np.ones(batch, dtype)
        self.rows, self.targets = np.arange(batch), problem.targets

    def sweep(self) -> float:
        self._forward()
        loss = cross_entropy(self.y[-1], self.rows, self.targets, self.scale)
        self._backward(self.y[-1])
        return loss

    def _forward(self) -> None:
        last = len(self.layers) - 1
        for i, (W, b) in enumerate(self.layers):
            y = np.matmul(self.y[i], W.T, out=self.y[i + 1])
            y += b
            if i < last:
                np.maximum(y, 0, out=y)
                if self.draws:
                    self.generators[i].random(out=self.draws[i], dtype=np.float32)
                    y *= np.less(self.draws[i], self.keep, out=self.alive[i])
                    y *= 1 / self.keep

    def _backward(self, error: Any) -> None:
        for i in reversed(range(len(self.layers))):
            W_slope, b_slope = self.slopes[i]
            np.matmul(error.T, self.y[i], out=W_slope)
            self.ones.dot(error, b_slope)
            if self.adjoints[i] is not None:
                error = np.matmul(error, self.layers[i][0], out=self.adjoints[i])
            if i:
                error *= np.greater(self.y[i], 0, out=self.alive[i - 1])
                if self.draws:
                    error *= 1 / self.keep

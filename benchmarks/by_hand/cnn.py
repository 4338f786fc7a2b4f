"""LeNet by hand: two convolutions with relu and max pooling, three dense layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from benchmarks.by_hand.base import Step, flat
from benchmarks.by_hand.mlp import MLP

if TYPE_CHECKING:
    from benchmarks.rows import Problem


class MaxPool:
    """The largest of two by two, from the four corners of every window, and back to where it came from.

    corners: views of what is pooled: above left, above right, below left, below right
    """

    def __init__(self, corners: list[Any]) -> None:
        self.corners = corners
        shape, dtype = corners[0].shape, corners[0].dtype
        self.upper, self.lower = (np.empty(shape, dtype) for _ in range(2))
        self.right_above, self.right_below, self.below = (np.empty(shape, bool) for _ in range(3))

    def forward(self, out: Any) -> Any:
        a, b, c, d = self.corners
        np.greater(b, a, out=self.right_above)  # a tie goes to the first
        np.greater(d, c, out=self.right_below)
        np.maximum(a, b, out=self.upper)
        np.maximum(c, d, out=self.lower)
        np.greater(self.lower, self.upper, out=self.below)
        return np.maximum(self.upper, self.lower, out=out)

    def backward(self, adjoint: Any) -> None:
        """Writes the adjoint of what was pooled over it."""
        a, b, c, d = self.corners
        np.multiply(adjoint, self.below, out=self.lower)
        np.subtract(adjoint, self.lower, out=self.upper)
        np.multiply(self.upper, self.right_above, out=b)
        np.subtract(self.upper, b, out=a)
        np.multiply(self.lower, self.right_below, out=d)
        np.subtract(self.lower, d, out=c)


class Convolution:
    """relu(W * x + b), then the largest of two by two.

    Windows are (batch, row, column, down, right, channel), so that the convolution is one product. Their adjoints are
    (down, right, batch, row, column, channel): what is added to the image at once then is not scattered.
    """

    def __init__(self, x: Any, name: str, step: Step, out: Any, *, first: bool) -> None:
        values, gradients, dtype = step.store.values, step.store.gradients, x.dtype
        self.kernels, self.b = values[f"{name}.W"], values[f"{name}.b"]
        self.W, self.W_slope = (a.reshape(len(self.b), -1) for a in (self.kernels, gradients[f"{name}.W"]))
        self.b_slope = gradients[f"{name}.b"]
        size = self.kernels.shape[1]
        self.seen = sliding_window_view(x, (size, size), (1, 2)).transpose(0, 1, 2, 4, 5, 3)
        batch, side = self.seen.shape[:2]
        self.windows = np.empty(self.seen.shape, dtype)
        self.wide = self.windows.reshape(batch * side * side, -1)
        self.y, self.out = np.empty((batch, side, side, len(self.b)), dtype), out
        self.alive = np.empty(self.y.shape, bool)
        self.bias = np.empty((side * side, len(self.b)), dtype)  # b at every place: adding long rows is quicker
        self.pool = MaxPool([self.y[:, u::2, v::2] for u in range(2) for v in range(2)])
        self.ones = np.ones(len(self.wide), dtype)
        self.x_adjoint = None if first else np.empty_like(x)
        if self.x_adjoint is not None:
            self.windows_adjoint = np.empty((size, size, *x[:, :side, :side].shape), dtype)
            places = [(u, v) for u in range(size) for v in range(size)]
            self.folds = [
                (self.x_adjoint[:, u : u + side, v : v + side], self.windows_adjoint[u, v]) for u, v in places
            ]

    def forward(self) -> None:
        np.copyto(self.windows, self.seen)
        np.matmul(self.wide, self.W.T, out=flat(self.y))
        self.bias[:] = self.b
        rows = self.y.reshape(len(self.y), -1)
        rows += self.bias.reshape(-1)
        np.maximum(self.y, 0, out=self.y)
        np.greater(self.y, 0, out=self.alive)
        self.pool.forward(self.out)

    def backward(self, adjoint: Any) -> Any:
        """Takes the adjoint of what it gave; gives that of its input."""
        self.pool.backward(adjoint)
        self.y *= self.alive
        rows = flat(self.y)
        np.matmul(rows.T, self.wide, out=self.W_slope)
        self.ones.dot(rows, self.b_slope)
        if self.x_adjoint is None:
            return None
        size = self.kernels.shape[1]
        np.matmul(rows, self.kernels.transpose(1, 2, 0, 3), out=self.windows_adjoint.reshape(size, size, len(rows), -1))
        self.x_adjoint.fill(0)
        for pixels, window in self.folds:
            pixels += window
        return self.x_adjoint


class LeNet(MLP):
    """Its dense layers are those of `MLP`."""

    def __init__(self, problem: Problem) -> None:
        images, kernels = problem.inputs, [problem.parameters[f"conv2d_{i}.W"] for i in (1, 2)]
        x, pooled = images, []
        for W in kernels:
            side = (x.shape[1] - W.shape[1] + 1) // 2
            x = np.empty((len(images), side, side, len(W)), images.dtype)
            pooled.append(x)
        super().__init__(problem, features=x.reshape(len(images), -1))
        self.convolutions = [
            Convolution(images, "conv2d_1", self, pooled[0], first=True),
            Convolution(pooled[0], "conv2d_2", self, pooled[1], first=False),
        ]
        self.pooled_adjoint = self.adjoints[0].reshape(x.shape)

    def sweep(self) -> float:
        for convolution in self.convolutions:
            convolution.forward()
        loss = super().sweep()
        adjoint = self.pooled_adjoint
        for convolution in reversed(self.convolutions):
            adjoint = convolution.backward(adjoint)
        return loss

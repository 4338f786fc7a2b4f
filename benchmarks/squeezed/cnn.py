"""LeNet squeezed: two convolutions with relu and max pooling, three dense layers.

Arrays are (channels, height, width, batch): every copy, maximum and sum then runs along whole images' worth of memory, and
a convolution is one product with a matrix of windows, rows (down, right, channel), columns (row, column, example).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.by_hand.base import cross_entropy
from benchmarks.by_hand.cnn import MaxPool
from benchmarks.squeezed.base import Squeezed

if TYPE_CHECKING:
    from benchmarks.rows import Problem


class Convolution:
    """y = W * x + b, then relu and the largest of two by two: relu after pooling gives the same and costs a quarter."""

    def __init__(self, x: Any, name: str, step: Squeezed, out: Any, *, first: bool) -> None:
        values, gradients = step.store.values, step.store.gradients
        W = values[f"{name}.W"]
        filters, size = len(W), W.shape[1]
        channels, height, _, batch = x.shape
        side, dtype = height - size + 1, x.dtype
        self.W, self.b = W.reshape(filters, -1), values[f"{name}.b"]
        self.W_slope, self.b_slope = gradients[f"{name}.W"].reshape(filters, -1), gradients[f"{name}.b"]
        self.windows = np.empty((size, size, channels, side, side, batch), dtype)
        places = [(u, v) for u in range(size) for v in range(size)]
        self.copies = [(self.windows[u, v], x[:, u : u + side, v : v + side]) for u, v in places]
        self.y = np.empty((filters, side, side, batch), dtype)
        self.pool = MaxPool([self.y[:, u::2, v::2] for u in range(2) for v in range(2)])
        self.out, half = out, (filters, side // 2, side // 2, batch)
        self.largest, self.adjoint, self.alive = np.empty(half, dtype), np.empty(half, dtype), np.empty(half, bool)
        self.x_adjoint = None if first else np.empty_like(x)
        if self.x_adjoint is not None:
            self.windows_adjoint = np.empty_like(self.windows)
            self.folds = [
                (self.x_adjoint[:, u : u + side, v : v + side], self.windows_adjoint[u, v]) for u, v in places
            ]

    def forward(self) -> None:
        for window, pixels in self.copies:
            np.copyto(window, pixels)
        np.matmul(self.W, self.windows.reshape(self.W.shape[1], -1), out=self.y.reshape(len(self.W), -1))
        self.pool.forward(self.largest)
        self.largest += self.b[:, np.newaxis, np.newaxis, np.newaxis]
        np.maximum(self.largest, 0, out=self.out)

    def backward(self, adjoint: Any) -> Any:
        """Takes the adjoint of what it gave; gives that of its input."""
        np.multiply(adjoint, np.greater(self.out, 0, out=self.alive), out=self.adjoint)
        self.pool.backward(self.adjoint)
        flat = self.y.reshape(len(self.W), -1)
        np.matmul(flat, self.windows.reshape(self.W.shape[1], -1).T, out=self.W_slope)
        np.add.reduce(self.adjoint.reshape(len(self.W), -1), axis=1, out=self.b_slope)
        if self.x_adjoint is None:
            return None
        np.matmul(self.W.T, flat, out=self.windows_adjoint.reshape(self.W.shape[1], -1))
        self.x_adjoint[:] = 0
        for pixels, window in self.folds:
            pixels += window
        return self.x_adjoint


class LeNet(Squeezed):
    """Columns are examples in the dense layers too. The last pool writes (row, column, channel), the order they read."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        images = np.ascontiguousarray(problem.inputs.transpose(3, 1, 2, 0))
        batch, dtype, values = images.shape[-1], images.dtype, self.store.values
        first, second = values["conv2d_1.W"], values["conv2d_2.W"]
        side = (images.shape[1] - first.shape[1] + 1) // 2
        pooled = np.empty((len(first), side, side, batch), dtype)
        side = (side - second.shape[1] + 1) // 2
        flat = np.empty((side, side, len(second), batch), dtype)
        self.flat_images = flat.transpose(2, 0, 1, 3)
        self.convolutions = [
            Convolution(images, "conv2d_1", self, pooled, first=True),
            Convolution(pooled, "conv2d_2", self, self.flat_images, first=False),
        ]
        names = ("dense_1", "dense_2", "dense_3")
        self.layers = [(values[f"{name}.W"], values[f"{name}.b"][:, np.newaxis]) for name in names]
        self.slopes = [(self.store.gradients[f"{name}.W"], self.store.gradients[f"{name}.b"]) for name in names]
        self.y = [flat.reshape(-1, batch), *[np.empty((len(W), batch), dtype) for W, _ in self.layers]]
        self.adjoints = [np.empty_like(y) for y in self.y[:-1]]
        self.image_adjoints = self.adjoints[0].reshape(flat.shape).transpose(2, 0, 1, 3)
        self.rows, self.targets = np.arange(batch), problem.targets

    def sweep(self) -> float:
        for convolution in self.convolutions:
            convolution.forward()
        for i, (W, b) in enumerate(self.layers):
            y = np.matmul(W, self.y[i], out=self.y[i + 1])
            y += b
            if i < 2:
                np.maximum(y, 0, out=y)
        loss = cross_entropy(self.y[-1].T, self.rows, self.targets, self.scale)
        error = self.y[-1]
        for i in reversed(range(3)):
            W_slope, b_slope = self.slopes[i]
            np.matmul(error, self.y[i].T, out=W_slope)
            np.add.reduce(error, axis=1, out=b_slope)
            error = np.matmul(self.layers[i][0].T, error, out=self.adjoints[i])
            if i:
                error *= self.y[i] > 0
        adjoint = self.image_adjoints
        for convolution in reversed(self.convolutions):
            adjoint = convolution.backward(adjoint)
        return loss

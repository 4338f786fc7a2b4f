"""Convolution and pooling layers for images, (batch, height, width, channels)."""

from __future__ import annotations

from math import prod, sqrt
from typing import TYPE_CHECKING, SupportsIndex

import numpy as np

from minigrad.dispatch import TABLE
from minigrad.models.initializers import Initializer, normal
from minigrad.models.inputs import count, float_dtype, floats, started
from minigrad.models.layers import Activation, activated, name_of
from minigrad.models.module import Module
from minigrad.node import Node, Parameter
from minigrad.ops.windows import Padding, Pair, as_padding, as_pair, average_pool2d, conv2d, max_pool2d

if TYPE_CHECKING:
    import numpy.typing as npt

    from minigrad.operators import Operand


class Conv2D(Module):
    """y = σ(X * W + b): n_filters linear readings of every window of the images, the same for all windows.

    Y[n, i, j, f] = σ(Σ_uvc X[n, i s + u, j s + v, c] W[f, u, v, c] + b[f]), see `mg.conv2d`.

    Back: with δ = Ȳ σ'(·), W̄[f, u, v, c] = Σ_nij δ[n, i, j, f] X[n, i s + u, j s + v, c], b̄[f] = Σ_nij δ[n, i, j, f],
    and X̄[n, i s + u, j s + v, c] += Σ_f δ[n, i, j, f] W[f, u, v, c] over all i, j, u, v.

    n_channels:  of the images
    size:        of the windows, a number or (height, width)
    stride:      from one window to the next, a number or (down, right)
    padding:     zeros around the images: a number P for every side, (top and bottom, left and right), "valid" for 0, or
                 "same" for ⌈length / stride⌉ windows
    activation:  σ, a function of nodes that keeps the shape; None for none
    bias:        False leaves b out, as before a BatchNorm
    initializer: of W; by default He's for relu, N(0, 2 / (height · width · n_channels)) (K. He, X. Zhang, S. Ren and J.
                 Sun, Delving deep into rectifiers, ICCV 2015). b starts at 0
    rng:         a numpy Generator or a seed; None starts differently in every run

    Shapes: X (batch, height, width, n_channels) to Y (batch, rows, columns, n_filters), with rows and columns
    ⌊(W − F + 2 P) / S⌋ + 1 (`mg.ops.output_length`); W (n_filters, height, width, n_channels), b (n_filters,). So there are
    (height · width · n_channels + 1) · n_filters parameters.

    >>> import numpy as np
    >>> from minigrad.models import Conv2D
    >>> layer = Conv2D(3, 5, size=3, rng=0)
    >>> layer(np.zeros((2, 8, 8, 3))).shape, sum(p.size for p in layer.parameters())
    ((2, 6, 6, 5), 140)
    """

    def __init__(
        self,
        n_channels: SupportsIndex,
        n_filters: SupportsIndex,
        size: Pair,
        stride: Pair = 1,
        padding: Padding = 0,
        activation: Activation | None = None,
        bias: bool = True,
        *,
        initializer: Initializer | None = None,
        dtype: npt.DTypeLike = np.float32,
        rng: np.random.Generator | int | None = None,
    ) -> None:
        self.n_channels = count("Conv2D", "n_channels", n_channels)
        self.n_filters = count("Conv2D", "n_filters", n_filters)
        self.size = as_pair("Conv2D", "size", size, 1)
        self.stride = as_pair("Conv2D", "stride", stride, 1)
        self.padding = as_padding("Conv2D", padding)
        self.activation_name = "" if activation is None else name_of("Conv2D", activation)
        self.activation = None if activation is None else TABLE.get(activation, activation)
        self.dtype = float_dtype("Conv2D", dtype)
        fan_in = prod(self.size) * self.n_channels
        start = normal(sqrt(2 / fan_in)) if initializer is None else initializer
        shape = (self.n_filters, *self.size, self.n_channels)
        self.W = Parameter(started("Conv2D", "W", start, shape, np.random.default_rng(rng), self.dtype))
        self.b = Parameter(np.zeros(self.n_filters, self.dtype)) if bias else None

    def forward(self, x: Operand) -> Node:
        """(batch, rows, columns, n_filters) from images (batch, height, width, n_channels)."""
        y = conv2d(floats("Conv2D", x, self.dtype), self.W, self.stride, self.padding)
        if self.b is not None:
            y = y + self.b
        return y if self.activation is None else activated("Conv2D", self.activation, y)

    def description(self) -> str:
        """Channels, filters, the windows' size, and the activation."""
        return ", ".join(filter(None, [f"{self.n_channels}, {self.n_filters}, {self.size}", self.activation_name]))


class Pool2D(Module):
    """What pools share: the size of their windows and the stride, numbers or (height, width). No parameters."""

    def __init__(self, size: Pair, stride: Pair | None = None) -> None:
        name = type(self).__name__
        self.size = as_pair(name, "size", size, 1)
        self.stride = self.size if stride is None else as_pair(name, "stride", stride, 1)


class MaxPool2D(Pool2D):
    """Y[n, i, j, c] = max_uv X[n, i s + u, j s + v, c];  the adjoint goes to the first such entry (row by row).

    The largest entry of every window, channel by channel.

    stride None is the size, windows side by side. (batch, height, width, channels) to (batch, rows, columns, channels);
    entries that no whole window covers are left out.
    """

    def forward(self, x: Operand) -> Node:
        return max_pool2d(x, self.size, self.stride)


class AveragePool2D(Pool2D):
    """Y[n, i, j, c] = mean_uv X[n, i s + u, j s + v, c];  the adjoint is shared equally.

    The mean of every window, channel by channel. Sizes and shapes: `MaxPool2D`.
    """

    def forward(self, x: Operand) -> Node:
        return average_pool2d(x, self.size, self.stride)

"""Convolution, transposed convolution and pooling layers for images, (batch, height, width, channels)."""

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
from minigrad.ops import reshape, transpose
from minigrad.ops.windows import (
    Padding,
    Pair,
    as_groups,
    as_padding,
    as_pair,
    average_pool2d,
    conv2d,
    conv2d_transpose,
    max_pool2d,
)

if TYPE_CHECKING:
    import numpy.typing as npt

    from minigrad.operators import Operand


class _Convolving(Module):
    """What convolution and its transpose share: sizes, weights with outputs first, and an activation."""

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
        dilation: Pair = 1,
        groups: SupportsIndex = 1,
        initializer: Initializer | None = None,
        dtype: npt.DTypeLike = np.float32,
        rng: np.random.Generator | int | None = None,
    ) -> None:
        name = type(self).__name__
        self.n_channels = count(name, "n_channels", n_channels)
        self.n_filters = count(name, "n_filters", n_filters)
        self.size = as_pair(name, "size", size, 1)
        self.stride = as_pair(name, "stride", stride, 1)
        self.padding = as_padding(name, padding)
        self.dilation = as_pair(name, "dilation", dilation, 1)
        self.groups = as_groups(name, groups, n_channels=self.n_channels, n_filters=self.n_filters)
        self.activation_name = "" if activation is None else name_of(name, activation)
        self.activation = None if activation is None else TABLE.get(activation, activation)
        self.dtype = float_dtype(name, dtype)
        start = normal(sqrt(2 / self._fan_in())) if initializer is None else initializer
        shape = (self.n_filters, *self.size, self.n_channels // self.groups)
        self.W = Parameter(started(name, "W", start, shape, np.random.default_rng(rng), self.dtype))
        self.b = Parameter(np.zeros(self.n_filters, self.dtype)) if bias else None

    def _fan_in(self) -> float:
        """How many products an output sums."""
        return prod(self.size) * self.n_channels / self.groups

    def _activated(self, y: Node) -> Node:
        if self.b is not None:
            y = y + self.b
        return y if self.activation is None else activated(type(self).__name__, self.activation, y)

    def description(self) -> str:
        """Channels, filters, the windows' size, what differs from the defaults, and the activation."""
        dilation = "" if self.dilation == (1, 1) else f"dilation={self.dilation}"
        groups = "" if self.groups == 1 else f"groups={self.groups}"
        parts = [f"{self.n_channels}, {self.n_filters}, {self.size}", dilation, groups, self.activation_name]
        return ", ".join(filter(None, parts))


class Conv2D(_Convolving):
    """y = σ(X * W + b): n_filters linear readings of every window of the images, the same for all windows.

    Y[n, i, j, f] = σ(Σ_uvc X[n, i s + u d, j s + v d, c] W[f, u, v, c] + b[f]), see `mg.conv2d`.

    Back: with δ = Ȳ σ'(·), W̄[f, u, v, c] = Σ_nij δ[n, i, j, f] X[n, i s + u d, j s + v d, c], b̄[f] = Σ_nij δ[n, i, j, f],
    and X̄[n, i s + u d, j s + v d, c] += Σ_f δ[n, i, j, f] W[f, u, v, c] over all i, j, u, v.

    n_channels:  of the images
    size:        of the windows, a number or (height, width)
    stride:      s, from one window to the next, a number or (down, right)
    padding:     zeros around the images: a number P for every side, (top and bottom, left and right), "valid" for 0, or
                 "same" for ⌈length / stride⌉ windows
    activation:  σ, a function of nodes that keeps the shape; None for none
    bias:        False leaves b out, as before a BatchNorm
    dilation:    d, from one entry of a window to the next, a number or (down, right): windows see farther, not more
    groups:      blocks of channels and of filters: those of a block read the channels of that block only. It divides both;
                 n_channels convolves each channel by itself ("depthwise")
    initializer: of W; by default He's for relu, N(0, 2 / (height · width · n_channels / groups)) (K. He, X. Zhang, S. Ren
                 and J. Sun, Delving deep into rectifiers, ICCV 2015). b starts at 0
    rng:         a numpy Generator or a seed; None starts differently in every run

    Shapes: X (batch, height, width, n_channels) to Y (batch, rows, columns, n_filters), with rows and columns
    ⌊(length − d (F − 1) − 1 + 2 P) / s⌋ + 1 (`mg.ops.output_length`); W (n_filters, height, width, n_channels / groups),
    b (n_filters,). So there are (height · width · n_channels / groups + 1) · n_filters parameters.

    F. Yu and V. Koltun, Multi-scale context aggregation by dilated convolutions, ICLR 2016; groups: A. Krizhevsky,
    I. Sutskever and G. Hinton, ImageNet classification with deep convolutional neural networks, NIPS 2012.

    >>> import numpy as np
    >>> from minigrad.models import Conv2D
    >>> layer = Conv2D(3, 5, size=3, rng=0)
    >>> layer(np.zeros((2, 8, 8, 3))).shape, sum(p.size for p in layer.parameters())
    ((2, 6, 6, 5), 140)
    """

    def forward(self, x: Operand) -> Node:
        """(batch, rows, columns, n_filters) from images (batch, height, width, n_channels)."""
        images = floats("Conv2D", x, self.dtype)
        return self._activated(conv2d(images, self.W, self.stride, self.padding, self.dilation, self.groups))


class Conv2DTranspose(_Convolving):
    """y = σ(C' x + b) with C a convolution by W: every entry of the images adds a window to larger images.

    Y[n, i s + u d, j s + v d, f] = σ(Σ_ijuvc X[n, i, j, c] W[f, u, v, c] + b[f]), see `mg.conv2d_transpose`.

    Back: with δ = Ȳ σ'(·), X̄[n, i, j, c] = Σ_uvf δ[n, i s + u d, j s + v d, f] W[f, u, v, c],
    W̄[f, u, v, c] = Σ_nij δ[n, i s + u d, j s + v d, f] X[n, i, j, c], b̄[f] = Σ_nij δ[n, i, j, f].

    n_channels, n_filters, size, stride, dilation, groups, activation, bias, rng: as in `Conv2D`; the stride says by how much
    images grow

    padding:        what is cut off the edges: a number P for every side, (top and bottom, left and right), "valid" for 0,
                    or "same" for images of length · stride
    output_padding: rows and columns more at the bottom and right, less than the stride; not with "same"
    initializer:    of W; by default He's for relu, N(0, 2 / (height · width · n_channels / groups / strides)), the strides'
                    product, since so many products an output sums on average. b starts at 0

    Shapes: X (batch, height, width, n_channels) to Y (batch, rows, columns, n_filters), with rows and columns
    (length − 1) s + d (F − 1) + 1 − 2 P + output_padding; W (n_filters, height, width, n_channels / groups), outputs first
    as in every layer, b (n_filters,).

    M. D. Zeiler, D. Krishnan, G. W. Taylor and R. Fergus, Deconvolutional networks, CVPR 2010.

    >>> import numpy as np
    >>> from minigrad.models import Conv2DTranspose
    >>> Conv2DTranspose(3, 5, size=4, stride=2, padding=1, rng=0)(np.zeros((2, 8, 8, 3))).shape
    (2, 16, 16, 5)
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
        output_padding: Pair = 0,
        dilation: Pair = 1,
        groups: SupportsIndex = 1,
        initializer: Initializer | None = None,
        dtype: npt.DTypeLike = np.float32,
        rng: np.random.Generator | int | None = None,
    ) -> None:
        self.output_padding = as_pair("Conv2DTranspose", "output_padding", output_padding, 0)
        super().__init__(
            n_channels,
            n_filters,
            size,
            stride,
            padding,
            activation,
            bias,
            dilation=dilation,
            groups=groups,
            initializer=initializer,
            dtype=dtype,
            rng=rng,
        )

    def _fan_in(self) -> float:
        return super()._fan_in() / prod(self.stride)

    def forward(self, x: Operand) -> Node:
        """(batch, rows, columns, n_filters) from images (batch, height, width, n_channels)."""
        images = floats("Conv2DTranspose", x, self.dtype)
        if images.ndim == 4 and images.shape[3] != self.n_channels:
            raise ValueError(
                f"Conv2DTranspose: expected images (batch, height, width, {self.n_channels}), found {images.label}: channels "
                "come last"
            )
        sliding = (self.stride, self.padding, self.dilation, self.groups, self.output_padding)
        return self._activated(conv2d_transpose(images, self._kernels(), *sliding))

    def _kernels(self) -> Node:
        """W as the kernels of the convolution it is the transpose of, whose filters are the channels here."""
        filters, channels = self.n_filters // self.groups, self.n_channels // self.groups
        by_group = transpose(reshape(self.W, (self.groups, filters, *self.size, channels)), (0, 4, 2, 3, 1))
        return reshape(by_group, (self.n_channels, *self.size, filters))


class Pool2D(Module):
    """What pools share: the size of their windows, the stride and the padding, numbers or (height, width). No parameters."""

    def __init__(self, size: Pair, stride: Pair | None = None, padding: Padding = 0) -> None:
        name = type(self).__name__
        self.size = as_pair(name, "size", size, 1)
        self.stride = self.size if stride is None else as_pair(name, "stride", stride, 1)
        self.padding = as_padding(name, padding)
        if self.padding != "same" and any(p >= n for p, n in zip(self.padding, self.size, strict=True)):
            raise ValueError(f"{name}(padding={padding!r}): expected less than the size, {self.size}")


class MaxPool2D(Pool2D):
    """Y[n, i, j, c] = max_uv X[n, i s + u, j s + v, c];  the adjoint goes to the first such entry (row by row).

    The largest entry of every window, channel by channel.

    stride:  None is the size, windows side by side
    padding: by how much windows may reach over the edges, less than the size: a number for every side, (top and bottom,
             left and right), "valid" for 0, or "same" for ⌈length / stride⌉ windows. What lies beyond does not count

    Shapes: (batch, height, width, channels) to (batch, rows, columns, channels); entries that no whole window covers are
    left out.
    """

    def forward(self, x: Operand) -> Node:
        return max_pool2d(x, self.size, self.stride, self.padding)


class AveragePool2D(Pool2D):
    """Y[n, i, j, c] = mean_uv X[n, i s + u, j s + v, c];  the adjoint is shared equally.

    The mean of every window, channel by channel.

    stride, padding:   as in `MaxPool2D`, and so are the shapes
    count_include_pad: whether zeros count where a window reaches over an edge. False divides by the number of entries of
                       the image in the window (as Keras does), True by the window's size throughout (PyTorch's default)
    """

    def __init__(
        self, size: Pair, stride: Pair | None = None, padding: Padding = 0, *, count_include_pad: bool = False
    ) -> None:
        super().__init__(size, stride, padding)
        self.count_include_pad = bool(count_include_pad)

    def forward(self, x: Operand) -> Node:
        return average_pool2d(x, self.size, self.stride, self.padding, count_include_pad=self.count_include_pad)

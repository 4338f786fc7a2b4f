"""Windows of images: what convolution and pooling look at, and both of them composed from it.

Images are (batch, height, width, channels). Sliding a window over them is one linear operation, `Windows`; its transpose,
`Fold`, adds windows back into the image they were cut from. Each is the other's rule, so every order of derivative is
there. A convolution then is one matrix product, a pool one reduction.
"""

from __future__ import annotations

from functools import reduce
from operator import index as as_int
from typing import TYPE_CHECKING, Any, Literal, SupportsIndex, TypeAlias

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from minigrad.node import Node, as_node
from minigrad.ops.arithmetic import maximum
from minigrad.ops.base import Entries, Operation, as_nodes
from minigrad.ops.reductions import max as maximum_over
from minigrad.ops.reductions import mean
from minigrad.ops.shaping import pad, reshape

if TYPE_CHECKING:
    from minigrad.operators import Operand

__all__ = ["Windows", "Fold", "image_windows", "conv2d", "max_pool2d", "average_pool2d", "output_length"]

FEW = 9  # entries of a window whose maximum is taken pair by pair, which is faster than a search for where it is
Pair: TypeAlias = "SupportsIndex | tuple[SupportsIndex, SupportsIndex]"  # one for both axes, or (height, width)
Padding: TypeAlias = Pair | Literal["valid", "same"]


# The two operations --------------------------------------------------------------------------------------------------


class Windows(Operation):
    """Y[n, i, j, u, v, c] = X[n, i s + u, j t + v, c] for strides (s, t);  X̄ = Fold(Ȳ).

    (batch, height, width, channels) to (batch, rows, columns, window height, window width, channels). Nothing is copied.
    """

    __slots__ = ()
    window: tuple[int, int]
    stride: tuple[int, int]

    def fprop(self, x: Any, *, window: tuple[int, int], stride: tuple[int, int]) -> Any:
        everywhere = sliding_window_view(x, window, axis=(1, 2))
        return everywhere[:, :: stride[0], :: stride[1]].transpose(0, 1, 2, 4, 5, 3)

    def bprop(self, adjoint: Node) -> Entries:
        (x,) = self.children
        return Fold(adjoint, height=x.shape[1], width=x.shape[2], stride=self.stride)


class Fold(Operation):
    """Y[n, i s + u, j t + v, c] += X[n, i, j, u, v, c], from 0: windows added up where they overlap;  X̄ = Windows(Ȳ)."""

    __slots__ = ()
    height: int
    width: int
    stride: tuple[int, int]

    def fprop(self, x: Any, *, height: int, width: int, stride: tuple[int, int]) -> Any:
        batch, rows, columns, window_height, window_width, channels = x.shape
        down, right = stride
        y = np.zeros((batch, height, width, channels), x.dtype)
        entries = x.transpose(3, 4, 0, 1, 2, 5)
        if channels < 16:  # then they are too short to be added where they lie
            entries = np.ascontiguousarray(entries)
        for u in range(window_height):  # one entry of all windows at a time: these never overlap
            for v in range(window_width):
                y[:, u : u + rows * down : down, v : v + columns * right : right] += entries[u, v]
        return y

    def bprop(self, adjoint: Node) -> Entries:
        return Windows(adjoint, window=self.children[0].shape[3:5], stride=self.stride)


# Functions -----------------------------------------------------------------------------------------------------------


def image_windows(x: Operand, size: Pair, stride: Pair = 1, padding: Padding = "valid") -> Node:
    """All windows of images: (batch, rows, columns, window height, window width, channels), not copied.

    x:       images, (batch, height, width, channels)
    size:    of a window, a number or (height, width)
    stride:  from one window to the next, a number or (down, right)
    padding: zeros around the images before: a number P on every side, (top and bottom, left and right), "valid" for 0,
             or "same" for as many as give ⌈length / stride⌉ windows (an odd one goes to the bottom or right)

    There are `output_length` rows and columns: what the last whole window leaves over is not read. ValueError if not
    one fits.
    """
    return _windows("image_windows", as_node(x), as_pair("image_windows", "size", size, 1), stride, padding)


def conv2d(x: Operand, kernels: Operand, stride: Pair = 1, padding: Padding = "valid") -> Node:
    """Y[n, i, j, f] = Σ_uvc X[n, i s + u, j t + v, c] K[f, u, v, c]: the windows times the kernels, one matrix product.

    Back: K̄[f, u, v, c] = Σ_nij Ȳ[n, i, j, f] X[n, i s + u, j t + v, c], X̄ = Fold(Σ_f Ȳ[n, i, j, f] K[f, u, v, c]).

    x:       images, (batch, height, width, channels)
    kernels: (n_filters, height, width, channels); not flipped, as in every library for neural nets (cross-correlation)
    returns: (batch, rows, columns, n_filters); `image_windows` says how many there are, and what stride and padding take

    >>> import numpy as np, minigrad as mg
    >>> edges = mg.conv2d(mg.Input(np.eye(4).reshape(1, 4, 4, 1)), np.array([[[[-1.0], [1.0]]]]))
    >>> edges.value[0, :, :, 0]
    array([[-1.,  0.,  0.],
           [ 1., -1.,  0.],
           [ 0.,  1., -1.],
           [ 0.,  0.,  1.]])
    """
    image, kernel = as_nodes((x, kernels))
    if kernel.ndim != 4:
        raise ValueError(f"conv2d: expected kernels (n_filters, height, width, channels), found {kernel.label}")
    n_filters, *size, channels = kernel.shape
    if image.ndim == 4 and image.shape[3] != channels:
        raise ValueError(
            f"conv2d: the images have {image.shape[3]} channels and the kernels {channels}: {image.label}, "
            f"{kernel.label}: both have channels last"
        )
    seen = _windows("conv2d", image, (size[0], size[1]), stride, padding)
    products = reshape(seen, (-1, size[0] * size[1] * channels)) @ reshape(kernel, (n_filters, -1)).T
    return reshape(products, (*seen.shape[:3], n_filters))


def max_pool2d(x: Operand, size: Pair, stride: Pair | None = None) -> Node:
    """The largest entry of every window, channel by channel;  the adjoint goes to the first such entry (row by row).

    x: images, (batch, height, width, channels). stride: None for the size, windows side by side
    """
    image, windows = as_node(x), _pooled("max_pool2d", x, size, stride)
    _, rows, columns, height, width, _ = windows.shape
    if height * width > FEW:
        return maximum_over(windows, axis=(3, 4))
    down, right = windows.attributes["stride"]

    def entries(u: int, v: int) -> Node:
        """Entry (u, v) of every window."""
        return image[:, u : u + (rows - 1) * down + 1 : down, v : v + (columns - 1) * right + 1 : right]

    return reduce(maximum, [entries(u, v) for u in range(height) for v in range(width)])


def average_pool2d(x: Operand, size: Pair, stride: Pair | None = None) -> Node:
    """The mean of every window, channel by channel;  every entry gets its share of the adjoint. Sizes: `max_pool2d`."""
    return mean(_pooled("average_pool2d", x, size, stride), axis=(3, 4))


def output_length(length: int, window: int, stride: int = 1, padding: int = 0) -> int:
    """⌊(W − F + 2 P) / S⌋ + 1: how many windows F wide, S apart, fit into W entries with P zeros on either side.

    Height and width each have their own. At most 0 where no window fits.

    >>> output_length(8, 3, stride=2), output_length(5, 3, padding=1)
    (3, 5)
    """
    return (length - window + 2 * padding) // stride + 1


# Helpers -------------------------------------------------------------------------------------------------------------


def _pooled(function: str, x: Operand, size: Pair, stride: Pair | None) -> Node:
    window = as_pair(function, "size", size, 1)
    return _windows(function, as_node(x), window, window if stride is None else stride, 0)


def _windows(function: str, x: Node, window: tuple[int, int], stride: Pair, padding: Padding) -> Node:
    if x.ndim != 4:
        raise ValueError(
            f"{function}: expected images (batch, height, width, channels), found {x.label}: of one channel write "
            "x[..., np.newaxis], a single image is a batch of one, x[np.newaxis]"
        )
    steps = as_pair(function, "stride", stride, 1)
    widths = _pad_widths(x.shape[1:3], window, steps, as_padding(function, padding))
    for axis, name in enumerate(("height", "width")):
        length, padded = x.shape[1 + axis], x.shape[1 + axis] + sum(widths[axis])
        if output_length(padded, window[axis]) < 1:
            raise ValueError(
                f"{function}: a window of {name} {window[axis]} does not fit into images of {name} {length}"
                f"{f', {padded} with their padding' if padded > length else ''}: {x.label}: take a smaller window, pad "
                "more, or pool less before"
            )
    if any(map(any, widths)):
        x = pad(x, ((0, 0), *widths, (0, 0)))
    return Windows(x, window=window, stride=steps)


def _pad_widths(
    lengths: tuple[int, ...],
    window: tuple[int, int],
    stride: tuple[int, int],
    padding: Literal["same"] | tuple[int, int],
) -> list[tuple[int, int]]:
    """The zeros before and after, for height and width."""
    if padding == "same":
        missing = [
            max((-(-n // s) - 1) * s + w - n, 0) for n, w, s in zip(lengths, window, stride, strict=True)
        ]  # what ⌈n / s⌉ windows reach over
        return [(total // 2, total - total // 2) for total in missing]
    return [(n, n) for n in padding]


def as_padding(function: str, padding: Padding) -> Literal["same"] | tuple[int, int]:
    """Padding as the zeros on either side of height and width, none for "valid", or as "same", which depends on them."""
    if isinstance(padding, str):
        if padding not in ("valid", "same"):
            raise ValueError(f'{function}(padding={padding!r}): "valid", "same", a number or (height, width)')
        return "same" if padding == "same" else (0, 0)
    return as_pair(function, "padding", padding, 0)


def as_pair(function: str, name: str, given: Pair, least: int) -> tuple[int, int]:
    """The two integers, for height and width, that one number or a pair of them stands for."""
    pair = tuple(given) if isinstance(given, tuple | list) else (given, given)
    if len(pair) != 2 or not all(hasattr(n, "__index__") and as_int(n) >= least for n in pair):
        raise ValueError(
            f"{function}({name}={given!r}): expected an integer of at least {least}, or two: (height, width)"
        )
    return as_int(pair[0]), as_int(pair[1])

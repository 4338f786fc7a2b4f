"""Windows of images: what convolution and pooling look at.

Images are (batch, height, width, channels). Sliding a window over them is one linear operation, `Windows`; its
transpose, `Fold`, adds windows back into the image they were cut from. A convolution is linear in the images and in the
kernels: it, its transpose and the gradient of its kernels are the slopes of one trilinear form, so that the rule of each
is the other two, and every order of derivative is there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from math import prod
from operator import index as as_int
from typing import TYPE_CHECKING, Any, Literal, SupportsIndex, TypeAlias

import numpy as np
from numpy.lib.stride_tricks import as_strided

from minigrad.node import Node, as_node
from minigrad.ops.arithmetic import maximum
from minigrad.ops.base import Entries, Operation, as_nodes
from minigrad.ops.reductions import max as maximum_over
from minigrad.ops.reductions import mean
from minigrad.ops.shaping import pad, reshape, transpose

if TYPE_CHECKING:
    from minigrad.operators import Operand

__all__ = [
    "Windows", "Fold", "Convolution", "TransposedConvolution", "KernelCorrelation",
    "image_windows", "conv2d", "max_pool2d", "average_pool2d", "output_length",
]  # fmt: skip

FEW = 9  # entries of a window whose maximum is taken pair by pair, which is faster than a search for where it is
SHORT = 16  # entries of a row of a window that are copied, or channels that are added, more slowly where they lie
Pair: TypeAlias = "SupportsIndex | tuple[SupportsIndex, SupportsIndex]"  # one for both axes, or (height, width)
Padding: TypeAlias = Pair | Literal["valid", "same"]


# Windows and their transpose -----------------------------------------------------------------------------------------


class Windows(Operation):
    """Y[n, i, j, u, v, c] = X[n, i s + u, j t + v, c] for strides (s, t);  X̄ = Fold(Ȳ).

    (batch, height, width, channels) to (batch, rows, columns, window height, window width, channels). Nothing is copied.
    """

    __slots__ = ()
    window: tuple[int, int]
    stride: tuple[int, int]

    def fprop(self, x: Any, *, window: tuple[int, int], stride: tuple[int, int]) -> Any:
        return windows_of(x, window, stride)

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
        return folded(x, (height, width), stride)

    def bprop(self, adjoint: Node) -> Entries:
        return Windows(adjoint, window=self.children[0].shape[3:5], stride=self.stride)


# Convolution: Σ Y[n, i, j, f] X[n, i s + u, j t + v, c] K[f, u, v, c], by each of its three factors ------------------


class Convolution(Operation):
    """Y[n, i, j, f] = Σ_uvc X[n, i s + u, j t + v, c] K[f, u, v, c];  X̄ = TransposedConvolution(Ȳ, K),
    K̄ = KernelCorrelation(X, Ȳ).

    The windows as rows times the kernels as columns, one matrix product; of few channels one for every image.
    """

    __slots__ = ()
    stride: tuple[int, int]

    def fprop(self, x: Any, kernels: Any, *, stride: tuple[int, int]) -> Any:
        n_filters, *window, channels = kernels.shape
        rows, columns = _places(x, window, stride)
        read = _rows_of_windows(x, window, stride, n_filters) @ kernels.reshape(n_filters, prod(window) * channels).T
        return read.reshape(len(x), rows, columns, n_filters)

    def bprop(self, adjoint: Node) -> Entries:
        x, kernels = self.children
        _, height, width, _ = x.shape
        return (
            lambda: TransposedConvolution(adjoint, kernels, height=height, width=width, stride=self.stride),
            lambda: KernelCorrelation(x, adjoint, window=kernels.shape[1:3], stride=self.stride),
        )


class TransposedConvolution(Operation):
    """X[n, i s + u, j t + v, c] += Σ_f Y[n, i, j, f] K[f, u, v, c], from 0;  Ȳ = Convolution(X̄, K),
    K̄ = KernelCorrelation(X̄, Y).

    Every entry of the windows is computed for all of them and added at once: so few lie in memory at a time.
    """

    __slots__ = ()
    height: int
    width: int
    stride: tuple[int, int]

    def fprop(self, y: Any, kernels: Any, *, height: int, width: int, stride: tuple[int, int]) -> Any:
        return transposed_convolution(y, kernels, (height, width), stride)

    def bprop(self, adjoint: Node) -> Entries:
        y, kernels = self.children
        return (
            lambda: Convolution(adjoint, kernels, stride=self.stride),
            lambda: KernelCorrelation(adjoint, y, window=kernels.shape[1:3], stride=self.stride),
        )


class KernelCorrelation(Operation):
    """K[f, u, v, c] = Σ_nij Y[n, i, j, f] X[n, i s + u, j t + v, c];  X̄ = TransposedConvolution(Y, K̄),
    Ȳ = Convolution(X, K̄).
    """

    __slots__ = ()
    window: tuple[int, int]
    stride: tuple[int, int]

    def fprop(self, x: Any, y: Any, *, window: tuple[int, int], stride: tuple[int, int]) -> Any:
        batch, rows, columns, n_filters = y.shape
        seen = _rows_of_windows(x, window, stride, n_filters)
        if seen.ndim == 2:
            slope = y.reshape(batch * rows * columns, n_filters).T @ seen
        else:
            slope = (seen.mT @ y.reshape(batch, rows * columns, n_filters)).sum(axis=0).T
        return slope.reshape(n_filters, *window, x.shape[3])

    def bprop(self, adjoint: Node) -> Entries:
        x, y = self.children
        _, height, width, _ = x.shape
        return (
            lambda: TransposedConvolution(y, adjoint, height=height, width=width, stride=self.stride),
            lambda: Convolution(x, adjoint, stride=self.stride),
        )


# What they do to arrays ----------------------------------------------------------------------------------------------


def _as_one_call(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: a function of arrays which the compiler writes as one call, as it does NumPy's, by NumPy's protocol."""

    @wraps(function)
    def call(x: Any, *arguments: Any, **keywords: Any) -> Any:
        if isinstance(x, np.ndarray):
            return function(x, *arguments, **keywords)
        return x.__array_function__(call, (), (x, *arguments), keywords)

    return call


@_as_one_call
def windows_of(x: Any, window: tuple[int, int], stride: tuple[int, int]) -> Any:
    """A view of the windows of images, (batch, rows, columns, window height, window width, channels)."""
    by_image, by_row, by_column, by_channel = x.strides
    steps = (by_image, by_row * stride[0], by_column * stride[1], by_row, by_column, by_channel)
    return as_strided(x, (len(x), *_places(x, window, stride), *window, x.shape[3]), steps)


@_as_one_call
def folded(windows: Any, size: tuple[int, int], stride: tuple[int, int], out: Any = None) -> Any:
    """Windows added up in images of a (height, width)."""
    entries = windows.transpose(3, 4, 0, 1, 2, 5)
    if windows.shape[5] < SHORT:
        entries = np.ascontiguousarray(entries)
    images = _zeros((len(windows), *size, windows.shape[5]), windows.dtype, out)
    for u, v in np.ndindex(windows.shape[3:5]):  # one entry of all windows at a time: these never overlap
        _corner(images, u, v, windows.shape[1:3], stride)[...] += entries[u, v]
    return images


@_as_one_call
def transposed_convolution(
    y: Any, kernels: Any, size: tuple[int, int], stride: tuple[int, int], out: Any = None
) -> Any:
    """Σ_f y[n, i, j, f] K[f, u, v, c] added up in images of a (height, width)."""
    batch, rows, columns, n_filters = y.shape
    _, height, width, channels = kernels.shape
    dtype = np.result_type(y, kernels)
    images = _zeros((batch, *size, channels), dtype, out)
    if channels == 1:  # products with one column each would be slow
        by_image = y.reshape(batch, rows * columns, n_filters).mT
        entries = (kernels.reshape(n_filters, height * width).T @ by_image).reshape(batch, height, width, rows, columns)
        for u, v in np.ndindex(height, width):
            _corner(images, u, v, (rows, columns), stride)[..., 0] += entries[:, u, v]
        return images
    flat = y.reshape(batch * rows * columns, n_filters)
    entry = np.empty((len(flat), channels), dtype)
    for u, v in np.ndindex(height, width):
        np.matmul(flat, kernels[:, u, v], out=entry)
        _corner(images, u, v, (rows, columns), stride)[...] += entry.reshape(batch, rows, columns, channels)
    return images


def _rows_of_windows(x: Any, window: Any, stride: tuple[int, int], n_filters: int) -> Any:
    """Every window as a row: (batch · rows · columns, entries), or image by image, (batch, rows · columns, entries).

    Rows of few entries are slow to copy. Entry by entry, (batch, entries, rows · columns), they are not, and products
    with them are quicker too; yet the gradients of the kernels are (batch, entries, n_filters) before they are summed.
    """
    batch, _, _, channels = x.shape
    n_windows, n_entries = prod(_places(x, window, stride)), prod(window) * channels
    seen = windows_of(x, tuple(window), stride)
    if prod(window) > 1 and window[1] * channels < SHORT and n_filters <= n_windows:
        return seen.transpose(0, 3, 4, 5, 1, 2).reshape(batch, n_entries, n_windows).mT
    return seen.reshape(batch * n_windows, n_entries)


def _places(x: Any, window: Any, stride: tuple[int, int]) -> tuple[int, int]:
    """How many rows and columns of windows there are."""
    rows, columns = (output_length(x.shape[1 + i], window[i], stride[i]) for i in range(2))
    return rows, columns


def _zeros(shape: tuple[int, ...], dtype: Any, out: Any) -> Any:
    if out is None:
        return np.zeros(shape, dtype)
    out.fill(0)
    return out


def _corner(images: Any, u: int, v: int, places: tuple[int, int], stride: tuple[int, int]) -> Any:
    """Entry (u, v) of every window, (batch, rows, columns, channels), to be written to."""
    (rows, columns), (down, right) = places, stride
    return images[:, u : u + (rows - 1) * down + 1 : down, v : v + (columns - 1) * right + 1 : right]


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
    window = as_pair("image_windows", "size", size, 1)
    return _windows(*_padded("image_windows", as_node(x), window, stride, padding))


def conv2d(x: Operand, kernels: Operand, stride: Pair = 1, padding: Padding = "valid") -> Node:
    """Y[n, i, j, f] = Σ_uvc X[n, i s + u, j t + v, c] K[f, u, v, c]: the windows times the kernels.

    Back: K̄[f, u, v, c] = Σ_nij Ȳ[n, i, j, f] X[n, i s + u, j t + v, c], X̄[n, i s + u, j t + v, c] += Σ_f Ȳ[n, i, j, f]
    K[f, u, v, c] over all windows.

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
    _, *size, channels = kernel.shape
    if image.ndim == 4 and image.shape[3] != channels:
        raise ValueError(
            f"conv2d: the images have {image.shape[3]} channels and the kernels {channels}: {image.label}, "
            f"{kernel.label}: both have channels last"
        )
    padded, _, steps = _padded("conv2d", image, (size[0], size[1]), stride, padding)
    return Convolution(padded, kernel, stride=steps)


def max_pool2d(x: Operand, size: Pair, stride: Pair | None = None) -> Node:
    """The largest entry of every window, channel by channel;  the adjoint goes to the first such entry (row by row).

    x: images, (batch, height, width, channels). stride: None for the size, windows side by side
    """
    images, window, steps = _pooled("max_pool2d", x, size, stride)
    rows, columns = _places(images, window, steps)
    if prod(window) > FEW:
        return maximum_over(_windows(images, window, steps), axis=(3, 4))
    if window == steps:
        return reshape(_largest(list(_parts(images, window))), (len(images), rows, columns, images.shape[3]))
    return _largest([_corner(images, u, v, (rows, columns), steps) for u, v in np.ndindex(window)])


def average_pool2d(x: Operand, size: Pair, stride: Pair | None = None) -> Node:
    """The mean of every window, channel by channel;  every entry gets its share of the adjoint. Sizes: `max_pool2d`."""
    return mean(_windows(*_pooled("average_pool2d", x, size, stride)), axis=(3, 4))


def output_length(length: int, window: int, stride: int = 1, padding: int = 0) -> int:
    """⌊(W − F + 2 P) / S⌋ + 1: how many windows F wide, S apart, fit into W entries with P zeros on either side.

    Height and width each have their own. At most 0 where no window fits.

    >>> output_length(8, 3, stride=2), output_length(5, 3, padding=1)
    (3, 5)
    """
    return (length - window + 2 * padding) // stride + 1


# Helpers -------------------------------------------------------------------------------------------------------------


def _windows(images: Node, window: tuple[int, int], stride: tuple[int, int]) -> Node:
    return Windows(images, window=window, stride=stride)


def _parts(images: Node, window: tuple[int, int]) -> Node:
    """The entries of windows side by side, each of all windows in one row: (entries of a window, all else).

    That is a copy, yet what is done with them then takes a fraction of the time it takes on entries far from each other.
    """
    batch, height, width, channels = images.shape
    rows, columns = height // window[0], width // window[1]
    if (rows * window[0], columns * window[1]) != (height, width):
        images = images[:, : rows * window[0], : columns * window[1]]
    cut = reshape(images, (batch, rows, window[0], columns, window[1], channels))
    return reshape(transpose(cut, (2, 4, 0, 1, 3, 5)), (prod(window), batch * rows * columns * channels))


def _largest(entries: Sequence[Node]) -> Node:
    """The largest, pair by pair, then of those pair by pair, ...: in a tie it is the first."""
    while len(entries) > 1:
        entries = [
            maximum(*pair) if len(pair) > 1 else pair[0]
            for pair in (entries[i : i + 2] for i in range(0, len(entries), 2))
        ]
    return entries[0]


def _pooled(
    function: str, x: Operand, size: Pair, stride: Pair | None
) -> tuple[Node, tuple[int, int], tuple[int, int]]:
    window = as_pair(function, "size", size, 1)
    return _padded(function, as_node(x), window, window if stride is None else stride, 0)


def _padded(
    function: str, x: Node, window: tuple[int, int], stride: Pair, padding: Padding
) -> tuple[Node, tuple[int, int], tuple[int, int]]:
    """The images with zeros around them, the window and the stride, once all of it is known to fit."""
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
    return x, window, steps


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

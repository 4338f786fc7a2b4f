"""Windows of images: what convolution and pooling look at.

Images are (batch, height, width, channels). Sliding a window over them is one linear operation, `Windows`; its
transpose, `Fold`, adds windows back into the image they were cut from. A convolution is linear in the images and in the
kernels: it, its transpose and the gradient of its kernels are the slopes of one trilinear form, so that the rule of each
is the other two, and every order of derivative is there.

Dilation (d, e) reads every d-th row and every e-th column of a window. Groups cut the channels and the filters into equal
blocks: the filters of a block read the channels of the same block only, and kernels have channels / groups channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from operator import index as as_int
from typing import TYPE_CHECKING, Any, Literal, SupportsIndex, TypeAlias

import numpy as np
from numpy.lib.stride_tricks import as_strided

from minigrad.node import Constant, Node, as_node
from minigrad.ops.arithmetic import maximum
from minigrad.ops.base import Entries, Operation, as_nodes
from minigrad.ops.one_call import as_one_call
from minigrad.ops.reductions import max as maximum_over
from minigrad.ops.reductions import mean
from minigrad.ops.shaping import pad, reshape, transpose

if TYPE_CHECKING:
    from minigrad.operators import Operand

__all__ = [
    "Windows", "Fold", "Convolution", "TransposedConvolution", "KernelCorrelation",
    "image_windows", "conv2d", "conv2d_transpose", "max_pool2d", "average_pool2d", "output_length",
]  # fmt: skip

FEW = 9  # entries of a window whose maximum is taken pair by pair, which is faster than a search for where it is
SHORT = 16  # entries of a row of a window that are copied, or channels that are added, more slowly where they lie
Pair: TypeAlias = "SupportsIndex | tuple[SupportsIndex, SupportsIndex]"  # one for both axes, or (height, width)
Padding: TypeAlias = Pair | Literal["valid", "same"]


# Windows and their transpose -----------------------------------------------------------------------------------------


class Windows(Operation):
    """Y = Windows(X), Y[n, i, j, u, v, c] = X[n, i s + u, j t + v, c] for strides (s, t);  X̄ = Fold(Ȳ).

    (batch, height, width, channels) to (batch, rows, columns, window height, window width, channels). Nothing is copied.
    """

    __slots__ = ()
    moves = True
    window: tuple[int, int]
    stride: tuple[int, int]

    def fprop(self, x: Any, *, window: tuple[int, int], stride: tuple[int, int]) -> Any:
        return windows_of(x, window, stride)

    def bprop(self, adjoint: Node) -> Entries:
        (x,) = self.children
        return Fold(adjoint, height=x.shape[1], width=x.shape[2], stride=self.stride)


class Fold(Operation):
    """Y = Fold(X), Y[n, i s + u, j t + v, c] += X[n, i, j, u, v, c], from 0: they add up where they overlap;  X̄ = Windows(Ȳ)."""

    __slots__ = ()
    moves = True
    height: int
    width: int
    stride: tuple[int, int]

    def fprop(self, x: Any, *, height: int, width: int, stride: tuple[int, int]) -> Any:
        return folded(x, (height, width), stride)

    def bprop(self, adjoint: Node) -> Entries:
        return Windows(adjoint, window=self.children[0].shape[3:5], stride=self.stride)


# Convolution: Σ Y[n, i, j, f] X[n, i s + u d, j t + v e, c] K[f, u, v, c], by each of its three factors ----------------


class Convolution(Operation):
    """Y = Convolution(X, K), Y[n, i, j, f] = Σ_uvc X[n, i s + u d, j t + v e, c] K[f, u, v, c];  X̄ =
    TransposedConvolution(Ȳ, K), K̄ = KernelCorrelation(X, Ȳ).

    The windows as rows times the kernels as columns, one matrix product; of few channels one for every image, of groups one
    for every group, of single channels none.
    """

    __slots__ = ()
    stride: tuple[int, int]
    dilation: tuple[int, int]
    groups: int

    def fprop(
        self, x: Any, kernels: Any, *, stride: tuple[int, int], dilation: tuple[int, int] = (1, 1), groups: int = 1
    ) -> Any:
        n_filters, *window, channels = kernels.shape
        rows, columns = _places(x, window, stride, dilation)
        n_entries = prod(window) * channels
        if channels == 1 < groups == n_filters:
            return convolution_by_channel(x, kernels, stride, dilation)
        if groups == 1:
            seen = _rows_of_windows(x, window, stride, dilation, n_filters)
            read = seen @ kernels.reshape(n_filters, n_entries).T
        else:
            seen = _rows_by_group(x, window, stride, dilation, groups)
            read = (seen @ kernels.reshape(groups, n_filters // groups, n_entries).mT).transpose(1, 0, 2)
        return read.reshape(len(x), rows, columns, n_filters)

    def bprop(self, adjoint: Node) -> Entries:
        x, kernels = self.children
        _, height, width, _ = x.shape
        return (
            lambda: TransposedConvolution(adjoint, kernels, height=height, width=width, **_sliding(self)),
            lambda: KernelCorrelation(x, adjoint, window=kernels.shape[1:3], **_sliding(self)),
        )


class TransposedConvolution(Operation):
    """X = TransposedConvolution(Y, K), X[n, i s + u d, j t + v e, c] += Σ_f Y[n, i, j, f] K[f, u, v, c], from 0;  Ȳ =
    Convolution(X̄, K), K̄ = KernelCorrelation(X̄, Y).

    Every entry of the windows is computed for all of them and added at once: so few lie in memory at a time.
    """

    __slots__ = ()
    height: int
    width: int
    stride: tuple[int, int]
    dilation: tuple[int, int]
    groups: int

    def fprop(
        self,
        y: Any,
        kernels: Any,
        *,
        height: int,
        width: int,
        stride: tuple[int, int],
        dilation: tuple[int, int] = (1, 1),
        groups: int = 1,
    ) -> Any:
        return transposed_convolution(y, kernels, (height, width), stride, dilation, groups)

    def bprop(self, adjoint: Node) -> Entries:
        y, kernels = self.children
        return (
            lambda: Convolution(adjoint, kernels, **_sliding(self)),
            lambda: KernelCorrelation(adjoint, y, window=kernels.shape[1:3], **_sliding(self)),
        )


class KernelCorrelation(Operation):
    """K = KernelCorrelation(X, Y), K[f, u, v, c] = Σ_nij Y[n, i, j, f] X[n, i s + u d, j t + v e, c];  X̄ =
    TransposedConvolution(Y, K̄), Ȳ = Convolution(X, K̄).
    """

    __slots__ = ()
    window: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    groups: int

    def fprop(
        self,
        x: Any,
        y: Any,
        *,
        window: tuple[int, int],
        stride: tuple[int, int],
        dilation: tuple[int, int] = (1, 1),
        groups: int = 1,
    ) -> Any:
        batch, rows, columns, n_filters = y.shape
        n_windows = batch * rows * columns
        if 1 < groups == n_filters == x.shape[3]:
            seen = windows_of(x, tuple(window), stride, dilation)
            return np.einsum("nijuvc,nijc->cuv", seen, y).reshape(n_filters, *window, 1)
        if groups > 1:
            seen = _rows_by_group(x, window, stride, dilation, groups)
            slope = y.reshape(n_windows, groups, n_filters // groups).transpose(1, 2, 0) @ seen
            return slope.reshape(n_filters, *window, x.shape[3] // groups)
        seen = _rows_of_windows(x, window, stride, dilation, n_filters)
        if seen.ndim == 2:
            slope = y.reshape(n_windows, n_filters).T @ seen
        else:
            slope = (seen.mT @ y.reshape(batch, rows * columns, n_filters)).sum(axis=0).T
        return slope.reshape(n_filters, *window, x.shape[3])

    def bprop(self, adjoint: Node) -> Entries:
        x, y = self.children
        _, height, width, _ = x.shape
        return (
            lambda: TransposedConvolution(y, adjoint, height=height, width=width, **_sliding(self)),
            lambda: Convolution(x, adjoint, **_sliding(self)),
        )


def _sliding(node: Operation) -> dict[str, Any]:
    """How the windows of a convolution slide: what its slopes have in common with it."""
    return {name: node.attributes[name] for name in ("stride", "dilation", "groups")}


# What they do to arrays ----------------------------------------------------------------------------------------------


@as_one_call
def windows_of(x: Any, window: tuple[int, int], stride: tuple[int, int], dilation: tuple[int, int] = (1, 1)) -> Any:
    """A view of the windows of images, (batch, rows, columns, window height, window width, channels)."""
    by_image, by_row, by_column, by_channel = x.strides
    (down, right), (d, e) = stride, dilation
    steps = (by_image, by_row * down, by_column * right, by_row * d, by_column * e, by_channel)
    return as_strided(x, (len(x), *_places(x, window, stride, dilation), *window, x.shape[3]), steps)


@as_one_call
def folded(windows: Any, size: tuple[int, int], stride: tuple[int, int], out: Any = None) -> Any:
    """Windows added up in images of a (height, width)."""
    entries = windows.transpose(3, 4, 0, 1, 2, 5)
    if windows.shape[5] < SHORT:
        entries = np.ascontiguousarray(entries)
    images = _zeros((len(windows), *size, windows.shape[5]), windows.dtype, out)
    for u, v in np.ndindex(windows.shape[3:5]):  # one entry of all windows at a time: these never overlap
        _corner(images, u, v, windows.shape[1:3], stride)[...] += entries[u, v]
    return images


@as_one_call
def convolution_by_channel(
    x: Any, kernels: Any, stride: tuple[int, int], dilation: tuple[int, int], out: Any = None
) -> Any:
    """Σ_uv x[n, i s + u d, j t + v e, c] K[c, u, v]: the windows of each channel times a kernel of its own."""
    _, height, width, _ = kernels.shape
    rows, columns = _places(x, (height, width), stride, dilation)
    y = _zeros((len(x), rows, columns, len(kernels)), np.result_type(x, kernels), out)
    for u, v in np.ndindex(height, width):
        y += _corner(x, u * dilation[0], v * dilation[1], (rows, columns), stride) * kernels[:, u, v, 0]
    return y


@as_one_call
def transposed_convolution(
    y: Any,
    kernels: Any,
    size: tuple[int, int],
    stride: tuple[int, int],
    dilation: tuple[int, int] = (1, 1),
    groups: int = 1,
    out: Any = None,
) -> Any:
    """Σ_f y[n, i, j, f] K[f, u, v, c] added up in images of a (height, width)."""
    batch, rows, columns, n_filters = y.shape
    _, height, width, channels = kernels.shape
    dtype = np.result_type(y, kernels)
    images = _zeros((batch, *size, channels * groups), dtype, out)
    if channels == groups == 1:  # products with one column each would be slow
        by_image = y.reshape(batch, rows * columns, n_filters).mT
        entries = (kernels.reshape(n_filters, height * width).T @ by_image).reshape(batch, height, width, rows, columns)
        for u, v in np.ndindex(height, width):
            _corner(images, u * dilation[0], v * dilation[1], (rows, columns), stride)[..., 0] += entries[:, u, v]
        return images
    if channels == 1 and groups == n_filters:
        for u, v in np.ndindex(height, width):
            corner = _corner(images, u * dilation[0], v * dilation[1], (rows, columns), stride)
            corner[...] += y * kernels[:, u, v, 0]
        return images
    flat = y.reshape(batch * rows * columns, groups, n_filters // groups).transpose(1, 0, 2)
    entry = np.empty((batch * rows * columns, groups, channels), dtype)
    for u, v in np.ndindex(height, width):
        kernel = kernels[:, u, v].reshape(groups, n_filters // groups, channels)
        np.matmul(flat, kernel, out=entry.transpose(1, 0, 2))
        corner = _corner(images, u * dilation[0], v * dilation[1], (rows, columns), stride)
        corner[...] += entry.reshape(batch, rows, columns, channels * groups)
    return images


def _rows_of_windows(x: Any, window: Any, stride: tuple[int, int], dilation: tuple[int, int], n_filters: int) -> Any:
    """Every window as a row: (batch · rows · columns, entries), or image by image, (batch, rows · columns, entries).

    Rows of few entries are slow to copy. Entry by entry, (batch, entries, rows · columns), they are not, and products
    with them are quicker too; yet the gradients of the kernels are (batch, entries, n_filters) before they are summed.
    """
    batch, _, _, channels = x.shape
    n_windows, n_entries = prod(_places(x, window, stride, dilation)), prod(window) * channels
    seen = windows_of(x, tuple(window), stride, dilation)
    if prod(window) > 1 and window[1] * channels < SHORT and n_filters <= n_windows:
        return seen.transpose(0, 3, 4, 5, 1, 2).reshape(batch, n_entries, n_windows).mT
    return seen.reshape(batch * n_windows, n_entries)


def _rows_by_group(x: Any, window: Any, stride: tuple[int, int], dilation: tuple[int, int], groups: int) -> Any:
    """Every window as a row for each group of channels: (groups, batch · rows · columns, entries)."""
    seen = windows_of(x, tuple(window), stride, dilation)
    n_windows, channels = prod(seen.shape[:3]), x.shape[3] // groups
    cut = seen.reshape(*seen.shape[:5], groups, channels)
    return cut.transpose(5, 0, 1, 2, 3, 4, 6).reshape(groups, n_windows, prod(window) * channels)


def _places(x: Any, window: Any, stride: tuple[int, int], dilation: tuple[int, int] = (1, 1)) -> tuple[int, int]:
    """How many rows and columns of windows there are."""
    rows, columns = (output_length(x.shape[1 + i], window[i], stride[i], dilation=dilation[i]) for i in range(2))
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


def conv2d(
    x: Operand,
    kernels: Operand,
    stride: Pair = 1,
    padding: Padding = "valid",
    dilation: Pair = 1,
    groups: SupportsIndex = 1,
) -> Node:
    """Y[n, i, j, f] = Σ_uvc X[n, i s + u d, j t + v e, c] K[f, u, v, c]: the windows times the kernels.

    Back: K̄[f, u, v, c] = Σ_nij Ȳ[n, i, j, f] X[n, i s + u d, j t + v e, c], X̄[n, i s + u d, j t + v e, c] +=
    Σ_f Ȳ[n, i, j, f] K[f, u, v, c] over all windows.

    x:        images, (batch, height, width, channels)
    kernels:  (n_filters, height, width, channels / groups); not flipped, as in every library for neural nets
              (cross-correlation)
    stride:   (s, t), from one window to the next, a number or (down, right)
    padding:  zeros around the images, see `image_windows`
    dilation: (d, e), from one entry of a window to the next: a number or (down, right). A window F entries high reads
              d (F − 1) + 1 rows of the image
    groups:   into how many blocks channels and filters are cut; the filters of a block read the channels of that block.
              As many as there are channels: each is convolved by itself ("depthwise")
    returns:  (batch, rows, columns, n_filters), see `output_length`

    >>> import numpy as np, minigrad as mg
    >>> edges = mg.conv2d(mg.Input(np.eye(4).reshape(1, 4, 4, 1)), np.array([[[[-1.0], [1.0]]]]))
    >>> edges.value[0, :, :, 0]
    array([[-1.,  0.,  0.],
           [ 1., -1.,  0.],
           [ 0.,  1., -1.],
           [ 0.,  0.,  1.]])
    """
    image, kernel, blocks = _convolved("conv2d", x, kernels, groups)
    _, *size, channels = kernel.shape
    if image.ndim == 4 and image.shape[3] != channels * blocks:
        raise ValueError(
            f"conv2d: the images have {image.shape[3]} channels and the kernels {channels}"
            f"{f', for each of {blocks} groups' if blocks > 1 else ''}: {image.label}, {kernel.label}: both have channels "
            "last"
        )
    spacing = as_pair("conv2d", "dilation", dilation, 1)
    padded, _, steps = _padded("conv2d", image, (size[0], size[1]), stride, padding, spacing)
    return Convolution(padded, kernel, stride=steps, dilation=spacing, groups=blocks)


def conv2d_transpose(
    x: Operand,
    kernels: Operand,
    stride: Pair = 1,
    padding: Padding = "valid",
    dilation: Pair = 1,
    groups: SupportsIndex = 1,
    output_padding: Pair = 0,
) -> Node:
    """Y[n, i s + u d, j t + v e, c] += Σ_f X[n, i, j, f] K[f, u, v, c], from 0: every entry times the kernels.

    Back: X̄ = conv2d(Ȳ, K), K̄[f, u, v, c] = Σ_nij X[n, i, j, f] Ȳ[n, i s + u d, j t + v e, c].

    The transpose of `conv2d` with the same kernels, stride, padding, dilation and groups, which is the adjoint of its
    images: ⟨conv2d(Y, K), X⟩ = ⟨Y, conv2d_transpose(X, K)⟩. It enlarges images where strides shrink them.

    x:              (batch, rows, columns, n_filters), as conv2d gives them
    kernels:        (n_filters, height, width, channels / groups), as conv2d takes them
    padding:        what conv2d put around the images is cut off here: a number P for every side, (top and bottom, left and
                    right), "valid" for 0, or "same" for images of length · stride
    output_padding: rows and columns more at the bottom and right, less than the stride: conv2d has an output of equal size
                    for as many lengths as its stride, and this tells which one is wanted. Only where padding is a number
    returns:        (batch, height, width, channels), (rows − 1) s + d (F − 1) + 1 − 2 P + output_padding high, F the
                    kernels' height

    V. Dumoulin and F. Visin, A guide to convolution arithmetic for deep learning, arXiv:1603.07285, 2016.

    >>> import numpy as np, minigrad as mg
    >>> mg.conv2d_transpose(mg.Input(np.ones((1, 2, 2, 1))), np.ones((1, 2, 2, 1)), stride=2).shape
    (1, 4, 4, 1)
    """
    name = "conv2d_transpose"
    seen, kernel, blocks = _convolved(name, x, kernels, groups)
    n_filters, *size, _ = kernel.shape
    _check_images(name, seen)
    if seen.shape[3] != n_filters:
        raise ValueError(
            f"{name}: the images have {seen.shape[3]} channels and there are {n_filters} kernels: {seen.label}, {kernel.label}: "
            "kernels are (channels of these images, height, width, channels of the result / groups)"
        )
    steps, spacing = as_pair(name, "stride", stride, 1), as_pair(name, "dilation", dilation, 1)
    more = as_pair(name, "output_padding", output_padding, 0)
    around = as_padding(name, padding)
    if any(more) and (around == "same" or any(m >= s for m, s in zip(more, steps, strict=True))):
        advice = "padding='same' fixes the size" if around == "same" else f"expected less than the stride, {steps}"
        raise ValueError(f"{name}(output_padding={output_padding!r}): {advice}")
    reach = _reach((size[0], size[1]), spacing)
    lengths = tuple([n * s for n, s in zip(seen.shape[1:3], steps, strict=True)])
    widths = _pad_widths(lengths, reach, steps, around)
    if around == "same":
        full = [n + sum(width) for n, width in zip(lengths, widths, strict=True)]
    else:
        full = [n - s + r + m for n, s, r, m in zip(lengths, steps, reach, more, strict=True)]
    cut = [slice(before, n - after) for n, (before, after) in zip(full, widths, strict=True)]
    if 0 in seen.shape[1:3] or any(part.stop <= part.start for part in cut):
        raise ValueError(
            f"{name}(padding={padding!r}): nothing is left of {full[0]} x {full[1]} entries of {seen.label}"
        )
    attributes = {"stride": steps, "dilation": spacing, "groups": blocks}
    y = TransposedConvolution(seen, kernel, height=full[0], width=full[1], **attributes)
    return y[:, cut[0], cut[1]] if any(map(any, widths)) else y


def max_pool2d(x: Operand, size: Pair, stride: Pair | None = None, padding: Padding = 0) -> Node:
    """The largest entry of every window, channel by channel;  the adjoint goes to the first such entry (row by row).

    x:       images, (batch, height, width, channels)
    stride:  None for the size, windows side by side
    padding: by how much windows may reach over the edges of the images, less than the size: a number P for every side,
             (top and bottom, left and right), "valid" for 0, or "same" for ⌈length / stride⌉ windows. What lies beyond the
             edge does not count
    """
    # What is repeated beyond an edge is in the window already, for a window that reaches over the edge holds the edge.
    images, window, steps, _ = _pooled("max_pool2d", x, size, stride, padding, mode="edge")
    rows, columns = _places(images, window, steps)
    if prod(window) > FEW:
        return maximum_over(_windows(images, window, steps), axis=(3, 4))
    if window == steps:
        return reshape(_largest(list(_parts(images, window))), (len(images), rows, columns, images.shape[3]))
    return _largest([_corner(images, u, v, (rows, columns), steps) for u, v in np.ndindex(window)])


def average_pool2d(
    x: Operand, size: Pair, stride: Pair | None = None, padding: Padding = 0, *, count_include_pad: bool = False
) -> Node:
    """The mean of every window, channel by channel;  every entry gets its share of the adjoint. Sizes: `max_pool2d`.

    count_include_pad: whether zeros count where a window reaches over an edge. False divides by the number of entries of
                       the image in the window (as Keras does), True by the window's size throughout (PyTorch's default)
    """
    images, window, steps, n_entries = _pooled("average_pool2d", x, size, stride, padding, mode="constant")
    seen = _windows(images, window, steps)
    if count_include_pad or (n_entries == prod(window)).all():
        return mean(seen, axis=(3, 4))
    return seen.sum(axis=(3, 4)) / Constant(n_entries[..., np.newaxis].astype(images.dtype))


def output_length(length: int, window: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> int:
    """⌊(W − D (F − 1) − 1 + 2 P) / S⌋ + 1: how many windows of F entries D apart, S from one to the next, fit into W entries
    with P zeros on either side.

    Height and width each have their own. At most 0 where no window fits.

    >>> output_length(8, 3, stride=2), output_length(5, 3, padding=1), output_length(9, 3, dilation=3)
    (3, 5, 3)
    """
    return (length - dilation * (window - 1) - 1 + 2 * padding) // stride + 1


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
    function: str, x: Operand, size: Pair, stride: Pair | None, padding: Padding, mode: str
) -> tuple[Node, tuple[int, int], tuple[int, int], Any]:
    """The images with what lies around them, the window and the stride, and how many entries of the images windows hold."""
    images, window = as_node(x), as_pair(function, "size", size, 1)
    around = as_padding(function, padding)
    if around != "same" and any(p >= n for p, n in zip(around, window, strict=True)):
        raise ValueError(
            f"{function}(padding={padding!r}): expected less than the size, {window}, or windows hold nothing"
        )
    if 0 in images.shape[1:3]:
        around = (0, 0)  # so that no window fits
    padded, _, steps = _padded(function, images, window, window if stride is None else stride, around, mode=mode)
    widths = _pad_widths(images.shape[1:3], window, steps, around)
    rows, columns = (
        _counts(images.shape[1 + i], widths[i][0], window[i], steps[i], n)
        for i, n in enumerate(_places(padded, window, steps))
    )
    return padded, window, steps, np.multiply.outer(rows, columns)


def _counts(length: int, before: int, window: int, stride: int, n: int) -> Any:
    """How many of the entries each of n windows holds along an axis with `before` entries of padding in front."""
    first = np.arange(n) * stride - before
    return np.minimum(first + window, length) - np.maximum(first, 0)


def _convolved(function: str, x: Operand, kernels: Operand, groups: SupportsIndex) -> tuple[Node, Node, int]:
    """Images, kernels and the number of groups, once it divides the kernels."""
    image, kernel = as_nodes((x, kernels))
    if kernel.ndim != 4:
        raise ValueError(f"{function}: expected kernels (n_filters, height, width, channels), found {kernel.label}")
    return image, kernel, as_groups(function, groups, n_filters=kernel.shape[0])


def _check_images(function: str, x: Node) -> None:
    if x.ndim != 4:
        raise ValueError(
            f"{function}: expected images (batch, height, width, channels), found {x.label}: of one channel write "
            "x[..., np.newaxis], a single image is a batch of one, x[np.newaxis]"
        )


def _padded(
    function: str,
    x: Node,
    window: tuple[int, int],
    stride: Pair,
    padding: Padding,
    dilation: tuple[int, int] = (1, 1),
    mode: str = "constant",
) -> tuple[Node, tuple[int, int], tuple[int, int]]:
    """The images with zeros (or their edges) around them, the window and the stride, once all of it is known to fit."""
    _check_images(function, x)
    steps = as_pair(function, "stride", stride, 1)
    reach = _reach(window, dilation)
    widths = _pad_widths(x.shape[1:3], reach, steps, as_padding(function, padding))
    for axis, name in enumerate(("height", "width")):
        length, padded = x.shape[1 + axis], x.shape[1 + axis] + sum(widths[axis])
        if output_length(padded, reach[axis]) < 1:
            spread = f", {reach[axis]} with its dilation," if reach != window else ""
            raise ValueError(
                f"{function}: a window of {name} {window[axis]}{spread} does not fit into images of {name} {length}"
                f"{f', {padded} with their padding' if padded > length else ''}: {x.label}: take a smaller window, pad "
                "more, or pool less before"
            )
    if any(map(any, widths)):
        x = pad(x, ((0, 0), *widths, (0, 0)), mode)
    return x, window, steps


def _reach(window: tuple[int, int], dilation: tuple[int, int]) -> tuple[int, int]:
    """How many rows and columns of an image a window spans."""
    height, width = (d * (n - 1) + 1 for n, d in zip(window, dilation, strict=True))
    return height, width


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


def as_groups(function: str, groups: SupportsIndex, **divided: int) -> int:
    """A number of groups, which divides the numbers given."""
    if isinstance(groups, bool) or not hasattr(groups, "__index__") or as_int(groups) < 1:
        raise ValueError(f"{function}(groups={groups!r}): expected an integer of at least 1")
    for name, n in divided.items():
        if n % as_int(groups):
            raise ValueError(
                f"{function}(groups={groups!r}): {name} is {n}, which cannot be cut into {groups} equal groups"
            )
    return as_int(groups)

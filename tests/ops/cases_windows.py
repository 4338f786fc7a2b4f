"""Trials of windows of images: windows that overlap, touch or leave gaps, and leave entries over at the end."""

import numpy as np
from hypothesis import strategies as st

from minigrad.ops import windows
from tests.ops.cases_arithmetic import numbers
from tests.ops.trials import Trial


@st.composite
def slidings(draw):
    """A window, strides, how many rows and columns there are, and the shape of images they are cut from."""
    window = draw(st.tuples(st.integers(1, 3), st.integers(1, 2)))
    stride = draw(st.tuples(st.integers(1, 3), st.integers(1, 2)))
    places = draw(st.tuples(st.integers(1, 2), st.integers(1, 2)))
    height, width = [
        (n - 1) * s + w + draw(st.integers(0, s - 1)) for n, s, w in zip(places, stride, window, strict=True)
    ]
    return window, stride, places, (draw(st.integers(0, 2)), height, width, draw(st.integers(1, 2)))


@st.composite
def cut(draw):
    window, (down, right), (rows, columns), shape = draw(slidings())

    def reference(x):
        return np.stack(
            [
                np.stack([x[:, i : i + window[0], j : j + window[1]] for j in range(0, columns * right, right)], 1)
                for i in range(0, rows * down, down)
            ],
            1,
        )

    return Trial(
        lambda x: windows.Windows(x, window=window, stride=(down, right)) * 1.0,
        (draw(numbers(-2, 2, shape)),),
        reference,
    )


@st.composite
def folded(draw):
    window, (down, right), places, (batch, height, width, channels) = draw(slidings())

    def reference(x):
        y = np.zeros((batch, height, width, channels))
        for i, j in np.ndindex(places):
            y[:, i * down : i * down + window[0], j * right : j * right + window[1]] += x[:, i, j]
        return y

    return Trial(
        lambda x: windows.Fold(x, height=height, width=width, stride=(down, right)),
        (draw(numbers(-2, 2, (batch, *places, *window, channels))),),
        reference,
    )


@st.composite
def spaced(draw):
    """As `slidings`, with entries of windows apart, and channels and filters in groups."""
    window = draw(st.tuples(st.integers(1, 3), st.integers(1, 2)))
    stride = draw(st.tuples(st.integers(1, 3), st.integers(1, 2)))
    dilation = draw(st.sampled_from([(1, 1), (2, 1), (1, 3), (2, 2)]))
    places = draw(st.tuples(st.integers(1, 2), st.integers(1, 2)))
    height, width = [
        (n - 1) * s + d * (w - 1) + 1 + draw(st.integers(0, s - 1))
        for n, s, w, d in zip(places, stride, window, dilation, strict=True)
    ]
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    channels, n_filters = (groups * draw(st.integers(1, 2)) for _ in range(2))
    options = {"stride": stride, "dilation": dilation, "groups": groups}
    return window, places, (draw(st.integers(0, 2)), height, width, channels), n_filters, options


def _read(window, places, stride, dilation, groups):
    """For each entry of a window and each place: the place, the entry, and where in the image it lies."""
    for i, j in np.ndindex(places):
        for u, v in np.ndindex(*window):
            yield (i, j), (u, v), (i * stride[0] + u * dilation[0], j * stride[1] + v * dilation[1])


def trilinear(x, kernels, y, places, options):
    """The slopes of Σ y x kernels by y, x and kernels: what is None is as if 1 were there."""
    groups = options["groups"]
    n_filters, *window, channels = kernels.shape
    by_y = np.zeros((len(x), *places, n_filters))
    by_x, by_kernels = np.zeros(x.shape), np.zeros(kernels.shape)
    for f in range(n_filters):
        block = f // (n_filters // groups)
        mine = slice(block * channels, (block + 1) * channels)
        for place, entry, at in _read(window, places, **options):
            by_y[:, *place, f] += x[:, *at, mine] @ kernels[f, *entry]
            by_x[:, *at, mine] += y[:, *place, f, np.newaxis] * kernels[f, *entry]
            by_kernels[f, *entry] += y[:, *place, f] @ x[:, *at, mine]
    return by_y, by_x, by_kernels


@st.composite
def convolved(draw):
    window, places, shape, n_filters, options = draw(spaced())
    kernels = (n_filters, *window, shape[3] // options["groups"])
    return Trial(
        lambda x, kernels: windows.Convolution(x, kernels, **options),
        (draw(numbers(-2, 2, shape)), draw(numbers(-2, 2, kernels))),
        lambda x, kernels: trilinear(x, kernels, np.zeros((len(x), *places, n_filters)), places, options)[0],
    )


@st.composite
def transposed(draw):
    window, places, shape, n_filters, options = draw(spaced())
    kernels = (n_filters, *window, shape[3] // options["groups"])
    _, height, width, _ = shape
    return Trial(
        lambda y, kernels: windows.TransposedConvolution(y, kernels, height=height, width=width, **options),
        (draw(numbers(-2, 2, (shape[0], *places, n_filters))), draw(numbers(-2, 2, kernels))),
        lambda y, kernels: trilinear(np.zeros(shape), kernels, y, places, options)[1],
    )


@st.composite
def correlated(draw):
    window, places, shape, n_filters, options = draw(spaced())
    kernels = np.zeros((n_filters, *window, shape[3] // options["groups"]))
    return Trial(
        lambda x, y: windows.KernelCorrelation(x, y, window=window, **options),
        (draw(numbers(-2, 2, shape)), draw(numbers(-2, 2, (shape[0], *places, n_filters)))),
        lambda x, y: trilinear(x, kernels, y, places, options)[2],
    )


CASES = {
    windows.Windows: cut(),
    windows.Fold: folded(),
    windows.Convolution: convolved(),
    windows.TransposedConvolution: transposed(),
    windows.KernelCorrelation: correlated(),
}

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


def _seen(x, window, stride, places):
    """The windows of images one by one: (batch, rows, columns, window height, window width, channels)."""
    seen = np.empty((len(x), *places, *window, x.shape[3]), x.dtype)
    for i, j in np.ndindex(places):
        top, left = i * stride[0], j * stride[1]
        seen[:, i, j] = x[:, top : top + window[0], left : left + window[1]]
    return seen


@st.composite
def convolved(draw):
    window, stride, places, shape = draw(slidings())
    n_filters = draw(st.integers(1, 3))
    return Trial(
        lambda x, kernels: windows.Convolution(x, kernels, stride=stride),
        (draw(numbers(-2, 2, shape)), draw(numbers(-2, 2, (n_filters, *window, shape[3])))),
        lambda x, kernels: np.einsum("nijuvc,fuvc->nijf", _seen(x, window, stride, places), kernels),
    )


@st.composite
def transposed(draw):
    window, stride, places, (batch, height, width, channels) = draw(slidings())
    n_filters = draw(st.integers(1, 3))

    def reference(y, kernels):
        x = np.zeros((batch, height, width, channels))
        for n, i, j, f in np.ndindex(y.shape):
            top, left = i * stride[0], j * stride[1]
            x[n, top : top + window[0], left : left + window[1]] += y[n, i, j, f] * kernels[f]
        return x

    return Trial(
        lambda y, kernels: windows.TransposedConvolution(y, kernels, height=height, width=width, stride=stride),
        (draw(numbers(-2, 2, (batch, *places, n_filters))), draw(numbers(-2, 2, (n_filters, *window, channels)))),
        reference,
    )


@st.composite
def correlated(draw):
    window, stride, places, shape = draw(slidings())
    n_filters = draw(st.integers(1, 3))
    return Trial(
        lambda x, y: windows.KernelCorrelation(x, y, window=window, stride=stride),
        (draw(numbers(-2, 2, shape)), draw(numbers(-2, 2, (shape[0], *places, n_filters)))),
        lambda x, y: np.einsum("nijuvc,nijf->fuvc", _seen(x, window, stride, places), y),
    )


CASES = {
    windows.Windows: cut(),
    windows.Fold: folded(),
    windows.Convolution: convolved(),
    windows.TransposedConvolution: transposed(),
    windows.KernelCorrelation: correlated(),
}

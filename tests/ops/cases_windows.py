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


CASES = {windows.Windows: cut(), windows.Fold: folded()}

"""Trials of reading and writing parts of arrays."""

import hypothesis.extra.numpy as hnp
import numpy as np
from hypothesis import strategies as st

from minigrad.ops import indexing
from tests.ops import test_indexing, test_masks_and_checks
from tests.ops.cases_shaping import any_axis, mirrored_pads, reals, shapes
from tests.ops.trials import Trial


@st.composite
def basic_indices(draw, shape):
    """Integers, slices, None and Ellipsis."""
    return draw(hnp.basic_indices(shape, allow_newaxis=True, allow_ellipsis=True))


@st.composite
def fancy_indices(draw, shape):
    """Arrays of integers that name entries again, next to slices and integers; or a mask."""
    if draw(st.integers(0, 3)) == 0:
        return draw(hnp.arrays(bool, shape[: draw(st.integers(0, len(shape)))]))
    common = draw(hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=3))
    entries = []
    for n in shape[: draw(st.integers(1, len(shape)))]:
        if n and draw(st.integers(0, 2)):
            entries.append(draw(hnp.arrays(np.intp, common, elements=st.integers(-n, n - 1))))
        else:
            entries.append(draw(st.sampled_from([slice(None), slice(None, None, -1), slice(1, None)])))
    if len(entries) < len(shape) and draw(st.booleans()):
        entries.append(None)
    return tuple(entries)


def any_index(shape):
    return basic_indices(shape) | (fancy_indices(shape) if shape else basic_indices(shape))


@st.composite
def reads(draw):
    x = draw(reals(shapes()))
    index = draw(any_index(x.shape))
    return Trial(lambda x: x[index] * 1.0, (x,))


@st.composite
def several_reads(draw):
    """Parts of one array that overlap: their adjoints come back as one."""
    x = draw(reals(shapes(min_dims=1, min_side=1)))
    one, two = draw(any_index(x.shape)), draw(any_index(x.shape))
    return Trial(lambda x: np.sum(x[one]) * np.sum(np.sin(x[two])) + np.sum(np.cos(x[0])), (x,))


@st.composite
def takes(draw):
    x = draw(reals(shapes(min_dims=1, min_side=1)))
    axis = draw(any_axis(x.ndim) | st.none())
    n = x.size if axis is None else x.shape[axis]
    common = draw(hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=3))
    indices = draw(hnp.arrays(np.intp, common, elements=st.integers(-n, n - 1)))
    return Trial(lambda x, indices: np.take(x, indices, axis), (x, indices))


@st.composite
def takes_along(draw):
    x = draw(reals(shapes(min_dims=1, min_side=1)))
    axis = draw(any_axis(x.ndim))
    shape = list(x.shape)
    shape[axis] = draw(st.integers(0, 4))
    indices = draw(hnp.arrays(np.intp, tuple(shape), elements=st.integers(0, x.shape[axis] - 1)))
    return Trial(lambda x, indices: np.take_along_axis(x, indices, axis), (x, indices))


@st.composite
def diagonals(draw):
    x = draw(reals(shapes(min_dims=2)))
    one, two = draw(st.permutations(range(x.ndim)))[:2]
    offset = draw(st.integers(-3, 3))
    return Trial(lambda x: np.diagonal(x, offset, one, two), (x,))


@st.composite
def scatters(draw):
    """Two pieces, whose places may overlap."""
    shape = draw(shapes(min_dims=1))
    one = draw(basic_indices(shape))
    one = one if isinstance(one, tuple) else (one,)
    two = draw(
        hnp.arrays(np.intp, draw(st.integers(0, 3)), elements=st.integers(-shape[0], shape[0] - 1))
        if shape[0]
        else st.just(np.zeros(0, np.intp))
    )
    zeros = np.zeros(shape)
    pieces = (draw(reals(zeros[one].shape)), draw(reals(zeros[two].shape)))

    def reference(a, b, index):
        y = np.zeros(shape)
        y[one] += a
        np.add.at(y, index, b)
        return y

    return Trial(
        lambda *children: indexing.Scatter(*children, shape_to=shape, places=(one, (indexing.ARRAY,))),
        (*pieces, two),
        reference,
    )


@st.composite
def writes(draw, method):
    """Values that broadcast to the entries, which may be named again."""
    x = draw(reals(shapes()))
    index = draw(any_index(x.shape))
    part = x[index].shape
    kept = draw(st.integers(0, len(part)))
    v = draw(reals(tuple(1 if draw(st.integers(0, 3)) == 0 else n for n in part[len(part) - kept :])))

    def reference(x, v):
        y = x.copy()
        if method == "add":
            np.add.at(y, index, v)
        else:
            y[index] = v
        return y

    return Trial(lambda x, v: getattr(x.at[index], method)(v), (x, v), reference)


CASES = {
    indexing.GetItem: reads() | several_reads() | takes() | takes_along() | diagonals() | mirrored_pads(),
    indexing.Scatter: scatters(),
    indexing.SetAt: writes("set"),
    indexing.AddAt: writes("add"),
}
DEFINITIONS = {
    indexing.InRange: test_masks_and_checks.test_the_checks_pass_what_is_right,
    indexing.SameCount: test_indexing.test_a_mask_keeps_its_count,
    indexing.IsLast: test_indexing.test_the_last_of_several_values_wins,
}

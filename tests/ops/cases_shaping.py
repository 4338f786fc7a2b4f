"""Trials of the operations that move entries."""

import hypothesis.extra.numpy as hnp
import numpy as np
from hypothesis import strategies as st

from minigrad.ops import shaping
from tests.ops.trials import Trial

SMALL = st.floats(0.25, 2, width=32) | st.floats(-2, -0.25, width=32)  # no 0, where products hide their adjoints


def shapes(min_dims=0, max_dims=3, min_side=0):
    return hnp.array_shapes(min_dims=min_dims, max_dims=max_dims, min_side=min_side, max_side=3)


@st.composite
def reals(draw, shape):
    """An array of the shape (or of one drawn from a strategy of shapes)."""
    shape = draw(shape) if isinstance(shape, st.SearchStrategy) else shape
    return draw(hnp.arrays(np.float64, shape, elements=SMALL))


@st.composite
def distinct(draw, shape):
    """An array of the shape whose entries differ in size, and so do their sums."""
    size = int(np.prod(shape))
    signs = draw(st.lists(st.sampled_from([1.0, -1.0]), min_size=size, max_size=size))
    return np.multiply(signs, draw(st.permutations(np.sqrt(np.linspace(0.25, 4, size)).tolist()))).reshape(shape)


def any_axis(ndim):
    return st.integers(-ndim, ndim - 1)


@st.composite
def axes_or_none(draw, ndim, kind=tuple):
    """None, one axis, or several."""
    if not ndim or draw(st.booleans()):
        return None
    if draw(st.booleans()):
        return draw(any_axis(ndim))
    return kind(draw(st.permutations(range(ndim)))[: draw(st.integers(1, ndim))])


@st.composite
def factored(draw, size):
    """A shape of as many entries, perhaps with one length left open."""
    if not size:
        return draw(st.sampled_from([(0,), (0, 2), (3, 0, 1)]))
    lengths = []
    while size > 1:
        lengths.append(draw(st.sampled_from([n for n in range(2, size + 1) if size % n == 0])))
        size //= lengths[-1]
    lengths.insert(draw(st.integers(0, len(lengths))), 1)
    if draw(st.booleans()):
        lengths[draw(st.integers(0, len(lengths) - 1))] = -1
    return tuple(lengths)


@st.composite
def reshapes(draw):
    x = draw(reals(shapes()))
    kind = draw(st.sampled_from(["reshape", "ravel", "atleast"]))
    if kind == "reshape":
        shape = draw(factored(x.size))
        return Trial(lambda x: np.reshape(x, shape), (x,))
    if kind == "ravel":
        return Trial(np.ravel, (x,), lambda x: x.ravel().copy())
    function = draw(st.sampled_from([np.atleast_1d, np.atleast_2d, np.atleast_3d]))
    return Trial(lambda x: function(x * 2), (x,))


@st.composite
def repeats(draw):
    """Repeat and tile, with a number for all or one for each."""
    x = draw(reals(shapes()))
    if draw(st.booleans()):
        reps = draw(st.one_of(st.integers(0, 3), st.lists(st.integers(0, 3), max_size=4)))
        return Trial(lambda x: np.tile(x, reps), (x,))
    axis = draw(st.none() if x.ndim == 0 else any_axis(x.ndim) | st.none())
    length = x.size if axis is None else x.shape[axis]
    counts = draw(st.one_of(st.integers(0, 3), st.lists(st.integers(0, 3), min_size=length, max_size=length)))
    return Trial(lambda x: np.repeat(x, np.array(counts, int), axis), (x,))


@st.composite
def expansions(draw):
    x = draw(reals(shapes()))
    axis = draw(st.one_of(st.integers(-x.ndim - 1, x.ndim), st.sampled_from([(0, -1), (1, 0), [0, -1]])))
    return Trial(lambda x: np.expand_dims(x, axis), (x,))


@st.composite
def squeezes(draw):
    shape = list(draw(shapes(max_dims=2)))
    for _ in range(draw(st.integers(0, 2))):
        shape.insert(draw(st.integers(0, len(shape))), 1)
    ones = tuple(i - draw(st.sampled_from([0, len(shape)])) for i, n in enumerate(shape) if n == 1)
    axis = draw(st.sampled_from([None, ones, *ones]))
    return Trial(lambda x: np.squeeze(x, axis), (draw(reals(tuple(shape))),))


@st.composite
def transposes(draw):
    x = draw(reals(shapes(max_dims=4)))
    axes = [axis - draw(st.sampled_from([0, x.ndim])) for axis in draw(st.permutations(range(x.ndim)))]
    calls = [lambda x: np.transpose(x, axes), lambda x: np.transpose(x), lambda x: x.T]
    if x.ndim:
        one, two = draw(any_axis(x.ndim)), draw(any_axis(x.ndim))
        calls += [lambda x: np.swapaxes(x, one, two), lambda x: np.moveaxis(x, one, two)]
        calls.append(lambda x: np.moveaxis(x, list(range(x.ndim)), axes))
    return Trial(draw(st.sampled_from(calls)), (x,))


@st.composite
def turns(draw):
    x = draw(reals(shapes(min_dims=2)))
    k = draw(st.integers(-4, 4))
    axes = draw(st.permutations(range(x.ndim)))[:2]
    return Trial(lambda x: np.rot90(x, k, axes), (x,))


@st.composite
def joins(draw):
    """Arrays of different lengths along one axis, or of any shape as vectors."""
    count = draw(st.integers(1, 3))
    least = count // 3  # three arrays are never empty, so that each has an adjoint
    if draw(st.booleans()):
        arrays = [draw(reals(shapes(min_side=least))) for _ in range(count)]
        return Trial(lambda *arrays: np.concatenate(arrays, axis=None), tuple(arrays))
    shape = list(draw(shapes(min_dims=1, min_side=least)))
    axis = draw(any_axis(len(shape)))
    arrays = []
    for _ in range(count):
        shape[axis] = draw(st.integers(least, 3))
        arrays.append(draw(reals(tuple(shape))))
    return Trial(lambda *arrays: np.concatenate(arrays, axis), tuple(arrays))


@st.composite
def named_joins(draw):
    count = draw(st.integers(1, 3))
    shape = draw(shapes(min_side=count // 3))
    arrays = tuple(draw(reals(shape)) for _ in range(count))
    function = draw(st.sampled_from([np.vstack, np.hstack, np.dstack]))
    return Trial(lambda *arrays: function(arrays), arrays)


@st.composite
def columns(draw):
    rows = draw(st.integers(0, 3))
    arrays = tuple(draw(reals(st.sampled_from([(rows,), (rows, 2), (rows, 0)]))) for _ in range(2))
    return Trial(lambda *arrays: np.column_stack(arrays), arrays)


@st.composite
def stacks(draw):
    count = draw(st.integers(1, 3))
    shape = draw(shapes(min_side=count // 3))
    arrays = tuple(draw(reals(shape)) for _ in range(count))
    axis = draw(st.integers(-len(shape) - 1, len(shape)))
    return Trial(lambda *arrays: np.stack(arrays, axis), arrays)


@st.composite
def flips(draw):
    x = draw(reals(shapes()))
    axis = draw(axes_or_none(x.ndim))
    return Trial(lambda x: np.flip(x, axis), (x,))


@st.composite
def rolls(draw):
    x = draw(reals(shapes()))
    axis = draw(axes_or_none(x.ndim))
    count = len(axis) if isinstance(axis, tuple) else 1
    shift = draw(st.integers(-4, 4) | st.lists(st.integers(-4, 4), min_size=count, max_size=count))
    return Trial(lambda x: np.roll(x, shift, axis), (x,))


@st.composite
def pads(draw):
    x = draw(reals(shapes(min_dims=1)))
    widths = st.integers(0, 3)
    width = draw(st.one_of(widths, st.tuples(widths, widths), st.tuples(*[st.tuples(widths, widths)] * x.ndim)))
    return Trial(lambda x: np.pad(x, width, constant_values=1.5), (x,))


@st.composite
def mirrored_pads(draw):
    x = draw(reals(shapes(min_dims=1, min_side=1)))
    width = draw(st.integers(0, 4))
    mode = draw(st.sampled_from(["edge", "reflect", "symmetric", "wrap"]))
    return Trial(lambda x: np.pad(x, width, mode), (x,))


@st.composite
def triangles(draw, function):
    x = draw(reals(shapes(min_dims=2)))
    k = draw(st.integers(-3, 3))
    return Trial(lambda x: function(x, k), (x,))


CASES = {
    shaping.Reshape: reshapes() | repeats(),
    shaping.ExpandDims: expansions(),
    shaping.Squeeze: squeezes(),
    shaping.Transpose: transposes(),
    shaping.MatrixTranspose: reals(shapes(min_dims=2)).map(lambda x: Trial(np.matrix_transpose, (x,))),
    shaping.Concatenate: joins() | named_joins() | columns(),
    shaping.Stack: stacks(),
    shaping.Flip: flips() | turns(),
    shaping.Roll: rolls(),
    shaping.Pad: pads(),
    shaping.Tril: triangles(np.tril),
    shaping.Triu: triangles(np.triu),
    shaping.Copy: reals(shapes()).map(lambda x: Trial(np.copy, (x,))),
}

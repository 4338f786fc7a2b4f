"""Trials of reductions, extremes, sorting and scans: over one axis, several, all or none, with and without keepdims."""

import hypothesis.extra.numpy as hnp
import numpy as np
from hypothesis import strategies as st

from minigrad.ops import reductions
from tests.ops.cases_arithmetic import SHAPES, numbers, spread
from tests.ops.trials import Trial

FULL = hnp.array_shapes(min_dims=0, max_dims=3, min_side=1, max_side=3)
LINES = hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=3)


@st.composite
def axes_of(draw, x):
    """None, an axis (counted from either end), or several."""
    if x.ndim == 0:
        return draw(st.sampled_from([None, ()]))
    one = st.integers(-x.ndim, x.ndim - 1)
    several = st.lists(st.integers(0, x.ndim - 1), unique=True, min_size=1).map(tuple)
    return draw(st.none() | one | several)


@st.composite
def reduced(draw, /, function, shapes=SHAPES, elements=None, **attributes):
    """A reduction of an array of one of the shapes; elements makes the array (from a shape)."""
    shape = draw(shapes)
    x = draw(elements(shape) if elements else numbers(-2, 2, shape))
    options = {"axis": draw(axes_of(x)), "keepdims": draw(st.booleans()), **{k: draw(v) for k, v in attributes.items()}}
    return Trial(lambda x: function(x, **options), (x,))


def with_zeros(shape):
    """Numbers some of which are 0."""
    return st.tuples(numbers(0.5, 1.5, shape, signed=True), hnp.arrays(np.bool_, shape, elements=st.booleans())).map(
        lambda drawn: np.asarray(drawn[0] * drawn[1])
    )


@st.composite
def along(draw, function, shapes=LINES, elements=None):
    """A function along one axis, or of the array as a vector."""
    shape = draw(shapes)
    x = draw(elements(shape) if elements else numbers(-2, 2, shape))
    axis = draw(st.none() | st.integers(-x.ndim, x.ndim - 1))
    return Trial(lambda x: function(x, axis=axis), (x,))


@st.composite
def recurrences(draw):
    shape = draw(LINES)
    axis, reverse = draw(st.integers(-len(shape), len(shape) - 1)), draw(st.booleans())

    def reference(a, b):
        a, y = np.moveaxis(a, axis, 0), np.moveaxis(b.copy(), axis, 0)
        for k in range(1, len(y)):
            if reverse:
                y[-1 - k] += a[len(y) - k] * y[-k]
            else:
                y[k] += a[k] * y[k - 1]
        return np.moveaxis(y, 0, axis).copy()

    return Trial(
        lambda a, b: reductions.Recurrence(a, b, axis=axis, reverse=reverse),
        (draw(numbers(-2, 2, shape)), draw(numbers(-2, 2, shape))),
        reference,
    )


@st.composite
def first_maxima(draw):
    x = draw(FULL.flatmap(spread))
    axis = draw(axes_of(x))
    return Trial(
        lambda x: reductions.FirstMaximum(x, axis=axis), (x,), lambda x: x == np.max(x, axis=axis, keepdims=True)
    )


PAIRS = hnp.array_shapes(min_dims=1, max_dims=3, min_side=2, max_side=3)

CASES = {
    reductions.Sum: reduced(np.sum),
    reductions.Mean: reduced(np.mean, FULL),
    reductions.Var: reduced(np.var, PAIRS, ddof=st.sampled_from([0, 1, 0.5])),
    reductions.Std: reduced(np.std, PAIRS, spread, ddof=st.sampled_from([0, 1])),
    reductions.Prod: reduced(np.prod, elements=with_zeros),
    reductions.Max: reduced(np.max, FULL, spread),
    reductions.Min: reduced(np.min, FULL, spread),
    reductions.FirstMaximum: first_maxima(),
    reductions.ArgMax: along(np.argmax, FULL.filter(len), spread),
    reductions.ArgMin: along(np.argmin, FULL.filter(len), spread),
    reductions.Sort: along(np.sort, elements=spread),
    reductions.ArgSort: along(np.argsort, elements=spread),
    reductions.CumSum: along(np.cumsum),
    reductions.CumProd: along(np.cumprod, elements=with_zeros),
    reductions.Recurrence: recurrences(),
    reductions.AnyTrue: reduced(np.any, elements=with_zeros),
    reductions.AllTrue: reduced(np.all, elements=with_zeros),
    reductions.CountNonzero: reduced(np.count_nonzero, elements=with_zeros),
}

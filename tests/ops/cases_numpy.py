"""Trials of operations behind NumPy's further functions: extremes without nan, running extremes, places in sorted arrays."""

import math

import hypothesis.extra.numpy as hnp
import numpy as np
from hypothesis import strategies as st

from minigrad.ops import arithmetic, covariance, nan_reductions, reductions, scipy_functions, sorting, ufunc_methods
from tests.ops import test_masks_and_checks
from tests.ops.cases_arithmetic import numbers, spread, unary
from tests.ops.trials import Trial

LINES = hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=4)
SMALL = st.integers(0, 6)


@st.composite
def shifts(draw, function):
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=2, max_side=3))
    a = draw(hnp.arrays(np.int64, shape, elements=st.integers(-50, 50)))
    return Trial(function, (a, draw(hnp.arrays(np.int64, shape, elements=SMALL))))


@st.composite
def signs(draw):
    return Trial(np.signbit, (draw(LINES.flatmap(spread)),))


@st.composite
def running(draw):
    x = draw(LINES.flatmap(spread))
    axis = draw(st.integers(-x.ndim, x.ndim - 1))

    def reference(a):
        top = np.maximum.accumulate(a, axis)
        lines = np.moveaxis(a, axis, 0)
        return np.moveaxis((lines == np.moveaxis(top, axis, 0)[:, None]).argmax(1), 0, axis)

    return Trial(lambda x: ufunc_methods.RunningArgMax(x, axis=axis), (x,), reference)


@st.composite
def extremes(draw):
    x = draw(LINES.flatmap(spread))
    x = np.where(draw(hnp.arrays(bool, x.shape)), x, np.nan)
    x[..., 0] = 0.3
    largest = draw(st.booleans())
    return Trial(
        lambda x: nan_reductions.ArgExtreme(x, largest=largest),
        (x,),
        lambda a: (np.nanargmax if largest else np.nanargmin)(a, -1),
    )


@st.composite
def places(draw):
    a, side = np.sort(draw(numbers(-2, 2, (draw(SMALL),)))), draw(st.sampled_from(["left", "right"]))
    v = draw(numbers(-3, 3, draw(LINES)))
    return Trial(lambda v: np.searchsorted(a, v, side), (v,))


@st.composite
def quantile_places(draw, kind, of):
    n = draw(hnp.arrays(np.int64, draw(LINES), elements=st.integers(1, 9)))
    q = tuple(draw(st.lists(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.8, 1.0]), min_size=1, max_size=3)))
    method = draw(st.sampled_from(["linear", "nearest", "hazen", "inverted_cdf", "midpoint"]))

    def reference(a):
        """By np.quantile of 0, 1, …, n − 1."""
        value = np.array([[np.quantile(np.arange(1.0 * m), p, method=method) for p in q] for m in a.reshape(-1)])
        return of(value.reshape(*a.shape, len(q)))

    return Trial(lambda n: kind(n, q=q, method=method), (n,), reference)


CASES = {
    covariance.WithinOne: unary(covariance.WithinOne, -0.9, 0.9, reference=lambda x: x),
    scipy_functions.Erfc: unary(
        scipy_functions.Erfc, -6.0, 6.0, reference=lambda a: np.vectorize(math.erfc, [float])(a)
    ),
    arithmetic.LeftShift: shifts(np.left_shift),
    arithmetic.RightShift: shifts(np.right_shift),
    arithmetic.SignBit: signs(),
    ufunc_methods.RunningArgMax: running(),
    nan_reductions.ArgExtreme: extremes(),
    sorting.SearchSorted: places(),
    sorting.QuantileIndex: quantile_places(sorting.QuantileIndex, lambda v: np.floor(v).astype(np.intp)),
    sorting.QuantileWeight: quantile_places(sorting.QuantileWeight, lambda v: v - np.floor(v)),
}
DEFINITIONS = {
    reductions.Binade: test_masks_and_checks.test_a_unit_of_squares_is_a_power_of_two,
    sorting.Monotonic: test_masks_and_checks.test_the_checks_pass_what_is_right,
}

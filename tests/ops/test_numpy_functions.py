"""NumPy's functions that are compositions: NumPy's values, gradients of order 1 and 2, float32, replays, programs."""

import hypothesis
import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import strategies as st

import minigrad as mg
from tests.ops.cases_reductions import axes_of
from tests.ops.likeness import assert_like_numpy
from tests.ops.test_reductions import arrays
from tests.ops.wholeness import assert_whole
from tests.quick import examples

X = np.array([[3.0, -1.0, 0.5, 4.0], [1.0, 2.0, -2.5, 0.7], [-0.2, 1.4, 0.9, -3.0]])
GAPS = np.where(np.array([[0, 1, 0, 0], [0, 0, 0, 0], [1, 0, 1, 0]]), np.nan, X)
EXTREME = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -2.0, 1e30])


# Entry by entry ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call",
    [
        np.degrees, np.radians, np.deg2rad, np.rad2deg, np.angle, lambda x: np.angle(x, True), np.real, np.imag, np.conj,
        np.isreal, np.iscomplex, np.fix, np.isposinf, np.isneginf, np.signbit, lambda x: np.modf(x)[0],
        lambda x: np.modf(x)[1], np.nan_to_num, lambda x: np.nan_to_num(x, nan=2.0, posinf=3.0, neginf=-4),
        lambda x: np.copysign(x, -1.0), lambda x: np.copysign(2, x), lambda x: np.copysign(x, x[::-1]),
        lambda x: np.heaviside(x, 0.5), lambda x: np.heaviside(x, x), lambda x: np.isin(x, [1, 2, 0]),
        lambda x: np.isin(x, [1.0, 2.0], invert=True), lambda x: np.float_power(np.abs(x), 1.5),
        lambda x: np.logaddexp2(x, 1),
    ],
)  # fmt: skip
def test_entry_by_entry(call):
    for x in (X, EXTREME, EXTREME.astype(np.float32), X.astype(np.float32), np.array([3, -1, 0])):
        with np.errstate(all="ignore"):
            assert_like_numpy(call, x, exact=False)


@pytest.mark.parametrize(
    "call",
    [
        np.degrees, np.deg2rad, lambda x: np.modf(x + 0.31)[0], np.nan_to_num, lambda x: np.copysign(x, -2.0),
        lambda x: np.copysign(x, x[::-1]), lambda x: np.heaviside(x * 0, x), lambda x: np.float_power(np.abs(x), 1.5),
        lambda x: np.logaddexp2(x, x[::-1]), lambda x: np.angle(x) * x, lambda x: x.real * x.conj() + x.imag,
    ],
)  # fmt: skip
def test_entry_by_entry_derivatives(call):
    assert_whole(call, X)


def test_nan_to_num_has_no_adjoint_where_it_replaces():
    x = mg.Input(EXTREME)
    (slope,) = mg.gradients(np.nan_to_num(x, posinf=2.0, neginf=3.0).sum(), x)
    np.testing.assert_array_equal(slope.value, np.isfinite(EXTREME))


def test_plain_answers():
    x = mg.Input(np.float32(X))
    assert np.array_equiv(x, x)
    assert not np.array_equiv(x, X[0])
    assert np.result_type(x, np.float64) == np.float64
    assert np.isrealobj(x)
    assert not np.iscomplexobj(x)


def test_shifts():
    i = np.array([5, -3, 8])
    for call in (lambda i: i << 2, lambda i: i >> 1, lambda i: 1 << abs(i), lambda i: 40 >> abs(i)):
        assert_like_numpy(call, i)
    assert_like_numpy(lambda i: np.bitwise_left_shift(i, 3), i)


# Without nan -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "function",
    [np.nansum, np.nanprod, np.nanmean, np.nanvar, np.nanstd, np.nanmax, np.nanmin, np.nanmedian],
    ids=lambda f: f.__name__,
)
def test_reductions_without_nan(function):
    @examples(60)
    @hypothesis.given(st.data())
    def check(data):
        x = data.draw(arrays())
        if x.dtype.kind == "f":
            x = np.where(data.draw(hnp.arrays(bool, x.shape)), x, np.asarray(np.nan, x.dtype))
        axis, keepdims = data.draw(axes_of(x)), data.draw(st.booleans())
        if function is np.nanmedian and not x.size:
            return  # NumPy fails by accident
        if x.dtype.kind == "b" and function in (np.nanvar, np.nanstd, np.nanmedian):
            return  # NumPy's error of subtracting booleans
        assert_like_numpy(lambda a: function(a, axis=axis, keepdims=keepdims), x, exact=False)

    check()
    for axis in (None, 0, 1, (0, 1)):
        assert_whole(lambda x, axis=axis: function(x, axis=axis), X)
        x = mg.Input(GAPS)
        present = mg.Input(np.nan_to_num(GAPS))
        (slope,) = mg.gradients(np.sin(function(x, axis=axis)).sum(), x)
        assert np.isfinite(slope.value).all()
        assert not slope.value[np.isnan(GAPS)].any()
        assert function(present).value.shape == ()


@pytest.mark.parametrize(
    "call",
    [
        lambda x: np.nansum(x, 1, where=X > 0, initial=2.0),
        lambda x: np.nanmean(x, 1, where=X > -1),
        lambda x: np.nanvar(x, 1, ddof=1),
        lambda x: np.nanstd(x, 0, ddof=0.5),
        lambda x: np.nanmax(x, 1, initial=-1.5),
        lambda x: np.nanmin(x, 0, initial=9.0, where=X > -2),
        lambda x: np.nanmax(x, 1, keepdims=True),
        lambda x: np.nancumsum(x, 1),
        np.nancumsum,
        lambda x: np.nancumprod(x, 0),
        lambda x: np.nanquantile(x, np.array([0.2, 0.9], x.dtype), 1),
        lambda x: np.nanpercentile(x, 45, (0, 1), keepdims=True),
    ],
)
def test_options_without_nan(call):
    assert_like_numpy(call, GAPS, exact=False)
    assert_like_numpy(call, GAPS.astype(np.float32), exact=False)
    assert_whole(call, X)

    def kept(x):  # the same gaps, differentiated at what is there
        filled = np.where(np.isnan(GAPS), np.nan, x)
        return call(filled)

    mg.check_gradients(kept, X, order=2)


def test_replays_find_other_gaps():
    x = mg.Input(GAPS)
    y = np.nanmean(x, 0)
    (slope,) = mg.gradients(y.sum(), x)
    other = GAPS[::-1].copy()
    mean, gradient = mg.Graph(y, slope).fprop({x: other})
    np.testing.assert_allclose(mean, np.nanmean(other, 0))
    np.testing.assert_allclose(gradient, ~np.isnan(other) / (~np.isnan(other)).sum(0))


@pytest.mark.parametrize(
    "function",
    [
        np.nansum, np.nanmean, np.nanvar, np.nanstd, np.nanmax, np.nanmedian, np.median, np.nan_to_num, np.ptp, np.angle,
        lambda x: np.quantile(x, [0.1, 0.5]), lambda x: np.max(x, where=X > 0, initial=0.0), np.cov, np.gradient,
        lambda x: np.interp(x, [0.0, 1.0], [2.0, 3.0]), np.linalg.pinv, lambda x: np.linalg.svd(x[:, :3])[0], np.unwrap,
        lambda x: np.heaviside(x, 0.5), lambda x: np.linspace(x[0], x[1], 3), np.maximum.accumulate,
    ],
)  # fmt: skip
def test_clean_data_raises_no_alarm(function):
    """Under the watch for nan and infinities, values and adjoints are made without one."""
    with mg.anomalies():
        x = mg.Input(X)
        y = function(x)
        parts = [part for part in (y if isinstance(y, tuple) else (y,)) if part.dtype.kind == "f"]
        mg.gradients(sum((part * part).sum() for part in parts), x)


def test_too_few_numbers():
    x = np.array([[1.0, np.nan, 3.0], [np.nan, np.nan, 2.0]])
    with np.errstate(all="ignore"):
        for ddof in (0, 1, 2, 3):
            assert_like_numpy(lambda x, d=ddof: np.nanvar(x, 1, ddof=d), x)
        leaf = mg.Input(x)
        (slope,) = mg.gradients(np.nanvar(leaf, 1, ddof=1)[0], leaf)
    np.testing.assert_array_equal(slope.value, [[-2, 0, 2], [0, 0, 0]])


def test_arg_extremes_without_nan():
    for axis in (None, 0, 1, -1):
        for keepdims in (False, True):
            for function in (np.nanargmax, np.nanargmin):
                assert_like_numpy(lambda x, f=function, a=axis, k=keepdims: f(x, a, keepdims=k), GAPS)
    assert_like_numpy(np.nanmax, np.array([np.nan, -np.inf]))
    with pytest.raises(ValueError, match="All-NaN slice"):
        np.nanargmin(mg.Input([np.nan, np.nan]))


# Quantiles and order -----------------------------------------------------------------------------------------------------

METHODS = [
    "linear", "lower", "higher", "nearest", "midpoint", "interpolated_inverted_cdf", "hazen", "weibull", "median_unbiased",
    "normal_unbiased", "inverted_cdf", "averaged_inverted_cdf", "closest_observation",
]  # fmt: skip
# NumPy 2.4.0 gives quantiles of float32 in float32 whatever the precision of q; before and after, q's counts.
FORGETFUL = np.quantile(np.array([0, 1], np.float32), [0.5]).dtype == np.float32


@pytest.mark.parametrize("method", METHODS)
def test_quantiles(method):
    @examples(30)
    @hypothesis.given(st.data())
    def check(data):
        x = data.draw(arrays(min_dims=1).filter(lambda x: x.size and x.dtype.kind != "b"))
        x = np.nan_to_num(x, nan=2, posinf=3)  # NumPy's own dtype of a nan depends on the number of axes
        if FORGETFUL and x.dtype == np.float32:
            x = x.astype(np.float64)
        axis, keepdims = data.draw(axes_of(x)), data.draw(st.booleans())
        q = data.draw(st.sampled_from([0.5, 0.0, 1.0, 0.3, [0.1, 0.9], [[0.25, 1.0], [0.0, 0.6]], np.float32(0.4), []]))
        options = {"axis": axis, "method": method, "keepdims": keepdims}
        assert_like_numpy(lambda a: np.quantile(a, q, **options), x, exact=False)
        assert_like_numpy(
            lambda a: np.percentile(a, q * 100 if type(q) in (int, float) else np.multiply(q, 100), **options),
            x,
            exact=False,
        )
        if np.ndim(q) > 1 and isinstance(axis, tuple) and len(axis) != 1:
            return  # NumPy's nanquantile puts the axes of such a q into wrong places
        if np.size(q):
            assert_like_numpy(lambda a: np.nanquantile(a, q, **options), x, exact=False)

    check()
    if method == "linear":
        np.testing.assert_array_equal(np.quantile(mg.Input([3, 1]), [0, 1]).value, [1, 3])
    assert_whole(lambda x: np.quantile(x, np.array([0.15, 0.5, 0.95], x.dtype), 1, method=method), X)
    assert_whole(lambda x: np.nanquantile(x, 0.4, (0, 1), method=method, keepdims=True), X)
    assert_like_numpy(lambda x: np.nanquantile(x, [0.2, 0.5], 0, method=method), GAPS, exact=False)


def test_quantiles_that_are_not():
    x = mg.Input(X)
    for call, text in (
        (lambda: np.quantile(x, 1.5), r"q lies in \[0, 1\]"),
        (lambda: np.percentile(x, 101), r"q lies in \[0, 100\]"),
        (lambda: np.quantile(x, 0.5, method="mode"), "the methods are linear, lower"),
        (lambda: np.quantile(x, x), "is no node: write q.value"),
        (lambda: np.quantile(x, 0.5, weights=X, method="inverted_cdf"), r"no weights=: .*np\.searchsorted"),
    ):
        with pytest.raises((TypeError, ValueError), match=text):
            call()


def test_the_way_to_weighted_quantiles():
    x, w, q = np.array([1.0, 2.0, 4.0, 7.0]), np.array([1.0, 2.0, 0.5, 3.0]), np.array([0.1, 0.4, 0.5, 0.8])
    expected = np.quantile(x, q, weights=w, method="inverted_cdf")
    x, w = mg.Input(x), mg.Input(w)
    np.testing.assert_array_equal(x[np.searchsorted(np.cumsum(w) / np.sum(w), q)].value, expected)


@pytest.mark.parametrize(
    "call",
    [
        np.ptp, lambda x: np.ptp(x, 1), lambda x: np.ptp(x, axis=0, keepdims=True),
        lambda x: np.partition(x, 2, 1)[:, 2], lambda x: np.take_along_axis(x, np.argpartition(x, 1, 1), 1)[:, 1],
    ],
)  # fmt: skip
def test_what_follows_from_sorting(call):
    assert_whole(call, X)


def test_places():
    edges, v = np.array([-1.0, 0.5, 2.0]), np.array([[0.5, 3.0], [-2.0, 1.0]])
    for side in ("left", "right"):
        assert_like_numpy(lambda a, v, s=side: np.searchsorted(a, v, s), edges, v)
        assert_like_numpy(lambda a, v, s=side: a.searchsorted(v, side=s), edges, v)
        assert_like_numpy(
            lambda a, v, s=side: np.searchsorted(a, v, s, sorter=np.array([2, 0, 1])), edges[[1, 2, 0]], v
        )
    assert_like_numpy(lambda a: np.searchsorted(a, 0.7), edges)
    for right in (False, True):
        for bins in (edges, edges[::-1].copy(), edges[:1]):
            assert_like_numpy(lambda v, b, r=right: np.digitize(v, b, r), v, bins)
    bins, points = mg.Input(edges), mg.Input(v)
    found = mg.Graph(np.digitize(points, bins)).fprop({bins: edges[::-1].copy()})
    np.testing.assert_array_equal(found, np.digitize(v, edges[::-1]))
    with pytest.raises(ValueError, match="rises or falls"):
        np.digitize(mg.Input(v), [1.0, 3.0, 2.0])
    a, b = np.array([2, 1, 2, 1, 2]), np.array([0.3, 0.5, 0.1, 0.2, 0.1])
    assert_like_numpy(lambda a, b: np.lexsort((b, a)), a, b)
    assert_like_numpy(lambda a, b: np.lexsort((a, b)), a, b)
    assert_like_numpy(lambda x: np.lexsort(x), np.array([[1, 3, 2, 1], [2, 1, 2, 1]]))
    assert_like_numpy(lambda x: np.lexsort((x, -x), axis=0), X)


# Ufuncs' methods ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call",
    [
        np.add.reduce, lambda x: np.add.reduce(x, 1), lambda x: np.add.reduce(x, axis=None, keepdims=True),
        lambda x: np.multiply.reduce(x, (0, 1)), lambda x: np.maximum.reduce(x), lambda x: np.minimum.reduce(x, -1),
        lambda x: np.fmax.reduce(x, 1), lambda x: np.add.reduce(x, 0, keepdims=True, initial=2.0, where=X > 0),
        lambda x: np.logaddexp.reduce(x, 1), lambda x: np.add.accumulate(x), lambda x: np.multiply.accumulate(x, 1),
        lambda x: np.maximum.accumulate(x, 1), lambda x: np.minimum.accumulate(x), lambda x: np.subtract.outer(x, x[0]),
        lambda x: np.multiply.outer(x[0], x), lambda x: np.hypot.outer(x[0], x[1]),
        lambda x: np.add.reduceat(x, [0, 2, 1], 1), lambda x: np.maximum.reduceat(x, [0, 2]),
        lambda x: np.multiply.reduceat(x, np.array([1, 3, 3]), axis=-1), lambda x: np.add.outer(2.0, x),
    ],
)  # fmt: skip
def test_methods_of_ufuncs(call):
    assert_whole(call, X)


def test_methods_of_ufuncs_elsewhere():
    for call in (
        np.logical_or.reduce, np.logical_and.reduce, lambda x: np.maximum.accumulate(x), np.minimum.accumulate,
        lambda x: np.add.reduce(x, dtype=np.float32), lambda x: np.less.outer(x, x), np.add.accumulate,
    ):  # fmt: skip
        for x in (np.array([3, 1, 2, 0, 5]), np.array([True, False, True]), np.array([1.0, np.nan, 3.0])):
            assert_like_numpy(call, x, exact=False)
    x = mg.Input(X)
    for call, text in (
        (lambda: np.hypot.reduce(x), "np.hypot.reduce is not supported on nodes, which have that of np.add"),
        (lambda: np.divide.accumulate(x), "np.divide.accumulate is not supported"),
        (lambda: np.add.reduceat(x, mg.Input([0])), "the indices are no node"),
        (lambda: np.add.at(x, 0, 1), r"np.add.at works in place.*x.at\[index\].add"),
        (lambda: np.add.reduce(x, out=np.zeros(4)), "no out="),
    ):
        with pytest.raises(TypeError, match=text):
            call()


def test_choose():
    index, a, b = np.array([[0, 1], [1, 0]]), np.array([1.0, 2.0]), np.array([[5.0], [6.0]])
    for mode in ("raise", "wrap", "clip"):
        assert_like_numpy(lambda i, a, b, m=mode: np.choose(i, [a, b], mode=m), index, a, b)
        if mode != "raise":
            assert_like_numpy(lambda i, a, b, m=mode: i.choose([a, b], mode=m), index * 3 - 1, a, b)
    assert_whole(lambda a, b: np.choose(index, [a, b]), a, b)

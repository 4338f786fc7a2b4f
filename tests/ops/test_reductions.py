"""Reductions, extremes, sorting and scans: NumPy's forms, zeros, ties, constants, empty arrays, replays, errors."""

import hypothesis
import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import strategies as st

import minigrad as mg
from minigrad import ops
from tests.ops.cases_reductions import axes_of
from tests.ops.likeness import assert_like_numpy
from tests.ops.test_arithmetic import grads
from tests.quick import examples

REDUCTIONS = (
    np.sum, np.mean, np.prod, np.var, np.std, np.max, np.amax, np.min, np.amin, np.any, np.all, np.count_nonzero,
    np.median, np.average,
)  # fmt: skip
METHODS = ("sum", "mean", "prod", "var", "std", "max", "min", "any", "all")
ALONG = (np.argmax, np.argmin, np.sort, np.cumsum, np.cumprod)
DTYPES = (np.bool_, np.int64, np.float32, np.float64)


@st.composite
def arrays(draw, min_dims=0):
    """Small integers (so sums are exact) as booleans, integers or floats, some with nan and infinity; empty ones too."""
    shape = draw(hnp.array_shapes(min_dims=min_dims, max_dims=3, min_side=0, max_side=3))
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    values = draw(hnp.arrays(np.int8, shape, elements=st.integers(-4, 4)))
    if dtype.kind == "f" and draw(st.integers(0, 3)) == 0 and values.size:
        values = values.astype(dtype)
        values.flat[0] = draw(st.sampled_from([np.nan, np.inf]))
    return values.astype(dtype)


# NumPy's meaning ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("function", REDUCTIONS, ids=lambda f: f.__name__)
def test_reductions_mean_what_numpy_says(function):
    """Any axes, with and without keepdims, empty arrays, nan, axes that are not there or given twice."""

    @examples(80)
    @hypothesis.given(st.data())
    def check(data):
        x = data.draw(arrays())
        axis = data.draw(axes_of(x) | st.sampled_from([(), 3, -4, (0, 0), (0, 5), 1.5]))
        keepdims = data.draw(st.booleans())
        if function in (np.median, np.average) and not x.size:
            return  # NumPy fails by accident: its reshape, or a division by 0
        assert_like_numpy(lambda a: function(a, axis, keepdims=keepdims), x, exact=False)
        if function.__name__ in METHODS:
            name = function.__name__
            assert_like_numpy(lambda a: getattr(a, name)(axis=axis, keepdims=keepdims), x, exact=False)

    check()
    assert_like_numpy(function, np.arange(6.0).reshape(2, 3), exact=False)


@pytest.mark.parametrize("function", ALONG, ids=lambda f: f.__name__)
def test_functions_along_an_axis_mean_what_numpy_says(function):
    @examples(80)
    @hypothesis.given(st.data())
    def check(data):
        x = data.draw(arrays())
        axis = data.draw(st.none() | st.integers(-4, 3))
        assert_like_numpy(lambda a: function(a, axis=axis), x)
        if function in (np.argmax, np.argmin):
            assert_like_numpy(lambda a: function(a, axis, keepdims=True), x)
        name = function.__name__
        if name != "sort":  # ndarray.sort works in place
            assert_like_numpy(lambda a: getattr(a, name)(axis=axis), x)

    check()
    for x in (np.array([3.0, 1.0, 2.0]), np.array([[3, 1], [1, 2]])):
        assert_like_numpy(function, x)


@hypothesis.given(arrays(min_dims=1), st.sampled_from([None, 0, -1]))
def test_argsort_is_numpys_stable_one(x, axis):
    assert_like_numpy(lambda a: np.argsort(a, axis=axis, kind="stable"), x)
    assert_like_numpy(lambda a: np.argsort(a, axis=axis, stable=True), x)
    found = np.argsort(mg.Input(x), axis).value
    np.testing.assert_array_equal(found, np.argsort(x, axis=axis, kind="stable"))
    assert_like_numpy(lambda a: np.sort(a, axis=axis, kind="mergesort"), x)


@pytest.mark.parametrize("function", [np.sort, np.argsort])
def test_kinds_of_sorting_are_numpys(function):
    x = np.array([3.0, 1.0, 2.0])
    for kind in ("quicksort", "heapsort", "stable", "mergesort", None):
        for stable in (None, True, False):
            assert_like_numpy(lambda a, k=kind, s=stable: function(a, kind=k, stable=s), x)
    with pytest.raises(ValueError, match=r"sort kind must be one of .*got 'bubble'"):
        function(mg.Input(x), kind="bubble")
    with pytest.raises(TypeError, match="sort kind must be str, not int"):
        function(mg.Input(x), kind=3)


@pytest.mark.parametrize("function", [np.cumsum, np.cumprod])
def test_a_number_is_scanned_as_a_vector(function):
    x = np.array(3.0)
    for axis in (None, 0, -1, 1, ()):
        assert_like_numpy(lambda a, ax=axis: function(a, axis=ax), x)
    mg.check_gradients(lambda x: np.sin(function(x, axis=-1)), x, order=2)


@hypothesis.given(arrays(), st.sampled_from([0, 1, 0.5, 5]))
def test_degrees_of_freedom(x, ddof):
    assert_like_numpy(lambda a: np.var(a, ddof=ddof), x, exact=False)
    assert_like_numpy(lambda a: np.std(a, correction=ddof), x, exact=False)
    assert_like_numpy(lambda a: np.std(a, ddof=ddof, correction=0), x, exact=False)
    assert_like_numpy(lambda a: a.var(ddof=ddof), x, exact=False)


@hypothesis.given(arrays(), st.integers(-1, 4), st.integers(-3, 2))
def test_diff(x, n, axis):
    assert_like_numpy(lambda a: np.diff(a, n, axis), x)
    if x.dtype.kind != "b":
        assert_like_numpy(lambda a: np.diff(a, n, axis=axis, prepend=0, append=a), x)
    assert_like_numpy(lambda a: np.diff(a), x)


def test_average():
    x = np.arange(24.0).reshape(2, 3, 4)
    for axis, shape in ((None, (2, 3, 4)), (0, (2,)), (-1, (4,)), ((0, 2), (2, 4)), ((2, 0), (4, 2)), ((1,), (3,))):
        weights = np.arange(1.0, 1 + np.prod(shape)).reshape(shape)
        for keepdims in (False, True):
            assert_like_numpy(
                lambda a, w, k=keepdims, ax=axis: np.average(a, ax, w, keepdims=k), x, weights, exact=False
            )
    assert_like_numpy(lambda a: np.average(a, weights=[1, 2]), np.array([1, 5]))
    assert_like_numpy(lambda a: np.average(a, weights=np.float32([1, 2])), np.float32([1, 5]))
    for bad in (np.ones(3), np.ones((3, 2, 4))):
        with pytest.raises(ValueError, match=r"weights of shape .* are neither of a's shape"):
            np.average(mg.Input(x), axis=0, weights=bad)


# Derivatives at single points --------------------------------------------------------------------------------------


@pytest.mark.row("ENG-11")
def test_sum_mean_max():
    x = np.array([[1.0, 5.0, 5.0], [7.0, 0.0, 7.0]])
    np.testing.assert_array_equal(grads(np.sum, x)[0], np.ones((2, 3)))
    np.testing.assert_allclose(grads(np.mean, x)[0], np.full((2, 3), 1 / 6))
    np.testing.assert_array_equal(grads(lambda x: np.mean(x, axis=0), x)[0], np.full((2, 3), 1 / 2))
    np.testing.assert_array_equal(grads(lambda x: np.max(x, axis=1), x)[0], [[0, 1, 0], [1, 0, 0]])
    np.testing.assert_array_equal(grads(lambda x: np.max(x, axis=(0, 1)), x)[0], [[0, 0, 0], [1, 0, 0]])
    np.testing.assert_array_equal(grads(lambda x: np.min(x, axis=0, keepdims=True), x)[0], [[1, 0, 1], [0, 1, 0]])


@pytest.mark.parametrize("function", [np.max, np.min])
def test_the_first_extreme_takes_all(function):
    """As argmax does: row by row, whatever the order the axes are named in, of nans the first."""
    x = np.zeros((2, 2, 3))
    for axis, at in (
        (None, [(0, 0, 0)]),
        ((2, 0), [(0, 0, 0), (0, 1, 0)]),
        ((1,), [(i, 0, k) for i in (0, 1) for k in range(3)]),
    ):
        expected = np.zeros_like(x)
        for index in at:
            expected[index] = 1
        np.testing.assert_array_equal(grads(lambda x, axis=axis: function(x, axis=axis), x)[0], expected)
    np.testing.assert_array_equal(grads(function, [1.0, np.nan, 3.0, np.nan])[0], [0, 1, 0, 0])
    np.testing.assert_array_equal(grads(function, 3.0)[0], 1)


def products(x, order):
    """Derivatives of Σ_i c_i x_i... of the product of all entries, by leaving out entries: the definition."""
    n = len(x)
    if order == 1:
        return np.array([np.prod(np.delete(x, i)) for i in range(n)])
    return np.array([[0.0 if i == j else np.prod(np.delete(x, [i, j])) for j in range(n)] for i in range(n)])


@pytest.mark.parametrize(
    "x", [[2.0, -3.0, 4.0, 0.5], [2.0, 0.0, 4.0, 0.5], [0.0, -3.0, 4.0, 0.0], [0.0, 0.0, 0.0, 5.0], [3.0]]
)
@pytest.mark.parametrize("form", [np.prod, lambda x: np.cumprod(x)[-1]], ids=["prod", "cumprod"])
def test_products_with_zeros(x, form):
    """None, one, two and three zeros, orders 1, 2 and 3."""
    leaf = mg.Input(np.array(x))
    (slope,) = mg.gradients(form(leaf), leaf)
    np.testing.assert_allclose(slope.value, products(leaf.value, 1), rtol=1e-14)
    hessian = [mg.gradients(slope[i], leaf)[0] for i in range(leaf.size)]
    np.testing.assert_allclose([row.value for row in hessian], products(leaf.value, 2), rtol=1e-14)
    if leaf.size == 4:
        (third,) = mg.gradients(hessian[0][1], leaf)
        np.testing.assert_allclose(third.value, [0, 0, x[3], x[2]], rtol=1e-14)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_std_has_adjoint_zero_at_zero(order):
    """No warning, no nan, in a row of equal entries; the other row as ever."""
    x = np.float32([[2, 2, 2], [1, 2, 4]])
    slope = grads(lambda x: np.std(x, axis=1) * x[:, 0], x, order=order)[0]
    assert slope.dtype == np.float32
    if order > 1:
        np.testing.assert_array_equal(slope[0], 0)
    assert np.isfinite(slope).all()
    np.testing.assert_array_equal(grads(np.std, np.full(3, 0.1))[0], 0)
    np.testing.assert_array_equal(grads(np.std, 5.0)[0], 0)


@pytest.mark.parametrize(
    "function", [np.std, lambda x: np.hypot(x, 0).sum(), np.prod, np.max], ids=["std", "hypot", "prod", "max"]
)
def test_what_is_guarded_passes_the_watch_for_infinities(function):
    """Adjoints that are 0 by definition are made without an infinity or a nan on the way."""
    x = mg.Input([0.0, 0.0, 0.0])
    with mg.anomalies():
        (slope,) = mg.gradients(function(x), x)
        (curvature,) = mg.gradients((slope**2).sum(), x)
    np.testing.assert_array_equal(curvature.value, 0)


def test_sorting_with_ties():
    """Equal entries keep their order, so each gets the adjoint of its own place."""
    x = mg.Input([2.0, 1.0, 2.0, 1.0])
    (slope,) = mg.gradients(np.sort(x), x, adjoint=[10.0, 20.0, 30.0, 40.0])
    np.testing.assert_array_equal(slope.value, [30, 10, 40, 20])


def test_median():
    x = np.array([[5.0, 1.0, 3.0], [2.0, 8.0, 4.0]])
    np.testing.assert_array_equal(grads(np.median, x)[0], [[0, 0, 0.5], [0, 0, 0.5]])
    np.testing.assert_array_equal(grads(lambda x: np.median(x, axis=1), x)[0], [[0, 0, 1], [0, 0, 1]])
    for axis in (0, -1, (0, 0)):
        assert_like_numpy(lambda a, axis=axis: np.median(a, axis=axis), np.array(2.0))
    for shape, axis in (((0,), None), ((0, 3), 0), ((0, 3), 1), ((2, 0), -1)):
        assert_like_numpy(lambda a, axis=axis: np.median(a, axis=axis, keepdims=True), np.zeros(shape, np.float32))


# Empty arrays, float32, replays, errors ----------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(0,), (0, 3), (2, 0)])
@pytest.mark.parametrize("function", [np.sum, np.prod, np.cumsum, np.cumprod, np.sort, ops.logsumexp])
def test_adjoints_of_empty_arrays(function, shape):
    for axis in (None, 0, len(shape) - 1):
        x = mg.Input(np.zeros(shape, np.float32))
        y = function(x, axis=axis)
        (slope,) = mg.gradients(y, x, adjoint=np.ones_like(y.value))
        assert slope.shape == shape
        assert slope.dtype == np.float32


def test_a_replay_finds_the_arg_max_and_the_order_anew():
    def build(array):
        x = mg.Input(array)
        y = np.max(x, 0) * np.min(x) + np.sort(x, 0)[1] * np.cumprod(x, 1)[0] + np.median(x) ** 2
        y = y + np.take_along_axis(x, np.argmax(x, 0, keepdims=True), 0)[0] ** 2 + np.prod(x, (0, 1)) ** 2
        (slope,) = mg.gradients(y.sum(), x)
        (curvature,) = mg.gradients((slope**2).sum(), x)
        return x, (y, slope, curvature)

    array = np.array([[3.0, -1.0, 0.5], [1.0, 2.0, -2.5]])
    x, nodes = build(array)
    replayed = mg.Graph(*nodes).fprop({x: -array[::-1]})
    for found, fresh in zip(replayed, build(-array[::-1])[1], strict=True):
        np.testing.assert_array_equal(found, fresh.value)


@pytest.mark.parametrize(
    ("kind", "text", "call"),
    [
        (IndexError, r"Sum\(axis=2, keepdims=False\): axis 2 is out of bounds.*x: Input \(3,\)   at .*test_reductions.py", lambda x: np.sum(x, axis=2)),
        (ValueError, r"Max\(.*zero-size array", lambda x: np.max(x[:0])),
        (ValueError, "ddof and correction are two names", lambda x: np.var(x, ddof=1, correction=1)),
        (ValueError, r"diff\(n=-1\)", lambda x: np.diff(x, -1)),
        (TypeError, r"np.histogram .*outside the graph", np.histogram),
    ],
)  # fmt: skip
def test_errors_say_what_to_do(kind, text, call):
    with pytest.raises(kind, match=text):
        call(mg.Input([1.0, 2.0, 3.0]))


@pytest.mark.parametrize("f", [np.sum, np.prod, np.max, np.min, mg.softmax, mg.logsumexp])
@pytest.mark.parametrize("axis", [0, -1])
def test_a_single_number_has_gradients_along_its_axis(f, axis):
    mg.check_gradients(lambda x: f(x, axis=axis) * x, np.array(0.7), order=2)


def test_std_of_nothing_has_an_adjoint_of_nothing():
    x = mg.Input(np.zeros((0, 3)))
    with pytest.warns(RuntimeWarning):
        y = np.std(x, axis=0)
    (slope,) = mg.gradients(y.sum(), [x])
    assert slope.shape == (0, 3)


def test_sorting_in_place_is_refused():
    with pytest.raises(TypeError, match=r"x = np\.sort\(x\)"):
        mg.Input([2.0, 1.0]).sort()

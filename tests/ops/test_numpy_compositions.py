"""NumPy's functions of joining, calculus and covariance on nodes: values, gradients of order 1 and 2, replays, programs."""

# mypy: disable-error-code="call-overload, list-item"

import hypothesis
import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import strategies as st

import minigrad as mg
from tests.ops.likeness import assert_like_numpy
from tests.ops.wholeness import assert_whole
from tests.quick import examples

X = np.array([[3.0, -1.0, 0.5, 4.0], [1.0, 2.0, -2.5, 0.7], [-0.2, 1.4, 0.9, -3.0]])
V = np.array([0.3, -1.2, 2.0, 0.7, -0.4])
W = np.array([1.1, 0.4, -0.6])
RISING = np.array([-1.0, -0.2, 0.5, 1.7, 2.0])


# Joining -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call",
    [
        lambda x: np.append(x, 2.0), lambda x: np.append(x, x[:1], 0), lambda x: np.append(x, [[1.0], [2.0], [3.0]], axis=1),
        lambda x: np.insert(x, 2, 5.0), lambda x: np.insert(x, [1, 1, 5], [7.0, 8.0, 9.0]), lambda x: np.insert(x, 1, x[0], 0),
        lambda x: np.insert(x, 1, [1.0, 2.0, 3.0], axis=1), lambda x: np.insert(x, [1], [[1.0], [2.0], [3.0]], axis=1),
        lambda x: np.insert(x, [0, 4], 2.5, axis=-1), lambda x: np.insert(x, slice(0, 2), x[0], 0),
        lambda x: np.insert(x, -1, 9.0, 1), lambda x: np.insert(x, [], [], 1),
        lambda x: np.delete(x, 3), lambda x: np.delete(x, [0, 2], 0), lambda x: np.delete(x, slice(None, None, 2), 1),
        lambda x: np.delete(x, -1, axis=1), lambda x: np.delete(x, np.array([True, False, False, True]), 1),
        lambda x: np.block([[x, 2 * x], [x[:1], x[:1]]]), lambda x: np.block([x, x]), lambda x: np.block(x),
        lambda x: np.block([x[0], 1.0, x[1]]), lambda x: np.block([[x[0]], [x[1]]]), lambda x: np.block([[[x]], [[x]]]),
        lambda x: np.resize(x, (4, 5)), lambda x: np.resize(x, 5), lambda x: np.resize(x, (2, 0)),
        lambda x: np.rollaxis(x, 1), lambda x: np.rollaxis(x, 0, 2), lambda x: np.rollaxis(x, -1, -2),
        lambda x: np.meshgrid(x[0], x[1])[0], lambda x: np.meshgrid(x[0], x[1, :2], x[2])[1],
        lambda x: np.meshgrid(x[0], x[1], indexing="ij")[1], lambda x: np.meshgrid(x[0], x[1], sparse=True)[0],
        lambda x: np.unstack(x)[1], lambda x: np.unstack(x, axis=1)[2],
        lambda x: np.apply_along_axis(lambda v: v * v.sum(), 0, x), lambda x: np.apply_along_axis(np.sum, 1, x),
        lambda x: np.apply_over_axes(np.sum, x, [0, 1]), lambda x: np.apply_over_axes(np.cumsum, x, 1),
    ],
)  # fmt: skip
def test_joining(call):
    assert_whole(call, X)


def test_joining_of_integers():
    i = np.array([[3, 1], [2, 0]])
    for call in (
        lambda i: np.append(i, 2.5), lambda i: np.insert(i, 1, 2.7, 1), lambda i: np.delete(i, 0, 1), lambda i: np.resize(i, 7),
        lambda i: np.insert(i > 1, 0, 5), lambda i: np.block([[i, i * 1.5]]), lambda i: np.ix_(i[0], i[1])[0],
        lambda i: np.ix_(i[0], i[1])[1], lambda i: np.tril_indices_from(i)[0], lambda i: np.triu_indices_from(i, 1)[1],
        lambda i: np.diag_indices_from(i)[0],
    ):  # fmt: skip
        assert_like_numpy(call, i)
    x = mg.Input(X)
    for call, text in (
        (lambda: np.insert(x, mg.Input(1), 2.0), "insert: the places are no node"),
        (lambda: np.delete(x, mg.Input([1])), "delete: the places are no node"),
        (lambda: np.block([[x], x]), "lists of the same depth"),
        (lambda: np.block([x, (x, x)]), "one is a tuple"),
        (lambda: np.meshgrid(x[0], x[1], indexing="yx"), "'xy' or 'ij'"),
        (lambda: np.ix_(x[0] > 0), "how often a mask holds"),
        (lambda: np.delete(x, 9, 0), "out of bounds"),
    ):
        with pytest.raises((TypeError, ValueError, IndexError), match=text):
            call()


@hypothesis.given(st.data())
@examples(60)
def test_inserting_and_deleting(data):
    x = data.draw(hnp.arrays(np.float64, hnp.array_shapes(max_dims=3, max_side=4), elements=st.integers(-5, 5)))
    axis = data.draw(st.none() | st.integers(-x.ndim, x.ndim - 1))
    n = x.size if axis is None else x.shape[axis]
    place = st.integers(-n, n - 1)
    obj = data.draw(place | st.lists(place, max_size=3) | st.builds(slice, place, place))
    assert_like_numpy(lambda a: np.delete(a, obj, axis), x)
    assert_like_numpy(lambda a: np.insert(a, obj, 7.0, axis), x)


# Calculus ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call",
    [
        np.ediff1d, lambda x: np.ediff1d(x, to_end=[1.0, 2.0], to_begin=3.0), lambda x: np.gradient(x)[0],
        lambda x: np.gradient(x)[1], lambda x: np.gradient(x, 0.5, axis=1), lambda x: np.gradient(x, 0.5, 2.0)[1],
        lambda x: np.gradient(x, [0.0, 1.0, 3.0], [0.0, 0.2, 0.5, 1.5])[0], lambda x: np.gradient(x, edge_order=2)[1],
        lambda x: np.gradient(x, np.array([0.0, 0.2, 0.5, 1.5]), axis=1, edge_order=2),
        lambda x: np.gradient(x, np.float64(0.3), axis=(0,)), np.trapezoid, lambda x: np.trapezoid(x, dx=0.3, axis=0),
        lambda x: np.trapezoid(x, [0.0, 1.0, 1.5, 4.0]), lambda x: np.trapezoid(x, x * 2, axis=1),
        lambda x: np.trapezoid(x, np.array([0.0, 1.0, 3.0]), axis=0), np.unwrap, lambda x: np.unwrap(x * 3, axis=0),
        lambda x: np.unwrap(x * 2, discont=4.5), lambda x: np.unwrap(x, period=2.5),
        lambda x: np.cumulative_sum(x, axis=1), lambda x: np.cumulative_sum(x, axis=0, include_initial=True),
        lambda x: np.cumulative_prod(x, axis=-1, include_initial=True), lambda x: np.cumulative_sum(x[0]),
        lambda x: np.vander(x[0]), lambda x: np.vander(x[0], 3, increasing=True), lambda x: np.vander(x[0], 0),
        lambda x: np.polyval([1.0, -2.0, 0.5], x), lambda x: np.polyval(x[0], x[1]),
        lambda x: np.linspace(x[0], x[1], 5), lambda x: np.linspace(x[0], 2.0, 4, endpoint=False, axis=1),
        lambda x: np.linspace(x[0, 0], x[0, 1], 3), lambda x: np.linspace(x[0], x[1], 1),
    ],
)  # fmt: skip
def test_calculus(call):
    assert_whole(call, X)


@pytest.mark.parametrize(
    "call",
    [
        lambda x: np.logspace(x[0], x[1], 4), lambda x: np.logspace(x[0], 1.0, 3, base=2.0, axis=1),
        lambda x: np.geomspace(np.exp(x[0]), np.exp(x[1]), 4), lambda x: np.geomspace(np.exp(x[0]), 3.0, 3, False, axis=1),
        lambda x: np.polyadd(x[0], x[1, :2]), lambda x: np.polysub(x[1, :2], x[0]), lambda x: np.polymul(x[0], x[1, 1:]),
        lambda x: np.polyder(x[0]), lambda x: np.polyder(x[0], 3), lambda x: np.polyint(x[0]),
        lambda x: np.polyint(x[0], 2, [1.0, 2.0]), lambda x: np.polyder(x[0], 0),
    ],
)  # fmt: skip
def test_grids_and_polynomials(call):
    assert_whole(call, X)


def test_numbers_of_entries():
    i = np.array([[3, 11], [0, 7]])
    for order in ("C", "F"):
        for k in range(2):
            assert_like_numpy(lambda i, o=order, k=k: np.unravel_index(i, (3, 4), o)[k], i)
        for mode in ("raise", "wrap", "clip"):
            call = lambda a, b, o=order, m=mode: np.ravel_multi_index((a, b), (3, 4), m, o)  # noqa: E731
            assert_like_numpy(call, np.array([0, 2]), np.array([3, 1]))
            if mode != "raise":
                assert_like_numpy(call, np.array([-1, 5]), np.array([9, -6]))
    x = mg.Input(X)
    row, column = np.unravel_index(np.argmax(x), x.shape)
    assert float(x[row, column]) == X.max()
    where = mg.Graph(row, column).fprop({x: -X})
    assert tuple(int(i) for i in where) == np.unravel_index(np.argmax(-X), X.shape)
    for call in (
        lambda: np.unravel_index(mg.Input([12]), (3, 4)),
        lambda: np.ravel_multi_index((mg.Input([3]), [0]), (3, 4)),
    ):
        with pytest.raises(ValueError, match="lies outside"):
            call()
    with pytest.raises(TypeError, match=r"write i\.astype\(int\)"):
        np.unravel_index(x, (3, 4))


def test_calculus_of_integers():
    i = np.array([[3, 1, 4], [1, 5, 9]])
    for call in (
        np.ediff1d, lambda i: np.gradient(i, axis=1), np.trapezoid, np.unwrap, lambda i: np.unwrap(i, period=4),
        lambda i: np.unwrap(i, period=5), lambda i: np.cumulative_sum(i, axis=0), lambda i: np.vander(i[0]),
        lambda i: np.polyval(i[0], i[1]), lambda i: np.polyint(i[0]), lambda i: np.polyder(i[0]), lambda i: np.polyadd(i[0], i[1]), lambda i: np.linspace(i[0], i[1], 4), lambda i: np.linspace(0, i[1], 4, dtype=int),
        lambda i: np.linspace(i[0], i[1], 4, retstep=True)[1], lambda i: np.interp(i, [1, 5], [2, 6]),
    ):  # fmt: skip
        assert_like_numpy(call, i, exact=False)
    x = mg.Input(X)
    for call, text in (
        (lambda: np.gradient(x, 1.0, 2.0, 3.0), "3 spacings for 2 axes"),
        (lambda: np.gradient(x, edge_order=3), "1 or 2"),
        (lambda: np.gradient(x[:1], axis=0), "needs 2 samples"),
        (lambda: np.gradient(x, [1.0, 2.0], axis=0), r"coordinates of axis 0 have shape \(2,\)"),
        (lambda: np.cumulative_sum(x), "give axis="),
        (lambda: np.vander(x), "a vector, not"),
    ):
        with pytest.raises((TypeError, ValueError), match=text):
            call()


@pytest.mark.parametrize(
    "options", [{}, {"left": -9.0, "right": 9.0}, {"left": 0}, {"period": 2.3}, {"period": -3.1, "left": 1.0}], ids=str
)
def test_interp(options):
    points = np.array([[-3.0, -0.9], [0.1, 0.55], [1.9, 2.5]])
    assert_like_numpy(lambda x, xp, fp: np.interp(x, xp, fp, **options), points, RISING, V, exact=False)
    assert_like_numpy(lambda x: np.interp(x, RISING, V, **options), np.append(RISING, np.nan), exact=False)
    assert_like_numpy(lambda x: np.interp(x, RISING[:1], V[:1], **options), points, exact=False)
    mg.check_gradients(lambda x, xp, fp: np.interp(x, xp, fp, **options), points, RISING, V, order=2)
    assert_whole(lambda fp: np.interp(points, RISING, fp, **options), V)
    for bad in (RISING[:3], X):
        with pytest.raises(ValueError, match="vectors of one length"):
            np.interp(mg.Input(points), bad, V)


@pytest.mark.parametrize("mode", ["full", "same", "valid"])
def test_convolutions(mode):
    for function in (np.convolve, np.correlate):
        for n in range(1, 7):
            for m in range(1, 7):
                a, v = np.arange(1.0, n + 1) ** 2, np.arange(3.0, m + 3) ** 3
                assert_like_numpy(lambda a, v, f=function: f(a, v, mode), a, v, exact=False)
        assert_like_numpy(lambda a, v, f=function: f(a, v, mode), np.array([1, 2, 3]), np.array([0, 1]))
        assert_like_numpy(lambda a, v, f=function: f(a, v, mode), np.float32(V), W, exact=False)
        assert_whole(lambda a, v, f=function: f(a, v, mode), V, W)
        assert_whole(lambda a, v, f=function: f(a, v, mode), W, V)
        with pytest.raises(ValueError, match="'full', 'same' or 'valid'"):
            function(mg.Input(V), W, "other")
        with pytest.raises(ValueError, match="sequences of length 1 or more"):
            function(mg.Input(X), W)
    assert_like_numpy(lambda a: np.convolve(a, W), V, exact=False)
    assert_like_numpy(lambda a: np.correlate(a, W), V, exact=False)


# Covariances -------------------------------------------------------------------------------------------------------------

COUNTS, AMOUNTS = np.array([1, 2, 1, 3]), np.array([0.5, 1.0, 2.0, 0.3])


@pytest.mark.parametrize(
    "call",
    [
        np.cov, lambda x: np.cov(x, rowvar=False), lambda x: np.cov(x, bias=True), lambda x: np.cov(x, ddof=0),
        lambda x: np.cov(x, None, True, False, 2), lambda x: np.cov(x[0], x[1]), lambda x: np.cov(x[0]),
        lambda x: np.cov(x, x[:1] ** 2), lambda x: np.cov(x, fweights=COUNTS), lambda x: np.cov(x, aweights=AMOUNTS),
        lambda x: np.cov(x, fweights=COUNTS, aweights=AMOUNTS, ddof=1), lambda x: np.cov(x, aweights=AMOUNTS, bias=True),
        lambda x: np.cov(x, dtype=np.float32), np.corrcoef, lambda x: np.corrcoef(x, rowvar=False),
        lambda x: np.corrcoef(x[0], x[1]), lambda x: np.corrcoef(x[0]),
    ],
)  # fmt: skip
def test_covariances(call):
    assert_like_numpy(call, X, exact=False)
    assert_like_numpy(call, X.astype(np.float32), exact=False)
    assert_like_numpy(call, X.astype(int), exact=False)
    y = call(mg.Input(X))
    if y.dtype == np.float64:
        assert_whole(call, X, compiled=call is not np.corrcoef)


def test_correlations_have_slopes():
    """Off the diagonal; on it they are 1, and their slope is 0."""
    assert_whole(lambda x: np.corrcoef(x)[np.triu_indices(3, 1)], X)
    x = mg.Input(X)
    (slope,) = mg.gradients(np.trace(np.corrcoef(x)), x)
    np.testing.assert_allclose(slope.value, 0, atol=1e-12)
    with pytest.raises(ValueError, match="variables are rows of a matrix"):
        np.cov(mg.Input(np.zeros((2, 2, 2))))


# Products ----------------------------------------------------------------------------------------------------------------

CUBE = np.arange(24.0).reshape(2, 3, 4) ** 2 % 7


@pytest.mark.parametrize(
    "call",
    [
        lambda x: np.vecdot(x, x * 2), lambda x: np.vecdot(x, x, axis=1), lambda x: np.vecdot(x, x, axis=0, keepdims=True),
        lambda x: np.vecdot(x, x[0].T, axes=[2, 0, ()]), lambda x: np.linalg.vecdot(x, x, axis=1),
        lambda x: np.matmul(x, x, axes=[(1, 2), (2, 1), (1, 2)]), lambda x: np.matmul(x, x, axes=[(2, 1), (1, 2), (0, 1)]),
        lambda x: np.matmul(x, x[0, 0], axes=[(1, 2), 0, 0]), lambda x: np.matmul(x[0, 0], x[0, 0], axes=[0, 0, ()]),
    ],
)  # fmt: skip
def test_products_along_axes(call):
    assert_whole(call, CUBE)


@pytest.mark.skipif(not hasattr(np, "matvec"), reason="NumPy 2.2 has matvec and vecmat")
@pytest.mark.parametrize(
    "call",
    [
        lambda x: np.matvec(x, x[0, 0]), lambda x: np.matvec(x, x[:, 0]), lambda x: np.vecmat(x[0, :, 0], x),
        lambda x: np.vecmat(x[:, :, 1], x), lambda x: np.matvec(x[0], x[:, 1]),
        lambda x: np.matvec(x, x[:, 0], axes=[(1, 2), 1, 0]), lambda x: np.vecmat(x[:, :, 0], x, axes=[1, (1, 2), -1])
    ],
)  # fmt: skip
def test_products_of_matrices_and_vectors(call):
    assert_whole(call, CUBE)


def test_products_that_do_not_fit():
    x = mg.Input(CUBE)
    for call, text in (
        (lambda: mg.ops.matvec(x, x[0, :, 0]), "matvec: matrices"),
        (lambda: mg.ops.vecmat(x[0, 0], x), "vecmat: vectors"),
        (lambda: np.matmul(x, x, axes=[0, 1, 2]), r"axes=\[0, 1, 2\]: 2, 2, 2 axes"),
    ):
        with pytest.raises(ValueError, match=text):
            call()

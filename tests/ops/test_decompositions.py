"""Eigenvectors, singular values, triangular factors: NumPy's values and forms, derivatives where spectra are simple."""

import numpy as np
import pytest

import minigrad as mg
from tests.ops.likeness import assert_like_numpy
from tests.ops.wholeness import assert_whole

A = np.array([[2.0, -0.3, 0.5], [0.4, 1.1, -0.7], [-0.2, 0.9, 0.3]])
TALL = np.array([[1.0, 0.2], [-0.4, 2.0], [0.7, 0.3], [0.1, -1.2]])
STACK = np.stack([A, A.T @ A + np.eye(3)])
B = np.array([[1.0, -2.0], [0.5, 0.3], [2.0, 1.0]])
TENSOR = np.arange(36.0).reshape(2, 3, 6) ** 2 % 11 + 3 * np.eye(6).reshape(2, 3, 6)


def symmetric(x):
    return x + x.mT


@pytest.mark.parametrize(
    "call",
    [
        lambda x: np.linalg.eigvalsh(symmetric(x)), lambda x: np.linalg.eigh(symmetric(x))[0],
        lambda x: np.linalg.eigh(symmetric(x)).eigenvalues ** 2, lambda x: np.linalg.eigh(symmetric(x)).eigenvectors ** 2,
        lambda x: np.linalg.eigh(symmetric(x), UPLO="U")[1] ** 2, lambda x: np.linalg.eigvalsh(symmetric(x), "u"),
        lambda x: np.linalg.svd(x)[0] ** 2, lambda x: np.linalg.svd(x).S, lambda x: np.linalg.svd(x).Vh ** 2,
        lambda x: np.linalg.svd(x, False)[2], lambda x: np.linalg.svd(x, compute_uv=False), np.linalg.svdvals,
        lambda x: np.linalg.qr(x)[0], lambda x: np.linalg.qr(x).R, lambda x: np.linalg.qr(x, "r"),
        lambda x: np.linalg.qr(x, mode="complete")[0], np.linalg.pinv, lambda x: np.linalg.pinv(x, 0.1),
        lambda x: np.linalg.pinv(x, rtol=1e-9), np.linalg.cond, lambda x: np.linalg.cond(x, -2),
        lambda x: np.linalg.cond(x, 1), lambda x: np.linalg.cond(x, "fro"), lambda x: np.linalg.cond(x, "nuc"),
        lambda x: np.linalg.norm(x, 2, (-2, -1)), lambda x: np.linalg.norm(x, -2, (-2, -1)),
        lambda x: np.linalg.norm(x, "nuc", (-2, -1)), lambda x: np.linalg.norm(x, "nuc", (-1, -2), True),
        lambda x: np.linalg.matrix_norm(x, ord=2, keepdims=True), lambda x: np.linalg.matrix_norm(x, ord="nuc"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("a", [A, STACK], ids=["matrix", "stack"])
def test_of_square_matrices(call, a):
    assert_whole(call, a, tolerance=1e-7)


@pytest.mark.parametrize(
    "call",
    [
        lambda x: np.linalg.svd(x, full_matrices=False)[0] ** 2, lambda x: np.linalg.svd(x, full_matrices=False)[2],
        np.linalg.svdvals, np.linalg.pinv, lambda x: np.linalg.qr(x)[0], lambda x: np.linalg.qr(x)[1],
        lambda x: np.linalg.qr(x, "r"), lambda x: np.linalg.norm(x, 2), lambda x: np.linalg.norm(x, "nuc"),
        lambda x: np.linalg.norm(x, -2), np.linalg.cond,
    ],
)  # fmt: skip
@pytest.mark.parametrize("a", [TALL, TALL.T.copy()], ids=["tall", "wide"])
def test_of_other_matrices(call, a):
    assert_whole(call, a, tolerance=1e-7)


def test_norms_over_other_axes():
    x = np.arange(24.0).reshape(2, 3, 4) ** 2 % 7
    for kind in (2, -2, "nuc"):
        for axes in ((0, 1), (2, 0), (-1, -3), (1, 2)):
            for keepdims in (False, True):
                assert_like_numpy(lambda x, o=kind, a=axes, k=keepdims: np.linalg.norm(x, o, a, k), x, exact=False)


@pytest.mark.parametrize("b", [B, B[:, 0].copy()], ids=["matrix", "vector"])
def test_least_squares(b):
    for a in (TALL[:3], A, np.array([[1.0, 2.0, 0.5], [1.0, 2.0, 0.5], [2.0, 0.3, 1.0]])):
        for k in range(4):
            call = lambda a, b, k=k: np.linalg.lstsq(a, b)[k]  # noqa: E731
            if k != 2:
                found = call(mg.Input(a), b).value
                np.testing.assert_allclose(found, call(a, b), rtol=1e-9, atol=1e-13)
            else:
                assert call(mg.Input(a), b).value == call(a, b)
    mg.check_gradients(lambda a, b: np.linalg.lstsq(a, b)[0], TALL[:3], b, order=2)
    mg.check_gradients(lambda a, b: np.linalg.lstsq(a, b, rcond=None)[1], TALL[:3], b, order=2)
    mg.check_gradients(lambda a, b: np.linalg.lstsq(a, b)[0], TALL.T[:, :3], b[:2], order=2)


def test_ranks():
    for a in (A, np.ones((3, 2)), np.zeros((2, 2)), STACK, np.ones(3), np.zeros(3), np.float32(A)):
        assert_like_numpy(np.linalg.matrix_rank, a)
        assert_like_numpy(lambda x: np.linalg.matrix_rank(x, 1.0), a)
        assert_like_numpy(lambda x: np.linalg.matrix_rank(x, rtol=0.3), a)


def test_tensors():
    assert_like_numpy(np.linalg.tensorsolve, TENSOR, B.T.copy(), exact=False)
    assert_like_numpy(
        lambda a, b: np.linalg.tensorsolve(a, b, axes=(0,)),
        np.moveaxis(TENSOR.reshape(6, 2, 3), 1, 0)[:, :, :].reshape(2, 6, 3),
        np.ones(6),
    )
    assert_like_numpy(np.linalg.tensorinv, TENSOR, exact=False)
    assert_like_numpy(lambda a: np.linalg.tensorinv(a, ind=1), TENSOR.reshape(6, 2, 3), exact=False)
    mg.check_gradients(lambda a, b: np.linalg.tensorsolve(a, b), TENSOR, B.T, order=2)


@pytest.mark.parametrize("UPLO", ["L", "U"])
@pytest.mark.parametrize("function", [
    lambda x, UPLO: np.linalg.eigvalsh(x, UPLO=UPLO), lambda x, UPLO: np.linalg.eigh(x, UPLO=UPLO)[0],
    lambda x, UPLO: np.linalg.eigh(x, UPLO=UPLO)[1] ** 2,
])  # fmt: skip
def test_the_adjoint_lies_in_the_triangle_that_is_read(function, UPLO):
    """The slopes are those of what NumPy computes, whether the other triangle mirrors it or holds anything else."""
    mirrored = A @ A.T + np.diag(np.arange(float(len(A))))
    other = np.full_like(mirrored, 7.0)
    unread = np.triu(other, 1) if UPLO == "L" else np.tril(other, -1)
    for matrix in (mirrored, mirrored + unread, np.stack([mirrored, 2 * mirrored])):
        mg.check_gradients(lambda x: function(x, UPLO), matrix, order=2)
    x = mg.Input(mirrored)
    y = function(x, UPLO)
    (found,) = mg.gradients(y, [x], adjoint=np.arange(1.0, y.size + 1).reshape(y.shape))
    kept = np.tril if UPLO == "L" else np.triu
    np.testing.assert_array_equal(found.value, kept(found.value))
    slope = mg.compile(lambda a: mg.gradients(function(a, UPLO)[..., 0].sum(), [a])[0])
    np.testing.assert_array_equal(slope(mirrored + unread) * unread, np.zeros_like(unread))


def test_a_function_of_a_symmetric_matrix():
    """The square root of a matrix by its eigenvectors: signs and order of these do not matter."""

    def root(x):
        w, v = np.linalg.eigh(x @ x.T + np.eye(3))
        return (v * np.sqrt(w)) @ v.T

    mg.check_gradients(root, A, order=2)
    x = mg.Input(A)
    np.testing.assert_allclose((root(x) @ root(x)).value, A @ A.T + np.eye(3))


def test_equal_eigenvalues():
    """Values have slopes, and their sum has all derivatives; what hangs on one vector of several has none: nan, not a number."""
    x = mg.Input(np.eye(2))
    (slope,) = mg.gradients(np.linalg.eigvalsh(x).sum(), x)
    np.testing.assert_array_equal(slope.value, np.eye(2))
    (slope,) = mg.gradients(np.linalg.svdvals(x).sum(), x)
    np.testing.assert_allclose(slope.value, np.eye(2))
    with np.errstate(all="ignore"):
        (slope,) = mg.gradients(np.linalg.eigh(x)[1][0, 0], x)
        assert not np.isfinite(slope.value).all()
        first = mg.gradients((np.linalg.eigvalsh(x) ** 2).sum(), x)[0]
        np.testing.assert_array_equal(first.value, 2 * np.eye(2))
        (second,) = mg.gradients((first * np.array([[0.0, 1.0], [1.0, 0.0]])).sum(), x)
        assert not np.isfinite(second.value).all()


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (np.linalg.eig, TypeError, r"np\.linalg\.eig is not supported on nodes: .*np\.linalg\.eigh\(x\)"),
        (np.linalg.eigvals, TypeError, r"np\.linalg\.eigvals .*np\.linalg\.eig\(x\.value\)"),
        (lambda x: np.linalg.svd(x[:2]), ValueError, "write full_matrices=False"),
        (lambda x: np.linalg.qr(x[:, :2], "complete"), ValueError, "write mode='reduced'"),
        (lambda x: np.linalg.qr(x, "raw"), ValueError, "nodes take 'reduced', 'complete' and 'r'"),
        (lambda x: np.linalg.eigh(x[:2]), np.linalg.LinAlgError, r"linalg\.eigvalsh takes square matrices"),
        (lambda x: mg.ops.eigh(x, "X"), ValueError, "UPLO='X'"),
        (lambda x: np.linalg.svd(x[0]), np.linalg.LinAlgError, "takes matrices"),
        (lambda x: np.linalg.pinv(x, 0.1, rtol=0.1), ValueError, "two names of one thing"),
        (lambda x: np.linalg.lstsq(x, x[:2]), np.linalg.LinAlgError, "of as many rows"),
        (lambda x: np.linalg.norm(x, 3, (0, 1)), ValueError, r"norm\(ord=3\) of matrices"),
        (lambda x: np.linalg.tensorinv(x, 0), ValueError, "ind=0"),
        (lambda x: np.linalg.tensorsolve(x, x), np.linalg.LinAlgError, "no square matrix"),
    ],
)  # fmt: skip
def test_errors_say_what_to_do(call, kind, text):
    with pytest.raises(kind, match=text):
        call(mg.Input(A))

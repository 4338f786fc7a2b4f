"""The exponential of matrices against its series, its closed forms, and its own laws."""

import numpy as np
import pytest

import minigrad as mg
from minigrad.models.initializers import orthogonal
from minigrad.ops.matrix_exponential import LARGEST_NORM
from tests.compiler.agreement import compare
from tests.ops.wholeness import assert_whole

RNG = np.random.default_rng(0)
SIZES = [0.0, 1e-9, 0.01, 0.3, 1.0, 4.0, LARGEST_NORM, 30.0, 1000.0]


def antisymmetric(n, size):
    a = RNG.normal(size=(n, n))
    return (a - a.T) * (size / max(np.abs(a - a.T).sum(0).max(), 1e-300))


def series(a, terms=60):
    total = term = np.broadcast_to(np.eye(a.shape[-1]), a.shape)
    for k in range(1, terms):
        term = term @ a / k
        total = total + term
    return total


def frechet(a, e, terms=40):
    """Σ_k Σ_j A^j E A^(k−1−j) / k!, the derivative of the series term by term."""
    powers = [np.eye(len(a))]
    for _ in range(terms):
        powers.append(powers[-1] @ a)
    total, factorial = np.zeros_like(a), 1.0
    for k in range(1, terms):
        factorial *= k
        total = total + sum(powers[j] @ e @ powers[k - 1 - j] for j in range(k)) / factorial
    return total


@pytest.mark.parametrize("size", SIZES[:6])
def test_it_is_the_series(size):
    a = RNG.normal(size=(4, 4))
    a *= size / np.abs(a).sum(0).max()
    np.testing.assert_allclose(mg.expm(a).value, series(a), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("size", SIZES)
def test_symmetric_matrices_by_their_eigenvalues(size):
    q = orthogonal()((5, 5), RNG, np.float64)
    w = np.linspace(-size, 0.3, 5)
    np.testing.assert_allclose(mg.expm((q * w) @ q.T).value, (q * np.exp(w)) @ q.T, atol=1e-11)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("n", [1, 2, 3, 8])
def test_of_an_antisymmetric_matrix_it_is_a_rotation(n, size):
    y = mg.expm(antisymmetric(n, size)).value
    np.testing.assert_allclose(y @ y.T, np.eye(n), atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(y), 1, rtol=1e-12)


def test_each_matrix_of_a_stack_is_scaled_by_itself():
    stack = RNG.normal(size=(2, 3, 3, 3)) * np.array([1e-6, 1.0, 20.0])[:, None, None]
    found = mg.expm(stack).value
    for place in np.ndindex(2, 3):
        np.testing.assert_allclose(found[place], mg.expm(stack[place]).value, rtol=1e-12)


@pytest.mark.parametrize("size", [1e-200, 1e-6, 1.0, 1e6, 1e200])
def test_an_adjoint_of_any_size_comes_back_to_the_last_digits(size):
    a, e = RNG.normal(size=(2, 3, 3))
    (found,) = mg.gradients(mg.expm(x := mg.Input(a)), [x], adjoint=e * size)
    np.testing.assert_allclose(found.value / size, frechet(a.T, e), rtol=1e-11)


def test_an_adjoint_of_zeros_gives_zeros():
    x = mg.Input(RNG.normal(size=(2, 2)))
    (found,) = mg.gradients(mg.expm(x), [x], adjoint=np.zeros((2, 2)))
    assert not found.value.any()


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (2, 2, 2)], ids=str)
def test_derivatives(shape, order):
    a = RNG.normal(size=shape)
    mg.check_gradients(mg.expm, a, order=order)
    mg.check_gradients(mg.expm, a * 4, order=order)  # with squarings


@pytest.mark.parametrize("shape", [(0, 0), (2, 0, 0), (0, 2, 2)], ids=str)
def test_nothing_is_left_of_nothing(shape):
    x = mg.Input(np.zeros(shape))
    (found,) = mg.gradients(mg.expm(x).sum(), [x])
    assert mg.expm(x).shape == found.shape == shape


def test_it_is_whole():
    def expm(a):
        return mg.expm(a) if isinstance(a, mg.Node) else series(a.astype(np.float64)).astype(a.dtype)

    assert_whole(expm, RNG.normal(size=(3, 3)))


def test_a_program_decides_anew_how_often_it_squares():
    def both(x):
        y = mg.expm(x)
        return y, *mg.gradients((y * y).sum(), [x])

    compare(both, [RNG.normal(size=(3, 3))], [RNG.normal(size=(3, 3)) * 10])


def test_float32_stays_and_is_computed_in_float64():
    a = antisymmetric(6, 3.0)
    y = mg.expm(mg.Input(a.astype(np.float32)))
    assert y.dtype == np.float32
    np.testing.assert_array_equal(y.value, mg.expm(a.astype(np.float32).astype(np.float64)).value.astype(np.float32))


def test_nan_stays_nan():
    assert np.isnan(mg.expm([[np.nan, 0.0], [0.0, 1.0]]).value).any()


@pytest.mark.parametrize("shape", [(), (2,), (2, 3), (4, 2, 3)], ids=str)
def test_what_is_no_square_matrix_is_refused(shape):
    with pytest.raises(np.linalg.LinAlgError, match=r"expm takes square matrices \(\.\.\., n, n\), not \("):
        mg.expm(np.zeros(shape))

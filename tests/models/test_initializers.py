import pickle

import numpy as np
import pytest

from minigrad.models.initializers import constant, normal, orthogonal, zeros

DTYPES = [np.float32, np.float64]


@pytest.mark.row("INI-03")
@pytest.mark.parametrize("std", [0.01, 0.1])
def test_normal_has_mean_zero_and_the_standard_deviation(std):
    a = normal(std)((300, 200), np.random.default_rng(0), np.float64)
    n = a.size
    assert abs(a.mean()) < 4 * std / np.sqrt(n)
    assert abs(a.std() / std - 1) < 4 / np.sqrt(2 * n)
    assert abs((a**4).mean() / std**4 - 3) < 4 * np.sqrt(96 / n)  # the fourth moment of a normal distribution


@pytest.mark.row("INI-01")
@pytest.mark.parametrize("dtype", DTYPES)
def test_zeros_and_constant(dtype):
    rng = np.random.default_rng(0)
    for initializer, value in ((zeros, 0.0), (constant(0.5), 0.5)):
        a = initializer((3, 2), rng, dtype)
        assert a.dtype == dtype
        assert a.tolist() == [[value, value]] * 3


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(5, 5), (7, 3), (3, 7), (1, 4)])
def test_orthogonal_keeps_lengths_times_the_gain(shape, dtype):
    Q = orthogonal(1.5)(shape, np.random.default_rng(0), dtype)
    assert (Q.shape, Q.dtype) == (shape, dtype)
    product = Q.T @ Q if shape[0] >= shape[1] else Q @ Q.T
    np.testing.assert_allclose(product, 2.25 * np.eye(min(shape)), atol=40 * np.finfo(dtype).eps)


def test_orthogonal_is_uniform():
    rng = np.random.default_rng(0)
    drawn = np.array([orthogonal()((2, 2), rng, np.float64) for _ in range(4000)])
    assert abs((np.linalg.det(drawn) > 0).mean() - 0.5) < 0.04  # rotations and reflections
    angles = np.arctan2(drawn[:, 1, 0], drawn[:, 0, 0])
    assert np.abs(np.histogram(angles, 8, (-np.pi, np.pi))[0] - 500).max() < 5 * np.sqrt(500)


@pytest.mark.parametrize("initializer", [normal(0.1), orthogonal()])
def test_the_generator_decides(initializer):
    def draw(seed):
        return initializer((4, 3), np.random.default_rng(seed), np.float32)

    assert (draw(1) == draw(1)).all()
    assert (draw(1) != draw(2)).any()
    rng = np.random.default_rng(1)
    assert (initializer((4, 3), rng, np.float32) != initializer((4, 3), rng, np.float32)).any()


def test_initializers_can_be_stored():
    kept = pickle.loads(pickle.dumps(orthogonal(2.0)))
    rngs = [np.random.default_rng(0) for _ in range(2)]
    np.testing.assert_array_equal(kept((3, 3), rngs[0], np.float64), orthogonal(2.0)((3, 3), rngs[1], np.float64))


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match=r"normal\(std\): the standard deviation is a number of at least 0, not -1"):
        normal(-1)
    with pytest.raises(ValueError, match="normal"):
        normal(np.nan)
    with pytest.raises(ValueError, match=r"orthogonal\(gain\): the gain is a finite number, not inf"):
        orthogonal(np.inf)
    with pytest.raises(ValueError, match=r"only a matrix can be orthogonal, and the shape is \(3,\)"):
        orthogonal()((3,), np.random.default_rng(0), np.float64)

"""Activation functions: the checklist's numbers, ±1000 in float32 without a warning, Jacobians, infinities."""

import numpy as np
import pytest

import minigrad as mg
from minigrad import ops
from tests.ops.test_arithmetic import grads

HUGE = np.array([-1000, -100, -88, 0, 88, 100, 1000], np.float32)


def jacobian(f, x):
    """∂f/∂x, one gradient per entry of f."""
    leaf = mg.Input(np.asarray(x))
    y = f(leaf)
    rows = [mg.gradients(y, leaf, adjoint=row)[0].value for row in np.eye(y.size)]
    return y.value, np.stack(rows)


@pytest.mark.row("ACT-02")
def test_sigmoid():
    x = np.array([-0.7, 0.7])
    np.testing.assert_allclose(ops.sigmoid(x).value, [0.331812, 0.668188], atol=5e-7)
    np.testing.assert_allclose(grads(ops.sigmoid, x)[0], 0.221713, atol=5e-7)
    assert grads(ops.sigmoid, 0.0)[0] == 0.25
    value = ops.sigmoid(HUGE).value
    assert value.dtype == np.float32
    assert value[0] == 0
    assert value[-1] == 1
    assert np.isfinite(grads(ops.sigmoid, HUGE)[0]).all()


def test_sigmoid_keeps_its_digits_in_both_tails():
    x = np.array([-700.0, -40.0, -1.0, 1.0, 40.0])
    np.testing.assert_allclose(ops.sigmoid(x).value, 1 / (1 + np.exp(-x)), rtol=1e-15)


@pytest.mark.row("ACT-06")
def test_relu():
    x = np.array([-0.7, 0.7, 0.0])
    np.testing.assert_array_equal(ops.relu(x).value, [0, 0.7, 0])
    np.testing.assert_array_equal(grads(ops.relu, x)[0], [0, 1, 0])
    assert ops.relu(np.array([1, -1])).dtype == np.int64
    assert np.isnan(ops.relu(np.nan).value)


def test_relu_stops_an_infinite_adjoint():
    with np.errstate(divide="ignore"):
        np.testing.assert_array_equal(grads(lambda x: np.sqrt(ops.relu(x)), [-1.0, 4.0])[0], [0, 0.25])


@pytest.mark.row("ACT-19")
def test_softplus():
    x = np.array([-0.7, 0.7])
    np.testing.assert_allclose(ops.softplus(x).value, [0.403186, 1.103186], atol=5e-7)
    np.testing.assert_allclose(grads(ops.softplus, x)[0], [0.331812, 0.668188], atol=5e-7)
    np.testing.assert_allclose(ops.softplus(-0.7, beta=2).value, 0.110209, atol=5e-7)
    np.testing.assert_allclose(grads(lambda x: ops.softplus(x, 2), -0.7)[0], 0.197816, atol=5e-7)
    assert ops.softplus(1000.0).value == 1000
    value = ops.softplus(HUGE).value
    assert value.dtype == np.float32
    np.testing.assert_array_equal(value[[0, -1]], [0, 1000])
    np.testing.assert_array_equal(grads(ops.softplus, HUGE)[0][[0, -1]], [0, 1])


@pytest.mark.parametrize("beta", [0, -1.0, np.nan])
def test_softplus_refuses_a_beta_that_is_not_positive(beta):
    with pytest.raises(ValueError, match="beta is a number above 0"):
        ops.softplus(1.0, beta)


@pytest.mark.row("ENG-14")
def test_the_jacobian_of_softmax_is_full():
    y, found = jacobian(ops.softmax, [1.0, 2.0, 3.0])
    np.testing.assert_allclose(y, [0.090031, 0.244728, 0.665241], atol=5e-7)
    np.testing.assert_allclose(found, np.diag(y) - np.outer(y, y), rtol=1e-14)
    np.testing.assert_array_equal(ops.softmax([1000.0, 0.0]).value, [1, 0])
    np.testing.assert_array_equal(ops.softmax(np.float32([1000, 0, -1000])).value, [1, 0, 0])


@pytest.mark.row("ACT-25")
def test_softmax_gives_distributions():
    x = np.random.default_rng(0).normal(0, 10, (4, 5, 3))
    for axis in (-1, 0, (0, 1), None):
        y = ops.softmax(x, axis).value
        np.testing.assert_allclose(y.sum(axis=axis), 1, rtol=1e-14)
        np.testing.assert_allclose(ops.softmax(x + 1e3, axis).value, y, rtol=1e-10)
    np.testing.assert_array_equal(ops.softmax(x).value, ops.softmax(x, -1).value)


def test_log_softmax():
    x = np.float32([[1000, 0, -1000], [1, 2, 3]])
    np.testing.assert_allclose(
        ops.log_softmax(x).value, [[0, -1000, -2000], [-2.407606, -1.407606, -0.407606]], atol=5e-7
    )
    y, found = jacobian(ops.log_softmax, [1.0, 2.0, 3.0])
    np.testing.assert_allclose(found, np.eye(3) - np.exp(y), rtol=1e-14)


@pytest.mark.row("ENG-15")
def test_logsumexp():
    np.testing.assert_allclose(ops.logsumexp([1.0, 2.0, 3.0]).value, 3.407606, atol=5e-7)
    np.testing.assert_allclose(ops.logsumexp([1000.0, 1000.0]).value, 1000.693147, atol=5e-7)
    np.testing.assert_allclose(grads(ops.logsumexp, [1.0, 2.0, 3.0])[0], ops.softmax([1.0, 2.0, 3.0]).value, rtol=1e-15)
    x = np.float32([[1000, -1000], [-1000, -1000]])
    np.testing.assert_allclose(ops.logsumexp(x, axis=1).value, [1000, -999.3069], rtol=1e-7)
    np.testing.assert_array_equal(grads(lambda x: ops.logsumexp(x, 1, True), x)[0], [[1, 0], [0.5, 0.5]])
    assert ops.logsumexp(x, axis=0, keepdims=True).shape == (1, 2)


def test_logsumexp_of_infinities():
    inf = np.inf
    x = np.float32([[-inf, 0], [-inf, -inf], [inf, 1000], [-inf, inf]])
    np.testing.assert_array_equal(ops.logsumexp(x, axis=1).value, [0, -inf, inf, inf])
    assert np.isnan(ops.logsumexp([np.nan, 1.0]).value)
    assert ops.logsumexp(np.zeros((0,))).value == -inf
    assert ops.logsumexp(np.zeros((3, 0)), axis=1).shape == (3,)
    (slope,) = grads(ops.logsumexp, [-inf, 0.0, 0.0])
    np.testing.assert_array_equal(slope, [0, 0.5, 0.5])
    np.testing.assert_array_equal(grads(ops.logsumexp, [-inf, 0.0, 0.0], order=2)[0], 0)


def test_masked_logits():
    """−∞ shuts an entry out of a distribution, in values and derivatives."""
    x = np.array([[-np.inf, 1.0, 2.0]])
    np.testing.assert_allclose(ops.softmax(x).value, [[0, 0.268941, 0.731059]], atol=5e-7)
    np.testing.assert_array_equal(ops.log_softmax(x).value[0, 0], -np.inf)
    (slope,) = grads(lambda x: ops.softmax(x)[0, 1], x)
    np.testing.assert_allclose(slope, [[0, 0.196612, -0.196612]], atol=5e-7)


@pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 3)])
@pytest.mark.parametrize("function", [ops.softmax, ops.log_softmax, ops.sigmoid, ops.softplus, ops.relu])
def test_nothing_gives_nothing(function, shape):
    assert function(np.zeros(shape, np.float32)).shape == shape


@pytest.mark.parametrize("function", [ops.softmax, ops.log_softmax, ops.logsumexp, ops.sigmoid, ops.softplus, ops.erf])
def test_integers_become_float64(function):
    value = function(np.array([1, 2])).value
    assert value.dtype == np.float64
    np.testing.assert_array_equal(value, function([1.0, 2.0]).value)


def test_an_axis_that_is_not_there_is_named():
    with pytest.raises(IndexError, match=r"Softmax\(axis=2\): axis 2 is out of bounds.*x: Input \(3,\)"):
        ops.softmax(mg.Input(np.ones(3)), axis=2)

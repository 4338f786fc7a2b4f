"""Powers and elementary functions: NumPy's values and dtypes, special points, high orders near 0, large arguments."""

import math
import operator

import numpy as np
import pytest

import minigrad as mg
from minigrad import ops
from tests.ops.likeness import assert_like_numpy
from tests.ops.test_arithmetic import grads

UNARY = (
    np.square, np.sqrt, np.cbrt, np.exp, np.exp2, np.expm1, np.log, np.log2, np.log10, np.log1p, np.sin, np.cos, np.tan,
    np.arcsin, np.arccos, np.arctan, np.sinh, np.cosh, np.tanh, np.arcsinh, np.arccosh, np.arctanh, np.sinc,
    np.reciprocal,
)  # fmt: skip
BINARY = (np.hypot, np.logaddexp, np.arctan2)


def nth(f, x, order):
    """The derivative of the given order, entry by entry."""
    node = leaf = mg.Input(np.asarray(x))
    node = f(node)
    for _ in range(order):
        (node,) = mg.gradients(node.sum(), leaf)
    return node.value


# NumPy's meaning ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("function", UNARY, ids=lambda f: f.__name__)
def test_one_operand_means_what_numpy_says(function):
    for dtype in (np.int64, np.int8, np.float32, np.float64):
        for array in ([1, 2, 3], [[0.5, -0.5], [0.25, 0.0]], np.zeros((0, 2)), 1):
            assert_like_numpy(function, np.asarray(array).astype(dtype))
    assert_like_numpy(function, np.array([np.nan, np.inf, -np.inf, -0.0]))


@pytest.mark.parametrize("function", BINARY, ids=lambda f: f.__name__)
def test_two_operands_mean_what_numpy_says(function):
    for a in (np.arange(3), np.ones((2, 1), np.float32), np.float64(2.0), 1, 2.5, np.zeros((0, 3))):
        for b in (np.array([1.0, -2.0, 3.0], np.float32), np.array(4.0)):
            assert_like_numpy(function, a, b)
            assert_like_numpy(function, b, a)


@pytest.mark.parametrize("exponent", [0, 1, 2, 3, 4, 5, -1, -2, 0.0, 1.0, 2.0, 3.0, 0.5, -0.5, 2.5, True], ids=repr)
def test_powers_of_numbers_mean_what_numpy_says(exponent):
    """Negative, zero and integer bases (an error at negative powers of integers); the last digit may differ."""
    for base in ([-1.5, 0.0, 2.0], [[-2, 0, 3]], 0, np.zeros((0, 2)), [np.nan, np.inf, -np.inf]):
        for dtype in (np.float64, np.float32, np.int64):
            if np.isfinite(base).all() or dtype is not np.int64:
                assert_like_numpy(operator.pow, np.asarray(base).astype(dtype), exponent, exact=False)
    assert_like_numpy(operator.pow, exponent, np.array([0.0, 2.0, 3.5]))


# Derivatives at single points --------------------------------------------------------------------------------------


@pytest.mark.row("ENG-10")
def test_exp_log_sqrt():
    x = np.array([1e-300, 1e-8, 0.7, 3.0])
    np.testing.assert_allclose(grads(np.exp, x)[0], np.exp(x), rtol=1e-15)
    np.testing.assert_allclose(grads(np.log, x)[0], 1 / x, rtol=1e-15)
    np.testing.assert_allclose(grads(np.sqrt, x)[0], 1 / (2 * np.sqrt(x)), rtol=1e-15)
    assert np.isfinite(np.log(mg.Input(x)).value).all()


@pytest.mark.row("ACT-03")
def test_tanh():
    x = mg.Input([-0.7, 0.7])
    np.testing.assert_allclose(np.tanh(x).value, [-0.604368, 0.604368], atol=5e-7)
    np.testing.assert_allclose(grads(np.tanh, x.value)[0], 0.634740, atol=5e-7)
    np.testing.assert_allclose(np.tanh(x).value, (2 * ops.sigmoid(2 * x) - 1).value, rtol=1e-14)
    np.testing.assert_array_equal(np.tanh(mg.Input(np.float32([-1000, 1000]))).value, [-1, 1])


def test_powers_of_numbers_at_zero():
    zero = [0.0]
    assert nth(lambda x: x**0, zero, 1) == 0
    assert nth(lambda x: x**1, zero, 1) == 1
    assert nth(lambda x: x**2, zero, 1) == 0
    assert nth(lambda x: x**2, zero, 2) == 2
    assert nth(lambda x: x**3, zero, 3) == 6
    assert nth(lambda x: x**4, zero, 4) == 24
    assert nth(lambda x: x**2.0, zero, 3) == 0
    assert nth(lambda x: x**1.5, zero, 1) == 0


def test_the_sixth_derivatives():
    x = np.array([-1.3, 0.4])
    np.testing.assert_allclose(nth(lambda x: x**7, x, 6), 5040 * x, rtol=1e-13)
    t = np.tanh(x)
    sixth = -16 * t * (1 - t**2) * (45 * t**4 - 60 * t**2 + 17)
    np.testing.assert_allclose(nth(np.tanh, x, 6), sixth, rtol=1e-12)


def test_powers_of_nodes_at_zero():
    """0 ** b with a rule for both: no nan where the formulas say 0 · ∞."""
    base, exponent = grads(np.power, [0.0, 0.0, 0.0, 2.0], [0.0, 1.0, 2.0, 0.0])
    np.testing.assert_array_equal(base, [0, 1, 0, 0])
    np.testing.assert_allclose(exponent, [0, 0, 0, math.log(2)])
    a, b = mg.Input(3.0), mg.Input(0.0)
    (slope,) = mg.gradients(a**b, a)
    (mixed,) = mg.gradients(slope, b)
    assert float(mixed) == pytest.approx(1 / 3)  # b aᵇ⁻¹ vanishes at b = 0, and its slope does not


def test_an_exponent_that_is_an_array_leaves_negative_bases_alone():
    (slope,) = grads(lambda x: x ** np.array([2.0, 3.0]), [-2.0, -2.0])
    np.testing.assert_array_equal(slope, [-4, 12])


def test_sqrt_and_hypot_at_zero():
    with np.errstate(divide="ignore"):
        np.testing.assert_array_equal(grads(np.sqrt, [0.0])[0], [np.inf])
    for order in (1, 2):
        a, b = grads(np.hypot, [0.0, 3.0], [0.0, 4.0], order=order)
        assert a[0] == b[0] == 0
    np.testing.assert_allclose(np.ravel(grads(np.hypot, 3e200, 4e200)), [0.6, 0.8])


def test_expm1_and_log1p_keep_their_digits():
    tiny = np.array([1e-20, -1e-20])
    np.testing.assert_array_equal(np.expm1(mg.Input(tiny)).value, tiny)
    np.testing.assert_array_equal(np.log1p(mg.Input(tiny)).value, tiny)
    np.testing.assert_allclose(grads(np.expm1, [-50.0])[0], math.exp(-50), rtol=1e-14)


@pytest.mark.parametrize("order", range(8))
def test_sinc_at_every_order(order):
    """Its derivatives are πⁿ ∫₀¹ tⁿ cos(πxt + nπ/2) dt; tried at 0, near it, across the seam, and far out."""
    x = np.array([0.0, 1e-12, -1e-6, 1e-3, 0.1, 0.3, -0.31, 0.318, 0.32, 0.5, 0.63, 0.64, 0.8, 1.0, 1.43, -2.2, 7.7])
    t, weights = np.polynomial.legendre.leggauss(80)
    t, weights = (t + 1) / 2, weights / 2
    integrals = (weights * t**order * np.cos(np.pi * x[:, None] * t + order * np.pi / 2)).sum(1)
    np.testing.assert_allclose(nth(np.sinc, x, order), np.pi**order * integrals, rtol=1e-12, atol=1e-13 * np.pi**order)


def test_sinc_keeps_float32():
    x = np.float32([0.0, 0.2, 1.7])
    for order in range(4):
        value = nth(np.sinc, x, order)
        assert value.dtype == np.float32
        np.testing.assert_allclose(value, nth(np.sinc, x.astype(np.float64), order), rtol=2e-5, atol=2e-5)


def test_erf():
    """Within a few units of the last place of the C library's, everywhere; its table for float32; its dtype."""
    x = np.concatenate([np.linspace(-7, 7, 5001), [0.0, 1e-300, 0.46875, -0.46875, 4.0, 6.0, 30.0, np.inf, -np.inf]])
    found = ops.erf(x).value
    np.testing.assert_allclose(found, np.vectorize(math.erf)(x), rtol=1e-15)
    np.testing.assert_array_equal(found, -ops.erf(-x).value)
    single = ops.erf(x.astype(np.float32)).value
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, found, rtol=5e-7, atol=1e-38)
    assert np.isnan(ops.erf(np.nan).value)
    assert ops.erf(np.zeros((0, 2))).shape == (0, 2)
    assert ops.erf([1, 2]).dtype == np.float64
    np.testing.assert_allclose(nth(ops.erf, x[:-2], 1), 2 / math.sqrt(math.pi) * np.exp(-(x[:-2] ** 2)), rtol=1e-14)


def test_large_arguments_do_not_overflow():
    """In float32, with warnings as errors."""
    a, b = np.float32([1000, -1000, 0]), np.float32([999, -1000, -1000])
    np.testing.assert_allclose(np.logaddexp(mg.Input(a), b).value, np.logaddexp(a, b))
    first, second = grads(np.logaddexp, a, b)
    np.testing.assert_allclose(first + second, 1, rtol=1e-4)
    np.testing.assert_allclose(first, [1 / (1 + math.exp(-1)), 0.5, 1], rtol=1e-4)


def test_logaddexp_of_infinities():
    """Equal ones share the adjoint, as equal numbers do; no warning, and no nan at order 2."""
    inf = np.inf
    a, b = [-inf, inf, -inf, 0.0, inf, 3.0], [-inf, inf, 0.0, -inf, 1.0, 3.0]
    x, y = mg.Input(np.array(a)), mg.Input(np.array(b))
    first, second = mg.gradients(np.logaddexp(x, y), [x, y], adjoint=np.ones(6))
    np.testing.assert_allclose(first.value, [0.5, 0.5, 0, 1, 1, 0.5], rtol=1e-15)
    np.testing.assert_allclose(second.value, [0.5, 0.5, 1, 0, 0, 0.5], rtol=1e-15)
    np.testing.assert_allclose(mg.gradients(first.sum(), [x])[0].value, [0, 0, 0, 0, 0, 0.25], rtol=1e-15)


@pytest.mark.parametrize(
    ("kind", "text", "call"),
    [
        (ValueError, r"PowerOfNumber\(exponent=-1\): Integers to negative integer powers", lambda x: mg.Input([1, 2]) ** -1),
        (TypeError, r"np.exp on nodes: .*write x.astype\(dtype\)", lambda x: np.exp(x, dtype=np.float32)),
    ],
)  # fmt: skip
def test_errors_say_what_to_do(kind, text, call):
    with pytest.raises(kind, match=text):
        call(mg.Input([1.0, 2.0]))


def test_the_functions_of_ops_are_numpys():
    """Every function exported under a NumPy name is what np dispatches to on nodes: the same values and classes."""
    y = mg.Input([0.5, 2.0])
    for name in ops.elementwise.__all__:
        function = getattr(ops, name)
        if isinstance(function, type) or name == "erf":
            continue
        x = mg.Input([1.5, 2.0] if name == "arccosh" else [0.5, 0.25])
        operands = [x, y][: 2 if "b" in function.__annotations__ else 1]
        mine, numpys = function(*operands), getattr(np, name)(*operands)
        assert type(mine) is type(numpys)
        np.testing.assert_array_equal(mine.value, numpys.value)

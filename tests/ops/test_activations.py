"""Activation functions: reference numbers, ±1000 in float32 without a warning, parameters, Jacobians, infinities.

What holds for every entry of the table (formulas, derivatives, properties) is in tests/activation_table.
"""

from functools import partial

import numpy as np
import pytest

import minigrad as mg
from minigrad import ops
from tests.compiler.agreement import compare
from tests.ops.test_arithmetic import grads

HUGE = np.array([-1000, -100, -88, 0, 88, 100, 1000], np.float32)


def jacobian(f, x):
    """∂f/∂x, one gradient per entry of f."""
    leaf = mg.Input(np.asarray(x))
    y = f(leaf)
    rows = [mg.gradients(y, leaf, adjoint=row)[0].value for row in np.eye(y.size)]
    return y.value, np.stack(rows)


def row(number, function, *expected, **parameters):
    """A row's numbers: f and f′ at −0.7, f and f′ at 0.7."""
    name = "-".join([function, *[f"{key}={value:g}" for key, value in parameters.items()]])
    return pytest.param(function, parameters, expected, id=name, marks=pytest.mark.row(f"ACT-{number:02}"))


@pytest.mark.parametrize(
    ("name", "parameters", "expected"),
    [
        row(1, "linear", -0.7, 1, 0.7, 1),
        row(2, "sigmoid", 0.331812, 0.221713, 0.668188, 0.221713),
        row(3, "tanh", -0.604368, 0.634740, 0.604368, 0.634740),
        row(4, "hard_tanh", -0.7, 1, 0.7, 1),
        row(5, "softsign", -0.411765, 0.346021, 0.411765, 0.346021),
        row(6, "relu", 0, 0, 0.7, 1),
        row(7, "leaky_relu", -0.007, 0.01, 0.7, 1),
        row(8, "prelu", -0.175, 0.25, 0.7, 1, alpha=0.25),
        row(9, "rrelu", -0.7 * 0.229167, 0.229167, 0.7, 1, lower=1 / 8, upper=1 / 3),
        row(10, "elu", -0.503415, 0.496585, 0.7, 1),
        row(11, "gelu_tanh", -0.169430, 0.023643, 0.530570, 0.976357),
        row(12, "gelu", -0.169375, 0.023386, 0.530625, 0.976614),
        row(13, "sine", -0.863209, -1.514538, 0.863209, -1.514538, omega=3),
        row(14, "binary_step", 0, 0, 1, 0),
        row(15, "arctan", -0.610726, 0.671141, 0.610726, 0.671141),
        row(16, "isru", -0.573462, 0.549820, 0.573462, 0.549820, alpha=1),
        row(17, "isrlu", -0.573462, 0.549820, 0.7, 1, alpha=1),
        row(18, "sqnl", -0.5775, 0.65, 0.5775, 0.65),
        row(19, "softplus", 0.403186, 0.331812, 1.103186, 0.668188, beta=1),
        row(20, "bent_identity", -0.589672, 0.713269, 0.810328, 1.286731),
        row(21, "soft_exponential", -0.090624, 0.704688, 1.338135, 1.419068, alpha=0.5),
        row(22, "soft_clipping", 0.036480, 0.103037, 0.624789, 0.601853, alpha=3),
        row(23, "cardinal_sine", 0.920311, 0.222098, 0.920311, -0.222098),
        row(24, "gaussian", 0.612626, 0.857677, 0.612626, -0.857677),
    ],
)
def test_values_and_slopes(name, parameters, expected):
    x = np.array([-0.7, 0.7])
    function = getattr(mg, name)
    slopes = grads(lambda x: function(x, **parameters), x)[0]
    found = [*zip(function(x, **parameters).value, slopes, strict=True)]
    np.testing.assert_allclose(np.ravel(found), expected, atol=5.1e-7)


@pytest.mark.row("ACT-02")
def test_sigmoid():
    x = np.array([-0.7, 0.7])
    np.testing.assert_allclose(ops.sigmoid(x).value, [0.331812, 0.668188], atol=5e-7)
    np.testing.assert_allclose(grads(ops.sigmoid, x)[0], 0.221713, atol=5e-7)
    assert grads(ops.sigmoid, 0.0)[0] == 0.25
    value = ops.sigmoid(HUGE).value
    assert value.dtype == np.float32
    assert 0 <= value[0] < 2e-38  # as near to 0 as a normal number is
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
    np.testing.assert_allclose(grads(ops.softplus, HUGE)[0][[0, -1]], [0, 1], atol=2e-38)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        *[(partial(ops.softplus, beta=b), "softplus.*beta is a number above 0") for b in (0, -1.0, np.nan, np.inf)],
        (partial(ops.elu, alpha=0), "elu.*alpha is a number above 0"),
        (partial(ops.isru, alpha=-1), "isru.*alpha is a number above 0"),
        (partial(ops.isrlu, alpha=0), "isrlu.*alpha is a number above 0"),
        (partial(ops.soft_clipping, alpha=0), "soft_clipping.*alpha is a number above 0"),
        *[
            (partial(ops.leaky_relu, slope=s), "the slope is a number between 0 and 1")
            for s in (0, 1, 1.5, -0.1, np.nan)
        ],
        *[
            (partial(ops.rrelu, lower=a, upper=b), "0 <= lower <= upper")
            for a, b in ((0.3, 0.2), (-0.1, 0.2), (0, np.nan))
        ],
        (partial(ops.gelu, approximate="erf"), "one of False, True"),
        (partial(ops.prelu, alpha=np.ones(3)), r"alpha of shape \(3,\) does not broadcast to Constant \(\)"),
        (partial(ops.prelu, alpha=np.ones((1, 1))), r"alpha of shape \(1, 1\) does not broadcast"),
        (partial(ops.soft_exponential, alpha=np.nan), "alpha is a finite number"),
    ],
)
def test_parameters_out_of_range_are_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call(1.0)


@pytest.mark.parametrize("number", [np.float64(0.5), np.float32(0.5)])
@pytest.mark.parametrize(
    "function", [ops.leaky_relu, ops.elu, ops.isru, ops.isrlu, ops.softplus, ops.soft_exponential, ops.soft_clipping]
)
def test_a_numpy_scalar_as_parameter_does_not_change_the_dtype(function, number):
    assert function(np.ones(2, np.float32), number).dtype == np.float32


# What single functions promise -------------------------------------------------------------------------------------


@pytest.mark.row("ACT-01")
def test_linear_is_a_node_of_its_own():
    x = mg.Input(np.array([-2.0, 3.0]))
    y = ops.linear(x)
    assert y is not x
    np.testing.assert_array_equal(y.value, x.value)
    assert mg.activations()["identity"].name == "linear"


@pytest.mark.row("ACT-03")
def test_tanh_is_a_stretched_sigmoid():
    x = np.linspace(-20, 20, 41)
    np.testing.assert_allclose(ops.tanh(x).value, (2 * ops.sigmoid(2 * x) - 1).value, atol=1e-15)
    np.testing.assert_array_equal(ops.tanh(400.0).value, 1)  # (e²ˣ − 1) / (e²ˣ + 1) is nan there


@pytest.mark.row("ACT-04")
def test_hard_tanh_at_its_kinks_and_beyond():
    x = np.array([-2.0, -1.0, 0.4, 1.0, 2.0, np.nan])
    np.testing.assert_array_equal(ops.hard_tanh(x).value, [-1, -1, 0.4, 1, 1, np.nan])
    np.testing.assert_array_equal(grads(ops.hard_tanh, x)[0], [0, 1, 1, 1, 0, 0])


@pytest.mark.row("ACT-05")
def test_softsign_has_slope_1_at_0():
    np.testing.assert_array_equal(grads(ops.softsign, [-1.0, 0.0, 1.0])[0], [0.25, 1, 0.25])
    np.testing.assert_array_equal(grads(ops.softsign, np.float32([-1e30, 1e30]))[0], 0)


@pytest.mark.row("ACT-07")
def test_leaky_relu_at_0_and_with_another_slope():
    np.testing.assert_array_equal(grads(ops.leaky_relu, 0.0)[0], 0.01)
    np.testing.assert_array_equal(ops.leaky_relu([-2.0, 2.0], 0.5).value, [-1, 2])
    np.testing.assert_array_equal(ops.leaky_relu([-np.inf, np.inf]).value, [-np.inf, np.inf])


@pytest.mark.row("ACT-08")
def test_prelu_learns_its_slope():
    x = np.array([-0.7, 0.7])
    alpha = mg.Parameter(0.25, "alpha")
    y = ops.prelu(x, alpha)
    np.testing.assert_array_equal(mg.gradients(y[0], [alpha])[0].value, -0.7)
    np.testing.assert_array_equal(mg.gradients(y[1], [alpha])[0].value, 0)
    y.sum().backward()
    np.testing.assert_array_equal(alpha.grad, -0.7)
    mg.check_gradients(ops.prelu, x, 0.25, order=2)


@pytest.mark.row("ACT-08")
def test_prelu_has_a_slope_per_channel():
    images = np.random.default_rng(0).uniform(0.1, 2, (2, 3, 3, 4))
    images *= np.random.default_rng(1).choice([-1, 1], images.shape)
    alpha = np.array([0.25, 0.1, 0.0, 2.0])
    np.testing.assert_array_equal(ops.prelu(images, alpha).value, np.where(images > 0, images, alpha * images))
    mg.check_gradients(ops.prelu, images, alpha, order=2)
    slopes = grads(ops.prelu, images, alpha)[1]
    np.testing.assert_allclose(slopes, np.minimum(images, 0).sum(axis=(0, 1, 2)), rtol=1e-14)


@pytest.mark.row("ACT-09")
def test_rrelu_draws_slopes_in_training_and_takes_their_mean_in_evaluation():
    x = mg.Input(np.full(1000, -0.7, np.float32))
    np.testing.assert_allclose(ops.rrelu(x).value, -0.7 * 0.229167, rtol=2e-6)
    y = ops.rrelu(x, rng=np.random.default_rng(0))
    assert y.dtype == np.float32
    (slopes,) = mg.gradients(y.sum(), [x])
    assert slopes.value.min() >= 1 / 8
    assert slopes.value.max() <= np.float32(1 / 3)
    assert np.ptp(slopes.value) > 0.2
    np.testing.assert_allclose(slopes.value.mean(), 0.229167, atol=0.006)  # three standard errors
    np.testing.assert_allclose(y.value, slopes.value * x.value, rtol=1e-6)
    np.testing.assert_array_equal(y.value, ops.rrelu(x, rng=np.random.default_rng(0)).value)


@pytest.mark.row("ACT-09")
def test_rrelu_draws_anew_in_a_replay_and_passes_what_is_positive():
    x = mg.Input(np.array([-1.0, 2.0]))
    y = ops.rrelu(x, 0.1, 0.9, rng=np.random.default_rng(0))
    first, second = (mg.Graph(y).fprop({x: x.value}) for _ in range(2))
    assert first[0] != second[0]
    assert first[1] == second[1] == 2
    mg.check_gradients(lambda x: ops.rrelu(x, rng=np.random.default_rng(3)), x.value, order=2)
    with pytest.raises(TypeError, match=r"rng is a numpy\.random\.Generator, not int"):
        ops.rrelu(x, rng=3)


@pytest.mark.row("ACT-10")
def test_elu_bends_smoothly_at_0():
    np.testing.assert_allclose(grads(ops.elu, [-1e-9, 0.0, 1e-9])[0], 1, rtol=1e-8)
    np.testing.assert_allclose(ops.elu([-50.0], 2.0).value, -2, rtol=1e-15)
    np.testing.assert_allclose(grads(ops.elu, -50.0)[0], np.exp(-50.0), rtol=1e-14)  # y + α would have lost it


@pytest.mark.row("ACT-11", "ACT-12")
def test_the_two_forms_of_gelu():
    np.testing.assert_allclose(ops.gelu_tanh(1.0).value, 0.841192, atol=5e-7)
    np.testing.assert_allclose(ops.gelu(1.0).value, 0.841345, atol=5e-7)
    assert grads(ops.gelu, 0.0)[0] == 0.5
    x = np.linspace(-5, 5, 10_001)
    exact = ops.gelu(x).value
    np.testing.assert_allclose(np.abs(ops.gelu_tanh(x).value - exact).max(), 4.732e-4, atol=5e-8)
    np.testing.assert_array_equal(ops.gelu(x, approximate=True).value, ops.gelu_tanh(x).value)
    np.testing.assert_array_equal(ops.gelu(x, approximate="tanh").value, ops.gelu_tanh(x).value)
    np.testing.assert_array_equal(ops.gelu(x, approximate="none").value, exact)


@pytest.mark.row("ACT-13")
def test_sine_has_the_period_of_its_frequency():
    x = np.linspace(-2, 2, 9)
    np.testing.assert_allclose(ops.sine(x + 2 * np.pi / 3, 3).value, ops.sine(x, 3).value, atol=1e-14)
    np.testing.assert_array_equal(ops.sine(x).value, np.sin(x))
    mg.check_gradients(ops.sine, x, 3.0, order=2)  # by the frequency too


@pytest.mark.row("ACT-14")
def test_binary_step_sends_nothing_back():
    x = mg.Input(np.array([-0.7, 0.0, 0.7], np.float32))
    y = ops.binary_step(x)
    np.testing.assert_array_equal(y.value, [0, 1, 1])
    assert y.dtype == np.float32
    np.testing.assert_array_equal(mg.gradients(y.sum(), [x])[0].value, 0)


@pytest.mark.row("ACT-17", "ACT-18")
def test_slopes_at_0_and_beyond_2():
    np.testing.assert_array_equal(grads(ops.isrlu, 0.0)[0], 1)
    np.testing.assert_array_equal(grads(ops.sqnl, [-3.0, -2.0, 0.0, 2.0, 3.0])[0], [0, 0, 1, 0, 0])
    np.testing.assert_array_equal(ops.sqnl([-3.0, -2.0, 2.0, 3.0]).value, [-1, -1, 1, 1])


@pytest.mark.row("ACT-21")
@pytest.mark.parametrize("alpha", [0.5, 0.2, 1.0, 0.0, -0.5])
def test_soft_exponentials_of_opposite_parameters_are_inverse(alpha):
    x = np.linspace(-0.4, 1, 8)
    there_and_back = ops.soft_exponential(ops.soft_exponential(x, alpha), -alpha)
    np.testing.assert_allclose(there_and_back.value, x, rtol=1e-13, atol=1e-15)


@pytest.mark.row("ACT-21")
def test_soft_exponential_has_a_domain_also_in_replays():
    x = mg.Input(np.array([1.0, -1.4]))
    y = ops.soft_exponential(x, -0.5)
    with pytest.raises(ValueError, match=r"for alpha = -0\.5 it needs x > 1/alpha - alpha = -1\.5, and one is -1\.6"):
        mg.Graph(y).fprop({x: np.array([-1.6, 0.0])})
    with pytest.raises(ValueError, match=r"SoftLogarithm\(alpha=-0\.5\)"):
        ops.soft_exponential(-1.5, -0.5)
    assert np.isnan(ops.soft_exponential(np.nan, -0.5).value)


@pytest.mark.row("ACT-22")
def test_soft_clipping_has_both_forms_of_its_derivative_and_range():
    x, a = np.linspace(-3, 4, 29), 3.0
    (slopes,) = grads(lambda x: ops.soft_clipping(x, a), x)
    np.testing.assert_allclose(slopes, (ops.sigmoid(a * x) - ops.sigmoid(a * (x - 1))).value, atol=1e-15)
    np.testing.assert_allclose(slopes, 0.5 * np.sinh(a / 2) / np.cosh(a * x / 2) / np.cosh(a * (1 - x) / 2), rtol=1e-13)
    y = ops.soft_clipping(np.linspace(-9, 9, 99), a).value
    assert (y > 0).all()
    assert (y < 1).all()
    np.testing.assert_array_equal(ops.soft_clipping(np.float32([-1000, 1000]), a).value, [0, 1])  # no 3000 − 2997


@pytest.mark.row("ACT-23")
def test_the_cardinal_sine_at_0_is_not_numpys():
    np.testing.assert_array_equal(ops.cardinal_sine(0.0).value, 1)
    np.testing.assert_array_equal(grads(ops.cardinal_sine, 0.0)[0], 0)
    np.testing.assert_allclose(grads(ops.cardinal_sine, 0.0, order=2)[0], -1 / 3, rtol=1e-14)
    np.testing.assert_allclose(ops.cardinal_sine(np.pi * 0.3).value, np.sinc(0.3), rtol=1e-14)
    x = np.array([-1e-3, -1e-8, 1e-8, 1e-3])
    np.testing.assert_allclose(grads(ops.cardinal_sine, x)[0], -x / 3, rtol=1e-6)


# Where the lecture notes are wrong ---------------------------------------------------------------------------------


def misprint(value, slope):
    """An operation with the notes' value and the notes' derivative."""

    class Misprint(mg.Elementwise):
        __slots__ = ()

        def fprop(self, x):
            return value(x)

        def bprop(self, adjoint):
            return adjoint * slope(self.children[0])

    return Misprint


def logistic(x):
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize(
    ("value", "slope", "x", "misprinted", "right", "function"),
    [
        pytest.param(
            logistic, lambda x: -np.exp(-x) / (1 + np.exp(-x)), 0.8, -0.310026, 0.213910, ops.sigmoid,
            id="sigmoid: sign and square", marks=pytest.mark.row("ACT-02"),
        ),
        pytest.param(
            lambda x: np.clip(x, -1, 1), lambda x: ((x >= -1) & (x <= -1)).astype(x.dtype), 0.4, 0, 1, ops.hard_tanh,
            id="hard tanh: -1 <= x <= -1", marks=pytest.mark.row("ACT-04"),
        ),
        pytest.param(
            lambda x: x / (1 + abs(x)), lambda x: np.sign(x) / (1 + x) ** 2, -0.5, -4, 0.444444, ops.softsign,
            id="softsign: sign", marks=pytest.mark.row("ACT-05"),
        ),
        pytest.param(
            lambda x: x / (1 + abs(x)), lambda x: 1 / (1 + x) ** 2, -0.5, 4, 0.444444, ops.softsign,
            id="softsign: bars", marks=pytest.mark.row("ACT-05"),
        ),
        pytest.param(
            lambda x: np.where(abs(x) > 2, np.sign(x), x - x * abs(x) / 4), lambda x: 1 - abs(x) / 2, 3.0, -0.5, 0, ops.sqnl,
            id="SQNL beyond 2", marks=pytest.mark.row("ACT-18"),
        ),
        pytest.param(
            lambda x: np.log1p(np.exp(x)), lambda x: ops.sigmoid(2 * x), 0.5, 0.731059, 0.622459, ops.softplus,
            id="softplus without beta", marks=pytest.mark.row("ACT-19"),
        ),
        pytest.param(
            lambda x: np.sqrt(x**2 + 1) - 1 + x, lambda x: x / (2 * np.sqrt(x**2 + 1)) + 1, 1.0, 1.353553, 1.353553,
            ops.bent_identity, id="bent identity: half", marks=pytest.mark.row("ACT-20"),
        ),
    ],
)  # fmt: skip
def test_derivatives_of_the_notes_fail_the_check(value, slope, x, misprinted, right, function):
    wrong = misprint(value, slope)
    np.testing.assert_allclose(grads(wrong, x)[0], misprinted, atol=5e-7)
    with pytest.raises(mg.GradientError, match="Misprint: the derivative"):
        mg.check_gradients(wrong, x)
    np.testing.assert_allclose(grads(function, x)[0], right, atol=5e-7)
    mg.check_gradients(function, x, order=2)


@pytest.mark.row("ACT-02", "ACT-05", "ACT-07")
def test_values_of_the_notes_that_lost_a_sign_a_bar_or_a_bound():
    np.testing.assert_allclose([1 / (1 + np.exp(0.8)), ops.sigmoid(0.8).item()], [0.310026, 0.689974], atol=5e-7)
    np.testing.assert_allclose([-0.5 / (1 - 0.5), ops.softsign(-0.5).item()], [-1, -1 / 3], rtol=1e-15)
    assert [max(1.5 * x, x) for x in (2, -2)] == [3, -2]  # 0 < α < 2: the slopes are on the wrong sides
    with pytest.raises(ValueError, match="between 0 and 1"):
        ops.leaky_relu(2.0, 1.5)


@pytest.mark.row("ACT-11", "ACT-20", "ACT-21")
def test_values_of_the_notes_that_lost_digits_a_half_or_a_term():
    assert abs(0.5 * (1 + np.tanh(np.sqrt(2 / np.pi) * 1.045)) - 0.841253) < 5e-7  # the printed GELU(1)
    assert abs(ops.gelu_tanh(1.0).item() - 0.841192) < 5e-7
    np.testing.assert_allclose(grads(lambda x: np.sqrt(x**2 + 1) - 1 + x, 1.0)[0], 1.7071, atol=5e-5)
    a, x = 0.5, 1.0
    printed = (np.exp(a * x) - 1) / a  # without + a it is not the inverse
    np.testing.assert_allclose(ops.soft_exponential(printed, -a).item(), 0.671, atol=5e-4)
    np.testing.assert_allclose(ops.soft_exponential(ops.soft_exponential(x, a), -a).item(), 1, rtol=1e-14)


# Along axes --------------------------------------------------------------------------------------------------------


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


@pytest.mark.row("ACT-25")
@pytest.mark.parametrize("function", [ops.softmax, ops.log_softmax, ops.logsumexp])
def test_nothing_overflows_along_an_axis(function):
    """In float32 at ±1000, orders 0 to 2, without a warning."""
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        x = mg.Input(np.float32([1000, -1000, 0, 999]))
        y = function(x)
        (first,) = mg.gradients((y * np.float32([1, 2, 3, 4])).sum(), [x])
        (second,) = mg.gradients((first**2).sum(), [x])
    for node in (y, first, second):
        assert node.dtype == np.float32
        assert np.isfinite(node.value).all()


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


@pytest.mark.parametrize("row", [[-np.inf, -np.inf], [np.inf, 1.0]])
def test_rows_without_a_distribution(row):
    """Of −∞ only, or with a +∞: nan in that row, in the values of both and in the adjoint of logsumexp; the other is well."""
    x = np.array([row, [0.0, 0.0]])
    with np.errstate(invalid="ignore"):
        for found in (ops.softmax(x).value, ops.log_softmax(x).value, *grads(lambda x: ops.logsumexp(x, axis=1), x)):
            assert np.isnan(found[0]).any()
            assert np.isfinite(found[1]).all()


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


@pytest.mark.parametrize(("function", "name"), [(ops.sine, "omega"), (ops.prelu, "alpha")])
def test_a_parameter_of_numpys_keeps_float32(function, name):
    x = np.array([-1.0, 2.0], np.float32)
    for number in (np.float64(0.5), np.array(0.5)):
        y = function(mg.Input(x), **{name: number})
        assert y.dtype == np.float32
        np.testing.assert_array_equal(y.value, function(x, **{name: 0.5}).value)


# Gates and edges -----------------------------------------------------------------------------------------------------


def test_glu_is_a_half_gated_by_the_other():
    x = np.random.default_rng(0).normal(size=(4, 3, 6))
    for axis in (-1, 0, 2):
        a, b = np.split(x, 2, axis)
        np.testing.assert_allclose(mg.glu(mg.Input(x), axis).value, a / (1 + np.exp(-b)), rtol=1e-13)
        mg.check_gradients(lambda x, axis=axis: mg.glu(x, axis), x, order=2)
    assert mg.glu(mg.Input(x.astype(np.float32))).dtype == np.float32
    with pytest.raises(ValueError, match="glu: expected an axis of even length"):
        mg.glu(mg.Input(x), 1)
    for wrong, axis in ((x, 3), (np.float64(1.0), -1)):
        with pytest.raises(np.exceptions.AxisError, match="out of bounds"):
            mg.glu(mg.Input(wrong), axis)


LATER = [
    mg.selu, mg.celu, mg.relu6, mg.hard_sigmoid, mg.hard_silu, mg.log_sigmoid, mg.tanh_shrink, mg.soft_shrink, mg.hard_shrink,
]  # fmt: skip


def test_infinite_inputs_of_the_later_functions():
    x = mg.Input([-np.inf, np.inf])
    expected = {
        "selu": [-1.758099340847377, np.inf], "celu": [-1, np.inf], "relu6": [0, 6], "hard_sigmoid": [0, 1],
        "hard_silu": [0, np.inf], "log_sigmoid": [-np.inf, 0], "tanh_shrink": [-np.inf, np.inf],
        "soft_shrink": [-np.inf, np.inf], "hard_shrink": [-np.inf, np.inf],
    }  # fmt: skip
    for name, values in expected.items():
        np.testing.assert_allclose(getattr(mg, name)(x).value + 0.0, values, err_msg=name)


@pytest.mark.parametrize(
    ("function", "name"), [(mg.celu, "alpha"), (mg.soft_shrink, "threshold"), (mg.hard_shrink, "threshold")]
)
def test_parameters_of_the_later_functions_are_above_zero(function, name):
    for wrong in (0, -1.0, np.nan, np.inf):
        with pytest.raises(ValueError, match=rf"{function.__name__}\(x, {name}=.*\): {name} is a number above 0"):
            function(mg.Input([1.0]), wrong)
    assert function(mg.Input(np.ones(2, np.float32)), np.float64(0.5)).dtype == np.float32


def test_compiled_activations_decide_anew():
    def f(x):
        y = sum(np.sin(function(x)) for function in LATER) + np.concatenate([mg.glu(x), mg.glu(x)], axis=-1)
        (first,) = mg.gradients(y.sum(), [x])
        return y, first, mg.gradients((first * first).sum(), [x])

    rng = np.random.default_rng(0)
    compare(f, *[[4 * rng.normal(size=(3, 8))] for _ in range(3)])
    compare(f, *[[(4 * rng.normal(size=(3, 8))).astype(np.float32)] for _ in range(3)], rewrites=())

import numpy as np
import pytest

import minigrad as mg
from minigrad.models import RNN, Dense, Module, linear, losses, penalties
from minigrad.models.penalties import L1, L2, ElasticNet, LogSumExp, MaxNorm, ParameterPenalty, SumOf, soft_threshold
from tests.models.claims import holds

EVERY = [L2, L1, ElasticNet, MaxNorm, LogSumExp]


def value_and_gradient(penalty, array):
    w = mg.Parameter(np.asarray(array, float))
    penalized = penalty(w)
    return float(penalized), mg.gradients(penalized, w)[0].value


class Net(Module):
    """Two layers with biases, a gain, and a frozen matrix."""

    def __init__(self, seed=0, dtype=np.float64):
        rng = np.random.default_rng(seed)
        self.W1, self.b1 = (mg.Parameter(rng.normal(size=shape).astype(dtype)) for shape in ((4, 3), (4,)))
        self.W2, self.b2 = (mg.Parameter(rng.normal(size=shape).astype(dtype)) for shape in ((2, 4), (2,)))
        self.gain = mg.Parameter(np.ones((), dtype))
        self.frozen = mg.Parameter(np.ones((2, 2), dtype), trainable=False)

    def forward(self, x):
        return np.tanh(x @ self.W1.T + self.b1) @ self.W2.T * self.gain + self.b2


def data():
    rng = np.random.default_rng(1)
    return rng.normal(size=(6, 3)), rng.integers(2, size=6)


# One by one --------------------------------------------------------------------------------------------------------


@pytest.mark.row("PEN-02", "PEN-03")
def test_l2_and_its_half():
    assert value_and_gradient(L2(0.5), [[3.0]]) == (4.5, 3.0)
    assert value_and_gradient(L2(0.5, factor=0.5), [[3.0]]) == (2.25, 1.5)
    rng = np.random.default_rng(0)
    W = rng.normal(size=(3, 2))
    value, gradient = value_and_gradient(L2(1.0), W)
    np.testing.assert_allclose(value, np.linalg.norm(W, "fro") ** 2, rtol=1e-14)
    np.testing.assert_allclose(gradient, 2 * W, rtol=1e-14)
    with pytest.raises(ValueError, match=r"L2\(factor=2\): 1 for .*, or 0.5 for"):
        L2(factor=2)


@pytest.mark.row("PEN-04")
def test_l2_of_a_support_vector_machine_leaves_its_bias_out():
    model = linear.LinearSVM(3, dtype=np.float64)
    w = np.array([[0.5, -1.0, 2.0]])
    model.W.value, model.b.value = w, [7.0]
    penalized = L2(0.3)(model)
    np.testing.assert_allclose(float(penalized), 0.3 * 5.25, rtol=1e-14)
    by_w, by_b = mg.gradients(penalized, [model.W, model.b])
    np.testing.assert_allclose(by_w.value, 0.6 * w, rtol=1e-14)
    assert not by_b.value.any()
    mg.check_gradients(lambda w: L2(0.3)(w), w, order=2)


@pytest.mark.row("PEN-05")
def test_l1_has_the_sign_as_its_gradient_and_0_at_0():
    value, gradient = value_and_gradient(L1(), [-2, 0, 3])
    assert (value, gradient.tolist()) == (5, [-1, 0, 1])
    at = np.array([-2.0, 0.5, 3.0])

    def norm(w):
        return np.abs(w).sum()

    assert holds(norm, np.sign, at)
    assert not holds(norm, lambda w: (w > 0) * (w < 0) * 1.0, at)  # the notes' product, their minus lost: 0 everywhere
    central = (norm(np.array([1e-6])) - norm(np.array([-1e-6]))) / 2e-6
    assert central == 0.0  # and not -1, their first form at 0


@pytest.mark.row("PEN-07")
def test_max_norm_is_of_the_entries_and_the_first_maximum_takes_all():
    value, gradient = value_and_gradient(MaxNorm(), [1, -4, 2])
    assert (value, gradient.tolist()) == (4, [0, -1, 0])
    assert value_and_gradient(MaxNorm(), [[2, -2], [2, 0]])[1].tolist() == [[1, 0], [0, 0]]
    W = np.random.default_rng(0).normal(size=(3, 4))
    mg.check_gradients(MaxNorm(0.7), W, order=2)
    value, gradient = value_and_gradient(MaxNorm(), W)
    assert value == np.abs(W).max() != np.linalg.norm(W, np.inf)  # the operator norm is the largest sum of a row
    rows = np.abs(W).sum(axis=1)
    assert holds(lambda W: np.abs(W).max(), lambda W: gradient, W)
    assert not holds(lambda W: np.abs(W).sum(axis=1).max(), lambda W: gradient, W)
    assert rows.max() > value


@pytest.mark.row("PEN-08")
@pytest.mark.parametrize("shift", [0, 1000, -1000])
def test_log_sum_exp_is_stable(shift):
    value, gradient = value_and_gradient(LogSumExp(), np.array([1, 2, 3]) + shift)
    np.testing.assert_allclose(value, 3.407606 + shift, atol=5e-7)
    np.testing.assert_allclose(gradient, [0.090031, 0.244728, 0.665241], atol=5e-7)


def test_elastic_net_mixes_both():
    w = np.array([-2.0, 0.0, 3.0])
    value, gradient = value_and_gradient(ElasticNet(0.5, ratio=0.2), w)
    np.testing.assert_allclose(value, 0.5 * (0.2 * 5 + 0.8 / 2 * 13), rtol=1e-14)
    np.testing.assert_allclose(gradient, 0.5 * (0.2 * np.sign(w) + 0.8 * w), rtol=1e-14)
    assert value_and_gradient(ElasticNet(ratio=1), w)[0] == value_and_gradient(L1(), w)[0]
    assert value_and_gradient(ElasticNet(ratio=0), w)[0] == value_and_gradient(L2(factor=0.5), w)[0]
    with pytest.raises(ValueError, match="the share of L1 is a number from 0 to 1"):
        ElasticNet(ratio=1.5)


@pytest.mark.parametrize("kind", EVERY)
def test_every_penalty_has_two_derivatives_and_keeps_float32(kind):
    W = np.random.default_rng(0).normal(size=(3, 4))
    mg.check_gradients(kind(0.7), W, order=2)
    for scale in (1000, -1000):
        w = mg.Parameter(np.full((2, 2), scale, np.float32))
        with mg.anomalies():
            (gradient,) = mg.gradients(kind(0.7)(w), w)
            mg.gradients((gradient**2).sum(), w)
        assert gradient.dtype == np.float32


# The penalized objective -------------------------------------------------------------------------------------------


@pytest.mark.row("PEN-01")
def test_a_step_goes_down_both_the_loss_and_the_penalty():
    w = mg.Parameter([[2.0]])
    objective = (0.7 * w).sum() + L2(0.3)(w)
    (gradient,) = mg.gradients(objective, w)
    np.testing.assert_allclose(-gradient.value, [[-1.9]], rtol=1e-14)

    def value(w):
        return (0.7 * w + 0.3 * w**2).sum()

    assert holds(value, lambda w: 0.7 + 0.6 * w, [2.0])
    assert not holds(value, lambda w: 0.7 - 0.6 * w, [2.0])  # Δ = −∇l + μ∇Ω, the notes' lost minus: 0.5


@pytest.mark.row("PEN-01", "PEN-09")
def test_a_sum_of_penalties_with_a_weight_for_every_group():
    x, y = data()
    net = Net()
    penalty = LogSumExp(0.4, names="W2") + MaxNorm(0.3, names="W1") + L2(0.2, factor=0.5, role="biases")
    assert isinstance(penalty, SumOf)

    def objective(W1, b1, W2, b2):
        for parameter, array in zip((net.W1, net.b1, net.W2, net.b2), (W1, b1, W2, b2), strict=True):
            parameter.value = array
        f = net(x)
        loss = losses.cross_entropy(f, y)
        return loss + penalty(net), loss

    arrays = [p.value.copy() for p in (net.W1, net.b1, net.W2, net.b2)]
    total, loss = objective(*arrays)
    parameters = [net.W1, net.b1, net.W2, net.b2]
    found = [g.value for g in mg.gradients(total, parameters)]
    for i, gradient in enumerate(found):
        for place in np.ndindex(gradient.shape):
            ends = []
            for step in (1e-6, -1e-6):
                moved = [a.copy() for a in arrays]
                moved[i][place] += step
                ends.append(float(objective(*moved)[0]))
            np.testing.assert_allclose(gradient[place], (ends[0] - ends[1]) / 2e-6, rtol=1e-6, atol=1e-8)
    _, loss = objective(*arrays)
    of_loss = [g.value for g in mg.gradients(loss, parameters)]
    W1, b1, W2, b2 = arrays
    largest = np.abs(W1) == np.abs(W1).max()
    expected = [0.3 * np.sign(W1) * largest, 0.2 * b1, 0.4 * np.exp(W2) / np.exp(W2).sum(), 0.2 * b2]
    for gradient, first, second in zip(found, of_loss, expected, strict=True):  # the gradient is linear
        np.testing.assert_allclose(gradient, first + second, rtol=1e-12, atol=1e-14)


# Which parameters --------------------------------------------------------------------------------------------------


@pytest.mark.row("PEN-02")
def test_biases_gains_and_what_is_frozen_are_left_out_by_default():
    net = Net()
    expected = (net.W1.value**2).sum() + (net.W2.value**2).sum()
    np.testing.assert_allclose(float(L2()(net)), expected, rtol=1e-14)

    def chosen(**options):
        return [node.name for node in L2(**options).chosen(net)]

    assert chosen() == ["W1", "W2"]
    assert chosen(role="weights") == ["W1", "W2"]
    assert chosen(role="biases") == ["b1", "b2", "gain"]
    assert chosen(role="all") == ["W1", "b1", "W2", "b2", "gain"]
    assert chosen(names="b?") == ["b1", "b2"]
    assert chosen(names=["W2", "gain"]) == ["W2", "gain"]


def test_paths_of_nested_modules_and_the_recurrent_net():
    class Twins(Module):
        def __init__(self):
            self.nets = [Net(0), Net(1)]

    twins = Twins()
    chosen = L1(names="nets.1.W*").chosen(twins)
    assert [id(node) for node in chosen] == [id(twins.nets[1].W1), id(twins.nets[1].W2)]
    net = RNN(2, 3, 2, rng=0, trainable_initial_state=True)
    assert [node.name for node in L2().chosen(net)] == ["W", "R", "V"]


def test_what_chooses_nothing_or_is_nothing_is_refused():
    net = Net()
    with pytest.raises(ValueError, match=r"L1\(names='V'\) chooses none of the parameters of Net \(W1 \(4, 3\), b1"):
        L1(names="V")(net)
    with pytest.raises(ValueError, match="L1: role='all' or names='W1', not both"):
        L1(role="all", names="W1")
    with pytest.raises(ValueError, match='L1\\(role=\'matrices\'\\): "weights", "biases" or "all"'):
        L1(role="matrices")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"L2\(weight=-1\): expected a finite number of at least 0"):
        L2(-1)
    for wrong in ([], [1.0]):
        with pytest.raises(TypeError, match="L2: expected a Module, a node, or a sequence of nodes"):
            L2()(wrong)
    with pytest.raises(TypeError, match="SumOf takes penalties on weights, not Omega"):
        SumOf(L2(), penalties.Omega())
    with pytest.raises(ValueError, match="at least one"):
        SumOf()
    with pytest.raises(TypeError, match="ParameterPenalty defines no of"):
        ParameterPenalty()(net)


def test_a_weight_of_0_builds_nothing_and_a_node_may_change():
    net = Net()
    assert type(L2(0.0)(net)) is mg.Constant
    weight = mg.Input(np.float32(0.5))
    penalized = L2(weight)([net.W1, net.W2])
    before = float(penalized)
    assert penalized.dtype == np.float64
    np.testing.assert_allclose(mg.Graph(penalized).fprop({weight: np.float32(2.0)}), 4 * before, rtol=1e-14)
    assert penalized.scope == "penalty"


# Exact zeros -------------------------------------------------------------------------------------------------------


@pytest.mark.row("PEN-06")
def test_the_proximal_step_gives_exact_zeros_and_the_sub_gradient_does_not():
    def slope(w):
        return w - 0.3

    w, v = mg.Parameter([1.0]), np.array([1.0])
    penalty = L1(0.5)
    visited = []
    for _ in range(500):
        w.value -= 0.07 * slope(w.value)
        penalty.proximal_step(w, 0.07)
        v = v - 0.07 * (slope(v) + 0.5 * np.sign(v))
        visited.append(v[0])
    assert w.value[0] == 0.0
    np.testing.assert_allclose(visited[-1], 0.0302, atol=5e-5)
    assert not any(x == 0.0 for x in visited)
    late = np.abs(visited[-100:])
    assert late.max() < 0.07 * (0.5 + 0.3)  # it jumps around 0 by about a step
    assert late.max() > 0.01


@pytest.mark.row("PEN-06")
def test_soft_threshold_is_the_minimum_it_says():
    w = np.array([-2.0, -0.5, 0.0, 0.3, 0.5, 4.0])
    found = soft_threshold(w, 0.5).value
    np.testing.assert_array_equal(found, [-1.5, 0, 0, 0, 0, 3.5])
    grid = np.linspace(-5, 5, 100_001)
    for at, minimum in zip(w, found, strict=True):
        np.testing.assert_allclose(grid[((grid - at) ** 2 / 2 + 0.5 * np.abs(grid)).argmin()], minimum, atol=1e-4)
    mg.check_gradients(lambda w, t: soft_threshold(w, t), w[[0, 3, 5]], 0.4, order=2)


def test_the_proximal_step_writes_the_chosen_parameters_only():
    net = Net()
    before = net.state_dict()
    L1(0.3, names="W1").proximal_step(net, 2.0)
    np.testing.assert_array_equal(net.W1.value, soft_threshold(before["W1"], 0.6).value)
    assert (net.W1.value == 0).any()
    assert all(np.array_equal(net.state_dict()[name], before[name]) for name in before if name != "W1")
    with pytest.raises(TypeError, match="proximal_step writes into Parameters, not Input"):
        L1().proximal_step(mg.Input([1.0]), 0.1)  # type: ignore[arg-type]


# Priors ------------------------------------------------------------------------------------------------------------


def regression(seed=2, sigma=0.5):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(20, 3))
    return X, X @ [1.0, -2.0, 0.0] + sigma * rng.normal(size=20)


@pytest.mark.row("PEN-11")
def test_the_maximum_a_posteriori_with_a_gaussian_prior_is_ridge_regression():
    X, y = regression()
    sigma, s = 0.5, 0.8
    theta = mg.Parameter(linear.ridge(X, y, sigma**2 / s**2).value)

    def density(t, std):
        return -0.5 * (t / std) ** 2 - np.log(std * np.sqrt(2 * np.pi))

    negative_log_posterior = -density(y - mg.Input(X) @ theta, sigma).sum() - density(theta, s).sum()
    (gradient,) = mg.gradients(negative_log_posterior, theta)
    np.testing.assert_allclose(gradient.value, 0, atol=1e-12)
    likelihood = -density(y - mg.Input(X) @ theta, sigma).sum()
    for penalized in (likelihood + L2(1 / (2 * s**2))(theta), likelihood + L2(1 / s**2, factor=0.5)(theta)):
        np.testing.assert_allclose(mg.gradients(penalized, theta)[0].value, 0, atol=1e-12)
    wrong = likelihood + L2(1 / s**2)(theta)  # the factor counts
    assert np.abs(mg.gradients(wrong, theta)[0].value).max() > 0.1


@pytest.mark.row("PEN-11")
def test_l1_is_the_laplacian_prior():
    b, theta = 0.4, mg.Parameter([1.0, -2.0, 0.3])
    negative_log_prior = -np.log(np.exp(-np.abs(theta) / b) / (2 * b)).sum()
    penalized = L1(1 / b)(theta)
    np.testing.assert_allclose(float(negative_log_prior), float(penalized) + 3 * np.log(2 * b), rtol=1e-13)
    one, other = (mg.gradients(value, theta)[0].value for value in (negative_log_prior, penalized))
    np.testing.assert_allclose(one, other, rtol=1e-13)


# Numbers of NumPy's, patterns, shared parameters -------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind", [*EVERY, lambda weight: ElasticNet(ratio=weight), lambda weight: L2(1.0, factor=weight)]
)
def test_a_weight_of_numpys_keeps_float32(kind):
    net = Net(dtype=np.float32)
    number = np.float64(0.5)
    assert kind(number)(net).dtype == np.float32
    assert float(kind(number)(net)) == float(kind(0.5)(net))
    assert kind(np.array(0.5))(net).shape == ()


def test_a_weight_of_several_numbers_is_refused():
    for several in (np.array([0.1]), mg.Input([0.1]), [0.1, 0.2]):
        with pytest.raises(ValueError, match=r"L2\(weight\): expected one number, found an array or node of shape"):
            L2(several)


def test_a_weight_that_is_a_node_takes_the_precision_of_what_it_weighs():
    weight = mg.Input(np.float64(0.5))
    W = mg.Parameter(np.ones((2, 2), np.float32))
    assert L2(weight)(W).dtype == np.float32
    (slope,) = mg.gradients(L2(weight)(W), [weight])
    assert (slope.dtype, float(slope)) == (np.float64, 4.0)
    net = RNN(2, 3, 2, rng=0)
    loss = losses.cross_entropy(net.readout((states := net.states(np.ones((2, 4, 2))))[-1]), [0, 1])
    assert penalties.Omega(weight)(loss, states).dtype == np.float32


def test_proximal_steps_take_numpys_numbers_and_no_negative_rates():
    net = Net(dtype=np.float32)
    expected = np.sign(net.W1.value) * np.maximum(np.abs(net.W1.value) - 0.1, 0)
    L1(1.0, names="W1").proximal_step(net, np.float64(0.1))
    np.testing.assert_allclose(net.W1.value, expected, rtol=1e-6, atol=1e-7)
    before = net.state_dict()
    with pytest.raises(ValueError, match=r"L1.proximal_step\(learning_rate=-1.0\): expected a finite number"):
        L1(1.0).proximal_step(net, -1.0)
    assert all((net.state_dict()[path] == array).all() for path, array in before.items())


def test_every_pattern_has_to_match():
    net = Net()
    with pytest.raises(ValueError, match=r"L2\(names='W3'\) chooses none of the parameters of Net \(W1"):
        L2(names=["W1", "W3"])(net)
    assert [node.name for node in L2(names=["W2", "W1", "frozen"]).chosen(net)] == ["W1", "W2"]
    with pytest.raises(ValueError, match=r"L2\(names=\('frozen',\)\) chooses none"):
        L2(names="frozen")(net)
    with pytest.raises(ValueError, match=r"L2\(names=\(\)\) chooses none"):
        L2(names=[])(net)


def test_a_shared_parameter_goes_by_all_its_paths_and_counts_once():
    class Tied(Module):
        def __init__(self):
            self.encoder, self.twin = Dense(2, 3, rng=0), Dense(2, 3, rng=1)
            self.again = self.twin
            self.decoder = [self.encoder.W]
            self.encoder.owner = self  # a circle ends

    net = Tied()
    for name, expected in (
        ("decoder.0", net.encoder.W),
        ("encoder.W", net.encoder.W),
        ("again.W", net.twin.W),
        ("twin.W", net.twin.W),
    ):
        assert L2(names=name).chosen(net) == [expected]
    assert L2(names=["decoder.0", "encoder.W"]).chosen(net) == [net.encoder.W]

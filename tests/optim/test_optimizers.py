"""Optimizers against reference numbers worked out by hand, and their contract on `.grad`."""

import copy
import inspect
import itertools
import re

import numpy as np
import pytest

from minigrad.models import RNN, BatchNorm, Dense, Sequential, losses
from minigrad.node import Parameter
from minigrad.optim import SGD, AdaGrad, Adam, AdamW, RMSProp, Step, optimizers
from minigrad.optim.optimizers import Optimizer
from minigrad.optim.optimizers.adaptive import AdaptiveRates


def trajectory(optimizer, w, n=3):
    """The values of w after each of n steps on J = w², whose gradient is 2 w."""
    values = []
    for _ in range(n):
        w.grad = 2 * w.value
        optimizer.step()
        values.append(float(w))
    return values


@pytest.mark.row("OPT-01")
def test_gradient_descent():
    w = Parameter(1.0)
    assert trajectory(SGD([w], 0.05), w) == pytest.approx([0.9, 0.81, 0.729], abs=1e-12)


@pytest.mark.row("OPT-04")
def test_momentum():
    w = Parameter(1.0)
    assert trajectory(SGD([w], 0.05, momentum=0.9), w) == pytest.approx([0.9, 0.72, 0.486], abs=1e-12)


@pytest.mark.row("OPT-05")
@pytest.mark.parametrize("nesterov", [False, True])
def test_the_sum_form_of_momentum_is_the_velocity_form_until_the_rate_changes(nesterov):
    w, u = Parameter(1.0), Parameter(1.0)
    velocity = SGD([w], 0.05, momentum=0.9, nesterov=nesterov)
    total = SGD([u], 0.05, momentum=0.9, nesterov=nesterov, form="sum")
    found = trajectory(velocity, w, 5)
    assert found == pytest.approx(trajectory(total, u, 5), abs=1e-12)
    assert nesterov or found[:3] == pytest.approx([0.9, 0.72, 0.486], abs=1e-12)
    v, sums = velocity.state_dict()["0.v"], total.state_dict()["0.v"]
    assert v == pytest.approx(-0.05 * sums, abs=1e-12)
    velocity.learning_rate = total.learning_rate = 0.01
    g = 2 * found[-1]
    after_v, after_sum = 0.9 * v - 0.01 * g, 0.9 * sums + g
    if nesterov:
        expected = found[-1] + 0.9 * after_v - 0.01 * g, found[-1] - 0.01 * (g + 0.9 * after_sum)
    else:
        expected = found[-1] + after_v, found[-1] - 0.01 * after_sum
    (by_velocity,), (by_sum,) = trajectory(velocity, w, 1), trajectory(total, u, 1)
    assert (by_velocity, by_sum) == pytest.approx(expected, abs=1e-12)
    assert abs(by_velocity - by_sum) > 0.01


def ahead(optimizer, w, n):
    """As `trajectory`, with the gradient taken where the optimizer wants it."""
    values = []
    for _ in range(n):
        with optimizer.look_ahead():
            (w * w).backward()
        optimizer.step()
        values.append(float(w))
    return values


@pytest.mark.row("OPT-06")
def test_nesterov_looks_ahead():
    w = Parameter(1.0)
    assert ahead(SGD([w], 0.05, 0.9, nesterov="look-ahead"), w, 3) == pytest.approx([0.9, 0.729, 0.51759], abs=1e-12)


@pytest.mark.parametrize("eager", [False, True])
def test_a_training_step_takes_its_gradient_ahead(eager):
    x, y = np.random.default_rng(0).normal(size=(2, 8, 3))
    by_step, by_hand = Dense(3, 3, rng=0, dtype=np.float64), Dense(3, 3, rng=0, dtype=np.float64)
    step = Step(
        by_step, losses.mean_squared_error, SGD(by_step.parameters(), 0.1, 0.9, nesterov="look-ahead"), eager=eager
    )
    optimizer = SGD(by_hand.parameters(), 0.1, 0.9, nesterov="look-ahead")
    for _ in range(10):
        with optimizer.look_ahead():
            loss = losses.mean_squared_error(by_hand(x), y)
            loss.backward()
        optimizer.step()
        assert step(x, y)["loss"] == pytest.approx(float(loss), rel=1e-12)
    np.testing.assert_allclose(by_step.W.value, by_hand.W.value, rtol=1e-12)


@pytest.mark.row("OPT-07")
def test_nesterov_in_the_shifted_variable_is_w_and_its_velocity():
    w, u = Parameter(1.0), Parameter(1.0)
    shifted, looking = SGD([w], 0.05, 0.9, nesterov=True), SGD([u], 0.05, 0.9, nesterov="look-ahead")
    assert trajectory(shifted, w) == pytest.approx([0.81, 0.5751, 0.327321], abs=1e-12)
    ahead(looking, u, 3)
    for _ in range(20):
        assert float(w) == pytest.approx(float(u) + 0.9 * looking.state_dict()["0.v"], abs=1e-12)
        ahead(looking, u, 1)
        trajectory(shifted, w, 1)


def test_looking_ahead_leaves_parameters_as_they_were_to_the_bit_also_after_an_error():
    w, frozen = Parameter(np.array([1.0, 2.0], np.float32), "w"), Parameter(np.ones(2, np.float32))
    optimizer = SGD([w, frozen], 0.1, 0.9, nesterov="look-ahead")
    with optimizer.look_ahead():
        frozen.grad = w.grad = np.array([0.3, -0.7], np.float32)
    optimizer.step()
    frozen.trainable = False
    before, memory, rested = w.value.copy(), w.value, frozen.value.copy()
    velocity = optimizer.state_dict()["0.v"]

    def fails():
        with optimizer.look_ahead():
            np.testing.assert_array_equal(w.value, before + np.float32(0.9) * velocity)
            np.testing.assert_array_equal(frozen.value, rested)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    np.testing.assert_array_equal(w.value, before)
    assert w.value is memory
    with SGD([w], 0.1, 0.9).look_ahead():
        np.testing.assert_array_equal(w.value, before)


def test_a_gradient_that_was_not_taken_ahead_is_refused():
    """It would be momentum without Nesterov, and nobody would know."""
    w = Parameter(1.0, "w")
    optimizer = SGD([w], 0.05, 0.9, nesterov="look-ahead")
    ahead(optimizer, w, 2)
    (w * w).backward()
    with pytest.raises(RuntimeError, match=r"was not taken ahead: write `with optimizer\.look_ahead"):
        optimizer.step()
    assert float(w) == pytest.approx(0.729, abs=1e-12)
    assert ahead(optimizer, w, 1) == pytest.approx([0.51759], abs=1e-12)


@pytest.mark.row("OPT-08")
@pytest.mark.row("INI-09")
def test_adagrad():
    w = Parameter(1.0)
    inside = AdaGrad([w], 0.05, epsilon=1e-5, epsilon_inside=True, initial_accumulator=0.1)
    assert inside.state_dict()["0.r"] == 0.1
    assert trajectory(inside, w) == pytest.approx([0.950614, 0.916388, 0.888850], abs=1e-6)
    w = Parameter(1.0)
    outside = AdaGrad([w], 0.05)
    assert outside.state_dict()["0.r"] == 0
    assert trajectory(outside, w) == pytest.approx([0.95, 0.915563, 0.887911], abs=1e-6)


@pytest.mark.row("INI-09")
def test_all_other_states_start_at_zero():
    """So the first steps have lengths one can tell: α g, α/√(1−ρ), and with the zero start corrected, α."""
    for make, length in [
        (lambda w: SGD([w], 0.05, momentum=0.9), 0.05 * 2),
        (lambda w: RMSProp([w], 0.05), 0.05 / 0.1**0.5),
        (lambda w: Adam([w], 0.05), 0.05),
    ]:
        w = Parameter(1.0)
        optimizer = make(w)
        state = optimizer.state_dict()
        assert state.pop("learning_rate") == 0.05
        assert not any(state.values())
        assert trajectory(optimizer, w, 1) == pytest.approx([1 - length], abs=1e-6)


@pytest.mark.row("OPT-09")
def test_rmsprop():
    w = Parameter(1.0)
    assert trajectory(RMSProp([w], 0.05, 0.9, epsilon=1e-7), w) == pytest.approx(
        [0.841886, 0.736938, 0.654359], abs=1e-6
    )


@pytest.mark.row("OPT-10")
def test_rmsprop_with_momentum():
    w = Parameter(1.0)
    optimizer = RMSProp([w], 0.05, 0.9, momentum=0.9)
    assert trajectory(optimizer, w) == pytest.approx([0.841886, 0.594635, 0.302060], abs=1e-6)


@pytest.mark.row("OPT-11")
def test_adagrad_with_momentum():
    w = Parameter(1.0)
    assert trajectory(AdaGrad([w], 0.05, momentum=0.9), w) == pytest.approx([0.95, 0.870563, 0.772382], abs=1e-6)


@pytest.mark.parametrize("inside", [False, True])
def test_where_epsilon_stands(inside):
    """A large one tells the forms apart: 2/(2 + 0.3) and 2/√(4 + 0.3); in RMSProp r is 0.4."""
    w = Parameter(1.0)
    step = trajectory(AdaGrad([w], 1.0, epsilon=0.3, epsilon_inside=inside), w, 1)
    assert step == pytest.approx([1 - 2 / (4.3**0.5 if inside else 2.3)])
    w = Parameter(1.0)
    step = trajectory(RMSProp([w], 1.0, epsilon=0.3, epsilon_inside=inside), w, 1)
    assert step == pytest.approx([1 - 2 / (0.7**0.5 if inside else 0.4**0.5 + 0.3)])


@pytest.mark.row("OPT-13")
def test_adam():
    w = Parameter(1.0)
    assert trajectory(Adam([w]), w) == pytest.approx([0.999, 0.998, 0.997], abs=1e-6)
    w = Parameter(1.0)
    assert trajectory(Adam([w], 0.05, 0.85, 0.95, 1e-5), w) == pytest.approx([0.95, 0.900088, 0.850328], abs=1e-6)
    w = Parameter(1.0)
    optimizer = Adam([w], 0.01)
    for k in range(1, 6):  # a constant gradient: every step is as long as the learning rate
        w.grad = np.array(3.0)
        optimizer.step()
        assert float(w) == pytest.approx(1 - 0.01 * k, abs=1e-8)


@pytest.mark.row("OPT-12")
def test_adam_without_bias_correction():
    w = Parameter(1.0)
    found = trajectory(Adam([w], 0.001, 0.9, 0.999, bias_correction=False), w)
    assert found == pytest.approx([0.996838, 0.992588, 0.987640], abs=1e-6)


@pytest.mark.row("OPT-14")
def test_defaults_are_the_usual_ones_and_those_of_the_table():
    """The momentum is the only one to write: it is 0.9 where one wants it."""
    found = {
        make.__name__: {name: p.default for name, p in inspect.signature(make).parameters.items()}
        for make in (SGD, AdaGrad, RMSProp, Adam, AdamW)
    }
    rates = {name: given["learning_rate"] for name, given in found.items()}
    assert rates == {"SGD": 0.01, "AdaGrad": 0.01, "RMSProp": 0.001, "Adam": 0.001, "AdamW": 0.001}
    assert {given.get("epsilon", 1e-7) for given in found.values()} == {1e-7}
    assert {found[name]["momentum"] for name in ("SGD", "AdaGrad", "RMSProp")} == {0}
    assert found["RMSProp"]["rho"] == 0.9
    for name in ("Adam", "AdamW"):
        assert (found[name]["beta_1"], found[name]["beta_2"]) == (0.9, 0.999)
    table = dict(re.findall(r"^\| (\S+) \| ([^|]*) \|", optimizers.__doc__, re.MULTILINE))
    for name in ("SGD", "AdaGrad", "RMSProp", "Adam"):
        assert f"α = {rates[name]}" in table[name]
    assert table["ε"] == "1e-7"
    assert table["AdamW"] == f"λ = {found['AdamW']['weight_decay']}"
    assert "momentum is 0 unless one says 0.9, β₁ = 0.9 and β₂ = 0.999; ρ = 0.9" in optimizers.__doc__


@pytest.mark.row("OPT-02")
@pytest.mark.row("OPT-03")
def test_a_mini_batch_averages_so_its_gradient_is_an_unbiased_estimate():
    """The mean over all batches of one size is the full gradient: over single examples, and over all pairs."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(6, 3)), rng.normal(size=(6, 2))
    W = Parameter(rng.normal(size=(2, 3)))

    def gradient(rows):
        losses.mean_squared_error(x[rows] @ W.T, y[rows], over_outputs="sum").backward()
        return W.grad

    full = gradient(range(6))
    single = [gradient([i]) for i in range(6)]
    np.testing.assert_allclose(np.mean(single, axis=0), full, rtol=1e-12)
    pairs = list(itertools.combinations(range(6), 2))
    in_pairs = [gradient(list(pair)) for pair in pairs]
    np.testing.assert_allclose(np.mean(in_pairs, axis=0), full, rtol=1e-12)
    for (i, j), found in zip(pairs, in_pairs, strict=True):
        np.testing.assert_allclose(found, (single[i] + single[j]) / 2, rtol=1e-12)  # an average, not a sum


@pytest.mark.row("OPT-15")
@pytest.mark.parametrize("make", [None, AdaGrad, RMSProp])
def test_unrolled_momentum_is_the_recursion(make):
    """v_t = −ε Σ_i α^(t−i) s_i and θ_t = θ_0 − ε Σ_j Σ_{i≤j} α^(j−i) s_i, where s_i is g_i or g_i/(√a_i + δ)."""
    rate, eta, delta, start, n = 0.05, 0.9, 1e-7, 1.0, 6
    w = Parameter(start)
    looks = make is None
    optimizer = SGD([w], rate, eta, nesterov="look-ahead") if looks else make([w], rate, momentum=eta, epsilon=delta)
    steps, a = [], 0.0
    for t in range(1, n + 1):
        v = -rate * sum(eta ** (t - 1 - i) * s for i, s in enumerate(steps, 1))
        g = 2 * (float(w) + (eta * v if looks else 0))
        if looks:
            steps.append(g)
        else:
            a = a + g * g if make is AdaGrad else 0.9 * a + 0.1 * g * g
            steps.append(g / (a**0.5 + delta))
        (ahead if looks else trajectory)(optimizer, w, 1)
        unrolled = start - rate * sum(eta ** (j - i) * steps[i - 1] for j in range(1, t + 1) for i in range(1, j + 1))
        assert float(w) == pytest.approx(unrolled, abs=1e-12)
        velocity = -rate * sum(eta ** (t - i) * s for i, s in enumerate(steps, 1))
        assert optimizer.state_dict()["0.v"] == pytest.approx(velocity, abs=1e-12)


@pytest.mark.parametrize("make", [SGD, AdaGrad, RMSProp, Adam])
@pytest.mark.parametrize("decoupled", [False, True])
def test_weight_decay(make, decoupled):
    """Added to the gradient it is the penalty λ/2 ‖w‖²; decoupled it shrinks before a step that knows nothing of it."""
    start, g = np.array([1.0, -2.0, 0.5]), np.array([0.3, 0.1, -0.7])
    w, u = Parameter(start), Parameter(start)
    decaying, plain = make([w], 0.1, weight_decay=0.4, decoupled=decoupled), make([u], 0.1)
    for _ in range(3):
        before = u.value.copy()
        if decoupled:
            u.value = before * (1 - 0.1 * 0.4)
        u.grad = g if decoupled else g + 0.4 * before
        w.grad = g.copy()
        plain.step()
        decaying.step()
        np.testing.assert_allclose(w.value, u.value, rtol=1e-14)


def test_adamw_is_adam_with_decoupled_decay():
    w, u = Parameter(np.ones(3, np.float32)), Parameter(np.ones(3, np.float32))
    optimizers = AdamW([w], 0.1), Adam([u], 0.1, weight_decay=0.01, decoupled=True)
    for optimizer in optimizers:
        for parameter in (w, u):
            parameter.grad = np.array([1.0, 2.0, -3.0], np.float32)
        optimizer.step()
        optimizer.step()
    w.grad = u.grad = None
    np.testing.assert_array_equal(w.value, u.value)


@pytest.mark.parametrize("make", [SGD, lambda p, rate, **given: SGD(p, rate, 0.9, **given), Adam])
def test_decay_parameter_by_parameter(make):
    """As one leaves biases out; a group is a dict of its parameters."""
    W, b = Parameter(np.ones((2, 2)), "W"), Parameter(np.ones(2), "b")
    optimizer = make([b, W], {W: 0.1, b: 0.2}, weight_decay={W: 0.5}, decoupled=True)
    W.grad, b.grad = np.zeros((2, 2)), np.zeros(2)
    optimizer.step()
    np.testing.assert_allclose(W.value, 1 - 0.1 * 0.5, rtol=1e-15)
    np.testing.assert_array_equal(b.value, 1)
    optimizer.weight_decay = 0.5
    W.grad, b.grad = np.zeros((2, 2)), np.zeros(2)
    optimizer.step()
    np.testing.assert_allclose(b.value, 1 - 0.2 * 0.5, rtol=1e-15)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_proximal_step_makes_entries_zero_and_solves_the_lasso(dtype):
    """min ½ (w − c)² + λ |w| has the solution sign(c) max(|c| − λ, 0), which no other step reaches exactly where it is 0."""
    c = np.array([2.0, -1.5, 0.3, -0.2], dtype)
    w = Parameter(np.array([1.0, 1, 1, 1], dtype))
    optimizer = SGD([w], 0.5, proximal_l1=0.4)
    for _ in range(100):
        w.grad = w.value - c
        optimizer.step()
    assert w.dtype == dtype
    np.testing.assert_allclose(w.value, [1.6, -1.1, 0, 0], rtol=1e-5)
    assert w.value[2:].tolist() == [0, 0]


@pytest.mark.parametrize("make", [SGD, Adam])
def test_a_proximal_step_parameter_by_parameter(make):
    W, b = Parameter(np.array([0.03, 1.0]), "W"), Parameter(np.array([0.03, 1.0]), "b")
    optimizer = make([W, b], {W: 0.1, b: 0.2}, proximal_l1={W: 0.5})
    W.grad, b.grad = np.zeros(2), np.zeros(2)
    optimizer.step()
    np.testing.assert_allclose(W.value, [0, 0.95], rtol=1e-14)
    np.testing.assert_array_equal(b.value, [0.03, 1])
    optimizer.proximal_l1 = {b: 0.1}
    W.grad, b.grad = np.zeros(2), np.zeros(2)
    optimizer.step()
    np.testing.assert_allclose(W.value, [0, 0.95], rtol=1e-14)
    np.testing.assert_allclose(b.value, [0.01, 0.98], rtol=1e-14)


def test_squares_are_those_of_the_gradient_with_its_decay():
    w = Parameter(np.full(2, 1e20, np.float32), "w")
    for decoupled in (True, False):
        optimizer = Adam([w], 0.1, weight_decay=0.5, decoupled=decoupled)
        w.grad = np.ones(2, np.float32)
        if decoupled:
            optimizer.step()
            continue
        with pytest.raises(ValueError, match=r'the gradient of Parameter "w" .* whose square'):
            optimizer.step()


def formula_of_adam(w, gradients, alpha=0.001, b1=0.9, b2=0.999, epsilon=1e-7):
    m = r = np.zeros_like(w)
    for t, g in enumerate(gradients, 1):
        m, r = b1 * m + (1 - b1) * g, b2 * r + (1 - b2) * g**2
        w = w - alpha * (m / (1 - b1**t)) / (np.sqrt(r / (1 - b2**t)) + epsilon)
    return w


def test_adam_in_place_is_adam_as_written():
    rng = np.random.default_rng(0)
    start, gradients = rng.normal(size=(3, 4)), rng.normal(size=(20, 3, 4))
    w = Parameter(start)
    optimizer = Adam([w])
    for g in gradients:
        w.grad = g.copy()
        optimizer.step()
    np.testing.assert_allclose(w.value, formula_of_adam(start, gradients), rtol=1e-13)


@pytest.mark.parametrize(
    "make", [SGD, lambda p: SGD(p, 0.1, 0.9), AdaGrad, lambda p: RMSProp(p, 0.1, momentum=0.5), Adam]
)
def test_a_gradient_is_applied_once_in_place_and_in_the_parameters_dtype(make):
    W, b = Parameter(np.ones((2, 3), np.float32)), Parameter(np.ones(2, np.float32))
    optimizer = make([W, b])
    before = W.value
    W.grad = np.ones((2, 3), np.float32)
    optimizer.step()
    assert W.value is before
    assert W.dtype == np.float32
    assert (W.value < 1).all()
    assert (b.value == 1).all()  # it had no gradient
    assert W.grad is None
    after = W.value.copy()
    optimizer.step()
    np.testing.assert_array_equal(W.value, after)


def test_adam_counts_the_steps_in_which_a_parameter_had_a_gradient():
    a, b = Parameter(1.0), Parameter(1.0)
    optimizer = Adam([a, b])
    for _ in range(5):
        a.grad = np.array(2.0)
        optimizer.step()
    b.grad = np.array(2.0)
    optimizer.step()
    assert float(b) == pytest.approx(0.999, abs=1e-9)  # b's first step, fully bias corrected


@pytest.mark.parametrize(
    "make",
    [
        SGD,
        lambda p: SGD(p, 0.1, 0.9),
        lambda p: SGD(p, 0.1, 0.9, nesterov=True, form="sum"),
        lambda p: AdaGrad(p, momentum=0.5, initial_accumulator=0.1),
        lambda p: RMSProp(p, 0.1, momentum=0.5, weight_decay=0.1),
        Adam,
        lambda p: AdamW(p, proximal_l1=0.1, epsilon_hat=True),
    ],
)
def test_resuming_from_a_state_goes_on_bit_for_bit(make):
    def run(w, optimizer, gradients):
        for g in gradients:
            w.grad = g.copy()
            optimizer.step()

    gradients = np.random.default_rng(1).normal(size=(6, 4))
    straight = Parameter(np.zeros(4))
    run(straight, make([straight]), gradients)
    first = Parameter(np.zeros(4))
    half = make([first])
    half.learning_rate = half.learning_rate * 1.0
    run(first, half, gradients[:3])
    resumed = Parameter(first.value)
    other = make([resumed])
    other.learning_rate = 123.0
    other.load_state_dict(half.state_dict())
    run(resumed, other, gradients[3:])
    np.testing.assert_array_equal(resumed.value, straight.value)


def test_a_state_that_does_not_fit_is_refused_and_changes_nothing():
    w = Parameter(np.zeros(4))
    optimizer = Adam([w], 0.5)
    with pytest.raises(ValueError, match=r"expected learning_rate \(\) float64, 0.m \(4,\) .*found learning_rate \(\)"):
        optimizer.load_state_dict(SGD([w]).state_dict())
    with pytest.raises(ValueError, match=r"found .*0.m \(3,\)"):
        optimizer.load_state_dict(Adam([Parameter(np.zeros(3))]).state_dict())
    assert optimizer.learning_rate == 0.5


def test_state_is_a_copy():
    w = Parameter(1.0)
    optimizer = SGD([w], 0.1, momentum=0.9)
    state = optimizer.state_dict()
    trajectory(optimizer, w, 1)
    assert state["0.v"] == 0


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda w: SGD([]), ValueError, "no trainable parameter among the 0"),
        (lambda w: SGD(Parameter(np.ones(3))), TypeError, "SGD takes Parameters.*of type"),  # type: ignore[arg-type]
        (
            lambda w: SGD(RNN(1, 2, 1)),  # type: ignore[arg-type]
            TypeError,
            r"SGD takes Parameters, not the RNN itself: pass its \.parameters\(\)",
        ),
        (lambda w: SGD([w], lr=0.1), TypeError, "unexpected keyword argument 'lr'"),  # type: ignore[call-arg]
        (lambda w: SGD([w], -0.1), ValueError, r"learning_rate=-0.1: it lies in \[0, inf\)"),
        (lambda w: SGD([w], float("nan")), ValueError, "learning_rate=nan"),
        (lambda w: SGD([w], momentum=1), ValueError, r"momentum=1: it lies in \[0, 1\)"),
        (lambda w: Adam([w], beta_2=1.5), ValueError, "beta_2=1.5"),
        (lambda w: AdaGrad([w], initial_accumulator=-1), ValueError, r"initial_accumulator=-1: it lies in \[0, inf\)"),
        (lambda w: SGD([w], nesterov=True), ValueError, "nesterov=True: it needs a momentum"),
        (lambda w: SGD([w], 0.1, 0.9, nesterov="ahead"), ValueError, "expected False, True or"),  # type: ignore[arg-type]
        (lambda w: SGD([w], 0.1, 0.9, form="pytorch"), ValueError, 'form=.pytorch.: expected "velocity"'),  # type: ignore[arg-type]
        (lambda w: SGD([w], 0.1, 0.9, nesterov="look-ahead", form="sum"), ValueError, "the place ahead"),
        (
            lambda w: SGD([w], 0.1, 0.9, nesterov="look-ahead", weight_decay=0.1),
            ValueError,
            "λ w is not the gradient at",
        ),
        (lambda w: SGD([w], weight_decay=-1), ValueError, r"weight_decay=-1: it lies in \[0, inf\)"),
        (
            lambda w: SGD([w], weight_decay={Parameter(1.0, "x"): 1}),
            ValueError,
            r'Parameter "x" \(\) is none of the parameters',
        ),
        (lambda w: SGD([w], weight_decay={w: float("nan")}), ValueError, "weight_decay of Parameter"),
        (lambda w: Adam([w], proximal_l1=-1), ValueError, "proximal_l1=-1"),
        (lambda w: RMSProp([w], rho=1), ValueError, r"rho=1: it lies in \[0, 1\)"),
    ],
)
def test_bad_settings_are_refused(call, error, message):
    with pytest.raises(error, match=message):
        call(Parameter(1.0))


@pytest.mark.parametrize(
    ("make", "name", "value", "message"),
    [
        (Adam, "beta_1", 1.5, r"beta_1=1.5: it lies in \[0, 1\)"),
        (Adam, "beta_2", 1, r"beta_2=1: it lies in \[0, 1\)"),
        (Adam, "epsilon", -1e-7, r"epsilon=-1e-07: it lies in \[0, inf\)"),
        (RMSProp, "rho", float("nan"), "rho=nan"),
        (AdaGrad, "momentum", -0.5, "momentum=-0.5"),
        (SGD, "weight_decay", -1, r"weight_decay=-1: it lies in \[0, inf\)"),
        (SGD, "weight_decay", {Parameter(1.0, "x"): 1}, r'SGD\(weight_decay\): Parameter "x" \(\) is none of'),
        (AdamW, "proximal_l1", {"w": 1}, r"AdamW\(proximal_l1\): 'w' is none of"),
    ],
)
def test_settings_that_are_assigned_are_checked_as_the_constructors_are(make, name, value, message):
    w = Parameter(np.ones(2))
    optimizer = make([w])
    before = getattr(optimizer, name)
    with pytest.raises(ValueError, match=message):
        setattr(optimizer, name, value)
    assert getattr(optimizer, name) == before
    with pytest.raises(TypeError, match=f"{name}='0.1': expected a number, found str: write 0.1"):
        setattr(optimizer, name, "0.1")


@pytest.mark.parametrize(
    ("make", "changes", "message"),
    [
        (
            SGD,
            {"momentum": 0.9},
            r"SGD.momentum = 0.9: it was made without momentum .* write SGD\(parameters, momentum=0.9\)",
        ),
        (AdaGrad, {"momentum": 0.5}, "AdaGrad.momentum = 0.5: it was made without momentum"),
        (RMSProp, {"momentum": 0.5}, "RMSProp.momentum = 0.5: it was made without momentum"),
        (SGD, {"nesterov": True}, "nesterov=True: it needs a momentum"),
        (SGD, {"form": "keras"}, "form='keras': expected"),
    ],
)
def test_settings_that_do_not_fit_what_the_optimizer_was_made_with_are_refused_by_its_next_step(make, changes, message):
    w = Parameter(np.ones(2))
    optimizer = make([w])
    for _ in range(2):
        w.grad = np.ones(2)
        for name, value in changes.items():
            setattr(optimizer, name, value)
        with pytest.raises(ValueError, match=message):
            optimizer.step()
        np.testing.assert_array_equal(w.value, 1)
        assert optimizer.n_steps == 0


@pytest.mark.parametrize("make", [lambda p: SGD(p, 0.1, 0.9), AdaGrad, Adam, lambda p: SGD(p, 0.1, weight_decay=0.5)])
def test_what_is_frozen_between_gradient_and_step_stays_with_its_state(make):
    w, b = Parameter(np.ones(3), "w"), Parameter(np.ones(2), "b")
    optimizer = make([w, b])
    w.grad, b.grad = np.ones(3), np.ones(2)
    optimizer.step()
    rested, state = b.value.copy(), optimizer.state_dict()
    w.grad, b.grad = np.ones(3), np.full(2, 1e200)
    b.trainable = False
    loss = (b * b).sum()
    optimizer.step()
    np.testing.assert_array_equal(b.value, rested)
    for name, array in optimizer.state_dict().items():
        if name.startswith("1."):
            np.testing.assert_array_equal(array, state[name])
    assert (w.value < rested[0]).all()
    assert b.grad is None  # it is of then, not of when it is trained again
    b.trainable = True
    loss.backward()  # b did not change
    optimizer.step()
    assert (b.value < rested).all()


@pytest.mark.parametrize("make", [lambda p: SGD(p, 0.1, 0.9), AdaGrad, Adam])
def test_a_state_of_another_dtype_is_refused(make):
    """Rounded it would go on as another training."""
    double, single = Parameter(np.ones(3)), Parameter(np.ones(3, np.float32))
    states = {dtype: make([w]).state_dict() for dtype, w in (("float64", double), ("float32", single))}
    for w, other in ((double, "float32"), (single, "float64")):
        optimizer = make([w])
        with pytest.raises(ValueError, match=rf"expected .*\(3,\) {w.dtype}.*found .*\(3,\) {other}"):
            optimizer.load_state_dict(states[other])


def test_a_gradient_of_another_shape_or_dtype_is_refused():
    w = Parameter(np.ones(3), "w")
    optimizer = SGD([w])
    for gradient in (np.ones(4), np.ones(3, np.float32)):
        w.grad = gradient
        with pytest.raises(ValueError, match=r'Parameter "w" \(3,\).*\.grad of shape'):
            optimizer.step()


def test_frozen_and_repeated_parameters():
    w, frozen = Parameter(1.0), Parameter(1.0, trainable=False)
    optimizer = SGD([w, frozen, w], 0.5)
    assert optimizer.parameters == (w,)


@pytest.mark.parametrize("make", [lambda given: SGD(given, 0.1, momentum=0.9), lambda given: Adam(given, 0.1), RMSProp])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_was_frozen_is_trained_from_its_unfreezing_on_as_by_an_optimizer_of_its_own(make, dtype):
    first, last = Parameter(np.ones(3, dtype), "first", trainable=False), Parameter(np.ones(2), "last")
    optimizer = make([first, last])
    alone = Parameter(np.ones(3, dtype))
    single = make([alone])
    last.grad, first.grad = np.ones(2), np.ones(3, dtype)  # the latter of one's own: frozen is frozen
    optimizer.step()
    assert first.value.tolist() == [1, 1, 1]
    first.trainable = True
    assert optimizer.parameters == (first, last)
    for step in range(3):
        for parameter in (first, alone):
            parameter.grad = np.arange(3, dtype=dtype) - step
        last.grad = np.ones(2)
        optimizer.step()
        single.step()
        assert first.dtype == dtype
        np.testing.assert_array_equal(first.value, alone.value)
    first.trainable = False  # and once more
    optimizer.step()
    np.testing.assert_array_equal(first.value, alone.value)


def test_the_state_of_what_was_unfrozen_is_that_of_an_optimizer_of_all():
    def parameters(trainable):
        return Parameter(np.ones(3), "a", trainable=trainable), Parameter(np.ones(2), "b")

    a, b = parameters(trainable=False)
    optimizer = Adam([a, b])
    assert set(optimizer.state_dict()) == {"learning_rate", "n_steps", "0.m", "0.v", "0.steps"}
    a.trainable = True
    a.grad, b.grad = np.ones(3), np.ones(2)
    optimizer.step()
    for trainable in (True, False):
        twins = parameters(trainable)
        other = Adam(twins)
        twins[0].trainable = True
        other.load_state_dict(optimizer.state_dict())
        a.grad, twins[0].grad = np.full(3, 2.0), np.full(3, 2.0)
        copied = copy.deepcopy(other)
        other.step()
        np.testing.assert_array_equal(copied.parameters[0].value, np.ones(3))
        assert (other.state_dict()["0.m"] != copied.state_dict()["0.m"]).all()
    optimizer.step()
    for name, array in optimizer.state_dict().items():
        np.testing.assert_array_equal(array, other.state_dict()[name])


def test_what_is_unfrozen_needs_a_rate_where_each_parameter_has_its_own():
    a, b = Parameter(np.ones(3), "a", trainable=False), Parameter(np.ones(2), "b")
    given = SGD([a, b], {a: 0.5, b: 0.25})
    missing = SGD([a, b], {b: 0.25})
    a.trainable = True
    assert given.rates() == [0.5, 0.25]
    for _ in range(2):
        with pytest.raises(ValueError, match='dict has no rate for Parameter "a"'):
            missing.step()
    missing.learning_rate = 0.5
    assert missing.rates() == [0.5, 0.5]


def test_what_a_new_optimizer_must_define():
    with pytest.raises(TypeError, match="defines no _start"):
        Optimizer([Parameter(1.0)], 0.1)

    class Idle(Optimizer):
        def _start(self):
            return {}

    w = Parameter(1.0)
    w.grad = np.array(1.0)
    with pytest.raises(TypeError, match="Idle defines no _formula"):
        Idle([w], 0.1).step()

    class Forgetful(RMSProp):
        _accumulated = AdaptiveRates._accumulated

    with pytest.raises(TypeError, match="Forgetful defines no _accumulated"):
        Forgetful([w]).step()


def test_the_parameter_whose_square_overflows_is_named_and_none_that_is_not_stepped():
    idle, frozen, w = (Parameter(np.ones(2, np.float32), name) for name in ("idle", "frozen", "w"))
    optimizer = Adam([idle, frozen, w])
    frozen.trainable = False
    frozen.grad = w.grad = np.full(2, 1e30, np.float32)
    with pytest.raises(ValueError, match='the gradient of Parameter "w"'):
        optimizer.step()


@pytest.mark.parametrize("make", [Adam, RMSProp, AdaGrad])
@pytest.mark.parametrize(("dtype", "size"), [(np.float32, 1e25), (np.float64, 1e200)])
def test_a_gradient_whose_square_overflows_is_refused_before_anything_changes(make, dtype, size):
    """Its entry would have the rate 0 from then on."""
    w, v = Parameter(np.ones(3, dtype), "w"), Parameter(np.ones((2, 2), dtype), "v")
    optimizer = make([w, v], 0.1)
    before = optimizer.state_dict()
    w.grad, v.grad = np.ones(3, dtype), np.array([[1, 0], [-size, 2]], dtype)
    expected = rf'step\(\): the gradient of Parameter "v" .* size {size:.0e}'.replace("+", r"\+")
    with pytest.raises(ValueError, match=expected):
        optimizer.step()
    np.testing.assert_array_equal(w.value, 1)
    np.testing.assert_array_equal(v.value, 1)
    for name, array in optimizer.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    v.grad = np.full((2, 2), dtype(size) ** dtype(0.5))
    optimizer.step()
    assert optimizer.n_steps == 1
    assert (v.value < 0.95).all()


@pytest.mark.parametrize("eager", [False, True])
def test_a_training_step_whose_squares_overflow_leaves_model_and_statistics_as_they_were(eager):
    model = Sequential(BatchNorm(3), Dense(3, 1, rng=0))
    optimizer = Adam(model.parameters())
    step = Step(model, lambda outputs, slope: (outputs * slope).mean(), optimizer, eager=eager)
    x = np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32)
    step(x, np.ones((8, 1), np.float32))
    before, state = model.state_dict(), optimizer.state_dict()
    with pytest.raises(ValueError, match="whose square does not fit into float32"):
        step(x, np.full((8, 1), 1e25, np.float32))
    for held, found in ((before, model.state_dict()), (state, optimizer.state_dict())):
        for name, array in held.items():
            np.testing.assert_array_equal(found[name], array, err_msg=name)


@pytest.mark.parametrize("make", [Adam, RMSProp])
def test_a_mean_of_squares_below_the_limit_never_overflows(make):
    """As long as one goes on, each step has the size of the learning rate."""
    w = Parameter(np.zeros(1, np.float32))
    optimizer = make([w], 0.1)
    largest = np.sqrt(np.finfo(np.float32).max * (0.1 if make is RMSProp else 0.001)) * np.float32(0.99)
    for _ in range(50):
        before = w.value.copy()
        w.grad = np.full(1, largest, np.float32)
        optimizer.step()
        assert 0.09 < before - w.value < 0.4


def test_many_entries_that_fit_are_not_refused():
    w = Parameter(np.zeros(1000, np.float32))
    w.grad = np.full(1000, 3e17, np.float32)  # the sum of whose squares does not fit
    Adam([w], 0.1).step()
    np.testing.assert_allclose(w.value, -0.1, rtol=1e-5)


def test_gradient_descent_squares_nothing():
    w = Parameter(np.zeros(1, np.float32))
    w.grad = np.full(1, 1e30, np.float32)
    SGD([w], 1e-30).step()
    np.testing.assert_allclose(w.value, -1, rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("start", [0.0, 1.0])
def test_a_sum_of_squares_that_overflows_is_refused_too(dtype, start):
    w, v = Parameter(np.ones(3, dtype), "w"), Parameter(np.ones((2, 2), dtype), "v")
    optimizer = AdaGrad([w, v], 0.1, initial_accumulator=start)
    large = np.sqrt(np.finfo(dtype).max) * dtype(0.8)
    for i in range(2):
        w.grad, v.grad = np.full(3, large if i == 1 else dtype(1)), np.full((2, 2), large if i == 0 else dtype(1))
        optimizer.step()
    before = optimizer.state_dict()
    w.grad, v.grad = np.ones(3, dtype), np.full((2, 2), large)
    with pytest.raises(ValueError, match=r'the gradient of Parameter "v" .* whose square, added to r, does not fit'):
        optimizer.step()
    for name, array in optimizer.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    w.grad, v.grad = np.ones(3, dtype), np.ones((2, 2), dtype)
    optimizer.step()
    assert optimizer.n_steps == 3


@pytest.mark.parametrize("make", [Adam, RMSProp, AdaGrad])
def test_a_gradient_that_is_not_finite_is_not_called_too_large(make):
    """`Step` refuses it; a step of one's own makes of it what the formula says."""
    w = Parameter(np.ones(2, np.float32))
    w.grad = np.array([np.inf, 1], np.float32)
    with np.errstate(invalid="ignore"):
        make([w], 0.1).step()
    assert np.isnan(w.value[0])
    assert w.value[1] < 1

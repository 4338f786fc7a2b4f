import copy
import functools
import math
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad.models import RNN, initializers, losses, penalties
from minigrad.models.penalties import (
    AdjointVariance,
    FirstAgainstLast,
    HalfSquaredNorms,
    LogRatio,
    Omega,
    OmegaNorms,
    Penalty,
    RelativeVariance,
)
from minigrad.ops import sigmoid
from minigrad.optim import SGD, Step, schedules
from tests.models import second_backpropagation as closed


def with_options(kind, **options):
    """The class with options, and a name that says so."""
    made: Any = functools.partial(kind, **options)
    made.__name__ = f"{kind.__name__}({', '.join(options.values())})"
    return made


EXACT = {
    Omega: closed.omega,
    with_options(Omega, over_time="sum"): closed.omega_summed,
    OmegaNorms: closed.omega_norms,
    with_options(OmegaNorms, over_time="sum"): closed.omega_norms_summed,
    AdjointVariance: closed.adjoint_variance,
    with_options(AdjointVariance, norm="l1"): closed.adjoint_variance_l1,
    with_options(AdjointVariance, over_time="sum"): closed.summed_variance,
    with_options(AdjointVariance, norm="l1", over_time="sum"): closed.summed_variance_l1,
    RelativeVariance: closed.relative_variance,
    LogRatio: closed.log_ratio,
    with_options(LogRatio, over_time="sum"): closed.log_ratio_summed,
    HalfSquaredNorms: closed.half_squared_norms,
    FirstAgainstLast: closed.first_against_last,
}
CLASSES = [kind for kind in EXACT if isinstance(kind, type)]
LOSSES: dict[str, Any] = {
    "cross_entropy": (losses.cross_entropy, closed.cross_entropy),
    "mean_squared_error": (losses.mean_squared_error, closed.mean_squared_error),
}
ACTIVATIONS = {"tanh": np.tanh, "sigmoid": sigmoid}
FIVE = ["W", "R", "b_1", "V", "b_o"]
BATCH = 3


def problem(steps, activation=np.tanh, seed=0, loss="cross_entropy", **options):
    """A net with weights large enough to be interesting, inputs and targets."""
    rng = np.random.default_rng(seed)
    net = RNN(
        2, 4, 3, activation, initializer=initializers.normal(0.7), initial_state=rng.normal(size=4),
        dtype=np.float64, rng=rng, **options,
    )  # fmt: skip
    for bias in (net.b_1, net.b_o):
        bias.value = rng.normal(0, 0.5, bias.shape)
    u = rng.normal(size=(BATCH, steps, 2))
    targets = rng.integers(3, size=BATCH) if loss == "cross_entropy" else rng.normal(size=(BATCH, 3))
    return net, u, targets


def build(net, u, targets, loss="cross_entropy"):
    states = net.states(u)
    return LOSSES[loss][0](net.readout(states[-1]), targets), states


def penalized(net, u, targets, penalty, loss="cross_entropy"):
    value, states = build(net, u, targets, loss)
    return value + penalty(value, states)


def arrays(net):
    return {**net.state_dict(), "x_0": net.x_0.value.copy()}


def assert_near(found, expected, tolerance):
    """Up to the tolerance times the largest entry expected."""
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * max(np.abs(expected).max(), 1e-3))


def differences(function, parameter, step=1e-5):
    """∂function()/∂parameter by central differences."""
    gradient = np.zeros(parameter.shape)
    for i in np.ndindex(parameter.shape):
        middle = parameter.value[i]
        ends = []
        for end in (middle + step, middle - step):
            parameter.value[i] = end
            ends.append(float(function()))
        parameter.value[i] = middle
        gradient[i] = (ends[0] - ends[1]) / (2 * step)
    return gradient


# The adjoints ----------------------------------------------------------------------------------------------------


@pytest.mark.row("REC-08")
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_adjoints_are_the_recursion_of_the_multipliers(activation, loss):
    net, u, targets = problem(6, ACTIVATIONS[activation], loss=loss)
    value, states = build(net, u, targets, loss)
    found = penalties.adjoints(value, states)
    g = closed.backpropagation(arrays(net), u, targets, activation, LOSSES[loss][1]).g
    assert len(found) == 6
    for node, expected in zip(found, g[1:], strict=True):
        assert isinstance(node, mg.Node)
        assert_near(node.value, expected, 1e-12)


@pytest.mark.row("REC-17")
@pytest.mark.parametrize("rho", [0.5, 1.5])
def test_adjoints_of_a_linear_net_vanish_and_explode_by_powers(rho):
    net = RNN(
        2, 6, 3, lambda x: x, recurrent_initializer=initializers.orthogonal(rho), dtype=np.float64, rng=1
    )  # fmt: skip
    rng = np.random.default_rng(2)
    value, states = build(net, rng.normal(size=(4, 9, 2)), rng.integers(3, size=4))
    norms = [np.linalg.norm(g.value, axis=1) for g in penalties.adjoints(value, states)]
    for k, found in enumerate(reversed(norms)):
        np.testing.assert_allclose(found, rho**k * norms[-1], rtol=1e-12)


def test_adjoints_take_any_nodes_of_the_graph():
    net, u, targets = problem(3)
    x_0 = mg.Input(net.x_0.value)
    states = net.states(u, x_0)
    loss = losses.cross_entropy(net.readout(states[-1]), targets)
    first, *_ = penalties.adjoints(loss, [x_0, *states])
    expected = closed.backpropagation(arrays(net), u, targets, "tanh", closed.cross_entropy).gradient["x_0"]
    assert_near(first.value, expected, 1e-12)


def test_adjoints_of_states_from_another_call_are_refused():
    net, u, targets = problem(3)
    loss = losses.cross_entropy(net(u), targets)
    with pytest.raises(ValueError, match=r"no path leads .*Make the loss from the very states that are penalized"):
        penalties.adjoints(loss, net.states(u))


def test_adjoints_say_what_they_expect():
    net, u, targets = problem(3)
    loss, states = build(net, u, targets)
    with pytest.raises(ValueError, match=r'expected a scalar node as the loss, found .*Tanh "x" \(3, 4\)'):
        penalties.adjoints(states[-1], states)
    with pytest.raises(
        ValueError, match="expected a scalar node as the loss, found float: an array or number has no graph"
    ):
        penalties.adjoints(1.5, states)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="a sequence of at least one node"):
        penalties.adjoints(loss, [])
    with pytest.raises(ValueError, match="a sequence of at least one node"):
        penalties.adjoints(loss, states[0])


# The penalties and their gradients ---------------------------------------------------------------------------------


@pytest.mark.row("REC-10", "PEN-10")
@pytest.mark.parametrize("steps", [1, 2, 7])
@pytest.mark.parametrize("kind", CLASSES)
def test_the_penalized_gradient_equals_finite_differences(kind, steps):
    net, u, targets = problem(steps)
    penalty = kind(0.7)
    found = mg.gradients(penalized(net, u, targets, penalty), net.parameters())
    for (name, parameter), gradient in zip(net.named_parameters(), found, strict=True):
        expected = differences(lambda: penalized(net, u, targets, penalty), parameter)
        assert np.abs(gradient.value - expected).max() < 1e-6 * np.abs(expected).max(), name
    assert list(net.state_dict()) == [*FIVE, "x_0"]


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("steps", [1, 2, 7])
@pytest.mark.parametrize("kind", EXACT)
def test_value_and_gradient_equal_the_second_backpropagation(kind, steps, activation, loss):
    net, u, targets = problem(steps, ACTIVATIONS[activation], loss=loss, trainable_initial_state=True)
    value, states = build(net, u, targets, loss)
    G = kind(1.0)(value, states)
    expected_value, expected = closed.second_backpropagation(
        arrays(net), u, targets, activation, LOSSES[loss][1], EXACT[kind]
    )
    np.testing.assert_allclose(float(G), expected_value, rtol=1e-12, atol=1e-14)
    for name, parameter in net.named_parameters():
        (gradient,) = mg.gradients(G, [parameter])
        assert_near(gradient.value, expected[name], 1e-10)


@pytest.mark.parametrize("kind", EXACT)
def test_backward_gives_what_gradients_gives(kind):
    net, u, targets = problem(4)
    total = penalized(net, u, targets, kind(0.7))
    total.backward()
    trained = net.parameters()[:5]
    for parameter, gradient in zip(trained, mg.gradients(total, trained), strict=True):
        assert_near(parameter.grad, gradient.value, 1e-13)


@pytest.mark.parametrize("over_time", ["mean", "sum"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("steps", [1, 2, 7])
def test_the_immediate_form_reaches_only_W_and_is_the_published_formula(steps, activation, over_time):
    net, u, targets = problem(steps, ACTIVATIONS[activation], trainable_initial_state=True)
    loss, states = build(net, u, targets)
    immediate, exact = (Omega(1.0, form, over_time=over_time)(loss, states) for form in ("immediate", "exact"))
    np.testing.assert_allclose(float(immediate), float(exact), rtol=1e-13)

    first = closed.backpropagation(arrays(net), u, targets, activation, closed.cross_entropy)
    m = [(g**2).sum(axis=1, keepdims=True) for g in first.g]
    c = 1 / max(1, BATCH * (steps - 1)) if over_time == "mean" else 1 / BATCH
    expected = np.zeros((4, 4))
    for k in range(2, steps + 1):  # ∂Ω/∂W = Σ_k a_k' [4 c (q_k − 1)/‖g_k‖² g_{k−1}]
        expected += first.a[k].T @ (4 * c * (m[k - 1] / m[k] - 1) / m[k] * first.g[k - 1])
    of_W, *others = mg.gradients(immediate, net.parameters())
    assert_near(of_W.value, expected, 1e-10)
    for other in others:
        assert not other.value.any()


@pytest.mark.parametrize("over_time", ["mean", "sum"])
@pytest.mark.parametrize("lengths", [(7, 7, 7), (7, 1, 4), (2, 0, 7)])
def test_under_a_mask_the_immediate_form_is_that_of_each_sequence_alone(lengths, over_time):
    net, u, targets = problem(7)
    u, targets = u[:3], targets[:3]
    rng = np.random.default_rng(0)
    present = np.array([rng.permutation(np.arange(7) < n) for n in lengths])  # padding anywhere
    u = np.where(present[..., np.newaxis], u, np.nan)
    penalty = Omega(1.0, "immediate", over_time=over_time)

    def loss_of(states, targets):  # a sum, of which each example's adjoint is its own
        return losses.cross_entropy(net.readout(states[-1]), targets, over_examples="sum")

    states = net.states(u, mask=present)
    (found,) = mg.gradients(penalty(loss_of(states, targets), states), [net.W])
    expected, n_terms, n_examples = np.zeros((4, 4)), 0, 0
    for inputs, target, counts in zip(u, targets, present, strict=True):
        if counts.any():
            alone = net.states(inputs[np.newaxis, counts])
            G = Omega(1.0, "immediate", over_time="sum")(loss_of(alone, target[np.newaxis]), alone)
            expected += mg.gradients(G, [net.W])[0].value
            n_terms, n_examples = n_terms + len(alone) - 1, n_examples + 1
    assert_near(found.value, expected / (n_terms if over_time == "mean" else n_examples), 1e-10)
    given = penalty(loss_of(states, targets), states, present)
    np.testing.assert_array_equal(given.value, penalty(loss_of(states, targets), states).value)


def test_where_the_loss_reads_every_state_the_immediate_form_is_of_what_comes_from_the_next_one():
    net = RNN(2, 3, 3, dtype=np.float64, rng=0)
    states = net.states(np.random.default_rng(0).normal(size=(4, 5, 2)))
    loss = sum(losses.cross_entropy(net.readout(x), [0, 1, 2, 0]) for x in states)
    norms = [np.linalg.norm(node.value, axis=1) for node in mg.gradients(loss, states)]
    a = mg.gradients(loss, states.pre_activations)
    passed_on = [np.linalg.norm(node.value @ net.W.value, axis=1) for node in a]
    q = np.array(passed_on[1:]) ** 2 / np.array(norms[1:]) ** 2
    np.testing.assert_allclose(float(Omega(1.0, "immediate")(loss, states)), ((q - 1) ** 2).mean(), rtol=1e-12)


def test_an_all_true_mask_changes_no_bit_of_the_immediate_form():
    net, u, targets = problem(5)
    plain, masked = net.states(u), net.states(u, mask=np.ones(u.shape[:2], bool))
    found = []
    for states in (plain, masked):
        loss = losses.cross_entropy(net.readout(states[-1]), targets)
        found.append(mg.gradients(Omega(0.3, "immediate")(loss, states), [net.W])[0].value)
    np.testing.assert_array_equal(*found)


def test_the_immediate_form_works_for_any_activation():
    def bent(x):
        return x * sigmoid(x) + 0.3 * np.sin(x)  # σ' is no function of σ

    net, u, targets = problem(5, bent)
    loss, states = build(net, u, targets)
    found, *others = mg.gradients(Omega(1.0, "immediate")(loss, states), net.parameters())
    rows, a = (
        [g.value for g in mg.gradients(loss, nodes)] for nodes in (states, states.pre_activations)
    )  # fmt: skip

    def held_constant():
        total = 0.0
        for k in range(1, 5):
            q = ((a[k] @ net.W.value) ** 2).sum(axis=1) / (rows[k] ** 2).sum(axis=1)
            total += ((q - 1) ** 2).sum()
        return total / (4 * BATCH)

    assert_near(found.value, differences(held_constant, net.W), 1e-7)
    assert not any(other.value.any() for other in others)


def test_scale_free_penalties_do_not_see_the_scale_of_the_loss_and_the_others_do():
    net, u, targets = problem(5)
    loss, states = build(net, u, targets)
    for kind in EXACT:
        penalty = kind(1.0)
        power = 0 if isinstance(penalty, Omega | OmegaNorms | LogRatio | RelativeVariance) else 2
        ratio = float(penalty(loss * 3.0, states)) / float(penalty(loss, states))
        np.testing.assert_allclose(ratio, 3.0**power, rtol=1e-12)


@pytest.mark.parametrize("kind", EXACT)
def test_a_penalty_is_the_mean_of_its_examples(kind):
    net, u, targets = problem(5)
    together = float(kind(1.0)(*build(net, u, targets)))
    alone = [float(kind(1.0)(*build(net, u[i : i + 1], targets[i : i + 1]))) for i in range(BATCH)]
    np.testing.assert_allclose(together, np.mean(alone), rtol=1e-12)


@pytest.mark.parametrize("kind", [kind for kind in EXACT if kind is not HalfSquaredNorms])
def test_over_one_state_a_penalty_over_time_is_zero(kind):
    net, u, targets = problem(1)
    G = kind(1.0)(*build(net, u, targets))
    assert float(G) == 0
    assert not any(gradient.value.any() for gradient in mg.gradients(G, net.parameters()))


# Weight ------------------------------------------------------------------------------------------------------------


@pytest.mark.row("WEX-24")
def test_training_with_a_penalty_changes_the_adjoints_and_with_weight_zero_nothing():
    net, u, targets = problem(7)

    def trained(penalty):
        twin = copy.deepcopy(net)
        for _ in range(20):
            total = penalized(twin, u, targets, penalty) if penalty else build(twin, u, targets)[0]
            total.backward()
            for parameter in twin.parameters()[:5]:
                parameter.value -= 0.1 * parameter.grad
        first, *_, last = penalties.adjoints(*build(twin, u, targets))
        return twin.state_dict(), np.linalg.norm(first.value) / np.linalg.norm(last.value)

    plain, ratio = trained(None)
    for form in ("exact", "immediate"):
        unweighted, same = trained(Omega(0.0, form))
        assert same == ratio
        assert all(unweighted[name].tobytes() == plain[name].tobytes() for name in plain)
        assert abs(math.log(trained(Omega(0.3, form))[1])) < abs(math.log(ratio)) - 0.1


@pytest.mark.slow
@pytest.mark.row("REC-10")
@pytest.mark.parametrize("kind", CLASSES)
def test_penalized_training_lowers_the_penalty(kind):
    net, u, targets = problem(7, seed=3)
    G = [float(kind(1.0)(*build(net, u, targets)))]
    for _ in range(100):
        loss, states = build(net, u, targets)
        measured = kind(1.0)(loss, states)
        gradients = mg.gradients(0.1 * loss + measured, net.parameters())
        length = math.sqrt(sum(float((g.value**2).sum()) for g in gradients))
        for parameter, gradient in zip(net.parameters(), gradients, strict=True):
            parameter.value -= 0.01 * min(1, 1 / length) * gradient.value
        G.append(float(kind(1.0)(*build(net, u, targets))))
    assert G[-1] < 0.8 * G[0]


def test_a_weight_may_be_a_node_and_change_in_a_replay():
    net, u, targets = problem(4)
    loss, states = build(net, u, targets)
    weight = mg.Input(np.float32(0.5))
    weighted = Omega(weight)(loss, states)
    G = float(Omega(1.0)(loss, states))
    assert weighted.dtype == np.float64
    np.testing.assert_allclose(float(weighted), 0.5 * G)
    np.testing.assert_allclose(mg.Graph(weighted).fprop({weight: np.float32(2.0)}), 2 * G)


@pytest.mark.parametrize("weight", [-1.0, math.nan, math.inf])
def test_a_weight_has_to_be_a_number_from_zero_on(weight):
    with pytest.raises(ValueError, match=r"Omega\(weight=.*: expected a finite number of at least 0"):
        Omega(weight)


def test_the_defaults():
    assert (Omega().weight, Omega().form, RelativeVariance().weight, LogRatio().weight) == (0.3, "exact", 0.1, 1.0)


# Where there is nothing to divide by, and replays --------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", EXACT)
def test_adjoints_that_are_zero_or_vanished_give_a_finite_gradient(kind, dtype):
    rng = np.random.default_rng(0)
    u, targets = rng.normal(size=(BATCH, 30, 2)), rng.integers(3, size=BATCH)
    for scale in (0.0, 1e-3):  # with 1e-3 the adjoints fall from 1e-3 below 1e-38 on their way back
        net = RNN(2, 4, 3, initializer=initializers.normal(scale), dtype=dtype, rng=rng)
        with mg.anomalies():
            total = penalized(net, u, targets, kind(1.0))
            gradients = mg.gradients(total, net.parameters())
        assert total.dtype == dtype
        assert all(gradient.dtype == dtype for gradient in gradients)


def test_vanished_terms_are_masked_and_replays_decide_anew():
    net, u, targets = problem(12)
    net.W.value *= 1e-2
    inputs, penalty = mg.Input(u), Omega(1.0)
    loss, states = build(net, inputs, targets)
    G = penalty(loss, states)
    gradients = mg.gradients(G, net.parameters())
    m = np.array([(g.value**2).sum(axis=1) for g in penalties.adjoints(loss, states)])
    counts = m[1:] >= 1e-20
    assert 0 < counts.sum() < counts.size
    q = m[:-1][counts] / m[1:][counts]
    np.testing.assert_allclose(float(G), ((q - 1) ** 2).mean(), rtol=1e-12)

    net.W.value *= 40  # now all count
    graph = mg.Graph(G, *gradients)
    replayed = graph.fprop({inputs: u[::-1].copy()})
    fresh = penalty(*build(net, u[::-1].copy(), targets))
    for found, expected in zip(replayed, [fresh, *mg.gradients(fresh, net.parameters())], strict=True):
        assert_near(found, expected.value, 1e-12)
    assert (
        min((g.value**2).sum(axis=1).min() for g in penalties.adjoints(*build(net, u[::-1].copy(), targets))[1:])
        >= 1e-20
    )


# What is refused, and penalties of one's own ---------------------------------------------------------------------------


def test_the_immediate_form_needs_the_states_of_the_net():
    net, u, targets = problem(3)
    loss, states = build(net, u, targets)
    with pytest.raises(TypeError, match=r"expected the states as RNN.states\(u\) gives them, found list"):
        Omega(0.3, "immediate")(loss, states[1:])
    with pytest.raises(ValueError, match='Omega\\(form=\'approximate\'\\): "exact" or "immediate"'):
        Omega(0.3, "approximate")  # type: ignore[arg-type]


def test_states_of_several_shapes_are_refused():
    net, u, targets = problem(3)
    x_0 = mg.Input(net.x_0.value)
    states = net.states(u, x_0)
    loss = losses.cross_entropy(net.readout(states[-1]), targets)
    with pytest.raises(ValueError, match=r"states of one shape \(batch, n_states\), found \(3, 4\), \(4,\)"):
        Omega()(loss, [states[0], x_0])


def test_a_penalty_of_ones_own_is_one_method():
    class Largest(Penalty):
        def of(self, rows):
            return abs(rows).max()

    net, u, targets = problem(3)
    loss, states = build(net, u, targets)
    expected = max(np.abs(g.value).max() for g in penalties.adjoints(loss, states))
    assert float(Largest(2.0)(loss, states)) == 2 * expected
    with pytest.raises(TypeError, match="Penalty defines no of"):
        Penalty()(loss, states)


def test_a_penalty_has_a_scope():
    net, u, targets = problem(3)
    G = RelativeVariance()(*build(net, u, targets))
    assert {"penalty", "rnn/t=2", "cross_entropy"} <= {node.scope for node in mg.Graph(G).nodes}


# Which terms count -------------------------------------------------------------------------------------------------


def test_a_log_ratio_counts_where_both_norms_can_be_seen():
    norms = np.array([0.0, 1e-12, 2.0, 3.0, 0.0, 5.0])  # between 2 and 3 only: what comes and what goes is below 1e-10
    rows = np.zeros((6, 1, 2))
    rows[:, 0, 0] = norms
    np.testing.assert_allclose(float(LogRatio().of(mg.Input(rows))), np.log(2 / 3) ** 2, rtol=1e-14)


def test_the_relative_variance_is_the_mean_over_the_examples_that_count():
    rows = np.zeros((3, 4, 2))
    rows[:, 1, 0] = [1.0, 2.0, 3.0]
    rows[:, 3, 1] = [1.0, 1.0, 4.0]  # examples 0 and 2 have vanished
    expected = (np.var([1, 2, 3]) / 4 + np.var([1, 1, 4]) / 4) / 2
    np.testing.assert_allclose(float(RelativeVariance().of(mg.Input(rows))), expected, rtol=1e-14)


@pytest.mark.parametrize("weight", ["0.3", None, 1j, [0.3]])
@pytest.mark.parametrize("kind", [Omega, RelativeVariance, penalties.L2, penalties.SoftOrthogonality, penalties.L1])
def test_a_weight_that_is_no_number_is_named(kind, weight):
    with pytest.raises((TypeError, ValueError), match=rf"{kind.__name__}\(weight.*expected (a|one) number"):
        kind(weight)


@pytest.mark.parametrize("weight", [0.25, np.float32(0.25), np.array(0.25), 1, True])
def test_a_weight_of_any_kind_of_number_is_taken(weight):
    assert Omega(weight).weight == float(weight)


def test_arguments_in_the_wrong_order_are_named():
    net = RNN(2, 3, 2, rng=0)
    states = net.states(np.ones((4, 5, 2)))
    loss = losses.cross_entropy(net.readout(states[-1]), np.zeros(4, int))
    for penalty in (Omega(), RelativeVariance(), penalties.NormStabilizer()):
        with pytest.raises(
            ValueError, match=rf"{type(penalty).__name__}\(loss, states\): expected a scalar node as the loss"
        ):
            penalty(states, loss)


@pytest.mark.parametrize(("given", "found"), [(lambda rows: 1.0, "a float"), (lambda rows: rows[0], r"\(4, 3\)")])
def test_a_penalty_of_ones_own_that_is_no_scalar_node_is_named(given, found):
    class Mine(Penalty):
        def of(self, rows, counts=None):
            return given(rows)

    class Weights(penalties.ParameterPenalty):
        def of(self, w):
            return given(mg.Input(np.ones((2, 4, 3))))

    def mine(loss, states):
        return given(mg.Input(np.ones((2, 4, 3))))

    net = RNN(2, 3, 2, rng=0)
    data = np.ones((4, 5, 2)), np.zeros(4, int)
    for penalty, name in ((Mine(), "Mine"), (Weights(), "Weights"), (mine, "mine")):
        with pytest.raises(TypeError, match=rf"the penalty {name} gives .*{found}.*: expected a scalar node"):
            Step(net, losses.cross_entropy, SGD(net.parameters(), 0.1), penalties=[penalty])(*data)


def test_a_penalty_shows_its_weight():
    assert repr(Omega()) == "Omega(0.3)"
    assert repr(penalties.L2(1e-4)) == "L2(0.0001)"
    assert repr(RelativeVariance(schedules.linear(0.3, 0, 10))) == "RelativeVariance(linear(0.3, 0.0, 10))"

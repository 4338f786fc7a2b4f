import copy
import gc
import re

import numpy as np
import pytest

import minigrad as mg
from minigrad.marks import step_of
from minigrad.models import RNN, SimpleRNN, losses, penalties
from minigrad.models.initializers import constant, normal, orthogonal
from minigrad.ops import relu, sigmoid, softmax
from tests.models import second_backpropagation as closed

RNG = np.random.default_rng(0)
U = RNG.normal(size=(3, 6, 2))
Y = RNG.integers(3, size=3)


def net_of(activation=np.tanh, output=None, **options):
    """4 states, 2 inputs, 3 outputs; biases that are not 0."""
    net = RNN(2, 4, 3, activation, output, initializer=normal(0.6), dtype=np.float64, rng=1, **options)
    rng = np.random.default_rng(2)
    net.b_1.value = rng.normal(size=4)
    net.b_o.value = rng.normal(size=3)
    return net


def arrays(net):
    return {**net.state_dict(), "x_0": net.x_0.value.copy()}


# The definition ----------------------------------------------------------------------------------------------------


@pytest.mark.row("REC-03")
@pytest.mark.parametrize(
    ("sigma", "phi"),
    [(np.tanh, None), (relu, softmax), (sigmoid, np.exp), (lambda p: p * 0.5, lambda o: o)],
)
def test_the_net_is_its_definition(sigma, phi):
    net = net_of(sigma, phi)
    W, R, b_1, V, b_o = (p.value for p in net.parameters())
    x = np.zeros((3, 4))
    states = net.states(U)
    for t in range(6):
        p = x @ W.T + U[:, t] @ R.T + b_1
        x = np.array(sigma(mg.Input(p)).value)
        np.testing.assert_allclose(states[t].value, x, rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(states.pre_activations[t].value, p, rtol=1e-12, atol=1e-14)
    o = mg.Input(x @ V.T + b_o)
    expected = (o if phi is None else phi(o)).value
    np.testing.assert_allclose(net(U).value, expected, rtol=1e-12)
    np.testing.assert_array_equal(net(U).value, net.readout(states[-1]).value)


@pytest.mark.parametrize("padded", [False, True])
def test_the_net_runs_as_a_layer_of_neurons(padded):
    """One loop runs both: the same bits, forth and back, steps marked alike, kept alike where they are padding."""
    net, layer = net_of(), SimpleRNN(2, 4, dtype=np.float64)
    layer.load_state_dict({"cell.W_x": net.R.value, "cell.W_h": net.W.value, "cell.b": net.b_1.value})
    mask = np.arange(6) < [[6], [4], [1]] if padded else None
    runs = [run.states(U, mask=mask) for run in (net, layer)]
    for parameters, run in zip(((net.R, net.W, net.b_1), layer.parameters()), runs, strict=True):
        run.sums = mg.gradients((run[-1] ** 2).sum(), [*run, *parameters])
    for one, other in zip((*runs[0], *runs[0].sums), (*runs[1], *runs[1].sums), strict=True):
        np.testing.assert_array_equal(one.value, other.value)
    assert [(step_of(x)[1], x.context.scope, x.name) for x in runs[0]] == [(t, f"rnn/t={t}", "x") for t in range(1, 7)]
    assert [(step_of(h)[1], h.context.scope, h.name) for h in runs[1]] == [
        (t, f"simplernn/t={t}", "h") for t in range(1, 7)
    ]
    assert [type(x) for x in runs[0]] == [type(h) for h in runs[1]]
    if padded:
        np.testing.assert_array_equal(runs[0].present.value, runs[1].present.value)


@pytest.mark.row("REC-03")
def test_parameters_their_shapes_and_names():
    net = RNN(2, 4, np.int64(3), rng=0)  # as labels.max() + 1 gives it
    shapes = {"W": (4, 4), "R": (4, 2), "b_1": (4,), "V": (3, 4), "b_o": (3,)}
    assert {name: p.shape for name, p in net.named_parameters()} == shapes
    assert [p.name for p in net.parameters()] == list(shapes)
    assert {p.dtype for p in net.parameters()} == {np.dtype(np.float32)}


@pytest.mark.row("REC-03")
def test_one_time_step_is_a_dense_net():
    net = net_of()
    hidden = np.tanh(U[:, 0] @ net.R.value.T + net.b_1.value)
    np.testing.assert_allclose(net(U[:, :1]).value, hidden @ net.V.value.T + net.b_o.value, rtol=1e-13)


@pytest.mark.row("REC-05")
def test_the_number_of_parameters():
    counts = {name: p.size for name, p in RNN(2, 3, 1, rng=0).named_parameters()}
    assert counts["W"] + counts["R"] + counts["b_1"] == 3 * (2 + 3 + 1) == 18
    assert counts["V"] + counts["b_o"] == 4
    assert sum(counts.values()) == 22


# Gradients -------------------------------------------------------------------------------------------------------


@pytest.mark.row("REC-07")
@pytest.mark.parametrize("sigma", ["tanh", "sigmoid"])
def test_backpropagation_through_time(sigma):
    net = net_of({"tanh": np.tanh, "sigmoid": sigmoid}[sigma], trainable_initial_state=True)
    loss = losses.cross_entropy(net(U), Y)
    by_hand = closed.backpropagation(arrays(net), U, Y, sigma, closed.cross_entropy)
    np.testing.assert_allclose(float(loss), by_hand.loss, rtol=1e-13)
    loss.backward()
    for name, parameter in net.named_parameters():
        np.testing.assert_allclose(parameter.grad, by_hand.gradient[name], rtol=1e-10, atol=1e-14)


@pytest.mark.row("REC-07")
def test_the_gradient_equals_finite_differences():
    net = net_of(trainable_initial_state=True)
    names = list(net.state_dict())

    def loss(*parameters):
        twin = copy.copy(net)
        for name, parameter in zip(names, parameters, strict=True):
            setattr(twin, name, parameter)
        return losses.cross_entropy(twin(U), Y)

    mg.check_gradients(loss, *[p.value for p in net.parameters()])


def test_an_adjoint_flows_to_inputs_that_are_a_node():
    net = net_of()
    mg.check_gradients(lambda u: losses.cross_entropy(net(u), Y), U)


# The initial state -----------------------------------------------------------------------------------------------


@pytest.mark.row("REC-04")
def test_the_adjoint_of_the_initial_state():
    net = net_of()
    x_0 = mg.Input(RNG.normal(size=(3, 4)))
    states = net.states(U, x_0)
    loss = losses.cross_entropy(net.readout(states[-1]), Y)
    found, of_x_1 = (g.value for g in mg.gradients(loss, [x_0, states[0]]))
    np.testing.assert_allclose(found, ((1 - states[0].value ** 2) * of_x_1) @ net.W.value, rtol=1e-12)
    mg.check_gradients(lambda x_0: losses.cross_entropy(net(U, x_0), Y), x_0.value)


@pytest.mark.row("REC-04")
def test_the_initial_state_is_zero_fixed_given_or_trained():
    start = RNG.normal(size=4)
    fixed = net_of(initial_state=start)
    expected = fixed(U).value
    assert (net_of()(U).value != expected).any()
    np.testing.assert_array_equal(net_of()(U).value, fixed(U, np.zeros(4)).value)
    for given in (start, np.tile(start, (3, 1)), mg.Input(start), start.astype(">f8")):
        np.testing.assert_array_equal(net_of()(U, given).value, expected)
    assert list(net_of().state_dict()) == ["W", "R", "b_1", "V", "b_o"]
    assert [p.name for p in fixed.parameters() if not p.trainable] == ["x_0"]
    fresh = net_of()
    with pytest.raises(ValueError, match="x_0 is unexpected"):
        fresh.load_state_dict(fixed.state_dict())
    twin = net_of(initial_state=np.zeros(4))
    twin.load_state_dict(fixed.state_dict())
    np.testing.assert_array_equal(twin(U).value, expected)

    trained = net_of(initial_state=start, trainable_initial_state=True)
    np.testing.assert_array_equal(trained(U).value, expected)
    assert list(trained.state_dict()) == ["W", "R", "b_1", "V", "b_o", "x_0"]
    before = float(losses.cross_entropy(trained(U), Y))
    for _ in range(20):
        losses.cross_entropy(trained(U), Y).backward()
        trained.x_0.value -= 0.3 * trained.x_0.grad  # x_0 alone
    assert float(losses.cross_entropy(trained(U), Y)) < before
    assert (trained.x_0.value != start).any()


def test_a_run_in_two_parts_equals_one_long_run():
    net = net_of()
    whole = net.states(U)
    first = net.states(U[:, :2])
    second = net.states(U[:, 2:], first[-1])
    for a, b in zip([*first, *second], whole, strict=True):
        np.testing.assert_allclose(a.value, b.value, rtol=1e-13)
    parts, single = (
        mg.gradients(losses.cross_entropy(net.readout(states[-1]), Y), net.parameters()) for states in (second, whole)
    )
    for a, b in zip(parts, single, strict=True):  # the adjoint flows through the state that was given
        np.testing.assert_allclose(a.value, b.value, rtol=1e-10, atol=1e-14)


# How parameters start ----------------------------------------------------------------------------------------------


def test_the_default_start_is_orthogonal_and_biases_are_zero():
    net = RNN(2, 6, 3, dtype=np.float64, rng=0)
    np.testing.assert_allclose(net.W.value @ net.W.value.T, np.eye(6), atol=1e-14)
    np.testing.assert_allclose(net.R.value.T @ net.R.value, np.eye(2), atol=1e-14)
    np.testing.assert_allclose(net.V.value @ net.V.value.T, np.eye(3), atol=1e-14)
    assert not net.b_1.value.any()
    assert not net.b_o.value.any()


def test_initializers_can_be_chosen():
    net = RNN(2, 5, 3, initializer=constant(0.25), recurrent_initializer=orthogonal(2.0), dtype=np.float64, rng=0)
    np.testing.assert_allclose(net.W.value @ net.W.value.T, 4 * np.eye(5), atol=1e-14)
    assert (net.R.value == 0.25).all()
    assert (net.V.value == 0.25).all()
    assert (RNN(2, 5, 3, initializer=constant(0.25), rng=0).W.value == 0.25).all()


def test_the_generator_decides():
    nets = [RNN(2, 5, 3, rng=rng) for rng in (7, np.random.default_rng(7), 8, None, None)]
    states = [net.state_dict()["W"].tobytes() for net in nets]
    assert states[0] == states[1]
    assert len(set(states)) == 4


# The graph -------------------------------------------------------------------------------------------------------


def test_the_graph_replays_on_other_inputs_and_parameters():
    net, other = net_of(), RNG.normal(size=U.shape)
    u, y = mg.Input(U), mg.Input(Y)
    loss = losses.cross_entropy(net(u), y)
    graph = mg.Graph(loss, *mg.gradients(loss, net.parameters()))
    for parameter in net.parameters():
        parameter.value *= 0.5
    replayed = graph.fprop({u: other, y: Y[::-1].copy()})
    fresh = losses.cross_entropy(net(other), Y[::-1])
    for found, expected in zip(replayed, [fresh, *mg.gradients(fresh, net.parameters())], strict=True):
        np.testing.assert_array_equal(found, expected.value)


def test_every_time_step_has_its_scope():
    y = net_of(output=softmax)(U)
    scopes = {node.scope for node in mg.Graph(y).nodes if node.children}
    assert scopes == {"rnn", *[f"rnn/t={t}" for t in range(1, 7)]}
    with mg.scope("encoder"):
        assert net_of().states(U)[2].scope == "encoder/rnn/t=3"


@pytest.mark.parametrize("steps", [20, 40])
def test_a_time_step_costs_four_nodes(steps):
    loss = losses.cross_entropy(net_of()(np.zeros((3, steps, 2))), Y)
    assert len(mg.Graph(loss).nodes) <= 4 * steps + 32
    short = losses.cross_entropy(net_of()(np.zeros((3, steps - 1, 2))), Y)
    assert len(mg.Graph(loss).nodes) - len(mg.Graph(short).nodes) == 4


def test_a_dropped_net_is_freed_without_the_collector():
    gc.disable()
    try:
        before = sum(isinstance(o, mg.Node) for o in gc.get_objects())
        net = net_of()
        losses.cross_entropy(net(U), Y).backward()
        del net
        assert sum(isinstance(o, mg.Node) for o in gc.get_objects()) <= before + 5  # interned numbers stay
    finally:
        gc.enable()


# Inputs ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_inputs_are_cast_to_the_dtype_of_the_net(dtype):
    net = RNN(2, 4, 3, dtype=dtype, rng=0)
    for u in (U.astype(np.float32), U, mg.Input(U), mg.Input(U.astype(np.float32)), U[::-1, ::-1], U.tolist()):
        y = net(u)
        assert y.dtype == dtype
        assert {node.dtype for node in mg.Graph(y).nodes if node.children} == {np.dtype(dtype)}
        loss = losses.cross_entropy(y, Y)
        assert {g.dtype for g in mg.gradients(loss, net.parameters())} == {np.dtype(dtype)}


def test_wrong_inputs_are_refused_with_what_is_expected():
    net = net_of()
    for error, u, message in (
        (ValueError, U[0], 'expected inputs of shape (batch, time, 2), found Input "u" (6, 2): a single sequence is'),
        (ValueError, np.zeros((3, 6, 5)), 'expected inputs of shape (batch, time, 2), found Input "u" (3, 6, 5)'),
        (
            ValueError,
            mg.Input(np.zeros(2), "mine"),
            'expected inputs of shape (batch, time, 2), found Input "mine" (2,)',
        ),
        (ValueError, np.zeros((3, 0, 2)), 'Input "u" (3, 0, 2) has no time steps'),
        (
            TypeError,
            np.zeros((3, 6, 2), int),
            "RNN: the inputs hold int64, expected floating-point numbers: write u.astype(np.float64)",
        ),
        (TypeError, mg.Input(np.zeros((3, 6, 2), bool)), "the inputs hold bool, expected floating-point numbers"),
        (TypeError, "text", "takes real numbers or booleans, not str"),
    ):
        with pytest.raises(error, match=re.escape(message)):
            net(u)


def test_wrong_initial_states_are_refused():
    net = net_of()
    with pytest.raises(ValueError, match=re.escape('expected x_0 of shape (4,) or (3, 4), found Input "x_0" (3,)')):
        net(U, np.zeros(3))
    with pytest.raises(ValueError, match=re.escape("expected x_0 of shape (4,) or (3, 4), found")):
        net(U, np.zeros((1, 4)))
    with pytest.raises(
        TypeError, match=r"RNN: x_0: the inputs hold int64, expected floating-point numbers: write x_0\.astype"
    ):
        net(U, np.zeros(4, int))
    with pytest.raises(ValueError, match=re.escape("RNN(initial_state): expected shape (4,), found (2,)")):
        net_of(initial_state=[0.0, 1.0])


def test_wrong_constructions_are_refused():
    for sizes, message in (((0, 4, 3), "n_inputs=0"), ((2, -1, 3), "n_states=-1"), ((2, 4, 1.0), "n_outputs=1.0")):
        with pytest.raises(ValueError, match=f"{message}\\): expected an integer of at least 1"):
            RNN(*sizes)
    with pytest.raises(TypeError, match=r"dtype=int64\): expected floating-point"):
        RNN(2, 4, 3, dtype=int)
    for names in ({"activation": "tanh"}, {"output": "softmax"}):
        with pytest.raises(
            TypeError, match=r"RNN: expected a function of a node.*activations are functions, not names"
        ):
            RNN(1, 2, 2, **names)


def test_an_activation_that_is_none_is_named():
    with pytest.raises(
        TypeError, match=r"the activation made Sum \(3,\) of Add \(3, 4\), expected a node of the same shape"
    ):
        net_of(lambda p: p.sum(axis=1))(U)
    with pytest.raises(TypeError, match="the activation made ndarray of"):
        net_of(lambda p: np.tanh(p.value))(U)


# Masks


LENGTHS = np.array([5, 2, 3])
PRESENT = np.arange(5) < LENGTHS[:, np.newaxis]


@pytest.mark.parametrize("x_0", [None, "given"])
def test_a_masked_row_is_its_sequence_alone(x_0):
    rng = np.random.default_rng(0)
    net = RNN(2, 4, 3, rng=0, dtype=np.float64, trainable_initial_state=True)
    u = rng.normal(size=(3, 5, 2))
    start = None if x_0 is None else rng.normal(size=(3, 4))
    padded = np.where(PRESENT[..., np.newaxis], u, np.nan)
    states = net.states(padded, start, PRESENT)
    loss = (net.readout(states[-1]) ** 2).sum()
    np.testing.assert_array_equal(net(padded, start, mask=PRESENT).value, net.readout(states[-1]).value)
    slopes = mg.gradients(loss, [*states, *net.parameters()])
    expected = [0.0] * len(net.parameters())
    for row, length in enumerate(LENGTHS):
        alone = net.states(u[row : row + 1, :length], None if start is None else start[row])
        np.testing.assert_allclose(net.readout(states[-1]).value[row], net.readout(alone[-1]).value[0], rtol=1e-12)
        found = mg.gradients((net.readout(alone[-1]) ** 2).sum(), [*alone, *net.parameters()])
        for t in range(length):
            np.testing.assert_allclose(slopes[t].value[row], found[t].value[0], rtol=1e-10, atol=1e-14)
        expected = [total + slope.value for total, slope in zip(expected, found[length:], strict=True)]
    for slope, total in zip(slopes[5:], expected, strict=True):
        np.testing.assert_allclose(slope.value, total, rtol=1e-10, atol=1e-13)


def test_a_mask_that_is_true_throughout_changes_no_bit():
    net, u = RNN(2, 4, 3, rng=0, dtype=np.float64), mg.Input(np.random.default_rng(0).normal(size=(3, 5, 2)))
    found = []
    for mask in (None, np.ones((3, 5), bool)):
        states = net.states(u, mask=mask)
        loss = (net.readout(states[-1]) ** 2).sum() + sum((x**3).sum() for x in states)
        found.append([*states, *mg.gradients(loss, [*states, u, *net.parameters()])])
    for plain, masked in zip(*found, strict=True):
        np.testing.assert_array_equal(masked.value, plain.value)


@pytest.mark.parametrize("order", [1, 2])
def test_a_masked_net_with_a_penalty_is_differentiated(order):
    net = RNN(2, 3, 2, rng=0, dtype=np.float64)
    u = np.random.default_rng(0).normal(size=(3, 5, 2))

    def penalized(*parameters):
        twin = copy.deepcopy(net)
        for (name, _), node in zip(net.named_parameters(), parameters, strict=True):
            setattr(twin, name, node)
        states = twin.states(u, mask=PRESENT)
        loss = (twin.readout(states[-1]) ** 2).mean()
        return loss + penalties.HalfSquaredNorms()(loss, states)

    mg.check_gradients(penalized, *[p.value for p in net.parameters()], order=order)


def test_a_wrong_mask_is_refused():
    net, u = RNN(2, 3, 2, rng=0), np.zeros((3, 5, 2), np.float32)
    with pytest.raises(ValueError, match=r"RNN: expected a mask of shape \(batch, time\) = \(3, 5\), found"):
        net(u, mask=PRESENT[:2])
    with pytest.raises(TypeError, match="RNN: the mask holds float64, expected booleans"):
        net(u, mask=np.ones((3, 5)))

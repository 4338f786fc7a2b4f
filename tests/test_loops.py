"""Loops are found by what operations are and what they read: with marks and without, whatever nodes and scopes are called."""

import itertools

import numpy as np
import pytest

import minigrad as mg
from minigrad import loops as module
from minigrad.loops import loops
from minigrad.marks import Marker, step_of
from minigrad.models import GRU, LSTM, RNN, Bidirectional, Dense, Sequential, SimpleRNN, Stacked
from minigrad.repetition import Repetition
from tests.drawing.graphs import GRAPHS

RNG = np.random.default_rng(0)
W = mg.Parameter(RNG.normal(size=(3, 3)) * 0.5)
R = mg.Parameter(RNG.normal(size=(3, 2)))
B = mg.Parameter(np.zeros(3))
V = mg.Parameter(RNG.normal(size=(3,)))


def found(*outputs):
    return loops(mg.Graph(*outputs).nodes)


def steps_of(loop):
    """The numbers of the steps, and how many operations each has."""
    return {number: sum(bool(node.children) for node in step) for number, step in loop.steps.items()}


def places(*outputs):
    """Of every node that is in a step, by its place among all: the loop and the number of the step."""
    nodes = mg.Graph(*outputs).nodes
    index = {node: i for i, node in enumerate(nodes)}
    return {
        index[node]: (k, t) for k, loop in enumerate(loops(nodes)) for t, step in loop.steps.items() for node in step
    }


def by_hand(n_steps, x=None, h=None):
    """h_t = tanh(W h_{t−1} + R x_t + b): the states."""
    x = mg.Input(np.ones((4, n_steps, 2))) if x is None else x
    h = mg.Constant(np.zeros((4, 3))) if h is None else h
    states = []
    for t in range(n_steps):
        h = np.tanh(h @ W.T + x[:, t] @ R.T + B)
        states.append(h)
    return states


def lstm_by_hand(n_steps):
    weights = mg.Parameter(RNG.normal(size=(12, 5)))
    h = c = mg.Constant(np.zeros((4, 3)))
    x = mg.Input(RNG.normal(size=(4, n_steps, 2)))
    states = []
    for t in range(n_steps):
        p = np.concatenate([h, x[:, t]], axis=1) @ weights.T
        i, f, o = (mg.sigmoid(p[:, 3 * k : 3 * k + 3]) for k in range(3))
        c = f * c + i * np.tanh(p[:, 9:])
        h = o * np.tanh(c)
        states.append((h, c))
    return states


def gru_by_hand(n_steps, h=None):
    W_z, W_r, W_g = (mg.Parameter(RNG.normal(size=(3, 5))) for _ in range(3))
    h = mg.Constant(np.zeros((4, 3))) if h is None else h
    states = []
    for _ in range(n_steps):
        x = mg.Input(RNG.normal(size=(4, 2)))
        both = np.concatenate([h, x], axis=1)
        z, r = mg.sigmoid(both @ W_z.T), mg.sigmoid(both @ W_r.T)
        h = h + z * (np.tanh(np.concatenate([r * h, x], axis=1) @ W_g.T) - h)
        states.append((h,))
    return states


# Marked --------------------------------------------------------------------------------------------------------------


def lengths_and_roles(layer, n_steps, mask=None):
    u = RNG.normal(size=(4, n_steps, 2))
    (loop,) = found((layer(u, mask=mask) ** 2).sum())
    assert list(loop.steps) == list(range(1, n_steps + 1))
    return [{(node.name, loop.role(node)) for node in step if loop.role(node)} for step in loop.steps.values()]


LSTM_ROLES = {("i", "gate"), ("f", "gate"), ("o", "gate"), ("g", "gate"), ("h", "state"), ("c", "state")}
GRU_ROLES = {("z", "gate"), ("r", "gate"), ("g", "gate"), ("h", "state")}


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("n_steps", [1, 2, 3, 7])
@pytest.mark.parametrize(
    ("layer", "roles"),
    [
        (LSTM(2, 3), LSTM_ROLES),
        (LSTM(2, 3, mg.linear), LSTM_ROLES),
        (GRU(2, 3), GRU_ROLES),
        (GRU(2, 3, reset="after", biases=2, convention="keep"), GRU_ROLES),
        (SimpleRNN(2, 3), {("h", "state")}),
        (RNN(2, 3, 1), {("x", "state")}),
    ],
    ids=["lstm", "linear lstm", "gru", "gru of others", "simple rnn", "rnn"],
)
def test_layers_mark_their_steps_and_cells_name_gates_and_states(layer, roles, n_steps, masked):
    mask = np.arange(n_steps) < np.arange(4)[:, None] + 1 if masked else None
    assert lengths_and_roles(layer, n_steps, mask) == [roles] * n_steps


def test_steps_of_a_layer_are_alike_but_for_the_first():
    (loop,) = found(LSTM(2, 3)(np.ones((4, 6, 2))).sum())
    assert list(loop.kinds.values()) == [0, 1, 1, 1, 1, 1]
    assert len(set(steps_of(loop).values())) == 1


def test_a_renamed_gate_has_no_role_and_a_renamed_state_keeps_it():
    layer = LSTM(2, 3)
    steps = layer.states(np.ones((4, 3, 2)))
    steps[1].name = "mine"
    (gate,) = [node for node in mg.Graph(steps.last).nodes if node.name == "f" and node.scope.endswith("t=2")]
    gate.name = "other"
    (loop,) = found(steps.last)
    assert (loop.role(steps[1]), loop.role(gate)) == ("state", "")


def test_layers_of_layers_are_loops_of_their_own():
    u = np.ones((4, 5, 2))
    stacked = found(Stacked([LSTM(2, 3), GRU(3, 3)])(u).sum())
    assert [list(loop.steps) for loop in stacked] == [[1, 2, 3, 4, 5]] * 2
    ahead, back, joined = found(Bidirectional(LSTM(2, 3), LSTM(2, 3))(u, sequences=True).sum())
    assert (list(ahead.steps), list(back.steps)) == ([1, 2, 3, 4, 5], [5, 4, 3, 2, 1])
    assert steps_of(joined) == dict.fromkeys([1, 2, 3, 4, 5], 1)


def test_two_runs_of_one_layer_are_two_loops():
    layer = LSTM(2, 3)
    u = np.ones((4, 5, 2))
    first = layer.states(u)
    assert len(found(layer.states(u, first.final).last.sum())) == 2


def test_adjoints_have_the_steps_of_their_nodes():
    layer = LSTM(2, 3)
    loss = (layer(np.ones((4, 5, 2))) ** 2).sum()
    gradients = mg.gradients(loss, layer.parameters())
    forward, backward = found(loss, *gradients)
    assert (forward.order, backward.order) == (0, 1)
    assert list(backward.steps) == [5, 4, 3, 2, 1]
    numbers = {node.number: t for t, step in forward.steps.items() for node in step}
    for t, step in backward.steps.items():
        assert {numbers[node.adjoint_of] for node in step} == {t}
    assert not any(backward.role(node) for step in backward.steps.values() for node in step)


def test_adjoints_of_adjoints_too_though_their_nodes_are_not_in_the_graph():
    net = RNN(2, 3, 1, activation=mg.linear)
    states = net.states(np.ones((4, 5, 2)))
    adjoints = mg.gradients((net.readout(states[-1]) ** 2).sum(), states)
    penalty = sum((adjoint**2).sum() for adjoint in adjoints)
    found_loops = found(*mg.gradients(penalty, net.W))
    assert {loop.order for loop in found_loops} >= {1, 2}
    marked = [loop for loop in found_loops if any(step_of(node) for step in loop.steps.values() for node in step)]
    assert all(set(loop.steps) <= {1, 2, 3, 4, 5} for loop in marked)
    for loop in marked:
        for t, step in loop.steps.items():
            assert {step_of(node)[1] for node in step if node.children} == {t}


def test_a_mark_reaches_the_scopes_within_and_the_outermost_counts():
    outer, inner = Marker({}), Marker({})
    with mg.scope("a"), outer.step(7, "b"), mg.scope("c"), mg.anomalies(), inner.step(1, "d"), mg.scope("e"):
        x = mg.Input(1.0) * 2
    assert step_of(x) == (outer, 7)
    assert x.scope == "a/b/c/d/e"
    assert step_of(mg.Input(1.0)) is None
    with outer.step(3, "b"):
        y = mg.Input(1.0) * 2
    assert (step_of(y), y.scope) == ((outer, 3), "b")


def test_the_sweeps_of_a_second_order_are_told_apart():
    net = RNN(2, 3, 1)
    states = net.states(np.ones((4, 5, 2)))
    loss = (net.readout(states[-1]) ** 2).sum()
    penalty = sum((adjoint**2).sum() for adjoint in mg.gradients(loss, states))
    marked = [loop for loop in found(*mg.gradients(loss + penalty, net.parameters())) if loop.roles]
    assert [(loop.order, loop.of) for loop in marked] == [(0, 0), (1, 0), (2, 1), (2, 0)]
    forward, backward, again, back = (list(loop.steps) for loop in marked)
    assert (forward, backward) == ([1, 2, 3, 4, 5], [5, 4, 3, 2, 1])
    assert again == sorted(again)
    assert back == sorted(back, reverse=True)


# By hand, without marks ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_steps", [3, 4, 5, 12, 40])
@pytest.mark.parametrize(
    ("make", "n_operations", "n_states"),
    [(lambda n: [(h,) for h in by_hand(n)], 8, 1), (lstm_by_hand, 17, 2), (gru_by_hand, 15, 1)],
)
def test_a_loop_by_hand_is_found_without_any_scope(make, n_operations, n_states, n_steps):
    states = make(n_steps)
    (loop,) = found((states[-1][0] ** 2).sum())
    assert steps_of(loop) == dict.fromkeys(range(1, n_steps + 1), n_operations)
    assert list(loop.kinds.values()) == [0] + [1] * (n_steps - 1)
    for t, of_step in enumerate(states, 1):
        assert {node for node in loop.steps[t] if loop.role(node) == "state"} >= set(of_step)
        assert len([node for node in loop.steps[t] if loop.role(node)]) == n_states


@pytest.mark.parametrize("n_steps", [1, 2])
def test_two_rounds_are_no_loop_yet(n_steps):
    assert found(by_hand(n_steps)[-1].sum()) == []


def test_the_inputs_of_steps_belong_to_them_and_the_first_state_to_none():
    states = gru_by_hand(5)
    start = mg.Graph(states[-1][0]).nodes
    (loop,) = found(states[-1][0].sum())
    inputs = [[node for node in step if isinstance(node, mg.Input)] for step in loop.steps.values()]
    assert [len(of_step) for of_step in inputs] == [1] * 5
    assert not any(isinstance(node, mg.Constant) for step in loop.steps.values() for node in step)
    assert any(isinstance(node, mg.Constant) for node in start)


def test_names_and_scopes_do_not_matter():
    def loss(name):
        h = mg.Constant(np.zeros((4, 3)))
        for t in range(6):
            with name(t):
                h = np.tanh(h @ W.T + mg.Input(np.ones((4, 2)), name="" if t % 2 else "u") @ R.T)
                h.name = f"t={t}" if t % 3 else "x"
        return h.sum()

    plain = places(loss(lambda t: mg.scope("one")))
    assert len(set(plain.values())) == 6
    assert places(loss(lambda t: mg.scope(f"t={9 - t}"))) == plain
    assert places(loss(lambda t: mg.scope("t=1/t=2" if t % 2 else "else"))) == plain


@pytest.mark.parametrize(
    "before", [np.tanh, lambda h: np.tanh(h) + B, lambda h: np.tanh(np.tanh(h @ W.T)) @ W.T, lambda h: h]
)
@pytest.mark.parametrize(
    "after", [lambda h: h, lambda h: (h @ V) ** 2, lambda h: np.tanh(h @ R), lambda h: np.tanh(h @ R + 1.0) * 2]
)
def test_what_stands_around_a_loop_is_not_in_it(before, after):
    states = by_hand(6, h=before(mg.Input(np.ones((4, 3)))))
    (loop,) = found(after(states[-1]).sum())
    assert steps_of(loop) == dict.fromkeys(range(1, 7), 8)
    assert [loop.steps[t][-1] is h for t, h in enumerate(states, 1)] == [True] * 6


def test_a_border_is_where_the_fewest_values_are_carried_on():
    """The sum before the loop might be the end of a round, whose border two values would cross, and not one."""
    states = gru_by_hand(5, mg.Input(np.ones((4, 3))) + mg.Input(np.ones((4, 3))))
    (loop,) = found(states[-1][0].sum())
    assert [step[-1] is h for step, (h,) in zip(loop.steps.values(), states, strict=True)] == [True] * 5


def test_rounds_of_several_functions_of_nothing_else():
    (loop,) = found(repeated(lambda y: np.sin(np.cos(y)), 7))
    assert steps_of(loop) == dict.fromkeys(range(1, 8), 2)


def test_a_step_may_read_many_things_at_once():
    h = mg.Constant(np.zeros((4, 3)))
    for _ in range(4):
        h = np.stack([h * 0.1 * k for k in range(12)]).mean(axis=0)
    (loop,) = found(h.sum())
    assert steps_of(loop) == dict.fromkeys([1, 2, 3, 4], 12 * 2 + 2)


def test_a_first_step_of_its_own_is_left_out_and_the_others_keep_their_numbers():
    x, h = mg.Input(np.ones((4, 7, 2))), None
    for t in range(7):
        p = x[:, t] @ R.T + B
        h = np.tanh(p if h is None else p + h @ W.T)
    (loop,) = found(h.sum())
    assert list(loop.steps) == [2, 3, 4, 5, 6, 7]


def test_a_last_step_of_its_own_is_left_out():
    states = by_hand(6)
    h = np.sin(states[-1] @ W.T + 1.0) * 2
    (loop,) = found(h.sum())
    assert list(loop.steps) == [1, 2, 3, 4, 5, 6]


def test_a_loop_that_runs_backward_over_its_input_has_the_numbers_of_time():
    x, h = mg.Input(np.ones((4, 5, 2))), mg.Constant(np.zeros((4, 3)))
    for t in reversed(range(5)):
        h = np.tanh(h @ W.T + x[:, t] @ R.T)
    (loop,) = found(h.sum())
    assert list(loop.steps) == [5, 4, 3, 2, 1]


def test_steps_of_gradient_descent():
    A, w = mg.Constant(RNG.normal(size=(4, 3))), mg.Parameter(np.zeros(3))
    for _ in range(5):
        (gradient,) = mg.gradients(((A @ w - 1.0) ** 2).sum(), [w])
        w = w - 0.1 * gradient
    forward, backward = found(w.sum())
    assert list(forward.steps) == list(backward.steps) == [1, 2, 3, 4, 5]
    assert (forward.order, backward.order) == (0, 1)


def test_steps_that_carry_more_at_their_border_than_inside():
    h, y = np.tanh(mg.Input(np.ones((4, 3)))) @ W.T, mg.Input(np.zeros((4, 3)))
    for _ in range(5):
        h = np.tanh(h @ W + y)
        y = mg.softmax(h * V)
    (loop,) = found(y.sum())
    assert steps_of(loop) == dict.fromkeys([1, 2, 3, 4, 5], 5)
    assert loop.steps[5][-1] is y


def test_steps_counted_by_numpy():
    x, h = mg.Input(np.ones((4, 5, 2))), mg.Constant(np.zeros((4, 3)))
    for t in np.arange(5):
        h = np.tanh(h @ W.T + x[:, t] @ R.T)
    (loop,) = found(h.sum())
    assert list(loop.steps) == [1, 2, 3, 4, 5]
    assert all(type(t) is int for t in loop.steps)


def test_a_state_of_two_steps_ago():
    x = mg.Input(np.ones((4, 8, 2)))
    h, older = mg.Constant(np.zeros((4, 3))), mg.Constant(np.zeros((4, 3)))
    for t in range(8):
        h, older = np.tanh(h @ W.T + older * V + x[:, t] @ R.T), h
    (loop,) = found(h.sum())
    assert list(loop.steps) == list(range(1, 9))
    assert list(loop.kinds.values()) == [0, 1, *[2] * 6]


def test_a_learned_first_state():
    (loop,) = found(by_hand(5, h=mg.Parameter(np.zeros((4, 3))))[-1].sum())
    assert list(loop.steps) == [1, 2, 3, 4, 5]


def test_what_reads_the_steps_one_by_one_has_their_numbers():
    states = by_hand(6)
    readouts = [h @ V for h in states]
    losses = [(y - 1.0) ** 2 for y in reversed(readouts)]
    loop, *others = found(sum(loss.sum() for loss in losses))
    assert list(loop.steps) == [1, 2, 3, 4, 5, 6]
    assert sorted(list(other.steps) for other in others) == [[1, 2, 3, 4, 5, 6]] * 2 + [[6, 5, 4, 3, 2, 1]]
    numbers = {node: t for other in others for t, step in other.steps.items() for node in step}
    assert [numbers[y] for y in readouts] == [1, 2, 3, 4, 5, 6]
    assert [numbers[loss] for loss in losses] == [6, 5, 4, 3, 2, 1]


def test_a_layer_by_hand_over_the_states_of_another():
    h = mg.Constant(np.zeros((4, 3)))
    for below in LSTM(2, 3, dtype=np.float64).states(np.ones((4, 5, 2))):
        h = np.tanh(h @ W.T + below)
    first, second = found(h.sum())
    assert list(first.steps) == list(second.steps) == [1, 2, 3, 4, 5]
    assert steps_of(second) == dict.fromkeys(range(1, 6), 4)


@pytest.mark.parametrize("n_inner", [2, 3, 5, 15, 25, 60])
def test_of_nested_loops_the_outer_one_counts(n_inner):
    h = mg.Input(np.ones((4, 3)))
    for _ in range(4):
        for _ in range(n_inner):
            h = np.tanh(h @ W.T + B)
        h = np.sin(h) * V
    (loop,) = found(h.sum())
    assert steps_of(loop) == dict.fromkeys([1, 2, 3, 4], 4 * n_inner + 2)


def test_of_two_outer_rounds_the_inner_ones_count():
    h = mg.Input(np.ones((4, 3)))
    for _ in range(2):
        for _ in range(5):
            h = np.tanh(h @ W.T + B)
        h = np.sin(h) * V
    assert [steps_of(loop) for loop in found(h.sum())] == [dict.fromkeys([1, 2, 3, 4, 5], 4)] * 2


def test_adjoints_of_a_loop_by_hand_have_its_steps():
    states = by_hand(6)
    loss = (states[-1] ** 2).sum()
    forward, backward = found(loss, *mg.gradients(loss, [W, R]))
    assert list(forward.steps) == [1, 2, 3, 4, 5, 6]
    assert list(backward.steps) == [6, 5, 4, 3, 2, 1]
    (alone,) = found(*mg.gradients(sum(by_hand(6)).sum(), by_hand(1)[0].children[0]))[:1] or [None]
    assert alone is None


def test_adjoints_of_nodes_that_are_not_in_the_graph():
    states = by_hand(6)
    readouts = [np.sin(h * V).sum() for h in states]
    total = sum(readouts) * 3.0
    loss = total + np.square(by_hand(6)[-1]).sum()
    homes = {
        node.number: t for t, y in enumerate(readouts, 1) for node in (y, y.children[0], y.children[0].children[0])
    }
    last = readouts[-1].children[0].children[0].number  # the last node of the loop that is in the graph
    steps = {}
    graph = mg.Graph(*mg.gradients(loss, [W, V])).nodes
    for loop in loops(graph):
        steps |= {node: t for t, step in loop.steps.items() for node in step}
    assert not any(node is y for node in graph for y in (*readouts, total, loss))
    of_readouts = [node for node in graph if node.children and node.adjoint_of in homes]
    assert len({node.adjoint_of for node in of_readouts}) >= 12
    for node in of_readouts:
        t = homes[node.adjoint_of]
        assert steps.get(node) == (t if node.adjoint_of <= last else None)
    after = [node for node in graph if readouts[-1].number < (node.adjoint_of or 0) <= total.number]
    assert after
    assert not any(node in steps for node in after)


def test_a_sum_over_steps_that_are_born_inside_them():
    h, total = mg.Constant(np.zeros((4, 3))), 0.0
    for _ in range(5):
        h = np.tanh(h @ W.T + B)
        total = total + (h @ V).sum()
    (loop,) = found(total)
    assert list(loop.steps) == [1, 2, 3, 4, 5]
    assert len(loop.states) == 2 * 5


# No loops ------------------------------------------------------------------------------------------------------------


def layers(n, weights=lambda: mg.Parameter(RNG.normal(size=(3, 3))), layer=lambda h, M: np.tanh(h @ M)):
    h = mg.Input(np.ones((4, 3)))
    made = [weights() for _ in range(n)]
    for M in made:
        h = layer(h, M)
    return h.sum()


NO_LOOPS = {
    "a net of layers": lambda: Sequential(*[Dense(3, 3, np.tanh) for _ in range(12)])(np.ones((4, 3))).sum(),
    "layers by hand": lambda: layers(12),
    "layers whose weights are turned first": lambda: layers(12, lambda: mg.Parameter(np.ones((3, 3))).T),
    "layers whose weights take as many operations as they": lambda: layers(
        12, lambda: mg.Parameter(np.ones((3, 3))).T.reshape(9).reshape(3, 3), lambda h, M: np.tanh(h @ M + 1.0)
    ),
    "layers of which some have weights": lambda: layers(
        12, iter([kind(np.ones((3, 3))) for _ in range(6) for kind in (mg.Parameter, mg.Input)]).__next__
    ),
    "a doubled sum": lambda: repeated(lambda y: y + y, 16),
    "a chain": lambda: repeated(np.sin, 50),
    "a square of a square": lambda: repeated(lambda y: y * y, 6),
    "gates": lambda: sum(mg.sigmoid(mg.Input(np.ones((2, 12)))[:, 3 * k : 3 * k + 3]).sum() for k in range(2)),
    "parts that nothing joins": lambda: np.stack([np.tanh(mg.Input(np.ones(3))) * 2 for _ in range(12)]).sum(),
    "one leaf": lambda: mg.Input(1.0),
    **{name: GRAPHS[name] for name in ("2-2-1", "expression", "2-2-1 gradient", "odd")},
}


def repeated(f, n):
    y = mg.Input(0.5)
    for _ in range(n):
        y = f(y)
    return y


@pytest.mark.parametrize("name", NO_LOOPS)
def test_what_is_no_loop(name):
    outputs = NO_LOOPS[name]()
    assert found(*outputs if isinstance(outputs, list | tuple) else [outputs]) == []


# Cost and soundness --------------------------------------------------------------------------------------------------


def comparisons(monkeypatch, nodes):
    """How often two operations are compared, or places are looked at, until the loops are found."""
    count = itertools.count()
    for name in ("_agrees", "_turned", "_candidates"):
        method = getattr(Repetition, name)

        def counted(self, *arguments, method=method):
            next(count)
            return method(self, *arguments)

        monkeypatch.setattr(Repetition, name, counted)
    assert module.loops(nodes) is not None
    monkeypatch.undo()
    return next(count)


LONG = {
    "by hand": lambda n: by_hand(n)[-1],
    "lstm by hand": lambda n: lstm_by_hand(n)[-1][0],
    "a chain": lambda n: repeated(np.sin, 10 * n),
    "a doubled sum": lambda n: repeated(lambda y: y + y * 0.0, n),
    "readouts": lambda n: sum((h @ V).sum() for h in by_hand(n)),
    "layers": lambda n: layers(n),
    "parts": lambda n: np.stack([np.tanh(mg.Input(np.ones(3))) * 2 for _ in range(n)]),
    "nested": lambda n: repeated(lambda y: repeated_inside(y, 5) * 1.5, n),
    "gradient": lambda n: mg.gradients(by_hand(n)[-1].sum(), W)[0],
    "random operations": lambda n: random_chain(10 * n),
}


def repeated_inside(y, n):
    for _ in range(n):
        y = np.tanh(y) + 0.1
    return y


def random_chain(n):
    rng = np.random.default_rng(1)
    y = mg.Input(0.5)
    for k in rng.integers(0, 3, n):
        y = [np.sin, np.tanh, lambda y: y * 0.5][k](y)
    return y


@pytest.mark.parametrize("name", LONG)
def test_the_comparisons_grow_linearly(name, monkeypatch):
    counts = [comparisons(monkeypatch, mg.Graph(LONG[name](n)).nodes) for n in (60, 120, 240)]
    assert counts[2] - counts[1] <= 2.3 * (counts[1] - counts[0]) + 50


@pytest.mark.parametrize("seed", range(60))
def test_steps_of_a_kind_are_alike_in_random_loops(seed):
    """What is found in loops of random bodies, lags and borders: each node once, and equal steps equal in all they read."""
    rng = np.random.default_rng(seed)
    n_steps, body = int(rng.integers(2, 9)), rng.integers(0, 5, rng.integers(1, 6))
    x, states = mg.Input(np.ones((n_steps, 3))), [mg.Constant(np.zeros(3)), mg.Constant(np.ones(3))]
    for t in range(n_steps):
        pool = [states[-1], states[-2], x[t]]
        for k in body:
            a, b = pool[-1], pool[int(k) % len(pool)]
            pool.append([np.tanh(a), a * b, a @ W, a + x[t], np.sin(b) * V][int(k)])
        states.append(pool[-1])
        if rng.integers(0, 12) == 0:
            states.append(np.cos(states[-1]))
    nodes = mg.Graph(sum(states).sum(), *mg.gradients(states[-1].sum(), [x, W])).nodes
    seen = set()
    for loop in loops(nodes):
        assert set(loop.kinds) == set(loop.steps)
        steps = [[node for node in step if node.children] for step in loop.steps.values()]
        home = {node: (k, i) for k, step in enumerate(steps) for i, node in enumerate(step)}
        assert seen.isdisjoint(home)
        seen |= set(home)
        of_kind = {}
        for k, (kind, step) in enumerate(zip(loop.kinds.values(), steps, strict=True)):
            reads = [[home.get(child) for child in node.children] for node in step]
            reads = [[None if place is None else (k - place[0], place[1]) for place in places] for places in reads]
            shape = [(type(node), node.shape) for node in step], reads
            assert of_kind.setdefault(kind, shape) == shape

import copy
import re

import numpy as np
import pytest

import minigrad as mg
from minigrad.models import Cell, GRUCell, LSTMCell, SimpleRNNCell, Unrolled
from minigrad.models.initializers import constant, normal, orthogonal

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 2))
GRUS = [
    {"convention": convention, "reset": reset, "biases": biases}
    for convention in ("update", "keep")
    for reset in ("before", "after")
    for biases in (0, 1, 2)
]
CELLS = [(SimpleRNNCell, {}), (LSTMCell, {}), *[(GRUCell, options) for options in GRUS]]


def cell_of(kind, n_inputs=2, n_units=3, activation=np.tanh, **options):
    """A cell whose weights and biases are all away from 0."""
    cell = kind(n_inputs, n_units, activation, dtype=np.float64, rng=1, **options)
    rng = np.random.default_rng(2)
    for parameter in cell.parameters():
        parameter.value = rng.normal(size=parameter.shape) * 0.7
    return cell


def state_of(cell, batch=3):
    rng = np.random.default_rng(3)
    return [rng.normal(size=(batch, cell.n_units)) for _ in range(cell.n_parts)]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def values(state):
    return [node.value for node in state]


# The cells are their formulas --------------------------------------------------------------------------------------


@pytest.mark.row("REC-01")
def test_a_recurrent_neuron_over_three_steps():
    cell = SimpleRNNCell(1, 1, dtype=np.float64)
    cell.W_x.value, cell.W_h.value, cell.b.value = [[0.5]], [[-0.8]], [0.1]
    state = cell.start(1)
    found = []
    for x in (1.0, -2.0, 0.5):
        state = cell([[x]], state)
        found.append(float(cell.output(state)))
    y_1 = np.tanh(0.5 * 1.0 + 0.1)
    y_2 = np.tanh(0.5 * -2.0 - 0.8 * y_1 + 0.1)
    y_3 = np.tanh(0.5 * 0.5 - 0.8 * y_2 + 0.1)
    np.testing.assert_allclose(found, [y_1, y_2, y_3], rtol=1e-15)


@pytest.mark.row("REC-11")
def test_the_lstm_is_its_formula_gate_by_gate():
    cell = cell_of(LSTMCell)
    assert cell.gates == "ifog"
    h, c = state_of(cell)
    p = dict(zip("ifog", np.split(X @ cell.W_x.value.T + h @ cell.W_h.value.T + cell.b.value, 4, axis=1), strict=True))
    new_c = sigmoid(p["f"]) * c + sigmoid(p["i"]) * np.tanh(p["g"])
    new_h = sigmoid(p["o"]) * np.tanh(new_c)
    state = cell(X, (h, c))
    np.testing.assert_allclose(values(state), [new_h, new_c], rtol=1e-13)
    assert cell.output(state) is state[0]


@pytest.mark.row("REC-11")
def test_an_open_forget_gate_and_a_closed_input_gate_keep_c():
    cell = cell_of(LSTMCell)
    b = np.zeros((4, 3))
    b[cell.gates.index("f")], b[cell.gates.index("i")] = 1000, -1000
    cell.b.value = b.reshape(-1)
    state = tuple(state_of(cell))
    c = state[1]
    for _ in range(5):
        state = cell(X, state)
        np.testing.assert_array_equal(state[1].value, c)  # to the last bit
    b[cell.gates.index("f")], b[cell.gates.index("i")] = -1000, 1000
    cell.b.value = b.reshape(-1)
    assert (np.abs(cell(X, state)[1].value) <= 1).all()  # c is g alone


@pytest.mark.row("REC-14")
@pytest.mark.parametrize("options", GRUS, ids=str)
def test_the_gru_is_its_formula_in_every_convention(options):
    cell = cell_of(GRUCell, **options)
    assert cell.gates == "zrg"
    (h,) = state_of(cell)
    b = cell.b.value if options["biases"] else np.zeros(9)
    b_h = cell.b_h.value if options["biases"] == 2 else np.zeros(9)
    x_z, x_r, x_g = np.split(X @ cell.W_x.value.T + b, 3, axis=1)
    W_z, W_r, W_g = np.split(cell.W_h.value, 3)
    b_z, b_r, b_g = np.split(b_h, 3)
    z, r = sigmoid(x_z + h @ W_z.T + b_z), sigmoid(x_r + h @ W_r.T + b_r)
    if options["reset"] == "before":
        g = np.tanh(x_g + (r * h) @ W_g.T + b_g)
    else:
        g = np.tanh(x_g + r * (h @ W_g.T + b_g))
    expected = (1 - z) * h + z * g if options["convention"] == "update" else z * h + (1 - z) * g
    np.testing.assert_allclose(cell(X, h)[0].value, expected, rtol=1e-13)


def gru_of_z(bias_of_z, **options):
    """A GRU of 3 units on 2 inputs, z forced to 0 or 1, and the g it makes of h and x."""
    cell = cell_of(GRUCell, **options)
    b = cell.b.value.copy()
    b[:3] = bias_of_z
    cell.b.value = b
    return cell


@pytest.mark.row("REC-14")
def test_z_of_0_keeps_the_state_and_z_of_1_replaces_it():
    h = np.array([[0.9, -0.5, 0.2]])
    x = X[:1]
    cell = gru_of_z(-1000)
    np.testing.assert_allclose(cell(x, h)[0].value, h, rtol=1e-15)
    r = sigmoid(x @ cell.W_x.value[3:6].T + h @ cell.W_h.value[3:6].T + cell.b.value[3:6])
    g = np.tanh(x @ cell.W_x.value[6:].T + (r * h) @ cell.W_h.value[6:].T + cell.b.value[6:])
    np.testing.assert_allclose(gru_of_z(1000)(x, h)[0].value, g, rtol=1e-13)
    np.testing.assert_allclose(gru_of_z(1000, convention="keep")(x, h)[0].value, h, rtol=1e-15)  # the other way round
    np.testing.assert_allclose(gru_of_z(-1000, convention="keep")(x, h)[0].value, g, rtol=1e-13)


@pytest.mark.row("REC-14")
def test_the_form_printed_in_the_notes_neither_keeps_nor_replaces():
    """h_t = (1 − z) tanh(W_xg' h_{t-1} + z g): two formulas merged."""
    h, g = np.array([0.9, -0.5, 0.2]), np.array([0.1, 0.3, -0.7])
    W_xg = np.diag(np.arctanh([0.8389, -0.4104, 0.9066]) / h)

    def printed(z):
        return (1 - z) * np.tanh(W_xg.T @ h + z * g)

    np.testing.assert_allclose(printed(0.0), [0.8389, -0.4104, 0.9066], rtol=1e-12)
    assert (np.abs(printed(0.0) - h) > 0.06).all()
    np.testing.assert_array_equal(gru_of_z(-1000)(X[:1], h)[0].value, h[np.newaxis])  # the right one keeps h
    np.testing.assert_array_equal(printed(1.0), 0)
    assert (gru_of_z(1000)(X[:1], h)[0].value != 0).all()  # and becomes g
    with pytest.raises(ValueError, match="matmul"):  # W_xg takes inputs, and here come 3 units
        cell_of(GRUCell).W_x.value[6:] @ h


@pytest.mark.row("REC-16")
@pytest.mark.parametrize("kind", [SimpleRNNCell, LSTMCell, GRUCell])
def test_relu_takes_the_place_of_tanh(kind):
    cell, tanh_cell = cell_of(kind, activation=mg.relu), cell_of(kind)
    state = state_of(cell)
    W_x, W_h, b = (p.value for p in cell.parameters())
    p = X @ W_x.T + state[0] @ W_h.T + b
    n = 3
    if kind is SimpleRNNCell:
        expected = [np.maximum(p, 0)]
    elif kind is LSTMCell:
        i, f, o = (sigmoid(p[:, k * n : k * n + n]) for k in range(3))
        c = f * state[1] + i * np.maximum(p[:, 3 * n :], 0)
        expected = [o * np.maximum(c, 0), c]  # both places
    else:
        z, r = sigmoid(p[:, :n]), sigmoid(p[:, n : 2 * n])
        g = np.maximum(X @ W_x[2 * n :].T + (r * state[0]) @ W_h[2 * n :].T + b[2 * n :], 0)
        expected = [(1 - z) * state[0] + z * g]
    np.testing.assert_allclose(values(cell(X, state)), expected, rtol=1e-13)
    assert np.abs(np.array(values(tanh_cell(X, state))) - expected).max() > 0.01


@pytest.mark.row("REC-16")
def test_a_relu_lstm_has_no_bound():
    """Gates nearly open, recurrent weight 1.1, 200 steps: c grows beyond 1e60 with relu, and h stays below 1 with tanh."""
    found = {}
    for activation in (mg.relu, np.tanh):
        cell = LSTMCell(1, 1, activation, dtype=np.float64)
        cell.W_x.value = [[0.0], [0.0], [0.0], [0.1]]
        cell.W_h.value = [[0.0], [0.0], [0.0], [1.1]]
        cell.b.value = [4.0, 4.0, 4.0, 0.0]
        state = cell([[1.0]], cell.start(1))
        for _ in range(199):
            state = cell([[0.0]], state)
        found[activation] = values(state)
    h, c = found[mg.relu]
    assert 1e60 < c.item() < 1e62
    np.testing.assert_allclose(c.item(), sigmoid(4) * 0.1 * (sigmoid(4) + 1.1 * sigmoid(4) ** 2) ** 199, rtol=1e-10)
    np.testing.assert_allclose(found[np.tanh][0].item(), 0.982, atol=5e-4)
    assert h.item() > 1e60


# Derivatives -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "options"), CELLS, ids=str)
@pytest.mark.parametrize("order", [1, 2])
def test_one_step_is_differentiated_by_inputs_states_and_parameters(kind, options, order):
    cell = cell_of(kind, n_units=2, **options)
    names = list(cell.state_dict())

    def step(x, *rest):
        twin = copy.copy(cell)
        for name, parameter in zip(names, rest[cell.n_parts :], strict=True):
            setattr(twin, name, parameter)
        return twin(x, rest[: cell.n_parts])

    mg.check_gradients(step, X, *state_of(cell), *[p.value for p in cell.parameters()], order=order)


@pytest.mark.parametrize(("kind", "options"), CELLS, ids=str)
@pytest.mark.parametrize("size", [-1000.0, 1000.0])
def test_nothing_overflows(kind, options, size):
    cell = kind(2, 3, rng=0, **options)
    with mg.anomalies():
        x = mg.Input(np.full((2, 2), size, np.float32))
        state = cell(x, tuple([np.full((2, 3), size, np.float32)] * cell.n_parts))
        total = sum(part.sum() for part in state)
        gradients = mg.gradients(total, [x, *cell.parameters()])
        mg.gradients(sum((g * g).sum() for g in gradients), [x, *cell.parameters()])
    assert {part.dtype for part in state} == {np.dtype(np.float32)}


# Parameters --------------------------------------------------------------------------------------------------------


@pytest.mark.row("REC-13")
def test_the_forget_bias_starts_at_one_and_the_others_at_zero():
    for options, b_f in (({}, 1), ({"forget_bias": 0}, 0), ({"forget_bias": 2.5}, 2.5)):
        cell = LSTMCell(2, 3, rng=0, **options)
        np.testing.assert_array_equal(cell.b.value, [0] * 3 + [b_f] * 3 + [0] * 6)  # i, f, o, g
    for kind in (SimpleRNNCell, GRUCell):
        assert not kind(2, 3, rng=0).b.value.any()


@pytest.mark.row("REC-05", "REC-12", "REC-15")
def test_the_numbers_of_parameters():
    assert SimpleRNNCell(2, 3).n_parameters() == 3 * (2 + 3 + 1) == 18
    assert LSTMCell(2, 16).n_parameters() == 4 * 16 * (2 + 16 + 1) == 1216
    for reset in ("before", "after"):
        counts = [GRUCell(2, 16, biases=biases, reset=reset).n_parameters() for biases in (0, 1, 2)]
        assert counts == [3 * 16 * (2 + 16), 3 * 16 * (2 + 16) + 48, 3 * 16 * (2 + 16) + 96] == [864, 912, 960]


def test_names_and_shapes_of_parameters():
    shapes = {name: p.shape for name, p in GRUCell(2, 3, biases=2).named_parameters()}
    assert shapes == {"W_x": (9, 2), "W_h": (9, 3), "b": (9,), "b_h": (9,)}
    assert [p.name for p in LSTMCell(2, 3).parameters()] == ["W_x", "W_h", "b"]
    assert repr(LSTMCell(2, 3)) == "LSTMCell(2, 3, tanh)"


def test_every_gate_is_drawn_by_itself():
    cell = GRUCell(2, 4, dtype=np.float64, rng=0)
    for block in np.split(cell.W_h.value, 3):
        np.testing.assert_allclose(block @ block.T, np.eye(4), atol=1e-14)
    for block in np.split(cell.W_x.value, 3):
        np.testing.assert_allclose(block.T @ block, np.eye(2), atol=1e-14)
    chosen = LSTMCell(2, 4, initializer=constant(0.5), recurrent_initializer=orthogonal(2.0), dtype=np.float64, rng=0)
    assert (chosen.W_x.value == 0.5).all()
    np.testing.assert_allclose(chosen.W_h.value[:4] @ chosen.W_h.value[:4].T, 4 * np.eye(4), atol=1e-14)
    assert (
        LSTMCell(2, 4, initializer=normal(0.1), rng=5).W_h.value
        == LSTMCell(2, 4, initializer=normal(0.1), rng=5).W_h.value
    ).all()


# One interface -----------------------------------------------------------------------------------------------------


@pytest.mark.row("REC-06")
@pytest.mark.parametrize(("kind", "options"), CELLS, ids=str)
def test_a_state_goes_in_and_a_state_comes_out(kind, options):
    cell = kind(2, 3, rng=0, **options)
    state = cell.start(4)
    assert all(not part.value.any() for part in state)
    for _ in range(2):
        state = cell(np.ones((4, 2), np.float32), state)
        assert [part.shape for part in state] == [(4, 3)] * cell.n_parts
        assert cell.output(state).shape == (4, 3)
    assert state[0].scope == kind.__name__.lower()


def test_a_state_for_all_examples_alike_is_broadcast():
    cell = cell_of(LSTMCell)
    h, c = RNG.normal(size=(2, 3))
    expected = values(cell(X, (np.tile(h, (3, 1)), np.tile(c, (3, 1)))))
    np.testing.assert_allclose(
        values(cell(X, [h, c])), expected, rtol=1e-14
    )  # other kernels of BLAS may round otherwise


def test_a_cell_of_ones_own_without_a_step_says_so():
    cell = Cell(2, 3)
    with pytest.raises(TypeError, match="Cell defines no step: write step"):
        cell(np.ones((1, 2)), cell.start(1))


def test_wrong_inputs_and_states_are_refused():
    cell = cell_of(LSTMCell)
    state = cell.start(3)
    for error, arguments, message in (
        (ValueError, (np.zeros((3, 5)), state), "LSTMCell: expected inputs of shape (batch, 2), found"),
        (ValueError, (np.zeros(2), state), "LSTMCell: expected inputs of shape (batch, 2), found"),
        (TypeError, (np.zeros((3, 2), int), state), "LSTMCell: the inputs hold int64"),
        (ValueError, (X, state[0]), "LSTMCell: expected a state of 2 parts, found 1: start from cell.start(batch)"),
        (ValueError, (X, (state[0], np.zeros((2, 3)))), "expected a state of shape (3, 3) or (3,), found"),
        (TypeError, (X, (state[0], np.zeros((3, 3), int))), "LSTMCell: state"),
    ):
        with pytest.raises(error, match=re.escape(message)):
            cell(*arguments)


def test_wrong_constructions_are_refused():
    for name, given in (("convention", "notes"), ("reset", "never"), ("biases", 3)):
        with pytest.raises(ValueError, match=re.escape(f"GRUCell({name}={given!r}): expected one of ")):
            GRUCell(2, 3, **{name: given})
    with pytest.raises(ValueError, match=r"LSTMCell\(n_units=0\): expected an integer of at least 1"):
        LSTMCell(2, 0)
    with pytest.raises(TypeError, match=r"SimpleRNNCell\(dtype=int64\): expected floating-point"):
        SimpleRNNCell(2, 3, dtype=int)
    with pytest.raises(TypeError, match="activations are functions, not names"):
        LSTMCell(2, 3, "relu")
    cell = SimpleRNNCell(2, 3, lambda p: p.sum(axis=1))
    with pytest.raises(TypeError, match="SimpleRNNCell: the activation made Sum"):
        cell(X, cell.start(3))


def test_states_are_named():
    """Pictures and programs call them as the formulas do."""
    x = np.ones((2, 3), np.float32)
    for cell, names in ((LSTMCell(3, 4, rng=0), ["h", "c"]), (GRUCell(3, 4, rng=0), ["h"])):
        assert [node.name for node in cell(x, cell.start(2))] == names
        steps = Unrolled(cell).states(np.ones((2, 5, 3), np.float32))
        assert [node.name for node in steps] == ["h"] * 5

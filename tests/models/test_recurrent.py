import copy
import gc
import re

import numpy as np
import pytest

import minigrad as mg
from minigrad.models import (
    GRU,
    IRNN,
    LSTM,
    RNN,
    AntisymmetricRNN,
    Bidirectional,
    Cell,
    Dense,
    ExpRNN,
    InverseRNN,
    LipschitzRNN,
    Recurrent,
    Sequential,
    SimpleRNN,
    Stacked,
    Tilted,
    UnICORNN,
    Unrolled,
    datasets,
    losses,
    penalties,
)
from minigrad.optim import Adam

RNG = np.random.default_rng(0)
U = RNG.normal(size=(3, 6, 2))
LENGTHS = np.array([6, 2, 4])
MASK = np.arange(6) < LENGTHS[:, np.newaxis]
LAYERS = {
    "SimpleRNN": lambda **options: SimpleRNN(2, 2, **options),
    "LSTM": lambda **options: LSTM(2, 2, **options),
    "GRU": lambda **options: GRU(2, 2, **options),
    "GRU after": lambda **options: GRU(2, 2, convention="keep", reset="after", biases=2, **options),
    "Stacked": lambda **options: Stacked([LSTM(2, 3, **options), GRU(3, 2, **options)]),
    "Bidirectional": lambda **options: Bidirectional(GRU(2, 2, **options), LSTM(2, 1, **options)),
    "IRNN": lambda **options: IRNN(2, 2, **options),
    "AntisymmetricRNN": lambda **options: AntisymmetricRNN(2, 2, epsilon=0.4, gamma=0.3, **options),
    "ExpRNN": lambda **options: ExpRNN(2, 2, **options),
    "InverseRNN": lambda **options: InverseRNN(2, 2, invert_every=2, **options),
    "LipschitzRNN": lambda **options: LipschitzRNN(2, 2, epsilon=0.4, gamma=0.3, **options),
    "UnICORNN": lambda **options: UnICORNN(2, 2, epsilon=0.6, **options),
    "Tilted": lambda **options: Tilted(UnICORNN(2, 2, epsilon=0.6, **options), 2.0),
    "Tilted tanh": lambda **options: Tilted(SimpleRNN(2, 2, **options), -0.7, form="tanh"),
}


def layer_of(name):
    """A layer in float64 whose weights and biases are all away from 0."""
    layer = LAYERS[name](dtype=np.float64, rng=1)
    rng = np.random.default_rng(2)
    for parameter in layer.parameters():
        parameter.value = rng.normal(size=parameter.shape) * 0.7
    return layer


def flat(state):
    """The nodes of a state, of a cell or of layers in a layer."""
    return [state] if isinstance(state, mg.Node) else [node for part in state for node in flat(part)]


def like(state, nodes):
    """The same structure, made of other nodes."""
    nodes = iter(nodes)

    def filled(part):
        return next(nodes) if isinstance(part, mg.Node) else tuple([filled(inner) for inner in part])

    return filled(state)


def start_of(layer):
    """The structure of a state of 3 examples, and arrays for it."""
    final = layer.states(U[..., : layer.n_inputs]).final
    rng = np.random.default_rng(3)
    return final, [rng.normal(size=node.shape) for node in flat(final)]


def with_parameters(layer, nodes):
    """The layer with nodes in the place of its parameters."""
    twin = copy.deepcopy(layer)
    for (path, _), node in zip(layer.named_parameters(), nodes, strict=True):
        *way, name = path.split(".")
        owner = twin
        for step in way:
            owner = owner[int(step)] if isinstance(owner, tuple) else getattr(owner, step)
        setattr(owner, name, node)
    return twin


def values(nodes):
    return [node.value for node in nodes]


# Over time ---------------------------------------------------------------------------------------------------------


@pytest.mark.row("REC-02")
def test_a_layer_of_recurrent_neurons_is_a_loop():
    layer = layer_of("SimpleRNN")
    W_x, W_h, b = (p.value for p in layer.parameters())
    h = np.zeros((3, 2))
    states = layer.states(U)
    for t in range(6):
        h = np.tanh(U[:, t] @ W_x.T + h @ W_h.T + b)
        np.testing.assert_allclose(states[t].value, h, rtol=1e-13)
    np.testing.assert_allclose(layer(U).value, h, rtol=1e-13)


@pytest.mark.parametrize("name", ["SimpleRNN", "LSTM", "GRU", "GRU after"])
def test_a_layer_is_its_cell_step_by_step(name):
    layer = layer_of(name)
    steps = layer.states(U)
    state = layer.cell.start(3)
    for t in range(6):
        state = layer.cell(U[:, t], state)
        np.testing.assert_allclose(values(steps.whole[t]), values(state), rtol=1e-12, atol=1e-15)
        assert steps[t] is steps.whole[t][0]
    assert steps.last is steps[-1]
    assert steps.final is steps.whole[-1]


@pytest.mark.row("REC-19")
@pytest.mark.parametrize(("kind", "n_units"), [(SimpleRNN, 3), (LSTM, 16), (GRU, 16)])
def test_shapes_of_the_notes_listings(kind, n_units):
    u = np.zeros((5, 200, 2), np.float32)
    layer = kind(2, n_units, mg.relu, rng=0)
    assert layer(u).shape == (5, n_units)
    assert layer(u[:, :7], sequences=True).shape == (5, 7, n_units)
    assert kind(2, n_units, sequences=True, rng=0)(u[:, :7]).shape == (5, 7, n_units)
    assert kind(2, n_units, sequences=True, rng=0)(u[:, :7], sequences=False).shape == (5, n_units)
    assert [h.shape for h in layer.states(u[:, :7])] == [(5, n_units)] * 7
    assert Sequential(layer, Dense(n_units, 1, rng=0))(u).shape == (5, 1)


@pytest.mark.row("REC-05", "REC-12", "REC-19")
@pytest.mark.parametrize(
    ("kind", "n_units", "counts"), [(SimpleRNN, 3, (18, 4, 22)), (LSTM, 16, (1216, 17, 1233))], ids=str
)
def test_the_notes_listings(kind, n_units, counts, capsys):
    net = Sequential(kind(2, n_units, mg.relu, rng=0), Dense(n_units, 1, rng=0))
    assert (net[0].n_parameters(), net[1].n_parameters(), net.n_parameters()) == counts
    net.summary((200, 2))
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    name = kind.__name__
    assert [f"{name.lower()}_1", f"({name})", "(None,", f"{n_units})", str(counts[0])] in rows
    assert ["dense_1", "(Dense)", "(None,", "1)", str(counts[1])] in rows
    assert sum(row[-1:] == [str(counts[0])] for row in rows) == 1  # the cell has no row of its own


@pytest.mark.row("REC-15", "REC-13")
def test_layers_pass_their_arguments_on_to_the_cell():
    assert [GRU(2, 16, biases=biases).n_parameters() for biases in (0, 1, 2)] == [864, 912, 960]
    assert LSTM(2, 3, rng=0).cell.b.value.tolist() == [0] * 3 + [1] * 3 + [0] * 6
    assert not LSTM(2, 3, rng=0, forget_bias=0).cell.b.value.any()
    gru = GRU(2, 3, mg.relu, convention="keep", reset="after", rng=0)
    assert (gru.cell.convention, gru.cell.reset, repr(gru)) == ("keep", "after", "GRU(2, 3, relu)")
    assert [path for path, _ in gru.named_parameters()] == ["cell.W_x", "cell.W_h", "cell.b"]


@pytest.mark.parametrize("name", LAYERS)
def test_all_steps_and_the_last_are_the_states(name):
    layer = layer_of(name)
    steps = layer.states(U)
    np.testing.assert_array_equal(layer(U, sequences=True).value, np.stack(values(steps), axis=1))
    np.testing.assert_array_equal(layer(U).value, steps.last.value)


# The initial state -------------------------------------------------------------------------------------------------


@pytest.mark.row("REC-06")
@pytest.mark.parametrize("name", [name for name in LAYERS if name[:6] not in ("Bidire", "Tilted")])
def test_a_run_in_three_parts_equals_one_long_run(name):
    layer = layer_of(name)
    whole = layer.states(U)
    first = layer.states(U[:, :2])
    second = layer.states(U[:, 2:3], first.final)
    third = layer.states(U[:, 3:], second.final)
    np.testing.assert_allclose(values([*first, *second, *third]), values(whole), rtol=1e-12)
    np.testing.assert_allclose(layer(U[:, 3:], second.final).value, whole.last.value, rtol=1e-12)
    parts, single = (mg.gradients((steps.last**2).sum(), layer.parameters()) for steps in (third, whole))
    for a, b in zip(parts, single, strict=True):  # the adjoint flows through the states that were handed over
        np.testing.assert_allclose(a.value, b.value, rtol=1e-9, atol=1e-14)
    cut = like(second.final, [node.value for node in flat(second.final)])  # arrays: truncated backpropagation
    found, cut_short = (mg.gradients(layer(U[:, 3:], s).sum(), layer.parameters()) for s in (second.final, cut))
    assert any(np.abs(a.value - b.value).max() > 1e-3 for a, b in zip(found, cut_short, strict=True))


def test_each_direction_has_a_state_of_its_own():
    layer = layer_of("Bidirectional")
    ahead, back = layer.states(U).final
    np.testing.assert_array_equal(
        layer.states(U[:, 2:], (layer.ahead.states(U[:, :2]).final, None)).final[0][0].value, ahead[0].value
    )
    np.testing.assert_array_equal(
        layer.states(U[:, :2], (None, layer.back.states(U[:, :1:-1]).final)).final[1][0].value, back[0].value
    )


@pytest.mark.row("REC-04")
def test_an_initial_state_that_is_a_parameter_learns():
    layer = GRU(2, 2, dtype=np.float64, rng=0)
    h_0 = mg.Parameter(np.zeros(2), "h_0")
    history = []
    for _ in range(20):
        loss = losses.mean_squared_error(layer(U, h_0), np.full((3, 2), 0.5))
        loss.backward()
        h_0.value -= 0.5 * h_0.grad
        history.append(float(loss))
    assert (np.diff(history) < 0).all()


# Masks -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LAYERS)
def test_a_masked_row_is_its_sequence_alone(name):
    layer = layer_of(name)
    padded = np.where(MASK[..., np.newaxis], U, np.nan)  # whatever stands there
    steps = layer.states(padded, mask=MASK)
    found = mg.gradients((layer(padded, mask=MASK) ** 2).sum(), layer.parameters())
    expected = [0.0] * len(found)
    for row, length in enumerate(LENGTHS):
        alone = layer.states(U[row : row + 1, :length])
        np.testing.assert_allclose(steps.last.value[row], alone.last.value[0], rtol=1e-12)
        np.testing.assert_allclose(
            [node.value[row] for node in steps[:length]], [node.value[0] for node in alone], rtol=1e-12
        )
        for a, b in zip(flat(steps.final), flat(alone.final), strict=True):
            np.testing.assert_allclose(a.value[row], b.value[0], rtol=1e-12)
        gradients = mg.gradients((alone.last**2).sum(), layer.parameters())
        expected = [total + g.value for total, g in zip(expected, gradients, strict=True)]
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a.value, b, rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("name", ["SimpleRNN", "LSTM", "GRU"])
def test_a_padded_step_keeps_the_state_wherever_it_stands(name):
    layer = layer_of(name)
    holes = np.array([[False, True, True, False, True, False]] * 3)
    steps = layer.states(U, mask=holes)
    short = layer.states(U[:, [1, 2, 4]])
    for t, s in ((1, 0), (2, 1), (3, 1), (4, 2), (5, 2)):
        np.testing.assert_allclose(values(steps.whole[t]), values(short.whole[s]), rtol=1e-12)
    assert not steps[0].value.any()


@pytest.mark.parametrize("name", ["SimpleRNN", "LSTM", "GRU", "Stacked"])
def test_the_adjoint_of_a_padded_step_is_that_of_the_last_that_counts(name):
    steps = layer_of(name).states(U, mask=MASK)
    rows = np.array(values(penalties.adjoints((steps.last**2).sum(), steps)))  # (time, batch, units)
    for row, length in enumerate(LENGTHS):
        np.testing.assert_array_equal(rows[length - 1 :, row], np.tile(2 * steps.last.value[row], (7 - length, 1)))
        assert (rows[: length - 1, row] != rows[length - 1, row]).any(axis=-1).all()


@pytest.mark.parametrize("name", LAYERS)
def test_a_row_that_is_padding_alone_keeps_its_initial_state_and_sends_nothing(name):
    layer = layer_of(name)
    structure, arrays = start_of(layer)
    state = like(structure, [mg.Input(array) for array in arrays])
    mask = MASK.copy()
    mask[1] = False
    steps = layer.states(U, state, mask)
    for node, array in zip(flat(steps.final), arrays, strict=True):
        np.testing.assert_array_equal(node.value[1], array[1])
        assert (node.value[0] != array[0]).all()
    u = mg.Input(U)
    for gradient in mg.gradients(layer(u, mask=mask)[1].sum(), [u, *layer.parameters()]):
        assert not gradient.value.any()
    assert not layer(U, mask=np.zeros((3, 6), bool)).value.any()


@pytest.mark.parametrize("name", LAYERS)
def test_a_mask_that_is_a_node_decides_anew_in_a_replay(name):
    layer = layer_of(name)
    mask = mg.Input(MASK)
    y = layer(U, mask=mask)
    graph = mg.Graph(y, *mg.gradients((y * y).sum(), layer.parameters()))
    other = MASK[::-1].copy()
    fresh = layer(U, mask=other)
    expected = [fresh, *mg.gradients((fresh * fresh).sum(), layer.parameters())]
    for a, b in zip(graph.fprop({mask: other}), expected, strict=True):
        np.testing.assert_array_equal(a, b.value)


class Peephole(Cell):
    """h = o tanh(n), n = tanh(c), c = f(c, x): three parts, each computed from the next."""

    n_parts = 3
    part_names = "hnc"

    def __init__(self, n_inputs, n_units, *, dtype=np.float64, rng=0):
        super().__init__(n_inputs, n_units, dtype=dtype)
        self.W = mg.Parameter(np.random.default_rng(rng).normal(size=(n_units, n_inputs + n_units)).astype(dtype))

    def step(self, driven, state, shared):
        h, n, c = state
        p = np.concatenate([driven, h], axis=1) @ self.W.T
        c = 0.5 * c + np.tanh(p) - 0.1 * n
        n = np.sin(c) * mg.sigmoid(p)
        return np.tanh(n) * mg.sigmoid(p) + 0.3 * c, n, c


class Delay(Cell):
    """h = tanh(x + g), g = the h before: a part that is handed on as it is."""

    n_parts = 2

    def step(self, driven, state, shared):
        h, g = state
        return np.tanh(driven + 0.7 * g - 0.2 * h), h


class Upward(Cell):
    """c = tanh(h), a part that is computed from what the cell shows."""

    n_parts = 2

    def step(self, driven, state, shared):
        h, c = state
        h = np.tanh(driven + 0.5 * h + c)
        return h, c * mg.sigmoid(h)


MASKED = LAYERS | {
    "LSTM relu": lambda **options: LSTM(2, 2, mg.relu, **options),
    "Peephole": lambda **options: Unrolled(Peephole(2, 2, **options)),
    "Delay": lambda dtype, rng: Unrolled(Delay(2, 2, dtype=dtype)),
    "Upward": lambda dtype, rng: Unrolled(Upward(2, 2, dtype=dtype)),
    "Bidirectional LSTM": lambda **options: Bidirectional(LSTM(2, 2, **options), Unrolled(Peephole(2, 1, **options))),
    "Stacked LSTM": lambda **options: Stacked([LSTM(2, 3, **options), LSTM(3, 2, **options)]),
}


def masked_layer(name):
    layer = MASKED[name](dtype=np.float64, rng=1)
    rng = np.random.default_rng(2)
    for parameter in layer.parameters():
        parameter.value = rng.normal(size=parameter.shape) * 0.7
    return layer


def parts_of(steps):
    """Every part of the state at every time step."""
    return [part for state in steps.whole for part in flat(state)]


def run(layer, u, mask):
    """Outputs, states, and the adjoints of inputs, states and parameters, for a loss of all outputs and the last one; and
    the gradient of the squared lengths of these adjoints.
    """
    steps = layer.states(u, mask=mask)
    loss = (steps.last**2).sum() + sum((h**3).sum() for h in steps)
    wanted = [*parts_of(steps), u, *layer.parameters()]
    adjoints = mg.gradients(loss, wanted)
    second = mg.gradients(sum((a * a).sum() for a in adjoints), layer.parameters())
    return values([*steps, steps.last, *parts_of(steps), *adjoints]), values(second)


@pytest.mark.parametrize("name", [name for name in MASKED if name != "Delay"])
def test_a_mask_that_is_true_throughout_changes_no_bit(name):
    """Of states, of the adjoint of every part of them, of inputs and parameters; order 2 sums in another order."""
    layer, u = masked_layer(name), mg.Input(U)
    (plain, plain_2), (masked, masked_2) = (run(layer, u, mask) for mask in (None, np.ones((3, 6), bool)))
    for found, expected in zip(masked, plain, strict=True):
        np.testing.assert_array_equal(found, expected)
    for found, expected in zip(masked_2, plain_2, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", MASKED)
def test_every_part_of_a_masked_row_has_the_values_and_adjoints_of_its_sequence_alone(name):
    layer = masked_layer(name)
    padded = np.where(MASK[..., np.newaxis], U, np.nan)
    steps = layer.states(padded, mask=MASK)
    adjoints = mg.gradients((steps.last**2).sum(), parts_of(steps))
    n_parts = len(parts_of(steps)) // 6
    for row, length in enumerate(LENGTHS):
        alone = layer.states(U[row : row + 1, :length])
        expected = mg.gradients((alone.last**2).sum(), parts_of(alone))
        counted = n_parts * length
        for found, wanted in zip(parts_of(steps)[:counted], parts_of(alone), strict=True):
            np.testing.assert_allclose(found.value[row], wanted.value[0], rtol=1e-12, atol=1e-15)
        if name in ("Delay", "Bidirectional LSTM", "Bidirectional"):  # a part is a node of an earlier step; two ends
            continue
        for found, wanted in zip(adjoints[:counted], expected, strict=True):
            np.testing.assert_allclose(found.value[row], wanted.value[0], rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("cell", [lambda: LSTM(2, 2, dtype=np.float64, rng=1).cell, lambda: Peephole(2, 2)])
@pytest.mark.parametrize("holes", [[1, 1, 0, 1, 0, 0], [0, 1, 0, 0, 1, 1], [1, 0, 0, 0, 0, 0]], ids=str)
def test_the_adjoint_of_every_part_at_a_masked_step_is_what_a_run_from_there_sends_back(cell, holes):
    """At a step that does not count the state is a copy, so what a new run from it gives is all there is."""
    layer = Unrolled(cell())
    mask = np.array([holes] * 3, bool)
    steps = layer.states(U, mask=mask)
    adjoints = mg.gradients((steps.last**2).sum(), parts_of(steps))
    n = layer.cell.n_parts
    for t in np.flatnonzero(~mask[0])[:-1].tolist():
        if t == 5:
            continue
        state = tuple([mg.Input(part.value) for part in steps.whole[t]])
        rest = layer.states(U[:, t + 1 :], state, mask[:, t + 1 :])
        for found, expected in zip(adjoints[n * t : n * t + n], mg.gradients((rest.last**2).sum(), state), strict=True):
            np.testing.assert_allclose(found.value, expected.value, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("order", [1, 2])
def test_a_penalty_on_cells_under_a_mask_is_differentiated(order):
    """Also where the last step is padding for every row."""
    layer = layer_of("LSTM")
    mask = MASK & (np.arange(6) < 5)

    def penalized(*parameters):
        steps = with_parameters(layer, parameters).states(U, mask=mask)
        return penalties.HalfSquaredNorms()((steps.last**2).mean(), [c for _, c in steps.whole])

    mg.check_gradients(penalized, *[p.value for p in layer.parameters()], order=order)


def test_what_stands_in_padding_changes_no_adjoint_of_a_cell():
    layer = layer_of("LSTM")
    found = []
    for filler in (0.0, 3.0, np.nan, np.inf):
        steps = layer.states(np.where(MASK[..., np.newaxis], U, filler), mask=MASK)
        loss = (steps.last**2).sum()
        found.append(values(mg.gradients(loss, [*[c for _, c in steps.whole], *layer.parameters()])))
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_a_compiled_masked_lstm_gives_the_adjoints_of_its_cells():
    layer = layer_of("LSTM")

    def cells(u, mask):
        steps = layer.states(u, mask=mask)
        loss = (steps.last**2).sum()
        return loss, *mg.gradients(loss, [*[c for _, c in steps.whole], *layer.parameters()])

    step = mg.compile(cells)
    for mask in (MASK, MASK[::-1].copy(), np.ones((3, 6), bool)):
        for found, expected in zip(step(U, mask), cells(mg.Input(U), mg.Input(mask)), strict=True):
            np.testing.assert_allclose(found, expected.value, rtol=1e-12, atol=1e-15)


# Derivatives -------------------------------------------------------------------------------------------------------


def check(layer, u, order, mask=None):
    """By inputs, initial state and parameters at once."""
    structure, arrays = start_of(layer)

    def outputs(u, *rest):
        twin = with_parameters(layer, rest[len(arrays) :])
        return twin(u, like(structure, rest[: len(arrays)]), mask, sequences=True)

    given = [u, *arrays, *[p.value for p in layer.parameters()]]
    mg.check_gradients(outputs, *given, order=order)
    nodes = [mg.Input(array) for array in given]
    found = mg.gradients(outputs(*nodes).sum(), nodes)
    counters = [i for i, part in enumerate(flat(structure), 1) if part.name == "n"]  # of an InverseRNN, without adjoint
    assert all(g.value.any() != (i in counters) for i, g in enumerate(found))  # everything else takes part


@pytest.mark.row("REC-11", "REC-14", "REC-07")
@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("steps", [1, 3, 6])
@pytest.mark.parametrize("name", LAYERS)
def test_every_layer_is_differentiated_by_everything(name, steps, order):
    check(layer_of(name), U[:, :steps], order)


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("name", LAYERS)
def test_every_layer_is_differentiated_under_a_mask(name, order):
    check(layer_of(name), U, order, MASK)


PENALTIES = [
    penalties.Omega(),
    penalties.OmegaNorms(),
    penalties.AdjointVariance(),
    penalties.RelativeVariance(),
    penalties.LogRatio(),
    penalties.HalfSquaredNorms(),
    penalties.FirstAgainstLast(),
]


@pytest.mark.parametrize("penalty", PENALTIES, ids=lambda penalty: type(penalty).__name__)
@pytest.mark.parametrize("name", ["LSTM", "GRU", "SimpleRNN"])
def test_every_penalty_on_adjoints_is_differentiated(name, penalty):
    layer = layer_of(name)
    targets = RNG.normal(size=(3, 2))

    def penalized(*parameters):
        steps = with_parameters(layer, parameters).states(U[:, :4])
        loss = losses.mean_squared_error(steps.last, targets)
        return loss + penalty(loss, steps)

    mg.check_gradients(penalized, *[p.value for p in layer.parameters()])
    parameters = layer.parameters()
    steps = layer.states(U[:, :4])
    loss = losses.mean_squared_error(steps.last, targets)
    plain = mg.gradients(loss, parameters)
    found = mg.gradients(penalized(*parameters), parameters)
    assert any(np.abs(a.value - b.value).max() > 1e-6 for a, b in zip(found, plain, strict=True))


@pytest.mark.parametrize("name", ["LSTM", "Bidirectional", "Stacked"])
def test_a_penalty_under_a_mask_is_differentiated(name):
    layer = layer_of(name)

    def penalized(*parameters):
        steps = with_parameters(layer, parameters).states(U, mask=MASK)
        states = [back[0] for _, back in steps.whole][::-1] if name == "Bidirectional" else steps
        return penalties.HalfSquaredNorms()((steps.last**2).mean(), states)

    mg.check_gradients(penalized, *[p.value for p in layer.parameters()])


def test_the_cells_of_an_lstm_and_the_layers_of_a_stack_can_be_penalized_too():
    layer = layer_of("Stacked")
    steps = layer.states(U)
    loss = losses.mean_squared_error(steps.last, np.zeros((3, 2)))
    for states in (
        [c for (_, c), _ in steps.whole],
        [h for (h, _), _ in steps.whole],
        [below[0] for below, *_ in steps.whole],
    ):
        assert float(penalties.HalfSquaredNorms()(loss, states)) > 0


def test_the_immediate_form_of_omega_asks_for_the_states_of_an_rnn():
    steps = layer_of("LSTM").states(U)
    with pytest.raises(TypeError, match=r"expected the states as RNN.states\(u\) gives them, found Steps"):
        penalties.Omega(form="immediate")(steps.last.sum(), steps)


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("size", [-1000.0, 1000.0])
def test_nothing_overflows(name, size):
    layer = LAYERS[name](rng=0)
    with mg.anomalies():
        u = mg.Input(np.full((2, 3, 2), size, np.float32))
        y = layer(u, mask=np.array([[True, True, False]] * 2))
        gradients = mg.gradients(y.sum(), [u, *layer.parameters()])
        mg.gradients(sum((g * g).sum() for g in gradients), [u, *layer.parameters()])
    assert y.dtype == np.float32


# Layers of layers --------------------------------------------------------------------------------------------------


def test_a_stack_is_one_layer_after_the_other():
    stacked = layer_of("Stacked")
    below, above = stacked.layers
    np.testing.assert_allclose(stacked(U).value, above(below(U, sequences=True)).value, rtol=1e-13)
    np.testing.assert_allclose(stacked(U).value, Sequential(below_with_sequences(below), above)(U).value, rtol=1e-13)
    assert [path for path, _ in stacked.named_parameters()][:2] == ["layers.0.cell.W_x", "layers.0.cell.W_h"]


def below_with_sequences(layer):
    twin = copy.copy(layer)
    twin.sequences = True
    return twin


def test_both_directions_side_by_side():
    layer = layer_of("Bidirectional")
    steps = layer.states(U)
    ahead = layer.ahead.states(U)
    back = layer.back.states(U[:, ::-1].copy())[::-1]
    for t in range(6):
        np.testing.assert_allclose(steps[t].value, np.concatenate([ahead[t].value, back[t].value], axis=1), rtol=1e-12)
    np.testing.assert_allclose(steps.last.value, np.concatenate([ahead[-1].value, back[0].value], axis=1), rtol=1e-12)
    assert layer.n_outputs == 3


def test_a_direction_may_itself_be_bidirectional_or_a_stack():
    inner = Bidirectional(GRU(2, 2, rng=0), Stacked([GRU(2, 2, rng=1), GRU(2, 1, rng=2)]))
    outer = Bidirectional(GRU(2, 1, rng=3), inner)
    assert outer(U, mask=MASK, sequences=True).shape == (3, 6, 4)
    np.testing.assert_array_equal(outer(U).value[:, 1:3], inner.ahead.states(U[:, ::-1].copy()).last.value)


def test_summaries_show_what_a_layer_holds(capsys):
    Stacked([Bidirectional(GRU(2, 3, rng=0), GRU(2, 3, rng=0)), LSTM(6, 4, rng=0)]).summary((7, 2))
    text = capsys.readouterr().out
    assert "?" not in text
    for row in (
        r"layers.0 \(Bidirectional\) +\(None, 6\)",
        r"  ahead \(GRU\) +\(None, 3\) +54",
        r"LSTM\) +\(None, 4\)",
    ):
        assert re.search(row, text), text


@pytest.mark.parametrize("order", [1, 2])
def test_a_bidirectional_gru_of_two_layers_with_masks_is_differentiated(order):
    check(two_layers(1, 2, np.float64), U[:, :4, :1], order, MASK[:, :4])


def two_layers(n_inputs, n_units, dtype):
    def both(n_inputs, seed):
        return Bidirectional(
            GRU(n_inputs, n_units, dtype=dtype, rng=seed), GRU(n_inputs, n_units, dtype=dtype, rng=seed + 1)
        )

    return Stacked([both(n_inputs, 0), both(2 * n_units, 2)])


@pytest.mark.slow
def test_a_bidirectional_gru_of_two_layers_with_masks_overfits_a_few_digits():
    """A digit is read row by row; rows below the last one with ink are padding, and hold what must not matter."""
    digits = datasets.digits()
    images, labels = digits.train[0][:12].reshape(12, 8, 8), digits.train[1][:12]
    lengths = np.array([np.flatnonzero(image.any(axis=1))[-1] + 1 for image in images])
    lengths[::3] -= 2  # and some are cut shorter
    mask = np.arange(8) < lengths[:, np.newaxis]
    images = np.where(mask[..., np.newaxis], images, np.float32(np.nan))
    net, readout = two_layers(8, 8, np.float32), Dense(16, 10, rng=9)
    optimizer = Adam([*net.parameters(), *readout.parameters()], learning_rate=0.02)
    for _ in range(200):
        loss = losses.cross_entropy(readout(net(images, mask=mask)), labels)
        loss.backward()
        optimizer.step()
        if float(loss) < 1e-3:
            break
    assert float(loss) < 1e-3


# Training ----------------------------------------------------------------------------------------------------------


@pytest.mark.row("REC-09")
def test_training_by_the_mean_loss_descends_and_by_the_printed_arg_max_ascends():
    u, y = RNG.normal(size=(10, 5, 2)), RNG.integers(3, size=10)

    def trained(sign):
        net = RNN(2, 4, 3, dtype=np.float64, rng=0)
        history = []
        for _ in range(200):
            loss = losses.cross_entropy(net(u), y)
            loss.backward()
            for parameter in net.parameters():
                parameter.value -= sign * 0.3 * parameter.grad
            history.append(float(loss))
        return history

    descent, ascent = trained(1), trained(-1)
    assert descent[0] == ascent[0]
    assert descent[-1] < 0.1 * descent[0]
    assert ascent[-1] > 2 * ascent[0]


@pytest.mark.row("REC-09")
def test_the_sum_over_examples_is_the_mean_times_their_number():
    u, y = RNG.normal(size=(5, 4, 2)), RNG.integers(3, size=5)
    net = RNN(2, 4, 3, dtype=np.float64, rng=0)
    mean = mg.gradients(losses.cross_entropy(net(u), y), net.parameters())
    total = mg.gradients(sum(losses.cross_entropy(net(u[j : j + 1]), y[j : j + 1]) for j in range(5)), net.parameters())
    for a, b in zip(mean, total, strict=True):
        np.testing.assert_allclose(5 * a.value, b.value, rtol=1e-10, atol=1e-14)


# The graph ---------------------------------------------------------------------------------------------------------


def test_every_time_step_has_its_scope():
    assert layer_of("LSTM").states(U)[2].scope == "lstm/t=3"
    assert layer_of("LSTM")(U).scope == "lstm/t=6"
    assert layer_of("Stacked").states(U)[2].scope == "stacked/gru_2/t=3"
    assert layer_of("Bidirectional").states(U).whole[2][1][0].scope == "bidirectional/back/t=3"
    assert Sequential(layer_of("GRU"))(U).scope == "sequential/gru_1/t=6"


@pytest.mark.parametrize(("name", "n_nodes"), [("SimpleRNN", 4), ("LSTM", 15), ("GRU", 15), ("GRU after", 17)])
def test_what_a_time_step_costs(name, n_nodes):
    layer = layer_of(name)
    sizes = [len(mg.Graph(layer(np.zeros((3, steps, 2)))).nodes) for steps in (20, 21)]
    assert sizes[1] - sizes[0] == n_nodes


def test_a_dropped_layer_is_freed_without_the_collector():
    gc.disable()
    try:
        before = sum(isinstance(o, mg.Node) for o in gc.get_objects())
        layer = layer_of("Stacked")
        (layer(U, mask=MASK) ** 2).sum().backward()
        del layer
        assert sum(isinstance(o, mg.Node) for o in gc.get_objects()) <= before + 5  # interned numbers stay
    finally:
        gc.enable()


@pytest.mark.parametrize("name", LAYERS)
def test_a_copy_and_a_state_dict_carry_all_there_is(name):
    layer = layer_of(name)
    twin = copy.deepcopy(layer)
    other = LAYERS[name](dtype=np.float64, rng=7)
    other.load_state_dict(layer.state_dict())
    for same in (twin, other):
        np.testing.assert_array_equal(same(U, mask=MASK).value, layer(U, mask=MASK).value)


class Leak(Cell):
    """h_t = h_{t-1} / 2 + x_t."""

    def step(self, driven, state, shared):
        return (0.5 * state[0] + driven,)


def test_a_cell_of_ones_own_runs_in_every_layer():
    u = np.ones((1, 3, 1))
    np.testing.assert_array_equal(Unrolled(Leak(1, 1), sequences=True)(u).value.ravel(), [1, 1.5, 1.75])
    both = Bidirectional(Unrolled(Leak(1, 1)), Unrolled(Leak(1, 1)))
    np.testing.assert_array_equal(both.states(u)[0].value, [[1, 1.75]])


# Inputs ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_inputs_are_cast_to_the_dtype_of_the_layer(name, dtype):
    layer = LAYERS[name](dtype=dtype, rng=0)
    for u in (U.astype(np.float32), U, mg.Input(U), U.tolist()):
        for mask in (None, MASK):
            y = layer(u, mask=mask)
            assert {node.dtype for node in mg.Graph(y).nodes if node.children and node.dtype.kind == "f"} == {
                np.dtype(dtype)
            }
            assert {g.dtype for g in mg.gradients(y.sum(), layer.parameters())} == {np.dtype(dtype)}


@pytest.mark.parametrize("name", LAYERS)
def test_wrong_inputs_are_refused_with_what_is_expected(name):
    layer = layer_of(name)
    kind = type(layer).__name__
    for error, arguments, message in (
        (ValueError, {"u": U[0]}, f"{kind}: expected inputs of shape (batch, time, 2), found Input"),
        (ValueError, {"u": np.zeros((3, 6, 5))}, f"{kind}: expected inputs of shape (batch, time, 2), found Input"),
        (ValueError, {"u": np.zeros((3, 0, 2))}, "has no time steps, and there is no state to show"),
        (TypeError, {"u": np.zeros((3, 6, 2), int)}, f"{kind}: the inputs hold int64, expected floating-point numbers"),
        (
            ValueError,
            {"mask": MASK[:, :4]},
            f'{kind}: expected a mask of shape (batch, time) = (3, 6), found Input "mask"',
        ),
        (ValueError, {"mask": MASK.T}, f"{kind}: expected a mask of shape (batch, time) = (3, 6), found"),
        (TypeError, {"mask": MASK.astype(int)}, f"{kind}: the mask holds int64, expected booleans, True where"),
        (TypeError, {"mask": mg.Input(MASK.astype(float))}, f"{kind}: the mask holds float64, expected booleans"),
    ):
        with pytest.raises(error, match=re.escape(message)):
            layer(**{"u": U, **arguments})


def test_wrong_initial_states_are_refused():
    for name, state, message in (
        ("GRU", np.zeros((2, 2)), "GRUCell: expected a state of shape (3, 2) or (2,), found Input"),
        ("GRU", np.zeros(3), "GRUCell: expected a state of shape (3, 2) or (2,), found Input"),
        ("LSTM", np.zeros(2), "LSTMCell: expected a state of 2 parts, found 1"),
        ("Stacked", [None], "Stacked: expected a state for each of its 2 layers (None for zeros), found 1"),
        (
            "Bidirectional",
            np.zeros(2),
            "Bidirectional: expected a state for each of its 2 layers (None for zeros), found nd",
        ),
    ):
        with pytest.raises(ValueError, match=re.escape(message)):
            layer_of(name)(U, state)


def test_layers_that_do_not_fit_each_other_are_refused():
    with pytest.raises(ValueError, match="GRU gives 3 features of float32, and LSTM above it takes 4 of float32"):
        Stacked([GRU(2, 3), LSTM(4, 2)])
    with pytest.raises(ValueError, match="takes 3 of float64"):
        Stacked([GRU(2, 3), LSTM(3, 2, dtype=np.float64)])
    with pytest.raises(ValueError, match="expected at least one layer"):
        Stacked([])
    with pytest.raises(ValueError, match="one takes 2 features of float32, the other 3 of float32"):
        Bidirectional(GRU(2, 3), GRU(3, 3))
    with pytest.raises(TypeError, match="Recurrent defines no unroll: write unroll"):
        Recurrent(2, 2, np.dtype(float), False)(U)


# Cells of one's own ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "n_parts", "message"),
    [
        (lambda h, driven: h + driven, 1, "Leak.step gave Add (3, 2), expected a state, a tuple of 1 (n_parts)"),
        (lambda h, driven: [h + driven], 1, "Leak.step gave list, expected a state, a tuple of 1"),
        (lambda h, driven: (h + driven,), 2, "Leak.step gave 1 nodes, expected a state, a tuple of 2"),
        (lambda h, driven: (h, h + driven), 1, "Leak.step gave 2 nodes, expected a state, a tuple of 1"),
        (
            lambda h, driven: ((h + driven).sum(-1),), 1,
            "Leak.step gave a state with Sum (3,) of dtype float64, expected nodes of shape (3, 2)",
        ),
        (
            lambda h, driven: ((h + driven).astype(np.float32),), 1,
            "of dtype float32, expected nodes of shape (3, 2) and dtype float64",
        ),
        (lambda h, driven: ((h + driven).value,), 1, "Leak.step gave a state with ndarray"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("run", ["unrolled", "masked", "once"])
def test_a_step_that_gives_no_state_is_refused(step, n_parts, message, run):
    class Leak(Cell):
        def step(self, driven, state, shared):
            return step(state[0], driven)

    Leak.n_parts = n_parts
    cell = Leak(2, 2, dtype=np.float64)
    runs = {
        "unrolled": lambda: Unrolled(cell)(U),
        "masked": lambda: Unrolled(cell)(U, mask=MASK),
        "once": lambda: cell(U[:, 0], cell.start(3)),
    }
    with pytest.raises(TypeError, match=re.escape(message)):
        runs[run]()


def test_what_reads_backward_within_what_reads_backward_reads_ahead():
    ahead, back = GRU(2, 2, rng=0), GRU(2, 2, rng=1)
    turned = Bidirectional(GRU(2, 1, rng=2), Bidirectional(ahead, back)).states(U)
    for t, (_, (outer_ahead, outer_back)) in enumerate(turned.whole):
        np.testing.assert_array_equal(outer_ahead[0].value, ahead.states(U[:, ::-1].copy())[5 - t].value)
        np.testing.assert_array_equal(outer_back[0].value, back.states(U)[t].value)

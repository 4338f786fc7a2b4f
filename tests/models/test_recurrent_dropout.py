"""Dropout inside recurrent layers: one mask per example and run, of inputs and of what W_h sees, in training only."""

import copy

import numpy as np
import pytest

import minigrad as mg
from minigrad.models import GRU, LSTM, Bidirectional, LSTMCell, SimpleRNN, Stacked, losses
from minigrad.optim import SGD, Step

RNG = np.random.default_rng(0)
U = RNG.normal(size=(3, 5, 4))
LAYERS = {
    "SimpleRNN": lambda **options: SimpleRNN(4, 3, **options),
    "LSTM": lambda **options: LSTM(4, 3, **options),
    "GRU": lambda **options: GRU(4, 3, **options),
    "GRU after": lambda **options: GRU(4, 3, convention="keep", reset="after", biases=2, **options),
    "Stacked": lambda **options: Stacked([LSTM(4, 3, **options), GRU(3, 2, **options)]),
    "Bidirectional": lambda **options: Bidirectional(GRU(4, 2, **options), LSTM(4, 1, **options)),
}


def layer_of(name, dropout=0.5, recurrent_dropout=0.4):
    layer = LAYERS[name](dropout=dropout, recurrent_dropout=recurrent_dropout, dtype=np.float64, rng=1)
    rng = np.random.default_rng(2)
    for parameter in layer.parameters():
        parameter.value = rng.normal(size=parameter.shape) * 0.7
    return layer


def masks_of(layer):
    """The masks that the next run of a layer with one cell will draw, divided by what is kept."""
    cell = copy.deepcopy(layer.cell)
    inputs = mg.ops.random_bernoulli((3, 4), 0.5, rng=cell.rng).value / 0.5
    return inputs, mg.ops.random_bernoulli((3, 3), 0.6, rng=cell.rng).value / 0.6


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def simple(layer, x, h, kept):
    (h,) = h
    W_x, W_h, b = (p.value for p in layer.parameters())
    return (np.tanh(x @ W_x.T + (h * kept) @ W_h.T + b),)


def lstm(layer, x, state, kept):
    h, c = state
    W_x, W_h, b = (p.value for p in layer.parameters())
    i, f, o, g = np.split(x @ W_x.T + (h * kept) @ W_h.T + b, 4, axis=1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def gru(layer, x, state, kept):
    (h,) = state
    W_x, W_h, b = (np.split(p.value, 3) for p in layer.parameters())
    z = sigmoid(x @ W_x[0].T + (h * kept) @ W_h[0].T + b[0])
    r = sigmoid(x @ W_x[1].T + (h * kept) @ W_h[1].T + b[1])
    g = np.tanh(x @ W_x[2].T + (r * h * kept) @ W_h[2].T + b[2])
    return ((1 - z) * h + z * g,)


@pytest.mark.parametrize(("name", "by_hand"), [("SimpleRNN", simple), ("LSTM", lstm), ("GRU", gru)])
def test_each_example_has_one_mask_of_inputs_and_one_of_states_for_all_time_steps(name, by_hand):
    """What is carried on (c, and h in the GRU's sum) is not dropped."""
    layer = layer_of(name)
    for _ in range(2):  # every run draws anew
        inputs, kept = masks_of(layer)
        state = tuple(np.zeros((3, 3)) for _ in range(layer.cell.n_parts))
        for t, h in enumerate(layer.states(U)):
            state = by_hand(layer, U[:, t] * inputs, state, kept)
            np.testing.assert_allclose(h.value, state[0], rtol=1e-12)
        assert set(np.unique(inputs)) == {0.0, 2.0}


@pytest.mark.parametrize("name", LAYERS)
def test_nothing_is_dropped_in_evaluation_or_at_rate_0(name):
    layer, plain = layer_of(name), layer_of(name, 0.0, 0.0)
    expected = plain(U).value
    np.testing.assert_array_equal(layer.eval()(U).value, expected)
    assert not np.array_equal(layer.train()(U).value, expected)
    assert not np.array_equal(layer(U).value, layer(U).value)
    generator = (
        plain.layers[0].cell.rng if name == "Stacked" else (plain.ahead if name == "Bidirectional" else plain).cell.rng
    )
    drawn = generator.bit_generator.state
    plain(U)
    assert generator.bit_generator.state == drawn
    for one, other in ((0.5, 0.0), (0.0, 0.5)):
        assert not np.array_equal(layer_of(name, one, other)(U).value, expected)


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("order", [1, 2])
def test_a_dropping_layer_is_differentiated_by_inputs_and_parameters(name, order):
    layer = layer_of(name)

    def outputs(u, *parameters):
        twin = copy.deepcopy(layer)  # with a generator in the same state
        for path, node in zip([path for path, _ in layer.named_parameters()], parameters, strict=True):
            *way, last = path.split(".")
            owner = twin
            for step in way:
                owner = owner[int(step)] if isinstance(owner, tuple) else getattr(owner, step)
            setattr(owner, last, node)
        return twin(u, sequences=True)

    mg.check_gradients(outputs, U[:, :3], *[p.value for p in layer.parameters()], order=order)


def test_the_mean_of_what_is_seen_is_that_of_the_whole():
    cell = LSTMCell(4, 3, dropout=0.3, rng=0, dtype=np.float64)
    x = mg.Input(np.ones((4000, 4)))
    np.testing.assert_allclose(cell.thinned(x).value.mean(axis=0), 1.0, atol=0.05)
    assert cell.thinned(mg.Input(np.ones((5, 2, 4)))).value.std(axis=0).max() == 0  # alike at all time steps


@pytest.mark.parametrize("name", LAYERS)
def test_a_mask_of_padding_goes_with_dropout(name):
    """All-true it changes no bit; a row with padding is its sequence alone, with the same draws."""
    layer = layer_of(name)
    expected = copy.deepcopy(layer)(U).value
    np.testing.assert_array_equal(copy.deepcopy(layer)(U, mask=np.ones((3, 5), bool)).value, expected)
    mask = np.ones((3, 5), bool)
    mask[:, 3:] = False
    short = copy.deepcopy(layer)(U[:, :3]).value
    np.testing.assert_allclose(
        copy.deepcopy(layer)(np.where(mask[..., None], U, np.nan), mask=mask).value, short, rtol=1e-12
    )


def test_a_replay_and_a_program_draw_anew_as_nodes_do():
    layer, twin = layer_of("LSTM"), layer_of("LSTM")
    u = mg.Input(U)
    graph = mg.Graph(layer(u))
    assert not np.array_equal(graph.fprop(), graph.fprop())
    found = []
    for net, eager in ((copy.deepcopy(twin), True), (twin, False)):
        step = Step(net, losses.mean_squared_error, SGD(net.parameters(), 0.1), eager=eager)
        found.append([step(U, np.zeros((3, 3)))["loss"] for _ in range(7)])
        assert step.eager is eager
    assert found[0] == pytest.approx(found[1], rel=1e-10)
    assert len(set(found[0])) == 7


@pytest.mark.parametrize("rate", [-0.1, 1.0, 1.5, float("nan")])
def test_rates_are_fractions(rate):
    for name in ("dropout", "recurrent_dropout"):
        with pytest.raises(ValueError, match=rf"LSTMCell\({name}={rate}\): the fraction dropped, from 0 to below 1"):
            LSTM(2, 2, **{name: rate})


def test_a_listing_shows_the_rates():
    assert repr(LSTM(2, 3, dropout=0.25, rng=0)) == "LSTM(2, 3, tanh, dropout=0.25)"
    assert repr(GRU(2, 3, recurrent_dropout=0.5, rng=0)) == "GRU(2, 3, tanh, recurrent_dropout=0.5)"

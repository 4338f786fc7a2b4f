"""Penalties on adjoints in `fit` and `Step`: which states of a model they are functions of."""

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
    Dense,
    Dropout,
    ExpRNN,
    InverseRNN,
    LipschitzRNN,
    Module,
    Sequential,
    SimpleRNN,
    Stacked,
    Tilted,
    UnICORNN,
    losses,
    penalties,
)
from minigrad.optim import SGD, Step, fit

RNG = np.random.default_rng(0)
U = RNG.normal(size=(4, 5, 2))
MASK = np.arange(5) < np.array([5, 2, 4, 5])[:, np.newaxis]
Y = RNG.integers(2, size=4)
LAYERS = {
    "SimpleRNN": SimpleRNN,
    "LSTM": LSTM,
    "GRU": GRU,
    "IRNN": IRNN,
    "AntisymmetricRNN": AntisymmetricRNN,
    "ExpRNN": ExpRNN,
    "InverseRNN": InverseRNN,
    "LipschitzRNN": LipschitzRNN,
    "UnICORNN": UnICORNN,
    "Tilted": lambda *sizes, **options: Tilted(GRU(*sizes, **options)),
    "Stacked": lambda *sizes, **options: Stacked([LSTM(2, 3, **options), GRU(3, 3, **options)]),
}
OMEGA = penalties.Omega(0.3)


def parts(name="LSTM"):
    return LAYERS[name](2, 3, dtype=np.float64, rng=0), Dense(3, 2, dtype=np.float64, rng=1)


class ByHand(Module):
    """What a model without a method of its own is compared with."""

    def __init__(self, layer, out):
        self.layer, self.out = layer, out

    def states(self, u, mask=None):
        return self.layer.states(u, mask=mask)

    def readout(self, h):
        return self.out(h)


class Inside(Module):
    """A recurrent layer somewhere in forward, its outputs averaged over time."""

    def __init__(self, layer, out):
        self.parts = [layer, out]

    def forward(self, u, mask=None):
        layer, out = self.parts
        return out(layer(u, mask=mask, sequences=True).mean(axis=1))


def trained(model, inputs, penalty=OMEGA, steps=3, **options):
    step = Step(model, losses.cross_entropy, SGD(model.parameters(), 0.1), penalties=[penalty], **options)
    numbers = [step(inputs, Y) for _ in range(steps)]
    return numbers, [p.value for p in model.parameters()]


@pytest.mark.parametrize("eager", [False, True])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("name", LAYERS)
def test_a_sequence_of_a_recurrent_layer_and_a_readout_trains_as_one_written_by_hand(name, masked, eager):
    found, by_hand = (
        trained(kind(*parts(name)), {argument: U, "mask": MASK} if masked else U, eager=eager)
        for kind, argument in ((Sequential, "x"), (ByHand, "u"))
    )
    for row, expected in zip(found[0], by_hand[0], strict=True):
        assert row["penalty"] != 0 or name == "IRNN"  # which starts with adjoints of one length
        np.testing.assert_allclose(list(row.values()), list(expected.values()), rtol=1e-12)
    for a, b in zip(found[1], by_hand[1], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-14)


def test_fit_takes_a_recurrent_layer_and_a_readout_with_penalties():
    model = Sequential(LSTM(2, 4, rng=0), Dense(4, 2, rng=1))
    history = fit(
        model, U, Y, loss=losses.cross_entropy, optimizer=SGD(model.parameters(), 0.1), penalties=[OMEGA, penalties.L2(1e-3)],
        epochs=3, validation=(U, Y), quiet=True,
    )  # fmt: skip
    assert history["loss"][-1] < history["loss"][0]
    assert all(penalty > 0 for penalty in history["penalty"])


def test_a_layer_alone_is_a_model_too():
    layer, _ = parts("GRU")
    step = Step(layer, losses.mean_squared_error, SGD(layer.parameters(), 0.0), penalties=[OMEGA])
    targets = np.ones((4, 3))
    steps = layer.states(U)
    expected = OMEGA(losses.mean_squared_error(steps.last, targets), steps)
    np.testing.assert_allclose(step(U, targets)["penalty"], float(expected), rtol=1e-12)


def test_every_time_step_may_lead_to_the_loss():
    layer, out = parts("GRU")
    numbers, _ = trained(Inside(layer, out), U, steps=1)
    layer, out = parts("GRU")
    steps = layer.states(U)
    loss = losses.cross_entropy(out(mg.ops.stack(steps, axis=1).mean(axis=1)), Y)
    np.testing.assert_allclose(numbers[0]["penalty"], float(OMEGA(loss, steps)), rtol=1e-12)


def test_of_several_recurrent_layers_the_last_one_counts():
    layers = LSTM(2, 3, dtype=np.float64, sequences=True, rng=0), GRU(3, 3, dtype=np.float64, rng=1)
    out = Dense(3, 2, dtype=np.float64, rng=2)
    numbers, _ = trained(Sequential(layers[0], Dropout(0.0), layers[1], out), U, steps=1)
    layers = LSTM(2, 3, dtype=np.float64, sequences=True, rng=0), GRU(3, 3, dtype=np.float64, rng=1)
    steps = layers[1].states(layers[0](U))
    expected = OMEGA(losses.cross_entropy(out(steps.last), Y), steps)
    assert numbers[0]["penalty"] != float(expected)  # out was trained meanwhile
    out = Dense(3, 2, dtype=np.float64, rng=2)
    expected = OMEGA(losses.cross_entropy(out(steps.last), Y), steps)
    np.testing.assert_allclose(numbers[0]["penalty"], float(expected), rtol=1e-12)


def test_an_rnn_within_a_model_is_seen_with_what_the_immediate_form_needs():
    def net():
        return RNN(2, 3, 2, dtype=np.float64, rng=0)

    for form in ("exact", "immediate"):
        penalty = penalties.Omega(0.3, form)
        (within, *_), (alone, *_) = (trained(model, U, penalty)[0] for model in (Sequential(net()), net()))
        np.testing.assert_allclose(list(within.values()), list(alone.values()), rtol=1e-12)


def test_states_that_no_loss_was_made_of_are_named():
    """Both directions end in nodes of their own; the steps' outputs side by side are made beside them."""
    model = Sequential(Bidirectional(GRU(2, 2, rng=0), GRU(2, 1, rng=1)), Dense(3, 2, rng=2))
    with pytest.raises(ValueError, match="no path leads"):
        trained(model, U.astype(np.float32))
    every = Sequential(
        Bidirectional(GRU(2, 2, rng=0), GRU(2, 1, rng=1), sequences=True),
        lambda h: h.cumsum(axis=1)[:, -1] + h[:, 2],
        Dense(3, 2, rng=2),
    )
    assert trained(every, U.astype(np.float32))[0][0]["penalty"] > 0


class Idle(Module):
    def __init__(self):
        self.layer, self.out = GRU(2, 3, rng=0), Dense(2, 2, rng=0)

    def forward(self, u):
        return self.out(u[:, 0])


def test_a_model_that_runs_no_recurrent_layer_says_so():
    model = Idle()
    with pytest.raises(TypeError, match="and Idle called none of its recurrent layers: let forward call one"):
        trained(model, U.astype(np.float32))
    dense = Sequential(Dense(2, 2))
    with pytest.raises(TypeError, match="there is none in Sequential: take RNN, or a model with a recurrent layer"):
        trained(dense, U[:, 0].astype(np.float32))

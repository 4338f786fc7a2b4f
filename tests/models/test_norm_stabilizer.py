import numpy as np
import pytest

import minigrad as mg
from minigrad.models import GRU, LSTM, RNN, Dense, Sequential, Stacked, losses
from minigrad.models.penalties import NormStabilizer
from minigrad.optim import SGD, fit
from minigrad.optim.training import Step

RNG = np.random.default_rng(0)
INPUTS = RNG.normal(size=(5, 6, 2))
TARGETS = RNG.integers(3, size=5)


def expected(states, mask=None):
    """The mean over the examples of the mean squared difference of neighboring norms, each example alone."""
    found = []
    for row in range(states.shape[1]):
        norms = np.linalg.norm(states[:, row] if mask is None else states[mask[row], row], axis=-1)
        found.append((np.diff(norms) ** 2).mean() if len(norms) > 1 else 0.0)
    return np.mean(found)


def test_its_value_and_gradient():
    states = [mg.Input(x) for x in RNG.normal(size=(4, 3, 2))]
    loss = mg.Constant(1.0)  # which it does not look at
    np.testing.assert_allclose(
        float(NormStabilizer(2.0)(loss, states)), 2 * expected(np.stack([x.value for x in states]))
    )
    mg.check_gradients(lambda *x: NormStabilizer()(loss, x), *[x.value for x in states], order=2)
    norms = np.array([[3.0, 1.0], [4.0, 1.0], [6.0, 0.0]])  # (1 + 4)/2 and (0 + 1)/2, by hand
    states = [mg.Input(np.stack([n, 0 * n], axis=-1)) for n in norms]
    assert float(NormStabilizer()(loss, states)) == 1.5
    assert np.isfinite(mg.gradients(NormStabilizer()(loss, states), states)[-1].value).all()  # where a state is 0


@pytest.mark.parametrize("layer", [LSTM, GRU])
def test_it_takes_the_outputs_of_a_layer_and_leaves_padding_out(layer):
    made = layer(2, 3, dtype=np.float64, rng=0)
    mask = np.arange(6) < np.array([6, 1, 4, 3, 2])[:, np.newaxis]
    for given in (None, mask):
        steps = made.states(INPUTS, mask=given)
        outputs = np.stack([h.value for h in steps])
        np.testing.assert_allclose(
            float(NormStabilizer()(steps.last.mean(), steps)), expected(outputs, given), rtol=1e-12
        )


def test_one_state_has_no_neighbor():
    x = mg.Parameter(np.ones((2, 3)))
    G = NormStabilizer()(x.sum(), [x])
    assert float(G) == 0
    assert not mg.gradients(G, [x])[0].value.any()


def test_the_step_from_the_start_may_be_counted():
    net = RNN(2, 3, 3, dtype=np.float64, rng=0)
    x_0 = mg.Input(np.zeros((5, 3)))
    states = net.states(INPUTS, x_0)
    loss = losses.cross_entropy(net.readout(states[-1]), TARGETS)
    found = float(NormStabilizer()(loss, [x_0, *states]))
    np.testing.assert_allclose(found, expected(np.stack([x.value for x in [x_0, *states]])), rtol=1e-12)


MODELS = {
    "RNN": lambda **options: RNN(2, 4, 3, **options),
    "LSTM": lambda **options: Sequential(LSTM(2, 4, **options), Dense(4, 3, **options)),
    "Stacked": lambda **options: Sequential(
        Stacked([GRU(2, 4, **options), GRU(4, 4, **options)]), Dense(4, 3, **options)
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_it_is_trained_with_compiled_and_eager(name):
    found = []
    for eager in (False, True):
        net = MODELS[name](dtype=np.float64, rng=0)
        step = Step(net, losses.cross_entropy, SGD(net.parameters(), 0.2), penalties=[NormStabilizer(5.0)], eager=eager)
        numbers = [step(INPUTS, TARGETS) for _ in range(12)]
        assert numbers[-1]["penalty"] < numbers[0]["penalty"]
        found.append(net.state_dict())
    for key, array in found[0].items():
        np.testing.assert_allclose(found[1][key], array, rtol=1e-10, atol=1e-12)


def test_fit_hands_it_the_mask_of_the_lengths():
    net = MODELS["LSTM"](dtype=np.float64, rng=0)
    lengths = np.array([6, 1, 4, 3, 2])
    padded = np.where(np.arange(6)[:, np.newaxis] < lengths[:, np.newaxis, np.newaxis], INPUTS, np.nan)
    history = fit(net, padded, TARGETS, lengths=lengths, loss=losses.cross_entropy, optimizer=SGD(net.parameters(), 0.1),
                  penalties=[NormStabilizer()], epochs=2, quiet=True)  # fmt: skip
    assert np.isfinite(history["penalty"]).all()


def test_it_says_what_it_expects():
    x = mg.Input(np.ones((2, 3)))
    for states in ([], x):
        with pytest.raises(
            ValueError, match=r"NormStabilizer\(loss, states\): expected a sequence of at least one node"
        ):
            NormStabilizer()(x.sum(), states)

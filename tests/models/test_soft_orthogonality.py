from typing import Any

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
    Sequential,
    SimpleRNN,
    Stacked,
    Tilted,
    UnICORNN,
    Unrolled,
    initializers,
    losses,
)
from minigrad.models.penalties import L2, SoftOrthogonality
from minigrad.optim import SGD, fit
from minigrad.optim.training import Step

OPTIONS: dict[str, Any] = {"dtype": np.float64, "rng": 0, "initializer": initializers.normal(0.7)}


def of_blocks(*blocks):
    return sum(((W.T @ W - np.eye(W.shape[1])) ** 2).sum() for W in blocks)


def test_its_value_and_gradient():
    W = np.array([[1.0, 2.0], [0.0, 1.0]])  # W'W = [[1, 2], [2, 5]]
    w = mg.Parameter(W)
    penalized = SoftOrthogonality(0.5)(w)
    assert float(penalized) == 0.5 * (0 + 4 + 4 + 16)
    np.testing.assert_allclose(mg.gradients(penalized, [w])[0].value, 0.5 * 4 * W @ (W.T @ W - np.eye(2)), rtol=1e-14)
    assert SoftOrthogonality().weight == 0.01


@pytest.mark.parametrize("shape", [(3, 3), (6, 3), (5, 3), (2, 3)])
def test_its_derivatives_of_two_orders(shape):
    W = np.random.default_rng(0).normal(size=shape)
    mg.check_gradients(lambda w: SoftOrthogonality(0.3)(w), W, order=2)


def test_a_stack_of_square_blocks_counts_block_by_block_and_else_the_smaller_product():
    W = np.random.default_rng(0).normal(size=(6, 3))
    np.testing.assert_allclose(float(SoftOrthogonality(1.0)(mg.Input(W))), of_blocks(W[:3], W[3:]), rtol=1e-13)
    for part in (W[:5], W[:2].T):
        np.testing.assert_allclose(float(SoftOrthogonality(1.0)(mg.Input(part))), of_blocks(part), rtol=1e-13)
    np.testing.assert_allclose(float(SoftOrthogonality(1.0)(mg.Input(W[:2]))), of_blocks(W[:2].T), rtol=1e-13)


def test_it_is_0_of_orthogonal_matrices():
    for layer in (LSTM(2, 4, dtype=np.float64, rng=0), GRU(2, 4, dtype=np.float64, rng=0)):  # which start orthogonal
        assert float(SoftOrthogonality(1.0)(layer)) < 1e-26


def split(layer, n_blocks):
    return np.split(layer.cell.W_h.value, n_blocks)


CHOSEN = {
    "RNN": (RNN(3, 2, 4, **OPTIONS), lambda net: [net.W.value]),
    "SimpleRNN": (SimpleRNN(3, 2, **OPTIONS), lambda layer: split(layer, 1)),
    "LSTM": (LSTM(3, 2, **OPTIONS), lambda layer: split(layer, 4)),
    "GRU": (GRU(3, 2, **OPTIONS), lambda layer: split(layer, 3)),
    "IRNN": (IRNN(3, 2, recurrent_initializer=initializers.normal(1), dtype=np.float64, rng=0), lambda x: split(x, 1)),
    "InverseRNN": (InverseRNN(3, 2, **OPTIONS), lambda layer: split(layer, 1)),
    "Tilted": (Tilted(SimpleRNN(3, 2, **OPTIONS)), lambda layer: split(layer.layer, 1)),
    "Sequential": (
        Sequential(Dense(3, 3, **OPTIONS), LSTM(3, 2, **OPTIONS), Dense(2, 2, **OPTIONS)),
        lambda net: split(net[1], 4),
    ),
    "Stacked": (
        Stacked([GRU(3, 2, **OPTIONS), SimpleRNN(2, 2, **OPTIONS)]),
        lambda net: [*split(net.layers[0], 3), *split(net.layers[1], 1)],
    ),
    "Bidirectional": (
        Bidirectional(GRU(3, 2, **OPTIONS), LSTM(3, 2, **OPTIONS)),
        lambda net: [*split(net.ahead, 3), *split(net.back, 4)],
    ),
}


@pytest.mark.parametrize("name", CHOSEN)
def test_it_chooses_the_recurrent_matrices(name):
    model, blocks = CHOSEN[name]
    np.testing.assert_allclose(float(SoftOrthogonality(0.1)(model)), 0.1 * of_blocks(*blocks(model)), rtol=1e-13)
    role = float(L2(1.0, role="recurrent")(model))
    np.testing.assert_allclose(role, sum((W**2).sum() for W in blocks(model)), rtol=1e-13)


@pytest.mark.parametrize(
    "model", [AntisymmetricRNN(2, 3), ExpRNN(2, 3), LipschitzRNN(2, 3), UnICORNN(2, 3), Dense(3, 3)],
    ids=lambda model: type(model).__name__,
)  # fmt: skip
def test_where_no_parameter_is_a_recurrent_matrix_it_says_so(model):
    with pytest.raises(ValueError, match=r"SoftOrthogonality\(role='recurrent'\) chooses none .*: write names="):
        SoftOrthogonality()(model)


def test_a_frozen_matrix_is_not_chosen():
    net = Sequential(SimpleRNN(3, 2, **OPTIONS), GRU(2, 2, **OPTIONS))
    net[0].freeze()
    np.testing.assert_allclose(float(SoftOrthogonality(1.0)(net)), of_blocks(*split(net[1], 3)), rtol=1e-13)


def test_it_is_chosen_otherwise_by_names_and_roles():
    net = RNN(3, 2, 4, **OPTIONS)
    np.testing.assert_allclose(float(SoftOrthogonality(1.0, names="R")(net)), of_blocks(net.R.value.T), rtol=1e-13)
    every = SoftOrthogonality(1.0, role="weights")(net)
    wanted = of_blocks(net.W.value, net.R.value.T, net.V.value[:2], net.V.value[2:])
    np.testing.assert_allclose(float(every), wanted, rtol=1e-13)
    with pytest.raises(ValueError, match=r"SoftOrthogonality: expected matrices, found .*b_1.*choose others by names="):
        SoftOrthogonality(names="b_1")(net)


def test_a_cell_of_ones_own_names_its_matrices():
    class Turned(Cell):
        recurrent_names = ("turn",)

        def __init__(self):
            super().__init__(2, 2, dtype=np.float64)
            self.turn = mg.Parameter(2 * np.eye(2))

        def step(self, driven, state, shared):
            return (state[0] @ self.turn + driven,)

    assert float(SoftOrthogonality(1.0)(Unrolled(Turned()))) == 18


@pytest.mark.parametrize("kind", ["RNN", "LSTM"])
def test_training_with_it_makes_W_orthogonal_compiled_and_eager(kind):
    rng = np.random.default_rng(1)
    u, y = rng.normal(size=(6, 5, 2)), rng.integers(3, size=6)
    options = OPTIONS | {"initializer": initializers.normal(0.3)}
    found = []
    for eager in (False, True):
        net = RNN(2, 4, 3, **options) if kind == "RNN" else Sequential(LSTM(2, 4, **options), Dense(4, 3, **options))
        start = float(SoftOrthogonality(1.0)(net))
        step = Step(
            net, losses.cross_entropy, SGD(net.parameters(), 0.1), penalties=[SoftOrthogonality(0.5)], eager=eager
        )
        for _ in range(40):
            step(u, y)
        assert float(SoftOrthogonality(1.0)(net)) < 0.05 * start
        found.append(net.state_dict())
    for key, array in found[0].items():
        np.testing.assert_allclose(found[1][key], array, rtol=1e-9, atol=1e-11)
    history = fit(net, u, y, loss=losses.cross_entropy, optimizer=SGD(net.parameters(), 0.1), epochs=2, quiet=True,
                  penalties=[SoftOrthogonality(0.5), L2(1e-4)])  # fmt: skip
    assert history["penalty"][-1] > 0

"""Antisymmetric, exponential, inverse, Lipschitz, UnICORNN, IRNN and tilted: their formulas, and what each promises.

What all recurrent layers have in common (masks, derivatives over time, replays) is tested in test_recurrent.py.
"""

import copy
import re

import numpy as np
import pytest

import minigrad as mg
from minigrad.models import (
    IRNN,
    AntisymmetricRNN,
    AntisymmetricRNNCell,
    ExpRNN,
    ExpRNNCell,
    InverseRNN,
    InverseRNNCell,
    IRNNCell,
    LipschitzRNN,
    LipschitzRNNCell,
    SimpleRNN,
    Tilted,
    UnICORNN,
    UnICORNNCell,
    initializers,
    losses,
    penalties,
)
from minigrad.optim import SGD, Step

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 2))
U = RNG.normal(size=(3, 6, 2))
OPTIONS = {
    IRNNCell: {},
    AntisymmetricRNNCell: {"epsilon": 0.4, "gamma": 0.3},
    ExpRNNCell: {},
    InverseRNNCell: {"invert_every": 2},
    LipschitzRNNCell: {"epsilon": 0.4, "beta": 0.7, "gamma": 0.3},
    UnICORNNCell: {"epsilon": 0.6, "alpha": 0.8},
}
LAYERS = [IRNN, AntisymmetricRNN, ExpRNN, InverseRNN, LipschitzRNN, UnICORNN]


def cell_of(kind, n_units=3, **options):
    """A cell in float64 whose weights and biases are all away from 0."""
    cell = kind(2, n_units, dtype=np.float64, rng=1, **OPTIONS[kind], **options)
    rng = np.random.default_rng(2)
    for parameter in cell.parameters():
        parameter.value = rng.normal(size=parameter.shape) * 0.7
    return cell


def state_of(cell):
    rng = np.random.default_rng(3)
    return [rng.normal(size=(3, cell.n_units)) for _ in range(cell.n_parts)]


def arrays(cell):
    return {name: p.value for name, p in cell.named_parameters()}


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


# The cells are their formulas --------------------------------------------------------------------------------------


def irnn(cell, x, h, W_x, W_h, b):
    return [np.maximum(x @ W_x.T + h @ W_h.T + b, 0)]


def antisymmetric(cell, x, h, W_x, W_h, b):
    A = W_h - W_h.T - 0.3 * np.eye(3)
    return [h + 0.4 * np.tanh(h @ A.T + x @ W_x.T + b)]


def exponential(cell, x, h, W_x, W_h, c):
    A = np.triu(W_h, 1)
    A = A - A.T
    Q = term = np.eye(3)
    for k in range(1, 40):
        term = term @ A / k
        Q = Q + term
    p = h @ Q.T + x @ W_x.T
    return [np.sign(p) * np.maximum(0, np.abs(p) + c)]


def inverse(cell, x, h, n, W_x, W_h, b):
    """Row by row: the counters of the start differ."""
    inverts = np.floor(n / 2) % 2 == 0
    forth, back = h @ W_h.T, h @ np.linalg.inv(W_h).T
    return [np.tanh(np.where(inverts, back, forth) + x @ W_x.T + b), n + 1]


def lipschitz(cell, x, h, W_x, W_h, b, W_a):
    A, W = (0.3 * (M + M.T) + 0.7 * (M - M.T) - 0.3 * np.eye(3) for M in (W_a, W_h))
    return [h + 0.4 * (h @ A.T + np.tanh(h @ W.T + x @ W_x.T + b))]


def unicornn(cell, x, y, z, W_x, W_h, b, c):
    delta = 0.6 * (0.5 + 0.5 * np.tanh(c / 2))
    z = z - delta * (np.tanh(W_h * y + x @ W_x.T + b) + 0.8 * y)
    return [y + delta * z, z]


FORMULAS = {
    IRNNCell: irnn,
    AntisymmetricRNNCell: antisymmetric,
    ExpRNNCell: exponential,
    InverseRNNCell: inverse,
    LipschitzRNNCell: lipschitz,
    UnICORNNCell: unicornn,
}


@pytest.mark.parametrize("kind", FORMULAS, ids=lambda kind: kind.__name__)
def test_a_cell_is_its_formula(kind):
    cell = cell_of(kind)
    state = state_of(cell)
    expected = FORMULAS[kind](cell, X, *state, **arrays(cell))
    for found, wanted in zip(cell(X, state), expected, strict=True):
        np.testing.assert_allclose(found.value, wanted, rtol=1e-12, atol=1e-14)


def test_a_tilted_average_is_its_formula():
    h = np.stack([node.value for node in SimpleRNN(2, 3, dtype=np.float64, rng=0).states(U)])
    for beta in (3.0, -0.5):
        mean = np.exp(beta * h).mean(axis=0)
        for form, expected in (("mean", np.log(mean) / beta), ("tanh", np.log(np.tanh(mean)) / beta)):
            layer = Tilted(SimpleRNN(2, 3, dtype=np.float64, rng=0), beta, form=form)
            np.testing.assert_allclose(layer(U).value, expected, rtol=1e-12)
            np.testing.assert_array_equal(layer(U, sequences=True).value, h.swapaxes(0, 1))
    large = Tilted(SimpleRNN(2, 3, dtype=np.float64, rng=0), 1e4)
    np.testing.assert_allclose(large(U).value, h.max(axis=0), atol=1e-3)


def test_an_inverse_takes_turns_from_the_inverse_on():
    layer = InverseRNN(2, 3, lambda p: p, invert_every=2, dtype=np.float64, rng=0)
    layer.cell.W_h.value = RNG.normal(size=(3, 3))
    layer.cell.W_x.value, layer.cell.b.value = np.zeros((3, 2)), np.zeros(3)
    W, h = layer.cell.W_h.value, RNG.normal(size=(3, 3))
    back = np.linalg.inv(W)
    steps = layer.states(U, (h, np.zeros((3, 3))))
    for t, M in enumerate((back, back @ back, W @ back @ back, np.eye(3), back, back @ back)):
        np.testing.assert_allclose(steps[t].value, h @ M.T, rtol=1e-10)


def test_a_matrix_without_inverse_is_an_error():
    layer = InverseRNN(2, 2, dtype=np.float64, rng=0)
    layer.cell.W_h.value = np.ones((2, 2))
    with pytest.raises(np.linalg.LinAlgError, match="Singular matrix"):
        layer(U)


# What each promises ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 5, 20])
@pytest.mark.parametrize("start", [initializers.cayley(), initializers.henaff(), initializers.normal(3.0)])
def test_the_recurrent_matrix_of_an_exponential_cell_is_orthogonal(n, start):
    cell = ExpRNNCell(2, n, recurrent_initializer=start, dtype=np.float64, rng=0)
    (Q_T,) = cell.shared()
    np.testing.assert_allclose(Q_T.value @ Q_T.value.T, np.eye(n), atol=1e-12)


def test_training_leaves_it_orthogonal_and_the_lower_triangle_alone():
    layer = ExpRNN(2, 4, dtype=np.float64, rng=0)
    before = layer.cell.W_h.value.copy()
    step = Step(layer, losses.mean_squared_error, SGD(layer.parameters(), 0.5))
    for _ in range(20):
        step(U, np.ones((3, 4)))
    W_h, (Q_T,) = layer.cell.W_h.value, layer.cell.shared()
    np.testing.assert_allclose(Q_T.value @ Q_T.value.T, np.eye(4), atol=1e-12)
    assert np.abs(np.triu(W_h - before, 1)).max() > 1e-3
    np.testing.assert_array_equal(np.tril(W_h), np.tril(before))


def test_adjoints_of_an_exponential_cell_keep_their_length_while_its_units_are_open():
    layer = ExpRNN(2, 5, dtype=np.float64, rng=0)
    layer.cell.c.value = np.full(5, 0.1)  # |p| + c > 0 always
    steps = layer.states(RNG.normal(size=(3, 40, 2)))
    norms = [np.linalg.norm(g.value, axis=1) for g in penalties.adjoints((steps.last**2).sum(), steps)]
    np.testing.assert_allclose(norms, np.tile(norms[-1], (40, 1)), rtol=1e-12)


@pytest.mark.parametrize(
    ("epsilon", "gamma", "scale"), [(0.01, 0.01, 1.0), (0.1, 0.0, 1.0), (0.2, 0.5, 0.3), (0.3, 3.0, 1.0)]
)
def test_adjoints_of_a_linear_antisymmetric_net_stay_within_the_bound(epsilon, gamma, scale):
    """Of 1 + ε λ, λ = −γ ± i ω: no factor below the one without rotation, none above the one of the fastest."""
    layer = AntisymmetricRNN(2, 5, lambda p: p, epsilon=epsilon, gamma=gamma, dtype=np.float64, rng=0)
    W = layer.cell.W_h.value = RNG.normal(size=(5, 5)) * scale
    steps = layer.states(RNG.normal(size=(4, 50, 2)))
    norms = np.array([np.linalg.norm(g.value, axis=1) for g in penalties.adjoints((steps.last**2).sum(), steps)])
    k = np.arange(49, -1, -1)[:, np.newaxis]
    omega = np.linalg.norm(W - W.T, 2)
    least, most = abs(1 - epsilon * gamma), np.hypot(1 - epsilon * gamma, epsilon * omega)
    assert (norms >= least**k * norms[-1] * (1 - 1e-12)).all()
    assert (norms <= most**k * norms[-1] * (1 + 1e-12)).all()
    assert (norms[0] != norms[-1]).all()
    eigenvalues = np.linalg.eigvals(W - W.T - gamma * np.eye(5))
    np.testing.assert_allclose(
        np.abs(1 + epsilon * eigenvalues).max(), most, rtol=1e-12
    )  # the paper's condition: at most 1
    np.testing.assert_allclose(eigenvalues.real, -gamma, atol=1e-12)


def test_an_irnn_starts_by_remembering():
    layer = IRNN(2, 4, dtype=np.float64, rng=0)
    np.testing.assert_array_equal(layer.cell.W_h.value, np.eye(4))
    assert 0 < np.abs(layer.cell.W_x.value).max() < 0.01
    h = np.abs(RNG.normal(size=(3, 4)))
    steps = layer.states(np.zeros((3, 30, 2)), h)
    np.testing.assert_array_equal(steps.last.value, h)
    first, *_, last = penalties.adjoints((steps.last**2).sum(), steps)
    np.testing.assert_array_equal(first.value, last.value)


def test_a_tilted_average_reaches_every_time_step():
    """An IRNN that forgets at once: without the average no adjoint would reach its early steps."""
    inner = IRNN(2, 3, initializer=initializers.constant(0.5), recurrent_initializer=initializers.zeros, rng=0)
    for layer, reach in ((inner, 1), (Tilted(inner), 6)):
        steps = layer.states(np.abs(U))
        assert sum(g.value.any() for g in mg.gradients(steps.last.sum(), steps)) == reach


# How they start ------------------------------------------------------------------------------------------------------


def test_antisymmetric_starts():
    for start, largest in ((initializers.cayley(), 1.0), (initializers.henaff(), np.pi)):
        for n in (1, 2, 5, 6):
            a = start((n, n), np.random.default_rng(0), np.float64)
            np.testing.assert_array_equal(a, -a.T)
            assert np.count_nonzero(a) == n // 2 * 2
            assert np.abs(a).max() < largest
            angles = np.abs(np.angle(np.linalg.eigvals(mg.expm(a).value)))
            np.testing.assert_allclose(np.sort(angles)[n % 2 :: 2], np.sort(np.abs(np.diag(a, 1)[::2])), atol=1e-12)
    with pytest.raises(ValueError, match=r"antisymmetric: only a square matrix can be that, and the shape is \(2, 3\)"):
        initializers.cayley()((2, 3), RNG, np.float64)
    with pytest.raises(ValueError, match="only a matrix can be antisymmetric"):
        initializers.henaff()((3,), RNG, np.float64)


@pytest.mark.parametrize(
    ("kind", "name", "std"),
    [
        (IRNNCell, "W_x", 0.001),
        (AntisymmetricRNNCell, "W_h", 0.01 / 200),
        (LipschitzRNNCell, "W_h", 0.1 / 200),
        (LipschitzRNNCell, "W_a", 0.1 / 200),
        (ExpRNNCell, "W_x", 0.1),
        (ExpRNNCell, "c", 0.01 / np.sqrt(3)),
        (UnICORNNCell, "W_h", 1 / np.sqrt(12)),
        (UnICORNNCell, "c", 0.1 / np.sqrt(3)),
    ],
)
def test_weights_start_with_the_spread_that_is_said(kind, name, std):
    cell = kind(100, 200, dtype=np.float64, rng=0)
    np.testing.assert_allclose(cell.state_dict()[name].std(), std, rtol=0.15)


def test_initializers_that_are_given_are_taken():
    half = initializers.constant(0.5)
    for kind in OPTIONS:
        cell = kind(2, 3, initializer=half, recurrent_initializer=initializers.uniform(0.2, 0.3), rng=0)
        assert (cell.W_x.value == 0.5).all()
        assert ((cell.W_h.value >= 0.2) & (cell.W_h.value < 0.3)).all()


@pytest.mark.parametrize(
    ("kind", "n_parameters"),
    [
        (IRNNCell, 77),
        (AntisymmetricRNNCell, 77),
        (ExpRNNCell, 77),
        (InverseRNNCell, 77),
        (LipschitzRNNCell, 126),
        (UnICORNNCell, 42),
    ],
)
def test_the_numbers_of_parameters(kind, n_parameters):
    assert kind(3, 7, rng=0).n_parameters() == n_parameters


# Derivatives, dtypes, programs -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", OPTIONS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("order", [1, 2])
def test_one_step_is_differentiated_by_inputs_states_and_parameters(kind, order):
    cell = cell_of(kind, n_units=2)
    names = list(cell.state_dict())

    def step(x, *rest):
        twin = copy.copy(cell)
        for name, parameter in zip(names, rest[cell.n_parts :], strict=True):
            setattr(twin, name, parameter)
        return twin(x, rest[: cell.n_parts])

    mg.check_gradients(step, X, *state_of(cell), *[p.value for p in cell.parameters()], order=order)


@pytest.mark.parametrize("kind", [*LAYERS, Tilted], ids=lambda kind: kind.__name__)
def test_float32_stays_and_programs_give_what_nodes_give(kind):
    layer = Tilted(SimpleRNN(2, 3, rng=0)) if kind is Tilted else kind(2, 3, rng=0)
    parameters = layer.parameters()

    def penalized(u, mask):
        steps = layer.states(u, mask=mask)
        loss = (steps.last**2).mean()
        total = loss + penalties.Omega(0.1)(loss, steps)
        return total, *mg.gradients(total, parameters)

    program = mg.compile(penalized)
    mask = np.arange(6) < np.array([6, 2, 4])[:, np.newaxis]
    u = U.astype(np.float32)
    inputs, given = mg.Input(u), mg.Input(mask)
    graph = mg.Graph(*penalized(inputs, given))
    for arguments in ((u, mask), (u[::-1].copy(), mask[::-1].copy()), (u * 2, np.ones((3, 6), bool))):
        expected = penalized(*map(mg.Input, arguments))
        replayed = graph.fprop(dict(zip((inputs, given), arguments, strict=True)))
        for node, found, again in zip(expected, program(*arguments), replayed, strict=True):
            assert node.dtype == found.dtype == again.dtype == np.float32
            np.testing.assert_allclose(found, node.value, rtol=1e-4, atol=1e-6)
            np.testing.assert_array_equal(again, node.value)


@pytest.mark.parametrize("kind", OPTIONS, ids=lambda kind: kind.__name__)
def test_dropout_draws_in_training_only(kind):
    cell = cell_of(kind, dropout=0.5, recurrent_dropout=0.5)
    state = state_of(cell)
    drawn = [cell(X, state)[0].value for _ in range(2)]
    assert (drawn[0] != drawn[1]).any()
    cell.eval()
    np.testing.assert_allclose(cell(X, state)[0].value, FORMULAS[kind](cell, X, *state, **arrays(cell))[0], rtol=1e-12)


# Bad input -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: AntisymmetricRNN(2, 3, epsilon=-1.0),
            "AntisymmetricRNNCell(epsilon=-1.0): expected a finite number of at least 0",
        ),
        (lambda: AntisymmetricRNN(2, 3, gamma=np.nan), "AntisymmetricRNNCell(gamma=nan): expected a finite number"),
        (
            lambda: LipschitzRNN(2, 3, beta=1.5),
            "LipschitzRNNCell(beta=1.5): the antisymmetric share is a number from 0 to 1",
        ),
        (lambda: LipschitzRNN(2, 3, epsilon=np.inf), "LipschitzRNNCell(epsilon=inf): expected a finite number"),
        (lambda: UnICORNN(2, 3, alpha=-0.1), "UnICORNNCell(alpha=-0.1): expected a finite number"),
        (lambda: InverseRNN(2, 3, invert_every=0), "InverseRNNCell(invert_every=0): expected an integer of at least 1"),
        (lambda: Tilted(SimpleRNN(2, 3), 0.0), "Tilted(beta=0.0): expected a finite number other than 0"),
        (
            lambda: Tilted(SimpleRNN(2, 3), form="max"),  # type: ignore[arg-type]
            "Tilted(form='max'): expected one of 'mean', 'tanh'",
        ),
        (lambda: ExpRNN(2, 0), "ExpRNNCell(n_units=0): expected an integer of at least 1"),
        (
            lambda: UnICORNN(2, 3, recurrent_initializer=initializers.orthogonal()),
            "only a matrix can be orthogonal, and the shape is (3,)",
        ),
    ],
)
def test_wrong_constructions_are_refused(make, message):
    for kind in (LipschitzRNN, lambda *sizes, beta: Tilted(SimpleRNN(*sizes), beta)):
        with pytest.raises(TypeError, match=r"\(beta='x'\): expected a number, not str"):
            kind(2, 3, beta="x")
    with pytest.raises(ValueError, match=re.escape(message)):
        make()
    with pytest.raises(
        TypeError, match=re.escape("Tilted: expected recurrent layers, such as GRU(2, 3), found IRNNCell")
    ):
        Tilted(IRNNCell(2, 3))

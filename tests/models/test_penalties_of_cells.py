"""Every penalty on adjoints with every cell, over 1, 2 and 7 time steps, with and without a mask.

Gradients against differences along random directions; those of RNN, LSTM and GRU against backpropagation by hand, which is
differentiated by a complex step.
"""

import functools
import inspect
from operator import attrgetter

import numpy as np
import pytest

import minigrad as mg
from minigrad.models import (
    GRU,
    IRNN,
    LSTM,
    RNN,
    AntisymmetricRNN,
    Dense,
    ExpRNN,
    InverseRNN,
    LipschitzRNN,
    Sequential,
    SimpleRNN,
    Tilted,
    UnICORNN,
    losses,
    penalties,
)
from minigrad.optim.training import outputs_and_states
from tests.models import second_backpropagation as closed
from tests.models.test_penalties import EXACT

BATCH = 3
LENGTHS = {1: [1, 1, 1], 2: [2, 1, 2], 7: [7, 3, 5]}
KINDS = {kind for _, kind in inspect.getmembers(penalties, inspect.isclass)
         if issubclass(kind, penalties.Penalty) and kind is not penalties.Penalty}  # fmt: skip
OPTIONS = [kind for kind in EXACT if kind not in KINDS]
SHARES = np.random.default_rng(7).uniform(0.5, 2, size=len(OPTIONS))


class WithEveryOption(penalties.Penalty):
    """One G made of those that classes with options give: one gradient tells of all."""

    def of(self, rows, counts=None):
        own = rows * float(rows.shape[1])  # ratios do not see the factor
        return sum(share * kind(1.0).of(own, counts) for share, kind in zip(SHARES, OPTIONS, strict=True))


MADE = {kind.__name__: kind(1.0) for kind in sorted(KINDS, key=attrgetter("__name__"))}
MADE["every option"] = WithEveryOption()
NAMES, PENALTIES = list(MADE), list(MADE.values())
CELLS = {
    "SimpleRNN": SimpleRNN,
    "LSTM": LSTM,
    "GRU": GRU,
    "IRNN": IRNN,
    "AntisymmetricRNN": functools.partial(AntisymmetricRNN, epsilon=0.5, gamma=0.3),
    "ExpRNN": ExpRNN,
    "InverseRNN": functools.partial(InverseRNN, invert_every=2),
    "LipschitzRNN": functools.partial(LipschitzRNN, epsilon=0.5, gamma=0.3),
    "UnICORNN": functools.partial(UnICORNN, epsilon=0.7),
    "Tilted": lambda *sizes, **options: Tilted(SimpleRNN(*sizes, **options), 2.0),
}
NETS = ["RNN", *CELLS]
BY_HAND = {"RNN": (closed.rnn_step, 1), "LSTM": (closed.lstm_step, 2), "GRU": (closed.gru_step, 1)}


def net_of(name):
    """A net of 2 inputs, 2 units and 3 outputs whose parameters are all away from 0."""
    options = {"dtype": np.float64, "rng": 0}
    net = RNN(2, 2, 3, **options) if name == "RNN" else Sequential(CELLS[name](2, 2, **options), Dense(2, 3, **options))
    rng = np.random.default_rng(4)
    for parameter in net.parameters():
        parameter.value = rng.normal(size=parameter.shape) * 0.7
    return net


def problem(steps):
    rng = np.random.default_rng(5)
    return rng.normal(size=(BATCH, steps, 2)), rng.integers(3, size=BATCH), np.arange(steps) < np.c_[LENGTHS[steps]]


def measured(net, u, targets, mask=None):
    """Every G, as nodes."""
    inputs = u if mask is None else {"x" if isinstance(net, Sequential) else "u": u, "mask": mask}
    outputs, states = outputs_and_states(net, inputs)
    loss = losses.cross_entropy(outputs, targets)
    return [penalty(loss, states) for penalty in PENALTIES]


def gradients(net, G):
    return [[g.value for g in mg.gradients(value, net.parameters())] for value in G]


def slopes(graph, parameters, directions, step=3e-5):
    """The derivatives of the graph's outputs along directions in the space of all parameters, by differences of order 4."""
    starts = [parameter.value.copy() for parameter in parameters]

    def moved(size):
        for parameter, start, direction in zip(parameters, starts, directions, strict=True):
            parameter.value = start + size * direction
        return np.array(graph.fprop())

    found = 8 * (moved(step) - moved(-step)) - (moved(2 * step) - moved(-2 * step))
    moved(0)
    return found / (12 * step)


@pytest.mark.row("PEN-10")
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("steps", LENGTHS)
@pytest.mark.parametrize("name", NETS)
def test_gradients_are_differences(name, steps, masked):
    net = net_of(name)
    u, targets, mask = problem(steps)
    G = measured(net, u, targets, mask if masked else None)
    found, graph = gradients(net, G), mg.Graph(*G)
    rng = np.random.default_rng(6)
    for _ in range(2):
        directions = [rng.normal(size=parameter.shape) for parameter in net.parameters()]
        expected = slopes(graph, net.parameters(), directions)
        for kind, value, gradient, slope in zip(NAMES, G, found, expected, strict=True):
            along = sum((g * d).sum() for g, d in zip(gradient, directions, strict=True))
            size = np.sqrt(sum((g**2).sum() for g in gradient))
            assert abs(along - slope) <= 1e-6 * max(size, abs(float(value)) * 1e-3), kind
            assert size > 0 or float(value) == 0 or name == "IRNN", kind  # whose units may all be off


@pytest.mark.parametrize("steps", LENGTHS)
@pytest.mark.parametrize("name", NETS)
def test_a_mask_that_is_true_throughout_changes_no_bit(name, steps):
    """Of any G. The sums of its gradient may be in another order."""
    net = net_of(name)
    u, targets, _ = problem(steps)
    plain, masked = measured(net, u, targets), measured(net, u, targets, np.ones((BATCH, steps), bool))
    for kind, a, b in zip(NAMES, plain, masked, strict=True):
        assert float(a) == float(b), kind
    for wanted, found in zip(gradients(net, plain), gradients(net, masked), strict=True):
        for a, b in zip(wanted, found, strict=True):
            np.testing.assert_allclose(b, a, rtol=1e-9, atol=1e-11 * max(np.abs(a).max(), 1))


@pytest.mark.parametrize("name", NETS)
def test_what_stands_in_padding_changes_no_bit(name):
    net = net_of(name)
    u, targets, mask = problem(7)
    found = []
    for filler in (0.0, np.nan, np.inf):
        G = measured(net, np.where(mask[..., np.newaxis], u, filler), targets, mask)
        found.append([*[value.value for value in G], *[part for gradient in gradients(net, G) for part in gradient]])
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", NETS)
def test_more_padding_changes_nothing(name):
    """Behind, before and between the steps that count."""
    net = net_of(name)
    u, targets, _ = problem(7)
    short = measured(net, u[:, :4], targets, np.ones((BATCH, 4), bool))
    for kept in ([0, 1, 2, 3], [3, 4, 5, 6], [0, 2, 3, 6]):
        long, mask = np.full((BATCH, 7, 2), np.nan), np.zeros((BATCH, 7), bool)
        long[:, kept], mask[:, kept] = u[:, :4], True
        padded = measured(net, long, targets, mask)
        np.testing.assert_allclose([float(G) for G in padded], [float(G) for G in short], rtol=1e-12)
        for wanted, found in zip(gradients(net, short), gradients(net, padded), strict=True):
            for a, b in zip(wanted, found, strict=True):
                np.testing.assert_allclose(b, a, rtol=1e-9, atol=1e-11 * max(np.abs(a).max(), 1))


def test_an_example_that_is_padding_alone_is_left_out():
    net = net_of("GRU")
    u, targets, mask = problem(7)
    mask[1] = False
    whole = [float(G) for G in measured(net, u, targets, mask)]
    rest = [float(G) for G in measured(net, u[[0, 2]], targets[[0, 2]], mask[[0, 2]])]
    np.testing.assert_allclose(whole, rest, rtol=1e-12)
    nothing = measured(net, u, targets, np.zeros((BATCH, 7), bool))
    assert not any(float(G) for G in nothing)
    assert not any(part.any() for gradient in gradients(net, nothing) for part in gradient)


def test_a_list_of_nodes_is_given_the_mask():
    layer = LSTM(2, 2, dtype=np.float64, rng=0)
    u, _, mask = problem(7)
    steps = layer.states(u, mask=mask)
    loss, cells = (steps.last**2).mean(), [c for _, c in steps.whole]
    for penalty in PENALTIES:
        assert float(penalty(loss, list(steps), mask)) == float(penalty(loss, steps))
    for penalty in (penalties.AdjointVariance(), penalties.RelativeVariance(), penalties.FirstAgainstLast()):
        assert float(penalty(loss, cells, mask)) != float(penalty(loss, cells))
    with pytest.raises(ValueError, match=r"Omega: expected a mask of shape \(batch, time\) = \(3, 7\)"):
        penalties.Omega()(loss, list(steps), mask[:, :5])
    with pytest.raises(TypeError, match="Omega: the mask holds float64, expected booleans"):
        penalties.Omega()(loss, list(steps), mask.astype(float))


def test_a_penalty_of_ones_own_may_leave_padding_out_or_not():
    class Largest(penalties.Penalty):
        def of(self, rows):
            return np.abs(rows).max()

    class Number(penalties.Penalty):
        def of(self, rows, counts=None):
            return mg.Constant(1.0) * (rows.shape[0] * rows.shape[1] if counts is None else counts.astype(float).sum())

    u, _, mask = problem(7)
    for given, number in ((None, 21), (mask, 15)):
        steps = SimpleRNN(2, 2, dtype=np.float64, rng=0).states(u, mask=given)
        loss = (steps.last**2).mean()
        assert float(Largest()(loss, steps)) > 0
        assert float(Number()(loss, steps)) == number


# Backpropagation by hand ---------------------------------------------------------------------------------------------


def G_of_each_alone(kind, G, rows, mask):
    """The mean over the examples, each by itself and without its padding; of the mean of ratios that over all of them."""
    of_ratios = kind in (penalties.Omega, penalties.OmegaNorms, penalties.LogRatio)
    weights = mask.sum(axis=1) - 1 if of_ratios else np.ones(len(mask))
    alone = [G(rows[counts, row : row + 1]) for row, counts in enumerate(mask)]
    return (weights * np.array(alone)).sum() / max(weights.sum(), 1)


def by_hand(name, net, u, targets, mask):
    """The value of every G and its gradient, in the order of the net's parameters."""
    step, n_parts = BY_HAND[name]
    values = [parameter.value for parameter in net.parameters()]
    order = ("W_h", "W_x", "b", "V", "b_o") if name == "RNN" else ("W_x", "W_h", "b", "V", "b_o")

    def value(p):
        states, g = closed.run_under_a_mask(step, n_parts, p, u, mask, targets, closed.cross_entropy)
        own = g * len(mask)  # for each example alone; G itself multiplies by the batch
        found = {
            kind: G(g)[0] if mask.all() else G_of_each_alone(kind, lambda rows, G=G: G(rows)[0], own, mask)
            for kind, G in EXACT.items()
        }
        stabilizer = penalties.NormStabilizer
        found[stabilizer] = G_of_each_alone(stabilizer, closed.norm_stabilizer, states, mask)
        alone = [found[kind] for kind in sorted(KINDS, key=attrgetter("__name__"))]
        return np.array([*alone, sum(share * found[kind] for share, kind in zip(SHARES, OPTIONS, strict=True))])

    p = dict(zip(order, values, strict=True))
    gradient = closed.gradient_by_complex_step(value, p)
    return zip(NAMES, value(p), zip(*gradient.values(), strict=True), strict=True)


HOLES = np.array([[0, 1, 1, 0, 1, 0, 1], [1, 1, 0, 0, 1, 1, 0], [1, 0, 1, 1, 1, 1, 1]], bool)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("steps", LENGTHS)
@pytest.mark.parametrize("name", BY_HAND)
def test_gradients_are_those_of_a_second_backpropagation_eager_and_compiled(name, steps, masked):
    net = net_of(name)
    u, targets, mask = problem(steps)

    def all_of_them(u, mask):
        G = measured(net, u, targets, mask if masked else None)
        return [G, *[mg.gradients(value, net.parameters()) for value in G]]

    program = mg.compile(all_of_them)
    program(u, mask)  # which traces
    for counts in (mask, HOLES) if masked and steps == 7 else (mask,):
        eager, compiled = all_of_them(mg.Input(u), mg.Input(counts)), program(u, counts)
        for kind, value, gradient in by_hand(name, net, u, targets, counts if masked else np.ones_like(mask)):
            k = NAMES.index(kind)
            for G in (float(eager[0][k]), float(compiled[0][k])):
                np.testing.assert_allclose(G, value, rtol=1e-11, atol=1e-14)
            for expected, node, array in zip(gradient, eager[k + 1], compiled[k + 1], strict=True):
                for found in (node.value, array):
                    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10 * max(np.abs(expected).max(), 1e-3))

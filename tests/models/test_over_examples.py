"""A G that depends on the scale of the loss is the same of the mean over the examples and of their sum."""

import functools

import numpy as np
import pytest

import minigrad as mg
from minigrad.models import LSTM, RNN, Dense, Sequential, losses, penalties
from minigrad.optim import SGD
from minigrad.optim.training import Step

RNG = np.random.default_rng(0)
BATCH = 6
INPUTS = RNG.normal(size=(BATCH, 5, 2))
CLASSES = RNG.integers(3, size=BATCH)
NUMBERS = RNG.normal(size=(BATCH, 3))
POSITIVE = NUMBERS > 0
WEIGHTS = RNG.uniform(0.5, 2, size=BATCH)
WEIGHTS /= WEIGHTS.mean()
SCALED = {
    "variance": penalties.AdjointVariance,
    "variance, sum, l1": functools.partial(penalties.AdjointVariance, norm="l1", over_time="sum"),
    "half squared norms": penalties.HalfSquaredNorms,
    "first against last": penalties.FirstAgainstLast,
}
BOTH = {
    "cross_entropy": lambda o, kind: losses.cross_entropy(o, CLASSES, over_examples=kind),
    "smoothed": lambda o, kind: losses.cross_entropy(o, CLASSES, over_examples=kind, label_smoothing=0.1),
    "weighted": lambda o, kind: losses.cross_entropy(o, CLASSES, over_examples=kind, weights=WEIGHTS),
    "one by one": lambda o, kind: getattr(losses.cross_entropy(o, CLASSES, over_examples="none"), kind)(),
    "soft": lambda o, kind: losses.categorical_cross_entropy(o, np.eye(3)[CLASSES], over_examples=kind),
    "kl": lambda o, kind: losses.kl_divergence(o, np.eye(3)[CLASSES], over_examples=kind),
    "squares": lambda o, kind: losses.mean_squared_error(o, NUMBERS, over_examples=kind),
    "sum of squares": lambda o, kind: losses.mean_squared_error(o, NUMBERS, over_outputs="sum", over_examples=kind),
    "weighted squares": lambda o, kind: losses.mean_squared_error(o, NUMBERS, weights=WEIGHTS, over_examples=kind),
    "half squares": lambda o, kind: losses.half_least_squares(o, NUMBERS, over_examples=kind),
    "absolute": lambda o, kind: losses.mean_absolute_error(o, NUMBERS, over_examples=kind),
    "norm": lambda o, kind: losses.mean_euclidean_norm(o, NUMBERS, over_examples=kind),
    "huber": lambda o, kind: losses.huber(o, NUMBERS, over_examples=kind),
    "yes or no": lambda o, kind: losses.binary_cross_entropy(o, POSITIVE, over_examples=kind),
    "likelihood": lambda o, kind: -losses.binary_log_likelihood(o, POSITIVE, over_examples=kind),
    "hinge": lambda o, kind: losses.hinge(o, 2.0 * POSITIVE - 1, over_examples=kind),
    "multi-class": lambda o, kind: losses.multi_class_hinge(o, CLASSES, over_examples=kind),
    "ranking": lambda o, kind: losses.max_margin_ranking(o[:, 0], o[:, 1], over_examples=kind),
    "one's own": lambda o, kind: getattr(((o - NUMBERS) ** 2).sum(axis=1), kind)(),
    "examples first": lambda o, kind: getattr((o - NUMBERS) ** 2, kind)(axis=0).sum(),
    "kept axes": lambda o, kind: getattr((o - NUMBERS) ** 2, kind)(axis=0, keepdims=True).sum(axis=1),
    "two terms": lambda o, kind: (
        losses.cross_entropy(o, CLASSES, over_examples=kind) - losses.huber(o, NUMBERS, over_examples=kind)
    ),
    "single precision": lambda o, kind: losses.huber(o, NUMBERS, over_examples=kind).astype(np.float32),
}


def built(steps=5):
    net = RNN(2, 4, 3, dtype=np.float64, rng=0)
    states = net.states(INPUTS[:, :steps])
    return net, states, net.readout(states[-1])


@pytest.mark.parametrize("name", BOTH)
def test_the_mean_and_the_sum_give_the_same(name):
    net, states, outputs = built()
    tolerance = 1e-5 if name == "single precision" else 1e-11
    for kind in SCALED.values():
        mean, total = (kind()(BOTH[name](outputs, reduction), states) for reduction in ("mean", "sum"))
        np.testing.assert_allclose(float(total), float(mean), rtol=tolerance)
        wanted, found = (mg.gradients(G, net.parameters()) for G in (mean, total))
        for a, b in zip(wanted, found, strict=True):
            np.testing.assert_allclose(b.value, a.value, rtol=tolerance, atol=tolerance * np.abs(a.value).max())


@pytest.mark.parametrize("name", SCALED)
def test_of_one_example_any_loss_is_its_own(name):
    net = RNN(2, 4, 3, dtype=np.float64, rng=0)
    states = net.states(INPUTS[:1])
    root = np.sqrt(losses.mean_squared_error(net.readout(states[-1]), NUMBERS[:1]))
    by_hand = SCALED[name](over_examples="sum")(root, states)
    assert float(SCALED[name]()(root, states)) == float(by_hand) > 0


@pytest.mark.parametrize("name", SCALED)
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_it_is_the_mean_of_what_each_example_gives_alone(reduction, name):
    def G(rows):
        net = RNN(2, 4, 3, dtype=np.float64, rng=0)
        states = net.states(INPUTS[rows])
        return float(
            SCALED[name]()(
                losses.cross_entropy(net.readout(states[-1]), CLASSES[rows], over_examples=reduction), states
            )
        )

    np.testing.assert_allclose(G(slice(None)), np.mean([G([row]) for row in range(BATCH)]), rtol=1e-12)


@pytest.mark.parametrize("name", SCALED)
def test_of_weighted_examples_each_counts_by_what_it_contributes(name):
    weights = np.array([0.5, 2.0, 0.0, 1.0, 3.0, 1.0])
    alone = []
    for row in range(BATCH):
        net = RNN(2, 4, 3, dtype=np.float64, rng=0)
        states = net.states(INPUTS[[row]])
        alone.append(float(SCALED[name]()(losses.cross_entropy(net.readout(states[-1]), CLASSES[[row]]), states)))
    _, states, outputs = built()
    for reduction, factors in (("mean", weights / weights.mean()), ("sum", weights)):  # G is of squares
        loss = losses.cross_entropy(outputs, CLASSES, weights=weights, over_examples=reduction)
        np.testing.assert_allclose(float(SCALED[name]()(loss, states)), np.mean(factors**2 * alone), rtol=1e-11)


def test_a_mask_of_the_loss_is_weights_of_0_and_1_however_it_is_written():
    _, states, outputs = built()
    kept = np.array([True, True, False, True, True, True])
    each, node = losses.cross_entropy(outputs, CLASSES, over_examples="none"), mg.Input(kept)
    G = penalties.AdjointVariance()
    expected = float(G(losses.cross_entropy(outputs, CLASSES, weights=kept * 1.0), states))
    for loss in (
        losses.cross_entropy(outputs, CLASSES, mask=kept),
        np.where(node, each, 0).sum() / node.sum(),
        np.where(node, each, 0).sum() / np.maximum(node.astype(float).sum(), 1),
        np.average(each, weights=node.astype(float)),
    ):
        np.testing.assert_allclose(float(G(loss, states)), expected, rtol=1e-12)


@pytest.mark.parametrize("name", SCALED)
def test_under_a_mask_of_the_states_an_example_counts_as_its_sequence_alone(name):
    lengths = np.array([5, 1, 3, 2, 4, 5])
    mask = np.arange(5) < lengths[:, np.newaxis]

    def G(rows, reduction, steps=5, **options):
        net = RNN(2, 4, 3, dtype=np.float64, rng=0)
        states = net.states(INPUTS[rows, :steps], **options)
        return float(
            SCALED[name]()(
                losses.cross_entropy(net.readout(states[-1]), CLASSES[rows], over_examples=reduction), states
            )
        )

    alone = np.mean([G([row], "mean", lengths[row]) for row in range(BATCH)])
    for reduction in ("mean", "sum"):
        np.testing.assert_allclose(G(slice(None), reduction, mask=mask), alone, rtol=1e-12)


def test_a_batch_without_examples_has_a_penalty_of_0():
    net = RNN(2, 4, 3, dtype=np.float64, rng=0)
    states = net.states(INPUTS[:0])
    for penalty in (penalties.HalfSquaredNorms(), penalties.Omega(over_time="sum")):
        assert float(penalty(net.readout(states[-1]).sum(), states)) == 0


def test_other_terms_of_the_objective_do_not_matter():
    net, states, outputs = built()
    G = penalties.AdjointVariance()
    for reduction in ("mean", "sum"):
        loss = losses.cross_entropy(outputs, CLASSES, over_examples=reduction)
        assert float(G(loss + penalties.L2(0.1)(net), states)) == float(G(loss, states))
    mean = losses.cross_entropy(outputs, CLASSES)
    np.testing.assert_allclose(float(G(3 * mean, states)), 9 * float(G(mean, states)), rtol=1e-12)


def test_losses_of_every_time_step():
    """Steps of their own, in a list, are as one array (batch, time, classes)."""
    net, states, _ = built()
    targets = np.random.default_rng(1).integers(3, size=(BATCH, 5))
    for reduction in ("mean", "sum"):
        apart = [
            losses.cross_entropy(net.readout(x), targets[:, t], over_examples=reduction) for t, x in enumerate(states)
        ]
        together = losses.cross_entropy(
            np.stack([net.readout(x) for x in states], axis=1), targets, over_examples=reduction
        )
        joined = [sum(apart[1:], apart[0]), np.stack(apart).sum()]
        if reduction == "mean":
            joined = [joined[0] / 5, np.stack(apart).mean()]
        for G in SCALED.values():
            for loss in joined:
                np.testing.assert_allclose(float(G()(loss, states)), float(G()(together, states)), rtol=1e-12)


@pytest.mark.parametrize("batch", [2, 3, 4, 6])
def test_axes_that_are_as_long_as_the_batch_are_told_from_it(batch):
    """Of 3 outputs, 4 time steps, and 2, 3, 4 or 6 examples."""
    net = RNN(2, 4, 3, dtype=np.float64, rng=0)
    states = net.states(INPUTS[:batch, :4])
    squares = [(net.readout(x) - NUMBERS[:batch]) ** 2 for x in states]
    steps_first, batch_first = np.stack(squares), np.stack(squares, axis=1)
    G = penalties.AdjointVariance()
    mean, total = (float(G(getattr(batch_first.sum(axis=(1, 2)), kind)(), states)) for kind in ("mean", "sum"))
    np.testing.assert_allclose(total, mean, rtol=1e-11)
    of_means = [x.sum(axis=1).mean() for x in squares]
    for loss in (
        batch_first.mean(axis=0).sum(),
        batch_first.sum(axis=0).sum(),
        batch_first.sum(axis=2).sum(axis=1).mean(),
        batch_first.sum(axis=(0, 1)).sum(),
        np.stack(of_means).sum(),
        np.concatenate([x.reshape(1) for x in of_means]).sum(),
        sum(of_means[1:], of_means[0]),
        steps_first.sum(),
        steps_first.mean() * 12,
    ):
        np.testing.assert_allclose(float(G(loss, states)), mean, rtol=1e-11)
    if batch != 4:  # else time steps, which are first here, could be the examples
        for loss in (steps_first.sum(axis=(0, 2)).mean(), steps_first.sum(axis=2).mean(axis=1).sum()):
            np.testing.assert_allclose(float(G(loss, states)), mean, rtol=1e-11)


def test_a_weighted_mean_may_be_multiplied():
    _, states, outputs = built()
    each, w = losses.cross_entropy(outputs, CLASSES, over_examples="none"), mg.Input(WEIGHTS)
    G = penalties.AdjointVariance()
    expected = float(G(losses.cross_entropy(outputs, CLASSES, weights=WEIGHTS), states)) / 4
    for loss in ((0.5 * (w * each).sum()) / w.sum(), 0.5 * ((w * each).sum() / w.sum())):
        np.testing.assert_allclose(float(G(loss, states)), expected, rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_sum_divided_by_the_number_of_examples_or_entries_is_their_mean(dtype):
    _, states, outputs = built()
    squares = ((outputs - NUMBERS) ** 2).astype(dtype)
    G = penalties.AdjointVariance()
    by_examples, by_entries = float(G(squares.sum(axis=1).mean(), states)), float(G(squares.mean(), states))
    tolerance = 1e-5 if dtype == np.float32 else 1e-11
    for loss in (
        squares.sum() / BATCH,
        squares.sum() * (1 / BATCH),
        -(squares.sum() / -BATCH),
        squares.sum() / np.array(BATCH),
    ):
        np.testing.assert_allclose(float(G(loss, states)), by_examples, rtol=tolerance)
    np.testing.assert_allclose(float(G(squares.sum() / (3 * BATCH), states)), by_entries, rtol=tolerance)
    half = 0.5 * squares.sum() / BATCH
    np.testing.assert_allclose(float(G(half, states)), by_examples / 4, rtol=tolerance)


UNKNOWN = {
    "a sum times a number": lambda o: 0.5 * ((o - NUMBERS) ** 2).sum(),
    "a sum by another number": lambda o: ((o - NUMBERS) ** 2).sum() / (BATCH - 1),
    "a sum by a number that may change": lambda o: ((o - NUMBERS) ** 2).sum() / mg.Input(float(BATCH)),
    "a root": lambda o: np.sqrt(((o - NUMBERS) ** 2).mean()),
    "a product": lambda o: np.vdot(o - NUMBERS, o - NUMBERS),
    "two factors": lambda o: losses.cross_entropy(o, CLASSES) * losses.huber(o, NUMBERS),
    "mean and sum": lambda o: losses.cross_entropy(o, CLASSES) + ((o - NUMBERS) ** 2).sum(),
    "one example": lambda o: ((o - NUMBERS) ** 2)[0, 0],
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_a_loss_that_does_not_tell_is_refused_until_it_is_said(name):
    _, states, outputs = built()
    loss = UNKNOWN[name](outputs)
    with pytest.raises(ValueError, match=r'do not tell: write AdjointVariance\(over_examples="mean"\) or Adj.*"sum"\)'):
        penalties.AdjointVariance()(loss, states)
    for kind in SCALED.values():
        mean, total = (float(kind(over_examples=said)(loss, states)) for said in ("mean", "sum"))
        np.testing.assert_allclose(mean, BATCH**2 * total, rtol=1e-12)
    penalties.Omega()(loss, states), penalties.RelativeVariance()(loss, states)  # do not ask


def test_of_a_state_that_is_the_loss_itself_nothing_is_known():
    x = mg.Input(np.ones((2, 1)))
    with pytest.raises(ValueError, match="do not tell"):
        penalties.HalfSquaredNorms()((x * x).sum() + x[0, 0], [x])


def test_one_example_is_mean_and_sum():
    net = RNN(2, 4, 3, dtype=np.float64, rng=0)
    states = net.states(INPUTS[:1])
    loss = 0.5 * ((net.readout(states[-1]) - NUMBERS[:1]) ** 2).sum()
    assert float(penalties.AdjointVariance()(loss, states)) == float(
        penalties.AdjointVariance(over_examples="sum")(loss, states)
    )


def test_what_is_said_is_checked():
    with pytest.raises(ValueError, match=r"FirstAgainstLast\(over_examples='none'\): \"mean\" or \"sum\" or None"):
        penalties.FirstAgainstLast(over_examples="none")
    with pytest.raises(ValueError, match=r"AdjointVariance\(norm='max'\): \"l2\" or \"l1\""):
        penalties.AdjointVariance(norm="max")
    with pytest.raises(ValueError, match=r"LogRatio\(over_time='none'\): \"mean\" or \"sum\""):
        penalties.LogRatio(over_time="none")


@pytest.mark.parametrize("eager", [False, True])
@pytest.mark.parametrize("kind", ["RNN", "LSTM"])
def test_a_step_takes_either_loss(kind, eager):
    """A summed loss of which the penalty alone is descended on: the same way as of the mean."""
    found = []
    for loss in (
        losses.cross_entropy,
        functools.partial(losses.cross_entropy, over_examples="sum"),
        lambda o, y: losses.cross_entropy(o, y, over_examples="sum"),
    ):
        options = {"dtype": np.float64, "rng": 0}
        net = RNN(2, 4, 3, **options) if kind == "RNN" else Sequential(LSTM(2, 4, **options), Dense(4, 3, **options))
        step = Step(
            net, loss, SGD(net.parameters(), 0.1), penalties=[penalties.AdjointVariance()], loss_weight=0, eager=eager
        )
        found.append([step(INPUTS, CLASSES)["penalty"] for _ in range(6)])
    assert found[0][-1] < found[0][0]
    np.testing.assert_allclose(found[1:], [found[0]] * 2, rtol=1e-9)

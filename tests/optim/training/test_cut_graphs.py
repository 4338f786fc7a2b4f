import warnings

import numpy as np
import pytest

import minigrad as mg
from minigrad.models import Dense, Module, Sequential, losses
from minigrad.models.penalties import L2
from minigrad.optim import SGD, Adam, Step, evaluate, fit

X = np.random.default_rng(0).normal(size=(12, 3))
Y = np.random.default_rng(1).normal(size=(12, 1))
BOTH = pytest.mark.parametrize("eager", [True, False])


def dense(n_inputs, n_outputs):
    return Dense(n_inputs, n_outputs, dtype=np.float64, rng=0)


class Two(Module):
    """b(a(x)), with a way from a to b."""

    def __init__(self, way):
        self.a = dense(3, 4)
        self.b = dense(4, 1)
        self.way = way

    def forward(self, x):
        return self.b(self.way(self.a(x)))


class Anew(Module):
    """A layer in __init__ and another one made in forward."""

    def __init__(self, uses):
        self.a = dense(3, 3)
        self.uses = uses

    def forward(self, x):
        return dense(3, 1)(self.a(x) if self.uses else x)


def trained(net, eager, loss=losses.mean_squared_error, **options):
    return fit(net, X, Y, loss=loss, optimizer=Adam(net.parameters(), 0.01), eager=eager, quiet=True, **options)


def said(call):
    """The messages of the warnings of a call."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        call()
    return [str(warning.message) for warning in found]


@BOTH
@pytest.mark.parametrize(
    "loss",
    [
        lambda o, t: ((o.value - t) ** 2).mean(),
        lambda o, t: (mg.stop_gradient(o - t) ** 2).mean(),
        lambda o, t: mg.Input(np.array(((o - t) ** 2).mean().value)),
        lambda o, t: (np.sign(o) - t).mean(),
    ],
    ids=["value", "stop_gradient", "array", "sign"],
)
def test_a_loss_that_reaches_nothing_is_refused(loss, eager):
    net = Sequential(dense(3, 1))
    before = net.state_dict()
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # no other one leads to eager=True
        with pytest.raises(
            ValueError, match=r"no path leads from the loss .*dense_1.W.*\.value, float\(\), np.array\(\)"
        ):
            trained(net, eager, loss)
        step = Step(net, loss, SGD(net.parameters()), eager=eager)
        with pytest.raises(ValueError, match="no path leads from the loss"):
            step(X, Y)
    np.testing.assert_array_equal(net["dense_1"].W.value, before["dense_1.W"])


@BOTH
def test_a_layer_made_in_forward_alone_is_refused(eager):
    with pytest.raises(ValueError, match=r"no path leads .*a\.W.*layers that forward makes anew in every call"):
        trained(Anew(uses=False), eager)


def test_bad_data_does_not_hide_a_graph_that_is_cut():
    targets = Y.copy()
    targets[3] = np.nan
    net = Sequential(dense(3, 1))
    with pytest.raises(ValueError, match=r"^no path leads from the loss"):
        fit(
            net,
            X,
            targets,
            loss=lambda o, t: (o.value**2).mean() + 0 * t[0, 0],
            optimizer=SGD(net.parameters()),
            quiet=True,
        )


@BOTH
@pytest.mark.parametrize("way", [lambda h: h.value, mg.stop_gradient], ids=["value", "stop_gradient"])
@pytest.mark.parametrize("epochs", [1, 6])
def test_what_is_not_reached_while_other_parameters_are_is_named_once(way, eager, epochs):
    found = said(lambda: trained(Two(way), eager, epochs=epochs))
    assert len(found) == 1
    assert 'Parameter "a.W" (4, 3), Parameter "a.b" (4,)' in found[0]
    assert "b.W" not in found[0]
    assert "pass eager=True if that is meant" not in found[0]


@BOTH
def test_a_step_names_what_it_does_not_reach_after_the_first_batches(eager):
    net = Two(mg.stop_gradient)
    step = Step(net, losses.mean_squared_error, SGD(net.parameters()), eager=eager)
    assert [len(said(lambda: step(X, Y))) for _ in range(10)] == [0] * (Step.CHECKED - 1) + [1] + [0] * (
        10 - Step.CHECKED
    )


@BOTH
def test_a_layer_made_in_forward_after_a_trained_one_is_named(eager):
    (found,) = said(lambda: trained(Anew(uses=True), eager))
    assert 'Parameter "W" (1, 3)' in found
    assert "make layers" in found
    assert "in __init__, once" in found
    assert "pass eager=True" not in found


@BOTH
@pytest.mark.parametrize(
    "loss", [lambda o, t: ((o.value - t) ** 2).mean(), lambda o, t: mg.Input((o - t).value.mean())]
)
def test_a_loss_that_leaves_all_to_the_penalties_is_named(loss, eager):
    net = Sequential(dense(3, 1))
    found = said(lambda: trained(net, eager, loss, penalties=[L2(0.1)], epochs=6))
    assert (
        sum("the loss itself leads to no parameter that is trained, only the penalties do" in text for text in found)
        == 1
    )


class Sometimes(Module):
    """A second layer for wide inputs only."""

    def __init__(self):
        self.a = dense(3, 1)
        self.b = dense(4, 1)

    def forward(self, x):
        return self.a(x) if x.shape[1] == 3 else self.b(x)


@BOTH
def test_a_module_of_some_batches_and_one_that_is_frozen_are_no_fault(eager):
    net = Sometimes()
    step = Step(net, losses.mean_squared_error, SGD(net.parameters()), eager=eager)
    for n_inputs in (3, 3, 4, 3, 3, 4):
        step(np.ones((2, n_inputs)), np.ones((2, 1)))
    net = Two(mg.stop_gradient)
    net.a.freeze()
    trained(net, eager)
    net = Two(mg.relu)
    net.a.W.value = np.zeros((4, 3))  # gradients that are 0 have a path all the same
    net.a.b.value = -np.ones(4)
    trained(net, eager)


@BOTH
def test_a_loss_may_be_the_parameter_itself(eager):
    class Number(Module):
        def __init__(self):
            self.w = mg.Parameter(3.0)

        def forward(self, x):
            return self.w

    net = Number()
    Step(net, lambda o, t: o, SGD(net.parameters(), 0.5), eager=eager)(X, Y)
    assert net.w.value == 2.5


@BOTH
@pytest.mark.parametrize("shape", [(1,), (1, 1)])
def test_a_loss_and_a_metric_may_have_one_entry(shape, eager):
    found = []
    for loss in (losses.mean_squared_error, lambda o, t: losses.mean_squared_error(o, t).reshape(shape)):
        net = Sequential(dense(3, 1))
        history = trained(net, eager, loss, epochs=6, validation=(X, Y), penalties=[L2(0.1), lambda_penalty(shape)],
                          metrics={"off": lambda o, t: np.abs(o - t).mean(axis=0, keepdims=True)})  # fmt: skip
        found.append([history[name][-1] for name in ("loss", "penalty", "val_loss", "off")])
    np.testing.assert_allclose(*found, rtol=1e-12)


def lambda_penalty(shape):
    class Shaped(L2):
        def __call__(self, model):
            return super().__call__(model).reshape(shape)

    return Shaped(0.1)


def test_a_loss_or_metric_of_many_entries_is_refused():
    net = Sequential(dense(3, 1))
    with pytest.raises(ValueError, match=r"the loss: expected one number, found shape \(12, 1\): take its mean"):
        evaluate(net, lambda o, t: (o - t) ** 2, X, Y)
    with pytest.raises(ValueError, match=r"the metric off: expected one number, found shape \(12, 1\)"):
        trained(net, True, metrics={"off": lambda o, t: o - t}, epochs=1)

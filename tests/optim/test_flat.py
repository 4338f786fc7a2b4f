"""The flat buffer of an optimizer: the same numbers as parameter by parameter, and what becomes of the parameters."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes

from minigrad.graph import Graph
from minigrad.models import RNN
from minigrad.node import Parameter
from minigrad.optim import SGD, AdaGrad, Adam, RMSProp, flat
from minigrad.optim.flat import FlatStore


class SimpleSGD:
    """Each update as its formula says, on one array, in new arrays."""

    def __init__(self, w):
        self.w, self.v = w, 0.0

    def step(self, g, alpha=0.1, eta=0.9):
        self.v = eta * self.v - alpha * g
        self.w = self.w + self.v


class SimpleAdaGrad:
    def __init__(self, w):
        self.w, self.r = w, 0.1

    def step(self, g, alpha=0.1, epsilon=1e-3):
        self.r = self.r + g**2
        self.w = self.w - alpha * g / np.sqrt(self.r + epsilon)


class SimpleRMSProp:
    def __init__(self, w):
        self.w, self.r, self.v = w, 0.0, 0.0

    def step(self, g, alpha=0.1, rho=0.8, eta=0.5, epsilon=1e-3):
        self.r = rho * self.r + (1 - rho) * g**2
        self.v = eta * self.v - alpha * g / (np.sqrt(self.r) + epsilon)
        self.w = self.w + self.v


class SimpleAdam:
    def __init__(self, w):
        self.w, self.m, self.r, self.t = w, 0.0, 0.0, 0

    def step(self, g, alpha=0.1, b1=0.7, b2=0.9, epsilon=1e-3):
        self.t += 1
        self.m, self.r = b1 * self.m + (1 - b1) * g, b2 * self.r + (1 - b2) * g**2
        self.w = self.w - alpha * (self.m / (1 - b1**self.t)) / (np.sqrt(self.r / (1 - b2**self.t)) + epsilon)


KINDS = {
    "sgd": (SimpleSGD, lambda p: SGD(p, 0.1, momentum=0.9)),
    "adagrad": (
        SimpleAdaGrad,
        lambda p: AdaGrad(p, 0.1, epsilon=1e-3, epsilon_inside=True, initial_accumulator=0.1),
    ),
    "rmsprop": (SimpleRMSProp, lambda p: RMSProp(p, 0.1, 0.8, momentum=0.5, epsilon=1e-3)),
    "adam": (SimpleAdam, lambda p: Adam(p, 0.1, 0.7, 0.9, 1e-3)),
}
SHAPES = array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_an_update_is_that_of_each_parameter_on_its_own(kind, data):
    """Any shapes, dtypes and orders in memory, parameters without gradient, blocks that end anywhere."""
    simple, make = KINDS[kind]
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    dtypes = st.sampled_from([np.float32, np.float64])
    parts = data.draw(st.lists(st.tuples(SHAPES, dtypes), min_size=1, max_size=6))
    parameters = [Parameter(rng.normal(size=shape).astype(dtype)) for shape, dtype in parts]
    expected = [simple(parameter.value.astype(np.float64)) for parameter in parameters]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flat, "BLOCK", data.draw(st.integers(1, 40)))
        optimizer = make(parameters)
        for has_gradient in data.draw(st.lists(st.lists(st.booleans(), min_size=6, max_size=6), max_size=4)):
            for parameter, reference, given_one in zip(parameters, expected, has_gradient, strict=False):
                if given_one:
                    gradient = rng.normal(size=parameter.shape).astype(parameter.dtype)
                    reference.step(gradient.astype(np.float64))
                    parameter.grad = np.empty_like(gradient, order=data.draw(st.sampled_from(["C", "F"])))
                    parameter.grad[...] = gradient
            optimizer.step()
    for parameter, reference, (_, dtype) in zip(parameters, expected, parts, strict=True):
        assert parameter.dtype == dtype
        tolerance = 1e-4 if dtype == np.float32 else 1e-11
        np.testing.assert_allclose(parameter.value, reference.w, rtol=tolerance, atol=tolerance)


def parameters():
    rng = np.random.default_rng(0)
    return [Parameter(rng.normal(size=shape), name) for name, shape in [("W", (3, 4)), ("b", (3,)), ("c", ())]]


def set_gradients(params, seed=1):
    rng = np.random.default_rng(seed)
    for parameter in params:
        parameter.grad = rng.normal(size=parameter.shape)


def test_parameters_lie_side_by_side_with_their_values_unchanged():
    params = parameters()
    before = [parameter.value.copy() for parameter in params]
    (store,) = SGD(params).stores
    np.testing.assert_array_equal(store.values, np.concatenate([value.ravel() for value in before]))
    for parameter, value in zip(params, before, strict=True):
        assert np.shares_memory(parameter.value, store.values)
        np.testing.assert_array_equal(parameter.value, value)
    params[1].value = [7.0, 8.0, 9.0]
    np.testing.assert_array_equal(store.values[12:15], [7, 8, 9])


def test_an_array_taken_before_is_read_only_afterwards():
    params = parameters()
    old = params[0].value
    SGD(params)
    with pytest.raises(ValueError, match="read-only"):
        old[0] = 1.0
    params[0].value[0] = 1.0
    assert (params[0].value[0] == 1).all()


def test_optimizers_of_the_same_parameters_share_the_buffer():
    params = parameters()
    first = SGD(params, 0.1)
    taken = params[0].value
    second = Adam(params, 0.1)
    assert first.stores[0].values is second.stores[0].values
    assert params[0].value is taken
    for optimizer in (first, second):
        set_gradients(params)
        before = [float(parameter.value.sum()) for parameter in params]
        optimizer.step()
        assert all(float(p.value.sum()) != old for p, old in zip(params, before, strict=True))


@pytest.mark.parametrize("choice", [[0, 1], [1, 2], [2, 1, 0], [1]])
def test_optimizers_of_overlapping_parameters_take_turns(choice):
    """Who steps takes in what the other moved away, with the value it has now."""
    params = parameters()
    values = [parameter.value.copy() for parameter in params]
    turns = [
        (SGD([params[i] for i in which], 0.1, momentum=0.9), which, {i: np.zeros(params[i].shape) for i in which})
        for which in ([0, 1, 2], choice)
    ]
    for seed in range(3):
        for optimizer, which, velocities in turns:
            set_gradients([params[i] for i in which], seed)
            for i in which:
                velocities[i] = 0.9 * velocities[i] - 0.1 * params[i].grad
                values[i] = values[i] + velocities[i]
            optimizer.step()
            for parameter, value in zip(params, values, strict=True):
                np.testing.assert_allclose(parameter.value, value, rtol=1e-12)


def test_a_buffer_is_shared_only_by_the_same_parameters_in_the_same_order():
    W, b, c = parameters()
    whole = FlatStore([W, b, c])
    assert FlatStore([W, b, c]).values is whole.values
    for others in ([W, b], [b, c], [W, c, b], [W, b, c, Parameter(1.0)]):
        assert FlatStore(others).values is not whole.values
        whole.take_in()
        assert W.value.base is b.value.base is c.value.base is whole.values


@pytest.mark.parametrize("again", [copy.deepcopy, lambda both: pickle.loads(pickle.dumps(both))])
@pytest.mark.parametrize("make", [SGD, lambda p: SGD(p, 0.1, 0.9), Adam])
def test_a_copied_model_and_optimizer_train_on_as_the_originals_do(again, make):
    params = parameters()
    optimizer = make(params)
    set_gradients(params)
    optimizer.step()
    copied_params, copied = again((params, optimizer))
    for parameter, twin in zip(params, copied_params, strict=True):
        assert not np.shares_memory(parameter.value, twin.value)
    for _ in range(2):
        set_gradients(params, 2)
        set_gradients(copied_params, 2)
        optimizer.step()
        copied.step()
    for parameter, twin in zip(params, copied_params, strict=True):
        np.testing.assert_array_equal(parameter.value, twin.value)


def test_graphs_built_before_see_the_buffer_when_they_are_replayed():
    (W, *_) = params = parameters()
    y = W.T.sum() * 2
    graph = Graph(y)
    optimizer = SGD(params, 1.0)
    y.backward()  # nothing has changed yet
    np.testing.assert_array_equal(W.grad, np.full((3, 4), 2.0))
    before = W.value.sum()
    optimizer.step()
    with pytest.raises(ValueError, match=r'"W".* was changed'):
        y.backward()
    assert graph.fprop() == pytest.approx(2 * (before - 24))


def test_loading_a_model_writes_into_the_buffer():
    net, other = (RNN(1, 2, 1, rng=seed) for seed in (0, 1))
    optimizer = SGD(net.parameters(), 0.1)
    net.load_state_dict(other.state_dict())
    flat_values = np.concatenate([parameter.value.ravel() for parameter in other.parameters()])
    np.testing.assert_array_equal(optimizer.stores[0].values, flat_values)


def test_one_gradient_that_does_not_fit_keeps_all_parameters_as_they_are():
    params = parameters()
    optimizer = SGD(params, 1.0)
    set_gradients(params)
    params[1].grad = np.ones(2)
    before = optimizer.stores[0].values.copy()
    with pytest.raises(ValueError, match=r'Parameter "b" \(3,\)'):
        optimizer.step()
    np.testing.assert_array_equal(optimizer.stores[0].values, before)

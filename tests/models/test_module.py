import copy
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad.models import Module


class Layer(Module):
    def __init__(self, n_inputs, n_outputs, dtype=np.float64):
        rng = np.random.default_rng(n_inputs)
        self.W = mg.Parameter(rng.normal(size=(n_outputs, n_inputs)).astype(dtype))
        self.b = mg.Parameter(np.zeros(n_outputs, dtype))

    def forward(self, x):
        return x @ self.W.T + self.b


class Net(Module):
    layers: Any

    def __init__(self):
        self.first = Layer(3, 2)
        self.scales = {"a": mg.Parameter(1.0), "b": [mg.Parameter(2.0, "own")]}
        self.layers = [Layer(2, 2), (Layer(2, 1),)]
        self.again = self.first
        self.count = mg.Parameter(0, trainable=False)

    def forward(self, x, *, factor=1.0):
        for layer in (self.first, self.layers[0], self.layers[1][0]):
            x = layer(x)
        return x * factor


PATHS = [
    "first.W", "first.b", "scales.a", "scales.b.0", "layers.0.W", "layers.0.b", "layers.1.0.W", "layers.1.0.b", "count",
]  # fmt: skip


def test_parameters_are_found_in_the_order_of_assignment_each_once():
    net = Net()
    named = net.named_parameters()
    assert [path for path, _ in named] == PATHS
    assert named[0][1] is net.first.W
    assert all(a is b for a, (_, b) in zip(net.parameters(), named, strict=True))


def test_a_parameter_without_a_name_gets_the_path_of_its_attribute():
    net = Net()
    assert [p.name for p in net.parameters()] == ["W", "b", "scales.a", "own", "W", "b", "W", "b", "count"]


def test_modules_that_hold_each_other_end():
    net = Net()
    net.first.owner = net
    assert list(net.state_dict()) == PATHS


def test_calling_runs_forward_in_a_scope():
    x = mg.Input(np.ones((4, 3)))
    net = Net()
    y = net(x, factor=2.0)
    np.testing.assert_array_equal(y.value, 2 * net(x).value)
    assert y.shape == (4, 1)
    assert {node.scope for node in mg.Graph(y).nodes if node.children} == {"net", "net/layer"}
    with pytest.raises(TypeError, match="Module defines no forward"):
        Module()(x)


def test_state_goes_out_and_in_again():
    net, other = Net(), Net()
    for parameter in net.parameters():
        parameter.value = parameter.value + 1
    state = net.state_dict()
    assert list(state) == PATHS
    other.load_state_dict(state)
    for name, parameter in other.named_parameters():
        np.testing.assert_array_equal(parameter.value, state[name])
        assert parameter.value is not state[name]
    net.first.W.value[...] = 0
    assert state["first.W"].any()


def test_state_that_does_not_fit_changes_nothing_and_says_all_that_is_wrong():
    net = Net()
    before = net.state_dict()
    state = {name: array + 1 for name, array in before.items()}
    state["first.W"] = np.zeros((3, 2))
    state["first.b"] = np.zeros(2, np.float32)
    state["scales.c"] = state.pop("scales.a")
    with pytest.raises(ValueError, match=r"Net\.load_state_dict") as caught:
        net.load_state_dict(state)
    for part in (
        "scales.a is missing",
        "scales.c is unexpected",
        "first.W has shape (3, 2) and dtype float64, expected (2, 3) and float64",
        "first.b has shape (2,) and dtype float32, expected (2,) and float64",
        "Nothing was changed",
    ):
        assert part in str(caught.value)
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


def test_training_mode_reaches_every_module():
    net = Net()
    parts = [net, net.first, *net.layers[:1], *net.layers[1]]
    assert all(part.training for part in parts)
    assert net.eval() is net
    assert not any(part.training for part in parts)
    assert net.train() is net
    assert all(part.training for part in parts)
    net.layers[0].eval()
    assert [part.training for part in parts] == [True, True, False, True]


def test_a_copy_has_parameters_of_its_own():
    net = Net()
    twin = copy.deepcopy(net)
    assert twin.again is twin.first
    twin.first.W.value[...] = 7
    assert not (net.first.W.value == 7).any()
    assert [p.name for p in twin.parameters()] == [p.name for p in net.parameters()]

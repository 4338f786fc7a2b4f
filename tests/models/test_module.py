import copy
import re
from collections import deque
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad.models import (
    LSTM,
    RNN,
    BatchNorm,
    Cell,
    Dense,
    Dropout,
    Module,
    Sequential,
    Stacked,
    Unrolled,
    losses,
)
from minigrad.optim import SGD


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
    assert [p.name for p in net.parameters()] == [
        "first.W", "first.b", "scales.a", "own", "layers.0.W", "layers.0.b", "layers.1.0.W", "layers.1.0.b", "count",
    ]  # fmt: skip


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


def test_a_copy_computes_the_same():
    net = Net()
    x = np.ones((2, 3))
    twin = copy.deepcopy(net.eval())
    np.testing.assert_array_equal(twin(x).value, net(x).value)
    assert not twin.training
    other = Net()
    other.load_state_dict(twin.state_dict())
    np.testing.assert_array_equal(other(x).value, net(x).value)


# The parameter set ---------------------------------------------------------------------------------------------------


@pytest.mark.row("ENG-23")
def test_the_parameter_set_of_a_4_2_1_net():
    """θ = {W(1), b(1), W(2), b(2)}: 4·2 + 2 + 2 + 1 numbers, without the last bias 12."""
    net = Sequential(Dense(4, 2, np.tanh), Dense(2, 1))
    assert [path for path, _ in net.named_parameters()] == ["dense_1.W", "dense_1.b", "dense_2.W", "dense_2.b"]
    assert net.n_parameters() == 4 * 2 + 2 + 2 + 1 == 13
    assert Sequential(Dense(4, 2, np.tanh), Dense(2, 1, bias=False)).n_parameters() == 12
    weights, biases = net.weights_and_biases()
    assert [w.shape for w in weights] == [(2, 4), (1, 2)]
    assert [b.shape for b in biases] == [(2,), (1,)]


def test_modules_are_found_with_their_paths():
    net = Net()
    assert net.named_modules() == [
        ("", net), ("first", net.first), ("layers.0", net.layers[0]), ("layers.1.0", net.layers[1][0]),
    ]  # fmt: skip
    assert [path for path, _ in net.own_members()] == [
        "first", "scales.a", "scales.b.0", "layers.0", "layers.1.0", "count",
    ]  # fmt: skip
    net.count.trainable = False
    assert (net.n_parameters(trainable=True), net.n_parameters(trainable=False)) == (8 + 2 + 6 + 3, 1)


def test_tied_parameters_count_once_and_get_the_sum_of_their_adjoints():
    net = Sequential(Layer(2, 2), Layer(2, 2))
    net[1].W = net[0].W
    assert [path for path, _ in net.named_parameters()] == ["layer_1.W", "layer_1.b", "layer_2.b"]

    def f(W):
        twin = copy.deepcopy(net)
        object.__setattr__(twin[0], "W", W)
        object.__setattr__(twin[1], "W", W)
        return twin(np.ones((3, 2)))

    mg.check_gradients(f, net[0].W.value, order=2)
    np.testing.assert_array_equal(f(net[0].W).value, net(np.ones((3, 2))).value)
    assert copy.deepcopy(net)[1].W is not net[1].W
    twin = copy.deepcopy(net)
    assert twin[0].W is twin[1].W


# Freezing ------------------------------------------------------------------------------------------------------------


def test_frozen_parameters_stay_until_they_are_thawed():
    net = Sequential(Dense(3, 4, np.tanh, rng=0), BatchNorm(4), Dense(4, 2, rng=1))
    x, y = np.random.default_rng(0).normal(size=(6, 3)), np.arange(6) % 2
    optimizer = SGD(net.parameters(), 0.1)
    losses.cross_entropy(net(x), y).backward()
    assert net[:2].freeze().n_parameters(trainable=True) == 0
    assert all(p.grad is None for p in net[:2].parameters())  # what backward had set is not applied any more
    before = net.state_dict()
    optimizer.step()
    changed = [name for name, array in net.state_dict().items() if (array != before[name]).any()]
    assert changed == ["dense_2.W", "dense_2.b"]
    twin = copy.deepcopy(net)
    for each in (net, twin):
        each.unfreeze()
        assert [name for name, p in each.named_parameters() if not p.trainable] == [
            "batchnorm_1.running_mean", "batchnorm_1.running_variance",
        ]  # fmt: skip


def test_a_part_can_be_thawed_by_itself():
    net = Sequential(Layer(2, 2), Layer(2, 2)).freeze()
    net[0].unfreeze()
    assert [p.trainable for p in net.parameters()] == [True, True, False, False]
    net[0].freeze()
    net.unfreeze().unfreeze()
    assert all(p.trainable for p in net.parameters())


# Modes and listings --------------------------------------------------------------------------------------------------


@pytest.mark.row("ENG-25")
def test_evaluation_is_deterministic_and_training_is_not():
    net = Sequential(Dense(4, 8, np.tanh, rng=0), BatchNorm(8), Dropout(0.5, rng=0), Dense(8, 2, rng=1))
    rng = np.random.default_rng(0)
    x, other = (rng.normal(size=(5, 4)).astype(np.float32) for _ in range(2))
    assert (net(x).value != net(x).value).any()
    net.eval()
    before = net.state_dict()
    y = net(x).value
    np.testing.assert_array_equal(net(x).value, y)
    np.testing.assert_allclose(net(np.vstack([x, other])).value[:5], y, rtol=1e-5)  # whatever else is in the batch
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    net.train()
    assert (net(x).value != y).any()


def test_repr_shows_the_tree():
    net = Sequential(Dense(4, 2, np.tanh), Sequential(Dropout(0.2), mg.relu), head=Dense(2, 1, bias=False))
    assert repr(net).splitlines() == [
        "Sequential()",
        "  dense_1: Dense(4, 2, tanh)",
        "  sequential_1: Sequential()",
        "    dropout_1: Dropout(0.2)",
        "    relu_1: Function(relu)",
        "  head: Dense(2, 1, bias=False)",
    ]
    looped = Net()
    looped.first.owner = looped
    assert "..." in repr(looped)


# What could not be found, or not be told apart ---------------------------------------------------------------------


def test_two_paths_that_read_the_same_are_refused():
    class Holder(Module):
        pass

    layers = [Dense(1, 1, rng=i) for i in range(2)]
    net = Holder()
    for parts, path in (
        ({1: layers[0], "1": layers[1]}, "parts.1.W"),
        ({"a.b": layers[0], "a": {"b": layers[1]}}, "parts.a.b.W"),
    ):
        with pytest.raises(ValueError, match=re.escape(f"two parameters have the path {path!r}")):
            net.parts = parts
        assert not hasattr(net, "parts")
    net.parts = {"a": {"b": layers[0]}}
    net.parts["a.b"] = layers[1]  # behind its back
    with pytest.raises(ValueError, match=r"two parameters have the path 'parts\.a\.b\.W'"):
        net.state_dict()
    net.parts = {1: layers[0], "1": layers[0]}  # one and the same, under its first path
    assert list(net.state_dict()) == ["parts.1.W", "parts.1.b"]


@pytest.mark.parametrize("kind", [set, frozenset, deque])
@pytest.mark.parametrize("entry", [Dense(1, 1), mg.Parameter(1.0)])
def test_sets_and_queues_of_modules_are_refused(kind, entry):
    class Holder(Module):
        pass

    net = Holder()
    for value in (kind([entry]), [kind([entry])], {"a": kind([entry])}):
        with pytest.raises(TypeError, match=f"modules and parameters are found in lists.*not in a {kind.__name__}"):
            net.parts = value
        assert not hasattr(net, "parts")
    net.words = kind(["a", "b"])  # of anything else they are fine
    assert net.parameters() == []


def test_a_name_grows_with_its_path_unless_it_was_given():
    inner = Sequential(Dense(2, 2, np.tanh), Dense(2, 1))
    assert [p.name for p in inner.parameters()] == ["dense_1.W", "dense_1.b", "dense_2.W", "dense_2.b"]

    class Outer(Module):
        def __init__(self):
            self.nets = [inner]
            self.scale = mg.Parameter(1.0, "gain")

    net = Outer()
    assert [p.name for p in net.parameters()][1:] == [
        "nets.0.dense_1.b",
        "nets.0.dense_2.W",
        "nets.0.dense_2.b",
        "gain",
    ]
    inner[0].owner = net  # what holds its owner does not name it
    assert inner[0].W.name == "nets.0.dense_1.W"


# Freezing keeps states ---------------------------------------------------------------------------------------------


class Counted(Module):
    """w x, and a state without parameters beside it that counts the calls."""

    def __init__(self):
        self.calls = mg.Parameter(np.zeros(1), trainable=False)

    def forward(self, x):
        mg.update(self.calls, self.calls + 1.0)
        return x * 1.0


@pytest.mark.parametrize("compiled", [False, True])
def test_a_frozen_module_keeps_its_states_and_an_unfrozen_one_moves_them(compiled):
    net = Sequential(Dense(3, 4, dtype=np.float64, rng=0), BatchNorm(4, dtype=np.float64), Counted())
    run = mg.compile(lambda x: net(x)) if compiled else net
    x = np.random.default_rng(0).normal(size=(5, 3))
    run(x)
    run(x)
    before = net.state_dict()
    assert before["counted_1.calls"] == 2
    net.freeze()
    for _ in range(3):
        run(x)
    for path, array in net.state_dict().items():
        np.testing.assert_array_equal(array, before[path], err_msg=path)
    net[1].unfreeze()  # and nothing else
    run(x)
    assert net[2].calls.value == 2
    assert (net[1].running_mean.value != before["batchnorm_1.running_mean"]).all()
    net.unfreeze()
    run(x)
    assert net[2].calls.value == 3


@pytest.mark.parametrize("shape", [(1, 4), (6, 4), (2, 3, 4), (2, 3, 3, 4)])
def test_a_frozen_batch_norm_computes_in_training_what_it_computes_in_evaluation(shape):
    layer = BatchNorm(4)
    rng = np.random.default_rng(0)
    layer(rng.normal(2.0, 3.0, size=(8, 4)))
    x = rng.normal(size=shape)
    expected = layer.eval()(x).value
    np.testing.assert_array_equal(layer.train().freeze()(x).value, expected)
    copied = copy.deepcopy(layer)
    np.testing.assert_array_equal(copied(x).value, expected)
    assert not np.array_equal(layer.unfreeze()(rng.normal(size=(6, 4))).value, expected)


def test_a_frozen_cell_keeps_what_its_steps_count():
    class Counts(Cell):
        def __init__(self):
            super().__init__(2, 2)
            self.steps = mg.Parameter(np.zeros(1), trainable=False)

        def step(self, driven, state, shared):
            mg.update(self.steps, self.steps + 1.0)
            return (driven + state[0],)

    for layer in (Unrolled(Counts()), Stacked([Unrolled(Counts())])):
        (steps,) = layer.parameters()
        u = np.ones((1, 3, 2), np.float32)
        for call in (layer, layer.states):
            call(u)
            assert steps.value == 3
            layer.freeze()
            call(u)
            assert steps.value == 3
            layer.unfreeze()
            steps.value = np.zeros(1)


def test_a_part_of_a_frozen_model_may_be_trained_on():
    net = Sequential(Counted(), Sequential(Counted(), Dense(1, 1, rng=0)))
    net.freeze()
    net[1].unfreeze()
    net(np.ones((2, 1), np.float32))
    assert (net[0].calls.value, net[1][0].calls.value) == (0, 1)
    assert net[1][1].W.trainable


# Where in a model an error comes from --------------------------------------------------------------------------------


def nested():
    return Sequential(
        Dense(3, 4, np.tanh, rng=0), Sequential(Dense(4, 4, rng=0), Dense(5, 2, rng=0)), output=Dense(2, 1, rng=0)
    )


@pytest.mark.parametrize(
    ("net", "path"),
    [
        (lambda: nested(), "sequential_1.dense_2 of Sequential"),
        (lambda: Sequential(Dense(2, 2, rng=0), np.tanh, Dense(2, 2, rng=0)), "dense_1 of Sequential"),
        (lambda: Holding({"a": [Dense(3, 3, rng=0), nested()]}), "layers.a.1.sequential_1.dense_2 of Holding"),
        (lambda: Holding({"a": [RNN(5, 2, 1, rng=0)]}), "layers.a.0 of Holding"),
        (lambda: Holding({"a": [LSTM(5, 2, rng=0)]}), "layers.a.0 of Holding"),
        (lambda: Holding({"a": [BatchNorm(5)]}), "layers.a.0 of Holding"),
    ],
)
def test_a_shape_error_names_the_path_of_its_layer(net, path):
    x = np.ones((4, 2, 3) if "layers.a.0" in path else (4, 3), np.float32)
    with pytest.raises(ValueError, match=rf"expected inputs.*\(in {re.escape(path)}\)$"):
        net()(x)


class Holding(Module):
    def __init__(self, layers):
        self.layers = layers

    def forward(self, x):
        for layer in self.layers["a"]:
            x = layer(x)
        return x


def test_an_error_of_an_operation_names_the_path_of_its_layer_too():
    net = Holding({"a": [Layer(3, 2), Layer(3, 2)]})
    with pytest.raises(ValueError, match=r"MatMul.*\(in layers\.a\.1 of Holding\)$"):
        net(np.ones((4, 3)))


def test_of_several_batch_norms_the_one_that_refuses_a_batch_is_named():
    net = Sequential(BatchNorm(2), BatchNorm(2))
    net[0].beta.value[0] = np.inf
    with np.errstate(all="ignore"), pytest.raises(FloatingPointError, match=r"\(in batchnorm_2 of Sequential\)$"):
        net(np.random.default_rng(0).normal(size=(4, 2)))


def test_an_error_of_the_model_itself_or_of_a_layer_alone_stays_as_it_is():
    with pytest.raises(ValueError, match=r"x\[np.newaxis\], and Flatten\(\) makes vectors of images$"):
        Dense(2, 1, rng=0)(np.ones((3, 3), np.float32))


# What is handed through ----------------------------------------------------------------------------------------------


def test_a_sequential_hands_a_mask_to_the_layers_that_take_one():
    net = Sequential(Sequential(LSTM(2, 3, sequences=True, rng=0)), np.tanh, LSTM(3, 2, rng=1), Dense(2, 1, rng=2))
    u = np.random.default_rng(0).normal(size=(4, 5, 2)).astype(np.float32)
    mask = np.arange(5) < np.array([5, 2, 3, 1])[:, np.newaxis]
    inner = np.tanh(net[0][0](u, mask=mask))
    np.testing.assert_array_equal(net(u, mask=mask).value, net[3](net[2](inner, mask=mask)).value)
    assert (net(u, mask=mask).value != net(u).value)[1:].all()
    with pytest.raises(TypeError, match="none of the layers dense_1, tanh_1 takes an argument 'mask'"):
        Sequential(Dense(2, 2, rng=0), np.tanh)(u, mask=mask)


# A part of a state ---------------------------------------------------------------------------------------------------


def test_what_both_have_is_loaded_where_that_is_asked_for():
    net, other = (Sequential(Dense(3, 4, rng=seed), out=Dense(4, 2, rng=seed)) for seed in (0, 1))
    state = {"dense_1.W": other[0].W.value, "dense_1.b": other[0].b.value + 1, "head.W": np.ones(3)}
    before = net.state_dict()
    with pytest.raises(
        ValueError, match=r"out\.W is missing; out\.b is missing; head\.W is unexpected.*Nothing was changed"
    ):
        net.load_state_dict(state)
    left = net.load_state_dict(state, strict=False)
    assert left == (["out.W", "out.b"], ["head.W"])
    assert (left.missing_keys, left.unexpected_keys) == left
    np.testing.assert_array_equal(net[0].W.value, other[0].W.value)
    np.testing.assert_array_equal(net[0].b.value, other[0].b.value + 1)
    np.testing.assert_array_equal(net[1].W.value, before["out.W"])
    assert net.load_state_dict(other.state_dict()) == ([], [])
    assert net.load_state_dict({}, strict=False).missing_keys == list(before)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"dense_1.W": np.ones((4, 4), np.float32)}, r"dense_1\.W has shape \(4, 4\)"),
        ({"dense_1.W": np.ones((4, 3))}, r"dense_1\.W has .* dtype float64, expected \(4, 3\) and float32"),
        ({"module.dense_1.W": np.ones((4, 3), np.float32)}, r"module\.dense_1\.W is unexpected"),
    ],
)
def test_what_does_not_fit_is_no_part_of_a_state(state, message):
    """A path with another array is a mistake, and so are paths of which none is known."""
    net = Sequential(Dense(3, 4, rng=0))
    before = net.state_dict()
    with pytest.raises(ValueError, match=message):
        net.load_state_dict({"dense_1.b": np.full(4, 7, np.float32)} | state if "unexp" not in message else state,
                            strict=False)  # fmt: skip
    for path, array in net.state_dict().items():
        np.testing.assert_array_equal(array, before[path])

import numpy as np
import pytest

import minigrad as mg
from minigrad.models import LSTM, BatchNorm, Conv2D, Dense, Dropout, Embedding, Flatten, Module, Sequential, SimpleRNN


def mlp():
    return Sequential(
        Dense(784, 512, mg.relu), Dropout(0.2), Dense(512, 512, mg.relu), Dropout(0.2), Dense(512, 10, mg.softmax)
    )


@pytest.mark.row("ENG-24")
def test_the_listing_of_the_mnist_net(capsys):
    text = mlp().summary((784,))
    assert text == (
        'Model: "sequential"\n'
        "Layer (type)         Output Shape  Param #\n"
        "==========================================\n"
        "dense_1 (Dense)      (None, 512)    401920\n"
        "dropout_1 (Dropout)  (None, 512)         0\n"
        "dense_2 (Dense)      (None, 512)    262656\n"
        "dropout_2 (Dropout)  (None, 512)         0\n"
        "dense_3 (Dense)      (None, 10)       5130\n"
        "==========================================\n"
        "Total params: 669,706\n"
        "Trainable params: 669,706\n"
        "Non-trainable params: 0"
    )
    assert capsys.readouterr().out == text + "\n"
    assert text.isascii()
    assert repr(text) == "<Summary of Sequential: 669,706 parameters>"


@pytest.mark.row("WEX-13", "ENG-24")
def test_the_listing_of_the_simple_recurrent_net():
    net = Sequential(SimpleRNN(2, 3, mg.relu), Dense(3, 1))
    assert net.summary((200, 2)) == (
        'Model: "sequential"\n'
        "Layer (type)             Output Shape  Param #\n"
        "==============================================\n"
        "simplernn_1 (SimpleRNN)  (None, 3)          18\n"
        "dense_1 (Dense)          (None, 1)           4\n"
        "==============================================\n"
        "Total params: 22\n"
        "Trainable params: 22\n"
        "Non-trainable params: 0"
    )


@pytest.mark.row("WEX-14", "ENG-24")
def test_the_listing_of_the_lstm():
    net = Sequential(LSTM(2, 16, mg.relu), Dense(16, 1))
    assert net.summary((200, 2)) == (
        'Model: "sequential"\n'
        "Layer (type)     Output Shape  Param #\n"
        "======================================\n"
        "lstm_1 (LSTM)    (None, 16)       1216\n"
        "dense_1 (Dense)  (None, 1)          17\n"
        "======================================\n"
        "Total params: 1,233\n"
        "Trainable params: 1,233\n"
        "Non-trainable params: 0"
    )


@pytest.mark.row("WEX-15")
def test_the_mnist_net_is_what_its_listing_says():
    net = mlp()
    assert [layer.n_parameters() for layer in net] == [401920, 0, 262656, 0, 5130]
    assert net.n_parameters() == 669706
    outputs = net(np.random.default_rng(0).random((3, 784), np.float32)).value
    assert (outputs.shape, outputs.dtype) == ((3, 10), np.float32)
    np.testing.assert_allclose(outputs.sum(axis=1), 1, rtol=1e-6)


class Tower(Module):
    def __init__(self):
        self.body = Sequential(Dense(4, 3, mg.relu), BatchNorm(3))
        self.heads = [Dense(3, 1), Dense(3, 2)]
        self.scale = mg.Parameter(np.ones(2, np.float32))

    def forward(self, x):
        y = self.body(x)
        return [self.heads[0](y), self.heads[1](y) * self.scale]


def test_modules_within_modules_are_a_tree():
    net = Tower()
    net.heads[1].freeze()
    assert net.summary((4,)).splitlines()[1:] == [
        "Layer (type)               Output Shape  Param #",
        "================================================",
        "body (Sequential)          (None, 3)          27",
        "  dense_1 (Dense)          (None, 3)          15",
        "  batchnorm_1 (BatchNorm)  (None, 3)          12",
        "heads.0 (Dense)            (None, 1)           4",
        "heads.1 (Dense)            (None, 2)           8",
        "scale (Parameter)          (2,)                2",
        "================================================",
        "Total params: 41",
        "Trainable params: 27",
        "Non-trainable params: 14",
    ]


def test_shared_layers_count_once():
    shared = Dense(3, 3)
    text = Sequential(shared, shared).summary((3,))
    assert text.count("(None, 3)") == 1
    assert "Total params: 12" in text


def test_images_and_indices_and_layers_by_themselves():
    images = Sequential(Conv2D(1, 4, 3), Flatten(), Dense(144, 2))
    assert images.summary((8, 8, 1)).splitlines()[3:6] == [
        "conv2d_1 (Conv2D)    (None, 6, 6, 4)       40",
        "flatten_1 (Flatten)  (None, 144)            0",
        "dense_1 (Dense)      (None, 2)            290",
    ]
    assert "(None, 5, 4)" in Sequential(Embedding(9, 4)).summary((5,))
    assert "dense (Dense)  (None, 2)          10" in Dense(4, 2).summary((None, 4))
    assert "lstm (LSTM)   (None, 3)          72" in LSTM(2, 3).summary((5, 2))
    assert "(None, 1), (None, 2)" in _root_shapes()


def _root_shapes():
    """A module that gives several nodes, as a part of another."""

    class Outer(Module):
        def __init__(self):
            self.tower = Tower()

        def forward(self, x):
            return self.tower(x)[0]

    return Outer().summary((4,))


def test_without_a_shape_only_numbers_are_known():
    lines = Sequential(Dense(4, 2), np.tanh).summary().splitlines()
    assert lines[3:5] == ["dense_1 (Dense)    ?                  10", "tanh_1 (Function)  ?                   0"]


def test_a_module_that_takes_several_inputs():
    class Difference(Module):
        def __init__(self):
            self.layer = Dense(3, 2)

        def forward(self, p, q):
            return self.layer(p) - self.layer(q)

    assert "layer (Dense)  (None, 2)           8" in Difference().summary((3,), (3,))


def test_what_is_no_node_has_no_shape():
    class Pair(Module):
        def __init__(self):
            self.layer = Dense(4, 2)

        def forward(self, x):
            return {"y": self.layer(x)}

    assert "layer (Dense)  (None, 2)          10" in Pair().summary((np.int64(4),))

    class Outer(Module):
        def __init__(self):
            self.pair = Pair()

        def forward(self, x):
            return self.pair(x)["y"]

    assert "pair (Pair)      ?                  10" in Outer().summary((4,))


def test_modules_that_hold_each_other_end():
    net = Tower()
    net.heads[0].owner = net
    assert net.summary((4,)).count("heads.0") == 1


def test_looking_changes_nothing():
    net = Sequential(Dense(3, 3), BatchNorm(3), Dropout(0.5, rng=0))
    net[1].eval()
    before, state = net.state_dict(), net[2].rng.bit_generator.state
    net.summary((3,))
    assert [layer.training for layer in net] == [True, False, True]
    assert net[2].rng.bit_generator.state == state
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


def test_what_cannot_run_says_so():
    net = Sequential(Dropout(0.5), Dense(3, 2))
    with pytest.raises(ValueError, match=r"expected inputs of shape \(batch, ..., 3\)") as caught:
        net.summary((4,))
    assert caught.value.__notes__[0].startswith(
        "Sequential.summary ran forward on zeros of shape (2, 4) and dtype float32"
    )
    assert net[0].training
    with pytest.raises(TypeError, match=r"summary\(input_shape=784\): expected a tuple of integers, as \(784,\)"):
        net.summary(784)
    with pytest.raises(ValueError, match=r"only the first may be None"):
        net.summary((None, None, 2))
    with pytest.raises(ValueError, match="lengths are at least 1"):
        net.summary((0,))

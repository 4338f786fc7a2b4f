"""Models can learn a small real batch by heart, and a copy of a model is the model: same numbers, nothing shared."""

import copy

import numpy as np
import pytest

import minigrad as mg
from minigrad.models import (
    GRU,
    LSTM,
    RNN,
    BatchNorm,
    Bidirectional,
    Conv2D,
    Dense,
    Dropout,
    Embedding,
    EmbeddingBag,
    Flatten,
    LayerNorm,
    MaxPool2D,
    Module,
    Sequential,
    SimpleRNN,
    Stacked,
    datasets,
    losses,
)
from minigrad.optim import Adam, Step

RNG = np.random.default_rng(0)


def names(n):
    """Names of different sets of letters: their letters as indices, which of them count, and the initial of each."""
    found = {}
    for row in datasets.names().train.targets:
        found.setdefault(frozenset(row), row)
        if len(found) == n:
            break
    letters = np.array(list(found.values()))
    return letters, letters != 0, letters[:, 0]


def digits(n):
    """Images (n, 8, 8, 1) and their classes."""
    inputs, targets = datasets.digits(dtype=np.float64).train
    return inputs[:n].reshape(n, 8, 8, 1), targets[:n]


class Bag(Module):
    """The initial of a name from the set of its letters."""

    def __init__(self, n_features=16, dtype=np.float32, rng=0):
        rng = np.random.default_rng(rng)
        self.letters = EmbeddingBag(27, n_features, dtype=dtype, rng=rng)
        self.readout = Dense(n_features, 27, dtype=dtype, rng=rng)

    def forward(self, letters, mask=None):
        return self.readout(self.letters(letters, mask))


class Masked(Module):
    """Two bidirectional layers of gated units over sequences of several lengths, nan where they are padded."""

    def __init__(self, rng):
        rng = np.random.default_rng(rng)

        def both(n_inputs):
            ahead, back = (GRU(n_inputs, 4, dtype=np.float64, rng=rng) for _ in range(2))
            return Bidirectional(ahead, back)

        self.net = Stacked([both(8), both(8)])
        self.readout = Dense(8, 10, dtype=np.float64, rng=rng)

    def forward(self, u):
        return self.readout(self.net(u, mask=~np.isnan(u).any(axis=-1)))


def convolutional(rng):
    rng = np.random.default_rng(rng)
    return Sequential(
        Conv2D(1, 4, 3, padding="same", bias=False, dtype=np.float64, rng=rng),
        BatchNorm(4, dtype=np.float64),
        mg.relu,
        MaxPool2D(2),
        Flatten(),
        Dense(64, 10, dtype=np.float64, rng=rng),
    )


def dense(rng):
    rng = np.random.default_rng(rng)
    return Sequential(
        Flatten(), Dense(64, 16, mg.relu, dtype=np.float64, rng=rng), Dropout(0.3, rng=rng),
        Dense(16, 10, dtype=np.float64, rng=rng),
    )  # fmt: skip


def normalized(rng):
    rng = np.random.default_rng(rng)
    return Sequential(
        Flatten(), Dense(64, 16, np.tanh, dtype=np.float64, rng=rng), LayerNorm(16, dtype=np.float64),
        Dense(16, 10, dtype=np.float64, rng=rng),
    )  # fmt: skip


def memory(rng):
    rng = np.random.default_rng(rng)
    return Sequential(LSTM(8, 5, dtype=np.float64, rng=rng), Dense(5, 10, dtype=np.float64, rng=rng))


def words(rng):
    return Sequential(Embedding(27, 3, dtype=np.float64, rng=rng), Flatten(), Dense(48, 27, dtype=np.float64, rng=rng))


def rows(images):
    return images[..., 0]


def padded(images):
    lengths = np.arange(len(images)) % 4 + 4
    return np.where((np.arange(8) < lengths[:, np.newaxis])[..., np.newaxis], rows(images), np.nan)


# Each model from a seed, and what makes its inputs of images or of names.
MODELS = {
    "dense": (dense, lambda images: images),
    "convolutional, batch-normalized": (convolutional, lambda images: images),
    "layer-normalized": (normalized, lambda images: images),
    "stacked, bidirectional, masked": (Masked, padded),
    "memory": (memory, rows),
    "recurrent": (lambda rng: Sequential(SimpleRNN(8, 5, dtype=np.float64, rng=rng), Dense(5, 10, dtype=np.float64, rng=rng)), rows),
    "read out at the end": (lambda rng: RNN(8, 5, 10, dtype=np.float64, rng=rng), rows),
    "words": (words, None),
    "bag": (lambda rng: Bag(4, np.float64, rng), None),
}  # fmt: skip
every_model = pytest.mark.parametrize("name", MODELS)


def made(name, rng=0):
    """The model, and inputs and targets of four batches of six."""
    make, of_images = MODELS[name]
    if of_images is None:
        letters, _, initials = names(24)
        return make(rng), letters.reshape(4, 6, -1), initials.reshape(4, 6)
    images, classes = digits(24)
    return make(rng), of_images(images).reshape(4, 6, *of_images(images).shape[1:]), classes.reshape(4, 6)


def trainer(net):
    """Steps of an Adam of its own."""
    return Step(net, losses.cross_entropy, Adam(net.parameters(), 0.02))


def same(one, other):
    """Both models have the same state, bit for bit."""
    first, second = one.state_dict(), other.state_dict()
    assert list(first) == list(second)
    return all(np.array_equal(first[path], second[path]) for path in first)


def outputs(net, x):
    """What the model answers in evaluation."""
    training = net.training
    found = net.eval()(mg.Input(x)).value
    if training:
        net.train()
    return found


# Learning by heart ---------------------------------------------------------------------------------------------------


def test_a_bag_of_letters_learns_the_initials_of_names_by_heart():
    letters, mask, initials = names(24)
    assert 2 < mask.sum(axis=1).min() < mask.sum(axis=1).max()  # bags of several sizes
    net = Bag()
    adam = Adam(net.parameters(), 0.05)
    for _ in range(300):
        loss = losses.cross_entropy(net(letters, mask), initials)
        loss.backward()
        adam.step()
    assert float(loss) < 1e-3
    assert (net(letters, mask).value.argmax(axis=1) == initials).all()
    backward = net(letters[:, ::-1], mask[:, ::-1])  # a bag has no order
    np.testing.assert_allclose(backward.value, net(letters, mask).value, rtol=1e-4, atol=1e-4)


def test_second_order_derivatives_of_a_bag_of_letters():
    letters, mask, initials = names(3)
    bag, readout = EmbeddingBag(27, 2, dtype=np.float64, rng=0), Dense(2, 3, np.tanh, dtype=np.float64, rng=1)

    def loss(vectors, W, b):
        one, other = copy.deepcopy(bag), copy.deepcopy(readout)
        for owner, attribute, node in ((one, "W", vectors), (other, "W", W), (other, "b", b)):
            object.__setattr__(owner, attribute, node)
        return losses.cross_entropy(other(one(letters, mask)), initials % 3)

    arrays = [parameter.value for parameter in (*bag.parameters(), *readout.parameters())]
    mg.check_gradients(loss, *arrays)
    mg.check_gradients(loss, *arrays, order=2, directions=40)


# Evaluation ----------------------------------------------------------------------------------------------------------


def test_after_training_evaluation_takes_the_running_statistics():
    net, x, y = made("convolutional, batch-normalized")
    norm, kept = net[1], {"mean": np.zeros(4), "variance": np.ones(4)}
    step = trainer(net)
    for inputs, targets in zip(x, y, strict=True):
        before = net[0](inputs).value  # what the layer is about to see
        step(inputs, targets)
        kept["mean"] = 0.9 * kept["mean"] + 0.1 * before.mean((0, 1, 2))
        kept["variance"] = 0.9 * kept["variance"] + 0.1 * before.var((0, 1, 2), ddof=1)
    np.testing.assert_allclose(norm.running_mean.value, kept["mean"], rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(norm.running_variance.value, kept["variance"], rtol=1e-10)

    net.eval()
    seen = net[0](x[0]).value
    normal = (seen - kept["mean"]) / np.sqrt(kept["variance"] + norm.eps) * norm.gamma.value + norm.beta.value
    np.testing.assert_allclose(net[:2](x[0]).value, normal, rtol=1e-9, atol=1e-12)
    together = net(x[0]).value
    for i in range(len(x[0])):  # an example alone is what it is among others
        np.testing.assert_allclose(net(x[0][i : i + 1]).value, together[i : i + 1], rtol=1e-10, atol=1e-13)
    state = net.state_dict()
    assert np.abs(net.train()(x[0]).value - together).max() > 0.01  # the batch's own statistics are others
    assert not same(net, copy_with(net, state))


def copy_with(net, state):
    twin = copy.deepcopy(net)
    twin.load_state_dict(state)
    return twin


# Copies --------------------------------------------------------------------------------------------------------------


def trained(name):
    """A model after three steps, its fourth batch, and a copy by each way there is."""
    net, x, y = made(name)
    step = trainer(net)
    for inputs, targets in zip(x[:3], y[:3], strict=True):
        step(inputs, targets)
    stored, _, _ = made(name, rng=99)
    assert not same(stored, net)
    stored.load_state_dict(net.state_dict())
    for (_, mine), (_, other) in zip(net.named_modules(), stored.named_modules(), strict=True):
        if isinstance(mine, Dropout):  # what it will draw is no parameter
            other.rng.bit_generator.state = mine.rng.bit_generator.state
    return net, x[3], y[3], {"copy": copy.deepcopy(net), "state dict": stored}


@every_model
def test_copies_give_the_same_numbers_and_share_none(name):
    net, x, _, copies = trained(name)
    for way, twin in copies.items():
        assert same(net, twin), way
        np.testing.assert_array_equal(outputs(twin, x), outputs(net, x), err_msg=way)
        for one in net.parameters():
            for other in twin.parameters():
                assert one is not other, way
                assert not np.shares_memory(one.value, other.value), way
        assert [path for path, _ in twin.named_modules()] == [path for path, _ in net.named_modules()]
        assert [p.trainable for p in twin.parameters()] == [p.trainable for p in net.parameters()]
        assert repr(twin) == repr(net)


@pytest.mark.slow
@every_model
@pytest.mark.parametrize("way", ["copy", "state dict"])
def test_a_further_step_of_both_is_the_same_step_and_leaves_the_other_alone(name, way):
    net, x, y, copies = trained(name)
    twin, before = copies[way], net.state_dict()
    found = trainer(twin)(x, y)
    for path, array in net.state_dict().items():  # only the twin has moved
        np.testing.assert_array_equal(array, before[path], err_msg=path)
    assert not same(net, twin)
    moved = twin.state_dict()
    assert trainer(net)(x, y) == found
    for path, array in twin.state_dict().items():
        np.testing.assert_array_equal(array, moved[path], err_msg=path)
    assert same(net, twin)
    np.testing.assert_array_equal(outputs(twin, x), outputs(net, x))


@every_model
def test_a_state_dict_is_a_copy_too(name):
    net, x, y, _ = trained(name)
    state, expected = net.state_dict(), outputs(net, x)
    trainer(net)(x, y)
    assert np.abs(outputs(net, x) - expected).max() > 0
    for path, parameter in net.named_parameters():
        assert not np.shares_memory(state[path], parameter.value)
    net.load_state_dict(state)
    for path, parameter in net.named_parameters():
        assert not np.shares_memory(state[path], parameter.value)
    np.testing.assert_array_equal(outputs(net, x), expected)


# What courses print --------------------------------------------------------------------------------------------------


@pytest.mark.row("WEX-12")
def test_the_recurrent_net_of_22_parameters():
    """SimpleRNN(3, relu) and Dense(1, linear) over 200 steps of 2 features, against a loop of NumPy."""
    net = Sequential(SimpleRNN(2, 3, mg.relu, dtype=np.float64, rng=0), Dense(3, 1, dtype=np.float64, rng=1))
    assert [layer.n_parameters() for layer in net] == [18, 4]
    assert net.n_parameters() == 22
    u = RNG.normal(size=(5, 200, 2))
    assert net[0](u).shape == (5, 3)
    W_x, W_h, b, W, b_o = (p.value for p in net.parameters())
    assert [p.shape for p in net.parameters()] == [(3, 2), (3, 3), (3,), (1, 3), (1,)]
    h = np.zeros((5, 3))
    for t in range(200):
        h = np.maximum(u[:, t] @ W_x.T + h @ W_h.T + b, 0)
    y = net(u)
    assert y.shape == (5, 1)
    np.testing.assert_allclose(y.value, h @ W.T + b_o, rtol=1e-9, atol=1e-12)

import copy

import numpy as np
import pytest

import minigrad as mg
from minigrad.models import AveragePool2D, BatchNorm, Conv2D, Conv2DTranspose, MaxPool2D, Module, datasets, losses
from minigrad.models.initializers import constant
from minigrad.optim import Adam, fit

RNG = np.random.default_rng(0)


def with_parameters(model, f):
    """f as a function of all trainable parameters of the model and of its further arguments."""
    names = [(name, p) for name, p in model.named_parameters() if p.trainable]

    def call(*nodes):
        twin = copy.deepcopy(model)
        for (path, _), node in zip(names, nodes, strict=False):
            *owners, last = path.split(".")
            owner = twin
            for name in owners:
                owner = getattr(owner, name)
            object.__setattr__(owner, last, node)
        return f(twin, *nodes[len(names) :])

    return call, [p.value for _, p in names]


class Net(Module):
    """A batch-normalized convolutional net for 8x8 digits."""

    def __init__(self, n_filters=8, n_hidden=8, n_classes=10, dtype=np.float32, activation=np.tanh):
        self.first = Conv2D(1, n_filters, 3, padding="same", bias=False, dtype=dtype, rng=0)
        self.norm = BatchNorm(n_filters, dtype=dtype)
        self.pool = MaxPool2D(2)
        self.second = Conv2D(n_filters, n_hidden, 3, dtype=dtype, rng=1)
        self.mean = AveragePool2D(2)
        self.readout = Conv2D(n_hidden, n_classes, 1, dtype=dtype, rng=2)
        self.activation = activation

    def forward(self, x):
        hidden = self.pool(self.activation(self.norm(self.first(x))))
        hidden = self.mean(self.activation(self.second(hidden)))
        return self.readout(hidden).reshape((-1, self.readout.n_filters))


def digits(n, dtype=np.float32):
    inputs, targets = datasets.digits(dtype=dtype).train
    return inputs[:n].reshape(n, 8, 8, 1), targets[:n]


# Conv2D --------------------------------------------------------------------------------------------------------------


@pytest.mark.row("LAY-11")
def test_the_number_of_parameters_and_of_neurons():
    layer = Conv2D(3, 5, 3, rng=0)
    assert layer.W.shape == (5, 3, 3, 3)
    assert layer.b.shape == (5,)
    n_parameters = sum(p.size for p in layer.parameters())
    assert n_parameters == (3 * 3 * 3 + 1) * 5 == 140
    assert n_parameters != (3 * 3 + 1) * 5  # as if a filter did not see all channels
    assert layer(np.zeros((1, 8, 6, 3)))[0].size == 6 * 4 * 5
    assert Conv2D(1, 4, 3, stride=2, rng=0)(np.zeros((1, 8, 8, 1))).shape == (1, 3, 3, 4)
    assert Conv2D(1, 4, 3, padding=1, rng=0)(np.zeros((1, 5, 5, 1))).shape == (1, 5, 5, 4)


@pytest.mark.row("LAY-11")
@pytest.mark.parametrize(
    ("stride", "padding", "activation"), [(1, 0, None), (2, 1, np.tanh), ((1, 2), "same", mg.sigmoid), (1, "valid", None)]
)  # fmt: skip
def test_a_layer_and_its_derivatives(stride, padding, activation):
    layer = Conv2D(2, 2, (3, 2), stride, padding, activation, dtype=np.float64, rng=0)
    layer.b.value = RNG.normal(size=2)
    x = RNG.normal(size=(2, 4, 3, 2))
    y = mg.conv2d(x, layer.W, stride, padding) + layer.b.value
    np.testing.assert_allclose(layer(x).value, (y if activation is None else activation(y)).value, rtol=1e-13)
    f, arrays = with_parameters(layer, lambda twin, x: twin.forward(x))
    mg.check_gradients(f, *arrays, x, order=2)


def test_how_a_layer_starts():
    layer = Conv2D(8, 400, 3, rng=0)
    np.testing.assert_allclose(layer.W.value.std(), np.sqrt(2 / (3 * 3 * 8)), rtol=0.02)
    np.testing.assert_allclose(layer.W.value.mean(), 0, atol=0.005)
    assert not layer.b.value.any()
    assert (Conv2D(1, 1, 2, initializer=constant(0.5)).W.value == 0.5).all()
    starts = [Conv2D(1, 2, 3, rng=seed).W.value.tobytes() for seed in (7, np.random.default_rng(7), 8, None, None)]
    assert starts[0] == starts[1]
    assert len(set(starts)) == 4


def test_the_bias_may_be_left_out():
    layer = Conv2D(1, 2, 3, bias=False, rng=0)
    assert [name for name, _ in layer.named_parameters()] == ["W"]
    assert not layer(np.zeros((1, 3, 3, 1))).value.any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_inputs_are_cast_to_the_dtype_of_the_layer(dtype):
    layer = Conv2D(1, 2, 3, activation=mg.relu, dtype=dtype, rng=0)
    for given in (np.float32, np.float64):
        x = mg.Input(np.full((1, 4, 4, 1), 1000, given))
        y = layer(x)
        assert y.dtype == dtype
        assert [g.dtype for g in mg.gradients(y.sum(), [x, layer.W])] == [given, dtype]


def test_bad_layers_and_inputs_are_refused():
    for call, message in (
        (lambda: Conv2D(0, 1, 3), r"Conv2D\(n_channels=0\): expected an integer of at least 1"),
        (lambda: Conv2D(1, 2.0, 3), r"Conv2D\(n_filters=2.0\)"),
        (lambda: Conv2D(1, 1, 0), r"Conv2D\(size=0\)"),
        (lambda: Conv2D(1, 1, 3, stride=(1, 0)), r"Conv2D\(stride=\(1, 0\)\)"),
        (lambda: Conv2D(1, 1, 3, padding=-1), r"Conv2D\(padding=-1\)"),
        (lambda: MaxPool2D(0), r"MaxPool2D\(size=0\)"),
        (lambda: AveragePool2D(2, 0), r"AveragePool2D\(stride=0\)"),
        (lambda: Conv2D(1, 1, 3)(np.zeros((2, 8, 8, 3))), "the images have 3 channels and the kernels 1"),
        (lambda: Conv2D(1, 1, 3)(np.zeros((8, 8, 1))), "expected images"),
        (lambda: Conv2D(1, 1, 9)(np.zeros((1, 8, 8, 1))), "a window of height 9 does not fit into images of height 8"),
        (lambda: Conv2D(1, 1, 3, padding="full"), r"Conv2D\(padding='full'\)"),
        (lambda: Conv2D(1, 1, 3, dilation=0), r"Conv2D\(dilation=0\)"),
        (lambda: Conv2D(4, 6, 3, groups=3), r"Conv2D\(groups=3\): n_channels is 4, which cannot be cut into 3"),
        (lambda: Conv2D(4, 6, 3, groups=4), r"Conv2D\(groups=4\): n_filters is 6, which cannot"),
        (lambda: Conv2D(4, 4, 3, groups=0), r"Conv2D\(groups=0\): expected an integer of at least 1"),
        (lambda: Conv2DTranspose(1, 1, 3, output_padding=-1), r"Conv2DTranspose\(output_padding=-1\)"),
        (lambda: Conv2DTranspose(1, 1, 3, output_padding=1)(np.zeros((1, 3, 3, 1))), "less than the stride"),
        (
            lambda: Conv2DTranspose(2, 1, 3)(np.zeros((1, 3, 3, 1))),
            r"expected images \(batch, height, width, 2\), found",
        ),
        (lambda: Conv2DTranspose(2, 1, 3)(np.zeros((3, 3, 2))), "conv2d_transpose: expected images"),
        (lambda: MaxPool2D(2, padding=2), r"MaxPool2D\(padding=2\): expected less than the size, \(2, 2\)"),
        (lambda: AveragePool2D(2, padding=-1), r"AveragePool2D\(padding=-1\)"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
    with pytest.raises(TypeError, match=r"Conv2D\(dtype=int64\): expected floating-point"):
        Conv2D(1, 1, 3, dtype=int)
    with pytest.raises(TypeError, match=r"Conv2D: the inputs hold uint8.* as x / np.float32\(255\)"):
        Conv2D(1, 1, 3)(np.zeros((1, 8, 8, 1), np.uint8))


@pytest.mark.parametrize(
    ("stride", "padding", "activation", "options"),
    [
        (1, 2, None, {"dilation": 2}),
        ((2, 1), "same", np.tanh, {"dilation": (1, 2), "groups": 2}),
        (1, 0, mg.sigmoid, {"groups": 4}),
    ],
)
def test_layers_with_dilation_and_groups(stride, padding, activation, options):
    layer = Conv2D(4, 4, (3, 2), stride, padding, activation, dtype=np.float64, rng=0, **options)
    assert layer.W.shape == (4, 3, 2, 4 // layer.groups)
    x = RNG.normal(size=(2, 4, 5, 4))
    y = mg.conv2d(x, layer.W, stride, padding, **options)
    np.testing.assert_allclose(layer(x).value, (y if activation is None else activation(y)).value, rtol=1e-13)
    f, arrays = with_parameters(layer, lambda twin, x: twin.forward(x))
    mg.check_gradients(f, *arrays, x, order=2)


# Conv2DTranspose -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stride", "padding", "options", "shape"),
    [
        (1, 0, {}, (6, 6)),
        (2, 1, {"output_padding": (1, 0)}, (8, 7)),
        ((2, 3), "same", {"activation": np.tanh}, (8, 12)),
        (2, 0, {"groups": 2, "dilation": 2, "bias": False}, (11, 11)),
    ],
)
def test_a_transposed_layer_and_its_derivatives(stride, padding, options, shape):
    layer = Conv2DTranspose(2, 4, 3, stride, padding, dtype=np.float64, rng=0, **options)
    x = RNG.normal(size=(2, 4, 4, 2))
    assert layer.W.shape == (4, 3, 3, 2 // layer.groups)
    assert layer(x).shape == (2, *shape, 4)
    f, arrays = with_parameters(layer, lambda twin, x: twin.forward(x))
    mg.check_gradients(f, *arrays, x, order=2)


def test_a_transposed_layer_is_its_formula():
    layer = Conv2DTranspose(2, 3, (2, 3), (2, 1), 1, dtype=np.float64, rng=0)
    layer.b.value = RNG.normal(size=3)
    x = RNG.normal(size=(2, 3, 4, 2))
    y = np.zeros((2, 6, 6, 3))
    for i, j, u, v in np.ndindex(3, 4, 2, 3):
        y[:, 2 * i + u, j + v] += x[:, i, j] @ layer.W.value[:, u, v].T
    np.testing.assert_allclose(layer(x).value, y[:, 1:-1, 1:-1] + layer.b.value, rtol=1e-12)


def test_a_transposed_layer_undoes_the_size_of_a_convolution():
    for size, stride, padding in ((3, 1, 1), (4, 2, 1), (3, 2, "same"), (2, 2, 0)):
        down = Conv2D(1, 2, size, stride, padding, rng=0)
        up = Conv2DTranspose(2, 1, size, stride, padding, rng=1)
        assert up(down(np.zeros((1, 8, 8, 1)))).shape == (1, 8, 8, 1)


def test_how_a_transposed_layer_starts():
    layer = Conv2DTranspose(8, 100, 4, 2, rng=0)
    np.testing.assert_allclose(layer.W.value.std(), np.sqrt(2 / (2 * 2 * 8)), rtol=0.02)
    assert (Conv2DTranspose(1, 1, 2, initializer=constant(0.5)).W.value == 0.5).all()
    same = [Conv2DTranspose(2, 1, 3, rng=7).W.value.tobytes() for _ in range(2)]
    assert same[0] == same[1]


def test_layers_say_how_they_slide():
    assert repr(Conv2D(2, 4, 3, dilation=2, groups=2)) == "Conv2D(2, 4, (3, 3), dilation=(2, 2), groups=2)"
    assert repr(Conv2DTranspose(2, 4, 3, activation=np.tanh)) == "Conv2DTranspose(2, 4, (3, 3), tanh)"


# Pools ---------------------------------------------------------------------------------------------------------------


@pytest.mark.row("LAY-12")
def test_pools_have_no_parameters():
    row = np.array([0.0, 9, 0, 0, 0, 0]).reshape(1, 1, 6, 1)
    pool = MaxPool2D((1, 2))
    assert pool.parameters() == []
    np.testing.assert_array_equal(pool(row).value.ravel(), [9, 0, 0])
    np.testing.assert_array_equal(AveragePool2D((1, 2))(row).value.ravel(), [4.5, 0, 0])
    np.testing.assert_array_equal(MaxPool2D((1, 2), stride=1)(row).value.ravel(), [9, 9, 0, 0, 0])
    x = RNG.permutation(32).reshape(1, 4, 4, 2) / 4
    mg.check_gradients(MaxPool2D(2), x, order=2)
    mg.check_gradients(AveragePool2D(2, 1), x, order=2)


def test_pools_that_reach_over_the_edge():
    x = RNG.permutation(50).reshape(1, 5, 5, 2) / 4 - 9
    for layer, expected in (
        (MaxPool2D(3, 2, 1), mg.max_pool2d(x, 3, 2, 1)),
        (MaxPool2D(2, padding="same"), mg.max_pool2d(x, 2, 2, "same")),
        (AveragePool2D(3, 2, 1), mg.average_pool2d(x, 3, 2, 1)),
        (AveragePool2D(3, 2, 1, count_include_pad=True), mg.average_pool2d(x, 3, 2, 1, count_include_pad=True)),
    ):
        np.testing.assert_array_equal(layer(x).value, expected.value)
        assert layer(x).shape == (1, 3, 3, 2)
        mg.check_gradients(layer, x, order=2)


# A net of all of them ------------------------------------------------------------------------------------------------


def test_a_batch_normalized_net_overfits_a_batch_of_digits():
    x, y = digits(16)
    net = Net(activation=mg.relu, n_hidden=32)
    adam = Adam(net.parameters(), 0.03)
    history = fit(net, x, y, loss=losses.cross_entropy, optimizer=adam, epochs=100, batch_size=16, quiet=True)
    assert history["loss"][-1] < 1e-3
    for _ in range(200):
        net(x)  # let the running statistics arrive
    net.eval()
    assert float(losses.cross_entropy(net(x), y)) < 1e-3
    np.testing.assert_allclose(net(x[:1]).value, net(x).value[:1], rtol=1e-4, atol=1e-4)  # examples are on their own


def test_second_order_derivatives_of_the_net():
    x, y = digits(3, np.float64)
    x = x[:, 1:7, 1:7] + 0.01 * RNG.normal(size=(3, 6, 6, 1))  # no ties between pixels
    net = Net(2, 2, 3, np.float64)
    net.second = Conv2D(2, 2, 2, dtype=np.float64, rng=1)
    f, arrays = with_parameters(net, lambda twin, x: losses.cross_entropy(twin.forward(x), y % 3))
    mg.check_gradients(f, *arrays, x, order=2)


def test_a_net_survives_a_copy_and_a_state_dict():
    x, y = digits(8)
    net = Net()
    fit(net, x, y, loss=losses.cross_entropy, optimizer=Adam(net.parameters()), epochs=2, batch_size=4, quiet=True)
    expected = net.eval()(x).value
    np.testing.assert_array_equal(copy.deepcopy(net)(x).value, expected)
    other = Net().eval()
    assert (other(x).value != expected).any()
    other.load_state_dict(net.state_dict())
    np.testing.assert_array_equal(other(x).value, expected)

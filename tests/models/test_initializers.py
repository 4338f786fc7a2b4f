import pickle
import re

import numpy as np
import pytest

import minigrad as mg
from minigrad.models import GRU, LSTM, RNN, Conv2D, Dense, Embedding, EmbeddingBag, Sequential
from minigrad.models.initializers import (
    constant,
    gain,
    glorot_normal,
    glorot_uniform,
    he_normal,
    he_uniform,
    identity,
    lecun_normal,
    lecun_uniform,
    normal,
    ones,
    orthogonal,
    uniform,
    zeros,
)
from minigrad.optim import SGD

DTYPES = [np.float32, np.float64]


@pytest.mark.row("INI-03")
@pytest.mark.parametrize("std", [0.01, 0.1])
def test_normal_has_mean_zero_and_the_standard_deviation(std):
    a = normal(std)((300, 200), np.random.default_rng(0), np.float64)
    n = a.size
    assert abs(a.mean()) < 4 * std / np.sqrt(n)
    assert abs(a.std() / std - 1) < 4 / np.sqrt(2 * n)
    assert abs((a**4).mean() / std**4 - 3) < 4 * np.sqrt(96 / n)  # the fourth moment of a normal distribution


@pytest.mark.row("INI-01")
@pytest.mark.parametrize("dtype", DTYPES)
def test_zeros_and_constant(dtype):
    rng = np.random.default_rng(0)
    for initializer, value in ((zeros, 0.0), (ones, 1.0), (constant(0.5), 0.5)):
        a = initializer((3, 2), rng, dtype)
        assert a.dtype == dtype
        assert a.tolist() == [[value, value]] * 3


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(5, 5), (7, 3), (3, 7), (1, 4)])
def test_orthogonal_keeps_lengths_times_the_gain(shape, dtype):
    Q = orthogonal(1.5)(shape, np.random.default_rng(0), dtype)
    assert (Q.shape, Q.dtype) == (shape, dtype)
    product = Q.T @ Q if shape[0] >= shape[1] else Q @ Q.T
    np.testing.assert_allclose(product, 2.25 * np.eye(min(shape)), atol=40 * np.finfo(dtype).eps)


def test_orthogonal_is_uniform():
    rng = np.random.default_rng(0)
    drawn = np.array([orthogonal()((2, 2), rng, np.float64) for _ in range(4000)])
    assert abs((np.linalg.det(drawn) > 0).mean() - 0.5) < 0.04  # rotations and reflections
    angles = np.arctan2(drawn[:, 1, 0], drawn[:, 0, 0])
    assert np.abs(np.histogram(angles, 8, (-np.pi, np.pi))[0] - 500).max() < 5 * np.sqrt(500)


ALL = [
    normal(0.1), uniform(-1, 2), orthogonal(), glorot_uniform(), glorot_normal(), he_uniform(), he_normal(),
    lecun_uniform(), lecun_normal(),
]  # fmt: skip


@pytest.mark.parametrize("initializer", ALL)
def test_the_generator_decides(initializer):
    def draw(seed):
        return initializer((4, 3), np.random.default_rng(seed), np.float32)

    assert (draw(1) == draw(1)).all()
    assert (draw(1) != draw(2)).any()
    rng = np.random.default_rng(1)
    assert (initializer((4, 3), rng, np.float32) != initializer((4, 3), rng, np.float32)).any()


def test_initializers_can_be_stored():
    for initializer in (*ALL, zeros, identity(2.0)):
        kept = pickle.loads(pickle.dumps(initializer))
        rngs = [np.random.default_rng(0) for _ in range(2)]
        np.testing.assert_array_equal(kept((3, 3), rngs[0], np.float64), initializer((3, 3), rngs[1], np.float64))


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match=r"normal\(std\): the standard deviation is a number of at least 0, not -1"):
        normal(-1)
    with pytest.raises(ValueError, match="normal"):
        normal(np.nan)
    with pytest.raises(ValueError, match=r"orthogonal\(gain\): the gain is a finite number, not inf"):
        orthogonal(np.inf)
    with pytest.raises(ValueError, match=r"only a matrix can be orthogonal, and the shape is \(3,\)"):
        orthogonal()((3,), np.random.default_rng(0), np.float64)
    with pytest.raises(ValueError, match=r"only a matrix can be an identity, and the shape is \(2, 2, 2\)"):
        identity()((2, 2, 2), np.random.default_rng(0), np.float64)
    with pytest.raises(ValueError, match=r"uniform\(low=1, high=0\): two finite numbers, low not above high"):
        uniform(1, 0)
    with pytest.raises(ValueError, match=r"normal\(mean\): the mean is a finite number"):
        normal(1, np.inf)
    with pytest.raises(ValueError, match=r"glorot_uniform\(gain\): the gain is a finite number, not nan"):
        glorot_uniform(np.nan)
    with pytest.raises(ValueError, match=r"needs weights \(n_outputs, n_inputs\) or kernels, and the shape is \(4,\)"):
        he_normal()((4,), np.random.default_rng(0), np.float64)
    with pytest.raises(ValueError, match=r"gain\('swish'\): known are linear, tanh"):
        gain("swish")


# Scaled to fans ------------------------------------------------------------------------------------------------------


@pytest.mark.row("INI-01", "INI-02")
def test_a_dense_layer_starts_with_glorots_weights_and_zero_biases():
    layer = Dense(784, 512, rng=0)
    bound = np.sqrt(6 / (784 + 512))
    assert layer.b.value.tolist() == [0.0] * 512
    assert bound * 0.9999 < np.abs(layer.W.value).max() <= np.float32(bound)


@pytest.mark.slow
@pytest.mark.row("INI-02")
@pytest.mark.parametrize(
    ("n_inputs", "n_outputs", "bound"),
    [(784, 512, 0.068041), (512, 512, 0.076547), (512, 10, 0.107211), (20, 8, 0.462910)],
)
def test_glorots_bound_and_variance(n_inputs, n_outputs, bound):
    rng = np.random.default_rng(0)
    for initializer in (glorot_uniform(), glorot_normal()):
        a = np.concatenate([initializer((n_outputs, n_inputs), rng, np.float64).ravel() for _ in range(40)])
        if initializer.func is glorot_uniform().func:
            assert bound * 0.998 < np.abs(a).max() <= bound + 1e-6
        assert abs(a.var() / (2 / (n_inputs + n_outputs)) - 1) < 4 * np.sqrt(2 / a.size)
        assert abs(a.mean()) < 4 * a.std() / np.sqrt(a.size)


@pytest.mark.parametrize(
    ("initializer", "variance", "fourth"),
    [
        (he_uniform(), 2 / 90, 9 / 5), (he_normal(), 2 / 90, 3), (he_normal(1.0), 1 / 90, 3),
        (lecun_uniform(), 1 / 90, 9 / 5), (lecun_normal(), 1 / 90, 3), (glorot_uniform(), 2 / (90 + 360), 9 / 5),
        (glorot_normal(4.0), 32 / (90 + 360), 3),
    ],
)  # fmt: skip
def test_fans_of_kernels(initializer, variance, fourth):
    """40 filters of 3x3 over 10 channels: fan_in 90, fan_out 360. The fourth moment tells uniform from normal."""
    a = np.concatenate([initializer((40, 3, 3, 10), np.random.default_rng(i), np.float64).ravel() for i in range(10)])
    assert abs(a.var() / variance - 1) < 5 * np.sqrt(2 / a.size)
    assert abs((a**4).mean() / variance**2 - fourth) < 0.2
    assert initializer((2, 3), np.random.default_rng(0), np.float32).dtype == np.float32


def test_uniform_and_identity():
    a = uniform(-1, 3)((300, 200), np.random.default_rng(0), np.float64)
    assert -1 <= a.min() < -0.999
    assert 2.999 < a.max() < 3
    assert abs(a.mean() - 1) < 4 * a.std() / np.sqrt(a.size)
    I = identity(0.5)((2, 3), np.random.default_rng(0), np.float32)
    assert (I.tolist(), I.dtype) == ([[0.5, 0, 0], [0, 0.5, 0]], np.float32)
    assert abs(normal(1.0, mean=5.0)((100, 100), np.random.default_rng(0), np.float64).mean() - 5) < 0.05


# What starts do ------------------------------------------------------------------------------------------------------


def gradients_of(start, n_steps=0):
    """The gradients of a tanh net with one hidden layer, after some steps of descent, and the net."""
    x = np.random.default_rng(0).normal(size=(6, 3))
    net = Sequential(*(Dense(n, m, np.tanh, initializer=start, dtype=np.float64) for n, m in ((3, 4), (4, 1))))
    optimizer = SGD(net.parameters(), 0.1)
    for i in range(n_steps + 1):
        ((net(x) - x[:, :1]) ** 2 + net(x)).mean().backward()
        if i < n_steps:
            optimizer.step()
    return {name: p.grad for name, p in net.named_parameters()}, net


@pytest.mark.row("INI-04")
def test_zeros_let_only_the_last_bias_learn():
    gradients, net = gradients_of(zeros)
    assert not any(p.value.any() for p in net.parameters())
    assert [name for name, g in gradients.items() if g.any()] == ["dense_2.b"]


@pytest.mark.row("INI-05")
def test_constant_weights_keep_the_units_alike():
    _, net = gradients_of(constant(0.5), n_steps=50)
    W = net[0].W.value
    assert np.ptp(W, axis=0).max() < 1e-15  # over units; columns differ
    assert np.ptp(W, axis=1).max() > 0.01
    _, other = gradients_of(None, n_steps=50)
    assert np.ptp(other[0].W.value, axis=0).max() > 0.1


@pytest.mark.row("INI-06")
def test_large_weights_saturate():
    """Pre-activations of std 10: the mean slope of tanh is E 1 − tanh²(10 z) = .08, that of the logistic a tenth of 1/4."""
    x = np.random.default_rng(0).normal(size=(2000, 100))
    layer = Dense(100, 100, initializer=normal(1.0), dtype=np.float64, rng=1)
    a = layer(x).value
    assert abs(a.std() - 10) < 0.2
    assert abs((1 - np.tanh(a) ** 2).mean() - 0.08) < 0.003
    small = Dense(100, 100, dtype=np.float64, rng=1)(x).value
    assert (1 - np.tanh(small) ** 2).mean() > 0.5


@pytest.mark.row("INI-07")
def test_the_logistic_sigmoid_needs_four_times_glorots_bound():
    """The spread over inputs after 5 layers of 200; taking tanh's bound for both lets the sigmoid's signal die."""

    def spread(activation, name):
        rng = np.random.default_rng(0)
        h = rng.normal(size=(2000, 200))
        for _ in range(5):
            start = glorot_uniform(gain(name))

            def transposed(shape, rng, dtype, start=start):
                return start(shape[::-1], rng, dtype).T

            h = Dense(200, 200, activation, initializer=transposed, dtype=np.float64, rng=rng)(h).value
        return h.std(axis=0).mean()

    assert glorot_uniform(gain("sigmoid"))((2, 4), np.random.default_rng(0), float) == pytest.approx(
        4 * glorot_uniform()((2, 4), np.random.default_rng(0), float)
    )
    assert spread(np.tanh, "tanh") == pytest.approx(0.321, abs=5e-4)
    assert spread(mg.sigmoid, "linear") == pytest.approx(6.4e-4, abs=5e-6)
    assert spread(mg.sigmoid, "sigmoid") == pytest.approx(0.049, abs=5e-4)


def test_relu_keeps_its_signal_with_hes_gain():
    rng = np.random.default_rng(0)
    h = x = rng.normal(size=(500, 300))
    for _ in range(6):
        h = Dense(300, 300, mg.relu, initializer=he_normal(), dtype=np.float64, rng=rng)(h).value
    assert 0.7 < (h**2).mean() / (x**2).mean() < 1.4
    assert [gain(name) for name in ("linear", "tanh", "sigmoid")] == [1, 1, 4]
    assert gain("relu") ** 2 == pytest.approx(2)
    assert gain("leaky_relu", 0.5) ** 2 == pytest.approx(2 / 1.25)


@pytest.mark.row("INI-08")
def test_layers_are_reused_frozen():
    rng = np.random.default_rng(0)
    pretrained = Sequential(Dense(3, 5, np.tanh, rng=rng), Dense(5, 4, np.tanh, rng=rng), Dense(4, 2, rng=rng))
    net = Sequential(Dense(3, 5, np.tanh), Dense(5, 4, np.tanh), Dense(4, 6))
    net[:2].load_state_dict(pretrained[:2].state_dict())
    x = rng.normal(size=(7, 3)).astype(np.float32)
    np.testing.assert_array_equal(net[:2](x).value, pretrained[:2](x).value)
    net[:2].freeze()
    before = net.state_dict()
    optimizer = SGD(net.parameters(), 0.1)
    for _ in range(3):
        (net(x) ** 2).mean().backward()
        assert [p.grad is None for p in net.parameters()] == [True] * 4 + [False] * 2
        optimizer.step()
    changed = [name for name, array in net.state_dict().items() if (array != before[name]).any()]
    assert changed == ["dense_3.W", "dense_3.b"]
    net.unfreeze()
    (net(x) ** 2).mean().backward()
    assert all(p.grad.any() for p in net.parameters())


# What an initializer has to give -----------------------------------------------------------------------------------

BUILT = {  # a layer by its initializers, the parameter each starts
    "Dense": (lambda f: Dense(3, 2, initializer=f), "W", (2, 3)),
    "Embedding": (lambda f: Embedding(3, 2, initializer=f), "W", (3, 2)),
    "EmbeddingBag": (lambda f: EmbeddingBag(3, 2, initializer=f), "W", (3, 2)),
    "Conv2D": (lambda f: Conv2D(1, 2, 3, initializer=f), "W", (2, 3, 3, 1)),
    "LSTMCell": (lambda f: LSTM(2, 4, initializer=f).cell, "W_x", (4, 2)),
    "GRUCell": (lambda f: GRU(2, 4, recurrent_initializer=f).cell, "W_h", (4, 4)),
    "RNN": (lambda f: RNN(2, 4, 3, initializer=f), "W", (4, 4)),
    "RNN R": (lambda f: RNN(2, 4, 3, initializer=f, recurrent_initializer=zeros), "R", (4, 2)),
}


@pytest.mark.parametrize("name", BUILT)
def test_what_makes_an_initializer_is_none(name):
    build, parameter, _ = BUILT[name]
    place = f"{name.split()[0]}: the initializer of {parameter} is the function "
    for make, arguments in ((he_uniform, "()"), (orthogonal, "()"), (constant, "(...)")):
        written = re.escape(f"write initializers.{make.__name__}{arguments}")
        with pytest.raises(TypeError, match=f"{re.escape(place)}{make.__name__} itself, .*: {written}$"):
            build(make)


@pytest.mark.parametrize("name", BUILT)
def test_what_an_initializer_gives_is_checked_and_cast(name):
    build, parameter, shape = BUILT[name]
    place = f"{name.split()[0]}: the initializer of {parameter}"
    for wrong in (lambda s, r, t: np.ones((5, 5)), lambda s, r, t: 1.0, lambda s, r, t: np.ones(s[::-1])):
        if np.shape(wrong(shape, None, None)) != shape:
            with pytest.raises(ValueError, match=re.escape(f"{place} gave an array of shape ")):
                build(wrong)
    for no_function in ("glorot", 0.0, np.ones(shape)):
        with pytest.raises(TypeError, match=re.escape(f"{place} is ") + "[^:]*, expected a function"):
            build(no_function)
    with pytest.raises(TypeError, match=re.escape(f"{place} takes real numbers or booleans")):
        build(lambda s, r, t: np.full(s, 1j))
    for draw in (lambda s, r, t: r.normal(size=s), lambda s, r, t: np.ones(s, int).tolist()):
        W = getattr(build(draw), parameter)
        assert W.dtype == np.float32

import copy
import re

import numpy as np
import pytest

import minigrad as mg
from minigrad.models import BatchNorm, GroupNorm, InstanceNorm, LayerNorm, Module, losses, normalization
from minigrad.optim import SGD, Step, evaluate, fit

RNG = np.random.default_rng(0)
SHAPES = [(5, 3), (4, 2, 3), (2, 3, 2, 3)]
EPS = 1e-5


def batch_norm(n=3, **options):
    """γ and β that are not 1 and 0."""
    layer = BatchNorm(n, dtype=np.float64, **options)
    layer.gamma.value = RNG.uniform(0.5, 2, n)
    layer.beta.value = RNG.normal(size=n)
    return layer


def with_scales(layer):
    """The layer as a function of γ, β and x."""

    def call(gamma, beta, x):
        twin = copy.deepcopy(layer)
        object.__setattr__(twin, "gamma", gamma)
        object.__setattr__(twin, "beta", beta)
        return twin.forward(x)

    return call, [layer.gamma.value, layer.beta.value]


def adjoint_by_hand(x, adjoint, gamma, axes):
    """(d − mean d − x̂ mean(d x̂)) / σ with d = γ ȳ, and x̂."""
    sigma = np.sqrt(x.var(axes, keepdims=True) + EPS)
    normal, d = (x - x.mean(axes, keepdims=True)) / sigma, gamma * adjoint
    return (d - d.mean(axes, keepdims=True) - normal * (d * normal).mean(axes, keepdims=True)) / sigma, normal


class Net(Module):
    """x W' + b, normalized; W and b as a layer has them."""

    def __init__(self, n_inputs=4, n_outputs=3, dtype=np.float64, **options):
        rng = np.random.default_rng(0)
        self.W = mg.Parameter(rng.normal(size=(n_outputs, n_inputs)).astype(dtype))
        self.b = mg.Parameter(rng.normal(size=n_outputs).astype(dtype))
        self.norm = BatchNorm(n_outputs, dtype=dtype, **options)

    def forward(self, x):
        return self.norm(x @ self.W.T + self.b)


# Batch normalization, training ---------------------------------------------------------------------------------------


@pytest.mark.row("LAY-07")
@pytest.mark.parametrize("shape", SHAPES)
def test_a_batch_comes_out_with_mean_beta_and_deviation_gamma(shape):
    layer, x = batch_norm(), 5 + 3 * RNG.normal(size=shape)
    y = layer(x).value
    axes = tuple(range(len(shape) - 1))
    np.testing.assert_allclose(y.mean(axes), layer.beta.value, atol=1e-12)
    np.testing.assert_allclose(y.std(axes), layer.gamma.value, rtol=1e-4)  # but for ε
    expected = (x - x.mean(axes)) / np.sqrt(x.var(axes) + EPS) * layer.gamma.value + layer.beta.value
    np.testing.assert_allclose(y, expected, rtol=1e-11, atol=1e-12)


@pytest.mark.row("LAY-07")
@pytest.mark.parametrize("shape", SHAPES)
def test_derivatives_in_training(shape):
    layer, x, adjoint = batch_norm(), RNG.normal(size=shape), RNG.normal(size=shape)
    axes = tuple(range(len(shape) - 1))
    node = mg.Input(x)
    found = mg.gradients(layer(node), [node, layer.gamma, layer.beta], adjoint=adjoint)
    of_x, normal = adjoint_by_hand(x, adjoint, layer.gamma.value, axes)
    for g, expected in zip(found, (of_x, (adjoint * normal).sum(axes), adjoint.sum(axes)), strict=True):
        np.testing.assert_allclose(g.value, expected, rtol=1e-9, atol=1e-12)
    f, scales = with_scales(layer)
    mg.check_gradients(f, *scales, x, rtol=1e-8, atol=1e-9)
    mg.check_gradients(f, *scales, x, order=2)


@pytest.mark.row("LAY-07")
def test_statistics_taken_for_constants_fail_the_check():
    """The batch's mean and variance depend on x: without their part the adjoint is wrong."""

    def careless(x):
        mean, variance = mg.stop_gradient(x.mean(0)), mg.stop_gradient(x.var(0))
        return (x - mean) / (variance + EPS) ** 0.5

    with pytest.raises(mg.GradientError):
        mg.check_gradients(careless, RNG.normal(size=(5, 3)))


@pytest.mark.row("LAY-07")
def test_two_parameters_per_feature_are_trained():
    layer = BatchNorm(512)
    assert sum(p.size for p in layer.parameters() if p.trainable) == 1024
    assert sum(p.size for p in layer.parameters()) == 2048
    assert {name: (p.trainable, p.value[0]) for name, p in layer.named_parameters()} == {
        "gamma": (True, 1), "beta": (True, 0), "running_mean": (False, 0), "running_variance": (False, 1),
    }  # fmt: skip


@pytest.mark.row("LAY-09")
def test_a_bias_before_the_layer_has_gradient_zero():
    net, x = Net(), RNG.normal(size=(6, 4))
    net.norm.gamma.value = RNG.uniform(0.5, 2, 3)
    loss = losses.mean_squared_error(np.tanh(net(x)), RNG.normal(size=(6, 3)))
    loss.backward()
    np.testing.assert_allclose(net.b.grad, 0, atol=1e-15)
    assert np.abs(net.W.grad).max() > 1e-3
    before = net(x).value
    net.b.value += 7
    np.testing.assert_allclose(net(x).value, before, rtol=1e-11, atol=1e-12)


@pytest.mark.row("THY-19")
def test_the_scale_of_weights_does_not_matter_but_to_their_gradient():
    """BN(c W x) = BN(W x), gradient 1/c; exactly where ε is nothing beside the variance."""
    x, adjoint = RNG.normal(size=(8, 4)), RNG.normal(size=(8, 3))
    net, large = Net(eps=1e-300), Net(eps=1e-300)
    large.W.value *= 10
    y, z = net(x), large(x)
    np.testing.assert_allclose(z.value, y.value, rtol=0, atol=4e-15)
    (one,), (tenth,) = mg.gradients(y, [net.W], adjoint=adjoint), mg.gradients(z, [large.W], adjoint=adjoint)
    np.testing.assert_allclose(tenth.value, one.value / 10, rtol=1e-9, atol=1e-14)
    # Examples are coupled: each output depends on every example.
    node = mg.Input(x)
    (g,) = mg.gradients(net(node)[0].sum() ** 2, [node])
    assert np.abs(g.value[1:]).min() > 0


# Batch normalization, inference --------------------------------------------------------------------------------------


@pytest.mark.row("LAY-08")
def test_running_statistics():
    layer = BatchNorm(1, dtype=np.float64)
    layer([[1.0], [3.0]])
    np.testing.assert_allclose(layer.running_mean.value, [0.9 * 0 + 0.1 * 2], rtol=1e-14)
    np.testing.assert_allclose(layer.running_variance.value, [1.1], rtol=1e-14)  # 0.9 · 1 + 0.1 · 2, the unbiased one
    assert not np.isclose(layer.running_variance.value, 0.9 * 1 + 0.1 * 1)  # as the biased variance would give
    assert not np.isclose(layer.running_variance.value, 0.1 * 1 + 0.9 * 2)  # as momentum for the old value would give
    images = BatchNorm(2, momentum=0.25, dtype=np.float64)
    x, y = RNG.normal(size=(2, 3, 3, 4, 2))
    images(x)
    images(y)
    for running, start, statistic in (
        (images.running_mean, 0, lambda x: x.mean((0, 1, 2))),
        (images.running_variance, 1, lambda x: x.var((0, 1, 2), ddof=1)),
    ):
        expected = 0.75 * (0.75 * start + 0.25 * statistic(x)) + 0.25 * statistic(y)
        np.testing.assert_allclose(running.value, expected, rtol=1e-13)


@pytest.mark.row("LAY-08")
def test_inference_uses_the_running_statistics_and_leaves_them():
    layer = batch_norm()
    layer(RNG.normal(size=(5, 3)) + 2)
    layer.eval()
    before = layer.state_dict()
    x = RNG.normal(size=(1, 3))  # a batch of one will do
    scale = layer.gamma.value / np.sqrt(before["running_variance"] + EPS)
    expected = (x - before["running_mean"]) * scale + layer.beta.value
    np.testing.assert_allclose(layer(x).value, expected, rtol=1e-12)
    for name, array in layer.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    f, scales = with_scales(layer)
    mg.check_gradients(f, *scales, RNG.normal(size=(3, 3)), order=2)
    layer.train()
    assert (layer(np.array([[1.0] * 3, [2.0] * 3])).value[0] != layer.beta.value).all()


@pytest.mark.row("LAY-08")
def test_the_running_statistics_settle_at_those_of_the_data():
    rng, layer = np.random.default_rng(1), BatchNorm(2, momentum=0.02, dtype=np.float64)
    for _ in range(600):
        layer(rng.normal((3, -1), (2, 0.5), size=(32, 2)))
    np.testing.assert_allclose(layer.running_mean.value, [3, -1], atol=0.1)
    np.testing.assert_allclose(layer.running_variance.value, [4, 0.25], rtol=0.1)


def test_a_replayed_graph_takes_the_statistics_of_the_new_batch():
    layer, x = batch_norm(), mg.Input(RNG.normal(size=(5, 3)))
    y = layer(x)
    graph, other = mg.Graph(y, *mg.gradients((y**3).sum(), [x])), RNG.normal(size=(5, 3)) + 1
    state = layer.state_dict()
    found = graph.fprop({x: other})
    fresh = mg.Input(other)
    z = copy.deepcopy(layer)(fresh)
    for a, b in zip(found, (z, *mg.gradients((z**3).sum(), [fresh])), strict=True):
        np.testing.assert_allclose(a, b.value, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(layer.running_mean.value, state["running_mean"])  # a replay updates no state


@pytest.mark.parametrize(
    ("value", "dtype", "role", "found"),
    [
        (np.nan, np.float64, "running_mean", "nan"),
        (-np.inf, np.float64, "running_mean", "-inf"),
        (1e20, np.float32, "running_variance", "inf"),  # the mean is finite, the square is not
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value", "ignore:overflow")
def test_a_batch_that_is_not_finite_moves_no_statistics(value, dtype, role, found):
    layer, x = BatchNorm(3, dtype=dtype), RNG.normal(size=(4, 3)).astype(dtype)
    layer(x)
    before = layer.state_dict()
    x[2, 1] = value
    message = rf'in scope "batchnorm": this batch would make BatchNorm\'s {role} {found} at feature 1 \(1 of 3 features'
    with pytest.raises(FloatingPointError, match=message):
        layer(x)
    for name, array in layer.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    assert np.isfinite(layer.eval()(x[:1]).value).all()


def test_statistics_that_are_not_finite_are_refused_now_and_in_replays():
    right = mg.Input(np.ones(2))
    checked = normalization.FiniteStatistics(right, role="running_mean")
    np.testing.assert_array_equal(checked.value, right.value)
    assert not mg.gradients(checked.sum(), [right])[0].value.any()
    with pytest.raises(FloatingPointError, match="running_mean nan at feature 0"):
        mg.Graph(checked).fprop({right: np.array([np.nan, 1])})
    with pytest.raises(FloatingPointError, match=r"running_mean inf at feature 1 \(1 of 2"):
        normalization.FiniteStatistics(mg.Input([1.0, np.inf]), role="running_mean")


# Training loops ------------------------------------------------------------------------------------------------------


def test_every_step_of_a_training_updates_the_statistics():
    x, y = RNG.normal(size=(12, 4)), RNG.normal(size=(12, 3))
    net = Net()
    twin = copy.deepcopy(net)
    step = Step(net, losses.mean_squared_error, SGD(net.parameters(), 0.1))
    optimizer = SGD(twin.parameters(), 0.1)
    for i in range(0, 12, 4):
        step(x[i : i + 4], y[i : i + 4])
        losses.mean_squared_error(twin(x[i : i + 4]), y[i : i + 4]).backward()
        optimizer.step()
    assert not step.eager
    for name, array in net.state_dict().items():
        np.testing.assert_allclose(array, twin.state_dict()[name], rtol=1e-12, err_msg=name)


class TwoNorms(Module):
    """Two normalizations with something between that can fail."""

    def __init__(self):
        self.first = BatchNorm(3, dtype=np.float64)
        self.second = BatchNorm(3, dtype=np.float64)
        self.power = 1

    def forward(self, x):
        return self.second(np.log(self.first(x) + 10 * self.power))


@pytest.mark.parametrize("fault", ["in the inputs", "between the layers", "in the loss"])
def test_a_step_that_is_refused_leaves_every_running_statistic(fault):
    x, y = RNG.normal(size=(2, 6, 3))
    net = TwoNorms()
    weight = [1.0]
    step = Step(net, lambda y, t: losses.mean_squared_error(y, t) / weight[0], SGD(net.parameters(), 0.1), eager=True)
    step(x, y)
    before = net.state_dict()
    if fault == "in the inputs":
        x[2, 1] = np.nan
    elif fault == "in the loss":
        weight[0] = 0.0
    else:
        net.power = -1
    named = {"in the inputs": 'Input "inputs"', "between the layers": "Log", "in the loss": "Divide"}[fault]
    with pytest.raises(FloatingPointError, match=f"stops with the parameters as they were.*first node .*{named}"):
        step(x, y)
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(array, before[name], err_msg=name)


def test_fit_trains_and_evaluates_with_the_running_statistics():
    x = RNG.normal(size=(40, 4)) * 3 + 1
    y = RNG.normal(size=(40, 3))
    net = Net(momentum=0.3)
    history = fit(
        net, x, y, loss=losses.mean_squared_error, optimizer=SGD(net.parameters(), 0.1), epochs=20, batch_size=8,
        validation=0.2, quiet=True,
    )  # fmt: skip
    assert history["loss"][-1] < history["loss"][0]
    assert net.training
    state = net.state_dict()
    loss, outputs = evaluate(net, losses.mean_squared_error, x, y)
    pre = x @ state["W"].T + state["b"]
    scale = state["norm.gamma"] / np.sqrt(state["norm.running_variance"] + EPS)
    np.testing.assert_allclose(outputs, (pre - state["norm.running_mean"]) * scale + state["norm.beta"], rtol=1e-10)
    np.testing.assert_allclose(loss, ((outputs - y) ** 2).mean(), rtol=1e-12)
    np.testing.assert_array_equal(net.state_dict()["norm.running_mean"], state["norm.running_mean"])


# Layer normalization -------------------------------------------------------------------------------------------------


def layer_norm(n=3):
    layer = LayerNorm(n, dtype=np.float64)
    layer.gamma.value = RNG.uniform(0.5, 2, n)
    layer.beta.value = RNG.normal(size=n)
    return layer


@pytest.mark.row("LAY-10")
@pytest.mark.parametrize("shape", [*SHAPES, (1, 3)])
def test_layer_normalization(shape):
    plain, x, adjoint = LayerNorm(3, dtype=np.float64), 4 + 2 * RNG.normal(size=shape), RNG.normal(size=shape)
    np.testing.assert_allclose(plain(x).value.mean(-1), 0, atol=1e-14)
    np.testing.assert_allclose(plain(x).value.var(-1), x.var(-1) / (x.var(-1) + EPS), rtol=1e-12)
    layer, node = layer_norm(), mg.Input(x)
    y = layer(node)
    of_x, normal = adjoint_by_hand(x, adjoint, layer.gamma.value, (-1,))
    np.testing.assert_allclose(y.value, normal * layer.gamma.value + layer.beta.value, rtol=1e-12)
    np.testing.assert_array_equal(layer.eval()(x).value, y.value)  # the same in inference
    others = tuple(range(x.ndim - 1))
    found = mg.gradients(y, [node, layer.gamma, layer.beta], adjoint=adjoint)
    for g, expected in zip(found, (of_x, (adjoint * normal).sum(others), adjoint.sum(others)), strict=True):
        np.testing.assert_allclose(g.value, expected, rtol=1e-9, atol=1e-12)
    f, scales = with_scales(layer)
    mg.check_gradients(f, *scales, x, rtol=1e-8, atol=1e-9)
    mg.check_gradients(f, *scales, x, order=2)


@pytest.mark.row("LAY-10")
def test_each_example_is_on_its_own():
    layer, x = layer_norm(), RNG.normal(size=(6, 2, 3))
    np.testing.assert_allclose(layer(x[2:3]).value, layer(x).value[2:3], rtol=1e-13)
    assert [name for name, _ in layer.named_parameters()] == ["gamma", "beta"]


# Groups --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(3, 6), (2, 4, 6), (2, 2, 3, 6), (1, 5, 6)])
@pytest.mark.parametrize("n_groups", [1, 2, 3])
def test_group_normalization(shape, n_groups):
    x, adjoint = 4 + 2 * RNG.normal(size=shape), RNG.normal(size=shape)
    layer, node = GroupNorm(6, n_groups, dtype=np.float64), mg.Input(x)
    layer.gamma.value, layer.beta.value = RNG.uniform(0.5, 2, 6), RNG.normal(size=6)
    y = layer(node)
    found = mg.gradients(y, [node], adjoint=adjoint)[0].value
    width = 6 // n_groups
    for i in range(len(x)):  # each example and group as one row of features
        for k in range(n_groups):
            mine = (i, ..., slice(k * width, (k + 1) * width))
            gamma = np.broadcast_to(layer.gamma.value, shape)[mine]
            row, d = x[mine].reshape(1, -1), adjoint[mine].reshape(1, -1)
            of_x, normal = adjoint_by_hand(row, d, gamma.reshape(-1), (-1,))
            np.testing.assert_allclose(
                (y.value - layer.beta.value)[mine], (normal * gamma.reshape(-1)).reshape(gamma.shape), rtol=1e-10
            )
            np.testing.assert_allclose(found[mine], of_x.reshape(gamma.shape), rtol=1e-8, atol=1e-12)
    np.testing.assert_array_equal(layer.eval()(x).value, y.value)
    f, scales = with_scales(layer)
    mg.check_gradients(f, *scales, x, order=2)


def test_one_group_is_a_layer_norm_and_as_many_as_features_are_instances():
    x = RNG.normal(size=(3, 4))
    np.testing.assert_allclose(
        GroupNorm(4, 1, dtype=np.float64)(x).value, LayerNorm(4, dtype=np.float64)(x).value, rtol=1e-12
    )
    images = RNG.normal(size=(2, 3, 4, 5))
    y = InstanceNorm(5, dtype=np.float64)(images).value
    np.testing.assert_array_equal(y, GroupNorm(5, 5, dtype=np.float64)(images).value)
    np.testing.assert_allclose(y.mean((1, 2)), 0, atol=1e-14)
    variance = images.var((1, 2))
    np.testing.assert_allclose(y.var((1, 2)), variance / (variance + EPS), rtol=1e-12)
    layer = InstanceNorm(5, dtype=np.float64)
    f, scales = with_scales(layer)
    mg.check_gradients(f, *scales, images, order=2)


def test_groups_do_not_see_each_other_nor_other_examples():
    layer, x = GroupNorm(4, 2, dtype=np.float64), RNG.normal(size=(3, 5, 4))
    y = layer(x).value
    other = x.copy()
    other[1] += 7.0
    other[..., 2:] *= 3.0
    np.testing.assert_array_equal(layer(other).value[[0, 2], :, :2], y[[0, 2], :, :2])


@pytest.mark.parametrize("scale", [1e20, 1e37])
def test_groups_do_not_see_how_large_their_inputs_are(scale):
    x = mg.Input(np.float32([[1.0, 3.0, 2.0, 6.0]]) * np.float32(scale))
    y = GroupNorm(4, 2)(x)
    np.testing.assert_allclose(y.value, [[-1, 1, -1, 1]], rtol=1e-6)
    assert y.dtype == np.float32
    assert np.isfinite(mg.gradients((y * y).sum(), [x])[0].value).all()


def test_groups_that_cannot_be_are_refused():
    for call, message in (
        (lambda: GroupNorm(4, 3), "GroupNorm(n_groups=3): 4 features cannot be cut into 3 equal groups"),
        (lambda: GroupNorm(4, 0), "GroupNorm(n_groups=0): expected an integer of at least 1"),
        (lambda: GroupNorm(4, 2.0), "GroupNorm(n_groups=2.0)"),  # type: ignore[arg-type]
        (lambda: GroupNorm(4, 2, eps=0), "GroupNorm(eps=0)"),
        (lambda: GroupNorm(4, 4)(np.ones((2, 4))), 'GroupNorm: Input "x" (2, 4) has 1 value per group'),
        (lambda: InstanceNorm(4)(np.ones((2, 4))), 'InstanceNorm: Input "x" (2, 4) has 1 value per group'),
        (lambda: GroupNorm(4, 2)(np.ones((2, 0, 4))), "has 0 value per group"),
        (lambda: GroupNorm(4, 2)(np.ones((2, 3))), "GroupNorm: expected inputs of shape (batch, ..., 4)"),
    ):
        with pytest.raises(ValueError, match=re.escape(message)):
            call()
    assert GroupNorm(4, 2)(np.ones((0, 3, 4))).shape == (0, 3, 4)
    assert (repr(GroupNorm(4, 2)), repr(InstanceNorm(4))) == ("GroupNorm(4, 2)", "InstanceNorm(4)")


# Numbers and bad input -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [BatchNorm, LayerNorm])
@pytest.mark.parametrize("fill", [1000.0, -1000.0, 0.0, None])
def test_large_and_equal_numbers_in_single_precision(kind, fill):
    layer = kind(3)
    x = np.where(RNG.normal(size=(4, 3)) > 0, 1000, -1000) if fill is None else np.full((4, 3), fill)
    node = mg.Input(x.astype(np.float32))
    for switch in (layer.train, layer.eval):
        y = switch()(node)
        (first,) = mg.gradients((y**2).sum(), [node])
        (second,) = mg.gradients((first**2).sum(), [node])
        for found in (y, first, second):
            assert found.dtype == np.float32
            assert np.isfinite(found.value).all()
    if fill is not None and kind is LayerNorm:
        np.testing.assert_array_equal(y.value, 0)


@pytest.mark.parametrize("kind", [BatchNorm, LayerNorm, lambda n, dtype: GroupNorm(n, 1, dtype=dtype)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_inputs_are_cast_to_the_dtype_of_the_layer(kind, dtype):
    layer = kind(3, dtype=dtype)
    assert {p.dtype for p in layer.parameters()} == {np.dtype(dtype)}
    for given in (np.float32, np.float64):
        x = mg.Input(RNG.normal(size=(4, 3)).astype(given))
        y = layer(x)
        assert y.dtype == dtype
        assert mg.gradients(y.sum(), [x])[0].dtype == given


def test_a_batch_of_one_cannot_be_trained_on():
    layer = BatchNorm(3)
    message = "has 1 value per feature, whose variance would be 0 and the output beta whatever the input"
    with pytest.raises(ValueError, match=re.escape(f'BatchNorm: Input "x" (1, 3) {message}')):
        layer(np.ones((1, 3)))
    with pytest.raises(ValueError, match="has 0 value"):
        layer(np.ones((0, 3)))
    assert not layer.running_mean.value.any()
    assert layer(np.ones((1, 2, 2, 3))).shape == (1, 2, 2, 3)  # of one image every place counts
    assert layer.eval()(np.ones((1, 3))).shape == (1, 3)
    assert LayerNorm(3)(np.ones((1, 3))).shape == (1, 3)


@pytest.mark.parametrize("kind", [BatchNorm, LayerNorm])
def test_bad_layers_and_inputs_are_refused(kind):
    name = kind.__name__
    for call, message in (
        (lambda: kind(0), f"{name}(n_features=0): expected an integer of at least 1"),
        (lambda: kind(3, eps=0), f"{name}(eps=0): expected a number above 0"),
        (lambda: kind(3)(np.ones((2, 4))), f'{name}: expected inputs of shape (batch, ..., 3), found Input "x" (2, 4)'),
        (lambda: kind(3)(np.ones(3)), "one example is a batch of one, x[np.newaxis]"),
    ):
        with pytest.raises(ValueError, match=re.escape(message)):
            call()
    with pytest.raises(TypeError, match=f"{name}: the inputs hold int64"):
        kind(3)(np.ones((2, 3), int))
    with pytest.raises(TypeError, match=rf"{name}\(dtype=int32\)"):
        kind(3, dtype=np.int32)
    with pytest.raises(ValueError, match=r"BatchNorm\(momentum=1.5\): the weight of a new batch"):
        BatchNorm(3, momentum=1.5)


def test_the_unit_of_a_row_is_a_power_of_two():
    """Just below the largest number, 1 at least; anew in replays."""
    x = mg.Input(np.array([[0.3, -0.1], [5.0, -9.0], [1e38, 2e38], [np.inf, 1.0]], np.float32))
    unit = normalization.Unit(x)
    np.testing.assert_array_equal(unit.value, [[1], [8], [2.0**126], [2.0**126]])
    assert unit.dtype == np.float32
    np.testing.assert_array_equal(mg.gradients(unit.sum(), [x])[0].value, np.zeros((4, 2)))
    reversed_rows = unit.value[::-1].copy()
    np.testing.assert_array_equal(mg.Graph(unit).fprop({x: x.value[::-1]}), reversed_rows)


@pytest.mark.parametrize(("dtype", "scale"), [(np.float32, 1e20), (np.float32, 1e37), (np.float64, 1e200)])
def test_layer_norm_does_not_see_how_large_its_inputs_are(dtype, scale):
    layer = LayerNorm(4, dtype=dtype)
    row = np.array([[1.0, 2.0, 3.0, 4.0]], dtype)
    np.testing.assert_allclose(layer(row * dtype(scale)).value, [[-1.341641, -0.447214, 0.447214, 1.341641]], rtol=1e-5)

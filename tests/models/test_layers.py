import copy
import inspect
import pickle
from itertools import pairwise

import numpy as np
import pytest

import minigrad as mg
from minigrad.models import (
    AlphaDropout,
    Dense,
    Dropout,
    Embedding,
    EmbeddingBag,
    Flatten,
    Module,
    PReLU,
    RReLU,
    Sequential,
    losses,
)
from minigrad.models.initializers import lecun_normal, normal
from minigrad.optim import SGD, Adam
from tests.compiler.agreement import compare

RNG = np.random.default_rng(0)


def check(net, *inputs, order=2, fixed=()):
    """Check the gradients by all inputs and all parameters; what is fixed is handed over as it is."""
    names = [name for name, _ in net.named_parameters()]

    def f(*nodes):
        twin = copy.deepcopy(net)
        for name, node in zip(names, nodes[len(inputs) :], strict=True):
            *path, last = name.split(".")
            owner = twin
            for step in path:
                owner = getattr(owner, step)
            object.__setattr__(owner, last, node)
        return np.sin(twin(*nodes[: len(inputs)], *fixed))

    mg.check_gradients(f, *inputs, *[p.value for p in net.parameters()], order=order)


def dense(n_inputs, n_outputs, activation=None, **options):
    """Biases that are not 0."""
    layer = Dense(n_inputs, n_outputs, activation, dtype=np.float64, rng=0, **options)
    if layer.b is not None:
        layer.b.value = RNG.normal(size=n_outputs)
    return layer


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


# Dense ---------------------------------------------------------------------------------------------------------------


@pytest.mark.row("LAY-01")
def test_one_neuron_equals_its_augmented_form():
    neuron, x = dense(3, 1, mg.sigmoid), RNG.normal(size=(5, 3))
    augmented = np.hstack([neuron.W.value[0], neuron.b.value])
    expected = sigmoid(np.hstack([x, np.ones((5, 1))]) @ augmented)
    np.testing.assert_allclose(neuron(x).value[:, 0], expected, rtol=1e-14)
    check(neuron, x)


@pytest.mark.row("LAY-02")
def test_a_layer_of_eight_neurons():
    layer, x = dense(20, 8, np.tanh), RNG.normal(size=(3, 20))
    assert layer.W.shape == (8, 20)
    y = layer(x)
    assert y.shape == (3, 8)
    for row, of_row in zip(x, y.value, strict=True):
        np.testing.assert_allclose(of_row, np.tanh(layer.W.value @ row + layer.b.value), rtol=1e-13)
    check(layer, x)


def multilayer(n_hidden):
    sizes = [3, *[4] * n_hidden, 2]
    pairs = list(pairwise(sizes))
    return Sequential(*(dense(n, m, np.tanh) for n, m in pairs[:-1]), dense(*pairs[-1], mg.softmax))


@pytest.mark.row("LAY-03")
@pytest.mark.parametrize("n_hidden", [0, 1, 3])
def test_a_net_of_several_layers(n_hidden):
    net, x = multilayer(n_hidden), RNG.normal(size=(3, 3))
    h = x
    for layer in net:
        a = h @ layer.W.value.T + layer.b.value
        h = np.tanh(a)
    e = np.exp(a)
    np.testing.assert_allclose(net(x).value, e / e.sum(axis=1, keepdims=True), rtol=1e-13)
    check(net, x)


@pytest.mark.row("LAY-04")
def test_a_score_has_no_bias():
    layer, a = dense(8, 1, bias=False), RNG.normal(size=(3, 8))
    assert layer.n_parameters() == 8
    assert layer.W.shape == (1, 8)
    U = layer.W.value.T
    np.testing.assert_allclose(layer(a).value, a @ U, rtol=1e-14)
    with pytest.raises(ValueError, match="matmul"):
        U @ U  # the notes' shapes: W^(2) = U of (m, 1) cannot be applied to a of (m, 1)
    check(layer, a)


@pytest.mark.row("LAY-05")
def test_biases_are_weights_of_a_unit_that_is_one():
    """ŷ = Σ_{h=0}^H w_h u_h with u_0 = x_0 = 1. The notes compute u_0 as the other units, so that it is not 1."""
    net, x = Sequential(dense(2, 3, mg.sigmoid), dense(3, 2, mg.sigmoid)), RNG.normal(size=(4, 2))
    hidden, output = [np.hstack([layer.b.value[:, None], layer.W.value]) for layer in net]

    def with_one(u):
        return np.hstack([np.ones((len(u), 1)), u])

    u = sigmoid(with_one(x) @ hidden.T)
    np.testing.assert_allclose(net(x).value, sigmoid(with_one(u) @ output.T), rtol=1e-13)
    computed = np.hstack([sigmoid(x @ [[0.5], [0.25]]), u])
    assert np.abs(computed[:, 0] - 1).min() > 0.1
    assert np.abs(sigmoid(computed @ output.T) - net(x).value).max() > 0.01
    check(net, x)


def test_dense_takes_more_axes_and_other_precisions():
    layer = Dense(3, 2, rng=0)
    x = RNG.normal(size=(4, 5, 3))
    y = layer(x)
    assert (y.shape, y.dtype) == ((4, 5, 2), np.float32)
    np.testing.assert_allclose(y.value[1, 2], layer(x[1:2, 2]).value[0], rtol=1e-6)
    check(dense(3, 2, mg.softplus), x[:2, :2])


def test_dense_is_finite_at_extremes():
    for activation in (np.tanh, mg.sigmoid, mg.softplus, mg.softmax):
        layer = Dense(2, 2, activation, initializer=normal(1.0), rng=0)
        x = mg.Input(np.float32([[1000, -1000], [-1000, 1000]]))
        y = layer(x)
        for node in (y, *mg.gradients((y * y).sum(), [x, *layer.parameters()])):
            assert np.isfinite(node.value).all()


def mistakes():
    return [
        (lambda: Dense(0, 2), ValueError, r"Dense\(n_inputs=0\)"),
        (lambda: Dense(2, 1.5), ValueError, r"Dense\(n_outputs=1.5\)"),
        (lambda: Dense(2, 2, "relu"), TypeError, "such as np.tanh, mg.relu or mg.sigmoid, found 'relu'"),
        (lambda: Dense(2, 2, dtype=int), TypeError, "floating-point"),
        (
            lambda: Dense(2, 2)(np.ones(2)),
            ValueError,
            r"Dense: expected inputs of shape \(batch, ..., 2\), found Input",
        ),
        (lambda: Dense(2, 2)(np.ones((3, 4))), ValueError, r"found Input \"x\" \(3, 4\)"),
        (lambda: Dense(2, 2)(np.ones((3, 2), int)), TypeError, "the inputs hold int64"),
        (lambda: Dense(2, 2, np.sum)(np.ones((3, 2))), TypeError, "Dense: the activation made Sum"),
        (lambda: Flatten()(np.ones(3)), ValueError, r"Flatten: expected inputs of shape \(batch, ...\)"),
        (lambda: Dropout(1.0), ValueError, r"Dropout\(rate=1.0\): the fraction dropped, from 0 to below 1"),
        (lambda: Dropout(-0.1), ValueError, "the fraction dropped"),
        (lambda: Dropout(0.5)(np.ones((2, 2), int)), TypeError, "Dropout: .* holds int64"),
        (lambda: Embedding(3, 2)([0.5]), TypeError, "Embedding: expected integer indices"),
        (lambda: Embedding(3, 2)(1), ValueError, r"found a single one: write \[i\]"),
        (lambda: Embedding(3, 2)([3]), IndexError, r"1 of 1 indices are not among 0..2, the first is 3"),
        (lambda: EmbeddingBag(3, 2, "max"), ValueError, r"EmbeddingBag\(how='max'\)"),
        (lambda: EmbeddingBag(3, 2)([1, 2]), ValueError, r"EmbeddingBag: expected indices of shape \(batch, ..., n\)"),
        (lambda: EmbeddingBag(3, 2)(np.zeros((2, 0), int)), ValueError, "an empty bag is one whose mask"),
        (lambda: EmbeddingBag(3, 2)([[1, 2]], [[1, 0]]), ValueError, "expected a boolean mask"),
        (lambda: EmbeddingBag(3, 2)([[1, 2]], [[True]]), ValueError, r"of the indices' shape \(1, 2\)"),
        (lambda: Sequential("relu"), TypeError, "layer 0 is neither a module nor a function of a node, but 'relu'"),
        (lambda: Sequential(Flatten), TypeError, "but the class Flatten: call it"),
        (lambda: Sequential(train=Flatten()), ValueError, "cannot be called 'train', which is taken by Module"),
        (lambda: Sequential(Flatten(), flatten_1=Flatten()), ValueError, "which is a layer's"),
        (lambda: Sequential(Flatten())[1], IndexError, "Sequential has 1 layers, and no layer 1"),
        (lambda: Sequential(Flatten())["x"], KeyError, "has no layer 'x'; it has flatten_1"),
    ]


@pytest.mark.parametrize(("call", "error", "message"), mistakes())
def test_mistakes_are_explained(call, error, message):
    with pytest.raises(error, match=message):
        call()


# Sequential ----------------------------------------------------------------------------------------------------------


def test_sequential_is_a_list_of_named_layers():
    net = Sequential(dense(2, 3), mg.relu, dense(3, 3), output=dense(3, 1))
    assert [name for name, _ in net.named_modules()] == ["", "dense_1", "relu_1", "dense_2", "output"]
    assert [name for name, _ in net.named_parameters()] == [
        "dense_1.W", "dense_1.b", "dense_2.W", "dense_2.b", "output.W", "output.b",
    ]  # fmt: skip
    assert len(net) == 4
    assert net[0] is net["dense_1"] is next(iter(net))
    assert net[-1] is net["output"]
    x = RNG.normal(size=(2, 2))
    part = net[:2]
    assert [name for name, _ in part.named_parameters()] == ["dense_1.W", "dense_1.b"]
    np.testing.assert_array_equal(net[2:](part(x)).value, net(x).value)
    scopes = {node.scope for node in mg.Graph(net(mg.Input(x))).nodes if node.children}
    assert scopes == {f"sequential/{name}" for name in ("dense_1", "relu_1", "dense_2", "output")}
    np.testing.assert_array_equal(Sequential()(x).value, x)


def test_a_shared_layer_gets_the_sum_of_its_adjoints():
    shared = dense(2, 2, np.tanh)
    net, x = Sequential(shared, shared), RNG.normal(size=(3, 2))
    assert len(net.parameters()) == 2
    with_one = [dense(2, 2, np.tanh), dense(2, 2, np.tanh)]
    for layer in with_one:
        layer.load_state_dict(shared.state_dict())
    apart = Sequential(*with_one)
    (found,) = mg.gradients(net(x).sum(), [shared.W])
    expected = mg.gradients(apart(x).sum(), [layer.W for layer in with_one])
    np.testing.assert_allclose(found.value, sum(g.value for g in expected), rtol=1e-13)


@pytest.mark.parametrize("reborn", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_layers_can_be_copied_and_stored(reborn):
    net = Sequential(Embedding(5, 3, rng=0), Flatten(), Dense(6, 4, np.tanh, rng=1), mg.relu, Dropout(0.5, rng=2))
    i = [[0, 4], [1, 1]]
    twin = reborn(net)
    np.testing.assert_array_equal(twin(i).value, net(i).value)  # their generators were in the same state
    np.testing.assert_array_equal(twin.eval()(i).value, net.eval()(i).value)
    twin["embedding_1"].W.value[...] = 0
    assert net["embedding_1"].W.value.all()


def test_layers_show_their_arguments():
    net = Sequential(Embedding(5, 3), EmbeddingBag(5, 3, "sum"), Dropout(0.25), Flatten(), lambda x: x)
    assert [repr(layer) for layer in net] == [
        "Embedding(5, 3)", "EmbeddingBag(5, 3, 'sum')", "Dropout(0.25)", "Flatten()", "Function(lambda)",
    ]  # fmt: skip


def test_flatten_keeps_rows_in_order():
    x = np.arange(24.0).reshape(2, 3, 4)
    assert Flatten()(x).value.tolist() == x.reshape(2, 12).tolist()
    assert Flatten()(np.zeros((0, 3, 4))).shape == (0, 12)
    check(Flatten(), x)


# Dropout -------------------------------------------------------------------------------------------------------------


@pytest.mark.row("LAY-06", "ENG-25")
def test_dropout_keeps_the_mean_and_sends_nothing_through_what_it_drops():
    """rate .2 is dropped, the rest divided by .8. By .8 multiplied, or not divided, the mean 2 would become 1.6."""
    layer, x = Dropout(0.2, rng=0), mg.Input(np.full((200, 500), 2.0))
    assert layer.n_parameters() == 0
    y = layer(x)
    assert set(np.unique(y.value)) == {0.0, 2.5}
    assert abs((y.value == 0).mean() - 0.2) < 4 * np.sqrt(0.2 * 0.8 / x.size)
    assert abs(y.value.mean() - 2) < 4 * 2.5 * 0.4 / np.sqrt(x.size)
    assert abs((y.value * 0.8).mean() - 1.6) < 0.02
    (adjoint,) = mg.gradients(y.sum(), [x])
    np.testing.assert_array_equal(adjoint.value, np.where(y.value == 0, 0, 1.25))
    layer.eval()
    np.testing.assert_array_equal(layer(x).value, x.value)
    np.testing.assert_array_equal(layer(x).value, layer(x).value)


@pytest.mark.row("LAY-06")
def test_replays_draw_new_masks_and_adjoints_use_them():
    layer, x = Dropout(0.5, rng=0), mg.Input(RNG.normal(size=(20, 20)))
    y = layer(x)
    (adjoint,) = mg.gradients(np.sum(y * y), [x])
    graph = mg.Graph(y, adjoint)
    first, _ = graph.fprop()
    second, of_second = graph.fprop()
    assert ((first == 0) != (second == 0)).any()
    np.testing.assert_allclose(of_second, 2 * second * 2)


@pytest.mark.row("LAY-06")
def test_dropped_units_may_move_all_the_same():
    """That dropped weights stay where they are holds for plain descent only: momentum moves them (1 to .55 here)."""
    w = mg.Parameter(np.array([1.0]))
    moving = SGD([w], 1.0, momentum=0.9)
    for gradient in (0.5, 0.0):
        w.grad = np.array([gradient])
        before = w.value.copy()
        moving.step()
    assert (w.value - before).item() == pytest.approx(-0.45)
    plain, still = SGD([w], 1.0), w.value.copy()
    w.grad = np.zeros(1)
    plain.step()
    np.testing.assert_array_equal(w.value, still)


def test_dropout_derivatives_and_generators():
    x = RNG.normal(size=(3, 4))
    check(Sequential(dense(4, 3, np.tanh), Dropout(0.4, rng=3)), x)
    assert (Dropout(0.5, rng=1)(x).value == Dropout(0.5, rng=1)(x).value).all()
    shared = np.random.default_rng(0)
    assert (Dropout(0.5, rng=shared)(x).value != Dropout(0.5, rng=shared)(x).value).any()
    assert (Dropout(0.0)(x).value == x).all()
    assert Dropout(0.5, rng=0)(x.astype(np.float32)).dtype == np.float32
    with_inf = Dropout(0.5, rng=0)(np.full((50,), np.inf)).value
    assert not np.isnan(with_inf).any()


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_alpha_dropout_keeps_mean_and_variance(rate):
    layer, x = AlphaDropout(rate, rng=0), mg.Input(np.random.default_rng(1).normal(size=(500, 800)))
    y = layer(x)
    np.testing.assert_allclose([y.value.mean(), y.value.std()], [0, 1], atol=0.01)
    saturated = -1.0507009873554805 * 1.6732632423543772
    a = 1 / np.sqrt((1 - rate) * (1 + rate * saturated**2))
    b = -a * rate * saturated
    dropped = np.abs(y.value - (a * saturated + b)) < 1e-12
    assert dropped.mean() == pytest.approx(rate, abs=0.005)
    np.testing.assert_allclose(y.value[~dropped], (a * x.value + b)[~dropped], rtol=1e-12)
    (slope,) = mg.gradients(y.sum(), [x])
    np.testing.assert_allclose(slope.value, np.where(dropped, 0, a), rtol=1e-12)


def test_alpha_dropout_is_a_dropout():
    x = np.random.default_rng(1).normal(size=(20, 30)).astype(np.float32)
    layer = AlphaDropout(0.3, rng=0)
    assert layer(x).dtype == np.float32
    assert (layer.eval()(x).value == x).all()
    assert (AlphaDropout(0.0)(x).value == x).all()
    assert repr(AlphaDropout(0.25)) == "AlphaDropout(0.25)"
    check(Sequential(Dense(3, 4, mg.selu, dtype=np.float64, rng=0), AlphaDropout(0.4, rng=3)), RNG.normal(size=(5, 3)))
    for wrong, error, message in (
        (lambda: AlphaDropout(1.0), ValueError, r"AlphaDropout\(rate=1.0\)"),
        (lambda: layer.train()(np.ones((2, 2), int)), TypeError, "AlphaDropout: .* holds int64"),
    ):
        with pytest.raises(error, match=message):
            wrong()


def test_a_deep_net_of_selu_normalizes_itself():
    x = np.random.default_rng(0).normal(size=(400, 200))
    layers = [Dense(200, 200, mg.selu, initializer=lecun_normal(), dtype=np.float64, rng=i) for i in range(30)]
    y = Sequential(*layers)(x).value
    np.testing.assert_allclose([y.mean(), y.std()], [0, 1], atol=0.2)
    shifted = Sequential(*layers)(1.5 * x + 0.5).value
    np.testing.assert_allclose([shifted.mean(), shifted.std()], [0, 1], atol=0.3)


# Embedding -----------------------------------------------------------------------------------------------------------


@pytest.mark.row("LAY-13")
def test_a_window_of_word_vectors():
    """5 words of 4 dimensions are x in R^20; only vectors of words that occur have a gradient, once per occurrence."""
    words = Sequential(Embedding(9, 4, dtype=np.float64, rng=0), Flatten())
    window = np.array([[3, 1, 4, 1, 5]])
    x = words(window)
    W = words[0].W
    assert x.shape == (1, 20)
    np.testing.assert_array_equal(x.value, W.value[[3, 1, 4, 1, 5]].reshape(1, 20))
    adjoint = RNG.normal(size=(1, 20))
    (gradient,) = mg.gradients(x, [W], adjoint=adjoint)
    parts = adjoint.reshape(5, 4)
    np.testing.assert_allclose(gradient.value[1], parts[1] + parts[3])
    np.testing.assert_allclose(gradient.value[[3, 4, 5]], parts[[0, 2, 4]])
    assert not gradient.value[[0, 2, 6, 7, 8]].any()
    check(words, fixed=(window,))


def test_indices_out_of_range_are_refused_now_and_in_replays():
    layer = Embedding(5, 2, rng=0)
    for wrong in (5, -1):
        with pytest.raises(IndexError, match=rf"1 of 2 indices are not among 0\.\.4, the first is {wrong}"):
            layer([0, wrong])
    i = mg.Input(np.array([0, 4]))
    y = layer(i)
    graph = mg.Graph(y)
    np.testing.assert_array_equal(graph.fprop({i: np.array([3, 3])}), layer.W.value[[3, 3]])
    with pytest.raises(IndexError, match="the first is -2"):
        graph.fprop({i: np.array([0, -2])})
    indices = next(node for node in graph.nodes if type(node).__name__ == "Indices")
    assert indices.dtype == i.dtype
    assert mg.gradients(y.sum(), [layer.W])[0].shape == (5, 2)


def test_vectors_start_with_length_one():
    W = Embedding(2000, 16, rng=0).W.value
    assert (W**2).sum(axis=1).mean() == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("how", ["mean", "sum"])
def test_a_bag_with_and_without_mask(how):
    bag = EmbeddingBag(6, 3, how, dtype=np.float64, rng=0)
    i = np.array([[1, 2, 2], [5, 0, -1], [-1, 9, 4]])
    mask = np.array([[True, True, True], [True, False, False], [False, False, False]])
    W, reduce = bag.W.value, getattr(np, how)
    np.testing.assert_allclose(bag(i[:1]).value, [reduce(W[[1, 2, 2]], axis=0)], rtol=1e-14)
    y = bag(i, mask)
    np.testing.assert_allclose(y.value, [reduce(W[[1, 2, 2]], axis=0), W[5], [0, 0, 0]], rtol=1e-14)
    gradient = mg.gradients(y.sum(), [bag.W])[0].value
    share = 1 / 3 if how == "mean" else 1
    np.testing.assert_allclose(gradient[:, 0], [0, share, 2 * share, 0, 0, 1])
    check(bag, fixed=(i, mask))
    check(bag, fixed=(i[:1],))
    with pytest.raises(IndexError, match=r"3 of 9 indices are not among 0\.\.5, the first is -1"):
        bag(i, np.ones((3, 3), bool))


def test_a_bag_replays_with_another_mask():
    bag = EmbeddingBag(6, 3, dtype=np.float64, rng=0)
    i, mask = mg.Input(np.array([[1, 2]])), mg.Input(np.array([[True, True]]))
    graph = mg.Graph(bag(i, mask))
    found = graph.fprop({i: np.array([[4, -1]]), mask: np.array([[True, False]])})
    np.testing.assert_array_equal(found, bag.W.value[[4]])


def test_a_bag_overfits_a_tiny_batch():
    """Which of 4 classes a bag of words belongs to; padded, of different lengths."""
    rng = np.random.default_rng(0)
    i, mask = rng.integers(0, 30, (16, 6)), np.arange(6) < rng.integers(1, 7, (16, 1))
    classes = rng.integers(0, 4, 16)
    bag, head = EmbeddingBag(30, 16, rng=0), Dense(16, 4, rng=1)
    optimizer = SGD([*bag.parameters(), *head.parameters()], 1.0, momentum=0.9)
    for _ in range(300):
        loss = losses.cross_entropy(head(bag(i, mask)), classes)
        loss.backward()
        optimizer.step()
    assert float(loss) < 1e-3


PADDED = np.array([[0, 2, 2], [4, 2, 1]])


def test_the_row_of_padding_starts_at_zero_and_stays():
    layer, plain = Embedding(5, 3, padding_idx=2, rng=0), Embedding(5, 3, rng=0)
    assert not layer.W.value[2].any()
    np.testing.assert_array_equal(np.delete(layer.W.value, 2, 0), np.delete(plain.W.value, 2, 0))
    optimizer = Adam(layer.parameters(), 0.1)
    for _ in range(3):
        ((layer(PADDED) - 1.0) ** 2).sum().backward()
        optimizer.step()
    assert not layer.W.value[2].any()
    assert layer.W.value[[0, 1, 4]].all()


def test_padding_has_a_value_and_no_gradient_at_any_order():
    layer = Embedding(5, 3, padding_idx=2, dtype=np.float64, rng=0)
    layer.W.value[2] = 7.0
    y = layer(PADDED)
    np.testing.assert_array_equal(y.value, layer.W.value[PADDED])
    (first,) = mg.gradients((y**3).sum(), [layer.W])
    (second,) = mg.gradients((first**2).sum(), [layer.W])
    for slope in (first, second):
        assert not slope.value[[2, 3]].any()
        assert slope.value[[0, 1, 4]].all()


@pytest.mark.parametrize("how", ["mean", "sum"])
@pytest.mark.parametrize("padding", [0, 2])
def test_padding_does_not_count_in_a_bag(how, padding):
    bag = EmbeddingBag(5, 3, how, padding_idx=padding, dtype=np.float64, rng=0)
    plain = EmbeddingBag(5, 3, how, dtype=np.float64, rng=0)
    some = np.array([[True, True, False], [True, True, True]])
    np.testing.assert_array_equal(bag(PADDED).value, plain(PADDED, padding != PADDED).value)
    np.testing.assert_array_equal(bag(PADDED, some).value, plain(PADDED, (padding != PADDED) & some).value)
    (slope,) = mg.gradients(bag(PADDED).sum(), [bag.W])
    assert not slope.value[padding].any()
    assert not bag(np.full((1, 3), padding)).value.any()


def test_padding_is_decided_anew_in_replays_and_in_programs():
    layer = Embedding(5, 3, padding_idx=2, dtype=np.float64, rng=0)
    bag = EmbeddingBag(5, 3, padding_idx=2, dtype=np.float64, rng=0)

    def f(i):
        y = (layer(i) ** 2).sum() + (bag(i) ** 2).sum()
        return y, mg.gradients(y, [layer.W, bag.W])

    compare(f, [PADDED], [PADDED[::-1].copy()], [np.array([[2, 2, 2], [3, 3, 0]])])


@pytest.mark.parametrize("wrong", [-1, 5, 1.0, True, "pad"])
@pytest.mark.parametrize("kind", [Embedding, EmbeddingBag])
def test_padding_is_one_of_the_indices(kind, wrong):
    with pytest.raises(ValueError, match=rf"{kind.__name__}\(padding_idx=.*\): expected an index from 0 to 4"):
        kind(5, 3, padding_idx=wrong)
    assert repr(kind(5, 3, padding_idx=4)).count("padding_idx=4") == 1


# What the notes build ------------------------------------------------------------------------------------------------


def word_window_scorer(n_words=9):
    """5 words of 4 dimensions, 8 logistic units, one score without bias: s = U'σ(W x + b)."""
    return Sequential(
        Embedding(n_words, 4, dtype=np.float64, rng=0),
        Flatten(),
        Dense(20, 8, mg.sigmoid, dtype=np.float64, rng=1),
        Dense(8, 1, bias=False, dtype=np.float64, rng=2),
    )


@pytest.mark.parametrize("recipe", [lambda: word_window_scorer, lambda: Siamese], ids=["window", "siamese"])
def test_what_the_notes_build_takes_few_lines(recipe):
    assert len(inspect.getsource(recipe()).splitlines()) <= 15


@pytest.mark.row("WEX-03")
def test_the_word_window_scorer():
    net = word_window_scorer()
    words = ["museums", "in", "paris", "are", "amazing"]
    vocabulary = {word: i for i, word in enumerate(sorted({*words, "not", "all", "the", "city"}))}
    window = np.array([[vocabulary[word] for word in words]])
    x = net[:2](window)
    assert x.shape == (1, 20)
    scorer = net[2:]
    assert [p.shape for p in scorer.parameters()] == [(8, 20), (8,), (1, 8)]
    assert scorer.n_parameters() == 176
    W, b, U = (p.value for p in scorer.parameters())
    expected = U @ sigmoid(W @ x.value[0] + b)
    np.testing.assert_allclose(net(window).value[0], expected, rtol=1e-13)
    check(net, fixed=(window,))


class Siamese(Module):
    """ŷ = σ(W2 z + b3), z = softplus_β(W1 x_p + b1) − softplus_β(W1 x_q + b1): one layer for both inputs."""

    def __init__(self, n_inputs, n_units, beta=1.0, rng=None):
        rng = np.random.default_rng(rng)
        self.branch = Dense(n_inputs, n_units, lambda h: mg.softplus(h, beta), dtype=np.float64, rng=rng)
        self.output = Dense(n_units, 1, dtype=np.float64, rng=rng)

    def difference(self, x_p, x_q):
        return self.branch(x_p) - self.branch(x_q)

    def forward(self, x_p, x_q):
        return mg.sigmoid(self.output(self.difference(x_p, x_q)))


BETA = 2.0


def siamese():
    net = Siamese(5, 4, BETA, rng=0)
    net.branch.b.value = RNG.normal(size=4)
    net.output.b.value = [0.3]
    return net, RNG.normal(size=(1, 5)), RNG.normal(size=(1, 5))


def log_likelihood(y_hat, y):
    return (y * np.log(y_hat) + (1 - y) * np.log(1 - y_hat)).sum()


@pytest.mark.row("LAY-14", "WEX-23")
@pytest.mark.parametrize("y", [0.0, 1.0])
def test_the_siamese_net_step_by_step(y):
    """Every step of the notes as corrected: δ_hq carries a minus, W1 is shared; with their plus the gradient is wrong."""
    net, x_p, x_q = siamese()
    W1, b1, W2, b3 = (p.value for p in net.parameters())
    h_p, h_q = W1 @ x_p[0] + b1, W1 @ x_q[0] + b1
    z = np.logaddexp(BETA * h_p, 0) / BETA - np.logaddexp(BETA * h_q, 0) / BETA
    y_hat = sigmoid(W2[0] @ z + b3[0])
    out = net(x_p, x_q)
    assert out.value.item() == pytest.approx(y_hat, rel=1e-13)
    np.testing.assert_allclose(net.difference(x_p, x_q).value[0], z, rtol=1e-12)

    (of_output,) = mg.gradients(log_likelihood(out, y), [out])
    assert of_output.value.item() == pytest.approx(y / y_hat - (1 - y) / (1 - y_hat), rel=1e-12)
    delta_z3 = y - y_hat
    delta_z = W2[0] * delta_z3
    delta_p, delta_q = sigmoid(BETA * h_p) * delta_z, -sigmoid(BETA * h_q) * delta_z
    of_W1, of_b1, of_W2, of_b3 = (g.value for g in mg.gradients(log_likelihood(out, y), net.parameters()))
    np.testing.assert_allclose(of_b3, [delta_z3], rtol=1e-12)
    np.testing.assert_allclose(of_W2, delta_z3 * z[None], rtol=1e-12)
    np.testing.assert_allclose(of_b1, delta_p + delta_q, rtol=1e-12)
    np.testing.assert_allclose(of_W1, np.outer(delta_p, x_p) + np.outer(delta_q, x_q), rtol=1e-12)
    assert np.abs(of_b1 - (delta_p - delta_q)).max() > 0.05
    assert np.abs(of_W1 - (np.outer(delta_p, x_p) - np.outer(delta_q, x_q))).max() > 0.05


@pytest.mark.row("LAY-14", "WEX-23")
def test_the_siamese_net_by_differences():
    net, x_p, x_q = siamese()
    check(net, x_p, x_q)
    assert [name for name, _ in net.named_parameters()] == ["branch.W", "branch.b", "output.W", "output.b"]
    with pytest.raises(ValueError, match="MatMul"):
        mg.Input(x_q) @ net.output.W.T  # the notes' h_q = W2 x_q + b2


class NotesSiamese(mg.Operation):
    """z = softplus_β(h_p) − softplus_β(h_q) with the notes' adjoints, whose δ_hq lacks its minus."""

    __slots__ = ()

    def fprop(self, h_p, h_q):
        return (np.logaddexp(BETA * h_p, 0) - np.logaddexp(BETA * h_q, 0)) / BETA

    def bprop(self, adjoint):
        return tuple(mg.sigmoid(BETA * h) * adjoint for h in self.children)


def test_the_notes_sign_fails_the_gradient_check():
    h_p, h_q = RNG.normal(size=(2, 4))
    with pytest.raises(mg.GradientError, match="by h_q"):
        mg.check_gradients(NotesSiamese, h_p, h_q)


def test_softplus_and_its_slope_share_beta():
    """At h = .5, β = 2 the slope is .731; the notes' softplus without β has .622 there, so their pair does not fit."""
    h = mg.Input(0.5)
    assert mg.gradients(mg.softplus(h, BETA), [h])[0].item() == pytest.approx(0.731059, abs=1e-6)
    assert mg.gradients(mg.softplus(h), [h])[0].item() == pytest.approx(0.622459, abs=1e-6)


@pytest.mark.row("WEX-23")
def test_the_siamese_net_with_its_penalties():
    """i) mean loss + ln Σ exp(w2) + max |W1|: gradients add, softmax(w2) and the sign at the largest entry."""
    net, _, _ = siamese()
    x_p, x_q, y = RNG.normal(size=(6, 5)), RNG.normal(size=(6, 5)), RNG.integers(0, 2, (6, 1)).astype(float)
    W1, _, W2, _ = net.parameters()
    loss = -log_likelihood(net(x_p, x_q), y) / 6
    penalized = loss + mg.logsumexp(W2) + np.max(np.abs(W1))
    extra = [
        (a - b).value for a, b in zip(mg.gradients(penalized, [W1, W2]), mg.gradients(loss, [W1, W2]), strict=True)
    ]
    largest = np.unravel_index(np.abs(W1.value).argmax(), W1.shape)
    expected = np.zeros_like(W1.value)
    expected[largest] = np.sign(W1.value[largest])
    np.testing.assert_allclose(extra[0], expected, atol=1e-12)
    e = np.exp(W2.value)
    np.testing.assert_allclose(extra[1], e / e.sum(), rtol=1e-10)

    def total(W1, b1, W2, b3):
        h = [mg.softplus(x @ W1.T + b1, BETA) for x in (x_p, x_q)]
        outputs = mg.sigmoid((h[0] - h[1]) @ W2.T + b3)
        return -log_likelihood(outputs, y) / 6 + mg.logsumexp(W2) + np.max(np.abs(W1))

    assert total(*net.parameters()).value == pytest.approx(penalized.value)
    mg.check_gradients(total, *[p.value for p in net.parameters()], order=2)


# Layers of a Sequential stay what they are ---------------------------------------------------------------------------


def test_a_layer_is_replaced_by_a_layer_only():
    net = Sequential(Dense(2, 3, rng=0), Dense(3, 1, rng=1))
    for wrong in (None, 3.0, Dense):
        with pytest.raises(TypeError, match="Sequential: dense_1 is neither a module nor a function of a node"):
            net.dense_1 = wrong
    with pytest.raises(AttributeError, match="Sequential: the layer 'dense_1' cannot be deleted"):
        del net.dense_1
    assert net(np.ones((4, 2))).shape == (4, 1)
    net.dense_1 = np.tanh  # as in the constructor
    net.dense_2 = replaced = Dense(2, 5, rng=2)
    assert (net(np.ones((4, 2))).shape, net[1], list(net.state_dict())) == (
        (4, 5),
        replaced,
        ["dense_2.W", "dense_2.b"],
    )


def test_what_would_never_run_is_refused():
    net = Sequential(Dense(2, 3))
    for extra in (Dense(3, 1), mg.Parameter(1.0), [Dense(3, 1)], {"a": Dense(3, 1)}):
        with pytest.raises(TypeError, match="Sequential: 'extra' is none of its layers, and would never run"):
            net.extra = extra
    net.note = "trained twice"
    del net.note

    class Scaled(Sequential):
        def __init__(self, *layers):
            super().__init__(*layers)
            self.scale = mg.Parameter(np.float32(2.0))

        def forward(self, x):
            return super().forward(x) * self.scale

    assert list(Scaled(Dense(2, 3)).state_dict()) == ["dense_1.W", "dense_1.b", "scale"]
    assert net.freeze().unfreeze().eval().train() is net


@pytest.mark.parametrize("name", ["_names", "training", "forward", "_frozen", "parameters"])
def test_names_that_are_taken_are_refused(name):
    with pytest.raises(ValueError, match=f"a layer cannot be called '{name}', which is taken by Module"):
        Sequential(**{name: Dense(2, 2)})
    with pytest.raises(ValueError, match="a layer cannot be called 'dense_1', which is a layer's"):
        Sequential(Dense(2, 2), dense_1=Dense(2, 2))


# Rectifiers whose slopes are drawn or learned ------------------------------------------------------------------------


def test_rrelu_draws_its_slopes_in_training_and_takes_their_mean_in_evaluation():
    layer = RReLU(0, lower=0.2, upper=0.4)
    x = np.concatenate([-np.ones((100, 5), np.float32), np.ones((100, 5), np.float32)])
    y = layer(node := mg.Input(x))
    slopes = -y.value[:100]
    assert y.dtype == np.float32
    assert ((slopes >= 0.2) & (slopes < 0.4)).all()
    assert len(np.unique(slopes)) > 400
    np.testing.assert_array_equal(y.value[100:], 1)
    np.testing.assert_array_equal(mg.gradients(y.sum(), node)[0].value, np.where(x > 0, 1, -y.value))
    assert (mg.Graph(y).fprop() != -slopes[0, 0])[:100].any()
    np.testing.assert_array_equal(RReLU(3)(x).value, RReLU(np.random.default_rng(3))(x).value)
    evaluated = layer.eval()(x).value
    np.testing.assert_allclose(evaluated[:100], -0.3, rtol=1e-6)
    assert layer.parameters() == []
    for lower, upper in ((0.5, 0.4), (-0.1, 0.4), (0.1, np.inf)):
        with pytest.raises(ValueError, match=r"RReLU\(lower=.*slopes lie between 0 <= lower <= upper"):
            RReLU(lower=lower, upper=upper)


def test_prelu_learns_a_slope_for_every_feature_or_one_for_all():
    x = np.array([[-1.0, 2.0, -3.0], [-4.0, -5.0, 6.0]], np.float32)
    layer = PReLU(3)
    layer.alpha.value = np.array([0.1, 0.2, 0.3], np.float32)
    y = layer(x)
    np.testing.assert_allclose(y.value, np.where(x > 0, x, x * [0.1, 0.2, 0.3]), rtol=1e-6)
    np.testing.assert_array_equal(mg.gradients(y.sum(), layer.alpha)[0].value, [-5, -5, -3])
    one = PReLU()
    assert one.alpha.value.tolist() == [0.25]
    np.testing.assert_array_equal(mg.gradients(one(x).sum(), one.alpha)[0].value, [-13])
    net = Sequential(dense(3, 4), PReLU(4, dtype=np.float64), dense(4, 1))
    check(net, RNG.normal(size=(5, 3)), order=1)
    assert PReLU(2, alpha=0.5, dtype=np.float64).alpha.value.tolist() == [0.5, 0.5]
    for wrong in (np.ones((2, 4)), np.ones(3), np.ones((2, 1))):
        with pytest.raises(ValueError, match=r"PReLU: expected inputs of shape \(batch, ..., 3\), found"):
            layer(wrong)


def test_rectifiers_train():
    X = RNG.normal(size=(64, 2)).astype(np.float32)
    y = np.abs(X[:, :1])
    net = Sequential(Dense(2, 8, rng=0), RReLU(1), Dense(8, 8, rng=2), PReLU(8), Dense(8, 1, rng=3))
    optimizer, before = SGD(net.parameters(), 0.05), float(losses.mean_squared_error(net.eval()(X), y))
    net.train()
    step = mg.compile(lambda x, y: mg.gradients(losses.mean_squared_error(net(x), y), net.parameters()))
    for _ in range(200):
        for parameter, gradient in zip(net.parameters(), step(X, y), strict=True):
            parameter.grad = np.asarray(gradient)
        optimizer.step()
    assert float(losses.mean_squared_error(net.eval()(X), y)) < before / 10
    assert (net[3].alpha.value != 0.25).all()

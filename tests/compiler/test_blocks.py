"""Every building block, compiled: outputs, losses and gradients, in training and in evaluation, on arrays that change."""

import copy
from itertools import pairwise

import numpy as np
import pytest

import minigrad as mg
from minigrad.models import (
    GRU,
    LSTM,
    RNN,
    AlphaDropout,
    AveragePool2D,
    BatchNorm,
    Bidirectional,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Dropout,
    Embedding,
    EmbeddingBag,
    Flatten,
    GroupNorm,
    GRUCell,
    InstanceNorm,
    LayerNorm,
    LSTMCell,
    MaxPool2D,
    Sequential,
    SimpleRNN,
    SimpleRNNCell,
    Stacked,
    linear,
    losses,
    penalties,
)
from tests.compiler.agreement import assert_agree, compare

F = np.float64


def measured(*nodes):
    return sum(np.sum(np.sin(node)) for node in nodes)


def trained(model, *outputs_of):
    """A function of the model's inputs: outputs, a loss, and its gradients by parameters and inputs."""

    def f(*inputs):
        result = model(*inputs)
        outputs = list(result) if isinstance(result, tuple) else [result]
        loss = measured(*outputs)
        wanted = [p for p in model.parameters() if p.trainable] + [x for x in inputs if x.dtype.kind == "f"]
        return outputs, loss, mg.gradients(loss, wanted)

    return f


def states_of(model):
    return [p for p in model.parameters() if not p.trainable]


# Layers ------------------------------------------------------------------------------------------------------------


LAYERS = {
    "Dense": (lambda: Dense(4, 3, np.tanh, dtype=F, rng=0), (5, 4)),
    "Dense of sequences": (lambda: Dense(4, 3, mg.softmax, dtype=F, rng=0), (2, 5, 4)),
    "Dense in float32": (lambda: Dense(4, 3, mg.gelu, bias=False, rng=0), (5, 4)),
    "LayerNorm": (lambda: LayerNorm(4, dtype=F), (5, 4)),
    "GroupNorm": (lambda: GroupNorm(4, 2, dtype=F), (3, 2, 3, 4)),
    "InstanceNorm": (lambda: InstanceNorm(3, dtype=F), (2, 4, 3)),
    "AlphaDropout": (lambda: Sequential(Dense(4, 3, mg.selu, dtype=F, rng=0), AlphaDropout(0.3, rng=0)).eval(), (5, 4)),
    "Conv2D in groups": (lambda: Conv2D(4, 4, 2, dilation=2, groups=2, dtype=F, rng=0), (2, 5, 5, 4)),
    "Conv2DTranspose": (lambda: Conv2DTranspose(2, 4, 3, 2, 1, np.tanh, groups=2, dtype=F, rng=0), (2, 3, 4, 2)),
    "pools with padding": (
        lambda: Sequential(np.tanh, MaxPool2D(3, 2, 1), AveragePool2D(2, 1, padding="same")),
        (2, 5, 5, 2),
    ),
    "Flatten": (lambda: Sequential(Flatten(), Dense(12, 2, dtype=F, rng=0)), (5, 3, 4)),
    "Conv2D": (lambda: Conv2D(2, 3, 3, padding="same", activation=mg.relu, dtype=F, rng=0), (2, 5, 5, 2)),
    "Conv2D with strides": (lambda: Conv2D(2, 3, (3, 2), stride=2, dtype=F, rng=0), (2, 6, 5, 2)),
    "MaxPool2D": (lambda: Sequential(Conv2D(1, 2, 2, dtype=F, rng=0), MaxPool2D(2)), (2, 5, 5, 1)),
    "MaxPool2D that overlaps": (lambda: Sequential(np.tanh, MaxPool2D(3, stride=1)), (2, 5, 5, 1)),
    "AveragePool2D": (lambda: Sequential(np.tanh, AveragePool2D(2)), (2, 4, 4, 3)),
    "a net of them": (
        lambda: Sequential(
            Conv2D(1, 4, 3, activation=mg.relu, dtype=F, rng=0),
            MaxPool2D(2),
            Flatten(),
            LayerNorm(16, dtype=F),
            Dense(16, 5, np.tanh, dtype=F, rng=1),
            Dense(5, 3, dtype=F, rng=2),
        ),
        (3, 6, 6, 1),
    ),
}


@pytest.mark.parametrize("rewrites", [None, ()], ids=["rewritten", "plain"])
@pytest.mark.parametrize("name", LAYERS)
def test_layers(name, rewrites):
    make, shape = LAYERS[name]
    rng = np.random.default_rng(0)
    layer = make()
    dtype = np.float32 if "float32" in name else F
    compare(trained(layer), *[[rng.normal(size=shape).astype(dtype)] for _ in range(3)], rewrites=rewrites)


@pytest.mark.parametrize("how", ["mean", "sum"])
def test_embeddings(how):
    rng = np.random.default_rng(0)
    model, bag = Embedding(7, 3, dtype=F, rng=0), EmbeddingBag(7, 3, how, dtype=F, rng=1)

    def f(indices, mask):
        outputs = model(indices), bag(indices), bag(indices, mask)
        return outputs, mg.gradients(measured(*outputs), [model.W, bag.W])

    compare(f, *[[rng.integers(0, 7, (4, 5)), rng.random((4, 5)) < 0.5] for _ in range(4)])


@pytest.mark.parametrize("function", mg.activations(), ids=lambda entry: entry.name)
def test_activations(function):
    rng = np.random.default_rng(0)

    def f(x):
        y = function.function(x)
        first = mg.gradients(np.sum(np.sin(y)), [x])
        return y, first, mg.gradients(measured(*first), [x])

    compare(f, *[[rng.normal(size=(3, 4))] for _ in range(3)])
    compare(f, *[[rng.normal(size=(3, 4)).astype(np.float32)] for _ in range(3)])


@pytest.mark.parametrize("shape", [(6, 4), (3, 2, 4), (2, 3, 3, 4)])
def test_batch_norm_in_training_and_evaluation(shape):
    rng = np.random.default_rng(0)
    compiled, eager = BatchNorm(4, dtype=F), BatchNorm(4, dtype=F)
    runs = []

    def function(layer):
        def f(x):
            runs.append(layer)
            y = layer(np.tanh(x))
            return y, mg.gradients(measured(y), [layer.gamma, layer.beta, x])

        return f

    step, nodes = mg.compile(function(compiled)), function(eager)
    for training in (True, True, True, False, False, True, False):
        for model in (compiled, eager):
            model.train() if training else model.eval()
        x = rng.normal(1.0, 2.0, shape)
        y, gradients = step(x)
        expected, expected_gradients = nodes(mg.Input(x))
        assert_agree([y, *gradients], [expected.value, *[g.value for g in expected_gradients]])
        assert_agree([p.value for p in compiled.parameters()], [p.value for p in eager.parameters()])
    assert runs.count(compiled) == 2, "one program for training, one for evaluation"


def test_batch_norm_twice_in_one_call():
    rng = np.random.default_rng(0)
    layer = BatchNorm(3, momentum=0.5, dtype=F)

    def f(x):
        y = layer(np.tanh(layer(x)))
        return y, mg.gradients(measured(y), [layer.gamma, x])

    compare(f, *[[rng.normal(size=(5, 3))] for _ in range(4)], states=states_of(layer))
    compare(f, *[[rng.normal(size=(5, 3))] for _ in range(4)], states=states_of(layer), rewrites=())


def test_batch_norm_refuses_what_it_refuses_on_nodes():
    layer = BatchNorm(2, dtype=F)
    step = mg.compile(lambda x: layer(x))
    for _ in range(2):
        step(np.arange(6.0).reshape(3, 2))
    before = [p.value.copy() for p in layer.parameters()]
    with pytest.raises(FloatingPointError, match="running_mean"), np.errstate(invalid="ignore"):
        step(np.array([[1.0, np.nan], [2.0, 3.0], [1.0, 1.0]]))
    assert_agree([p.value for p in layer.parameters()], before)


def test_dropout_draws_the_same_sequence():
    def net():
        return Sequential(
            Dense(4, 6, np.tanh, dtype=F, rng=0), Dropout(0.4, rng=1), Dense(6, 2, dtype=F, rng=2), Dropout(0.2, rng=3)
        )

    compiled, eager = net(), net()
    step, nodes = mg.compile(trained(compiled)), trained(eager)
    rng = np.random.default_rng(0)
    seen = set()
    for training in (True, True, True, True, False, True, False):
        for model in (compiled, eager):
            model.train() if training else model.eval()
        x = rng.normal(size=(5, 4))
        (y,), _, gradients = step(x)
        (expected,), _, expected_gradients = nodes(mg.Input(x))
        assert_agree([y, *gradients], [expected.value, *[g.value for g in expected_gradients]])
        seen.add((y == 0).tobytes())
    assert len(seen) > 3, "masks are drawn anew"


# Recurrent layers --------------------------------------------------------------------------------------------------


RECURRENT = {
    "SimpleRNN": lambda: SimpleRNN(3, 4, dtype=F, rng=0),
    "SimpleRNN with relu": lambda: SimpleRNN(3, 4, mg.relu, sequences=True, dtype=F, rng=0),
    "LSTM": lambda: LSTM(3, 4, dtype=F, rng=0),
    "LSTM, all outputs": lambda: LSTM(3, 4, sequences=True, dtype=F, rng=0),
    "GRU": lambda: GRU(3, 4, dtype=F, rng=0),
    "GRU, reset after, kept, two biases": lambda: GRU(3, 4, reset="after", convention="keep", biases=2, dtype=F, rng=0),
    "GRU, all outputs": lambda: GRU(3, 4, sequences=True, dtype=F, rng=0),
    "RNN": lambda: RNN(3, 4, 2, dtype=F, rng=0),
    "RNN that learns its first state": lambda: RNN(3, 4, 2, mg.sigmoid, trainable_initial_state=True, dtype=F, rng=0),
    "Stacked": lambda: Stacked([LSTM(3, 4, dtype=F, rng=0), GRU(4, 4, dtype=F, rng=1)]),
    "Stacked, all outputs": lambda: Stacked(
        [SimpleRNN(3, 4, dtype=F, rng=0)] * 1 + [SimpleRNN(4, 4, dtype=F, rng=1)], sequences=True
    ),
    "Bidirectional": lambda: Bidirectional(SimpleRNN(3, 4, dtype=F, rng=0), LSTM(3, 4, dtype=F, rng=1)),
    "Bidirectional, all outputs": lambda: Bidirectional(
        GRU(3, 4, dtype=F, rng=0), GRU(3, 4, dtype=F, rng=1), sequences=True
    ),
    "Stacked and bidirectional": lambda: Stacked(
        [
            Bidirectional(LSTM(3, 2, dtype=F, rng=0), LSTM(3, 2, dtype=F, rng=1)),
            Bidirectional(GRU(4, 2, dtype=F, rng=2), GRU(4, 2, dtype=F, rng=3)),
        ],
        sequences=True,
    ),
    "LSTM in float32": lambda: LSTM(3, 4, rng=0),
}


def sequences(rng, length, dtype=F, batch=3):
    return np.asarray(rng.normal(size=(batch, length, 3)), dtype)


@pytest.mark.parametrize("rewrites", [None, ()], ids=["rewritten", "plain"])
@pytest.mark.parametrize("length", [1, 3, 6])
@pytest.mark.parametrize("name", RECURRENT)
def test_recurrent_layers(name, length, rewrites):
    layer = RECURRENT[name]()
    rng = np.random.default_rng(length)
    dtype = np.float32 if "float32" in name else F
    compare(trained(layer), *[[sequences(rng, length, dtype)] for _ in range(3)], rewrites=rewrites)


@pytest.mark.parametrize("length", [1, 3, 6])
@pytest.mark.parametrize("name", [name for name in RECURRENT if not name.startswith("RNN")])
def test_masks_are_arguments(name, length):
    layer = RECURRENT[name]()
    rng = np.random.default_rng(length)

    def f(u, mask):
        y = layer(u, mask=mask)
        return y, mg.gradients(measured(y), [*layer.parameters(), u])

    def lengths(*counts):
        return np.arange(length) < np.array(counts)[:, None]

    masks = [lengths(length, 1, 2), lengths(0, length, 1), rng.random((3, length)) < 0.5]
    dtype = np.float32 if "float32" in name else F
    compare(f, *[[sequences(rng, length, dtype), mask] for mask in masks])


@pytest.mark.parametrize("length", [1, 3, 6])
@pytest.mark.parametrize("make", [SimpleRNN, LSTM, GRU])
def test_states_go_in_and_out(make, length):
    layer = make(3, 4, dtype=F, rng=0)
    pair = make is LSTM

    def f(u, *state):
        steps = layer.states(u, tuple(state) if pair else state[0])
        final = steps.final if isinstance(steps.final, tuple) else (steps.final,)
        outputs = [*steps, *final]
        return outputs, mg.gradients(measured(*outputs), [*layer.parameters(), u, *state])

    rng = np.random.default_rng(length)
    compare(f, *[[sequences(rng, length), *[rng.normal(size=(3, 4)) for _ in range(1 + pair)]] for _ in range(3)])


@pytest.mark.parametrize("make", [SimpleRNNCell, LSTMCell, GRUCell])
def test_cells(make):
    cell = make(3, 4, dtype=F, rng=0)
    pair = make is LSTMCell

    def f(x, *state):
        result = cell(x, state if pair else state[0])
        outputs = (
            [result.h, result.c]
            if pair and hasattr(result, "h")
            else list(result)
            if isinstance(result, tuple)
            else [result]
        )
        first = mg.gradients(measured(*outputs), [*cell.parameters(), x, *state])
        return outputs, first, mg.gradients(measured(*first), [*cell.parameters(), x, *state])

    rng = np.random.default_rng(0)
    compare(f, *[[rng.normal(size=(5, 3)), *[rng.normal(size=(5, 4)) for _ in range(1 + pair)]] for _ in range(3)])


# Losses and penalties ----------------------------------------------------------------------------------------------


def classes(rng):
    return rng.integers(0, 3, 5)


def one_hot(rng):
    return np.eye(3)[classes(rng)]


def zeros_and_ones(rng):
    return rng.integers(0, 2, (5, 3)).astype(F)


def numbers(rng):
    return rng.normal(size=(5, 3))


LOSSES = {
    "cross_entropy": (losses.cross_entropy, classes, {}),
    "cross_entropy of probabilities": (
        lambda x, y, **o: losses.cross_entropy(mg.softmax(x), y, from_logits=False, **o),
        classes,
        {},
    ),
    "categorical_cross_entropy": (losses.categorical_cross_entropy, one_hot, {}),
    "binary_cross_entropy": (losses.binary_cross_entropy, zeros_and_ones, {"over_outputs": "sum"}),
    "binary_log_likelihood": (losses.binary_log_likelihood, zeros_and_ones, {"over_examples": "sum"}),
    "binary_cross_entropy of probabilities": (
        lambda x, y, **o: losses.binary_cross_entropy(mg.sigmoid(x), y, from_logits=False, **o),
        zeros_and_ones,
        {},
    ),
    "mean_squared_error": (losses.mean_squared_error, numbers, {}),
    "mean_absolute_error": (losses.mean_absolute_error, numbers, {"over_outputs": "sum"}),
    "mean_euclidean_norm": (losses.mean_euclidean_norm, numbers, {}),
    "half_least_squares": (losses.half_least_squares, numbers, {}),
    "hinge": (losses.hinge, lambda rng: 2 * zeros_and_ones(rng) - 1, {}),
    "hinge of zeros and ones": (losses.hinge, zeros_and_ones, {"labels": "zero_one"}),
}


@pytest.mark.parametrize("name", LOSSES)
def test_losses(name):
    loss, draw, options = LOSSES[name]
    rng = np.random.default_rng(0)

    def f(x, targets, weights, mask):
        found = [
            loss(x, targets, **options),
            loss(x, targets, weights=weights, **options),
            loss(x, targets, mask=mask, **options),
        ]
        first = mg.gradients(measured(*found), [x])
        return found, first, mg.gradients(measured(*first), [x])

    def call():
        return [rng.normal(size=(5, 3)), draw(rng), rng.random(5), np.array([1, *rng.integers(0, 2, 4)], bool)]

    compare(f, *[call() for _ in range(4)])
    compare(f, *[call() for _ in range(3)], rewrites=())


def test_losses_of_scores_and_of_one_example():
    rng = np.random.default_rng(0)

    def f(s, c):
        found = losses.max_margin_ranking(s, c), losses.squared_error(s, c)
        return found, mg.gradients(measured(*found), [s, c])

    compare(f, *[[rng.normal(size=6), rng.normal(size=6)] for _ in range(3)])


@pytest.mark.parametrize(
    "make", [penalties.L1, penalties.L2, penalties.ElasticNet, penalties.MaxNorm, penalties.LogSumExp]
)
def test_weight_penalties(make):
    model = Dense(4, 3, np.tanh, dtype=F, rng=0)
    penalty = make(0.3)

    def f(x, weight):
        loss = measured(model(x)) + penalty(model) + make(weight)(model)
        return loss, mg.gradients(loss, [*model.parameters(), weight])

    rng = np.random.default_rng(0)
    compare(f, *[[rng.normal(size=(5, 4)), np.array(rng.random())] for _ in range(3)])


ADJOINT = {
    "Omega": lambda: penalties.Omega(0.3),
    "Omega, immediate": lambda: penalties.Omega(0.3, "immediate"),
    "OmegaNorms": lambda: penalties.OmegaNorms(0.5),
    "AdjointVariance": lambda: penalties.AdjointVariance(0.5),
    "RelativeVariance": lambda: penalties.RelativeVariance(0.5),
    "LogRatio": lambda: penalties.LogRatio(0.5),
    "HalfSquaredNorms": lambda: penalties.HalfSquaredNorms(0.5),
    "FirstAgainstLast": lambda: penalties.FirstAgainstLast(0.5),
}


@pytest.mark.parametrize("rewrites", [None, ()], ids=["rewritten", "plain"])
@pytest.mark.parametrize("length", [2, 3, 6])
@pytest.mark.parametrize("name", ADJOINT)
def test_adjoint_penalties(name, length, rewrites):
    net, penalty = RNN(3, 4, 2, dtype=F, rng=0), ADJOINT[name]()

    def f(u, labels):
        states = net.states(u)
        loss = losses.cross_entropy(net.readout(states[-1]), labels)
        extra = penalty(loss, states)
        total = loss + extra
        first = mg.gradients(total, net.parameters())
        return total, extra, first, mg.gradients(measured(*first), net.parameters())

    rng = np.random.default_rng(length)
    compare(f, *[[sequences(rng, length), rng.integers(0, 2, 3)] for _ in range(3)], rewrites=rewrites)


@pytest.mark.parametrize("make", [LSTM, GRU, SimpleRNN])
def test_adjoint_penalty_of_gated_cells(make):
    layer, readout = make(3, 4, dtype=F, rng=0), Dense(4, 2, dtype=F, rng=1)
    wanted = [*layer.parameters(), *readout.parameters()]

    def f(u, labels, mask):
        steps = layer.states(u, mask=mask)
        loss = losses.cross_entropy(readout(steps.last), labels)
        total = loss + penalties.OmegaNorms(0.5)(loss, list(steps))
        return total, mg.gradients(total, wanted)

    rng = np.random.default_rng(0)
    calls = [
        [sequences(rng, 4), rng.integers(0, 2, 3), np.arange(4) < rng.integers(2, 5, 3)[:, None]] for _ in range(3)
    ]
    compare(f, *calls)


def test_linear_models():
    rng = np.random.default_rng(0)

    def f(X, y, weight):
        theta = linear.ridge(X, y, weight)
        return theta, mg.gradients(measured(theta), [X, y, weight])

    compare(f, *[[rng.normal(size=(6, 3)), rng.normal(size=6), np.array(0.1 + rng.random())] for _ in range(3)])


# Nets as they are trained ------------------------------------------------------------------------------------------


def test_a_net_learns_the_same_compiled():
    """SGD by hand on parameters that the program reads in place: the two trajectories stay together."""

    def net():
        return Sequential(
            Dense(4, 8, dtype=F, rng=0),
            BatchNorm(8, dtype=F),
            mg.relu,
            Dropout(0.25, rng=5),
            Dense(8, 3, dtype=F, rng=1),
        )

    def function(model):
        wanted = [p for p in model.parameters() if p.trainable]

        def f(x, y):
            loss = losses.cross_entropy(model(x), y) + penalties.L2(0.01)(model)
            return loss, mg.gradients(loss, wanted)

        return f, wanted

    compiled, eager = net(), net()
    (f, parameters), (g, others) = function(compiled), function(eager)
    step = mg.compile(f)
    rng = np.random.default_rng(0)
    for _ in range(30):
        x, y = rng.normal(size=(16, 4)), rng.integers(0, 3, 16)
        loss, slopes = step(x, y)
        expected, expected_slopes = g(mg.Input(x), mg.Input(y))
        np.testing.assert_allclose(loss, expected.value, rtol=1e-9)
        for parameter, other, slope, expected_slope in zip(parameters, others, slopes, expected_slopes, strict=True):
            parameter.value = parameter.value - 0.1 * slope
            other.value = other.value - 0.1 * expected_slope.value
    assert_agree([p.value for p in compiled.parameters()], [p.value for p in eager.parameters()])


def test_a_copied_model_has_programs_of_its_own():
    model = Dense(3, 2, np.tanh, dtype=F, rng=0)
    other = copy.deepcopy(model)
    other.W.value = other.W.value * 2.0
    x = np.random.default_rng(0).normal(size=(4, 3))
    steps = [mg.compile(lambda x, net=net: net(x)) for net in (model, other)]
    for _ in range(2):
        for step, net in zip(steps, (model, other), strict=True):
            np.testing.assert_allclose(step(x), net(x).value, rtol=1e-12)


# The tutorials' models -----------------------------------------------------------------------------------------------


def test_the_smallest_net():
    rng = np.random.default_rng(0)
    W_1, b_1 = mg.Parameter(rng.normal(size=(2, 2)), "W_1"), mg.Parameter(np.zeros(2), "b_1")
    W_2, b_2 = mg.Parameter(rng.normal(size=(1, 2)), "W_2"), mg.Parameter(np.zeros(1), "b_2")
    wanted = [W_1, b_1, W_2, b_2]

    def f(x, y):
        loss = np.mean((mg.sigmoid(np.tanh(x @ W_1.T + b_1) @ W_2.T + b_2) - y) ** 2)
        first = mg.gradients(loss, wanted)
        return loss, first, mg.gradients(measured(*first), wanted)

    compare(f, *[[rng.normal(size=(4, 2)), rng.integers(0, 2, (4, 1)).astype(F)] for _ in range(3)])


def test_a_state_that_is_a_number():
    W = mg.Parameter(0.8, name="W")

    def f(x0):
        x, states = x0, []
        for t in range(6):
            with mg.scope(f"t={t}"):
                x = np.tanh(W * x)
                states.append(x)
        norms = mg.gradients(x, states)
        penalty = sum((later / earlier - 1.0) ** 2 for earlier, later in pairwise(norms))
        return states, norms, penalty, mg.gradients(x + penalty, [W, x0])

    for rewrites in (None, ()):
        compare(f, *[[np.array(number)] for number in (0.5, -0.25, 1.5)], rewrites=rewrites)


@pytest.mark.parametrize("activation", [mg.relu, np.tanh])
def test_a_recurrent_net_with_one_output(activation):
    net = Sequential(LSTM(2, 5, activation, rng=4), Dense(5, 1, rng=5))

    def f(u, y):
        loss = losses.mean_squared_error(net(u), y)
        return loss, mg.gradients(loss, net.parameters())

    rng = np.random.default_rng(0)
    draw = lambda *shape: rng.normal(size=shape).astype(np.float32)  # noqa: E731
    compare(f, *[[draw(4, 7, 2), draw(4, 1)] for _ in range(3)])


def test_a_classifier_that_gives_probabilities():
    net = Sequential(Dense(9, 6, mg.relu, rng=0), Dropout(0.2, rng=1), Dense(6, 4, mg.softmax, rng=2)).eval()

    def f(x, y):
        p = net(x)
        loss = losses.cross_entropy(p, y, from_logits=False)
        return np.argmax(p, axis=-1), loss, mg.gradients(loss, net.parameters())

    rng = np.random.default_rng(0)
    compare(f, *[[rng.normal(size=(8, 9)).astype(np.float32), rng.integers(0, 4, 8)] for _ in range(4)])


def test_word_windows_are_ranked():
    vectors = Sequential(Embedding(11, 4, dtype=F, rng=0), Flatten())
    scorer = Sequential(Dense(20, 8, mg.sigmoid, dtype=F, rng=1), Dense(8, 1, bias=False, dtype=F, rng=2))

    def f(windows, corrupt):
        loss = losses.max_margin_ranking(scorer(vectors(windows))[:, 0], scorer(vectors(corrupt))[:, 0])
        return loss, mg.gradients(loss, [*vectors.parameters(), *scorer.parameters()])

    rng = np.random.default_rng(0)
    for rewrites in (None, ()):
        compare(f, *[list(rng.integers(0, 11, (2, 3, 5))) for _ in range(4)], rewrites=rewrites)


def test_siamese_branches():
    branch = Dense(3, 5, lambda h: mg.softplus(h, 2.0), dtype=F, rng=0)
    output = Dense(5, 1, dtype=F, rng=1)

    def f(p, q, y):
        loss = losses.binary_cross_entropy(output(branch(p) - branch(q)), y)
        wanted = [*branch.parameters(), *output.parameters()]
        first = mg.gradients(loss, wanted)
        return loss, first, mg.gradients(measured(*first), wanted)

    rng = np.random.default_rng(0)
    calls = [[*rng.normal(size=(2, 4, 3)), rng.integers(0, 2, (4, 1)).astype(F)] for _ in range(3)]
    compare(f, *calls)


def test_a_slope_that_learns():
    slope = mg.Parameter([0.25], name="slope")

    def f(x):
        y = mg.prelu(x, slope)
        return y, mg.gradients(measured(y), [slope, x])

    rng = np.random.default_rng(0)
    compare(f, *[[rng.normal(size=(4, 3))] for _ in range(3)])

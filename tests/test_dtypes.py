"""What nodes hold: float32, float64, booleans and integers of all sizes. Every other floating dtype is refused at birth."""

import re
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad.models import (
    GRU,
    LSTM,
    RNN,
    BatchNorm,
    Conv2D,
    Dense,
    Embedding,
    LayerNorm,
    datasets,
    initializers,
    losses,
)
from minigrad.models import preprocessing as pre
from minigrad.optim import SGD, Adam, clip_by_norm, clip_by_value, fit

A = np.array([0.25, 0.5, 0.75])
M = np.ones((4, 3))
OTHERS = [np.float16, np.longdouble]
MESSAGE = re.escape("floating-point numbers are float32 or float64 here, not {}: write x.astype(np.float32) first")


def rng():
    return np.random.default_rng(0)


def refused(dtype):
    return pytest.raises(TypeError, match=MESSAGE.replace(r"\{\}", np.dtype(dtype).name))


def with_gradient(dtype):
    w = mg.Parameter(A)
    w.grad = A.astype(dtype)
    return w


def loaded(module, dtype):
    module.load_state_dict({path: array.astype(dtype) for path, array in module.state_dict().items()})


X = mg.Input(A, "x")
NODES: dict[str, Any] = {
    "input": mg.Input,
    "constant": mg.Constant,
    "parameter": mg.Parameter,
    "state": lambda a: mg.Parameter(a, trainable=False),
    "an entry": lambda a: mg.Input(a[0]),
    "list": lambda a: mg.Input([a[0], a[1]]),
    "operand": lambda a: X + a,
    "operand before": lambda a: a * X,
    "scalar": lambda a: X * a[0],
    "scalar with integers": lambda a: mg.Input([1, 2]) * a[0],
    "exponent": lambda a: X ** a[0],
    "matrix product": lambda a: X @ a,
    "choice": lambda a: mg.ops.where(X > 0.3, X, a),
    "bound": lambda a: X.clip(a, None),
    "joined": lambda a: np.concatenate([X, a]),
    "set": lambda a: X.at[0].set(a[0]),
    "astype": lambda a: X.astype(a.dtype),
    "astype of integers": lambda a: mg.Input([1, 2]).astype(a.dtype),
    "zeros_like": lambda a: np.zeros_like(X, a.dtype),
    "full_like": lambda a: np.full_like(X, 1, a.dtype),
    "activation": mg.sigmoid,
    "random": lambda a: mg.random_normal(3, rng=rng(), dtype=a.dtype),
    "written value": lambda a: setattr(mg.Parameter(A), "value", a),
    "adjoint": lambda a: mg.gradients(X * 2, [X], adjoint=a),
    "feed": lambda a: mg.Graph(X * 2).fprop({X: a}),
    "checked point": lambda a: mg.check_gradients(np.tanh, a),
    "compiled argument": mg.compile(lambda x: x * 2),
    "compiled scalar": lambda a: mg.compile(lambda x: x * 2)(a[0]),
    "own operation": lambda a: Rounded(X, dtype_of=a.dtype),
}
MODELS: dict[str, Any] = {
    "Dense": lambda d: Dense(3, 2, dtype=d),
    "Conv2D": lambda d: Conv2D(1, 2, 3, dtype=d),
    "Embedding": lambda d: Embedding(3, 2, dtype=d),
    "BatchNorm": lambda d: BatchNorm(3, dtype=d),
    "LayerNorm": lambda d: LayerNorm(3, dtype=d),
    "RNN": lambda d: RNN(1, 2, 1, dtype=d),
    "LSTM": lambda d: LSTM(1, 2, dtype=d),
    "inputs of a layer": lambda d: Dense(3, 2)(M.astype(d)),
    "inputs of a net": lambda d: GRU(3, 2)(M[None].astype(d)),
    "x_0": lambda d: RNN(3, 2, 1)(M[None].astype(np.float32), np.zeros(2, d)),
    "initial_state": lambda d: RNN(3, 2, 1, initial_state=np.zeros(2, d)),
    "state": lambda d: LSTM(3, 2)(M[None].astype(np.float32), (np.zeros((1, 2), d), np.zeros((1, 2), d))),
    "state_dict": lambda d: loaded(Dense(3, 2), d),
    "drawn": lambda d: Dense(3, 2, initializer=lambda shape, rng, dtype: np.zeros(shape, d)),
    "normal": lambda d: initializers.normal(1.0)((2, 3), rng(), d),
    "uniform": lambda d: initializers.glorot_uniform()((2, 3), rng(), d),
    "constant": lambda d: initializers.constant(1.0)((3,), rng(), d),
    "identity": lambda d: initializers.identity()((3, 3), rng(), d),
    "orthogonal": lambda d: initializers.orthogonal()((3, 3), rng(), d),
    "targets": lambda d: losses.mean_squared_error(mg.Input(M), M.astype(d)),
    "digits": lambda d: datasets.digits(dtype=d),
    "sunspots": lambda d: datasets.sunspots(dtype=d),
    "wine": lambda d: datasets.wine(dtype=d),
    "temporal_order": lambda d: datasets.temporal_order(3, 20, rng(), dtype=d),
    "temporal_order_3bit": lambda d: datasets.temporal_order_3bit(3, 20, rng(), dtype=d),
    "adding": lambda d: datasets.adding(3, 20, rng(), dtype=d),
    "multiplication": lambda d: datasets.multiplication(3, 20, rng(), dtype=d),
    "copying": lambda d: datasets.copying(3, 20, rng(), dtype=d),
    "random_permutation": lambda d: datasets.random_permutation(3, 20, rng(), dtype=d),
    "two_moons": lambda d: datasets.two_moons(3, rng(), dtype=d),
    "spirals": lambda d: datasets.spirals(3, rng(), dtype=d),
    "fitted statistics": lambda d: pre.Normalization().fit(M.astype(d)),
    "transformed": lambda d: pre.MeanSubtraction().fit(M).transform(M.astype(d)),
    "inverse": lambda d: pre.Whitening().fit(M).inverse(M.astype(d)),
    "one_hot": lambda d: pre.one_hot([0, 1], 2, dtype=d),
    "time_windows": lambda d: pre.time_windows(A.astype(d), 1),
    "flatten": lambda d: pre.flatten(M.astype(d)),
    "random_shifts": lambda d: pre.random_shifts(np.ones((2, 4, 4), d), rng(), pixels=1),
    "add_noise": lambda d: pre.add_noise(M.astype(d), rng(), std=0.1),
    "augment": lambda d: pre.augment(M.astype(d), M, lambda x, rng: x, rng=rng()),
    "split": lambda d: pre.train_validation_test(M, M.astype(d), rng=rng()),
    "step": lambda d: SGD([with_gradient(d)]).step(),
    "clip_by_norm": lambda d: clip_by_norm([with_gradient(d)], 1.0),
    "clip_by_value": lambda d: clip_by_value([with_gradient(d)], 1.0),
    "optimizer's state": lambda d: loaded(Adam([mg.Parameter(A)]), d),
    "fit": lambda d: fitted(M.astype(d), M[:, :2].astype(np.float32)),
    "fit's targets": lambda d: fitted(M.astype(np.float32), M[:, :2].astype(d)),
}


def fitted(inputs, targets):
    net = Dense(3, 2)
    fit(net, inputs, targets, loss=losses.mean_squared_error, optimizer=SGD(net.parameters()), epochs=1, batch_size=2)


class Rounded(mg.Operation):
    """y = x in another dtype;  x̄ = ȳ."""

    __slots__ = ()

    def fprop(self, x, *, dtype_of):
        return x.astype(dtype_of)

    def bprop(self, adjoint):
        return adjoint


@pytest.mark.parametrize("dtype", OTHERS)
@pytest.mark.parametrize("make", NODES.values(), ids=NODES)
def test_no_node_holds_another_floating_dtype(make, dtype):
    array = A.astype(dtype)
    with refused(dtype):
        make(array)


@pytest.mark.parametrize("dtype", OTHERS)
@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_no_part_of_a_model_takes_another_floating_dtype(make, dtype):
    with refused(dtype):
        make(dtype)


def test_what_was_refused_changes_nothing():
    w, net = with_gradient(np.float16), Dense(3, 2, rng=0)
    before = net.state_dict()
    for call in (SGD([w]).step, lambda: clip_by_value([w], 0.1), lambda: loaded(net, np.float16)):
        with refused(np.float16):
            call()
    np.testing.assert_array_equal(w.value, A)
    np.testing.assert_array_equal(w.grad, A.astype(np.float16))
    np.testing.assert_array_equal(net.state_dict()["W"], before["W"])
    y = X * 2
    with refused(np.float16):
        mg.Graph(y).fprop({X: A.astype(np.float16)})
    np.testing.assert_array_equal(y.value, 2 * A)


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint8])
@pytest.mark.parametrize("function", [np.exp, np.sqrt, np.tanh, np.log1p, np.arctan, np.cbrt, lambda x: np.hypot(x, x)])
def test_small_integers_whose_functions_are_half_precision_in_numpy(function, dtype):
    """NumPy gives float16 there: converted first they have the function's value."""
    x = mg.Input(np.array([0, 1, 1]).astype(dtype), "counts")
    with refused(np.float16) as caught:
        function(x)
    assert f'Input "counts" (3,) {np.dtype(dtype)}' in str(caught.value)
    assert "test_dtypes.py" in str(caught.value)
    found = function(x.astype(np.float32))
    np.testing.assert_array_equal(found.value, function(x.value.astype(np.float32)), strict=True)


@pytest.mark.parametrize("dtype", "?bBhHiIlLqQ")
def test_integers_and_booleans_of_all_sizes_stay(dtype):
    array = np.array([0, 1, 1], dtype)
    x = mg.Input(array)
    assert x.dtype == array.dtype
    for found, expected in (
        (np.mean(x), np.mean(array)),
        (np.std(x), np.std(array)),
        (x * 0.5, array * 0.5),
        (x / 2, array / 2),
        (np.median(x), np.median(array)),
        (mg.sigmoid(x), 1 / (1 + np.exp(-array.astype(float)))),
        (x.astype(np.float32), array.astype(np.float32)),
        (x.sum(), array.sum()),
    ):
        np.testing.assert_allclose(found.value, expected, rtol=1e-15)
        assert found.dtype == expected.dtype


def test_another_byte_order_becomes_the_machines():
    swapped = A.astype(A.dtype.newbyteorder())
    for node in (mg.Input(swapped), mg.Parameter(swapped), X + swapped - X):
        assert node.dtype.isnative
        np.testing.assert_array_equal(node.value, A)
    np.testing.assert_array_equal(mg.Graph(X * 2).fprop({X: swapped}), 2 * A)
    counts = np.arange(3).astype(np.dtype(np.int32).newbyteorder())
    assert mg.Input(counts).dtype == np.int32


def test_number_types_that_other_packages_add():
    """They are of kind "V", as records are: records are no numbers."""
    with pytest.raises(TypeError, match="Input takes real numbers or booleans, not ndarray of dtype"):
        mg.Input(np.zeros(2, [("a", float)]))
    bfloat16 = pytest.importorskip("ml_dtypes").bfloat16
    with refused(bfloat16):
        mg.Input(A.astype(bfloat16))

"""Squares, cubes and products that only serve in between neither overflow nor underflow: values, slopes and second slopes.

Everything is computed over the whole range of float32, and the same in float64 is the reference; likewise float64 against
longdouble, which the engine is made to take for this, where that has a wider range.
"""

import math

import numpy as np
import pytest

import minigrad as mg
from minigrad import ops
from minigrad.models import LayerNorm, losses, penalties
from minigrad.models import preprocessing as pre
from minigrad.ops import activations
from minigrad.optim import clip_by_norm

WIDER = {np.float32: np.float64, np.float64: np.longdouble}
EXPONENTS = {np.float32: range(-40, 38), np.float64: range(-310, 307, 3)}
BOTH = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@pytest.fixture(autouse=True)
def nodes_of_longdouble(monkeypatch):
    wide = np.dtype(np.longdouble)
    monkeypatch.setattr("minigrad.node.DTYPES", mg.node.DTYPES | {wide})
    monkeypatch.setattr("minigrad.ops.base.DTYPES", mg.ops.base.DTYPES | {wide})
    monkeypatch.setitem(activations.LARGEST_EXPONENT, wide.itemsize, 11000)


def points(dtype, unit=(1.0, -1.0, 1.7, -1.7)):
    """The unit's numbers at all scales, (scales, *unit.shape), and the same in the wider dtype."""
    if dtype is np.float64 and np.finfo(np.longdouble).maxexp == np.finfo(np.float64).maxexp:
        pytest.skip("longdouble has no wider range here")
    scales = np.array([np.longdouble(10) ** k for k in EXPONENTS[dtype]])
    narrow = (scales.reshape(-1, *[1] * np.ndim(unit)) * np.asarray(unit)).astype(dtype)
    return narrow, narrow.astype(WIDER[dtype])


def derivatives(call, arrays, order=2):
    """The value, the adjoints of the inputs, and theirs, each weighted so that nothing cancels."""
    inputs = [mg.Input(array) for array in arrays]
    y = call(*inputs)
    found = [[y]]
    for _ in range(order):
        terms = [(node * weights(node)).sum() for node in found[-1]]
        total = terms[0] if len(terms) == 1 else terms[0] + terms[1]
        found.append(list(mg.gradients(total, inputs)))
    return [[node.value for node in nodes] for nodes in found]


def weights(node):
    return np.resize([1.0, -0.5, 0.75, 0.25, -1.25], node.shape).astype(node.dtype)


def assert_in_range(call, narrow, wide, rounding=0.0, order=2):
    """As in the wider dtype: to a thousandth, or what rounding a number of order 1 leaves; 0 or inf only where it must be."""
    with np.errstate(all="ignore"):
        for k, (found, expected) in enumerate(
            zip(derivatives(call, narrow, order), derivatives(call, wide, order), strict=True)
        ):
            for i, (a, b) in enumerate(zip(found, expected, strict=True)):
                info = np.finfo(a.dtype)
                close = np.abs(a.astype(b.dtype) - b) <= 1e-3 * np.abs(b) + rounding + 3000 * info.tiny
                beyond = (np.abs(b) > info.max / 4) & ~np.isfinite(a)
                wrong = ~(close | beyond | (np.isnan(a) & np.isnan(b)) | (a == b))
                if wrong.any():
                    place = tuple(np.argwhere(wrong)[0].tolist())
                    at = [float(x[place]) if x.shape == a.shape else x.shape for x in narrow]
                    raise AssertionError(
                        f"order {k}, input {i}: {wrong.sum()} of {wrong.size} are wrong, as {a[place]} for {b[place]} at {at}"
                    )


EPS = 2e-6
UNARY = {
    # name: function, what rounding may leave where numbers of order 1 are subtracted
    "square": (ops.square, 0),
    "reciprocal": (ops.reciprocal, 0),
    "cbrt": (ops.cbrt, 0),
    "arctan": (ops.arctan, 0),
    "arcsinh": (ops.arcsinh, 0),
    "erf": (ops.erf, EPS),
    "tanh": (ops.tanh, EPS),
    "expm1": (ops.expm1, 0),
    "sinh": (ops.sinh, 0),
    "cosh": (ops.cosh, 0),
    "exp": (ops.exp, 0),
    "cubed": (lambda x: x**3, 0),
    "to the fourth": (lambda x: x**4, 0),
    "to the -2": (lambda x: x**-2, 0),
    "sigmoid": (mg.sigmoid, EPS),
    "softsign": (mg.softsign, 0),
    "relu": (mg.relu, 0),
    "leaky_relu": (mg.leaky_relu, 0),
    "elu": (mg.elu, 0),
    "hard_tanh": (mg.hard_tanh, 0),
    "gelu": (mg.gelu, EPS),
    "gelu_tanh": (mg.gelu_tanh, EPS),
    "isru": (mg.isru, 0),
    "isru of 3": (lambda x: mg.isru(x, 3.0), 0),
    "isru of a millionth": (lambda x: mg.isru(x, 1e-6), 0),
    "isrlu": (mg.isrlu, 0),
    "isrlu of 3": (lambda x: mg.isrlu(x, 3.0), 0),
    "sqnl": (mg.sqnl, 0),
    "softplus": (mg.softplus, EPS),
    "bent_identity": (mg.bent_identity, 0),
    "soft_exponential": (mg.soft_exponential, 0),
    "soft_clipping": (lambda x: mg.soft_clipping(x, 5.0), EPS),
    "gaussian": (mg.gaussian, 0),
    "silu": (mg.silu, EPS),
    "mish": (mg.mish, EPS),
}
POSITIVE = {
    "sqrt": (ops.sqrt, 0),
    "log": (ops.log, 0),
    "log1p": (ops.log1p, 0),
    "log2": (ops.log2, 0),
    "log10": (ops.log10, 0),
    "arccosh": (lambda x: ops.arccosh(x + 2), 0),
    "soft logarithm": (lambda x: mg.soft_exponential(x, -0.5), EPS),
}
QUIET = ["arctan", "arcsinh", "softsign", "gelu_tanh", "isru", "isrlu", "silu", "mish", "sigmoid", "tanh", "softplus"]
BINARY = {"hypot": ops.hypot, "arctan2": ops.arctan2, "divide": ops.divide, "multiply": ops.multiply}


@BOTH
@pytest.mark.parametrize("name", [*UNARY, *POSITIVE])
def test_functions_of_one_number(name, dtype):
    function, rounding = UNARY.get(name) or POSITIVE[name]
    if name == "gelu" and dtype is np.float64:
        pytest.skip("the error function has no more digits in longdouble")
    narrow, wide = points(dtype, *([(1.0, 1.7)] if name in POSITIVE else []))
    assert_in_range(function, [narrow], [wide], rounding if dtype is np.float32 else rounding * 1e-8)


@BOTH
@pytest.mark.parametrize("name", QUIET)
def test_what_is_in_range_warns_of_nothing(name, dtype):
    (narrow, _), (function, _) = points(dtype), UNARY[name]
    derivatives(function, [narrow])


@BOTH
@pytest.mark.parametrize("name", BINARY)
def test_functions_of_two_numbers(name, dtype):
    narrow, wide = points(dtype, (1.0, -1.3))
    pairs = [[x[:, None, 0], x[None, :, 1]] for x in (narrow[::4], wide[::4])]
    (a, b), (wide_a, wide_b) = [[x.copy() for x in np.broadcast_arrays(*pair)] for pair in pairs]
    assert_in_range(BINARY[name], [a, b], [wide_a, wide_b])


@BOTH
def test_infinities_have_their_limits(dtype):
    x = np.array([np.inf, -np.inf], dtype)
    for name, limits in {
        "isru": [1, -1], "isrlu": [np.inf, -1], "sigmoid": [1, 0], "tanh": [1, -1], "arctan": [np.pi / 2, -np.pi / 2],
    }.items():  # fmt: skip
        value, (slope,) = derivatives(UNARY[name][0], [x], order=1)
        np.testing.assert_allclose(value[0], limits, rtol=1e-6, atol=1e-37)
        np.testing.assert_allclose(slope * weights(mg.Input(x)), [float(name == "isrlu"), 0], atol=1e-37)


# Vectors -----------------------------------------------------------------------------------------------------------

ROW = (1.0, 2.0, -3.0, 4.5)
CLASS, SIGNS, TARGETS = 2, np.array([1, -1, 1, -1]), np.array([1, 0, 0, 1])


def of_rows(loss, targets):
    return lambda x: loss(x, np.broadcast_to(targets, x.shape).astype(x.dtype), over_examples="none")


def classes(loss):
    return lambda x: loss(x, np.full(x.shape[:-1], CLASS), over_examples="none")


def layer_norm(x):
    layer = LayerNorm(4, dtype=np.float64)
    layer.dtype = x.dtype
    layer.gamma, layer.beta = mg.Constant(np.ones(4, x.dtype)), mg.Constant(np.zeros(4, x.dtype))
    return layer(x)


VECTORS = {
    "std": (lambda x: np.std(x, axis=-1), 0),
    "unbiased std": (lambda x: np.std(x, axis=-1, ddof=1, keepdims=True), 0),
    "var": (lambda x: np.var(x, axis=-1), 0),
    **{
        f"norm {p}": ((lambda x, p=p: np.linalg.norm(x, p, axis=-1)), 0)
        for p in (None, 1, 2, 3, 1.5, -1, -2, np.inf, -np.inf)
    },
    "matrix norm": (lambda x: np.linalg.norm(x.reshape(-1, 2, 2), axis=(1, 2)), 0),
    "normalized": (lambda x: x / np.linalg.norm(x, axis=-1, keepdims=True), EPS),
    "LayerNorm": (layer_norm, EPS),
    "softmax": (mg.softmax, EPS),
    "log_softmax": (mg.log_softmax, EPS),
    "logsumexp": (lambda x: mg.logsumexp(x, -1), EPS),
    "mean_squared_error": (of_rows(losses.mean_squared_error, 0), 0),
    "mean_absolute_error": (of_rows(losses.mean_absolute_error, 0), 0),
    "mean_euclidean_norm": (of_rows(losses.mean_euclidean_norm, 0), 0),
    "huber": (of_rows(losses.huber, 0), 0),
    "hinge": (of_rows(losses.hinge, SIGNS), EPS),
    "binary_cross_entropy": (of_rows(losses.binary_cross_entropy, TARGETS), EPS),
    "soft binary_cross_entropy": (of_rows(losses.binary_cross_entropy, 0.2 + 0.6 * TARGETS), EPS),
    "categorical_cross_entropy": (of_rows(losses.categorical_cross_entropy, [0.5, 0, 0.25, 0.25]), EPS),
    "cross_entropy": (classes(losses.cross_entropy), EPS),
}


@BOTH
@pytest.mark.parametrize("name", VECTORS)
def test_functions_of_vectors(name, dtype):
    """In the middle of the range at order 2, whose own results leave it: up to 1e±18 in float32."""
    function, rounding = VECTORS[name]
    narrow, wide = points(dtype, ROW)
    rounding = rounding if dtype is np.float32 else rounding * 1e-8
    assert_in_range(function, [narrow], [wide], rounding, order=1)
    middle = slice(len(narrow) // 4, -len(narrow) // 4)
    assert_in_range(function, [narrow[middle]], [wide[middle]], rounding)


@BOTH
def test_a_layer_norm_and_a_norm_warn_of_nothing(dtype):
    narrow, _ = points(dtype, ROW)
    for name in ("std", "norm None", "norm 3", "LayerNorm"):
        derivatives(VECTORS[name][0], [narrow], order=1)
    y = layer_norm(mg.Input(np.asarray(ROW, dtype)[None] * dtype(1e20 if dtype is np.float32 else 1e200)))
    np.testing.assert_allclose(y.value, layer_norm(mg.Input(np.asarray([ROW], dtype) * 1e6)).value, rtol=1e-5)


PENALTIES = ["Omega", "OmegaNorms", "RelativeVariance", "LogRatio"]


@BOTH
@pytest.mark.parametrize("name", PENALTIES)
def test_penalties_made_of_ratios_do_not_see_the_scale(name, dtype):
    rows = np.random.default_rng(0).normal(size=(4, 2, 3))
    penalty = getattr(penalties, name)()
    value, (slope,), (second,) = derivatives(penalty.of, [rows])
    for exponent in EXPONENTS[dtype][34:-2] if dtype is np.float32 else range(-8, 305, 24):
        reach = math.log10(np.finfo(dtype).max)
        if name == "Omega" and exponent > reach / 2 - 2:
            continue  # documented: it squares norms
        scale = 10.0**exponent
        found = derivatives(penalty.of, [(rows * scale).astype(dtype)], order=1)
        np.testing.assert_allclose(found[0], value, rtol=1e-4)
        with np.errstate(all="ignore"):
            np.testing.assert_allclose(found[1][0] * scale, slope, rtol=1e-3, atol=1e-3)
        if abs(exponent) < reach / (8 if name == "Omega" else 2) - 1:
            found = derivatives(penalty.of, [(rows * scale).astype(dtype)])
            np.testing.assert_allclose(found[2][0] * scale * scale, second, rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("exponent", [-310, -200, -160, 0, 160, 200, 300, 306])
@pytest.mark.parametrize("transform", [pre.MeanSubtraction, pre.Normalization, pre.Whitening])
def test_preprocessing(transform, exponent):
    data = np.array([[1.0, 2.0], [3.0, 7.0], [4.0, -1.0]])
    scale = 10.0**exponent
    fitted, usual = transform().fit(data * scale), transform().fit(data)
    found, expected = fitted.transform(data * scale), usual.transform(data)
    np.testing.assert_allclose(found, expected * (scale if transform is pre.MeanSubtraction else 1), rtol=1e-10)
    np.testing.assert_allclose(fitted.inverse(found) / scale, data, rtol=1e-10)


@pytest.mark.parametrize("exponent", [-320, -300, -200, -40, 0, 38, 200, 307])
@BOTH
def test_clipping_keeps_the_direction(dtype, exponent):
    if dtype is np.float32 and not -45 < exponent < 39:
        return
    gradient = (np.array([1.0, 0.5, -1.0, 1.5]) * 10.0**exponent).astype(dtype)
    w = mg.Parameter(np.zeros(4, dtype))
    w.grad = gradient.copy()
    wide = gradient.astype(np.longdouble)
    norm = np.sqrt((wide * wide).sum())
    limit = float(norm) / 4 if exponent < 0 else 1e-3
    assert clip_by_norm([w], limit) == pytest.approx(float(norm), rel=1e-2 if exponent < -300 else 1e-6)
    np.testing.assert_allclose(w.grad, (wide * (limit / norm)).astype(dtype), rtol=1e-5, atol=10 * np.spacing(dtype(0)))


@pytest.mark.parametrize("name", ["isru", "arcsinh", "gelu_tanh", "silu", "mish", "bent_identity", "arctan"])
def test_compiled_programs_have_the_same_range(name):
    function = UNARY[name][0]
    narrow, _ = points(np.float32)

    def slopes(x):
        y = function(x)
        (slope,) = mg.gradients(y.sum(), [x])
        return y, slope

    compiled = mg.compile(slopes)
    for _ in range(2):
        for found, expected in zip(compiled(narrow), slopes(mg.Input(narrow)), strict=True):
            np.testing.assert_allclose(found, expected.value, rtol=1e-5, atol=1e-33)


def test_compiled_norms_have_the_same_range():
    narrow, _ = points(np.float32, ROW)

    def norms(x):
        return np.linalg.norm(x, axis=-1), np.std(x, axis=-1), layer_norm(x)

    compiled = mg.compile(norms)
    for _ in range(2):
        for found, expected in zip(compiled(narrow), norms(mg.Input(narrow)), strict=True):
            np.testing.assert_allclose(found, expected.value, rtol=1e-5)

"""Trials of the activation functions; the references are their definitions, which hold where nothing overflows."""

import hypothesis.extra.numpy as hnp
import numpy as np
from hypothesis import strategies as st

from minigrad.ops import activations
from tests.ops.cases_arithmetic import binary, numbers, unary
from tests.ops.cases_reductions import axes_of
from tests.ops.trials import Trial


def softmax(x, axis):
    return np.exp(x) / np.exp(x).sum(axis=axis, keepdims=True)


@st.composite
def softmaxes(draw, function, reference):
    """Over one axis, several, or all of an array of at least one."""
    x = draw(numbers(-2, 2, draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=3))))
    axis = draw(axes_of(x))
    return Trial(lambda x: function(x, axis), (x,), lambda x: reference(x, axis))


@st.composite
def logsumexps(draw):
    x = draw(numbers(-2, 2, draw(hnp.array_shapes(min_dims=0, max_dims=3, min_side=1, max_side=3))))
    axis, keepdims = draw(axes_of(x)), draw(st.booleans())
    return Trial(
        lambda x: activations.logsumexp(x, axis, keepdims),
        (x,),
        lambda x: np.log(np.exp(x).sum(axis=axis, keepdims=keepdims)),
    )


@st.composite
def softpluses(draw):
    beta = draw(st.sampled_from([1, 0.5, 3.0]))
    x = draw(numbers(-3, 3))
    return Trial(lambda x: activations.softplus(x, beta), (x,), lambda x: np.log1p(np.exp(beta * x)) / beta)


def leaky(x, s):
    return np.where(x > 0, x, s * x)


@st.composite
def beside_kinks(draw, function, reference, unit=1.0):
    """On both sides of 0 and of ± a unit, where the slope may jump, at least a tenth of the unit away."""
    x = draw(numbers(0.1, 0.9))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x = (x + rng.integers(0, 2, x.shape)) * rng.choice([-unit, unit], x.shape)
    return Trial(function, (x,), reference)


@st.composite
def with_alpha(draw, function, reference, low, high, alphas=(0.5, 1.0, 3.0), signed=False):
    """A function of x and a number."""
    alpha = draw(st.sampled_from(alphas))
    x = draw(numbers(low, high, signed=signed))
    return Trial(lambda x: function(x, alpha), (x,), lambda x: reference(x, alpha))


CASES = {
    activations.Sigmoid: unary(activations.sigmoid, -4.0, 4.0, reference=lambda x: 1 / (1 + np.exp(-x))),
    activations.HardTanh: beside_kinks(activations.hard_tanh, lambda x: np.maximum(np.minimum(x, 1), -1)),
    activations.Softsign: unary(activations.softsign, 0.1, 3.0, signed=True, reference=lambda x: x / (1 + np.abs(x))),
    activations.LeakyReLU: binary(activations.LeakyReLU, a=(0.1, 2.0, True), b=(0.05, 0.9, False)).map(
        lambda trial: trial._replace(reference=leaky)
    ),
    activations.ELU: with_alpha(
        activations.elu, lambda x, a: np.where(x > 0, x, a * (np.exp(x) - 1)), 0.1, 2.0, signed=True
    ),
    activations.ISRU: with_alpha(activations.isru, lambda x, a: x * (1 + a * x * x) ** -0.5, -3.0, 3.0),
    activations.ISRLU: with_alpha(
        activations.isrlu, lambda x, a: np.where(x < 0, x * (1 + a * x * x) ** -0.5, x), 0.1, 3.0, signed=True
    ),
    activations.BentIdentity: unary(activations.bent_identity, reference=lambda x: ((x * x + 1) ** 0.5 - 1) / 2 + x),
    activations.Gaussian: unary(activations.gaussian, reference=lambda x: np.exp(-x * x)),
    activations.SiLU: unary(activations.silu, -4.0, 4.0, reference=lambda x: x / (1 + np.exp(-x))),
    activations.GELUTanh: unary(
        activations.gelu_tanh, reference=lambda x: x / 2 * (1 + np.tanh((2 / np.pi) ** 0.5 * (x + 0.044715 * x**3)))
    ),
    activations.Mish: unary(activations.mish, -4.0, 4.0, reference=lambda x: x * np.tanh(np.log(1 + np.exp(x)))),
    activations.SQNL: beside_kinks(
        activations.sqnl, lambda x: np.where(np.abs(x) > 2, np.sign(x), x - np.sign(x) * x**2 / 4), unit=2.0
    ),
    activations.SoftLogarithm: with_alpha(
        activations.soft_exponential, lambda x, a: -np.log(1 - a * (x + a)) / a, -0.3, 3.0, alphas=(-0.5, -0.2, -0.7)
    ),
    activations.SoftClipping: with_alpha(
        activations.soft_clipping, lambda x, a: np.log((1 + np.exp(a * x)) / (1 + np.exp(a * (x - 1)))) / a, -2.0, 3.0
    ),
    activations.Softplus: softpluses(),
    activations.ReLU: unary(activations.relu, 0.1, 2.0, signed=True, reference=lambda x: np.where(x > 0, x, 0)),
    activations.Softmax: softmaxes(activations.softmax, softmax),
    activations.LogSoftmax: softmaxes(activations.log_softmax, lambda x, axis: np.log(softmax(x, axis))),
    activations.LogSumExp: logsumexps(),
}

"""Trials of the activation functions; the references are their definitions, which hold where nothing overflows."""

import hypothesis.extra.numpy as hnp
import numpy as np
from hypothesis import strategies as st

from minigrad.ops import activations
from tests.ops.cases_arithmetic import numbers, unary
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


CASES = {
    activations.Sigmoid: unary(activations.sigmoid, -4.0, 4.0, reference=lambda x: 1 / (1 + np.exp(-x))),
    activations.Softplus: softpluses(),
    activations.ReLU: unary(activations.relu, 0.1, 2.0, signed=True, reference=lambda x: np.where(x > 0, x, 0)),
    activations.Softmax: softmaxes(activations.softmax, softmax),
    activations.LogSoftmax: softmaxes(activations.log_softmax, lambda x, axis: np.log(softmax(x, axis))),
    activations.LogSumExp: logsumexps(),
}

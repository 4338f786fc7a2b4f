"""Trials of powers and elementary functions, away from poles, kinks and the ends of their domains."""

import math

import hypothesis.extra.numpy as hnp
import numpy as np
from hypothesis import strategies as st

from minigrad.ops import elementwise
from tests.ops.cases_arithmetic import binary, numbers, unary
from tests.ops.trials import Trial


@st.composite
def powers_of_numbers(draw):
    """Exponents of every kind; negative bases where the exponent is an integer."""
    exponent = draw(st.sampled_from([3, 0.5, -1, 4.0, 0, 1, -2, -1.5, 2.5]))
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=3, min_side=1, max_side=3))
    x = draw(numbers(0.5, 1.5, shape, signed=exponent == int(exponent)))
    return Trial(lambda x: x**exponent, (x,))


CASES = {
    elementwise.Power: binary(np.power, a=(0.5, 2.0, False), b=(0.2, 2.0, True)),
    elementwise.PowerOfNumber: powers_of_numbers(),
    elementwise.Square: unary(np.square),
    elementwise.Reciprocal: unary(np.reciprocal, 0.5, 2.0, signed=True),
    elementwise.Sqrt: unary(np.sqrt, 0.2, 3.0),
    elementwise.InverseRoot: unary(elementwise.InverseRoot, reference=lambda x: (1 + x * x) ** -0.5),
    elementwise.Cbrt: unary(np.cbrt, 0.3, 3.0, signed=True),
    elementwise.Hypot: binary(np.hypot, a=(0.3, 2.0, True), b=(0.3, 2.0, True)),
    elementwise.HypotSlope: binary(elementwise.HypotSlope, a=(0.3, 2.0, True), b=(0.3, 2.0, True)).map(
        lambda trial: trial._replace(reference=lambda a, b: a / np.hypot(a, b))
    ),
    elementwise.Exp: unary(np.exp),
    elementwise.Exp2: unary(np.exp2),
    elementwise.Expm1: unary(np.expm1),
    elementwise.Log: unary(np.log, 0.3, 4.0),
    elementwise.Log2: unary(np.log2, 0.3, 4.0),
    elementwise.Log10: unary(np.log10, 0.3, 4.0),
    elementwise.Log1p: unary(np.log1p, -0.6, 3.0),
    elementwise.LogAddExp: binary(np.logaddexp),
    elementwise.Sin: unary(np.sin),
    elementwise.Cos: unary(np.cos),
    elementwise.Tan: unary(np.tan, -1.1, 1.1),
    elementwise.Arcsin: unary(np.arcsin, -0.8, 0.8),
    elementwise.Arccos: unary(np.arccos, -0.8, 0.8),
    elementwise.Arctan: unary(np.arctan),
    elementwise.Arctan2: binary(np.arctan2, a=(0.3, 2.0, True), b=(0.3, 2.0, True)),
    elementwise.Sinc: unary(np.sinc),
    elementwise.Sinh: unary(np.sinh),
    elementwise.Cosh: unary(np.cosh),
    elementwise.Tanh: unary(np.tanh),
    elementwise.Arcsinh: unary(np.arcsinh),
    elementwise.Arccosh: unary(np.arccosh, 1.3, 4.0),
    elementwise.Arctanh: unary(np.arctanh, -0.8, 0.8),
    elementwise.Erf: unary(elementwise.erf, reference=np.vectorize(math.erf, otypes=[float])),
}

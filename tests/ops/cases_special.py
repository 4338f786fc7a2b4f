"""Trials of the gamma family; the references are Python's own logarithm of gamma, and sums of the defining series."""

import math

import numpy as np
from hypothesis import strategies as st

from minigrad.ops import special
from tests.ops.cases_arithmetic import binary, numbers, pairs
from tests.ops.trials import Trial

log_gamma = np.vectorize(math.lgamma, otypes=[float])


def series(x, order):
    """ψ⁽ⁿ⁾(x) = (−1)ⁿ⁺¹ n! Σ 1 / (x + k)ⁿ⁺¹, k = 0, 1, ..., whose rest is an integral and its first corrections."""
    n, k = 400, np.arange(400).reshape(-1, *[1] * x.ndim)
    y = x + n
    if order == 0:
        return np.log(y) - 1 / (2 * y) - 1 / (12 * y**2) - (1 / (x + k)).sum(axis=0)
    rest = y**-order / order + y ** (-order - 1) / 2 + (order + 1) * y ** (-order - 2) / 12
    return (-1) ** (order + 1) * math.factorial(order) * (((x + k) ** (-order - 1.0)).sum(axis=0) + rest)


@st.composite
def polygammas(draw):
    order = draw(st.sampled_from([0, 1, 2]))
    x = draw(numbers(0.6, 3.0))
    return Trial(lambda x: special.Polygamma(x, order=order), (x,), lambda x: series(x, order))


@st.composite
def falls(draw):
    order = draw(st.sampled_from([0, 1]))
    a, b = draw(pairs(a=(0.6, 3.0, False), b=(0.3, 3.0, False)))
    return Trial(
        lambda a, b: special.PolygammaFall(a, b, order=order),
        (a, b),
        lambda a, b: series(a + 0 * b, order) - series(a + b, order),
    )


CASES = {
    special.PolygammaFall: falls(),
    special.Gammaln: numbers(0.3, 9.0).map(lambda x: Trial(special.gammaln, (x,), log_gamma)),
    special.Polygamma: polygammas(),
    special.Betaln: binary(special.betaln, a=(0.4, 9.0, False), b=(0.4, 9.0, False)).map(
        lambda trial: trial._replace(reference=lambda a, b: log_gamma(a) + log_gamma(b) - log_gamma(a + b))
    ),
}

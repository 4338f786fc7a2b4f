"""Bias and variance of a way to train, over training sets drawn anew."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Training = Any  # a training set, as `draw` gives it


class BiasVariance(NamedTuple):
    """Means over the points: E (y − f̂)² = bias² + variance + noise, of squared errors.

    bias_squared: of the mean of all models, estimated without bias, at least 0;  variance: of the models around their mean
    noise:        σ² of the targets
    """

    bias_squared: float
    variance: float
    noise: float

    @property
    def error(self) -> float:
        """What is expected on a new target."""
        return self.bias_squared + self.variance + self.noise


def bias_variance(
    train: Callable[[Training], Callable[[Any], npt.ArrayLike]],
    draw: Callable[[np.random.Generator], Training],
    inputs: Any,
    truth: npt.ArrayLike,
    *,
    n: int = 100,
    noise: float = 0.0,
    rng: np.random.Generator | int = 0,
) -> BiasVariance:
    """Train n times, each time on a training set drawn anew, and take the squared errors apart.

    train:  a function of a training set that returns a function of inputs, the trained model
    draw:   a function of a generator that draws a training set
    inputs: the points to look at;  truth: the targets there without noise, in the shape of the model's outputs
    noise:  σ², the variance of the targets around the truth, which no model lowers

    Errors: ValueError where n is below 2, or outputs are not of the truth's shape or not finite.

    >>> import numpy as np
    >>> from minigrad.optim.diagnosis import bias_variance
    >>> half_the_mean = bias_variance(
    ...     lambda y: lambda x: np.full(x.shape, y.mean() / 2),
    ...     lambda rng: rng.normal(2.0, 1.0, 10),
    ...     np.zeros(1),
    ...     [2.0],
    ...     n=2000,
    ...     noise=1.0,
    ... )
    >>> round(half_the_mean.bias_squared, 1), round(half_the_mean.variance, 2)  # (2 - 1)² and 1/10 / 4
    (1.0, 0.02)
    """
    if n < 2:
        raise ValueError(f"bias_variance(n={n!r}): at least 2 models, to tell how they vary")
    generator = np.random.default_rng(rng)
    wanted = np.asarray(truth, np.float64)
    mean, squares = np.zeros_like(wanted), np.zeros_like(wanted)
    for i in range(1, n + 1):  # Welford's sums, which hold two arrays instead of n
        found = np.asarray(train(draw(generator))(inputs), np.float64)
        if found.shape != wanted.shape or not np.isfinite(found).all():
            raise ValueError(
                f"bias_variance: expected outputs of the truth's shape {wanted.shape}, all finite; model {i} gave {found.shape}"
                f"{'' if np.isfinite(found).all() else ' with nan or inf'}"
            )
        step = found - mean
        mean += step / i
        squares += step * (found - mean)
    variance = float(np.mean(squares)) / (n - 1)
    bias_squared = float(np.mean((mean - wanted) ** 2)) - variance / n  # the mean of n models varies itself
    return BiasVariance(max(bias_squared, 0.0), variance, float(noise))

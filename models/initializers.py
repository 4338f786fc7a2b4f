"""How parameters start: an initializer is a function (shape, rng, dtype) -> array which draws from the generator given.

Weights have outputs first, `(n_outputs, n_inputs)`. Biases start at 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from minigrad.node import Array

if TYPE_CHECKING:
    import numpy.typing as npt

Shape: TypeAlias = tuple[int, ...]
Initializer: TypeAlias = Callable[[Shape, np.random.Generator, "npt.DTypeLike"], Array]


def constant(value: float) -> Initializer:
    """Every entry the same. For weights a bad start: units that begin alike stay alike."""
    return partial(_constant, value=value)


def normal(std: float) -> Initializer:
    """Independent entries from N(0, std²)."""
    if not 0 <= std < math.inf:
        raise ValueError(f"normal(std): the standard deviation is a number of at least 0, not {std!r}")
    return partial(_normal, std=std)


def orthogonal(gain: float = 1.0) -> Initializer:
    """gain · Q with Q'Q = I, or QQ' = I where a matrix is wider than high; uniform among all such matrices.

    Products with it keep lengths (times gain), forward and backward: A. Saxe, J. McClelland and S. Ganguli, Exact
    solutions to the nonlinear dynamics of learning in deep linear neural networks, ICLR 2014.
    """
    if not math.isfinite(gain):
        raise ValueError(f"orthogonal(gain): the gain is a finite number, not {gain!r}")
    return partial(_orthogonal, gain=gain)


def _constant(shape: Shape, rng: np.random.Generator, dtype: npt.DTypeLike, *, value: float) -> Array:
    return np.full(shape, value, dtype)


def _normal(shape: Shape, rng: np.random.Generator, dtype: npt.DTypeLike, *, std: float) -> Array:
    return rng.normal(0.0, std, shape).astype(dtype)


def _orthogonal(shape: Shape, rng: np.random.Generator, dtype: npt.DTypeLike, *, gain: float) -> Array:
    if len(shape) != 2:
        raise ValueError(f"orthogonal: only a matrix can be orthogonal, and the shape is {shape}")
    rows, columns = shape
    Q, R = np.linalg.qr(rng.normal(size=(max(shape), min(shape))))
    # Without the signs the result would depend on the QR routine, and not be uniform (F. Mezzadri, How to generate
    # random matrices from the classical compact groups, Notices of the AMS 54, 2007).
    Q *= np.where(np.diag(R) < 0, -1.0, 1.0)
    return (gain * (Q if rows >= columns else Q.T)).astype(dtype)


zeros: Initializer = constant(0.0)

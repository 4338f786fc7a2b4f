"""How parameters start: an initializer is a function (shape, rng, dtype) -> array which draws from the generator given.

Weights have outputs first, `(n_outputs, n_inputs)`, and kernels `(n_filters, height, width, n_channels)`: a unit has fan_in
inputs, the product of all lengths but the first, and an input reaches fan_out units, n_outputs times height and width.
Biases start at 0. `gain` says by how much an activation calls for more.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from minigrad.models.inputs import float_dtype
from minigrad.node import Array

if TYPE_CHECKING:
    import numpy.typing as npt

Shape: TypeAlias = tuple[int, ...]
Initializer: TypeAlias = Callable[[Shape, np.random.Generator, "npt.DTypeLike"], Array]
Fan: TypeAlias = Literal["in", "average"]


# Scaled to the number of inputs and outputs --------------------------------------------------------------------------


def glorot_uniform(gain: float = 1.0) -> Initializer:
    """U[−b, b] with b = gain √(6 / (fan_in + fan_out)), so of variance 2 gain² / (fan_in + fan_out).

    For tanh, and whatever has slope 1 at 0; the logistic sigmoid, whose slope is 1/4, needs gain=4. X. Glorot and Y. Bengio,
    Understanding the difficulty of training deep feedforward neural networks, AISTATS 2010.
    """
    return partial(_uniform_of_variance, scale=_square("glorot_uniform", gain), fan="average")


def glorot_normal(gain: float = 1.0) -> Initializer:
    """N(0, 2 gain² / (fan_in + fan_out)): `glorot_uniform` with normal entries."""
    return partial(_normal_of_variance, scale=_square("glorot_normal", gain), fan="average")


def he_uniform(gain: float = math.sqrt(2)) -> Initializer:
    """U[−b, b] with b = gain √(3 / fan_in), so √(6 / fan_in) for relu, whose gain √2 makes up for the half it cuts off.

    K. He, X. Zhang, S. Ren and J. Sun, Delving deep into rectifiers, ICCV 2015.
    """
    return partial(_uniform_of_variance, scale=_square("he_uniform", gain), fan="in")


def he_normal(gain: float = math.sqrt(2)) -> Initializer:
    """N(0, gain² / fan_in), so 2 / fan_in for relu: `he_uniform` with normal entries."""
    return partial(_normal_of_variance, scale=_square("he_normal", gain), fan="in")


def lecun_uniform() -> Initializer:
    """U[−b, b] with b = √(3 / fan_in), so of variance 1 / fan_in: sums of independent inputs keep their variance.

    Y. LeCun, L. Bottou, G. Orr and K.-R. Müller, Efficient backprop, 1998.
    """
    return partial(_uniform_of_variance, scale=1.0, fan="in")


def lecun_normal() -> Initializer:
    """N(0, 1 / fan_in): `lecun_uniform` with normal entries, what `mg.selu` asks for."""
    return partial(_normal_of_variance, scale=1.0, fan="in")


def gain(activation: str, slope: float = 0.01) -> float:
    """Give the factor by which weights must grow so that signals pass the activation undiminished.

    "linear", "tanh": 1 (slope 1 at 0);  "selu": 1;  "sigmoid": 4 (slope 1/4);  "relu": √2 (half is cut off);
    "leaky_relu": √(2 / (1 + slope²)).
    """
    gains = {
        "linear": 1.0, "tanh": 1.0, "selu": 1.0, "sigmoid": 4.0, "relu": math.sqrt(2),
        "leaky_relu": math.sqrt(2 / (1 + slope**2)),
    }  # fmt: skip
    if activation not in gains:
        raise ValueError(f"gain({activation!r}): known are {', '.join(gains)}; for others pass the number itself")
    return gains[activation]


# Matrices of a certain kind ------------------------------------------------------------------------------------------


def orthogonal(gain: float = 1.0) -> Initializer:
    """gain · Q with Q'Q = I, or QQ' = I where a matrix is wider than high; uniform among all such matrices.

    Products with it keep lengths (times gain), forward and backward: A. Saxe, J. McClelland and S. Ganguli, Exact
    solutions to the nonlinear dynamics of learning in deep linear neural networks, ICLR 2014.
    """
    return partial(_orthogonal, gain=_finite("orthogonal(gain)", "the gain", gain))


def identity(gain: float = 1.0) -> Initializer:
    """gain · I, a matrix with zeros off its diagonal: a recurrent net that starts by remembering.

    Q. V. Le, N. Jaitly and G. Hinton, A simple way to initialize recurrent networks of rectified linear units, 2015.
    """
    return partial(_identity, gain=_finite("identity(gain)", "the gain", gain))


def cayley() -> Initializer:
    """Antisymmetric, 2×2 blocks ±tan(θ/2) along the diagonal, θ from U[0, π/2): rotations by θ in `ExpRNN` and its kin.

    K. Helfrich, D. Willmott and Q. Ye, Orthogonal recurrent neural networks with scaled Cayley transform, ICML 2018.
    """
    return partial(_antisymmetric_blocks, low=0.0, high=math.pi / 2, of=_half_tangent)


def henaff() -> Initializer:
    """Antisymmetric, 2×2 blocks ±θ along the diagonal, θ from U[−π, π): the exponential rotates by every angle alike.

    M. Henaff, A. Szlam and Y. LeCun, Recurrent orthogonal networks and long-memory tasks, ICML 2016.
    """
    return partial(_antisymmetric_blocks, low=-math.pi, high=math.pi, of=_same)


# Plain distributions -------------------------------------------------------------------------------------------------


def constant(value: float) -> Initializer:
    """Every entry the same. For weights a bad start: units that begin alike stay alike."""
    return partial(_constant, value=value)


def normal(std: float, mean: float = 0.0) -> Initializer:
    """Independent entries from N(mean, std²). A large std saturates tanh and sigmoid, whose slopes then vanish."""
    if not 0 <= std < math.inf:
        raise ValueError(f"normal(std): the standard deviation is a number of at least 0, not {std!r}")
    return partial(_normal, std=std, mean=_finite("normal(mean)", "the mean", mean))


def uniform(low: float, high: float) -> Initializer:
    """Independent entries from U[low, high)."""
    if not -math.inf < low <= high < math.inf:
        raise ValueError(f"uniform(low={low!r}, high={high!r}): two finite numbers, low not above high")
    return partial(_uniform, low=low, high=high)


# What they do: functions of a module can be pickled, and so can a layer that keeps its initializer -------------------


def fans(shape: Shape) -> tuple[int, int]:
    """Count fan_in and fan_out of weights or kernels."""
    if len(shape) < 2:
        raise ValueError(
            f"an initializer scaled to fans needs weights (n_outputs, n_inputs) or kernels, and the shape is {shape}: take "
            "zeros, constant, normal or uniform"
        )
    window = math.prod(shape[1:-1])
    return window * shape[-1], window * shape[0]


def _uniform_of_variance(
    shape: Shape, rng: np.random.Generator, dtype: npt.DTypeLike, *, scale: float, fan: Fan
) -> Array:
    bound = math.sqrt(3 * _variance(shape, scale, fan))
    return _uniform(shape, rng, dtype, low=-bound, high=bound)


def _normal_of_variance(
    shape: Shape, rng: np.random.Generator, dtype: npt.DTypeLike, *, scale: float, fan: Fan
) -> Array:
    return _normal(shape, rng, dtype, std=math.sqrt(_variance(shape, scale, fan)), mean=0.0)


def _variance(shape: Shape, scale: float, fan: Fan) -> float:
    fan_in, fan_out = fans(shape)
    return scale / (fan_in if fan == "in" else (fan_in + fan_out) / 2)


def _constant(shape: Shape, rng: np.random.Generator, dtype: npt.DTypeLike, *, value: float) -> Array:
    return _cast(np.full(shape, value), dtype)


def _normal(shape: Shape, rng: np.random.Generator, dtype: npt.DTypeLike, *, std: float, mean: float) -> Array:
    return _cast(rng.normal(mean, std, shape), dtype)


def _uniform(shape: Shape, rng: np.random.Generator, dtype: npt.DTypeLike, *, low: float, high: float) -> Array:
    return _cast(rng.uniform(low, high, shape), dtype)


def _identity(shape: Shape, rng: np.random.Generator, dtype: npt.DTypeLike, *, gain: float) -> Array:
    return _cast(gain * np.eye(*_matrix("identity", shape)), dtype)


def _orthogonal(shape: Shape, rng: np.random.Generator, dtype: npt.DTypeLike, *, gain: float) -> Array:
    rows, columns = _matrix("orthogonal", shape)
    Q, R = np.linalg.qr(rng.normal(size=(max(shape), min(shape))))
    # Without the signs the result would depend on the QR routine, and not be uniform (F. Mezzadri, How to generate
    # random matrices from the classical compact groups, Notices of the AMS 54, 2007).
    Q *= np.where(np.diag(R) < 0, -1.0, 1.0)
    return _cast(gain * (Q if rows >= columns else Q.T), dtype)


def _antisymmetric_blocks(
    shape: Shape,
    rng: np.random.Generator,
    dtype: npt.DTypeLike,
    *,
    low: float,
    high: float,
    of: Callable[[Array], Array],
) -> Array:
    n, columns = _matrix("antisymmetric", shape)
    if n != columns:
        raise ValueError(f"antisymmetric: only a square matrix can be that, and the shape is {shape}")
    above = np.zeros(max(n - 1, 0))
    above[::2] = of(rng.uniform(low, high, n // 2))
    return _cast(np.diag(above, 1)[:n, :n] - np.diag(above, -1)[:n, :n], dtype)


def _half_tangent(angles: Array) -> Array:
    return np.tan(angles / 2)


def _same(angles: Array) -> Array:
    return angles


def _cast(drawn: Array, dtype: npt.DTypeLike) -> Array:
    return drawn.astype(float_dtype("an initializer", dtype))


def _matrix(kind: str, shape: Shape) -> tuple[int, int]:
    if len(shape) != 2:
        article = {"identity": "an identity"}.get(kind, kind)
        raise ValueError(f"{kind}: only a matrix can be {article}, and the shape is {shape}")
    return shape[0], shape[1]


def _finite(asker: str, what: str, number: float) -> float:
    if not math.isfinite(number):
        raise ValueError(f"{asker}: {what} is a finite number, not {number!r}")
    return number


def _square(asker: str, gain: float) -> float:
    return _finite(f"{asker}(gain)", "the gain", gain) ** 2


zeros: Initializer = constant(0.0)
ones: Initializer = constant(1.0)

"""Activation functions: what NumPy lacks and nets apply to their sums. All are finite at ±1000, in float32 too.

Each function that works entry by entry has a row in the table `mg.activations()`, with its formula and its derivative as
text: `minigrad/activation_table/entries.py`. The functions along axes (softmax) have none, since they have no curve. Where
a choice of parameters leaves no value (an exponential at 1000, a logarithm below 0) the docstring says so.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from minigrad.node import Node, as_node, is_number
from minigrad.ops.arithmetic import clip, floating, maximum, minimum, positive, where
from minigrad.ops.base import Elementwise, Entries, Operation, broadcasts_to
from minigrad.ops.elementwise import NEGLIGIBLE_ONE, InverseRoot, Sinc, erf, exp, expm1, sin, square, tanh
from minigrad.ops.random import random_uniform
from minigrad.ops.reductions import broadcastable
from minigrad.ops.shaping import split

if TYPE_CHECKING:
    from minigrad.operators import Axis, Operand

__all__ = [
    # nodes, entry by entry
    "Sigmoid", "HardTanh", "Softsign", "ReLU", "LeakyReLU", "ELU", "ISRU", "ISRLU", "SQNL", "Softplus",
    "BentIdentity", "SiLU", "Gaussian", "GELUTanh", "Mish", "SoftLogarithm", "SoftClipping",
    # functions, entry by entry
    "linear", "sigmoid", "hard_tanh", "softsign", "relu", "leaky_relu", "prelu", "rrelu", "elu", "gelu", "gelu_tanh",
    "sine", "binary_step", "isru", "isrlu", "sqnl", "softplus", "bent_identity", "soft_exponential", "soft_clipping",
    "cardinal_sine", "gaussian", "silu", "mish", "selu", "celu", "relu6", "hard_sigmoid", "hard_silu", "log_sigmoid",
    "tanh_shrink", "soft_shrink", "hard_shrink",
    # along axes
    "Softmax", "LogSoftmax", "LogSumExp", "softmax", "log_softmax", "logsumexp", "glu",
]  # fmt: skip


LARGEST_EXPONENT = {4: 87, 8: 708}  # by bytes: 1 / (1 + eˣ) is a normal number still
GELU_LINEAR, GELU_CUBIC = math.sqrt(8 / math.pi), math.sqrt(8 / math.pi) * 0.044715

SELU_ALPHA, SELU_SCALE = (
    1.6732632423543772,
    1.0507009873554805,
)  # α and λ: the map of mean and variance has (0, 1) fixed


# Nodes, entry by entry ---------------------------------------------------------------------------------------------


class Sigmoid(Elementwise):
    """y = 1 / (1 + e⁻ˣ);  x̄ = ȳ y (1 − y)."""

    __slots__ = ()
    analytic = False

    def fprop(self, x: Any) -> Any:
        return 1 / (1 + np.exp(np.minimum(-x, LARGEST_EXPONENT[x.dtype.itemsize])))

    def bprop(self, adjoint: Node) -> Entries:
        return adjoint * (self * (1 - self))


class HardTanh(Elementwise):
    """y = min(max(x, −1), 1);  x̄ = ȳ where −1 ≤ x ≤ 1, else 0, so ȳ at ±1."""

    __slots__ = ()
    smooth = False
    analytic = False

    def fprop(self, x: Any) -> Any:
        return np.clip(x, -1, 1)

    def bprop(self, adjoint: Node) -> Entries:
        return where(self == self.children[0], adjoint, 0)


class Softsign(Elementwise):
    """y = x / (1 + |x|);  x̄ = ȳ / (1 + |x|)²."""

    __slots__ = ()
    analytic = False

    def fprop(self, x: Any) -> Any:
        return x / (1 + np.abs(x))

    def bprop(self, adjoint: Node) -> Entries:
        return adjoint * square(1 / (1 + abs(self.children[0])))


class ReLU(Elementwise):
    """y = max(x, 0);  x̄ = ȳ where x > 0, else 0, so 0 at 0."""

    __slots__ = ()
    smooth = False
    analytic = False

    def fprop(self, x: Any) -> Any:
        return np.maximum(x, 0)

    def bprop(self, adjoint: Node) -> Entries:
        return where(self > 0, adjoint, 0)


class LeakyReLU(Elementwise):
    """y = x where x > 0, else s x, of slope s;  x̄ = ȳ where x > 0, else s ȳ, s̄ = 0 where x > 0, else ȳ x."""

    __slots__ = ()
    smooth = False
    analytic = False

    def fprop(self, x: Any, slope: Any) -> Any:
        return np.maximum(x, 0) + slope * np.minimum(x, 0)

    def bprop(self, adjoint: Node) -> Entries:
        x, slope = self.children
        return lambda: where(x > 0, adjoint, adjoint * slope), lambda: where(x > 0, 0, adjoint * x)


class ELU(Elementwise):
    """y = x where x > 0, else α (eˣ − 1);  x̄ = ȳ where x > 0, else ȳ α eˣ, so at 0."""

    __slots__ = ()
    analytic = False
    alpha: float

    def fprop(self, x: Any, *, alpha: float) -> Any:
        return np.maximum(x, 0) + alpha * np.expm1(np.minimum(x, 0))

    def bprop(self, adjoint: Node) -> Entries:
        (x,) = self.children
        return where(x > 0, adjoint, adjoint * (self.alpha * exp(minimum(x, 0))))


class ISRU(Elementwise):
    """y = x / √(1 + α x²);  x̄ = ȳ (1 + α x²)^(−3/2)."""

    __slots__ = ()
    analytic = False
    alpha: float

    def fprop(self, x: Any, *, alpha: float) -> Any:
        root = math.sqrt(alpha)
        near = np.clip(x, -NEGLIGIBLE_ONE / root, NEGLIGIBLE_ONE / root)  # beyond, y is ±1/√α
        return near / np.sqrt(1 + np.square(root * near))

    def bprop(self, adjoint: Node) -> Entries:
        return adjoint * InverseRoot(math.sqrt(self.alpha) * self.children[0]) ** 3


class ISRLU(Elementwise):
    """y = x / √(1 + α m²) with m = min(x, 0);  x̄ = ȳ (1 + α m²)^(−3/2)."""

    __slots__ = ()
    analytic = False
    alpha: float

    def fprop(self, x: Any, *, alpha: float) -> Any:
        root = math.sqrt(alpha)
        near = np.clip(x, -NEGLIGIBLE_ONE / root, 0)
        return np.maximum(x, near / np.sqrt(1 + np.square(root * near)))

    def bprop(self, adjoint: Node) -> Entries:
        return adjoint * InverseRoot(math.sqrt(self.alpha) * minimum(self.children[0], 0)) ** 3


class SQNL(Elementwise):
    """y = c − c |c| / 4 with c = min(max(x, −2), 2);  x̄ = ȳ max(1 − |x| / 2, 0)."""

    __slots__ = ()
    smooth = False
    analytic = False

    def fprop(self, x: Any) -> Any:
        c = np.clip(x, -2, 2)
        return c * (1 - np.abs(c) / 4)

    def bprop(self, adjoint: Node) -> Entries:
        return adjoint * ReLU(1 - abs(self.children[0]) / 2)


class Softplus(Elementwise):
    """y = ln(1 + eˣ);  x̄ = ȳ / (1 + e⁻ˣ)."""

    __slots__ = ()
    analytic = False

    def fprop(self, x: Any) -> Any:
        return np.logaddexp(x, 0)

    def bprop(self, adjoint: Node) -> Entries:
        return adjoint * Sigmoid(self.children[0])


class BentIdentity(Elementwise):
    """y = (√(x² + 1) − 1) / 2 + x;  x̄ = ȳ (1 + x / (2 √(x² + 1)))."""

    __slots__ = ()
    analytic = False

    def fprop(self, x: Any) -> Any:
        return (np.hypot(x, 1) - 1) / 2 + x

    def bprop(self, adjoint: Node) -> Entries:
        return adjoint * (1 + ISRU(self.children[0], alpha=1.0) * 0.5)


class SiLU(Elementwise):
    """y = x s with s = 1 / (1 + e⁻ˣ);  x̄ = ȳ (s + y (1 − s))."""

    __slots__ = ()
    analytic = False

    def fprop(self, x: Any) -> Any:
        return _times_sigmoid(x, x)

    def bprop(self, adjoint: Node) -> Entries:
        s = Sigmoid(self.children[0])
        return adjoint * (s + self * (1 - s))


class Gaussian(Elementwise):
    """y = exp(−x²);  x̄ = −2 ȳ x y. Beyond ±28, where y is 0, neither takes a larger x."""

    __slots__ = ()
    analytic = False

    def fprop(self, x: Any) -> Any:
        return np.exp(-np.square(np.minimum(np.abs(x), 28)))

    def bprop(self, adjoint: Node) -> Entries:
        return adjoint * (-2 * clip(self.children[0], -28, 28) * self)


class GELUTanh(Elementwise):
    """y = x s with u = x (a + b x²), s = 1 / (1 + e⁻ᵘ);  x̄ = ȳ (s + x s (1 − s) (a + 3b x²)), a = √(8/π), b = 0.044715 a.

    (1 + tanh(u/2)) / 2 is s, which keeps its digits where the tanh is near −1. Beyond ±32, s is 0 or 1 and u holds still.
    """

    __slots__ = ()
    analytic = False

    def fprop(self, x: Any) -> Any:
        near = np.clip(x, -32, 32)
        return _times_sigmoid(x, near * (GELU_LINEAR + GELU_CUBIC * np.square(near)))

    def bprop(self, adjoint: Node) -> Entries:
        near = HardTanh(self.children[0] / 32) * 32  # a power of two: exact
        squares = square(near)
        s = Sigmoid(near * (GELU_LINEAR + GELU_CUBIC * squares))
        return adjoint * (s + near * s * (1 - s) * (GELU_LINEAR + 3 * GELU_CUBIC * squares))


class Mish(Elementwise):
    """y = x t with t = tanh(ln(1 + eˣ));  x̄ = ȳ (t + x (1 − t²) / (1 + e⁻ˣ)).

    With e = eˣ and n = e (e + 2), t is n / (n + 2), and its slope 4 e (e + 1) / (n + 2)²; from x = 20 on t is 1.
    """

    __slots__ = ()
    analytic = False

    def fprop(self, x: Any) -> Any:
        e = np.exp(np.minimum(x, 20))
        n = e * (e + 2)
        return x * (n / (n + 2))

    def bprop(self, adjoint: Node) -> Entries:
        near = minimum(self.children[0], 20)
        e = exp(near)
        n = e * (e + 2)
        return adjoint * (n / (n + 2) + near * (4 * e * (e + 1) / square(n + 2)))


class SoftLogarithm(Elementwise):
    """y = −ln(1 − α (x + α)) / α, for α < 0;  x̄ = ȳ / (1 − α (x + α)). ValueError where there is no logarithm."""

    __slots__ = ()
    alpha: float

    def fprop(self, x: Any, *, alpha: float) -> Any:
        inside = -alpha * (x + alpha)
        if (inside <= -1).any():
            raise ValueError(
                f"for alpha = {alpha:g} it needs x > 1/alpha - alpha = {1 / alpha - alpha:g}, and one is {x.min():g}"
            )
        return -np.log1p(inside) / alpha

    def bprop(self, adjoint: Node) -> Entries:
        return adjoint / (1 - self.alpha * (self.children[0] + self.alpha))


class SoftClipping(Elementwise):
    """y = ln((1 + e^(αx)) / (1 + e^(α(x−1)))) / α;  x̄ = ȳ (1 − e⁻ᵅ) σ(αx) σ(α(1−x)), which is ȳ (σ(αx) − σ(α(x−1)))."""

    __slots__ = ()
    analytic = False
    alpha: float

    def fprop(self, x: Any, *, alpha: float) -> Any:
        # ln(1 + eᶻ) = max(z, 0) + ln(1 + e^−|z|): the large parts are subtracted by hand, and nothing cancels
        rest = np.log1p(np.exp(-alpha * np.abs(x))) - np.log1p(np.exp(-alpha * np.abs(x - 1)))
        return np.clip(x, 0, 1) + rest / alpha

    def bprop(self, adjoint: Node) -> Entries:
        (x,), alpha = self.children, self.alpha
        return adjoint * (-math.expm1(-alpha) * Sigmoid(alpha * x) * Sigmoid(alpha * (1 - x)))


# Functions, entry by entry -----------------------------------------------------------------------------------------


def linear(x: Operand) -> Node:
    """x itself, as a node: what an output layer for regression applies."""
    return positive(x)


def sigmoid(x: Operand) -> Node:
    """1 / (1 + e⁻ˣ), the logistic function."""
    return Sigmoid(floating(x))


def hard_tanh(x: Operand) -> Node:
    """min(max(x, −1), 1), the cheap tanh; its slope is 1 at ±1 (where any number from 0 to 1 would do)."""
    return HardTanh(floating(x))


def softsign(x: Operand) -> Node:
    """x / (1 + |x|): a tanh whose tails fade like 1/x² and not exponentially."""
    return Softsign(floating(x))


def relu(x: Operand) -> Node:
    """max(x, 0), the rectifier."""
    return ReLU(x)


def leaky_relu(x: Operand, slope: float = 0.01) -> Node:
    """max(x, slope · x) for a slope between 0 and 1 (beyond 1 the maximum has the slopes on the wrong sides)."""
    if not 0 < slope < 1:
        raise ValueError(f"leaky_relu(x, slope={slope!r}): the slope is a number between 0 and 1")
    return LeakyReLU(floating(x), float(slope))


def prelu(x: Operand, alpha: Operand = 0.25) -> Node:
    """x where x > 0, else α x. Learnable: α is a Parameter of shape (), or one per channel, (channels,).

    ∂y/∂α is 0 where x > 0, else x, summed over all that share an α.
    """
    x = floating(x)
    alpha = _factor(alpha, x)
    if not broadcasts_to(alpha.shape, x.shape):
        raise ValueError(f"prelu: alpha of shape {alpha.shape} does not broadcast to {x.label}")
    return LeakyReLU(x, alpha)


def rrelu(x: Operand, lower: float = 1 / 8, upper: float = 1 / 3, *, rng: np.random.Generator | None = None) -> Node:
    """x where x > 0, else s x: in training, with rng, s ~ U[lower, upper) anew for every entry and every evaluation.

    Without rng, in evaluation, s is the mean slope (lower + upper) / 2.
    """
    if not 0 <= lower <= upper < math.inf:
        raise ValueError(f"rrelu(x, lower={lower!r}, upper={upper!r}): slopes lie between 0 <= lower <= upper")
    x = floating(x)
    if rng is None:
        return LeakyReLU(x, float(lower + upper) / 2)
    return LeakyReLU(x, random_uniform(x.shape, float(lower), float(upper), rng=rng, dtype=x.dtype))


def elu(x: Operand, alpha: float = 1.0) -> Node:
    """x where x > 0, else α (eˣ − 1), for a number α > 0."""
    return ELU(floating(x), alpha=_above_zero("elu", alpha=alpha))


def selu(x: Operand) -> Node:
    """λ x where x > 0, else λ α (eˣ − 1), with λ = 1.0507… and α = 1.6733…: mean 0 and variance 1 pass through layers.

    For that weights start by `initializers.lecun_normal()`, and dropout is `AlphaDropout`.
    """
    return ELU(floating(x), alpha=SELU_ALPHA) * SELU_SCALE


def celu(x: Operand, alpha: float = 1.0) -> Node:
    """x where x > 0, else α (e^(x/α) − 1), for a number α > 0: an `elu` whose slope is 1 at 0 for every α."""
    x, alpha = floating(x), _above_zero("celu", alpha=alpha)
    return ELU(x, alpha=1.0) if alpha == 1 else ReLU(x) + alpha * expm1(minimum(x, 0) / alpha)


def gelu(x: Operand, approximate: bool | str = False) -> Node:
    """x Φ(x), Φ the normal distribution; approximate=True (or "tanh") is `gelu_tanh`, False (or "none") exact."""
    if approximate not in (False, True, "none", "tanh"):
        raise ValueError(f'gelu(x, approximate={approximate!r}): one of False, True, "none", "tanh"')
    if approximate in (True, "tanh"):
        return gelu_tanh(x)
    x = floating(x)
    return x * ((1 + erf(x * math.sqrt(0.5))) * 0.5)


def gelu_tanh(x: Operand) -> Node:
    """x (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2, within 4.8e-4 of `gelu`."""
    return GELUTanh(floating(x))


def sine(x: Operand, omega: float = 1.0) -> Node:
    """sin(ω x), of period 2π/ω; ω may be a Parameter too."""
    x = floating(x)
    return sin(x if is_number(omega) and omega == 1 else x * _factor(omega, x))


def binary_step(x: Operand) -> Node:
    """1 where x ≥ 0, else 0. No gradient comes back: the slope is 0 wherever there is one."""
    x = floating(x)
    return (x >= 0).astype(x.dtype)


def isru(x: Operand, alpha: float = 1.0) -> Node:
    """x / √(1 + α x²) for a number α > 0: between ±1/√α."""
    return ISRU(floating(x), alpha=_above_zero("isru", alpha=alpha))


def isrlu(x: Operand, alpha: float = 1.0) -> Node:
    """x where x ≥ 0, else x / √(1 + α x²), for a number α > 0; f′ and f″ are continuous."""
    return ISRLU(floating(x), alpha=_above_zero("isrlu", alpha=alpha))


def sqnl(x: Operand) -> Node:
    """x − x |x| / 4 between ±2 and ±1 beyond: a tanh of two parabolas."""
    return SQNL(floating(x))


def softplus(x: Operand, beta: float = 1) -> Node:
    """ln(1 + e^(βx)) / β for a number β > 0: the smooth relu; the larger β, the sharper its bend."""
    x, beta = floating(x), _above_zero("softplus", beta=beta)
    return Softplus(x) if beta == 1 else Softplus(x * beta) / beta


def bent_identity(x: Operand) -> Node:
    """(√(x² + 1) − 1) / 2 + x: of slope 1/2 far to the left, 3/2 far to the right."""
    return BentIdentity(floating(x))


def soft_exponential(x: Operand, alpha: float = 0.5) -> Node:
    """A logarithm for α < 0, x for α = 0, an exponential for α > 0; the functions of α and −α are inverse.

    α < 0: −ln(1 − α (x + α)) / α, and a ValueError where x ≤ 1/α − α;  α > 0: (e^(αx) − 1) / α + α, which overflows
    where e^(αx) does.
    """
    x, alpha = floating(x), float(alpha)
    if not math.isfinite(alpha):
        raise ValueError(f"soft_exponential(x, alpha={alpha!r}): alpha is a finite number")
    if alpha < 0:
        return SoftLogarithm(x, alpha=alpha)
    return positive(x) if alpha == 0 else expm1(alpha * x) / alpha + alpha


def soft_clipping(x: Operand, alpha: float = 1.0) -> Node:
    """ln((1 + e^(αx)) / (1 + e^(α(x−1)))) / α for a number α > 0: x clipped to (0, 1), sharper the larger α."""
    return SoftClipping(floating(x), alpha=_above_zero("soft_clipping", alpha=alpha))


def cardinal_sine(x: Operand) -> Node:
    """sin(x) / x, 1 at 0. The tables of activations call it sinc; np.sinc is the other one, sin(πx) / πx."""
    return Sinc(floating(x) * (1 / math.pi))


def gaussian(x: Operand) -> Node:
    """exp(−x²)."""
    return Gaussian(floating(x))


def silu(x: Operand) -> Node:
    """x σ(x), σ the logistic function; also called swish."""
    return SiLU(floating(x))


def mish(x: Operand) -> Node:
    """x tanh(ln(1 + eˣ))."""
    return Mish(floating(x))


def relu6(x: Operand) -> Node:
    """min(max(x, 0), 6): a rectifier that few bits hold. Its slope at 6 is 1."""
    return minimum(ReLU(floating(x)), 6)


def hard_sigmoid(x: Operand) -> Node:
    """min(max(x/6 + 1/2, 0), 1), the cheap sigmoid; its slope is 1/6 at ±3."""
    return (HardTanh(floating(x) / 3) + 1) / 2


def hard_silu(x: Operand) -> Node:
    """x · hard_sigmoid(x), the cheap `silu`; also called hard swish."""
    x = floating(x)
    return maximum(x, -3) * hard_sigmoid(x)


def log_sigmoid(x: Operand) -> Node:
    """ln σ(x) = −ln(1 + e⁻ˣ), without underflow."""
    return -Softplus(-floating(x))


def tanh_shrink(x: Operand) -> Node:
    """x − tanh(x): nearly 0 around 0 and x ∓ 1 far out."""
    x = floating(x)
    return x - tanh(x)


def soft_shrink(x: Operand, threshold: float = 0.5) -> Node:
    """x moved towards 0 by the threshold, a number above 0, and no farther than 0. Its slope is 0 at ± the threshold."""
    x, threshold = floating(x), _above_zero("soft_shrink", threshold=threshold)
    return x - clip(x, -threshold, threshold)


def hard_shrink(x: Operand, threshold: float = 0.5) -> Node:
    """x where |x| is above the threshold, a number above 0, else 0."""
    x, threshold = floating(x), _above_zero("hard_shrink", threshold=threshold)
    return where(abs(x) > threshold, x, 0)


# Along axes --------------------------------------------------------------------------------------------------------


class Softmax(Operation):
    """y = eˣ / Σ eˣ along the axis;  x̄ = y (ȳ − Σ ȳ y): the full Jacobian diag(y) − y y', not its diagonal.

    An entry −∞ has y = 0 and x̄ = 0; where all entries are −∞, or one is +∞, there is no answer but nan.
    """

    __slots__ = ()
    analytic = False
    axis: Axis

    def fprop(self, x: Any, *, axis: Axis = -1) -> Any:
        e = np.exp(x - x.max(axis=axis, keepdims=True, initial=-np.inf))
        return e / e.sum(axis=axis, keepdims=True)

    def bprop(self, adjoint: Node) -> Entries:
        return self * (adjoint - (adjoint * self).sum(self.axis, keepdims=True))


class LogSoftmax(Operation):
    """y = x − ln Σ eˣ along the axis;  x̄ = ȳ − eʸ Σ ȳ. nan where `Softmax` is."""

    __slots__ = ()
    analytic = False
    axis: Axis

    def fprop(self, x: Any, *, axis: Axis = -1) -> Any:
        z = x - x.max(axis=axis, keepdims=True, initial=-np.inf)
        return z - np.log(np.maximum(np.exp(z).sum(axis=axis, keepdims=True), 1))  # it holds e⁰, or there is nothing

    def bprop(self, adjoint: Node) -> Entries:
        return adjoint - exp(self) * adjoint.sum(self.axis, keepdims=True)


class LogSumExp(Operation):
    """y = m + ln Σ eˣ⁻ᵐ over the axes, m = max x;  x̄ = ȳ softmax(x), nan where all are −∞, or one is +∞."""

    __slots__ = ()
    analytic = False
    axis: Axis
    keepdims: bool

    def fprop(self, x: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
        m = x.max(axis=axis, keepdims=True, initial=-np.inf)
        limit = np.finfo(x.dtype).max
        total = np.exp(x - np.clip(m, -limit, limit)).sum(axis=axis, keepdims=True)
        y = m + np.log(np.maximum(total, 1))  # it holds e⁰, or all x are −∞, or there are none
        return y if keepdims else np.squeeze(y, axis)

    def bprop(self, adjoint: Node) -> Entries:
        (x,) = self.children
        return broadcastable(adjoint, x, self.axis) * Softmax(x, axis=self.axis)


def softmax(x: Operand, axis: Axis = -1) -> Node:
    """eˣ / Σ eˣ along the axis (or axes): positive, and of sum 1."""
    return Softmax(floating(x), axis=axis)


def log_softmax(x: Operand, axis: Axis = -1) -> Node:
    """ln softmax(x) along the axis (or axes), without underflow."""
    return LogSoftmax(floating(x), axis=axis)


def logsumexp(x: Operand, axis: Axis = None, keepdims: bool = False) -> Node:
    """ln Σ eˣ over the axes, without overflow; −∞ where there are no entries."""
    return LogSumExp(floating(x), axis=axis, keepdims=keepdims)


def glu(x: Operand, axis: int = -1) -> Node:
    """a σ(b), a the first half of x along the axis and b the second: a gate for every feature.

    Y. N. Dauphin, A. Fan, M. Auli and D. Grangier, Language modeling with gated convolutional networks, ICML 2017.
    """
    x = floating(x)
    if x.shape[normalize_axis_index(axis, x.ndim)] % 2:
        raise ValueError(f"glu: expected an axis of even length to cut into halves, found {x.label} and axis={axis}")
    a, b = split(x, 2, axis)
    return a * Sigmoid(b)


def _times_sigmoid(x: Any, u: Any) -> Any:
    """x σ(u), where x is taken for at least −1024: below, σ(u) counts as 0, and is a small number only."""
    return np.maximum(x, -1024) / (1 + np.exp(np.minimum(-u, LARGEST_EXPONENT[x.dtype.itemsize])))


def _factor(given: Operand, x: Node) -> Node:
    """What a curve of x is scaled by, as a node. A NumPy scalar counts as a number: it would bring its own dtype along."""
    return as_node(given if isinstance(given, Node) or np.ndim(given) else np.asarray(given).item(), x.dtype)


def _above_zero(function: str, **given: float) -> float:
    """The one keyword as a Python number (a NumPy scalar would bring its dtype along), or an error."""
    ((name, value),) = given.items()
    if not 0 < value < math.inf:
        raise ValueError(f"{function}(x, {name}={value!r}): {name} is a number above 0")
    return float(value)

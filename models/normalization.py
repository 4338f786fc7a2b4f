"""Layers that bring inputs to mean 0 and variance 1, over the batch or over (groups of) features, then scale and shift."""

from __future__ import annotations

from math import inf, prod
from typing import TYPE_CHECKING, Any, SupportsIndex

import numpy as np

from minigrad.models.inputs import count, float_dtype, floats
from minigrad.models.module import Module, is_frozen
from minigrad.node import Node, Parameter
from minigrad.ops import mean, reshape, sqrt, square, update
from minigrad.ops.arithmetic import PiecewiseConstant
from minigrad.ops.reductions import binade

if TYPE_CHECKING:
    import numpy.typing as npt

    from minigrad.operators import Axis, Operand


class BatchNorm(Module):
    """y = γ (x − μ) / √(σ² + ε) + β, each feature on its own; μ and σ² are the batch's in training, else running ones.

    Training, over the m values a feature has (all axes but the last): μ = Σ x / m, σ² = Σ (x − μ)² / m. A bias
    added just before is removed with μ, so its gradient is 0: leave it out, β does its work.

    Back: with x̂ = (x − μ) / √(σ² + ε), γ̄ = Σ ȳ x̂, β̄ = Σ ȳ, and x̄ = γ (ȳ − mean(ȳ) − x̂ mean(ȳ x̂)) / √(σ² + ε) in
    training, γ ȳ / √(σ² + ε) in evaluation.

    Every call in training moves the running statistics: running ← (1 − momentum) running + momentum (the batch's). So
    momentum is the weight of the new value, as in PyTorch; Keras gives that of the old one (its 0.99 is 0.01 here). The
    running variance takes the unbiased estimate, Σ (x − μ)² / (m − 1). `eval()` makes the layer use them instead, and so does
    `freeze()`, which keeps them in training too.

    Shapes: (batch, n_features), (batch, time, n_features), (batch, height, width, channels), the last axis is kept apart.
    Parameters: gamma (1) and beta (0); running_mean (0) and running_variance (1) are state, not trained.
    Errors: in training a ValueError where a feature has one value only, a batch of one: σ² is 0 and the output β,
    whatever the input. A FloatingPointError where a batch would make running statistics nan or inf, which no later batch
    could mend; they stay as they were.

    S. Ioffe and C. Szegedy, Batch normalization: Accelerating deep network training by reducing internal covariate
    shift, ICML 2015.

    >>> import numpy as np
    >>> from minigrad.models import BatchNorm
    >>> layer = BatchNorm(1)
    >>> layer(np.array([[1.0], [3.0]])).value.round(3).tolist(), layer.running_mean.value, layer.running_variance.value
    ([[-1.0], [1.0]], array([0.2], dtype=float32), array([1.1], dtype=float32))
    """

    def __init__(
        self,
        n_features: SupportsIndex,
        momentum: float = 0.1,
        eps: float = 1e-5,
        *,
        dtype: npt.DTypeLike = np.float32,
    ) -> None:
        self.n_features = n = count("BatchNorm", "n_features", n_features)
        if not 0 < momentum <= 1:
            raise ValueError(f"BatchNorm(momentum={momentum!r}): the weight of a new batch, above 0 and up to 1")
        self.momentum = float(momentum)
        self.eps = _positive("BatchNorm", eps)
        self.dtype = float_dtype("BatchNorm", dtype)
        self.gamma = Parameter(np.ones(n, self.dtype))
        self.beta = Parameter(np.zeros(n, self.dtype))
        self.running_mean = Parameter(np.zeros(n, self.dtype), trainable=False)
        self.running_variance = Parameter(np.ones(n, self.dtype), trainable=False)

    def forward(self, x: Operand) -> Node:
        """y, of x's shape."""
        node = floats("BatchNorm", x, self.dtype)
        _check_features("BatchNorm", node, self.n_features)
        if not self.training or is_frozen(self):
            scale = self.gamma / sqrt(self.running_variance + self.eps)
            return (node - self.running_mean) * scale + self.beta
        n_values = prod(node.shape[:-1])
        if n_values < 2:
            raise ValueError(
                f"BatchNorm: {node.label} has {n_values} value per feature, whose variance would be 0 and the output beta "
                "whatever the input: train on batches of 2 or more (drop_last=True leaves out a smaller last one), call eval(), or "
                "take LayerNorm"
            )
        axes = tuple(range(node.ndim - 1))
        batch_mean = mean(node, axes)
        centered = node - batch_mean
        variance = mean(square(centered), axes)
        moved = self._moved(self.running_mean, batch_mean)
        moved_variance = self._moved(self.running_variance, variance * (n_values / (n_values - 1)))
        update(self.running_mean, moved)  # both once both are known to be finite
        update(self.running_variance, moved_variance)
        return centered * (self.gamma / sqrt(variance + self.eps)) + self.beta

    def _moved(self, running: Parameter, new: Node) -> Node:
        return FiniteStatistics(running * (1 - self.momentum) + new * self.momentum, role=running.name)


class FiniteStatistics(PiecewiseConstant):
    """y = x;  no adjoint. Raises where an entry is nan or inf, in replays too."""

    __slots__ = ()
    role: str

    def fprop(self, x: Any, *, role: str) -> Any:
        wrong = np.flatnonzero(~np.isfinite(x))
        if wrong.size:
            raise FloatingPointError(
                f"this batch would make BatchNorm's {role} {x[wrong[0]]} at feature {wrong[0]} ({wrong.size} of {x.size} "
                "features are not finite), so it was left as it was: the batch holds nan or inf, or numbers too large "
                "for their squares. Clean the data, lower the learning rate; mg.anomalies() names the first node to go wrong"
            )
        return x


class LayerNorm(Module):
    """y = γ (x − μ) / √(σ² + ε) + β, each example on its own: μ and σ² over its features, the same in training or not.

    μ = Σ x / n, σ² = Σ (x − μ)² / n over the last axis.

    Back: with x̂ = (x − μ) / √(σ² + ε), γ̄ = Σ ȳ x̂ and β̄ = Σ ȳ over all other axes, and
    x̄ = (d − mean(d) − x̂ mean(d x̂)) / √(σ² + ε) with d = γ ȳ, means over the features. Any size of batch will do.

    Shapes: (..., n_features), such as (batch, n_features) or (batch, time, n_features).
    Parameters: gamma (1) and beta (0), of length n_features.

    J. L. Ba, J. R. Kiros and G. E. Hinton, Layer normalization, arXiv:1607.06450, 2016.
    """

    def __init__(self, n_features: SupportsIndex, eps: float = 1e-5, *, dtype: npt.DTypeLike = np.float32) -> None:
        self.n_features = n = count("LayerNorm", "n_features", n_features)
        self.eps = _positive("LayerNorm", eps)
        self.dtype = float_dtype("LayerNorm", dtype)
        self.gamma = Parameter(np.ones(n, self.dtype))
        self.beta = Parameter(np.zeros(n, self.dtype))

    def forward(self, x: Operand) -> Node:
        """y, of x's shape."""
        node = floats("LayerNorm", x, self.dtype)
        _check_features("LayerNorm", node, self.n_features)
        return _standardized(node, -1, self.eps) * self.gamma + self.beta


class GroupNorm(Module):
    """y = γ (x − μ) / √(σ² + ε) + β, each example and group of features on its own: μ and σ² over the group and all places.

    μ = Σ x / m, σ² = Σ (x − μ)² / m over the m values of a group.

    A group is n_features / n_groups features that follow each other, at all places (times, or pixels) of the example. It is
    the same in training or not, and for any size of batch.

    Back: with x̂ = (x − μ) / √(σ² + ε), γ̄ = Σ ȳ x̂ and β̄ = Σ ȳ over all axes but the last, and
    x̄ = (d − mean(d) − x̂ mean(d x̂)) / √(σ² + ε) with d = γ ȳ, means over the group.

    n_groups: divides n_features; 1 takes all features together, n_features each alone (`InstanceNorm`)

    Shapes: (batch, ..., n_features), such as images (batch, height, width, channels).
    Parameters: gamma (1) and beta (0), of length n_features.
    Errors: a ValueError where a group has one value only, whose variance is 0 and whose output is β whatever the input.

    Y. Wu and K. He, Group normalization, ECCV 2018.

    >>> import numpy as np
    >>> from minigrad.models import GroupNorm
    >>> GroupNorm(4, 2)(np.array([[1.0, 3.0, 10.0, 20.0]])).value.round(3).tolist()
    [[-1.0, 1.0, -1.0, 1.0]]
    """

    def __init__(
        self,
        n_features: SupportsIndex,
        n_groups: SupportsIndex,
        eps: float = 1e-5,
        *,
        dtype: npt.DTypeLike = np.float32,
    ) -> None:
        name = type(self).__name__
        self.n_features = n = count(name, "n_features", n_features)
        self.n_groups = count(name, "n_groups", n_groups)
        if n % self.n_groups:
            raise ValueError(f"{name}(n_groups={n_groups!r}): {n} features cannot be cut into {n_groups} equal groups")
        self.eps = _positive(name, eps)
        self.dtype = float_dtype(name, dtype)
        self.gamma = Parameter(np.ones(n, self.dtype))
        self.beta = Parameter(np.zeros(n, self.dtype))

    def forward(self, x: Operand) -> Node:
        """y, of x's shape."""
        name = type(self).__name__
        node = floats(name, x, self.dtype)
        _check_features(name, node, self.n_features)
        places, width = prod(node.shape[1:-1]), self.n_features // self.n_groups
        if places * width < 2:
            raise ValueError(
                f"{name}: {node.label} has {places * width} value per group, whose variance would be 0 and the output beta "
                "whatever the input: take fewer groups, or more places"
            )
        by_group = reshape(node, (node.shape[0], places, self.n_groups, width))
        return reshape(_standardized(by_group, (1, 3), self.eps), node.shape) * self.gamma + self.beta

    def description(self) -> str:
        """The numbers of features and groups."""
        return f"{self.n_features}, {self.n_groups}"


class InstanceNorm(GroupNorm):
    """y = γ (x − μ) / √(σ² + ε) + β, each example and feature on its own: μ and σ² over all places;  x̄ as in `GroupNorm`.

    A `GroupNorm` with as many groups as features.

    Shapes: (batch, ..., n_features) with two places or more, such as images (batch, height, width, channels).
    Parameters: gamma (1) and beta (0), of length n_features.

    D. Ulyanov, A. Vedaldi and V. Lempitsky, Instance normalization: The missing ingredient for fast stylization,
    arXiv:1607.08022, 2016.
    """

    def __init__(self, n_features: SupportsIndex, eps: float = 1e-5, *, dtype: npt.DTypeLike = np.float32) -> None:
        super().__init__(n_features, n_features, eps, dtype=dtype)

    def description(self) -> str:
        """The number of features."""
        return str(self.n_features)


def _standardized(x: Node, axis: Axis, eps: float) -> Node:
    """(x − μ) / √(σ² + ε), mean and variance along the axes, in units in which no square overflows."""
    centered = x - mean(x, axis, keepdims=True)
    unit = Unit(centered, axis=axis)
    scaled = centered / unit
    return scaled / sqrt(mean(square(scaled), axis, keepdims=True) + eps / unit / unit)


class Unit(PiecewiseConstant):
    """y = the power of two just below the largest |x| along the axes, 1 at least;  no adjoint.

    What is divided by it has no squares that overflow. It cancels, so its derivative (0 but for jumps) has no part in a
    rule.
    """

    __slots__ = ()
    axis: Axis

    def fprop(self, x: Any, *, axis: Axis = -1) -> Any:
        return np.maximum(binade(x, axis), 1)


def _positive(layer: str, eps: float) -> float:
    """ε as a number above 0: it is what keeps a feature that never varies from 0 / 0."""
    if not 0 < eps < inf:
        raise ValueError(f"{layer}(eps={eps!r}): expected a number above 0, which keeps 0 / 0 out")
    return float(eps)


def _check_features(layer: str, x: Node, n_features: int) -> None:
    if x.ndim < 2 or x.shape[-1] != n_features:
        raise ValueError(
            f"{layer}: expected inputs of shape (batch, ..., {n_features}), found {x.label}: features come last, and one "
            "example is a batch of one, x[np.newaxis]"
        )

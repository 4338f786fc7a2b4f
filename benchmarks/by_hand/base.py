"""What all hand-written steps share: flat parameters, the optimizers, softmax cross-entropy.

The rules of the hand, in the layout of the models (rows are examples, channels last, weights have outputs first):
buffers, and the views that loops run over, are made once, and everything is written by `out=`; gates are stacked; what the
inputs contribute is one product for all time steps; factors that do not wait for adjoints are computed for all time steps
at once; every weight gradient is one product after the loop, and that of a bias one with ones. In loops over small arrays
a.dot(b, out) costs half of what np.matmul does, `out` is positional, and constants are arrays without axes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from benchmarks.rows import Problem

Arrays = dict[str, Any]


class Store:
    """Parameters and their gradients as views of two flat buffers, so that an optimizer sees one array."""

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        self.flat = np.concatenate([array.ravel() for array in parameters.values()])
        self.flat_gradient = np.zeros_like(self.flat)
        self.values = _views(self.flat, parameters)
        self.gradients = _views(self.flat_gradient, parameters)


class SGD:
    """w −= α g. The gradient is overwritten."""

    rate = 0.01

    def __init__(self, store: Store) -> None:
        self.store = store

    def __call__(self) -> None:
        self.store.flat_gradient *= self.rate
        self.store.flat -= self.store.flat_gradient


class Adam:
    """m = β₁ m + (1−β₁) g;  r = β₂ r + (1−β₂) g²;  w −= (α k / (1−β₁ᵗ)) m / (√r + k ε),  k = √(1−β₂ᵗ).

    Twelve passes over all values; the gradient is overwritten.
    """

    rate, beta_1, beta_2, epsilon = 0.001, 0.9, 0.999, 1e-7

    def __init__(self, store: Store) -> None:
        self.store, self.steps = store, 0
        self.mean, self.square, self.scratch = (np.zeros_like(store.flat) for _ in range(3))

    def __call__(self) -> None:
        self.steps += 1
        k = (1 - self.beta_2**self.steps) ** 0.5
        gradient, mean, square, scratch = self.store.flat_gradient, self.mean, self.square, self.scratch
        mean *= self.beta_1
        np.multiply(gradient, 1 - self.beta_1, out=scratch)
        mean += scratch
        square *= self.beta_2
        gradient *= gradient
        gradient *= 1 - self.beta_2
        square += gradient
        np.sqrt(square, out=scratch)
        scratch += k * self.epsilon
        np.divide(mean, scratch, out=scratch)
        scratch *= self.rate * k / (1 - self.beta_1**self.steps)
        self.store.flat -= scratch


class Step(ABC):
    """One training step. A subclass gives `sweep`.

    scale: multiplies the error, and so all gradients
    """

    optimizers: Mapping[str, Callable[[Store], Any]] = {"SGD": SGD, "Adam": Adam}
    scale = 1.0

    def __init__(self, problem: Problem) -> None:
        self.store = Store(problem.parameters)
        optimizer = problem.row.optimizer
        self.update = self.optimizers[optimizer](self.store) if optimizer else None

    @abstractmethod
    def sweep(self) -> float:
        """The loss; its gradients are in the store."""

    def __call__(self) -> float:
        loss = self.sweep()
        if self.update is not None:
            self.update()
        return loss

    def gradients(self) -> tuple[float, Arrays]:
        """Loss and gradients where the parameters are; nothing is updated."""
        return self.sweep(), {name: array.copy() for name, array in self.store.gradients.items()}

    def parameters(self) -> Arrays:
        return {name: array.copy() for name, array in self.store.values.items()}


def cross_entropy(logits: Any, rows: Any, targets: Any, scale: float = 1.0) -> float:
    """The loss of logits (batch, n_classes), in whose place the error (f − e(y)) scale / batch is left.

    rows: np.arange(batch)
    """
    logits -= np.maximum.reduce(logits, axis=1, keepdims=True)
    right = logits[rows, targets]
    np.exp(logits, out=logits)
    sums = np.add.reduce(logits, axis=1, keepdims=True)
    loss = (np.add.reduce(np.log(sums[:, 0])) - np.add.reduce(right)) / len(rows)
    logits /= sums
    logits[rows, targets] -= 1
    logits *= scale / len(rows)
    return float(loss)


def omega(square: Any, weight: float, bound: float = 1e-20) -> tuple[float, Any]:
    """Ω = c Σ (q_t − 1)² for the adjoints' squared norms s_t (time, batch), and what it does to s: its slopes 2 ∂Ω/∂s.

    q_t = s_t / s_{t+1} where s_{t+1} ≥ bound; c = weight / number of such terms.
    ∂Ω/∂s_t = 2 c ((q_t − 1) / s_{t+1} − (q_{t-1} − 1) q_{t-1} / s_t), so that ∂Ω/∂λ_t = slope_t λ_t.
    """
    counts = square[1:] >= bound
    later = np.where(counts, square[1:], 1)
    q = square[:-1] / later
    excess = (q - 1) * counts
    c = weight / max(int(np.count_nonzero(counts)), 1)
    penalty = c * float(np.vdot(excess, excess))
    excess /= later
    slope = np.zeros_like(square)
    slope[:-1] = excess
    excess *= q
    slope[1:] -= excess
    slope *= 4 * c
    return penalty, slope


def by_time(array: Any) -> list[Any]:
    """The views a[0], a[1], …: made once, they save the loop its indexing."""
    return list(array)


def flat(array: Any) -> Any:
    """All rows: every axis but the last as one."""
    return array.reshape(-1, array.shape[-1])


def _views(flat: Any, like: Mapping[str, Any]) -> Arrays:
    ends = np.cumsum([array.size for array in like.values()])
    return {
        name: flat[end - array.size : end].reshape(array.shape)
        for (name, array), end in zip(like.items(), ends, strict=True)
    }

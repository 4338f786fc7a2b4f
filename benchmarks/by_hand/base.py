"""What all hand-written steps share: flat parameters, the optimizers, softmax cross-entropy.

The rules of the hand: buffers are allocated once and written by `out=`; loops run over lists of views made beforehand;
what does not depend on the loop is done before or after it, for all time steps at once; every weight gradient is one
product. In loops over small arrays a.dot(b, out) costs half of what np.matmul does, and out is positional. Data are in the layout the step likes before the clock starts, as for every contestant.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

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
    """w −= g, where g comes multiplied by the learning rate: the sweep scales the error at its start."""

    scale: ClassVar[float] = 0.01

    def __init__(self, store: Store) -> None:
        self.store = store

    def __call__(self) -> None:
        self.store.flat -= self.store.flat_gradient


class Adam:
    """Adam in ten passes: the running means are kept divided by 1 − β, which saves two.

    m' = β₁ m' + g;  r' = β₂ r' + g²;  w −= (α (1 − β₁) / ((1 − β₁ᵗ) k)) m' / (√r' + ε / k),  k = √((1 − β₂) / (1 − β₂ᵗ))

    block: so many values at a time go through all passes. None: all at once, which is quicker where they fit into the
           second cache
    """

    scale: ClassVar[float] = 1.0
    rate, beta_1, beta_2, epsilon = 0.001, 0.9, 0.999, 1e-7

    def __init__(self, store: Store, block: int | None = None) -> None:
        size = store.flat.size
        block = min(block or size, size)
        self.mean, self.square, self.steps = np.zeros_like(store.flat), np.zeros_like(store.flat), 0
        scratch = np.empty(block, store.flat.dtype)
        arrays = (store.flat, store.flat_gradient, self.mean, self.square)
        starts = range(0, size, block)
        self.blocks = [(*[a[i : i + block] for a in arrays], scratch[: min(block, size - i)]) for i in starts]

    def __call__(self) -> None:
        self.steps += 1
        k = ((1 - self.beta_2) / (1 - self.beta_2**self.steps)) ** 0.5
        rate, epsilon = self.rate * (1 - self.beta_1) / ((1 - self.beta_1**self.steps) * k), self.epsilon / k
        for value, gradient, mean, square, scratch in self.blocks:
            mean *= self.beta_1
            mean += gradient
            gradient *= gradient
            square *= self.beta_2
            square += gradient
            np.sqrt(square, out=scratch)
            scratch += epsilon
            np.divide(mean, scratch, out=scratch)
            scratch *= rate
            value -= scratch


OPTIMIZERS: dict[str, Callable[[Store], Any]] = {"SGD": SGD, "Adam": Adam}


class Step:
    """One training step. A subclass gives `sweep`."""

    def __init__(self, problem: Problem) -> None:
        self.store = Store(problem.parameters)
        optimizer = problem.row.optimizer
        self.update = OPTIMIZERS[optimizer](self.store) if optimizer else None

    def sweep(self, scale: float) -> float:
        """The loss; its gradients times `scale` are in the store."""
        raise NotImplementedError

    def __call__(self) -> float:
        if self.update is None:
            return self.sweep(1.0)
        loss = self.sweep(self.update.scale)
        self.update()
        return loss

    def gradients(self) -> tuple[float, Arrays]:
        """Loss and gradients where the parameters are; nothing is updated."""
        loss = self.sweep(1.0)
        return loss, {name: array.copy() for name, array in self.store.gradients.items()}

    def parameters(self) -> Arrays:
        return {name: array.copy() for name, array in self.store.values.items()}


def cross_entropy(logits: Any, rows: Any, targets: Any, scale: float) -> float:
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


def by_time(array: Any) -> list[Any]:
    """The views a[0], a[1], …: made once, they save the loop its indexing."""
    return list(array)


def _views(flat: Any, like: Mapping[str, Any]) -> Arrays:
    ends = np.cumsum([array.size for array in like.values()])
    return {
        name: flat[end - array.size : end].reshape(array.shape)
        for (name, array), end in zip(like.items(), ends, strict=True)
    }

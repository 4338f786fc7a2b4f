"""What the squeezed steps share: optimizers that leave passes out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmarks.by_hand.base import Arrays, Step, Store

if TYPE_CHECKING:
    from benchmarks.rows import Problem


class SGD:
    """w −= g, where g comes multiplied by the learning rate: the sweep scales the error at its start."""

    scale = 0.01

    def __init__(self, store: Store) -> None:
        self.store = store

    def __call__(self) -> None:
        self.store.flat -= self.store.flat_gradient


class Adam:
    """Adam in ten passes, a block at a time: the running means are kept divided by 1 − β, which saves two.

    m' = β₁ m' + g;  r' = β₂ r' + g²;  w −= (α (1 − β₁) / ((1 − β₁ᵗ) k)) m' / (√r' + ε / k),  k = √((1 − β₂) / (1 − β₂ᵗ))
    """

    scale, block = 1.0, 1 << 18
    rate, beta_1, beta_2, epsilon = 0.001, 0.9, 0.999, 1e-7

    def __init__(self, store: Store) -> None:
        size = store.flat.size
        block = min(self.block, size)
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


class Squeezed(Step):
    """A step whose error carries the learning rate."""

    optimizers = {"SGD": SGD, "Adam": Adam}  # noqa: RUF012

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.scale = self.update.scale if self.update else 1.0

    def gradients(self) -> tuple[float, Arrays]:
        self.scale, scale = 1.0, self.scale
        try:
            return super().gradients()
        finally:
            self.scale = scale

"""What keeps its layout when squeezed: dense nets, the elementwise chain, the update of Adam."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.by_hand import adam, elementwise, mlp
from benchmarks.squeezed.base import Squeezed

if TYPE_CHECKING:
    from benchmarks.rows import Problem


class MLP(mlp.MLP, Squeezed):
    """By hand, with the squeezed optimizers."""


class AdamUpdate(adam.AdamUpdate, Squeezed):
    """By hand, with the squeezed optimizer."""


class Chain(elementwise.Chain, Squeezed):
    """So many values at a time go through all of it, while they are in the cache."""

    block = 32768

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        x, x_adjoint = self.store.flat, self.store.flat_gradient
        self.buffers = [buffer[: self.block].copy() for buffer in self.buffers]
        self.blocks = [(x[i : i + self.block], x_adjoint[i : i + self.block]) for i in range(0, x.size, self.block)]

    def sweep(self) -> float:
        size = self.store.flat.size
        blocks = ((x, x_adjoint, [buffer[: x.size] for buffer in self.buffers]) for x, x_adjoint in self.blocks)
        return sum(self._sweep(*block, 1 / size) for block in blocks) / size

"""The update of Adam alone, by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmarks.by_hand.base import Step

if TYPE_CHECKING:
    from benchmarks.rows import Problem


class AdamUpdate(Step):
    """All parameters in one flat array, gradients given."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.given = np.concatenate([gradient.ravel() for gradient in problem.given.values()])

    def prepare(self) -> None:
        """A new gradient, since the update overwrites it."""
        self.store.flat_gradient[:] = self.given

    def sweep(self) -> float:
        return 0.0

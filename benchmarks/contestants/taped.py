"""autograd and MyGrad: they differentiate NumPy code; the update is the hand-written one, on the same flat store."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.by_hand.base import Step
from benchmarks.contestants import functional

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.rows import Problem


class Taped(Step):
    """A step whose gradients a library computes. A subclass gives `differentiate`."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.row = problem.row
        self.feeds = (functional.time_first(problem), problem.targets) if problem.inputs is not None else (None, None)

    @abstractmethod
    def differentiate(self) -> tuple[float, dict[str, Any]]:
        """Loss and gradients by name."""

    def sweep(self) -> float:
        loss, gradients = self.differentiate()
        for name, gradient in gradients.items():
            np.copyto(self.store.gradients[name], gradient)
        return loss


class Loops:
    """What both libraries share of `functional.Library`: time steps are a list, so that none sends back a whole array."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(0)

    def dropout(self, y: Any, rate: float) -> Any:
        return y * ((self.rng.random(y.shape, np.float32) < 1 - rate) * np.float32(1 / (1 - rate)))

    def zeros(self, like: Any, batch: int, units: int) -> Any:
        return np.zeros((batch, units), like.dtype)

    def drive(self, inputs: Any, W: Any, b: Any) -> Any:
        W_T = W.T
        return [u @ W_T + b for u in inputs]

    def scan(self, step: Callable[[Any, Any], Any], state: Any, driven: Any) -> Any:
        for here in zip(*driven, strict=True) if isinstance(driven, tuple) else driven:
            state = step(state, here)
        return state

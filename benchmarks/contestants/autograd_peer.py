"""autograd as a contestant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import autograd.numpy as anp
import numpy as np
from autograd import value_and_grad

from benchmarks.contestants import functional
from benchmarks.contestants.taped import Loops, Taped

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.rows import Problem


class Library(Loops):
    """`functional.Library`; autograd has no convolution that is quick, so windows are gathered and multiplied."""

    tanh, where = staticmethod(anp.tanh), staticmethod(anp.where)

    def sigmoid(self, x: Any) -> Any:
        return 0.5 * anp.tanh(0.5 * x) + 0.5

    def relu(self, x: Any) -> Any:
        return anp.maximum(x, 0)

    def cross_entropy(self, logits: Any, targets: Any) -> Any:
        shifted = logits - logits.max(axis=1, keepdims=True)
        right = anp.sum(shifted * np.eye(logits.shape[1], dtype=logits.dtype)[targets], axis=1)
        return anp.mean(anp.log(anp.sum(anp.exp(shifted), axis=1)) - right)

    def convolve(self, images: Any, kernels: Any, bias: Any) -> Any:
        size = kernels.shape[1]
        side = images.shape[1] - size + 1
        places = [(u, v) for u in range(size) for v in range(size)]
        windows = anp.concatenate([images[:, u : u + side, v : v + side] for u, v in places], axis=-1)
        return windows @ anp.reshape(kernels, (len(kernels), -1)).T + bias

    def pool(self, images: Any) -> Any:
        batch, height, width, channels = images.shape
        return anp.max(anp.reshape(images, (batch, height // 2, 2, width // 2, 2, channels)), axis=(2, 4))

    def flatten(self, images: Any) -> Any:
        return anp.reshape(images, (len(images), -1))

    def adjoints(self, run: Callable[[Any], Any], steps: int, state: Any) -> tuple[Any, Any]:
        loss, adjoints = value_and_grad(run)([np.zeros_like(state) for _ in range(steps)])
        return loss, anp.stack(adjoints)


class Autograd(Taped):
    """`value_and_grad` of the loss."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        library = Library()
        self.slopes = value_and_grad(lambda values, *feeds: functional.loss(library, self.row, values, *feeds))

    def differentiate(self) -> tuple[float, dict[str, Any]]:
        loss, gradients = self.slopes(self.store.values, *self.feeds)
        return float(loss), gradients


def contestants(problem: Problem) -> dict[str, Callable[[Problem], Any]]:
    """It has no update of its own that could be compared."""
    return {} if problem.row.family == "adam" else {"autograd": Autograd}

"""MyGrad as a contestant, with memory guarding off, as its documentation advises for speed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import mygrad
from mygrad.nnet.activations import relu, sigmoid
from mygrad.nnet.layers import conv_nd, max_pool
from mygrad.nnet.losses import softmax_crossentropy

from benchmarks.contestants import functional
from benchmarks.contestants.taped import Loops, Taped

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.rows import Problem


class Library(Loops):
    """`functional.Library`; kernels and images have channels first."""

    tanh, sigmoid, relu = staticmethod(mygrad.tanh), staticmethod(sigmoid), staticmethod(relu)
    cross_entropy = staticmethod(softmax_crossentropy)

    def convolve(self, images: Any, kernels: Any, bias: Any) -> Any:
        return conv_nd(images, kernels, stride=1) + bias.reshape(1, -1, 1, 1)

    def pool(self, images: Any) -> Any:
        return max_pool(images, (2, 2), 2)

    def flatten(self, images: Any) -> Any:
        return images.transpose(0, 2, 3, 1).reshape(len(images), -1)


class MyGrad(Taped):
    """`loss.backward()`."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        mygrad.turn_memory_guarding_off()
        self.library = Library()
        self.feeds = (functional.channels_first(self.feeds[0]), self.feeds[1])

    def differentiate(self) -> tuple[float, dict[str, Any]]:
        values = {
            name: mygrad.tensor(functional.channels_first(array), copy=False)
            for name, array in self.store.values.items()
        }
        loss = functional.loss(self.library, self.row, values, *self.feeds)
        loss.backward()
        return float(loss), {name: functional.channels_last(value.grad) for name, value in values.items()}


def contestants(problem: Problem) -> dict[str, Callable[[Problem], Any]]:
    """It has no second derivatives, so no penalized net; and no update of its own that could be compared."""
    return {} if problem.row.family in ("adam", "penalized") else {"MyGrad": MyGrad}

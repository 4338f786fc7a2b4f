"""PyTorch as a contestant: eager with its fused recurrent layers and fused Adam, loops of cells, and torch.compile.

Kernels and images have channels first. The second biases of its recurrent layers are 0 and not trained, but for the GRU.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from benchmarks.contestants import functional

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.by_hand.base import Arrays
    from benchmarks.rows import Problem


class Library:
    """`functional.Library`."""

    tanh, sigmoid, relu = staticmethod(torch.tanh), staticmethod(torch.sigmoid), staticmethod(torch.relu)
    cross_entropy = staticmethod(nn.functional.cross_entropy)
    dropout, where = staticmethod(nn.functional.dropout), staticmethod(torch.where)

    def convolve(self, images: Any, kernels: Any, bias: Any) -> Any:
        return nn.functional.conv2d(images, kernels, bias)

    def pool(self, images: Any) -> Any:
        return nn.functional.max_pool2d(images, 2)

    def flatten(self, images: Any) -> Any:
        return images.permute(0, 2, 3, 1).flatten(1)

    def zeros(self, like: Any, batch: int, units: int) -> Any:
        return like.new_zeros((batch, units))

    def drive(self, inputs: Any, W: Any, b: Any) -> Any:
        return nn.functional.linear(inputs, W, b).unbind()

    def scan(self, step: Callable[[Any, Any], Any], state: Any, driven: Any) -> Any:
        for here in zip(*driven, strict=True) if isinstance(driven, tuple) and driven[0].__class__ is tuple else driven:
            state = step(state, here)
        return state

    def adjoints(self, run: Callable[[Any], Any], steps: int, state: Any) -> tuple[Any, Any]:
        additions = tuple(torch.zeros_like(state, requires_grad=True) for _ in range(steps))
        loss = run(additions)
        return loss, torch.stack(torch.autograd.grad(loss, additions, create_graph=True))


class Torch:
    """Eager PyTorch; a loop where the net is recurrent."""

    fused = True

    def __init__(self, problem: Problem) -> None:
        self.row = problem.row
        self.values = {
            name: torch.tensor(functional.channels_first(array), requires_grad=True)
            for name, array in problem.parameters.items()
        }
        trained, optimizer = list(self.values.values()), self.row.optimizer
        self.optimizer: Any = None
        if optimizer == "SGD":
            self.optimizer = torch.optim.SGD(trained, 0.01, foreach=True)
        elif optimizer == "Adam":
            self.optimizer = torch.optim.Adam(trained, 0.001, eps=1e-7, fused=self.fused)
        self.feeds: tuple[Any, ...] = (None, None)
        if problem.inputs is not None:
            inputs = functional.channels_first(functional.time_first(problem))
            self.feeds = (torch.tensor(inputs), torch.tensor(problem.targets))
        self.library = Library()

    def loss(self) -> Any:
        return functional.loss(self.library, self.row, self.values, *self.feeds)

    def __call__(self) -> float:
        loss = self.backward()
        if self.optimizer:
            self.optimizer.step()
        return loss

    def backward(self) -> float:
        for value in self.values.values():
            value.grad = None
        loss = self.loss()
        loss.backward()
        return float(loss.detach())

    def gradients(self) -> tuple[float, Arrays]:
        loss = self.backward()
        return loss, {name: _as_array(value.grad) for name, value in self.values.items()}

    def parameters(self) -> Arrays:
        return {name: _as_array(value) for name, value in self.values.items()}


class TorchLayer(Torch):
    """PyTorch's own recurrent layer: nn.RNN, nn.LSTM or nn.GRU. Its parameters are views in its order of gates."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        family, sizes = self.row.family, self.row.sizes
        kind, self.names, self.readout, self.order = LAYERS[family]
        self.layer = kind(sizes["features"], sizes["units"])
        with torch.no_grad():
            for own, name in self.names.items():
                getattr(self.layer, own).copy_(self._reordered(self.values[name], self.order))
            if "bias_hh_l0" not in self.names:
                self.layer.bias_hh_l0.zero_()
                self.layer.bias_hh_l0.requires_grad_(False)
        for own, name in self.names.items():
            self.values[name] = getattr(self.layer, own)
        trained = list(self.values.values())
        if self.row.optimizer == "Adam":
            self.optimizer = torch.optim.Adam(trained, 0.001, eps=1e-7, fused=True)
        else:
            self.optimizer = torch.optim.SGD(trained, 0.01, foreach=True)

    def loss(self) -> Any:
        outputs, _ = self.layer(self.feeds[0])
        W, b = (self.values[name] for name in self.readout)
        return nn.functional.cross_entropy(nn.functional.linear(outputs[-1], W, b), self.feeds[1])

    def gradients(self) -> tuple[float, Arrays]:
        loss, found = super().gradients()
        return loss, self._canonical(found)

    def parameters(self) -> Arrays:
        return self._canonical(super().parameters())

    def _canonical(self, arrays: Arrays) -> Arrays:
        back = [self.order.index(k) for k in range(len(self.order))]
        own = set(self.names.values())
        return {name: self._reordered(a, back) if name in own else a for name, a in arrays.items()}

    @staticmethod
    def _reordered(array: Any, order: list[int]) -> Any:
        """Blocks of rows, one per gate, in another order."""
        blocks = array.reshape(len(order), -1, *array.shape[1:])
        return blocks[order].reshape(array.shape)


class TorchCompiled(Torch):
    """The loss through torch.compile, the update fused or by foreach."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.loss = torch.compile(super().loss, dynamic=False)  # type: ignore[method-assign]


class AdamUpdate(Torch):
    """The update alone, fused."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        for name, value in self.values.items():
            value.grad = torch.tensor(problem.given[name])

    def backward(self) -> float:
        return 0.0


class PlainAdamUpdate(AdamUpdate):
    """The update alone, not fused."""

    fused = False


def _layer_names(W_x: str, W_h: str, *biases: str) -> dict[str, str]:
    return dict(zip(("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"), (W_x, W_h, *biases), strict=False))


_CELL = ("recurrent.cell.W_x", "recurrent.cell.W_h", "recurrent.cell.b")
_DENSE = ("readout.W", "readout.b")
LAYERS: dict[str, tuple[Any, dict[str, str], tuple[str, str], list[int]]] = {
    "rnn": (nn.RNN, _layer_names("R", "W", "b_1"), ("V", "b_o"), [0]),
    "lstm": (nn.LSTM, _layer_names(*_CELL), _DENSE, [0, 1, 3, 2]),  # i, f, g, o
    "gru": (nn.GRU, _layer_names(*_CELL, "recurrent.cell.b_h"), _DENSE, [1, 0, 2]),  # r, z, g
}


def contestants(problem: Problem) -> dict[str, Callable[[Problem], Any]]:
    """torch.compile unrolls loops, which takes minutes for gated cells and has no second derivatives: left out there."""
    row = problem.row
    if row.family == "adam":
        return {"PyTorch": AdamUpdate, "PyTorch, not fused": PlainAdamUpdate}
    if row.family in LAYERS:
        found: dict[str, Callable[[Problem], Any]] = {"PyTorch": TorchLayer, "PyTorch, loop of cells": Torch}
    else:
        found = {"PyTorch": Torch}
    if row.name in ("rnn-50", "elementwise", "lenet") or row.family == "mlp":
        found["torch.compile"] = TorchCompiled
    return found


def _as_array(tensor: Any) -> Any:
    return np.array(functional.channels_last(tensor.detach().numpy()))

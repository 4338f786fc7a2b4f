"""minigrad as a contestant: eager, a new graph for every step, and compiled."""

from __future__ import annotations

import math
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import minigrad as mg
from minigrad.models import losses, penalties
from minigrad.node import Node, Parameter
from minigrad.ops import tanh
from minigrad.optim import SGD, Adam, Step
from minigrad.optim.optimizers import Optimizer

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.by_hand.base import Arrays
    from benchmarks.rows import Problem

OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {"SGD": SGD, "Adam": Adam}  # at their default rates


class Eager:
    """`loss.backward(); optimizer.step()`, as one writes it."""

    backend = "numpy"

    def __init__(self, problem: Problem) -> None:
        model = problem.model()
        self.problem, self.model = problem, model
        self.named: dict[str, Parameter] = (
            {model.name: model} if isinstance(model, Parameter) else dict(model.named_parameters())
        )
        self.trained = list(self.named.values())
        make = OPTIMIZERS.get(problem.row.optimizer or "")
        self.optimizer = make(self.trained, backend=self.backend) if make else None
        family = problem.row.family
        self.loss: Callable[..., Node] = _LOSSES.get(family, _classification)
        self.feeds = () if family == "elementwise" else (problem.inputs, problem.targets)

    def __call__(self) -> float:
        loss = self._backward()
        if self.optimizer:
            self.optimizer.step()
        return loss

    def gradients(self) -> tuple[float, Arrays]:
        loss = self._backward()
        return loss, {name: parameter.grad.copy() for name, parameter in self.named.items()}  # type: ignore[union-attr]

    def parameters(self) -> Arrays:
        return {name: parameter.value.copy() for name, parameter in self.named.items()}

    def _backward(self) -> float:
        loss = self.loss(self.model, *self.feeds)
        loss.backward()
        return float(loss)


class Compiled(Eager):
    """`mg.compile` of the loss and its gradients; the optimizer is the same."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        model, trained, loss_of = self.model, self.trained, self.loss

        def step(*feeds: Node) -> tuple[Node, ...]:
            loss = loss_of(model, *feeds)
            return loss, *mg.gradients(loss, trained)

        self.step: Callable[..., tuple[Any, ...]] = mg.compile(step, backend=self.backend)

    def _backward(self) -> float:
        loss, *gradients = self.step(*self.feeds)
        for parameter, gradient in zip(self.trained, gradients, strict=True):
            parameter.grad = gradient
        return float(loss)


class CompiledFast(Compiled):
    """The same with compiled elementwise loops, the extra [fast]."""

    backend = "numba"


class Stepped(Eager):
    """The training loop's own `Step`, which looks besides whether loss and gradients are finite."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        penalized = problem.row.family == "penalized"
        added = [penalties.Omega(_OMEGA_WEIGHT)] if penalized else []
        assert self.optimizer is not None
        self.step = Step(self.model, losses.cross_entropy, self.optimizer, penalties=added, backend=self.backend)

    def __call__(self) -> float:
        return math.fsum(self.step(*self.feeds).values())


class SteppedFast(Stepped):
    """The same with compiled elementwise loops, the extra [fast]."""

    backend = "numba"


class AdamUpdate(Eager):
    """`Adam.step()` alone."""

    def prepare(self) -> None:
        """New gradients: a step takes them."""
        for name, parameter in self.named.items():
            parameter.grad = self.problem.given[name].copy()

    def _backward(self) -> float:
        return 0.0


class AdamUpdateFast(AdamUpdate):
    """The same as one compiled loop."""

    backend = "numba"


def contestants(problem: Problem) -> dict[str, Callable[[Problem], Any]]:
    """Those that there are here and now, by name."""
    found: dict[str, Callable[[Problem], Any]]
    if problem.row.family == "adam":
        found = {"minigrad": AdamUpdate, "minigrad, numba": AdamUpdateFast}
    else:
        found = {"minigrad eager": Eager, "minigrad compiled": Compiled, "minigrad compiled, numba": CompiledFast}
    return _available(found)


def steps(problem: Problem) -> dict[str, Callable[[Problem], Any]]:
    """List the training loop's `Step` by name, where the row has an optimizer; some of its calls are checked by nodes built anew."""
    if problem.row.family == "adam" or not problem.row.optimizer:
        return {}
    return _available({"minigrad Step": Stepped, "minigrad Step, numba": SteppedFast})


def _available(found: dict[str, Callable[[Problem], Any]]) -> dict[str, Callable[[Problem], Any]]:
    return found if find_spec("numba") is not None else {k: make for k, make in found.items() if "numba" not in k}


def _classification(model: Any, inputs: Any, targets: Any) -> Node:
    return losses.cross_entropy(model(inputs), targets)


def _chain(x: Node) -> Node:
    y: Node = x
    for _ in range(2):
        v = y * 0.5 + x
        e = v / (v * v + 1)
        h = tanh(e) * x - 0.1
        y = h * h + e
    return y.mean()


def _penalized(model: Any, inputs: Any, targets: Any) -> Node:
    states = model.states(inputs)
    loss = losses.cross_entropy(model.readout(states[-1]), targets)
    return loss + penalties.Omega(_OMEGA_WEIGHT)(loss, states)


_OMEGA_WEIGHT = 0.3
_LOSSES: dict[str, Callable[..., Node]] = {"elementwise": _chain, "penalized": _penalized}

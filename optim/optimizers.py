"""Optimizers: what turns gradients into new parameters.

`step()` reads every parameter's `.grad`, writes the parameter in place, and sets `.grad` to None, so that no gradient
is ever applied twice; a parameter whose `.grad` is None keeps its value and its state.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from minigrad.models import Module
from minigrad.node import Array, Parameter

State = dict[str, Array]  # what an optimizer remembers of one parameter, by name


class Optimizer:
    """What all optimizers share; a subclass gives `_start` (the state before the first step) and `_update`.

    parameters:    the Parameters to train; those with trainable=False are left out
    learning_rate: may be assigned between two steps
    """

    def __init__(self, parameters: Iterable[Parameter], learning_rate: float) -> None:
        self.parameters = trainable(parameters, type(self).__name__)
        self.learning_rate = _within("learning_rate", learning_rate, 0, np.inf)
        self._states = [self._start(parameter.value) for parameter in self.parameters]

    def step(self) -> None:
        """Apply the gradients that are there, once."""
        for parameter, state in zip(self.parameters, self._states, strict=True):
            gradient = parameter.grad
            if gradient is None:
                continue
            if gradient.shape != parameter.shape or gradient.dtype != parameter.dtype:
                raise ValueError(
                    f"{parameter.label} of dtype {parameter.dtype} has a .grad of shape {gradient.shape} and dtype "
                    f"{gradient.dtype}: set it by loss.backward(), or to an array like the parameter's"
                )
            self._update(parameter.value, gradient, state)
            parameter.mark_changed()
            parameter.grad = None

    def state_dict(self) -> State:
        """All that a resumed training needs, as copies, by "<parameter's place>.<name>"; the learning rate included."""
        arrays = {f"{i}.{name}": a.copy() for i, state in enumerate(self._states) for name, a in state.items()}
        return {"learning_rate": np.asarray(float(self.learning_rate)), **arrays}

    def load_state_dict(self, arrays: Mapping[str, Array]) -> None:
        """Go on from a `state_dict()` of the same optimizer on like parameters; nothing changes when it does not fit."""
        own = self.state_dict()
        if set(arrays) != set(own) or any(np.shape(arrays[key]) != own[key].shape for key in own):
            raise ValueError(
                f"{type(self).__name__}.load_state_dict: expected {_described(own)}, found {_described(arrays)}: "
                "load the state of the same optimizer on the same parameters"
            )
        self.learning_rate = float(arrays["learning_rate"])
        for i, state in enumerate(self._states):
            for name, array in state.items():
                array[...] = arrays[f"{i}.{name}"]

    def _start(self, value: Array) -> State:
        raise TypeError(f"{type(self).__name__} defines no _start: write _start(self, value) -> dict of arrays")

    def _update(self, value: Array, gradient: Array, state: State) -> None:
        """Write the value and the state in place; the gradient is free to be overwritten."""
        raise TypeError(f"{type(self).__name__} defines no _update: write _update(self, value, gradient, state)")


class SGD(Optimizer):
    """Gradient descent, with momentum η in its velocity form: v = η v − α g;  w += v;  v_0 = 0.

    One class for full-batch, mini-batch and stochastic gradient descent: they differ in what the loss averages over.
    """

    def __init__(self, parameters: Iterable[Parameter], learning_rate: float = 0.01, momentum: float = 0.0) -> None:
        self.momentum = _within("momentum", momentum, 0, 1)
        super().__init__(parameters, learning_rate)

    def _start(self, value: Array) -> State:
        return {"velocity": np.zeros_like(value)} if self.momentum else {}

    def _update(self, value: Array, gradient: Array, state: State) -> None:
        gradient *= -self.learning_rate
        if self.momentum:
            velocity = state["velocity"]
            velocity *= self.momentum
            velocity += gradient
            gradient = velocity
        value += gradient


class Adam(Optimizer):
    """m = β₁ m + (1−β₁) g;  r = β₂ r + (1−β₂) g²;  w −= α m̂ / (√r̂ + ε), with m̂ = m/(1−β₁ᵗ), r̂ = r/(1−β₂ᵗ).

    m and r themselves stay uncorrected; t counts the steps in which the parameter had a gradient.

    Source: D. Kingma and J. Ba, Adam: a method for stochastic optimization, ICLR 2015.
    """

    def __init__(
        self,
        parameters: Iterable[Parameter],
        learning_rate: float = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
    ) -> None:
        self.beta_1 = _within("beta_1", beta_1, 0, 1)
        self.beta_2 = _within("beta_2", beta_2, 0, 1)
        self.epsilon = _within("epsilon", epsilon, 0, np.inf)
        super().__init__(parameters, learning_rate)

    def _start(self, value: Array) -> State:
        return {"mean": np.zeros_like(value), "square": np.zeros_like(value), "steps": np.zeros((), np.int64)}

    def _update(self, value: Array, gradient: Array, state: State) -> None:
        mean, square, steps = state["mean"], state["square"], state["steps"]
        steps += 1
        scratch = np.square(gradient, out=np.empty_like(gradient))
        scratch *= 1 - self.beta_2
        square *= self.beta_2
        square += scratch
        gradient *= 1 - self.beta_1
        mean *= self.beta_1
        mean += gradient
        np.sqrt(square, out=scratch)
        scratch /= float(1 - self.beta_2**steps) ** 0.5
        scratch += self.epsilon
        np.divide(mean, scratch, out=scratch)
        scratch *= self.learning_rate / float(1 - self.beta_1**steps)
        value -= scratch


def trainable(parameters: Iterable[Parameter], asker: str) -> tuple[Parameter, ...]:
    """The trainable ones, each once, in their order; an error where something else stands among them."""
    if isinstance(parameters, Module):
        raise TypeError(f"{asker} takes Parameters, not the {type(parameters).__name__} itself: pass its .parameters()")
    given = list(parameters)
    for parameter in given:
        if not isinstance(parameter, Parameter):
            raise TypeError(
                f"{asker} takes Parameters, as model.parameters() gives them, and one is of type "
                f"{type(parameter).__name__}"
            )
    found = tuple(parameter for parameter in dict.fromkeys(given) if parameter.trainable)
    if not found:
        raise ValueError(f"{asker}: there is no trainable parameter among the {len(given)} given")
    return found


def _within(name: str, number: float, low: float, high: float) -> float:
    """The number, if low <= number < high."""
    if not low <= number < high:
        raise ValueError(f"{name}={number!r}: it lies in [{low}, {high})")
    return number


def _described(arrays: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {np.shape(array)}" for key, array in arrays.items()) or "nothing"

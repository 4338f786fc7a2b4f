"""Optimizers: what turns gradients into new parameters.

`step()` reads every parameter's `.grad`, writes the parameter in place, and sets `.grad` to None, so that no gradient
is ever applied twice; a parameter whose `.grad` is None keeps its value and its state.

An update is the same for all entries, so it is written for one long array: an optimizer moves its parameters into a
flat buffer (`FlatStore`), keeps its state in arrays like it, and passes over them block by block.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from minigrad.models import Module
from minigrad.node import Array, Parameter
from minigrad.optim.flat import FlatStore

State = dict[str, Array]  # what an optimizer remembers, by name


class Optimizer:
    """What all optimizers share; a subclass gives `_start` (the state before the first step) and `_update`.

    parameters:    the Parameters to train; those with trainable=False are left out
    learning_rate: may be assigned between two steps
    counts_steps:  whether a class's update depends on how many steps a parameter has made

    The parameters' arrays move into a flat buffer when the optimizer is made: an array taken from `W.value` before is
    not W's any more, and becomes read-only; take it anew.
    """

    counts_steps = False

    def __init__(self, parameters: Iterable[Parameter], learning_rate: float) -> None:
        self.parameters = trainable(parameters, type(self).__name__)
        self.learning_rate = _within("learning_rate", learning_rate, 0, np.inf)
        dtypes = dict.fromkeys(parameter.dtype for parameter in self.parameters)
        self.stores = [FlatStore([p for p in self.parameters if p.dtype == dtype]) for dtype in dtypes]
        self._states = [self._start(store.values) for store in self.stores]
        self._steps = [np.zeros(len(store.parameters), np.int64) for store in self.stores]

    def step(self) -> None:
        """Apply the gradients that are there, once."""
        for parameter in self.parameters:
            _check_gradient(parameter)
        for store, state, steps in zip(self.stores, self._states, self._steps, strict=True):
            store.take_in()
            for run in store.runs(steps.tolist()):
                steps[run.start : run.stop] += self.counts_steps
                number = int(steps[run.start])
                for where, gradient in store.blocks(run):
                    parts = {name: array[where] for name, array in state.items()}
                    self._update(store.values[where], gradient, parts, store.scratch[: len(gradient)], number)
        for parameter in self.parameters:
            if parameter.grad is not None:
                parameter.mark_changed()
                parameter.grad = None

    def state_dict(self) -> State:
        """All that a resumed training needs, as copies, by "<parameter's place>.<name>"; the learning rate included."""
        arrays = {f"{i}.{name}": a.copy() for i, state in enumerate(self._views()) for name, a in state.items()}
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
        for i, state in enumerate(self._views()):
            for name, array in state.items():
                array[...] = arrays[f"{i}.{name}"]

    def _views(self) -> list[State]:
        """The state parameter by parameter, as views of the flat arrays, in the order of `parameters`."""
        found: dict[Parameter, State] = {}
        for store, state, steps in zip(self.stores, self._states, self._steps, strict=True):
            parts = {name: store.split(array) for name, array in state.items()}
            for i, parameter in enumerate(store.parameters):
                found[parameter] = {name: views[i] for name, views in parts.items()}
                if self.counts_steps:
                    found[parameter]["steps"] = steps[i : i + 1].reshape(())
        return [found[parameter] for parameter in self.parameters]

    def _start(self, values: Array) -> State:
        """The state of all entries before the first step, as arrays like the values, which are a flat array."""
        raise TypeError(f"{type(self).__name__} defines no _start: write _start(self, values) -> dict of arrays")

    def _update(self, values: Array, gradient: Array, state: State, scratch: Array, number: int) -> None:
        """Write values and state, flat arrays of one block, in place. The gradient and scratch are free to be overwritten.

        number: which step of these entries it is, from 1; 0 unless the class says counts_steps
        """
        raise TypeError(
            f"{type(self).__name__} defines no _update: write _update(self, values, gradient, state, scratch, number)"
        )


class SGD(Optimizer):
    """Gradient descent, with momentum η in its velocity form: v = η v − α g;  w += v;  v_0 = 0.

    One class for full-batch, mini-batch and stochastic gradient descent: they differ in what the loss averages over.
    """

    def __init__(self, parameters: Iterable[Parameter], learning_rate: float = 0.01, momentum: float = 0.0) -> None:
        self.momentum = _within("momentum", momentum, 0, 1)
        super().__init__(parameters, learning_rate)

    def _start(self, values: Array) -> State:
        return {"velocity": np.zeros_like(values)} if self.momentum else {}

    def _update(self, values: Array, gradient: Array, state: State, scratch: Array, number: int) -> None:
        gradient *= -self.learning_rate
        if self.momentum:
            velocity = state["velocity"]
            velocity *= self.momentum
            velocity += gradient
            gradient = velocity
        values += gradient


class AdaptiveRates(Optimizer):
    """What AdaGrad and RMSProp share: every entry has a rate of its own, α over the root of its accumulated g².

    R = ρ R + g²;  r = c R;  w −= α g/(√r + ε), or with epsilon_inside α g/√(r + ε). The state is R, so that the factor c
    costs no pass over the entries. With momentum η:  v = η v − α g/(√r + ε);  w += v;  v_0 = 0.
    """

    def __init__(
        self,
        parameters: Iterable[Parameter],
        learning_rate: float,
        momentum: float,
        epsilon: float,
        *,
        epsilon_inside: bool,
        initial_accumulator: float,
        decay: float,
        factor: float,
    ) -> None:
        self.momentum = _within("momentum", momentum, 0, 1)
        self.epsilon = _within("epsilon", epsilon, 0, np.inf)
        self.epsilon_inside = epsilon_inside
        self.initial_accumulator = _within("initial_accumulator", initial_accumulator, 0, np.inf)
        self._decay = decay
        self._factor = factor
        super().__init__(parameters, learning_rate)

    def _start(self, values: Array) -> State:
        state = {"square": np.full_like(values, self.initial_accumulator / self._factor)}
        return state | {"velocity": np.zeros_like(values)} if self.momentum else state

    def _update(self, values: Array, gradient: Array, state: State, scratch: Array, number: int) -> None:
        square = state["square"]
        if self._decay != 1:
            square *= self._decay
        np.square(gradient, out=scratch)
        square += scratch
        if self.epsilon_inside:
            np.add(square, self.epsilon / self._factor, out=scratch)
            np.sqrt(scratch, out=scratch)
        else:
            np.sqrt(square, out=scratch)
            scratch += self.epsilon / self._factor**0.5
        np.divide(gradient, scratch, out=scratch)
        scratch *= self.learning_rate / self._factor**0.5
        if self.momentum:
            velocity = state["velocity"]
            velocity *= self.momentum
            velocity -= scratch
            values += velocity
        else:
            values -= scratch


class AdaGrad(AdaptiveRates):
    """r += g²;  w −= α g/(√r + ε), or with epsilon_inside α g/√(r + ε);  r_0 = initial_accumulator.

    r is a sum over all steps, so the rates only fall. An entry whose gradient is seldom other than 0 keeps a large one.
    An epsilon of 0 divides 0 by 0 where all gradients were 0 so far, unless initial_accumulator is positive.

    Source: J. Duchi, E. Hazan and Y. Singer, Adaptive subgradient methods for online learning and stochastic
    optimization, JMLR 12, 2011.
    """

    def __init__(
        self,
        parameters: Iterable[Parameter],
        learning_rate: float = 0.01,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        *,
        epsilon_inside: bool = False,
        initial_accumulator: float = 0.0,
    ) -> None:
        super().__init__(
            parameters,
            learning_rate,
            momentum,
            epsilon,
            epsilon_inside=epsilon_inside,
            initial_accumulator=initial_accumulator,
            decay=1.0,
            factor=1.0,
        )


class RMSProp(AdaptiveRates):
    """r = ρ r + (1−ρ) g²;  w −= α g/(√r + ε), or with epsilon_inside α g/√(r + ε);  r_0 = initial_accumulator.

    r is a mean over about the last 1/(1−ρ) steps, so unlike AdaGrad's rates these can rise again.

    Source: T. Tieleman and G. Hinton, Lecture 6.5: RMSProp, Coursera: Neural networks for machine learning, 2012.
    """

    def __init__(
        self,
        parameters: Iterable[Parameter],
        learning_rate: float = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        *,
        epsilon_inside: bool = False,
        initial_accumulator: float = 0.0,
    ) -> None:
        self.rho = _within("rho", rho, 0, 1)
        super().__init__(
            parameters,
            learning_rate,
            momentum,
            epsilon,
            epsilon_inside=epsilon_inside,
            initial_accumulator=initial_accumulator,
            decay=rho,
            factor=1 - rho,
        )


class Adam(Optimizer):
    """m = β₁ m + (1−β₁) g;  r = β₂ r + (1−β₂) g²;  w −= α m̂ / (√r̂ + ε), with m̂ = m/(1−β₁ᵗ), r̂ = r/(1−β₂ᵗ).

    m and r themselves stay uncorrected; t counts the steps in which the parameter had a gradient. The state is the sums
    m/(1−β₁) and r/(1−β₂), so that the constant factors cost no pass over the entries.

    Source: D. Kingma and J. Ba, Adam: a method for stochastic optimization, ICLR 2015.
    """

    counts_steps = True

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

    def _start(self, values: Array) -> State:
        return {"mean": np.zeros_like(values), "square": np.zeros_like(values)}

    def _update(self, values: Array, gradient: Array, state: State, scratch: Array, number: int) -> None:
        mean, square = state["mean"], state["square"]
        to_mean = (1 - self.beta_1) / (1 - self.beta_1**number)
        to_root = ((1 - self.beta_2) / (1 - self.beta_2**number)) ** 0.5
        mean *= self.beta_1
        mean += gradient
        square *= self.beta_2
        np.square(gradient, out=scratch)
        square += scratch
        np.sqrt(square, out=scratch)
        scratch += self.epsilon / to_root
        np.divide(mean, scratch, out=scratch)
        scratch *= self.learning_rate * to_mean / to_root
        values -= scratch


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


def _check_gradient(parameter: Parameter) -> None:
    gradient = parameter.grad
    if gradient is not None and (gradient.shape != parameter.shape or gradient.dtype != parameter.dtype):
        raise ValueError(
            f"{parameter.label} of dtype {parameter.dtype} has a .grad of shape {gradient.shape} and dtype "
            f"{gradient.dtype}: set it by loss.backward(), or to an array like the parameter's"
        )


def _within(name: str, number: float, low: float, high: float) -> float:
    """The number, if low <= number < high."""
    if not low <= number < high:
        raise ValueError(f"{name}={number!r}: it lies in [{low}, {high})")
    return number


def _described(arrays: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {np.shape(array)}" for key, array in arrays.items()) or "nothing"

"""Optimizers: what turns gradients into new parameters.

`step()` reads every parameter's `.grad`, writes the parameter in place, and sets `.grad` to None, so that no gradient
is ever applied twice; a parameter whose `.grad` is None keeps its value and its state.

An update is the same for all entries, so an optimizer says it for one (`Update`): it moves its parameters into a flat buffer
(`FlatStore`), keeps its state in arrays like it, and passes over them block by block, or in one compiled loop.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from numbers import Real
from typing import Any, TypeAlias

import numpy as np

from minigrad.compiler.compiled import chosen_backend
from minigrad.models import Module
from minigrad.models.scheduled import Schedule, value_at
from minigrad.node import Array, Node, Parameter, as_array
from minigrad.optim.flat import FlatStore
from minigrad.optim.names import checked_names
from minigrad.optim.updates import Update

Rate: TypeAlias = float | Schedule
Rates: TypeAlias = "Rate | Mapping[Parameter, Rate]"
State = dict[str, Array]  # what an optimizer remembers, by name
OTHER_NAMES = {  # as other libraries call what optimizers take
    "lr": "learning_rate",
    "eps": "epsilon",
    "betas": "beta_1 and beta_2",
    "params": "parameters",
}

LARGEST = {np.dtype(kind): float(np.finfo(kind).max) for kind in (np.float32, np.float64)}  # numbers of a dtype


class Optimizer:
    """What all optimizers share; a subclass gives `_start` (the state before the first step), `_update` and `_numbers`.

    parameters:    the Parameters to train; those with trainable=False are left out, until they are trainable (`unfreeze`):
                   then they are trained from the next step on, with the state of a first step
    learning_rate: a number; a schedule, a function of the number of steps made so far (`minigrad.optim.schedules`); or a dict
                   that gives each parameter a number or schedule of its own. May be assigned between two steps
    backend:       "numpy"; or "numba", which updates in one compiled loop, to the same numbers (the extra [fast]); or "auto", numba
                   where it is installed
    n_steps:       how many steps were made; kept in the state, so a resumed training goes on at its rate
    counts_steps:  whether a class's update depends on how many steps a parameter has made

    The parameters' arrays move into a flat buffer when the optimizer is made: an array taken from `W.value` before is
    not W's any more, and becomes read-only; take it anew.
    """

    counts_steps = False

    def __init_subclass__(cls, **keywords: Any) -> None:
        """Let the constructor say what an argument is called here that came under another library's name."""
        super().__init_subclass__(**keywords)
        if "__init__" in vars(cls):
            cls.__init__ = checked_names(cls.__init__, OTHER_NAMES)  # type: ignore[method-assign]

    def __init__(self, parameters: Iterable[Parameter], learning_rate: Rates, *, backend: str = "numpy") -> None:
        self._backend = chosen_backend(backend, type(self).__name__)
        given = checked_parameters(parameters, type(self).__name__)
        self._parameters = trainable(given, type(self).__name__)
        self._left_out = tuple([parameter for parameter in given if not parameter.trainable])
        self._order = {parameter: i for i, parameter in enumerate(given)}
        self.n_steps = 0
        self.learning_rate = learning_rate
        self.stores: list[FlatStore] = []
        self._updates: list[Update] = []
        self._steps: list[Array] = []
        self._make_room(self._parameters)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """The parameters that are trained or were before they were frozen; one that was unfrozen joins them here."""
        if any(parameter.trainable for parameter in self._left_out):
            self._take_unfrozen()
        return self._parameters

    def _take_unfrozen(self) -> None:
        """Train what was frozen when the optimizer was made, and is no longer."""
        new = tuple([parameter for parameter in self._left_out if parameter.trainable])
        if isinstance(self._learning_rate, Mapping):
            self._check_rates(self._learning_rate, new)
        self._left_out = tuple([parameter for parameter in self._left_out if not parameter.trainable])
        self._parameters = tuple(sorted((*self._parameters, *new), key=self._order.__getitem__))
        self._make_room(new)

    def _make_room(self, parameters: Sequence[Parameter]) -> None:
        """Move parameters into flat buffers, with the state before their first step."""
        name = f"{type(self).__name__.lower()}_update"
        made_of = self._start(), self._update(), tuple(self._numbers(1, 0.0))
        for dtype in dict.fromkeys(parameter.dtype for parameter in parameters):
            store = FlatStore([parameter for parameter in parameters if parameter.dtype == dtype])
            self.stores.append(store)
            self._updates.append(Update(name, store, *made_of, self._backend))
            self._steps.append(np.zeros(len(store.parameters), np.int64))

    @property
    def learning_rate(self) -> Any:
        """The number, schedule or dict of them that was assigned."""
        return self._learning_rate

    @learning_rate.setter
    def learning_rate(self, given: Rates) -> None:
        if isinstance(given, Mapping):
            self._check_rates(given, self._parameters)
            self._learning_rate: Rates = {p: self._checked_rate(given[p]) for p in self._order if p in given}
        else:
            self._learning_rate = self._checked_rate(given)

    def _check_rates(self, given: Mapping[Parameter, Rate], parameters: Iterable[Parameter]) -> None:
        missing = [parameter.label for parameter in parameters if parameter not in given]
        if missing:
            raise ValueError(
                f"{type(self).__name__}(learning_rate): the dict has no rate for {', '.join(missing)}: expected one for every "
                "parameter that is trained"
            )

    def _checked_rate(self, rate: Rate) -> Rate:
        """A number in its range, or a schedule whose next value is."""
        if not callable(rate):
            return _within("learning_rate", rate, 0, np.inf)
        self._now(rate)
        return rate

    def rates(self) -> list[float]:
        """Compute the learning rate of each parameter in the next step; the error of a bad schedule names the step."""
        parameters = self.parameters
        if not isinstance(self._learning_rate, Mapping):
            return [self._now(self._learning_rate)] * len(parameters)
        return [self._now(self._learning_rate[parameter]) for parameter in parameters]

    def _now(self, rate: Rate) -> float:
        return value_at(rate, self.n_steps, f"{type(self).__name__}(learning_rate)") if callable(rate) else rate

    def step(self) -> None:
        """Apply the gradients that are there, once."""
        rates = dict(zip(self.parameters, self.rates(), strict=True))
        given = [store.given() for store in self.stores]  # all are looked at before the first is applied
        if self._room() < np.inf:
            for store, gradients in zip(self.stores, given, strict=True):
                _refuse_large_squares(type(self).__name__, store.parameters, gradients, self._room())
        for store, update, steps, gradients in zip(self.stores, self._updates, self._steps, given, strict=True):
            store.take_in()
            of_each = [rates[parameter] for parameter in store.parameters]
            for run in store.runs(gradients, list(zip(steps.tolist(), of_each, strict=True))):
                if self.counts_steps:
                    steps[run.start : run.stop] += 1
                update(run, gradients, self._numbers(int(steps[run.start]), of_each[run.start]).values())
        self.n_steps += 1
        for parameter in self.parameters:
            if parameter.grad is not None:
                parameter.mark_changed()
                parameter.grad = None

    def state_dict(self) -> State:
        """Copy all that a resumed training needs into a dict, by "<parameter's place>.<name>"; the learning rate included.

        A schedule is no array: of it there is the number of steps alone. Give it again to the optimizer that loads the state.
        """
        arrays = {f"{i}.{name}": a.copy() for i, state in enumerate(self._views()) for name, a in state.items()}
        rate = {"learning_rate": np.asarray(float(self.learning_rate))} if self._is_number() else {}
        return {**rate, **arrays, "n_steps": np.asarray(self.n_steps)}

    def _is_number(self) -> bool:
        return not callable(self.learning_rate) and not isinstance(self.learning_rate, Mapping)

    def load_state_dict(self, arrays: Mapping[str, Array]) -> None:
        """Go on from a `state_dict()` of the same optimizer on like parameters; nothing changes when it does not fit.

        An optimizer with a schedule keeps it, and goes on at its rate for the step that was reached.
        """
        own = self.state_dict()
        method = f"{type(self).__name__}.load_state_dict"
        arrays = {key: as_array(array, f"{method}: {key}") for key, array in arrays.items()}
        if not self._is_number():
            arrays.pop("learning_rate", None)
        elif set(own) - set(arrays) == {"learning_rate"}:
            raise ValueError(
                f"{method}: the state is of an optimizer with a schedule or with rates by parameter: give this one the same as "
                "learning_rate, or schedules.constant(0.01) to go on at a constant rate"
            )
        if set(arrays) != set(own) or any(np.shape(arrays[key]) != own[key].shape for key in own):
            raise ValueError(
                f"{method}: expected {_described(own)}, found {_described(arrays)}: "
                "load the state of the same optimizer on the same parameters"
            )
        if self._is_number():
            self.learning_rate = float(arrays["learning_rate"])
        self.n_steps = int(arrays["n_steps"])
        for i, state in enumerate(self._views()):
            for name, array in state.items():
                array[...] = arrays[f"{i}.{name}"]

    def _views(self) -> list[State]:
        """The state parameter by parameter, as views of the flat arrays, in the order of `parameters`."""
        order = self.parameters
        found: dict[Parameter, State] = {}
        for store, update, steps in zip(self.stores, self._updates, self._steps, strict=True):
            parts = {name: store.split(array) for name, array in update.state.items()}
            for i, parameter in enumerate(store.parameters):
                found[parameter] = {name: views[i] for name, views in parts.items()}
                if self.counts_steps:
                    found[parameter]["steps"] = steps[i : i + 1].reshape(())
        return [found[parameter] for parameter in order]

    def _start(self) -> dict[str, float]:
        """The names of the state, and what all its entries are before the first step."""
        raise TypeError(f"{type(self).__name__} defines no _start: write _start(self) -> {{name: number}}")

    def _update(self) -> Sequence[str]:
        """What a step does to an entry of the values and the state, as the lines of an `Update`."""
        raise TypeError(f"{type(self).__name__} defines no _update: write _update(self) -> lines, as Update takes them")

    def _room(self) -> float:
        """The part of the largest number that a squared gradient may take; inf where gradients are not squared."""
        return np.inf

    def _numbers(self, step: int, rate: float) -> dict[str, float]:
        """The numbers in the lines. step: which of these entries it is, from 1; 0 unless the class says counts_steps. rate: α"""
        return {"rate": rate}


class SGD(Optimizer):
    """v = η v − α g;  w += v;  v_0 = 0, with momentum η in its velocity form.

    One class for full-batch, mini-batch and stochastic gradient descent: they differ in what the loss averages over.
    """

    def __init__(
        self,
        parameters: Iterable[Parameter],
        learning_rate: Rates = 0.01,
        momentum: float = 0.0,
        *,
        backend: str = "numpy",
    ) -> None:
        self.momentum = _within("momentum", momentum, 0, 1)
        super().__init__(parameters, learning_rate, backend=backend)

    def _start(self) -> dict[str, float]:
        return {"velocity": 0.0} if self.momentum else {}

    def _update(self) -> Sequence[str]:
        if not self.momentum:
            return "scratch = gradient * rate", "values -= scratch"
        return "scratch = gradient * rate", "velocity *= momentum", "velocity -= scratch", "values += velocity"

    def _numbers(self, step: int, rate: float) -> dict[str, float]:
        return {"rate": rate, "momentum": self.momentum}


class AdaptiveRates(Optimizer):
    """What AdaGrad and RMSProp share: every entry has a rate of its own, α over the root of its accumulated g².

    R = ρ R + g²;  r = c R;  w −= α g/(√r + ε), or with epsilon_inside α g/√(r + ε). The state is R, so that the factor c
    costs no pass over the entries. With momentum η:  v = η v − α g/(√r + ε);  w += v;  v_0 = 0.
    """

    def __init__(
        self,
        parameters: Iterable[Parameter],
        learning_rate: Rates,
        momentum: float,
        epsilon: float,
        *,
        epsilon_inside: bool,
        initial_accumulator: float,
        decay: float,
        factor: float,
        backend: str,
    ) -> None:
        self.momentum = _within("momentum", momentum, 0, 1)
        self.epsilon = _within("epsilon", epsilon, 0, np.inf)
        self.epsilon_inside = epsilon_inside
        self.initial_accumulator = _within("initial_accumulator", initial_accumulator, 0, np.inf)
        self._decay = decay
        self._factor = factor
        super().__init__(parameters, learning_rate, backend=backend)

    def _room(self) -> float:
        return 1 - self._decay if self._decay < 1 else 1.0

    def _start(self) -> dict[str, float]:
        state = {"square": self.initial_accumulator / self._factor}
        return state | {"velocity": 0.0} if self.momentum else state

    def _update(self) -> Sequence[str]:
        decayed = ["square *= decay"] if self._decay != 1 else []
        mean = ["scratch = gradient * gradient", "square += scratch"]
        outside = ["scratch = sqrt(square)", "scratch += epsilon"]
        inside = ["scratch = square + epsilon", "scratch = sqrt(scratch)"]
        rated = ["scratch = gradient / scratch", "scratch *= rate"]
        moved = (
            ["velocity *= momentum", "velocity -= scratch", "values += velocity"]
            if self.momentum
            else ["values -= scratch"]
        )
        return [*decayed, *mean, *(inside if self.epsilon_inside else outside), *rated, *moved]

    def _numbers(self, step: int, rate: float) -> dict[str, float]:
        root = self._factor**0.5
        return {
            "decay": self._decay,
            "epsilon": self.epsilon / (self._factor if self.epsilon_inside else root),
            "rate": rate / root,
            "momentum": self.momentum,
        }


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
        learning_rate: Rates = 0.01,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        *,
        epsilon_inside: bool = False,
        initial_accumulator: float = 0.0,
        backend: str = "numpy",
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
            backend=backend,
        )


class RMSProp(AdaptiveRates):
    """r = ρ r + (1−ρ) g²;  w −= α g/(√r + ε), or with epsilon_inside α g/√(r + ε);  r_0 = initial_accumulator.

    r is a mean over about the last 1/(1−ρ) steps, so unlike AdaGrad's rates these can rise again.

    Source: T. Tieleman and G. Hinton, Lecture 6.5: RMSProp, Coursera: Neural networks for machine learning, 2012.
    """

    def __init__(
        self,
        parameters: Iterable[Parameter],
        learning_rate: Rates = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        *,
        epsilon_inside: bool = False,
        initial_accumulator: float = 0.0,
        backend: str = "numpy",
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
            backend=backend,
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
        learning_rate: Rates = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        *,
        backend: str = "numpy",
    ) -> None:
        self.beta_1 = _within("beta_1", beta_1, 0, 1)
        self.beta_2 = _within("beta_2", beta_2, 0, 1)
        self.epsilon = _within("epsilon", epsilon, 0, np.inf)
        super().__init__(parameters, learning_rate, backend=backend)

    def _room(self) -> float:
        return 1 - self.beta_2

    def _start(self) -> dict[str, float]:
        return {"mean": 0.0, "square": 0.0}

    def _update(self) -> Sequence[str]:
        return (
            "mean *= beta_1",
            "mean += gradient",
            "square *= beta_2",
            "scratch = gradient * gradient",
            "square += scratch",
            "scratch = sqrt(square)",
            "scratch += epsilon",
            "scratch = mean / scratch",
            "scratch *= rate",
            "values -= scratch",
        )

    def _numbers(self, step: int, rate: float) -> dict[str, float]:
        to_mean = (1 - self.beta_1) / (1 - self.beta_1**step)
        to_root = ((1 - self.beta_2) / (1 - self.beta_2**step)) ** 0.5
        return {
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon / to_root,
            "rate": rate * to_mean / to_root,
        }


def trainable(parameters: Iterable[Parameter], asker: str) -> tuple[Parameter, ...]:
    """The trainable ones, each once, in their order; an error where something else stands among them, or there are none."""
    given = checked_parameters(parameters, asker)
    found = tuple([parameter for parameter in given if parameter.trainable])
    if not found:
        raise ValueError(f"{asker}: there is no trainable parameter among the {len(given)} given")
    return found


def checked_parameters(parameters: Iterable[Parameter], asker: str) -> tuple[Parameter, ...]:
    """The parameters, each once, in their order; an error where something else stands among them."""
    if isinstance(parameters, Module):
        raise TypeError(f"{asker} takes Parameters, not the {type(parameters).__name__} itself: pass its .parameters()")
    if isinstance(parameters, Node):
        raise TypeError(
            f"{asker} takes Parameters in a list, and {parameters.label} is a single one of type {type(parameters).__name__}: write [W]"
        )
    if isinstance(parameters, Mapping) or not isinstance(parameters, Iterable):
        name = getattr(parameters, "__name__", type(parameters).__name__)
        how = f"is the method {name}: call it, model.{name}()" if callable(parameters) else f"is of type {name}"
        raise TypeError(f"{asker} takes Parameters, as model.parameters() gives them, and what it was given {how}")
    given = list(parameters)
    for parameter in given:
        if not isinstance(parameter, Parameter):
            raise TypeError(
                f"{asker} takes Parameters, as model.parameters() gives them, and one is of type "
                f"{type(parameter).__name__}"
            )
    return tuple(dict.fromkeys(given))


def _refuse_large_squares(
    optimizer: str, parameters: Sequence[Parameter], gradients: Sequence[Array | None], room: float
) -> None:
    """An error that names the parameter whose squared gradients, summed over the steps, would overflow to a rate of 0.

    The sum of the squares tells in one pass that none can be so large.
    """
    for parameter, gradient in zip(parameters, gradients, strict=True):
        if gradient is None:
            continue
        limit = room * LARGEST[gradient.dtype]
        if np.dot(gradient, gradient) <= limit:
            continue
        largest = float(np.abs(gradient).max())
        if limit**0.5 < largest < np.inf:
            raise ValueError(
                f"{optimizer}.step(): the gradient of {parameter.label} has an entry of size {largest:.3g}, whose square does not "
                f"fit into {gradient.dtype} (up to {limit**0.5:.2g} does): scale the loss, or clip the gradients"
            )


def _within(name: str, number: float, low: float, high: float) -> float:
    """The number, if low <= number < high."""
    if isinstance(number, np.ndarray) and number.shape == ():
        number = number[()]
    if not isinstance(number, Real):
        quoted = f": write {number}" if isinstance(number, str) and _reads_as_number(number) else ""
        raise TypeError(f"{name}={number!r}: expected a number, found {type(number).__name__}{quoted}")
    if not low <= number < high:
        raise ValueError(f"{name}={number!r}: it lies in [{low}, {high})")
    return number


def _reads_as_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _described(arrays: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {np.shape(array)}" for key, array in arrays.items()) or "nothing"

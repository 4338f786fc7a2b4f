"""Optimizers: what turns gradients into new parameters.

`step()` reads every parameter's `.grad`, writes the parameter in place, and sets `.grad` to None, so that no gradient
is ever applied twice; a parameter whose `.grad` is None keeps its value and its state.

An optimizer is its formula on nodes, which `mg.compile` compiles (`Entries`); it is the same for all entries, so the parameters are
moved into a flat buffer (`FlatStore`), and the state is kept in arrays like it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Real
from typing import Any, TypeAlias

import numpy as np

from minigrad.compiler.compiled import chosen_backend
from minigrad.models import Module
from minigrad.models.scheduled import Schedule, value_at
from minigrad.node import Array, Node, Parameter, as_array
from minigrad.ops import sqrt
from minigrad.ops.control import update
from minigrad.optim.entries import Entries, Formula, Part
from minigrad.optim.flat import FlatStore
from minigrad.optim.names import checked_names

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
    """What all optimizers share; a subclass gives `_start` (the state before the first step), `_formula` and `_numbers`.

    parameters:    the Parameters to train; those with trainable=False are left out, until they are trainable (`unfreeze`):
                   then they are trained from the next step on, with the state of a first step
    learning_rate: a number; a schedule, a function of the number of steps made so far (`minigrad.optim.schedules`); or a dict
                   that gives each parameter a number or schedule of its own. May be assigned between two steps
    backend:       by what the formula is run, as in `mg.compile`, to the same numbers: "numpy"; "numba", in one compiled loop (the
                   extra [fast]); or "auto", numba where it is installed
    n_steps:       how many steps were made; kept in the state, so a resumed training goes on at its rate
    counts_steps:  whether a class's formula depends on how many steps a parameter has made
    squares:       whether it squares gradients;  sums: whether it adds these up in its first state, r
    settings:      the names of the attributes that the formula is compiled with; they may be assigned between two steps

    The parameters' arrays move into a flat buffer when the optimizer is made: an array taken from `W.value` before is
    not W's any more, and becomes read-only; take it anew.
    """

    counts_steps = False
    squares = False
    sums = False
    settings: tuple[str, ...] = ()

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
        self._entries: list[Entries] = []
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
        for dtype in dict.fromkeys(parameter.dtype for parameter in parameters):
            store = FlatStore([parameter for parameter in parameters if parameter.dtype == dtype])
            self.stores.append(store)
            self._entries.append(Entries(store, self._start(), self._backend))
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
        made_of = [getattr(self, name) for name in self.settings]
        runs: list[tuple[Entries, Array, list[Part], float]] = []
        for store, entries, steps, gradients in zip(self.stores, self._entries, self._steps, given, strict=True):
            store.take_in()
            if entries.made_of != made_of:
                entries.compile(self._formula(), made_of)
            of_each = [rates[parameter] for parameter in store.parameters]
            for run in store.runs(gradients, list(zip(steps.tolist(), of_each, strict=True))):
                runs.append(
                    (entries, steps[run.start : run.stop], entries.gathered(run, gradients), of_each[run.start])
                )
        if self.squares and not self._squares_fit([part for _, _, parts, _ in runs for part in parts]):
            self._refuse_large_squares()
        for entries, steps, parts, rate in runs:
            if self.counts_steps:
                steps += 1
            entries.update(parts, self._numbers(int(steps[0]), rate))
        self.n_steps += 1
        for parameter in self.parameters:
            if parameter.grad is not None:
                parameter.mark_changed()
                parameter.grad = None

    def _squares_fit(self, parts: Sequence[Part]) -> bool:
        """Whether all squares surely fit into their dtype, added to r where they are summed: one pass tells the sum of them all."""
        with np.errstate(over="ignore"):
            for gradient, (_, *state) in parts:
                taken = float(state[0].max(initial=0)) if self.sums else 0.0
                if not np.dot(gradient, gradient) <= LARGEST[gradient.dtype] - taken:
                    return False
        return True

    def _refuse_large_squares(self) -> None:
        """ValueError, which names the parameter, where a square or r overflows: its rate would be 0 from then on."""
        for parameter, state in zip(self.parameters, self._views(), strict=True):
            gradient, taken = parameter.grad, state["r"] if self.sums else 0
            if gradient is None:
                continue
            with np.errstate(over="ignore", invalid="ignore"):
                bad = np.isinf(gradient * gradient + taken) & np.isfinite(gradient) & np.isfinite(taken)
            if bad.any():
                raise ValueError(
                    f"{type(self).__name__}.step(): the gradient of {parameter.label} has an entry of size "
                    f"{np.abs(gradient[bad]).max():.3g}, whose square{', added to r,' if self.sums else ''} does not fit into "
                    f"{gradient.dtype} (up to {LARGEST[gradient.dtype] ** 0.5:.2g} does): scale the loss, or clip the gradients"
                )

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
        if any(key.endswith((".mean", ".square", ".velocity")) for key in arrays):
            raise ValueError(
                f"{type(self).__name__}.load_state_dict: the state is of an earlier version, in which means were scaled by factors "
                "that the state does not tell: load the parameters alone, and begin with a new optimizer"
            )
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
        for store, entries, steps in zip(self.stores, self._entries, self._steps, strict=True):
            parts = {name: store.split(array) for name, array in entries.state.items()}
            for i, parameter in enumerate(store.parameters):
                found[parameter] = {name: views[i] for name, views in parts.items()}
                if self.counts_steps:
                    found[parameter]["steps"] = steps[i : i + 1].reshape(())
        return [found[parameter] for parameter in order]

    def _start(self) -> dict[str, float]:
        """The names of the state, and what all its entries are before the first step."""
        raise TypeError(f"{type(self).__name__} defines no _start: write _start(self) -> {{name: number}}")

    def _formula(self) -> Formula:
        """What a step does: a function of w, g, the state and the numbers, all nodes, which closes over the settings' values."""
        raise TypeError(
            f"{type(self).__name__} defines no _formula: write _formula(self) -> a function of (w, g, *state, rate)"
        )

    def _numbers(self, step: int, rate: float) -> tuple[float, ...]:
        """The numbers that change from step to step. step: which of these entries it is, from 1; 0 unless the class says
        counts_steps. rate: α
        """
        return (rate,)


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
        self._has_velocity = self.momentum > 0
        super().__init__(parameters, learning_rate, backend=backend)

    settings = ("momentum",)

    def _start(self) -> dict[str, float]:
        return {"v": 0.0} if self._has_velocity else {}

    def _formula(self) -> Formula:
        momentum = self.momentum

        def descent(w: Parameter, g: Node, rate: Node) -> None:
            update(w, w - rate * g)

        def with_velocity(w: Parameter, g: Node, v: Parameter, rate: Node) -> None:
            update(v, momentum * v - rate * g)
            update(w, w + v)

        return with_velocity if self._has_velocity else descent


class AdaptiveRates(Optimizer):
    """What AdaGrad and RMSProp share: every entry has a rate of its own, α over the root of r, its accumulated g².

    w −= α g/(√r + ε), or with epsilon_inside α g/√(r + ε). With momentum η:  v = η v − α g/(√r + ε);  w += v;  v_0 = 0.
    """

    squares = True
    settings: tuple[str, ...] = ("momentum", "epsilon", "epsilon_inside")

    def __init__(
        self,
        parameters: Iterable[Parameter],
        learning_rate: Rates,
        momentum: float,
        epsilon: float,
        *,
        epsilon_inside: bool,
        initial_accumulator: float,
        backend: str,
    ) -> None:
        self.momentum = _within("momentum", momentum, 0, 1)
        self._has_velocity = self.momentum > 0
        self.epsilon = _within("epsilon", epsilon, 0, np.inf)
        self.epsilon_inside = epsilon_inside
        self.initial_accumulator = _within("initial_accumulator", initial_accumulator, 0, np.inf)
        super().__init__(parameters, learning_rate, backend=backend)

    def _start(self) -> dict[str, float]:
        state = {"r": float(self.initial_accumulator)}
        return state | {"v": 0.0} if self._has_velocity else state

    def _accumulated(self) -> Callable[[Node, Node], Node]:
        """The new r, a function of the old one and g."""
        raise TypeError(
            f"{type(self).__name__} defines no _accumulated: write _accumulated(self) -> a function of (r, g)"
        )

    def _formula(self) -> Formula:
        accumulated, momentum = self._accumulated(), self.momentum
        epsilon, inside = self.epsilon, self.epsilon_inside

        def descent(w: Parameter, g: Node, r: Parameter, rate: Node) -> None:
            update(r, accumulated(r, g))
            update(w, w - g / (sqrt(r + epsilon) if inside else sqrt(r) + epsilon) * rate)

        def with_velocity(w: Parameter, g: Node, r: Parameter, v: Parameter, rate: Node) -> None:
            update(r, accumulated(r, g))
            update(v, momentum * v - g / (sqrt(r + epsilon) if inside else sqrt(r) + epsilon) * rate)
            update(w, w + v)

        return with_velocity if self._has_velocity else descent


class AdaGrad(AdaptiveRates):
    """r += g²;  w −= α g/(√r + ε), or with epsilon_inside α g/√(r + ε);  r_0 = initial_accumulator.

    r is a sum over all steps, so the rates only fall. An entry whose gradient is seldom other than 0 keeps a large one.
    An epsilon of 0 divides 0 by 0 where all gradients were 0 so far, unless initial_accumulator is positive.

    Source: J. Duchi, E. Hazan and Y. Singer, Adaptive subgradient methods for online learning and stochastic
    optimization, JMLR 12, 2011.
    """

    sums = True

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
            backend=backend,
        )

    def _accumulated(self) -> Callable[[Node, Node], Node]:
        return lambda r, g: r + g**2


class RMSProp(AdaptiveRates):
    """r = ρ r + (1−ρ) g²;  w −= α g/(√r + ε), or with epsilon_inside α g/√(r + ε);  r_0 = initial_accumulator.

    r is a mean over about the last 1/(1−ρ) steps, so unlike AdaGrad's rates these can rise again.

    Source: T. Tieleman and G. Hinton, Lecture 6.5: RMSProp, Coursera: Neural networks for machine learning, 2012.
    """

    settings = (*AdaptiveRates.settings, "rho")

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
            backend=backend,
        )

    def _accumulated(self) -> Callable[[Node, Node], Node]:
        rho = self.rho
        return lambda r, g: rho * r + (1 - rho) * g**2


class Adam(Optimizer):
    """m = β₁ m + (1−β₁) g;  v = β₂ v + (1−β₂) g²;  w −= α m̂ / (√v̂ + ε), with m̂ = m/(1−β₁ᵗ), v̂ = v/(1−β₂ᵗ).

    t counts the steps in which the parameter had a gradient. It is computed as w −= α_t m / (√v + ε_t), with
    α_t = α √(1−β₂ᵗ)/(1−β₁ᵗ) and ε_t = ε √(1−β₂ᵗ), which is the same. A g² too small for the dtype is 0, and ε alone divides.

    Source: D. Kingma and J. Ba, Adam: a method for stochastic optimization, ICLR 2015.
    """

    counts_steps = True
    squares = True
    settings = ("beta_1", "beta_2")

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

    def _start(self) -> dict[str, float]:
        return {"m": 0.0, "v": 0.0}

    def _formula(self) -> Formula:
        beta_1, beta_2 = self.beta_1, self.beta_2

        def adam(w: Parameter, g: Node, m: Parameter, v: Parameter, rate: Node, epsilon: Node) -> None:
            update(m, beta_1 * m + (1 - beta_1) * g)
            update(v, beta_2 * v + (1 - beta_2) * g**2)
            update(w, w - m / (sqrt(v) + epsilon) * rate)

        return adam

    def _numbers(self, step: int, rate: float) -> tuple[float, ...]:
        root = (1 - self.beta_2**step) ** 0.5
        return rate * root / (1 - self.beta_1**step), self.epsilon * root


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

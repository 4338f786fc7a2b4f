"""Apply gradients to parameters: what all optimizers share.

`step()` reads every parameter's `.grad`, writes the parameter in place, and sets `.grad` to None, so that no gradient
is ever applied twice; a parameter whose `.grad` is None keeps its value and its state.

An optimizer is its formula on nodes, which `mg.compile` compiles (`Entries`); it is the same for all entries, so the parameters are
moved into a flat buffer (`FlatStore`), and the state is kept in arrays like it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from minigrad.compiler.compiled import chosen_backend
from minigrad.models.scheduled import Schedule, value_at
from minigrad.node import Array, Node, Parameter, as_array
from minigrad.ops import absolute, maximum, sign
from minigrad.ops.control import update
from minigrad.optim.entries import Entries, Formula, Part
from minigrad.optim.flat import FlatStore, is_large
from minigrad.optim.names import checked_names
from minigrad.optim.optimizers.given import (
    Decays,
    NumberOrDict,
    checked_parameters,
    is_set,
    number_of,
    trainable,
    within,
)

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


class Numbers(NamedTuple):
    """A parameter's own in one step: α, the λ of weight decay, and the λ₁ of the proximal step."""

    rate: float
    decay: float
    l1: float


class Run(NamedTuple):
    """Neighboring parameters that have a gradient and the same numbers, in one step.

    steps: of each, how many steps it has made (a view)
    parts: their gradients and memory, block by block
    """

    entries: Entries
    steps: Array
    parts: list[Part]
    numbers: Numbers


class Optimizer:
    """What all optimizers share; a subclass gives `_start` (the state before the first step), `_formula` and `_numbers`.

    parameters:    the Parameters to train; those with trainable=False are left out, until they are trainable (`unfreeze`):
                   then they are trained from the next step on, with the state of a first step
    learning_rate: a number; a schedule, a function of the number of steps made so far (`minigrad.optim.schedules`); or a dict
                   that gives each parameter a number or schedule of its own. May be assigned between two steps
    weight_decay:  λ, a number, or a dict that gives it parameter by parameter (those left out have 0, as biases often shall). It adds
                   λ w to the gradient, the gradient of λ/2 ‖w‖² (PyTorch's weight_decay of SGD and Adam)
    decoupled:     let the decay shrink the weights beside the gradient's step instead, w ← (1 − α λ) w before it, so that no mean or
                   root of gradients sees it (AdamW; Keras's weight_decay)
    proximal_l1:   λ₁, a number or a dict like that; after each step the proximal step of λ₁ ‖w‖₁, w ← sign(w) max(|w| − α λ₁, 0),
                   which makes entries exactly 0
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
    weight_decay = NumberOrDict(0, np.inf)
    proximal_l1 = NumberOrDict(0, np.inf)

    def __init_subclass__(cls, **keywords: Any) -> None:
        """Let the constructor say what an argument is called here that came under another library's name."""
        super().__init_subclass__(**keywords)
        if "__init__" in vars(cls):
            cls.__init__ = checked_names(cls.__init__, OTHER_NAMES)  # type: ignore[method-assign]

    def __init__(
        self,
        parameters: Iterable[Parameter],
        learning_rate: Rates,
        *,
        weight_decay: Decays = 0.0,
        decoupled: bool = False,
        proximal_l1: Decays = 0.0,
        backend: str = "numpy",
    ) -> None:
        self._backend = chosen_backend(backend, type(self).__name__)
        given = checked_parameters(parameters, type(self).__name__)
        self._parameters = trainable(given, type(self).__name__)
        self._left_out = tuple([parameter for parameter in given if not parameter.trainable])
        self._order = {parameter: i for i, parameter in enumerate(given)}
        self.n_steps = 0
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.decoupled = decoupled
        self.proximal_l1 = proximal_l1
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
            store = FlatStore(sorted((p for p in parameters if p.dtype == dtype), key=is_large))
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
            self._learning_rate: Rate | dict[Parameter, Rate] = {
                p: self._checked_rate(given[p]) for p in self._order if p in given
            }
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
            return within("learning_rate", rate, 0, np.inf)
        self._now(rate)
        return rate

    def look_ahead(self) -> AbstractContextManager[None]:
        """Within this the parameters are where the gradient of the next step is to be taken: `with optimizer.look_ahead():`.

        Only for `SGD(..., nesterov="look-ahead")` that is another place than theirs.
        """
        return nullcontext()

    def rates(self) -> list[float]:
        """Compute the learning rate of each parameter in the next step; the error of a bad schedule names the step."""
        return [numbers.rate for numbers in self._numbers_of(self.parameters)]

    def _now(self, rate: Rate) -> float:
        return value_at(rate, self.n_steps, f"{type(self).__name__}(learning_rate)") if callable(rate) else rate

    def step(self) -> None:
        """Apply the gradients that are there, once."""
        parameters = self.parameters  # with those that were unfrozen
        runs = self._runs()
        if self.squares and not self._squares_fit(runs):
            self._refuse_large_squares()
        for run in runs:
            if self.counts_steps:
                run.steps[:] += 1
            numbers = self._numbers(int(run.steps[0]), run.numbers.rate)
            run.entries.update(run.parts, (*numbers, *self._numbers_beside(run.numbers)))
        self.n_steps += 1
        for parameter in parameters:
            if parameter.grad is not None:
                if parameter.trainable:
                    parameter.mark_changed()
                parameter.grad = None

    def _runs(self) -> list[Run]:
        """What the next step changes; all gradients are looked at before the first is applied."""
        given = [store.given() for store in self.stores]
        made_of = [
            *[getattr(self, name) for name in self.settings],
            is_set(self.weight_decay),
            self.decoupled,
            is_set(self.proximal_l1),
        ]
        runs = []
        for store, entries, steps, gradients in zip(self.stores, self._entries, self._steps, given, strict=True):
            store.take_in()
            if entries.made_of != made_of:
                entries.compile(self._whole_formula(), made_of)
            own = self._numbers_of(store.parameters)
            for run in store.runs(gradients, list(zip(steps.tolist(), own, strict=True))):
                parts = entries.gathered(run, gradients)
                runs.append(Run(entries, steps[run.start : run.stop], parts, own[run.start]))
        return runs

    def _numbers_of(self, parameters: Sequence[Parameter]) -> list[Numbers]:
        rate, decay, l1 = self._learning_rate, self.weight_decay, self.proximal_l1
        if not (isinstance(rate, dict) or isinstance(decay, dict) or isinstance(l1, dict)):
            return [Numbers(self._now(rate), decay, l1)] * len(parameters)
        rates = (
            [self._now(rate[p]) for p in parameters] if isinstance(rate, dict) else [self._now(rate)] * len(parameters)
        )
        return [Numbers(a, number_of(decay, p), number_of(l1, p)) for p, a in zip(parameters, rates, strict=True)]

    def _whole_formula(self) -> Formula:
        """The formula, with what stands beside it: weight decay before, the proximal step after."""
        formula, decoupled = self._formula(), self.decoupled
        decays, thresholds = is_set(self.weight_decay), is_set(self.proximal_l1)
        if not (decays or thresholds):
            return formula

        def whole(w: Parameter, g: Node, *others: Node) -> None:
            numbers = list(others)
            threshold = numbers.pop() if thresholds else None
            decay = numbers.pop() if decays else None
            if decay is not None and decoupled:
                update(w, decay * w)
            elif decay is not None:
                g = g + decay * w
            formula(w, g, *numbers)
            if threshold is not None:
                update(w, sign(w) * maximum(absolute(w) - threshold, 0))

        return whole

    def _numbers_beside(self, numbers: Numbers) -> list[float]:
        """Those of weight decay and of the proximal step, for a formula that has these."""
        rate, decay, l1 = numbers
        decays = [1 - rate * decay if self.decoupled else decay] if is_set(self.weight_decay) else []
        return [*decays, rate * l1] if is_set(self.proximal_l1) else decays

    def _squares_fit(self, runs: Sequence[Run]) -> bool:
        """Whether all squares surely fit into their dtype, added to r where they are summed: one pass tells the sum of them all."""
        with np.errstate(over="ignore", invalid="ignore"):
            for run in runs:
                for gradient, (w, *state) in run.parts:
                    squared = self._with_decay(gradient, w, run.numbers.decay)
                    taken = float(state[0].max(initial=0)) if self.sums else 0.0
                    if not np.dot(squared, squared) <= LARGEST[gradient.dtype] - taken:
                        return False
        return True

    def _with_decay(self, gradient: Array, w: Array, decay: float) -> Array:
        """What is squared: the gradient, with that of the decay where it is added."""
        return gradient if self.decoupled or decay == 0 else gradient + w.dtype.type(decay) * w

    def _refuse_large_squares(self) -> None:
        """ValueError, which names the parameter, where a square or r overflows: its rate would be 0 from then on."""
        for parameter, state in zip(self.parameters, self._views(), strict=True):
            if parameter.grad is None or not parameter.trainable:
                continue
            taken = state["r"] if self.sums else 0
            with np.errstate(over="ignore", invalid="ignore"):
                gradient = self._with_decay(parameter.grad, parameter._value, number_of(self.weight_decay, parameter))
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
        if set(arrays) != set(own) or any(_form(key, arrays[key]) != _form(key, own[key]) for key in own):
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


def _form(key: str, array: Array) -> tuple[object, ...]:
    """Its shape; and its dtype, where the array is as long as a parameter: rounded it would be another state."""
    return array.shape, array.dtype if "." in key and not key.endswith(".steps") else None


def _described(arrays: Mapping[str, Array]) -> str:
    return ", ".join(f"{key} {array.shape} {array.dtype}" for key, array in arrays.items()) or "nothing"

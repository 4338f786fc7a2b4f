"""Schedules: functions of the step 0, 1, 2, …, for learning rates, weights of penalties and lengths of sequences alike.

A schedule is any function that takes the step and gives a finite number of at least 0: one made here, or one's own,
`lambda step: 0.1 / (1 + step) ** 0.5`. Optimizers take one as learning rate, and count their steps; penalties take one as
weight, and follow the same count. A resumed training (`optimizer.load_state_dict`) goes on where the schedule was.

Some take a schedule and give one: `hold(steps, then)`, `warm_up(steps, then)`, `scaled(schedule, factor)` and `rounded(schedule, to)`.

Robbins and Monro's conditions Σ α_t = ∞ and Σ α_t² < ∞ let stochastic gradient descent reach a minimum wherever it starts, and
the noise of the batches die out. `converges` tells which schedules satisfy them: `inverse_decay`, `power_decay`, `tau_decay`. A
constant violates the second: the parameters hover around the minimum. Exponential, step-wise, linear and cosine decay violate
the first, so they come to rest after a finite way, in practice with a smaller loss at a given number of steps.

>>> import numpy as np
>>> from minigrad.models import RNN, penalties
>>> from minigrad.optim import Adam, schedules
>>> net = RNN(2, 8, 1, rng=0)
>>> optimizer = Adam(net.parameters(), schedules.warm_up(100, schedules.cosine(0.01, 2000)))
>>> penalty = penalties.Omega(schedules.linear(0.3, 0.0, 1000))
>>> length = schedules.rounded(schedules.linear(50, 200, 4000), to=10)
>>> [length(step) for step in (0, 1000, 4000)]
[50, 90, 200]

Source: H. Robbins and S. Monro, A stochastic approximation method, Annals of Mathematical Statistics 22, 1951.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from inspect import signature
from typing import Any, SupportsIndex

from minigrad.models.inputs import above_zero, not_negative
from minigrad.models.scheduled import Schedule as Function
from minigrad.models.scheduled import value_at
from minigrad.node import Parameter

__all__ = [
    "constant",
    "piecewise",
    "inverse_decay",
    "power_decay",
    "step_decay",
    "exponential_decay",
    "tau_decay",
    "linear",
    "cosine",
    "hold",
    "warm_up",
    "hold_then_linear",
    "scaled",
    "rounded",
    "converges",
    "by_fan_in",
    "parsed",
    "Schedule",
]


class Schedule:
    """A function of the step that knows how it was made: `schedule(step)`. Its repr is the call that makes it again.

    formula:   the function
    maker:     the function of this module that made it, with its arguments
    converges: whether it satisfies Robbins and Monro's conditions; None where that is not known
    """

    def __init__(
        self, formula: Function, maker: Callable[..., Schedule], *arguments: Any, converges: bool | None
    ) -> None:
        self.formula = formula
        self.maker = maker
        self.arguments = arguments
        self.converges = converges

    def __call__(self, step: int) -> float:
        """The value at a step."""
        return self.formula(step)

    def __repr__(self) -> str:
        return f"{self.maker.__name__}({', '.join(map(repr, self.arguments))})"

    def __reduce__(self) -> tuple[Any, ...]:
        return self.maker, self.arguments


# Falling -------------------------------------------------------------------------------------------------------------


def constant(value: float) -> Schedule:
    """α_t = α, which a number by itself means, too."""
    value = not_negative("constant", "value", value)
    return Schedule(lambda step: value, constant, value, converges=False)


def piecewise(values: Mapping[int, float]) -> Schedule:
    """Choose values by hand, each from its step on.

    values: by step, as {0: 0.1, 1000: 0.02}

    Errors: ValueError unless the steps are integers that begin with 0.
    """
    table = {step: not_negative("piecewise", f"values[{step!r}]", value) for step, value in values.items()}
    if not all(type(step) is int and step >= 0 for step in table) or 0 not in table:
        raise ValueError(f"piecewise({values!r}): expected values by step, integers of at least 0, one of them 0")
    steps = sorted(table, reverse=True)
    return Schedule(
        lambda step: table[next(start for start in steps if start <= step)], piecewise, dict(table), converges=False
    )


def inverse_decay(start: float, decay: float) -> Schedule:
    """α_t = α / (1 + δ t).

    start: α
    decay: δ > 0
    """
    start, decay = not_negative("inverse_decay", "start", start), above_zero("inverse_decay", "decay", decay)
    return Schedule(lambda step: start / (1 + decay * step), inverse_decay, start, decay, converges=start > 0)


def power_decay(start: float, exponent: float) -> Schedule:
    """α_t = α / max(t, 1)^δ.

    start:    α
    exponent: 1/2 < δ ≤ 1: at 1/2 the sum of the squares is infinite, above 1 the sum of the rates is finite
    """
    start, exponent = not_negative("power_decay", "start", start), above_zero("power_decay", "exponent", exponent)
    if not 0.5 < exponent <= 1:
        raise ValueError(
            f"power_decay(exponent={exponent!r}): expected 1/2 < exponent <= 1, where Σ α = ∞ and Σ α² < ∞; another power is "
            "lambda step: start / max(step, 1) ** exponent"
        )
    return Schedule(lambda step: start / max(step, 1) ** exponent, power_decay, start, exponent, converges=start > 0)


def step_decay(start: float, factor: float, every: int) -> Schedule:
    """α_t = α x^(⌊t/n⌋): times x after every n steps, which is called annealing.

    start:  α
    factor: x > 0; one above 1 grows, as a length may
    every:  n
    """
    start, factor = not_negative("step_decay", "start", start), above_zero("step_decay", "factor", factor)
    every = _steps("step_decay", "every", every)
    return Schedule(lambda step: start * factor ** (step // every), step_decay, start, factor, every, converges=False)


def exponential_decay(start: float, rate: float) -> Schedule:
    """α_t = α e^(−k t).

    start: α
    rate:  k > 0
    """
    start, rate = not_negative("exponential_decay", "start", start), above_zero("exponential_decay", "rate", rate)
    return Schedule(lambda step: start * math.exp(-rate * step), exponential_decay, start, rate, converges=False)


def tau_decay(start: float, tau: float) -> Schedule:
    """α_t = α τ / max(t, τ): constant for τ steps, then as 1/t.

    start: α
    tau:   τ > 0
    """
    start, tau = not_negative("tau_decay", "start", start), above_zero("tau_decay", "tau", tau)
    return Schedule(lambda step: start * (tau / max(step, tau)), tau_decay, start, tau, converges=start > 0)


# From one value to another -------------------------------------------------------------------------------------------


def linear(start: float, end: float, steps: int) -> Schedule:
    """α_t = α + (ω − α) min(t/n, 1): from α to ω, where it stays from step n on.

    start, end: α and ω; it may rise
    steps:      n
    """
    start, end = not_negative("linear", "start", start), not_negative("linear", "end", end)
    steps = _steps("linear", "steps", steps)

    def formula(step: int) -> float:
        share = min(step / steps, 1.0)
        return (1 - share) * start + share * end

    return Schedule(formula, linear, start, end, steps, converges=False)


def cosine(start: float, steps: int, end: float = 0.0) -> Schedule:
    """α_t = ω + (α − ω) (1 + cos(π min(t/n, 1))) / 2: from α to ω along half a cosine, slowly at both ends.

    start, end: α and ω
    steps:      n

    Source: I. Loshchilov and F. Hutter, SGDR: stochastic gradient descent with warm restarts, ICLR 2017, eq. 5.
    """
    start, end = not_negative("cosine", "start", start), not_negative("cosine", "end", end)
    steps = _steps("cosine", "steps", steps)

    def formula(step: int) -> float:
        share = (1 + math.cos(math.pi * min(step / steps, 1.0))) / 2
        return share * start + (1 - share) * end

    return Schedule(formula, cosine, start, steps, end, converges=False)


def hold_then_linear(start: float, steps: int, held: float = 0.5, end: float = 0.02) -> Schedule:
    """Hold α for the first part of n steps, then fall linearly to a part of α.

    By default the rate is held for half of the steps, and ends at 2 % of itself.

    start: α
    steps: n
    held:  the fraction of the steps, from 0 to below 1
    end:   the fraction of α that is reached at step n, and kept
    """
    start, end = not_negative("hold_then_linear", "start", start), not_negative("hold_then_linear", "end", end)
    steps = _steps("hold_then_linear", "steps", steps)
    if not 0 <= held < 1:
        raise ValueError(f"hold_then_linear(held={held!r}): expected a fraction of the steps, 0 <= held < 1")
    n_held = min(round(held * steps), steps - 1)
    formula = hold(n_held, linear(start, end * start, steps - n_held))
    return Schedule(formula, hold_then_linear, start, steps, held, end, converges=False)


# Of other schedules --------------------------------------------------------------------------------------------------


def hold(steps: int, then: Function) -> Schedule:
    """α_t = s(max(t − n, 0)): constant for the first n steps, then the schedule s from its beginning."""
    steps = _steps("hold", "steps", steps, least=0)
    _check("hold", then)
    return Schedule(lambda step: then(max(step - steps, 0)), hold, steps, then, converges=_known(then))


def warm_up(steps: int, then: Function) -> Schedule:
    """α_t = s(0) (t + 1)/n for the first n steps, then s(t − n): a linear rise, then the schedule s from its beginning.

    Source: P. Goyal et al., Accurate, large minibatch SGD: training ImageNet in 1 hour, 2017.
    """
    steps = _steps("warm_up", "steps", steps)
    _check("warm_up", then)

    def formula(step: int) -> float:
        return then(0) * ((step + 1) / steps) if step < steps else then(step - steps)

    return Schedule(formula, warm_up, steps, then, converges=_known(then))


def scaled(schedule: Function, factor: float) -> Schedule:
    """α_t = c s(t), with a factor c > 0."""
    factor = above_zero("scaled", "factor", factor)
    _check("scaled", schedule)
    return Schedule(lambda step: factor * schedule(step), scaled, schedule, factor, converges=_known(schedule))


def rounded(schedule: Function, to: int = 1) -> Schedule:
    """Round a schedule to multiples of an integer, as int: lengths. Few lengths need few compiled programs."""
    to = _steps("rounded", "to", to)
    _check("rounded", schedule)
    return Schedule(lambda step: to * round(schedule(step) / to), rounded, schedule, to, converges=None)


# What is known of them, and rates by parameter -----------------------------------------------------------------------


def converges(schedule: float | Function) -> bool:
    """Tell whether a schedule satisfies the conditions of Robbins and Monro, with which a training with noise arrives.

    They are an infinite sum of the rates α_t and a finite sum of their squares. A number is a constant, whose squares have none.

    Errors: ValueError for a function of one's own, whose sums nobody can see.
    """
    if not callable(schedule):
        return False
    known = _known(schedule)
    if known is None:
        raise ValueError(
            f"converges({schedule!r}): of a function of one's own the sums are not known, only of the schedules made here"
        )
    return known


def by_fan_in(rate: float | Function, parameters: Iterable[Parameter]) -> dict[Parameter, float | Schedule]:
    """α_W = α / √n_in for weights and kernels, α for biases and whatever else has fewer than two axes.

    rate:       α, a number or a schedule
    parameters: those of the model; n_in, the inputs of a unit, is the product of all lengths but the first

    >>> from minigrad.models import Dense
    >>> from minigrad.optim import SGD, schedules
    >>> layer = Dense(16, 8, rng=0)
    >>> SGD(layer.parameters(), schedules.by_fan_in(0.1, layer.parameters())).rates()
    [0.025, 0.1]

    Source: R. Collobert, Large scale machine learning, thesis, Université Paris VI, 2004.
    """
    if not callable(rate):
        number = not_negative("by_fan_in", "rate", rate)
        return {p: number / math.sqrt(_fan_in(p)) for p in parameters}
    return {p: scaled(rate, 1 / math.sqrt(_fan_in(p))) for p in parameters}


def parsed(text: str, **numbers: float) -> Schedule:
    """Read a schedule from text, as its repr writes it, without running it as a program.

    text:    a call of the functions above, as in "warm_up(100, cosine(rate, 0.6 * steps))"; numbers of steps are rounded, and are
             1 or more if they are above 0
    numbers: what names in the text stand for, as rate=0.01, steps=4000

    Errors: ValueError, which says what in the text cannot be.
    """
    try:
        found = _value(ast.parse(text, mode="eval").body, numbers) if len(text) <= LONGEST_TEXT else None
    except (SyntaxError, TypeError, ArithmeticError, RecursionError) as error:
        why = error.msg if isinstance(error, SyntaxError) else error
        raise ValueError(f"the schedule {text[:LONGEST_TEXT]!r} cannot be read ({why})") from None
    if not isinstance(found, Schedule):
        raise ValueError(
            f"the schedule {text[:LONGEST_TEXT]!r} cannot be read: expected a call, such as cosine(0.01, 4000), of at most "
            f"{LONGEST_TEXT} letters"
        )
    return found


def _value(node: ast.expr | None, numbers: Mapping[str, float]) -> Any:
    """Evaluate an expression of numbers, names of numbers and calls of this module's functions."""
    match node:
        case ast.Constant(int() | float() as number):
            return number
        case ast.Name(name) if name in numbers:
            return numbers[name]
        case ast.BinOp(left, sign, right) if type(sign) in SIGNS:
            return SIGNS[type(sign)](_value(left, numbers), _value(right, numbers))
        case ast.Dict(keys, values):
            return {_value(key, numbers): _value(value, numbers) for key, value in zip(keys, values, strict=True)}
        case ast.Call(ast.Name(name), arguments, keywords) if name in MAKERS:
            named = {keyword.arg or "": _value(keyword.value, numbers) for keyword in keywords}
            return _called(MAKERS[name], [_value(argument, numbers) for argument in arguments], named)
    written = ast.unparse(node) if node is not None else "**"
    raise ValueError(
        f"a schedule is made of numbers{''.join(f', {name}' for name in numbers)} and calls of {', '.join(MAKERS)}; {written} is none"
    )


def _called(maker: Callable[..., Schedule], arguments: Sequence[Any], named: Mapping[str, Any]) -> Schedule:
    """The schedule, of arguments whose floats are rounded where integers are expected."""
    taken = signature(maker)
    given = taken.bind(*arguments, **named)
    for name, value in given.arguments.items():
        if taken.parameters[name].annotation == "int" and isinstance(value, float) and math.isfinite(value):
            given.arguments[name] = round(value) if value > 1 else math.ceil(value)
    return maker(*given.args, **given.kwargs)


LONGEST_TEXT = 1000
SIGNS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
}
MAKERS: dict[str, Callable[..., Schedule]] = {
    "constant": constant,
    "piecewise": piecewise,
    "inverse_decay": inverse_decay,
    "power_decay": power_decay,
    "step_decay": step_decay,
    "exponential_decay": exponential_decay,
    "tau_decay": tau_decay,
    "linear": linear,
    "cosine": cosine,
    "hold_then_linear": hold_then_linear,
    "hold": hold,
    "warm_up": warm_up,
    "scaled": scaled,
    "rounded": rounded,
}


def _fan_in(parameter: Parameter) -> int:
    return max(math.prod(parameter.shape[1:]), 1)


def _known(schedule: Function) -> bool | None:
    return schedule.converges if isinstance(schedule, Schedule) else None


def _check(owner: str, schedule: Function) -> None:
    """TypeError for what is no function, and the error of `value_at` where its first value is bad."""
    if not callable(schedule):
        raise TypeError(f"{owner}: expected a schedule, found {schedule!r}: for a number write constant({schedule!r})")
    value_at(schedule, 0, owner)


def _steps(owner: str, name: str, given: int, least: int = 1) -> int:
    if not isinstance(given, SupportsIndex) or isinstance(given, bool) or operator.index(given) < least:
        raise ValueError(f"{owner}({name}={given!r}): expected an integer of at least {least}")
    return operator.index(given)

"""Numbers that follow a schedule: a function of the step, 0, 1, 2, …, such as those of `minigrad.optim.schedules`; and weights
of the terms of an objective, which may be such numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from numbers import Real
from typing import Any, TypeAlias

import numpy as np

from minigrad.models.inputs import not_negative
from minigrad.node import Constant, Node, Parameter

Schedule: TypeAlias = Callable[[int], float]
Weight: TypeAlias = float | Schedule | Node


def value_at(schedule: Schedule, step: int, owner: str) -> float:
    """Evaluate a schedule at a step; the error names owner and step unless it gives a finite number of at least 0."""
    try:
        found: Any = schedule(step)
        if isinstance(found, np.ndarray) and found.shape == ():
            found = found[()]
        number = float(found) if isinstance(found, Real) else None
    except Exception as error:
        raise ValueError(
            f"{owner}: the schedule fails at step {step} ({type(error).__name__}: {error}): it is called with the step alone, and "
            "the first step is 0"
        ) from error
    if number is None:
        raise TypeError(f"{owner}: the schedule gives {_shown(found)} at step {step}: expected a number")
    if not 0 <= number < inf:
        raise ValueError(f"{owner}: the schedule gives {number} at step {step}: expected a finite number of at least 0")
    return number


def _shown(found: Any) -> str:
    return "None, as without a return," if found is None else f"a {type(found).__name__}"


class Scheduled(Parameter):
    """A number that follows a schedule, as a node of shape () and float64; it is not trained.

    What is built of it, compiled or not, takes the value it has at the time: the weight of a penalty, the strength of a noise.
    `Step`, and so `fit`, moves those which the model, the loss or a penalty holds to every step; elsewhere call `move_to`.

    schedule: a function of the step that gives a finite number of at least 0
    owner:    what an error calls it
    step:     where it begins
    """

    __slots__ = ("owner", "schedule", "step")

    def __init__(self, schedule: Schedule, owner: str = "Scheduled", *, step: int = 0) -> None:
        super().__init__(np.float64(value_at(schedule, step, owner)), "weight", trainable=False)
        self.schedule = schedule
        self.owner = owner
        self.step = step

    def move_to(self, step: int) -> None:
        """Write the schedule's value at a step."""
        self.value = np.float64(value_at(self.schedule, step, self.owner))
        self.step = step

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (self.schedule, self.owner, self.step)


def _again(schedule: Schedule, owner: str, step: int) -> Scheduled:
    return Scheduled(schedule, owner, step=step)


def checked_weight(owner: str, weight: Weight, name: str = "weight") -> float | Node:
    """A number of at least 0, or a node; of a schedule the node that follows it."""
    if callable(weight) and not isinstance(weight, Node):
        return Scheduled(weight, f"{owner}({name})")
    return not_negative(owner, name, weight)


def weighted(weight: float | Node, measure: Callable[[], Node], dtype: np.dtype[Any]) -> Node:
    """weight · measure(); with weight 0 nothing is built, with weight 1 nothing is multiplied."""
    if isinstance(weight, Node):
        measured = measure()
        return weight.astype(measured.dtype) * measured
    if callable(weight):
        raise TypeError("a penalty's weight became a schedule after it was made: make it anew, Omega(weight=schedule)")
    if weight == 0:
        return Constant(np.zeros((), dtype))
    return measure() if weight == 1 else weight * measure()


def shown_weight(weight: float | Node) -> str:
    """The weight as it was given: a number, a schedule, or a node by its label."""
    if isinstance(weight, Scheduled):
        return repr(weight.schedule)
    return weight.label if isinstance(weight, Node) else f"{weight:g}"


def check_term(owner: object, term: Node) -> Node:
    """Give back what is to be added to a loss; TypeError, which names the owner, unless it is a scalar node."""
    if isinstance(term, Node) and term.size == 1:
        return term
    found = term.label if isinstance(term, Node) else f"a {type(term).__name__}"
    name = getattr(owner, "__name__", type(owner).__name__)
    raise TypeError(f"the penalty {name} gives {found}: expected a scalar node, such as (rows ** 2).sum()")

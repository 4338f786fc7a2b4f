"""The methods of the main job: backpropagation, and penalized backpropagation, each by a penalty and a weight of its own."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from minigrad.models import penalties
from minigrad.models.scheduled import value_at
from minigrad.optim.schedules import Schedule, parsed

LARGEST_WEIGHT = 1e30  # a float32 holds no 1e39, and what is multiplied by it is no number near 1


@dataclass(frozen=True)
class Kind:
    """A penalty that a method may have: how reports call it, what it is, and its weight unless another is given."""

    label: str
    text: str
    build: Callable[[Any], penalties.Penalty | penalties.WeightPenalty]
    weight: float = 0.3
    form: str = "exact"  # of the gradient, where there is a choice: through the whole backward pass, or not


PENALTIES = {
    "omega": Kind(
        "Omega",
        "squared distance from 1 of the squared ratios of neighboring adjoint norms (Pascanu, Mikolov and Bengio 2013, eq. 10)",
        penalties.Omega,
    ),
    "omega-norms": Kind(
        "Omega of norms",
        "squared distance from 1 of the ratios of neighboring adjoint norms (Pascanu, Mikolov and Bengio 2013, eq. 9)",
        penalties.OmegaNorms,
    ),
    "variance": Kind("variance", "variance over time of the adjoint norms", penalties.AdjointVariance),
    "summed-variance": Kind(
        "summed variance",
        "variance over time of the adjoint norms, summed over the time steps and not averaged",
        partial(penalties.AdjointVariance, over_time="sum"),
    ),
    "summed-variance-l1": Kind(
        "summed variance, L1",
        "variance over time of the adjoints' sums of absolute values, summed over the time steps",
        partial(penalties.AdjointVariance, over_time="sum", norm="l1"),
    ),
    "relative-variance": Kind(
        "relative variance",
        "variance over time of the adjoint norms, divided by their squared mean",
        penalties.RelativeVariance,
        weight=0.1,
    ),
    "log-ratio": Kind("log-ratio", "squared logarithm of the ratios of neighboring norms", penalties.LogRatio),
    "squared-norm": Kind("squared norm", "half the squared adjoint norms", penalties.HalfSquaredNorms),
    "first-last": Kind("first against last", "first adjoint norm against the last", penalties.FirstAgainstLast),
}
IMMEDIATE = Kind("Omega", PENALTIES["omega"].text, partial(penalties.Omega, form="immediate"), form="immediate")
BASELINES = {  # not made of adjoints: no second backpropagation
    "norm-stabilizer": Kind(
        "norm stabilizer",
        "squared differences of neighboring states' norms (Krueger and Memisevic 2016)",
        penalties.NormStabilizer,
        weight=1.0,
        form="",
    ),
    "soft-orthogonality": Kind(
        "soft orthogonality",
        "the squared distance of W'W from I (Vorontsov et al. 2017)",
        penalties.SoftOrthogonality,
        weight=0.01,
        form="",
    ),
}
METHODS = {
    "backprop": "backpropagation",
    "exact": "penalized by --penalty; the gradient runs through the whole backward pass",
    "immediate": "penalized by Omega; the gradient holds states and incoming adjoints constant (rnn only)",
}
NAMES = (*METHODS, *PENALTIES, *BASELINES)  # every penalty's name is a method, too


@dataclass(frozen=True)
class Method:
    """One method of a comparison.

    name:   of METHODS, PENALTIES or BASELINES
    kind:   its penalty; None for backpropagation
    weight: what the penalty is multiplied by, a number or a schedule
    stated: whether the weight was given with the method, and belongs to its name
    """

    name: str
    kind: Kind | None = None
    weight: float | Schedule = 0.0
    stated: bool = False

    @property
    def label(self) -> str:
        """How tables and figures call it."""
        if self.kind is None:
            return METHODS[self.name]
        more = [word for word in (self.kind.form, self.weight_in_words if self.stated else "") if word]
        return f"{self.kind.label} ({', '.join(more)})" if more else self.kind.label

    @property
    def weight_in_words(self) -> str:
        """The weight as reports write it."""
        return repr(self.weight) if callable(self.weight) else f"{self.weight:g}"

    def penalties(self) -> tuple[penalties.Penalty | penalties.WeightPenalty, ...]:
        """The penalties that a training step adds to the loss."""
        return () if self.kind is None else (self.kind.build(self.weight),)


def read_method(text: str, penalty: str, weight: float, steps: int) -> Method:
    """Read a method as the command line gives it: a name, or name=weight, where weight is a number or a schedule.

    penalty, weight: those of `exact`
    steps:           what this name stands for in a schedule

    Errors: ValueError where the weight cannot be.
    """
    name, stated, given = text.partition("=")
    if name == "backprop":
        if stated:
            raise ValueError(f"methods: {text}: backprop has no penalty, and so no weight")
        return Method(name)
    kind = {"exact": PENALTIES[penalty], "immediate": IMMEDIATE, **PENALTIES, **BASELINES}[name]
    if stated:
        return Method(name, kind, read_weight(f"methods: {text}", given, steps), stated=True)
    shared = name == "exact" or (name == "immediate" and penalty == "omega")
    return Method(name, kind, weight if shared else kind.weight)


def read_weight(owner: str, text: str, steps: int) -> float | Schedule:
    """A weight, a number or a schedule in which `steps` stands for the steps of the training; ValueError where it is neither."""
    try:
        number = float(text)
    except ValueError:
        schedule = read_schedule(owner, text, steps=steps)
        for step in (0, steps - 1):
            value_at(schedule, step, owner)
        return schedule
    if not 0 <= number <= LARGEST_WEIGHT or math.isnan(number):
        raise ValueError(f"{owner}: a weight is a number from 0 to {LARGEST_WEIGHT:g}, or a schedule")
    return number


def read_schedule(owner: str, text: str, **numbers: float) -> Schedule:
    """Read a schedule as `parsed` does; the error names its owner, the option that has it."""
    try:
        return parsed(text, **numbers)
    except ValueError as error:
        raise ValueError(f"{owner}: {error}") from None

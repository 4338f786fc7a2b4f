"""Check what optimizers are given: parameters, and numbers in a range."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from numbers import Real
from typing import Any

import numpy as np

from minigrad.models import Module
from minigrad.node import Node, Parameter

Decays = float | Mapping[Parameter, float]


class Number:
    """A setting of an optimizer, a number in [low, high): what is assigned is checked, in the constructor and later."""

    def __init__(self, low: float, high: float) -> None:
        self.low, self.high = low, high

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, optimizer: Any, owner: type | None = None) -> Any:
        return self if optimizer is None else vars(optimizer)[self.name]

    def __set__(self, optimizer: Any, given: Any) -> None:
        vars(optimizer)[self.name] = within(self.name, given, self.low, self.high)


class NumberOrDict(Number):
    """The same, or a dict of such numbers by parameters of the optimizer."""

    def __set__(self, optimizer: Any, given: Any) -> None:
        if not isinstance(given, Mapping):
            super().__set__(optimizer, given)
            return
        for parameter, number in given.items():
            if parameter not in optimizer._order:
                label = getattr(parameter, "label", repr(parameter))
                raise ValueError(
                    f"{type(optimizer).__name__}({self.name}): {label} is none of the parameters that are trained"
                )
            within(f"{self.name} of {parameter.label}", number, self.low, self.high)
        vars(optimizer)[self.name] = dict(given)


def number_of(setting: float | dict[Parameter, float], parameter: Parameter) -> float:
    """Give the parameter's number: that of all, or its own, 0 where it has none."""
    return setting.get(parameter, 0.0) if isinstance(setting, dict) else setting


def is_set(setting: float | dict[Parameter, float]) -> bool:
    """Tell whether it may be other than 0 for some parameter."""
    return isinstance(setting, dict) or setting > 0


def refuse_new_momentum(optimizer: Any, momentum: float, has_velocity: bool) -> None:
    """ValueError where a momentum was assigned to an optimizer that was made without one."""
    if momentum > 0 and not has_velocity:
        name = type(optimizer).__name__
        raise ValueError(
            f"{name}.momentum = {momentum}: it was made without momentum and so keeps no velocity: write "
            f"{name}(parameters, momentum={momentum})"
        )


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


def within(name: str, number: float, low: float, high: float) -> float:
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

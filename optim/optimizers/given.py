"""What optimizers are given: parameters, and numbers in a range."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from numbers import Real

import numpy as np

from minigrad.models import Module
from minigrad.node import Node, Parameter


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

"""Whose parameters an optimizer holds: the model's, or the loss's and the penalties' own."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

from minigrad.models import Module
from minigrad.models.module import all_paths
from minigrad.models.scheduled import Scheduled
from minigrad.node import Parameter
from minigrad.optim.optimizers import Optimizer


def check_owners(optimizer: Optimizer, model: Module, others: Iterable[Any]) -> None:
    """ValueError where the optimizer holds parameters that neither the model nor the others (loss, penalties) have."""
    kind, own = type(model).__name__, {parameter: path for path, parameter in model.named_parameters()}
    if own.keys().isdisjoint(optimizer.parameters):
        raise ValueError(
            f"the optimizer has none of the parameters of this {kind}, so nothing would be trained: make it "
            "of model.parameters()"
        )
    strange = [parameter for parameter in optimizer.parameters if parameter not in own]
    if strange:
        known = {parameter for thing in others for parameter in parameters_of(thing)}
        strange = [parameter for parameter in strange if parameter not in known]
    if strange:
        held = set(optimizer.parameters)
        missing = [path for parameter, path in own.items() if parameter.trainable and parameter not in held]
        not_held = f", and does not hold the model's {', '.join(missing)}" if missing else ""
        raise ValueError(
            f"the optimizer holds {', '.join(parameter.label for parameter in strange)}, which this {kind} has not{not_held}: a "
            "layer was replaced after the optimizer was made, or it was made of another model; make it anew, of model.parameters()"
        )


def scheduled_in(things: Iterable[Any]) -> list[Scheduled]:
    """The numbers that follow a schedule, among what the things refer to."""
    found = dict.fromkeys(parameter for thing in things for parameter in parameters_of(thing))
    return [parameter for parameter in found if isinstance(parameter, Scheduled)]


def parameters_of(thing: Any, depth: int = 3) -> Iterator[Parameter]:
    """The parameters that a loss or penalty refers to: a module's, a closure's, those among its attributes or globals."""
    yield from (parameter for _, parameter in all_paths(thing))
    if depth:
        for part in _parts(thing):
            yield from parameters_of(part, depth - 1)


def _parts(thing: Any) -> list[Any]:
    if isinstance(thing, partial):
        return [thing.func, *thing.args, *thing.keywords.values()]
    if inspect.ismethod(thing):
        return [thing.__self__, thing.__func__]
    if inspect.isfunction(thing):
        try:
            names = inspect.getclosurevars(thing)
        except ValueError:  # a variable of the closure has no value yet
            return []
        return [*names.nonlocals.values(), *names.globals.values()]
    if isinstance(thing, list | tuple):
        return list(thing)
    attributes = getattr(thing, "__dict__", {})
    return [] if inspect.ismodule(thing) or isinstance(thing, type | Module) else list(attributes.values())

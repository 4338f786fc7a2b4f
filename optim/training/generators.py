"""Find the random generators that a training draws from, and note where they are, so that it can be resumed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from types import FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from minigrad.compiler import Compiled
from minigrad.compiler.tracing.guards import cells_of, names_in
from minigrad.node import Node
from minigrad.optim.optimizers import Optimizer
from minigrad.optim.training.history import History

MOST_ENTRIES = 1000  # of a list or dict that is looked into
PASSED_OVER = (Node, np.ndarray, np.generic, str, bytes, int, float, type, ModuleType, Optimizer, History)


def generators_of(things: Iterable[Any]) -> list[np.random.Generator]:
    """List the generators that things refer to, each once, in an order that is the same in every process.

    Looked into are attributes of objects, lists, tuples and dicts of up to `MOST_ENTRIES`, and of functions what they close over, their
    defaults, and the global variables that they read.
    """
    found: list[np.random.Generator] = []
    seen: dict[int, Any] = {}
    waiting = [*things][::-1]
    while waiting:
        thing = waiting.pop()
        if thing is None or isinstance(thing, PASSED_OVER) or id(thing) in seen:
            continue
        seen[id(thing)] = thing
        if isinstance(thing, np.random.Generator):
            found.append(thing)
        else:
            waiting += _parts(thing)[::-1]
    return found


def _parts(thing: Any) -> Sequence[Any]:
    """What a thing refers to, in a fixed order."""
    if isinstance(thing, dict | list | tuple):
        parts = [*thing.values()] if isinstance(thing, dict) else [*thing]
        return parts if len(parts) <= MOST_ENTRIES else ()
    if isinstance(thing, Compiled):
        return (thing.f,)
    if isinstance(thing, partial):
        return thing.func, thing.args, thing.keywords
    if isinstance(thing, MethodType):
        return thing.__self__, thing.__func__
    if isinstance(thing, FunctionType):
        if (thing.__module__ or "").partition(".")[0] in ("minigrad", "numpy"):
            return cells_of(thing)
        names = [name for name in sorted(names_in(thing.__code__)) if name in thing.__globals__]
        return *cells_of(thing), thing.__defaults__, thing.__kwdefaults__, *[thing.__globals__[name] for name in names]
    if type(thing).__module__.partition(".")[0] in ("builtins", "numpy"):
        return ()
    return [*vars(thing).values()] if hasattr(thing, "__dict__") else ()


def positions(generators: Iterable[np.random.Generator]) -> list[Any]:
    """Note where the generators are: the state of each."""
    return [generator.bit_generator.state for generator in generators]


def move_to(generators: Sequence[np.random.Generator], states: Sequence[Any]) -> None:
    """Put the generators where they were; ValueError, and no change, where others were noted."""
    if len(states) != len(generators):
        raise ValueError(f"{len(states)} random generators were noted, and there are {len(generators)}")
    for generator, state in zip(generators, states, strict=True):
        kind = type(generator.bit_generator)
        try:
            kind().state = state
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError(f"the state of a random generator {kind.__name__} does not fit: {error}") from None
    for generator, state in zip(generators, states, strict=True):
        generator.bit_generator.state = state

"""Recipes: what the fprop of an operation does, as steps. It is run on recorders instead of arrays; what cannot be recorded (a
loop that writes in place, a check of values) stays one step that calls it; some operations have a recipe of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from itertools import count
from operator import add
from typing import Any

import numpy as np

from minigrad.compiler.helpers import placed, where
from minigrad.compiler.indices import Entries, plain_index
from minigrad.compiler.ir import FRESH, INTO, WHERE, Draw, Join, Opaque, Place, Slot, Take
from minigrad.compiler.lines import Line
from minigrad.compiler.names import word_for
from minigrad.compiler.tracing.recorder import Recipe, Recorder, Step, Tape, bound
from minigrad.node import Array
from minigrad.ops.arithmetic import Where
from minigrad.ops.base import AddN, Operation
from minigrad.ops.indexing import ONCE, GetItem, Scatter, is_slot, scatter_into
from minigrad.ops.linear_algebra import SumOfProducts
from minigrad.ops.random import RandomNormal, RandomUniform


def recipe_of(node: Operation, arrays: Sequence[Array], names: dict[str, Any]) -> Recipe:
    """What the node's fprop does with arrays like these."""
    writer = _WRITERS.get(type(node))
    recipe = writer(node, arrays, names) if writer else None
    if recipe is None and node.pure:
        recipe = _recorded(node, arrays, names)
    return _called(node, names) if recipe is None else recipe


def _recorded(node: Operation, arrays: Sequence[Array], names: dict[str, Any]) -> Recipe | None:
    """The steps of fprop run on recorders, or None if it does what they cannot follow."""
    tape = Tape(names)
    recorders = [Recorder(array, tape, i) for i, array in enumerate(arrays)]
    try:
        with np.errstate(all="ignore"):
            result = node.fprop(*recorders, **node.attributes)
    except Exception:  # whatever it is: then fprop is called as it stands
        return None
    if not isinstance(result, Recorder):
        return None
    value = np.asarray(result.array)
    if value.dtype != node.dtype or value.shape != node.shape:
        return None
    rewritten = any(getattr(child, "renewed", 0) > node.number for child in node.children)  # a state, updated since
    if not rewritten and not np.array_equal(value, node._value, equal_nan=value.dtype.kind == "f"):
        return None
    return Recipe(tape.steps, result.index)


def _called(node: Operation, names: dict[str, Any]) -> Recipe:
    """One line that calls fprop itself."""
    twin = object.__new__(type(node))  # fprop's self, without the graph
    twin.children, twin.attributes, twin.name, twin.context, twin.number = (), node.attributes, "", node.context, 0
    attributes = node.attributes
    if len(node.children) == 1 and node._value is node.children[0]._value:
        return _one_call(INTO, node, _check(twin.fprop, attributes), names)

    def call(*arrays: Any) -> Array:
        value = np.asarray(twin.fprop(*arrays, **attributes))
        return value.copy() if any(np.may_share_memory(value, array) for array in arrays) else value

    return _one_call(FRESH, node, call, names)


def _check(fprop: Callable[..., Array], attributes: dict[str, Any]) -> Callable[..., Array]:
    """An fprop that gives back what it is given, if it does not raise: in other memory."""

    def call(x: Any, out: Any = None) -> Any:
        value = fprop(x, **attributes)
        if out is None:
            return value.copy()
        out[...] = value
        return out

    return call


def _one_call(kind: str, node: Operation, call: Callable[..., Array], names: dict[str, Any]) -> Recipe:
    call.__doc__ = f"{type(node).__name__}.fprop, called as it stands"
    name = bound(f"fprop_{word_for(type(node))}", call, names)
    step = Step(Opaque(name, kind, node.pure), tuple(range(len(node.children))), node.shape, node.dtype)
    return Recipe([step], -1)


# Operations with a recipe of their own -------------------------------------------------------------------------------


def _draw(method: str) -> Callable[..., Recipe]:
    def write(node: Any, arrays: Sequence[Array], names: dict[str, Any]) -> Recipe:
        rng = bound("rng", node.rng, names)
        dtype = bound(node.dtype_to.name, node.dtype_to.type, names)
        return Recipe([Step(Draw(rng, method, node.shape_to, dtype), (), node.shape, node.dtype)], -1)

    return write


def _taken(node: Any, arrays: Sequence[Array], names: dict[str, Any]) -> Recipe | None:
    """x[index] with index arrays among the children."""
    if len(arrays) == 1:
        return None
    slots = map(Slot, count(1))
    op = Take(Entries(next(slots) if is_slot(entry) else entry for entry in node.index))
    return Recipe([Step(op, tuple(range(len(arrays))), node.shape, node.dtype)], -1)


def _scattered(node: Any, arrays: Sequence[Array], names: dict[str, Any]) -> Recipe:
    """A Scatter whose parts fill the array and do not overlap has nothing to add up; nor has one of a single part."""
    if not _tile(node, arrays):
        return _placed(node, arrays, names) or _added_up(node, names)
    places = [plain_index(index, node.shape) for index in node.places]
    if all(len(index) == 1 and type(index[0]) is int for index in places):
        names["stack"] = np.stack
        rows = sorted(range(len(arrays)), key=lambda i: places[i][0])
        return Recipe([Step(Join.stack(len(rows)), tuple(rows), node.shape, node.dtype)], -1)
    axis = _joint(places)
    if axis is None or sum(array.shape[axis] for array in arrays) != node.shape[axis]:  # of nothing, parts may overlap
        called = _called(node, names).steps[0].op.word
        return Recipe([Step(Join(called, 0, Entries(places)), tuple(range(len(arrays))), node.shape, node.dtype)], -1)
    names["concatenate"] = np.concatenate
    return Recipe(
        [Step(Join("concatenate", axis, Entries(places)), tuple(range(len(arrays))), node.shape, node.dtype)], -1
    )


def _placed(node: Any, arrays: Sequence[Array], names: dict[str, Any]) -> Recipe | None:
    """One part, each entry in a place of its own."""
    if node.places != ((ONCE,) * (len(arrays) - 1),):
        return None
    names["placed"] = placed
    return Recipe([Step(Place(node.shape), tuple(range(len(arrays))), node.shape, node.dtype)], -1)


def _added_up(node: Any, names: dict[str, Any]) -> Recipe:
    """Parts whose places may meet."""
    shape, dtype, places = node.shape, node.dtype, node.places  # and not the node, which the program would keep

    def call(*arrays: Any, out: Any = None) -> Any:
        out = np.empty(shape, dtype) if out is None else out
        scatter_into(out, arrays, places)
        return out

    return _one_call(INTO, node, call, names)


def _tile(node: Any, arrays: Sequence[Array]) -> bool:
    if len(arrays) != len(node.places) or any(array.dtype != node.dtype for array in arrays):
        return False
    covered = np.zeros(node.shape, np.int8)
    for index, array in zip(node.places, arrays, strict=True):
        covered[index] += 1
        if covered[index].shape != array.shape:
            return False
    return bool((covered == 1).all())


def _joint(places: Sequence[Any]) -> int | None:
    """The axis along which parts that fill an array lie one after the other; None where it takes several."""
    entries = [entry for index in places for entry in index]
    if len({len(index) for index in places}) > 1 or any(
        type(entry) is not slice or entry.step not in (None, 1) for entry in entries
    ):
        return None
    moving = [axis for axis, along in enumerate(zip(*places, strict=True)) if any(part != along[0] for part in along)]
    return moving[0] if len(moving) == 1 else None


def in_time(children: Sequence[Line]) -> list[int]:
    """The factors of a sum of products in the order of time, which other stacks of them have too."""
    n = len(children) // 2
    order = sorted(range(n), key=lambda i: (children[i].origin.step, children[i].number))
    return [*order, *[n + i for i in order]]


def _products(node: Any, arrays: Sequence[Array], names: dict[str, Any]) -> Recipe:
    """Σ A_i' B_i: both stacked, one product."""
    n = len(arrays) // 2
    tape = Tape(names)
    recorders = [Recorder(array, tape, i) for i, array in enumerate(arrays)]
    halves = []
    for half in (recorders[:n], recorders[n:]):
        if len({part.shape for part in half}) == 1:
            halves.append(np.stack(half).reshape(n * half[0].shape[0], half[0].shape[1]))
        else:
            halves.append(np.concatenate(half))
    result = halves[0].T @ halves[1]
    return Recipe(tape.steps, result.index)


def _choice(node: Any, arrays: Sequence[Array], names: dict[str, Any]) -> Recipe:
    names["where"] = where
    return Recipe([Step(WHERE, (0, 1, 2), node.shape, node.dtype)], -1)


def _total(node: Any, arrays: Sequence[Array], names: dict[str, Any]) -> Recipe:
    """Σ x_i, from left to right."""
    tape = Tape(names)
    recorders: list[Any] = [Recorder(array, tape, i) for i, array in enumerate(arrays)]
    total = reduce(add, recorders)
    return Recipe(tape.steps, total.index)


_WRITERS: dict[type[Operation], Callable[..., Recipe | None]] = {
    RandomUniform: _draw("random"),
    RandomNormal: _draw("standard_normal"),
    AddN: _total,
    GetItem: _taken,
    Where: _choice,
    Scatter: _scattered,
    SumOfProducts: _products,
}

"""Derive the recipe of an operation, the calls of NumPy its fprop makes, by running fprop on recorders.

Where recording fails (fprop writes in place, or checks values), the recipe is one call of fprop itself; some operations have
recipes written here.
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
from minigrad.compiler.ir import FRESH, INTO, MATMUL, TRANSPOSED, WHERE, Draw, Join, Opaque, Place, Reshape, Slot, Take
from minigrad.compiler.lines import Line, NotContracted
from minigrad.compiler.names import word_for
from minigrad.compiler.tracing.recorder import Recipe, Recorder, Step, Tape, bound
from minigrad.node import Array, Node
from minigrad.ops.arithmetic import Where
from minigrad.ops.base import AddN, Operation
from minigrad.ops.indexing import ONCE, GetItem, Scatter, is_slot, scatter_into
from minigrad.ops.linear_algebra import SumOfProducts
from minigrad.ops.random import RandomNormal, RandomUniform
from minigrad.ops.shaping import Stack


def recipe_of(node: Operation, arrays: Sequence[Array], names: dict[str, Any]) -> Recipe:
    """Derive the recipe of a node's fprop for arrays of these shapes and dtypes."""
    writer = _WRITERS.get(type(node))
    recipe = writer(node, arrays, names) if writer else None
    if recipe is None and node.pure:
        recipe = _recorded(node, arrays, names)
    return _called(node, names) if recipe is None else recipe


def _recorded(node: Operation, arrays: Sequence[Array], names: dict[str, Any]) -> Recipe | None:
    """Run fprop on recorders, and give its steps; None if recorders cannot follow it."""
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
    """Make a recipe of one step, which calls fprop itself."""
    twin = object.__new__(type(node))  # fprop's self, without the graph
    twin.children, twin.attributes, twin.name, twin.context, twin.number = (), node.attributes, "", node.context, 0
    attributes = node.attributes
    if len(node.children) == 1 and node._value is node.children[0]._value:
        return _one_call(INTO, node, _checking(twin.fprop, attributes), names)

    def call(*arrays: Any) -> Array:
        value = np.asarray(twin.fprop(*arrays, **attributes))
        return value.copy() if any(np.may_share_memory(value, array) for array in arrays) else value

    return _one_call(FRESH, node, call, names)


def _checking(fprop: Callable[..., Array], attributes: dict[str, Any]) -> Callable[..., Array]:
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
        return Recipe([Step(Join.stack(range(len(rows))), tuple(rows), node.shape, node.dtype)], -1)
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
    """Find the axis along which parts that fill an array follow each other; None where they follow along several."""
    entries = [entry for index in places for entry in index]
    if len({len(index) for index in places}) > 1 or any(
        type(entry) is not slice or entry.step not in (None, 1) for entry in entries
    ):
        return None
    moving = [axis for axis, along in enumerate(zip(*places, strict=True)) if any(part != along[0] for part in along)]
    return moving[0] if len(moving) == 1 else None


def in_time(children: Sequence[Line]) -> list[int]:
    """Sort the factors of a sum of products by time, as other stacks of the same factors are."""
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


# Operations that read all rounds of a loop, the middle ones left out -------------------------------------------------


def recipe_of_parts(
    node: Operation, parts: Sequence[int], time: Callable[[Node], tuple[int, ...]], names: dict[str, Any]
) -> Recipe:
    """Make the recipe of a node that reads all rounds of a loop, for the children that are left. parts: their numbers among all"""
    if any(child.dtype != node.dtype for child in node.children):
        raise NotContracted(f"{node.label} joins several dtypes")
    if type(node) is SumOfProducts:
        return _products_of_parts(node, parts, time, names)
    op, order = _join_of_parts(node, parts)
    names[op.function] = getattr(np, op.function)
    return Recipe([Step(op, tuple(order), node.shape, node.dtype)], -1)


def _join_of_parts(node: Any, parts: Sequence[int]) -> tuple[Join, Sequence[int]]:
    """The places of the parts in the whole, and the parts in an order for it."""
    if type(node) is Scatter:
        if not _tile(node, [child._value for child in node.children]):
            raise NotContracted(f"{node.label} does not fill its array")
        places = [plain_index(node.places[i], node.shape) for i in parts]
        if all(len(index) == 1 and type(index[0]) is int for index in places):
            order = sorted(range(len(parts)), key=lambda i: places[i][0])
            return Join.stack([places[i][0] for i in order]), order
        axis = _joint(places)
        if axis is None:
            raise NotContracted(f"{node.label} has parts along several axes")
        return Join("concatenate", axis, Entries(places)), range(len(parts))
    axis = node.axis % node.ndim
    head = (slice(None),) * axis
    if type(node) is Stack:
        return Join("stack", axis, Entries([(*head, i) for i in parts])), range(len(parts))
    ends = np.cumsum([0, *[child.shape[axis] for child in node.children]]).tolist()
    places = [(*head, slice(ends[i], ends[i + 1])) for i in parts]
    return Join("concatenate", axis, Entries(places)), range(len(parts))


def _products_of_parts(
    node: Operation, parts: Sequence[int], time: Callable[[Node], tuple[int, ...]], names: dict[str, Any]
) -> Recipe:
    """Σ A_i' B_i as one product of the stacked factors, which are in the order of time."""
    n = len(node.children) // 2
    order = sorted(range(n), key=lambda i: (time(node.children[i]), node.children[i].number))
    steps: list[Step] = []
    factors = []
    for first in (0, n):
        children = [node.children[first + i] for i in order]
        kept = [(row, parts.index(first + i)) for row, i in enumerate(order) if first + i in parts]
        if len({child.shape for child in children}) > 1:
            raise NotContracted(f"{node.label} has factors of several shapes")
        names["stack"] = np.stack
        shape, rows = children[0].shape, n * children[0].shape[0]
        steps.append(Step(Join.stack([row for row, _ in kept]), tuple([i for _, i in kept]), (n, *shape), node.dtype))
        steps.append(Step(Reshape((rows, shape[1])), (-len(steps),), (rows, shape[1]), node.dtype))
        factors.append((-len(steps), rows, shape[1]))
    (a, rows, k), (b, _, m) = factors
    steps.append(Step(TRANSPOSED, (a,), (k, rows), node.dtype))
    steps.append(Step(MATMUL, (-len(steps), b), (k, m), node.dtype))
    return Recipe(steps, -len(steps))


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

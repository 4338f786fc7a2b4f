"""Find what an operation does beside its mathematics: it keeps state, draws in secret, writes in bprop, mixes entries.

Differences see none of this at a single point. Here one operation of each class is called twice on the same arrays and once
on others, and what it gives is compared. (An fprop that writes into its inputs is refused by the engine itself.)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from minigrad.errors import where
from minigrad.graph import ancestry
from minigrad.node import Array, Constant, Node
from minigrad.ops.base import Operation

MUTABLE = (np.ndarray, list, dict, set, bytearray, Node)


def breach(outputs: Iterable[Node]) -> str:
    """The first breach among the operations the outputs are made of, one of each class; "" where there is none."""
    seen: set[type[Node]] = set()
    for node in ancestry(outputs):
        if isinstance(node, Operation) and type(node) not in seen:
            seen.add(type(node))
            for found in (*_of_attributes(node), *_of_fprop(node), *_of_bprop(node)):
                return f"the operation {where(node)} is not to be relied on: {found}"
    return ""


def _of_attributes(node: Operation) -> Iterator[str]:
    for name, value in node.attributes.items():
        if isinstance(value, MUTABLE):
            yield (
                f"its attribute {name} is of type {type(value).__name__}, which may change after the node was made: what may "
                "change is a child, what stays a tuple or a number"
            )


# fprop -------------------------------------------------------------------------------------------------------------


def _of_fprop(node: Operation) -> Iterator[str]:
    if not node.pure or not node.children:
        return
    arrays = [child._value for child in node.children]
    floats = {array.dtype for array in arrays if array.dtype.kind == "f"}
    if (
        node.dtype.kind == "f"
        and floats
        and node.dtype not in floats
        and not any(isinstance(value, np.dtype) for value in node.attributes.values())
    ):
        yield (
            f"its fprop gives {node.dtype} for arrays of {', '.join(sorted(map(str, floats)))}: numbers in it are Python's, and "
            "arrays keep their dtype"
        )
        return
    first = _called(node, arrays)
    kept = np.array(first)
    if not _same(_called(node, arrays), kept):
        yield (
            "its fprop gives another value for the same arrays: it keeps state or draws at random. What it depends on is a "
            "child; an operation that draws takes its Generator as an attribute and says pure = False"
        )
        return
    try:
        _called(node, [_moved(array, np.ones(array.shape, bool)) for array in arrays])
    except Exception:  # outside its domain
        return
    if not _same(first, kept):
        yield "its fprop gives an array that it keeps and writes into in the next call: make a new array"
    if node.elementwise and _mixes(node, arrays, kept):
        yield (
            "it is declared Elementwise, but entries of its value depend on other entries: derive it from Operation, since "
            "masks travel through elementwise operations entry by entry"
        )


def _called(node: Operation, arrays: Sequence[Array]) -> Array:
    """The value of fprop on read-only copies."""
    copies = [np.array(array) for array in arrays]
    for copy in copies:
        copy.flags.writeable = False
    with np.errstate(all="ignore"):
        return np.asarray(node.fprop(*copies, **node.attributes))


def _moved(array: Array, chosen: Array) -> Array:
    """The array with the chosen entries changed a little; integers and booleans stay."""
    if array.dtype.kind != "f":
        return array
    factors = np.random.default_rng(1).uniform(1e-4, 1e-3, array.shape)
    return np.where(chosen, array + factors * np.maximum(np.abs(array), 1e-3), array)


def _mixes(node: Operation, arrays: Sequence[Array], value: Array) -> bool:
    """Whether entries of the value change where none of the entries they are made of does."""
    shape = np.broadcast_shapes(*[array.shape for array in arrays])
    if value.shape != shape:
        return True
    rng = np.random.default_rng(2)
    chosen = [rng.random(array.shape) < 0.5 for array in arrays]
    touched = np.zeros(shape, bool)
    for each in chosen:
        touched |= each
    try:
        changed = _called(node, [_moved(array, each) for array, each in zip(arrays, chosen, strict=True)])
    except Exception:  # outside its domain
        return False
    apart = np.abs(changed[~touched].astype(float) - value[~touched].astype(float))
    return bool((apart > 1e-9 * np.abs(value[~touched]).max(initial=0)).any())


# bprop -------------------------------------------------------------------------------------------------------------


def _of_bprop(node: Operation) -> Iterator[str]:
    if node.checked != "differences" or node.dtype.kind != "f" or all(x.dtype.kind != "f" for x in node.children):
        return
    adjoint = Constant(np.random.default_rng(3).uniform(0.5, 1.5, node.shape).astype(node.dtype))
    around = [adjoint, node, *node.children]
    before = [np.array(each._value) for each in around]
    try:
        first, second = _entries(node, adjoint), _entries(node, adjoint)
    except Exception:  # the engine names what is wrong when it differentiates
        return
    if not all(_same(each._value, array) for each, array in zip(around, before, strict=True)):
        yield "its bprop writes into an array: it works on nodes, which do not change"
    for child, one, other in zip(node.children, first, second, strict=False):
        if not (isinstance(one, Node) and isinstance(other, Node) and child.dtype.kind == "f"):
            continue
        if not _same(one._value, other._value):
            yield "its bprop gives another adjoint when it is called again: it keeps state or draws at random"
        if one.dtype != child.dtype == node.dtype:
            yield (
                f"its bprop gives an adjoint of {one.dtype} for {child.label} of {child.dtype}, which loses digits: numbers in "
                "a rule are Python's, and nodes keep their dtype"
            )


def _entries(node: Operation, adjoint: Node) -> list[Any]:
    with np.errstate(all="ignore"):
        given: Any = node.bprop(adjoint)
        entries = given if isinstance(given, tuple | list) else [given]
        return [entry() if callable(entry) else entry for entry in entries]


def _same(a: Array, b: Array) -> bool:
    return a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")

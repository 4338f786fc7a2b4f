"""Compare two traced graphs, to tell whether a program of the one is a program of the other.

A `Skeleton` is a traced graph without the arrays it was computed on: operations with their attributes, edges, constants,
arguments, parameters, generators, the form of the result, and which states are written when. Two skeletons are equal exactly if
any program of the one graph is a program of the other. Values are never compared, since rounding differs between a program and
its nodes, and a function may amplify it without limit.
"""

from __future__ import annotations

from array import array
from bisect import bisect
from collections.abc import Iterator
from functools import partial
from hashlib import blake2b
from itertools import repeat
from types import BuiltinMethodType, FunctionType, MethodType
from typing import Any

import numpy as np

from minigrad.compiler.tracing.guards import cells_of, in_slots
from minigrad.compiler.tracing.tracer import PLACE, Traced, filled, is_read_in_place
from minigrad.node import Leaf, Node

MOST_BYTES_KEPT = 64  # bytes of an array that are kept as they are; of larger ones a digest is
THEMSELVES = (int, str, bytes, type(None), type(Ellipsis))  # equal only to what is the same


class Skeleton:
    """A traced graph without its values, in about 12 bytes per operation.

    Operations are numbered in the order of their births. Leaves are numbered −1, −2, ... in the order in which operations read
    them, since a leaf may be older than the trace: a number that is shared, a constant that a module keeps.

    kinds:   the different operations, each a class with its attributes;  kind_of: of each operation, its place in kinds
    edges:   the numbers of all operations' children in a row
    leaves:  arguments by name, constants by value, parameters and inputs from elsewhere by identity
    results: the form of the result, the numbers of its nodes; of every update the state, the new value, and how many
             operations were born before it
    """

    __slots__ = ("edges", "kind_of", "kinds", "leaves", "results")

    def __init__(self, traced: Traced) -> None:
        arguments: dict[Node, str] = {node: name for name, node in traced.inputs.items()}
        numbers: dict[Node, int] = {}
        leaves: list[Any] = []
        kinds: dict[Any, int] = {}
        births: list[int] = []
        classes: dict[type, OfClass] = {}
        self.kind_of, self.edges = array("i"), array("i")

        def number(node: Node) -> int:
            found = numbers.get(node)
            if found is None:  # a leaf, read for the first time
                leaves.append(_leaf_key(node, arguments.get(node), traced.start))
                found = numbers[node] = -len(leaves)
            return found

        for node in traced.nodes:
            if not isinstance(node, Leaf):
                attributes = tuple([(name, key_of(value)) for name, value in node.attributes.items()])
                of = classes.get(type(node)) or classes.setdefault(type(node), OfClass(type(node)))
                key = of, len(node.children), attributes
                self.kind_of.append(kinds.setdefault(key, len(kinds)))
                self.edges.extend([number(child) for child in node.children])
                numbers[node] = len(births)
                births.append(node.number)
        form = filled(traced.result, repeat(PLACE))
        written = [(ByIdentity(state), number(node), bisect(births, at)) for state, node, at in traced.updates]
        self.results = form, [number(node) for node in traced.outputs], written
        self.kinds, self.leaves = list(kinds), leaves

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Skeleton) and (
            self.kind_of == other.kind_of
            and self.edges == other.edges
            and self.leaves == other.leaves
            and self.results == other.results
            and self.kinds == other.kinds
        )

    __hash__ = None  # type: ignore[assignment]

    def operations(self) -> Iterator[tuple[Any, tuple[Any, ...]]]:
        """Of every operation its kind, and of its children the number of an operation or the key of a leaf."""
        at = 0
        for kind in self.kind_of:
            key = self.kinds[kind]
            children = self.edges[at : at + key[1]]
            at += key[1]
            yield key, tuple([child if child >= 0 else self.leaves[-1 - child] for child in children])


def difference(old: Skeleton, new: Skeleton, traced: Traced) -> str:
    """The first thing that the new graph, which `traced` is, does otherwise than the old one; "" where they are the same."""
    if old == new:
        return ""
    nodes = [node for node in traced.nodes if not isinstance(node, Leaf)]
    were = old.operations()
    for i, (node, (kind, children)) in enumerate(zip(nodes, new.operations(), strict=True)):
        what = _change(next(were, None), kind, children)
        if what:
            scope = f" in scope {node.scope}" if node.scope else ""
            return f"{node.label}{scope} (number {i}): {what}"
    if len(old.kind_of) > len(nodes):
        return f"how many operations it has ({len(nodes)}, and {len(old.kind_of)} before)"
    return "which nodes it returns, or which states it writes"


def _change(was: tuple[Any, tuple[Any, ...]] | None, kind: Any, children: tuple[Any, ...]) -> str:
    """What an operation does otherwise than the one in its place did; "" where it is the same."""
    if was is None:
        return "it is new"
    if was == (kind, children):
        return ""
    (class_was, n_was, attributes_were), children_were = was
    if class_was != kind[0]:
        return f"{class_was.thing.__name__} stood in its place"
    if attributes_were != kind[2]:
        before = {key for key, _ in zip(attributes_were, kind[2], strict=False)}
        names = [name for (name, value) in kind[2] if (name, value) not in before]
        return f"its attribute{'s' if len(names) > 1 else ''} {', '.join(names) or 'set'} changed"
    if n_was != kind[1]:
        return f"it has {kind[1]} children, and had {n_was}"
    places = [i for i, (one, other) in enumerate(zip(children_were, children, strict=True)) if one != other]
    constant = all(isinstance(x, tuple) and x[0] == "constant" for x in (children_were[places[0]], children[places[0]]))
    return f"its input {places[0]} is another {'constant' if constant else 'node'}"


def _leaf_key(node: Node, argument: str | None, start: int) -> Any:
    if argument is not None:
        return "argument", argument
    if is_read_in_place(node, start):
        return "read", ByIdentity(node)
    return "constant", array_key(node._value)


# Things as keys ----------------------------------------------------------------------------------------------------


class ByIdentity:
    """A key for one object, which it keeps alive, so that its id stays its own."""

    __slots__ = ("thing",)

    def __init__(self, thing: Any) -> None:
        self.thing = thing

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.thing is self.thing

    def __hash__(self) -> int:
        return id(self.thing)


class OfClass(ByIdentity):
    """A key for a class: equal too for one that was made anew of the same functions, as a class defined within f is."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        if type(other) is not OfClass:
            return False
        one, another = self.thing, other.thing
        if one is another or one.__qualname__ != another.__qualname__ or one.__bases__ != another.__bases__:
            return one is another
        return bool(_functions_of(one) == _functions_of(another))

    def __hash__(self) -> int:
        return hash(self.thing.__qualname__)


class SameOrAlike(ByIdentity):
    """A key for a container that a function refers to: equal for the container itself, and for one that holds the same."""

    __slots__ = ("held",)

    def __init__(self, thing: Any, held: Any) -> None:
        super().__init__(thing)
        self.held = held

    def __eq__(self, other: object) -> bool:
        return type(other) is SameOrAlike and (other.thing is self.thing or other.held == self.held)

    def __hash__(self) -> int:
        return hash(type(self.thing))


def array_key(values: np.ndarray) -> Any:
    """What an array holds, to the last bit: −0.0 is not 0.0, and a nan is itself."""
    held = values.tobytes()
    return (
        values.dtype.str,
        values.shape,
        held if len(held) <= MOST_BYTES_KEPT else blake2b(held, digest_size=16).digest(),
    )


def key_of(value: Any, inside: tuple[int, ...] = ()) -> Any:
    """A key for an attribute: what it holds, for numbers, arrays, containers, functions and users' objects; else which it is.

    inside: the ids of what it is a part of, which may be a part of it in turn
    """
    kind = type(value)
    if kind in THEMSELVES:
        return value
    if kind is bool or isinstance(value, np.dtype):
        return kind, value  # which would be equal to 1, or to "float64"
    if kind in (float, complex, slice, range):
        return kind, repr(value)  # −0.0 and nan
    if isinstance(value, np.ndarray | np.generic) and not value.dtype.hasobject:
        return kind, array_key(np.asarray(value))
    if id(value) in inside:
        return "around", inside.index(id(value))
    if isinstance(value, type):
        return OfClass(value)
    within = (*inside, id(value))
    if isinstance(value, list | tuple):
        return kind, tuple([key_of(part, within) for part in value])
    if isinstance(value, set | frozenset):
        return kind, frozenset([key_of(part, within) for part in value])
    if isinstance(value, dict):
        return kind, tuple([(key_of(name, within), key_of(part, within)) for name, part in value.items()])
    if isinstance(value, FunctionType):
        cells = tuple([_cell_key(cell, within) for cell in cells_of(value)])
        defaults = key_of((value.__defaults__, value.__kwdefaults__), within)
        return value.__code__, ByIdentity(value.__globals__), cells, defaults
    if isinstance(value, MethodType | BuiltinMethodType):
        return value.__name__, ByIdentity(value.__self__)
    if isinstance(value, partial):
        return kind, tuple([key_of(part, within) for part in (value.func, value.args, value.keywords)])
    held = {**getattr(value, "__dict__", {}), **in_slots(value)}
    if inside or callable(value) or isinstance(value, Node) or not held:
        return ByIdentity(value)
    return OfClass(kind), key_of(held, within)


def _cell_key(value: Any, inside: tuple[int, ...]) -> Any:
    """A key for what a function refers to. A container may be a log that the function writes to: it is itself, however full."""
    key = key_of(value, inside)
    return SameOrAlike(value, key) if isinstance(value, list | dict | set) else key


def _functions_of(kind: type) -> Any:
    """The functions of a class, and how its operations are marked."""
    found = {}
    for name, value in vars(kind).items():
        function = value.__func__ if isinstance(value, staticmethod | classmethod) else value
        if isinstance(function, FunctionType | bool | int | float | str) and name != "__init__":
            found[name] = key_of(function, (id(kind),))
    return found

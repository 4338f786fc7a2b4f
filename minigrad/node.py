"""What a node of the flow graph is: its children, its value, its name, and where it was born.

A graph is built by running it once on real arrays: every node holds its value from birth. Edges lead from a node to its
children (its inputs) only, and a child is always older than its parents: sorting by birth number puts children first.
"""

from __future__ import annotations

import itertools
import sys
import weakref
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np
from numpy import ndarray

from minigrad.context import NOWHERE, Context, current, leaving
from minigrad.errors import unfit
from minigrad.operators import Operators

if TYPE_CHECKING:
    import numpy.typing as npt

    from minigrad.operators import Operand

Array = ndarray[tuple[Any, ...], np.dtype[Any]]
NO_ATTRIBUTES: dict[str, Any] = {}
DTYPES = frozenset(map(np.dtype, "fd?bBhHiIlLqQ"))  # of nodes: two floating ones, booleans, integers of all sizes
next_number = itertools.count().__next__
latest_change = [0]  # when any value was last written to: graphs born later need no closer look
given_away: list[weakref.ref[Parameter]] = []  # parameters whose arrays somebody may write into


class Node(Operators):
    """A box of the flow graph. Two methods say all about it: `fprop` (arrays in, array out) and `bprop` (nodes).

    children:   the nodes it is computed from, in the order fprop takes their values
    attributes: fprop's keyword arguments, which never change
    number:     counts births, so children have smaller numbers than their parents
    renewed:    when its value was written last (in the same count), if that was after its birth
    context:    the scope it was born in and, in an adjoint, the number of the node whose adjoint it computes
    """

    __slots__ = ("__weakref__", "_value", "attributes", "children", "context", "name", "number", "renewed")

    children: tuple[Node, ...]
    attributes: dict[str, Any]
    number: int
    renewed: int
    context: Context
    name: str
    _value: Array

    @property
    def value(self) -> Array:
        """The array this node holds, to be read: the way out of the graph."""
        leaving(self, ".value")
        if not self._value.flags.writeable:
            return self._value
        array = self._value.view()
        array.flags.writeable = False  # what is computed from it, gradients too, relies on it
        return array

    @value.setter
    def value(self, array: npt.ArrayLike) -> None:
        raise AttributeError(
            f"{self.label}: only a Parameter's value can be set; for other values of an Input, Graph(y).fprop({{x: array}})"
        )

    @property
    def shape(self) -> tuple[int, ...]:  # type: ignore[override]
        """The value's shape."""
        return self._value.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The value's dtype."""
        return self._value.dtype

    @property
    def scope(self) -> str:
        """The scopes the node was born in, joined by "/"; an adjoint has the scope of the node it belongs to."""
        return self.context.scope

    @property
    def adjoint_of(self) -> int | None:
        """In an adjoint the number of the node it belongs to, None in a forward node."""
        return self.context.origin

    @property
    def label(self) -> str:
        """What messages call the node: kind, name and shape, Parameter "W" (40, 50)."""
        from minigrad.wording import label

        return label(self)

    def __repr__(self) -> str:
        name = f' "{self.name}"' if self.name else ""
        value = f" = {np.array2string(self._value, precision=4, separator=', ')}" if self.size <= 6 else ""
        return f"<{type(self).__name__}{name} {self.shape} {self.dtype}{value}>"

    def __bool__(self) -> bool:
        return bool(self._one("if, and, or, not, while and bool()", "np.where(condition, a, b), np.all or np.any"))

    def __float__(self) -> float:
        return float(self._one("float()", "x.sum(), x.mean() or x.value"))

    def __int__(self) -> int:
        return int(self._one("int()", "x.value"))

    def __format__(self, form: str) -> str:
        return format(self.item(), form) if form else str(self)

    def item(self, *index: Any) -> Any:
        return self.value.item(*index) if index else self._one("item()", "x.value").item()

    def _one(self, asker: str, instead: str) -> Array:
        """The value of a node of one element, for what leaves the graph knowingly."""
        if self.size != 1:
            raise TypeError(f"{asker} needs one element, and {self.label} has {self.size}: write {instead}")
        leaving(self, asker)
        from minigrad.askers import refuse_storing

        refuse_storing(sys._getframe(2), self.label)
        return self._value.reshape(())


class Leaf(Node):
    """A node without children: it is given its value."""

    __slots__ = ()

    def __init__(self, value: Operand, name: str = "") -> None:
        self._bear(own_array(value, type(self).__name__), name)

    def _bear(self, array: Array, name: str = "") -> None:
        """Fill the slots. The array is shared, so nobody else may write into it."""
        self._value = array
        self.children = ()
        self.attributes = NO_ATTRIBUTES
        self.name = name
        self.number = next_number()
        self.context = current()
        if self.context.watch is not None:
            self.context.watch(self)

    def __reduce__(self) -> tuple[Any, ...]:
        """A copied or unpickled leaf is born anew, so that its number fits its surroundings."""
        return type(self), (self._value, self.name)


class Constant(Leaf):
    """A value that belongs to the graph: a number, a table. It costs no backward work unless it is asked for.

    The array is copied, so that writing into it later changes nothing here. One that nobody can write into is shared:
    for a large table, a.flags.writeable = False saves the copy.
    """

    __slots__ = ()


class Number(Constant):
    """A Python number in the dtype of its partner. One node serves all uses of a number, so it does not change."""

    __slots__ = ()


class Input(Leaf):
    """A value that `Graph.fprop({x: array})` may replace. It may hold integers or booleans.

    The array is copied, as a Constant's is, and so is what a replay feeds.
    """

    __slots__ = ()


class Parameter(Leaf):
    """A trainable array (a copy of what it is given). `W.value = array` writes in place; `W.grad` is set by backward.

    Nodes computed before the write keep their old values: build the graph again, or replay it (`Graph.fprop`), before
    its gradients are asked for; the engine refuses to mix old and new, however the array was written to. (Nodes that are
    views, as W.T and W[0] are, show the new ones.)

    trainable=False makes it state: frozen weights and running statistics, skipped by backward and by optimizers. Nodes that are
    views of what was born as state, or was written by `mg.update`, keep their old values too.
    """

    __slots__ = ("given", "grad", "is_state", "trainable")

    def __init__(self, value: Operand, name: str = "", *, trainable: bool = True) -> None:
        array = np.array(as_array(value, type(self).__name__))[...]  # a view, so that whatever shows it has a base
        if trainable and array.dtype.kind != "f":
            raise TypeError(
                f"Parameter{f' {name!r}' if name else ''} has dtype {array.dtype}, and only floating-point numbers "
                "can be trained: write 2.0 for 2, or np.asarray(a, dtype=np.float32)"
            )
        self._bear(array, name)
        self.trainable = trainable
        self.is_state = (
            not trainable
        )  # its memory is `mg.update`'s to write, so nodes keep copies of what they show of it
        self.grad: Array | None = None
        self.given: tuple[int, Array] | None = None  # when .value gave the array away, and what it held

    @property
    def value(self) -> Array:
        """The array; may be written into."""
        leaving(self, ".value")
        from minigrad.changes import give_away

        return give_away(self)

    @value.setter
    def value(self, array: npt.ArrayLike) -> None:
        leaving(self, ".value = array")
        self._value[...] = fitting(self, array)
        self.mark_changed()

    def mark_changed(self) -> None:
        """Say that the array was written into: nodes made of it before are stale from now on."""
        self.renewed = latest_change[0] = next_number()
        self.given = None

    def __reduce__(self) -> tuple[Any, ...]:
        kind = partial(type(self), trainable=self.trainable)
        return kind, (self._value, self.name), (None, {"grad": self.grad})


def constant(array: Array) -> Constant:
    """A Constant that shares an array of the engine's own."""
    node = Constant.__new__(Constant)
    node._bear(array)
    return node


def as_node(operand: Operand, partner: np.dtype[Any] | None = None) -> Node:
    """The node itself, or a Constant. A Python number takes its partner's dtype, as NumPy has it (NEP 50)."""
    if isinstance(operand, Node):
        return operand
    if partner is None or not is_number(operand):
        return Constant(operand)
    if operand:
        return _number(operand, partner)
    return _number.__wrapped__(operand, partner)  # 0.0 and -0.0 are equal, so neither may stand for the other


def is_number(operand: Any) -> TypeGuard[float]:
    """Whether it is a Python number; NumPy's scalars are not: they have a dtype to insist on."""
    kind = type(operand)
    return kind is int or kind is float or kind is bool


@lru_cache(maxsize=256, typed=True)
def _number(number: float, partner: np.dtype[Any]) -> Number:
    """One node serves all uses of a number: rules are full of them, and a node costs time."""
    try:
        array = np.asarray(number, dtype=np.result_type(partner, number))
    except OverflowError:  # too large for a small integer type: comparisons and quotients still have an answer
        array = np.asarray(number)
    array.flags.writeable = False
    node = Number(array)
    node.context = NOWHERE
    return node


def as_array(value: Any, wanted_by: str) -> Array:
    """An array of a dtype that nodes hold, in the machine's byte order, or an error that says what came instead."""
    if type(value) is ndarray and value.dtype in DTYPES:
        return value
    from minigrad.arrays import converted

    return converted(value, wanted_by)


def known_dtype(wanted_by: str, dtype: npt.DTypeLike) -> np.dtype[Any]:
    """A dtype that nodes hold, or an error."""
    found = np.dtype(dtype)
    if found not in DTYPES:
        raise unfit(wanted_by, found)
    return found


def own_array(value: Any, wanted_by: str) -> Array:
    """A real array that nobody can write into: a copy, unless it was made of numbers just now or is read-only."""
    from minigrad.arrays import is_nobodys

    array = as_array(value, wanted_by)
    if array is value or not isinstance(value, (int, float, list, tuple)):
        array = array if is_nobodys(array) else array.copy()
    array.flags.writeable = False
    return array


def fitting(node: Node, value: npt.ArrayLike) -> Array:
    """The value as an array of the node's shape and dtype, or an error: rules have both baked in."""
    array = own_array(value, node.label)
    if array.shape != node.shape:
        raise ValueError(f"{node.label} takes an array of its own shape, not one of shape {array.shape}")
    if array.dtype != node.dtype:
        raise TypeError(f"{node.label} has dtype {node.dtype}, not {array.dtype}: write a.astype(np.{node.dtype})")
    return array


def check_finite(node: Node) -> None:
    """What `anomalies()` asks of every node at birth and in replays."""
    if node._value.dtype.kind == "f" and not np.isfinite(node._value).all():
        from minigrad.wording import non_finite

        raise non_finite(node)

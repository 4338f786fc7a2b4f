"""What an operation is, and the few operations which the engine itself inserts when it sums and fits adjoints.

To add an operation, write a class with `fprop` (straight-line NumPy on arrays) and `bprop` (the same mathematics on
nodes). Dtypes, broadcasting, masks, pruning and accumulation are the engine's.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from types import FunctionType
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
from numpy import asarray, ndarray

from minigrad.context import current
from minigrad.dispatch import TABLE, answers
from minigrad.errors import explain, inputs, unfit, users_line, where
from minigrad.node import DTYPES, NO_ATTRIBUTES, Array, Node, Parameter, as_node, is_number, next_number

if TYPE_CHECKING:
    from minigrad.operators import Operand


class Masked(NamedTuple):
    """An adjoint that counts only where the mask (a boolean node) holds; elsewhere it is 0 whatever rules make of it.

    A rule that sends one has chosen from the adjoint it was given, by `where` and no calculation.
    """

    adjoint: Node | Piece
    mask: Node


class Piece(NamedTuple):
    """A part of an adjoint, and the node it comes from: `merge(child, pieces)` makes one node of all parts of a child."""

    adjoint: Node
    place: Node
    merge: Callable[[Node, Sequence[Piece]], Node]


Entry = Node | Masked | Piece | None  # what bprop gives for one child,
Entries = Entry | Sequence["Entry | Callable[[], Entry]"]  # or a function that gives it, called only if it is needed


class Operation(Node):
    """A node computed from its children.

    A subclass defines `fprop(self, *arrays, **attributes)`, whose positional parameters are the children and whose
    keyword-only parameters are the attributes (to be read as `self.axis` and the like in `bprop`), and `bprop`.

    It may set, as attributes of the class:

    smooth:      False where a derivative of some order does not exist, as at the kink of |x|
    analytic:    False where fprop takes no complex arrays: central differences check it then, no complex step
    pure:        False where the value depends on more than the children: a random draw, a callback
    broadcasts:  True where it broadcasts its children: adjoints are then summed back to their shapes
    elementwise: True where it works entry by entry
    checked:     "definition" where finite differences do not apply, as to an operation without adjoint
    """

    __slots__ = ()

    # What the registry says of an operation:
    checked: ClassVar[str] = (
        "differences"  # "differences": by finite differences; "definition": by what it says it does
    )
    smooth: ClassVar[bool] = True  # derivatives of every order exist wherever it is checked
    analytic: ClassVar[bool] = True  # fprop takes complex arrays, so that a complex step may check it
    pure: ClassVar[bool] = True  # the value follows from the children's: it may be folded, merged, or left out
    # What the engine needs to know:
    broadcasts: ClassVar[bool] = False  # children may be broadcast, so an adjoint is summed back to its child's shape
    elementwise: ClassVar[bool] = False  # entry by entry, so that masks travel through
    moves: ClassVar[bool] = False  # entries are only moved, copied or summed, so that masks go where the adjoint goes
    roles: ClassVar[tuple[str, ...]] = ()  # the names of fprop's positional parameters
    defaults: ClassVar[dict[str, Any]] = NO_ATTRIBUTES  # the attributes' defaults

    def __init__(self, *children: Operand, **attributes: Any) -> None:
        nodes = as_nodes(children)
        if self.defaults:
            attributes = {**self.defaults, **attributes}
        _give_birth(self, nodes, [node._value for node in nodes], attributes)

    def __init_subclass__(cls, **keywords: Any) -> None:
        """Read the children and the attributes off fprop's signature, and choose the constructor that fits them."""
        super().__init_subclass__(**keywords)
        if "fprop" not in cls.__dict__:
            return
        parameters = list(inspect.signature(cls.fprop).parameters.values())[1:]
        named = [p for p in parameters if p.kind is p.KEYWORD_ONLY]
        cls.roles = tuple(p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD)
        cls.defaults = {p.name: p.default for p in named if p.default is not p.empty}
        for p in parameters:
            if p.kind is p.POSITIONAL_OR_KEYWORD and p.default is not p.empty:
                raise TypeError(f"{cls.__name__}.fprop: attributes are keyword-only, so write *, before {p.name}=")
        for p in named:
            if hasattr(Operation, p.name):
                raise TypeError(f"{cls.__name__}: the attribute {p.name!r} would hide Node.{p.name}")
            setattr(cls, p.name, _attribute(p.name))
        if not cls.__module__.startswith("minigrad."):
            from minigrad.ops.registry import on_read_only

            cls.fprop = on_read_only(cls.fprop)  # type: ignore[method-assign]
        if "__init__" not in cls.__dict__ and len(cls.roles) == len(parameters):
            constructor = {1: _one_child, 2: _two_children}.get(len(cls.roles))
            if constructor is not None:
                named_after = FunctionType(constructor.__code__, constructor.__globals__)
                named_after.__qualname__ = cls.__name__  # which errors of a wrong call mention
                cls.__init__ = named_after  # type: ignore[method-assign]

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError(f"{self.label}: a graph is not copied or pickled; copy its leaves, and build it again")

    def fprop(self, *arrays: Any, **attributes: Any) -> Any:
        """The value, an array, from the children's arrays and the attributes; pure, and NumPy only."""
        raise TypeError(f"{type(self).__name__} defines no fprop: write fprop(self, *arrays, **attributes) -> array")

    def bprop(self, adjoint: Node) -> Entries:
        """One adjoint per child, as nodes, from the adjoint of this node; None where a child has none."""
        raise TypeError(f"{type(self).__name__} defines no bprop: write bprop(self, adjoint) -> one node per child")

    def advice(self) -> str:
        """What to say when fprop failed, where more can be said than NumPy does."""
        return ""


class Elementwise(Operation):
    """An operation that works entry by entry, and broadcasts its children as NumPy does."""

    __slots__ = ()
    broadcasts = True
    elementwise = True


# Birth -------------------------------------------------------------------------------------------------------------


def _give_birth(
    node: Operation, children: tuple[Node, ...], arrays: Sequence[Array], attributes: dict[str, Any]
) -> None:
    node.children = children
    node.attributes = attributes
    node.name = ""
    node.number = next_number()
    node.context = context = current()
    try:
        value = node.fprop(*arrays, **attributes) if attributes else node.fprop(*arrays)
    except Exception as error:
        raise explain(error, node, node.roles, node.advice()) from error
    node._value = value = value if type(value) is ndarray else asarray(value)
    if value.base is not None and is_of_state(children):
        node._value = value.copy("K")  # what the state holds now
    if value.dtype not in DTYPES:
        refusal = unfit(f"{where(node)}", value.dtype)
        raise TypeError(f"{refusal}   {inputs(node, node.roles)}   {users_line()}".rstrip())
    if context.watch is not None:
        context.watch(node)


def is_of_state(children: Sequence[Node]) -> bool:
    """Whether a view shows a state, which `mg.update` writes in place. (What shows a child shows its first.)"""
    return bool(children) and isinstance(first := children[0], Parameter) and first.is_state


def _one_child(self: Operation, x: Operand) -> None:
    if not isinstance(x, Node):
        x = as_node(x)
    _give_birth(self, (x,), (x._value,), NO_ATTRIBUTES)


def _two_children(self: Operation, a: Operand, b: Operand) -> None:
    if not isinstance(a, Node):
        a = as_node(a, b.dtype if isinstance(b, Node) else None)
    if not isinstance(b, Node):
        b = as_node(b, a.dtype)
    _give_birth(self, (a, b), (a._value, b._value), NO_ATTRIBUTES)


def as_nodes(operands: Sequence[Operand]) -> tuple[Node, ...]:
    """Every operand as a node; Python numbers take the dtype of the others."""
    for operand in operands:
        if not isinstance(operand, Node):
            break
    else:
        return tuple(operands)  # type: ignore[arg-type]
    arrays = [x if isinstance(x, Node) or is_number(x) else as_node(x) for x in operands]
    dtypes = [x.dtype for x in arrays if isinstance(x, Node)]
    partner = np.result_type(*dtypes) if 0 < len(dtypes) < len(arrays) else None  # slow, so only where a number asks
    return tuple([as_node(x, partner) for x in arrays])


def _attribute(name: str) -> property:
    return property(lambda node: node.attributes[name])


# The engine's own operations ---------------------------------------------------------------------------------------


class AddN(Elementwise):
    """y = Σ_i x_i, of one shape and dtype: what a node with several parents sums;  x̄_i = ȳ."""

    __slots__ = ()

    def fprop(self, *arrays: Any) -> Any:
        total = arrays[0] + arrays[1]
        for array in arrays[2:]:
            total += array
        return total

    def bprop(self, adjoint: Node) -> Entries:
        return [adjoint] * len(self.children)


class BroadcastTo(Operation):
    """y = x repeated, along new and unit axes to the given shape;  x̄ = ȳ summed over them."""

    __slots__ = ()
    moves = True
    shape_to: tuple[int, ...]

    def fprop(self, x: Any, *, shape_to: tuple[int, ...]) -> Any:
        return np.broadcast_to(x, shape_to)

    def bprop(self, adjoint: Node) -> Entries:
        return sum_to(adjoint, self.children[0].shape)


class SumTo(Operation):
    """y = x summed over the axes, those along which `shape` was broadcast to x's shape;  x̄ = ȳ repeated along them."""

    __slots__ = ()
    moves = True
    shape_to: tuple[int, ...]

    def fprop(self, x: Any, *, shape_to: tuple[int, ...]) -> Any:
        return x.sum(axis=_broadcast_axes(x.shape, shape_to), dtype=x.dtype).reshape(shape_to)

    def bprop(self, adjoint: Node) -> Entries:
        return broadcast_to(adjoint, self.children[0].shape)


def broadcasts_to(small: tuple[int, ...], large: tuple[int, ...]) -> bool:
    """Whether NumPy's rules stretch the one shape to the other."""
    return len(small) <= len(large) and all(m in (1, n) for m, n in zip(small[::-1], large[::-1], strict=False))


def _broadcast_axes(large: tuple[int, ...], small: tuple[int, ...]) -> tuple[int, ...]:
    """The axes of `large` that broadcasting added to `small` or stretched."""
    added = len(large) - len(small)
    return tuple(i for i, n in enumerate(large) if i < added or (small[i - added] == 1 and n != 1))


@answers(np.broadcast_to)
def broadcast_to(x: Operand, shape: int | Sequence[int]) -> Node:
    """x as a node of the given shape, by NumPy's rules of broadcasting."""
    shape = (int(shape),) if isinstance(shape, int | np.integer) else tuple(shape)
    node = as_node(x)
    return node if node.shape == shape else BroadcastTo(node, shape_to=shape)


def sum_to(x: Node, shape: tuple[int, ...]) -> Node:
    """The transpose of `broadcast_to`: x summed to the given shape."""
    return x if x.shape == shape else SumTo(x, shape_to=shape)


def where_mask(mask: Node, adjoint: Node) -> Node:
    """The adjoint where the mask holds, and 0 (not a nan) elsewhere."""
    return TABLE[np.where](mask, adjoint, 0)

"""Adjoint control: identity operations that change only the backward direction, and are seen in drawings.

Forward all of them are y = x, the same array (a view, nothing is copied). What they make of the adjoint is a node of the
adjoint graph like any other, so it takes part in derivatives of higher order: each docstring says how.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.context import frozen, trace
from minigrad.node import Node, Parameter, as_node
from minigrad.ops.base import Entries, Operation

if TYPE_CHECKING:
    from minigrad.operators import Operand

__all__ = ["clip_adjoint", "probe", "scale_adjoint", "stop_gradient", "update"]


class Control(Operation):
    """y = x;  x̄ is what the subclass makes of ȳ."""

    __slots__ = ()
    checked = "definition"
    elementwise = True


class StopGradient(Control):
    """y = x;  no adjoint for x."""

    __slots__ = ()

    def fprop(self, x: Any) -> Any:
        return x

    def bprop(self, adjoint: Node) -> Entries:
        return [None]


class ClipAdjoint(Control):
    """y = x;  x̄ = min(max(ȳ, low), high)."""

    __slots__ = ()

    def fprop(self, x: Any, low: Any, high: Any) -> Any:
        return x

    def bprop(self, adjoint: Node) -> Entries:
        _, low, high = self.children
        return adjoint.clip(low, high), None, None


class OrderedBounds(Control):
    """y = x;  x̄ = ȳ. Raises, in replays too, where low > high."""

    __slots__ = ()

    def fprop(self, x: Any, low: Any, high: Any) -> Any:
        if (low > high).any():
            raise ValueError("clip_adjoint(x, low, high): low is above high")
        return x

    def bprop(self, adjoint: Node) -> Entries:
        return adjoint, None, None


class ScaleAdjoint(Control):
    """y = x;  x̄ = factor ȳ."""

    __slots__ = ()

    def fprop(self, x: Any, factor: Any) -> Any:
        return x

    def bprop(self, adjoint: Node) -> Entries:
        _, factor = self.children
        return adjoint * factor, None


class Probe(Control):
    """y = x;  x̄ = ȳ, shown to the callback."""

    __slots__ = ()
    callback: Callable[[np.ndarray], object]

    def fprop(self, x: Any, *, callback: Callable[[np.ndarray], object]) -> Any:
        return x

    def bprop(self, adjoint: Node) -> Entries:
        return Report(adjoint, callback=self.callback)


class Report(Control):
    """y = x, and the callback gets a copy of it at every evaluation;  x̄ = ȳ."""

    __slots__ = ()
    pure = False

    def fprop(self, x: Any, *, callback: Callable[[np.ndarray], object]) -> Any:
        callback(x.copy())
        return x

    def bprop(self, adjoint: Node) -> Entries:
        return adjoint


def stop_gradient(x: Operand) -> Node:
    """Cut x off from gradients: y = x, and nothing flows back to x, at any order.

    The gradient by the node it returns can still be asked for.
    """
    return StopGradient(x)


def clip_adjoint(x: Operand, low: Operand, high: Operand) -> Node:
    """y = x;  x̄ = min(max(ȳ, low), high), entry by entry. The bounds broadcast to x's shape, and may be nodes.

    At order 2 the derivative of x̄ passes where ȳ lies within the bounds and is 0 beyond (it reaches the bound instead, if
    that is a node somebody asks about); what of it flows back through y is clipped in its turn.
    """
    x, fed = as_node(x), isinstance(low, Node) or isinstance(high, Node)
    low, high = _fitting(x, low=low), _fitting(x, high=high)
    inside = OrderedBounds(low, low, high)
    return ClipAdjoint(OrderedBounds(x, low, high), inside, high) if fed else ClipAdjoint(x, low, high)


def scale_adjoint(x: Operand, factor: Operand) -> Node:
    """y = x;  x̄ = factor ȳ (−1 reverses the gradient). The factor broadcasts to x's shape, and may be a node.

    At order 2 the derivative of x̄ is scaled once more by the factor where it flows back through y.
    """
    x = as_node(x)
    return ScaleAdjoint(x, _fitting(x, factor=factor))


def probe(x: Operand, callback: Callable[[np.ndarray], object]) -> Node:
    """y = x;  x̄ = ȳ, and `callback(array)` is called with a copy of x̄ whenever it is evaluated, in replays too.

    It is not called where nobody needs x̄. At order 2 the derivative passes through x̄ unseen: what is shown is what
    flows back to x, in every sweep that comes by.
    """
    if not callable(callback):
        raise TypeError(f"probe(x, callback): the callback is a function of one array, not {type(callback).__name__}")
    return Probe(x, callback=callback)


def update(state: Parameter, node: Operand) -> None:
    """Write the node's value (of the state's shape and dtype) into a state: `Parameter(a, trainable=False)`.

    The array is written in place. Nodes computed before keep their values, also W.T and other views of the state; what reads the
    state afterwards reads the new value. In a compiled function the program writes it, at the end of every call. Within a frozen
    module nothing is written.
    """
    if not isinstance(state, Parameter):
        raise TypeError(f"update(state, node): the state is a Parameter(trainable=False), not {type(state).__name__}")
    if state.trainable:
        raise TypeError(f"update(state, node): {state.label} is trainable; a state is Parameter(a, trainable=False)")
    if frozen.get():
        return
    if not state.is_state:  # a frozen weight: nodes may show its memory
        state._value, state.is_state = state._value.copy("K")[...], True
    new = as_node(node, state.dtype)
    running = trace.get()
    if running is None:
        state.value = new._value
    else:
        running.update(state, new)


def _fitting(x: Node, **given: Operand) -> Node:
    """The one keyword as a node, whose shape must broadcast to x's."""
    ((role, operand),) = given.items()
    node = as_node(operand, x.dtype)
    try:
        fits = np.broadcast_shapes(node.shape, x.shape) == x.shape
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(f"{role} of shape {node.shape} does not broadcast to {x.label}")
    return node

"""The order of a graph, and the two sweeps over it: fprop from the leaves up, bprop from the output down.

`gradients` is the only primitive. Its sweep keeps adjoints in a table of its own, calls each bprop once, and returns
nodes; so a gradient can be drawn, replayed and differentiated like anything else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from operator import attrgetter
from threading import RLock
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from minigrad.adjoints import Arrived, Mask, joined, send
from minigrad.context import Context, current, enter, leave, leaving, trace
from minigrad.dispatch import answers
from minigrad.errors import explain, no_node
from minigrad.node import Node, Number, Parameter, as_node, constant, fitting, given_away, latest_change, next_number
from minigrad.ops.base import Operation, is_of_state

if TYPE_CHECKING:
    import numpy.typing as npt

    from minigrad.node import Array
    from minigrad.operators import Operand

Send = Callable[[Operation, Node, Mask | None, set[Node], Arrived], None]
by_age = attrgetter("number")
replaying = RLock()  # replays write into nodes, which graphs share


# Order -------------------------------------------------------------------------------------------------------------


def ancestry(outputs: Iterable[Node], oldest: int = 0) -> list[Node]:
    """All nodes the outputs depend on, themselves included, children first; none born before `oldest`."""
    seen = set(outputs)
    stack = list(seen)
    while stack:
        for child in stack.pop().children:
            if child not in seen and child.number >= oldest:
                seen.add(child)
                stack.append(child)
    return sorted(seen, key=by_age)  # a child is older than its parents


def paths(order: Iterable[Node], inputs: Iterable[Node]) -> list[Node]:
    """The nodes of the order that lie on a path from the inputs and carry an adjoint, children first."""
    reached = set(inputs)
    found = []
    for node in order:
        if node in reached:
            found.append(node)
        elif not reached.isdisjoint(node.children) and node._value.dtype.kind == "f":
            reached.add(node)
            found.append(node)
    return found


class Graph:
    """The nodes some outputs depend on, in an order that is found once: for replaying, listing, drawing.

    nodes:      children first, so the order of fprop; reversed, of bprop
    parameters: the Parameters among them
    """

    def __init__(self, *outputs: Node) -> None:
        for output in outputs:
            if not isinstance(output, Node):
                raise no_node("Graph(*outputs) takes nodes", output, "write Graph(*nodes)")
        self.outputs = outputs
        self.nodes = tuple(ancestry(outputs))
        self.parameters = tuple(node for node in self.nodes if isinstance(node, Parameter))
        self._operations = tuple(node for node in self.nodes if isinstance(node, Operation))
        self._members = set(self.nodes)

    def fprop(self, feeds: Mapping[Node, npt.ArrayLike] | None = None) -> Any:
        """Compute all values anew, children first; returns the outputs' arrays (one array, or a tuple of several).

        feeds: new arrays for leaves of the graph, of their shape and dtype. Parameters are read as they are now, and
        random nodes draw anew. An output that is a view (W.T, x[0]) shows its Parameter's array, later writes included (not a state's).
        Threads wait for each other's replays, since graphs may share nodes; a thread uses what its call returns.
        """
        leaving("the graph", "Graph.fprop")
        fed = [(self._fed(leaf), fitting(leaf, value)) for leaf, value in dict(feeds or {}).items()]
        with replaying:
            before = [(leaf, leaf._value) for leaf, _ in fed]
            try:
                self._feed(fed)
            except Exception:
                with suppress(Exception):  # leave the graph as it was found
                    self._feed(before)
                raise
            values = tuple([output.value for output in self.outputs])
        return values[0] if len(values) == 1 else values

    def _fed(self, leaf: Node) -> Node:
        """The leaf, if a replay may give it another array."""
        known = isinstance(leaf, Node) and leaf in self._members
        if known and not isinstance(leaf, Operation | Parameter | Number):
            return leaf
        from minigrad.wording import not_fed

        raise not_fed(leaf, known)

    def _feed(self, leaves: Iterable[tuple[Node, Array]]) -> None:
        now = latest_change[0] = next_number()
        for leaf, array in leaves:
            leaf._value, leaf.renewed = array, now
        watch = current().watch
        for node in self._operations:
            try:
                value = node.fprop(*[child._value for child in node.children], **node.attributes)
            except Exception as error:
                raise explain(error, node, node.roles, node.advice()) from error
            value = value if type(value) is np.ndarray else np.asarray(value)
            shown = value.base is not None and is_of_state(node.children)
            node._value, node.renewed = value.copy("K") if shown else value, now
            if watch is not None:
                watch(node)


# Gradients ---------------------------------------------------------------------------------------------------------


def gradients(
    output: Node, inputs: Node | Sequence[Node], adjoint: Operand | None = None, *, unused: str = "zeros"
) -> tuple[Node, ...]:
    """Differentiate the output by every input: x̄ = (∂output/∂x)' · adjoint, a node of the input's shape and dtype.

    output:  a node of one element, or of any shape with an `adjoint` of that shape (∂/∂output of what comes after)
    inputs:  any nodes of floating-point dtype: parameters, inputs, constants, intermediates
    unused:  what an input without a path to the output gives: "zeros", or "error" (ValueError)

    >>> import numpy as np, minigrad as mg
    >>> x = mg.Input(2.0)
    >>> (slope,) = mg.gradients(x**3, [x])
    >>> (curvature,) = mg.gradients(slope, [x])
    >>> float(slope), float(curvature)
    (12.0, 12.0)
    """
    from minigrad.wording import as_inputs

    wanted = as_inputs(inputs, "gradients(output, inputs): inputs are nodes")
    seed = seed_for(output, adjoint)
    if unused not in ("zeros", "error"):
        raise ValueError(f'gradients(unused={unused!r}): "zeros" or "error"')
    if not wanted:
        return ()
    order = ancestry([output], oldest=min(node.number for node in wanted))
    found = sweep(output, seed, order, wanted, keep_graph=True)
    if unused == "error":
        for node in wanted:
            if node not in found:
                raise ValueError(f"gradients: no path leads from {node.label} to {output.label}")
    return tuple([found[node] if node in found else constant(np.zeros(node.shape, node.dtype)) for node in wanted])


@answers("backward")
def backward(output: Node) -> None:
    """Set `.grad` of every trainable parameter of the graph to ∂output/∂parameter: an array of its own, for optimizers.

    It sets and does not accumulate, keeps no graph, and frees adjoints as it goes.
    """
    seed = seed_for(output, None, takes_adjoint=False)
    leaving(output, ".backward()")
    order = ancestry([output])
    trained = [node for node in order if isinstance(node, Parameter) and node.trainable]
    found = sweep(output, seed, order, trained, keep_graph=False)
    for parameter in trained:
        adjoint = found.get(parameter)
        parameter.grad = np.zeros_like(parameter._value) if adjoint is None else np.array(adjoint._value)


def seed_for(output: Node, adjoint: Operand | None, *, takes_adjoint: bool = True) -> Node:
    """The adjoint of the output: 1 for one element, or what the caller gives, if it takes one."""
    if not isinstance(output, Node):
        raise no_node("the output to differentiate is a node", output, "differentiate one, or their sum")
    if output.dtype.kind != "f":
        raise TypeError(f"{output.label}: only floating-point nodes can be differentiated")
    if adjoint is None:
        if output.size != 1:
            after = (
                "say what comes after it (adjoint= of its shape)"
                if takes_adjoint
                else "give the scalar loss made of it"
            )
            raise ValueError(f"{output.label} is not a scalar: reduce it (output.sum()), or {after}")
        return constant(np.ones(output.shape, output.dtype))
    seed = as_node(adjoint, output.dtype)
    if seed.shape != output.shape:
        raise ValueError(f"adjoint has shape {seed.shape}, and the output {output.label}")
    return seed.astype(output.dtype)


# The backward sweep ------------------------------------------------------------------------------------------------


def sweep(
    output: Node, seed: Node, order: Sequence[Node], inputs: Iterable[Node], *, keep_graph: bool, send: Send = send
) -> dict[Node, Node]:
    """Visit the paths from the output down to the inputs; give the adjoints of those inputs that were reached.

    send: applies the rule of a node to its complete adjoint, as `adjoints.send` does, and may look on
    """
    with replaying:  # another thread's replay ends first
        before = latest_change[0]
    oldest = next((node for node in order if node.children), output)
    if before >= oldest.number or given_away:  # a value may be newer than what was computed from it
        from minigrad.changes import refuse_stale

        refuse_stale(output, oldest.number)
    wanted = set(inputs)
    path = paths(order, wanted)
    members = set(path)
    arrived: Arrived = {output: [seed]}
    found: dict[Node, Node] = {}
    outside, running = current(), trace.get()
    token = enter(outside)
    try:
        for node in reversed(path):
            parts = arrived.pop(node, None)
            if parts is None:
                continue
            enter(Context(node.context.scope, node.number, outside.watch))
            adjoint, mask = joined(node, parts)
            if running is not None:
                running.note_adjoint(adjoint, node)
            if not keep_graph and adjoint.children:
                adjoint = constant(adjoint._value)
            if node in wanted:
                found[node] = adjoint
                if members.isdisjoint(node.children):  # as with leaves
                    continue
            send(cast(Operation, node), adjoint, mask, members, arrived)
    except FloatingPointError as error:
        raise FloatingPointError(f"{error}   It belongs to the rule of {node.label}") from None
    finally:
        leave(token)
    if latest_change[0] != before:
        from minigrad.changes import refuse_changed

        refuse_changed(output, before)
    return found

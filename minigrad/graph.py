"""The order of a graph, and the two sweeps over it: fprop from the leaves up, bprop from the output down.

`gradients` is the only primitive. Its sweep keeps adjoints in a table of its own, calls each bprop once, and returns
nodes; so a gradient can be drawn, replayed and differentiated like anything else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from operator import attrgetter
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from minigrad.context import Context, current, enter, leave, leaving, trace
from minigrad.dispatch import answers
from minigrad.errors import explain, no_node, where
from minigrad.node import Constant, Node, Number, Parameter, as_node, check_finite, fitting, latest_change, next_number
from minigrad.ops.base import AddN, Entry, Masked, Operation, Piece, broadcasts_to, sum_to, where_mask

if TYPE_CHECKING:
    import numpy.typing as npt

    from minigrad.node import Array
    from minigrad.operators import Operand

by_age = attrgetter("number")


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
        random nodes draw anew. An output that is a view (W.T, x[0]) shows its Parameter's array, later writes included.
        """
        leaving("the graph", "Graph.fprop")
        checked: list[tuple[Node, Array]] = []
        for leaf, value in dict(feeds or {}).items():
            if not isinstance(leaf, Node) or leaf not in self._members:
                raise ValueError(
                    f"Graph.fprop: {getattr(leaf, 'label', leaf)} is not in the graph, so feed another node"
                )
            if isinstance(leaf, Number):
                raise TypeError(
                    f"Graph.fprop: the number {leaf.item()!r} serves other graphs too: write mg.Input(...) for it"
                )
            if isinstance(leaf, Operation | Parameter):
                raise TypeError(
                    f"Graph.fprop feeds inputs and constants, not {leaf.label}: a Parameter has .value = array"
                )
            checked.append((leaf, fitting(leaf, value)))
        before = [(leaf, leaf._value) for leaf, _ in checked]
        try:
            self._feed(checked)
        except Exception:
            with suppress(Exception):  # leave the graph as it was found
                self._feed(before)
            raise
        values = tuple(output._value for output in self.outputs)
        return values[0] if len(values) == 1 else values

    def _feed(self, leaves: Iterable[tuple[Node, Array]]) -> None:
        now = latest_change[0] = next_number()
        for leaf, array in leaves:
            leaf._value, leaf.renewed = array, now
        watch = current().anomalies
        for node in self._operations:
            try:
                value = node.fprop(*[child._value for child in node.children], **node.attributes)
            except Exception as error:
                raise explain(error, node, node.roles, node.advice()) from error
            node._value, node.renewed = value if type(value) is np.ndarray else np.asarray(value), now
            if watch:
                check_finite(node)


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
    seed = _seed(output, adjoint)
    if unused not in ("zeros", "error"):
        raise ValueError(f'gradients(unused={unused!r}): "zeros" or "error"')
    if not wanted:
        return ()
    order = ancestry([output], oldest=min(node.number for node in wanted))
    _refuse_stale(output, order)
    found = _sweep(output, seed, paths(order, wanted), set(wanted), keep_graph=True)
    if unused == "error":
        for node in wanted:
            if node not in found:
                raise ValueError(f"gradients: no path leads from {node.label} to {output.label}")
    return tuple([found[node] if node in found else Constant(np.zeros(node.shape, node.dtype)) for node in wanted])


@answers("backward")
def backward(output: Node) -> None:
    """Set `.grad` of every trainable parameter of the graph to ∂output/∂parameter: an array of its own, for optimizers.

    It sets and does not accumulate, keeps no graph, and frees adjoints as it goes.
    """
    seed = _seed(output, None)
    leaving(output, ".backward()")
    order = ancestry([output])
    _refuse_stale(output, order)
    trained = [node for node in order if isinstance(node, Parameter) and node.trainable]
    found = _sweep(output, seed, paths(order, trained), set(trained), keep_graph=False)
    for parameter in trained:
        adjoint = found.get(parameter)
        parameter.grad = np.zeros_like(parameter._value) if adjoint is None else np.array(adjoint._value)


def _seed(output: Node, adjoint: Operand | None) -> Node:
    """The adjoint of the output: 1 for one element, or what the caller gives."""
    if not isinstance(output, Node):
        raise no_node("the output to differentiate is a node", output, "differentiate one, or their sum")
    if output.dtype.kind != "f":
        raise TypeError(f"{output.label}: only floating-point nodes can be differentiated")
    if adjoint is None:
        if output.size != 1:
            raise ValueError(
                f"{output.label} is not a scalar: reduce it (output.sum()), or say what comes after it "
                "(adjoint= of its shape)"
            )
        return Constant(np.ones(output.shape, output.dtype))
    seed = as_node(adjoint, output.dtype)
    if seed.shape != output.shape:
        raise ValueError(f"adjoint has shape {seed.shape}, and the output {output.label}")
    return seed.astype(output.dtype)


# The backward sweep ------------------------------------------------------------------------------------------------


def _sweep(output: Node, seed: Node, path: Sequence[Node], wanted: set[Node], *, keep_graph: bool) -> dict[Node, Node]:
    """Visit the path from the output down; give the adjoints of the wanted nodes that were reached."""
    members = set(path)
    arrived: dict[Node, list[Entry]] = {output: [seed]}
    found: dict[Node, Node] = {}
    outside, running = current(), trace.get()
    token = enter(outside)
    try:
        for node in reversed(path):
            parts = arrived.pop(node, None)
            if parts is None:
                continue
            enter(Context(node.context.scope, node.number, outside.anomalies))
            adjoint, mask = _merged(node, parts)
            if running is not None:
                running.note_adjoint(adjoint, node)
            if not keep_graph and adjoint.children:
                adjoint = Constant(adjoint._value)
            if node in wanted:
                found[node] = adjoint
                if members.isdisjoint(node.children):  # as with leaves
                    continue
            _send(cast(Operation, node), adjoint, mask, members, arrived)
    except FloatingPointError as error:
        raise FloatingPointError(f"{error}   It belongs to the rule of {node.label}") from None
    finally:
        leave(token)
    return found


def _refuse_stale(output: Node, order: Iterable[Node]) -> None:
    """Raise where a value was written to after a node was computed from it: rules would mix old and new values."""
    oldest = next((node for node in order if node.children), output)
    if latest_change[0] < oldest.number:
        return
    for node in ancestry([output]):
        for child in node.children:
            if getattr(child, "renewed", 0) > getattr(node, "renewed", node.number):
                raise ValueError(
                    f"{child.label} was changed after {where(node)} was computed from it: build the graph again, or replay "
                    "it (Graph(output).fprop()), before you ask for gradients"
                )


def _send(
    node: Operation, adjoint: Node, mask: Node | None, members: set[Node], arrived: dict[Node, list[Entry]]
) -> None:
    """Apply the node's rule, and pass the adjoints of the children that are on the path on to them."""
    given: Any = node.bprop(adjoint)
    if given is None:
        raise TypeError(f"{where(node)}: bprop gave nothing: return the adjoints, or [None] where there is none")
    entries = given if type(given) is tuple or type(given) is list else (given,)
    if len(entries) != len(node.children):
        raise ValueError(f"{where(node)}: bprop gave {len(entries)} adjoints for {len(node.children)} children")
    for child, entry in zip(node.children, entries, strict=True):
        if child not in members:
            continue
        sent: Entry = entry() if callable(entry) else entry
        if sent is None:
            continue
        if mask is not None and node.elementwise and not isinstance(sent, Piece):
            sent = _under_mask(sent, mask)
        if not (isinstance(sent, Node) and sent._value.shape == child._value.shape and sent.dtype is child.dtype):
            sent = _fitted(node, child, sent)
        arrived.setdefault(child, []).append(sent)


def _under_mask(entry: Node | Masked, mask: Node) -> Masked:
    """What an elementwise rule made of a masked adjoint: 0 outside the mask, and still masked."""
    if isinstance(entry, Masked):  # chosen from an adjoint that is 0 there already
        return Masked(entry.adjoint, mask & entry.mask)
    return Masked(where_mask(mask, entry), mask)


def _fitted(node: Operation, child: Node, entry: Entry) -> Entry:
    """The adjoint in the child's shape and dtype: summed where the operation broadcast the child, else asserted."""
    if isinstance(entry, Piece):
        return entry
    if isinstance(entry, Masked):
        full = entry.adjoint.shape
        adjoint = cast(Node, _fitted(node, child, entry.adjoint))
        mask = entry.mask
        if full != child.shape:  # where an adjoint is summed, it counts if any of its terms does
            mask = sum_to(mask.astype(child.dtype) + np.zeros(full, child.dtype), child.shape) > 0
        return Masked(adjoint, mask)
    if not isinstance(entry, Node):
        raise TypeError(f"{where(node)}: bprop gives nodes (or None), not {type(entry).__name__}")
    if entry._value.dtype != child._value.dtype:
        entry = entry.astype(child._value.dtype)
    if entry._value.shape == child._value.shape:
        return entry
    if not (node.broadcasts and broadcasts_to(child._value.shape, entry._value.shape)):
        raise ValueError(f"{where(node)}: bprop gave an adjoint of shape {entry.shape} for {child.label}")
    return sum_to(entry, child._value.shape)


def _merged(node: Node, several: list[Entry]) -> tuple[Node, Node | None]:
    """One adjoint out of all that arrived, and its mask: an unmasked part clears the mask, masks join by or."""
    if len(several) == 1 and isinstance(several[0], Node):
        return several[0], None
    pieces = [part for part in several if isinstance(part, Piece)]
    masked = [part for part in several if isinstance(part, Masked)]
    dense = [part for part in several if part is not None and not isinstance(part, Piece)]
    terms = [part.adjoint if isinstance(part, Masked) else part for part in dense]  # in the order of arrival
    for merge in dict.fromkeys(piece.merge for piece in pieces):
        terms.append(merge(node, [piece for piece in pieces if piece.merge is merge]))
    mask = None
    if len(masked) == len(several):
        mask = masked[0].mask
        for part in masked[1:]:
            mask = mask | part.mask
    return (terms[0] if len(terms) == 1 else AddN(*terms)), mask

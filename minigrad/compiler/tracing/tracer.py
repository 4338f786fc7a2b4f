"""Trace a function: run it once on Input nodes, and collect the nodes that its result depends on.

A program sees only nodes, so whatever leaves the graph (an `if` on a value, `.value`) is refused: the program would keep what
it was in the first call. A trace notes the states that f updates, and watches the objects it reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, NoReturn

import numpy as np

from minigrad.compiler.tracing.guards import Guards, objects_of
from minigrad.context import trace
from minigrad.graph import ancestry
from minigrad.node import Array, Input, Leaf, Node, Parameter, fitting, next_number

Update = tuple[Parameter, Node, int]  # a state, its new value, and when it was written

PLACE = object()  # stands for a node in the form of a result

INSTEAD = {
    ".value": "use the node itself, or return it: the compiled function gives its array",
    ".value = array": "update parameters outside the compiled function, from the gradients it returns; a state "
    "(trainable=False) by mg.update(state, node)",
    ".backward()": "return mg.gradients(loss, parameters), and set .grad or step outside",
    "Graph.fprop": "build the nodes inside the compiled function: its program is the replay",
    "if, and, or, not, while and bool()": "np.where(condition, a, b) chooses inside the graph",
    "float()": "keep it a node, or return it from the compiled function; instead of a[i] = node, which fills an array of NumPy's "
    "with numbers, np.stack(list) joins nodes",
    "int()": "keep it a node (x[i] takes it as an index), or return it from the compiled function; instead of a[i] = node, which "
    "fills an array of NumPy's with numbers, np.stack(list) joins nodes",
}


class NotCompiled(Exception):  # noqa: N818 -- what happened, not what failed
    """Raised where no program can be made of a function."""


class TraceError(NotCompiled, TypeError):
    """Raised where a function does what its program could not repeat, such as `if` on a value; it says what to write instead.

    untrained: where no adjoint passes either, what that means for a training
    """

    untrained = ""


class TooLarge(NotCompiled, ValueError):  # noqa: N818
    """The graph has more nodes than a program is made of."""


class Trace:
    """Note what one run of f does besides returning nodes: updates, reads, refusals."""

    def __init__(self, watched: Sequence[Any] = ()) -> None:
        self.start = next_number()
        self.guards = Guards(watched)
        self.updates: list[Update] = []
        self.before: dict[Parameter, Array] = {}  # states as they were found
        self.adjoints: dict[Node, Node] = {}  # a node that is an adjoint, and of which node
        self.refused: TraceError | None = None  # what was raised last

    def watch(self, thing: Any) -> None:
        """The program holds as long as the thing, a module or a penalty, and all within it hold what they do now."""
        self.guards.watch(thing)

    def update(self, state: Parameter, node: Node) -> None:
        """The state takes the node's value: now, and at the end of every later call."""
        self.before.setdefault(state, state._value.copy())
        state._value[...] = fitting(state, node._value)
        state.mark_changed()
        self.updates.append((state, node, next_number()))

    def note_adjoint(self, adjoint: Node, node: Node) -> None:
        """The first is the adjoint of the second; of several, it is called after the one with a name."""
        known = self.adjoints.get(adjoint)
        if known is None or (node.name and not known.name):
            self.adjoints[adjoint] = node

    def take_back(self) -> None:
        """Undo the updates: the trace failed."""
        for state, array in self.before.items():
            state._value[...] = array

    def refuse(self, node: Any, way: str) -> NoReturn:
        """Raise the error for a value that is about to leave the graph."""
        instead = INSTEAD.get(way, "keep it a node, or return it from the compiled function")
        self.refused = TraceError(
            f"mg.compile: {way} on {getattr(node, 'label', node)} while tracing would put the value of this call into every later one: {instead}"
        )
        if way in (".value", "float()", "int()"):
            self.refused.untrained = f"No adjoint passes {way}, so keep a node what the loss is made of; eager=True is for a number that is only looked at"
        raise self.refused


class Traced(NamedTuple):
    """Hold the graph of one run: its nodes children first, what it was fed, what it returns and writes."""

    nodes: list[Node]
    inputs: dict[str, Input]
    result: Any
    outputs: list[Node]
    updates: list[Update]
    guards: Guards
    adjoints: dict[Node, Node]
    start: int
    take_back: Callable[[], None]


def watch(*things: Any) -> None:
    """Tell a running trace, if there is one, that its program depends on what these objects hold."""
    if (running := trace.get()) is not None:
        for thing in things:
            for part in (thing, *objects_of(thing)):
                running.watch(part)


def run(
    f: Callable[..., Any],
    names: Sequence[str],
    arguments: Sequence[Any],
    keywords: Mapping[str, Any],
    watched: Sequence[Any] = (),
) -> Traced:
    """Trace f: arrays among its arguments arrive as Input nodes, anything else as it is. watched: objects it may read."""
    running = Trace(watched)
    inputs: dict[str, Input] = {}

    def enter(name: str, value: Any) -> Any:
        if not isinstance(value, np.ndarray):
            return value
        inputs[name] = Input(value, name)
        return inputs[name]

    token = trace.set(running)
    try:
        given = [enter(name, value) for name, value in zip(names, arguments, strict=True)]
        result = f(*given, **{name: enter(name, value) for name, value in keywords.items()})
        if running.refused is not None:
            raise running.refused  # and was caught, so that f went another way than it would have gone with nodes alone
        traced = _traced(running, inputs, result)
        running.guards.settle()
    except BaseException as error:
        running.take_back()
        if isinstance(error, Exception) and running.refused is not None and error is not running.refused:
            raise running.refused from error  # NumPy's own error hides it where a node is assigned to an entry
        raise
    finally:
        trace.reset(token)
    return traced


def _traced(running: Trace, inputs: dict[str, Input], result: Any) -> Traced:
    outputs = leaves(result)
    if not outputs:
        raise TraceError("mg.compile: the function returned no node: let it return the loss, gradients, outputs")
    nodes = ancestry([*outputs, *[node for _, node, _ in running.updates]])
    for node in nodes:
        _refuse_stale(node, running.start)
    return Traced(
        nodes,
        inputs,
        result,
        outputs,
        running.updates,
        running.guards,
        running.adjoints,
        running.start,
        running.take_back,
    )


def leaves(result: Any) -> list[Node]:
    """List the nodes in what f returned: a node, or tuples, lists and dicts of nodes; None stays None."""
    if isinstance(result, Node):
        return [result]
    if isinstance(result, tuple | list):
        return [node for part in result for node in leaves(part)]
    if isinstance(result, dict):
        return [node for part in result.values() for node in leaves(part)]
    if result is None:
        return []
    raise TraceError(
        f"mg.compile: the function returned {type(result).__name__}, which the program could not compute anew: return nodes, "
        "or tuples, lists and dicts of nodes"
    )


def filled(result: Any, things: Iterator[Any]) -> Any:
    """Replace the nodes in what f returned by other things."""
    if isinstance(result, Node) or result is PLACE:
        return next(things)
    if isinstance(result, tuple) and hasattr(result, "_fields"):
        return type(result)(*[filled(part, things) for part in result])
    if isinstance(result, tuple | list):
        return type(result)([filled(part, things) for part in result])
    if isinstance(result, dict):
        return {key: filled(part, things) for key, part in result.items()}
    return result


def is_read_in_place(node: Node, start: int) -> bool:
    """Whether the program reads the node's array anew at every call: parameters, and inputs from before the trace."""
    return isinstance(node, Parameter) or (isinstance(node, Input) and node.number < start)


def _refuse_stale(node: Node, start: int) -> None:
    if isinstance(node, Parameter) and node.number >= start:
        error = TraceError(f"mg.compile: {node.label} was made while tracing: make parameters outside, once")
        error.untrained = "It is another one in every batch, and so never trained: make layers in __init__, once"
        raise error
    if node.number < start and not isinstance(node, Leaf):
        raise TraceError(
            f"mg.compile: {node.label} was computed before the trace, so its value would never change: compute it inside the "
            "compiled function, or pass it in as an array"
        )

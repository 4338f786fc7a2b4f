"""Graphs with marks: the operation that fails, its operands side by side; and which bprops are what differences say.

What failed is read off the traceback of the error, which holds it anyway: making a node costs nothing more for it, and nothing
lives longer than the error.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from traceback import walk_tb
from types import FrameType
from typing import Any, NamedTuple, TypeGuard, cast

import minigrad
from minigrad import checking
from minigrad.adjoints import send
from minigrad.drawing import summary, symbols
from minigrad.drawing.canvas import Picture
from minigrad.drawing.diagram import Diagram, Mark, diagram
from minigrad.drawing.flow import Flow, FlowEdge, FlowNode, flow_of
from minigrad.drawing.layered import layered
from minigrad.drawing.layout import Layout
from minigrad.drawing.svg import to_svg
from minigrad.drawing.text import as_text
from minigrad.errors import GradientError, no_node, package, where
from minigrad.graph import Graph, sweep
from minigrad.node import Node
from minigrad.numbering import in_order
from minigrad.ops.base import Operation, _give_birth

NEAREST = 40  # nodes of a partial graph
LISTED = 4  # operands whose shapes are written
LINE, MOST_LINES = 46, 8  # letters of a line of a message, and its lines


class MarkedGraph(Picture):
    """A graph whose boxes are marked. In a notebook it shows itself.

    flow:  the graph as plain data
    marks: by the number of the node
    """

    def __init__(self, flow: Flow, marks: Mapping[int, Mark], title: str, direction: str | None) -> None:
        self.flow, self.marks = flow, dict(marks)
        self.diagram: Diagram = diagram(
            flow, stubs=True, numbers=True, fold=False, title=symbols.clean(title), marks=marks
        )
        self.title = self.diagram.title
        self.description = f"{self.diagram.description} {flow.note}".strip()
        self.layout: Layout = layered(self.diagram, direction or "TB")

    def __repr__(self) -> str:
        return (
            f"<MarkedGraph: {len(self.flow.nodes)} nodes, {len(self.marks)} marked; .svg() .text() .html() .save(path)>"
        )

    def svg(self) -> str:
        """The picture as SVG, light or dark as its reader prefers."""
        return to_svg(self.diagram, self.layout)

    def text(self) -> str:
        """A line per node, then one per mark."""
        lines = [
            "  ".join([f"{mark.sign} #{i}", *[text for face, text in mark.lines if face != "small"]])
            for i, mark in self.marks.items()
        ]
        return "\n".join([self.title, "", as_text(self.flow), *lines])


# A failed operation --------------------------------------------------------------------------------------------------


class Failure(NamedTuple):
    """What failed: an operation or a function, its operands by what it calls them, and a node whose bprop it was."""

    name: str
    operands: tuple[tuple[str, Node], ...]
    node: Operation | None = None  # the operation, half-made
    of: Operation | None = None


def draw_error(error: BaseException, title: str, direction: str | None, limit: int) -> MarkedGraph:
    """Draw the graph up to where an error, or the one it was raised for, arose; of a GradientError the graph that was checked."""
    told: BaseException | None = error
    while told is not None:
        frames = [frame for frame, _ in walk_tb(told.__traceback__)]
        if isinstance(told, GradientError):
            drawn = _draw_gradient_error(frames, str(told), title, direction, limit)
            if drawn is not None:
                return drawn
        failure = _anomaly(frames) if isinstance(told, FloatingPointError) else None
        failure = failure or failure_in(frames, str(told))
        if failure is not None:
            return _drawn(failure, str(told), title, direction)
        told = told.__cause__ or told.__context__
    raise TypeError(
        f"mg.draw: nothing in the traceback of this {type(error).__name__} holds a node: draw the error that an operation, "
        "a layer or a bprop raised, within `except` or later, as it was caught"
    )


def _draw_gradient_error(
    frames: Sequence[FrameType], message: str, title: str, direction: str | None, limit: int
) -> MarkedGraph | None:
    """Draw what was checked, read off the frames of the check."""
    for frame in frames:
        found = frame.f_locals
        if _runs(frame, checking._refuse_breaches) and "outputs" in found:
            return _draw_breach(found["outputs"], message, title, direction)
        if _runs(frame, checking.check_gradients) and found.get("miss") is not None:
            own = [output for output in found["miss"].outputs if output.adjoint_of is None]
            title = title or message.partition("\n")[0]
            return draw_checked(own, title, direction, limit, order=found["miss"].order + 1)
    return None


def failure_in(frames: Sequence[FrameType], message: str) -> Failure | None:
    """What failed, from the innermost frame out: an operation, else a bprop, else a function or layer that was given nodes."""
    called: list[tuple[int, Failure]] = []
    for frame in reversed(frames):
        found = frame.f_locals
        if "node" in found and (_runs(frame, _give_birth) or _runs(frame, Graph._feed)):
            node = cast(Operation, found["node"])
            roles = [*node.roles, *[f"input {i}" for i in range(len(node.roles), len(node.children))]]
            operands = tuple(zip(roles, node.children, strict=False))
            return Failure(type(node).__name__, operands, node, _rule_around(frames))
        if "node" in found and _runs(frame, send):
            return _of_rule(found["node"], found["adjoint"])
        operands = _given(frame) if package(frame) == "minigrad" else ()
        if operands:
            called += [(_likely(name, message), Failure(name, operands)) for name in _names(frame)]
    return min(called, key=lambda each: each[0])[1] if called else None


def _anomaly(frames: Sequence[FrameType]) -> Failure | None:
    """The bprop in which an adjoint became nan or infinite: the sweep tells of it anew, so that no frame within is left."""
    last = frames[-1] if frames else None
    if last is None or not _runs(last, sweep) or "adjoint" not in last.f_locals:
        return None
    return _of_rule(last.f_locals["node"], last.f_locals["adjoint"])


def _of_rule(node: Operation, adjoint: Node) -> Failure:
    return Failure(f"bprop of {type(node).__name__}", (("y", node), ("ȳ", adjoint)), None, node)


def _names(frame: FrameType) -> list[str]:
    """What a function is called, and a layer whose method it is."""
    owner = frame.f_locals.get("self")
    return [frame.f_code.co_name, *[type(owner).__name__] * (owner is not None and not isinstance(owner, Node))]


def _likely(name: str, message: str) -> int:
    """How likely that name is what failed, 0 most: messages begin with it; else it is one that users know."""
    if re.match(rf"{re.escape(name)}\b", message):
        return 0
    return 1 if name in minigrad.__all__ else 2 + name.startswith("_")


def _rule_around(frames: Iterable[FrameType]) -> Operation | None:
    """The node whose bprop ran."""
    return next((frame.f_locals.get("node") for frame in frames if _runs(frame, send)), None)


def _runs(frame: FrameType, function: Any) -> bool:
    return frame.f_code is function.__code__


def _given(frame: FrameType) -> tuple[tuple[str, Node], ...]:
    """The nodes among the arguments of a function, and in lists among them."""
    code = frame.f_code
    count = code.co_argcount + code.co_kwonlyargcount + bool(code.co_flags & 4)  # *args
    found = []
    for name in code.co_varnames[:count]:
        given = frame.f_locals.get(name)
        several = given if isinstance(given, list | tuple) else ()
        found += [(name, given)] if _is_made(given) else []
        found += [(f"{name} {i}", one) for i, one in enumerate(several) if _is_made(one)]
    return tuple(found)


def _is_made(given: object) -> TypeGuard[Node]:
    """Whether it is a node that has its value."""
    return isinstance(given, Node) and hasattr(given, "_value")


def _drawn(failure: Failure, message: str, title: str, direction: str | None) -> MarkedGraph:
    operands = [node for _, node in failure.operands]
    shown = [*operands, *([] if failure.of is None else [failure.of])]
    flow, index = _plain(shown)
    flow, moved = _nearest(flow, [index[node] for node in shown])
    of = None if failure.of is None else moved[index[failure.of]]
    last = FlowNode(
        index=len(flow.nodes),
        kind="operation" if failure.of is None else "adjoint",
        operation=failure.name,
        attributes={} if failure.node is None else symbols.attributes(failure.node.attributes),
        name="",
        shape=(),
        dtype="",
        value=(),
        adjoint=(),
        scope="" if failure.node is None else str(symbols.clean(failure.node.scope)),
        adjoint_of=of,
        order=0 if failure.of is None else 1,
        loop=None,
        step=None,
        role="",
        line="",
    )
    edges = [FlowEdge(moved[index[node]], last.index, slot) for slot, node in enumerate(operands)]
    said = symbols.clean(_without_operands(message))
    flow = Flow((*flow.nodes, last), (*flow.edges, *edges), (last.index,), note=symbols.clean(message))
    lines = [*[("value", line) for line in _side_by_side(failure)], *_wrapped(said)]
    marks = {last.index: Mark("✗", "failed", tuple(lines))}
    inside = "" if failure.of is None or failure.node is None else f" in the bprop of {type(failure.of).__name__}"
    return MarkedGraph(flow, marks, title or f"{failure.name}{inside} fails", direction)


def _without_operands(message: str) -> str:
    """A message without the operands and the line of the program, which boxes and traceback show; all causes are kept."""
    first, *parts = re.split(" {3,}", message)
    kept = [part for part in parts if not re.match(r"at |[A-Za-z]\w*( \d+)?: ", part)]
    return "; ".join([first, *kept])


def _wrapped(said: str) -> list[tuple[str, str]]:
    """A message as lines of a box."""
    return [("small", line) for line in textwrap.wrap(said, LINE, max_lines=MOST_LINES, placeholder=" …")]


def _side_by_side(failure: Failure) -> list[str]:
    """The shapes of the operands: "(20, 50) @ (40, 50)", or each with its name."""
    shapes = [str(node.shape) for _, node in failure.operands]
    if failure.name in symbols.INFIX and len(shapes) == 2:
        return [f" {symbols.INFIX[failure.name]} ".join(shapes)]
    said = [f"{role} {shape}" for (role, _), shape in zip(failure.operands, shapes, strict=True)]
    more = [f"{len(said) - LISTED} more"] if len(said) > LISTED else []
    return ["  ".join([symbols.shortened(one, LINE) for one in [*said[:LISTED], *more]])]


def _nearest(flow: Flow, ends: Sequence[int]) -> tuple[Flow, dict[int, int]]:
    """The nodes nearest to the ends, out of loops, and their numbers there; those at the border refer to what lies behind."""
    operands = flow.operands()
    kept, border = set(ends), set(ends)
    while border:
        further = {child for node in border for child in operands[node]} - kept
        if len(kept) + len(further) > max(NEAREST, len(set(ends))):
            break
        kept |= further
        border = further
    cut = {node for node in border if operands[node]}
    moved = {node: i for i, node in enumerate(sorted(kept))}
    nodes = []
    for old, new in moved.items():
        node = flow.nodes[old]
        origin = None if node.adjoint_of is None else moved.get(node.adjoint_of)
        node = replace(node, index=new, loop=None, step=None, adjoint_of=origin)
        nodes.append(
            replace(node, kind="reference", name=flow.nodes[old].title, adjoint_of=None) if old in cut else node
        )
    edges = [
        FlowEdge(moved[edge.source], moved[edge.target], edge.slot)
        for edge in flow.edges
        if edge.target in kept and edge.target not in cut
    ]
    return Flow(tuple(nodes), tuple(edges), tuple(moved[end] for end in dict.fromkeys(ends))), moved


# Checked rules -------------------------------------------------------------------------------------------------------


def draw_checked(given: object, title: str, direction: str | None, limit: int, *, order: int = 1) -> MarkedGraph:
    """Draw a graph, each operation marked right or wrong: its bprop against differences of its own fprop, at its operands."""
    outputs: Sequence[Node] = given if isinstance(given, Sequence) else [given]  # type: ignore[list-item] # checked below
    if not outputs or not all(isinstance(node, Node) for node in outputs):
        raise no_node("mg.draw(check=True) takes a node or several", given, "give one flat list of nodes")
    flow, index = _plain(outputs)
    if len(index) > limit:
        raise ValueError(
            f"mg.draw(check=True): {len(index)} nodes are too many to check and to read (limit={limit}). Draw a part (an "
            "intermediate node, fewer time steps, a smaller net), or raise the limit"
        )
    found = checking.check_rules(index, order)
    marks = {index[node]: Mark("✓", "right") if miss is None else _mark(miss) for node, miss in found.items()}
    wrong = [i for i, mark in marks.items() if mark.role == "wrong"]
    said = ", ".join([flow.nodes[i].title for i in wrong[:4]]) + ", …" * (len(wrong) > 4)
    verdict = f"Wrong: {said}." if wrong else "No bprop is wrong."
    checked = sum(mark.sign != "?" for mark in marks.values())
    note = f"{checked} bprops checked, each against differences of its own fprop. {verdict}"
    flow = replace(flow, note=note)
    named = "which bprops are what differences say"
    return MarkedGraph(flow, marks, title or f"{flow.nodes[flow.outputs[-1]].title}: {named}", direction)


def _draw_breach(outputs: Sequence[Node], message: str, title: str, direction: str | None) -> MarkedGraph:
    """Draw a graph with the operation marked that breaks a rule of the engine."""
    flow, index = _plain(outputs)
    broken = [i for node, i in index.items() if f"the operation {where(node)} is not" in message]
    marks = {i: Mark("✗", "failed", tuple(_wrapped(message))) for i in broken[:1]}
    return MarkedGraph(replace(flow, note=symbols.clean(message)), marks, title or message.partition(":")[0], direction)


def _plain(outputs: Sequence[Node]) -> tuple[Flow, dict[Node, int]]:
    """A graph without adjoints, and the numbers of its nodes."""
    nodes = in_order(outputs)
    flow = flow_of(nodes, outputs, [summary.rows(node._value) for node in nodes], [()] * len(nodes))
    return flow, {node: i for i, node in enumerate(nodes)}


def _mark(miss: checking.RuleMiss) -> Mark:
    """The worst entry: what bprop says, and what differences say."""
    if miss.unjudged:
        return Mark("?", "", tuple(_wrapped(f"{miss.unjudged}: differences do not judge")))
    lines = [
        ("value", miss.entry),
        ("adjoint", f"by bprop {summary.number(miss.by_bprop)}"),
        ("value", f"by differences {summary.number(miss.by_differences)}"),
    ]
    return Mark("✗", "wrong", tuple(lines))

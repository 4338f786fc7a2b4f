"""From a graph to boxes and arrows: numbers are written where they are used, leaves and far values become stubs.

A leaf with many uses (a weight of an unrolled net) would tangle the picture, and takes `dot` minutes; so it gets a small
box at each use. So does the value of a node far away, as the adjoints in a long graph read those of the forward pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from minigrad.drawing import metrics, summary, symbols
from minigrad.drawing.flow import Flow, FlowNode
from minigrad.drawing.layers import layers
from minigrad.drawing.style import FACES, INDEX, ROLES

STUBS_FROM = {"parameter": 2, "state": 2, "input": 4, "constant": 4}  # uses from which a leaf is repeated
FAR = 5  # an arrow to an adjoint over more layers than that becomes a reference
LONGEST_TITLE = 30


@dataclass(frozen=True, slots=True)
class Box:
    """A box: its name in files, the node it shows, its role (see `style`), its lines as (face, text), its place."""

    name: str
    node: int
    role: str
    lines: tuple[tuple[str, str], ...]
    tooltip: str
    scope: tuple[str, ...]
    is_output: bool
    late: bool
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Arrow:
    """An arrow between boxes, given by their place in the list; slot is the place among the operands.

    mark: the place as text, counted from 1, where the order of the operands matters
    """

    source: int
    target: int
    slot: int
    role: str
    mark: str


@dataclass(frozen=True, slots=True)
class Diagram:
    """Boxes, sources before targets where they can be, and arrows; a title and a description for those who listen."""

    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    title: str
    description: str
    note: str


def diagram(flow: Flow, *, stubs: bool, numbers: bool, title: str) -> Diagram:
    """The picture of a graph: `stubs` repeats leaves at their uses, `numbers` writes numbers where they are used."""
    uses = _uses(flow, inline=numbers)
    operands = flow.operands()
    repeated = _repeated(flow, uses) if stubs else set()
    far = _far(flow, uses) if stubs else set()
    boxes: list[Box] = []
    arrows: list[Arrow] = []
    place: dict[int, int] = {}  # of the box of a node
    copies = [0] * len(flow.nodes)
    for node, sources in zip(flow.nodes, _by_target(flow, uses), strict=True):
        beside: dict[int, int] = {}  # the stubs made for this node
        for source, _ in sources:
            if source not in beside and (source in repeated or (source, node.index) in far):
                copies[source] += 1
                beside[source] = len(boxes)
                first = copies[source] == 1 and source not in place
                boxes.append(_stub(flow, flow.nodes[source], node, copies[source], operands, first=first))
        hidden = node.index in repeated or (numbers and node.is_number and node.index not in flow.outputs)
        if not hidden:
            place[node.index] = len(boxes)
            boxes.append(_box(flow, node, operands, inline=numbers))
        marked = len(sources) > 1 and node.operation not in symbols.COMMUTATIVE
        for source, slot in sources:
            start = beside[source] if source in beside else place[source]
            role, mark = _arrow_role(flow.nodes[source], node), str(slot + 1) if marked else ""
            arrows.append(Arrow(start, place[node.index], slot, role, mark))
    return Diagram(tuple(boxes), tuple(arrows), title or _title(flow), _description(flow), flow.note)


def _by_target(flow: Flow, uses: Iterable[tuple[int, int, int]]) -> list[list[tuple[int, int]]]:
    """For each node what is drawn into it: (source, slot)."""
    incoming: list[list[tuple[int, int]]] = [[] for _ in flow.nodes]
    for source, target, slot in uses:
        incoming[target].append((source, slot))
    return incoming


def _uses(flow: Flow, *, inline: bool) -> list[tuple[int, int, int]]:
    """The edges to be drawn: (source, target, slot)."""
    return [
        (edge.source, edge.target, edge.slot)
        for edge in flow.edges
        if not (inline and flow.nodes[edge.source].is_number)
    ]


def _repeated(flow: Flow, uses: Iterable[tuple[int, int, int]]) -> set[int]:
    """The leaves that get a box at each use."""
    counts: dict[int, int] = {}
    for source, _, _ in uses:
        counts[source] = counts.get(source, 0) + 1
    return {
        source
        for source, count in counts.items()
        if count >= STUBS_FROM.get(flow.nodes[source].kind, count + 1) and source not in flow.outputs
    }


def _far(flow: Flow, uses: Sequence[tuple[int, int, int]]) -> set[tuple[int, int]]:
    """The pairs (source, target) that lie many layers apart, the target an adjoint."""
    late = [node.kind == "adjoint" for node in flow.nodes]
    layer = layers(late, [(source, target) for source, target, _ in uses])
    return {(source, target) for source, target, _ in uses if late[target] and layer[target] - layer[source] > FAR}


# Boxes ---------------------------------------------------------------------------------------------------------------


def _box(flow: Flow, node: FlowNode, operands: list[list[int]], *, inline: bool) -> Box:
    """The box of a node, with all that fits."""
    title = node.name
    if operands[node.index] or node.kind in ("operation", "adjoint"):
        numbers = [_number(flow.nodes[child]) if inline else None for child in operands[node.index]]
        names = [symbols.shortened(flow.nodes[child].name, 8) for child in operands[node.index]]
        sign = symbols.label(node.operation, node.attributes, numbers, names)
        title = f"{node.name} = {sign}" if node.name else sign
    lines = [("title", symbols.shortened(title or node.kind, LONGEST_TITLE)), *_details(node)]
    return _sized(
        f"n{node.index}",
        node,
        _role(node),
        lines,
        _tooltip(flow, node, operands),
        node.scope,
        node.index in flow.outputs,
    )


def _stub(flow: Flow, node: FlowNode, user: FlowNode, copy: int, operands: list[list[int]], *, first: bool) -> Box:
    """The box of a node beside one of its users, and in the user's scope; the first of a leaf has the details."""
    leaf = not operands[node.index]
    name = node.name or (node.kind if leaf else node.title)
    lines = [("title" if leaf else "small", symbols.shortened(name, LONGEST_TITLE))]
    if leaf and first:
        lines += _details(node)
    role = _role(node) if leaf else "reference"
    return _sized(f"n{node.index}_{copy}", node, role, lines, _tooltip(flow, node, operands), user.scope, False)


def _details(node: FlowNode) -> list[tuple[str, str]]:
    """The lines below the title: where an adjoint comes from, shape, value, adjoint."""
    lines = []
    if node.kind == "adjoint" and node.adjoint_of is not None:
        lines.append(("small", f"bprop of #{node.adjoint_of}"))
    shape = "" if node.shape == () else str(node.shape)
    dtype = "" if node.dtype.startswith("float") else node.dtype
    if shape or dtype:
        lines.append(("small", f"{shape} {dtype}".strip()))
    lines += [("value", row) for row in node.value]
    lines += [("adjoint", f"{'∂ ' if i == 0 else '  '}{row}") for i, row in enumerate(node.adjoint)]
    return lines


def _sized(
    name: str, node: FlowNode, role: str, lines: list[tuple[str, str]], tooltip: str, scope: str, is_output: bool
) -> Box:
    """The box, as large as its lines need: text in the middle, the node's number in the corner."""
    corner = 2 * metrics.width(str(node.index), INDEX) + 12
    widths = [metrics.width(text, FACES[face]) + 20 for face, text in lines]
    widths[0] += corner - (4 if ROLES[role].round == 1 else 14)
    height = sum(FACES[face].height for face, _ in lines) + 11
    path = tuple([part for part in scope.split("/") if part])
    late = node.kind == "adjoint" and role != "reference"
    return Box(
        name, node.index, role, tuple(lines), tooltip, path, is_output, late, float(round(max(44, *widths))), height
    )


def _role(node: FlowNode) -> str:
    return "second" if node.kind == "adjoint" and node.order > 1 else node.kind


def _number(node: FlowNode) -> str | None:
    return summary.line(node.value) if node.is_number else None


def _arrow_role(giver: FlowNode, taker: FlowNode) -> str:
    """What flows: values; adjoints (within a backward sweep); values read again by a backward sweep."""
    if taker.kind != "adjoint":
        return "value"
    if giver.kind == "adjoint" and giver.order == taker.order:
        return "second" if taker.order > 1 else "adjoint"
    return "reuse"


# Words ---------------------------------------------------------------------------------------------------------------


def _tooltip(flow: Flow, node: FlowNode, operands: list[list[int]]) -> str:
    """All there is to know of a node."""
    children = [f"#{child}" for child in operands[node.index][:12]]
    what = symbols.expression(node.operation, node.attributes, children) if children else symbols.word(node.operation)
    lines = [f"#{node.index} {node.name} = {what}" if node.name else f"#{node.index} {what}"]
    if node.scope:
        lines.append(f"scope {node.scope}")
    if node.kind == "adjoint":
        origin = "a node that is not shown" if node.adjoint_of is None else f"#{node.adjoint_of} "
        lines.append(f"made by the bprop of {origin}{_named(flow, node.adjoint_of)}")
    lines.append(f"shape {node.shape} {node.dtype}")
    lines.append(f"value {summary.line(node.value)}")
    if node.adjoint:
        lines.append(f"adjoint {summary.line(node.adjoint)}")
    return "\n".join(lines)


def _named(flow: Flow, index: int | None) -> str:
    return "" if index is None else f"{symbols.word(flow.nodes[index].operation)} {flow.nodes[index].name}".strip()


def _title(flow: Flow) -> str:
    return (
        f"Flow graph of {', '.join([symbols.shortened(flow.nodes[output].title, 40) for output in flow.outputs[:4]])}"
    )


def _description(flow: Flow) -> str:
    """The graph in one sentence, for screen readers."""
    kinds = [node.kind for node in flow.nodes]
    names = {"parameter": "parameters", "state": "fixed parameters", "input": "inputs", "constant": "constants",
             "operation": "operations", "adjoint": "operations of adjoints"}  # fmt: skip
    parts = [f"{kinds.count(kind)} {name if kinds.count(kind) > 1 else name[:-1] if kind != 'adjoint' else name}"
             for kind, name in names.items() if kind in kinds]  # fmt: skip
    results = [f"{flow.nodes[i].title} = {summary.line(flow.nodes[i].value)}" for i in flow.outputs[:4]]
    return f"{len(kinds)} nodes: {', '.join(parts)}. Result: {'; '.join(results)}."

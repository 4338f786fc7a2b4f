"""From a graph to boxes and arrows: a box per node that the plan shows, and a stub per reference."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from minigrad.drawing import metrics, summary, symbols
from minigrad.drawing.blocks import Path
from minigrad.drawing.ends import MEANING, SIGN, said_of
from minigrad.drawing.flow import Flow, FlowNode, Label
from minigrad.drawing.plan import Plan, Stub
from minigrad.drawing.steps import Chain
from minigrad.drawing.style import FACES, INDEX, ROLES

LONGEST_TITLE = 30
LONGEST_NOTE = 110  # letters of a line below the picture
MARK_ROOM = 11.0  # for what marks a highlighted box
LONGEST_NAME = 12  # of an operand in it
MOST_AROUND = 4  # rearrangements of a named node that its name is written with


@dataclass(frozen=True, slots=True)
class Box:
    """A box: its name in files, the node it shows, its role (see `style`), its lines as (face, text), its place.

    scope: the scopes around it; path: the frames around it, which tell sweeps and time steps apart
    emphasis: 1 where it is highlighted, -1 where others are and it fades
    """

    name: str
    node: int
    role: str
    lines: tuple[tuple[str, str], ...]
    tooltip: str
    scope: tuple[str, ...]
    path: Path
    is_output: bool
    late: bool
    width: float
    height: float
    emphasis: int = 0


class Mark(NamedTuple):
    """What stands in the box of a node besides: a sign before its title, and lines; and its role, if not its own ("")."""

    sign: str
    role: str = ""
    lines: tuple[tuple[str, str], ...] = ()


STALE = Mark("", "stale", (("small", "stale"),))


@dataclass(frozen=True, slots=True)
class Arrow:
    """An arrow between boxes, given by their place in the list; slot is the place among the operands.

    mark: the place as text, counted from 1, where the order of the operands matters; of a delay, what goes into the next step
    """

    source: int
    target: int
    slot: int
    role: str
    mark: str
    emphasis: int = 0


@dataclass(frozen=True, slots=True)
class Diagram:
    """Boxes, sources before targets where they can be, and arrows; a title and a description for those who listen.

    lanes:      for each chain of steps, the boxes whose values are handed from step to step, and the lane of each
    references: the boxes of which the second one has a stub of the first
    notes:      lines below the picture
    headline:   the title that was asked for, to be seen: a picture that has none of its own needs no headline
    """

    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    title: str
    description: str
    note: str
    lanes: tuple[dict[int, int], ...]
    references: tuple[tuple[int, int], ...]
    notes: tuple[str, ...] = ()
    headline: str = ""


def diagram(
    flow: Flow, *, stubs: bool, numbers: bool, fold: bool, title: str, marks: Mapping[int, Mark] | None = None
) -> Diagram:
    """The picture of a graph: `stubs` repeats leaves at their uses, `numbers` writes numbers where they are used,
    `fold` draws runs of like operations as one box, `marks` are those of nodes by their numbers.
    """
    ending = {node: Mark("", "", (("small", said_of(flow, node)),)) for node in {target for _, target in flow.ends}}
    marks = {**ending, **dict.fromkeys(flow.stale, STALE), **(marks or {})}
    plan = Plan(flow, stubs=stubs, numbers=numbers, fold=fold)
    boxes: list[Box] = []
    arrows: list[Arrow] = []
    place: dict[int, int] = {}  # of the box of a node
    stub_at: dict[Stub, int] = {}
    copies = [0] * len(flow.nodes)
    for node in [flow.nodes[index] for index in plan.order if index not in plan.hidden]:
        starts = []
        for source, _ in plan.incoming[node.index]:
            stub = plan.stubs.get((source, node.index))
            if stub is not None and stub not in stub_at:
                copies[source] += 1
                stub_at[stub] = len(boxes)
                first = copies[source] == 1 and source in plan.hidden and node.index not in plan.where
                boxes.append(
                    _stub(plan, stub, copies[source], first=first, emphasis=_emphasis(plan, source, node.index))
                )
            starts.append(place[source] if stub is None else stub_at[stub])
        place[node.index] = len(boxes)
        boxes.append(_box(plan, node, marks.get(node.index, Mark(""))))
        marked = len(starts) > 1 and node.operation not in symbols.COMMUTATIVE and node.index not in flow.shown.labels
        for start, (source, slot) in zip(starts, plan.incoming[node.index], strict=True):
            stub = plan.stubs.get((source, node.index))
            if stub is None or source == stub.values[0]:  # one arrow from the values of many steps
                role, mark = _arrow_role(flow.nodes[source], node), str(slot + 1) if marked else ""
                arrows.append(Arrow(start, place[node.index], slot, role, mark, _emphasis(plan, source, node.index)))
    arrows += _delays(plan, place)
    return Diagram(
        _alike(boxes),
        tuple(arrows),
        title or _title(flow),
        " ".join(
            [_description(flow), *[_steps(chain) for chain in plan.chains if not chain.titles], *flow.shown.notes]
        ),
        flow.note,
        _lanes(plan, place, stub_at),
        tuple([(place[source], place[target]) for source, target in plan.stubs if source in place and target in place]),
        (*flow.shown.notes, *_warning(flow), *[MEANING] * any(SIGN in text for box in boxes for _, text in box.lines)),
        title,
    )


def _warning(flow: Flow) -> list[str]:
    """What a picture of stale values says below."""
    if not flow.stale:
        return []
    return textwrap.wrap(f"Stale values: {flow.note}.", LONGEST_NOTE)


def without_ends(boxes: Diagram) -> Diagram:
    """Leave out where adjoints end, for a page that begins before there are any; boxes stay as large."""
    kept = [replace(box, lines=tuple([line for line in box.lines if SIGN not in line[1]])) for box in boxes.boxes]
    return replace(boxes, boxes=tuple(kept), notes=tuple([note for note in boxes.notes if note != MEANING]))


def _emphasis(plan: Plan, *nodes: int) -> int:
    """Whether what leads from the first to the last of these is highlighted."""
    strong = plan.shown.strong
    return 0 if strong is None else 1 if strong.issuperset(nodes) else -1


def _delays(plan: Plan, place: dict[int, int]) -> list[Arrow]:
    """The arrows from a rolled step to the next one, where steps are drawn as such."""
    found = []
    for edge, back in plan.shown.delays.items() if plan.chains else ():
        name = symbols.shortened(plan.flow.nodes[edge.source].name, LONGEST_NAME)
        mark = f"{name}: " * bool(name) + ("next step" if back == 1 else f"{back} steps later")
        emphasis = _emphasis(plan, edge.source, edge.target)
        found.append(Arrow(place[edge.source], place[edge.target], edge.slot, "delay", mark, emphasis))
    return found


def _lanes(plan: Plan, place: dict[int, int], stub_at: dict[Stub, int]) -> tuple[dict[int, int], ...]:
    """The lanes of each chain, by the boxes whose values they carry."""
    found = []
    for c, chain in enumerate(plan.chains):
        lanes = {value: lane for boundary in chain.lanes for value, lane in boundary.items()}
        found.append(
            {
                stub_at.get(Stub((value,), -1 - c, plan.outer(c)), place.get(value, -1)): lane
                for value, lane in lanes.items()
            }
        )
    return tuple(found)


def _alike(boxes: list[Box]) -> tuple[Box, ...]:
    """The boxes, those in the same place of like steps as large as the largest of them."""
    steps: dict[tuple[int, int], dict[int, list[int]]] = {}
    for i, box in enumerate(boxes):
        if box.path and box.path[-1].step >= 0:
            part = box.path[-1]
            steps.setdefault((part.chain, part.kind), {}).setdefault(part.step, []).append(i)
    for like in steps.values():
        for places in zip(*like.values(), strict=False):
            width = max([boxes[i].width for i in places])
            height = max([boxes[i].height for i in places])
            for i in places:
                boxes[i] = replace(boxes[i], width=width, height=height)
    return tuple(boxes)


# Boxes ---------------------------------------------------------------------------------------------------------------


def _box(plan: Plan, node: FlowNode, mark: Mark) -> Box:
    """The box of a node, with all that fits."""
    if node.index in plan.shown.labels:
        return _labelled(plan, node, plan.shown.labels[node.index])
    title = symbols.shortened(mark.sign + " " * bool(mark.sign) + _heading(plan, node), LONGEST_TITLE)
    lines = [("title", title), *_details(node), *mark.lines]
    if node.index in plan.folds:
        members = plan.folds[node.index].members
        lines.insert(1, ("small", f"#{members[0]} … #{members[-1]}"))
    tooltip = "\n".join([_tooltip(plan, node), *[text for _, text in mark.lines]])
    return _in(plan, _sized(f"n{node.index}", node, mark.role or _role(node), lines, tooltip, plan.paths[node.index]))


def _labelled(plan: Plan, node: FlowNode, label: Label) -> Box:
    """The box that stands for several nodes."""
    lines = [("title", label.title), *[("small", line) for line in label.lines]]
    box = _sized(f"n{node.index}", node, label.role, lines, label.tooltip, plan.paths[node.index])
    return _in(plan, box)


def _in(plan: Plan, box: Box) -> Box:
    """A box with what the whole picture makes of it: an output, highlighted, faded."""
    return replace(_emphasized(box, _emphasis(plan, box.node)), is_output=box.node in plan.outputs)


def _emphasized(box: Box, emphasis: int) -> Box:
    """A box with its emphasis, and with room for the mark of it."""
    return replace(box, emphasis=emphasis, width=box.width + 2 * MARK_ROOM * (emphasis > 0))


def _heading(plan: Plan, node: FlowNode) -> str:
    """The name of a node and its operation, the numbers among the operands written out."""
    operands = plan.operands[node.index]
    if node.index in plan.folds:
        sign = plan.folds[node.index].title
        return f"{node.name} = {sign}" if node.name else sign
    if not operands and node.kind not in ("operation", "adjoint"):
        return node.name or node.kind
    numbers = [_number(plan.flow.nodes[child]) if plan.numbers else None for child in operands]
    names = [_called(plan, plan.flow.nodes[child]) for child in operands]
    sign = symbols.label(node.operation, node.attributes, numbers, names)
    return f"{node.name} = {sign}" if node.name else sign


def _called(plan: Plan, node: FlowNode) -> str:
    """The name of an operand in the heading of another node, the inner parts of a long one; or else its number."""
    return _by_name(plan, node) or f"#{node.index}"


def _by_name(plan: Plan, node: FlowNode) -> str:
    """What a node is called by its own name, or by that of the node whose entries it rearranges: "Wᵀ"; "" where there is none."""
    around: list[FlowNode] = []
    while not node.name and len(plan.operands[node.index]) == 1 and len(around) < MOST_AROUND:
        around.append(node)
        node = plan.flow.nodes[plan.operands[node.index][0]]
    if not node.name:
        return ""
    called = _short(node)
    for outer in reversed(around):
        called = called and symbols.rearranged(outer.operation, outer.attributes, called)
    return called


def _short(node: FlowNode) -> str:
    """The inner parts of a long name."""
    parts = node.name.split(".")
    while len(parts) > 1 and len(".".join(parts)) > LONGEST_NAME:
        parts.pop(0)
    return symbols.shortened(".".join(parts), LONGEST_NAME)


def _stub(plan: Plan, stub: Stub, copy: int, *, first: bool, emphasis: int) -> Box:
    """The box of a value where it is read; the first of a leaf has the details."""
    node = plan.flow.nodes[stub.values[0]]
    leaf = not plan.operands[node.index]
    lines = [("title" if leaf else "small", symbols.shortened(_reference(plan, node), LONGEST_TITLE))]
    if leaf and first:
        lines += _details(node)
    tooltip = _tooltip(plan, node) if leaf and first else _stub_tooltip(plan, node)
    if len(stub.values) == 1 and stub.steps:
        lines.append(("small", stub.steps))
        tooltip += f"\n{stub.steps}"
    elif stub.steps:
        names = {_named_alike(plan, plan.flow.nodes[value]) for value in stub.values}
        what = names.pop() if len(names) == 1 else "values"
        lines = [("small", f"{len(stub.values)} × {what}"), ("small", stub.steps)]
        tooltip = "\n".join([f"{len(stub.values)} values, of {stub.steps}", *[f"#{value}" for value in stub.values]])
    role = _role(node) if leaf else "reference"
    return _emphasized(_sized(f"n{node.index}_{copy}", node, role, lines, tooltip, stub.path), emphasis)


def _named_alike(plan: Plan, node: FlowNode) -> str:
    """What a value is called in every step: its name without the number of the step, or its operation."""
    return re.sub(r"(?<=[^\W\d])_?\d+(?![0-9A-Za-z_])", "", _by_name(plan, node)) or symbols.word(node.operation)


def _reference(plan: Plan, node: FlowNode) -> str:
    """What a value is called where it is read: its name, or its operation where that tells of what, or both with its number."""
    operands = plan.operands[node.index]
    if node.index in plan.shown.labels:
        label = plan.shown.labels[node.index]
        return f"… {label.lines[0]}" if label.role == "cut" else label.title  # its own box alone has the count
    if node.name or not operands:
        return node.name or node.kind
    part = len(operands) == 1 and symbols.rearranged(node.operation, node.attributes, f"#{operands[0]}")
    return _by_name(plan, node) or (part if node.operation == "GetItem" and part else node.title)


def _details(node: FlowNode) -> list[tuple[str, str]]:
    """The lines below the title: where an adjoint comes from, shape, value, adjoint."""
    lines = []
    if node.kind == "adjoint" and node.adjoint_of is not None:
        lines.append(("small", f"bprop of #{node.adjoint_of}"))
    shape = "" if node.shape == () else str(node.shape)
    dtype = node.dtype if not node.dtype.startswith("float") else ""
    if shape or dtype:
        lines.append(("small", f"{shape} {dtype}".strip()))
    lines += [("value", row) for row in node.value]
    lines += [("adjoint", f"{'∂ ' if i == 0 else '  '}{row}") for i, row in enumerate(node.adjoint)]
    return lines


def _sized(name: str, node: FlowNode, role: str, lines: list[tuple[str, str]], tooltip: str, path: Path) -> Box:
    """The box, as large as its lines need: text in the middle, the node's number in the corner."""
    corner = 2 * metrics.width(str(node.index), INDEX) + 12
    widths = [metrics.width(text, FACES[face]) + 20 for face, text in lines]
    widths[0] += corner - (4 if ROLES[role].round == 1 else 14)
    height = sum(FACES[face].height for face, _ in lines) + 11
    scope = tuple([part.title for part in path if part.title])
    late = node.kind == "adjoint" and role != "reference"
    return Box(
        name,
        node.index,
        role,
        tuple(lines),
        tooltip,
        scope,
        path,
        False,
        late,
        float(round(max(44, *widths))),
        height,
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


def _tooltip(plan: Plan, node: FlowNode) -> str:
    """What there is to know of a node besides what its box says."""
    lines = [_said(plan, node)]
    if node.index in plan.folds:
        members = plan.folds[node.index].members
        lines.insert(0, f"{len(members)} nodes, #{members[0]} … #{members[-1]}: {plan.folds[node.index].title}")
    frames = "/".join([part.title for part in plan.paths[node.index] if part.title])
    if node.scope.strip("/") not in ("", frames):
        lines.append(f"scope {node.scope}")
    if node.kind == "adjoint":
        origin = "a node that is not shown" if node.adjoint_of is None else f"#{node.adjoint_of} "
        lines.append(f"made by the bprop of {origin}{_named(plan.flow, node.adjoint_of)}")
    return "\n".join([*lines, f"shape {node.shape} {node.dtype}"])


def _stub_tooltip(plan: Plan, node: FlowNode) -> str:
    """What a value is, where it is read."""
    lines = [_said(plan, node), f"shape {node.shape} {node.dtype}", f"value {summary.line(node.value)}"]
    return "\n".join([*lines, f"adjoint {summary.line(node.adjoint)}"] if node.adjoint else lines)


def _said(plan: Plan, node: FlowNode) -> str:
    """A node as a line of mathematics."""
    children = [f"#{child}" for child in plan.operands[node.index][:12]]
    what = symbols.expression(node.operation, node.attributes, children) if children else symbols.word(node.operation)
    return f"#{node.index} {node.name} = {what}" if node.name else f"#{node.index} {what}"


def _named(flow: Flow, index: int | None) -> str:
    return "" if index is None else f"{symbols.word(flow.nodes[index].operation)} {flow.nodes[index].name}".strip()


def _steps(chain: Chain) -> str:
    """A chain of steps in one sentence: which, and whether they are laid out alike."""
    first, last = chain.frame(0)[1], chain.frame(len(chain.steps) - 1)[1]
    kinds = len(set(chain.kinds))
    alike = "all alike" if kinds == 1 else f"of {kinds} structures, each laid out by itself"
    of = (" of adjoints", " of adjoints of adjoints")[min(chain.sweep[0], 2) - 1] if chain.sweep[0] else ""
    return f"{len(chain.steps)} steps{of}, {first} … {last}, {alike}."


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
    titles = [symbols.shortened(flow.nodes[i].title, 40) for i in flow.outputs[:4]]
    values = [summary.line(flow.nodes[i].value) for i in flow.outputs[:4]]
    results = [f"{name} = {value}" for name, value in zip(titles, values, strict=True)]
    said = f"Result: {'; '.join(results)}" if all(values) else f"No result: {', '.join(titles)} failed"
    return f"{len(kinds)} nodes: {', '.join(parts)}. {said}."

"""A graph as text: one line a node, children first; to be read in a terminal and compared in a test."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from minigrad.drawing import summary, symbols
from minigrad.drawing.ends import SIGN
from minigrad.drawing.flow import Flow, FlowNode, Shown, flow_graph
from minigrad.node import Node

if TYPE_CHECKING:
    from minigrad.drawing.events import Record

TITLES = ["#", "node", "operation", "shape", "value", "adjoint"]
WIDTH = 110
MOST_OPERANDS = 4


def listing(outputs: Node | Sequence[Node] | Record, adjoints: bool | None = None) -> str:
    """Describe the graph as text: number, scope and name, operation, shape, value and adjoint of every node, children first.

    outputs:  a node, several, or what `mg.record` gave
    adjoints: True computes ∂output/∂node, False leaves it out, None computes it for a number in a small forward graph

    >>> import minigrad as mg
    >>> x = mg.Input(3.0, name="x")
    >>> print(mg.listing(x * x + 1))
    #  node  operation  shape  value  adjoint
    0  x     input      ()     3      6
    1        #0 × #0    ()     9      1
    2        constant   ()     1
    3        #1 + #2    ()     10     1
    """
    return as_text(flow_graph(outputs, adjoints, "mg.listing"))


def as_text(flow: Flow) -> str:
    """The lines of `listing`."""
    shown, operands = flow.shown, flow.operands()
    nodes = [node for node in flow.nodes if node.index not in shown.stands]
    children = {node.index: [shown.stands.get(child, child) for child in operands[node.index]] for node in nodes}
    ends = {node for _, node in flow.ends}
    table = [TITLES, *[_row(node, children[node.index], shown, ends=node.index in ends) for node in nodes]]
    if not any(node.adjoint for node in flow.nodes):
        table = [row[:-1] for row in table]
    widths = [max([len(cell) for cell in column]) for column in zip(*table, strict=True)]
    while sum(widths) + 2 * (len(widths) - 1) > WIDTH:  # the widest give way
        widths[widths.index(max(widths))] -= 1
    lines = ["  ".join([_aligned(cell, width, title) for cell, width, title in zip(row, widths, TITLES, strict=False)])
             for row in table]  # fmt: skip
    if shown.strong is not None:
        places = [-1, *[node.index for node in nodes]]
        lines = [f"{'▶ ' if place in shown.strong else '  '}{line}" for place, line in zip(places, lines, strict=True)]
    return "\n".join([*[line.rstrip() for line in lines], *_delays(flow), *shown.notes, *[flow.note] * bool(flow.note)])


def _delays(flow: Flow) -> list[str]:
    """What goes from step to step of rolled loops."""
    lines = []
    for (source, target), back in {
        (edge.source, edge.target): back for edge, back in flow.shown.delays.items()
    }.items():
        when = "in the next step" if back == 1 else f"{back} steps later"
        lines.append(f"#{source} {flow.nodes[source].name}".rstrip() + f" is read by #{target} {when}")
    return lines


def _row(node: FlowNode, children: Sequence[int], shown: Shown, *, ends: bool) -> list[str]:
    if node.index in shown.labels:
        label = shown.labels[node.index]
        around = node.scope if label.scope is None else label.scope
        return [str(node.index), around + "/" * bool(around) + label.title, ", ".join(label.lines), "", "", ""]
    place = f"{node.scope}/{node.name}" if node.scope and node.name else node.scope + "/" * bool(node.scope) + node.name
    shape = (
        ""
        if not node.dtype
        else str(node.shape).replace(" ", "") + ("" if node.dtype == "float64" else f" {node.dtype}")
    )
    what = _operation(node, children) + f" {SIGN}" * ends
    return [str(node.index), place, what, shape, summary.line(node.value), summary.line(node.adjoint)]


def _operation(node: FlowNode, children: Sequence[int]) -> str:
    if not children:
        return symbols.word(node.operation)
    operands = [f"#{child}" if child >= 0 else "…" for child in children]
    if len(operands) > MOST_OPERANDS:
        operands = [*operands[: MOST_OPERANDS - 1], "…", operands[-1]]
    return symbols.expression(node.operation, node.attributes, operands)


def _aligned(cell: str, width: int, title: str) -> str:
    if title in ("value", "adjoint") and cell:
        return summary.cut(cell, width).ljust(width)
    cell = symbols.shortened(cell, width)
    return cell.rjust(width) if title == "#" else cell.ljust(width)

"""The cell of a recurrent net as a picture: one step as in a textbook, with loops for what the next step reads.

Everything in it is found in the recorded graph: the items of one step, their wires, the weights. Where these are those of a cell
in `cell_places`, it is drawn by the places there; of any other the picture is the flow of one step, and says why.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import cast

from minigrad.drawing import metrics, symbols
from minigrad.drawing.canvas import Picture, as_svg, pixels, text
from minigrad.drawing.cell_graph import MIXING, OPERATION, CellGraph, cell_graph
from minigrad.drawing.cell_panel import Panel
from minigrad.drawing.cell_picture import PALETTE, SMALL, Frame, Key
from minigrad.drawing.cell_places import CELLS, Cell, matched
from minigrad.drawing.cell_steps import typical_step
from minigrad.drawing.cell_weights import UnknownCellError
from minigrad.drawing.diagram import Diagram, diagram
from minigrad.drawing.events import Record
from minigrad.drawing.flow import Flow, FlowEdge, FlowNode, flow_graph
from minigrad.drawing.layered import layered
from minigrad.drawing.steps import common
from minigrad.drawing.style import INDEX, LIGHT, Face
from minigrad.drawing.svg import to_svg
from minigrad.drawing.text import as_text
from minigrad.drawing.uses import fixed_nodes
from minigrad.drawing.words import listed
from minigrad.node import Node

MARGIN, TOP = 24.0, 52.0
HEADLINE = Face(18, 26, False, 600, LIGHT["ink"])


def cell_view(given: object, title: str, limit: int) -> CellView:
    """Draw the cells of a loss, of several nodes or of a record."""
    flow = flow_graph(cast(Node | Sequence[Node] | Record, given), False, 'mg.draw(view="cell")')
    view = CellView(flow, symbols.clean(title))
    if view.n_boxes > limit:
        raise ValueError(
            f'mg.draw(view="cell"): a picture of {view.n_boxes} boxes cannot be read (limit={limit}){view.why}. Draw a part (a '
            "layer of a stack, a smaller net), or raise the limit"
        )
    return view


class CellView(Picture):
    """The cells of recurrent nets, one step of each. In a notebook it shows itself.

    panels: the data of each cell that has a picture
    reason: "" or why there is none, and the flow of one step is drawn
    """

    def __init__(self, flow: Flow, title: str = "") -> None:
        self.panels, unknown = _panels(flow)
        sizes = Counter([node.loop for node in flow.nodes])
        largest = max(unknown, key=lambda loop: sizes[loop], default=None)
        why = "no time steps were found in this graph" if largest is None else unknown[largest]
        self.reason = "" if self.panels else why
        self.flow = flow if self.panels or largest is None else _one_step(flow, largest)
        self.headline = title
        self.smallest = SMALL.size if self.panels else INDEX.size
        self.title = title or self._title()
        self.description = " ".join(self._said(flow, unknown) if self.panels else [f"{self._fallback()}."])

    def _said(self, flow: Flow, unknown: Mapping[int, str]) -> Iterator[str]:
        """The equations of each cell and which steps it stands for; which loops are left out."""
        for panel in self.panels:
            yield from [f"{formula}." for formula in panel.formulas()]
            yield from panel.caption()
        for loop, why in unknown.items():
            yield f"The loop {_scope(flow, loop) or loop + 1} is not drawn: {why}."

    def __repr__(self) -> str:
        names = ", ".join([panel.cell.title for panel in self.panels]) or f"drawn as flow, {self.reason}"
        return f"<CellView: {names}; .svg() .text() .html() .save(path)>"

    @property
    def why(self) -> str:
        """The reason as a clause."""
        return f", and as a cell there is none: {self.reason}" if self.reason else ""

    @property
    def n_boxes(self) -> int:
        """How many boxes the picture has."""
        return sum(len(panel.graph.items) for panel in self.panels) or len(self._diagram.boxes)

    def _title(self) -> str:
        if not self.panels:
            return f"Drawn as flow: {self.reason}"
        kinds = [panel.cell.title for panel in self.panels]
        return f"{listed(dict.fromkeys(kinds))}: one of {max(len(panel.steps) for panel in self.panels)} steps"

    def _fallback(self) -> str:
        return f"This is drawn as flow, since it has no picture as a cell: {self.reason}"

    def text(self) -> str:
        """The equations of each cell, and its wires; of a cell without a picture the operations of one step."""
        if not self.panels:
            return "\n".join([self.title, "", f"{self._fallback()}.", "", as_text(self.flow)])
        lines = [self.title]
        for panel in self.panels:
            lines += ["", *([panel.name] if len(self.panels) > 1 else []), *panel.formulas(), "", "wires"]
            lines += [f"  {panel.wire(*ends)}" for ends in panel.routes]
            lines += ["", *panel.caption()]
        return "\n".join(lines)

    def svg(self) -> str:
        """The picture as SVG, light or dark as its reader prefers."""
        if not self.panels:
            return to_svg(self._diagram, layered(self._diagram, "TB"))
        frames, width = self._frames, self._width
        key = Key(set().union(*[frame.signs() for frame in frames]), width)
        parts, y = [text(self.title, MARGIN, 36, HEADLINE)], TOP
        for frame in frames:
            parts.append(f'<g transform="translate(0 {pixels(y)})">\n{frame.drawn()}\n</g>')
            y += frame.height
        parts += key.drawn(y - 8)
        return as_svg(self.title, self.description, (width, y + key.height), PALETTE, "\n".join(parts))

    @property
    def _frames(self) -> list[Frame]:
        return [Frame(panel, headed=len(self.panels) > 1) for panel in self.panels]

    @property
    def _width(self) -> float:
        return max(2 * MARGIN + metrics.width(self.title, HEADLINE), *[frame.width for frame in self._frames])

    @cached_property
    def _diagram(self) -> Diagram:
        found = diagram(self.flow, stubs=True, numbers=True, fold=True, title=self.title)
        said = (*found.notes, "Drawn as flow, since it has no picture as a cell:", self.reason)
        return replace(
            found, description=f"{self._fallback()}. {found.description}", notes=said, headline=self.headline
        )


def _panels(flow: Flow) -> tuple[list[Panel], dict[int, str]]:
    """The loops that are known cells, and of the others why they are not."""
    panels: list[Panel] = []
    unknown: dict[int, str] = {}
    for number, loop in enumerate(flow.loops):
        if loop.order:
            continue
        try:
            graph = cell_graph(flow, number)
            cell, way = _known(graph)
        except UnknownCellError as error:
            unknown[number] = str(error)
            continue
        panels.append(Panel(cell, graph, way, _scope(flow, number), loop.steps))
    return panels, unknown


def _known(graph: CellGraph) -> tuple[Cell, dict[str, int]]:
    for cell in CELLS:
        way = matched(cell, graph)
        if way is not None:
            return cell, way
    signs = {item.sign for item in graph.items if item.kind in (OPERATION, MIXING)}
    usual = {sign for cell in CELLS for sign, *_ in cell.equations.values()} | {"tanh"}
    odd = sorted(signs - usual)
    found = f" (it has {listed(odd)})" if odd else ""
    raise UnknownCellError(f"its wires{found} are those of no cell that has a picture: LSTM, GRU, recurrent neurons")


def _scope(flow: Flow, loop: int) -> str:
    """The scope around all steps of a loop."""
    scopes = [tuple(node.scope.split("/")) for node in flow.nodes if node.loop == loop]
    return "/".join(common(scopes))


def _one_step(flow: Flow, loop: int) -> Flow:
    """A step of the loop and what it reads."""
    at = typical_step(flow.loops[loop])
    step = flow.loops[loop].steps[at]
    children, fixed = flow.operands(), fixed_nodes(flow)
    inside = [node.index for node in flow.nodes if node.loop == loop and node.step == step]
    shown, leaves, todo = {*inside}, set(), [*inside]
    while todo:
        for child in children[todo.pop()]:
            if child not in shown:
                shown.add(child)
                if child in fixed:
                    todo.append(child)
                else:
                    leaves.add(child)
    order = sorted(shown)
    places = {i: place for place, i in enumerate(order)}
    nodes = [_as_leaf(flow.nodes[i]) if i in leaves else flow.nodes[i] for i in order]
    edges = [
        FlowEdge(places[edge.source], places[edge.target], edge.slot)
        for edge in flow.edges
        if edge.target in shown and edge.target not in leaves
    ]
    outputs = [places[i] for i in inside if flow.nodes[i].role == "state"] or [places[inside[-1]]]
    plain = [replace(node, index=k, loop=None, step=None, adjoint_of=None) for k, node in enumerate(nodes)]
    return Flow(tuple(plain), tuple(edges), tuple(outputs))


def _as_leaf(node: FlowNode) -> FlowNode:
    """A value from outside of the step, as an input of it."""
    if node.kind not in ("operation", "adjoint"):
        return node
    name = node.name or symbols.word(node.operation)
    return replace(
        node,
        kind="input",
        operation="Input",
        attributes={},
        name=name if node.step is None else f"{name} of step {node.step}",
    )

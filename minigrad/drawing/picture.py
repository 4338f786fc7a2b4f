"""`draw`, and the drawing it gives: a picture to show, to save, to write into a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, cast, overload

import numpy as np

from minigrad.drawing import dot
from minigrad.drawing.arguments import cleaned_title, whole_number
from minigrad.drawing.canvas import save
from minigrad.drawing.cell_view import CellView, cell_view
from minigrad.drawing.diagram import Diagram, diagram, without_ends
from minigrad.drawing.events import Record, record, record_forward
from minigrad.drawing.flow import Flow, differentiable, flow_graph, places_of
from minigrad.drawing.layered import BETWEEN_ROWS, layered
from minigrad.drawing.layers_view import LayersView, layers_view
from minigrad.drawing.layout import DIRECTIONS, Layout
from minigrad.drawing.marked import MarkedGraph, draw_checked, draw_error
from minigrad.drawing.mermaid import to_mermaid
from minigrad.drawing.mirror import MirrorView, mirror_view
from minigrad.drawing.png import to_png
from minigrad.drawing.ranks import ranks
from minigrad.drawing.stepper import stepper, with_room
from minigrad.drawing.svg import to_svg, within
from minigrad.drawing.text import as_text
from minigrad.drawing.time_view import Runs, TimeView, time_view
from minigrad.drawing.transforms import Asked, transformed
from minigrad.node import Node
from minigrad.numbering import in_order

VIEWS = ("flow", "mirror", "cell", "time", "layers")
MOST, FEW = 2000, 200  # boxes of a picture
LAYOUTS = ("layered", "dot")
Chosen = Node | str | Sequence[Node | str]  # nodes, their names, scopes
WIDE = 1500  # pixels up to which a picture reads from left to right


@overload
def draw(
    outputs: Node | Sequence[Node] | Record,
    *,
    view: Literal["flow"] = "flow",
    adjoints: bool | None = None,
    direction: str | None = None,
    layout: str = "layered",
    stubs: bool = True,
    numbers: bool = True,
    fold: bool = True,
    roll: bool = False,
    depth: int | None = None,
    collapse: str | Sequence[str] = (),
    focus: Chosen | None = None,
    hops: int | None = None,
    highlight: Chosen | None = None,
    title: str = "",
    limit: int | None = None,
) -> Drawing: ...


@overload
def draw(outputs: Node, *, view: Literal["mirror"], title: str = "", limit: int | None = None) -> MirrorView: ...


@overload
def draw(
    outputs: Node | Sequence[Node] | Record,
    *,
    view: Literal["layers"],
    inside: bool | str | Sequence[str] = False,
    title: str = "",
    limit: int | None = None,
) -> LayersView: ...


@overload
def draw(
    outputs: BaseException, *, direction: str | None = None, title: str = "", limit: int | None = None
) -> MarkedGraph: ...


@overload
def draw(
    outputs: Node | Sequence[Node],
    *,
    check: Literal[True],
    direction: str | None = None,
    title: str = "",
    limit: int | None = None,
) -> MarkedGraph: ...


@overload
def draw(
    outputs: Node | Sequence[Node] | Record, *, view: Literal["cell"], title: str = "", limit: int | None = None
) -> CellView: ...


@overload
def draw(
    outputs: Runs,
    *,
    view: Literal["time"],
    cut: str | Sequence[str | Sequence[str]] = (),
    title: str = "",
    limit: int | None = None,
) -> TimeView: ...


def draw(
    outputs: Runs | BaseException,
    *,
    view: str = "flow",
    check: bool = False,
    cut: str | Sequence[str | Sequence[str]] = (),
    inside: bool | str | Sequence[str] = False,
    adjoints: bool | None = None,
    direction: str | None = None,
    layout: str = "layered",
    stubs: bool = True,
    numbers: bool = True,
    fold: bool = True,
    roll: bool = False,
    depth: int | None = None,
    collapse: str | Sequence[str] = (),
    focus: Chosen | None = None,
    hops: int | None = None,
    highlight: Chosen | None = None,
    title: str = "",
    limit: int | None = None,
) -> Drawing | CellView | LayersView | MarkedGraph | MirrorView | TimeView:
    """Draw the flow graph of one or several nodes, with values, shapes and adjoints as they are now.

    Its `.html()` steps through every fprop and bprop, and says what each sends.

    view="mirror" draws the adjoint of each node below it: the arrows between adjoints are reversed, and each says what the
    adjoint is multiplied by on its way. Of a loss with a penalty on adjoints, or of a slope, it draws the adjoints in it in a
    second band, and the adjoints of both bands below. Not too many nodes, and no third order.

    view="time" draws how adjoints shrink or grow over the steps of an unrolled loss: the states of all steps, the adjoints
    sent between them, and the curve of their norms. It takes a loss or its `mg.record`, or several with titles, in a
    dictionary, on one scale.

    view="cell" draws one step of a recurrent net as textbooks draw it: an LSTM, a GRU, recurrent neurons. What it shows is read off
    the graph, whatever gates are called; of any other cell it draws the flow of one step, and says why.

    view="layers" draws a box for each layer, with the shape it gives and the parameters it reads: operations in one scope.

    An error takes the place of the outputs: of an operation, a layer or a bprop that failed, the graph up to there is drawn, the
    operands' shapes side by side; of a failed `mg.check_gradients` each bprop is marked right or wrong, as by check=True.

    What is drawn:

    view:      "flow", "mirror", "cell", "time", or "layers"
    adjoints:  True shows ∂output/∂node in each node, False does not, None does for a number in a small forward graph
    limit:     the most boxes, or dots, a picture may have, by default 2,000, in "mirror" 200 above and 200 below, in "cell" and "layers" 200 (ValueError beyond)
    check:     mark each operation right or wrong: its bprop against differences of its own fprop, at its operands
    title:     of the picture
    inside:    in "layers", True or the names of layers: draw their operations in a frame, of a loop one step
    cut:       in "time", redraws the curve without a path: "h" lets no adjoint from a step to the h of the step before,
               the name of a gate none through the gate; of several cuts, ("h", "c"), each has a curve, and those in
               one, [("i", "f")], are cut together

    Less of a large graph, or some of it with emphasis (in "flow"; they combine, applied in this order):

    roll:      draw consecutive steps of a loop once, "× 100", that do the same with the same parameters; a dashed arrow leads
               from the end of the step to its start
    depth:     draw each scope that lies within so many others as one box: 0 for whole layers
    collapse:  the same for scopes by name: "encoder", or a list
    focus:     draw only what lies between the output and a node, all nodes of a name or in a scope ("W_h", "encoder", "#12"), or
               a list of these; "… 12 more" stands where something is cut off
    hops:      with focus, draw instead what is at most so many arrows away
    highlight: emphasize all paths from such nodes to the output; the rest fades

    How it is drawn (in "flow"):

    direction: where values flow: "LR" to the right, "TB" down, "BT" up; None chooses
    layout:    "layered", which needs nothing and is the same everywhere, or "dot", by Graphviz's program
    stubs:     repeat parameters, and leaves with many uses, at each use, instead of one box with many arrows
    numbers:   write numbers into the operations that use them, instead of a box each
    fold:      draw a long run of like operations, and a max pooling, as one box

    >>> import minigrad as mg
    >>> x = mg.Input(3.0, name="x")
    >>> mg.draw(x * x + 1)
    <Drawing: 4 nodes in 3 boxes; .svg() .dot() .html() .save(path)>
    """
    if view not in VIEWS:
        raise ValueError(f"mg.draw(view={view!r}): one of {', '.join(map(repr, VIEWS))}")
    of_flow = {
        "check": check,
        "adjoints": adjoints is not None,
        "direction": direction is not None,
        "layout": layout != "layered",
        "stubs": not stubs,
        "numbers": not numbers,
        "fold": not fold,
        "roll": roll,
        "depth": depth is not None,
        "collapse": bool(collapse),
        "focus": focus is not None,
        "hops": hops is not None,
        "highlight": highlight is not None,
    }
    _refuse_misplaced(view, [name for name, given in of_flow.items() if given], cut, inside)
    title = cleaned_title(title)
    few, many = (FEW, MOST) if limit is None else (whole_number(limit, "mg.draw(limit"),) * 2
    if view == "time":
        return time_view(cast(Runs, outputs), cut, title, many)
    if view == "mirror":
        return mirror_view(outputs, title, few)
    if view == "cell":
        return cell_view(outputs, title, few)
    if view == "layers":
        return layers_view(outputs, title, few, inside)
    asked = Asked(roll, depth, collapse, focus, hops, highlight)
    _check_flow(outputs, direction, layout, stubs, check, asked)
    if isinstance(outputs, BaseException):
        return draw_error(outputs, title, direction, few)
    if check:
        return draw_checked(outputs, title, direction, few)
    drawn = cast(Node | Sequence[Node] | Record, outputs)
    flow = flow_graph(drawn, adjoints, "mg.draw")
    if asked.any:
        flow = transformed(flow, asked, places_of(drawn))
    boxes = diagram(flow, stubs=stubs, numbers=numbers, fold=fold, title=title)
    if len(boxes.boxes) > many:
        raise ValueError(
            f"mg.draw: a picture of {len(boxes.boxes)} boxes cannot be read (limit={many}). roll=True draws like steps once, "
            "depth=0 a box per scope, focus=node a part; or draw fewer time steps, print mg.listing(node), or raise the limit"
        )
    return Drawing(flow, boxes, direction, layout, (drawn,) if isinstance(drawn, Node) else drawn)


def _refuse_misplaced(view: str, of_flow: Sequence[str], cut: Any, inside: Any) -> None:
    """ValueError for an argument that belongs to another view.

    of_flow: the names of those that were given and belong to "flow"
    """
    if view != "flow" and of_flow:
        besides = ", where inside= opens layers" if view == "layers" and of_flow[0] in ("depth", "collapse") else ""
        raise ValueError(f'mg.draw({of_flow[0]}=...) belongs to view="flow": leave it out of view="{view}"{besides}')
    if view != "layers" and inside is not False:
        raise ValueError(
            'mg.draw(inside=...) belongs to view="layers": in view="flow" depth= and collapse= close scopes'
        )
    if view != "time" and cut:
        raise ValueError('mg.draw(cut=...) belongs to view="time": it redraws the curve of adjoints without a path')


def _check_flow(outputs: Any, direction: str | None, layout: str, stubs: bool, check: bool, asked: Asked) -> None:
    """An error for arguments of "flow" that are none, or that do not go together."""
    if direction is not None and direction not in DIRECTIONS:
        raise ValueError(f"mg.draw(direction={direction!r}): one of {', '.join(map(repr, DIRECTIONS))}, or None")
    if layout not in LAYOUTS:
        raise ValueError(f"mg.draw(layout={layout!r}): one of {', '.join(map(repr, LAYOUTS))}")
    if isinstance(outputs, Mapping):
        raise TypeError(
            'mg.draw: expected nodes or a record, not dict: give one flat list of nodes, or draw several runs by view="time"'
        )
    if asked.any and (check or isinstance(outputs, BaseException)):
        what = "check=True" if check else "an error"
        raise ValueError(
            f"mg.draw: what {what} marks is all of the graph: leave roll, depth, collapse, focus and highlight out"
        )
    if asked.roll and not stubs:
        raise ValueError("mg.draw(roll=True) repeats parameters at their uses: leave stubs=False out")


class Drawing:
    """A picture of a graph, as it was when drawn. In a notebook it shows itself.

    flow: the graph as plain data (`flow.as_dict()` turns into JSON)
    """

    def __init__(
        self, flow: Flow, boxes: Diagram, direction: str | None, layout: str, drawn: Record | Sequence[Node]
    ) -> None:
        self.flow = flow
        self.diagram = boxes
        self.direction = direction or _good_direction(boxes)
        self._asked = layout
        self._drawn = drawn
        self._layout: Layout | None = None

    def __repr__(self) -> str:
        nodes, boxes = len(self.flow.nodes), len(self.diagram.boxes)
        return f"<Drawing: {nodes} nodes in {boxes} boxes; .svg() .dot() .html() .save(path)>"

    @property
    def layout(self) -> Layout:
        """The positions of boxes and arrows, computed once."""
        if self._layout is None:
            self._layout = self._arranged()
        return self._layout

    def _arranged(self) -> Layout:
        if self._asked == "layered":
            return layered(self.diagram, self.direction)
        try:
            return dot.arranged(self.diagram, self.direction)
        except dot.DotError as error:
            raise dot.DotError(f'{error}: mg.draw(..., layout="layered") needs no program') from error

    def svg(self) -> str:
        """The picture as SVG."""
        return to_svg(self.diagram, self.layout)

    def dot(self) -> str:
        """The picture as text for Graphviz."""
        return dot.to_dot(self.diagram, self.direction)

    def mermaid(self) -> str:
        """The picture as text for Mermaid, which draws up to 500 arrows (ValueError beyond)."""
        return to_mermaid(self.diagram, self.direction)

    def text(self) -> str:
        """What the picture shows as text: a line per node."""
        return as_text(self.flow)

    def html(self) -> str:
        """Write a page that steps through what the engine does, one file that needs nothing else: beside the graph the
        current event, with the rule in numbers and what it sends, below a scrubber; what has not arrived reads "not yet".

        Where the picture has no adjoints, it goes through the fprops. Of a record read from a file rules are written
        without numbers. ValueError where the graph has been computed anew since it was drawn, or has stale values.
        """
        if self.flow.shown.chains is not None:
            raise ValueError(
                "Drawing.html: a rolled picture has one box for many steps and cannot be stepped through: draw without roll=True "
                "(fewer time steps, or focus=node), or save it as .svg"
            )
        if self.flow.stale:
            raise ValueError(self.flow.note)
        recorded = self._record()
        if [node.value for node in recorded.nodes] != [node.value for node in self.flow.nodes]:
            raise ValueError("Drawing.html: the graph has other values than when it was drawn: draw it again")
        page = Drawing(self.flow, with_room(without_ends(self.diagram)), self.direction, self._asked, self._drawn)
        return stepper(recorded, page.diagram, page.layout, self.text())

    def _record(self) -> Record:
        """The events of what is drawn; adjoints of all that the picture shows them of."""
        shown = any(node.adjoint for node in self.flow.nodes)
        if isinstance(self._drawn, Record):
            return self._drawn if shown else self._drawn.forward()
        if not shown:
            return record_forward(self._drawn)
        (output,) = self._drawn
        with np.errstate(all="ignore"):
            return record(output, differentiable(in_order([output])))

    def save(self, path: str | Path) -> None:
        """Write a file as a whole or not at all; its suffix says which: .svg .html .txt .mmd .dot .gv, .png by the extra
        `minigrad[png]`, or .pdf by Graphviz's `dot`, which lays it out by itself.
        """
        texts = {".txt": self.text, ".mmd": self.mermaid, ".dot": self.dot, ".gv": self.dot}
        pages = {".png": lambda: to_png(self.svg()), ".pdf": self._pdf}
        save(self, path, {".svg": self.svg, ".html": self.html, **texts, **pages})

    def _pdf(self) -> bytes:
        try:
            return dot.run("pdf", self.dot(), dot.FILE_SECONDS)
        except dot.DotError as error:
            raise dot.DotError(
                f"a .pdf needs Graphviz ({error}): install it (apt install graphviz, brew install graphviz), or save .svg or "
                ".html, which need nothing"
            ) from error

    def _repr_svg_(self) -> str:
        return within(self.svg())

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        return {"image/svg+xml": within(self.svg()), "text/plain": self.text()}


def _good_direction(boxes: Diagram) -> str:
    """To the right, as one reads, unless the graph is so long that it had better be scrolled down."""
    arrows = [(arrow.source, arrow.target) for arrow in boxes.arrows if arrow.role != "delay"]
    where = ranks([box.late for box in boxes.boxes], arrows)
    widths: dict[int, float] = {}
    for box, layer in zip(boxes.boxes, where, strict=True):
        widths[layer] = max(widths.get(layer, 0.0), box.width + BETWEEN_ROWS["LR"])
    return "LR" if sum(widths.values()) <= WIDE else "TB"

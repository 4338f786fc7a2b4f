"""A net as its layers: a box for each scope the graph runs through, with the shape it gives and the parameters it reads."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

from minigrad.drawing import metrics, symbols
from minigrad.drawing.canvas import Picture
from minigrad.drawing.diagram import Arrow, Box, Diagram, diagram
from minigrad.drawing.events import Record
from minigrad.drawing.flow import Flow, FlowNode, flow_graph
from minigrad.drawing.layered import layered
from minigrad.drawing.rolling import rolled
from minigrad.drawing.steps import common
from minigrad.drawing.style import FACES
from minigrad.drawing.svg import to_svg
from minigrad.drawing.text import as_text
from minigrad.drawing.transforms import collapse
from minigrad.node import Node

LONGEST = 30  # characters of a title


@dataclass(slots=True)
class Layer:
    """What is computed one after another in a scope: its name, its nodes, the parameters they read, the layers they read from; the scope."""

    name: str
    nodes: list[FlowNode] = field(default_factory=list)
    parameters: dict[int, FlowNode] = field(default_factory=dict)
    sources: dict[int, None] = field(default_factory=dict)
    path: tuple[str, ...] = ()

    @property
    def shape(self) -> str:
        """The shape of what it gives."""
        return str(self.nodes[-1].shape)

    @property
    def n_trained(self) -> int:
        """The entries of its trained parameters."""
        return sum([math.prod(node.shape) for node in self.parameters.values() if node.kind == "parameter"])

    @property
    def n_fixed(self) -> int:
        """The entries of its parameters that are not trained."""
        return sum([math.prod(node.shape) for node in self.parameters.values() if node.kind == "state"])


def layers_of(flow: Flow) -> list[Layer]:
    """The layers of a graph in the order of execution: operations made one after another in the same layer's scope.

    A scope is a layer's if operations read parameters in it; others are taken as they are, and the steps of a loop as one.
    """
    paths = _paths(flow)
    children = flow.operands()
    kinds = {node.index for node in flow.nodes if node.kind in ("parameter", "state")}
    owners = {path for index, path in paths.items() if path and kinds.intersection(children[index])}
    found, home = _inputs(flow)
    before: tuple[str, ...] | None = None
    for index, path in paths.items():
        key = next((path[:depth] for depth in range(1, len(path)) if path[:depth] in owners), path)
        if key != before:
            found.append(Layer(key[-1] if key else "", path=key))
        before = key
        _read(found[-1], len(found) - 1, [flow.nodes[child] for child in children[index]], home)
        found[-1].nodes.append(flow.nodes[index])
        home[index] = len(found) - 1
    return found


def _inputs(flow: Flow) -> tuple[list[Layer], dict[int, int]]:
    """A layer for each input, and for all that the steps of a loop read; and by the index of an input the place of its layer."""
    groups: dict[object, list[FlowNode]] = {}
    for node in flow.nodes:
        if node.kind == "input":
            groups.setdefault(("loop", node.loop) if node.loop is not None else node.index, []).append(node)
    found = []
    for nodes in groups.values():
        name = nodes[0].name or "input"
        found.append(Layer(name if len(nodes) == 1 else f"{name} … {nodes[-1].name or 'input'}", nodes))
    return found, {node.index: place for place, layer in enumerate(found) for node in layer.nodes}


def _paths(flow: Flow) -> dict[int, tuple[str, ...]]:
    """The scopes of every operation, of those in the steps of a loop what they have in common."""
    found = {index: _split(flow.nodes[index].scope) for index in sorted({edge.target for edge in flow.edges})}
    for number in range(len(flow.loops)):
        inside = [index for index in found if flow.nodes[index].loop == number]
        if inside:
            found |= dict.fromkeys(inside, common([found[index] for index in inside]))
    return found


def _split(scope: str) -> tuple[str, ...]:
    return tuple(scope.split("/")) if scope else ()


def _read(layer: Layer, place: int, operands: Sequence[FlowNode], home: dict[int, int]) -> None:
    """Note the parameters and the layers that operands come from."""
    for child in operands:
        if child.kind in ("parameter", "state"):
            layer.parameters[child.index] = child
        elif home.get(child.index, place) != place:
            layer.sources[home[child.index]] = None


def layers_view(given: object, title: str, limit: int, inside: bool | str | Sequence[str] = False) -> LayersView:
    """Draw the layers of a graph, those of the names `inside`, or all, with their operations."""
    if isinstance(given, Mapping):
        raise TypeError('mg.draw(view="layers") takes nodes, or one record: a dictionary of runs is for view="time"')
    flow = flow_graph(cast(Node | Sequence[Node] | Record, given), False, 'mg.draw(view="layers")')
    if any(node.order for node in flow.nodes):
        raise ValueError(
            'mg.draw(view="layers"): this graph contains adjoints: draw the loss that was differentiated, or all of it '
            'with view="flow"'
        )
    found = layers_of(flow)
    if not found:
        raise ValueError('mg.draw(view="layers"): the graph has no operation and no input, and so no layer')
    if len(found) > limit:
        raise ValueError(
            f'mg.draw(view="layers"): a picture of {len(found)} layers cannot be read (limit={limit}). Scopes gather '
            'operations: with mg.scope("layer"): ...; or raise the limit'
        )
    opened = _opened(found, inside)
    view = LayersView(flow, found, title, _inside(flow, found, opened, title) if opened else None)
    if view.inside is not None and len(view.inside[1].boxes) > limit:
        raise ValueError(
            f'mg.draw(view="layers", inside=...): a picture of {len(view.inside[1].boxes)} boxes cannot be read (limit={limit}). '
            "Open fewer layers by their names, inside=[...], or raise the limit"
        )
    return view


# Operations inside ---------------------------------------------------------------------------------------------------


def _opened(layers: Sequence[Layer], inside: bool | str | Sequence[str]) -> set[int]:
    """The places of the layers whose operations are drawn: those in a scope that have one of these names, or all."""
    scoped = {place: layer.name for place, layer in enumerate(layers) if layer.path}
    if inside is True:
        return set(scoped)
    names = [inside] if isinstance(inside, str) else inside or []
    for name in names:
        if name not in scoped.values():
            known = ", ".join(dict.fromkeys(scoped.values())) or "none: open a scope around each, with mg.scope(name)"
            raise ValueError(f'mg.draw(view="layers", inside={name!r}): no layer has that name; layers are {known}')
    return {place for place, name in scoped.items() if name in names}


def _inside(flow: Flow, layers: Sequence[Layer], opened: set[int], title: str) -> tuple[Flow, Diagram]:
    """The graph with the operations of these layers in a frame each, like steps of a loop drawn once, and all other layers as boxes."""
    scopes: dict[int, str] = {}
    names: list[str] = []
    for place, layer in enumerate(layers):
        if not layer.path:
            continue
        name = f"{_title(layer)}, {layer.shape}, {_counted(layer)}" if place in opened else _title(layer)
        name = name.replace("/", "∕")
        names.append(name if name not in names else f"{name} (#{place})")
        for node in layer.nodes:
            further = _split(node.scope)[len(layer.path) :]
            scopes[node.index] = "/".join([names[-1], *further])
    scopes |= _of_constants(flow, scopes)
    named = replace(flow, nodes=tuple([replace(node, scope=scopes.get(node.index, "")) for node in flow.nodes]))
    closed = [
        name
        for name, place in zip(names, [i for i, each in enumerate(layers) if each.path], strict=True)
        if place not in opened
    ]
    shut = {node.index for place, layer in enumerate(layers) if place not in opened for node in layer.nodes}
    named = rolled(named, shut, required=False)
    shown = collapse(named, closed) if closed else named
    listed = replace(shown, nodes=flow.nodes)
    return listed, diagram(shown, stubs=True, numbers=True, fold=True, title=title)


def _of_constants(flow: Flow, scopes: Mapping[int, str]) -> dict[int, str]:
    """The scopes of constants that a single layer reads, as the states before the first step."""
    readers: dict[int, set[str]] = {}
    for edge in flow.edges:
        if flow.nodes[edge.source].kind == "constant":
            readers.setdefault(edge.source, set()).add(scopes.get(edge.target, "").split("/")[0])
    return {constant: names.pop() for constant, names in readers.items() if len(names) == 1}


class LayersView(Picture):
    """The layers of a net. In a notebook it shows itself.

    layers: the data, in the order of execution
    inside: the graph and its boxes where layers are drawn with their operations
    """

    def __init__(
        self, flow: Flow, layers: Sequence[Layer], title: str, inside: tuple[Flow, Diagram] | None = None
    ) -> None:
        self.flow, self.layers, self.inside = flow, tuple(layers), inside
        of = symbols.shortened(flow.nodes[flow.outputs[0]].title, 40)
        self.headline = title
        self.title = title or f"Layers of {of}"
        parameters = {node.index: node for layer in layers for node in layer.parameters.values()}
        self.n_parameters = Layer("", [], parameters).n_trained
        self.description = f"{len(layers)} layers with {self.n_parameters:,} trained parameters: " + "; ".join(
            [f"{_title(layer)} {layer.shape}, {_counted(layer)}" for layer in layers]
        )

    def __repr__(self) -> str:
        return f"<LayersView: {len(self.layers)} layers, {self.n_parameters:,} parameters; .svg() .text() .html() .save(path)>"

    def svg(self) -> str:
        """The picture as SVG, light or dark as its reader prefers."""
        if self.inside is not None:
            opened = replace(self.inside[1], title=self.title, description=self.description, headline=self.headline)
            return to_svg(opened, layered(opened, "TB"))
        boxes = tuple([_box(i, layer, self.flow) for i, layer in enumerate(self.layers)])
        arrows = [
            Arrow(source, target, slot, "value", "")
            for target, layer in enumerate(self.layers)
            for slot, source in enumerate(sorted(layer.sources))
        ]
        picture = Diagram(boxes, tuple(arrows), self.title, self.description, "", (), (), (), self.headline)
        return to_svg(picture, layered(picture, "TB"))

    def text(self) -> str:
        """A line per layer: where it reads from, its shape, its parameters."""
        rows = [["#", "layer", "reads", "gives", "parameters"]]
        for i, layer in enumerate(self.layers):
            sources = " ".join([f"#{source}" for source in sorted(layer.sources)])
            rows.append([str(i), _title(layer), sources, layer.shape, _counted(layer)])
        widths = [max([len(cell) for cell in column]) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join([cell.ljust(width) for cell, width in zip(row, widths, strict=True)]).rstrip() for row in rows
        ]
        opened = [] if self.inside is None else ["", as_text(self.inside[0])]
        return "\n".join([self.title, "", *lines, "", f"{self.n_parameters:,} trained parameters", *opened])


def _title(layer: Layer) -> str:
    """The name of its scope, or of what is computed where there is none."""
    last = layer.nodes[-1]
    return symbols.shortened(layer.name or last.name or symbols.word(last.operation), LONGEST)


def _counted(layer: Layer) -> str:
    """How many parameters it reads."""
    if not layer.parameters:
        return "no parameters"
    fixed = f", {layer.n_fixed:,} not trained" if layer.n_fixed else ""
    return f"{layer.n_trained:,} parameter{'s' * (layer.n_trained != 1)}{fixed}"


def _box(place: int, layer: Layer, flow: Flow) -> Box:
    last = layer.nodes[-1]
    lines = [("title", _title(layer)), ("small", layer.shape)]
    lines += [("small", _counted(layer))] if layer.parameters else []
    width = max([metrics.width(words, FACES[face]) + 44 for face, words in lines])
    height = sum([FACES[face].height for face, _ in lines]) + 11
    said = [f"{len(layer.nodes)} {last.kind}{'s' * (len(layer.nodes) != 1)}"]
    said += [f"{node.name or 'parameter'} {node.shape}" for node in layer.parameters.values()]
    is_output = any(node.index in flow.outputs for node in layer.nodes)
    role = "input" if last.kind == "input" else "operation"
    return Box(
        f"n{place}", place, role, tuple(lines), "\n".join(said), (), (), is_output, False, float(round(width)), height
    )

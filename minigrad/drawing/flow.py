"""What there is to show of a graph, as plain data that turns into JSON: nodes, children first, and edges."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from minigrad.adjoints import Arrived, Mask, Part, joined, send
from minigrad.changes import stale
from minigrad.drawing import summary, symbols
from minigrad.errors import no_node
from minigrad.graph import by_age, seed_for, sweep
from minigrad.lines import line_of
from minigrad.loops import loops, sweeps
from minigrad.node import Constant, Input, Node, Parameter
from minigrad.numbering import in_order
from minigrad.ops.base import Operation

if TYPE_CHECKING:
    from minigrad.drawing.events import Record
    from minigrad.drawing.steps import Chain

SMALL = 500  # nodes up to which adjoints are computed unasked
Rows = tuple[str, ...]  # of text
VERSION = 2  # of the data that `as_dict` gives


@dataclass(frozen=True, slots=True)
class FlowNode:
    """One node of the graph.

    index:      its place in the order of fprop, from 0
    dtype:      of its value; "" where an operation failed, and so has none
    kind:       "parameter", "state" (not trained), "input", "constant", "operation", "adjoint" (made by a bprop)
    operation:  the name of its class; attributes: what it was given besides children, as text
    value, adjoint: summaries, one line or the rows of a small matrix; () where it was not computed. Of an adjoint that never
                arrives "no path" or "stopped", by `absence`
    adjoint_of: of an adjoint, the index of the node whose bprop made it; None if that node is not in the graph
    order:      0 for what is computed forward, 1 for adjoints, 2 for adjoints of adjoints, ...
    loop, step: the loop it belongs to (a place in `Flow.loops`) and the number of the step; None outside of loops
    role:       what it is in its step: "state", which the next step reads, or "gate"
    line:       the line of the user's program that made it, "net.py:12", if it was born within `source_lines`
    """

    index: int
    kind: str
    operation: str
    attributes: dict[str, str]
    name: str
    shape: tuple[int, ...]
    dtype: str
    value: tuple[str, ...]
    adjoint: tuple[str, ...]
    scope: str
    adjoint_of: int | None
    order: int
    loop: int | None
    step: int | None
    role: str
    line: str

    @property
    def is_number(self) -> bool:
        """Whether it is a mere number, to be written where it is used."""
        return self.kind == "constant" and self.shape == () and not self.name

    @property
    def title(self) -> str:
        """Its name, or what it is and its index."""
        return self.name or f"{symbols.word(self.operation)} #{self.index}"


@dataclass(frozen=True, slots=True)
class FlowEdge:
    """The node `source` is the child number `slot` of the node `target`."""

    source: int
    target: int
    slot: int


@dataclass(frozen=True, slots=True)
class FlowLoop:
    """A loop, or what belongs to it in a backward sweep.

    steps: the numbers of its steps, in the order in which they were computed
    kinds: for each of them a number; those of equal number do the same
    order: how many backward sweeps lie between the loop's own nodes and these: 0 for its own
    of:    the same of the nodes whose adjoints these are
    """

    steps: tuple[int, ...]
    kinds: tuple[int, ...]
    order: int
    of: int


class Label(NamedTuple):
    """A box that stands for several nodes, drawn in place of the last one's own.

    scope: the scope it lies in; None: that of the node
    """

    title: str
    lines: tuple[str, ...]
    role: str
    tooltip: str
    scope: str | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """What a transform (see `transforms`) leaves of a graph: boxes and arrows in place of a box per node and an arrow per edge.

    edges:  the arrows
    stands: of a node without a box the node whose box stands for it; -1: none does
    labels: the boxes that stand for several nodes, by the nodes in whose place they are drawn
    delays: the arrows by which a rolled step reads earlier steps, and how many steps before
    chains: the chains of a rolled graph; None: those found in it
    apart:  what is said of the value on an arrow from one step to another, "1 step before"
    strong: the nodes that are highlighted; None: none is, and none fades
    notes:  sentences below the picture
    scopes: of leaves that lie beside the box of their scope, the scope around it
    """

    edges: tuple[FlowEdge, ...]
    stands: Mapping[int, int] = field(default_factory=dict)
    labels: Mapping[int, Label] = field(default_factory=dict)
    delays: Mapping[FlowEdge, int] = field(default_factory=dict)
    chains: tuple[Chain, ...] | None = None
    apart: Mapping[tuple[int, int], str] = field(default_factory=dict)
    strong: frozenset[int] | None = None
    notes: tuple[str, ...] = ()
    scopes: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Flow:
    """A graph as data. `note` says why adjoints are missing, where one would expect them; `transformed`, what is drawn of it.

    stale: the nodes computed before something they depend on was written to: their values are of before
    ends:  the arrows (child, node) at which an adjoint ends, as `ends` says
    """

    nodes: tuple[FlowNode, ...]
    edges: tuple[FlowEdge, ...]
    outputs: tuple[int, ...]
    loops: tuple[FlowLoop, ...] = ()
    note: str = ""
    transformed: Shown | None = None
    stale: frozenset[int] = frozenset()
    ends: frozenset[tuple[int, int]] = frozenset()

    @property
    def shown(self) -> Shown:
        """What is drawn of it."""
        return self.transformed or Shown(self.edges)

    def as_dict(self) -> dict[str, Any]:
        """The same as dictionaries, lists, numbers and text."""
        data = asdict(replace(self, transformed=None))
        del data["transformed"]  # the graph is the same, however it is drawn
        return {"version": VERSION, **data, "stale": sorted(self.stale), "ends": sorted(self.ends)}

    def operands(self) -> list[list[int]]:
        """The children of every node, in order."""
        children: list[list[int]] = [[] for _ in self.nodes]
        for edge in self.edges:
            children[edge.target].append(edge.source)
        return children


def flow_graph(outputs: Node | Sequence[Node] | Record, adjoints: bool | None, caller: str) -> Flow:
    """The graph of the outputs; adjoints are computed if asked for (None: if the graph is small and has none).

    A record has its graph, with the adjoints it recorded, unless they are not wanted.
    """
    from minigrad.drawing.absence import with_absences
    from minigrad.drawing.ends import ends_of
    from minigrad.drawing.events import Record

    if isinstance(outputs, Record):
        known = outputs.flow
        return (
            known
            if adjoints is not False
            else replace(known, nodes=tuple([replace(node, adjoint=()) for node in known.nodes]), ends=frozenset())
        )
    wanted = tuple(outputs) if isinstance(outputs, Sequence) else (outputs,)
    for node in wanted:
        if not isinstance(node, Node):
            raise no_node(f"{caller} takes a node or several", node, "give one flat list of nodes")
    if not wanted:
        raise ValueError(f"{caller} takes at least one node: there is nothing to show")
    nodes = in_order(wanted)
    outdated, warning = stale(nodes)
    sent: dict[tuple[int, int], bool] = {}
    found, note = _adjoints(wanted, nodes, adjoints, caller, sent)
    values = [summary.rows(node._value) for node in nodes]
    shown = [summary.rows(found[node]._value) if found and node in found else () for node in nodes]
    flow = flow_of(nodes, wanted, values, shown, warning or note)
    flow = replace(flow, stale=frozenset([i for i, node in enumerate(nodes) if node in outdated]))
    if found is None:
        return flow
    asked = set(differentiable(nodes))
    flow = with_absences(flow, *[{i for i, node in enumerate(nodes) if node in group} for group in (asked, found)])
    living = {i for i, node in enumerate(nodes) if node in found and found[node]._value.any()}
    return replace(flow, ends=ends_of(flow, living, sent))


def flow_of(
    nodes: Sequence[Node], outputs: Sequence[Node], values: Sequence[Rows], adjoints: Sequence[Rows], note: str = ""
) -> Flow:
    """The nodes, in the order of `in_order`, as data; values, adjoints: the lines that describe those of each."""
    index = {node: i for i, node in enumerate(nodes)}
    numbers = {node.number: i for i, node in enumerate(nodes)}
    behind, found = sweeps(nodes), loops(nodes)
    places = {node: (i, t, loop) for i, loop in enumerate(found) for t, step in loop.steps.items() for node in step}
    shown = []
    for i, node in enumerate(nodes):
        loop, step, role = None, None, ""
        if node in places:
            loop, step, home = places[node]
            role = home.role(node)
        shown.append(
            FlowNode(
                index=i,
                kind=_kind(node),
                operation=symbols.clean(type(node).__name__),
                attributes=symbols.attributes(node.attributes),
                name=symbols.clean(str(node.name)),
                shape=node.shape,
                dtype=str(node.dtype),
                value=values[i],
                adjoint=adjoints[i],
                scope=str(symbols.clean(node.scope)),  # without its mark
                adjoint_of=None if node.adjoint_of is None else numbers.get(node.adjoint_of),
                order=behind[node][0],
                loop=loop,
                step=step,
                role=role,
                line=symbols.clean(line_of(node)),
            )
        )
    return Flow(
        nodes=tuple(shown),
        edges=tuple(
            [FlowEdge(index[child], index[node], k) for node in nodes for k, child in enumerate(node.children)]
        ),
        outputs=tuple([index[node] for node in dict.fromkeys(outputs)]),
        loops=tuple([FlowLoop(tuple(loop.steps), tuple(loop.kinds.values()), loop.order, loop.of) for loop in found]),
        note=note,
    )


def places_of(outputs: Node | Sequence[Node] | Record) -> dict[Node, int]:
    """The places of the nodes in the graph of the outputs; {} for a record, which has none."""
    if not isinstance(outputs, Node | Sequence):
        return {}
    return {node: i for i, node in enumerate(in_order([outputs] if isinstance(outputs, Node) else outputs))}


def differentiable(nodes: Iterable[Node]) -> list[Node]:
    """The nodes whose adjoints a picture shows: of floating dtype, but for constants."""
    return [node for node in nodes if node.dtype.kind == "f" and not isinstance(node, Constant)]


def _kind(node: Node) -> str:
    if isinstance(node, Parameter):
        return "parameter" if node.trainable else "state"
    if isinstance(node, Input):
        return "input"
    if not node.children and isinstance(node, Constant):
        return "constant"
    return "operation" if node.adjoint_of is None else "adjoint"


def _adjoints(
    outputs: Sequence[Node],
    nodes: Sequence[Node],
    asked: bool | None,
    caller: str,
    sent: dict[tuple[int, int], bool],
) -> tuple[dict[Node, Node] | None, str]:
    """The adjoints that arrive, None where none are to be shown, and why there are none where an attempt failed.

    sent: is told by node and place of the child whether what is sent there is not 0
    """
    if asked is False:
        return None, ""
    if asked and len(outputs) > 1:
        raise ValueError(f"{caller}(adjoints=True) needs one output to differentiate, not {len(outputs)}")
    output = outputs[0]
    inputs = differentiable(nodes)
    if not asked and not (len(outputs) == 1 and _worth_it(output, nodes)):
        return None, ""
    try:
        with np.errstate(all="ignore"):
            seed = seed_for(output, None, takes_adjoint=False)
            index = {node: i for i, node in enumerate(nodes)}

            def sending(node: Operation, adjoint: Node, mask: Mask | None, wanted: set[Node], arrived: Arrived) -> None:
                send(node, adjoint, mask, wanted, arrived, partial(note, node))

            def note(node: Operation, slot: int, part: Part) -> None:
                whole, mask = joined(node.children[slot], [part])
                kept = whole._value if mask is None else np.where(mask()._value, whole._value, 0)
                sent[index[node], slot] = bool(kept.any())

            return sweep(output, seed, sorted(nodes, key=by_age), inputs, keep_graph=True, send=sending), ""
    except Exception as error:  # a picture helps most where a rule is wrong, so it does not fail with it
        if asked:
            raise
        return None, symbols.clean(f"adjoints not computed: {type(error).__name__}: {error}")


def _worth_it(output: Node, nodes: Sequence[Node]) -> bool:
    """Whether adjoints are shown unasked: of a number, in a small graph without any, and without telling a probe."""
    return (
        output.size == 1
        and output.dtype.kind == "f"
        and bool(output.children)
        and len(nodes) <= SMALL
        and all(node.adjoint_of is None and type(node).__name__ != "Probe" for node in nodes)
    )

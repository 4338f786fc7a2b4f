"""What happens in a graph, as plain data: every fprop and every bprop in order, and the arrays that go along the edges.

`record` looks on while the engine itself sweeps, so what is recorded is what is computed: masks, pieces of arrays and sums
included. Arrays and rules are stored once, in tables, and referred to by their place there.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from minigrad.adjoints import Arrived, Held, Mask, Part, joined, send
from minigrad.changes import stale
from minigrad.context import leaving
from minigrad.drawing.absence import NOT_YET, absences, with_absences
from minigrad.drawing.arguments import whole_number
from minigrad.drawing.ends import ends_of
from minigrad.drawing.flow import VERSION, Flow, FlowEdge, FlowLoop, FlowNode, flow_of
from minigrad.drawing.reading import checked, parsed
from minigrad.drawing.stored import Stored, Table
from minigrad.files import write_file
from minigrad.graph import by_age, seed_for, sweep
from minigrad.node import Constant, Input, Node
from minigrad.numbering import in_order
from minigrad.ops.base import Operation, Piece
from minigrad.repetition import kind_of
from minigrad.rules import Rule, rule_of
from minigrad.wording import as_inputs

if TYPE_CHECKING:
    from minigrad.operators import Operand

LARGEST = 64  # entries of an array that is stored whole


class Fprop(NamedTuple):
    """The node computes its value from those of its children."""

    node: int


class Sent(NamedTuple):
    """An adjoint on its way along one edge: to the child, which stands at place `slot` among the children of the sender.

    array: what is sent, in the child's shape, by its place in `arrays`: 0 in the entries a piece does not cover
    mask:  where it counts (elsewhere it is 0, and stays 0 on all further ways), by its place in `arrays`; None: everywhere
    piece: whether the rule gave a piece of it, which the engine merges with others
    """

    child: int
    slot: int
    array: int
    mask: int | None = None
    piece: bool = False


class Bprop(NamedTuple):
    """All parts of the node's adjoint have arrived; its rule is applied to their sum and sends on to the children."""

    node: int
    adjoint: int
    sends: tuple[Sent, ...]


Event = Fprop | Bprop


class RuleText(NamedTuple):
    """The rule of an operation: "y = a b", and what it sends to its children, "ā += ȳ b", "b̄ += ȳ a" (None where it sends nothing).

    symbols: of the children, of the value, of its adjoint, in the formulas
    """

    symbols: tuple[str, ...]
    forward: str
    adjoints: tuple[str | None, ...]


class Moment(NamedTuple):
    """What is known of every node at some time: a place in `arrays`, "not yet", or, where no adjoint will come, the word of
    `absence` that says why: "no path", "stopped", "not asked for", "none".

    arrived: the parts of its adjoint so far, each with the node that sent it
    """

    values: tuple[int | str, ...]
    adjoints: tuple[int | str, ...]
    arrived: tuple[tuple[tuple[int, Sent], ...], ...]


@dataclass(frozen=True, slots=True)
class Record:
    """A graph, and what the engine did in it: plain data that turns into JSON and back.

    flow:     the nodes, children first, and the edges
    wrt:      the nodes whose adjoints were asked for
    values:   of every node its value, by its place in `arrays`
    adjoints: of every node its adjoint likewise; None where none arrived, and `absences()` says why
    events:   an `Fprop` for every operation, then a `Bprop` for every rule applied, in the order of the engine
    arrays:   each once; of one with more entries than `record` was told to store, a summary
    rules:    each once
    ruled:    of every node its rule, by its place in `rules`; None for leaves
    formulas: of every node its rule as formulas, to be written in numbers; () in a record read from a file
    """

    flow: Flow
    wrt: tuple[int, ...]
    values: tuple[int, ...]
    adjoints: tuple[int | None, ...]
    events: tuple[Event, ...]
    arrays: tuple[Stored, ...]
    rules: tuple[RuleText, ...]
    ruled: tuple[int | None, ...]
    formulas: tuple[Rule | None, ...] = field(default=(), compare=False)

    def __repr__(self) -> str:
        backward = sum(isinstance(event, Bprop) for event in self.events)
        return f"<Record: {len(self.flow.nodes)} nodes, {len(self.events) - backward} fprops, {backward} bprops>"

    @property
    def nodes(self) -> tuple[FlowNode, ...]:
        """The nodes of the graph, children first."""
        return self.flow.nodes

    def describe(self) -> str:
        """A paragraph about the graph: what it computes, its loops, and how large the adjoints are that arrive."""
        from minigrad.drawing.description import described

        return described(self)

    def html(self, title: str = "") -> str:
        """Write a page that steps through the events, one file that needs nothing else: see `Drawing.html`."""
        from minigrad.drawing.picture import draw

        return draw(self, title=title).html()

    def forward(self) -> Record:
        """The same without adjoints: every fprop, and no bprop."""
        nodes = tuple([replace(node, adjoint=()) for node in self.nodes])
        flow = replace(self.flow, nodes=nodes, ends=frozenset())
        events = tuple([event for event in self.events if isinstance(event, Fprop)])
        return replace(self, flow=flow, wrt=(), adjoints=(None,) * len(self.nodes), events=events)

    def absences(self) -> list[str]:
        """Why a node has no adjoint, in a word: "no path", "stopped", "not asked for", "none"; "" where it has one."""
        return absences(self.flow, self.wrt, _known(self.adjoints))

    def at(self, n_events: int) -> Moment:
        """What is known when the first so many events have happened: leaves from the start, the loss's adjoint once all
        values are there, any other adjoint as soon as its last part has arrived.
        """
        if not 0 <= n_events <= len(self.events):
            raise IndexError(f"Record.at({n_events}): a number of events from 0 to {len(self.events)}")
        values: list[int | str] = list(self.values)
        for event in self.events[n_events:]:
            if isinstance(event, Fprop):
                values[event.node] = NOT_YET
        arrived: list[list[tuple[int, Sent]]] = [[] for _ in self.values]
        missing = [0] * len(self.values)
        for i, event in enumerate(self.events):
            for sent in event.sends if isinstance(event, Bprop) else ():
                if i < n_events:
                    arrived[sent.child].append((event.node, sent))
                else:
                    missing[sent.child] += 1
        for output in self.flow.outputs:
            missing[output] += NOT_YET in values
        adjoints = [
            word or (NOT_YET if late else cast(int, adjoint))
            for adjoint, late, word in zip(self.adjoints, missing, self.absences(), strict=True)
        ]
        return Moment(tuple(values), tuple(adjoints), tuple(map(tuple, arrived)))

    def as_dict(self) -> dict[str, Any]:
        """The same as dictionaries, lists, numbers and text; numbers that are not finite as "nan", "inf", "-inf"."""
        return {
            "version": VERSION,
            "nodes": [
                _node_as_dict(*of_node)
                for of_node in zip(
                    self.flow.nodes, self.flow.operands(), self.values, self.adjoints, self.ruled, strict=True
                )
            ],
            "loops": [asdict(loop) for loop in self.flow.loops],
            "outputs": list(self.flow.outputs),
            "wrt": list(self.wrt),
            "events": [_event_as_dict(event) for event in self.events],
            "arrays": [array.as_dict() for array in self.arrays],
            "rules": [rule._asdict() for rule in self.rules],
            "note": self.flow.note,
        }

    @staticmethod
    def from_dict(data: dict[str, Any]) -> Record:
        """The record that `as_dict` gave. ValueError says what of the data is wrong, and where."""
        if isinstance(data, dict) and data.get("version") != VERSION:
            raise ValueError(
                f"Record: expected version {VERSION} of the data, found {data.get('version')!r:.60}: record the loss again"
            )
        data = checked(data)
        arrays = tuple([Stored.from_dict(array) for array in data["arrays"]])
        nodes, edges = [], []
        for i, of_node in enumerate(data["nodes"]):
            edges += [FlowEdge(child, i, slot) for slot, child in enumerate(of_node.get("children", ()))]
            nodes.append(_node_from_dict(i, of_node, arrays))
        loops = [FlowLoop(tuple(one["steps"]), tuple(one["kinds"]), one["order"], one["of"]) for one in data["loops"]]
        flow = Flow(tuple(nodes), tuple(edges), tuple(data["outputs"]), tuple(loops), data["note"])
        wrt = tuple(data["wrt"])
        known = _known([of_node.get("adjoint") for of_node in data["nodes"]])
        flow = with_absences(flow, wrt, known)
        adjoints = [of_node.get("adjoint") for of_node in data["nodes"]]
        events = tuple([_event_from_dict(event) for event in data["events"]])
        return Record(
            flow=replace(flow, ends=_ends(flow, arrays, events, adjoints)),
            wrt=wrt,
            values=tuple([of_node["value"] for of_node in data["nodes"]]),
            adjoints=tuple(adjoints),
            events=events,
            arrays=arrays,
            rules=tuple([RuleText(tuple(of["symbols"]), of["forward"], tuple(of["adjoints"])) for of in data["rules"]]),
            ruled=tuple([of_node.get("rule") for of_node in data["nodes"]]),
        )

    def json(self) -> str:
        """The data as JSON; the same bytes in every run."""
        return json.dumps(self.as_dict(), ensure_ascii=False, separators=(",", ":"), allow_nan=False)

    def save(self, path: str | Path) -> None:
        """Write the data as JSON; `Record.load(path)` reads it."""
        write_file(path, self.json())

    @staticmethod
    def load(path: str | Path) -> Record:
        """Read the record that `save` wrote. ValueError names the file and says what in it is no record."""
        try:
            return Record.from_dict(parsed(Path(path).read_text("utf-8")))
        except ValueError as error:
            raise ValueError(f"Record.load({str(path)!r}): {error}") from error


def record(
    loss: Node, wrt: Node | Sequence[Node] | None = None, adjoint: Operand | None = None, *, largest: int = LARGEST
) -> Record:
    """Record how the loss is computed and differentiated: every fprop, every bprop, and what each sends to its children.

    `record.html()` is a page that steps through them.

    wrt:     the nodes of the graph whose adjoints are asked for (ValueError for another one); None for all inputs and all
             parameters that are trained or, where there is none of these, for all that is computed
    adjoint: of the loss, as in `gradients`
    largest: the entries up to which an array is stored whole; of a larger one its range, mean and norm

    >>> import minigrad as mg
    >>> x = mg.Input(3.0, name="x")
    >>> record = mg.record(x * x)
    >>> record.events[1].sends
    (Sent(child=0, slot=0, array=0, mask=None, piece=False), Sent(child=0, slot=1, array=0, mask=None, piece=False))
    >>> record.arrays[record.adjoints[0]].text
    ('6',)
    """
    seed = seed_for(loss, adjoint)
    leaving(loss, "mg.record")
    largest = whole_number(largest, "mg.record(largest")
    nodes = in_order([loss])
    wanted = _asked_for(nodes) if wrt is None else as_inputs(wrt, "record(loss, wrt): wrt are nodes")
    known = set(nodes)
    for node in wanted:
        if node not in known:
            raise ValueError(
                f"mg.record: no path leads from {node.label} to {loss.label}: it is not in the graph. Leave it out of wrt, or "
                "look on its way to the loss for .value, for a copy, or for another object of that name"
            )
    return Recorder(nodes, Table(largest)).record(loss, seed, wanted)


def record_of_scalar(loss: Node, wrt: Sequence[Node] | None = None, *, largest: int = LARGEST) -> Record:
    """Record a loss for a caller that takes no adjoint of it: where it is no scalar, the message does not speak of one."""
    return record(loss, wrt, seed_for(loss, None, takes_adjoint=False), largest=largest)


def record_forward(outputs: Sequence[Node], *, largest: int = LARGEST) -> Record:
    """Record how nodes are computed, and no adjoint: of several outputs, or of one that cannot be differentiated."""
    nodes = in_order(outputs)
    _, warning = stale(nodes)
    if warning:
        raise ValueError(warning)
    return Recorder(nodes, Table(largest)).recorded(outputs, ())


def _asked_for(nodes: Sequence[Node]) -> list[Node]:
    computed = [node for node in nodes if node.dtype.kind == "f" and not isinstance(node, Constant)]
    leaves = [node for node in computed if isinstance(node, Input) or getattr(node, "trainable", False)]
    return leaves or computed


class Recorder:
    """Looks on while the engine sweeps, and writes down what it sees."""

    def __init__(self, nodes: Sequence[Node], table: Table) -> None:
        self.nodes = nodes
        self.index = {node: i for i, node in enumerate(nodes)}
        self.table = table
        self.values = tuple([table.place(node._value) for node in nodes])
        self.adjoints: dict[int, int] = {}
        self.events: list[Event] = [Fprop(i) for i, node in enumerate(nodes) if isinstance(node, Operation)]

    def record(self, loss: Node, seed: Node, wanted: Sequence[Node]) -> Record:
        found = sweep(loss, seed, sorted(self.nodes, key=by_age), wanted, keep_graph=True, send=self.send)
        for node, adjoint in found.items():
            self.adjoints[self.index[node]] = self.table.place(adjoint._value)
        return self.recorded([loss], wanted)

    def recorded(self, outputs: Sequence[Node], wanted: Sequence[Node]) -> Record:
        """What was written down."""
        arrays = self.table.arrays
        adjoints = tuple([self.adjoints.get(i) for i in range(len(self.nodes))])
        shown = [arrays[place].text for place in self.values]
        adjoints_shown = [() if place is None else arrays[place].text for place in adjoints]
        rules, ruled, formulas = _rules(self.nodes)
        wrt = tuple([self.index[node] for node in dict.fromkeys(wanted) if node in self.index])
        flow = with_absences(flow_of(self.nodes, outputs, shown, adjoints_shown), wrt, self.adjoints)
        return Record(
            flow=replace(flow, ends=_ends(flow, arrays, self.events, adjoints)),
            wrt=wrt,
            values=self.values,
            adjoints=adjoints,
            events=tuple(self.events),
            arrays=tuple(arrays),
            rules=rules,
            ruled=ruled,
            formulas=formulas,
        )

    def send(self, node: Operation, adjoint: Node, mask: Mask | None, wanted: set[Node], arrived: Arrived) -> None:
        """Let the engine apply the rule, and note what it sends."""
        sends: list[Sent] = []
        send(node, adjoint, mask, wanted, arrived, partial(self._note, node, sends))
        i = self.index[node]
        self.adjoints[i] = self.table.place(adjoint._value)
        self.events.append(Bprop(i, self.adjoints[i], tuple(sends)))

    def _note(self, node: Operation, sends: list[Sent], slot: int, part: Part) -> None:
        child = node.children[slot]
        whole, mask = joined(child, [part])  # as if it came alone: a piece takes the child's shape
        held = None if mask is None else self.table.place(np.broadcast_to(mask()._value, whole.shape))
        place = self.table.place(whole._value)
        is_piece = isinstance(part.adjoint if isinstance(part, Held) else part, Piece)
        sends.append(Sent(self.index[child], slot, place, held, is_piece))


def _ends(
    flow: Flow, arrays: Sequence[Stored], events: Sequence[Event], adjoints: Sequence[int | None]
) -> frozenset[tuple[int, int]]:
    """The arrows at which an adjoint ends."""
    living = {i for i, place in enumerate(adjoints) if place is not None and arrays[place].norm}
    sent = {
        (event.node, one.slot): bool(arrays[one.array].norm)
        for event in events
        if isinstance(event, Bprop)
        for one in event.sends
    }
    return ends_of(flow, living, sent)


def _known(adjoints: Sequence[int | None]) -> set[int]:
    return {i for i, adjoint in enumerate(adjoints) if adjoint is not None}


def _rules(
    nodes: Sequence[Node],
) -> tuple[tuple[RuleText, ...], tuple[int | None, ...], tuple[Rule | None, ...]]:
    """The rules of the nodes as text, each once, of every node its place among them, and its rule as formulas."""
    texts: dict[RuleText, int] = {}
    known: dict[Any, tuple[int, Rule]] = {}
    places: list[tuple[int, Rule] | tuple[None, None]] = []
    for node in nodes:
        key = kind_of(node, exact=True) if isinstance(node, Operation) else None
        if key is not None and key not in known:
            rule = rule_of(node)
            adjoints = tuple([None if formula is None else formula.line() for formula in rule.adjoints])
            text = RuleText(rule.symbols, rule.forward.line(), adjoints)
            known[key] = texts.setdefault(text, len(texts)), rule
        places.append((None, None) if key is None else known[key])
    return tuple(texts), tuple([place for place, _ in places]), tuple([rule for _, rule in places])


# To and from dictionaries --------------------------------------------------------------------------------------------

PLAIN: dict[str, Any] = {  # left out where they are that
    "attributes": {},
    "name": "",
    "scope": "",
    "adjoint_of": None,
    "order": 0,
    "loop": None,
    "step": None,
    "role": "",
    "line": "",
}


def _node_as_dict(
    node: FlowNode, children: Sequence[int], value: int, adjoint: int | None, rule: int | None
) -> dict[str, Any]:
    data: dict[str, Any] = {
        "kind": node.kind,
        "operation": node.operation,
        "shape": list(node.shape),
        "dtype": node.dtype,
        **{name: getattr(node, name) for name, plain in PLAIN.items() if getattr(node, name) != plain},
        "value": value,
    }
    if children:
        data["children"] = list(children)
    if adjoint is not None:
        data["adjoint"] = adjoint
    if rule is not None:
        data["rule"] = rule
    return data


def _node_from_dict(index: int, data: dict[str, Any], arrays: Sequence[Stored]) -> FlowNode:
    adjoint = data.get("adjoint")
    return FlowNode(
        index=index,
        kind=data["kind"],
        operation=data["operation"],
        shape=tuple(data["shape"]),
        dtype=data["dtype"],
        value=arrays[data["value"]].text,
        adjoint=() if adjoint is None else arrays[adjoint].text,
        **{name: data.get(name, plain) for name, plain in PLAIN.items()},
    )


def _event_as_dict(event: Event) -> dict[str, Any]:
    if isinstance(event, Fprop):
        return {"fprop": event.node}
    return {"bprop": event.node, "adjoint": event.adjoint, "sends": [_sent_as_dict(sent) for sent in event.sends]}


def _sent_as_dict(sent: Sent) -> dict[str, Any]:
    data: dict[str, Any] = {"child": sent.child, "slot": sent.slot, "array": sent.array}
    if sent.mask is not None:
        data["mask"] = sent.mask
    if sent.piece:
        data["piece"] = True
    return data


def _event_from_dict(data: dict[str, Any]) -> Event:
    if "fprop" in data:
        return Fprop(data["fprop"])
    return Bprop(data["bprop"], data["adjoint"], tuple([Sent(**sent) for sent in data["sends"]]))

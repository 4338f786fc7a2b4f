"""One time step of a recorded loop as a small graph: layers, operations between them, and the wires from one to the other.

Products with weights, biases, and the slices of gates that were computed together are no items of their own: they are contracted
into the layers, column by column, so that each gate has its own rows of the weights. Nothing is decided by names.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from minigrad.drawing import summary, symbols
from minigrad.drawing.cell_steps import Steps
from minigrad.drawing.cell_weights import UnknownCellError, Weight, Weights, short, sliced
from minigrad.drawing.flow import Flow, FlowNode
from minigrad.ops.base import Elementwise
from minigrad.ops.registry import operations

LAYER, SUM, OPERATION, MIXING, BEFORE, INPUT = "layer", "sum", "operation", "mixing", "before", "input"
MOST = 100  # sums that are opened outside of a step
SIGNS = {"Sigmoid": "σ"}


class Wire(NamedTuple):
    """What goes from one item to another, its place among the operands there, and the weight it is multiplied by, if any."""

    source: int
    target: int
    slot: int
    weight: Weight | None


@dataclass(frozen=True, slots=True)
class Item:
    """Something that is drawn.

    kind:    "layer" (an activation of weighted sums), "sum" (weighted sums alone), "operation" (entry by entry), "mixing" (an
             operation that is not known to be that), "before" (a state of the step before), "input"
    sign:    "×", "+", "−", "1 −", "σ", "tanh", …
    node:    the node of the flow that computes it; columns: which of its columns
    sources: the items it reads, in order; weights: of each the matrix it is multiplied by, or None
    biases:  what is added besides
    name:    what the graph calls it
    timed:   of an input, whether each step has its own
    after:   of a state of the step before, the item that is this state now
    """

    kind: str
    sign: str
    node: int
    columns: tuple[int, int]
    sources: tuple[int, ...] = ()
    weights: tuple[Weight | None, ...] = ()
    biases: tuple[Weight, ...] = ()
    name: str = ""
    timed: bool = False
    after: int | None = None


@dataclass(frozen=True, slots=True)
class CellGraph:
    """A step as items.

    items:   sources before those that read them
    states:  the items that the next step reads
    outputs: the states that something beside the next step reads
    step, before: the numbers of the step and of the one before it, which is computed earlier
    n_others: how many operations of the step no state depends on
    n_unlike: how many steps of the loop do something else, or have other weights
    """

    items: tuple[Item, ...]
    states: tuple[int, ...]
    outputs: tuple[int, ...]
    step: int
    before: int
    n_others: int
    n_unlike: int

    @property
    def wires(self) -> list[Wire]:
        """All wires within the step."""
        return [
            Wire(source, target, slot, weight)
            for target, item in enumerate(self.items)
            for slot, (source, weight) in enumerate(zip(item.sources, item.weights, strict=True))
        ]


def cell_graph(flow: Flow, loop: int) -> CellGraph:
    """Contract a step of a loop to layers and operations; UnknownCellError where that cannot be done rightly."""
    return _Contraction(flow, loop).graph()


class _View(NamedTuple):
    """Some columns of a node; moves: by which steps along its other axes it was got to."""

    node: int
    low: int
    high: int
    moves: tuple[str, ...] = ()


class _Term(NamedTuple):
    """What a sum adds: an item, an item times a weight, or (without an item) a bias."""

    source: int | None
    weight: Weight | None


class _Contraction:
    """The items made of the nodes of a step."""

    def __init__(self, flow: Flow, number: int) -> None:
        self.flow, self.nodes, self.children = flow, flow.nodes, flow.operands()
        self.steps, self.weights, self.entrywise = Steps(flow, number), Weights(flow), _entrywise()
        self.fixed, self.behind = self.steps.fixed, self.steps.computed_from()
        edges = {(edge.source, edge.target) for edge in flow.edges if not flow.nodes[edge.target].order}
        self.readers = Counter([source for source, _ in edges])
        self.roots = self.steps.carried()
        self.items: list[Item] = []
        self.known: dict[object, int] = {}
        self.seen: set[int] = set()
        self.n_outside = 0

    def graph(self) -> CellGraph:
        """The items that the states of the step are made of."""
        states = [self.item(self._whole(root)) for root in self.roots]
        if len({*states}) < len(states):
            raise UnknownCellError("two of its states are the same")
        after = dict(zip(self.roots, states, strict=True))
        for i, item in enumerate(self.items):
            if item.kind == BEFORE:
                if item.node not in after:
                    raise UnknownCellError("it reads a node of the step before that is no state")
                self.items[i] = replace(item, after=after[item.node])
        others = {*self.steps.now} - self.seen - self.fixed
        outputs = [state for root, state in after.items() if self.steps.is_read_elsewhere(root, others)]
        return CellGraph(
            items=tuple(self.items),
            states=tuple(states),
            outputs=tuple(outputs),
            step=self.steps.step,
            before=self.steps.before,
            n_others=len(others),
            n_unlike=self.steps.n_unlike,
        )

    def item(self, view: _View) -> int:
        """The item that the columns of a node are."""
        view, name = self._stripped(view)
        node = self.nodes[view.node]
        if view.node in self.fixed:
            raise UnknownCellError(f"weights stand elsewhere than in a product or a bias ({node.title})")
        step = self.steps.number_of(view.node)
        if step is None:
            return self._source(view, name)
        if step == self.steps.step:
            return self._operation(view, name)
        if step != self.steps.before:
            raise UnknownCellError("it reads a step further back than the one before")
        if view[:3] != self._whole(view.node)[:3]:
            raise UnknownCellError(f"it reads a part of {node.title}, a state of the step before")
        now = self.steps.now[self.steps.of[view.node][1]]
        return self._made((BEFORE, now), Item(BEFORE, "", now, view[1:3], name=name))

    def _whole(self, node: int) -> _View:
        return _View(node, 0, self._width(node))

    def _width(self, node: int) -> int:
        return self.nodes[node].shape[-1] if self.nodes[node].shape else 1

    def _made(self, key: object, item: Item) -> int:
        """The place of an item, made once."""
        if key not in self.known:
            self.known[key] = len(self.items)
            self.items.append(item)
        return self.known[key]

    def _source(self, view: _View, name: str) -> int:
        """What comes from outside of the loop."""
        if view.node in self.behind:
            raise UnknownCellError("outside of its steps an input is computed from its own states")
        timed = self.nodes[view.node].step == self.steps.step or any(move.startswith("GetItem") for move in view.moves)
        return self._made(view, Item(INPUT, "", view.node, view[1:3], name=name, timed=timed))

    def _operation(self, view: _View, name: str) -> int:
        """An operation of the step."""
        key = view[:3]
        if key in self.known:
            return self.known[key]
        self.seen.add(view.node)
        node, operands = self.nodes[view.node], self.children[view.node]
        kind = OPERATION if node.operation in self.entrywise else MIXING
        made = Item(kind, symbols.INFIX.get(node.operation, ""), view.node, view[1:3], name=name)
        if node.operation in ("Add", "AddN", "MatMul"):
            return self._made(key, self._summed(made, self._opened(view)))
        if kind == MIXING and view[:3] != self._whole(view.node)[:3]:
            raise UnknownCellError(f"a part of {node.title} is used")
        made = replace(made, sign=self._sign(view.node))
        if kind == OPERATION and len(operands) == 1:
            terms = self.terms(self._operand(view, operands[0]))
            if any(term.weight for term in terms) and all(term.weight for term in terms):
                return self._made(key, replace(self._summed(made, terms), kind=LAYER, sign=made.sign))
        sources = tuple([self.item(self._operand(view, i)) for i in operands if not self.nodes[i].is_number])
        return self._made(key, replace(made, sources=sources, weights=(None,) * len(sources)))

    def _sign(self, i: int) -> str:
        """What an operation is called, with the numbers among its operands: "×", "1 −", "tanh"."""
        node, operands = self.nodes[i], [self.nodes[child] for child in self.children[i]]
        if node.operation in SIGNS:
            return SIGNS[node.operation]
        numbers = [summary.line(operand.value) if operand.is_number else None for operand in operands]
        names = ["·"] if len(operands) == 1 else [operand.name for operand in operands]
        return symbols.label(node.operation, node.attributes, numbers, names)

    def _operand(self, view: _View, child: int) -> _View:
        """The columns of an operand that the same columns of an entrywise operation read."""
        if self._width(child) == self._width(view.node):
            return _View(child, view.low, view.high, view.moves)
        return self._whole(child)._replace(moves=view.moves)

    def _summed(self, made: Item, terms: Sequence[_Term]) -> Item:
        """A sum of items, or of items times weights; of both, the latter are an item of their own."""
        biases = tuple([term.weight for term in terms if term.source is None and term.weight])
        weighted = [(term.source, term.weight) for term in terms if term.source is not None and term.weight]
        plain = [term.source for term in terms if term.source is not None and not term.weight]
        if plain and not weighted and biases:
            raise UnknownCellError(f"{biases[0].name} is added to what is no product with weights")
        if not plain:
            sources, weights = zip(*weighted, strict=True) if weighted else ((), ())
            return replace(made, kind=SUM, sign="", sources=sources, weights=weights, biases=biases)
        if weighted:
            part = self._summed(made, [term for term in terms if term.weight])
            plain.append(self._made((SUM, part), replace(part, name="")))
        return replace(made, sign="+", sources=tuple(plain), weights=(None,) * len(plain))

    def terms(self, view: _View) -> list[_Term]:
        """What is summed in some columns of a node. A sum of items is opened only where nobody else reads it."""
        at, name = self._stripped(view)
        if at.node in self.fixed:
            return [_Term(None, self.weights.at(at.node, at.low, at.high, len(self.nodes[at.node].shape) - 1))]
        if at.node not in self.steps.of:
            self.n_outside += 1
            if self.n_outside > MOST:
                return [_Term(self.item(view), None)]
        found = self._opened(at)
        is_read = bool(name) or self.readers[at.node] > 1 or at.node in self.roots
        if (is_read or at.node not in self.steps.of) and any(
            term.source is not None and not term.weight for term in found
        ):
            return [_Term(self.item(view), None)]
        self.seen.add(at.node)
        return found

    def _opened(self, at: _View) -> list[_Term]:
        """The terms of a sum or of a product with weights, else the item itself."""
        if self.steps.number_of(at.node) in (None, self.steps.step):
            if self.nodes[at.node].operation in ("Add", "AddN"):
                operands = [self._operand(at, child) for child in self.children[at.node]]
                return [term for operand in operands for term in self.terms(operand)]
            if self.nodes[at.node].operation == "MatMul":
                return self._product(at)
        return [_Term(self.item(at), None)]

    def _product(self, at: _View) -> list[_Term]:
        """An item times weights: with rows as examples, with a single one, or with columns as examples."""
        a, b = self.children[at.node]
        ranks = len(self.nodes[a].shape), len(self.nodes[b].shape)
        if b in self.fixed and ranks[1] == 2:
            return [_Term(self._factor(a, at), self.weights.at(b, at.low, at.high, 1))]
        if a in self.fixed and ranks == (2, 1):
            return [_Term(self._factor(b, at), self.weights.at(a, at.low, at.high, 0))]
        if a in self.fixed and ranks == (2, 2) and at[:3] == self._whole(at.node)[:3]:
            return [_Term(self._factor(b, at), self.weights.at(a, 0, self.nodes[a].shape[0], 0))]
        if at.node in self.steps.of:
            title = self.nodes[at.node].title
            raise UnknownCellError(f"{title} is a product, but not of a state or an input with a matrix of weights")
        return [_Term(self.item(at), None)]

    def _factor(self, node: int, at: _View) -> int:
        return self.item(self._whole(node)._replace(moves=at.moves))

    def _stripped(self, view: _View) -> tuple[_View, str]:
        """What some columns are before they were cut out and moved, and the name they had on the way."""
        name = ""
        while True:
            node = self.nodes[view.node]
            name = name or short(node.name) if node.kind != "parameter" else name
            further = self._before_move(view, node)
            if further is None:
                return view, name
            self.seen.add(view.node)
            view = further

    def _before_move(self, view: _View, node: FlowNode) -> _View | None:
        """The same columns of the operand, if the node only moves or cuts; None if it does more."""
        step = self.steps.number_of(view.node)
        if step not in (None, self.steps.step) or not self.children[view.node] or view.node in self.fixed:
            return None
        child = self.children[view.node][0]
        shape = self.nodes[child].shape
        if node.operation == "AsType" and node.dtype.startswith("float"):
            return view._replace(node=child)
        if node.operation == "GetItem" and (part := sliced(node, shape)) is not None and part[-1] is not None:
            others = [span for span, size in zip(part[:-1], shape[:-1], strict=True) if span != (0, size)]
            if not others or (self.nodes[child].loop is None and all(span is None for span in others)):
                moves = (*view.moves, f"GetItem {node.attributes['index']}") if others else view.moves
                return _View(child, view.low + part[-1][0], view.high + part[-1][0], moves)
        if step is None and shape and node.shape and self._keeps_columns(node, shape):
            return view._replace(node=child, moves=(*view.moves, f"{node.operation} {node.attributes}"))
        return None

    def _keeps_columns(self, node: FlowNode, shape: tuple[int, ...]) -> bool:
        """Whether a node outside of the loop only moves rows: the time axis to the front, the time and batch axes into one."""
        if node.operation == "Reshape":
            return node.shape[-1] == shape[-1]
        axes = node.attributes.get("axes", "").strip("()").split(", ")
        return node.operation == "Transpose" and axes[-1] == str(len(shape) - 1)


def _entrywise() -> set[str]:
    """The names of operations that compute each entry from the same entries of their operands; of equal names minigrad's own counts."""
    known: dict[str, bool] = {}
    for operation in sorted(operations(), key=lambda operation: operation.__module__.startswith("minigrad.")):
        known[operation.__name__] = issubclass(operation, Elementwise)
    return {name for name, is_entrywise in known.items() if is_entrywise}

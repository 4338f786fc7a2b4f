"""One time step of a recorded loop as a small graph: layers, operations between them, and the wires from one to the other.

Products with weights, biases, and the slices of gates that were computed together are no items of their own: they are contracted
into the layers, column by column, so that each gate has its own rows of the weights. Nothing is decided by names.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from minigrad.drawing import summary, symbols
from minigrad.drawing.cell_weights import UnknownCellError, Weight, Weights, short, sliced
from minigrad.drawing.flow import Flow, FlowLoop, FlowNode
from minigrad.drawing.uses import fixed_nodes
from minigrad.ops.base import Elementwise
from minigrad.ops.registry import operations

LAYER, SUM, OPERATION, MIXING, BEFORE, INPUT = "layer", "sum", "operation", "mixing", "before", "input"
MOST = 100  # operations of a step, and sums opened outside of it
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


def typical_step(loop: FlowLoop) -> int:
    """Choose the place of a step that stands for the others: one of the most frequent kind, after one of its kind if there is such."""
    later = loop.kinds[1:]
    if not later:
        return 0
    kind = Counter(later).most_common(1)[0][0]
    alike = [k for k in range(1, len(loop.kinds)) if loop.kinds[k] == kind]
    return next((k for k in alike if loop.kinds[k - 1] == kind), alike[0])


def cell_graph(flow: Flow, loop: int) -> CellGraph:
    """Contract a step of a loop to layers and operations; UnknownCellError where that cannot be done rightly."""
    return _Step(flow, loop).graph()


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


@dataclass(slots=True)
class _Place:
    """Operations of the loop, by step in the order of execution, and the places of nodes in their steps."""

    steps: dict[int, list[int]] = field(default_factory=dict)
    of: dict[int, tuple[int, int]] = field(default_factory=dict)

    def add(self, node: FlowNode) -> None:
        members = self.steps.setdefault(node.step or 0, [])
        self.of[node.index] = node.step or 0, len(members)
        members.append(node.index)


class _Step:
    """The nodes of a step, and the items made of them."""

    def __init__(self, flow: Flow, number: int) -> None:
        self.flow, self.nodes, self.children = flow, flow.nodes, flow.operands()
        self.fixed, self.weights, self.entrywise = fixed_nodes(flow), Weights(flow), _entrywise()
        self.places = _Place()
        for node in flow.nodes:
            if node.loop == number and self.children[node.index]:
                self.places.add(node)
        loop = flow.loops[number]
        at = typical_step(loop)
        if not at:
            raise UnknownCellError("the loop has a single step, so no state is carried on")
        self.step, self.before = loop.steps[at], loop.steps[at - 1]
        self.now, self.then = self.places.steps[self.step], self.places.steps[self.before]
        if len(self.now) > MOST:
            raise UnknownCellError(
                f"a step has {len(self.now)} operations, which is more than any cell that has a picture"
            )
        if not self._is_like(self.before):
            raise UnknownCellError("its steps are not alike")
        kind = loop.kinds[at]
        self.n_unlike = sum(
            [not self._is_like(step) or bool(k and loop.kinds[k] != kind) for k, step in enumerate(loop.steps)]
        )
        self.readers = Counter(
            [source for source, _ in {(e.source, e.target) for e in flow.edges if not flow.nodes[e.target].order}]
        )
        self.behind = self._computed_from_steps()
        self.items: list[Item] = []
        self.known: dict[object, int] = {}
        self.seen: set[int] = set()
        self.n_outside = 0
        self.roots: set[int] = set()

    def _is_like(self, step: int) -> bool:
        """Whether a step has the operations of the one that is drawn, and reads the same weights; its states may come from elsewhere."""
        there = self.places.steps.get(step, [])
        if [self._what(i) for i in there] != [self._what(i) for i in self.now]:
            return False
        pairs = zip(self.now, there, strict=True)
        slots = [pair for i, other in pairs for pair in zip(self.children[i], self.children[other], strict=True)]
        return all(other == child for child, other in slots if child in self.fixed and child not in self.places.of)

    def _what(self, i: int) -> tuple[str, tuple[int, ...], int]:
        return self.nodes[i].operation, self.nodes[i].shape, len(self.children[i])

    def _computed_from_steps(self) -> set[int]:
        """What lies outside of the loop, but depends on it."""
        found: set[int] = set()
        for node in self.nodes:
            if any(child in found or child in self.places.of for child in self.children[node.index]):
                found.add(node.index)
        return found

    def graph(self) -> CellGraph:
        """The items that the states of the step are made of."""
        roots = self._carried()
        self.roots = {*roots}
        states = tuple([self.item(self._whole(root)) for root in roots])
        if len(set(states)) < len(states):
            raise UnknownCellError("two of its states are the same")
        after = dict(zip(roots, states, strict=True))
        for i, item in enumerate(self.items):
            if item.kind == BEFORE:
                if item.node not in after:
                    raise UnknownCellError("it reads a node of the step before that is no state")
                self.items[i] = replace(item, after=after[item.node])
        others = {self.places.of[i][1] for i in self.now if i not in self.seen | self.fixed}
        outputs = [state for root, state in after.items() if self._is_read_elsewhere(self.places.of[root][1], others)]
        return CellGraph(tuple(self.items), states, tuple(outputs), self.step, self.before, len(others), self.n_unlike)

    def _carried(self) -> list[int]:
        """The operations of this step that the next one reads; numbers summed over the steps, as losses are, are no states."""
        places = set()
        for i in self.now:
            for child in self.children[i]:
                step, place = self.places.of.get(child, (self.step, 0))
                if step == self.before:
                    places.add(place)
                elif step != self.step:
                    raise UnknownCellError("it reads a step further back than the one before")
        roots = [self.now[place] for place in sorted(places) if self.then[place] not in self.fixed]
        sums = [i for i in roots if self.nodes[i].operation == "Add" and self.nodes[i].shape == ()]
        roots = [i for i in roots if i not in sums] or roots
        if not roots:
            raise UnknownCellError("no state is carried on from step to step")
        return roots

    def _is_read_elsewhere(self, place: int, others: set[int]) -> bool:
        """Whether in any step something beside the next one's state depends on that state at once."""
        like = [step[place] for number, step in self.places.steps.items() if self._is_like(number)]
        name = self.nodes[self.now[place]].name  # by which it is known in a last step that lacks what nobody needs
        members = {*like, *[i for i in self.places.of if name and self.nodes[i].name == name]}
        if not members.isdisjoint(self.flow.outputs):
            return True
        for edge in self.flow.edges:
            if edge.source in members and not self.nodes[edge.target].order:
                reader = self.places.of.get(edge.target)
                if reader is None or reader[1] in others:
                    return True
        return False

    def item(self, view: _View) -> int:
        """The item that the columns of a node are."""
        view, name = self._stripped(view)
        node = self.nodes[view.node]
        if view.node in self.fixed:
            raise UnknownCellError(f"weights stand elsewhere than in a product or a bias ({node.title})")
        step, place = self.places.of.get(view.node, (None, 0))
        if step is None:
            return self._source(view, name)
        if step == self.step:
            return self._operation(view, name)
        if step != self.before:
            raise UnknownCellError("it reads a step further back than the one before")
        if view[:3] != self._whole(view.node)[:3]:
            raise UnknownCellError(f"it reads a part of {node.title}, a state of the step before")
        return self._made((BEFORE, place), Item(BEFORE, "", self.now[place], view[1:3], name=name))

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
        timed = self.nodes[view.node].step == self.step or any(move.startswith("GetItem") for move in view.moves)
        return self._made(view, Item(INPUT, "", view.node, view[1:3], name=name, timed=timed))

    def _operation(self, view: _View, name: str) -> int:
        """An operation of the step."""
        key = view[:3]
        if key in self.known:
            return self.known[key]
        node, (low, high) = self.nodes[view.node], view[1:3]
        self.seen.add(view.node)
        is_entrywise = node.operation in self.entrywise
        if not is_entrywise and node.operation != "MatMul" and view[:3] != self._whole(view.node)[:3]:
            raise UnknownCellError(f"a part of {node.title} is used")
        made = Item(
            OPERATION if is_entrywise else MIXING,
            symbols.INFIX.get(node.operation, ""),
            view.node,
            (low, high),
            name=name,
        )
        if node.operation in ("Add", "AddN", "MatMul"):
            return self._made(key, self._summed(made, self._opened(view)))
        operands = self.children[view.node]
        if len(operands) == 1 and node.shape == self.nodes[operands[0]].shape:
            sign = SIGNS.get(node.operation) or symbols.label(node.operation, node.attributes, [None], ["·"])
            terms = self.terms(self._operand(view, operands[0]))
            if (
                is_entrywise
                and any(term.weight for term in terms)
                and all(term.weight or term.source is None for term in terms)
            ):
                return self._made(key, replace(self._summed(made, terms), kind=LAYER, sign=sign))
        else:
            numbers = [summary.line(self.nodes[i].value) if self.nodes[i].is_number else None for i in operands]
            sign = symbols.label(node.operation, node.attributes, numbers, [self.nodes[i].name for i in operands])
        sources = tuple([self.item(self._operand(view, i)) for i in operands if not self.nodes[i].is_number])
        return self._made(key, replace(made, sign=sign, sources=sources, weights=(None,) * len(sources)))

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
        if at.node not in self.places.of:
            self.n_outside += 1
            if self.n_outside > MOST:
                return [_Term(self.item(view), None)]
        found = self._opened(at)
        if any(term.source is not None and not term.weight for term in found):
            step, _ = self.places.of.get(at.node, (None, 0))
            if step != self.step or name or self.readers[at.node] > 1 or at.node in self.roots:
                return [_Term(self.item(view), None)]
        self.seen.add(at.node)
        return found

    def _opened(self, at: _View) -> list[_Term]:
        """The terms of a sum or of a product with weights, else the item itself."""
        node, operands = self.nodes[at.node], self.children[at.node]
        is_before = self.places.of.get(at.node, (self.step, 0))[0] != self.step
        if not is_before and node.operation in ("Add", "AddN"):
            return [term for operand in operands for term in self.terms(self._operand(at, operand))]
        if not is_before and node.operation == "MatMul":
            a, b = operands
            if b in self.fixed and len(self.nodes[b].shape) == 2:
                return [
                    _Term(self.item(self._whole(a)._replace(moves=at.moves)), self.weights.at(b, at.low, at.high, 1))
                ]
            if a in self.fixed and len(self.nodes[a].shape) == 2 and len(self.nodes[b].shape) == 1:
                return [
                    _Term(self.item(self._whole(b)._replace(moves=at.moves)), self.weights.at(a, at.low, at.high, 0))
                ]
            if (
                a in self.fixed and len(self.nodes[a].shape) == 2 and at[:3] == self._whole(at.node)[:3]
            ):  # the examples are columns
                whole = self.nodes[a].shape[0]
                return [_Term(self.item(self._whole(b)._replace(moves=at.moves)), self.weights.at(a, 0, whole, 0))]
            if at.node in self.places.of:
                raise UnknownCellError(
                    f"{node.title} is a product, but not of a state or an input with a matrix of weights"
                )
        return [_Term(self.item(at), None)]

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
        step, _ = self.places.of.get(view.node, (None, 0))
        if step not in (None, self.step) or not self.children[view.node] or view.node in self.fixed:
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
    """The names of operations that compute each entry from the same entries of their operands."""
    known: dict[str, bool] = {}
    for operation in operations():
        known[operation.__name__] = issubclass(operation, Elementwise) and known.get(operation.__name__, True)
    return {name for name, is_entrywise in known.items() if is_entrywise}

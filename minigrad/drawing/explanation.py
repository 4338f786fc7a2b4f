"""Why an adjoint is what it is, in words.

An adjoint is followed from a node up to the loss. Where it is 0 or missing, the rules are named at which it ends: those that are
given something and send nothing on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from minigrad.context import leaving
from minigrad.drawing import summary, symbols
from minigrad.drawing.description import over_time
from minigrad.drawing.events import LARGEST, Bprop, Record, Sent
from minigrad.drawing.flow import FlowNode
from minigrad.drawing.stored import Table
from minigrad.drawing.ways import MANY, Way, Ways
from minigrad.drawing.words import listed, plural, sign_or_word
from minigrad.drawing.zeros import CANCELED, FLAT, PRODUCTS, TINY, ZeroRecorder
from minigrad.errors import no_node
from minigrad.graph import seed_for
from minigrad.node import Constant, Node
from minigrad.numbering import in_order

if TYPE_CHECKING:
    from minigrad.drawing.stored import Stored

LISTED = 10_000  # entries of a parameter whose rows are looked at
LONGEST_NAME, LONGEST_LABEL = 40, 80
LONGEST_PATH = 12  # nodes of a path that are written; of a longer one both ends
MOST = 5  # reasons that are given
CHOICES = ("Where", "Maximum", "Minimum", "Fmax", "Fmin", "Max", "Min", "Sort", "SetAt", "Clip")
SATURATING = ("Tanh", "Sigmoid", "HardTanh", "Erf", "Erfc", "Softmax", "SoftClipping", "Arctan", "Softsign", "Gaussian")


def explain(parameter: Node, loss: Node) -> str:
    """Say along which way the loss's adjoint reaches a parameter (or another node), or where it ends on the way, and why.

    An adjoint is a sum over all ways from the loss. Of a graph of numbers the way that carries most is shown, and its share. Of
    arrays which one that is cannot be found so easily: shown is the one that carries more of two, that whose norms shrink least from
    rule to rule, and that of the largest parts, followed back. Where parts cancel, it is said where.

    >>> import minigrad as mg
    >>> w = mg.Parameter([1.0, 2.0], name="w")
    >>> print(mg.explain(w, mg.relu(w - 3).sum()))
    parameter "w" (2,): its adjoint is 0.
      It ends at relu #3, which sends 0 to − #2: no entry of its input is above 0, so it is dead.
    """
    if not isinstance(parameter, Node):
        raise no_node("mg.explain(parameter, loss) takes a node", parameter, "explain one of them")
    if not isinstance(loss, Node):
        raise no_node("mg.explain(parameter, loss): the loss is a node", loss, "explain one, or their sum")
    nodes = in_order([loss])
    _refuse_swapped(parameter, loss, nodes)
    seed = seed_for(loss, None, takes_adjoint=False)
    index = next((i for i, node in enumerate(nodes) if node is parameter), None)
    if index is None:
        return (
            f"{symbols.shortened(parameter.label, LONGEST_LABEL)} is never used: the loss does not depend on it. If it should, "
            "look on the way from it to the loss for .value, for a copy, or for another object of that name."
        )
    wanted = [node for node in nodes if node.dtype.kind == "f" and not isinstance(node, Constant)]
    if isinstance(parameter, Constant) and parameter.dtype.kind == "f":
        wanted.append(parameter)
    largest = parameter.size if LARGEST < parameter.size <= LISTED else LARGEST
    leaving(loss, "mg.explain")
    recorder = ZeroRecorder(nodes, Table(largest))
    found = recorder.record(loss, seed, wanted)
    return _Explanation(found, nodes, recorder.zeros).of(index)


def _refuse_swapped(parameter: Node, loss: Node, nodes: Sequence[Node]) -> None:
    """ValueError where the first argument is computed from the second, and not the other way round."""
    if parameter is not loss and parameter not in set(nodes) and loss in set(in_order([parameter])):
        raise ValueError(
            f"mg.explain(parameter, loss): the arguments look swapped, since {parameter.label} is computed from {loss.label}: write "
            "the parameter first, then the loss"
        )


class _End(NamedTuple):
    """The rule of `node` is given an adjoint and sends none, or 0, to the child at `slot`."""

    node: int
    slot: int
    sent: Sent | None


class _Explanation:
    """What of a record has to be looked up again and again."""

    def __init__(self, found: Record, nodes: Sequence[Node], zeros: Mapping[tuple[int, int], str]) -> None:
        self.record, self.nodes, self.zeros = found, nodes, zeros
        self.children = found.flow.operands()
        self.parents: list[list[tuple[int, int]]] = [[] for _ in found.nodes]
        for edge in found.flow.edges:
            self.parents[edge.source].append((edge.target, edge.slot))
        self.sent: dict[tuple[int, int], Sent] = {}
        for event in found.events:
            if isinstance(event, Bprop):
                self.sent.update({(event.node, sent.slot): sent for sent in event.sends})

    def of(self, index: int) -> str:
        """The explanation of one node's adjoint."""
        node, adjoint = self.record.nodes[index], self.adjoint(index)
        title = self.title(node)
        if node.dtype[:5] != "float":
            return f"{title} holds {node.dtype}, and only floating-point numbers have adjoints."
        if index in self.record.flow.outputs:
            return f"{title} is the loss itself: its adjoint is {summary.line(node.adjoint)}."
        if adjoint is not None and adjoint.norm:
            texts = [
                *self.ways(index),
                *[f"  {text}" for text in (*self.over_time(index), *self.where_strange(index))],
            ]
            return "\n".join([f"{title}: {self.amount(adjoint)}", *texts])
        what = "no adjoint arrives" if adjoint is None else "its adjoint is 0"
        return "\n".join([f"{title}: {what}.", *[f"  {text}" for text in self.reasons(index)]])

    def adjoint(self, index: int) -> Stored | None:
        """The adjoint of a node, if one was recorded."""
        place = self.record.adjoints[index]
        return None if place is None else self.record.arrays[place]

    def value(self, index: int) -> Stored:
        """The value of a node."""
        return self.record.arrays[self.record.values[index]]

    def title(self, node: FlowNode) -> str:
        """What the node is called, with its shape."""
        shape = f" {node.shape}".replace(" ()", "")
        kind = "" if self.children[node.index] else f"{node.kind} "
        return f"{kind}{self.short(node)}{shape}"

    def short(self, node: FlowNode) -> str:
        """What the node is called."""
        name = f'"{symbols.shortened(node.name, LONGEST_NAME)}"' if node.name else ""
        if self.children[node.index]:
            name = f"{sign_or_word(node)} #{node.index}{' ' * bool(name)}{name}"
        return name or f"#{node.index}"

    def amount(self, adjoint: Stored) -> str:
        """The size of an adjoint, and how many of its entries are 0."""
        text = f"its adjoint has the norm {summary.number(adjoint.norm)}"
        if not adjoint.zeros:
            return f"{text}."
        text = f"{text}, and {adjoint.zeros} of {adjoint.size} entries are 0"
        rows = []
        if len(adjoint.shape) > 1 and adjoint.entries is not None:
            rows = [str(i) for i, row in enumerate(adjoint.array()) if not row.any()]
        return f"{text}: all of {plural(len(rows), 'row')} {listed(rows)}." if rows else f"{text}."

    def ways(self, index: int) -> list[str]:
        """How many ways lead from the loss to this node, and the largest, with the norms of what it alone carries."""
        ways = Ways(self.record, self.nodes, self.parents, self.sent, index)
        way = ways.largest()
        if way is None:
            edges = ways.by_largest_parts()
            norms = [self.norm(edges[0][0]), *[self.record.arrays[self.sent[edge].array].norm for edge in edges]]
            opening = "The way by which most of it comes, with the norm of what is sent along it:"
            return [f"  {opening}", *self.table([*[node for node, _ in edges], index], norms)]
        said = self.share(ways, way, self.norm(index))
        return [*[f"  {text}" for text in said], *self.table(way.nodes, way.norms)]

    def share(self, ways: Ways, way: Way, norm: float) -> list[str]:
        """What the way carries of all that arrives, and where parts cancel."""
        count, carried = ways.count, way.norms[-1]
        texts = []
        if count == 1:
            texts.append("It comes by a single way, with the norm of what arrives along it:")
        else:
            many = f"{count:,.0f}" if count < MANY else f"more than 10^{int(math.log10(min(count, 1e308)))}"
            largest = "The largest" if ways.exact else "The largest found"
            of = f"{summary.number(carried)} {_compared(carried, norm, opposed=way.opposed)}"
            texts.append(f"{largest} of {many} ways carries {of}; with the norm of what it alone carries:")
        if (place := ways.cancelling()) is not None:
            node, part = place
            total = summary.number(self.norm(node))
            uncounted = "" if self.norm(node) else ", and the ways through it are left out"
            at = f"{self.short(self.record.nodes[node])}{self.place(node)}"
            texts.insert(
                0, f"Parts cancel at {at}: norms of up to {summary.number(part)} add up to {total}{uncounted}."
            )
        return texts

    def norm(self, index: int) -> float:
        """The norm of a node's adjoint; 0 where none arrived."""
        adjoint = self.adjoint(index)
        return adjoint.norm if adjoint else 0.0

    def table(self, nodes: Sequence[int], norms: Sequence[float]) -> list[str]:
        """A line for each node of a way, with a norm; of a long one both ends."""
        rows = [
            (f"{self.short(self.record.nodes[node])}{self.place(node)}", summary.number(norm))
            for node, norm in zip(nodes, norms, strict=True)
        ]
        if len(rows) > LONGEST_PATH:
            half = LONGEST_PATH // 2
            rows[half:-half] = [(f"… {len(rows) - 2 * half} more …", "")]
        width = max([len(name) for name, _ in rows])
        return [f"    {name.ljust(width)}  {norm}".rstrip() for name, norm in rows]

    def above(self, index: int) -> set[int]:
        """A node and all that depends on it."""
        seen, todo = {index}, [index]
        while todo:
            for parent, _ in self.parents[todo.pop()]:
                if parent not in seen:
                    seen.add(parent)
                    todo.append(parent)
        return seen

    def over_time(self, index: int) -> list[str]:
        """How the adjoints of the states change over the steps of the loops that read the node."""
        seen = self.above(index)
        inside = {self.record.nodes[i].loop for i in seen if self.record.nodes[i].role == "state"}
        return [text for loop, texts in over_time(self.record).items() if loop in inside for text in texts]

    def place(self, index: int) -> str:
        """The step and the line of a node, in brackets."""
        node = self.record.nodes[index]
        known = [f"step {node.step}"] * (node.step is not None) + [node.line] * bool(node.line)
        return f" ({', '.join(known)})" if known else ""

    def where_strange(self, index: int) -> list[str]:
        """Where on the way to a node finite numbers made a nan or an infinity first: a rule, or the sum of what arrives."""
        above = self.above(index)
        order = [event.node for event in self.record.events if isinstance(event, Bprop) and event.node in above]
        for at in dict.fromkeys([*order, index]):
            adjoint, sender = self.adjoint(at), f"{self.short(self.record.nodes[at])}{self.place(at)}"
            if adjoint is not None and any(adjoint.strange):
                made = summary.line(adjoint.text)
                return [f"All that arrives at {sender} is finite, but the sum is not, {made}: it overflows."]
            for slot, child in enumerate(self.children[at]):
                sent = self.sent.get((at, slot))
                if sent is not None and child in above and any(self.record.arrays[sent.array].strange):
                    made = summary.line(self.record.arrays[sent.array].text)
                    to = self.short(self.record.nodes[child])
                    return [f"{sender} is the first to send what is not finite, {made}, to {to}."]
        return []

    def reasons(self, index: int) -> list[str]:
        """A sentence for every rule at which the adjoint ends; of several alike, one for all."""
        ends: dict[str, list[_End]] = {}
        for end in self.ends(index):
            at = self.children[end.node][end.slot] if self.cancels(end) else self.record.nodes[end.node].operation
            ends.setdefault(f"{at} {self.why(end)}", []).append(end)
        texts = [self.sentence(alike) for alike in list(ends.values())[:MOST]]
        if len(ends) > MOST:
            texts.append(f"And in {len(ends) - MOST} more ways.")
        return texts or ["Its adjoint was not asked for: record it, mg.record(loss, [..., node])."]

    def sentence(self, alike: Sequence[_End]) -> str:
        """Where it ends and why; of several alike the first."""
        first = alike[0]
        node, child = self.record.nodes[first.node], self.record.nodes[self.children[first.node][first.slot]]
        if self.cancels(first):
            return f"It ends at {self.short(child)}{self.place(child.index)}: {self.why(first)}."
        more = f" (and {len(alike) - 1} more like it)" if len(alike) > 1 else ""
        sends = f"sends {'nothing' if first.sent is None else '0'} to {self.short(child)}"
        return f"It ends at {self.short(node)}{self.place(first.node)}{more}, which {sends}: {self.why(first)}."

    def cancels(self, end: _End) -> bool:
        """Whether what is sent there is not 0, but the sum of all that arrives is."""
        return end.sent is not None and self.record.arrays[end.sent.array].norm != 0

    def ends(self, index: int) -> list[_End]:
        """Where what flows from the loss to a node ends: from the node upward, the first rules that are given something."""
        found, seen, todo = [], {index}, [index]
        while todo:
            for parent, slot in self.parents[todo.pop()]:
                given = self.adjoint(parent)
                if given is not None and given.norm:
                    found.append(_End(parent, slot, self.sent.get((parent, slot))))
                elif parent not in seen:
                    seen.add(parent)
                    todo.append(parent)
        return sorted(found, key=lambda end: (end.sent is None, end.node, end.slot))

    def why(self, end: _End) -> str:
        """The reason, as far as it can be read off the values."""
        if end.sent is None:
            return self.why_nothing(end)
        if self.cancels(end):
            return "what arrives there from several parents adds up to 0"
        found = self.zeros.get((end.node, end.slot), "")
        if found == CANCELED:
            return "its terms add up to 0"
        if found == TINY:
            return f"what it would send is too small for {self.record.nodes[end.node].dtype}"
        return self.why_zero(end, is_flat=found == FLAT)

    def why_zero(self, end: _End, *, is_flat: bool) -> str:
        """The reason why every term is 0. is_flat: whether it would be 0, too, if adjoints arrived at other entries."""
        node, children = self.record.nodes[end.node], self.children[end.node]
        value = self.value(children[end.slot])
        if not value.size:
            return "it has no entries"
        if node.operation == "ReLU":
            dead = _greatest(value) <= 0
            return (
                "no entry of its input is above 0, so it is dead"
                if dead
                else "its input is not above 0 where an adjoint arrives"
            )
        if node.operation in PRODUCTS:
            others = [other for slot, other in enumerate(children) if slot != end.slot]
            zeros = [self.short(self.record.nodes[other]) for other in others if not self.value(other).norm]
            if zeros:
                return f"it is multiplied by {zeros[0]}, which is 0"
            return "the other factor is 0 where an adjoint arrives"
        if node.operation == "ClipAdjoint":
            return "what arrives is clipped to 0"
        if node.operation in CHOICES:
            return "another entry is chosen where an adjoint arrives"
        if is_flat and not value.norm:
            return "its slope is 0 where its input is 0"
        if node.operation in SATURATING:
            return (
                f"it is saturated, its values are {summary.line(node.value)}"
                if is_flat
                else "it is saturated where an adjoint arrives"
            )
        return f"so says its rule, {self.rule(end)}"

    def why_nothing(self, end: _End) -> str:
        """The reason why a rule sends nothing."""
        node, child = self.record.nodes[end.node], self.record.nodes[self.children[end.node][end.slot]]
        if node.operation == "StopGradient":
            return "stop_gradient holds it back"
        if child.dtype[:5] != "float":
            return f"{child.dtype} has no adjoint"
        return f"so says its rule, {self.rule(end)}"

    def rule(self, end: _End) -> str:
        """The formulas of the operation and of what it sends there."""
        place = self.record.ruled[end.node]
        if place is None:
            return "which has no formula"
        rule = self.record.rules[place]
        return f"{rule.forward}; {rule.adjoints[end.slot] or 'no adjoint'}"


def _compared(carried: float, norm: float, *, opposed: bool) -> str:
    """What a way carries, compared with the sum of all: "of 1.9 (47 %)"."""
    total = summary.number(norm)
    if opposed:
        return f"against a sum of {total}"
    if carried > norm * (1 + 1e-6):
        return f"and all ways together only {total}"
    percent = 100 * carried / norm
    return f"of {total} ({f'{percent:.0f}' if percent >= 1 else 'less than 1'} %)"


def _greatest(stored: Stored) -> float:
    """The greatest entry; nan counts for nothing."""
    if stored.entries is None:
        return stored.range[1] if stored.range else 0.0
    return max([float(entry) for entry in stored.entries], default=0.0)

"""Step through a record in a page: left the graph, right the current event, below a scrubber.

All text of the page is made here, of the record; its script (`stepper_page`) only shows it. A step is a number of events that
have happened: 0 is the start, where leaves alone are known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from html import escape
from typing import Any, cast

import numpy as np

from minigrad.drawing import metrics, summary, symbols
from minigrad.drawing.diagram import Arrow, Diagram
from minigrad.drawing.events import Bprop, Fprop, Record, Sent
from minigrad.drawing.flow import Flow, FlowNode
from minigrad.drawing.layout import Layout
from minigrad.drawing.packing import embedded, packed
from minigrad.drawing.stepper_page import LOOKS, PAGE
from minigrad.drawing.stepper_script import SCRIPT, compact
from minigrad.drawing.stored import Stored, stored
from minigrad.drawing.style import ARROWS, FACES, MONO, ROLES, SANS, Style, sheet
from minigrad.drawing.svg import corner, in_page, places_of_lines, swatch
from minigrad.rules import Formula, Rule

MOST_ENTRIES = 256  # of an array whose entries are shown
NEGLIGIBLE = 1e-12  # of the largest entry
LONGEST_NAME = 24
SWEEPS = ("", " · adjoints", " · adjoints of adjoints")  # by how many backward sweeps lie behind a loop
WAITING = {"value": "not yet", "adjoint": "∂ 12 of 20"}
MARGIN = 16.0  # left and right of them together
ORDINALS = ("first", "second", "third")


def stepper(record: Record, boxes: Diagram, layout: Layout, listing: str) -> str:
    """Write the page: the picture of the record's graph, its events, what the boxes mean, and the listing."""
    shown = {box.role for box in boxes.boxes}
    roles = [role for role in ROLES if role in shown]
    words = "a … b  μ m: least, greatest and mean entry"
    if any(node.adjoint for node in record.nodes):
        words += "; ∂: the adjoint, ∂output/∂node"
    lines = zip(boxes.arrows, places_of_lines(boxes, layout), strict=True)
    data = {"boxes": [box.node for box in boxes.boxes], "arrows": [_ends(arrow, line) for arrow, line in lines]}
    return PAGE.format(
        title=escape(boxes.title),
        description=escape(boxes.description),
        svg=in_page(boxes, layout),
        legend="\n".join([f"<li>{swatch(role)} {escape(ROLES[role].meaning)}</li>" for role in roles]),
        words=escape(words),
        listing=escape(listing),
        style=_style(boxes, roles),
        data=embedded({**data, **packed(told(record))}),
        script=compact(SCRIPT),
    )


def with_room(boxes: Diagram) -> Diagram:
    """Widen boxes for what stands in them while their value or adjoint is not known."""
    room = {face: metrics.width(text, FACES[face]) + MARGIN for face, text in WAITING.items()}
    wide = [max(box.width, *[room.get(face, 0.0) for face, _ in box.lines]) for box in boxes.boxes]
    return replace(
        boxes, boxes=tuple([replace(box, width=float(round(w))) for box, w in zip(boxes.boxes, wide, strict=True)])
    )


def told(record: Record) -> dict[str, Any]:
    """Put the record into words, step by step.

    nodes:  of each: what it is, its children, the places of value and adjoint in `arrays`, the steps at which its value and
            its adjoint are known (-1: never), the parts of its adjoint as (event, place among its sends), and, of a node in a
            loop, the place of its step in `loops`
    events: of an fprop (node, rule, rule in numbers), of a bprop (node, sends); of a send the child, the rule, the rule in
            numbers, the place in `arrays` of what is sent, and, if it is one of several parts, that of the sum with it (-1: not
            known) and what is missing; of the product of two matrices, in the end, whether the right one is a vector
    arrays: a number, nested lists of numbers, or a sentence about an array that is too large; numbers are text of four digits
    sums:   by its place, an array that is two others side by side, given by theirs: what pieces add up to
    loops:  of each: its scope, and of its steps the number, the first fprop, and the first bprop (0: none)
    turn:   the number of fprops
    """
    arrays = _Arrays(record)
    parts: list[list[tuple[int, int]]] = [[] for _ in record.nodes]
    for i, event in enumerate(record.events):
        for j, sent in enumerate(event.sends if isinstance(event, Bprop) else ()):
            parts[sent.child].append((i, j))
    turn = sum(isinstance(event, Fprop) for event in record.events)
    known = {event.node: i + 1 for i, event in enumerate(record.events) if isinstance(event, Fprop)}
    operands = record.flow.operands()
    loops, places = _loops(record, turn)
    teller = _Teller(record, operands, parts, arrays)
    events = [[*teller.told(event), *_product(record.flow, operands, event.node)] for event in record.events]
    nodes = []
    for i, node in enumerate(record.nodes):
        adjoint = record.adjoints[i]
        complete = max([step + 1 for step, _ in parts[i]], default=turn if i in record.flow.outputs else 0)
        nodes.append(
            [
                _said(node, operands[i], record.nodes[operands[i][0]].name if operands[i] else ""),
                operands[i],
                arrays.place(record.values[i]),
                -1 if adjoint is None else arrays.place(adjoint),
                known.get(i, 0),
                -1 if adjoint is None else complete,
                parts[i],
                *([places[i]] if i in places else []),
            ]
        )
    shown = {"arrays": arrays.shown, "sums": arrays.sums}
    return {"nodes": nodes, "events": events, **shown, "loops": loops, "turn": turn}


def _ends(arrow: Arrow, line: int) -> tuple[int, int, int]:
    """The boxes at both ends of an arrow, and its line in the picture."""
    return arrow.source, arrow.target, line


def _loops(record: Record, turn: int) -> tuple[list[Any], dict[int, tuple[int, int]]]:
    """The loops of more than one step, and of each node in one its loop and step, by their places."""
    events: dict[tuple[int, int], list[list[int]]] = {}
    for i, event in enumerate(record.events):
        node = record.nodes[event.node]
        if node.loop is not None and node.step is not None:
            events.setdefault((node.loop, node.step), [[], []])[i >= turn].append(i + 1)
    shown: list[Any] = []
    places: dict[int, tuple[int, int]] = {}
    for k, loop in enumerate(record.flow.loops):
        steps = [step for step in loop.steps if (k, step) in events]
        if len(steps) < 2:
            continue
        members = [node for node in record.nodes if node.loop == k and node.step in steps]
        scope = next((node.scope for node in members if "/" in node.scope), "").rpartition("/")[0]
        title = (symbols.shortened(scope, LONGEST_NAME) or "steps") + SWEEPS[min(loop.order, 2)]
        found = [(step, *[min(each, default=0) for each in events[k, step]]) for step in steps]
        places |= {node.index: (len(shown), steps.index(cast(int, node.step))) for node in members}
        shown.append((title, found))
    return shown, places


def _product(flow: Flow, operands: Sequence[Sequence[int]], node: int) -> list[str]:
    """What a product of two matrices is, if the page can tell the row and the column of an entry."""
    if flow.nodes[node].operation != "MatMul":
        return []
    left, right = [len(flow.nodes[child].shape) for child in operands[node]]
    return [] if right > 2 else ["matrix" if right == 2 else "dot" if left == 1 else "vector"]


class _Arrays:
    """The arrays of the page, each once."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.shown: list[Any] = []
        self.sums: dict[int, tuple[int, int]] = {}
        self._places: dict[str, int] = {}

    def place(self, array: int) -> int:
        """The place of an array of the record."""
        return self.add(self.record.arrays[array])

    def add(self, array: Stored) -> int:
        """The place of an array."""
        cells = _cells(array)
        place = self._places.setdefault(repr(cells), len(self.shown))
        if place == len(self.shown):
            self.shown.append(cells)
        return place

    def add_sum(self, array: Stored, before: int, now: int) -> int:
        """The place of the sum of two arrays."""
        n, place = len(self.shown), self.add(array)
        if place == n and _merged(self.shown[before], self.shown[now]) == self.shown[place]:
            self.sums[place] = before, now
        return place

    def whole(self, array: int) -> np.ndarray[Any, Any] | None:
        """The entries of an array of the record; None where only a summary is known."""
        found = self.record.arrays[array]
        return None if found.entries is None else found.array()

    def sent(self, sent: Sent) -> np.ndarray[Any, Any] | None:
        """What a send adds to the child's adjoint: 0 where the mask says that it does not count."""
        whole = self.whole(sent.array)
        if whole is None or sent.mask is None:
            return whole
        mask = self.whole(sent.mask)
        return None if mask is None else np.where(mask, whole, whole.dtype.type(0))


class _Teller:
    """Puts events into words."""

    def __init__(
        self, record: Record, operands: list[list[int]], parts: list[list[tuple[int, int]]], arrays: _Arrays
    ) -> None:
        self.record, self.operands, self.parts, self.arrays = record, operands, parts, arrays
        self.sums: dict[int, np.ndarray[Any, Any] | None] = {}
        self.places: dict[int, int] = {}
        self.come = [0] * len(record.nodes)

    def told(self, event: Fprop | Bprop) -> list[Any]:
        """One event; of the sends of a bprop, the sums they belong to."""
        if isinstance(event, Fprop):
            rule = self._rule(event.node)
            formula = None if rule is None else rule.forward
            return [event.node, *self._formula(event.node, formula, self._text(event.node, None), None, None)]
        sends = [self._send(event, sent) for sent in event.sends]
        return [event.node, sends]

    def _send(self, event: Bprop, sent: Sent) -> list[Any]:
        child, array = sent.child, self.arrays.sent(sent)
        rule = self._rule(event.node)
        formula = None if rule is None else rule.adjoints[sent.slot]
        said = self._formula(event.node, formula, self._text(event.node, sent.slot), event.adjoint, array)
        sent_at = self.arrays.place(sent.array) if array is None else self.arrays.add(stored(array))
        shown = [child, *said, sent_at]
        before, first = self.sums.get(child), self.come[child] == 0
        self.come[child] += 1
        missing = self.parts[child][self.come[child] :]
        with np.errstate(all="ignore"):
            after = array if first else None if before is None or array is None else np.asarray(before + array)
        self.sums[child] = after
        if first and not missing:
            return shown
        final = self.record.adjoints[child]
        total = None if after is None else stored(after)
        if not missing and final is not None:
            total = self.record.arrays[final]  # of the engine's own additions
        place = -1
        if total is not None:
            last = self.places.get(child, -1)
            place = self.arrays.add(total) if last < 0 else self.arrays.add_sum(total, last, sent_at)
        self.places[child] = sent_at if first else place
        return [*shown, place, self._status(child, missing)]

    def _status(self, child: int, missing: Sequence[tuple[int, int]]) -> str:
        """Whether a child's adjoint is complete, or for whom it waits."""
        n, k = len(self.parts[child]), self.come[child]
        if not missing:
            return f"complete: {n} parts"
        senders = dict.fromkeys([f"#{self.record.events[i].node}" for i, _ in missing])
        others = list(senders)[:6] + ["…"] * (len(senders) > 6)
        which = f"{ORDINALS[k - 1]} of {n} parts" if k <= len(ORDINALS) else f"part {k} of {n}"
        return f"{which}: waits for {', '.join(others)}"

    def _rule(self, node: int) -> Rule | None:
        return self.record.formulas[node] if self.record.formulas else None

    def _text(self, node: int, slot: int | None) -> str:
        """The rule without numbers, which every record has."""
        rule = self.record.rules[cast(int, self.record.ruled[node])]  # only operations have events
        return rule.forward if slot is None else rule.adjoints[slot] or ""

    def _formula(
        self, node: int, formula: Formula | None, text: str, adjoint: int | None, sent: np.ndarray[Any, Any] | None
    ) -> tuple[str, str]:
        """A formula with the names of the nodes, and in numbers where all arrays are known."""
        rule = self._rule(node)
        if formula is None or rule is None:
            return text, ""
        children = self.operands[node]
        names = rule.bound([self._name(child) for child in children], self._name(node))
        places = [*[self.record.values[child] for child in children], self.record.values[node]]
        arrays = [self.arrays.whole(place) for place in [*places, *([] if adjoint is None else [adjoint])]]
        line = symbols.clean(formula.line(names))
        if any(array is None for array in arrays):
            return line, ""
        values = rule.bound(arrays[: len(children)], arrays[len(children)], None if adjoint is None else arrays[-1])
        if adjoint is not None and sent is not None:
            values[formula.target] = sent
        return line, symbols.clean(formula.in_numbers(values))

    def _name(self, index: int) -> str:
        node = self.record.nodes[index]
        if node.is_number:
            return summary.line(node.value)
        return symbols.shortened(node.name, LONGEST_NAME) if node.name else f"#{index}"


def _said(node: FlowNode, operands: Sequence[int], named: str) -> str:
    """A node as a line of mathematics: "#12 u1 = tanh(#11)", of a leaf "#3 w01", of a part of a leaf "#7 = Wᵀ"."""
    children = [f"#{child}" for child in operands[:12]]
    if named and symbols.rearranged(node.operation, node.attributes, named):
        children = [symbols.shortened(named, LONGEST_NAME)]
    what = symbols.expression(node.operation, node.attributes, children) if children else symbols.word(node.operation)
    parts = [f"#{node.index}", symbols.shortened(node.name, LONGEST_NAME), "=" * bool(children), what]
    return " ".join([part for part in parts if part][: None if children or not node.name else 2])


def _cells(array: Stored) -> Any:
    """An array as the page shows it."""
    if array.entries is not None and 0 < array.size <= MOST_ENTRIES:
        return _nested(_figures(array.entries), array.shape)
    said = f"{array.shape} {array.dtype}: {summary.line(array.text)}"
    return said if array.entries is not None else f"{said}; norm {array.norm:.4g} (summarized)"


def _merged(a: Any, b: Any) -> Any:
    """The entries of two arrays, of each pair the one that is not 0."""
    if isinstance(a, list) and isinstance(b, list):
        return [_merged(*pair) for pair in zip(a, b, strict=True)]
    return b if a == "0" else a


def _nested(entries: list[Any], shape: Sequence[int]) -> Any:
    """The entries as lists of lists."""
    if not shape:
        return entries[0]
    width = len(entries) // shape[0]
    return [_nested(entries[k : k + width], shape[1:]) for k in range(0, len(entries), width)]


def _figures(entries: Sequence[float | bool]) -> list[str]:
    """Entries to four digits, "~0" where rounding alone made them."""
    finite = [abs(entry) for entry in entries if abs(entry) < np.inf]
    least = NEGLIGIBLE * max(finite, default=0)
    return ["~0" if 0 < abs(entry) < least else summary.number(entry) for entry in entries]


def _outline(style: Style) -> str:
    """The corners of boxes, and their dashes."""
    return f"rx:{corner(style.round):g}px" + (f";stroke-dasharray:{style.dashes}" if style.dashes else "")


def _style(boxes: Diagram, roles: Sequence[str]) -> str:
    """The style sheet of picture and page, the families of fonts told once."""
    drawn = {arrow.role for arrow in boxes.arrows}
    fading = any(box.emphasis for box in boxes.boxes)
    looks = [sheet("page", roles, [role for role in ARROWS if role in drawn], fading=fading)]
    looks += [f"#page .{role}-box>rect{{{_outline(ROLES[role])}}}" for role in roles]
    shared = "\n".join(looks).replace(SANS, "var(--sans)").replace(MONO, "var(--mono)")
    return f"#page{{--sans:{SANS};--mono:{MONO}}}\n{shared}{LOOKS}"
